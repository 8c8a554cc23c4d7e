"""What is installed is what deploy/requirements.lock pins, and all of it is wanted by somebody."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "deploy" / "requirements.lock").read_text().splitlines()
PINNED = {
    canonicalize_name(name): version
    for name, _, version in (each.partition("==") for each in LINES)
}
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
WANTED = [
    *SETTINGS["build-system"]["requires"],
    *PROJECT["dependencies"],
    *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
]
OUR_OWN = {canonicalize_name(PROJECT["name"])}
OF_THE_ENVIRONMENT = {"pip", "setuptools", "wheel"}
"""What a virtual environment brings along; nothing of ours imports it."""

INSTALLED = {
    canonicalize_name(each.name): each
    for each in distributions(path=[each for each in sys.path if each.endswith("site-packages")])
}


def needs(
    requirements: Iterable[str], extras: frozenset[str] = frozenset()
) -> Iterator[Requirement]:
    """Yield the requirements that hold on this machine."""
    for requirement in map(Requirement, requirements):
        for extra in extras or {""}:
            marker = requirement.marker
            if marker is None or marker.evaluate({**default_environment(), "extra": extra}):
                yield requirement
                break


def closure(requirements: Iterable[str]) -> Iterator[Requirement]:
    """Yield requirements, and those of what they install."""
    waiting, seen = list(needs(requirements)), set[tuple[str, frozenset[str]]]()
    while waiting:
        each = waiting.pop()
        yield each
        known = canonicalize_name(each.name), frozenset(each.extras)
        if known not in seen:
            seen.add(known)
            waiting += needs(requires(each.name), known[1])


def requires(name: str) -> list[str]:
    """Return what a distribution requires; what is not installed was left out with its extra."""
    try:
        return distribution(name).requires or []
    except PackageNotFoundError:
        return []


def test_every_line_of_the_lock_is_a_name_and_a_version():
    assert [
        each for each in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", each)
    ] == []
    assert len(PINNED) == len(LINES)
    assert sorted(LINES, key=str.upper) == LINES


@pytest.mark.parametrize("installed", INSTALLED.values(), ids=lambda each: each.name)
def test_what_is_installed_has_the_version_of_the_lock(installed: Distribution):
    name = canonicalize_name(installed.name)

    assert name in OUR_OWN | OF_THE_ENVIRONMENT or PINNED.get(name) == installed.version


def test_nothing_that_is_needed_is_missing_from_the_lock():
    needed = {canonicalize_name(each.name) for each in closure(WANTED)}

    assert needed - PINNED.keys() == set()


def test_the_lock_has_nothing_that_nobody_needs():
    """What an extra needs that is not installed here cannot be told."""
    needed = {canonicalize_name(each.name) for each in closure(WANTED)}
    told = {each for each in PINNED if each in INSTALLED}

    assert told - needed == set()


def test_every_version_of_the_lock_is_one_that_is_asked_for():
    wrong = [each for each in closure(WANTED) if not fits(each)]

    assert wrong == []


def fits(requirement: Requirement) -> bool:
    return PINNED[canonicalize_name(requirement.name)] in requirement.specifier


@pytest.mark.slow
def test_pip_finds_nothing_wrong():
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.stdout, checked.returncode) == ("No broken requirements found.\n", 0)
