"""What comes on streams that are closed: told apart while they are remembered, and by their number later (RFC 9113 §5.1)."""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, server

from interlock.h2 import Limits, RemoteProtocolError, StreamReset

#: So many closed streams are remembered that we have reset, and so many others.
REMEMBERED = 256


def later(streams: int, how: str, limits: Limits | None = None) -> Engine:
    """A server that has reset stream 1, and on which so many others have ended since."""
    engine = server(limits=limits or Limits(glitches=10000))
    reset(engine, 1)
    for stream in range(3, 3 + 2 * streams, 2):
        if how == "answered":
            answer(engine, stream)
        elif how == "cancelled":
            engine.request(stream)
            engine.get(raw.rst_stream(stream))
        else:
            reset(engine, stream)
        engine.sent()
    return engine


def reset(engine: Engine, stream: int) -> None:
    engine.request(stream, end=False)
    engine.connection.queue(StreamReset(stream, raw.CANCEL))
    engine.sent()


def answer(engine: Engine, stream: int) -> None:
    engine.request(stream)
    engine.answer(stream)
    engine.end(stream)
    engine.sent()


LATE = {
    "content": raw.data(1, b"abc"),
    "the end": raw.data(1, b"", end=True),
    "trailers": raw.headers(1, raw.block([("x", "y")])),
    "a reset": raw.rst_stream(1),
    "a window": raw.window_update(1, 5),
    "a priority": raw.priority(1),
}


def is_dropped(engine: Engine, octets: bytes) -> bool:
    """Whether these octets make nothing of the engine."""
    events = engine.get(octets)
    return events == [] and not any(frame.kind in {raw.RST_STREAM, raw.GOAWAY} for frame in engine.sent())


@pytest.mark.parametrize("what", LATE)
@pytest.mark.parametrize("how", ["answered", "cancelled", "reset"])
@pytest.mark.parametrize("streams", [0, REMEMBERED - 1])
def test_what_crosses_our_reset_is_dropped(what: str, how: str, streams: int) -> None:
    assert is_dropped(later(streams, how), LATE[what])


@pytest.mark.parametrize("how", ["answered", "cancelled"])
def test_our_resets_are_remembered_however_many_other_streams_end(how: str) -> None:
    engine = later(3 * REMEMBERED, how)
    assert is_dropped(engine, LATE["content"])
    assert is_dropped(engine, LATE["trailers"])


def test_as_many_resets_are_remembered_as_streams_may_be_open() -> None:
    """All of them may be reset at once."""
    limits = Limits(streams=1000, glitches=10000)
    assert is_dropped(later(999, "reset", limits), LATE["content"])
    with pytest.raises(RemoteProtocolError):
        later(1000, "reset", limits).get(LATE["content"])


def test_a_stream_that_we_reset_when_it_was_closed_is_remembered_too() -> None:
    """Its client had reset it, and went on: that is told once."""
    engine = server(limits=Limits(glitches=10000))
    engine.request(1, end=False)
    engine.get(raw.rst_stream(1))
    engine.get(LATE["content"])
    assert engine.told() == ["RST_STREAM 1"]
    for stream in range(3, 3 + 6 * REMEMBERED, 2):
        answer(engine, stream)
    assert is_dropped(engine, LATE["content"])
    for stream in range(3 + 6 * REMEMBERED, 3 + 8 * REMEMBERED, 2):
        reset(engine, stream)
    with pytest.raises(RemoteProtocolError):
        engine.get(LATE["content"])


@pytest.mark.parametrize("what", LATE)
def test_of_a_stream_that_is_forgotten_only_its_number_is_known(what: str) -> None:
    """Then it is taken for one that both ends have ended: window updates, resets and priorities may still come."""
    engine = later(REMEMBERED, "reset")
    if what in {"a reset", "a window", "a priority"}:
        assert engine.get(LATE[what]) == []
        return
    with pytest.raises(RemoteProtocolError):
        engine.get(LATE[what])
    assert engine.connection.error_code in {raw.STREAM_CLOSED, raw.PROTOCOL_ERROR}


def test_content_of_a_stream_that_was_reset_is_no_loss_to_the_connection() -> None:
    engine = server(limits=Limits(window=1000, window_ceiling=0, streams=1, glitches=10000))
    given = 0
    for number in range(100):
        stream = 2 * number + 1
        engine.request(stream, end=False)
        engine.connection.queue(StreamReset(stream, raw.CANCEL))
        engine.get(raw.data(stream, bytes(1000)))
        given += sum(frame.number(0) for frame in engine.sent() if (frame.kind, frame.stream) == (raw.WINDOW_UPDATE, 0))
    assert given > 100 * 1000 - 65535
