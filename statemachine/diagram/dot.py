"""The table as a Graphviz graph."""

import json
from collections.abc import Sequence

from statemachine.diagram.edges import (
    INITIAL,
    Edge,
    Route,
    failure_note,
    overview_edges,
    row_edges,
)
from statemachine.diagram.recorded import Step
from statemachine.states import FINAL, State

_HEAD = """\
digraph turn {
    rankdir=LR
    fontname="Helvetica" fontsize=10
    node [shape=box style=rounded fontname="Courier" fontsize=12]
    edge [fontname="Helvetica" fontsize=9 color="#57606a"]"""
_TAKEN = ' color="#2f81f7" fontcolor="#2f81f7" penwidth=2.5'


def dot(*, full: bool = False, path: Sequence[Step] | None = None) -> str:
    """Return the overview, or one edge per row."""
    route = Route(path)
    edges = row_edges(route) if full else overview_edges(route)
    lines = [_HEAD]
    if not full:
        lines.append(f"    label={json.dumps(failure_note())}")
    lines += ['    start [shape=point label=""]', f"    start -> {INITIAL}"]
    lines += [_node(state, route) for state in State]
    lines.append(f"    {{rank=sink {' '.join(state for state in State if state in FINAL)}}}")
    lines += [_edge(edge, full=full) for edge in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _node(state: State, route: Route) -> str:
    """Return a box, doubled when nothing leaves it, filled where a path ended."""
    attributes = " peripheries=2" if state in FINAL else ""
    attributes += _TAKEN if state in route.states else ""
    attributes += ' style="rounded,filled" fillcolor="#ddf4ff"' if state is route.last else ""
    return f"    {state} [label={json.dumps(state)}{attributes}]"


def _edge(edge: Edge, *, full: bool) -> str:
    names = "\n".join(edge.words() if full else edge.names())
    label = json.dumps(names, ensure_ascii=False)
    return f"    {edge.source} -> {edge.dest} [label={label}{_TAKEN if edge.count else ''}]"
