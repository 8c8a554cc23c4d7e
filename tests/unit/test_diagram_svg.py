"""Stories about the drawing that pages light up: its layout, its labels, and what it marks."""

from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from statemachine import FINAL, TRANSITIONS, State, Step, read_recording, recorded_path, svg
from statemachine.diagram.columns import columns, ranks
from statemachine.diagram.edges import FAILURES, Route, is_failure, merged_edges
from statemachine.diagram.labels import Label, place
from statemachine.diagram.shapes import Box, sideways
from statemachine.events import TextDelta
from tests.support.situations import OPEN

RECORDINGS = Path(__file__).parents[2] / "service" / "recordings"
SVG = "{http://www.w3.org/2000/svg}"
FULL = [False, True]

# Laying out takes a while, and gives the same every time.
drawn = cache(svg)


def path_of(name: str) -> tuple[Step, ...]:
    return recorded_path(read_recording((RECORDINGS / f"{name}.jsonl").read_bytes()))


TOOLS = path_of("two-tools-one-fails")
LOST = path_of("connection-lost")
PATHS = [None, TOOLS, LOST]


def elements(drawing: str, css: str) -> list[ET.Element]:
    found = ET.fromstring(drawing).iter(f"{SVG}g")  # noqa: S314 # our own drawing
    return [each for each in found if css in each.get("class", "").split()]


def box_of(group: ET.Element) -> Box:
    rect = group.find(f"{SVG}rect")
    return Box(*(float(rect.get(name)) for name in ("x", "y", "width", "height")))


def label_of(group: ET.Element) -> Box:
    """The label's box, with the widest letters that a common font has on average."""
    spans = group.findall(f"{SVG}text/{SVG}tspan")
    wide = max(len(span.text) for span in spans) * 5.7
    levels = [float(span.get("y")) for span in spans]
    top, bottom = min(levels) - 9, max(levels) + 2
    center = (float(spans[0].get("x")), (top + bottom) / 2)
    return Box.around(center, wide, bottom - top)


def page_of(drawing: str) -> Box:
    return Box(*map(float, ET.fromstring(drawing).get("viewBox").split()))  # noqa: S314


def test_columns_follow_the_life_of_a_turn():
    rank = ranks()

    assert rank[State.IDLE] == 0
    assert rank[State.TURN_STARTED] == 1
    assert {rank[state] for state in OPEN[2:]} == {2}
    assert {rank[state] for state in FINAL} == {3}


def test_each_state_stands_in_one_column():
    edges = [edge for edge in merged_edges(Route(None)) if not is_failure(edge)]

    slots = [slot for column in columns(edges) for slot in column]

    assert sorted(slot for slot in slots if isinstance(slot, State)) == sorted(State)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("full", FULL)
def test_no_state_covers_another_and_no_label_a_state(full, path):
    drawing = drawn(full=full, path=path)

    boxes = [box_of(group) for group in elements(drawing, "state")]
    labels = [label_of(group) for group in elements(drawing, "edge")]
    assert len(boxes) == len(State)
    assert all(one.overlap(other) == 0 for one, other in combinations(boxes, 2))
    assert all(one.overlap(other) == 0 for one in labels for other in boxes)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("full", FULL)
def test_labels_stay_on_the_page_and_apart(full, path):
    drawing = drawn(full=full, path=path)

    page = page_of(drawing)
    labels = [label_of(group) for group in elements(drawing, "edge")]
    assert all(box.overlap(page) == pytest.approx(box.width * box.height) for box in labels)
    assert all(one.overlap(other) == 0 for one, other in combinations(labels, 2))


def test_a_page_finds_states_and_edges_to_light_up():
    drawing = drawn()

    states = {group.get("id"): group.get("class") for group in elements(drawing, "state")}
    edges = {(edge.get("data-source"), edge.get("data-dest")) for edge in elements(drawing, "edge")}
    assert states["state-idle"] == "state initial"
    assert states["state-error"] == "state final"
    ordinary = [row for row in TRANSITIONS if row.event not in FAILURES]
    assert edges >= {(row.source, row.dest) for row in ordinary}
    assert (" ".join(OPEN), "error") in edges


def test_nothing_in_it_needs_a_style_or_a_script():
    drawing = drawn(full=True, path=TOOLS)

    assert not any(word in drawing for word in ("style=", "<style", "<script", "href"))


def test_long_labels_are_cut_and_told_in_the_title():
    drawing = drawn()

    loop = next(
        edge
        for edge in elements(drawing, "edge")
        if edge.get("data-source") == edge.get("data-dest") == "tool_executing"
    )
    assert [span.text for span in loop.iter(f"{SVG}tspan")][-1] == "+5"
    assert len(loop.find(f"{SVG}title").text.splitlines()) == 8


def test_a_label_without_room_still_gets_a_place():
    page = Box(0, 0, 40, 20)
    label = Label(("TurnStarted",), sideways([(-10, 10), (60, 10)]))

    (box,) = place([label], [page], page)

    assert box.width == label.size[0]


def test_svg_marks_what_a_path_took_and_where_it_ended():
    drawing = drawn(path=TOOLS)

    taken = {
        (edge.get("data-source"), edge.get("data-dest")) for edge in elements(drawing, "taken")
    }
    assert taken - {(None, None)} == {(step.source, step.dest) for step in TOOLS}
    assert [group.get("id") for group in elements(drawing, "last")] == ["state-turn_complete"]
    (said,) = [step.count for step in TOOLS if step.event is TextDelta]
    assert f"TextDelta ×{said}" in drawing  # noqa: RUF001 # as it is drawn


def test_svg_marks_the_way_out_of_the_frame():
    (edge,) = (
        edge for edge in elements(drawn(path=LOST), "taken") if edge.get("data-dest") == "error"
    )

    assert edge.get("class") == "edge failure taken"
    assert edge.get("data-count") == "1"
