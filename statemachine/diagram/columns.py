"""Which column a state stands in, and in which order: the shape of a drawing, without sizes.

A column is a stage of a turn's life. An edge that passes a column has a waypoint in it, so that
it goes around the states there.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise, permutations

from statemachine.diagram.edges import INITIAL, Edge
from statemachine.states import FINAL, State
from statemachine.table import TRANSITIONS

type Waypoint = tuple[State, State]
type Slot = State | Waypoint
type Column = tuple[Slot, ...]
type Chain = tuple[Slot, ...]


def ranks() -> dict[State, int]:
    """Return every state's column: its distance from the first opening; final states come last."""
    first = TRANSITIONS[0].dest
    found = {INITIAL: 0, first: 1}
    reached = [first]
    for state in reached:
        for row in TRANSITIONS:
            if row.source is state and row.dest not in found and row.dest not in FINAL:
                found[row.dest] = found[state] + 1
                reached.append(row.dest)
    last = max(found.values()) + 1
    return {state: found.get(state, last) for state in State}


def chain(edge: Edge, rank: dict[State, int]) -> Chain:
    """Return what an edge passes on its way: its states, and a waypoint per column between."""
    passed = abs(rank[edge.dest] - rank[edge.source]) - 1
    return (edge.source, *[(edge.source, edge.dest)] * passed, edge.dest)


def columns(edges: Sequence[Edge]) -> tuple[Column, ...]:
    """Return the columns in an order in which few edges cross."""
    rank = ranks()
    layout: list[Column] = [
        tuple(state for state in State if rank[state] == number)
        for number in range(max(rank.values()) + 1)
    ]
    for edge in edges:
        for number in _between(rank[edge.source], rank[edge.dest]):
            layout[number] = (*layout[number], (edge.source, edge.dest))
    links = [_links(edge, rank) for edge in edges if edge.source is not edge.dest]
    for number, column in enumerate(layout):
        price = partial(_cost, layout, number, links)
        layout[number] = min(_orders(column, edges), key=price)
    return tuple(layout)


def states_between(column: Column, one: Slot, other: Slot) -> int:
    """Return how many states stand between two slots of the same column."""
    low, high = sorted((column.index(one), column.index(other)))
    return sum(isinstance(slot, State) for slot in column[low + 1 : high])


type _Link = tuple[tuple[int, Slot], tuple[int, Slot]]


def _between(one: int, other: int) -> range:
    return range(min(one, other) + 1, max(one, other))


def _orders(column: Column, edges: Sequence[Edge]) -> Iterator[Column]:
    """Yield the orders of what edges lead to; the rest stays below."""
    tied = {state for edge in edges for state in (edge.source, edge.dest)}
    loose = tuple(slot for slot in column if isinstance(slot, State) and slot not in tied)
    for order in permutations(slot for slot in column if slot not in loose):
        yield (*order, *loose)


def _links(edge: Edge, rank: dict[State, int]) -> list[_Link]:
    """Return the pieces of an edge from column to column, each from left to right."""
    step = 1 if rank[edge.dest] >= rank[edge.source] else -1
    stations = [
        (rank[edge.source] + step * number, slot) for number, slot in enumerate(chain(edge, rank))
    ]
    if rank[edge.source] == rank[edge.dest]:
        stations = [(rank[edge.source], edge.source), (rank[edge.source], edge.dest)]
    return [(one, other) if step > 0 else (other, one) for one, other in pairwise(stations)]


def _cost(layout: list[Column], number: int, links: Iterable[list[_Link]], order: Column) -> float:
    """Weigh one order of one column: crossings, then states in the way, then length."""
    tried = [*layout[:number], order, *layout[number + 1 :]]
    place = {
        (index, slot): position - (len(column) - 1) / 2
        for index, column in enumerate(tried)
        for position, slot in enumerate(column)
    }
    pieces = [piece for each in links for piece in each]
    across = [(one, other) for one, other in pieces if one[0] != other[0]]
    beside = [(one, other) for one, other in pieces if one[0] == other[0]]
    length = sum(abs(place[one] - place[other]) for one, other in across)
    crossings = sum(
        one[0] == two[0] and (place[one] - place[two]) * (place[end] - place[stop]) < 0
        for (one, end), (two, stop) in combinations(across, 2)
    )
    passed = sum(states_between(tried[one[0]], one[1], other[1]) for one, other in beside)
    return crossings + 1.5 * passed + 0.1 * length
