"""The two objects of limits: frozen, never negative, with the documented defaults."""

import dataclasses

import pytest

from interlock.http.limits import Limits, Timeouts

DEFAULTS = {
    "request_line": 8192,
    "head": 65536,
    "fields": 100,
    "chunk_extension": 256,
    "chunk_overhead": 16384,
    "body": None,
}
WAITS = {
    "tls_handshake": 10,
    "head": 10,
    "settings": 10,
    "keep_alive": 75,
    "body": 30,
    "body_grace": 10,
    "body_rate": 500,
    "write": 30,
    "shutdown": 30,
}


def test_the_defaults_are_those_that_are_documented() -> None:
    assert {name: getattr(Limits(), name) for name in DEFAULTS} == DEFAULTS
    assert {name: getattr(Timeouts(), name) for name in WAITS} == WAITS


@pytest.mark.parametrize("kind", [Limits, Timeouts])
def test_nothing_is_negative(kind: type[Limits] | type[Timeouts]) -> None:
    for field in dataclasses.fields(kind):
        assert getattr(kind(**{field.name: 0}), field.name) == 0
        with pytest.raises(ValueError, match=field.name):
            kind(**{field.name: -1})


@pytest.mark.parametrize("kind", [Limits, Timeouts])
def test_nothing_changes_later(kind: type[Limits] | type[Timeouts]) -> None:
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError)):
        kind().head = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        kind(1)  # type: ignore[call-arg]
