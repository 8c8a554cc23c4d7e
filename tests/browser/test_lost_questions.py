"""Questions that the network loses, and questions that another one is in the way of."""

import pytest
from anyio.from_thread import BlockingPortal
from playwright.sync_api import Browser

from tests.browser.conftest import Tab, opened
from tests.support.cutting_proxy import UNHEARD, cutting_proxy
from tests.support.upstreams import NEVER, Script, ScriptedUpstream, answer, opening_chunk, says

pytestmark = pytest.mark.browser

POD = "What is a pod?"
HELLO = Script(answer("Hello."))
TURNS = "**/v1/streaming_query?**"
WITHOUT_END = Script((opening_chunk(), says("It is "), NEVER))


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_a_question_that_never_arrived_is_asked_again_by_itself(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    live_tab.page.route(TURNS, lambda route: route.abort(), times=1)

    live_tab.ask(POD)
    live_tab.wait_for("end")

    assert "Connection lost; asking again" in live_tab.text(".remark")
    assert live_tab.text("#answer") == "Hello."
    assert len(upstream.turns) == 1


@pytest.mark.parametrize("scripts", [(HELLO,)])
def test_a_question_whose_answer_got_lost_is_joined_and_not_asked_twice(
    live_tab: Tab,
    upstream: ScriptedUpstream,
    chromium: Browser,
    elsewhere: BlockingPortal,
    viewport: dict[str, int],
) -> None:
    lost = [UNHEARD, UNHEARD, 0]
    with (
        elsewhere.wrap_async_context_manager(
            cutting_proxy(live_tab.url, lost, resets=True)
        ) as proxy,
        opened(chromium, proxy.url, viewport) as tab,
    ):
        tab.ask(POD)
        tab.wait_for("end")

        assert tab.text("#answer") == "Hello."
        assert "digest verified" in tab.text("#proof")

    asked = [each for each in proxy.passages if each.method == "POST"]
    assert len(asked) > 1
    assert len({each.header("Idempotency-Key") for each in asked}) == 1
    assert len(upstream.turns) == 1


@pytest.mark.parametrize("scripts", [(HELLO, WITHOUT_END, HELLO)])
def test_a_question_that_is_in_the_way_can_be_stopped_for_another_one(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    with live_tab.page.expect_response(TURNS) as first:
        live_tab.ask(POD)
    live_tab.wait_for("end")
    in_the_way(live_tab, first.value.headers["x-conversation-id"])
    live_tab.ask("And a node?")
    live_tab.wait_for("error")
    assert "Another question is being answered here" in live_tab.text(".error-card")
    assert "conversation_busy" in live_tab.text(".error-card")

    live_tab.page.get_by_role("button", name="Stop it and ask").click()
    live_tab.wait_for("end")

    assert live_tab.text("#answer") == "Hello."
    assert live_tab.page.locator(".question").all_text_contents() == [POD, "And a node?"]
    assert upstream.turns[1].closed.is_set()


def in_the_way(tab: Tab, conversation_id: str) -> None:
    """Start a turn in the conversation from elsewhere, which would not end by itself."""
    tab.page.evaluate(
        """async (conversation_id) => {
            const body = JSON.stringify({ query: "Wait.", conversation_id });
            await (await fetch("/v1/streaming_query", { method: "POST", body })).body.cancel();
        }""",
        conversation_id,
    )
