"""Titles of conversations: how their question begins, or what the model calls them."""

import json

import anyio
import pytest

from service.app import create_app
from service.errors import UpstreamError, UpstreamReset
from service.settings import Settings
from service.wiring import open_services
from tests.support import agents_chunks as agents
from tests.support.applications import Application, application, names
from tests.support.asgi import lifespan
from tests.support.logs import until
from tests.support.people import PEOPLE, used_by
from tests.support.upstreams import NEVER, Script, answer, opening_chunk, says, thread_of
from tests.support.waiting_turns import BOTH, GOES_ON, WAITS

pytestmark = pytest.mark.slow

HELLO = Script(answer("A pod is ", "a group."))
TITLE = Script(answer("What pods ", "are"))
GENERATES = {"titles": {"generate": True}}
FAILS = UpstreamError("upstream_unavailable", "The upstream is not available.", 503)


async def title_of(app, turn):
    """Return the title of the conversation of a turn."""
    _, body = await app.ask("GET", f"/v1/conversations/{turn.headers['x-conversation-id']}")
    return json.loads(body)["title"]


async def asked(app, count):
    """Wait until the upstream was asked so often."""
    await until(lambda: len(app.upstream.turns) >= count)


async def titled(app, turn, title):
    """Wait until a conversation is called something."""
    with anyio.fail_after(5):
        while await title_of(app, turn) != title:  # noqa: ASYNC110 # nothing tells of it
            await anyio.sleep(0.002)


async def caught_up(app):
    """Wait until what came before is done: titles are made one after the other."""
    await titled(app, await app.ended(), "What pods are")


def warnings(log):
    return [each["reason"] for each in log if each["event"] == "title.not_made"]


async def test_a_conversation_is_called_what_its_question_begins_with():
    async with application(HELLO) as app:
        turn = await app.ended(query="What is a pod?\nAnd why?")

        assert (await title_of(app, turn)).startswith("What is a pod?")
    assert len(app.upstream.turns) == 1


async def test_the_model_that_answered_is_asked_for_a_title():
    async with application(HELLO, TITLE, **GENERATES) as app:
        turn = await app.ended(query="What is a pod?")
        await titled(app, turn, "What pods are")

    shown = app.upstream.plans[1]
    assert "What is a pod?" in shown.query
    assert "A pod is a group." in shown.query
    assert shown.model == app.upstream.plans[0].model
    assert (shown.input_shields, shown.vector_stores, shown.client_tools) == ((), (), ())


async def test_nothing_of_that_stays_upstream():
    async with application(HELLO, TITLE, **GENERATES) as app:
        await titled(app, await app.ended(), "What pods are")

        assert app.upstream.forgotten == [thread_of(2)]


async def test_the_next_question_goes_on_where_the_first_has_ended():
    async with application(HELLO, TITLE, HELLO, **GENERATES) as app:
        turn = await app.ended()
        await titled(app, turn, "What pods are")
        await app.goes_on(turn)

    assert app.upstream.plans[2].conversation.thread == thread_of(1)
    assert [each.answer for each in app.upstream.histories[2]] == ["A pod is a group."]


async def test_a_title_is_no_turn_of_the_conversation(log):
    async with application(HELLO, TITLE, **GENERATES) as app:
        turn = await app.ended()
        await titled(app, turn, "What pods are")
        _, body = await app.ask("GET", f"/v1/conversations/{turn.headers['x-conversation-id']}")

    kept = json.loads(body)
    assert (kept["message_count"], len(kept["turns"])) == (1, 1)
    assert len([each for each in log if each["event"] == "turn.ended"]) == 1


async def test_readers_do_not_wait_for_a_title():
    async with application(HELLO, Script(at_open=(NEVER,)), HELLO, **GENERATES) as app:
        async with app.turn() as turn:
            assert names(await turn.body())[-1] == "end"
        await asked(app, 2)
        next_turn = await app.goes_on(turn)

        assert next_turn.status == 200


SETTING_AND_WISH = [(True, None, 2), (True, False, 1), (False, True, 2), (False, None, 1)]


@pytest.mark.parametrize(("setting", "wish", "count"), SETTING_AND_WISH)
async def test_a_request_may_ask_for_a_title_or_not_to_have_one(setting, wish, count):
    async with application(HELLO, TITLE, titles={"generate": setting}) as app:
        await app.ended(generate_topic_summary=wish)
        await asked(app, count)

    assert len(app.upstream.turns) == count


async def test_only_a_new_conversation_is_given_one_by_itself():
    async with application(HELLO, TITLE, HELLO, **GENERATES) as app:
        turn = await app.ended()
        await titled(app, turn, "What pods are")
        await app.goes_on(turn)

    assert len(app.upstream.turns) == 3


async def test_one_that_goes_on_is_given_one_when_that_is_asked_for():
    scripts = (HELLO, TITLE, HELLO, Script(answer("More of pods")))
    async with application(*scripts, **GENERATES) as app:
        turn = await app.ended()
        await titled(app, turn, "What pods are")
        await app.goes_on(turn, generate_topic_summary=True)
        await titled(app, turn, "More of pods")


async def test_a_name_that_somebody_has_given_stays():
    named = anyio.Event()
    late = Script((named, *answer("Late")))
    async with application(HELLO, late, HELLO, TITLE, **GENERATES) as app:
        turn = await app.ended()
        kept = f"/v1/conversations/{turn.headers['x-conversation-id']}"
        await app.ask("PATCH", kept, {"title": "Mine"})
        await asked(app, 2)
        named.set()
        await caught_up(app)

        assert await title_of(app, turn) == "Mine"


ENDS_OTHERWISE = [
    Script((opening_chunk(), says("Hi"), FAILS)),
    Script((opening_chunk(), agents.error("No."))),
    WAITS,
]


@pytest.mark.parametrize("script", ENDS_OTHERWISE)
async def test_a_turn_that_did_not_end_in_order_gives_no_title(script):
    async with application(script, HELLO, TITLE, **GENERATES) as app:
        async with app.turn() as turn:
            await turn.body()
        await caught_up(app)

    assert len(app.upstream.turns) == 3


async def test_a_turn_that_waits_gives_one_when_it_has_ended():
    async with application(WAITS, GOES_ON, TITLE, **GENERATES) as app:
        turn = await app.ended()
        async with app.answer(turn, **BOTH) as again:
            await again.body()
        await titled(app, turn, "What pods are")


NO_TITLES = [
    (Script(at_open=(FAILS,)), "upstream_unavailable"),
    (Script((opening_chunk(), says("What"), UpstreamReset())), "upstream_reset"),
    (Script((opening_chunk(), agents.error("No."))), "no_title"),
    (Script((opening_chunk(), says("What"))), "no_title"),
    (Script(answer("  ", '"\n')), "no_title"),
    (Script(answer("<think>What may", " it be")), "no_title"),
    (Script((opening_chunk(), says("What"), NEVER)), "timeout"),
    (WAITS, "no_title"),
]


@pytest.mark.parametrize(("script", "reason"), NO_TITLES)
async def test_a_title_that_cannot_be_made_is_a_line_in_the_log(log, script, reason):
    short = {"titles": {"generate": True, "timeout_s": 0.05}}
    async with application(HELLO, script, **short) as app:
        turn = await app.ended(query="What is a pod?")
        await until(lambda: warnings(log))

        assert await title_of(app, turn) == "What is a pod?"
    assert warnings(log) == [reason]
    assert "pod" not in json.dumps([each for each in log if each["event"] == "title.not_made"])


WRITTEN = [
    ('"What pods are"', "What pods are"),
    ("**What pods are**\n\nThat is a good title.", "What pods are"),
    ("Title: What pods are", "What pods are"),
    ("  What\tpods   are ", "What pods are"),
    ("# Pods", "Pods"),
    ("„Was Pods sind“", "Was Pods sind"),
    ("**Title:** Pods explained", "Pods explained"),
    ('Title: "Pods explained"', "Pods explained"),
    ("**Title:**\n\nPods explained", "Pods explained"),
    ('"Pods".', "Pods"),
    ("Pods and C#.", "Pods and C#."),
    ("<think>\nThe user asks.\n</think>\n\nPods explained", "Pods explained"),
    ("The user asks.\n</think>\n\nPods explained", "Pods explained"),
    ("The <think> tag", "The <think> tag"),
    ("\u202eP\0o\x1bd\u2066s", "Pods"),
    ("x" * 100, "x" * 79 + "…"),
]


@pytest.mark.parametrize(("said", "title"), WRITTEN)
async def test_a_title_is_one_short_line(said, title):
    async with application(HELLO, Script(answer(said)), **GENERATES) as app:
        await titled(app, await app.ended(), title)


async def test_a_title_that_is_being_made_does_not_hold_up_a_process_that_stops():
    with anyio.fail_after(5):
        async with application(HELLO, Script(at_open=(NEVER,)), **GENERATES) as app:
            await app.ended()
            await asked(app, 2)


async def test_a_conversation_that_was_deleted_meanwhile_gets_none():
    deleted = anyio.Event()
    late = Script((deleted, *answer("Late")))
    async with application(HELLO, late, HELLO, TITLE, **GENERATES) as app:
        turn = await app.ended()
        kept = f"/v1/conversations/{turn.headers['x-conversation-id']}"
        await asked(app, 2)
        await app.ask("DELETE", kept)
        deleted.set()
        await caught_up(app)
        gone, _ = await app.ask("GET", kept)

    assert gone.status == 404


async def test_a_title_belongs_to_the_conversation_of_its_owner():
    async with used_by(PEOPLE, HELLO, TITLE, **GENERATES) as people:
        turn = await people["alice"].ended()
        await titled(people["alice"], turn, "What pods are")
        _, body = await people["bob"].ask("GET", "/v1/conversations")

    assert json.loads(body)["conversations"] == []


async def test_where_recordings_are_played_nobody_is_asked(log):
    done = anyio.Event()

    async def come_after_it():
        done.set()

    services = open_services(Settings(speed=0, **GENERATES))
    made = create_app(services)
    async with lifespan(made):
        app = Application(made, services, services.upstream)
        turn = await app.ended(query="What is a pod in Kubernetes?")
        services.afterwards._titles.add(come_after_it)
        with anyio.fail_after(5):
            await done.wait()

        assert await title_of(app, turn) == "What is a pod in Kubernetes?"
    assert warnings(log) == []
