"""Everything that happens before a turn runs, in the order in which a person would tell it."""

import uuid

import anyio

from service.domain import Catalogue, Conversation, Plan, TurnIds, TurnRequest
from service.errors import ModelUnknown, ShieldUnknown, Stopping, VectorStoreUnknown
from service.turns.selection import select
from service.turns.services import Services
from service.turns.turn import RunningTurn
from statemachine import TurnStream


async def start_turn(services: Services, request: TurnRequest) -> RunningTurn:
    """Admit a turn and set it going.

    Raises:
        ConversationUnknown: the request goes on with a conversation that is not kept.
        ModelUnknown, ShieldUnknown, VectorStoreUnknown: the upstream does not offer it.
        RequestInvalid, McpHeadersInvalid: the settings do not allow it.
        UpstreamError: the upstream cannot be asked.
        TooManyTurns: as many turns run as the log takes.
        Stopping: the process is about to stop.
    """
    services.live.admit()
    started_at = anyio.current_time()
    plan = await _plan(services, request)
    conversation = plan.conversation
    ids = TurnIds(str(uuid.uuid4()), conversation.conversation_id)
    upstream = services.upstream.prepare(plan)
    stream = TurnStream(
        upstream.decoder,
        conversation_id=ids.conversation_id,
        request_id=ids.request_id,
        prompt=plan.query,
        moderation=upstream.moderation,
    )
    turn = RunningTurn(ids, upstream, stream, started_at, plan, key=ids.request_id)
    turn.came_from = conversation.thread
    await services.log.open(ids)
    await services.conversations.take_thread(ids.conversation_id)
    try:
        services.live.launch(turn)
    except Stopping:
        await _give_back(services, conversation)
        raise
    return turn


async def _give_back(services: Services, conversation: Conversation) -> None:
    """Let the next turn go on with the thread: this one will not."""
    kept, turns = services.conversations, conversation.turns
    await kept.save(conversation.conversation_id, None, None, conversation.thread, known=turns)


async def _find_or_begin(services: Services, conversation_id: str | None) -> Conversation:
    if conversation_id is None:
        return Conversation(str(uuid.uuid4()))
    return await services.conversations.find(conversation_id)


async def _plan(services: Services, request: TurnRequest) -> Plan:
    """Choose from what the upstream offers; what is missing may have come since it was asked."""
    try:
        return await _select(services, request, await services.upstream.catalogue())
    except (ModelUnknown, ShieldUnknown, VectorStoreUnknown):
        renewed = await services.upstream.catalogue(renew=True)
        return await _select(services, request, renewed)


async def _select(services: Services, request: TurnRequest, catalogue: Catalogue | None) -> Plan:
    """The conversation is found last, so that of two questions at once one takes the thread."""
    conversation = await _find_or_begin(services, request.conversation_id)
    return select(services.settings, catalogue, conversation, request)
