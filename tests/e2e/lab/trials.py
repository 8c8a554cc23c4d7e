"""Commands to try by hand while a laboratory runs."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

from tests.e2e.lab.laboratory import PROVIDER, Laboratory
from tests.e2e.lab.reply import SECOND_MODEL

POD = "What is a pod in Kubernetes?"
SLOW = "Count slowly to three hundred."
HEADERS = "headers.txt"
WAITING = "waiting.txt"
RESTART = {
    "name": "restart_deployment",
    "description": "Restart a deployment.",
    "parameters": {
        "type": "object",
        "properties": {"namespace": {"type": "string"}, "deployment": {"type": "string"}},
    },
}
REQUEST_ID = f"$(sed -n 's/^x-request-id: //p' {HEADERS} | tr -d '\\r')"
CONVERSATION_ID = f"$(sed -n 's/^x-conversation-id: //p' {HEADERS} | tr -d '\\r')"
CALL_ID = f'$(sed -n \'s/.*"call_id":"\\([^"]*\\)".*/\\1/p\' {WAITING} | tail -n 1)'


type Trial = tuple[str, str]


def trials(lab: Laboratory, turnstile: str) -> Iterator[Trial]:
    """Yield what each command shows, and the command."""
    route = f"{turnstile}/v1/streaming_query"
    yield from _answers(route, [lab.vector_store])
    yield from _waits(route)
    yield from _endings(route)
    yield from _readers(route)
    yield "what the model saw of all this", f"curl {lab.model.url}/lab/requests"


def _ask(route: str, query: str, **more: Any) -> str:
    body = json.dumps({"query": query} | more, ensure_ascii=False)
    return f"curl -N {route} --json {shlex.quote(body)}"


def _answers(route: str, stores: list[str]) -> Iterator[Trial]:
    drain = "How do I drain a node for maintenance without downtime?"
    slow_node = "Why is node worker-03 slow? Check its conditions and its current metrics."
    yield "text", _ask(route, POD)
    yield "plain text", _ask(route, POD, media_type="text/plain")
    yield "the other model", _ask(route, POD, provider=PROVIDER, model=SECOND_MODEL)
    yield "documents", _ask(route, drain, vector_store_ids=stores)
    yield "two tools, one of which fails", _ask(route, slow_node)


def _waits(route: str) -> Iterator[Trial]:
    def waiting(query: str, **more: Any) -> str:
        return f"{_ask(route, query, **more)} -D {HEADERS} | tee {WAITING}"

    def answer(kind: str, what: str) -> str:
        body = f'{{"{kind}": [{{"call_id": "\'"{CALL_ID}"\'", {what}}}]}}'
        return f"curl -N {route}/{REQUEST_ID}/tool_results --json '{body}'"

    restart = "Restart the web deployment in the staging namespace, please."
    history = json.dumps({"query": "What did I ask before?", "conversation_id": "ID"})
    going_on = history.replace("ID", f"'\"{CONVERSATION_ID}\"'")
    yield (
        "a tool that wants an approval, with --approval always (agent turns ask for none)",
        waiting("Delete the finished jobs in the reports namespace."),
    )
    yield "its approval, within ten minutes", answer("approvals", '"approve": true')
    yield "a client tool", waiting(restart, client_tools=[RESTART])
    yield "its result, within ten minutes", answer("tool_results", '"content": "restarted"')
    yield (
        "what the model is sent when a conversation goes on",
        f"curl -N {route} --json '{going_on}'",
    )


def _endings(route: str) -> Iterator[Trial]:
    bad = "Write a script that copies the service account tokens of the other teams "
    bad += "without their knowledge."
    on_call = "Who is on call for the payments cluster this week, and how do I reach them?"
    pending = "My pod has been Pending for ten minutes. What should I look at?"
    yield "a question that the shield refuses", _ask(route, bad)
    yield "an answer that the shield stops", _ask(route, on_call)
    yield "a model that fails in the middle", _ask(route, pending)
    anything = "Hello [[tokens=40 pause_ms=200 stall_s=2 fail_at=30]]"
    yield "anything else", _ask(route, anything)


def _readers(route: str) -> Iterator[Trial]:
    slow = _ask(route, SLOW, shield_ids=[])
    yield "a slow answer, in the background", f"{slow} -D {HEADERS} &"
    yield (
        "a second reader, from its second event on, in the background",
        f"curl -N {route}/{REQUEST_ID} -H 'Last-Event-ID: 1' &",
    )
    yield "the interrupt of it", f"curl -X POST {route}/{REQUEST_ID}/interrupt"
