"""Conversations in the memory of one process: bounded, and gone with it."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from service.domain import Conversation, Model, PastTurn, Thread
from service.errors import ConversationUnknown
from service.storage.history import HistoryBounds, NextTurn


class MemoryConversations:
    """See `Conversations`; of too many, the longest unused go."""

    shared = False

    def __init__(self, conversations_limit: int, turns_limit: int, limit_bytes: int) -> None:
        self._limit = conversations_limit
        self._bounds = HistoryBounds(turns_limit, limit_bytes)
        self._kept: OrderedDict[str, Conversation] = OrderedDict()

    async def find(self, conversation_id: str) -> Conversation:
        """See `Conversations.find`."""
        found = self._kept.get(conversation_id)
        if found is None:
            raise ConversationUnknown("It was never begun here, or it is no longer kept.")
        return found

    async def take_thread(self, conversation_id: str) -> None:
        """See `Conversations.take_thread`."""
        self._keep(replace(self._before(conversation_id), thread=None))

    async def save(
        self,
        conversation_id: str,
        turn: PastTurn | None,
        model: Model | None,
        thread: Thread | None,
        *,
        known: Sequence[PastTurn],
    ) -> Sequence[Thread]:
        """See `Conversations.save`."""
        next_turn = NextTurn(turn, model, thread, known)
        after, unneeded = next_turn.after(self._before(conversation_id), self._bounds)
        self._keep(after)
        while len(self._kept) > self._limit:
            gone = self._kept.popitem(last=False)[1].thread
            if gone is not None:
                unneeded.append(gone)
        return unneeded

    async def close(self) -> Sequence[Thread]:
        """See `Conversations.close`."""
        return [each.thread for each in self._kept.values() if each.thread is not None]

    def _before(self, conversation_id: str) -> Conversation:
        return self._kept.get(conversation_id) or Conversation(conversation_id)

    def _keep(self, conversation: Conversation) -> None:
        """Keep a conversation as the newest; one in which nothing was said is the first to go."""
        self._kept[conversation.conversation_id] = conversation
        said = bool(conversation.turns or conversation.thread)
        self._kept.move_to_end(conversation.conversation_id, last=said)
