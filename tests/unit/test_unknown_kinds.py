"""What is counted of chunks that no decoder knows is bounded, whatever they are called."""

from statemachine.upstream.unknown import OTHER, note_unknown


def test_long_names_are_cut() -> None:
    counts: dict[str, int] = {}

    for number in range(3):
        note_unknown(counts, "x" * 10_000 + str(number))

    assert counts == {"x" * 100: 3}


def test_many_names_are_counted_together() -> None:
    counts: dict[str, int] = {}

    for number in range(150):
        note_unknown(counts, f"kind-{number}")
    note_unknown(counts, "kind-7")

    assert len(counts) == 101
    assert (counts["kind-7"], counts[OTHER]) == (2, 50)
