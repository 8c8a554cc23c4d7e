"""Takes out of texts what must not leave, within one time for all of them.

What is found becomes `[redacted: <name>]`. Searching goes on until nothing more is found, so that
what was cleared once stays as it is.
"""

import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import regex  # type: ignore[import-untyped] # it has no types

from service.access.finders import Finder
from service.access.patterns import BUILT_IN
from service.errors import RedactionFailed, SettingsInvalid
from service.ports import Redacted, Redactor
from service.settings.data import PatternSettings, RedactionSettings

_SMALL_CHARACTERS = 1_000
"""Up to this long a text is searched at once: going to another thread takes as long."""

_LONG_CHARACTERS = 100_000
"""Above that a text waits for others like it, and not the short ones for it."""

_THREADS = 2
"""Searches that take longer go on side by side; more would only take the event loop's time."""

type _Span = tuple[int, int, str]


def open_redactor(settings: RedactionSettings, patterns: Sequence[PatternSettings]) -> Redactor:
    """Return what takes out what the settings name.

    Raises:
        SettingsInvalid: a pattern is no regular expression.
    """
    built_in = [each for kind in settings.kinds for each in BUILT_IN[kind]]
    own = [_compiled(each) for each in patterns]
    finders = tuple(dict.fromkeys([*built_in, *own]))
    return PatternRedactor(finders, settings.timeout_s, bounded=not own) if finders else Nothing()


def names(settings: RedactionSettings, patterns: Sequence[PatternSettings]) -> tuple[str, ...]:
    """Return the names of everything that may be found."""
    built_in = (each.name for kind in settings.kinds for each in BUILT_IN[kind])
    return tuple(dict.fromkeys([*built_in, *(each.name for each in patterns)]))


class Nothing:
    """Takes nothing out; see `Redactor`."""

    async def redact(self, texts: Sequence[str]) -> Redacted:
        """See `Redactor.redact`."""
        return Redacted(texts, {})


@dataclass(frozen=True, slots=True, eq=False)
class PatternRedactor:
    """Takes out what patterns find; see `Redactor`.

    `bounded` tells that they all take time in proportion to the text; own ones may take for ever.
    """

    finders: tuple[Finder, ...]
    timeout_s: float
    bounded: bool
    _threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_THREADS))
    _long: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    async def redact(self, texts: Sequence[str]) -> Redacted:
        """See `Redactor.redact`."""
        characters = sum(map(len, texts))
        try:
            if self.bounded and characters <= _SMALL_CHARACTERS:
                return self._search().cleared(texts)
            turn = self._long if characters > _LONG_CHARACTERS else self._threads
            with anyio.fail_after(self.timeout_s):
                await turn.acquire()
            try:
                # From now on: who has waited for others has as much time as anybody.
                return await anyio.to_thread.run_sync(self._search().cleared, texts)
            finally:
                turn.release()
        except TimeoutError:
            raise RedactionFailed(f"It took longer than {self.timeout_s:g} s.") from None

    def _search(self) -> "_Search":
        return _Search(self.finders, time.monotonic() + self.timeout_s)


@dataclass(slots=True, eq=False)
class _Search:
    """The search of one request, until `deadline`. What takes longer raises TimeoutError."""

    finders: tuple[Finder, ...]
    deadline: float
    counts: Counter[str] = field(default_factory=Counter)

    def cleared(self, texts: Sequence[str]) -> Redacted:
        """Return the texts without what was found, and how often that was."""
        return Redacted([self._cleared(each) for each in texts], dict(self.counts))

    def _cleared(self, text: str) -> str:
        # Each round leaves fewer letters that are not in a marker, so there is a last one.
        while spans := _merged(self._outside_markers(text)):
            self.counts.update(name for _, _, name in spans)
            text = _replaced(text, spans)
        return text

    def _outside_markers(self, text: str) -> Iterator[_Span]:
        """Yield what was found, but for what lies within markers; what overlaps one has it all."""
        markers = self._markers(text)
        begins, ends = [each[0] for each in markers], [each[1] for each in markers]
        for start, end, name in self._found(text):
            # They are in order, and of many a find touches few.
            touched = markers[bisect_right(ends, start) : bisect_left(begins, end)]
            covered = sum(min(end, last) - max(start, first) for first, last in touched)
            if covered < end - start:
                edges = [start, end, *(edge for each in touched for edge in each)]
                yield min(edges), max(edges), name

    def _markers(self, text: str) -> list[tuple[int, int]]:
        """Return where own markers are; of other names they are text like any other."""
        known = {each.name for each in self.finders}
        found = _MARKER.finditer(text) if _MARKER_BEGINS in text else ()
        return [each.span() for each in found if each["name"] in known]

    def _found(self, text: str) -> Iterator[_Span]:
        lower = text.lower()
        for each in self.finders:
            where = lower if each.folded else text
            for hint in each.hints:  # most texts hold none of them: this is what they cost
                if hint in where:
                    yield from self._spans(each, text)
                    break

    def _spans(self, finder: Finder, text: str) -> Iterator[_Span]:
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        judge = finder.judge
        # `regex` counts the processor time of the process: it may stop early, and not late.
        for found in finder.pattern.finditer(text, concurrent=True, timeout=left_s):
            start, end = finder.span(found)
            if start < end and (judge is None or judge(found)):
                yield start, end, finder.name


_MARKER_BEGINS = "[redacted: "
_MARKER = regex.compile(r"\[redacted: (?P<name>[A-Za-z0-9_-]{1,64})\]")


_ANYWHERE = ("",)
"""The hint of a pattern that has none: every text holds it."""


def _compiled(settings: PatternSettings) -> Finder:
    try:
        return Finder(settings.name, regex.compile(settings.pattern), _ANYWHERE)
    except (regex.error, OverflowError, RecursionError, ValueError) as refused:
        raise SettingsInvalid(
            f"redaction.patterns: {settings.name} is no regular expression: {refused}"
        ) from refused


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    """Return what was found in order; what overlaps is one, and has the name of the first."""
    merged: list[_Span] = []
    for start, end, name in sorted(spans, key=lambda each: (each[0], -each[1])):
        if merged and start < merged[-1][1]:
            first, last, kept = merged[-1]
            merged[-1] = first, max(last, end), kept
        else:
            merged.append((start, end, name))
    return merged


def _replaced(text: str, spans: Sequence[_Span]) -> str:
    parts, after = [], 0
    for start, end, name in spans:
        parts += [text[after:start], f"{_MARKER_BEGINS}{name}]"]
        after = end
    return "".join([*parts, text[after:]])
