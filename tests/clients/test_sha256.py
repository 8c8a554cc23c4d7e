"""The hash that our client brings along."""

import hashlib

from tests.clients.conftest import Run
from tests.support.server import ROOT

LENGTHS = [*range(200), 65_535, 1_000_003]


async def test_it_is_the_one_that_everybody_else_has(run: Run) -> None:
    module = str(ROOT / "service" / "web" / "sha256.js")

    told = await run("sha256", module=module, lengths=LENGTHS)

    contents = [bytes(at * 7 % 256 for at in range(length)) for length in LENGTHS]
    assert told == [hashlib.sha256(content).hexdigest() for content in contents]
