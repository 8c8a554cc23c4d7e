"""What is kept of turns that have ended, or that wait."""

from collections.abc import Sequence
from typing import Protocol

from service.domain import Answers, Conversation, Model, PastTurn, PausedTurn, Thread
from statemachine import EndedBy, Header, ShieldChecked


class Conversations(Protocol):
    """Keeps conversations: what was said, and where the upstream goes on with them.

    `shared` tells that other processes find them as well.
    """

    shared: bool

    async def find(self, conversation_id: str) -> Conversation:
        """Return a conversation.

        Raises:
            ConversationUnknown: there is none of this id, or it is no longer kept.
        """
        ...

    async def take_thread(self, conversation_id: str) -> None:
        """Note that a turn begins: nothing else may use the thread until it is given back."""
        ...

    async def save(
        self,
        conversation_id: str,
        turn: PastTurn | None,
        model: Model | None,
        thread: Thread | None,
        *,
        known: Sequence[PastTurn],
    ) -> Sequence[Thread]:
        """Keep a turn (one of the same key is replaced), and where the upstream goes on.

        `known` are the turns that the thread goes on from; one that has missed a turn that was
        kept since is not kept. Returns the threads that nobody needs any more.
        """
        ...

    async def close(self) -> Sequence[Thread]:
        """Return the threads that nobody can find again once this process has ended."""
        ...


class PausedTurns(Protocol):
    """Keeps turns that wait for answers of their clients, for a limited time."""

    async def pause(self, request_id: str, paused: PausedTurn) -> Sequence[Thread]:
        """Keep a turn under the id of its stream; returns the threads of those that went."""
        ...

    async def find(self, request_id: str) -> PausedTurn:
        """Return a turn, answered or not.

        Raises:
            NotAwaiting: the turn waits for nothing.
            AnswerTooLate: it no longer waits.
        """
        ...

    async def claim(self, request_id: str, answers: Answers, by: str) -> str:
        """Let the stream `by` answer a turn; returns the id of the stream that was first to.

        Raises:
            NotAwaiting, AnswerTooLate: see `find`.
            AnswersDiffer: it was answered, and with something else.
        """
        ...

    async def expired(self) -> Sequence[Thread]:
        """Return the threads of turns that have waited in vain, each once."""
        ...

    async def release(self, request_id: str, by: str) -> None:
        """Take the claim of the stream `by` back: the upstream has not got the answers."""
        ...

    async def close(self) -> Sequence[Thread]:
        """Return the threads that nobody can find again once this process has ended."""
        ...


class Tape(Protocol):
    """Records what goes into one turn; nothing here raises or waits for long."""

    def frame(self, payload: bytes) -> None:
        """Write a payload of the upstream."""
        ...

    def verdict(self, checked: ShieldChecked) -> None:
        """Write a verdict of a shield beside the stream."""
        ...

    def end(self, ending: EndedBy) -> None:
        """Write what ended the turn, and close."""
        ...


class Recorder(Protocol):
    """Records turns."""

    def begin(self, header: Header, waited_s: float = 0.0) -> Tape | None:
        """Begin with a turn that was sent `waited_s` ago; None when it cannot be recorded."""
        ...
