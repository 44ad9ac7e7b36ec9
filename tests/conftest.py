"""What all tests share.  Keep it small: what a few share stands in a module beside them."""

import gc
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# How long an example takes is for bench/ to say: on a busy machine it would fail tests that hold.
hypothesis.settings.register_profile("interlock", deadline=None)
hypothesis.settings.load_profile("interlock")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """Take what the tests themselves are made of out of the garbage collector's sight.

    Many tests count what is left of a connection, and would look at a million objects of other tests each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The directory that README.md, docs/ and tests/ stand in; src/ too, unless an installed wheel is tested."""
    return ROOT


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Material shared between repositories: $INTERLOCK_SHARED, or the directory ``shared`` beside this checkout."""
    path = Path(os.environ.get("INTERLOCK_SHARED") or ROOT.parent / "shared")
    if not path.is_dir():
        pytest.skip(f"{path} is not there; set INTERLOCK_SHARED to the directory of shared material")
    return path


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A server that a test runs in this process sets up its logging; the next test finds none of that."""
    logger = logging.getLogger("interlock")
    before = logger.propagate, logger.level, logger.handlers[:]
    yield
    logger.propagate, logger.level = before[:2]
    logger.handlers[:] = before[2]
