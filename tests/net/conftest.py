"""What the tests of the drivers share."""

from collections.abc import Iterator

import pytest
from tests.net.virtual_clock import ServerSide, server_side


@pytest.fixture
def side() -> Iterator[ServerSide]:
    """The driver on a virtual clock."""
    with server_side() as side:
        yield side
