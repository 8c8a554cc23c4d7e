"""What running turns have said so far is kept now and then, for the case that the process dies."""

from dataclasses import dataclass

import anyio
import structlog

from service.errors import StorageUnavailable
from service.ports import Turns
from service.settings.data import DatabaseSettings
from service.turns.afterwards import Afterwards
from service.turns.live import LiveTurns
from service.turns.unstored import Unstored

logger = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Checkpoints:
    """Keeps the partial answers of this process, and ends the turns of processes that have died."""

    live: LiveTurns
    turns: Turns
    unstored: Unstored
    afterwards: Afterwards
    settings: DatabaseSettings
    _failing: bool = False
    _lenient_until: float = 0.0

    async def run(self) -> None:
        """Do both until cancelled; what fails is tried again the next time."""
        while True:
            try:
                await self._keep()
                self._failing = False
            except StorageUnavailable as unavailable:
                # Then others could not say that they live either.
                self._lenient_until = anyio.current_time() + self.settings.lease_s
                if not self._failing:
                    logger.warning("checkpoint.failed", cause=unavailable.cause)
                self._failing = True
            await anyio.sleep(self.settings.checkpoint_s)

    async def _keep(self) -> None:
        running = [each for each in self.live.turns if each.terminal is None]
        # What waits to be stored is not lost either, and nobody may end it meanwhile.
        said = self.unstored.said
        said |= {each.ids.request_id: each.stream.summary.answer for each in running}
        if said:
            await self.turns.checkpoint(said)
            self.unstored.wake()
        if anyio.current_time() < self._lenient_until:
            return
        for each in await self.turns.abandoned():
            logger.warning("turn.abandoned", request_id=each.request_id)
            self.afterwards.export(each)
