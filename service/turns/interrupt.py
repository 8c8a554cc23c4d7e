"""Stopping a turn, whichever process drives it."""

from contextlib import closing

import anyio

from service.domain import Action, Principal
from service.errors import LogUnavailable
from service.ports import LogReader
from service.turns.services import Services
from statemachine import Interrupted, Interrupter


async def interrupt_turn(services: Services, request_id: str, principal: Principal) -> bool:
    """Stop a turn and tell whether that is how it ended; its end may have been faster.

    Raises:
        TurnUnknown: there is no such turn, or it is somebody else's.
        LogUnavailable: who drives it cannot be reached.
    """
    reach = principal.reach(Action.INTERRUPT_OTHERS)
    reader = await services.log.reader(request_id, 0, reach)
    with closing(reader):
        by = Interrupter.USER if reader.ids.user == principal.user else Interrupter.OPERATOR
        if request_id in services.live:
            return await services.live.interrupt(request_id, by)
        if reader.ended:
            return False
        await services.log.stop(request_id, by)
        return await _ends_interrupted(reader, services.settings.interrupt_wait_s)


async def _ends_interrupted(reader: LogReader, wait_s: float) -> bool:
    """Tell how a turn ends that was told to stop.

    Raises:
        LogUnavailable: it does not end; the process that drives it may be about to be missed.
    """
    with anyio.move_on_after(wait_s):
        while True:
            page = await reader.read(wait_s)
            if page.emissions and page.emissions[-1].terminal:
                return isinstance(page.emissions[-1].output, Interrupted)
    raise LogUnavailable("The process that drives the turn does not answer.")
