"""What is still on its way when its user leaves the page is shown to nobody."""

from typing import Any

import pytest

from tests.browser.conftest import Held, Tab
from tests.browser.test_signing_in import LIST, TOGGLE, sign_out
from tests.support.people import ALICE, BOB, credential, keys
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.browser


@pytest.fixture
def settings() -> dict[str, Any]:
    """Two people with quotas, in which a question counts for nothing but its words."""
    quota = {"name": "daily", "initial_tokens": 1_000, "period_s": 86_400}
    alone = {"quotas": {"reserve_tokens": 10}, "system_prompt": ""}
    return keys() | {"token_quotas": [quota], **alone}


@pytest.fixture
def scripts() -> tuple[Script, ...]:
    return (Script(answer("Hello.")),)


def asks_elsewhere(tab: Tab, name: str, questions: int) -> None:
    """Let somebody begin conversations in another program."""
    for number in range(questions):
        body = {"query": f"Question {number} of {name}"}
        address = f"{tab.url}/v1/streaming_query"
        assert tab.page.request.post(address, data=body, headers=credential(name)).ok


def test_the_rest_of_a_list(live_tab: Tab) -> None:
    asks_elsewhere(live_tab, ALICE, 21)
    asks_elsewhere(live_tab, BOB, 21)
    live_tab.sign_in(ALICE)
    live_tab.page.click(TOGGLE)
    rest = Held(live_tab.page, "**/v1/conversations?**cursor=**")
    live_tab.page.click("#conversations-more")
    live_tab.page.keyboard.press("Escape")
    sign_out(live_tab)

    rest.let_go()
    before = live_tab.shows(TOGGLE), live_tab.page.locator(LIST).count()
    live_tab.sign_in(BOB)
    live_tab.page.click(TOGGLE)
    live_tab.page.click("#conversations-more")
    live_tab.page.wait_for_selector("#conversations-more", state="hidden")

    titles = live_tab.page.locator(f"{LIST} .title").all_text_contents()
    assert before == (False, 0)
    assert len(titles) == 21
    assert all(BOB in each for each in titles)


def test_what_is_left_of_quotas(live_tab: Tab) -> None:
    asks_elsewhere(live_tab, ALICE, 1)
    quotas = Held(live_tab.page, "**/v1/quotas")
    live_tab.sign_in(ALICE)
    sign_out(live_tab)
    live_tab.sign_in(BOB)
    live_tab.wait_for_text("#quotas", "daily: 1,000 tokens left")

    quotas.let_go()

    assert "daily: 1,000 tokens left" in live_tab.text("#quotas")


def test_who_they_are(live_tab: Tab) -> None:
    live_tab.sign_in(ALICE)
    who = Held(live_tab.page, "**/v1/authorized")
    live_tab.page.reload()
    sign_out(live_tab)
    live_tab.sign_in(BOB)

    who.let_go()

    assert live_tab.text("#account-name") == BOB
    assert BOB in live_tab.text("#account-facts")
