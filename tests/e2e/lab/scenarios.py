"""What the scripted model says to questions that it knows; the texts are in `script/`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tests.e2e.lab.controls import written_controls

SCRIPT = Path(__file__).parent / "script"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Call(_Strict):
    """A tool call: the first of these tools that was offered."""

    tools: tuple[str, ...]
    arguments: dict[str, Any]


class Round(_Strict):
    """What is said when the model is asked once."""

    reasoning: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = "stop"


class Scenario(_Strict):
    """A question and its answer; round n is played after n rounds that called tools.

    The last round is repeated for as long as it is asked for. An echo tells what the model
    was sent instead.
    """

    question: str
    round: tuple[Round, ...]
    controls: str = ""
    echo: Literal["history", "attachments"] | None = None

    @property
    def set_controls(self) -> dict[str, str]:
        """The controls that belong to this scenario."""
        return written_controls(f"[[{self.controls}]]")


UNKNOWN = Scenario(question="", round=(Round(text="I have no script for this question."),))


@cache
def scenarios() -> dict[str, Scenario]:
    """Return all scenarios by their question."""
    files = [tomllib.loads(path.read_text("utf-8")) for path in sorted(SCRIPT.glob("*.toml"))]
    every = [Scenario.model_validate(each) for file in files for each in file["scenario"]]
    return {each.question: each for each in every}


def scenario_for(text: str) -> Scenario | None:
    """Return the scenario whose question a text begins with.

    Llama Stack 0.3 puts the text of attached documents right behind the question.
    """
    known = [each for question, each in scenarios().items() if text.startswith(question)]
    return max(known, key=lambda each: len(each.question), default=None)
