"""The server tools that a response executes: what is known of each, until it returns."""

from statemachine.events import Call, CallStatus, ToolCallCompleted, ToolCallStarted
from statemachine.upstream.fields import Fields, optional_text_in, text_in
from statemachine.upstream.items import (
    MCP,
    SERVER_TOOLS,
    call_result,
    missing_result,
    server_call,
)

type CallEvent = ToolCallStarted | ToolCallCompleted
type CallEvents = tuple[CallEvent, ...]


class ServerCalls:
    """Calls by the id of their item.

    `_announced` holds items whose arguments are still to come, `_arguments` those that came
    before their item, `_outcomes` what was said of a call whose item may never close.
    """

    __slots__ = ("_announced", "_arguments", "_open", "_outcomes")

    def __init__(self) -> None:
        self._announced: dict[str, Fields] = {}
        self._arguments: dict[str, str] = {}
        self._open: dict[str, Call] = {}
        self._outcomes: dict[str, CallStatus] = {}

    def is_open(self, item_id: str) -> bool:
        """Tell whether a call executes."""
        return item_id in self._open

    def announce(self, item: Fields, item_id: str) -> CallEvents:
        """Take an item; its call starts at once when its arguments are known."""
        self._announced[item_id] = item
        known = item_id in self._arguments or item.get("arguments") or item["type"] != MCP
        return self._start(item_id) if known else ()

    def argue(self, item_id: str, arguments: str) -> CallEvents:
        """Take the whole arguments; a call that waited for them starts."""
        self._arguments[item_id] = arguments
        return self._start(item_id) if item_id in self._announced else ()

    def note_outcome(self, chunk: Fields) -> None:
        """Llama Stack names no item here for MCP calls: then it is the newest open one."""
        kind = chunk["type"]
        item_id = optional_text_in(chunk, "item_id", kind) or next(reversed(self._open), "")
        failed = kind.endswith(".failed")
        if item_id in self._open:
            self._outcomes[item_id] = CallStatus.FAILED if failed else CallStatus.OK

    def finish(self, item: Fields, kind: str) -> CallEvents:
        """Take a finished item; one that never was announced is left for the table to refuse."""
        item_id = text_in(item, "id", f"item({kind})")
        if item_id in self._announced:
            self._announced[item_id] = {**self._announced[item_id], **item}
        begun = self._start(item_id) if item_id in self._announced else ()
        call = self._open.pop(item_id, None) or server_call(item, kind, None)
        return (*begun, call_result(call, item, kind))

    def close(self, output: list[Fields]) -> CallEvents:
        """Finish every call by its item in the output, else as not reported."""
        tools = [item for item in output if item["type"] in SERVER_TOOLS]
        finished = {str(item.get("id")): item for item in tools}
        waiting = list(self._announced)
        closed: list[CallEvent] = [event for item_id in waiting for event in self._start(item_id)]
        for item_id in list(self._open):
            item = finished.get(item_id)
            if item is not None:
                closed.extend(self.finish(item, item["type"]))
            else:
                outcome = self._outcomes.get(item_id, CallStatus.FAILED)
                closed.append(missing_result(self._open.pop(item_id), outcome))
        return tuple(closed)

    def _start(self, item_id: str) -> CallEvents:
        item = self._announced.pop(item_id)
        call = server_call(item, item["type"], self._arguments.pop(item_id, None))
        self._open[item_id] = call
        return (ToolCallStarted(call),)
