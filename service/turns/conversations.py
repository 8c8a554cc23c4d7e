"""What is done with a conversation as a whole."""

import uuid

import anyio
import structlog

from service.domain import Action, ConversationNote, Principal, TurnIds
from service.errors import LogUnavailable
from service.turns.redaction import redacted_text
from service.turns.services import Services
from service.turns.titles import LONGEST_TITLE_CHARACTERS, shortened

logger = structlog.get_logger()


async def delete_conversation(
    services: Services, conversation_id: str, principal: Principal
) -> None:
    """Delete a conversation, here and upstream.

    It is held like one in which a turn runs, so that none begins meanwhile; who comes meanwhile
    waits, and finds nothing then.

    Raises:
        ConversationUnknown: there is none of this id, or it is somebody else's.
        ConversationBusy: a turn of it is running.
        LogUnavailable, StorageUnavailable: it cannot be done now.
    """
    user = principal.reach(Action.DELETE_OTHERS_CONVERSATIONS)
    # Before anything tells that it is there.
    await services.turns.check(conversation_id, user)
    ids = TurnIds(str(uuid.uuid4()), conversation_id, principal.user)
    try:
        in_the_way = await services.admission.enter(ids, deletes=True)
        if in_the_way is not None:
            # Others who have waited may be about to find that it was deleted meanwhile.
            await services.turns.find(conversation_id, user)
            raise in_the_way.busy(principal)
        with anyio.CancelScope(shield=True):
            # A turn that is not kept yet may have left something upstream that only it knows.
            await services.settler.unstored.keep_of(conversation_id)
            deleted = await services.conversations.delete(conversation_id, user)
            # What the upstream has of it nobody could find again.
            for each in deleted.threads:
                services.upstream.forget(each)
            await _forget(services, conversation_id, deleted.request_ids)
    finally:
        with anyio.CancelScope(shield=True):
            await services.admission.deleted(ids)


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
    left = await redacted_text(services.redactor, services.metrics, title)
    # What stands for a secret may be longer than it was.
    kept = shortened(left, LONGEST_TITLE_CHARACTERS)
    return await services.conversations.rename(conversation_id, user, kept)
