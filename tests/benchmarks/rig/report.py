"""The figures as a table, and the goals beside what was reached."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.rig.measures import Load
from tests.benchmarks.rig.results import (
    FEW,
    FIFTY,
    MANY,
    THOUSAND,
    UNPACED,
    Measure,
    Quantity,
    Results,
)

TITLES = {
    "memory": "Turnstile, memory log",
    "redis": "Turnstile, Redis",
    "passthrough": "Starlette + httpx",
    "fast-passthrough": "Starlette + httpx, uvloop",
    "nginx": "nginx",
    "usual": "usual gateway",
    "fast-usual": "usual gateway, uvloop",
}
_CELL = 27


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of ours against a limit, which may be so many times another figure."""

    target: str
    measure: Measure
    limit: float
    other: tuple[str, Measure] | None = None
    at_least: bool = False

    def reached(self, results: Results) -> bool | None:
        """Tell whether the goal is reached, None when that was not measured."""
        value = self.value(results)
        if value is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    def value(self, results: Results) -> float | None:
        """Return the figure, as a multiple of the other one where there is one."""
        own = results.median(self.measure, self.target)
        if own is None or self.other is None:
            return own
        name, measure = self.other
        other = results.median(measure, name)
        return own / other if other else None

    def __str__(self) -> str:
        """Return what has to hold."""
        quantity, load = self.measure
        where = f", {load}" if load else ""
        bound = "at least" if self.at_least else "at most"
        return f"{TITLES[self.target]}: {quantity}{where}: {bound} {self.limit:g}{self._unit()}"

    def _unit(self) -> str:
        if self.other is None:
            return ""
        name, (_, load) = self.other
        if name == self.target:
            return f" x that of {load}"
        return f" x {TITLES[name]}"


def _goals() -> tuple[Goal, ...]:
    few, many = (Quantity.CPU, FEW), (Quantity.CPU, MANY)
    against = {"passthrough": 0.7, "fast-passthrough": 0.7, "nginx": 4.0}
    against |= {"usual": 0.25, "fast-usual": 0.25}
    goals = [
        Goal("memory", measure, limit, (name, measure))
        for measure in (few, many)
        for name, limit in against.items()
    ]
    rate, fifty = (Quantity.RATE, UNPACED), (Quantity.CPU, FIFTY)
    goals += [
        Goal("memory", rate, 15.0, ("usual", rate), at_least=True),
        Goal("memory", rate, 15.0, ("fast-usual", rate), at_least=True),
        Goal("memory", (Quantity.MOST, MANY), 5.0),
        Goal("memory", (Quantity.MEMORY, None), 60.0),
        Goal("memory", (Quantity.CPU, THOUSAND), 1.0, ("memory", fifty)),
        Goal("redis", few, 1.6, ("memory", few)),
        Goal("redis", many, 1.6, ("memory", many)),
    ]
    return tuple(goals)


GOALS = _goals()


def print_figures(results: Results, targets: Sequence[str]) -> None:
    """Print medians with the least and the most of the rounds."""
    print(f"\n{'':<36}" + "".join(f"{TITLES[each]:>{_CELL}}" for each in targets))
    quantity = None
    for measure in results.measures:
        if measure[0] is not quantity:
            quantity = measure[0]
            print(quantity)
        load = str(measure[1] or "")
        cells = (_cell(results, measure, each) for each in targets)
        print(f"  {load:<34}" + "".join(f"{each:>{_CELL}}" for each in cells))
    print(
        "\nMedians of the rounds, with the least and the most.\n"
        "*: the target's core was full, so tokens waited and came several at a time.\n"
        "~: somebody else used the cores in every round."
    )


def print_goals(results: Results) -> bool:
    """Print every goal; tell whether none is missed."""
    print()
    fits = True
    for goal in GOALS:
        value, reached = goal.value(results), goal.reached(results)
        fits = fits and reached is not False
        verdict = {None: "not measured", True: "reached", False: "NOT reached"}[reached]
        shown = "" if value is None else f"{value:,.2f}"
        print(f"{goal!s:<104}{shown:>8}  {verdict}")
    return fits


def _cell(results: Results, measure: Measure, target: str) -> str:
    value = results.median(measure, target)
    if value is None:
        return "-"
    least, most = results.spread(measure, target)
    load: Load | None = measure[1]
    full = "*" if results.saturated(load, target) else ""
    noisy = "~" if results.disturbed(measure, target) else ""
    around = "" if least == most else f" ({_short(least)}-{_short(most)})"
    return f"{noisy}{_short(value)}{full}{around}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"
