"""List, read, name and delete conversations."""

from starlette.requests import Request
from starlette.responses import Response

from service.domain import Action, ConversationNote, TurnRecord
from service.errors import Forbidden
from service.routes.answers import (
    AttachmentAnswer,
    ConversationAnswer,
    ConversationsAnswer,
    DeletedAnswer,
    JsonAnswer,
    ReadConversationAnswer,
    TurnAnswer,
    timestamp,
)
from service.routes.conversation_bodies import (
    ListParameters,
    ReadParameters,
    TitleBody,
    conversation_of,
)
from service.routes.parsing import parse, read_json
from service.routes.services import principal_of, services_of
from service.turns.conversations import delete_conversation, rename_conversation


async def listed(request: Request) -> Response:
    """GET /v1/conversations: list those in which something was asked, the newest first."""
    services, principal = services_of(request), principal_of(request)
    asked = parse(ListParameters, dict(request.query_params))
    user = None if asked.user == "all" else principal.user
    if user is None and not principal.may(Action.LIST_OTHERS_CONVERSATIONS):
        raise Forbidden(f"It needs the action {Action.LIST_OTHERS_CONVERSATIONS}.")
    page = await services.conversations.page(user, asked.limit, asked.cursor)
    notes = [conversation_answer(each, whose=user is None) for each in page.conversations]
    return JsonAnswer(ConversationsAnswer(conversations=notes, next_cursor=page.following))


async def read(request: Request) -> Response:
    """GET /v1/conversations/{conversation_id}: read a conversation with its turns."""
    services, conversation_id = services_of(request), _conversation_id(request)
    user = principal_of(request).reach(Action.READ_OTHERS_CONVERSATIONS)
    asked = parse(ReadParameters, dict(request.query_params))
    page = await services.conversations.read(conversation_id, user, asked.limit, asked.cursor)
    answer = ReadConversationAnswer(
        **conversation_answer(page.conversation, whose=user is None),
        turns=[turn_answer(each) for each in page.turns],
        earlier_cursor=page.earlier,
    )
    return JsonAnswer(answer)


async def rename(request: Request) -> Response:
    """PATCH /v1/conversations/{conversation_id}: give a conversation another title."""
    services, conversation_id = services_of(request), _conversation_id(request)
    user = principal_of(request).reach(Action.UPDATE_OTHERS_CONVERSATIONS)
    body = parse(TitleBody, await read_json(request, services.settings))
    note = await rename_conversation(services, conversation_id, user, body.title)
    return JsonAnswer(conversation_answer(note, whose=user is None))


async def delete(request: Request) -> Response:
    """DELETE /v1/conversations/{conversation_id}: delete one, and what the upstream has of it."""
    services, conversation_id = services_of(request), _conversation_id(request)
    await delete_conversation(services, conversation_id, principal_of(request))
    return JsonAnswer(DeletedAnswer(conversation_id=conversation_id, deleted=True))


def conversation_answer(note: ConversationNote, *, whose: bool) -> ConversationAnswer:
    """Return a conversation as it is on the wire; `whose` tells to whom it belongs."""
    answer = ConversationAnswer(
        conversation_id=note.conversation_id,
        title=note.title,
        model=note.model.name if note.model else None,
        provider=note.model.provider if note.model else None,
        created_at=timestamp(note.created_at),
        last_message_at=timestamp(note.last_at),
        message_count=note.message_count,
    )
    if whose:
        answer["user_id"] = note.user
    return answer


def turn_answer(record: TurnRecord) -> TurnAnswer:
    """Return a turn as it is on the wire."""
    return TurnAnswer(
        request_id=record.request_id,
        resumes=record.resumes,
        question=record.question,
        answer=record.answer,
        outcome=record.outcome,
        code=record.code,
        finish_reason=record.finish_reason,
        truncated=record.truncated,
        tool_calls=record.tool_calls,
        tool_results=record.tool_results,
        shields=record.shields,
        referenced_documents=record.referenced_documents,
        rag_chunks=record.rag_chunks,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        usage=record.usage,
        attachments=[
            AttachmentAnswer(
                attachment_type=each.attachment_type,
                content_type=each.content_type,
                size_bytes=each.size_bytes,
            )
            for each in record.attachments
        ],
        model=record.model.name if record.model else None,
        provider=record.model.provider if record.model else None,
        started_at=timestamp(record.began_at),
        completed_at=None if record.ended_at is None else timestamp(record.ended_at),
    )


def _conversation_id(request: Request) -> str:
    return conversation_of(request.path_params["conversation_id"])
