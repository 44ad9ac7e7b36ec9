"""However octets are cut, the same events and the same answers come of them, at a cost that is linear in them."""

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.h2 import raw_frames as raw
from tests.h2.engine import PSEUDO

from interlock.h2 import NEED_DATA, SERVER, Connection, Limits, RemoteProtocolError
from interlock.http.octets import COMPILED

BLOCK = raw.block(PSEUDO)
BEGIN = raw.PREFACE + raw.settings((raw.INITIAL_WINDOW_SIZE, 10)) + raw.settings_ack()
UPLOAD = raw.headers(1, BLOCK, end=False)

#: What a server receives.
RECEIVED = {
    "requests": BEGIN + b"".join(raw.headers(stream, BLOCK) for stream in (1, 3, 5)),
    "the same request": BEGIN + raw.headers(1, BLOCK) + raw.headers(3, BLOCK, pad=5, depends=raw.dependency(0)),
    "a long upload": BEGIN + UPLOAD + raw.data(1, b"abc") + raw.data(1, b"d" * 300, pad=7) + raw.data(1, end=True),
    "trailers": BEGIN + UPLOAD + raw.data(1, b"abc") + raw.headers(1, raw.block([("x", "y")])),
    "a field block in pieces": BEGIN
    + raw.headers(1, BLOCK[:5], end_headers=False)
    + raw.continuation(1, BLOCK[5:9], end_headers=False)
    + raw.continuation(1, BLOCK[9:]),
    "control": BEGIN
    + raw.headers(1, BLOCK, end=False)
    + raw.ping(b"12345678")
    + raw.priority(3)
    + raw.window_update(0, 5)
    + raw.priority_update(1, b"u=1")
    + raw.frame(raw.UNKNOWN, 0, 0, bytes(15))  # as long as a preface, its head included
    + raw.settings((raw.INITIAL_WINDOW_SIZE, 20))
    + raw.rst_stream(1)
    + raw.goaway(),
    "a malformed request": BEGIN + raw.headers(1, BLOCK + raw.literal("Bad", "x")) + raw.headers(3, BLOCK),
    "an error": BEGIN + raw.headers(1, BLOCK) + raw.data(0, b"abc") + raw.headers(3, BLOCK),
    "no preface": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "half a preface": raw.PREFACE[:12] + b"!" * 12,
    "no settings": raw.PREFACE + raw.ping(),
    "a frame that is too large": BEGIN + raw.frame(raw.DATA, 0, 1, b"abc", length=16385),
    "a field block that does not decode": BEGIN + raw.headers(1, b"\xff" * 20) + raw.ping(),
    "the end, in a frame": BEGIN + raw.headers(1, BLOCK, end=False) + raw.data(1, b"abc")[:-1],
}


def outcome(pieces: Sequence[bytes], *, at_the_end: bool = False) -> tuple[list[Any], str, bytes]:
    """The events, the error, and what is sent; ``at_the_end``: nobody asks for events before all has come."""
    connection = Connection(SERVER)
    events: list[Any] = []
    for number, piece in enumerate([*pieces, b""]):
        connection.receive_data(piece)
        if at_the_end and number < len(pieces):
            continue
        try:
            while (event := connection.next_event()) is not NEED_DATA:
                events.append(event)
        except RemoteProtocolError as error:
            return events, str(error), connection.data_to_send()
    return events, "", connection.data_to_send()


WHOLE = {what: outcome([octets]) for what, octets in RECEIVED.items()}


@pytest.mark.parametrize("what", RECEIVED)
def test_octet_by_octet(what: str) -> None:
    assert outcome(raw.cut(RECEIVED[what], 1)) == WHOLE[what]


@pytest.mark.parametrize("what", RECEIVED)
def test_cut_in_two_anywhere(what: str) -> None:
    octets = RECEIVED[what]
    for at in range(1, len(octets)):
        assert outcome([octets[:at], octets[at:]]) == WHOLE[what], f"cut behind octet {at}"


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(RECEIVED)), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_cut_in_any_pieces(what: str, sizes: list[int]) -> None:
    octets, pieces, at = RECEIVED[what], [], 0
    while at < len(octets):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(octets[at : at + size])
        at += size
    assert outcome(pieces) == WHOLE[what]


@pytest.mark.parametrize("what", RECEIVED)
def test_received_in_pieces_and_looked_at_once(what: str) -> None:
    assert outcome(raw.cut(RECEIVED[what], 3), at_the_end=True) == WHOLE[what]


# -- N octets cost O(N)

#: What grows: a function of a size, that gives octets of about as many.
GROWING: dict[str, Callable[[int], bytes]] = {
    "one frame": lambda size: raw.frame(raw.UNKNOWN, 0, 0, bytes(size)),
    "one frame of content": lambda size: raw.headers(1, BLOCK, end=False) + raw.data(1, bytes(size)),
    "a field": lambda size: raw.headers(1, BLOCK + raw.literal("x", "a" * size)),
    "many fields": lambda size: raw.headers(1, BLOCK + raw.literal("x", "a") * (size // 5)),
    "a field block in pieces": lambda size: (
        raw.headers(1, BLOCK, end_headers=False)
        + b"".join(
            raw.continuation(1, raw.literal("x", "a" * (size // 4)), end_headers=number == 3) for number in range(4)
        )
    ),
    "many frames": lambda size: raw.headers(1, BLOCK, end=False) + raw.data(1, b"a" * 17) * (size // 26),
    "many requests": lambda size: b"".join(
        raw.headers(stream, BLOCK) + raw.rst_stream(stream) for stream in range(1, size // 30, 2)
    ),
}
WIDE = Limits(head=10**6, fields=10**6, glitches=10**6, streams=10**6)


class Counted(bytearray):
    """What is kept of a frame that is not complete, and how many octets were copied into it and out of it."""

    copied = 0

    def __iadd__(self, octets: Any) -> Self:
        self.copied += len(octets)
        super().__iadd__(octets)
        return self

    def __bytes__(self) -> bytes:
        self.copied += len(self)
        return bytes(memoryview(self))


def cost(octets: bytes, size: int, *, at_the_end: bool) -> tuple[int, int]:
    """The lines of Python that are run for these octets in pieces of this size, and the octets that are copied.

    ``at_the_end``: nobody asks for events before all has come.
    """
    connection = Connection(SERVER, limits=WIDE)
    connection.receive_data(BEGIN)
    while connection.next_event() is not NEED_DATA:
        pass
    kept = connection._partial = Counted()
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for piece in raw.cut(octets, size):
            connection.receive_data(piece)
            while not at_the_end and connection.next_event() is not NEED_DATA:
                pass
        while connection.next_event() is not NEED_DATA:
            pass
    finally:
        sys.settrace(before)
    return lines, kept.copied


@pytest.mark.skipif(COMPILED, reason="counts lines of Python, and a compiled wheel runs none")
@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("what", GROWING)
def test_twice_the_octets_are_twice_the_work(what: str, size: int, at_the_end: bool) -> None:
    small, big = GROWING[what](3000), GROWING[what](6000)
    (lines, _), (more_lines, copied) = cost(small, size, at_the_end=at_the_end), cost(big, size, at_the_end=at_the_end)
    assert more_lines <= 2.2 * lines + 500, f"{lines} lines, then {more_lines}"
    assert copied <= 4 * len(big) + 2000
