"""The table as a Mermaid state diagram, as GitHub and the documentation show it."""

from collections.abc import Iterator, Sequence

from statemachine.diagram.edges import (
    INITIAL,
    Edge,
    Route,
    failure_note,
    merged_edges,
    overview_edges,
)
from statemachine.diagram.recorded import Step
from statemachine.states import FINAL, State

_CLASSES = """\
    classDef final stroke-width:3px
    classDef taken stroke:#2f81f7,stroke-width:3px,font-weight:bold"""


def mermaid(*, full: bool = False, path: Sequence[Step] | None = None) -> str:
    """Return the overview, or one edge per row.

    Mermaid draws the loops of a state over each other, so those share one edge with a line per
    row; and it cannot colour edges, so those of a path only show how often they were taken.
    """
    route = Route(path)
    edges = merged_edges(route) if full else overview_edges(route)
    finals = [state for state in State if state in FINAL]
    lines = ["stateDiagram-v2", "    direction LR", f"    [*] --> {INITIAL}"]
    lines += [
        f"    {edge.source} --> {edge.dest} : {label}"
        for edge in edges
        for label in _labels(edge, full=full)
    ]
    lines += [f"    {state} --> [*]" for state in finals]
    if not full:
        lines += [f"    note left of {INITIAL} : {failure_note()}"]
    lines += [_CLASSES, f"    class {','.join(finals)} final", *_taken(route)]
    return "\n".join(lines) + "\n"


def _labels(edge: Edge, *, full: bool) -> tuple[str, ...]:
    if not full:
        return (", ".join(edge.names()),)
    if edge.source is edge.dest:
        return ("<br/>".join(edge.words()),)
    return edge.words()


def _taken(route: Route) -> Iterator[str]:
    taken = [state for state in State if state in route.states]
    if taken:
        yield f"    class {','.join(taken)} taken"
