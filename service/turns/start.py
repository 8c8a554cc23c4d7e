"""Everything that happens before a turn runs, in the order in which a person would tell it."""

import uuid
from contextlib import suppress

import anyio

from service.domain import Conversation, IfBusy, OnDisconnect, Plan, TurnIds, TurnRequest
from service.errors import (
    ConversationBusy,
    ModelUnknown,
    ServiceError,
    ShieldUnknown,
    TurnUnknown,
    VectorStoreUnknown,
)
from service.settings import Settings
from service.turns.admission import Claim, IdempotencyKey, claim_of
from service.turns.interrupt import interrupt_turn
from service.turns.selection import select
from service.turns.services import Services
from service.turns.turn import RunningTurn
from statemachine import Interrupter, TurnStream

_POLL_S = 0.05


async def start_turn(services: Services, request: TurnRequest) -> RunningTurn:
    """Admit a turn and set it going.

    Raises:
        ConversationBusy: another turn of the conversation is running.
        ConversationUnknown: the request goes on with a conversation that is not kept.
        ModelUnknown, ShieldUnknown, VectorStoreUnknown: the upstream does not offer it.
        RequestInvalid, McpHeadersInvalid: the settings do not allow it.
        UpstreamError: the upstream cannot be asked.
        TooManyTurns: as many turns run as the log takes.
        LogUnavailable: what the processes share cannot be reached.
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
    return TurnIds(str(uuid.uuid4()), request.conversation_id or str(uuid.uuid4()))


async def _start(
    services: Services, request: TurnRequest, ids: TurnIds, idempotency: Claim | None
) -> RunningTurn:
    """Start a turn; when that fails, nothing is claimed any more."""
    try:
        services.live.admit()
        turn = await _launch(services, request, ids, idempotency)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await services.admission.withdraw(ids, idempotency)
        raise
    await services.admission.started(ids, idempotency)
    return turn


async def _launch(
    services: Services, request: TurnRequest, ids: TurnIds, idempotency: Claim | None
) -> RunningTurn:
    started_at = anyio.current_time()
    await _enter(services, request, ids)
    plan = await _plan(services, request, ids)
    upstream = services.upstream.prepare(plan)
    stream = TurnStream(
        upstream.decoder,
        conversation_id=ids.conversation_id,
        request_id=ids.request_id,
        prompt=plan.query,
        moderation=upstream.moderation,
    )
    turn = RunningTurn(ids, upstream, stream, started_at, plan, key=ids.request_id)
    turn.came_from, turn.idempotency = plan.conversation.thread, idempotency
    turn.cancels = cancels(services.settings, request.on_disconnect)
    await services.admission.go_on(ids, idempotency)
    await services.conversations.take_thread(ids.conversation_id)
    try:
        await services.log.open(ids, turn.estate, turn)
        services.live.launch(turn)
    except ServiceError:
        await _give_back(services, plan.conversation)
        raise
    return turn


def cancels(settings: Settings, asked: OnDisconnect | None) -> bool:
    """Tell whether a turn ends when nobody reads it any more."""
    return (asked or OnDisconnect(settings.on_disconnect)) is OnDisconnect.CANCEL


async def _enter(services: Services, request: TurnRequest, ids: TurnIds) -> None:
    """Have the conversation for this turn; one that is in the way is stopped, when asked for."""
    deadline = anyio.current_time() + services.settings.interrupt_wait_s
    while True:
        try:
            await services.admission.enter(ids)
        except ConversationBusy as busy:
            if request.if_busy is not IfBusy.INTERRUPT or anyio.current_time() > deadline:
                raise
            # One that is about to start cannot be stopped yet.
            with suppress(TurnUnknown):
                await interrupt_turn(services, busy.request_id, Interrupter.USER)
            await anyio.sleep(_POLL_S)
        else:
            return


async def _give_back(services: Services, conversation: Conversation) -> None:
    """Let the next turn go on with the thread: this one will not."""
    kept, turns = services.conversations, conversation.turns
    await kept.save(conversation.conversation_id, None, None, conversation.thread, known=turns)


async def _plan(services: Services, request: TurnRequest, ids: TurnIds) -> Plan:
    """Choose from what the upstream offers; what is missing may have come since it was asked."""
    conversation = Conversation(ids.conversation_id)
    if request.conversation_id is not None:
        conversation = await services.conversations.find(ids.conversation_id)
    upstream, settings = services.upstream, services.settings
    try:
        return select(settings, await upstream.catalogue(), conversation, request)
    except (ModelUnknown, ShieldUnknown, VectorStoreUnknown):
        renewed = await upstream.catalogue(renew=True)
        return select(settings, renewed, conversation, request)
