"""The same question twice is one turn, when its caller says that it is the same."""

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from service.errors import UpstreamError
from tests.support.applications import application, events
from tests.support.people import credential, keys
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
KEY = {"Idempotency-Key": "a-key"}


@pytest.fixture(params=["memory", "redis"])
def store(request):
    """Return the settings that choose where turns are kept."""
    if request.param == "memory":
        return {}
    return {"redis": {"url": request.getfixturevalue("redis_server").url}}


async def test_a_repeated_question_joins_the_running_turn_from_its_start(store):
    async with application(ENDLESS, **store) as app, app.turn(headers=KEY) as first:
        said = await first.part()
        async with app.turn(headers=KEY) as again:
            joined = await again.part()
            await app.interrupt(first)
            said += await first.body()
            joined += await again.body()

    assert said == joined
    assert len(app.upstream.turns) == 1
    assert again.headers["x-request-id"] == first.headers["x-request-id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_a_repeated_question_reads_the_turn_that_has_ended(store):
    async with application(HELLO, **store) as app:
        async with app.turn(headers=KEY) as first:
            said = await first.body()
        async with app.turn(headers=KEY) as again:
            assert await again.body() == said

    assert len(app.upstream.turns) == 1


async def test_two_equal_questions_at_once_are_one_turn(store):
    """The second comes while the first has not been admitted yet."""
    offered = anyio.Event()
    script = Script(answer("Hi"), at_prepare=(offered,))
    async with (
        application(script, HELLO, **store) as app,
        app.turn(headers=KEY) as one,
        app.turn(headers=KEY) as other,
    ):
        await wait_all_tasks_blocked()
        offered.set()
        bodies = [await one.body(), await other.body()]

    assert bodies[0] == bodies[1]
    assert len(app.upstream.plans) == 1


async def test_a_repeated_question_joins_on_another_process(shared_store):
    async with (
        application(ENDLESS, **shared_store) as one,
        application(HELLO, **shared_store) as other,
        one.turn(headers=KEY) as first,
    ):
        said = await first.part()
        async with other.turn(headers=KEY) as again:
            joined = await again.part()
            await one.interrupt(first)
            said += await first.body()
            joined += await again.body()

    assert said == joined
    assert other.upstream.plans == []


async def test_equal_questions_at_once_on_two_processes_are_one_turn(shared_store):
    async with (
        application(HELLO, **shared_store) as one,
        application(HELLO, **shared_store) as other,
        one.turn(headers=KEY) as first,
        other.turn(headers=KEY) as second,
    ):
        bodies = [await first.body(), await second.body()]

    assert bodies[0] == bodies[1]
    assert len(one.upstream.plans) + len(other.upstream.plans) == 1


async def test_another_question_under_the_same_key_is_refused(store):
    async with application(HELLO, **store) as app:
        async with app.turn(headers=KEY) as turn:
            await turn.body()
        async with app.turn(headers=KEY, query="Something else?") as other:
            body = await other.json()

    assert (other.status, body["code"]) == (409, "idempotency_key_reused")
    assert len(app.upstream.plans) == 1


async def test_a_key_belongs_to_its_caller(store):
    mine, theirs = ({**KEY, **credential(who)} for who in ("alice", "bob"))
    async with application(HELLO, HELLO, **store, **keys()) as app:
        async with app.turn(headers=mine) as one:
            await one.body()
        async with app.turn(headers=theirs) as other:
            await other.body()

    assert one.headers["x-request-id"] != other.headers["x-request-id"]


async def test_a_question_that_was_not_admitted_does_not_keep_its_key(store):
    unknown = "00000000-0000-4000-8000-000000000000"
    async with application(HELLO, **store) as app:
        async with app.turn(headers=KEY, conversation_id=unknown) as refused:
            await refused.json()
        async with app.turn(headers=KEY) as turn:
            await turn.body()

    assert (refused.status, turn.status) == (404, 200)


async def test_a_repeated_question_is_told_the_same_failure(store):
    failure = Script(at_open=(UpstreamError("upstream_denied", "Refused.", 403),))
    async with application(failure, HELLO, **store) as app:
        async with app.turn(headers=KEY) as first:
            said = await first.json()
        async with app.turn(headers=KEY) as again:
            repeated = await again.json()

    assert (first.status, again.status) == (403, 403)
    assert said == repeated
    assert len(app.upstream.plans) == 1


async def test_a_key_stands_for_its_turn_only_while_that_is_kept():
    async with application(HELLO, HELLO, log_ttl_s=0.001) as app:
        async with app.turn(headers=KEY) as first:
            await first.body()
        # Much longer than it is kept.
        await anyio.sleep(0.05)
        async with app.turn(headers=KEY) as again:
            await again.body()

    assert again.status == 200
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
async def test_a_key_that_cannot_be_one_is_refused(key):
    async with application(HELLO) as app, app.turn(headers={"Idempotency-Key": key}) as turn:
        body = await turn.json()

    assert (turn.status, body["code"]) == (400, "idempotency_key_invalid")


async def test_questions_without_a_key_are_never_the_same():
    async with application(HELLO, HELLO) as app:
        one, other = await app.ended(), await app.ended()

    assert one.headers["x-request-id"] != other.headers["x-request-id"]


async def test_the_turn_of_a_key_can_be_read_as_text_too():
    async with application(HELLO) as app:
        async with app.turn(headers=KEY, media_type="text/plain") as first:
            text = await first.body()
        target = first.headers["content-location"]
        _, native = await app.ask("GET", target)

    assert text == b"Hello"
    assert [each["event"] for each in events(native)][-1] == "end"


async def test_a_repeated_question_may_go_on_after_what_its_caller_has():
    async with application(HELLO) as app:
        async with app.turn(headers=KEY) as first:
            said = await first.body()
        cut = said.index(b"id: 3\n")
        async with app.turn(headers={**KEY, "Last-Event-ID": "2"}) as again:
            rest = await again.body()
        last = str(said.count(b"id: "))
        async with app.turn(headers={**KEY, "Last-Event-ID": last}) as nothing:
            await nothing.body()

    assert rest.removeprefix(b"retry: 1000\n") == said[cut:]
    assert (again.status, nothing.status) == (200, 204)


async def test_a_start_that_took_too_long_is_not_gone_on_with():
    """Its claims may be those of another request by then."""
    offered, renewed = anyio.Event(), anyio.Event()
    offered.set()
    scripts = (Script(answer("Hi"), at_prepare=(offered,)), Script(at_prepare=(renewed,)))
    async with application(*scripts) as app:
        turn = await app.ended()
        claims = app.services.admission.claims
        conversation = f"conversation:{turn.headers['x-conversation-id']}"
        async with app.turn(conversation_id=turn.headers["x-conversation-id"]) as late:
            await wait_all_tasks_blocked()
            held = await claims.claim(conversation, "somebody else", 60)
            await claims.release(conversation, held)
            renewed.set()
            body = await late.json()

    assert (late.status, body["code"]) == (503, "log_unavailable")
    assert not app.upstream.turns[1].opened.is_set()
