"""Tasks that run for as long as the process does."""

from collections.abc import Awaitable, Callable

import anyio
import structlog

logger = structlog.get_logger()

_PAUSE_S = 1.0


async def kept_running(run: Callable[[], Awaitable[None]]) -> None:
    """Run something until cancelled, and again after a bug: no bug may end all that runs beside."""
    while True:
        try:
            await run()
        except Exception:  # a bug of ours in one of them
            logger.exception("task.crashed", task=getattr(run, "__qualname__", repr(run)))
        await anyio.sleep(_PAUSE_S)
