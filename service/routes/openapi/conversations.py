"""What the routes of conversations and of feedback take and answer."""

from service.errors import (
    ConversationBusy,
    ConversationUnknown,
    CursorInvalid,
    Forbidden,
    LogUnavailable,
    RedactionFailed,
    RequestInvalid,
    StorageUnavailable,
    TurnUnknown,
)
from service.routes.answers import (
    ConversationAnswer,
    ConversationsAnswer,
    DeletedAnswer,
    FeedbackAnswer,
    ReadConversationAnswer,
)
from service.routes.conversation_bodies import (
    FeedbackBody,
    ListParameters,
    ReadParameters,
    TitleBody,
)
from service.routes.openapi.operation import Operation, json_answer

_CONVERSATION_ID = "d094e47d-1c25-4787-aa8c-bc9119170225"
_REQUEST_ID = "f3927cd9-2f84-4310-acf8-56ca2b0015d7"

_CONVERSATION = {
    "conversation_id": _CONVERSATION_ID,
    "title": "What a pod is",
    "model": "granite-3.3-8b",
    "provider": "vllm",
    "created_at": "2026-11-23T03:54:33.120Z",
    "last_message_at": "2026-11-23T03:54:39.504Z",
    "message_count": 1,
}

_TURN = {
    "request_id": _REQUEST_ID,
    "resumes": None,
    "question": "What is a pod in Kubernetes?",
    "answer": "A **pod** is the smallest unit that Kubernetes runs.",
    "outcome": "end",
    "code": None,
    "finish_reason": "stop",
    "truncated": False,
    "tool_calls": [],
    "tool_results": [],
    "shields": [],
    "referenced_documents": [],
    "rag_chunks": [],
    "input_tokens": 11,
    "output_tokens": 14,
    "usage": "exact",
    "attachments": [
        {"attachment_type": "log", "content_type": "text/plain", "size_bytes": 48},
    ],
    "model": "granite-3.3-8b",
    "provider": "vllm",
    "started_at": "2026-11-23T03:54:33.120Z",
    "completed_at": "2026-11-23T03:54:39.504Z",
}

OPERATIONS: dict[str, Operation] = {
    "GET /v1/conversations": Operation(
        "Conversations",
        (
            json_answer(
                "A page of conversations.",
                ConversationsAnswer,
                {"conversations": [_CONVERSATION], "next_cursor": None},
            ),
        ),
        query=ListParameters,
        refusals=(Forbidden, RequestInvalid, CursorInvalid, StorageUnavailable),
    ),
    "GET /v1/conversations/{conversation_id}": Operation(
        "Conversations",
        (
            json_answer(
                "The conversation.",
                ReadConversationAnswer,
                {**_CONVERSATION, "turns": [_TURN], "earlier_cursor": None},
            ),
        ),
        parameters=("conversation_id",),
        query=ReadParameters,
        refusals=(RequestInvalid, CursorInvalid, ConversationUnknown, StorageUnavailable),
    ),
    "PATCH /v1/conversations/{conversation_id}": Operation(
        "Conversations",
        (json_answer("The conversation as it is now.", ConversationAnswer, _CONVERSATION),),
        parameters=("conversation_id",),
        body=TitleBody,
        asks={"usual": {"title": "What a pod is"}},
        refusals=(ConversationUnknown, RedactionFailed, StorageUnavailable),
    ),
    "DELETE /v1/conversations/{conversation_id}": Operation(
        "Conversations",
        (
            json_answer(
                "It is gone.",
                DeletedAnswer,
                {"conversation_id": _CONVERSATION_ID, "deleted": True},
            ),
        ),
        parameters=("conversation_id",),
        refusals=(ConversationUnknown, ConversationBusy, LogUnavailable, StorageUnavailable),
    ),
    "POST /v1/feedback": Operation(
        "Conversations",
        (json_answer("It is kept.", FeedbackAnswer, {"response": "feedback received"}),),
        body=FeedbackBody,
        asks={
            "usual": {"request_id": _REQUEST_ID, "sentiment": 1},
            "all": {
                "request_id": _REQUEST_ID,
                "conversation_id": _CONVERSATION_ID,
                "sentiment": -1,
                "text": "The image was never named.",
                "categories": ["incomplete"],
            },
        },
        refusals=(TurnUnknown, RedactionFailed, StorageUnavailable),
    ),
}
"""By method and path."""
