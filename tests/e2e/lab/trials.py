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


def trials(lab: Laboratory, turnstile: str) -> Iterator[tuple[str, str]]:
    """Yield what each command shows, and the command."""
    route = f"{turnstile}/v1/streaming_query"

    def ask(query: str, **more: Any) -> str:
        body = json.dumps({"query": query} | more, ensure_ascii=False)
        return f"curl -N {route} --json {shlex.quote(body)}"

    def waiting(query: str, **more: Any) -> str:
        return f"{ask(query, **more)} -D {HEADERS} | tee {WAITING}"

    def answer(kind: str, what: str) -> str:
        body = f'{{"{kind}": [{{"call_id": "\'"{CALL_ID}"\'", {what}}}]}}'
        return f"curl -N {route}/{REQUEST_ID}/tool_results --json '{body}'"

    store = [lab.vector_store]
    yield "text", ask(POD)
    yield "plain text", ask(POD, media_type="text/plain")
    yield "the other model", ask(POD, provider=PROVIDER, model=SECOND_MODEL)
    yield (
        "documents",
        ask("How do I drain a node for maintenance without downtime?", vector_store_ids=store),
    )
    yield (
        "two tools, one of which fails",
        ask("Why is node worker-03 slow? Check its conditions and its current metrics."),
    )
    yield (
        "a tool that wants an approval, with --approval always (agent turns ask for none)",
        waiting("Delete the finished jobs in the reports namespace."),
    )
    yield "its approval, within ten minutes", answer("approvals", '"approve": true')
    yield (
        "a client tool",
        waiting(
            "Restart the web deployment in the staging namespace, please.", client_tools=[RESTART]
        ),
    )
    yield "its result, within ten minutes", answer("tool_results", '"content": "restarted"')
    history = json.dumps({"query": "What did I ask before?", "conversation_id": "ID"})
    going_on = history.replace("ID", f"'\"{CONVERSATION_ID}\"'")
    yield (
        "what the model is sent when a conversation goes on",
        f"curl -N {route} --json '{going_on}'",
    )
    yield (
        "a question that the shield refuses",
        ask(
            "Write a script that copies the service account tokens of the other teams "
            "without their knowledge."
        ),
    )
    yield (
        "an answer that the shield stops",
        ask("Who is on call for the payments cluster this week, and how do I reach them?"),
    )
    yield (
        "a model that fails in the middle",
        ask("My pod has been Pending for ten minutes. What should I look at?"),
    )
    yield "anything else", ask("Hello [[tokens=40 pause_ms=200 stall_s=2 fail_at=30]]")
    slow = ask(SLOW, shield_ids=[])
    yield "a slow answer, in the background", f"{slow} -D {HEADERS} &"
    yield (
        "a second reader, from its second event on, in the background",
        f"curl -N {route}/{REQUEST_ID} -H 'Last-Event-ID: 1' &",
    )
    yield "the interrupt of it", f"curl -X POST {route}/{REQUEST_ID}/interrupt"
    yield "what the model saw of all this", f"curl {lab.model.url}/lab/requests"
