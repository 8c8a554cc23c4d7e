"""What we have created on a server is deleted again."""

from functools import partial

import anyio
import pytest

from service.domain import Thread
from service.errors import UpstreamError
from statemachine import Summary
from tests.support.agent_server import AgentServer
from tests.support.plans import PAST, history_of, plan, ran
from tests.support.stack import FakeStack, held, live, mocked, running, says

pytestmark = pytest.mark.slow

GONE = says({"detail": "Invalid value"}, 400)
DELETED = says(None, 204)


def deleted(server):
    return [each.target.removeprefix("/v1alpha/agents") for each in server.to("DELETE")]


def deleting(*paths):
    server = AgentServer()
    for path in paths:
        server.on("DELETE", f"{server.root}{path}", DELETED)
    return server


def leaked(log):
    return [each["left"] for each in log if each["event"] == "thread.leaked" and "left" in each]


async def thread_of(upstream, past=(), **fields):
    turn = upstream.prepare(plan(**fields), history_of(past))
    return turn.thread(await ran(turn))


async def test_a_response_is_deleted_by_its_id():
    stack = FakeStack().on("DELETE", "/v1/responses/resp_1", says({"deleted": True}))
    async with running(stack, api_key="secret") as upstream:
        upstream.forget(Thread("responses", ("resp_1",)))

    (asked,) = stack.to("DELETE")
    assert (asked.target, asked.body) == ("/v1/responses/resp_1", None)
    assert asked.headers["authorization"] == "Bearer secret"


async def test_a_session_is_deleted_and_its_agent_waits_for_others():
    server = deleting("/a1/session/s1", "/a1")
    async with running(server) as upstream:
        upstream.forget(await thread_of(upstream))
        await anyio.wait_all_tasks_blocked()
        another = await thread_of(upstream)
        before_the_end = deleted(server)

    assert before_the_end == ["/a1/session/s1"]
    assert another.ids[0] == "a1"


async def test_a_session_of_an_agent_that_was_made_again_does_not_count_for_the_new_one():
    server = deleting("/a2")
    async with running(server) as upstream:
        upstream._sessions.idle_limit = 0
        lost = await thread_of(upstream)
        server.on("POST", f"{server.root}/a1/session", GONE)
        await thread_of(upstream)
        upstream.forget(lost)
        await anyio.wait_all_tasks_blocked()
        before_the_end = deleted(server)

    assert before_the_end == ["/a1/session/s1"]


async def test_at_the_end_shared_agents_go_with_their_sessions():
    server = deleting("/a1")
    async with running(server) as upstream:
        await thread_of(upstream)
        await thread_of(upstream)

    assert deleted(server) == ["/a1"]


async def test_an_agent_of_one_conversation_goes_with_it():
    server = deleting("/a1")
    async with running(server) as upstream:
        upstream.forget(await thread_of(upstream, past=PAST))

    assert deleted(server) == ["/a1"]


UNSHARED = {"own": PAST, "shared": ()}


@pytest.mark.parametrize("past", UNSHARED.values(), ids=UNSHARED)
async def test_an_agent_whose_session_is_refused_goes_at_once(past):
    server = deleting("/a1")
    server.on("POST", f"{server.root}/a1/session", GONE)
    async with running(server) as upstream:
        upstream._sessions.idle_limit = 0
        with pytest.raises(Exception, match="Invalid value"):
            await thread_of(upstream, past=past)
        await anyio.wait_all_tasks_blocked()
        before_the_end = deleted(server)

    assert before_the_end == deleted(server) == ["/a1"]


@pytest.mark.parametrize("past", UNSHARED.values(), ids=UNSHARED)
async def test_an_agent_whose_session_nobody_waits_for_goes_at_once(past):
    server = deleting("/a1")
    server.on("POST", f"{server.root}/a1/session", anyio.Event())
    async with running(server) as upstream, anyio.create_task_group() as tasks:
        upstream._sessions.idle_limit = 0
        tasks.start_soon(partial(thread_of, upstream, past=past))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
        before_the_end = deleted(server)

    assert before_the_end == ["/a1"]


async def test_agents_whose_sessions_are_refused_do_not_pile_up():
    server = deleting("/a1", "/a2", "/a3")
    for number in range(1, 6):
        server.on("POST", f"{server.root}/a{number}/session", says({"detail": "no"}, 500))
    async with running(server) as upstream:
        upstream._sessions.idle_limit = 2
        for number in range(5):
            with pytest.raises(UpstreamError):
                await thread_of(upstream, system_prompt=str(number))
        await anyio.wait_all_tasks_blocked()
        before_the_end = deleted(server)

    assert before_the_end == ["/a1", "/a2", "/a3"]


async def test_a_session_that_is_deleted_twice_counts_once():
    """Another conversation has a session of the same agent."""
    server = deleting("/a1/session/s1")
    async with running(server) as upstream:
        upstream._sessions.idle_limit = 0
        one, _ = await thread_of(upstream), await thread_of(upstream)
        for _ in range(2):
            upstream.forget(one)
            await anyio.wait_all_tasks_blocked()
        before_the_end = deleted(server)

    assert before_the_end == ["/a1/session/s1"] * 2


async def test_a_session_of_a_turn_that_was_refused_is_forgotten_once():
    server = deleting("/a1/session/s1").turns(1, 1, says({"detail": "no"}, 500))
    async with running(server) as upstream:
        turn = upstream.prepare(plan())
        with pytest.raises(UpstreamError):
            await ran(turn)
        kept = turn.thread(Summary(outcome="error", code="upstream_error"))
        await anyio.wait_all_tasks_blocked()
        before_the_end = deleted(server)

    assert (kept, before_the_end) == (None, ["/a1/session/s1"])


@pytest.mark.parametrize(("kept", "count"), [(2, 3), (4, 1), (5, 0), (9, 0)])
async def test_only_so_many_idle_agents_are_kept(kept, count):
    server = deleting(*(f"/a{number}/session/s{number}" for number in range(1, 6)))
    async with running(server) as upstream:
        upstream._sessions.idle_limit = kept
        for number in range(5):
            upstream.forget(await thread_of(upstream, system_prompt=str(number)))
            await anyio.wait_all_tasks_blocked()
        agents = [each for each in deleted(server) if "session" not in each]

    assert agents == [f"/a{number + 1}" for number in range(count)]


async def test_what_the_server_has_lost_is_not_missed(log):
    async with running(AgentServer()) as upstream:
        upstream.forget(await thread_of(upstream))
        upstream.forget(Thread("responses", ("resp_1",)))

    told = [(each["event"], each["log_level"]) for each in log if "thread" in each["event"]]
    assert told == [("thread.not_deleted", "debug")] * 3


async def test_one_agent_that_cannot_be_deleted_keeps_no_other_from_it():
    server = deleting("/a2", "/a3")
    async with running(server) as upstream:
        for prompt in ("one", "two", "three"):
            await thread_of(upstream, system_prompt=prompt)

    assert sorted(deleted(server)) == ["/a1", "/a2", "/a3"]


async def test_only_so_many_wait_to_be_deleted(log):
    stack, upstream = FakeStack().on("DELETE", "/v1/responses/resp_1", says({})), live()
    upstream._deletion.waiting_limit = 2
    async with mocked(stack), held(upstream):
        await anyio.wait_all_tasks_blocked()
        for _ in range(9):
            upstream.forget(Thread("responses", ("resp_1",)))

    assert len(stack.to("DELETE")) == 6, "four at work, two waiting"
    lost = [each["ids"] for each in log if each["event"] == "thread.leaked" and "ids" in each]
    assert lost == [("resp_1",)] * 3


async def test_a_stopping_process_waits_only_so_long_and_says_what_is_left(log):
    stack = FakeStack().on("DELETE", "/v1/responses/resp_1", anyio.Event())
    with anyio.fail_after(4):
        async with running(stack) as upstream:
            upstream._deletion.last_wait_s = 0.05
            for _ in range(7):
                upstream.forget(Thread("responses", ("resp_1",)))

    assert len(stack.to("DELETE")) == 4
    assert leaked(log) == [7], "those at work too: nobody knows what became of them"


async def test_agents_that_a_stopping_process_cannot_delete_in_time_are_told_of(log):
    server = AgentServer()
    for number in range(1, 7):
        server.on("DELETE", f"{server.root}/a{number}", anyio.Event())
    async with running(server) as upstream:
        upstream._deletion.last_wait_s = 0.05
        for number in range(6):
            await thread_of(upstream, system_prompt=str(number))

    assert len(server.to("DELETE")) == 4
    assert leaked(log) == [6]


async def test_agents_behind_sessions_that_cannot_be_deleted_in_time_are_told_of(log):
    server = AgentServer().on("DELETE", "/v1alpha/agents/a1/session/s1", anyio.Event())
    async with running(server) as upstream:
        upstream._deletion.last_wait_s = 0.05
        upstream.forget(await thread_of(upstream))
        await anyio.wait_all_tasks_blocked()

    assert deleted(server) == ["/a1/session/s1"]
    assert leaked(log) == [1]


@pytest.mark.parametrize("status", [401, 500, 503])
async def test_what_a_server_does_not_want_to_delete_is_told_of(log, status):
    server = AgentServer().on("DELETE", "/v1alpha/agents/a1", says({"detail": "no"}, status))
    server.on("DELETE", "/v1/responses/resp_1", says({"detail": "no"}, status))
    async with running(server) as upstream:
        await thread_of(upstream)
        upstream.forget(Thread("responses", ("resp_1",)))

    assert leaked(log) == [2]


async def test_an_own_agent_that_could_not_be_deleted_is_tried_again_in_the_end(log):
    busy, path = says({"detail": "no"}, 503), "/v1alpha/agents/a1"
    server = AgentServer().on("DELETE", path, busy, DELETED)
    async with running(server) as upstream:
        upstream.forget(await thread_of(upstream, past=PAST))
        await anyio.wait_all_tasks_blocked()

    assert deleted(server) == ["/a1", "/a1"]
    assert leaked(log) == []


async def test_an_idle_agent_that_waits_to_be_deleted_when_the_process_stops_is_not_lost():
    server = deleting("/a1")
    server.on("POST", f"{server.root}/a1/session", GONE)
    async with running(server) as upstream:
        upstream._sessions.idle_limit, upstream._deletion._waiting = 0, None
        with pytest.raises(Exception, match="Invalid value"):
            await thread_of(upstream)

    assert deleted(server) == ["/a1"]


async def test_in_the_end_sessions_go_with_their_agents():
    server, busy = deleting("/a1"), anyio.Event()
    server.on("DELETE", "/v1/responses/resp_1", busy)
    async with running(server) as upstream:
        thread = await thread_of(upstream)
        for _ in range(4):
            upstream.forget(Thread("responses", ("resp_1",)))
        await anyio.wait_all_tasks_blocked()
        upstream.forget(thread)
        upstream._deletion._waiting = None
        busy.set()

    assert deleted(server)[4:] == ["/a1"]


def test_outside_of_its_life_nothing_is_deleted_and_nothing_leaks(log):
    live().forget(Thread("responses", ("resp_1",)))

    assert [each["event"] for each in log] == ["thread.leaked"]
