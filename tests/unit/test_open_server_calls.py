"""Which of several open calls a chunk of the Responses API is about, and what it leaves open."""

from statemachine import DECODERS, CallStatus
from statemachine.events import StepCompleted, ToolCallCompleted, TurnEvent
from tests.support import responses_chunks as responses

SEARCH = {"kind": "mcp_call", "name": "search", "arguments": "{}", "server_label": "lab"}


def decoded(*chunks: object) -> list[TurnEvent]:
    decoder = DECODERS["responses"]()
    return [event for chunk in (responses.created(), *chunks) for event in decoder.decode(chunk)]


def statuses(*chunks: object) -> dict[str, CallStatus]:
    """Return how the calls ended, of which the response's output tells nothing."""
    events = decoded(*chunks, responses.completed())
    return {each.call_id: each.status for each in events if isinstance(each, ToolCallCompleted)}


def test_an_outcome_without_an_item_is_that_of_the_newest_open_call() -> None:
    opened = [responses.item_added(each, **SEARCH) for each in ("one", "two")]

    told = statuses(*opened, responses.chunk("mcp_call.completed"))

    assert told == {"one": CallStatus.FAILED, "two": CallStatus.OK}


def test_an_outcome_before_its_call_is_open_tells_nothing_of_it() -> None:
    early = responses.chunk("mcp_call.completed", item_id="one")

    told = statuses(early, responses.item_added("one", **SEARCH))

    assert told == {"one": CallStatus.FAILED}


def test_a_call_that_returns_while_the_model_speaks_closes_no_step() -> None:
    events = decoded(
        responses.item_added("one", **SEARCH),
        responses.item_added("m1"),
        responses.text("m1", "Let me see."),
        responses.item_done("one", **SEARCH),
    )

    assert isinstance(events[-1], ToolCallCompleted)
    assert not any(isinstance(each, StepCompleted) for each in events)
