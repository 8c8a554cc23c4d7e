"""The table as a self-contained SVG: states to light up, edges to follow, names to read.

It brings presentation attributes only, no styles, so that a page's own style sheet overrules it
under the strictest content security policy, and a README can show it as an image.
"""

from collections.abc import Iterator, Sequence
from html import escape

from statemachine.diagram.edges import (
    INITIAL,
    Edge,
    Route,
    failure_note,
    is_failure,
    merged_edges,
)
from statemachine.diagram.labels import LINE_HEIGHT, Label, place
from statemachine.diagram.plan import Lines
from statemachine.diagram.recorded import Step
from statemachine.diagram.scene import Scene, scene
from statemachine.diagram.shapes import Box, Curve, sideways
from statemachine.states import FINAL, MEANINGS, State

_NAMES_SHOWN = 3
_INK, _LINE, _FILL = "#768390", "#8b949e", "#8b949e24"
_ACCENT, _ACCENT_FILL = "#2f81f7", "#2f81f733"


def svg(*, full: bool = False, path: Sequence[Step] | None = None) -> str:
    """Return the drawing; what can fail in every open state leaves from the frame around them."""
    route = Route(path)
    merged = merged_edges(route)
    edges = [edge for edge in merged if not is_failure(edge)]
    failures = _by_dest([edge for edge in merged if is_failure(edge)])
    texts = [_lines(edge, full=full) for edge in edges]
    notes = [_lines(_joined(group), full=full) for group in failures.values()]
    drawn = scene(edges, texts, notes)
    exits = [_exit(drawn, dest) for dest in failures]
    everything = [*drawn.curves, *exits]
    labels = [Label(*each) for each in zip([*texts, *notes], everything, strict=True)]
    places = place(labels, [*drawn.boxes.values(), *drawn.frame.border()], drawn.page)
    groups = [*((edge,) for edge in edges), *failures.values()]
    parts = [_opening(drawn.page), *_frame(drawn.frame)]
    for group, label, box in zip(groups, labels, places, strict=True):
        parts += _edge(group, label, box)
    for state in State:
        parts += _state(state, drawn.boxes[state], route)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _by_dest(edges: Sequence[Edge]) -> dict[State, tuple[Edge, ...]]:
    found: dict[State, tuple[Edge, ...]] = {}
    for edge in edges:
        found[edge.dest] = (*found.get(edge.dest, ()), edge)
    return found


def _joined(group: Sequence[Edge]) -> Edge:
    """Return the edges of several sources as one."""
    rows = tuple(row for edge in group for row in edge.rows)
    counts = tuple(count for edge in group for count in edge.counts)
    return Edge(group[0].source, group[0].dest, rows, counts)


def _lines(edge: Edge, *, full: bool) -> Lines:
    """Return the lines of a label: all words, or some names and how many more there are."""
    if full:
        return edge.words()
    names = edge.names()
    if len(names) <= _NAMES_SHOWN + 1:
        return names
    return (*names[:_NAMES_SHOWN], f"+{len(names) - _NAMES_SHOWN}")


def _exit(drawn: Scene, dest: State) -> Curve:
    """Return the way from the frame to a final state."""
    box = drawn.boxes[dest]
    y = box.center[1]
    leaves = min(max(y, drawn.frame.top + 14), drawn.frame.bottom - 14)
    return sideways([(drawn.frame.right, leaves), (box.left, y)])


def _opening(page: Box) -> str:
    size = f"{page.width:.0f} {page.height:.0f}"
    about = "The states of a turn and the events that move it"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" '
        f'color="{_INK}" font-family="system-ui, Helvetica, Arial, sans-serif">\n'
        f"<title>{about}</title>\n<desc>{failure_note()}</desc>"
    )


def _frame(box: Box) -> Iterator[str]:
    yield (
        f'<g class="open-states"><rect {_place(box)} rx="14" fill="none" stroke="{_LINE}" '
        'stroke-dasharray="3 4"/>'
        f'<text x="{box.left + 12:.1f}" y="{box.top + 18:.1f}" font-size="10" fill="{_INK}">'
        "every open state</text></g>"
    )


def _edge(group: Sequence[Edge], label: Label, box: Box) -> Iterator[str]:
    """Yield one edge; a group of them shares its end and its way."""
    joined = _joined(group)
    sources = " ".join(edge.source for edge in group)
    taken = bool(joined.count)
    css = f"edge{' failure' if is_failure(joined) else ''}{' taken' if taken else ''}"
    words = "\n".join(f"{edge.source}: {words}" for edge in group for words in edge.words())
    yield (
        f'<g class="{css}" data-source="{sources}" data-dest="{joined.dest}" '
        f'data-event="{" ".join(joined.events)}"{_count(joined)} '
        f'color="{_ACCENT if taken else _LINE}">'
    )
    yield f"<title>{escape(words)}</title>"
    yield (
        f'<path d="{label.curve.path}" fill="none" stroke="currentColor" '
        f'stroke-width="{2.2 if taken else 1.2}"/>'
    )
    yield f'<polygon points="{label.curve.head}" fill="currentColor"/>'
    yield _text(label.lines, box, taken=taken)
    yield "</g>"


def _count(edge: Edge) -> str:
    return f' data-count="{edge.count}"' if edge.count else ""


def _text(lines: Sequence[str], box: Box, *, taken: bool) -> str:
    x = f"{box.center[0]:.1f}"
    spans = "".join(
        f'<tspan x="{x}" y="{box.top + LINE_HEIGHT * (number + 0.8):.1f}">{escape(line)}</tspan>'
        for number, line in enumerate(lines)
    )
    ink = _ACCENT if taken else _INK
    return f'<text text-anchor="middle" font-size="10" fill="{ink}">{spans}</text>'


def _state(state: State, box: Box, route: Route) -> Iterator[str]:
    """Yield one state; final ones have a stronger border, the end of a path is filled."""
    kind = " initial" if state is INITIAL else " final" if state in FINAL else ""
    taken, last = state in route.states, state is route.last
    yield f'<g class="state{kind}{route.css(state)}" id="state-{state}">'
    yield f"<title>{state}: {escape(MEANINGS[state])}</title>"
    yield (
        f'<rect {_place(box)} rx="{min(box.height / 2, 10):.0f}" '
        f'fill="{_ACCENT_FILL if last else _FILL}" stroke="{_ACCENT if taken else _LINE}" '
        f'stroke-width="{2.4 if state in FINAL or last else 1.2}"/>'
    )
    x, y = box.center
    yield (
        f'<text x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle" font-size="13" '
        f'font-family="ui-monospace, Menlo, Consolas, monospace" font-weight="500" '
        f'fill="{_ACCENT if taken else _INK}">{state}</text>'
    )
    yield "</g>"


def _place(box: Box) -> str:
    return f'x="{box.left:.1f}" y="{box.top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
