"""Recording turns: what is on a tape comes out again as the client got it."""

import json

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from service.cli.replay import emissions_of, load
from service.domain import hashed
from service.errors import UpstreamError, UpstreamReset
from service.settings import Settings
from service.wiring import open_services
from statemachine import Interrupter, NativeEncoder, OutputModeration, Release
from tests.support import agents_chunks as agents
from tests.support.applications import application, events, names
from tests.support.moderation import (
    OBJECTION,
    PASSED,
    QUESTION_OBJECTION,
    QUESTION_PASSED,
    after_verdict,
    at_once,
)
from tests.support.offers import OFFER
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says
from tests.support.waiting_turns import APPROVED, ASKS, BOTH, GOES_ON, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
BEGUN = (opening_chunk(), says("Hel"))
REFUSED = UpstreamError("upstream_unavailable", "Not available.", 503, detail="connect: secret")
IN_THE_STREAM = OutputModeration(None, Release.AT_ONCE)
BUG = ZeroDivisionError("division by a secret")


def tape_of(turn, directory):
    """Return the recording of a turn."""
    (found,) = directory.glob(f"*-{turn.headers['x-request-id']}.jsonl")
    return found


def replayed(path):
    """Return what a client gets when a recording is replayed."""
    encode = NativeEncoder().encode
    return b"retry: 1000\n" + b"".join(map(encode, emissions_of(load(path), speed=0)))


def ending(path):
    """Return the last line of a recording without its time."""
    last = json.loads(path.read_bytes().splitlines()[-1])
    del last["at_ms"]
    return last


def moderated(*judgements, moderation=None):
    return Script(
        answer("Hel", "lo"),
        judgements=judgements,
        judges_question=True,
        moderation=moderation or after_verdict(3),
    )


@pytest.fixture
def recording(tmp_path):
    """Return the settings that record into a directory."""
    return {"recording": {"directory": tmp_path / "tapes"}}


@pytest.fixture
def tapes(tmp_path):
    return tmp_path / "tapes"


@pytest.mark.parametrize(
    ("script", "last"),
    [
        (HELLO, {"ended": "end"}),
        (Script(BEGUN), {"ended": "end"}),
        (Script((*BEGUN, UpstreamReset())), {"ended": "reset"}),
        (Script((*BEGUN, b"{garbage")), {"ended": "end"}),
        (Script((*BEGUN, b"\xff\xfe")), {"ended": "end"}),
        (Script((*BEGUN, agents.step_start("s9"))), {"ended": "end"}),
        (Script((*BEGUN, agents.error("500: boom"))), {"ended": "end"}),
        (Script((opening_chunk(), b"[DONE]", b"", *answer("Hi")[1:])), {"ended": "end"}),
        (moderated(QUESTION_PASSED, PASSED, PASSED), {"ended": "end"}),
        (moderated(QUESTION_PASSED, PASSED, OBJECTION), {"ended": "end"}),
        (moderated(QUESTION_OBJECTION), {"ended": "end"}),
        (moderated(QUESTION_PASSED, PASSED, PASSED, moderation=at_once(3)), {"ended": "end"}),
        (Script(answer("Hi"), moderation=IN_THE_STREAM), {"ended": "end"}),
    ],
)
async def test_a_recording_gives_the_same_bytes_again(recording, tapes, script, last):
    async with application(script, **recording) as app, app.turn() as turn:
        body = await turn.body()

    tape = tape_of(turn, tapes)
    assert replayed(tape) == body
    assert ending(tape) == last


@pytest.mark.parametrize(
    ("failure", "code"), [(REFUSED, "upstream_unavailable"), (BUG, "internal_error")]
)
async def test_a_failure_of_another_kind_is_on_the_tape(recording, tapes, failure, code):
    """But not what is only for the log."""
    async with application(Script((*BEGUN, failure)), **recording) as app, app.turn() as turn:
        body = await turn.body()

    tape = tape_of(turn, tapes)
    assert replayed(tape) == body
    assert (ending(tape)["ended"], ending(tape)["code"]) == ("failed", code)
    assert b"secret" not in tape.read_bytes()


async def test_a_timeout_is_on_the_tape(recording, tapes):
    script = Script((*BEGUN, NEVER))
    async with application(script, idle_timeout_s=0.01, **recording) as app, app.turn() as turn:
        body = await turn.body()

    tape = tape_of(turn, tapes)
    assert replayed(tape) == body
    assert ending(tape)["code"] == "upstream_timeout"


@pytest.mark.parametrize("by", Interrupter)
async def test_an_interrupt_is_on_the_tape(recording, tapes, by):
    async with application(Script((*BEGUN, NEVER)), **recording) as app, app.turn() as turn:
        begun = await turn.part()
        await wait_all_tasks_blocked()
        await app.services.live.interrupt(turn.headers["x-request-id"], by)
        body = begun + await turn.body()

    tape = tape_of(turn, tapes)
    assert replayed(tape) == body
    assert ending(tape) == {"ended": "interrupted", "by": by}


async def test_only_what_the_service_knows_of_answers_is_not_on_the_tape(recording, tapes):
    async with application(WAITS, **recording) as app, app.turn() as turn:
        *before, last = events(await turn.body())

    *again, end = events(replayed(tape_of(turn, tapes)))
    assert last["data"].pop("answer_within_s") == 600
    assert (again, end) == (before, last)


@pytest.mark.parametrize(
    ("asks", "goes_on", "answers"),
    [(WAITS, GOES_ON, BOTH), (ASKS, APPROVED, {"approvals": [{"call_id": "a1", "approve": True}]})],
)
async def test_a_resumed_turn_is_a_recording_of_its_own(recording, tapes, asks, goes_on, answers):
    async with application(asks, goes_on, **recording) as app:
        turn = await app.ended()
        async with app.answer(turn, **answers) as again:
            body = await again.body()

    assert replayed(tape_of(again, tapes)) == body


async def test_a_recording_says_where_it_comes_from(recording, tapes):
    attachment = {"attachment_type": "log", "content_type": "text/plain", "content": "it broke"}
    asked = {"query": "Why\n is   it?", "attachments": [attachment], "shield_ids": ["guard"]}
    async with application(HELLO, catalogues=(OFFER,), **recording) as app:
        turn = await app.ended(**asked, client_tools=[{"name": "add"}])

    tape = tape_of(turn, tapes)
    header = load(tape).header
    assert (header.dialect, header.server, header.title) == ("agents", "scripted", "Why is it?")
    assert header.request == {
        "query": "Why\n is   it?",
        "model": "vllm/small-8b",
        "system_prompt": "You are a helpful assistant.",
        "attachments": [attachment],
        "shield_ids": ["guard"],
        "vector_store_ids": ["vs_docs", "vs_runbooks"],
        "client_tools": ["add"],
        "user": hashed("developer"),
    }
    assert header.request_id == turn.headers["x-request-id"]
    assert header.conversation_id == turn.headers["x-conversation-id"]
    assert (
        tape.name == f"{header.recorded_at.translate({45: '', 58: ''})}-{header.request_id}.jsonl"
    )


async def test_nothing_secret_is_on_a_tape(recording, tapes):
    server = {"name": "pods", "url": "http://pods.test/mcp", "authorization": "caller"}
    server["headers"] = {"X-Key": "s3cr3t-set"}
    stated = json.dumps({"pods": {"x-given": "s3cr3t-given"}})
    headers = {"Authorization": "Bearer s3cr3t-token", "MCP-HEADERS": stated}
    async with application(HELLO, mcp_servers=[server], **recording) as app:
        turn = await app.ended(headers=headers)

    tape = tape_of(turn, tapes)
    assert app.upstream.plans[0].mcp_servers[0].headers["authorization"] == "Bearer s3cr3t-token"
    assert b"s3cr3t" not in tape.read_bytes()
    assert load(tape).header.request["mcp_servers"] == ["pods"]


async def test_a_tape_is_for_its_owner_only(recording, tapes):
    async with application(HELLO, **recording) as app:
        turn = await app.ended()

    assert tape_of(turn, tapes).stat().st_mode & 0o777 == 0o600


async def test_every_turn_has_its_tape_unless_the_upstream_did_not_take_it(recording, tapes):
    async with application(HELLO, Script(at_open=(REFUSED,)), HELLO, **recording) as app:
        for _ in range(3):
            await app.ended()

    assert len(list(tapes.iterdir())) == 2


async def test_what_arrives_is_on_the_tape_at_once_and_whole(recording, tapes):
    """So that a crash costs little: what is there can be replayed."""
    go_on = anyio.Event()
    script = Script((*BEGUN, go_on, *closing("Hel")))
    async with application(script, **recording) as app, app.turn() as turn:
        await turn.part()
        await wait_all_tasks_blocked()
        told = names(replayed(tape_of(turn, tapes)))
        go_on.set()
        await turn.body()

    assert told == ["start", "token", "error"]


async def test_times_on_a_tape_count_from_when_the_upstream_was_asked(recording, tapes):
    """So that a replay waits as long for the first chunk as the client has."""
    go_on = anyio.Event()
    script = Script(answer("Hi"), at_open=(go_on,))
    async with application(script, commit_wait_s=0.05, **recording) as app, app.turn() as turn:
        await turn.begun()
        go_on.set()
        await turn.body()

    assert load(tape_of(turn, tapes)).frames[0].at_ms > 40


async def test_without_a_directory_nothing_is_recorded(tmp_path):
    async with application(HELLO) as app:
        await app.ended()

    assert list(tmp_path.iterdir()) == []


async def test_recordings_can_be_played_as_an_upstream(recording, tapes):
    """The loop is closed: what was recorded is asked for by its title."""
    async with application(HELLO, **recording) as app:
        await app.ended(query="Say hello")

    services = open_services(Settings(recordings_directory=tapes))
    assert [each.title for each in services.upstream.info.sessions] == ["Say hello"]
