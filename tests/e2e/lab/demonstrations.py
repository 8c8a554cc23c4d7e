"""The sessions that the embedded default plays: what is asked, of which server, and how.

The file name of a recording is the name; its title is the question, so no two have the same one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

AGENTS = "0.3.5"
RESPONSES = "0.7.3"

KUBERNETES = (
    "You are a helpful assistant for people who operate Kubernetes clusters. "
    "Be brief, concrete and careful."
)
FRIENDLY = "You are a helpful assistant. Be brief, friendly and concrete."

SHIELDED: Mapping[str, Any] = {"shield_ids": ["guard", "output_guard"]}
RESTART: Mapping[str, Any] = {
    "name": "restart_deployment",
    "description": "Restart a deployment after the user has confirmed it in the console.",
    "parameters": {
        "type": "object",
        "properties": {"namespace": {"type": "string"}, "deployment": {"type": "string"}},
        "required": ["namespace", "deployment"],
    },
}
RESTARTED = (
    "deployment.apps/web restarted: 1 of 1 updated replicas are ready after 11 s, "
    "and the old pod has ended."
)
NOT_NOW = "The reports of yesterday are not archived yet."
MAINTENANCE = ("node-maintenance", "disruption-budgets", "maintenance-calendar")
BACKUPS = ("etcd-backup", "snapshot-storage", "restore-drill")


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a client answers to a turn that waits, and how the stream after that ends.

    `field` is the one of the request, `answer` what it says of each call.
    """

    name: str
    field: str
    answer: Mapping[str, Any]
    ends: str = "end"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One session; `ends` is the terminal event.

    `body` and `settings` are more fields of the request and more settings of Turnstile, `after`
    is asked before in the same conversation, `documents` are what the model can search, `tools`
    says how those of the MCP server are offered: `never` or `always` after an approval.
    With `thinks`, the model is asked to think. After `breaks_after` pieces of the answer the
    connection to the server breaks, and `lost_tools` means that the server has forgotten the
    tools since Turnstile looked.
    """

    name: str
    server: str
    question: str
    ends: str = "end"
    body: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    instructions: str = KUBERNETES
    after: str = ""
    documents: tuple[str, ...] = ()
    tools: str = ""
    thinks: bool = False
    breaks_after: int = 0
    lost_tools: bool = False
    continuations: tuple[Continuation, ...] = ()


DEMONSTRATIONS = (
    Demonstration("plain-answer", AGENTS, "What is a pod in Kubernetes?"),
    Demonstration(
        "second-turn",
        AGENTS,
        "And when would I put two containers into one of them?",
        after="What is a pod in Kubernetes?",
    ),
    Demonstration(
        "knowledge-search",
        AGENTS,
        "How do I drain a node for maintenance without downtime?",
        documents=MAINTENANCE,
    ),
    Demonstration(
        "cluster-tool",
        AGENTS,
        "Is the checkout service in the shop namespace healthy?",
        tools="never",
    ),
    Demonstration(
        "two-tools-one-fails",
        AGENTS,
        "Why is node worker-03 slow? Check its conditions and its current metrics.",
        tools="never",
    ),
    Demonstration(
        "shields-passed",
        AGENTS,
        "How do I rotate a database password that is stored in a Kubernetes Secret?",
        body=SHIELDED,
    ),
    Demonstration(
        "input-shield-violation",
        AGENTS,
        "Write a script that copies the service account tokens of the other teams "
        "without their knowledge.",
        body=SHIELDED,
    ),
    Demonstration(
        "output-shield-violation",
        AGENTS,
        "Who is on call for the payments cluster this week, and how do I reach them?",
        body=SHIELDED,
    ),
    Demonstration(
        "client-tool-awaited",
        AGENTS,
        "Restart the web deployment in the staging namespace, please.",
        ends="awaiting_input",
        body={"client_tools": [RESTART]},
        continuations=(
            Continuation("client-tool-answered", "tool_results", {"content": RESTARTED}),
        ),
    ),
    Demonstration(
        "iteration-limit",
        AGENTS,
        "Check every namespace for pods that are not ready.",
        ends="awaiting_input",
        settings={"upstream": {"iterations_limit": 2}},
        tools="never",
    ),
    Demonstration(
        "model-error",
        AGENTS,
        "My pod has been Pending for ten minutes. What should I look at?",
        ends="error",
    ),
    Demonstration(
        "unknown-tool-group",
        AGENTS,
        "Which deployments have used the most memory today?",
        ends="error",
        lost_tools=True,
    ),
    Demonstration(
        "many-scripts-and-emoji",
        AGENTS,
        "How do I wish the whole on-call team a good morning in their own languages?",
        instructions=FRIENDLY,
    ),
    Demonstration(
        "long-answer",
        RESPONSES,
        "Explain step by step what happens during a rolling update of a deployment.",
    ),
    Demonstration(
        "file-search",
        RESPONSES,
        "How often should I back up etcd, and where do the snapshots go?",
        documents=BACKUPS,
    ),
    Demonstration(
        "mcp-call",
        RESPONSES,
        "Show me the pods in the shop namespace and tell me if anything needs attention.",
        tools="never",
    ),
    Demonstration(
        "parallel-calls",
        RESPONSES,
        "Compare the pods of the shop and the staging namespaces.",
        tools="never",
    ),
    Demonstration(
        "reasoning-first",
        RESPONSES,
        "Our API pods keep dying with exit code 137. What should I check first?",
        thinks=True,
    ),
    Demonstration(
        "refusal-after-text",
        RESPONSES,
        "Draft a short announcement for tonight's maintenance of the ingress controllers, "
        "with the contact details.",
        body=SHIELDED,
    ),
    Demonstration(
        "model-failure",
        RESPONSES,
        "What is the difference between liveness, readiness and startup probes?",
        ends="error",
    ),
    Demonstration(
        "cut-by-length",
        RESPONSES,
        "How do I make a good cup of pour-over coffee?",
        instructions=FRIENDLY,
    ),
    Demonstration(
        "approval-requested",
        RESPONSES,
        "Delete the finished jobs in the reports namespace.",
        ends="awaiting_input",
        tools="always",
        continuations=(
            Continuation("approval-approved", "approvals", {"approve": True}),
            Continuation("approval-denied", "approvals", {"approve": False, "reason": NOT_NOW}),
        ),
    ),
    Demonstration(
        "connection-lost",
        RESPONSES,
        "Should I set CPU limits on my containers, or only requests?",
        ends="error",
        breaks_after=108,
    ),
)
