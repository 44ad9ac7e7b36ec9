"""Whatever is received, however it is cut: what holds of an engine for WebSocket."""

import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.ws import raw
from tests.ws.cases.compression import AGREED, RSV1, Compression
from tests.ws.engine import Outcome, each_role, joined, opened, received
from tests.ws.raw import Frame

from interlock.http.octets import COMPILED
from interlock.ws import (
    CLIENT,
    NEED_DATA,
    SERVER,
    Close,
    CloseReceived,
    Connection,
    Limits,
    Message,
    PerMessageDeflate,
    Ping,
    Pong,
    RemoteProtocolError,
)
from interlock.ws.deflate import Agreed

roles = st.sampled_from([CLIENT, SERVER])
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)
lengths = st.sampled_from([0, 1, 2, 5, 60, 63, 64, 65, 125, 126, 127, 300])
contents = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=40),
    lengths.map(lambda length: "é" * length),
    lengths.map(lambda length: bytes(range(256))[:length] * 2),
)
controls = st.one_of(
    st.builds(Ping, st.binary(max_size=125)),
    st.builds(Pong, st.binary(max_size=125)),
)
codes = st.one_of(st.none(), st.sampled_from([1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999]))
bits = st.integers(8, 15)
agreements = st.one_of(st.none(), st.builds(Agreed, st.booleans(), st.booleans(), bits, bits))
options = st.builds(
    PerMessageDeflate,
    level=st.integers(-1, 9),
    memory_level=st.integers(1, 9),
    minimum=st.sampled_from([0, 1, 64, 200]),
)


def cut_like(octets: bytes, pattern: list[int]) -> list[bytes]:
    pieces: list[bytes] = []
    at = 0
    while at < len(octets):
        size = pattern[len(pieces) % len(pattern)]
        pieces.append(octets[at : at + size])
        at += size
    return pieces


def pieces_of(message: Message, pattern: list[int]) -> list[Message]:
    """The message in fragments."""
    data, pieces, at = message.data, [], 0
    while at < len(data):
        size = pattern[len(pieces) % len(pattern)]
        pieces.append(Message(data[at : at + size], final=False))
        at += size
    return [*pieces, Message(data[:0])]


# -- what one end sends, the other reads


@settings(max_examples=200)
@given(
    roles,
    agreements,
    options,
    st.lists(st.tuples(contents, st.one_of(st.none(), sizes), st.lists(controls, max_size=2)), max_size=8),
    codes,
    sizes,
    st.booleans(),
)
def test_what_one_end_sends_the_other_reads(
    role: Any,
    agreed: Agreed | None,
    deflate: PerMessageDeflate,
    talk: list[tuple[Any, list[int] | None, list[Any]]],
    code: int | None,
    pattern: list[int],
    fragments: bool,
) -> None:
    sender = opened(role, agreed=agreed, deflate=deflate)
    octets = b""
    expected: list[Any] = []
    for content, cut, between in talk:
        message = Message(content)
        pieces = [message] if cut is None else pieces_of(message, cut)
        for number, piece in enumerate(pieces):
            octets += sender.send(piece)
            if not number:
                for control in between:
                    octets += sender.send(control)
        shown = [message, *between] if cut is None or len(pieces) == 1 else [*between, message]
        expected += shown
    octets += sender.send(Close(code, "" if code is None else "why"))
    expected.append(CloseReceived(code or 1005, "" if code is None else "why"))
    receiver = opened(SERVER if role is CLIENT else CLIENT, agreed=agreed, deflate=deflate, fragments=fragments)
    outcome = received(receiver, cut_like(octets, pattern))
    assert joined(outcome.events) == expected
    assert outcome.error == ""
    assert outcome.sent[-1:] == [raw.close(code)]


# -- any octets

frames = st.builds(
    Frame,
    st.sampled_from([0, 1, 2, 0, 1, 2, 8, 9, 10, 3, 11]),
    st.one_of(
        st.binary(max_size=10),
        st.sampled_from([b"\x03\xe8", b"\xce", b"\xba", b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"\x00", bytes(126)]),
    ),
    st.booleans(),
    st.sampled_from([0, 0, 0, 4, 4, 1]),
    st.one_of(st.none(), st.none(), st.none(), st.integers(0, 125)),
)
small_limits = st.sampled_from([None, Limits(message=20, fragments=3, glitches=2)])


# The largest window: whether a reference beyond a smaller one is seen depends on how octets are cut, as deflate.py says.
largest = st.one_of(st.none(), st.builds(Agreed, st.booleans(), st.booleans()))


def comparable(outcome: Outcome, *, compressed: bool) -> tuple[list[Any], bool, list[Any]]:
    """An outcome, as far as cuts have no say in it.

    Where one piece of compressed data is wrong in several ways, its size decides which of them is seen first.
    """
    vague = compressed and outcome.code in {1007, 1009}
    sent = [(f.opcode, b"" if vague and f.opcode == raw.CLOSE else f.payload) for f in outcome.sent]
    return outcome.events, vague or outcome.code, [*sent, "" if vague else outcome.error]


@settings(max_examples=300)
@given(roles, largest, st.lists(frames, max_size=12), sizes, small_limits, st.booleans())
def test_any_cut_of_any_frames_gives_the_same(
    role: Any, agreed: Agreed | None, some: list[Frame], pattern: list[int], limits: Limits | None, eof: bool
) -> None:
    octets = raw.octets_of(some, role is SERVER)
    end = [b""] if eof else []
    see = partial(comparable, compressed=agreed is not None)
    whole = received(opened(role, agreed=agreed, limits=limits), [octets, *end] if octets else end)
    for pieces in (raw.cut(octets, 1), cut_like(octets, pattern)):
        in_pieces = [*pieces, *end]
        assert see(received(opened(role, agreed=agreed, limits=limits), in_pieces)) == see(whole)
        assert see(received(opened(role, agreed=agreed, limits=limits), in_pieces, at_the_end=True)) == see(whole)
        as_it_comes = received(opened(role, agreed=agreed, limits=limits, fragments=True), in_pieces)
        assert see(as_it_comes._replace(events=joined(as_it_comes.events))) == see(whole)
    assert raw.CLOSE not in [frame.opcode for frame in whole.sent[:-1]]


@settings(max_examples=300)
@given(roles, agreements, st.binary(max_size=200), sizes, st.booleans())
def test_no_octets_raise_anything_else(
    role: Any, agreed: Agreed | None, octets: bytes, pattern: list[int], fragments: bool
) -> None:
    connection = opened(role, agreed=agreed, fragments=fragments)
    outcome = received(connection, [*cut_like(octets, pattern), b""])  # raises for what is no RemoteProtocolError
    assert (outcome.code != 0) == (connection.our_state == "FAILED")
    assert connection.over
    connection.next_actions()
    connection.connection_lost()
    assert connection.close_code is not None


@settings(max_examples=200)
@given(roles, st.binary(max_size=60), st.booleans())
def test_no_deflate_data_raise_anything_else(role: Any, octets: bytes, text: bool) -> None:
    frame = Frame(raw.TEXT if text else raw.BINARY, octets, rsv=RSV1)
    whole = received(opened(role, agreed=AGREED), [frame.octets(role is SERVER)])
    assert whole.code in {0, 1007}
    in_pieces = [piece.octets(role is SERVER) for piece in raw.fragmented(frame, 1)]
    assert received(opened(role, agreed=AGREED), in_pieces)[:2] == whole[:2]


# -- UTF-8 is refused with the first octet that cannot be one of it

#: RFC 3629 §4: what the octets of a character may be.
WELL_FORMED: list[list[range]] = [
    [range(0x80)],
    [range(0xC2, 0xE0), range(0x80, 0xC0)],
    [range(0xE0, 0xE1), range(0xA0, 0xC0), range(0x80, 0xC0)],
    [range(0xE1, 0xED), range(0x80, 0xC0), range(0x80, 0xC0)],
    [range(0xED, 0xEE), range(0x80, 0xA0), range(0x80, 0xC0)],
    [range(0xEE, 0xF0), range(0x80, 0xC0), range(0x80, 0xC0)],
    [range(0xF0, 0xF1), range(0x90, 0xC0), range(0x80, 0xC0), range(0x80, 0xC0)],
    [range(0xF1, 0xF4), range(0x80, 0xC0), range(0x80, 0xC0), range(0x80, 0xC0)],
    [range(0xF4, 0xF5), range(0x80, 0x90), range(0x80, 0xC0), range(0x80, 0xC0)],
]


def first_wrong(octets: bytes) -> int:
    """Where the first octet stands with which no UTF-8 can begin; -1: nowhere."""
    forms: list[list[range]] = []
    for at, octet in enumerate(octets):
        forms = [form[1:] for form in forms or WELL_FORMED if octet in form[0]]
        if not forms:
            return at
        forms = [form for form in forms if form]
    return -1


def refused_at(connection: Connection, pieces: list[bytes]) -> int:
    for number, piece in enumerate(pieces):
        connection.receive_data(piece)
        try:
            while connection.next_event() is not NEED_DATA:
                pass
        except RemoteProtocolError:
            return number
    return -1


awkward = st.lists(
    st.one_of(
        st.sampled_from([0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xE0, 0xE1, 0xED, 0xEF]),
        st.sampled_from([0xF0, 0xF1, 0xF4, 0xF5]),
    ),
    min_size=1,
    max_size=8,
).map(bytes)


@settings(max_examples=300)
@given(roles, awkward, st.booleans(), st.booleans())
@example(role=CLIENT, octets=b"\xed\xa0", fragmented=False, compress=False)
@example(role=SERVER, octets=b"\xed\xbf\xbf", fragmented=True, compress=False)
@example(role=SERVER, octets=b"\xed\x9f\xbf\xf4\x90", fragmented=False, compress=True)
def test_text_is_refused_with_its_first_wrong_octet(role: Any, octets: bytes, fragmented: bool, compress: bool) -> None:
    """Before the frame is complete, where it is one frame; compressed, as soon as it can be known."""
    octets = "κ".encode() + octets
    if fragmented:
        frames_ = [raw.text(b"", fin=False), *(raw.more(octets[at : at + 1]) for at in range(len(octets)))]
        pieces = [frame.octets(role is SERVER) for frame in frames_][1:]
        head = frames_[0].octets(role is SERVER)
    elif compress:
        # One block that is not compressed, which each octet gives one more of.
        size = len(octets) + 1
        block = b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little") + octets
        whole = Frame(raw.TEXT, block + b"a", rsv=RSV1).octets(role is SERVER)
        head, pieces = whole[: -len(octets) - 1], raw.cut(whole[-len(octets) - 1 : -1], 1)
    else:
        whole = raw.text(octets + b"a").octets(role is SERVER)
        head, pieces = whole[: -len(octets) - 1], raw.cut(whole[-len(octets) - 1 : -1], 1)
    connection = opened(role, agreed=AGREED if compress else None)
    assert refused_at(connection, [head]) == -1
    at = refused_at(connection, pieces)
    assert at == first_wrong(octets)
    assert at < 0 or raw.read(connection.data_to_send(), role is CLIENT)[0].payload[:2] == b"\x03\xef"


# -- memory

MEBIBYTE = 2**20


def most_memory(what: Callable[[], Any]) -> int:
    """Octets that were held at once, at most, beside those that were before."""
    tracemalloc.start()
    try:
        what()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@each_role
@pytest.mark.parametrize("in_fragments", [False, True])
def test_194_kilobytes_that_inflate_to_200_megabytes(role: Any, in_fragments: bool) -> None:
    bomb = Compression(level=9).frame(bytes(200 * MEBIBYTE))
    assert 150_000 < len(bomb.payload) < 210_000
    frames_ = raw.fragmented(bomb, 1000) if in_fragments else [bomb]
    octets = raw.octets_of(frames_, role is SERVER)
    connection = opened(role, agreed=AGREED, limits=Limits(message=MEBIBYTE))
    outcomes = []
    held = most_memory(lambda: outcomes.append(received(connection, [octets])))
    assert (outcomes[0].events, outcomes[0].code) == ([], 1009)
    assert held < 4 * MEBIBYTE


@each_role
def test_a_bomb_against_the_default_limit(role: Any) -> None:
    bomb = Compression(level=9).frame(bytes(200 * MEBIBYTE))
    connection = opened(role, agreed=AGREED)
    outcomes = []
    octets = bomb.octets(role is SERVER)
    held = most_memory(lambda: outcomes.append(received(connection, raw.cut(octets, 65536))))
    assert (outcomes[0].events, outcomes[0].code) == ([], 1009)
    assert held < 40 * MEBIBYTE


def flood(connection: Connection, piece: bytes, times: int) -> None:
    for _ in range(times):
        connection.receive_data(piece)
        try:
            while connection.next_event() is not NEED_DATA:
                pass
        except RemoteProtocolError:
            return


@each_role
@pytest.mark.parametrize(
    "frame",
    [raw.more(""), raw.more("a"), raw.ping(b"a" * 125), raw.pong(), raw.text(b"a" * 100)],
    ids=["empty fragments", "fragments of one octet", "pings", "pongs", "messages"],
)
def test_a_flood_holds_little(role: Any, frame: Frame) -> None:
    connection = opened(role)
    if frame.opcode == raw.CONTINUATION:
        connection.receive_data(raw.text("", fin=False).octets(role is SERVER))
    piece = raw.octets_of([frame] * 1000, role is SERVER)
    assert most_memory(lambda: flood(connection, piece, 20)) < MEBIBYTE


@each_role
def test_a_message_declared_large_holds_nothing_before_it_comes(role: Any) -> None:
    connection = opened(role)
    head = Frame(raw.BINARY, b"", length=2**24, form=64).octets(role is SERVER)
    assert most_memory(lambda: received(connection, [head, b"a"])) < 65536


@each_role
@pytest.mark.parametrize("behind", [b"", b"\x81"], ids=["nothing", "the beginning of a frame"])
def test_a_connection_that_waits_keeps_nothing_of_what_was_read(behind: bytes, role: Any) -> None:
    """It may wait for hours, and there may be thousands of them."""
    octets = raw.octets_of([raw.binary(bytes(1000))] * 1000, role is SERVER) + behind
    connection = opened(role)
    tracemalloc.start()
    try:
        received(connection, [bytes(bytearray(octets))])  # a copy that nobody else holds
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 16384


@each_role
def test_what_comes_behind_the_end_is_not_kept(role: Any) -> None:
    for frame in (raw.close(), raw.text("a", rsv=1)):
        connection = opened(role)
        received(connection, [frame.octets(role is SERVER)])
        assert most_memory(partial(flood, connection, bytes(65536), 100)) < 3 * 65536


# -- N octets cost O(N)

GROWING: dict[str, Callable[[int], list[Frame]]] = {
    "one message": lambda size: [raw.text(b"a" * size)],
    "one message of binary": lambda size: [raw.binary(bytes(size))],
    "many messages": lambda size: [raw.text(b"a" * 10)] * (size // 14),
    "many fragments": lambda size: raw.fragmented(raw.text(b"a" * (size // 4)), 1),
    "empty fragments": lambda size: [raw.text("", fin=False), *[raw.more("")] * (size // 4)],
    "pings in a message": lambda size: [raw.text("a", fin=False), *[raw.ping(b"12345")] * (size // 10)],
    "compressed": lambda size: [Compression().frame(bytes(range(256)) * (size // 256)) for _ in range(2)],
    "compressed fragments": lambda size: raw.fragmented(Compression(level=0).frame("é" * (size // 16)), 1),
}


def cost(octets: bytes, size: int, *, at_the_end: bool) -> int:
    """The lines of Python that are run for these octets in pieces of this size."""
    limits = Limits(glitches=10**6, fragments=10**6)
    connection = opened(SERVER, agreed=AGREED, limits=limits)
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    pieces = raw.cut(octets, size)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for piece in pieces:
            connection.receive_data(piece)
            while not at_the_end and connection.next_event() is not NEED_DATA:
                pass
        while connection.next_event() is not NEED_DATA:
            pass
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.skipif(COMPILED, reason="counts lines of Python, and a compiled wheel runs none")
@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("what", GROWING)
def test_twice_the_octets_are_twice_the_work(what: str, size: int, at_the_end: bool) -> None:
    small, big = (raw.octets_of(GROWING[what](length), True) for length in (3000, 6000))
    lines, more_lines = (cost(octets, size, at_the_end=at_the_end) for octets in (small, big))
    assert more_lines <= 2.2 * lines + 500, f"{lines} lines, then {more_lines}"


class Counted(bytes):
    """Octets that are kept from one read to the next, whose copies are counted."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        if isinstance(key, slice):
            Counted.copied += len(part)
        return part


@pytest.mark.skipif(COMPILED, reason="a compiled engine slices without asking the class")
@pytest.mark.parametrize("what", GROWING)
def test_octets_are_copied_a_few_times_only(what: str) -> None:
    octets = raw.octets_of(GROWING[what](60000), True)
    for size in (1, 100, len(octets)):
        connection = opened(SERVER, agreed=AGREED, limits=Limits(glitches=10**6, fragments=10**6))
        Counted.copied = 0
        for piece in raw.cut(octets, size):
            connection.receive_data(Counted(piece))
            while connection.next_event() is not NEED_DATA:
                pass
        assert Counted.copied <= 4 * len(octets) + 2000, f"{Counted.copied} octets of {len(octets)}"
