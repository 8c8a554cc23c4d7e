"""The argument fragments of agent turns: `name(`, pieces of JSON, `)`, cut anywhere.

Fragments of parallel calls follow each other and their closing parentheses may come late
(`a({..}b({..}))`), so a call ends where its JSON value ends, and what stands between two values
is a name or a parenthesis.
"""

_NAME_LIMIT = 256


class ArgumentFragments:
    """Takes the `name(` ... `)` wrapping off a stream of fragments."""

    __slots__ = ("_depth", "_escaped", "_name", "_quoted", "calls", "tool_name")

    def __init__(self) -> None:
        self.tool_name: str | None = None
        self.calls = 0
        self._name = ""
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def feed(self, fragment: str) -> list[tuple[str | None, str]]:
        """Return (tool name, JSON piece) pairs, one per call that the fragment touches."""
        pieces: list[tuple[str | None, str]] = []
        piece = ""
        for letter in fragment:
            if self._depth:
                piece += letter
                self._inside(letter)
                if self._depth:
                    continue
                pieces.append((self.tool_name, piece))
                piece = ""
            elif letter in "{[":
                piece = letter
                self._depth = 1
            else:
                self._between(letter)
        if piece:
            pieces.append((self.tool_name, piece))
        return pieces

    def _inside(self, letter: str) -> None:
        if self._escaped:
            self._escaped = False
        elif self._quoted:
            self._escaped = letter == "\\"
            self._quoted = letter != '"'
        elif letter == '"':
            self._quoted = True
        elif letter in "{[":
            self._depth += 1
        elif letter in "}]":
            self._depth -= 1

    def _between(self, letter: str) -> None:
        if letter == "(":
            self.tool_name = self._name.strip() or None
            self.calls += 1
            self._name = ""
        elif letter == ")":
            self._name = ""
        elif len(self._name) < _NAME_LIMIT:
            self._name += letter
