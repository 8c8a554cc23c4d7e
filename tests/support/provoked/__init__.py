"""Situations that provoke every answer of the document that can be provoked."""

from tests.support.provoked.access import ACCESS
from tests.support.provoked.answers import ANSWERS
from tests.support.provoked.bodies import BODIES
from tests.support.provoked.limits import LIMITS
from tests.support.provoked.outages import OUTAGES
from tests.support.provoked.refusals import REFUSALS
from tests.support.provoked.situation import Situation
from tests.support.provoked.upstreams import UPSTREAMS

SITUATIONS: tuple[Situation, ...] = (
    *ANSWERS,
    *REFUSALS,
    *LIMITS,
    *ACCESS,
    *BODIES,
    *OUTAGES,
    *UPSTREAMS,
)

__all__ = ["SITUATIONS"]
