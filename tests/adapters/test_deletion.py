"""What we have created on a server is deleted again."""

import anyio
import pytest

from service.domain import Thread
from tests.support.agent_server import AgentServer
from tests.support.plans import PAST, plan, ran
from tests.support.stack import FakeStack, held, live, mocked, running, says

GONE = says({"detail": "Invalid value"}, 400)
DELETED = says(None, 204)


def deleted(server):
    return [each.target.removeprefix("/v1alpha/agents") for each in server.to("DELETE")]


def deleting(*paths):
    server = AgentServer()
    for path in paths:
        server.on("DELETE", f"{server.root}{path}", DELETED)
    return server


async def thread_of(upstream, **fields):
    turn = upstream.prepare(plan(**fields))
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


async def test_an_agent_that_nobody_came_to_know_goes_at_the_end():
    server = deleting("/a1")
    server.on("POST", f"{server.root}/a1/session", GONE)
    async with running(server) as upstream:
        with pytest.raises(Exception, match="Invalid value"):
            await thread_of(upstream, past=PAST)

    assert deleted(server) == ["/a1"]


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
    assert told == [("thread.not_deleted", "debug")] * 2 + [("thread.leaked", "warning")]


async def test_one_agent_that_cannot_be_deleted_keeps_no_other_from_it():
    server = deleting("/a2", "/a3")
    async with running(server) as upstream:
        for prompt in ("one", "two", "three"):
            await thread_of(upstream, system_prompt=prompt)

    assert deleted(server) == ["/a1", "/a2", "/a3"]


async def test_only_so_many_wait_to_be_deleted(log):
    stack, upstream = FakeStack().on("DELETE", "/v1/responses/resp_1", says({})), live()
    upstream._deletion.waiting_limit = 2
    async with mocked(stack), held(upstream):
        await anyio.wait_all_tasks_blocked()
        for _ in range(9):
            upstream.forget(Thread("responses", ("resp_1",)))

    assert len(stack.to("DELETE")) == 6, "four at work, two waiting"
    leaked = [each for each in log if each["event"] == "thread.leaked"]
    assert [each["ids"] for each in leaked] == [("resp_1",)] * 3


async def test_a_stopping_process_waits_only_so_long_and_says_what_is_left(log):
    stack = FakeStack().on("DELETE", "/v1/responses/resp_1", anyio.Event())
    with anyio.fail_after(4):
        async with running(stack) as upstream:
            upstream._deletion.last_wait_s = 0.05
            for _ in range(7):
                upstream.forget(Thread("responses", ("resp_1",)))

    assert len(stack.to("DELETE")) == 4
    assert [each["left"] for each in log if each["event"] == "thread.leaked"] == [3]


async def test_in_the_end_sessions_go_with_their_agents():
    stack, upstream = FakeStack(), live()
    async with mocked(stack), held(upstream):
        upstream._deletion._waiting = None
        await upstream._deletion._delete(Thread("agents", ("a1", "s1", "shared"), "f"))

    assert stack.to("DELETE") == []


def test_outside_of_its_life_nothing_is_deleted_and_nothing_leaks(log):
    live().forget(Thread("responses", ("resp_1",)))

    assert [each["event"] for each in log] == ["thread.leaked"]
