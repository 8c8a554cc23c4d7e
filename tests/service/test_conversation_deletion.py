"""A deleted conversation is gone, here and upstream, and nothing of it is left half."""

from contextlib import AsyncExitStack
from dataclasses import replace

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from service.errors import StorageUnavailable
from tests.support.applications import application
from tests.support.kept_conversations import CONVERSATIONS, asked, begun, conversation_of
from tests.support.people import ADMIN, ALICE, keys
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says, thread_of
from tests.support.waiting_turns import BOTH, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))


async def test_a_deleted_conversation_is_gone_here_and_upstream():
    async with application(HELLO) as app:
        turn = await app.ended()
        address = conversation_of(turn)
        status, deleted = await asked(app, "DELETE", address)
        forgotten = list(app.upstream.forgotten)
        after = [await asked(app, method, address) for method in ("GET", "DELETE")]
        _, listed = await asked(app, "GET", CONVERSATIONS)
        again = await app.goes_on(turn)

    conversation_id = turn.headers["x-conversation-id"]
    assert (status, deleted) == (200, {"conversation_id": conversation_id, "deleted": True})
    assert forgotten == [thread_of(1)]
    assert [(status, body["code"]) for status, body in after] == [(404, "conversation_unknown")] * 2
    assert listed["conversations"] == []
    assert again.status == 404


async def test_a_turn_that_waits_goes_with_its_conversation():
    async with application(WAITS) as app:
        turn = await app.ended()
        await asked(app, "DELETE", conversation_of(turn))
        forgotten = list(app.upstream.forgotten)
        async with app.answer(turn, **BOTH) as refused:
            body = await refused.json()

    assert forgotten == [thread_of(1)]
    assert (refused.status, body["code"]) == (404, "turn_unknown")


async def test_a_conversation_in_which_a_turn_runs_is_not_deleted():
    async with application(ENDLESS) as app, app.turn() as turn:
        await turn.part()
        status, refused = await asked(app, "DELETE", conversation_of(turn))
        await app.interrupt(turn)
        await turn.body()
        after, _ = await asked(app, "DELETE", conversation_of(turn))

    assert (status, refused["code"]) == (409, "conversation_busy")
    assert refused["request_id"] == turn.headers["x-request-id"]
    assert after == 200


async def test_a_turn_on_another_process_is_in_the_way_as_well(redis_server, tmp_path):
    shared = {
        "redis": {"url": redis_server.url},
        "database": {"url": f"sqlite:///{tmp_path}/turnstile.db"},
    }
    async with (
        application(ENDLESS, **shared) as one,
        application(HELLO, **shared) as other,
        one.turn() as turn,
    ):
        await turn.part()
        status, refused = await asked(other, "DELETE", conversation_of(turn))
        await one.interrupt(turn)
        await turn.body()

    assert (status, refused["code"]) == (409, "conversation_busy")


class Slow:
    """Conversations whose deletion waits for the test, and may fail then."""

    def __init__(self, app, failure=None):
        self.begun, self.go_on = anyio.Event(), anyio.Event()
        self._conversations, self._failure = app.services.conversations, failure
        app.app.state.services = replace(app.services, conversations=self)

    async def delete(self, *stated):
        self.begun.set()
        await self.go_on.wait()
        if self._failure is not None:
            raise self._failure
        return await self._conversations.delete(*stated)


async def meanwhile(app, turn, slow):
    """Delete a conversation; return what else comes while it is being deleted is told."""
    deletion = app.exchange("DELETE", conversation_of(turn))
    question = app.turn(conversation_id=turn.headers["x-conversation-id"])
    again = app.exchange("DELETE", conversation_of(turn))
    async with deletion as deleting, AsyncExitStack() as others:
        await slow.begun.wait()
        entered = [await others.enter_async_context(each) for each in (question, again)]
        await wait_all_tasks_blocked()
        slow.go_on.set()
        await deleting.begun()
        return [deleting.status, *[(await each.begun(), each.status)[1] for each in entered]]


@pytest.mark.parametrize("store", ["memory", "redis"])
async def test_who_comes_while_a_conversation_is_being_deleted_finds_nothing(store, request):
    shared = {"redis": {"url": request.getfixturevalue("redis_server").url}}
    async with application(HELLO, **(shared if store == "redis" else {})) as app:
        turn = await app.ended()
        with anyio.fail_after(10):
            statuses = await meanwhile(app, turn, Slow(app))

    assert statuses == [200, 404, 404]
    assert len(app.upstream.plans) == 1


async def test_who_comes_while_a_deletion_fails_goes_on():
    async with application(HELLO) as app:
        turn = await app.ended()
        failing = Slow(app, StorageUnavailable("The database is gone."))
        with anyio.fail_after(10):
            statuses = await meanwhile(app, turn, failing)

    assert statuses[:2] == [503, 200]


async def test_a_deletion_that_takes_too_long_is_not_waited_for_for_ever():
    async with application(HELLO) as app:
        turn = await app.ended()
        slow = Slow(app)
        admission = replace(app.services.admission, start_s=0.05)
        app.app.state.services = replace(app.app.state.services, admission=admission)
        async with app.exchange("DELETE", conversation_of(turn)) as deleting:
            await slow.begun.wait()
            # It is held for longer than others wait.
            claims, here = admission.claims, f"conversation:{turn.headers['x-conversation-id']}"
            held = await claims.claim(here, "", 1)
            await claims.replace(here, held, held, 60)
            refused = await asked(app, "DELETE", conversation_of(turn))
            slow.go_on.set()
            await deleting.begun()

    assert (refused[0], refused[1]["code"]) == (503, "log_unavailable")


async def test_a_conversation_that_cannot_be_deleted_goes_on():
    async with application(HELLO) as app:
        turn = await app.ended()
        Slow(app, StorageUnavailable("The database is gone.")).go_on.set()
        status, refused = await asked(app, "DELETE", conversation_of(turn))
        forgotten = list(app.upstream.forgotten)
        following = await app.goes_on(turn)

    assert (status, refused["code"], forgotten) == (503, "storage_unavailable", [])
    assert following.status == 200


async def test_who_has_the_grant_deletes_conversations_of_others():
    async with application(HELLO, **keys()) as app:
        address = await begun(app, who=ALICE)
        status, _ = await asked(app, "DELETE", address, who=ADMIN)
        after, _ = await asked(app, "GET", address, who=ALICE)

    assert (status, after) == (200, 404)
