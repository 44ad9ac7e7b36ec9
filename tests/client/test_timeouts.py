"""How long a client waits for what."""

import dataclasses

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
