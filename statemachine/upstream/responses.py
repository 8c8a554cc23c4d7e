"""The Responses API (Llama Stack 0.3-0.7, OGX 1.x): chunks to events (UPSTREAM, section 3).

The API has items, not steps, and may interleave them. One inference step stands for one run of
the model: it opens with the first thing that the model says and closes when a server tool starts
or the response ends. Items are known by their id; `output_index` is wrong for parallel calls.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from statemachine.errors import MalformedChunk
from statemachine.events import (
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StepCompleted,
    StepKind,
    StepStarted,
    TextDelta,
    ToolArgumentsDelta,
    TurnCompleted,
    TurnEvent,
    TurnResumed,
    TurnStarted,
)
from statemachine.upstream.endings import (
    answer_of,
    awaiting,
    finish_reason,
    guardrail,
    output_of,
    refusal_of,
    usage_of,
)
from statemachine.upstream.failures import in_band_failure, upstream_failure
from statemachine.upstream.fields import Fields, mapping, mapping_in, optional_text_in, text_in
from statemachine.upstream.items import APPROVAL, FUNCTION, MODEL_OUTPUT, SERVER_TOOLS, SILENT
from statemachine.upstream.server_calls import CallEvents, ServerCalls
from statemachine.upstream.unknown import note_unknown

type Events = tuple[TurnEvent, ...]
type Delta = type[TextDelta | ReasoningDelta | RefusalDelta]

_INFERENCE = StepKind.INFERENCE
_TEXT_DELTA = "response.output_text.delta"


class ResponsesDecoder:
    """Reads one stream of a response.

    `_items` maps the ids of announced items of the model to what they are.
    """

    dialect = "responses"
    __slots__ = (
        "_calls",
        "_items",
        "_refused",
        "_resumed",
        "_step",
        "_steps",
        "unknown",
    )

    def __init__(self, *, resumed: bool = False) -> None:
        self._resumed = resumed
        self.unknown: dict[str, int] = {}
        self._items: dict[str, Fields] = {}
        self._calls = ServerCalls()
        self._refused: list[str] = []
        self._step: str | None = None
        self._steps = 0

    @staticmethod
    def recognises(chunk: Mapping[str, object]) -> bool:
        """Tell whether a chunk is of this dialect."""
        return isinstance(chunk.get("type"), str) or isinstance(chunk.get("error"), dict)

    @staticmethod
    def opening(_: object) -> TurnStarted | TurnResumed:
        """Return how the stream opened: a resumed response begins like any other."""
        return TurnStarted()

    def decode(self, chunk: object) -> Events:
        """Return what a chunk says; see `Decoder.decode`."""
        try:
            if chunk["type"] == _TEXT_DELTA:  # type: ignore[index] # the except clause judges
                text, item_id = chunk["delta"], chunk["item_id"]  # type: ignore[index] # as above
                if self._step and item_id in self._items and text.__class__ is str:
                    return (TextDelta(self._step, _INFERENCE, text),)
        except (KeyError, TypeError, IndexError):
            pass
        return self._any(mapping(chunk, "chunk"))

    def _any(self, chunk: Fields) -> Events:
        """Everything but a well-formed text delta."""
        failed = in_band_failure(chunk, "type") if chunk.get("type") is None else None
        if failed is not None:
            return (failed,)
        kind = text_in(chunk, "type", "chunk")
        handler = self._HANDLERS.get(kind)
        if handler is None:
            note_unknown(self.unknown, kind)
            return ()
        return handler(self, chunk)

    def _error(self, chunk: Fields) -> Events:
        """OGX writes the error's fields into the chunk itself, OpenAI nests them."""
        return (upstream_failure(chunk),)

    def _created(self, chunk: Fields) -> Events:
        """A resumed turn has its id: the upstream makes a new response for each of its streams."""
        response = mapping_in(chunk, "response", "response.created")
        if self._resumed:
            return ()
        return (TurnStarted(text_in(response, "id", "response.created.response")),)

    def _silent(self, _: Fields) -> Events:
        return ()

    def _open_step(self) -> Events:
        if self._step is not None:
            return ()
        self._steps += 1
        self._step = f"inference-{self._steps}"
        return (StepStarted(self._step, _INFERENCE),)

    def _close_step(self) -> Events:
        step, self._step = self._step, None
        return () if step is None else (StepCompleted(step, _INFERENCE),)

    def _text_delta(self, chunk: Fields) -> Events:
        return self._delta(chunk, TextDelta)

    def _reasoning_delta(self, chunk: Fields) -> Events:
        return self._delta(chunk, ReasoningDelta)

    def _refusal_delta(self, chunk: Fields) -> Events:
        self._refused.append(text_in(chunk, "delta", "response.refusal.delta"))
        return self._delta(chunk, RefusalDelta)

    def _refusal_done(self, chunk: Fields) -> Events:
        """Some models refuse in one piece, without deltas."""
        if not self._refused:
            self._refused.append(text_in(chunk, "refusal", "response.refusal.done"))
        return ()

    def _delta(self, chunk: Fields, delta: Delta) -> Events:
        """An announced item may go on after a tool; any other is in no open step."""
        kind = chunk["type"]
        item_id, piece = text_in(chunk, "item_id", kind), text_in(chunk, "delta", kind)
        opened = self._open_step() if item_id in self._items else ()
        step = self._step if item_id in self._items else item_id
        return (*opened, delta(step or item_id, _INFERENCE, piece))

    def _arguments_delta(self, chunk: Fields) -> Events:
        """Arguments of server tools come before their item, so they may open a step."""
        kind = chunk["type"]
        item_id = text_in(chunk, "item_id", kind)
        piece = text_in(chunk, "delta", kind)
        if self._calls.is_open(item_id):
            return ()
        opened = self._open_step()
        item = self._items.get(item_id, {})
        call_id = optional_text_in(item, "call_id", "item") or item_id
        name = optional_text_in(item, "name", "item")
        step = self._step or item_id
        return (*opened, ToolArgumentsDelta(step, _INFERENCE, piece, call_id, name))

    def _arguments_done(self, chunk: Fields) -> Events:
        kind = chunk["type"]
        item_id = text_in(chunk, "item_id", kind)
        return self._begin(self._calls.argue(item_id, text_in(chunk, "arguments", kind)))

    def _begin(self, calls: CallEvents) -> Events:
        """A tool that starts means that the model has stopped to speak."""
        return (*self._close_step(), *calls) if calls else ()

    def _content_part_added(self, chunk: Fields) -> Events:
        item_id = text_in(chunk, "item_id", "response.content_part.added")
        self._items.setdefault(item_id, {})
        return self._open_step()

    def _item_added(self, chunk: Fields) -> Events:
        item, kind = _item(chunk)
        if kind in SILENT:
            return ()
        if kind not in MODEL_OUTPUT and kind not in SERVER_TOOLS:
            note_unknown(self.unknown, f"item:{kind}")
            return ()
        item_id = text_in(item, "id", f"item({kind})")
        if kind in SERVER_TOOLS:
            return self._begin(self._calls.announce(item, item_id))
        self._items[item_id] = item
        return self._open_step()

    def _call_outcome(self, chunk: Fields) -> Events:
        self._calls.note_outcome(chunk)
        return ()

    def _item_done(self, chunk: Fields) -> Events:
        item, kind = _item(chunk)
        if kind in SERVER_TOOLS:
            events = self._calls.finish(item, kind)
            return (*self._close_step(), *events) if len(events) > 1 else events
        self._items.pop(str(item.get("id")), None)
        return ()

    def _close_all(self, output: list[Fields]) -> Events:
        return (*self._calls.close(output), *self._close_step())

    def _completed(self, chunk: Fields) -> Events:
        """An answer, a refusal, or something that the client owes: the output tells.

        A guardrail refuses in words of its own, also after the model has refused.
        """
        response = mapping_in(chunk, "response", chunk["type"])
        if response.get("status") == "failed":
            return self._failed_response(chunk)
        if response.get("output") is None:
            raise MalformedChunk(f"{chunk['type']}.response.output", "a list")
        output = output_of(response, chunk["type"])
        closed = self._close_all(output)
        refusal, refused = refusal_of(output), "".join(self._refused)
        if refusal is not None and not (refused and refusal in refused):
            return (*closed, *guardrail(refusal, usage_of(response), spoke=self._steps > 0))
        owed = [item for item in output if item.get("type") in (FUNCTION, APPROVAL)]
        if owed:
            return (*closed, awaiting(response, owed, resumed=self._resumed))
        text = refusal or answer_of(output) or refused
        reason = FinishReason.REFUSAL if self._refused else FinishReason.STOP
        return (*closed, TurnCompleted(text, reason, usage_of(response)))

    def _incomplete(self, chunk: Fields) -> Events:
        response = mapping_in(chunk, "response", chunk["type"])
        output = output_of(response, chunk["type"])
        text = answer_of(output) or refusal_of(output) or ""
        completed = TurnCompleted(text, finish_reason(response, output), usage_of(response))
        return (*self._close_all(output), completed)

    def _failed_response(self, chunk: Fields) -> Events:
        response = mapping_in(chunk, "response", chunk["type"])
        return (replace(upstream_failure(response.get("error")), usage=usage_of(response)),)

    _HANDLERS: ClassVar[dict[object, Callable[["ResponsesDecoder", Fields], Events]]] = {
        "error": _error,
        "response.created": _created,
        "response.queued": _silent,
        "response.in_progress": _silent,
        _TEXT_DELTA: _text_delta,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
        "response.content_part.added": _content_part_added,
        "response.content_part.done": _silent,
        "response.output_text.done": _silent,
        "response.output_text.annotation.added": _silent,
        "response.reasoning_text.delta": _reasoning_delta,
        "response.reasoning_text.done": _silent,
        "response.reasoning_summary_part.added": _content_part_added,
        "response.reasoning_summary_part.done": _silent,
        "response.reasoning_summary_text.delta": _reasoning_delta,
        "response.reasoning_summary_text.done": _silent,
        "response.refusal.delta": _refusal_delta,
        "response.refusal.done": _refusal_done,
        "response.function_call_arguments.delta": _arguments_delta,
        "response.function_call_arguments.done": _arguments_done,
        "response.mcp_call.arguments.delta": _arguments_delta,
        "response.mcp_call.arguments.done": _arguments_done,
        "response.mcp_call_arguments.delta": _arguments_delta,
        "response.mcp_call_arguments.done": _arguments_done,
        "response.mcp_call.in_progress": _silent,
        "response.mcp_call.completed": _call_outcome,
        "response.mcp_call.failed": _call_outcome,
        "response.mcp_list_tools.in_progress": _silent,
        "response.mcp_list_tools.completed": _silent,
        "response.mcp_list_tools.failed": _silent,
        "response.file_search_call.in_progress": _silent,
        "response.file_search_call.searching": _silent,
        "response.file_search_call.completed": _call_outcome,
        "response.web_search_call.in_progress": _silent,
        "response.web_search_call.searching": _silent,
        "response.web_search_call.completed": _call_outcome,
        "response.completed": _completed,
        "response.incomplete": _incomplete,
        "response.failed": _failed_response,
    }


def _item(chunk: Fields) -> tuple[Fields, str]:
    item = mapping_in(chunk, "item", chunk["type"])
    return item, text_in(item, "type", f"{chunk['type']}.item")
