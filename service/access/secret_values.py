"""Tells a secret from what only stands where one could: a placeholder, a name, a type, a word."""

import re

_PLACEHOLDER = re.compile(
    r"""
      \$\{.* | \$\(.* | \$[A-Z_]+\d? | (?-i:\$[A-Z][A-Z0-9_]*) | \$\d
    | \{\{.* | \{(?:[A-Z_][\w.!:]*)?\}? | <.*> | <[A-Z]+>.* | <[\w\s.:/-]*
    | \[+\w+\]* | %\(?\w+\)?s? | %\{.*\}
    | [:]?[*xX.•_#?-]+ | \[redacted:?.* | \[?(?:hidden|masked|removed|omitted|redacted)\]?
    | your[\s_-].* | change[_-]?me | replace[_-]?me | example | placeholder
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_NAME_OF_CODE = re.compile(
    r"""
      [A-Za-z_]+ (?: (?: \. | -> | :: ) [A-Za-z_]+ )+          # a path to a variable
    | [\w.]* [a-z] (?: Credential | Key | Secret | Token ) s? (?: [A-Z][a-z]+ )*   # a class
    """,
    re.VERBOSE,
)
_CODE = re.compile(
    r"""
      [*&:]\w+                                                 # an anchor, a parameter
    | \(? (?: [A-Za-z_]++ (?: \d{1,3} [A-Za-z_]++ )? | [A-Za-z_] (?= \w* [._] ) [\w.]*+ )
      [(\[]                                                    # a call, or something looked up
      (?: [\w\s.,=*&:+(\[{}-] | [)\]]++ (?= [.,;:?(\[|&] | $ ) )*+
    """,
    re.VERBOSE,
)
"""What it is only outside of quotes. Possessive, as nobody may be kept waiting by brackets."""

_PATH = re.compile(r"(?:~|\.{1,2})?(?:/[\w.@-]+)+/?")
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|arn:|urn:|sha\d+:).*", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9]+(?:[-./_][a-z0-9]+)*")
_SUFFIX = re.compile(r"[b-df-hj-np-tv-xz24-9]{5,10}")
"""What Kubernetes adds to a name, so that it is the only one: no vowels, no 0, 1 and 3."""

_IDENTIFIER = re.compile(r"[(]?[\w.-]+[?!]?")
_SAYS_WHAT_IT_IS = re.compile(r"passw|passphrase|pwd|secret|token|credential|key", re.IGNORECASE)
_WORDS = frozenset(
    {
        *("admin", "any", "auth", "await", "basic", "bearer", "bool", "boolean", "bytes"),
        *("changed", "correct", "lambda", "name", "port", "self", "split", "user", "username"),
        *("default", "digest", "disabled", "empty", "enabled", "entered", "error", "expired"),
        *("failed", "false", "field", "form", "from", "hash", "hashed", "have", "input"),
        *("incorrect", "integer", "invalid", "kerberos", "length", "mismatch", "missing", "must"),
        *("negotiate", "never", "none", "null", "number", "object", "option", "optional"),
        *("options", "pass", "plain", "plaintext", "prompt", "protected", "provided", "readonly"),
        *("rejected", "required", "reset", "should", "stdin", "string", "success", "text"),
        *("this", "true", "type", "undefined", "unset", "unknown", "used", "valid", "value"),
        *("varchar", "weak", "will", "with", "wrong"),
    }
)
"""What stands after `password:` in code, in messages and in prose."""

_PROSE = frozenset(
    {"be", "cannot", "characters", "for", "has", "is", "least", "must", "not", "or", "please"}
)
SHORTEST_PASSWORD = 4
_SHORTEST_PIECE = 6
_JUDGED_CHARACTERS = 512
"""What is longer is judged by how it begins: names and calls are short."""


def is_password(
    value: str, *, stated: bool, quoted: bool = False, shortest: int = SHORTEST_PASSWORD
) -> bool:
    """Tell whether what was assigned to a password is one.

    `stated` tells that it is in quotes, has an equals sign before it or nothing after it on its
    line; else one word may be the first of a sentence.
    """
    value = value[:_JUDGED_CHARACTERS].strip("*")
    if len(value) < shortest or not _is_literal(value, quoted=quoted) or _PATH.fullmatch(value):
        return False
    words = value.lower().split()
    if len(words) > 1:
        return _PROSE.isdisjoint(words)
    if _IDENTIFIER.fullmatch(value) and not any(map(str.isdigit, value)):
        word = value.lower().strip("(?!")
        return stated and not (word in _WORDS or "_" in word or _SAYS_WHAT_IT_IS.search(word))
    return True


def is_random(value: str, shortest: int = 8, *, quoted: bool = False) -> bool:
    """Tell whether a value looks as if it had been drawn by lot: letters and digits, no name."""
    value = value[:_JUDGED_CHARACTERS]
    if (
        len(value) < shortest
        or any(map(str.isspace, value))
        or not _is_literal(value, quoted=quoted)
    ):
        return False
    if not (any(map(str.isalpha, value)) and any(map(str.isdigit, value))):
        return False
    if _NAME.fullmatch(value) and all(map(_is_word, re.split(r"[-./_]", value))):
        return False
    return not (_PATH.fullmatch(value) or _ADDRESS.fullmatch(value))


def is_credential(value: str) -> bool:
    """Tell whether what follows `Bearer` or `Basic` is more than a word, as in prose."""
    value = value[:_JUDGED_CHARACTERS]
    return _is_literal(value) and not (value.isalpha() and (value.islower() or value.istitle()))


def _is_literal(value: str, *, quoted: bool = False) -> bool:
    if _PLACEHOLDER.fullmatch(value) or _NAME_OF_CODE.fullmatch(value):
        return False
    return quoted or not _CODE.fullmatch(value)


def _is_word(piece: str) -> bool:
    """A part of a name: letters, a number, something short as `v1`, or a suffix as `7f9d8b6c5d`."""
    plain = piece.isalpha() or piece.isdigit() or len(piece) < _SHORTEST_PIECE
    return plain or bool(_SUFFIX.fullmatch(piece))
