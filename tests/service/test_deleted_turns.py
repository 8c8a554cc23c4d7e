"""What was said in a conversation that is deleted can be followed by nobody any more."""

import json
from dataclasses import replace

import pytest

from service.errors import LogUnavailable
from tests.support.applications import application, names
from tests.support.kept_conversations import asked, conversation_of
from tests.support.people import ADMIN, ALICE, credential, keys
from tests.support.upstreams import Script, answer
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
UNKNOWN = (404, "turn_unknown")


@pytest.fixture(params=["memory", "redis"])
def store(request):
    """Return the settings that choose where turns are kept."""
    return {} if request.param == "memory" else request.getfixturevalue("shared_store")


async def followed(app, turn, who=None):
    """Follow a turn; return status and code, or the name of its last event."""
    headers = credential(who) if who else {}
    async with app.resume(turn, headers=headers) as reader:
        body = await reader.body()
    if reader.status == 200:
        return reader.status, names(body)[-1]
    return reader.status, json.loads(body)["code"]


async def test_a_deleted_turn_is_unknown_at_once(store):
    async with application(HELLO, HELLO, HELLO, **store) as app:
        first, other = await app.ended(), await app.ended()
        second = await app.goes_on(first)
        await asked(app, "DELETE", conversation_of(first))
        found = [await followed(app, each) for each in (first, second, other)]
        _, refused = await app.ask("POST", f"{first.headers['content-location']}/interrupt")

    assert found == [UNKNOWN, UNKNOWN, (200, "end")]
    assert b"turn_unknown" in refused


async def test_a_deleted_turn_is_unknown_whichever_process_has_driven_it(shared_store):
    async with (
        application(HELLO, **shared_store) as one,
        application(HELLO, **shared_store) as other,
    ):
        turn = await one.ended()
        status, _ = await asked(other, "DELETE", conversation_of(turn))
        found = [await followed(each, turn) for each in (one, other)]

    assert (status, found) == (200, [UNKNOWN] * 2)


async def test_all_streams_of_a_turn_go_with_it(store):
    async with application(WAITS, GOES_ON, **store) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as answered:
            await answered.body()
        await asked(app, "DELETE", conversation_of(turn))

        assert [await followed(app, each) for each in (turn, answered)] == [UNKNOWN] * 2
        async with app.answer(turn, **BOTH) as again:
            assert (await again.json())["code"] == "turn_unknown"


async def test_what_somebody_else_has_deleted_is_unknown_to_its_user_as_well(store):
    async with application(HELLO, **store, **keys()) as app:
        turn = await app.ended(headers=credential(ALICE))
        before = await followed(app, turn, ALICE)
        await asked(app, "DELETE", conversation_of(turn), who=ADMIN)

        assert before == (200, "end")
        assert await followed(app, turn, ALICE) == UNKNOWN


async def test_who_is_not_allowed_to_delete_ends_no_reading(store):
    async with application(HELLO, **store, **keys()) as app:
        turn = await app.ended(headers=credential(ALICE))
        status, _ = await asked(app, "DELETE", conversation_of(turn), who="bob")

        assert status == 404
        assert await followed(app, turn, ALICE) == (200, "end")


class OutOfReach:
    """A log that can do everything but forget."""

    def __init__(self, log):
        self._log = log

    def __getattr__(self, name):
        return getattr(self._log, name)

    async def forget(self, request_ids):
        assert len(request_ids) == 1
        raise LogUnavailable("Redis does not answer.")


async def test_a_conversation_is_deleted_also_when_the_log_is_out_of_reach(log):
    async with application(HELLO) as app:
        turn = await app.ended()
        app.app.state.services = replace(app.services, log=OutOfReach(app.services.log))
        status, _ = await asked(app, "DELETE", conversation_of(turn))
        after, _ = await asked(app, "GET", conversation_of(turn))
        forgotten = len(app.upstream.forgotten)
        found = await followed(app, turn)

    warned = [each for each in log if each["event"] == "log.not_forgotten"]
    assert (status, after, forgotten, found) == (200, 404, 1, (200, "end"))
    assert [each["conversation_id"] for each in warned] == [turn.headers["x-conversation-id"]]
    assert warned[0]["cause"] == "Redis does not answer."
