"""Turns that wait for their client, and that nobody answers."""

import pytest

from tests.browser.conftest import Tab
from tests.browser.test_answers import RESTART, SUBMIT, waiting
from tests.support.upstreams import Script, answer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [(waiting(RESTART), Script(answer("Hello.")))])
def test_a_new_question_leaves_open_calls_unanswered(live_tab: Tab) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")

    live_tab.ask("Say hello instead.")
    live_tab.wait_for("end")

    assert "Not answered" in live_tab.text(".notice-card")
    assert live_tab.page.locator(SUBMIT).count() == 0
    assert live_tab.page.is_hidden("#to-calls")


@pytest.mark.parametrize("scripts", [(Script(waiting(RESTART).body, threads=False),)])
def test_a_turn_that_nobody_keeps_cannot_be_answered(live_tab: Tab) -> None:
    live_tab.ask("Restart web, please.")

    live_tab.wait_for("awaiting_input")

    assert "cannot be answered" in live_tab.text(".notice-card")
    assert live_tab.page.locator(SUBMIT).count() == 0
