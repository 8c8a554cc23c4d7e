"""What a client has answered to a response that waits for it: as input, and as events."""

from service.domain import Answer, Answers, Approval, PausedTurn, ToolAnswer
from service.upstream.text import output_of
from statemachine import CallStatus, ToolCallCompleted, TurnResumed

type Fields = dict[str, object]


def answers_as_input(paused: PausedTurn, answers: Answers) -> list[Fields]:
    """Return the answers as input.

    A server lets a denied call vanish, and the model would hear of nothing; so when all are
    denied, the model is told as if a tool had answered.
    """
    if not _all_denied(answers):
        return list(map(_answer, answers))
    calls: list[Fields] = [
        {
            "type": "function_call",
            "call_id": call.call_id,
            "name": call.tool_name,
            "arguments": call.arguments,
        }
        for call in paused.calls
    ]
    return [*calls, *map(_output, answers)]


def _answer(answer: Answer) -> Fields:
    if isinstance(answer, ToolAnswer):
        return _output(answer)
    decision: Fields = {"approval_request_id": answer.call_id, "approve": answer.approve}
    reason = {"reason": answer.reason} if answer.reason else {}
    return {"type": "mcp_approval_response", **decision, **reason}


def _output(answer: Answer) -> Fields:
    return {
        "type": "function_call_output",
        "call_id": answer.call_id,
        "output": output_of(answer),
    }


def _all_denied(answers: Answers) -> bool:
    return all(isinstance(each, Approval) and not each.approve for each in answers)


def approved(answers: Answers) -> int:
    """Return how many calls the client lets go ahead."""
    return sum(isinstance(each, Approval) and each.approve for each in answers)


def resumed_by(paused: PausedTurn, answers: Answers) -> TurnResumed:
    """The stream will not repeat what a client said; what it approved runs in the stream."""
    calls = {call.call_id: call for call in paused.calls}
    given = [each for each in answers if isinstance(each, ToolAnswer) or not each.approve]
    results = tuple(
        ToolCallCompleted(
            each.call_id,
            calls[each.call_id].tool_name,
            CallStatus.FAILED if _failed(each) else CallStatus.OK,
            output_of(each),
        )
        for each in given
    )
    return TurnResumed(paused.turn_id, tuple(calls[each.call_id] for each in given), results)


def _failed(answer: Answer) -> bool:
    return answer.failed if isinstance(answer, ToolAnswer) else not answer.approve
