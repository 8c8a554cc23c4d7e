"""What is said of one route beyond what the table of routes says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import BaseModel

from service.errors import ServiceError

JSON = "application/json"


class Content(NamedTuple):
    """A body of one media type: its schema and examples of it, by name.

    A schema that is a struct becomes a component; `item` is the schema of one event of a stream.
    """

    schema: type | Mapping[str, object]
    examples: Mapping[str, object]
    item: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error. `headers` are names of `HEADERS`."""

    status: int
    means: str
    content: Mapping[str, Content] = field(default_factory=dict)
    headers: tuple[str, ...] = ()


type Refusal = type[ServiceError] | ServiceError
"""An error that a route answers; a class stands for its example."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers.

    `parameters` are names of `PARAMETERS`. Of `refusals` only those are named that follow neither
    from who may come in nor from the body. `asks` are examples of the body, by name.
    `of_turn` are the headers of a turn that was refused itself, for whatever went wrong upstream.
    `query` has the parameters of the query that are checked like a body. `notes` are for people.
    """

    tag: str
    answers: tuple[Answer, ...]
    parameters: tuple[str, ...] = ()
    body: type[BaseModel] | None = None
    asks: Mapping[str, object] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    of_turn: tuple[str, ...] = ()
    query: type[BaseModel] | None = None
    notes: str = ""


def json_answer(means: str, schema: type, example: object, *headers: str) -> Answer:
    """Return the usual answer: 200 and JSON."""
    return Answer(200, means, {JSON: Content(schema, {"usual": example})}, headers)
