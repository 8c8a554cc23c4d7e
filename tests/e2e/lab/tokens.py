"""Text in pieces such as a model sends them, and text of any length that shows what is missing."""

import re
from collections.abc import Iterator
from itertools import count, islice
from random import Random

# Up to five letters with the blank before them; anything else one character at a time, so that
# a joined emoji is cut in the middle, as real models do it.
_PIECE = re.compile(r" ?[A-Za-z0-9]{1,5}|.", re.DOTALL)

_WORDS = [
    "node",
    "pod",
    "service",
    "volume",
    "ingress",
    "budget",
    "probe",
    "replica",
    "rollout",
    "namespace",
    "scheduler",
    "deployment",
    "secret",
    "kubelet",
    "control",
    "plane",
    "cluster",
    "upgrade",
    "drain",
    "evict",
    "restart",
    "observe",
]


def pieces(text: str) -> list[str]:
    """Return the tokens of a text; joined they are the text."""
    return _PIECE.findall(text)


def filler(length: int) -> list[str]:
    """Return this many tokens that are the same every time.

    Every tenth token is its own position, so that a lost or a doubled one is found.
    """
    return list(islice(_endless(), length))


def _endless() -> Iterator[str]:
    random = Random(8)
    for position in count():
        blank = " " if position else ""
        yield blank + (str(position) if position % 10 == 0 else random.choice(_WORDS))
