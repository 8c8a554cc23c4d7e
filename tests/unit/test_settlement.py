"""What the service knows goes into a terminal emission, which stays the same otherwise."""

from statemachine import DECODERS, State, settle
from tests.support.laws import run_chunks


def test_a_settled_end_still_tells_how_the_machine_got_there() -> None:
    *_, end = run_chunks(DECODERS["agents"](), []).emissions

    settled = settle(end, stored=True, available_quotas={"tokens": 5})

    assert settled.path == end.path == (State.ERROR,)
    assert (settled.number, settled.output) == (end.number, end.output)
