"""Everything that happens before a turn runs, in the order in which a person would tell it."""

import uuid

import anyio

from service.domain import TurnIds, TurnRequest
from service.turns.services import Services
from service.turns.turn import RunningTurn
from statemachine import TurnStream


async def start_turn(services: Services, request: TurnRequest) -> RunningTurn:
    """Admit a turn and set it going.

    Raises:
        UpstreamError: the upstream cannot be asked.
        TooManyTurns: as many turns run as the log takes.
        Stopping: the process is about to stop.
    """
    services.live.admit()
    started_at = anyio.current_time()
    ids = TurnIds(str(uuid.uuid4()), request.conversation_id or str(uuid.uuid4()))
    prepared = await services.upstream.prepare(request)
    stream = TurnStream(
        prepared.decoder,
        conversation_id=ids.conversation_id,
        request_id=ids.request_id,
        prompt=request.query,
    )
    turn = RunningTurn(ids, prepared, stream, started_at)
    await services.log.open(ids)
    services.live.launch(turn)
    return turn
