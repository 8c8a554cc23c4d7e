"""Reading fields of a chunk: the right type, or a clear `MalformedChunk`."""

import json
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from statemachine.errors import MalformedChunk

type Fields = Mapping[str, Any]


def mapping(value: object, where: str) -> Fields:
    """Return `value` when it is an object.

    Raises:
        MalformedChunk: it is not.
    """
    if not isinstance(value, dict):
        raise MalformedChunk(where, "an object")
    return cast("Fields", value)


def mapping_in(fields: Fields, name: str, where: str) -> Fields:
    """Return the object under `name`.

    Raises:
        MalformedChunk: it is missing or no object.
    """
    return mapping(fields.get(name), f"{where}.{name}")


def text_in(fields: Fields, name: str, where: str) -> str:
    """Return the string under `name`.

    Raises:
        MalformedChunk: it is missing or no string.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedChunk(f"{where}.{name}", "a string")
    # Encoders take a plain string only, and a caller's mapping may hold a kind of its own.
    return str.__str__(value)


def optional_text_in(fields: Fields, name: str, where: str) -> str | None:
    """Return the string under `name`, or None when it is absent or null.

    Raises:
        MalformedChunk: it is something else.
    """
    return None if fields.get(name) is None else text_in(fields, name, where)


def mappings_in(fields: Fields, name: str, where: str) -> list[Fields]:
    """Return the list of objects under `name`; absent or null is an empty list.

    Raises:
        MalformedChunk: it is something else.
    """
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedChunk(f"{where}.{name}", "a list")
    return [mapping(item, f"{where}.{name}[{index}]") for index, item in enumerate(value)]


def json_text(value: object) -> str:
    """Return a parsed JSON value as compact JSON text; NaN and the infinities become null.

    Raises:
        MalformedChunk: it is no JSON, or nested beyond reason; no parser gives such a value.
    """
    try:
        return _json_text(value)
    except (RecursionError, TypeError, ValueError) as refused:
        raise MalformedChunk("chunk", "plain JSON") from refused


def _json_text(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        # Half a surrogate pair: UTF-8 has none, but JSON can escape it.
        plain = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(plain, separators=(",", ":"))


def content_in(fields: Fields, where: str) -> object:
    """Return the content of a message or a tool: a string, parts, one part, or None.

    Raises:
        MalformedChunk: it is something else.
    """
    content = fields.get("content")
    if content is not None and not isinstance(content, str | list | dict):
        raise MalformedChunk(f"{where}.content", "a string, a list or an object")
    return content


def message_text(content: object) -> str:
    """Return the text of a message: a string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return str.__str__(content)
    parts = content if isinstance(content, list) else [content]
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))
