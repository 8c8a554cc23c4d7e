"""Who may start: each question once, and one turn of a conversation at a time.

A claim says whether its turn is about to start or has started. Who is about to start is waited
for, for as long as a start can take; a turn that has started and is known no more is over, also
when it was deleted: a question that is only repeated never runs twice.
"""

import hashlib
from contextlib import closing
from dataclasses import dataclass

import anyio
import structlog

from service.domain import Caller, TurnIds
from service.errors import (
    ConversationBusy,
    IdempotencyKeyReused,
    LogUnavailable,
    StorageUnavailable,
    TurnOver,
    TurnUnknown,
)
from service.ports import Claims, EmissionLog

logger = structlog.get_logger()

_POLL_S = 0.05
_MARGIN_S = 60.0
"""How much longer than its turn a claim lives, at most."""

_STARTING, _STARTED = "starting", "started"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a caller has called its request, and a fingerprint of what it asks for."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a turn claims; `starting` and `started` are who holds it then."""

    key: str
    request_id: str
    fingerprint: str = ""

    @property
    def starting(self) -> str:
        """The holder while the turn is about to start."""
        return f"{self.request_id} {_STARTING} {self.fingerprint}"

    @property
    def started(self) -> str:
        """The holder when the turn has started."""
        return f"{self.request_id} {_STARTED} {self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Admission:
    """Claims what only one turn may have: its conversation, where the log is, and its key.

    A key stands for its turn in the database, for as long as its stream is kept.

    `start_s` is how long a turn can take to start, `turn_s` how long it can run, and `kept_s` for
    how long its events are kept then. A claim lives no longer, should nobody be left to end it.
    """

    claims: Claims
    keys: Claims
    log: EmissionLog
    start_s: float
    turn_s: float
    kept_s: float

    async def first(self, key: IdempotencyKey, caller: Caller, request_id: str) -> str:
        """Return the id of the turn that was the first with this key, which may be our own.

        Raises:
            IdempotencyKeyReused: it came with another body.
            TurnOver: the turn has run, and can no longer be followed.
            LogUnavailable, StorageUnavailable: it cannot be told.
        """
        own = claim_of(key, caller, request_id)
        deadline = anyio.current_time() + self.start_s
        while anyio.current_time() < deadline:
            held = await self.keys.claim(own.key, own.starting, self.start_s)
            if held == own.starting:
                return request_id
            first, state, fingerprint = held.split(" ")
            if fingerprint != key.fingerprint:
                raise IdempotencyKeyReused("It came with another body.")
            if await self.can_follow(first):
                return first
            if state == _STARTED:
                raise TurnOver(f"It was the turn {first}.")
            # The other request is about to start its turn, or to fail and to release the key.
            await anyio.sleep(_POLL_S)
        raise LogUnavailable("Another request with this key takes too long to start.")

    async def can_follow(self, request_id: str) -> bool:
        """Tell whether the stream of a turn can be followed.

        Raises:
            LogUnavailable: it cannot be told.
        """
        try:
            (await self.log.reader(request_id, 0)).close()
        except TurnUnknown:
            return False
        return True

    async def enter(self, ids: TurnIds) -> None:
        """Claim a conversation for a turn.

        Raises:
            ConversationBusy: another turn of it is running.
            LogUnavailable: it cannot be told.
        """
        own = _conversation(ids)
        held = await self.claims.claim(own.key, own.starting, self.start_s)
        holder, state, _ = held.split(" ")
        if held == own.starting:
            return
        # Who has ended may not have been able to release the conversation.
        over = state == _STARTED and await self._is_over(holder)
        if not (over and await self._takes(own, held)):
            raise ConversationBusy(holder)

    async def go_on(self, ids: TurnIds, idempotency: Claim | None, since: float) -> None:
        """Keep the claims until the turn has started, now that it is about to.

        They were made at `since`, in time of the event loop: a key that was claimed just now is
        surely held for long enough, and a database need not be asked.

        Raises:
            LogUnavailable: it took too long; they may be somebody else's by now.
        """
        recent = anyio.current_time() < since + self.start_s / 2
        for claims, each in self._claimed(ids, None if recent else idempotency):
            if not await claims.replace(each.key, each.starting, each.starting, self.start_s):
                raise LogUnavailable("The turn took too long to start.")

    async def started(self, ids: TurnIds, idempotency: Claim | None) -> None:
        """Keep the claims of a turn that has started for as long as it can run."""
        ttl_s = self.turn_s + _MARGIN_S + self.kept_s
        try:
            for claims, each in self._claimed(ids, idempotency):
                await claims.replace(each.key, each.starting, each.started, ttl_s)
        except (LogUnavailable, StorageUnavailable) as unavailable:
            # They end with the time for a start; until then nobody else has them.
            logger.warning("claim.kept", request_id=ids.request_id, cause=unavailable.cause)

    async def leave(self, ids: TurnIds, idempotency: Claim | None) -> None:
        """Let others have the conversation; the key stands for the turn while that is kept."""
        await self._release(self.claims, _conversation(ids))
        if idempotency is not None:
            await self._keep(idempotency)

    async def withdraw(self, ids: TurnIds, idempotency: Claim | None) -> None:
        """Release everything: the turn was not started."""
        for claims, each in self._claimed(ids, idempotency):
            await self._release(claims, each)

    def _claimed(self, ids: TurnIds, idempotency: Claim | None) -> tuple[tuple[Claims, Claim], ...]:
        own = (self.claims, _conversation(ids))
        return (own,) if idempotency is None else (own, (self.keys, idempotency))

    async def _release(self, claims: Claims, claim: Claim) -> None:
        try:
            for holder in (claim.started, claim.starting):
                await claims.release(claim.key, holder)
        except (LogUnavailable, StorageUnavailable) as unavailable:
            # Whoever comes next finds out that the turn is over.
            logger.warning("claim.kept", request_id=claim.request_id, cause=unavailable.cause)

    async def _keep(self, claim: Claim) -> None:
        try:
            await self.keys.replace(claim.key, claim.started, claim.started, self.kept_s)
        except (LogUnavailable, StorageUnavailable) as unavailable:
            logger.warning("claim.kept", request_id=claim.request_id, cause=unavailable.cause)

    async def _takes(self, claim: Claim, held: str) -> bool:
        """Take the place of who held a conversation, and tell whether nobody else was faster."""
        return await self.claims.replace(claim.key, held, claim.starting, self.start_s)

    async def _is_over(self, request_id: str) -> bool:
        """Tell whether a turn that has started is over; one that is unknown is no longer kept."""
        try:
            reader = await self.log.reader(request_id, 0)
        except TurnUnknown:
            return True
        with closing(reader):
            return reader.ended


def claim_of(key: IdempotencyKey, caller: Caller, request_id: str) -> Claim:
    """Return what a key claims; it belongs to its caller."""
    owned = hashlib.sha256(f"{caller.user}\n{key.name}".encode()).hexdigest()
    return Claim(f"key:{owned}", request_id, key.fingerprint)


def _conversation(ids: TurnIds) -> Claim:
    return Claim(f"conversation:{ids.conversation_id}", ids.request_id)
