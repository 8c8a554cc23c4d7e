"""What is told of a conversation when an upstream has lost it."""

from dataclasses import dataclass, replace

from service.domain import PastTurn


@dataclass(frozen=True, slots=True)
class HistoryBounds:
    """What is told of one conversation: its last turns, and of their text so many bytes."""

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
        if turns and not kept:
            newest = turns[-1]
            half = self.size_bytes // 8
            kept = [replace(newest, question=newest.question[:half], answer=newest.answer[:half])]
        return tuple(reversed(kept))


def _size_bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
