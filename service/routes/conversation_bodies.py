"""What requests about conversations and their turns may hold."""

import uuid
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    model_validator,
)

from service.errors import ConversationUnknown
from service.routes.bodies import Body
from service.turns.titles import LONGEST_TITLE_CHARACTERS


def _no_truth(value: object) -> object:
    if value is True:
        # It is equal to 1 here, and not on the wire.
        raise ValueError("must be 1 or -1")
    return value


Sentiment = Annotated[Literal[1, -1], BeforeValidator(_no_truth)]

Title = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=LONGEST_TITLE_CHARACTERS,
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$",
    ),
]
"""One line, for lists."""

type Category = Literal[
    "incorrect", "not_relevant", "incomplete", "outdated_information", "unsafe", "other"
]


class Parameters(BaseModel):
    """What a query string may hold; others are passed over, as everywhere on the web."""

    model_config = ConfigDict(extra="ignore")


class ListParameters(Parameters):
    """The query of `GET /v1/conversations`."""

    limit: int = Field(20, ge=1, le=100, description="How many are on a page.")
    cursor: str | None = Field(None, description="The `next_cursor` of the page before.")
    user: Literal["own", "all"] = Field(
        "own", description="Whose: `all` needs `list_others_conversations`."
    )


class ReadParameters(Parameters):
    """The query of `GET /v1/conversations/{conversation_id}`."""

    limit: int = Field(50, ge=1, le=100, description="How many turns are told.")
    cursor: str | None = Field(None, description="The `earlier_cursor` of an answer before.")


class TitleBody(Body):
    """The body of `PATCH /v1/conversations/{conversation_id}`."""

    title: Title = Field(description="One line.")


class FeedbackBody(Body):
    """The body of `POST /v1/feedback`."""

    request_id: uuid.UUID = Field(description="Which turn.")
    conversation_id: uuid.UUID | None = Field(None, description="Its conversation, to be sure.")
    sentiment: Sentiment | None = Field(None, description="Good or bad.")
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_096)] = Field(
        "", description="What there is to say."
    )
    categories: Annotated[tuple[Category, ...], FailFast(), Field(max_length=6)] = Field(
        (), description="What was wrong."
    )

    @model_validator(mode="after")
    def something_is_said(self) -> Self:
        """Feedback that says nothing would only take the place of what was said before."""
        if self.sentiment is None and not self.text and not self.categories:
            raise ValueError("give at least one of sentiment, text and categories")
        return self


def conversation_of(stated: str) -> str:
    """Return the id that a path names, in its one spelling.

    Raises:
        ConversationUnknown: it cannot be the id of a conversation.
    """
    try:
        named = str(uuid.UUID(stated))
    except ValueError:
        raise ConversationUnknown from None
    if named != stated.lower():
        raise ConversationUnknown
    return named
