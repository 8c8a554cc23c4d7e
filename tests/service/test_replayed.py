"""Recorded sessions as the upstream: which one is played, and how."""

import json
import time
from dataclasses import replace

import pytest

from service.app import create_app
from service.domain import Conversation, Plan
from service.errors import SettingsInvalid, UpstreamReset
from service.settings import Settings
from service.upstream.replayed import PACKAGED, ReplayedUpstream, load_recordings
from service.wiring import open_services, services_on
from statemachine import (
    Ending,
    Frame,
    Header,
    OutputModeration,
    Recording,
    TurnStarted,
    write_recording,
)
from tests.support.applications import TURNS, events
from tests.support.asgi import ask, lifespan
from tests.support.plans import every
from tests.support.upstreams import opening_chunk, says

POD = "What is a pod in Kubernetes?"
CHUNK = b'{"event":{"payload":{"event_type":"step_start"}}}'


def recording(title, *at_ms, ending=Ending.END):
    frames = tuple(Frame(each, CHUNK) for each in at_ms)
    return Recording(Header("agents", "tests", title), frames, ending, at_ms[-1] if at_ms else 0)


def upstream(*titles, speed=0.0, **more):
    recordings = {title: recording(title, 1.0) for title in titles} | more
    return ReplayedUpstream(recordings, default_session=next(iter(recordings)), speed=speed)


async def played(source, query):
    """Return title and payloads of the turn that answers a question."""
    turn = source.prepare(Plan(query, Conversation("conversation")))
    async with turn.open() as body:
        assert body.opening == TurnStarted()
        return turn.recording, await every(body.payloads())


@pytest.mark.parametrize(
    "query", [POD, POD.upper(), f"  {POD}\n", "what  is a\tpod in kubernetes?"]
)
def test_a_title_is_found_whatever_its_case_and_spaces(query):
    assert upstream("Drain a pod", POD).title_for(query) == POD


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("drain", "How do I drain a node?"),
        ("Which node is slow?", "Why is the node slow?"),
        ("node, please", "How do I drain a node?"),
        ("COFFEE!", "How do I make coffee?"),
        ("How do I do this?", "How do I make coffee?"),
        ("", "How do I make coffee?"),
        ("???", "How do I make coffee?"),
        ("coffeepot", "How do I make coffee?"),
    ],
)
def test_else_the_rarest_words_decide_and_else_the_default(query, title):
    source = upstream("How do I make coffee?", "How do I drain a node?", "Why is the node slow?")

    assert source.title_for(query) == title


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("What is a pod?", POD),
        ("What's a pod", POD),
        ("What\u2019s a pod's life?", POD),
        ("what are pods", POD),
        ("Hello, what is a pod?", POD),
        ("Tell me what a pod is", POD),
        (
            "What is the difference between a pod and a container?",
            "And when would I put two containers into one of them?",
        ),
        ("write a haiku", POD),
        ("Can you help me, please?", POD),
        ("coffee please", "How do I make a good cup of pour-over coffee?"),
        (
            "Please explain what etcd is",
            "How often should I back up etcd, and where do the snapshots go?",
        ),
        ("how to drain nodes", "How do I drain a node for maintenance without downtime?"),
    ],
)
def test_what_people_ask_most_plays_what_it_is_about(query, title):
    source = ReplayedUpstream(*load_recordings(PACKAGED), default_session=POD, speed=0)

    assert source.title_for(query) == title


def test_of_equal_titles_that_with_fewer_other_words_is_played_and_else_the_default():
    source = upstream("Why is the oven cold?", "A node and a long story", "The node", "An oven!")

    assert source.title_for("node") == "The node"
    assert source.title_for("cold node") == "Why is the oven cold?"
    assert upstream("One oven", "An oven", "My oven").title_for("oven") == "An oven"


def test_every_packaged_session_is_found_by_its_title():
    services = open_services(Settings())
    titles = [each.title for each in services.upstream.info.sessions]

    assert [services.upstream.title_for(each) for each in titles] == titles
    assert services.upstream.info.default_session == POD


async def test_a_recording_is_played_as_it_was_on_the_wire():
    recorded = load_recordings(PACKAGED)
    source = ReplayedUpstream(*recorded, default_session=POD, speed=0)
    title, payloads = await played(source, POD)

    assert title == POD
    assert payloads == [each.payload for each in recorded.sessions[POD].frames]


async def test_every_turn_has_its_own_decoder():
    source = upstream(POD)
    one, two = [source.prepare(Plan(POD, Conversation("conversation"))) for _ in range(2)]

    assert one.decoder is not two.decoder


async def test_speed_0_plays_at_once():
    source = upstream(slow=recording("slow", 1.0, 3_600_000.0))
    begun = time.monotonic()
    _, payloads = await played(source, "slow")

    assert len(payloads) == 2
    assert time.monotonic() - begun < 1


async def test_a_speed_divides_the_times_of_the_recording():
    source = upstream(short=recording("short", 0.0, 100.0), speed=5.0)
    begun = time.monotonic()
    await played(source, "short")

    assert 0.018 <= time.monotonic() - begun < 0.1


async def test_a_lost_connection_is_lost_again():
    source = upstream(lost=recording("lost", 1.0, ending=Ending.RESET))

    with pytest.raises(UpstreamReset):
        await played(source, "lost")


async def test_a_recording_that_was_cut_just_ends():
    source = upstream(cut=recording("cut", 1.0, ending=Ending.CUT))

    assert await played(source, "cut") == ("cut", [CHUNK])


async def test_a_recording_without_frames_can_be_played():
    assert await played(upstream(empty=recording("empty")), "empty") == ("empty", [])


def test_sessions_tell_what_was_asked_then():
    asked = replace(recording("a", 1.0), header=Header("agents", "s", "a", request={"query": "Q"}))
    info = upstream("plain", asked=asked).info

    assert [(each.title, each.query) for each in info.sessions] == [
        ("plain", "plain"),
        ("asked", "Q"),
    ]
    assert info.sessions[0].dialect == "agents"
    assert info.recorded is True


@pytest.fixture
def directory(tmp_path):
    """A directory with two recordings; one is called by its file name, for want of a title."""
    (tmp_path / "b.jsonl").write_bytes(write_recording(recording("First", 1.0)))
    (tmp_path / "c.jsonl").write_bytes(write_recording(recording("", 1.0)))
    (tmp_path / "a.txt").write_text("not a recording")
    return tmp_path


def refusal(directory, **settings):
    with pytest.raises(SettingsInvalid) as raised:
        open_services(Settings(recordings_directory=directory, **settings))
    return str(raised.value)


def test_recordings_come_in_the_order_of_their_files(directory):
    assert list(load_recordings(directory).sessions) == ["First", "c"]


def test_the_first_recording_of_an_own_directory_is_the_default(directory):
    services = open_services(Settings(recordings_directory=directory))

    assert services.upstream.info.default_session == "First"


def test_the_default_can_be_set(directory):
    services = open_services(Settings(recordings_directory=directory, default_session="c"))

    assert services.upstream.info.default_session == "c"


def test_an_unknown_default_is_refused(directory):
    assert refusal(directory, default_session="x") == "No recording has the title 'x'."


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_a_directory_without_recordings_is_refused(tmp_path, name):
    (tmp_path / "empty").mkdir()

    expected = f"There are no recordings (*.jsonl) in {tmp_path / name}."
    assert refusal(tmp_path / name) == expected


def test_a_damaged_recording_is_named_with_its_line(directory):
    with (directory / "b.jsonl").open("ab") as file:
        file.write(b"{broken\n")

    expected = f"The recording {directory / 'b.jsonl'} cannot be read: line 4: "
    assert refusal(directory).startswith(expected)


def test_a_recording_that_is_no_file_is_named(directory):
    (directory / "d.jsonl").mkdir()

    assert f"The recording {directory / 'd.jsonl'} cannot be read: " in refusal(directory)


def test_two_recordings_of_one_title_are_refused(directory):
    (directory / "d.jsonl").write_bytes((directory / "b.jsonl").read_bytes())

    assert refusal(directory) == f"Two recordings in {directory} have the title 'First'."


async def test_text_whose_verdict_was_never_recorded_is_never_said():
    """The recorded process ended while a shield was asked."""
    header = Header("agents", title="cut", moderation=OutputModeration(1))
    payloads = (opening_chunk(), says("SECRET"))
    frames = tuple(Frame(1.0, json.dumps(each).encode()) for each in payloads)
    source = ReplayedUpstream(
        {"cut": Recording(header, frames, Ending.CUT, 1.0)}, default_session="cut", speed=0
    )
    async with lifespan(app := create_app(services_on(source, Settings()))):
        _, body = await ask(app, "POST", TURNS, {"query": "cut"})

    last = events(body)[-1]
    assert (last["event"], last["data"]["code"]) == ("error", "upstream_truncated")
    assert b"SECRET" not in body
