"""The table as a Mermaid state diagram, as GitHub and the documentation show it."""

from collections.abc import Iterator, Sequence

from statemachine.diagram.edges import (
    INITIAL,
    OPEN,
    Edge,
    Route,
    failure_note,
    overview_edges,
    row_edges,
)
from statemachine.diagram.recorded import Step
from statemachine.states import FINAL, State

_CLASSES = """\
    classDef final stroke-width:3px
    classDef taken stroke:#2f81f7,stroke-width:3px,font-weight:bold"""


def mermaid(*, full: bool = False, path: Sequence[Step] | None = None) -> str:
    """Return the overview, or one edge per row; Mermaid cannot colour the edges of a path."""
    route = Route(path)
    edges = row_edges(route) if full else overview_edges(route)
    finals = [state for state in State if state in FINAL]
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {INITIAL}"]
    lines += [f"    {edge.source} --> {edge.dest} : {_label(edge, full=full)}" for edge in edges]
    lines += [f"    {state} --> [*]" for state in finals]
    if not full:
        lines += [f"    note left of {OPEN[0]} : {failure_note()}"]
    lines += [_CLASSES, f"    class {','.join(finals)} final", *_taken(route)]
    return "\n".join(lines) + "\n"


def _label(edge: Edge, *, full: bool) -> str:
    return ", ".join(edge.words() if full else edge.names())


def _taken(route: Route) -> Iterator[str]:
    taken = [state for state in State if state in route.states]
    if taken:
        yield f"    class {','.join(taken)} taken"
