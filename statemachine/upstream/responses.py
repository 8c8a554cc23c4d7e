"""The Responses API (Llama Stack 0.3-0.7, OGX 1.x): chunks to events (UPSTREAM, section 3).

The API has items, not steps, and may interleave them. One inference step stands for one run of
the model: it opens with the first thing that the model says and closes when a server tool starts
or the response ends. Items are known by their id; `output_index` is wrong for parallel calls.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from statemachine.events import (
    Call,
    CallStatus,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StepCompleted,
    StepKind,
    StepStarted,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
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
    refusal_of,
    usage_of,
)
from statemachine.upstream.failures import upstream_failure
from statemachine.upstream.fields import (
    Fields,
    mapping,
    mapping_in,
    mappings_in,
    optional_text_in,
    text_in,
)
from statemachine.upstream.items import (
    APPROVAL,
    FUNCTION,
    MODEL_OUTPUT,
    SERVER_TOOLS,
    SILENT,
    call_result,
    missing_result,
    server_call,
)
from statemachine.upstream.unknown import note_unknown

type Events = tuple[TurnEvent, ...]
type Delta = type[TextDelta | ReasoningDelta | RefusalDelta]

_INFERENCE = StepKind.INFERENCE


class ResponsesDecoder:
    """Reads one stream of a response.

    `_items` maps the ids of announced items to what they are; `_calls` holds the server tools
    that execute; `_arguments` holds arguments that came before their item.
    """

    dialect = "responses"
    __slots__ = (
        "_arguments",
        "_calls",
        "_items",
        "_outcomes",
        "_refused",
        "_step",
        "_steps",
        "unknown",
    )

    def __init__(self) -> None:
        self.unknown: dict[str, int] = {}
        self._items: dict[str, Fields] = {}
        self._calls: dict[str, Call] = {}
        self._arguments: dict[str, str] = {}
        self._outcomes: dict[str, CallStatus] = {}
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
            kind = chunk["type"]  # type: ignore[index] # the except clause judges
            if kind == "response.output_text.delta":
                text, item_id = chunk["delta"], chunk["item_id"]  # type: ignore[index] # as above
                if text.__class__ is str and item_id.__class__ is str:
                    return (TextDelta(self._step_of(item_id), _INFERENCE, text),)
            handler = self._HANDLERS[kind]
        except (KeyError, TypeError, IndexError):
            return self._irregular(chunk)
        return handler(self, mapping(chunk, "chunk"))

    def _irregular(self, chunk: object) -> Events:
        fields = mapping(chunk, "chunk")
        error = fields.get("error")
        if "type" not in fields and error is not None:
            return self._bare_error(error)
        kind = text_in(fields, "type", "chunk")
        if kind == "response.output_text.delta":
            return self._text_delta(fields)
        note_unknown(self.unknown, kind)
        return ()

    @staticmethod
    def _bare_error(error: object) -> Events:
        if not isinstance(error, dict):
            return (upstream_failure(error),)
        return (upstream_failure(error.get("message"), error.get("code")),)

    def _error(self, chunk: Fields) -> Events:
        """OGX writes the error's fields into the chunk itself, OpenAI nests them."""
        nested = chunk.get("error")
        return self._bare_error(nested if isinstance(nested, dict) else chunk)

    def _created(self, chunk: Fields) -> Events:
        response = mapping_in(chunk, "response", "response.created")
        return (TurnStarted(text_in(response, "id", "response.created.response")),)

    def _silent(self, _: Fields) -> Events:
        return ()

    def _step_of(self, item_id: str) -> str:
        """Return the open step for an announced item; for others a step that is not open."""
        return self._step if self._step and item_id in self._items else item_id

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

    def _delta(self, chunk: Fields, delta: Delta) -> Events:
        kind = chunk["type"]
        step = self._step_of(text_in(chunk, "item_id", kind))
        return (delta(step, _INFERENCE, text_in(chunk, "delta", kind)),)

    def _arguments_delta(self, chunk: Fields) -> Events:
        """Arguments of server tools come before their item, so they may open a step."""
        kind = chunk["type"]
        item_id = text_in(chunk, "item_id", kind)
        piece = text_in(chunk, "delta", kind)
        if item_id in self._calls:
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
        self._arguments[item_id] = text_in(chunk, "arguments", kind)
        item = self._items.get(item_id, {})
        waiting = item.get("type") in SERVER_TOOLS and item_id not in self._calls
        return self._start_call(item) if waiting else ()

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
        self._items[item_id] = item
        if kind in MODEL_OUTPUT:
            return self._open_step()
        known = self._arguments.get(item_id) or item.get("arguments") or kind != "mcp_call"
        return self._start_call(item) if known else ()

    def _start_call(self, item: Fields) -> Events:
        kind = item["type"]
        call = server_call(item, kind, self._arguments.pop(item["id"], None))
        self._calls[call.call_id] = call
        return (*self._close_step(), ToolCallStarted(call))

    def _call_outcome(self, chunk: Fields) -> Events:
        """Llama Stack names no item here for MCP calls: then it is the newest open one."""
        kind = chunk["type"]
        item_id = optional_text_in(chunk, "item_id", kind) or next(reversed(self._calls), "")
        failed = kind.endswith(".failed")
        if item_id in self._calls:
            self._outcomes[item_id] = CallStatus.FAILED if failed else CallStatus.OK
        return ()

    def _item_done(self, chunk: Fields) -> Events:
        item, kind = _item(chunk)
        if kind not in SERVER_TOOLS:
            self._items.pop(str(item.get("id")), None)
            return ()
        return self._finish_call(item, kind)

    def _finish_call(self, item: Fields, kind: str) -> Events:
        item_id = text_in(item, "id", f"item({kind})")
        begun: Events = ()
        if item_id not in self._calls and item_id in self._items:
            begun = self._start_call({**self._items[item_id], **item})
        call = self._calls.pop(item_id, None) or server_call(item, kind, None)
        self._items.pop(item_id, None)
        return (*begun, call_result(call, item, kind))

    def _close_all(self, output: list[Fields]) -> Events:
        """Close what is open: calls by their item in the output, else as not reported."""
        closed: list[TurnEvent] = []
        finished = {item.get("id"): item for item in output}
        for item_id in list(self._calls):
            item = finished.get(item_id)
            if item is not None and item.get("type") in SERVER_TOOLS:
                closed.extend(self._finish_call(item, item["type"]))
            else:
                outcome = self._outcomes.get(item_id, CallStatus.FAILED)
                closed.append(missing_result(self._calls.pop(item_id), outcome))
        return (*closed, *self._close_step())

    def _completed(self, chunk: Fields) -> Events:
        """An answer, a refusal, or something that the client owes: the output tells."""
        response = mapping_in(chunk, "response", chunk["type"])
        output = mappings_in(response, "output", f"{chunk['type']}.response")
        spoke = self._steps > 0
        closed = self._close_all(output)
        refusal = refusal_of(output)
        if refusal is not None and not self._refused:
            return (*closed, *guardrail(refusal, usage_of(response), spoke=spoke))
        owed = [item for item in output if item.get("type") in (FUNCTION, APPROVAL)]
        if owed:
            return (*closed, awaiting(response, owed))
        text = refusal or answer_of(output) or "".join(self._refused)
        reason = FinishReason.REFUSAL if self._refused else FinishReason.STOP
        return (*closed, TurnCompleted(text, reason, usage_of(response)))

    def _incomplete(self, chunk: Fields) -> Events:
        response = mapping_in(chunk, "response", chunk["type"])
        output = mappings_in(response, "output", f"{chunk['type']}.response")
        reason, usage = finish_reason(response), usage_of(response)
        completed = TurnCompleted(answer_of(output), reason, usage)
        return (*self._close_all(output), completed)

    def _failed_response(self, chunk: Fields) -> Events:
        response = mapping_in(chunk, "response", chunk["type"])
        return self._bare_error(response.get("error") or {})

    _HANDLERS: ClassVar[dict[object, Callable[["ResponsesDecoder", Fields], Events]]] = {
        "error": _error,
        "response.created": _created,
        "response.queued": _silent,
        "response.in_progress": _silent,
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
        "response.refusal.done": _silent,
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
