"""Conversations in the memory of one process: bounded, and gone with it."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from service.domain import Conversation, Model, PastTurn, Thread
from service.errors import ConversationUnknown


class MemoryConversations:
    """See `Conversations`; of too many, the longest unused go."""

    def __init__(self, conversations_limit: int, turns_limit: int, limit_bytes: int) -> None:
        self._limit = conversations_limit
        self._turns_limit = turns_limit
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, Conversation] = OrderedDict()

    async def find(self, conversation_id: str) -> Conversation:
        """See `Conversations.find`."""
        found = self._kept.get(conversation_id)
        if found is None:
            raise ConversationUnknown("It was never begun here, or it is no longer kept.")
        return found

    async def take_thread(self, conversation_id: str) -> None:
        """See `Conversations.take_thread`."""
        before = self._kept.get(conversation_id) or Conversation(conversation_id)
        self._keep(replace(before, thread=None))

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
        before = self._kept.get(conversation_id) or Conversation(conversation_id)
        others = tuple(each for each in before.turns if turn is None or each.key != turn.key)
        turns = others if turn is None else self._bounded((*others, turn))
        # Of two turns at the same time neither has heard of the other.
        missed = any(each not in known for each in others)
        goes_on = None if missed else thread
        self._keep(Conversation(conversation_id, turns, model or before.model, goes_on))
        unneeded = [each for each in (before.thread, thread) if each != goes_on]
        while len(self._kept) > self._limit:
            unneeded.append(self._kept.popitem(last=False)[1].thread)
        return [each for each in unneeded if each is not None]

    async def close(self) -> Sequence[Thread]:
        """See `Conversations.close`."""
        return [each.thread for each in self._kept.values() if each.thread is not None]

    def _bounded(self, turns: tuple[PastTurn, ...]) -> tuple[PastTurn, ...]:
        """Return the last turns that fit; of one that does not fit alone, its beginning."""
        kept: list[PastTurn] = []
        left = self._limit_bytes
        for turn in reversed(turns[-self._turns_limit :]):
            size_bytes = len(turn.question.encode("utf-8", "replace")) + len(
                turn.answer.encode("utf-8", "replace")
            )
            left -= size_bytes
            if left < 0:
                break
            kept.append(turn)
        if not kept:
            newest = turns[-1]
            half = self._limit_bytes // 8
            kept = [replace(newest, question=newest.question[:half], answer=newest.answer[:half])]
        return tuple(reversed(kept))

    def _keep(self, conversation: Conversation) -> None:
        """Keep a conversation as the newest; one in which nothing was said is the first to go."""
        self._kept[conversation.conversation_id] = conversation
        said = bool(conversation.turns or conversation.thread)
        self._kept.move_to_end(conversation.conversation_id, last=said)
