"""Fixtures for every suite."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.chance import EXPLORES

# A busy machine is no failure: no example has a time limit.
settings.register_profile("gitops-bot", deadline=None, derandomize=not EXPLORES, max_examples=1000 if EXPLORES else 100)
settings.load_profile("gitops-bot")

pytest_plugins = ["tests.controlplane.fixtures", "tests.contract.fixtures", "tests.postgres.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="write the golden files anew, to be reviewed as code")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Leave the log as it was: a command that a test runs writes its log to the stderr of that test.

    Threads of later tests wrote to it, which was closed by then: "Logging error" stood between the results.
    """
    root = logging.getLogger()
    handlers, level = root.handlers.copy(), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def write_golden(request: pytest.FixtureRequest) -> bool:
    """True when golden files are to be written instead of compared."""
    return bool(request.config.getoption("--write-golden"))
