"""The argument fragments of agent turns: `name(`, pieces of JSON, `)`, cut anywhere.

Fragments of parallel calls follow each other and their closing parentheses may come late
(`a({..}b({..}))`), so a call ends where its JSON value ends, and what stands between two values
is a name or a parenthesis.
"""

import re

_NAME_LIMIT = 256
# Arguments may be megabytes long. All between two letters that count is one part; a backslash
# before a letter that does not count is part of it.
_PARTS = re.compile(r"""(?s)(?:[^"\\{}\[\]()]++|\\[^"\\{}\[\]()])++|.""").findall


class ArgumentFragments:
    """Takes the `name(` ... `)` wrapping off a stream of fragments.

    `calls` counts the calls that began; some servers leave out `name(`.
    """

    __slots__ = ("_depth", "_escaped", "_name", "_named", "_quoted", "calls", "tool_name")

    def __init__(self) -> None:
        self.tool_name: str | None = None
        self.calls = 0
        self._name = ""
        self._named = False
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def drop(self) -> None:
        """Forget what was begun: the upstream could not make sense of it."""
        self._name, self._named = "", False
        self._depth, self._quoted, self._escaped = 0, False, False

    def feed(self, fragment: str) -> list[tuple[str | None, str]]:
        """Return (tool name, JSON piece) pairs, one per call that the fragment touches."""
        pieces: list[tuple[str | None, list[str]]] = []
        touching = False
        for part in _PARTS(fragment):
            if self._depth:
                self._inside(part)
            elif part in "{[":
                self._open()
                if self._named or not touching:
                    pieces.append((self.tool_name, []))
                self._named = False
            else:
                self._between(part)
                touching = False
                continue
            touching = True
            if not pieces:
                pieces.append((self.tool_name, []))
            pieces[-1][1].append(part)
        return [(name, "".join(parts)) for name, parts in pieces]

    def _open(self) -> None:
        """Begin a value; one without a name is a call too."""
        self._depth = 1
        self.calls += not self._named

    def _inside(self, part: str) -> None:
        if self._escaped:
            self._escaped = False
        elif self._quoted:
            self._escaped = part == "\\"
            self._quoted = part != '"'
        elif part == '"':
            self._quoted = True
        elif part in "{[":
            self._depth += 1
        elif part in "}]":
            self._depth -= 1

    def _between(self, part: str) -> None:
        if part == "(":
            self.tool_name = self._name.strip() or None
            self.calls += 1
            self._name, self._named = "", True
        elif part == ")":
            self._name, self._named = "", False
        else:
            self._name = (self._name + part[:_NAME_LIMIT])[:_NAME_LIMIT]
