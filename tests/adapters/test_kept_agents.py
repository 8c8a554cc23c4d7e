"""What a stopping process leaves on a server, when conversations go on in other processes."""

import anyio
import pytest

from service.domain import Thread
from tests.support.agent_server import AgentServer
from tests.support.plans import PAST, history_of, plan, ran
from tests.support.stack import held, live, mocked, says

DELETED = says(None, 200)
MADE_BY_ANOTHER = Thread("agents", ("a7", "s7", "shared"), "fingerprint")


def server_that_deletes():
    server = AgentServer()
    for agent in range(1, 9):
        server.on("DELETE", f"{server.root}/a{agent}", DELETED)
        for session in range(1, 9):
            server.on("DELETE", f"{server.root}/a{agent}/session/s{session}", DELETED)
    return server


def deleted(server):
    return [each.target.removeprefix(server.root) for each in server.to("DELETE")]


async def thread_of(upstream, past=(), **fields):
    turn = upstream.prepare(plan(**fields), history_of(past))
    return turn.thread(await ran(turn))


@pytest.mark.parametrize("past", [(), PAST], ids=["shared", "own"])
async def test_an_agent_that_a_conversation_uses_stays(log, past):
    server, upstream = server_that_deletes(), live()
    async with mocked(server), held(upstream, keeps=True):
        await upstream.catalogue()
        await thread_of(upstream, past)

    assert deleted(server) == []
    assert [each for each in log if each["event"] == "thread.leaked"] == []


async def test_an_agent_that_nobody_uses_goes():
    server, upstream = server_that_deletes(), live()
    async with mocked(server), held(upstream, keeps=True):
        await upstream.catalogue()
        upstream.forget(await thread_of(upstream))
        await anyio.wait_all_tasks_blocked()

    assert deleted(server) == ["/a1/session/s1", "/a1"]


@pytest.mark.parametrize(
    ("past", "gone"), [((), "/a1/session/s1"), (PAST, "/a1")], ids=["shared", "own"]
)
async def test_what_is_forgotten_at_the_very_end_goes_by_itself(past, gone):
    server, upstream, busy = server_that_deletes(), live(), anyio.Event()
    server.on("DELETE", "/v1/responses/resp_1", busy)
    async with mocked(server), held(upstream, keeps=True):
        await upstream.catalogue()
        thread = await thread_of(upstream, past)
        await thread_of(upstream)
        for _ in range(4):
            upstream.forget(Thread("responses", ("resp_1",)))
        upstream.forget(thread)
        await anyio.wait_all_tasks_blocked()
        assert gone not in deleted(server)
        upstream._deletion._waiting = None
        busy.set()

    assert [each for each in deleted(server) if each.startswith("/a")] == [gone]


async def test_what_cannot_be_deleted_in_time_is_told_of(log):
    server, upstream = server_that_deletes(), live()
    for session in range(1, 7):
        server.on("DELETE", f"{server.root}/a1/session/s{session}", anyio.Event())
    upstream._deletion.last_wait_s = 0.05
    async with mocked(server), held(upstream, keeps=True):
        await upstream.catalogue()
        for _ in range(6):
            upstream.forget(await thread_of(upstream))
        kept = await thread_of(upstream)

    assert kept.ids == ("a1", "s7", "shared")
    assert [each["left"] for each in log if each["event"] == "thread.leaked"] == [6]


async def test_an_agent_of_another_process_goes_with_its_last_session():
    server, upstream = server_that_deletes(), live()
    listed = "/v1alpha/agents/a7/sessions?limit=1"
    server.on("GET", listed, says({"data": [{"session_id": "s8"}]}), says({"data": []}))
    async with mocked(server), held(upstream, keeps=True):
        await upstream.catalogue()
        for _ in range(2):
            upstream.forget(MADE_BY_ANOTHER)
            await anyio.wait_all_tasks_blocked()

    assert deleted(server) == ["/a7/session/s7", "/a7/session/s7", "/a7"]


async def test_an_agent_of_another_process_goes_also_when_its_session_has_gone_before():
    server, upstream = server_that_deletes(), live()
    server.on("DELETE", "/v1alpha/agents/a7/session/s7", says({"detail": "Not Found"}, 404))
    server.on("GET", "/v1alpha/agents/a7/sessions?limit=1", says({"data": []}))
    async with mocked(server), held(upstream, keeps=True):
        await upstream.catalogue()
        upstream.forget(MADE_BY_ANOTHER)
        await anyio.wait_all_tasks_blocked()

    assert deleted(server) == ["/a7/session/s7", "/a7"]


@pytest.mark.parametrize(
    "listed", [says({"detail": "no"}, 500), says([]), says({}), says({"detail": "Not Found"}, 404)]
)
async def test_an_agent_of_which_nobody_knows_whether_it_is_used_stays(listed):
    server, upstream = server_that_deletes(), live()
    server.on("GET", "/v1alpha/agents/a7/sessions?limit=1", listed)
    async with mocked(server), held(upstream, keeps=True):
        await upstream.catalogue()
        upstream.forget(MADE_BY_ANOTHER)
        await anyio.wait_all_tasks_blocked()

    assert deleted(server) == ["/a7/session/s7"]
