"""What the routes of turns take and answer (`routes/streaming_query.py`, `routes/query.py`)."""

from typing import TypedDict

from service.domain import MediaType
from service.errors import (
    AnswersDiffer,
    AnswerTooLate,
    ConversationBusy,
    ConversationUnknown,
    CursorInvalid,
    Forbidden,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    LogUnavailable,
    McpHeadersInvalid,
    ModelUnknown,
    NotAwaiting,
    QuotaExceeded,
    RateExceeded,
    RedactionFailed,
    ShieldUnknown,
    Stopping,
    StorageUnavailable,
    TooManyOwnStreams,
    TooManyReaders,
    TooManyStreams,
    TooManyTurns,
    TurnOver,
    TurnUnknown,
    VectorStoreUnknown,
)
from service.routes.answers import QueryAnswer
from service.routes.bodies import AnswersBody, InterruptBody, TurnBody
from service.routes.openapi.operation import JSON, Answer, Content, Operation, Refusal, json_answer
from service.routes.openapi.replays import Examples
from service.routes.openapi.schemas import reference

_EVENTS, _TEXT = "text/event-stream", str(MediaType.TEXT)
_IDS = ("X-Request-Id", "X-Conversation-Id", "Content-Location", "X-Accel-Buffering")
_PLAYED = (*_IDS, "X-Turnstile-Recording")
_QUERIED = (*_PLAYED, "Idempotent-Replayed")
_ASKED = (*_QUERIED, "X-Stream-Ticket")
_FORMS = ("names", "states")
_CONVERSATION_ID = "d094e47d-1c25-4787-aa8c-bc9119170225"
_REQUEST_ID = "f3927cd9-2f84-4310-acf8-56ca2b0015d7"

_TO_ENTER: tuple[Refusal, ...] = (
    McpHeadersInvalid,
    ConversationBusy,
    TooManyOwnStreams,
    TooManyReaders,
    TooManyTurns,
    TooManyStreams,
    RedactionFailed,
    QuotaExceeded,
    LogUnavailable,
    StorageUnavailable,
    Stopping,
)
"""What a stream can be refused for before it begins."""

_TO_ASK: tuple[Refusal, ...] = (
    *_TO_ENTER,
    IdempotencyKeyInvalid,
    Forbidden,
    ConversationUnknown,
    ModelUnknown,
    ShieldUnknown,
    VectorStoreUnknown,
    IdempotencyKeyReused,
    TurnOver,
    RateExceeded,
)
"""What a question can be refused for besides."""

_NOT_OWED: tuple[Refusal, ...] = (NotAwaiting, AnswersDiffer, AnswerTooLate)

_QUESTIONS = {
    "usual": {"query": "What is a pod in Kubernetes?"},
    "all": {
        "query": "Why does this pod not start?",
        "conversation_id": _CONVERSATION_ID,
        "provider": "vllm",
        "model": "granite-3.3-8b",
        "system_prompt": "You help people with Kubernetes. Be brief.",
        "attachments": [
            {
                "attachment_type": "log",
                "content_type": "text/plain",
                "content": "ImagePullBackOff: registry.example.org/shop:1.4",
            }
        ],
        "media_type": "application/json",
        "shield_ids": ["llama-guard"],
        "vector_store_ids": ["handbook"],
        "client_tools": [
            {
                "name": "open_page",
                "description": "Opens a page of the console for the user.",
                "parameters": {
                    "type": "object",
                    "properties": {"path": {"type": "string"}},
                    "required": ["path"],
                },
            }
        ],
        "generate_topic_summary": True,
        "on_disconnect": "continue",
        "if_busy": "reject",
    },
}

_ANSWERS = {
    "result": {"tool_results": [{"call_id": "call_000005_0", "content": {"restarted": True}}]},
    "approval": {"approvals": [{"call_id": "mcpr_5b7d5e0c", "approve": False, "reason": "No."}]},
}

_STOPPED = {"request_id": _REQUEST_ID, "interrupted": True, "message": "The turn was stopped."}

_ANSWERED = {
    "conversation_id": _CONVERSATION_ID,
    "request_id": _REQUEST_ID,
    "response": "A **pod** is the smallest unit that Kubernetes runs.",
    "outcome": "end",
    "finish_reason": "stop",
    "truncated": False,
    "referenced_documents": [],
    "rag_chunks": [],
    "tool_calls": [],
    "tool_results": [],
    "shields": [],
    "calls": [],
    "answer_within_s": None,
    "by": None,
    "input_tokens": 11,
    "output_tokens": 14,
    "usage": "exact",
    "stored": True,
    "count": 17,
    "digest": "da451f6282624115481ccd7934b80da31be51b12d808563538f116b33696e3a4",
    "available_quotas": {"daily": 48_500},
}


_FOLLOWED = "What the turn says after the event given, or when to come back."
_HEAD = "`HEAD` answers the headers of the stream, 204, or 503 where it cannot be reached."
_NAMED = {"usual": {"request_id": _REQUEST_ID}}

_NATIVE_SCHEMA = {
    "type": "string",
    "description": "Events, one after another (Server-Sent Events).",
}
_TEXT_SCHEMA = reference("TextStream")
_FRAME = {
    "type": "object",
    "description": "The fields of one event, as the specification of HTML names them.",
    "properties": {
        "id": {"type": "string", "description": "Its number; notices have none."},
        "retry": {"type": "integer", "description": "When to come back, in milliseconds."},
        "event": {"type": "string", "description": "With `names=1`: its name."},
        "state": {"type": "string", "description": "With `states=1`: the states gone through."},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "contentSchema": reference("NativeEvent"),
        },
    },
    "required": ["data"],
}


class InterruptAnswer(TypedDict):
    """Whether it was this that stopped the turn."""

    request_id: str
    interrupted: bool
    message: str


def operations(played: Examples) -> dict[str, Operation]:
    """Return what each route takes and answers."""
    asked = Answer(200, "The stream of the turn.", _streams(played), _ASKED)
    repeated = Answer(204, "The turn is known, and nothing follows the event given.", {}, _ASKED)
    stopped = json_answer("The turn has ended, by this or before.", InterruptAnswer, _STOPPED)
    to_stop: tuple[Refusal, ...] = (TurnUnknown, LogUnavailable)
    return {
        "POST /v1/streaming_query": Operation(
            "Turns",
            (asked, repeated),
            parameters=("Idempotency-Key", "Last-Event-ID", "MCP-HEADERS", *_FORMS),
            body=TurnBody,
            asks=_QUESTIONS,
            refusals=(*_TO_ASK, CursorInvalid),
            of_turn=_ASKED,
        ),
        "POST /v1/streaming_query/interrupt": Operation(
            "Turns", (stopped,), body=InterruptBody, asks=_NAMED, refusals=to_stop
        ),
        "GET /v1/streaming_query/{request_id}": Operation(
            "Turns",
            (
                Answer(200, _FOLLOWED, {_EVENTS: _native(played)}, _PLAYED),
                Answer(204, "The turn has ended, and nothing follows the event given.", {}, _IDS),
            ),
            parameters=("request_id", "Last-Event-ID", "last_event_id", *_FORMS),
            refusals=(CursorInvalid, TurnUnknown),
            notes=_HEAD,
        ),
        "POST /v1/streaming_query/{request_id}/interrupt": Operation(
            "Turns", (stopped,), parameters=("request_id",), refusals=to_stop
        ),
        "POST /v1/streaming_query/{request_id}/tool_results": Operation(
            "Turns",
            (asked, repeated),
            parameters=("request_id", "Last-Event-ID", "MCP-HEADERS", *_FORMS),
            body=AnswersBody,
            asks=_ANSWERS,
            refusals=(*_TO_ENTER, CursorInvalid, TurnUnknown, *_NOT_OWED),
            of_turn=_ASKED,
        ),
        "POST /v1/query": Operation(
            "Turns",
            (
                Answer(
                    200,
                    "The turn has ended, in whatever way that is no failure.",
                    {
                        JSON: Content(QueryAnswer, {"usual": _ANSWERED}),
                        _TEXT: Content(_TEXT_SCHEMA, played.text),
                    },
                    _QUERIED,
                ),
            ),
            parameters=("Idempotency-Key", "MCP-HEADERS"),
            body=TurnBody,
            asks=_QUESTIONS,
            refusals=_TO_ASK,
            of_turn=_QUERIED,
        ),
    }


def _streams(played: Examples) -> dict[str, Content]:
    return {_EVENTS: _native(played), _TEXT: Content(_TEXT_SCHEMA, played.text)}


def _native(played: Examples) -> Content:
    return Content(_NATIVE_SCHEMA, played.native, _FRAME)
