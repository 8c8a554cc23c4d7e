"""What the scripted model saw: every chat request, and how it ended."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.e2e.lab.chat_request import ChatRequest


@dataclass(slots=True)
class Observation:
    """One chat request; times are seconds since the epoch.

    `ending` is the finish reason, `failed`, `dropped` (by the model) or `cut` (by the caller),
    and none while the reply runs.
    """

    number: int
    request: ChatRequest
    started_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    tokens_sent: int = 0
    ending: str | None = None

    def end(self, ending: str) -> None:
        """Note the first ending, and nothing after it."""
        if self.ending is None:
            self.ending = ending
            self.ended_at = time.time()

    def shown(self) -> dict[str, Any]:
        """Return what `GET /lab/requests` tells of it."""
        request = self.request
        return {
            "number": self.number,
            "model": request.model,
            "stream": request.stream,
            "roles": [each.role for each in request.messages],
            "system_prompt": request.system_prompt,
            "messages": [asdict(each) for each in request.messages],
            "tools": list(request.tools),
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "tokens_sent": self.tokens_sent,
            "ending": self.ending,
            "cut": self.ending == "cut",
        }
