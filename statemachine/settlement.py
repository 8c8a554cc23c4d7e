"""What a terminal emission says of things that only the service knows."""

from dataclasses import replace

from statemachine.downstream.native import payload
from statemachine.emissions import Emission
from statemachine.errors import MachineMisuse


def settle(
    emission: Emission,
    *,
    stored: bool,
    available_quotas: dict[str, int],
    answer_within_s: int | None = None,
) -> Emission:
    """Return a terminal emission that says whether the turn was stored, and what quota is left.

    The digest covers only what came before, so it stays true.

    Raises:
        MachineMisuse: the emission is not terminal.
    """
    if emission.seal is None:
        message = "only a terminal emission can be settled"
        raise MachineMisuse(message)
    seal = replace(
        emission.seal,
        stored=stored,
        available_quotas=available_quotas,
        answer_within_s=answer_within_s,
    )
    sealed = payload(emission.number, emission.output, seal)
    return Emission(emission.number, emission.output, sealed, emission.path, seal)
