"""What becomes of turns that nobody reads any more."""

import anyio

from service.turns.live import LiveTurns
from service.turns.readers import Readers
from statemachine import Interrupter

_LOOKS = 4
"""How often is looked within the time of grace."""


async def cancel_unread(live: LiveTurns, readers: Readers, grace_s: float) -> None:
    """Stop every turn that is to be cancelled when nobody reads it for `grace_s`."""
    while True:
        await anyio.sleep(min(grace_s / _LOOKS, 1.0))
        now = anyio.current_time()
        for turn in live.turns:
            if not turn.cancels:
                continue
            if readers.count(turn.ids.request_id):
                turn.attended_at = now
            elif now - max(turn.attended_at, turn.started_at) >= grace_s:
                turn.stop(Interrupter.USER)
