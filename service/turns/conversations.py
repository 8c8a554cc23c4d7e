"""What is done with a conversation as a whole."""

import uuid

import anyio

from service.domain import TurnIds
from service.turns.services import Services


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
            # What the upstream has of it nobody could find again.
            for each in await services.conversations.delete(conversation_id, user):
                services.upstream.forget(each)
    finally:
        with anyio.CancelScope(shield=True):
            await services.admission.withdraw(ids, None)
