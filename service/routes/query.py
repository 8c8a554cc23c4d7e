"""A question with one answer: the same turn as that of a stream, read to its end."""

import math
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from service.domain import MediaType, TurnIds, TurnRecord
from service.errors import LogUnavailable, StorageUnavailable, TurnOver, TurnRefused
from service.ports import LogReader
from service.routes.answers import JsonAnswer, QueryAnswer
from service.routes.bodies import read_turn
from service.routes.event_stream import stream_headers
from service.routes.problems import problem
from service.routes.services import services_of
from service.routes.streaming_query import started
from service.turns.record import ended, prompt_sent
from service.turns.services import Services
from service.turns.turn import RunningTurn
from statemachine import Emission, Failure, Summary, TextEncoder, wire_fields

_END = "end"
_MARGIN_S = 60.0
"""How much longer than its turn an answer is waited for: a turn is stored before it ends."""


@dataclass(slots=True)
class _Told:
    """What a turn has said so far; `whole` tells that nothing of it was lost before."""

    ids: TurnIds
    summary: Summary
    last: Emission | None = None
    text: bytearray = field(default_factory=bytearray)
    whole: bool = True
    _encoder: TextEncoder = field(default_factory=TextEncoder)

    def take(self, emission: Emission) -> None:
        """Take the next emission."""
        expected = self.last.number + 1 if self.last else 1
        if emission.number != expected:
            self.whole = False
            self.text += self._encoder.gap(expected, emission.number)
        self.summary.add(emission.output)
        self.text += self._encoder.encode(emission)
        self.last = emission


async def query(request: Request) -> Response:
    """POST /v1/query: start a turn, and answer when it has ended.

    Who waits is a reader like any other: one that leaves ends nothing.
    """
    services = services_of(request)
    body = await read_turn(request, services.settings)
    with ExitStack() as held:
        turn = await started(request, body, held)
        request_id = turn if isinstance(turn, str) else turn.ids.request_id
        # Taken now: a turn may come to its end and be evicted before anybody has read it.
        reader = held.enter_context(closing(await services.log.reader(request_id, 0)))
        held.enter_context(services.readers.following(request_id))
        prompt = body.query if isinstance(turn, str) else prompt_sent(turn.plan)
        told, headers = _Told(reader.ids, Summary(prompt)), _headers(reader.ids, turn)
        try:
            wait_s = services.settings.turn_timeout_s + _MARGIN_S
            last = await _hear(request, reader, told, wait_s)
        except LogUnavailable as unavailable:
            return problem(unavailable, headers, _named(told))
    if isinstance(last.output, Failure):
        said = {**_named(told), "response": told.summary.answer}
        return problem(_refused(last.output), headers, said)
    if body.media_type is MediaType.TEXT:
        return Response(bytes(told.text), headers=headers, media_type=TextEncoder.content_type)
    record = await _record(services, told)
    return JsonAnswer(_answer(record, last), headers=headers)


def _headers(ids: TurnIds, turn: RunningTurn | str) -> dict[str, str]:
    if isinstance(turn, RunningTurn):
        return stream_headers(ids, turn.upstream.recording)
    return {**stream_headers(ids), "Idempotent-Replayed": "true"}


def _named(told: _Told) -> dict[str, object]:
    """Return what a client can follow the turn by."""
    return {"request_id": told.ids.request_id, "conversation_id": told.ids.conversation_id}


async def _hear(request: Request, reader: LogReader, told: _Told, wait_s: float) -> Emission:
    """Read a turn to its end, for as long as somebody waits for the answer, and return that.

    Raises:
        LogUnavailable: its end cannot be read from here for now.
    """
    last: Emission | None = None
    failed = LogUnavailable("The turn does not come to its end.")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_left, request, tasks.cancel_scope)
        with anyio.move_on_after(wait_s):
            try:
                last = await _read(reader, told)
            except LogUnavailable as unavailable:
                # Raised below: the group would wrap it.
                failed = unavailable
        tasks.cancel_scope.cancel()
    if last is None:
        raise failed
    return last


async def _read(reader: LogReader, told: _Told) -> Emission:
    while True:
        page = await reader.read(math.inf)
        for each in page.emissions:
            told.take(each)
        if page.emissions and page.emissions[-1].terminal:
            return page.emissions[-1]
        if reader.at_end():
            raise LogUnavailable("The events of the turn are no longer kept.")


async def _until_left(request: Request, waiting: anyio.CancelScope) -> None:
    """End the wait when the client has left: after a whole body nothing else can come."""
    await request.receive()
    waiting.cancel()


def _refused(failure: Failure) -> TurnRefused:
    """Return a failure as the status that it would have had before anything was said."""
    return TurnRefused(failure.code, failure.status_code, failure.response, failure.cause)


async def _record(services: Services, told: _Told) -> TurnRecord:
    """Return what is to be told of the turn; what its events do not say was stored.

    That is what the log has lost of them, and what the turn has cost: only `end` says that.

    Raises:
        TurnOver: events are lost, and it was not stored, or it was deleted since.
        StorageUnavailable: events are lost, and it cannot be read for now.
    """
    ids = told.ids
    begun = TurnRecord(
        ids.request_id, ids.conversation_id, ids.user, ids.request_id, "", began_at=0.0
    )
    heard = ended(begun, told.summary, told=False, ended_at=0.0)
    if told.whole and heard.outcome == _END:
        return heard
    try:
        stored = await services.turns.known(ids.request_id, ids.user)
    except StorageUnavailable:
        if not told.whole:
            raise
        return heard
    if stored is not None and stored.outcome == heard.outcome:
        return stored
    if not told.whole:
        raise TurnOver("What it has said is no longer kept.")
    # It is stored later.
    return heard


def _answer(record: TurnRecord, last: Emission) -> QueryAnswer:
    said: Any = wire_fields(last.output)
    seal = last.seal
    return QueryAnswer(
        conversation_id=record.conversation_id,
        request_id=record.request_id,
        response=record.answer,
        outcome=record.outcome,
        finish_reason=record.finish_reason,
        truncated=record.truncated,
        referenced_documents=record.referenced_documents,
        rag_chunks=record.rag_chunks,
        tool_calls=record.tool_calls,
        tool_results=record.tool_results,
        shields=record.shields,
        calls=said.get("calls", []),
        answer_within_s=seal.answer_within_s if seal else None,
        by=said.get("by"),
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        usage=record.usage,
        stored=seal.stored if seal else False,
        count=seal.count if seal else 0,
        digest=seal.digest if seal else "",
        available_quotas=seal.available_quotas if seal else {},
    )
