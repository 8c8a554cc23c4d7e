"""The scripted guard models: they find what is unsafe by marker words."""

import re

from tests.e2e.lab.controls import written_controls

GUARD = "guard"
OUTPUT_GUARD = "output-guard"
"""A second one, because servers refuse two shields with one model as their guardrails."""

GUARDS = (GUARD, OUTPUT_GUARD)
MARKERS = {"without their knowledge": "S2", "555-01": "S7"}
UNSAFE_PIECE = " 555-0142"

# Llama Guard is asked about the conversation between these two lines.
_CONVERSATION = re.compile(r"<BEGIN CONVERSATION>(.*)<END CONVERSATION>", re.DOTALL)


def category(text: str) -> str | None:
    """Return the category of what is unsafe in a text, if anything is."""
    judged = "\n".join(_CONVERSATION.findall(text)) or text
    for marker, code in MARKERS.items():
        if marker in judged:
            return code
    return written_controls(judged).get("unsafe")


def verdict(text: str) -> str:
    """Return what a guard model says to a text."""
    code = category(text)
    return f"unsafe\n{code}" if code else "safe"
