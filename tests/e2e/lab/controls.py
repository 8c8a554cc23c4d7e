"""Controls in the text of a question: `[[tokens=500 pause_ms=20 cut_at=30]]`.

They vary what the scripted model does with any question, known to it or not. Values hold no
blanks. An unknown name or a wrong value is refused with status 400, so that none is misspelt.
"""

import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

_BLOCK = re.compile(r"\s*\[\[(?=\w+=)(.+?)\]\](?!\])")
_PAIR = re.compile(r"(\w+)=(\S+)")


class Controls(BaseModel):
    """What a question asks of the scripted model beside its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: int | None = Field(default=None, description="Say this many tokens of filler instead.")
    reasoning: int | None = Field(
        default=None, description="Think this many tokens of filler first."
    )
    pause_ms: float | None = Field(default=None, description="Pause between tokens.")
    stall_s: float = Field(default=0, description="Pause once, before the first token.")
    stall_at: int = Field(default=0, description="Pause once, before this token.")
    status: int | None = Field(
        default=None, description="Answer with this HTTP status and an error."
    )
    fail_at: int | None = Field(default=None, description="Send an error after this many tokens.")
    cut_at: int | None = Field(
        default=None, description="Drop the connection after this many tokens."
    )
    finish: str | None = Field(
        default=None, description="Finish reason: stop, length, content_filter."
    )
    call: str | None = Field(default=None, description="Call this tool first, offered or not.")
    arguments: str = Field(default="{}", description="Its arguments, sent as they are.")
    unsafe_at: int | None = Field(default=None, description="Say what shield `guard` stops, there.")
    unsafe: str | None = Field(
        default=None, description="Shield `guard` finds this category in the text."
    )
    round: int | None = Field(
        default=None, description="Stall, status, fail and cut in this round only."
    )

    def with_others(self, others: Mapping[str, object]) -> "Controls":
        """Return these controls, changed by others that were given."""
        return Controls.model_validate(self.model_dump(exclude_unset=True) | dict(others))

    def in_round(self, number: int) -> "Controls":
        """Return what holds when a model is asked for the nth time in a turn, from 0 on."""
        if self.round in {None, number}:
            return self
        kept = self.model_dump(exclude={"stall_s", "stall_at", "status", "fail_at", "cut_at"})
        return Controls.model_validate(kept)


def without_controls(text: str) -> str:
    """Return a text without the controls in it."""
    return _BLOCK.sub("", text)


def written_controls(text: str) -> dict[str, str]:
    """Return the controls in a text, as written."""
    return {name: value for block in _BLOCK.findall(text) for name, value in _PAIR.findall(block)}
