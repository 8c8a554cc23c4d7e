"""The OpenAPI document is valid, whole, and shows only what is true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR
from starlette.datastructures import Headers

from service import errors
from service.errors import ServiceError
from service.routes import ROUTES
from service.routes.headers import mcp_headers
from service.routes.openapi.failures import turn_failures
from statemachine import EVENT_NAMES
from tests.support.described import complaints, described, pointer, told_everywhere
from tests.support.sse import read_messages

ROOT = Path(__file__).parents[2]
GOLDENS = sorted((ROOT / "tests" / "replay" / "golden").rglob("*.native.sse"))
OPERATIONS = [
    (method, path, operation)
    for path, operations in described()["paths"].items()
    for method, operation in operations.items()
]
NAMES = [f"{method.upper()} {path}" for method, path, _ in OPERATIONS]
SCHEMAS = described()["components"]["schemas"]
every_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=NAMES)


def parts(value: object) -> Iterator[dict]:
    """Yield every object of the document."""
    if isinstance(value, dict):
        yield value
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in held:
        yield from parts(each)


def standing_at(reference: str) -> object:
    value = described()
    for name in reference.removeprefix("#/").split("/"):
        value = value[name.replace("~1", "/").replace("~0", "~")]
    return value


# The document as a whole.


def test_the_document_is_valid():
    assert [each.message for each in OPENAPI_31_VALIDATOR.iter_errors(described())] == []


def test_every_route_is_described_and_nothing_else():
    assert [f"{each.method} {each.path}" for each in ROUTES] == NAMES


def test_what_is_referred_to_is_there_and_used():
    used = {each["$ref"] for each in parts(described()) if isinstance(each.get("$ref"), str)}
    named = {
        pointer("components", kind, name)
        for kind, held in described()["components"].items()
        for name in held
        if kind != "securitySchemes"
    }

    assert all(standing_at(each) for each in used)
    assert named - used == set()


def test_every_operation_has_a_name_of_its_own():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"\w+", each) for each in names)


@pytest.mark.parametrize("route", ROUTES, ids=lambda each: f"{each.method} {each.path}")
def test_every_handler_says_which_route_it_is(route):
    """What follows is the summary."""
    assert (route.handler.__doc__ or "").startswith(f"{route.method} {route.path}: ")


@every_operation
def test_who_may_come_in_is_said_and_how_others_are_refused(method, path, operation):
    (route,) = [each for each in ROUTES if (each.method.lower(), each.path) == (method, path)]
    ways = {way for each in operation["security"] for way in each}

    assert operation.get("x-action") == route.action
    assert ways == (
        set() if route.action is None else {"bearer"} | ({"ticket"} if route.by_ticket else set())
    )
    assert {"401", "403"} <= set(operation["responses"]) or route.action is None


@every_operation
def test_every_parameter_of_a_path_is_described(method, path, operation):
    given = [
        standing_at(each["$ref"]) if "$ref" in each else each for each in operation["parameters"]
    ]
    in_path = {each["name"] for each in given if each["in"] == "path"}

    assert in_path == set(re.findall(r"{(\w+)}", path))
    assert all(each.get("description") or each["schema"]["description"] for each in given)


@every_operation
def test_every_parameter_has_a_schema(method, path, operation):
    """Generators of clients leave out an operation with one that has `content` instead."""
    for each in operation["parameters"]:
        parameter = standing_at(each["$ref"]) if "$ref" in each else each
        assert "schema" in parameter, parameter["name"]


def test_the_example_of_headers_for_servers_can_be_sent():
    place = "#/components/parameters/MCP-HEADERS/schema"
    (example,) = standing_at(place)["examples"]

    assert mcp_headers(Headers({"MCP-HEADERS": example})) == {
        "cluster": {"x-namespace": "payments"}
    }
    assert complaints(place, example) == []
    assert complaints(f"{place}/contentSchema", json.loads(example)) == []


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name.endswith("Body")])
def test_every_field_of_a_body_says_what_it_means(name):
    for field, schema in SCHEMAS[name]["properties"].items():
        assert schema.get("description"), field


# Examples.


@every_operation
def test_every_example_is_what_its_schema_says(method, path, operation):
    places = {
        pointer("paths", path, method, "responses", status, "content", media_type): content
        for status, answer in operation["responses"].items()
        for media_type, content in answer.get("content", {}).items()
    }
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        places[pointer("paths", path, method, "requestBody", "content", media_type)] = content

    for place, content in places.items():
        assert content["examples"]
        for each in content["examples"].values():
            value = standing_at(each["$ref"])["value"] if "$ref" in each else each["value"]
            assert complaints(f"{place}/schema", value) == []


@every_operation
def test_every_code_has_one_example(method, path, operation):
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json", {})
        codes = content.get("schema", {}).get("properties", {}).get("code", {}).get("enum", [])
        for code in codes:
            assert standing_at(content["examples"][code]["$ref"])["value"]["code"] == code, status


# Events.


def events() -> Iterator[dict]:
    """Yield every event that a recorded turn is told with."""
    for path in GOLDENS:
        for message in read_messages(path.read_bytes()):
            yield json.loads(message.data)


def test_every_event_is_described_by_its_name_on_the_wire():
    names = set(SCHEMAS["NativeEvent"]["discriminator"]["mapping"])

    assert names == {*EVENT_NAMES.values(), "gap", "unavailable"}


def test_every_recorded_event_is_what_its_schema_says():
    wrong = [each for each in events() if complaints("#/components/schemas/NativeEvent", each)]

    assert wrong == []


def unknown(value: object, schema: dict) -> set[str]:
    """Return the fields of a value that its schema does not name, with those of what it holds."""
    schema = {**standing_at(schema["$ref"]), **schema} if "$ref" in schema else schema
    if isinstance(value, list):
        return {name for each in value for name in unknown(each, schema.get("items", {}))}
    if not isinstance(value, dict) or "properties" not in schema:
        return set()
    known = schema["properties"]
    inner = [unknown(held, known[name]) for name, held in value.items() if name in known]
    return (value.keys() - known.keys()).union(*inner)


def test_no_recorded_event_has_a_field_that_is_not_described():
    mapping = SCHEMAS["NativeEvent"]["discriminator"]["mapping"]
    found = {
        (each["event"], name)
        for each in events()
        for name in unknown(each, {"$ref": mapping[each["event"]]})
    }

    assert found == set()


@pytest.mark.parametrize("name", SCHEMAS["NativeEvent"]["discriminator"]["mapping"])
def test_the_example_of_an_event_is_what_its_schema_says(name):
    place = SCHEMAS["NativeEvent"]["discriminator"]["mapping"][name]
    (example,) = standing_at(place)["examples"]

    assert example["event"] == name
    assert complaints(place, example) == []


def test_the_text_dialect_says_what_stands_for_the_events_that_are_no_text():
    assert set(SCHEMAS["TextStream"]["x-lines"]) == {
        "awaiting_input",
        "end",
        "error",
        "gap",
        "interrupted",
        "shield",
        "tool_call",
        "turn_complete",
        "unavailable",
    }


# Errors.


NEVER_ANSWERED = {
    "service_error": "It is the family of all of them.",
    "settings_invalid": "The service does not start then.",
    "route_unknown": "No route answers it.",
    "method_not_allowed": "No route answers it.",
    "request_not_http": "It comes to no route.",
    "head_too_large": "It comes to no route.",
}


def test_every_error_of_a_request_is_answered_somewhere():
    known = {
        each.code
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, ServiceError)
    }

    assert known - {each.code for each in told_everywhere()} == set(NEVER_ANSWERED)


NOT_AT_FIRST = {
    "internal_error": "It is among the errors of every route.",
    "machine_misuse": "It is an exception, never in a stream.",
    "recording_damaged": "It is an exception, never in a stream.",
    "stream_error": "It is the family of all of them.",
}


def test_every_code_of_a_stream_can_refuse_a_turn():
    protocol = (ROOT / "statemachine" / "README.md").read_text().partition("## Error codes")[2]
    listed = re.findall(r"^\| `(\w+)` \| ([\d, or]+) \|", protocol, re.MULTILINE)
    streams = {(code, int(each)) for code, said in listed for each in re.findall(r"\d+", said)}
    refusing = {(each.code, each.status_code) for each in turn_failures()}

    assert {each for each in streams - refusing if each[0] not in NOT_AT_FIRST} == set()
    assert all(each.response.endswith(".") for each in turn_failures())
