"""Calls that wait for a person: results, approvals, and answers that are not taken."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from service.domain import Approval, ToolAnswer
from tests.browser.conftest import Tab
from tests.support import agents_chunks as agents
from tests.support import responses_chunks as responses
from tests.support.upstreams import Script, ScriptedUpstream, opening_chunk, says

pytestmark = pytest.mark.browser

TURNS = "**/v1/streaming_query**"
ANSWERS = "**/tool_results**"
SUBMIT = ".answers button[type=submit]"

RESTART = agents.call("c1", "restart_deployment", '{"namespace": "staging"}')
SCALE = agents.call("c2", "scale_deployment", '{"replicas": 3}')
DELETE = {
    "type": "mcp_approval_request",
    "id": "approval_1",
    "name": "delete_jobs",
    "arguments": '{"namespace": "reports"}',
    "server_label": "cluster",
}
DELETED = {"name": "delete_jobs", "server_label": "cluster"}


def waiting(*calls: object) -> Script:
    """Return a turn of an agent that waits for the results of its client's tools."""
    said = opening_chunk(), says("One moment."), agents.inference_complete("s1")
    return Script((*said, agents.awaiting(*calls)))


def returned(content: str) -> Script:
    """Return how the turn goes on when the first call has returned."""
    response = agents.response("c1", content, "restart_deployment")
    said = agents.step_start("s2"), agents.text("s2", "It runs again.")
    end = agents.inference_complete("s2"), agents.turn_complete("It runs again.")
    return Script((agents.tool_complete("t1", response), *said, *end))


APPROVAL = Script((responses.created(), responses.completed(DELETE)), dialect="responses")
FUNCTION = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "restart_deployment"}
MIXED = Script(
    (responses.created(), responses.completed(DELETE, FUNCTION | {"arguments": "{}"})),
    dialect="responses",
)
EXECUTED = Script(
    (
        responses.created(),
        responses.item_added("mcp_1", "mcp_call", **DELETED),
        responses.arguments_done("mcp_1", '{"namespace": "reports"}'),
        responses.item_done("mcp_1", "mcp_call", **DELETED, output="7 deleted"),
        responses.completed(responses.message(responses.said("Done."))),
    ),
    dialect="responses",
)
KEPT = Script(
    (responses.created(), responses.completed(responses.message(responses.said("All kept.")))),
    dialect="responses",
)


def refuse(page: Page, status: int, code: str, **headers: str) -> None:
    """Let the next answers be refused."""
    detail = {"response": "These answers cannot be taken.", "cause": "The test says so."}
    body = json.dumps({"detail": detail, "code": code})

    def fulfil(route: Route) -> None:
        route.fulfill(status=status, headers=headers, body=body)

    page.route(ANSWERS, fulfil, times=1)


def answer_elsewhere(tab: Tab, **answers: Any) -> None:
    """Answer the turn that the page shows from another tab."""
    with tab.page.expect_response(TURNS) as asked:
        tab.ask("Restart web, please.")
    tab.wait_for("awaiting_input")
    address = f"{tab.url}{asked.value.headers['content-location']}/tool_results"
    assert tab.page.request.post(address, data=answers).ok


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
def test_the_result_of_a_tool_lets_the_same_turn_go_on(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")
    live_tab.page.get_by_label("Result").fill("restarted web")

    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert upstream.resumed[0][1] == (ToolAnswer("c1", "restarted web"),)
    assert live_tab.page.locator(".turn").count() == 1
    assert live_tab.text("#answer") == "It runs again."
    assert live_tab.page.locator(".tool-card[data-status=ok]").count() == 1
    assert live_tab.text("#path").startswith("idle → tool_executing → turn_started")
    assert "digest verified" in live_tab.text("#proof")
    assert live_tab.complaints == []


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
def test_the_raw_frames_show_where_the_new_stream_begins(live_tab: Tab) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")
    live_tab.page.get_by_label("Result").fill("restarted web")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    live_tab.page.click("#frames-toggle")

    live_tab.wait_for_text("#frames .divider", "new stream of the same turn")
    assert live_tab.page.locator("#frames li", has_text='"event":"start"').count() == 2


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("Error"))])
def test_a_tool_that_failed_needs_no_words(live_tab: Tab, upstream: ScriptedUpstream) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")

    live_tab.page.get_by_label("The tool failed").check()
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert upstream.resumed[0][1] == (ToolAnswer("c1", "", failed=True),)


@pytest.mark.parametrize("scripts", [(APPROVAL, EXECUTED)])
def test_an_approved_call_is_executed_where_it_was_shown(
    live_tab: Tab, upstream: ScriptedUpstream
) -> None:
    live_tab.ask("Delete the finished jobs.")
    live_tab.wait_for("awaiting_input")
    assert '"namespace": "reports"' in live_tab.text(".answers .tool-arguments")

    live_tab.page.get_by_role("button", name="Approve").click()
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert upstream.resumed[0][1] == (Approval("approval_1", approve=True),)
    assert live_tab.page.locator(".tool-card").count() == 1
    assert "7 deleted" in live_tab.text(".tool-card[data-status=ok]")
    assert live_tab.text("#answer") == "Done."


@pytest.mark.parametrize("scripts", [(APPROVAL, KEPT)])
def test_a_denied_call_keeps_its_reason(live_tab: Tab, upstream: ScriptedUpstream) -> None:
    live_tab.ask("Delete the finished jobs.")
    live_tab.wait_for("awaiting_input")

    live_tab.page.get_by_role("button", name="Deny").click()
    live_tab.page.get_by_label("Reason (optional)").fill("Not on a Friday")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert upstream.resumed[0][1] == (
        Approval("approval_1", approve=False, reason="Not on a Friday"),
    )
    assert "Not on a Friday" in live_tab.text(".tool-card[data-status=denied]")
    assert live_tab.text("#answer") == "All kept."


@pytest.mark.parametrize("scripts", [(waiting(RESTART, SCALE),)])
def test_nothing_is_sent_before_every_call_is_answered(live_tab: Tab) -> None:
    live_tab.ask("Restart and scale web, please.")
    live_tab.wait_for("awaiting_input")
    results = live_tab.page.get_by_label("Result")

    results.nth(0).fill("restarted")
    one_of_two = live_tab.page.is_disabled(SUBMIT)
    results.nth(1).fill("scaled")

    assert one_of_two
    assert live_tab.page.is_enabled(SUBMIT)
    assert "2 of 2" in live_tab.text(".answers")


@pytest.mark.parametrize("scripts", [(MIXED, KEPT)])
def test_approvals_and_results_are_sent_together(live_tab: Tab, upstream: ScriptedUpstream) -> None:
    live_tab.ask("Delete the finished jobs and restart web.")
    live_tab.wait_for("awaiting_input")

    live_tab.page.get_by_role("button", name="Approve").click()
    live_tab.page.get_by_label("Result").fill("restarted")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    approved, returned = upstream.resumed[0][1]
    assert approved == Approval("approval_1", approve=True)
    assert returned == ToolAnswer("c1", "restarted")


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
def test_the_keyboard_alone_is_enough(live_tab: Tab) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")
    keyboard = live_tab.page.keyboard

    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    keyboard.type("restarted web")
    for key in ("Tab", "Tab", "Enter"):
        keyboard.press(key)
    live_tab.wait_for("end")

    assert live_tab.text("#answer") == "It runs again."
    assert live_tab.page.evaluate("() => document.activeElement.id") == "conversation"


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
def test_another_answer_from_a_second_tab_comes_first(live_tab: Tab) -> None:
    answer_elsewhere(live_tab, tool_results=[{"call_id": "c1", "content": "It did not work."}])

    live_tab.page.get_by_label("Result").fill("restarted web")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("error")

    assert "The turn was answered before." in live_tab.text(".error-card")
    assert "answers_differ" in live_tab.text(".error-card")
    assert live_tab.page.locator(SUBMIT).count() == 0
    assert live_tab.page.is_enabled("#send")


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
def test_the_same_answer_from_a_second_tab_shows_the_same_stream(live_tab: Tab) -> None:
    answer_elsewhere(live_tab, tool_results=[{"call_id": "c1", "content": "restarted web"}])

    live_tab.page.get_by_label("Result").fill("restarted web")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert live_tab.text("#answer") == "It runs again."


@pytest.mark.parametrize("settings", [{"answer_timeout_s": 0.001}])
@pytest.mark.parametrize("scripts", [(waiting(RESTART),)])
def test_an_answer_that_comes_too_late_is_told_so(live_tab: Tab) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")

    live_tab.page.get_by_label("Result").fill("restarted web")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("error")

    assert "answer_too_late" in live_tab.text(".error-card")
    assert "not answered" in live_tab.text(".tool-status")


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
@pytest.mark.parametrize(
    ("status", "code"), [(422, "request_invalid"), (503, "upstream_unavailable")]
)
def test_answers_that_were_not_taken_can_be_sent_again(
    live_tab: Tab, status: int, code: str
) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")
    live_tab.page.get_by_label("Result").fill("restarted web")
    refuse(live_tab.page, status, code, **{"Retry-After": "7"})
    live_tab.page.click(SUBMIT)
    live_tab.wait_for_text(".error-card", code)
    live_tab.wait_for_text(".error-card", "wait 7 seconds before the next try")
    live_tab.wait_for("awaiting_input")

    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert live_tab.text("#answer") == "It runs again."
    assert live_tab.page.locator(".error-card").count() == 0


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
def test_answers_that_a_stopping_service_did_not_take_are_sent_again_by_themselves(
    live_tab: Tab,
) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")
    refuse(live_tab.page, 503, "stopping", **{"Retry-After": "1"})

    live_tab.page.get_by_label("Result").fill("restarted web")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert "The service cannot answer yet (stopping)" in live_tab.text(".remark")
    assert live_tab.text("#answer") == "It runs again."


@pytest.mark.parametrize("scripts", [(waiting(RESTART), returned("restarted web"))])
def test_answers_that_got_lost_are_sent_again_by_themselves(live_tab: Tab) -> None:
    live_tab.ask("Restart web, please.")
    live_tab.wait_for("awaiting_input")
    live_tab.page.route(ANSWERS, lambda route: route.abort(), times=1)

    live_tab.page.get_by_label("Result").fill("restarted web")
    live_tab.page.click(SUBMIT)
    live_tab.wait_for("end")

    assert live_tab.text("#answer") == "It runs again."
