"""What is done with a conversation as a whole."""

import uuid

import anyio
import structlog

from service.domain import ConversationNote, TurnIds
from service.errors import LogUnavailable
from service.turns.services import Services

logger = structlog.get_logger()


async def delete_conversation(services: Services, conversation_id: str, user: str | None) -> None:
    """Delete a conversation of a user, or of anybody for None, here and upstream.

    It is held like one in which a turn runs, so that none begins meanwhile.

    Raises:
        ConversationUnknown: there is none of this id, or it is somebody else's.
        ConversationBusy: a turn of it is running.
        LogUnavailable, StorageUnavailable: it cannot be done now.
    """
    # Before anything tells that it is there.
    await services.turns.check(conversation_id, user)
    ids = TurnIds(str(uuid.uuid4()), conversation_id, user or "")
    try:
        await services.admission.enter(ids)
        with anyio.CancelScope(shield=True):
            deleted = await services.conversations.delete(conversation_id, user)
            # What the upstream has of it nobody could find again.
            for each in deleted.threads:
                services.upstream.forget(each)
            await _forget(services, conversation_id, deleted.request_ids)
    finally:
        with anyio.CancelScope(shield=True):
            await services.admission.withdraw(ids, None)


async def _forget(services: Services, conversation_id: str, request_ids: tuple[str, ...]) -> None:
    """Let nobody follow the turns of a deleted conversation any more."""
    try:
        await services.log.forget(request_ids)
    except LogUnavailable as unavailable:
        # It is deleted all the same: what the log has goes with its time.
        logger.warning(
            "log.not_forgotten", conversation_id=conversation_id, cause=unavailable.cause
        )


async def rename_conversation(
    services: Services, conversation_id: str, user: str | None, title: str
) -> ConversationNote:
    """Give a conversation of a user, or of anybody for None, another title.

    Raises:
        ConversationUnknown: there is none of this id, or it is somebody else's.
        RedactionFailed: see `Redactor.redact`.
        StorageUnavailable: it cannot be kept now.
    """
    found = await services.redactor.redact([title])
    return await services.conversations.rename(conversation_id, user, found.texts[0])
