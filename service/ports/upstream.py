"""What answers the questions."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from service.domain import (
    Answers,
    Catalogue,
    History,
    PausedTurn,
    Plan,
    Thread,
    ToolGroup,
    UpstreamInfo,
    no_history,
)
from statemachine import (
    Decoder,
    OutputModeration,
    ShieldChecked,
    Summary,
    Touchpoint,
    TurnResumed,
    TurnStarted,
)


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
            UpstreamError: the upstream does not take the turn, or lacks a history that cannot be
                read now.
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

    def running(self, *, keeps: bool = False) -> AbstractAsyncContextManager[None]:
        """Hold what is needed to ask; nothing can be asked outside of this context.

        What was made upstream and is of no use any more is deleted at the end. `keeps` tells that
        conversations outlive the process, and need what they have there.
        """
        ...

    async def catalogue(self, *, renew: bool = False) -> Catalogue | None:
        """Return what can be chosen, `renew` for certain; None where nothing can be.

        Raises:
            UpstreamError: the upstream cannot be asked.
        """
        ...

    async def tools(self) -> tuple[ToolGroup, ...] | None:
        """Return the tools that the upstream knows; None where none can be used.

        Raises:
            UpstreamError: see `catalogue`.
        """
        ...

    def prepare(self, plan: Plan, history: History = no_history) -> UpstreamTurn:
        """Make a planned turn ready to be sent.

        The history is asked for when the upstream does not have the conversation.
        """
        ...

    def resume(self, paused: PausedTurn, answers: Answers) -> UpstreamTurn:
        """Make the answers of a client ready to be sent."""
        ...

    def forget(self, thread: Thread) -> None:
        """Let the upstream delete what it keeps of a conversation, sooner or later."""
        ...
