"""Titles of conversations, by the model that answered: beside everything else, and if it can."""

import re
import uuid
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import structlog

from service.domain import Conversation, Plan
from service.errors import ServiceError, UpstreamReset
from service.ports import Conversations, Quotas, Upstream, UpstreamTurn
from service.settings.data import TitlesSettings
from service.turns.turn import RunningTurn
from statemachine import TurnStream

logger = structlog.get_logger()

_INSTRUCTIONS = (
    "You name conversations. Answer with a title of at most eight words for the conversation that "
    "is shown to you, in its language, without quotation marks, and with nothing else."
)
_SHOWN_CHARACTERS = 2_000
_LONGEST_CHARACTERS = 80
LONGEST_TITLE_CHARACTERS = 200
"""Of one that somebody gives."""

_THOUGHT = re.compile(r"\A(?:.*</think>|\s*<think>.*)", re.DOTALL)
"""What some say to themselves before they answer, where the upstream does not tell it apart."""

_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Nor do people's own titles have it; some of it would turn around what follows in a list."""

_QUOTES = "\"'`*“”„\u2018\u2019 "
_BEGINS = re.compile(rf"[#{_QUOTES}]*(?:title:[{_QUOTES}]*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Titler:
    """Asks for titles; where recordings are played there is nobody to ask."""

    upstream: Upstream
    conversations: Conversations
    quotas: Quotas
    settings: TitlesSettings

    async def name(self, turn: RunningTurn) -> None:
        """Give the conversation of a turn a title; when that fails it keeps the one it has."""
        if self.upstream.info.recorded:
            return
        conversation_id = turn.ids.conversation_id
        try:
            with anyio.fail_after(self.settings.timeout_s):
                title = await self._asked(turn)
            if title:
                await self.conversations.name(conversation_id, title)
                return
            reason = "no_title"
        except TimeoutError:
            reason = "timeout"
        except UpstreamReset:
            reason = "upstream_reset"
        except ServiceError as failed:
            reason = failed.code
        logger.warning("title.not_made", conversation_id=conversation_id, reason=reason)

    async def _asked(self, turn: RunningTurn) -> str:
        """Return what the model calls a conversation; nothing of it stays upstream.

        What it costs is charged to whose turn it was.

        Raises:
            UpstreamError, UpstreamReset: it does not answer.
            StorageUnavailable: it cannot be charged.
        """
        question, answer = turn.plan.query, turn.stream.summary.answer
        shown = f"User: {question[:_SHOWN_CHARACTERS]}\n\nAssistant: {answer[:_SHOWN_CHARACTERS]}"
        plan = Plan(
            shown, Conversation(str(uuid.uuid4())), turn.plan.model, system_prompt=_INSTRUCTIONS
        )
        prepared = self.upstream.prepare(plan)
        stream = TurnStream(
            prepared.decoder,
            conversation_id=plan.conversation.conversation_id,
            request_id=str(uuid.uuid4()),
            prompt=shown,
        )
        try:
            await _read(prepared, stream)
        finally:
            thread = prepared.thread(stream.summary)
            if thread is not None:
                self.upstream.forget(thread)
        used = stream.summary.usage
        if used is not None:
            await self.quotas.charge(turn.ids.user, used.input_tokens + used.output_tokens)
        return _line(stream.summary.answer) if stream.summary.outcome == "end" else ""


async def _read(prepared: UpstreamTurn, stream: TurnStream) -> None:
    async with prepared.open() as body:
        stream.begin(body.opening)
        async with aclosing(body.payloads()) as batches:
            async for batch in batches:
                for each in batch:
                    if isinstance(each, bytes) and not stream.ended:
                        stream.feed_payload(each)
                if stream.ended:
                    return
    stream.finish()


def shortened(title: str, characters: int) -> str:
    """Return a title of at most so many characters."""
    return title if len(title) <= characters else title[: characters - 1].rstrip() + "…"


def _line(answer: str) -> str:
    """Return a title as one short line, without what models like to put around it."""
    lines = _THOUGHT.sub("", answer).splitlines()
    shown = (_NOT_SHOWN.sub("", " ".join(line.split())) for line in lines)
    return shortened(next(filter(None, map(_bare, shown)), ""), _LONGEST_CHARACTERS)


def _bare(line: str) -> str:
    title = _BEGINS.sub("", line, count=1)
    stem = title.removesuffix(".")
    return (stem if stem.endswith(tuple(_QUOTES)) else title).rstrip(_QUOTES)
