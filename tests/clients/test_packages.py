"""What the clients of other people are installed from."""

import json
import re

from tests.clients.conftest import FOLDER


def test_versions_are_exact_and_no_registry_is_named() -> None:
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    lock = (FOLDER / "package-lock.json").read_text()
    locked = json.loads(lock)["packages"]

    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert "://" not in lock
