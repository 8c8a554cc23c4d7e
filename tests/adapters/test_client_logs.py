"""What the client library logs, and that none of it gets into our log."""

import os
import subprocess
import sys

import pytest

from tests.support.server import ROOT

PROGRAM = """
import sys
import anyio
from service.settings import Settings
from service.telemetry.logs import configure_logs
from tests.support.offered import STORES
from tests.support.stack import FakeStack, running, says

later = says({}, 503, **{"retry-after-ms": "1"})
stack = FakeStack().on("GET", STORES, later, says([]))

async def main():
    configure_logs(Settings(log_level=sys.argv[1]))
    async with running(stack, api_key="SECRET", retries_limit=1):
        pass

anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("client_level", ["", "info", "debug"])
def test_requests_are_not_logged_whatever_the_environment_says(level, client_level):
    """It would log every header, and so the key."""
    environment = os.environ | {"LLAMA_STACK_CLIENT_LOG": client_level}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, level],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    told = [line for line in done.stderr.splitlines() if "upstream.recognised" not in line]
    assert (done.returncode, done.stdout, told) == (0, "", [])
