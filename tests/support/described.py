"""What the service answers, held against its own OpenAPI document."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import jsonschema_rs

from service.routes import ROUTES
from service.routes.openapi import document
from tests.support.sse import read_messages

_ANYWHERE = frozenset(
    {
        "accept-ranges",
        "cache-control",
        "content-length",
        "content-security-policy",
        "content-type",
        "date",
        "last-modified",
        "referrer-policy",
        "transfer-encoding",
        "vary",
        "x-content-type-options",
    }
)
"""Headers that say nothing of a route."""

OUTSIDE = {"route_unknown", "method_not_allowed"}
"""Codes of what no route takes."""


class Told(NamedTuple):
    """What was answered, as the document names it; `code` is empty where there is no error."""

    route: str
    status: int
    code: str = ""


@cache
def described() -> dict[str, Any]:
    """Return the document, as clients get it."""
    made: dict[str, Any] = json.loads(json.dumps(document(ROUTES)))
    return made


@cache
def validator(place: str) -> jsonschema_rs.Draft202012Validator:
    """Return what judges by a schema of the document, which a pointer names."""
    whole = {
        "$ref": quote(place, safe="#/~"),
        "paths": described()["paths"],
        "components": described()["components"],
    }
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def complaints(place: str, value: object) -> list[str]:
    """Return what is wrong with a value."""
    return [f"{each.instance_path}: {each.message}" for each in validator(place).iter_errors(value)]


def pointer(*names: str) -> str:
    """Return the place in the document to which these names lead."""
    return "#/" + "/".join(each.replace("~", "~0").replace("/", "~1") for each in names)


def told_everywhere() -> Iterator[Told]:
    """Yield everything that the document says is answered."""
    for path, operations in described()["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                for code in _codes(answer) or [""]:
                    yield Told(f"{method.upper()} {path}", int(status), code)


def _codes(answer: Mapping[str, Any]) -> list[str]:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    codes: list[str] = schema.get("properties", {}).get("code", {}).get("enum", [])
    return codes


def route_of(method: str, path: str) -> str | None:
    """Return the route that takes a request, None when there is none; `HEAD` is taken as `GET`."""
    method, path = "GET" if method == "HEAD" else method, unquote(path)
    for each in ROUTES:
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(each.path))
        if each.method == method and re.fullmatch(pattern, path, re.DOTALL):
            return f"{method} {each.path}"
    return None


def told(route: str, status: int, headers: Mapping[str, str], body: bytes) -> Told:
    """Return what was answered; fail when it is not as the document says."""
    method, _, path = route.partition(" ")
    answers = described()["paths"][path][method.lower()]["responses"]
    assert str(status) in answers, f"{route} does not say that it answers {status}: {body[:500]!r}"
    answer = answers[str(status)]
    known = {each.lower() for each in answer.get("headers", {})} | _ANYWHERE
    assert set(headers) <= known, f"{route} {status} does not tell of {set(headers) - known}"
    media_type = headers.get("content-type", "").partition(";")[0]
    if not body:
        return Told(route, status)
    assert media_type in answer.get("content", {}), f"{route} {status} is {media_type}"
    names = ("paths", path, method.lower(), "responses", str(status), "content", media_type)
    return Told(route, status, _judged(media_type, pointer(*names, "schema"), body))


def _judged(media_type: str, place: str, body: bytes) -> str:
    """Hold a body against its schema, and return the code of an error."""
    if media_type == "text/event-stream":
        for message in read_messages(body):
            assert not complaints("#/components/schemas/NativeEvent", json.loads(message.data))
        return ""
    if media_type != "application/json":
        return ""
    value = json.loads(body)
    assert not complaints(place, value), (complaints(place, value), value)
    return str(value.get("code", "")) if "detail" in value else ""
