"""Transcripts: one file per turn, whole or not at all, and nothing outside of their directory."""

import json
import os
import stat
from dataclasses import fields, replace
from pathlib import Path

import pytest
from anyio import create_task_group
from hypothesis import given
from hypothesis import strategies as st

from service.domain import AttachmentNote, Model, TurnRecord, hashed
from service.errors import SettingsInvalid
from service.settings.data import TranscriptsSettings
from service.storage.transcripts import FileTranscripts, NoTranscripts, encoded, open_transcripts

TURN = TurnRecord(
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
    "joe@example.com",
    "33333333-3333-4333-8333-333333333333",
    "What is a pod?",
    1_763_900_000.25,
    attachments=(AttachmentNote("log", "text/plain", 12),),
    redactions=2,
    model=Model("vllm/small-8b", "vllm", "small-8b", generates=True),
    outcome="end",
    finish_reason="stop",
    answer="The smallest unit.",
    told=True,
    tool_calls=({"call_id": "c1", "token": {"tool_name": "add", "arguments": {"a": 1}}},),
    tool_results=({"call_id": "c1", "status": "ok"},),
    shields=({"verdict": "passed"},),
    referenced_documents=({"doc_url": "https://a.test/", "doc_title": "Pods"},),
    rag_chunks=({"content": "A pod ...", "source": "docs", "score": 0.5},),
    input_tokens=7,
    output_tokens=9,
    ended_at=1_763_900_003.5,
)
OLD, NOW, NEW = 1_000.0, 2_000.0, 3_000.0


@pytest.fixture
def transcripts(tmp_path) -> FileTranscripts:
    return FileTranscripts(tmp_path)


def path_of(root: Path, turn: TurnRecord) -> Path:
    return root / hashed(turn.user) / turn.conversation_id / f"{turn.request_id}.json"


def files(root: Path) -> set[str]:
    return {str(each.relative_to(root)) for each in root.rglob("*") if not each.is_dir()}


def reasons(log) -> list[str]:
    return [each["reason"] for each in log if each["event"] == "transcript.failed"]


async def written(transcripts: FileTranscripts, age: float, **changed: str) -> Path:
    turn = replace(TURN, **changed)
    await transcripts.write(turn)
    path = path_of(transcripts.directory, turn)
    os.utime(path, (age, age))
    return path


# Writing.


async def test_a_turn_is_one_file_by_user_and_conversation(transcripts, tmp_path):
    await transcripts.write(TURN)

    assert files(tmp_path) == {str(path_of(tmp_path, TURN).relative_to(tmp_path))}


async def test_a_file_has_all_that_is_kept_of_a_turn(transcripts, tmp_path):
    await transcripts.write(TURN)

    told = json.loads(path_of(tmp_path, TURN).read_bytes())
    assert told["version"] == 1
    assert told["metadata"] == {
        "user_id": hashed(TURN.user),
        "conversation_id": TURN.conversation_id,
        "provider": "vllm",
        "model": "small-8b",
        "timestamp": "2025-11-23T12:13:23.500Z",
    }
    assert (told["redacted_query"], told["llm_response"]) == (TURN.question, TURN.answer)
    assert told["attachments"] == [
        {"attachment_type": "log", "content_type": "text/plain", "size_bytes": 12}
    ]
    assert (told["began_at"], told["ended_at"]) == (
        "2025-11-23T12:13:20.250Z",
        "2025-11-23T12:13:23.500Z",
    )
    renamed = {"question", "answer", "user", "model", "conversation_id"}
    ids_of_the_upstream = {"came_from"}
    kept = {each.name for each in fields(TurnRecord)} - ids_of_the_upstream
    assert kept - renamed <= set(told)
    assert not ids_of_the_upstream & set(told)
    same = {"tool_calls", "tool_results", "shields", "referenced_documents", "rag_chunks"}
    assert {name: tuple(told[name]) for name in same} == {
        name: getattr(TURN, name) for name in same
    }


def test_the_name_of_the_user_is_in_no_file():
    assert TURN.user.encode() not in encoded(TURN)


@pytest.mark.parametrize(("finish_reason", "valid"), [("stop", True), ("shield", False)])
def test_a_question_that_a_shield_refused_is_not_valid(finish_reason, valid):
    told = json.loads(encoded(replace(TURN, finish_reason=finish_reason)))

    assert told["query_is_valid"] is valid


def test_a_turn_without_a_model_and_without_an_end_can_be_written():
    told = json.loads(encoded(replace(TURN, model=None, ended_at=None)))

    assert told["metadata"]["model"] is None
    assert told["ended_at"] is None
    assert told["metadata"]["timestamp"] == told["began_at"]


async def test_half_a_letter_is_written(transcripts, tmp_path):
    await transcripts.write(replace(TURN, answer="\ud83d"))

    assert json.loads(path_of(tmp_path, TURN).read_bytes())["llm_response"] == "\ud83d"


async def test_only_the_owner_can_read(transcripts, tmp_path):
    await transcripts.write(TURN)

    path = path_of(tmp_path, TURN)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, *path.parents[:2])]
    assert modes == [0o600, 0o700, 0o700]


async def test_a_turn_that_is_written_again_replaces_itself(transcripts, tmp_path):
    await transcripts.write(TURN)
    await transcripts.write(replace(TURN, answer="More."))

    assert len(files(tmp_path)) == 1
    assert json.loads(path_of(tmp_path, TURN).read_bytes())["llm_response"] == "More."


async def test_many_turns_at_once_are_all_written(transcripts, tmp_path):
    async with create_task_group() as tasks:
        for number in range(50):
            turn = replace(TURN, request_id=f"r{number}", conversation_id=f"c{number % 5}")
            tasks.start_soon(transcripts.write, turn)

    assert len(files(tmp_path)) == 50
    assert all(json.loads(each.read_bytes()) for each in tmp_path.rglob("*.json"))


# What goes wrong.


async def test_a_directory_that_is_gone_costs_the_transcript_only(tmp_path, log):
    await FileTranscripts(tmp_path / "gone").write(TURN)

    assert reasons(log) == ["No such file or directory"]
    assert log[0]["request_id"] == TURN.request_id
    assert TURN.question not in str(log)


async def test_what_cannot_be_a_file_costs_the_transcript_only(transcripts, tmp_path, log):
    await transcripts.write(replace(TURN, tool_calls=({"call_id": object()},)))

    assert reasons(log) == ["TypeError"]
    assert files(tmp_path) == set()


async def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind(
    transcripts, tmp_path, log
):
    path_of(tmp_path, TURN).mkdir(parents=True)

    await transcripts.write(TURN)

    assert reasons(log) == ["Is a directory"]
    assert files(tmp_path) == set()


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../../x", "/etc/x", "a/b", "a\0b", "x" * 300, "\ud800", "é", "C:x"]
)
async def test_a_hostile_id_stays_inside(transcripts, tmp_path, name, log):
    inside = tmp_path / "inside"
    inside.mkdir()
    turn = replace(TURN, conversation_id=name, request_id=name, user=name)

    await FileTranscripts(inside).write(turn)

    (path,) = files(tmp_path)
    first, user, conversation, file = Path(path).parts
    assert (first, user) == ("inside", hashed(name))
    assert len(conversation) == 64
    assert file == f"{conversation}.json"
    assert reasons(log) == []


@given(user=st.text(), conversation=st.text(), request=st.text())
def test_any_ids_give_one_file_three_folders_deep(tmp_path_factory, user, conversation, request):
    root = tmp_path_factory.mktemp("transcripts")
    turn = replace(TURN, user=user, conversation_id=conversation, request_id=request)

    FileTranscripts(root)._write(turn)

    (path,) = files(root)
    assert len(Path(path).parts) == 3


@pytest.mark.parametrize("depth", [0, 1])
async def test_a_link_is_not_followed_to_write(tmp_path, depth, log):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    folder = path_of(root, TURN).parents[1 - depth]
    folder.parent.mkdir(parents=True)
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)

    await FileTranscripts(root).write(TURN)

    assert reasons(log) == ["Not a directory"]
    assert list(elsewhere.iterdir()) == []


# Expiring.


async def test_what_is_too_old_is_deleted_with_its_folders(transcripts, tmp_path):
    await written(transcripts, OLD)
    await written(transcripts, OLD, user="ann")
    kept = await written(transcripts, NEW, request_id="new")

    await transcripts.expire(NOW)

    assert files(tmp_path) == {str(kept.relative_to(tmp_path))}
    assert [each.name for each in tmp_path.iterdir()] == [hashed(TURN.user)]


async def test_what_a_crash_has_left_unfinished_expires_too(transcripts, tmp_path):
    path = await written(transcripts, OLD)
    unfinished = path.with_name(".0123456789abcdef.tmp")
    path.rename(unfinished)

    await transcripts.expire(NOW)

    assert list(tmp_path.iterdir()) == []


async def test_what_is_not_ours_is_left(transcripts, tmp_path):
    path = await written(transcripts, OLD)
    own = path.with_name("notes.txt")
    other = tmp_path / "other" / "conversation" / "turn.json"
    other.parent.mkdir(parents=True)
    for each in (own, other):
        each.touch()
        os.utime(each, (OLD, OLD))

    await transcripts.expire(NOW)

    assert files(tmp_path) == {str(each.relative_to(tmp_path)) for each in (own, other)}


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_a_link_is_not_followed_to_delete(tmp_path, depth):
    outside = FileTranscripts(tmp_path / "outside")
    outside.directory.mkdir()
    precious = await written(outside, OLD)
    link = path_of(tmp_path / "root", TURN).parents[1 - depth] if depth < 2 else None
    link = link or path_of(tmp_path / "root", TURN)
    link.parent.mkdir(parents=True)
    link.symlink_to([*precious.parents[:2][::-1], precious][depth])
    os.utime(link, (OLD, OLD), follow_symlinks=False)

    await FileTranscripts(tmp_path / "root").expire(NOW)

    assert precious.exists()
    assert link.is_symlink()


async def test_more_than_one_step_is_taken(transcripts, tmp_path):
    folder = path_of(tmp_path, TURN).parent
    folder.mkdir(parents=True)
    for number in range(1_100):
        (folder / f"r{number}.json").touch()
        os.utime(folder / f"r{number}.json", (OLD, OLD))

    await transcripts.expire(NOW)

    assert files(tmp_path) == set()


async def test_expiring_in_a_directory_that_is_gone_says_so(tmp_path, log):
    await FileTranscripts(tmp_path / "gone").expire(NOW)

    assert reasons(log) == ["No such file or directory"]


async def test_writing_while_everything_expires_loses_nothing(transcripts, tmp_path):
    """A folder may be deleted between the moments in which it is made and opened."""
    turns = [replace(TURN, request_id=f"r{each}", conversation_id=f"c{each}") for each in range(60)]

    async with create_task_group() as tasks:
        for each in turns:
            tasks.start_soon(transcripts.write, each)
            tasks.start_soon(transcripts.expire, OLD)

    assert len(files(tmp_path)) == len(turns)


# Opening.


async def test_without_a_directory_nothing_is_written():
    opened = open_transcripts(TranscriptsSettings())

    await opened.write(TURN)
    await opened.expire(NOW)

    assert isinstance(opened, NoTranscripts)


def test_a_directory_is_made_for_its_owner(tmp_path):
    open_transcripts(TranscriptsSettings(directory=tmp_path / "a" / "b"))

    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_directory_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(SettingsInvalid, match=r"Transcripts cannot go to .*/file: File exists"):
        open_transcripts(TranscriptsSettings(directory=tmp_path / "file"))
