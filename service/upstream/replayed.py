"""Recorded sessions as the upstream: real streams of real servers, at their real pace.

They take the same way as a live upstream: payloads as they were on the wire, then the machine.
A turn that waits for its client can be answered when what followed was recorded as well: then it
goes on as it was recorded, whatever was answered.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from service.domain import (
    Answer,
    Answers,
    Approval,
    Catalogue,
    History,
    PausedTurn,
    Plan,
    Session,
    Thread,
    ToolGroup,
    UpstreamInfo,
    no_history,
)
from service.errors import NotAwaiting, SettingsInvalid, UpstreamError, UpstreamReset
from service.ports import Moderator
from statemachine import (
    DECODERS,
    CallStatus,
    Decoder,
    Ending,
    Recording,
    RecordingDamaged,
    ShieldChecked,
    Summary,
    TurnFailed,
    TurnInterrupted,
    TurnResumed,
    TurnStarted,
    Verdict,
    opening_of,
    read_recording,
)

type Opening = TurnStarted | TurnResumed

DIALECT = "recorded"
PACKAGED = Path(__file__).parent.parent / "recordings"
NOTICE = (
    "Answers are recordings of real Llama Stack servers; no model runs here, "
    "and a turn that is answered goes on as it was recorded."
)
_FREQUENT_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a about an and any anything are as at be between by can could describe difference do does
        during explain for from get give has have hello help hey hi how i if in into is it its let
        make me mean my need not of on or our please put say should show tell thank that the their
        them then there these they this those to us use used want was way we were what when where
        which who why will with without would write you your
        """,
    )
)


class Recordings(NamedTuple):
    """Sessions by title, and by the same title how they went on when their client had answered."""

    sessions: dict[str, Recording]
    continuations: dict[str, list[Recording]]


def load_recordings(directory: Path) -> Recordings:
    """Return the recordings of a directory, in the order of their file names.

    Raises:
        SettingsInvalid: there is no session, a file is damaged, or two sessions have one title.
    """
    sessions: dict[str, Recording] = {}
    continuations: dict[str, list[Recording]] = {}
    for path in sorted(directory.glob("*.jsonl")):
        try:
            recording = read_recording(path.read_bytes())
        except (OSError, RecordingDamaged) as refused:
            raise SettingsInvalid(f"The recording {path} cannot be read: {refused}") from refused
        title = recording.header.title or path.stem
        if recording.header.resumed is not None:
            continuations.setdefault(title, []).append(recording)
            continue
        if title in sessions:
            raise SettingsInvalid(f"Two recordings in {directory} have the title {title!r}.")
        sessions[title] = recording
    if not sessions:
        raise SettingsInvalid(f"There are no recordings (*.jsonl) in {directory}.")
    return Recordings(sessions, continuations)


class ReplayedBody:
    """One recorded stream while it is played; a speed of 0 plays it at once."""

    def __init__(self, recording: Recording, opening: Opening, speed: float) -> None:
        self.opening = opening
        self._recording = recording
        self._speed = speed

    async def payloads(self) -> AsyncGenerator[Sequence[bytes | ShieldChecked]]:
        """See `UpstreamBody.payloads`; a recording knows its frames one by one."""
        begun = asyncio.get_running_loop().time()
        for frame in self._recording.frames:
            await self._until(begun, frame.at_ms)
            yield (frame.checked if isinstance(frame, Verdict) else frame.payload,)
        await self._until(begun, self._recording.ended_ms)
        ending = self._recording.ending
        if isinstance(ending, TurnFailed):
            why = ending.code, ending.response, ending.status_code
            raise UpstreamError(*why, cause=ending.cause)
        if ending is Ending.RESET or isinstance(ending, TurnInterrupted):
            raise UpstreamReset

    async def _until(self, begun: float, at_ms: float) -> None:
        """Sleep until the frame is due, and always let the others have their turn."""
        due = begun + at_ms / 1_000 / self._speed if self._speed else 0.0
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))


class ReplayedTurn:
    """A recorded session that is ready to be played; `goes_on` says that it can be answered."""

    def __init__(
        self, title: str, recording: Recording, speed: float, *, goes_on: bool = False
    ) -> None:
        header = recording.header
        self.recording: str | None = title
        self.server = header.server
        self.decoder: Decoder = DECODERS[header.dialect](resumed=header.resumed is not None)
        self.moderation = header.moderation
        self.moderator: Moderator | None = None
        self._recording = recording
        self._speed = speed
        self._thread = Thread(DIALECT, (title,)) if goes_on else None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ReplayedBody]:
        """See `UpstreamTurn.open`."""
        yield ReplayedBody(self._recording, opening_of(self._recording), self._speed)

    def thread(self, summary: Summary) -> Thread | None:
        """See `UpstreamTurn.thread`: a recording goes on with answers only, not with questions."""
        return self._thread if summary.outcome == "awaiting_input" else None


class ReplayedUpstream:
    """Plays the recording that fits a question best, and then what followed."""

    def __init__(
        self,
        recordings: Mapping[str, Recording],
        continuations: Mapping[str, Sequence[Recording]] = {},
        *,
        default_session: str,
        speed: float,
    ) -> None:
        titles = sorted(recordings, key=lambda title: title != default_session)
        self._recordings = recordings
        self._continuations = continuations
        self._default = default_session
        self._titles = {_normalised(title): title for title in recordings}
        self._words = {title: _words(title) for title in titles}
        self._speed = speed
        self.info = UpstreamInfo(
            kind="recorded",
            recorded=True,
            notice=NOTICE,
            speed=speed,
            default_session=default_session,
            sessions=tuple(_session(title, recordings[title]) for title in titles),
        )

    @asynccontextmanager
    async def running(self, *, keeps: bool = False) -> AsyncIterator[None]:  # noqa: ARG002 # of the interface
        """See `Upstream.running`: nothing is needed."""
        yield

    async def catalogue(self, *, renew: bool = False) -> Catalogue | None:  # noqa: ARG002 # the same
        """See `Upstream.catalogue`: what answers was chosen when it was recorded."""
        return None

    async def tools(self) -> tuple[ToolGroup, ...] | None:
        """See `Upstream.tools`."""
        return None

    def prepare(self, plan: Plan, history: History = no_history) -> ReplayedTurn:  # noqa: ARG002 # as recorded
        """See `Upstream.prepare`."""
        title = self.title_for(plan.query)
        goes_on = title in self._continuations
        return ReplayedTurn(title, self._recordings[title], self._speed, goes_on=goes_on)

    def resume(self, paused: PausedTurn, answers: Answers) -> ReplayedTurn:
        """See `Upstream.resume`: of what was recorded, what fits the answers, else the first.

        Raises:
            NotAwaiting: nothing was recorded of how the turn went on.
        """
        title = paused.thread.ids[0]
        recorded = self._continuations.get(title, ())
        if not recorded:
            raise NotAwaiting("What followed this recording was not recorded.")
        refused = any(map(_refuses, answers))
        chosen = max(recorded, key=lambda each: _was_refused(each) == refused)
        return ReplayedTurn(title, chosen, self._speed)

    def forget(self, thread: Thread) -> None:
        """See `Upstream.forget`: there is nothing to delete."""

    def title_for(self, query: str) -> str:
        """Return the exact title, else the best match by words, else the default."""
        exact = self._titles.get(_normalised(query))
        return exact or self._best(_words(query)) or self._default

    def _best(self, asked: frozenset[str]) -> str | None:
        """Return the title that shares the rarest words; of equal ones that with the fewest others.

        Where these are equal too the default is the first.
        """
        scores = {
            title: (self._score(asked & words), -len(words - asked))
            for title, words in self._words.items()
        }
        best = max(scores, key=lambda title: scores[title])
        return best if asked & self._words[best] else None

    def _score(self, shared: Iterable[str]) -> float:
        return sum(1 / sum(word in words for words in self._words.values()) for word in shared)


def _session(title: str, recording: Recording) -> Session:
    header = recording.header
    query = header.request.get("query")
    return Session(title, query if isinstance(query, str) else title, header.dialect, header.server)


def _refuses(answer: Answer) -> bool:
    return not answer.approve if isinstance(answer, Approval) else answer.failed


def _was_refused(recording: Recording) -> bool:
    """Tell whether the client had denied a call, or its tool had failed."""
    resumed = recording.header.resumed
    return any(each.status is CallStatus.FAILED for each in (resumed.answers if resumed else ()))


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split())


def _words(text: str) -> frozenset[str]:
    """Return what a text is about: singular and plural are one word, and 's belongs to none."""
    said = re.findall(r"(\w+)(?:['\u2019]\w+)*", text.casefold())
    return frozenset(each.removesuffix("s") for each in said if each not in _FREQUENT_WORDS)
