"""What is kept of conversations and their turns, where, and for whom.

Where a `user` is given, only what is that user's is there: anything else is as if it were not.
None stands for everybody, for those who may and for the service itself.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from service.domain import (
    Answers,
    Conversation,
    ConversationNote,
    ConversationPage,
    Deleted,
    Feedback,
    Handover,
    Kept,
    Leavings,
    PastTurn,
    PausedTurn,
    Quota,
    Thread,
    TurnPage,
    TurnRecord,
)
from statemachine import EndedBy, Header, ShieldChecked

# Every method here that awaits raises StorageUnavailable when the database cannot be reached or
# takes too long.


class Database(Protocol):
    """Where everything is kept. `durable` tells that it is still there after this process."""

    durable: bool

    async def prepare(self) -> None:
        """Bring the schema up to date, one process at a time; doing it twice does nothing.

        Raises:
            SettingsInvalid: the address is none, or the schema is newer than this version.
            StorageUnavailable: it cannot be reached.
        """
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Hold the connections, prepared; nothing works outside of this context."""
        ...


class Turns(Protocol):
    """Keeps turns, from before the upstream is asked, and where their conversations go on."""

    async def check(self, conversation_id: str, user: str | None) -> None:
        """Do nothing, as cheaply as can be.

        Raises:
            ConversationUnknown: there is none of this id.
        """
        ...

    async def find(self, conversation_id: str, user: str | None) -> Conversation:
        """Return a conversation.

        Raises:
            ConversationUnknown: there is none of this id.
        """
        ...

    async def history(self, conversation_id: str) -> Sequence[PastTurn]:
        """Return the last turns of a conversation, oldest first, as far as histories go back."""
        ...

    async def begin(
        self, turn: TurnRecord, *, opens: bool, tokens: int, key: Handover | None = None
    ) -> None:
        """Keep a turn that is about to run, and take the thread of its conversation.

        `opens` tells that the conversation is new; `tokens` are reserved of every quota; `key` is
        what the turn was asked under, which stands for it from then on. When it raises nothing is
        kept, taken, reserved or handed over.

        Raises:
            ConversationUnknown: the conversation has gone meanwhile.
            RateExceeded, QuotaExceeded: the user has to wait.
            LogUnavailable: the key may be another request's by now.
        """
        ...

    async def look(self, user: str, tokens: int) -> None:
        """Do nothing where a turn of a user could begin now, as far as its tokens go.

        Raises:
            RateExceeded, QuotaExceeded: see `begin`.
        """
        ...

    async def withdraw(self, turn: TurnRecord) -> None:
        """Forget a turn that was begun and will not run; its thread is given back.

        A conversation that has no other turn goes as well.
        """
        ...

    async def checkpoint(self, said: Mapping[str, str]) -> None:
        """Keep what running turns of this process have said so far, by request id.

        Each of them is known to be alive then, for `database.lease_s`.
        """
        ...

    async def end(self, turn: TurnRecord, left: Leavings) -> Kept | None:
        """Keep how a turn has ended, all at once, and settle its quotas by what it has used.

        None when it is not this process's to say: another one has ended it, or its conversation
        was deleted. Doing it again changes nothing.
        """
        ...

    async def available(self, user: str) -> Mapping[str, int]:
        """Return the tokens that are left of each quota, by its name."""
        ...

    async def abandoned(self) -> Sequence[TurnRecord]:
        """End turns of processes that have died as `owner_lost`, and return them, each once."""
        ...

    async def known(self, request_id: str, user: str | None) -> TurnRecord | None:
        """Return a turn, also a running one; None when there is none."""
        ...

    async def close(self) -> Sequence[Thread]:
        """Return the threads that nobody can find again once this process has ended."""
        ...


class Conversations(Protocol):
    """Lists, opens, names and deletes conversations.

    Raises ConversationUnknown where there is none of an id, and CursorInvalid for a cursor that
    was not given here.
    """

    async def page(self, user: str | None, limit: int, cursor: str | None) -> ConversationPage:
        """Return conversations in which something was asked, the newest first."""
        ...

    async def read(
        self, conversation_id: str, user: str | None, limit: int, cursor: str | None
    ) -> TurnPage:
        """Return the last turns of a conversation, or those before a cursor."""
        ...

    async def rename(self, conversation_id: str, user: str | None, title: str) -> ConversationNote:
        """Give a conversation another title, which stays."""
        ...

    async def name(self, conversation_id: str, title: str) -> None:
        """Give a conversation a title that was made for it, unless somebody has named it.

        Nothing happens when it has gone meanwhile.
        """
        ...

    async def delete(self, conversation_id: str, user: str | None) -> Deleted:
        """Delete a conversation with all of its turns; returns what others have of it."""
        ...

    async def expire(self, before: float) -> Sequence[Thread]:
        """Delete what ended before a time; returns the threads of conversations that went."""
        ...


class Quotas(Protocol):
    """Tells how many tokens are left."""

    async def of(self, user: str) -> Sequence[Quota]:
        """Return the quotas that a user has part in, by their names."""
        ...

    async def charge(self, user: str, tokens: int) -> None:
        """Take tokens of every quota of a user that were used beside its turns."""
        ...


class Opinions(Protocol):
    """Keeps what users think of turns."""

    async def keep(self, feedback: Feedback) -> None:
        """Keep an opinion; one of the same turn is replaced.

        Raises:
            TurnUnknown: there is no such turn of this user.
        """
        ...


class PausedTurns(Protocol):
    """Turns that wait for answers of their clients, for a limited time; see `Turns.end`."""

    async def find(self, request_id: str) -> PausedTurn:
        """Return a turn, answered or not.

        Raises:
            NotAwaiting: the turn waits for nothing.
            AnswerTooLate: it no longer waits.
        """
        ...

    async def claim(self, request_id: str, answers: Answers, by: str) -> str:
        """Let the stream `by` answer a turn; returns the id of the stream that was first to.

        A claim by a stream that never began, as its process has died, lasts for a limited time.

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


class Transcripts(Protocol):
    """Exports turns for other programs; nothing here raises."""

    async def write(self, turn: TurnRecord) -> None:
        """Write a turn that has ended."""
        ...

    async def expire(self, before: float) -> None:
        """Delete what was written before a time."""
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

    async def expire(self) -> None:
        """Delete what is too old or too much."""
        ...
