"""Text of any kind in a column.

Models and clients send halves of surrogate pairs and NUL, which PostgreSQL cannot keep and SQLite's
driver does not take. Such a text is kept escaped, behind a mark; so is a text that begins with the
mark itself. (JSON would not do: it makes one character of two halves.)
"""

from typing import Any

from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

_MARK = "\ufdd0"
"""No character, but allowed in UTF-8."""


class AnyText(TypeDecorator[str]):
    """Text that comes back as it was said, whatever it is; equal texts are kept as equal ones."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 # of the interface
        """Return what is kept."""
        return None if value is None else kept(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ANN401, ARG002 # of the interface
        """Return what was said."""
        return None if value is None else said(value)


def kept(text: str) -> str:
    """Return what a database keeps of a text."""
    if "\0" in text or text.startswith(_MARK) or not _is_unicode(text):
        return _MARK + text.encode("unicode_escape").decode("ascii")
    return text


def said(text: str) -> str:
    """Return the text of which this was kept."""
    if text.startswith(_MARK):
        return text.removeprefix(_MARK).encode("ascii").decode("unicode_escape")
    return text


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False
