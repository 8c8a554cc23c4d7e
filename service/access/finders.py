"""A pattern of what must not leave, and how it is looked for."""

from collections.abc import Callable
from typing import NamedTuple

import regex  # type: ignore[import-untyped] # it has no types

type Found = regex.Match[str]
type Judge = Callable[[Found], bool]


class Finder(NamedTuple):
    """A pattern. Its group `secret` is what must not leave, or all of it when there is none.

    `name` is what stands in its place, and what it is counted as. A text without any of the `hints`
    is not searched; those of a `folded` one are in lower case. A `judge` has the last word. With a
    group `begin` what must not leave begins there, and ends where the pattern does.
    """

    name: str
    pattern: regex.Pattern[str]
    hints: tuple[str, ...]
    folded: bool = False
    judge: Judge | None = None

    def span(self, found: Found) -> tuple[int, int]:
        """Return where it is in the text."""
        groups = self.pattern.groupindex
        if "begin" in groups:
            return int(found.start("begin")), int(found.end())
        first, last = found.span("secret" if "secret" in groups else 0)
        return int(first), int(last)


def finder(name: str, pattern: str, *hints: str, judge: Judge | None = None) -> Finder:
    """Return a finder; blanks in its pattern count only in brackets."""
    return Finder(name, regex.compile(pattern, regex.VERBOSE), hints, judge=judge)


def folded(name: str, pattern: str, *hints: str, judge: Judge | None = None) -> Finder:
    """Return a finder to which small and large letters are the same."""
    flags = regex.VERBOSE | regex.IGNORECASE
    return Finder(name, regex.compile(pattern, flags), hints, folded=True, judge=judge)


def secret_in(found: Found) -> str:
    """Return what must not leave of what was found."""
    return str(found["secret"] if "secret" in found.re.groupindex else found[0])


def in_quotes(found: Found) -> bool:
    """Tell whether what must not leave is in quotes: there it is no code."""
    return found.string[found.start("secret") - 1] in "\"'"
