"""What request bodies may hold, and what it means to the use cases."""

import hashlib
import json
import uuid
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import BaseModel, ConfigDict, FailFast, Field, StrictBool, model_validator
from starlette.requests import Request

from service.domain import (
    Answers,
    Approval,
    Attachment,
    ClientTool,
    IfBusy,
    MediaType,
    OnDisconnect,
    ToolAnswer,
    TurnRequest,
)
from service.errors import RequestInvalid
from service.routes.parsing import parse, read_json
from service.settings import Settings

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
type Few[Item] = Annotated[list[Item], FailFast(), Field(max_length=100)]
"""A list that is refused at its first fault: a body could hold a million of them."""

_FIELDS_LIMIT = 100
"""More than any part of a request knows."""


class Body(BaseModel):
    """A part of a request; fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def fields_are_few(cls, value: object) -> object:
        """Each that is not known costs as much as a whole question, so many are not looked at."""
        if isinstance(value, dict) and len(value) > _FIELDS_LIMIT:
            raise ValueError(f"may have at most {_FIELDS_LIMIT} fields")
        return value


class AttachmentBody(Body):
    """A document that comes with a question."""

    attachment_type: Literal[
        "alert", "api object", "configuration", "error message", "event", "log", "stack trace"
    ] = Field(description="What it is, for the model.")
    content_type: Literal[
        "text/plain", "application/json", "application/yaml", "application/xml"
    ] = Field(description="How it is written, for the model.")
    content: str = Field(description="Its text; the settings say how long it may be.")


class ClientToolBody(Body):
    """A tool that the client executes."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="What the model calls.")
    description: str = Field("", max_length=4_096, description="What it does, for the model.")
    parameters: dict[str, Any] = Field(
        {"type": "object", "properties": {}}, description="The JSON schema of its arguments."
    )


class TurnBody(Body):
    """The body of `POST /v1/streaming_query` (protocol, section 5)."""

    query: str = Field(min_length=1, description="The question.")
    conversation_id: uuid.UUID | None = Field(
        None, description="Goes on with a conversation; without, a new one begins."
    )
    provider: Identifier | None = Field(None, description="Who offers the model; with `model`.")
    model: Identifier | None = Field(
        None, description="What answers; without, that of the conversation, or the usual one."
    )
    system_prompt: str | None = Field(
        None, description="Instructions for the model, in the place of those of the settings."
    )
    attachments: Few[AttachmentBody] = Field(
        [], description="Documents that belong to the question."
    )
    no_tools: StrictBool = Field(default=False, description="Answer without tools.")
    media_type: MediaType = Field(
        MediaType.NATIVE, description="Which dialect is answered: events, or plain text."
    )
    shield_ids: Few[Identifier] | None = Field(
        None, description="Which shields judge; without, all."
    )
    vector_store_ids: Few[Identifier] | None = Field(
        None, description="Which stores the model may search; without, those of the settings."
    )
    client_tools: Few[ClientToolBody] = Field([], description="Tools that the client executes.")
    generate_topic_summary: StrictBool | None = Field(
        None, description="Whether the model makes a title; without, the settings say."
    )
    on_disconnect: OnDisconnect | None = Field(
        None,
        description="What becomes of the turn when nobody reads it; without, the settings say.",
    )
    if_busy: IfBusy = Field(
        IfBusy.REJECT, description="What becomes of it while another turn of the conversation runs."
    )

    @model_validator(mode="after")
    def names_fit(self) -> Self:
        """A model has a provider and the other way round; a tool's name stands for one tool."""
        if (self.provider is None) != (self.model is None):
            raise ValueError("provider and model must be given together")
        names = {each.name for each in self.client_tools}
        if len(names) < len(self.client_tools):
            raise ValueError("client_tools: two have the same name")
        return self

    def to_domain(self) -> TurnRequest:
        """Return the question as the use cases know it."""
        attachments = tuple(
            Attachment(each.attachment_type, each.content_type, each.content)
            for each in self.attachments
        )
        return TurnRequest(
            query=self.query,
            conversation_id=str(self.conversation_id) if self.conversation_id else None,
            provider=self.provider,
            model=self.model,
            system_prompt=self.system_prompt,
            attachments=attachments,
            no_tools=self.no_tools,
            shield_ids=_optional(self.shield_ids),
            vector_store_ids=_optional(self.vector_store_ids),
            client_tools=tuple(
                ClientTool(each.name, each.description, each.parameters)
                for each in self.client_tools
            ),
            generate_topic_summary=self.generate_topic_summary,
            on_disconnect=self.on_disconnect,
            if_busy=self.if_busy,
        )

    @property
    def fingerprint(self) -> str:
        """What tells this request from another."""
        stated = json.dumps(self.model_dump(), sort_keys=True, default=str)
        return hashlib.sha256(stated.encode()).hexdigest()


class ToolResultBody(Body):
    """What a client's tool returned."""

    call_id: Identifier = Field(description="Which call it was.")
    content: Any = Field(description="Text, or any JSON, which the model reads as text.")
    status: Literal["ok", "failed"] = Field("ok", description="Whether the tool has worked.")


class ApprovalBody(Body):
    """Whether a call may go ahead."""

    call_id: Identifier = Field(description="Which call waits.")
    approve: StrictBool = Field(description="Whether it may go ahead.")
    reason: str | None = Field(None, max_length=4_096, description="Why, for the model.")


class AnswersBody(Body):
    """The body of `POST /v1/streaming_query/{request_id}/tool_results`."""

    tool_results: Few[ToolResultBody] = Field([], description="What tools have returned.")
    approvals: Few[ApprovalBody] = Field([], description="Which calls may go ahead.")
    media_type: MediaType = Field(MediaType.NATIVE, description="As in a question.")
    on_disconnect: OnDisconnect | None = Field(None, description="As in a question.")

    def to_domain(self) -> Answers:
        """Return the answers as the use cases know them."""
        results = [
            ToolAnswer(each.call_id, _text(each.content), failed=each.status == "failed")
            for each in self.tool_results
        ]
        approvals = [Approval(each.call_id, each.approve, each.reason) for each in self.approvals]
        return (*results, *approvals)


class InterruptBody(Body):
    """The body of `POST /v1/streaming_query/interrupt`."""

    request_id: uuid.UUID = Field(description="Which turn, as in `X-Request-Id`.")


async def read_turn(request: Request, settings: Settings) -> TurnBody:
    """Read and check a question.

    Raises:
        RequestNotJson, RequestInvalid, BodyTooLarge, BodyTooSlow: what is wrong with it.
    """
    body = parse(TurnBody, await read_json(request, settings))
    if len(body.query) > settings.query_limit_characters:
        limit = settings.query_limit_characters
        raise RequestInvalid(f"query: must have at most {limit} characters")
    if len(body.attachments) > settings.attachments_limit:
        limit = settings.attachments_limit
        raise RequestInvalid(f"attachments: there may be at most {limit}")
    for number, each in enumerate(body.attachments):
        limit = settings.attachment_limit_bytes
        if len(each.content.encode("utf-8", "replace")) > limit:
            raise RequestInvalid(f"attachments.{number}.content: may have at most {limit} bytes")
    return body


def _text(content: object) -> str:
    """A model reads text; anything else is told to it as JSON."""
    return content if isinstance(content, str) else msgspec.json.encode(content).decode()


def _optional(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
