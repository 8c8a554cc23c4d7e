"""Programs for node that read turns with clients of other people, and with our own."""

import json
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.fixtures import anyio_backend
from tests.support.left_turns import RESTLESS
from tests.support.npm import CannotInstall, node, packages_of
from tests.support.server import ServerProcess, served

__all__ = ["anyio_backend"]

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER / "programs"
PATIENCE_S = 30
PLAYED = ("--speed", "20")

type Told = list[dict[str, Any]]
type Run = Callable[..., Awaitable[Told]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Node, npm and whole recordings take their time."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the programs, in which they find their packages."""
    try:
        packages = packages_of(FOLDER)
    except CannotInstall as error:
        pytest.fail(str(error))
    place = tmp_path_factory.mktemp("clients")
    shutil.copytree(PROGRAMS, place, dirs_exist_ok=True)
    (place / "node_modules").symlink_to(packages)
    return place


@pytest.fixture(scope="session")
def run(programs: Path) -> Run:
    """Return what runs a program to its own end, and gives what it told."""

    async def run_to_its_end(program: str, **asked: object) -> Told:
        command = [node(), str(programs / f"{program}.mjs"), json.dumps(asked)]
        with anyio.fail_after(PATIENCE_S):
            ended = await anyio.run_process(command, check=False)
        assert (ended.returncode, ended.stderr.decode()) == (0, "")
        return [json.loads(line) for line in ended.stdout.splitlines()]

    return run_to_its_end


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """Return the address of a service that plays recordings and breaks every silence."""
    with served(*PLAYED, **RESTLESS) as process:
        yield process.url


@pytest.fixture(scope="session")
def unhurried_service() -> Iterator[str]:
    """Return the address of one whose turns still run when a program has come up at last."""
    with served("--speed", "4", **RESTLESS) as process:
        yield process.url


@pytest.fixture(scope="session")
def rotating_service() -> Iterator[str]:
    """Return the address of one that never lets its readers stay for long."""
    with served(*PLAYED, **RESTLESS, streams_rotate_s="0.1") as process:
        yield process.url


@pytest.fixture(scope="session")
def slow_service() -> Iterator[str]:
    """Return the address of one whose turns do not end before a test stops them."""
    with served(**RESTLESS) as process:
        yield process.url


@pytest.fixture
def own_service() -> Iterator[ServerProcess]:
    """A service like that, for one test alone."""
    with served(*PLAYED, **RESTLESS) as process:
        yield process
