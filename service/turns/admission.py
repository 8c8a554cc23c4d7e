"""Who may start: each question once, and one turn of a conversation at a time."""

import hashlib
from contextlib import closing
from dataclasses import dataclass

import anyio
import structlog

from service.domain import Caller, TurnIds
from service.errors import ConversationBusy, IdempotencyKeyReused, LogUnavailable, TurnUnknown
from service.ports import Claims, EmissionLog

logger = structlog.get_logger()

_POLL_S = 0.05
_MARGIN_S = 60.0
"""How much longer than its turn the claim on a conversation lives, at most."""

type Claim = tuple[str, str]
"""What is claimed, and who holds it."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a caller has called its request, and a fingerprint of what it asks for."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Admission:
    """Claims what only one turn may have.

    `start_s` is how long a turn can take to start, `turn_s` how long it can run, and `kept_s` for
    how long its events are kept then. A claim lives no longer, should nobody be left to end it.
    """

    claims: Claims
    log: EmissionLog
    start_s: float
    turn_s: float
    kept_s: float

    async def first(self, key: IdempotencyKey, caller: Caller, request_id: str) -> str:
        """Return the id of the turn that was the first with this key, which may be our own.

        Raises:
            IdempotencyKeyReused: it came with another body.
            LogUnavailable: it cannot be told.
        """
        claimed, holder = self.claim_of(key, caller, request_id)
        deadline = anyio.current_time() + self.start_s
        while True:
            held = await self.claims.claim(claimed, holder, self.start_s)
            first, _, fingerprint = held.partition(" ")
            if fingerprint != key.fingerprint:
                raise IdempotencyKeyReused("It came with another body.")
            if first == request_id or await self._known(first):
                return first
            if anyio.current_time() > deadline:
                # What it stood for is no longer kept.
                await self.claims.release(claimed, held)
            # The other request is about to start its turn, or to fail and to release the key.
            await anyio.sleep(_POLL_S)

    def claim_of(self, key: IdempotencyKey, caller: Caller, request_id: str) -> Claim:
        """Return the claim of a key: its name, and who holds it. A key belongs to its caller."""
        owned = hashlib.sha256(f"{caller.user}\n{key.name}".encode()).hexdigest()
        return f"key:{owned}", f"{request_id} {key.fingerprint}"

    async def enter(self, ids: TurnIds) -> None:
        """Claim a conversation for a turn.

        Raises:
            ConversationBusy: another turn of it is running.
            LogUnavailable: it cannot be told.
        """
        claimed = _conversation(ids)
        holder = await self.claims.claim(claimed, ids.request_id, self.start_s)
        if holder != ids.request_id and await self._has_ended(holder):
            # It could not release the conversation any more.
            await self.claims.release(claimed, holder)
            holder = await self.claims.claim(claimed, ids.request_id, self.start_s)
        if holder != ids.request_id:
            raise ConversationBusy(holder)

    async def started(self, ids: TurnIds, idempotency: Claim | None) -> None:
        """Keep the claims of a turn for as long as it can run."""
        turn_s = self.turn_s + _MARGIN_S
        await self.claims.extend(_conversation(ids), ids.request_id, turn_s)
        if idempotency is not None:
            await self.claims.extend(*idempotency, turn_s + self.kept_s)

    async def leave(self, ids: TurnIds, idempotency: Claim | None) -> None:
        """Let others have the conversation; the key stands for the turn while that is kept."""
        try:
            await self.claims.release(_conversation(ids), ids.request_id)
            if idempotency is not None:
                await self.claims.extend(*idempotency, self.kept_s)
        except LogUnavailable as unavailable:
            # The next turn finds out that this one has ended.
            logger.warning("claim.kept", request_id=ids.request_id, cause=unavailable.cause)

    async def withdraw(self, ids: TurnIds, idempotency: Claim | None) -> None:
        """Release everything: the turn was not started."""
        try:
            await self.claims.release(_conversation(ids), ids.request_id)
            if idempotency is not None:
                await self.claims.release(*idempotency)
        except LogUnavailable as unavailable:
            logger.warning("claim.kept", request_id=ids.request_id, cause=unavailable.cause)

    async def _known(self, request_id: str) -> bool:
        try:
            (await self.log.reader(request_id, 0)).close()
        except TurnUnknown:
            return False
        return True

    async def _has_ended(self, request_id: str) -> bool:
        """Tell whether a turn has ended; one that is unknown is about to start."""
        try:
            reader = await self.log.reader(request_id, 0)
        except TurnUnknown:
            return False
        with closing(reader):
            return reader.ended


def _conversation(ids: TurnIds) -> str:
    return f"conversation:{ids.conversation_id}"
