"""The vocabularies and the table as Markdown, made of names, types and docstrings."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from statemachine.diagram.edges import Route, wire_names
from statemachine.diagram.recorded import Step
from statemachine.downstream.native import EVENT_NAMES
from statemachine.emissions import TERMINALS
from statemachine.events import EVENTS
from statemachine.states import FINAL, MEANINGS, State
from statemachine.table import TRANSITIONS, Row


def markdown(*, path: Sequence[Step] | None = None) -> str:
    """Return every table under its heading; a path counts its rows and marks its states."""
    parts = {
        "States": states_table(path),
        "Events": events_table(),
        "Emissions": emissions_table(),
        "Transitions": transitions_table(path),
    }
    return "\n".join(f"## {heading}\n\n{table}" for heading, table in parts.items())


def states_table(path: Sequence[Step] | None = None) -> str:
    """Return what every state means."""
    route = Route(path)
    rows = (
        (_taken(_code(state), taken=state in route.states), MEANINGS[state], _final(state, route))
        for state in State
    )
    return _table(("state", "meaning", "final"), rows)


def events_table() -> str:
    """Return what every event says, in lifecycle order."""
    rows = ((_code(each.__name__), _prose(each), _fields(each)) for each in EVENTS)
    return _table(("event", "meaning", "fields"), rows)


def emissions_table() -> str:
    """Return what every emission says, by its wire name."""
    rows = (
        (_code(name), _prose(each), "yes" if each in TERMINALS else "")
        for each, name in EVENT_NAMES.items()
    )
    return _table(("emission", "meaning", "terminal"), rows)


def transitions_table(path: Sequence[Step] | None = None) -> str:
    """Return the table row by row; with a path also how often it took each of them."""
    route = Route(path)
    heads = ("source", "event", "guard", "dest", "emits")
    if not path:
        return _table(heads, (_cells(row) for row in TRANSITIONS))
    rows = ((*_cells(row), _taken_times(route.count(row))) for row in TRANSITIONS)
    return _table((*heads, "taken"), rows)


def _cells(row: Row) -> tuple[str, ...]:
    guard = f"{_code(row.when.__name__)}: {_prose(row.when)}" if row.when else ""
    emits = ", ".join(_code(name) for name in wire_names(row))
    return _code(row.source), _code(row.event.__name__), guard, _code(row.dest), emits


def _taken(cell: str, *, taken: bool) -> str:
    return f"**{cell}**" if taken else cell


def _taken_times(count: int) -> str:
    return f"**{count}**" if count else ""


def _final(state: State, route: Route) -> str:
    ended = "the path ends here" if state is route.last else ""
    return ", ".join(filter(None, ("yes" if state in FINAL else "", ended)))


def _prose(documented: Any) -> str:  # noqa: ANN401 # whatever has a docstring
    """Return a docstring as one line; it is there, because ruff asks for it."""
    return " ".join(str(documented.__doc__).split())


def _fields(event: type) -> str:
    return ", ".join(_code(each.name) + _optional(each) for each in dataclasses.fields(event))


def _optional(field: "dataclasses.Field[object]") -> str:
    return "" if field.default is dataclasses.MISSING else "?"


def _code(text: str) -> str:
    return f"`{text}`"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_lines(heads, rows)) + "\n"


def _lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
