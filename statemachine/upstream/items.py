"""Output items of the Responses API: what a finished item says of its tool call."""

from statemachine.events import Call, CallStatus, ToolCallCompleted
from statemachine.upstream.fields import Fields, json_text, optional_text_in, text_in
from statemachine.upstream.knowledge import plain_text, read_search_results

MCP = "mcp_call"
FILE_SEARCH = "file_search_call"
WEB_SEARCH = "web_search_call"
SERVER_TOOLS = {MCP: None, FILE_SEARCH: "file_search", WEB_SEARCH: "web_search"}
"""Items that the server executes itself, and their tool names where the item has none."""

FUNCTION = "function_call"
APPROVAL = "mcp_approval_request"
MODEL_OUTPUT = frozenset({"message", "reasoning", FUNCTION})
SILENT = frozenset({"mcp_list_tools", APPROVAL})
"""Items that open nothing; an approval request counts when the response is completed."""

_BROKEN = ("failed", "incomplete")
_NOT_REPORTED = "The upstream did not report a result."


def server_call(item: Fields, kind: str, arguments: str | None) -> Call:
    """Return the call that a server tool's item stands for."""
    where = f"item({kind})"
    name = SERVER_TOOLS[kind] or text_in(item, "name", where)
    stated = arguments or optional_text_in(item, "arguments", where) or _queries(item)
    label = optional_text_in(item, "server_label", where)
    return Call(text_in(item, "id", where), name, stated, label)


def owed_call(item: Fields, kind: str) -> Call:
    """Return the call that the client has to answer."""
    where = f"item({kind})"
    call_id = text_in(item, "call_id" if kind == FUNCTION else "id", where)
    arguments = optional_text_in(item, "arguments", where) or "{}"
    label = optional_text_in(item, "server_label", where)
    return Call(call_id, text_in(item, "name", where), arguments, label)


def call_result(call: Call, item: Fields, kind: str) -> ToolCallCompleted:
    """Return the result that a finished item carries."""
    if kind != FILE_SEARCH:
        return _tool_result(call, item, kind)
    known = read_search_results(item.get("results"))
    failed = item.get("status") in _BROKEN
    response = "\n\n".join(chunk.content for chunk in known.chunks)
    return ToolCallCompleted(
        call.call_id,
        call.tool_name,
        CallStatus.FAILED if failed else CallStatus.OK,
        response,
        None,
        None if failed else known.summary or "file_search found nothing",
        known.documents,
        known.chunks,
    )


def missing_result(call: Call, status: CallStatus) -> ToolCallCompleted:
    """Return the result of a call whose item never closed."""
    return ToolCallCompleted(call.call_id, call.tool_name, status, _NOT_REPORTED)


def _tool_result(call: Call, item: Fields, kind: str) -> ToolCallCompleted:
    error = item.get("error")
    failed = error is not None or item.get("status") in _BROKEN
    content = (error or "The tool failed.") if failed else item.get("output")
    text = json_text(content) if isinstance(content, dict) else plain_text(content)
    status = CallStatus.FAILED if failed else CallStatus.OK
    found = read_search_results(_sources(item)) if kind == WEB_SEARCH else None
    documents = found.documents if found else ()
    return ToolCallCompleted(call.call_id, call.tool_name, status, text, documents=documents)


def _queries(item: Fields) -> str:
    action = item.get("action")
    for asked in (item, action if isinstance(action, dict) else {}):
        stated = {name: asked[name] for name in ("query", "queries") if asked.get(name)}
        if stated:
            return json_text(stated)
    return "{}"


def _sources(item: Fields) -> list[Fields]:
    """Return the sources of a web search as results of a search."""
    action = item.get("action")
    sources = action.get("sources") if isinstance(action, dict) else None
    found = sources if isinstance(sources, list) else []
    return [{"attributes": source} for source in found if isinstance(source, dict)]
