"""What comes on streams that are closed: told apart while they are remembered, and by their number later (RFC 9113 §5.1)."""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, server

from interlock.h2 import Limits, RemoteProtocolError, StreamReset

#: So many closed streams are remembered.
REMEMBERED = 256


def later(streams: int) -> Engine:
    """A server that has reset stream 1, and has answered on so many others since."""
    engine = server(limits=Limits(glitches=10000))
    engine.request(1, end=False)
    engine.connection.queue(StreamReset(1, raw.CANCEL))
    engine.sent()
    for stream in range(3, 3 + 2 * streams, 2):
        engine.request(stream)
        engine.answer(stream)
        engine.end(stream)
        engine.sent()
    return engine


LATE = {
    "content": raw.data(1, b"abc"),
    "the end": raw.data(1, b"", end=True),
    "trailers": raw.headers(1, raw.block([("x", "y")])),
    "a reset": raw.rst_stream(1),
    "a window": raw.window_update(1, 5),
    "a priority": raw.priority(1),
}


@pytest.mark.parametrize("what", LATE)
@pytest.mark.parametrize("streams", [0, REMEMBERED - 1])
def test_what_crosses_our_reset_is_dropped(what: str, streams: int) -> None:
    engine = later(streams)
    assert engine.get(LATE[what]) == []
    assert [frame for frame in engine.sent() if frame.kind in {raw.RST_STREAM, raw.GOAWAY}] == []


@pytest.mark.parametrize("what", LATE)
def test_of_a_stream_that_is_forgotten_only_its_number_is_known(what: str) -> None:
    """Then it is taken for one that both ends have ended: window updates, resets and priorities may still come."""
    engine = later(REMEMBERED)
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
