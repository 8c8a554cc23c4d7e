"""Request bodies: read within bounds, parsed once, refused with a clear error."""

import uuid
from typing import Annotated, Any, Literal, Self

import anyio
import msgspec
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, model_validator
from starlette.requests import ClientDisconnect, Request

from service.domain import Attachment, MediaType, TurnRequest
from service.errors import BodyTooLarge, BodyTooSlow, RequestInvalid, RequestNotJson
from service.settings import Settings

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
type Few[Item] = Annotated[list[Item], FailFast(), Field(max_length=100)]
"""A list that is refused at its first fault: a body could hold a million of them."""

_ERRORS_SHOWN = 5
_NAME_SHOWN = 100


class AttachmentBody(BaseModel):
    """A document that comes with a question."""

    model_config = ConfigDict(extra="forbid")

    attachment_type: Literal[
        "alert", "api object", "configuration", "error message", "event", "log", "stack trace"
    ]
    content_type: Literal["text/plain", "application/json", "application/yaml", "application/xml"]
    content: str


class TurnBody(BaseModel):
    """The body of `POST /v1/streaming_query` (protocol, section 5)."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(min_length=1)]
    conversation_id: uuid.UUID | None = None
    provider: Identifier | None = None
    model: Identifier | None = None
    system_prompt: str | None = None
    attachments: Few[AttachmentBody] = []
    no_tools: bool = False
    media_type: MediaType = MediaType.NATIVE
    shield_ids: Few[Identifier] | None = None
    vector_store_ids: Few[Identifier] | None = None
    generate_topic_summary: bool = False
    on_disconnect: Literal["continue"] = "continue"

    @model_validator(mode="after")
    def provider_needs_model(self) -> Self:
        """A model has a provider and the other way round."""
        if (self.provider is None) != (self.model is None):
            raise ValueError("provider and model must be given together")
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
            generate_topic_summary=self.generate_topic_summary,
        )


class InterruptBody(BaseModel):
    """The body of `POST /v1/streaming_query/interrupt`."""

    model_config = ConfigDict(extra="forbid")

    request_id: uuid.UUID


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
    return body


def parse[Body: BaseModel](model: type[Body], value: object) -> Body:
    """Return the checked body.

    Raises:
        RequestInvalid: names every field that is wrong, never its value.
    """
    if not isinstance(value, dict):
        raise RequestInvalid("body: must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as invalid:
        raise RequestInvalid(_problems(invalid)) from None


async def read_json(request: Request, settings: Settings) -> object:
    """Return the JSON value of a request body.

    Raises:
        RequestNotJson, BodyTooLarge, BodyTooSlow: what is wrong with it.
    """
    try:
        with anyio.fail_after(settings.body_timeout_s):
            data = await _read(request, settings.body_limit_bytes)
    except TimeoutError:
        raise BodyTooSlow(f"It must come within {settings.body_timeout_s:g} s.") from None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RequestNotJson("The body cannot be parsed as JSON.") from None


async def _read(request: Request, limit_bytes: int) -> bytes:
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > limit_bytes:
                raise BodyTooLarge(f"It may have at most {limit_bytes} bytes.")
    except ClientDisconnect:
        raise RequestNotJson("The body did not come to its end.") from None
    return bytes(data)


def _problems(invalid: ValidationError) -> str:
    errors: list[Any] = invalid.errors(include_url=False, include_input=False)
    lines = [
        f"{'.'.join(str(name)[:_NAME_SHOWN] for name in error['loc']) or 'body'}: {error['msg']}"
        for error in errors[:_ERRORS_SHOWN]
    ]
    more = len(errors) - len(lines)
    return "; ".join([*lines, f"and {more} more"] if more > 0 else lines)


def _optional(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
