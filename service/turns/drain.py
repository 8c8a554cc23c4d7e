"""How a process comes to its end: what can end by itself in time is not cut."""

import anyio
import structlog

from service.turns.services import Services

logger = structlog.get_logger()


async def drain(services: Services) -> None:
    """Take no new turns, and wait until the process has nothing left to do, for a limited time.

    Readers go to other processes when those can serve them; else they stay until their turn ends.
    """
    services.live.refuse()
    logger.info("service.draining", turns=len(services.live.turns), readers=services.readers.open)
    settings = services.settings
    if services.log.attached:
        services.readers.dismiss(min(settings.drain_spread_s, settings.drain_timeout_s))
    await _come_to_an_end(services, settings.drain_timeout_s)


async def stop(services: Services, within_s: float) -> None:
    """Stop the turns that still run, and wait until their readers know, for a limited time."""
    services.live.stop_all()
    await _come_to_an_end(services, within_s)


async def _come_to_an_end(services: Services, within_s: float) -> None:
    with anyio.move_on_after(within_s):
        await services.live.ended()
        await services.readers.gone()
