"""Real servers for the tests of this folder: each is started when first wanted, and kept."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.lab.environments import CannotInstall
from tests.e2e.lab.gateway import GATEWAYS, Gateway
from tests.e2e.lab.gateway import gateway as running_gateway
from tests.e2e.lab.laboratory import Laboratory, laboratory, scripted_model
from tests.e2e.lab.model_client import Model
from tests.e2e.lab.processes import DidNotStart
from tests.e2e.lab.servers import SERVERS

TIMEOUT_S = 120

type Laboratories = Callable[[str], Laboratory]
type Gateways = Callable[[str], Gateway]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives real servers; their start and installation are bounded elsewhere."""
    for item in items:
        if "laboratories" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(TIMEOUT_S, func_only=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add the ends of the logs to the report of a failed test."""
    report = yield
    if report.when != "call" or not report.failed:
        return report
    used = getattr(item, "funcargs", {})
    if "gateway" in used:
        report.sections.append(("Log of Turnstile", used["gateway"].process.said[-5_000:]))
    lab = used["gateway"].lab if "gateway" in used else used.get("lab")
    if lab is not None:
        report.sections.append(("Logs of the laboratory", lab.tails()))
    return report


@pytest.fixture(scope="session")
def laboratories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratories]:
    """Return a laboratory by the label of its server; all run until the end of the session."""
    found: dict[str, Laboratory | Exception] = {}
    with ExitStack() as running:

        def start(label: str) -> Laboratory | Exception:
            logs = tmp_path_factory.mktemp(f"lab-{label}")
            try:
                return running.enter_context(laboratory(label, logs, pause_ms=0))
            except (CannotInstall, DidNotStart) as error:
                return error

        def get(label: str) -> Laboratory:
            if label not in found:
                found[label] = start(label)
            lab = found[label]
            if isinstance(lab, CannotInstall) and SERVERS[label].optional:
                pytest.skip(f"{label} cannot be installed: {lab}")
            if isinstance(lab, Exception):
                raise lab
            return lab

        yield get


@pytest.fixture(params=list(SERVERS))
def lab(request: pytest.FixtureRequest, laboratories: Laboratories) -> Laboratory:
    """One laboratory, whose model has seen nothing yet; a test runs once per real server.

    `@pytest.mark.parametrize("lab", ["0.3.5"], indirect=True)` narrows it down.
    """
    chosen = laboratories(request.param)
    chosen.model.forget()
    return chosen


@pytest.fixture(scope="session")
def gateways(laboratories: Laboratories) -> Iterator[Gateways]:
    """Return Turnstile before a real server by label; all run until the end of the session."""
    found: dict[str, Gateway] = {}
    with ExitStack() as running:

        def get(label: str) -> Gateway:
            if label not in found:
                server, dialect = GATEWAYS[label]
                started = running_gateway(laboratories(server), dialect)
                found[label] = running.enter_context(started)
            return found[label]

        yield get


@pytest.fixture(params=list(GATEWAYS))
def gateway(request: pytest.FixtureRequest, gateways: Gateways) -> Gateway:
    """Turnstile before a real server, whose model has seen nothing yet.

    `@only("agents-0.3.5", "0.7.3")` from `lab/gateway.py` narrows it down.
    """
    chosen = gateways(request.param)
    chosen.model.forget()
    return chosen


@pytest.fixture
def model(lab: Laboratory) -> Model:
    """Return the scripted model behind the real server."""
    return lab.model


@pytest.fixture
def mcp_url(lab: Laboratory) -> str:
    """Return the address of the MCP server beside the real server."""
    return lab.mcp_url


@pytest.fixture(scope="session")
def lone_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """Run a scripted model that no real server uses."""
    logs: Path = tmp_path_factory.mktemp("lone-model")
    with scripted_model(logs, pause_ms=0) as (model, _):
        yield model
