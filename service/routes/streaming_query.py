"""Start a turn, follow it, answer it, stop it (protocol, section 5)."""

from dataclasses import replace

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.domain import MediaType
from service.errors import TurnRefused
from service.routes.bodies import AnswersBody, InterruptBody, read_turn
from service.routes.event_stream import stream_headers, stream_response
from service.routes.headers import caller, cursor
from service.routes.parsing import parse, read_json
from service.routes.problems import problem
from service.routes.services import services_of
from service.turns.resume import resume_turn
from service.turns.services import Services
from service.turns.start import start_turn
from service.turns.turn import RunningTurn, refusal_of
from statemachine import Encoder, Interrupter, NativeEncoder, Shield, TextEncoder


async def start(request: Request) -> Response:
    """POST /v1/streaming_query: start a turn and follow it.

    A turn that fails before anything was said is an HTTP error, so the answer waits for the
    first chunk of the upstream, though not for ever.
    """
    services = services_of(request)
    body = await read_turn(request, services.settings)
    asked = replace(body.to_domain(), caller=caller(request.headers))
    turn = await start_turn(services, asked)
    return await _first_response(request, turn, body.media_type)


async def answer(request: Request) -> Response:
    """POST /v1/streaming_query/{request_id}/tool_results: go on with a turn that waits."""
    services = services_of(request)
    body = parse(AnswersBody, await read_json(request, services.settings))
    who = caller(request.headers)
    turn = await resume_turn(services, _request_id(request), body.to_domain(), who)
    if isinstance(turn, RunningTurn):
        return await _first_response(request, turn, body.media_type)
    reader = await services.log.reader(turn, 0)
    headers = stream_headers(reader.ids)
    refusal = await _refusal(services, turn)
    if refusal is not None:
        return problem(refusal, headers)
    encoder = _encoder(request, body.media_type)
    return stream_response(reader, 0, encoder, services.settings, headers)


async def _refusal(services: Services, request_id: str) -> TurnRefused | None:
    """Return the failure that a stream began with, so that its second reader is told the same."""
    reader = await services.log.reader(request_id, 0)
    page = await reader.read(services.settings.commit_wait_s)
    if not page.emissions:
        return None
    verdicts = sum(isinstance(each.output, Shield) for each in page.emissions)
    return refusal_of(page.emissions[-1], verdicts=verdicts)


async def _first_response(request: Request, turn: RunningTurn, media_type: MediaType) -> Response:
    services = services_of(request)
    # Taken now: a turn may come to its end and be evicted before its first chunk was waited for.
    reader = await services.log.reader(turn.ids.request_id, 0)
    with anyio.move_on_after(services.settings.commit_wait_s):
        await turn.settled.wait()
    headers = stream_headers(turn.ids, turn.upstream.recording)
    refusal = turn.refusal
    if refusal is not None:
        return problem(refusal, headers)
    encoder = _encoder(request, media_type)
    return stream_response(reader, 0, encoder, services.settings, headers)


async def follow(request: Request) -> Response:
    """GET /v1/streaming_query/{request_id}: follow a turn from where the caller was."""
    services = services_of(request)
    stated = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    after = cursor(stated)
    reader = await services.log.reader(_request_id(request), after)
    headers = stream_headers(reader.ids)
    encoder = _native_encoder(request)
    if reader.at_end():
        return Response(status_code=204, headers=headers)
    if request.method == "HEAD":
        head = Response(headers=headers, media_type=encoder.content_type)
        del head.headers["content-length"]  # the stream has none
        return head
    return stream_response(reader, after, encoder, services.settings, headers)


async def interrupt(request: Request) -> Response:
    """POST /v1/streaming_query/{request_id}/interrupt: stop a turn."""
    return await _interrupt(request, _request_id(request))


async def interrupt_by_body(request: Request) -> Response:
    """POST /v1/streaming_query/interrupt: stop the turn that the body names."""
    body = parse(InterruptBody, await read_json(request, services_of(request).settings))
    return await _interrupt(request, str(body.request_id))


async def _interrupt(request: Request, request_id: str) -> Response:
    services = services_of(request)
    await services.log.reader(request_id, 0)
    interrupted = await services.live.interrupt(request_id, Interrupter.USER)
    message = "The turn was stopped." if interrupted else "The turn had already ended."
    return JSONResponse({"request_id": request_id, "interrupted": interrupted, "message": message})


def _request_id(request: Request) -> str:
    request_id: str = request.path_params["request_id"]
    return request_id.lower()


def _encoder(request: Request, media_type: MediaType) -> Encoder:
    return TextEncoder() if media_type is MediaType.TEXT else _native_encoder(request)


def _native_encoder(request: Request) -> NativeEncoder:
    query = request.query_params
    return NativeEncoder(names=query.get("names") == "1", states=query.get("states") == "1")
