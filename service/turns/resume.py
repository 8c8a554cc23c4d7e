"""Answers of a client: the same turn goes on, in a new stream."""

import time
import uuid
from collections.abc import Iterable
from dataclasses import replace

import anyio

from service.domain import (
    Action,
    Answers,
    Approval,
    Caller,
    OnDisconnect,
    PausedTurn,
    ToolAnswer,
    TurnIds,
    TurnRecord,
)
from service.errors import ConversationUnknown, NotAwaiting, RequestInvalid, TurnUnknown
from service.settings import Settings
from service.turns.record import Opening, prompt_sent, resumed
from service.turns.redaction import redacted_answers
from service.turns.selection import mcp_servers
from service.turns.services import Services
from service.turns.start import cancels, claimed, withdraw
from service.turns.turn import RunningTurn
from statemachine import TurnStream, estimate_tokens

_POLL_S = 0.05


async def resume_turn(
    services: Services,
    request_id: str,
    answers: Answers,
    caller: Caller,
    on_disconnect: OnDisconnect | None = None,
) -> RunningTurn | str:
    """Let a paused turn go on, or return the id of the stream in which it has gone on already.

    Raises:
        TurnUnknown: there is no such turn, or it is somebody else's.
        NotAwaiting, AnswerTooLate, AnswersDiffer: it does not wait for these answers.
        RequestInvalid: the answers are not those of its calls.
        McpHeadersInvalid: see `mcp_servers`.
        RedactionFailed, ConversationBusy, QuotaExceeded, UpstreamError, TooManyTurns,
            LogUnavailable, StorageUnavailable, Stopping: see `start_turn`.
    """
    try:
        return await _resume(services, request_id, answers, caller, on_disconnect)
    except ConversationUnknown as unknown:
        # It was deleted meanwhile, or is no longer one in which the caller may ask.
        raise TurnUnknown from unknown


async def _resume(
    services: Services,
    request_id: str,
    answers: Answers,
    caller: Caller,
    on_disconnect: OnDisconnect | None,
) -> RunningTurn | str:
    services.live.admit()
    started_at = anyio.current_time()
    paused = await _find(services, request_id, caller)
    answers, redactions = await redacted_answers(
        services.redactor, services.metrics, checked(paused, answers)
    )
    opening = Opening(time.time(), redactions=redactions)
    paused = with_headers(services.settings, paused, caller)
    await services.upstream.catalogue()
    conversation_id = paused.plan.conversation.conversation_id
    ids = TurnIds(str(uuid.uuid4()), conversation_id, caller.user)
    try:
        first = await _first(services, request_id, answers, ids.request_id)
        if first != ids.request_id:
            await _see(services, first, caller)
            return first
        record = resumed(ids, paused, opening, request_id)
        turn = _prepare(services, paused, answers, record, started_at)
        turn.cancels = cancels(services.settings, on_disconnect)
        await _enter(services, ids, caller)
        await _launch(services, turn)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await services.admission.withdraw(ids, None)
            await services.paused.release(request_id, ids.request_id)
        raise
    await claimed(services, turn)
    return turn


async def _enter(services: Services, ids: TurnIds, caller: Caller) -> None:
    in_the_way = await services.admission.enter(ids)
    if in_the_way is not None:
        raise in_the_way.busy(caller.principal)
    await services.admission.go_on(ids)


async def _launch(services: Services, turn: RunningTurn) -> None:
    tokens = estimate_tokens(prompt_sent(turn.plan))
    await services.turns.begin(turn.record, opens=False, tokens=tokens)
    try:
        await services.log.open(turn.ids, turn.estate, turn)
        services.live.launch(turn)
    except BaseException:
        await withdraw(services, turn)
        raise


async def _find(services: Services, request_id: str, caller: Caller) -> PausedTurn:
    """Return a turn that waits for this caller; what it was is told to nobody else.

    Raises:
        ConversationUnknown: the turn is the caller's, but its conversation is somebody else's.
    """
    user = caller.principal.reach(Action.QUERY_OTHERS_CONVERSATIONS)
    turn = await services.turns.known(request_id, user)
    if turn is None:
        raise TurnUnknown
    if user is not None:
        await services.turns.check(turn.conversation_id, user)
    return await services.paused.find(request_id)


async def _see(services: Services, first: str, caller: Caller) -> None:
    """See whether a caller can follow the stream that has answered a turn.

    Raises:
        NotAwaiting: it is somebody else's.
    """
    reach = caller.principal.reach(Action.READ_OTHERS_CONVERSATIONS)
    followed = await services.admission.can_follow(first, reach)
    if not followed and await services.admission.can_follow(first):
        raise NotAwaiting("Somebody else has answered it.")


async def _first(services: Services, request_id: str, answers: Answers, by: str) -> str:
    """Return the stream that was the first to answer a turn, which may be our own.

    One that is about to begin is waited for: it may also fail, and give up its place.
    """
    deadline = anyio.current_time() + services.admission.start_s
    while True:
        first = await services.paused.claim(request_id, answers, by)
        if first == by or await services.admission.can_follow(first):
            return first
        begun = await services.turns.known(first, None)
        over = begun is not None and begun.outcome is not None
        if over or anyio.current_time() > deadline:
            return first
        await anyio.sleep(_POLL_S)


def with_headers(settings: Settings, paused: PausedTurn, caller: Caller) -> PausedTurn:
    """Return the turn with the headers that MCP servers get of who answers."""
    used = {each.name for each in paused.plan.mcp_servers}
    servers = tuple(each for each in mcp_servers(settings, caller) if each.name in used)
    return replace(paused, plan=replace(paused.plan, mcp_servers=servers))


def checked(paused: PausedTurn, answers: Answers) -> Answers:
    """Return the answers in the order of the calls, one for each.

    Raises:
        RequestInvalid: an answer is missing, of the wrong kind, given twice, or to no call.
    """
    given = {each.call_id: each for each in answers}
    if len(given) < len(answers):
        raise RequestInvalid("answers: a call is answered twice")
    owed = {call.call_id for call in paused.calls}
    if given.keys() != owed:
        named = _names("unknown", given.keys() - owed) + _names("missing", owed - given.keys())
        raise RequestInvalid(f"answers: {'; '.join(named)}")
    for call_id, answer in given.items():
        wanted = Approval if call_id in paused.approvals else ToolAnswer
        if not isinstance(answer, wanted):
            what = "approvals" if wanted is Approval else "tool_results"
            raise RequestInvalid(f"answers: {call_id} is answered in {what}")
    return tuple(given[call.call_id] for call in paused.calls)


def _names(what: str, call_ids: Iterable[str]) -> list[str]:
    listed = ", ".join(sorted(call_ids))
    return [f"{what} call_id {listed[:500]}"] if listed else []


def _prepare(
    services: Services,
    paused: PausedTurn,
    answers: Answers,
    record: TurnRecord,
    started_at: float,
) -> RunningTurn:
    upstream = services.upstream.resume(paused, answers)
    ids = TurnIds(record.request_id, record.conversation_id, record.user)
    stream = TurnStream(
        upstream.decoder,
        conversation_id=ids.conversation_id,
        request_id=ids.request_id,
        prompt=prompt_sent(paused.plan),
        moderation=upstream.moderation,
    )
    turn = RunningTurn(ids, upstream, stream, started_at, paused.plan, record)
    turn.said, turn.titled = paused.said, paused.titled
    return turn
