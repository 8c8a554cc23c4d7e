"""Generated blocks in Markdown files: between `<!-- generated:NAME -->` and its closing twin."""

import re
from collections.abc import Callable, Mapping

from statemachine.diagram.mermaid import mermaid
from statemachine.diagram.tables import (
    emissions_table,
    events_table,
    states_table,
    transitions_table,
)

_OPENING = re.compile(r"^<!-- generated:(?P<name>.*?) -->$", re.MULTILINE)


class BlockError(ValueError):
    """A generated block cannot be filled; the text says which and why."""


def _fenced(drawing: str) -> str:
    return f"```mermaid\n{drawing}```\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "overview": lambda: _fenced(mermaid()),
    "full": lambda: _fenced(mermaid(full=True)),
    "states": states_table,
    "events": events_table,
    "emissions": emissions_table,
    "transitions": transitions_table,
}


def refresh(text: str, own: Mapping[str, Callable[[], str]] | None = None) -> str:
    """Return the text with every generated block made anew; `own` are blocks of the caller.

    Raises:
        BlockError: a block has an unknown name or no end.
    """
    blocks = {**BLOCKS, **(own or {})}
    done: list[str] = []
    position = 0
    while opening := _OPENING.search(text, position):
        closing = f"<!-- /generated:{opening['name']} -->"
        end = text.find(f"\n{closing}", opening.end())
        if opening["name"] not in blocks:
            raise BlockError(f"no block {opening['name']!r}; there are {', '.join(blocks)}")
        if end < 0:
            raise BlockError(f"block {opening['name']!r} has no {closing}")
        done += [text[position : opening.end()], "\n", blocks[opening["name"]]()]
        position = end + 1
    return "".join([*done, text[position:]])
