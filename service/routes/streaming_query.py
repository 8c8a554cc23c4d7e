"""Start a turn, follow it, answer it, stop it (protocol, section 5)."""

from contextlib import ExitStack, closing
from dataclasses import replace

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.domain import Action, MediaType, Principal
from service.errors import LogUnavailable, TooManyStreams, TurnRefused
from service.ports import LogReader
from service.routes.bodies import AnswersBody, InterruptBody, TurnBody, read_turn
from service.routes.event_stream import EventStream, sent_away, stream_headers, unavailable
from service.routes.headers import caller, cursor, idempotency_key
from service.routes.parsing import parse, read_json
from service.routes.problems import problem
from service.routes.services import principal_of, services_of
from service.turns.admission import IdempotencyKey
from service.turns.interrupt import interrupt_turn
from service.turns.readers import SentAway
from service.turns.resume import resume_turn
from service.turns.services import Services
from service.turns.start import start_once, start_turn
from service.turns.turn import RunningTurn, refusal_of
from statemachine import Emission, Encoder, NativeEncoder, Shield, TextEncoder


async def start(request: Request) -> Response:
    """POST /v1/streaming_query: start a turn and follow it.

    A turn that fails before anything was said is an HTTP error, so the answer waits for the
    first chunk of the upstream, though not for ever.
    """
    body = await read_turn(request, services_of(request).settings)
    with ExitStack() as held:
        turn = await started(request, body, held)
        return await _first_response(request, turn, body.media_type, held)


async def started(request: Request, body: TurnBody, held: ExitStack) -> RunningTurn | str:
    """Start the turn that a request asks for, or return the id of that which it has started before.

    Raises:
        ServiceError: see `start_once`, `caller`, `idempotency_key` and `Readers.admitted`.
    """
    services = services_of(request)
    asked = replace(body.to_domain(), caller=caller(request, principal_of(request)))
    name = idempotency_key(request.headers)
    key = None if name is None else IdempotencyKey(name, body.fingerprint)
    held.enter_context(services.readers.admitted(asked.caller.user))
    return await (start_once(services, asked, key) if key else start_turn(services, asked))


async def answer(request: Request) -> Response:
    """POST /v1/streaming_query/{request_id}/tool_results: go on with a turn that waits."""
    services = services_of(request)
    body = parse(AnswersBody, await read_json(request, services.settings))
    who, answers = caller(request, principal_of(request)), body.to_domain()
    with ExitStack() as held:
        held.enter_context(services.readers.admitted(who.user))
        request_id = _request_id(request)
        turn = await resume_turn(services, request_id, answers, who, body.on_disconnect)
        return await _first_response(request, turn, body.media_type, held)


async def _first_response(
    request: Request, turn: RunningTurn | str, media_type: MediaType, held: ExitStack
) -> Response:
    """Answer with a stream; one that came before is known by its id.

    Who repeats a question may say what it has of its answer, as some clients do by themselves.
    """
    services, joins = services_of(request), isinstance(turn, str)
    principal = principal_of(request)
    request_id = turn if isinstance(turn, str) else turn.ids.request_id
    after = cursor(request.headers.get("last-event-id")) if joins else 0
    held.enter_context(services.readers.following(request_id))
    # Taken now: a turn may come to its end and be evicted before its first chunk was waited for.
    reader = held.enter_context(closing(await services.log.reader(request_id, after)))
    if isinstance(turn, str):
        recording = _recording(services, request_id)
        headers = {**stream_headers(reader.ids, recording), "Idempotent-Replayed": "true"}
        headers |= _ticket(services, principal, request_id)
        if after and reader.at_end():
            return Response(status_code=204, headers=headers)
        refusal = None if after else await _refusal(services, request_id)
    else:
        with anyio.move_on_after(services.settings.commit_wait_s):
            await turn.settled.wait()
        headers = stream_headers(turn.ids, turn.upstream.recording)
        headers |= _ticket(services, principal, request_id)
        refusal = turn.refusal
    if refusal is not None:
        return problem(refusal, headers)
    stream = EventStream(services, reader, _encoder(request, media_type), headers, held.pop_all())
    return stream.lasting(principal.expires_at)


def _recording(services: Services, request_id: str) -> str | None:
    """Return the title of the recording that a turn of this process plays as long as it runs."""
    if not services.upstream.info.recorded:
        return None
    running = (each for each in services.live.turns if each.ids.request_id == request_id)
    return next((each.upstream.recording for each in running), None)


def _ticket(services: Services, principal: Principal, request_id: str) -> dict[str, str]:
    """Return the ticket of a stream, for what cannot send headers."""
    return {"X-Stream-Ticket": services.gate.tickets.issue(principal, request_id)}


async def _refusal(services: Services, request_id: str) -> TurnRefused | None:
    """Return the failure that a stream began with, so that its second reader is told the same."""
    with closing(await services.log.reader(request_id, 0)) as reader:
        page = await _opening(reader, services.settings.commit_wait_s)
    if not page:
        return None
    verdicts = sum(isinstance(each.output, Shield) for each in page)
    return refusal_of(page[-1], verdicts=verdicts)


async def _opening(reader: LogReader, wait_s: float) -> list[Emission]:
    """Return what a stream says first, until it has said more than that it has begun."""
    said: list[Emission] = []
    deadline = anyio.current_time() + wait_s
    while len(said) <= 1 and not reader.at_end():
        left_s = deadline - anyio.current_time()
        if left_s <= 0:
            break
        said += (await reader.read(left_s)).emissions
    return said


async def follow(request: Request) -> Response:
    """GET /v1/streaming_query/{request_id}: follow a turn from where the caller was."""
    services, request_id = services_of(request), _request_id(request)
    stated = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    after, encoder = cursor(stated), _native_encoder(request)
    principal, stays = principal_of(request), request.method != "HEAD"
    reach = principal.reach(Action.READ_OTHERS_CONVERSATIONS)
    if stays and services.readers.dismissed:
        return sent_away(request_id, SentAway.DRAINING, encoder, services.settings)
    try:
        with ExitStack() as held:
            if stays:
                held.enter_context(services.readers.admitted(principal.user))
            # First of all: nothing tells who may not read a turn that it is there.
            reader = await services.log.reader(request_id, after, reach)
            held.enter_context(closing(reader))
            headers = stream_headers(reader.ids, _recording(services, request_id))
            if reader.at_end():
                return Response(status_code=204, headers=headers)
            if not stays:
                return _head(headers, encoder)
            held.enter_context(services.readers.following(request_id))
            stream = EventStream(services, reader, encoder, headers, held.pop_all())
            return stream.lasting(principal.expires_at)
    except TooManyStreams:
        return sent_away(request_id, SentAway.BUSY, encoder, services.settings)
    except LogUnavailable:
        if not stays:
            raise
        return unavailable(request_id, encoder, services.settings)


def _head(headers: dict[str, str], encoder: Encoder) -> Response:
    head = Response(headers=headers, media_type=encoder.content_type)
    del head.headers["content-length"]  # the stream has none
    return head


async def interrupt(request: Request) -> Response:
    """POST /v1/streaming_query/{request_id}/interrupt: stop a turn."""
    return await _interrupt(request, _request_id(request))


async def interrupt_by_body(request: Request) -> Response:
    """POST /v1/streaming_query/interrupt: stop the turn that the body names."""
    body = parse(InterruptBody, await read_json(request, services_of(request).settings))
    return await _interrupt(request, str(body.request_id))


async def _interrupt(request: Request, request_id: str) -> Response:
    principal, services = principal_of(request), services_of(request)
    interrupted = await interrupt_turn(services, request_id, principal)
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
