"""What a recording says of the turn that is on it."""

from dataclasses import asdict
from datetime import UTC, datetime

import anyio

from service.domain import hashed
from service.ports import Recorder, Tape
from service.turns.turn import RunningTurn
from statemachine import Header, TurnResumed, TurnStarted


def begin_tape(
    recorder: Recorder, turn: RunningTurn, opening: TurnStarted | TurnResumed
) -> Tape | None:
    """Begin to record a turn; headers for MCP servers and the caller's token are never in it.

    Whose it is can be found out by who knows the user, and read by nobody.
    """
    plan = turn.plan
    request: dict[str, object] = {
        "query": plan.query,
        "model": plan.model.model_id if plan.model else None,
        "system_prompt": plan.system_prompt,
        "attachments": [asdict(each) for each in plan.attachments],
        "shield_ids": sorted({*plan.input_shields, *plan.output_shields}),
        "vector_store_ids": list(plan.vector_stores),
        "mcp_servers": [each.name for each in plan.mcp_servers],
        "client_tools": [each.name for each in plan.client_tools],
        "user": hashed(turn.ids.user),
    }
    header = Header(
        turn.upstream.decoder.dialect,
        turn.upstream.server,
        title=" ".join(plan.query.split())[:200],
        recorded_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        request={name: value for name, value in request.items() if value},
        conversation_id=turn.ids.conversation_id,
        request_id=turn.ids.request_id,
        resumed=opening if isinstance(opening, TurnResumed) else None,
        moderation=turn.upstream.moderation,
    )
    waited_s = 0.0 if turn.asked_at is None else anyio.current_time() - turn.asked_at
    return recorder.begin(header, waited_s)


def end_tape(turn: RunningTurn) -> None:
    """Write what ended a turn: something outside of its stream, or the end of its body."""
    if turn.tape is not None:
        turn.tape.end(turn.stream.ended_by or turn.ending)
