"""The document: what the table of routes says, and what is said of each route besides."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from service import __version__
from service.routes.endpoint import Endpoint
from service.routes.openapi import conversations, offers, process, turns
from service.routes.openapi.operation import Operation
from service.routes.openapi.parameters import HEADERS, PARAMETERS, SECURITY
from service.routes.openapi.paths import described
from service.routes.openapi.refusals import named_examples
from service.routes.openapi.replays import play_examples
from service.routes.openapi.schemas import components

type Described = dict[str, Any]

_DESCRIPTION = """\
Turnstile stands between Llama Stack and its clients: it drives turns, keeps their events in order \
and lets any number of readers follow them.

An error before the first byte is a status with the body `Problem`; after it, it is an event of \
the stream. What is not yours is answered like what is not there.

No route answers these: 400 `request_not_http`, 404 `route_unknown`, 405 `method_not_allowed` with \
`Allow`, and 431 `head_too_large`. Every `GET` takes `HEAD` as well.
"""
_TAGS = {
    "Turns": "Ask, follow, answer and stop.",
    "Conversations": "What was asked and answered, and what it was worth.",
    "Choices": "What a question can choose.",
    "People": "Who the caller is, and what is left.",
    "Service": "What it is, whether it is well, and its pages.",
}


def document(routes: Iterable[Endpoint]) -> Described:
    """Return the OpenAPI document of a table of routes."""
    played = play_examples()
    operations = turns.operations(played) | conversations.OPERATIONS | offers.OPERATIONS
    operations |= process.OPERATIONS
    paths: dict[str, Described] = defaultdict(dict)
    for each in routes:
        operation = operations[f"{each.method} {each.path}"]
        paths[each.path][each.method.lower()] = described(each, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Turnstile",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": means} for name, means in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components(
                _bodies(operations.values()), _answers(operations.values()), played
            ),
            "securitySchemes": SECURITY,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "examples": named_examples(),
        },
    }


def _bodies(operations: Iterable[Operation]) -> set[type[BaseModel]]:
    return {each.body for each in operations if each.body is not None}


def _answers(operations: Iterable[Operation]) -> set[type]:
    contents = (
        content
        for each in operations
        for answer in each.answers
        for content in answer.content.values()
    )
    return {each.schema for each in contents if isinstance(each.schema, type)}
