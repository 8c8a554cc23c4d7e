"""What the use cases need of the world, named by role."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from service.domain import (
    Answers,
    Catalogue,
    Conversation,
    Model,
    PastTurn,
    PausedTurn,
    Plan,
    Thread,
    TurnIds,
    UpstreamInfo,
)
from statemachine import (
    Decoder,
    Emission,
    EndedBy,
    Header,
    OutputModeration,
    ShieldChecked,
    Summary,
    Touchpoint,
    TurnResumed,
    TurnStarted,
)


@dataclass(frozen=True, slots=True)
class Page:
    """Emissions after a cursor, in order. `earliest` is the first number still kept."""

    emissions: Sequence[Emission]
    earliest: int


class LogReader(Protocol):
    """One reader of one turn; what it has not read yet stays readable for it."""

    ids: TurnIds

    async def read(self, wait_s: float) -> Page:
        """Return what follows the last page, after at most `wait_s` an empty one."""
        ...

    def at_end(self) -> bool:
        """Tell whether the turn has ended and everything was read."""
        ...


class EmissionLog(Protocol):
    """Keeps the emissions of turns, in order, for readers to follow."""

    async def open(self, ids: TurnIds) -> None:
        """Take a new turn.

        Raises:
            TooManyTurns: as many turns run as the log takes.
        """
        ...

    async def append(self, request_id: str, emission: Emission) -> None:
        """Append the next emission of a turn and wake its readers; one that is there stays."""
        ...

    async def reader(self, request_id: str, after: int) -> LogReader:
        """Return a reader of what follows emission number `after` (0 for all).

        Raises:
            TurnUnknown: there is no such turn, or it is no longer kept.
            CursorInvalid: the turn has not come to `after` yet.
        """
        ...


class Moderator(Protocol):
    """Asks the shields of one turn, beside the upstream's stream.

    `question` is what is to be judged before the upstream is asked, None when nothing is.
    """

    question: str | None

    async def judge(self, touchpoint: Touchpoint, text: str) -> ShieldChecked:
        """Return the verdict on a question, or on all that the model has said so far.

        Raises:
            UpstreamError: there is no verdict.
        """
        ...


class UpstreamBody(Protocol):
    """What an upstream sends for a turn that it has accepted."""

    @property
    def opening(self) -> TurnStarted | TurnResumed:
        """How the stream opened."""
        ...

    def payloads(self) -> AsyncGenerator[bytes | ShieldChecked]:
        """Return the `data:` payloads as they arrive; recordings hold verdicts as well.

        Raises:
            UpstreamReset: the connection was lost.
            UpstreamError: the body cannot be read on.
        """
        ...


class UpstreamTurn(Protocol):
    """A turn that is ready to be sent. `recording` is a title when recorded data is played.

    `moderator` judges beside the stream; without one nobody does.
    """

    server: str
    decoder: Decoder
    recording: str | None
    moderator: Moderator | None

    @property
    def moderation(self) -> OutputModeration | None:
        """How the text is judged, and when it is released."""
        ...

    def open(self) -> AbstractAsyncContextManager[UpstreamBody]:
        """Send the turn; leaving the context makes the upstream stop generating.

        Raises:
            UpstreamError: the upstream does not take the turn.
        """
        ...

    def thread(self, summary: Summary) -> Thread | None:
        """Return where the upstream keeps the conversation, now that the turn has ended.

        Where it was before, when the turn has left that as it was; None when there is nothing
        that can be gone on with.
        """
        ...


class Upstream(Protocol):
    """What answers the questions."""

    info: UpstreamInfo

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold what is needed to ask; nothing can be asked outside of this context."""
        ...

    async def catalogue(self, *, renew: bool = False) -> Catalogue | None:
        """Return what can be chosen, `renew` for certain; None where nothing can be.

        Raises:
            UpstreamError: the upstream cannot be asked.
        """
        ...

    def prepare(self, plan: Plan) -> UpstreamTurn:
        """Make a planned turn ready to be sent."""
        ...

    def resume(self, paused: PausedTurn, answers: Answers) -> UpstreamTurn:
        """Make the answers of a client ready to be sent."""
        ...

    def forget(self, thread: Thread) -> None:
        """Let the upstream delete what it keeps of a conversation, sooner or later."""
        ...


class Conversations(Protocol):
    """Keeps conversations: what was said, and where the upstream goes on with them."""

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

    async def release(self, request_id: str) -> None:
        """Take a claim back: the upstream has not got the answers."""
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
