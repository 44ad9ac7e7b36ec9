"""How long a client waits for what."""

import dataclasses
import math

import pytest

from interlock.client.timeouts import ClientTimeouts


def test_they_are_seconds_or_none() -> None:
    timeouts = ClientTimeouts(connect=1, read=None, body_rate=0)
    assert (timeouts.connect, timeouts.read, timeouts.write, timeouts.body_rate) == (1.0, None, 5.0, None)
    assert type(timeouts.connect) is float
    assert timeouts == ClientTimeouts(connect=1.0, read=None, body_rate=None)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ClientTimeouts)])
def test_none_is_negative(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ClientTimeouts(**{name: -1})


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(ClientTimeouts)])
def test_none_is_no_number(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ClientTimeouts(**{name: math.nan})


@pytest.mark.parametrize("seconds", [1e10, math.inf])
def test_what_no_clock_can_tell_is_for_ever(seconds: float) -> None:
    """Sockets take no timeout of 300 years."""
    timeouts = ClientTimeouts(connect=seconds, read=seconds, write=seconds, pool=seconds, body_grace=seconds)
    assert timeouts == ClientTimeouts(connect=None, read=None, write=None, pool=None, body_grace=None)
