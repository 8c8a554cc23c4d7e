"""A scripted server with agent turns: it creates agents and sessions, and plays turns."""

from itertools import count

from tests.support.offered import Offered
from tests.support.stack import Asked, FakeStack, Reply, says, streams
from tests.support.upstreams import answer

LOST_AGENT = {"error": {"message": "400: Invalid value: Could not find agent info for a1"}}
LOST_SESSION = {
    "error": {"message": "400: Invalid value: Session 's1' not found or access denied."}
}


class AgentServer(FakeStack):
    """Numbers its agents a1, a2, ... and its sessions s1, s2, ...; a turn is a plain answer."""

    def __init__(self, version: str = "0.3.5", offered: Offered | None = None) -> None:
        super().__init__(version, offered)
        self.root = "/v1/agents" if version.startswith("0.2") else "/v1alpha/agents"
        self._agents, self._sessions = count(1), count(1)
        self.on("POST", self.root, self._create_agent)
        for number in range(1, 9):
            self.on("POST", f"{self.root}/a{number}/session", self._create_session)
            for session in range(1, 9):
                self.turns(number, session, streams(*answer("Hi")))

    def turns(self, agent: int, session: int, *replies: Reply) -> "AgentServer":
        """Say how the turns of a session go."""
        self.on("POST", self.turn(agent, session), *replies)
        return self

    def turn(self, agent: int = 1, session: int = 1) -> str:
        """Return where the turns of a session are."""
        return f"{self.root}/a{agent}/session/s{session}/turn"

    def created(self) -> list[object]:
        """Return the configurations of all agents."""
        bodies = self.bodies(self.root)
        return [body["agent_config"] for body in bodies if isinstance(body, dict)]

    def _create_agent(self, _: Asked) -> Reply:
        return says({"agent_id": f"a{next(self._agents)}"})

    def _create_session(self, _: Asked) -> Reply:
        return says({"session_id": f"s{next(self._sessions)}"})
