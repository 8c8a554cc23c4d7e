"""How conversations go on with agents and sessions, and what becomes of lost ones."""

import anyio
import pytest

from service.errors import UpstreamError
from statemachine import Summary
from tests.support import agents_chunks as agents
from tests.support.agent_server import LOST_AGENT, LOST_SESSION, AgentServer
from tests.support.plans import PAST, history_of, not_needed, payloads_of, plan, ran
from tests.support.stack import Answer, running, says, streams
from tests.support.upstreams import answer

TOLD = (
    "Be brief.\n\nThe conversation so far:\n\nUser: Who are you?\n\nAssistant: A pod."
    "\n\nUser: Sure?\n\nAssistant: Yes."
)


async def first_thread(upstream, past=()):
    """Run a first turn, and return where its conversation is."""
    turn = upstream.prepare(plan(), history_of(past))
    thread = turn.thread(await ran(turn))
    assert thread is not None
    return thread


def targets(server):
    return [each.target.removeprefix(server.root) for each in server.to("POST")]


async def test_a_second_conversation_shares_the_agent():
    server = AgentServer()
    async with running(server) as upstream:
        one, two = await first_thread(upstream), await first_thread(upstream)

    assert (one.ids, two.ids) == (("a1", "s1", "shared"), ("a1", "s2", "shared"))
    assert targets(server).count("") == 1


async def test_many_first_turns_at_once_make_one_agent():
    server = AgentServer()
    async with running(server) as upstream, anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(payloads_of, upstream.prepare(plan()))

    assert targets(server).count("") == 1
    assert targets(server).count("/a1/session") == 8


async def test_the_next_turn_goes_on_in_the_session():
    server = AgentServer()
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan("And then?", thread=thread), not_needed)
        again = turn.thread(await ran(turn))

    assert targets(server) == ["", "/a1/session", "/a1/session/s1/turn", "/a1/session/s1/turn"]
    assert again == thread


@pytest.mark.parametrize(
    "changed",
    [
        {"system_prompt": "Sing."},
        {"model": None},
        {"input_shields": ("b",)},
        {"output_shields": ("b",)},
    ],
    ids=str,
)
async def test_what_an_agent_cannot_change_needs_another_with_the_history(changed):
    server = AgentServer()
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan(thread=thread, **changed), history_of(PAST))
        other = turn.thread(await ran(turn))

    instructions = changed.get("system_prompt", "Be brief.")
    assert server.created()[1]["instructions"] == TOLD.replace("Be brief.", instructions)
    assert other.ids == ("a2", "s2", "own")


async def test_an_agent_of_one_conversation_is_gone_on_with():
    server = AgentServer()
    async with running(server) as upstream:
        own = await first_thread(upstream, past=PAST)
        turn = upstream.prepare(plan(thread=own), history_of(PAST))
        again = turn.thread(await ran(turn))

    assert own.ids == ("a1", "s1", "own")
    assert again == own
    assert len(server.created()) == 1


@pytest.mark.parametrize("lost", [LOST_AGENT, LOST_SESSION])
async def test_what_a_server_has_lost_is_rebuilt(lost):
    server = AgentServer().turns(1, 1, streams(*answer("Hi")), streams(lost))
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan("And then?", thread=thread), history_of(PAST))
        summary = await ran(turn)

    assert summary.outcome == "end"
    assert turn.thread(summary).ids == ("a2", "s2", "own")
    assert server.created()[1]["instructions"] == TOLD


async def test_it_is_rebuilt_once_and_not_for_ever():
    server = AgentServer().turns(1, 1, streams(*answer("Hi")), streams(LOST_SESSION))
    server.turns(2, 2, streams(LOST_SESSION))
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan(thread=thread), history_of(PAST))
        summary = await ran(turn)
        kept = turn.thread(summary)

    assert (summary.outcome, kept) == ("error", None)
    assert len(server.created()) == 2


async def test_another_error_is_told_as_it_is():
    refused = agents.error("404: Tool Group 'nope' not found.")
    server = AgentServer().turns(1, 1, streams(*answer("Hi")), streams(refused))
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan(thread=thread), history_of(PAST))
        summary = await ran(turn)

    assert summary.code == "upstream_not_found"
    assert len(server.created()) == 1


GONE = says({"detail": "Invalid value: Could not find agent info for a1"}, 400)


async def test_a_shared_agent_that_the_server_has_lost_is_made_again():
    server = AgentServer()
    async with running(server) as upstream:
        await first_thread(upstream)
        server.on("POST", f"{server.root}/a1/session", GONE)
        thread = await first_thread(upstream)

    assert thread.ids == ("a2", "s2", "shared")


async def test_many_who_find_out_at_once_make_one_again():
    server, all_asked = AgentServer(), anyio.Event()
    sessions = f"{server.root}/a1/session"

    def wait_for_the_others(_):
        if len(server.bodies(sessions)) == 7:
            all_asked.set()
        return Answer(400, (all_asked, b'{"detail": "Could not find agent info for a1"}'))

    async with running(server) as upstream:
        await first_thread(upstream)
        server.on("POST", sessions, wait_for_the_others)
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(payloads_of, upstream.prepare(plan()))

    assert len(server.created()) == 2


async def test_an_agent_that_cannot_be_made_is_not_asked_for_twice():
    server = AgentServer()
    server.on("POST", server.root, GONE)
    async with running(server) as upstream:
        with pytest.raises(UpstreamError) as refused:
            await first_thread(upstream)

    assert refused.value.code == "upstream_bad_request"
    assert targets(server) == [""]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_another_failure_of_a_session_says_nothing_about_its_agent(status):
    server = AgentServer()
    async with running(server) as upstream:
        await first_thread(upstream)
        path = f"{server.root}/a1/session"
        server.on("POST", path, says({"detail": "later"}, status), says({"session_id": "s2"}))
        with pytest.raises(UpstreamError):
            await first_thread(upstream)
        thread = await first_thread(upstream)

    assert thread.ids == ("a1", "s2", "shared")


SHIELD = (
    agents.step_start("s0", "shield_call", touchpoint="user-input"),
    agents.verdict("s0", agents.violation()),
    agents.turn_complete("No."),
)
WAITS = (
    agents.step_start("s1"),
    agents.inference_complete("s1", "end_of_message"),
    agents.awaiting(agents.call("c1")),
)
LOOPS = (
    agents.step_start("s1"),
    agents.inference_complete("s1", "end_of_turn"),
    agents.awaiting(agents.call("c1"), stop_reason="end_of_turn"),
)


@pytest.mark.parametrize(
    ("chunks", "outcome", "goes_on"),
    [
        (answer("Hi"), "end", True),
        (WAITS, "awaiting_input", True),
        (LOOPS, "awaiting_input", False),
        (SHIELD, "end", False),
        ((agents.error("500: boom"),), "error", False),
        ((agents.step_start("s1"),), "error", False),
    ],
    ids=["answer", "waits", "iterations", "shield", "error", "truncated"],
)
async def test_only_a_session_that_holds_its_turn_in_order_is_kept(chunks, outcome, goes_on):
    server = AgentServer().turns(1, 1, streams(*chunks))
    server.on("DELETE", f"{server.root}/a1/session/s1", says(None, 204))
    async with running(server) as upstream:
        turn = upstream.prepare(plan())
        summary = await ran(turn)
        thread = turn.thread(summary)

    assert (summary.outcome, thread is not None) == (outcome, goes_on)
    deleted = [each.target for each in server.to("DELETE", f"{server.root}/a1/session")]
    assert deleted == ([] if goes_on else [f"{server.root}/a1/session/s1"])


SAID = (agents.step_start("s1"), agents.text("s1", "Hi"), agents.error("500: boom"))


@pytest.mark.parametrize(("chunks", "stays"), [(SAID, False), (SAID[::2], True)])
async def test_a_session_stays_when_a_turn_in_it_has_failed_and_said_nothing(chunks, stays):
    """Such a turn is not in the session; who was told something would miss it."""
    server = AgentServer().turns(1, 1, streams(*answer("Hi")), streams(*chunks))
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan(thread=thread))
        kept = turn.thread(await ran(turn))

    assert kept == (thread if stays else None)
    assert server.to("DELETE", f"{server.root}/a1/session") == []


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_a_session_that_a_server_refuses_late_is_not_gone_on_with(status):
    """It may be why: then the conversation would fail for ever."""
    refused = (agents.step_start("s1"), agents.error(f"{status}: no"))
    server = AgentServer().turns(1, 1, streams(*answer("Hi")), streams(*refused))
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan(thread=thread))
        summary = await ran(turn)

    assert (summary.told, turn.thread(summary)) == (False, None)


async def test_a_session_with_calls_that_the_server_did_not_come_to_is_left():
    """It keeps them open, though nothing was said; strict models refuse that for ever."""
    server = AgentServer().turns(1, 1, streams(*answer("Hi")), streams(*LOOPS))
    async with running(server) as upstream:
        thread = await first_thread(upstream)
        turn = upstream.prepare(plan(thread=thread))
        summary = await ran(turn)

    assert (summary.outcome, summary.told) == ("awaiting_input", False)
    assert turn.thread(summary) is None


async def test_a_session_whose_first_turn_is_refused_is_deleted():
    server = AgentServer().turns(1, 1, says({"detail": "no"}, 500))
    async with running(server) as upstream:
        with pytest.raises(UpstreamError):
            await payloads_of(upstream.prepare(plan()))

    assert [each.target for each in server.to("DELETE")][:1] == [f"{server.root}/a1/session/s1"]


async def test_before_it_was_sent_a_turn_has_no_thread():
    async with running(AgentServer()) as upstream:
        assert upstream.prepare(plan()).thread(Summary()) is None
