"""One route as the document describes it."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from service.domain import Action
from service.routes.endpoint import Endpoint
from service.routes.openapi.failures import turn_failures
from service.routes.openapi.operation import JSON, Answer, Content, Operation, Refusal
from service.routes.openapi.parameters import HEADERS
from service.routes.openapi.refusals import ALWAYS, BY_ACCESS, BY_BODY, Shown, shown
from service.routes.openapi.schemas import plain, reference

type Described = dict[str, Any]


def described(endpoint: Endpoint, operation: Operation) -> Described:
    """Return the Operation Object of a route."""
    summary, description = _said(endpoint)
    module = endpoint.handler.__module__.rpartition(".")[2]
    said: Described = {
        "operationId": f"{module}_{endpoint.handler.__name__}",
        "tags": [operation.tag],
        "summary": summary,
        "description": "\n\n".join(filter(None, (description, operation.notes))),
        **_access(endpoint),
        "parameters": list(_parameters(operation)),
        "responses": _responses(endpoint, operation),
    }
    if operation.body is not None:
        said["requestBody"] = {
            "required": True,
            "content": _content({JSON: Content(operation.body, operation.asks)}),
        }
    return said


def _said(endpoint: Endpoint) -> tuple[str, str]:
    """Return what the handler says of itself, without the route that it begins with."""
    said = inspect.getdoc(endpoint.handler) or ""
    summary, _, description = said.partition("\n\n")
    stated = " ".join(summary.removeprefix(f"{endpoint.method} {endpoint.path}: ").split())
    return f"{stated[:1].upper()}{stated[1:]}".removesuffix("."), description


def _access(endpoint: Endpoint) -> Described:
    action: Action | None = endpoint.action
    if action is None:
        return {"security": []}
    ways = ["bearer", *(["ticket"] if endpoint.by_ticket else [])]
    return {"security": [{way: []} for way in ways], "x-action": str(action)}


def _parameters(operation: Operation) -> Iterator[Described]:
    for name in operation.parameters:
        yield {"$ref": f"#/components/parameters/{name}"}
    if operation.query is None:
        return
    schema = plain(operation.query.model_json_schema())
    for name, held in schema["properties"].items():
        yield {"name": name, "in": "query", "schema": held}


def _responses(endpoint: Endpoint, operation: Operation) -> Described:
    responses = {str(each.status): _answer(each) for each in operation.answers}
    refused: dict[int, list[Shown]] = defaultdict(list)
    for each in shown(_refusals(endpoint, operation)).values():
        refused[each.status].append(each)
    of_turns = {each.status_code for each in turn_failures()}
    for status, errors in refused.items():
        beside = operation.of_turn if status in of_turns else ()
        responses[str(status)] = _refused(errors, beside)
    return dict(sorted(responses.items()))


def _refusals(endpoint: Endpoint, operation: Operation) -> Iterator[Refusal]:
    """Yield what a route can refuse a request with, in the order in which it looks at that."""
    if endpoint.action is not None:
        yield from BY_ACCESS
    if operation.body is not None:
        yield from BY_BODY
    yield from operation.refusals
    if operation.of_turn:
        yield from turn_failures()
    yield from ALWAYS


def _answer(answer: Answer) -> Described:
    said: Described = {"description": answer.means}
    if answer.content:
        said["content"] = _content(answer.content)
    return said | _headers(answer.headers)


def _refused(errors: Iterable[Shown], headers: Iterable[str]) -> Described:
    codes = {each.code: each for each in errors}
    sent = {name.lower() for each in codes.values() for name in each.headers}
    sent.update(each.lower() for each in headers)
    schema = reference("Problem") | {"properties": {"code": {"enum": list(codes)}}}
    examples = {
        code: {"$ref": f"#/components/examples/{each.name}"} for code, each in codes.items()
    }
    return {
        "description": " ".join(f"`{code}`: {each.means}" for code, each in codes.items()),
        "content": {JSON: {"schema": schema, "examples": examples}},
        **_headers(name for name in HEADERS if name.lower() in sent),
    }


def _content(content: Mapping[str, Content]) -> Described:
    said: Described = {}
    for media_type, each in content.items():
        schema = reference(each.schema.__name__) if isinstance(each.schema, type) else each.schema
        examples = {name: {"value": value} for name, value in each.examples.items()}
        item = {} if each.item is None else {"x-itemSchema": each.item}
        said[media_type] = {"schema": schema, "examples": examples, **item}
    return said


def _headers(names: Iterable[str]) -> Described:
    found = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return {"headers": found} if found else {}
