"""Everything that happens before a turn runs, in the order in which a person would tell it."""

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import anyio
import structlog

from service.domain import (
    Action,
    Conversation,
    History,
    IfBusy,
    OnDisconnect,
    PastTurn,
    Plan,
    TurnIds,
    TurnRequest,
    no_history,
)
from service.errors import (
    Forbidden,
    ModelUnknown,
    ShieldUnknown,
    StorageUnavailable,
    TurnUnknown,
    UpstreamError,
    VectorStoreUnknown,
)
from service.settings import Settings
from service.turns.admission import Claim, IdempotencyKey, claim_of
from service.turns.interrupt import interrupt_turn
from service.turns.record import Opening, begun, notes, prompt_sent
from service.turns.redaction import redacted
from service.turns.selection import select
from service.turns.services import Services
from service.turns.turn import RunningTurn
from statemachine import TurnStream, estimate_tokens

logger = structlog.get_logger()

_POLL_S = 0.05


async def start_turn(services: Services, request: TurnRequest) -> RunningTurn:
    """Admit a turn and set it going.

    Raises:
        Forbidden: the caller may not choose the model, or not interrupt.
        RedactionFailed: it takes too long to find what must not leave.
        ConversationBusy: another turn of the conversation is running.
        ConversationUnknown: the request goes on with a conversation that is not kept, or not the
            caller's.
        ModelUnknown, ShieldUnknown, VectorStoreUnknown: the upstream does not offer it.
        RequestInvalid, McpHeadersInvalid: the settings do not allow it.
        RateExceeded, QuotaExceeded: the caller has to wait.
        UpstreamError: the upstream cannot be asked.
        TooManyTurns: as many turns run as the log takes.
        LogUnavailable: what the processes share cannot be reached.
        StorageUnavailable: the database cannot be reached.
        Stopping: the process is about to stop.
    """
    return await _start(services, request, _new_ids(request), None)


async def start_once(
    services: Services, request: TurnRequest, key: IdempotencyKey
) -> RunningTurn | str:
    """Start a turn, or return the id of that which a request of the same key has started.

    Raises:
        IdempotencyKeyReused: the key came with another request.
        ServiceError: see `start_turn`.
    """
    services.live.admit()
    _allow(request)
    ids = _new_ids(request)
    claim = claim_of(key, request.caller, ids.request_id)
    try:
        first = await services.admission.first(key, request.caller, ids.request_id)
    except BaseException:
        # It may have been claimed all the same.
        with anyio.CancelScope(shield=True):
            await services.admission.withdraw(ids, claim)
        raise
    if first != ids.request_id:
        return first
    return await _start(services, request, ids, claim)


def _new_ids(request: TurnRequest) -> TurnIds:
    conversation_id = request.conversation_id or str(uuid.uuid4())
    return TurnIds(str(uuid.uuid4()), conversation_id, request.caller.user)


def _allow(request: TurnRequest) -> None:
    principal = request.caller.principal
    chosen = request.model is not None or request.provider is not None
    if chosen and not principal.may(Action.MODEL_OVERRIDE):
        raise Forbidden(f"To choose the model needs the action {Action.MODEL_OVERRIDE}.")
    if request.if_busy is IfBusy.INTERRUPT and not principal.may(Action.INTERRUPT):
        raise Forbidden(f"To interrupt a turn needs the action {Action.INTERRUPT}.")


async def _start(
    services: Services, request: TurnRequest, ids: TurnIds, idempotency: Claim | None
) -> RunningTurn:
    """Start a turn; when that fails, nothing is claimed any more."""
    try:
        services.live.admit()
        _allow(request)
        turn = await _launch(services, request, ids, idempotency)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await services.admission.withdraw(ids, idempotency)
        raise
    await claimed(services, turn)
    return turn


async def claimed(services: Services, turn: RunningTurn) -> None:
    """Keep the conversation for a turn that has started; what fails is tried while it runs."""
    if turn.terminal is None and not await services.admission.started(turn.ids):
        logger.warning("claim.unconfirmed", request_id=turn.ids.request_id)
        services.live.accompany(turn, partial(services.admission.started, turn.ids))


async def _launch(
    services: Services, request: TurnRequest, ids: TurnIds, idempotency: Claim | None
) -> RunningTurn:
    started_at, began_at = anyio.current_time(), time.time()
    if request.conversation_id is not None:
        # Before anything tells that it is there.
        await services.turns.check(ids.conversation_id, _reach(request))
    request, redactions = await redacted(services.redactor, services.metrics, request)
    await _enter(services, request, ids)
    plan = await _plan(services, request, ids)
    upstream = services.upstream.prepare(plan, _history(services, request))
    stream = TurnStream(
        upstream.decoder,
        conversation_id=ids.conversation_id,
        request_id=ids.request_id,
        prompt=prompt_sent(plan),
        moderation=upstream.moderation,
    )
    opening = Opening(began_at, notes(request.attachments), redactions)
    record = begun(ids, plan, ids.request_id, opening)
    turn = RunningTurn(ids, upstream, stream, started_at, plan, record)
    turn.idempotency = idempotency
    turn.cancels = cancels(services.settings, request.on_disconnect)
    turn.titled = _wants_title(services.settings, request)
    await services.admission.go_on(ids)
    opens, key = request.conversation_id is None, services.admission.handover(idempotency)
    tokens = estimate_tokens(prompt_sent(plan))
    await services.turns.begin(record, opens=opens, tokens=tokens, key=key)
    try:
        await services.log.open(ids, turn.estate, turn)
        services.live.launch(turn)
    except BaseException:
        await withdraw(services, turn)
        raise
    return turn


async def withdraw(services: Services, turn: RunningTurn) -> None:
    """Forget a turn that was kept and does not run; the next one goes on with the thread.

    Where that is not possible the turn is found later, as one that nobody drives.
    """
    with anyio.CancelScope(shield=True):
        # First: what its key stands for while it is held is there, or has run. And whoever repeats
        # the question must not find its conversation held.
        await services.admission.leave(turn.ids)
        await services.admission.free(turn.idempotency)
        try:
            await services.turns.withdraw(turn.record)
        except StorageUnavailable as unavailable:
            request_id = turn.ids.request_id
            logger.warning("turn.not_withdrawn", request_id=request_id, cause=unavailable.cause)


def cancels(settings: Settings, asked: OnDisconnect | None) -> bool:
    """Tell whether a turn ends when nobody reads it any more."""
    return (asked or OnDisconnect(settings.on_disconnect)) is OnDisconnect.CANCEL


async def _enter(services: Services, request: TurnRequest, ids: TurnIds) -> None:
    """Have the conversation for this turn; one that is in the way is stopped, when asked for.

    It is not stopped in vain: neither by who may not, nor for a question that cannot start.
    """
    principal, looked = request.caller.principal, False
    deadline = anyio.current_time() + services.settings.interrupt_wait_s
    while (in_the_way := await services.admission.enter(ids)) is not None:
        stops = in_the_way.belongs_to(principal.reach(Action.INTERRUPT_OTHERS))
        asked = request.if_busy is IfBusy.INTERRUPT and anyio.current_time() <= deadline
        if not (asked and stops):
            # Others who have waited may be about to find that it was deleted meanwhile.
            await services.turns.find(ids.conversation_id, _reach(request))
            raise in_the_way.busy(principal)
        if not looked:
            await _look(services, request, ids)
            looked = True
        # One that is about to start cannot be stopped yet.
        with suppress(TurnUnknown):
            await interrupt_turn(services, in_the_way.request_id, principal)
        await anyio.sleep(_POLL_S)


async def _look(services: Services, request: TurnRequest, ids: TurnIds) -> None:
    """See whether a question could start now, as far as that can be told without starting it."""
    plan = await _plan(services, request, ids)
    await services.turns.look(ids.user, estimate_tokens(prompt_sent(plan)))


def _history(services: Services, request: TurnRequest) -> History:
    if request.conversation_id is None:
        return no_history
    return partial(_past, services, request.conversation_id)


async def _past(services: Services, conversation_id: str) -> Sequence[PastTurn]:
    try:
        return await services.turns.history(conversation_id)
    except StorageUnavailable as away:
        raise UpstreamError(
            "storage_unavailable", away.response, away.status_code, cause=away.cause, untaken=True
        ) from away


def _wants_title(settings: Settings, request: TurnRequest) -> bool:
    """Tell whether the model is asked for a title: once, for a new conversation."""
    asked = request.generate_topic_summary
    return settings.titles.generate and request.conversation_id is None if asked is None else asked


def _reach(request: TurnRequest) -> str | None:
    return request.caller.principal.reach(Action.QUERY_OTHERS_CONVERSATIONS)


async def _plan(services: Services, request: TurnRequest, ids: TurnIds) -> Plan:
    """Choose from what the upstream offers; what is missing may have come since it was asked."""
    conversation = Conversation(ids.conversation_id)
    if request.conversation_id is not None:
        await services.settler.unstored.keep_of(ids.conversation_id)
        conversation = await services.turns.find(ids.conversation_id, _reach(request))
    upstream, settings = services.upstream, services.settings
    try:
        return select(settings, await upstream.catalogue(), conversation, request)
    except (ModelUnknown, ShieldUnknown, VectorStoreUnknown):
        renewed = await upstream.catalogue(renew=True)
        return select(settings, renewed, conversation, request)
