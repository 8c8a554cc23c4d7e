"""Who may start: each question once, and one turn of a conversation at a time.

A claim says whether its turn is about to start or has started. Who is about to start is waited
for, for as long as a start can take; a turn that has started and is known no more is over, also
when it was deleted: a question that is only repeated never runs twice.

A key stands for its turn from the transaction on in which that is kept (see `Turns.begin`).
"""

import hashlib
from contextlib import closing
from dataclasses import dataclass

import anyio
import structlog

from service.domain import Action, Caller, Handover, Principal, TurnIds, hashed
from service.errors import (
    ConversationBusy,
    IdempotencyKeyReused,
    LogUnavailable,
    StorageUnavailable,
    TurnOver,
    TurnUnknown,
)
from service.ports import Claims, EmissionLog, Turns

logger = structlog.get_logger()

_POLL_S = 0.05
_MARGIN_S = 60.0
"""How much longer than its turn a claim lives, at most."""

_STARTING, _STARTED, _DELETING = "starting", "started", "deleting"


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a caller has called its request, and a fingerprint of what it asks for."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a turn claims; `starting` and `started` are who holds it then.

    The fingerprint of a key is that of its question, the one of a conversation tells whose turn has
    it.
    """

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

    @property
    def deleting(self) -> str:
        """The holder of a conversation that is about to be deleted."""
        return f"{self.request_id} {_DELETING} {self.fingerprint}"


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A turn that has a conversation, or is about to."""

    request_id: str
    state: str
    fingerprint: str

    def belongs_to(self, user: str | None) -> bool:
        """Tell whether it is a user's; everything is everybody's (None)."""
        return user is None or self.fingerprint == hashed(user)

    def busy(self, principal: Principal) -> ConversationBusy:
        """Return the refusal of who cannot have it; who cannot follow it is not told its id."""
        followed = self.belongs_to(principal.reach(Action.READ_OTHERS_CONVERSATIONS))
        return ConversationBusy(self.request_id if followed else None)


@dataclass(frozen=True, slots=True)
class Admission:
    """Claims what only one turn may have: its conversation, where the log is, and its key.

    A key stands for its turn in the database, for as long as its stream is kept.

    `start_s` is how long a turn can take to start, `turn_s` how long it can run, and `kept_s` for
    how long its events are kept then. A claim lives no longer, should nobody be left to end it.
    """

    claims: Claims
    keys: Claims
    turns: Turns
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
        own, over = claim_of(key, caller, request_id), None
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
            if first == over:
                raise TurnOver(f"It was the turn {first}.")
            if state == _STARTED and await self._has_run(first):
                # It could not be followed yet, or was withdrawn: that shows at the second look.
                over = first
                continue
            # The other request is about to start its turn, or to fail and to release the key.
            await anyio.sleep(_POLL_S)
        raise LogUnavailable("Another request with this key takes too long to start.")

    async def can_follow(self, request_id: str, user: str | None = None) -> bool:
        """Tell whether the stream of a turn can be followed, by a user or by anybody (None).

        Raises:
            LogUnavailable: it cannot be told.
        """
        try:
            (await self.log.reader(request_id, 0, user)).close()
        except TurnUnknown:
            return False
        return True

    async def enter(self, ids: TurnIds, *, deletes: bool = False) -> InTheWay | None:
        """Claim a conversation for a turn, or to delete it; returns which turn has it instead.

        Raises:
            ConversationUnknown: it was deleted meanwhile.
            LogUnavailable, StorageUnavailable: it cannot be told, or somebody else takes too long
                to delete it.
        """
        claim = _conversation(ids)
        own = claim.deleting if deletes else claim.starting
        held = await self._undeleted(claim.key, own)
        if held == own:
            return None
        in_the_way = InTheWay(*held.split(" "))
        # Who has ended may not have been able to release the conversation.
        over = in_the_way.state == _STARTED and await self._is_over(in_the_way.request_id)
        if over and await self.claims.replace(claim.key, held, own, self.start_s):
            return None
        if in_the_way.state == _STARTING:
            # What is about to find that the conversation was deleted is in nobody's way.
            await self.turns.find(ids.conversation_id, None)
        return in_the_way

    async def go_on(self, ids: TurnIds) -> None:
        """Keep the conversation until the turn has started, now that it is about to.

        Raises:
            LogUnavailable: it took too long; it may be another turn's by now.
        """
        own = _conversation(ids)
        if not await self.claims.replace(own.key, own.starting, own.starting, self.start_s):
            raise LogUnavailable("The turn took too long to start.")

    async def started(self, ids: TurnIds) -> bool:
        """Keep the conversation of a turn that has started for as long as it can run.

        Returns whether that is certain; until it is nobody else has the conversation for the time
        of a start.
        """
        own, ttl_s = _conversation(ids), self._longest_s
        try:
            if not await self.claims.replace(own.key, own.starting, own.started, ttl_s):
                # It was kept and nobody has heard, or its time was over.
                await self.claims.claim(own.key, own.started, ttl_s)
        except LogUnavailable:
            return False
        return True

    def handover(self, claim: Claim | None) -> Handover | None:
        """Return what lets a key stand for its turn, for as long as that can run and is kept."""
        if claim is None:
            return None
        return Handover(claim.key, claim.starting, claim.started, self._longest_s)

    async def leave(self, ids: TurnIds) -> None:
        """Let others have the conversation of a turn that is over."""
        await self._release(self.claims, _conversation(ids))

    async def keep(self, claim: Claim) -> None:
        """Let a key stand for its turn, which is over, only while that is kept."""
        try:
            await self.keys.replace(claim.key, claim.started, claim.started, self.kept_s)
        except (LogUnavailable, StorageUnavailable) as unavailable:
            logger.warning("claim.kept", request_id=claim.request_id, cause=unavailable.cause)

    async def withdraw(self, ids: TurnIds, idempotency: Claim | None) -> None:
        """Release everything: the turn was not started."""
        await self._release(self.claims, _conversation(ids))
        await self.free(idempotency)

    async def free(self, idempotency: Claim | None) -> None:
        """Release a key: the turn that it stands for does not run."""
        if idempotency is not None:
            await self._release(self.keys, idempotency)

    async def deleted(self, ids: TurnIds) -> None:
        """Let others have a conversation that was deleted, or that could not be."""
        await self._release(self.claims, _conversation(ids), deletes=True)

    @property
    def _longest_s(self) -> float:
        return self.turn_s + _MARGIN_S + self.kept_s

    async def _undeleted(self, key: str, own: str) -> str:
        """Return who holds a conversation when nobody deletes it: then it may be there, or not."""
        deadline = anyio.current_time() + self.start_s
        while anyio.current_time() < deadline:
            held = await self.claims.claim(key, own, self.start_s)
            if held == own or InTheWay(*held.split(" ")).state != _DELETING:
                return held
            await anyio.sleep(_POLL_S)
        raise LogUnavailable("Another request takes too long to delete the conversation.")

    async def _release(self, claims: Claims, claim: Claim, *, deletes: bool = False) -> None:
        try:
            for holder in (claim.deleting,) if deletes else (claim.started, claim.starting):
                await claims.release(claim.key, holder)
        except (LogUnavailable, StorageUnavailable) as unavailable:
            # Whoever comes next finds out that the turn is over.
            logger.warning("claim.kept", request_id=claim.request_id, cause=unavailable.cause)

    async def _has_run(self, request_id: str) -> bool:
        """Tell whether a turn that was kept has ended or was deleted."""
        turn = await self.turns.known(request_id, None)
        return turn is None or turn.outcome is not None

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
    return Claim(f"conversation:{ids.conversation_id}", ids.request_id, hashed(ids.user))
