"""Tickets open one stream each, and no stream lasts longer than the credential of its reader."""

import json
import time
import uuid
from datetime import UTC, datetime

import anyio
import pytest

from service.routes import ROUTES
from tests.support.applications import TURNS, application, events, names
from tests.support.people import PEOPLE, acting, credential, key, keys, used_by
from tests.support.upstreams import NEVER, Script, answer, closing, opening_chunk, says
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("Hel", "lo"))
ENDLESS = Script((opening_chunk(), says("Hi"), NEVER))
KEY = {"Idempotency-Key": "a-key"}
SECRET = "a secret that all processes share, and nobody else"
SOON_S = 0.3
LATE_S = 1.0
"""By how much an end may be late on a slow machine."""


def expiring(in_s=SOON_S):
    """Return the settings of two keys of alice: one that ends soon, and one that stays."""
    expires_at = datetime.fromtimestamp(time.time() + in_s, UTC)
    given = [key("old", user="alice", expires_at=expires_at), key("new", user="alice")]
    return keys() | {"api_keys": given}


def ticket_of(turn):
    """Return the ticket that came with a stream, as a query."""
    return f"ticket={turn.headers['x-stream-ticket']}"


async def opened(app, turn, query, **headers):
    """Follow a turn, and return status and code; a stream has no code."""
    made, body = await app.ask("GET", f"{turn.headers['content-location']}?{query}", **headers)
    return made.status, None if made.status == 200 else json.loads(body)["code"]


async def test_a_ticket_opens_its_stream_without_a_header():
    async with application(HELLO, **keys()) as app, acting(app, "alice").turn() as turn:
        said = await turn.body()
        async with app.resume(turn, ticket_of(turn)) as again:
            assert await again.body() == said


async def test_a_ticket_opens_its_stream_again_after_a_lost_connection():
    async with application(HELLO, **keys()) as app, acting(app, "alice").turn() as turn:
        said = events(await turn.body())
        async with app.resume(turn, ticket_of(turn), headers={"Last-Event-ID": "2"}) as again:
            assert events(await again.body()) == said[2:]


async def test_a_ticket_comes_with_every_stream_that_is_begun():
    async with application(WAITS, GOES_ON, **keys()) as app:
        alice = acting(app, "alice")
        async with alice.turn(headers=KEY) as turn, alice.turn(headers=KEY) as joined:
            await turn.body()
            await joined.body()
        async with alice.answer(turn, **BOTH) as again:
            await again.body()
        opens = [await opened(app, each, ticket_of(each)) for each in (turn, joined, again)]

    assert opens == [(200, None)] * 3


async def test_the_address_of_a_stream_may_be_written_in_capitals():
    async with application(HELLO, **keys()) as app:
        turn = await acting(app, "alice").ended()
        named = f"{TURNS}/{turn.headers['x-request-id'].upper()}?{ticket_of(turn)}"
        made, _ = await app.ask("GET", named)
        looked, _ = await app.ask("HEAD", named)

    assert (made.status, looked.status) == (200, 200)


async def test_a_ticket_opens_no_other_stream():
    async with application(HELLO, HELLO, **keys()) as app:
        alice = acting(app, "alice")
        turn, other = await alice.ended(), await alice.ended()

        assert await opened(app, other, ticket_of(turn)) == (401, "credential_invalid")


async def test_a_ticket_does_not_tell_whether_another_stream_is_there():
    async with application(HELLO, HELLO, **keys()) as app:
        turn, other = await acting(app, "alice").ended(), await acting(app, "bob").ended()
        there = await app.ask("GET", f"{other.headers['content-location']}?{ticket_of(turn)}")
        nowhere = await app.ask("GET", f"{TURNS}/{uuid.uuid4()}?{ticket_of(turn)}")

    assert (there[0].status, there[0].headers, there[1]) == (
        nowhere[0].status,
        nowhere[0].headers,
        nowhere[1],
    )


async def test_a_ticket_opens_no_other_route():
    guarded = [each for each in ROUTES if each.action is not None and not each.by_ticket]
    async with application(HELLO, **keys()) as app:
        turn = await acting(app, "alice").ended()
        request_id = turn.headers["x-request-id"]
        conversation_id = turn.headers["x-conversation-id"]
        for each in guarded:
            path = each.path.format(request_id=request_id, conversation_id=conversation_id)
            target = f"{path}?{ticket_of(turn)}"
            made, body = await app.ask(each.method, target)

            assert (made.status, json.loads(body)["code"]) == (401, "credential_missing"), target


async def test_an_altered_ticket_opens_nothing():
    async with application(HELLO, **keys()) as app:
        turn = await acting(app, "alice").ended()
        ticket = turn.headers["x-stream-ticket"]
        for altered in (ticket.swapcase(), ticket[:-1], f"A{ticket}", ticket.partition(".")[0]):
            answered = await opened(app, turn, f"ticket={altered}")

            assert answered == (401, "credential_invalid"), altered


@pytest.mark.parametrize("ticket", ["", ".", "a.b", "%C3%A4", "x" * 5_000, "..", "%00"])
async def test_what_is_no_ticket_opens_nothing(ticket):
    async with application(HELLO, **keys()) as app:
        turn = await acting(app, "alice").ended()

        assert await opened(app, turn, f"ticket={ticket}") == (401, "credential_invalid")


async def test_a_ticket_ends():
    async with application(HELLO, **expiring(3_600)) as app:
        app.services.gate.tickets._ttl_s = -1.0
        turn = await acting(app, "new").ended()

        assert await opened(app, turn, ticket_of(turn)) == (401, "credential_expired")


async def test_a_header_counts_more_than_a_ticket():
    async with application(HELLO, **keys()) as app:
        turn = await acting(app, "alice").ended()
        theirs = await opened(app, turn, ticket_of(turn), **credential("bob"))
        nobodys = await opened(app, turn, ticket_of(turn), **credential("eve"))
        mine = await opened(app, turn, "ticket=wrong", **credential("alice"))

    assert theirs == (404, "turn_unknown")
    assert nobodys == (401, "credential_invalid")
    assert mine == (200, None)


async def test_a_ticket_reads_and_does_nothing_else():
    """Not even as a header."""
    async with application(HELLO, **keys()) as app:
        turn = await acting(app, "alice").ended()
        as_token = {"Authorization": f"Bearer {turn.headers['x-stream-ticket']}"}

        assert await opened(app, turn, "", **as_token) == (401, "credential_invalid")


async def test_a_ticket_of_another_process_is_taken_when_they_share_a_secret(redis_server):
    shared = keys() | {"redis": {"url": redis_server.url}}
    secret = {"authentication": {"by": "api_keys", "ticket_secret": SECRET}}
    async with (
        application(HELLO, **(shared | secret)) as one,
        application(**(shared | secret)) as other,
        application(**shared) as stranger,
    ):
        turn = await acting(one, "alice").ended()
        opens = [await opened(each, turn, ticket_of(turn)) for each in (other, stranger)]

    assert opens == [(200, None), (401, "credential_invalid")]


async def test_a_stream_ends_with_the_credential_of_its_reader():
    async with application(ENDLESS, **expiring()) as app, acting(app, "old").turn() as turn:
        (given,) = [each for each in app.services.settings.api_keys if each.name == "old"]
        *_, last = events(await turn.body())
        late_s = time.time() - given.expires_at.timestamp()
        running = turn.headers["x-request-id"] in app.services.live

    assert (last["event"], last["data"]["code"]) == ("unavailable", "credential_expired")
    assert "id" not in last["data"]
    assert 0 <= late_s < LATE_S
    assert running


async def test_the_time_to_come_back_is_told_with_it():
    soon = expiring() | {"retry_ms": 70}
    async with application(ENDLESS, **soon) as app, acting(app, "old").turn() as turn:
        body = await turn.body()

    last = events(body)[-1]["data"]["retry_ms"]
    assert 70 <= last <= 140
    assert body.endswith(b"\n\n")
    assert f"retry: {last}\n".encode() in body


async def test_nothing_is_lost_by_who_comes_back_with_another_credential():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with application(script, **expiring()) as app, acting(app, "old").turn() as turn:
        said = events(await turn.body())[:-1]
        after = f"last_event_id={said[-1]['data']['id']}"
        again = await opened(acting(app, "old"), turn, after)
        go_on.set()
        async with acting(app, "new").resume(turn, after) as resumed:
            said += events(await resumed.body())
        async with acting(app, "new").resume(turn) as whole:
            assert events(await whole.body()) == said

    assert again == (401, "credential_expired")
    assert said[-1]["event"] == "end"


async def test_a_stream_that_is_resumed_ends_with_the_credential_as_well():
    async with application(ENDLESS, **expiring()) as app, acting(app, "new").turn() as turn:
        await turn.part()
        async with acting(app, "old").resume(turn) as resumed:
            last = events(await resumed.body())[-1]
        await acting(app, "new").interrupt(turn)

        assert names(await turn.body())[-1] == "interrupted"
    assert last["data"]["code"] == "credential_expired"


async def test_a_stream_that_a_ticket_has_opened_ends_with_the_ticket():
    chosen = keys() | {"authentication": {"by": "api_keys", "ticket_ttl_s": SOON_S}}
    async with application(ENDLESS, **chosen) as app, acting(app, "alice").turn() as turn:
        await turn.part()
        async with app.resume(turn, ticket_of(turn)) as by_ticket:
            last = events(await by_ticket.body())[-1]
        await acting(app, "alice").interrupt(turn)

        assert names(await turn.body())[-1] == "interrupted"
    assert last["data"]["code"] == "credential_expired"


async def test_a_ticket_does_not_outlive_the_credential_that_it_was_given_for():
    async with application(HELLO, **expiring()) as app:
        turn = await acting(app, "old").ended()
        before = await opened(app, turn, ticket_of(turn))
        await anyio.sleep(SOON_S)
        after = await opened(app, turn, ticket_of(turn))

    assert (before, after) == ((200, None), (401, "credential_expired"))


async def test_text_says_it_in_its_own_way():
    async with application(ENDLESS, **expiring()) as app:
        async with acting(app, "old").turn(media_type="text/plain") as turn:
            body = await turn.body()
        running = turn.headers["x-request-id"] in app.services.live

    assert body.startswith(b"Hi\n\n[error: credential_expired] ")
    assert running


async def test_a_turn_that_ends_before_the_credential_ends_in_order():
    async with application(HELLO, **expiring()) as app, acting(app, "old").turn() as turn:
        assert names(await turn.body())[-1] == "end"


async def test_a_slow_reader_is_told_as_well():
    async with application(ENDLESS, **expiring()) as app, acting(app, "new").turn() as turn:
        await turn.part()
        async with acting(app, "old").resume(turn, window=0) as slow:
            await slow.begun()
            await anyio.sleep(SOON_S)

            assert events(await slow.body())[-1]["data"]["code"] == "credential_expired"


async def test_one_question_and_one_answer_need_no_credential_that_lasts():
    go_on = anyio.Event()
    script = Script((opening_chunk(), says("Hel"), go_on, says("lo"), *closing("Hello")))
    async with application(script, **expiring()) as app:
        body = json.dumps({"query": "Hi"}).encode()
        async with acting(app, "old").exchange("POST", "/v1/query", body=body) as asked:
            await anyio.sleep(SOON_S)
            go_on.set()
            answered = await asked.json()

    assert (asked.status, answered["response"]) == (200, "Hello")


async def test_who_has_a_credential_without_an_end_stays():
    beating = {"heartbeat_s": 0.01}
    async with used_by(PEOPLE, ENDLESS, **beating) as people, people["alice"].turn() as turn:
        await turn.part()
        beats = [await turn.part() for _ in range(5)]
        await people["alice"].interrupt(turn)

    assert b":\n" in beats[-1]
