"""How a conversation goes on with a turn, whatever keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from service.domain import Conversation, Model, PastTurn, Thread


@dataclass(frozen=True, slots=True)
class HistoryBounds:
    """What is kept of one conversation: its last turns, and of their text so many bytes."""

    turns: int
    size_bytes: int

    def last(self, turns: tuple[PastTurn, ...]) -> tuple[PastTurn, ...]:
        """Return the last turns that fit; of one that does not fit alone, its beginning."""
        kept: list[PastTurn] = []
        left = self.size_bytes
        for turn in reversed(turns[-self.turns :]):
            left -= _size_bytes(turn.question) + _size_bytes(turn.answer)
            if left < 0:
                break
            kept.append(turn)
        if not kept:
            newest = turns[-1]
            half = self.size_bytes // 8
            kept = [replace(newest, question=newest.question[:half], answer=newest.answer[:half])]
        return tuple(reversed(kept))


@dataclass(frozen=True, slots=True)
class NextTurn:
    """What a turn leaves behind; see `Conversations.save`."""

    turn: PastTurn | None
    model: Model | None
    thread: Thread | None
    known: Sequence[PastTurn]

    def after(
        self, before: Conversation, bounds: HistoryBounds
    ) -> tuple[Conversation, list[Thread]]:
        """Return the conversation with the turn, and the threads that nobody needs any more."""
        turn = self.turn
        others = tuple(each for each in before.turns if turn is None or each.key != turn.key)
        turns = others if turn is None else bounds.last((*others, turn))
        # Of two turns at the same time neither has heard of the other.
        missed = any(each not in self.known for each in others)
        thread = None if missed else self.thread
        after = Conversation(before.conversation_id, turns, self.model or before.model, thread)
        had = dict.fromkeys((before.thread, self.thread))
        return after, [each for each in had if each is not None and each != thread]


def _size_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
