"""A deleted conversation is gone, here and upstream, and nothing of it is left half."""

from dataclasses import replace

import anyio

from service.errors import StorageUnavailable
from tests.support.applications import application
from tests.support.kept_conversations import CONVERSATIONS, asked, begun, conversation_of
from tests.support.people import ADMIN, ALICE, keys
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says, thread_of
from tests.support.waiting_turns import BOTH, WAITS

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


async def test_nothing_begins_in_a_conversation_that_is_being_deleted():
    async with application(HELLO) as app:
        turn = await app.ended()
        slow, address = Slow(app), conversation_of(turn)
        async with app.exchange("DELETE", address) as deleting:
            await slow.begun.wait()
            question, again = await app.goes_on(turn), await asked(app, "DELETE", address)
            slow.go_on.set()
            await deleting.begun()

    assert (question.status, again[0], deleting.status) == (409, 409, 200)


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
