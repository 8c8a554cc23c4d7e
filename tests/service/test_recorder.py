"""The directory of recordings: bounded, and never in the way of a turn."""

import os
import resource
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.errors import SettingsInvalid
from service.settings import Settings
from service.settings.groups import RecordingSettings
from service.storage.recordings import FileRecorder, OneFile, open_recorder, sweep
from service.wiring import open_services
from statemachine import Ending, Header, read_recording
from tests.support.applications import application, names
from tests.support.upstreams import Script, answer

HELLO = Script(answer("Hel", "lo"))
PAYLOAD = b'{"event":{}}'


def header(request_id="request", query="Hi"):
    return Header(
        "agents",
        recorded_at="2026-01-02T03:04:05Z",
        request={"query": query},
        request_id=request_id,
    )


def recorder(directory, **limits):
    return FileRecorder(directory, RecordingSettings(directory=directory, **limits))


def said(log, event):
    return [each for each in log if each["event"] == event]


@contextmanager
def disk_with_room_for(size_bytes):
    """Let no file grow beyond a size, as a full disk would."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def own_name(number):
    """Return a name as recorders give it."""
    return f"20260102T030405Z-{number:08d}-0000-4000-8000-000000000000.jsonl"


def file(directory, name, size_bytes, age_s):
    """Make a file of some size and age; a number stands for a recording of that name."""
    path = directory / (own_name(name) if isinstance(name, int) else name)
    path.write_bytes(b"x" * size_bytes)
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


# One tape.


def test_a_tape_is_called_by_time_and_turn(tmp_path):
    tape = recorder(tmp_path).begin(header("r1"))
    tape.end(Ending.END)

    assert [each.name for each in tmp_path.iterdir()] == ["20260102T030405Z-r1.jsonl"]


def test_times_count_from_before_a_tape_was_begun(tmp_path):
    tape = recorder(tmp_path).begin(header(), waited_s=5.0)
    tape.frame(PAYLOAD)
    tape.end(Ending.END)

    recording = read_recording(tape.path.read_bytes())
    assert 5_000 <= recording.frames[0].at_ms < 6_000


def test_what_is_too_much_is_cut_at_a_line(tmp_path, log):
    tape = recorder(tmp_path, turn_limit_bytes=1_024).begin(header())
    for _ in range(100):
        tape.frame(PAYLOAD)
    tape.end(Ending.END)

    recording = read_recording(tape.path.read_bytes())
    assert tape.path.stat().st_size <= 1_024
    assert recording.ending is Ending.CUT
    assert {each.payload for each in recording.frames} == {PAYLOAD}
    assert len(said(log, "recording.cut")) == 1


def test_a_tape_that_has_ended_takes_nothing_more(tmp_path):
    tape = recorder(tmp_path).begin(header())
    tape.end(Ending.END)
    before = tape.path.read_bytes()
    tape.frame(PAYLOAD)
    tape.end(Ending.RESET)

    assert tape.path.read_bytes() == before


@pytest.mark.parametrize("room", range(0, 400, 37))
def test_a_full_disk_cuts_a_tape_at_a_line(tmp_path, log, room):
    with disk_with_room_for(room):
        tape = recorder(tmp_path).begin(header())
        for _ in range(20):
            tape.frame(PAYLOAD)
        tape.end(Ending.END)

    written = tape.path.read_bytes()
    assert len(written) <= room
    assert written == b"" or read_recording(written).ending is Ending.CUT
    assert len(said(log, "recording.failed")) == 1


def test_a_file_that_is_there_is_never_written_over(tmp_path, log):
    (tmp_path / "mine").write_text("mine")

    assert OneFile(tmp_path / "mine", 1_024).begin(header()) is None
    assert (tmp_path / "mine").read_text() == "mine"
    assert len(said(log, "recording.failed")) == 1


# The directory.


def test_recordings_that_are_too_old_are_deleted(tmp_path):
    old, new = file(tmp_path, 1, 10, 100), file(tmp_path, 2, 10, 50)
    sweep(tmp_path, RecordingSettings(age_limit_s=75))

    assert (old.exists(), new.exists()) == (False, True)


def test_of_too_many_recordings_the_oldest_are_deleted(tmp_path):
    files = [file(tmp_path, age, 500, age) for age in (30, 20, 10)]
    sweep(tmp_path, RecordingSettings(size_limit_bytes=1_024))

    assert [each.exists() for each in files] == [False, True, True]


@pytest.mark.parametrize("name", ["notes.txt", "my-golden.jsonl", "20260102T030405Z-x.jsonl"])
def test_only_own_recordings_are_deleted(name, tmp_path):
    other = file(tmp_path, name, 5_000, 1e9)
    sweep(tmp_path, RecordingSettings(size_limit_bytes=1_024))

    assert other.exists()


def test_the_directory_is_swept_when_recording_begins_and_not_each_time(tmp_path):
    taken = recorder(tmp_path, age_limit_s=75)
    first = file(tmp_path, 1, 10, 100)
    taken.begin(header("1")).end(Ending.END)
    second = file(tmp_path, 2, 10, 100)
    taken.begin(header("2")).end(Ending.END)

    assert (first.exists(), second.exists()) == (False, True)


def test_a_directory_that_cannot_be_swept_is_a_warning(tmp_path, log):
    (tmp_path / own_name(1)).mkdir()
    sweep(tmp_path, RecordingSettings(age_limit_s=1e-9))

    assert len(said(log, "recording.failed")) == 1


def test_a_directory_is_made(tmp_path):
    open_recorder(RecordingSettings(directory=tmp_path / "a" / "b"))

    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("kind", ["a file", "below a file", "nothing can be written"])
def test_a_directory_that_cannot_be_written_is_refused_at_the_start(tmp_path, kind):
    (tmp_path / "file").write_text("")
    directory = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "tapes",
        "nothing can be written": Path("/proc"),
    }[kind]

    with pytest.raises(SettingsInvalid) as raised:
        open_services(Settings(recording={"directory": directory}))
    assert str(raised.value).startswith(f"Recordings cannot go to {directory}: ")


# The turn.


async def test_a_directory_that_is_gone_costs_the_recording_and_not_the_turn(tmp_path, log):
    async with application(HELLO, recording={"directory": tmp_path / "tapes"}) as app:
        (tmp_path / "tapes").rmdir()
        async with app.turn() as turn:
            body = await turn.body()

    assert names(body) == ["start", "token", "token", "turn_complete", "end"]
    assert len(said(log, "recording.failed")) == 1


async def test_a_disk_that_is_full_costs_the_recording_and_not_the_turn(tmp_path, log):
    async with application(HELLO, recording={"directory": tmp_path}) as app:
        with disk_with_room_for(400):
            async with app.turn() as turn:
                body = await turn.body()

    (path,) = tmp_path.iterdir()
    assert names(body) == ["start", "token", "token", "turn_complete", "end"]
    assert len(said(log, "recording.failed")) == 1
    assert read_recording(path.read_bytes()).ending is Ending.CUT


def test_a_link_to_itself_is_nobodys_recording(tmp_path):
    (tmp_path / own_name(1)).symlink_to(tmp_path / own_name(1))

    assert recorder(tmp_path).begin(header()) is not None
