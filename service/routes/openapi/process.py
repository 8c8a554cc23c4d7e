"""What the routes answer that tell of the process, and those of its pages."""

from typing import TypedDict

from service.routes.openapi.operation import JSON, Answer, Content, Operation, json_answer

_TEXT = {"type": "string"}
_METRICS = """\
# HELP turnstile_turns_running Turns that run.
# TYPE turnstile_turns_running gauge
turnstile_turns_running 3.0
"""


class UpstreamAnswer(TypedDict):
    """What answers: a live server, or recordings."""

    kind: str
    recorded: bool
    notice: str
    speed: float | None
    default_session: str | None


class SessionAnswer(TypedDict):
    """A recorded session, which can be asked for by its title."""

    title: str
    query: str
    dialect: str
    server: str


class InfoAnswer(TypedDict):
    """What this service is."""

    service: str
    version: str
    upstream: UpstreamAnswer
    durable: bool
    sessions: list[SessionAnswer]
    dialects: list[str]


class AliveAnswer(TypedDict):
    """Whether turns can run in the process."""

    alive: bool


class ReadyAnswer(TypedDict):
    """Whether new turns are taken."""

    ready: bool


_INFO = {
    "service": "turnstile",
    "version": "0.1.0",
    "upstream": {
        "kind": "live",
        "recorded": False,
        "notice": "Answers come from Llama Stack 0.7.3.",
        "speed": None,
        "default_session": None,
    },
    "durable": True,
    "sessions": [],
    "dialects": ["native", "text"],
}


def _page(means: str, media_type: str, example: str, *headers: str) -> Answer:
    return Answer(200, means, {media_type: Content(_TEXT, {"usual": example})}, headers)


def _state(status: int, means: str, schema: type, example: object) -> Answer:
    return Answer(status, means, {JSON: Content(schema, {"usual": example})})


OPERATIONS: dict[str, Operation] = {
    "GET /v1/info": Operation("Service", (json_answer("What it is.", InfoAnswer, _INFO),)),
    "GET /metrics": Operation(
        "Service",
        (
            Answer(
                200,
                "The metrics.",
                {
                    "text/plain": Content(_TEXT, {"usual": _METRICS}),
                    "application/openmetrics-text": Content(_TEXT, {"usual": f"{_METRICS}# EOF\n"}),
                },
            ),
        ),
        notes="Prometheus says in `Accept` which of the two it reads.",
    ),
    "GET /livez": Operation(
        "Service",
        (
            _state(200, "It is alive.", AliveAnswer, {"alive": True}),
            _state(503, "No turn can run in it: start it anew.", AliveAnswer, {"alive": False}),
        ),
    ),
    "GET /readyz": Operation(
        "Service",
        (
            _state(200, "New turns are taken.", ReadyAnswer, {"ready": True}),
            _state(
                503, "None are: it has not begun, or is stopping.", ReadyAnswer, {"ready": False}
            ),
        ),
    ),
    "GET /openapi.json": Operation(
        "Service",
        (
            Answer(
                200,
                "The document.",
                {JSON: Content({"type": "object"}, {"usual": {"openapi": "3.1.0"}})},
                ("ETag",),
            ),
            Answer(304, "The caller has it already.", {}, ("ETag",)),
        ),
        parameters=("If-None-Match",),
    ),
    "GET /docs": Operation(
        "Service", (_page("The page.", "text/html", "<!doctype html>", "ETag"),)
    ),
    "GET /": Operation("Service", (_page("The page.", "text/html", "<!doctype html>", "ETag"),)),
    "GET /diagram.svg": Operation(
        "Service",
        (_page("The drawing.", "image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg"/>'),),
    ),
}
"""By method and path."""
