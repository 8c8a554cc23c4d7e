"""What the use cases need of the world, named by role."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from service.domain import (
    Answers,
    Catalogue,
    Conversation,
    Estate,
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
    Interrupter,
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


@dataclass(frozen=True, slots=True)
class Orphan:
    """A turn whose owner has died, with all of it that is kept.

    `digest` covers the payloads of all its emissions, also of those that are no longer kept.
    """

    ids: TurnIds
    estate: Estate
    emissions: Sequence[Emission]
    digest: str


class LogReader(Protocol):
    """One reader of one turn; what it has not read yet stays readable for it until it is closed.

    `after` is the number of the last emission that it has, or is taken to have.
    """

    ids: TurnIds
    after: int

    @property
    def ended(self) -> bool:
        """Whether the turn has ended."""
        ...

    def bytes_after(self, number: int) -> int:
        """Return how much there is after the emission of a number."""
        ...

    async def read(self, wait_s: float) -> Page:
        """Return what follows the last page, after at most `wait_s` an empty one.

        Raises:
            LogUnavailable: the turn cannot be followed from here for now.
        """
        ...

    def wake(self) -> None:
        """End a wait of `read`; the page may be empty then."""
        ...

    def at_end(self) -> bool:
        """Tell whether the turn has ended and everything was read."""
        ...

    def close(self) -> None:
        """Leave the turn; closing twice does nothing."""
        ...


class TurnControl(Protocol):
    """What a log tells a turn that this process drives, from other processes."""

    def stop(self, by: Interrupter) -> None:
        """Stop the turn, unless it has come to its end already."""
        ...

    def attend(self) -> None:
        """Note that somebody reads the turn, in another process."""
        ...

    def lose(self) -> None:
        """Give the turn up: another process has taken it over, and this one may say no more."""
        ...


class EmissionLog(Protocol):
    """Keeps the emissions of turns, in order, for readers to follow.

    `shared` tells that other processes can read and end the turns as well.
    """

    shared: bool

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold what is needed to keep turns; nothing works outside of this context."""
        ...

    async def open(self, ids: TurnIds, estate: Estate, control: TurnControl) -> None:
        """Take a new turn, which this process owns from now on.

        Raises:
            TooManyTurns: as many turns run as the log takes.
            LogUnavailable: the log cannot be reached.
        """
        ...

    def append(self, request_id: str, emissions: Sequence[Emission]) -> None:
        """Append the next emissions of a turn and wake its readers; what is there stays.

        Never waits: what others cannot have yet is sent as soon as it can be.
        """
        ...

    async def flush(self, request_id: str) -> bool:
        """Wait, for a bounded time, until others have what was appended.

        Returns whether the turn is still owned by this process: else nothing more may be done
        for it.
        """
        ...

    async def reader(self, request_id: str, after: int) -> LogReader:
        """Return a reader of what follows emission number `after` (0 for all).

        Raises:
            TurnUnknown: there is no such turn, or it is no longer kept.
            CursorInvalid: the turn has not come to `after` yet.
            LogUnavailable: the log cannot be reached, and the turn is not driven here.
        """
        ...

    async def stop(self, request_id: str, by: Interrupter) -> None:
        """Tell the owner of a turn to stop it, wherever it is.

        Raises:
            LogUnavailable: the owner cannot be reached.
        """
        ...

    async def orphan(self) -> Orphan:
        """Wait for a turn whose owner has died; it is owned by this process then."""
        ...


class Claims(Protocol):
    """Who has something first, for a limited time and over all processes."""

    async def claim(self, key: str, holder: str, ttl_s: float) -> str:
        """Claim `key` unless it is claimed, and return who holds it.

        Raises:
            LogUnavailable: the claims cannot be reached, here and below.
        """
        ...

    async def extend(self, key: str, holder: str, ttl_s: float) -> None:
        """Give a claim a new time to live, when it is still held by `holder`."""
        ...

    async def release(self, key: str, holder: str) -> None:
        """End a claim, when it is still held by `holder`."""
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

    def payloads(self) -> AsyncGenerator[Sequence[bytes | ShieldChecked]]:
        """Return the `data:` payloads as they arrive; recordings hold verdicts as well.

        What has arrived together comes together: never nothing, and nothing waits for more.

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
