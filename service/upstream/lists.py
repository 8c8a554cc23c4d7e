"""Reading the lists of servers, which have many shapes."""

from collections.abc import Iterable, Mapping
from typing import Any


def rows_of(answer: object) -> list[Mapping[str, Any]]:
    """Return the objects that an answer lists, whichever way."""
    listed = answer.get("data") if isinstance(answer, dict) else answer
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def texts_of(rows: Iterable[Mapping[str, Any]], name: str) -> tuple[str, ...]:
    """Return what the objects have under a name, where it is a text."""
    values = (row.get(name) for row in rows)
    return tuple(value for value in values if isinstance(value, str) and value)


def fields_of(value: object) -> Mapping[str, Any]:
    """Return the fields of an object; anything else has none."""
    return value if isinstance(value, dict) else {}
