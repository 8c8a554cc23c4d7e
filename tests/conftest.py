"""Options and profiles of the whole test run."""

import os

import pytest
from hypothesis import settings

# No deadline: two noisy cores say nothing about one example. Every failure prints its example.
settings.register_profile("dev", max_examples=60, deadline=None)
settings.register_profile("ci", max_examples=1_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-goldens",
        action="store_true",
        help="write what the encoders give now over the golden files of tests/replay",
    )
