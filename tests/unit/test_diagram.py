"""Stories about the drawings of the table, and about the path of a recording in them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from statemachine import (
    TRANSITIONS,
    BlockError,
    Ending,
    Frame,
    Header,
    Recording,
    State,
    Step,
    dot,
    markdown,
    mermaid,
    read_recording,
    recorded_path,
    refresh,
    svg,
)
from statemachine.diagram.edges import (
    FAILURES,
    Route,
    row_edges,
    wire_names,
)
from statemachine.downstream.native import EVENT_NAMES
from statemachine.events import EVENTS, TextDelta
from tests.support.situations import OPEN

RECORDINGS = Path(__file__).parents[2] / "service" / "recordings"
SVG = "{http://www.w3.org/2000/svg}"
FULL = [False, True]


def path_of(name: str) -> tuple[Step, ...]:
    return recorded_path(read_recording((RECORDINGS / f"{name}.jsonl").read_bytes()))


TOOLS = path_of("two-tools-one-fails")
LOST = path_of("connection-lost")
PATHS = [None, TOOLS, LOST]


# The table, as the drawings see it.


def test_source_event_and_destination_name_a_row():
    names = [(row.source, row.event, row.dest) for row in TRANSITIONS]

    assert len(set(names)) == len(names)


def test_every_open_state_really_leads_to_every_failure():
    dests = {row.dest for row in TRANSITIONS if row.event in FAILURES}

    for state in OPEN:
        assert {row.dest for row in TRANSITIONS if row.source is state} >= dests


def test_emitters_have_the_names_of_the_wire():
    names = {name.split()[0] for row in TRANSITIONS for name in wire_names(row)}

    assert names == set(EVENT_NAMES.values())


# All formats.


@pytest.mark.parametrize("full", FULL)
@pytest.mark.parametrize("draw", [mermaid, dot, svg])
def test_every_state_is_drawn(draw, full):
    drawing = draw(full=full)

    assert all(state in drawing for state in State)


@pytest.mark.parametrize("draw", [mermaid, dot, svg])
def test_every_row_is_drawn_in_full(draw):
    drawing = draw(full=True)

    for row in TRANSITIONS:
        guard = f" [{row.when.__name__}]" if row.when else ""
        assert f"{row.event.__name__}{guard}" in drawing


@pytest.mark.parametrize("draw", [mermaid, dot, svg])
def test_drawing_twice_gives_the_same(draw):
    assert draw(path=TOOLS) == draw(path=TOOLS)


def test_the_overview_speaks_of_failures_in_a_note():
    drawing = mermaid()

    assert "Every open state also leads to interrupted (TurnInterrupted) and error" in drawing
    assert "--> error" not in drawing


def test_mermaid_has_an_edge_per_row_but_one_for_the_loops_of_a_state():
    lines = mermaid(full=True).splitlines()

    for row in TRANSITIONS:
        edges = [line for line in lines if line.startswith(f"    {row.source} --> {row.dest} : ")]
        words = [word for line in edges for word in line.split(" : ")[1].split("<br/>")]
        assert sum(word.split()[0] == row.event.__name__ for word in words) == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("full", FULL)
def test_graphviz_reads_the_graph(full, path):
    drawing = dot(full=full, path=path)

    assert drawing.count("{") == drawing.count("}")
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tplain"], input=drawing.encode(), check=True, capture_output=True)


def test_markdown_has_every_row_every_event_and_every_emission():
    text = markdown()

    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(State) + len(EVENTS) + len(EVENT_NAMES) + len(TRANSITIONS)
    assert "`tool_result (failed) per open call`, `error`" in text
    assert "`in_open_inference`: The delta belongs to the inference step that is open." in text


# Paths.


def test_a_recording_walks_the_table():
    assert TOOLS[:4] == (
        Step(State.IDLE, EVENTS[0], State.TURN_STARTED),
        Step(State.TURN_STARTED, EVENTS[2], State.STEP_IN_PROGRESS),
        Step(State.STEP_IN_PROGRESS, EVENTS[6], State.STEP_IN_PROGRESS, TOOLS[2].count),
        Step(State.STEP_IN_PROGRESS, EVENTS[10], State.TURN_STARTED),
    )
    assert TOOLS[2].count > 1
    assert TOOLS[-1].dest is State.TURN_COMPLETE


def test_every_step_is_a_row_and_begins_where_the_last_one_ended():
    rows = {(row.source, row.event, row.dest) for row in TRANSITIONS}

    for path in (TOOLS, LOST):
        assert all((step.source, step.event, step.dest) in rows for step in path)
        assert [step.dest for step in path[:-1]] == [step.source for step in path[1:]]


def test_a_lost_connection_ends_in_error():
    assert LOST[-1].dest is State.ERROR


def test_a_body_that_stops_early_ends_in_error():
    recording = Recording(Header("agents"), (), Ending.END)

    assert recorded_path(recording)[-1].dest is State.ERROR


def test_a_recording_that_was_cut_ends_where_it_was_cut():
    recording = Recording(Header("agents"), (), Ending.CUT)

    assert recorded_path(recording)[-1].dest is State.TURN_STARTED


def test_a_rejected_event_is_no_step():
    progress = (
        b'{"event":{"payload":{"event_type":"step_progress","step_type":"inference",'
        b'"step_id":"1","delta":{"type":"text","text":"a"}}}}'
    )

    path = recorded_path(Recording(Header("agents"), (Frame(0.0, progress),)))

    assert TextDelta not in [step.event for step in path]
    assert path[-1].dest is State.ERROR


def test_the_overview_shows_a_failure_that_was_taken():
    assert "step_in_progress --> error : TurnFailed ×1" in mermaid(path=LOST)  # noqa: RUF001
    assert "step_in_progress -> error" in dot(path=LOST)


def test_mermaid_and_dot_mark_the_states_of_a_path():
    assert "class idle,turn_started,step_in_progress,error taken" in mermaid(path=LOST)
    assert '[label="error" peripheries=2 color="#2f81f7"' in dot(path=LOST)
    assert dot(path=LOST).count("filled") == 1


def test_markdown_counts_the_rows_of_a_path():
    text = markdown(path=TOOLS)

    assert "| `turn_complete` | `turn_complete`, `end` | **1** |" in text
    assert "| **`turn_complete`** | the upstream closed the turn in order | yes, the path" in text


def test_counts_of_a_path_add_up():
    edges = row_edges(Route(TOOLS))

    assert sum(edge.count for edge in edges) == sum(step.count for step in TOOLS)


# Generated blocks.


def block(name: str, content: str = "") -> str:
    return f"before\n<!-- generated:{name} -->\n{content}<!-- /generated:{name} -->\nafter\n"


@pytest.mark.parametrize(
    "name", ["overview", "full", "states", "events", "emissions", "transitions"]
)
def test_refreshing_fills_a_block_once(name):
    fresh = refresh(block(name))

    assert fresh != block(name)
    assert fresh.startswith("before\n")
    assert fresh.endswith("after\n")
    assert refresh(fresh) == fresh


def test_stale_content_is_replaced():
    assert refresh(block("states", "old\n")) == refresh(block("states"))


def test_text_without_blocks_is_left_alone():
    text = "A block begins with `<!-- generated:NAME -->`.\n"

    assert refresh(text) == text


def test_who_refreshes_may_bring_blocks_of_its_own():
    fresh = refresh(block("weather") + block("states"), {"weather": lambda: "sunny\n"})

    assert fresh == block("weather", "sunny\n") + refresh(block("states"))


def test_an_unknown_block_is_named():
    with pytest.raises(BlockError, match="no block 'weather'; there are overview, full"):
        refresh(block("weather"))


def test_a_block_without_an_end_is_named():
    with pytest.raises(BlockError, match="block 'states' has no <!-- /generated:states -->"):
        refresh("<!-- generated:states -->\n")
