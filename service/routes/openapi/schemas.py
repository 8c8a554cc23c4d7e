"""The schemas that operations refer to: bodies, answers, events and the body of an error."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from service.routes.openapi.events import (
    EVENT_DATA,
    NOTICES,
    Document,
    OwedCall,
    RagChunk,
    ShieldVerdict,
    ToolCall,
    ToolResult,
)
from service.routes.openapi.replays import Examples
from statemachine import EVENT_NAMES

type Schema = dict[str, Any]

_PLACE = "#/components/schemas/{model}"
_TOLD: dict[str, type] = {
    "tool_calls": ToolCall,
    "tool_results": ToolResult,
    "shields": ShieldVerdict,
    "referenced_documents": Document,
    "rag_chunks": RagChunk,
    "calls": OwedCall,
}
"""What the lists of a turn hold, wherever they are told."""

_PROBLEM: Schema = {
    "title": "Problem",
    "description": "Why a request is not served; both sentences are safe to show.",
    "type": "object",
    "properties": {
        "detail": {
            "type": "object",
            "properties": {
                "response": {"type": "string", "description": "What has happened."},
                "cause": {"type": "string", "description": "Why."},
            },
            "required": ["response", "cause"],
            "additionalProperties": False,
        },
        "code": {"type": "string", "description": "Stable, for programs."},
        "request_id": {
            "type": "string",
            "description": "The turn that failed; with `conversation_busy` the one that runs, for "
            "who may follow it.",
        },
        "conversation_id": {"type": "string", "description": "Its conversation."},
        "response": {"type": "string", "description": "What it had said until then."},
    },
    "required": ["detail", "code"],
    "additionalProperties": False,
}


def reference(name: str) -> Schema:
    """Return what stands for a schema elsewhere."""
    return {"$ref": _PLACE.format(model=name)}


def components(
    bodies: Iterable[type[BaseModel]], answers: Iterable[type], played: Examples
) -> dict[str, Schema]:
    """Return the schemas by their names, those of events with their examples."""
    told = {*answers, *EVENT_DATA.values(), *(data for data, _ in NOTICES.values())}
    told.update(_TOLD.values())
    made: list[tuple[type, Any, TypeAdapter[Any]]] = [
        *((each, "validation", TypeAdapter(each)) for each in set(bodies)),
        *((each, "serialization", TypeAdapter(each)) for each in told),
    ]
    _, found = TypeAdapter.json_schemas(made, ref_template=_PLACE)
    schemas = _named(found["$defs"])
    for schema in schemas.values():
        _tell(schema)
    schemas |= _events(played) | {"Problem": _PROBLEM, "TextStream": _text(played)}
    return dict(sorted(schemas.items()))


def event_name(name: str) -> str:
    """Return what the schema of an event is called."""
    return "".join(map(str.capitalize, name.split("_"))) + "Event"


def _events(played: Examples) -> dict[str, Schema]:
    """Return the schema of every event, and that of any."""
    means = {name: inspect.getdoc(output) or "" for output, name in EVENT_NAMES.items()}
    means |= {name: said for name, (_, said) in NOTICES.items()}
    data = EVENT_DATA | {name: held for name, (held, _) in NOTICES.items()}
    schemas = {event_name(each): _event(each, means[each], data[each]) for each in means}
    for name, example in played.events.items():
        schemas[event_name(name)]["examples"] = [example]
    places = {each: reference(event_name(each)) for each in means}
    schemas["NativeEvent"] = {
        "title": "NativeEvent",
        "description": "What `data:` holds in the native dialect; fields may be added.",
        "oneOf": list(places.values()),
        "discriminator": {
            "propertyName": "event",
            "mapping": {name: place["$ref"] for name, place in places.items()},
        },
    }
    return schemas


def _text(played: Examples) -> Schema:
    return {
        "title": "TextStream",
        "description": "The text dialect: the answer as it comes. `x-lines` says what stands for "
        "the events that are no text; the others are left out.",
        "type": "string",
        "x-lines": played.lines,
    }


def _event(name: str, means: str, data: type) -> Schema:
    quotas = {
        "type": "object",
        "additionalProperties": {"type": "integer"},
        "description": "The tokens that are left of each quota.",
    }
    beside = {"available_quotas": quotas} if name == "end" else {}
    return {
        "title": event_name(name),
        "description": means,
        "type": "object",
        "properties": {"event": {"const": name}, "data": reference(data.__name__), **beside},
        "required": ["event", "data", *beside],
    }


def _tell(schema: Schema) -> None:
    """Say what lists hold that answers pass on as they are kept."""
    for name, held in schema.get("properties", {}).items():
        if name in _TOLD and "$ref" not in held.get("items", {"$ref": ""}):
            held["items"] = reference(_TOLD[name].__name__)


def plain(schema: Schema) -> Schema:
    """Return a schema without the titles that only repeat the names of its fields."""
    named = "properties" in schema or "enum" in schema
    return {
        name: _held(value)
        for name, value in schema.items()
        if name != "title" or named or not isinstance(value, str)
    }


def _named(found: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the schemas that have names of their own, with what aliases stand for in its place."""
    schemas = {name: plain(schema) for name, schema in found.items()}
    aliases = {
        reference(name)["$ref"]: schema for name, schema in schemas.items() if "title" not in schema
    }
    return {
        name: each
        for name, schema in schemas.items()
        if "title" in schema and isinstance(each := _put(schema, aliases), dict)
    }


def _put(value: object, aliases: Mapping[str, Schema]) -> object:
    if isinstance(value, list):
        return [_put(each, aliases) for each in value]
    if not isinstance(value, dict):
        return value
    stands_for = aliases.get(value.get("$ref", ""))
    if stands_for is not None:
        value = {**stands_for, **{name: held for name, held in value.items() if name != "$ref"}}
    return {name: _put(held, aliases) for name, held in value.items()}


def _held(value: object) -> object:
    if isinstance(value, dict):
        return plain(value)
    return [_held(each) for each in value] if isinstance(value, list) else value
