"""Frames as pure functions: what is written is what hyperframe reads, and payloads are read by the book (RFC 9113 §6)."""

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from interlock.h2 import frames
from interlock.h2.errors import ConnectionFault, StreamFault, code_name


def read(octets: bytes) -> Frame:
    """The one frame that hyperframe reads."""
    frame, length = Frame.parse_frame_header(memoryview(octets[:9]), strict=True)
    assert len(octets) == 9 + length
    frame.parse_body(memoryview(octets[9:]))
    return frame


def test_a_head_has_nine_octets() -> None:
    assert frames.head(0x123456, 0x78, 0x9A, 0x7BCDEF01) == bytes.fromhex("123456 78 9a 7bcdef01")


def test_settings() -> None:
    frame = read(frames.settings([(frames.MAX_FRAME_SIZE, 16385), (frames.ENABLE_PUSH, 0)]))
    assert isinstance(frame, SettingsFrame)
    assert dict(frame.settings) == {5: 16385, 2: 0}
    assert read(frames.SETTINGS_ACK).flags == {"ACK"}


@pytest.mark.parametrize("ack", [False, True])
def test_ping(ack: bool) -> None:
    frame = read(frames.ping(b"12345678", ack))
    assert isinstance(frame, PingFrame)
    assert (frame.opaque_data, frame.flags, frame.stream_id) == (b"12345678", {"ACK"} if ack else set(), 0)


def test_goaway() -> None:
    frame = read(frames.goaway(2**31 - 1, 0xB, b"why"))
    assert isinstance(frame, GoAwayFrame)
    assert (frame.last_stream_id, frame.error_code, frame.additional_data) == (2**31 - 1, 0xB, b"why")


def test_rst_stream() -> None:
    frame = read(frames.rst_stream(7, 8))
    assert isinstance(frame, RstStreamFrame)
    assert (frame.stream_id, frame.error_code) == (7, 8)


@pytest.mark.parametrize("stream", [0, 7])
def test_window_update(stream: int) -> None:
    frame = read(frames.window_update(stream, 2**31 - 1))
    assert isinstance(frame, WindowUpdateFrame)
    assert (frame.stream_id, frame.window_increment) == (stream, 2**31 - 1)


def test_priority_update_is_of_the_connection_and_names_its_stream() -> None:
    assert frames.priority_update(7, b"u=1") == bytes.fromhex("000007 10 00 00000000 00000007") + b"u=1"


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("octets", [0, 1, 9, 10, 11, 20, 21, 35])
def test_a_field_block_is_cut_where_it_has_to_be(octets: int, end: bool) -> None:
    block = bytes(range(octets))
    written, read_back, found = frames.headers(5, block, end, 10), b"", []
    while written:
        size = 9 + int.from_bytes(written[:3], "big")
        frame, written = read(written[:size]), written[size:]
        assert isinstance(frame, ContinuationFrame if found else HeadersFrame)
        assert len(frame.data) <= 10
        assert frame.stream_id == 5
        read_back += frame.data
        found.append(frame.flags)
    assert read_back == block
    assert len(found) == max(1, -(-octets // 10))  # and no empty one at the end
    assert [("END_HEADERS" in flags) for flags in found] == [False] * (len(found) - 1) + [True]
    assert [("END_STREAM" in flags) for flags in found] == [end] + [False] * (len(found) - 1)


# -- payloads


@pytest.mark.parametrize(
    ("payload", "content"), [(b"\x00ab", b"ab"), (b"\x02ab\0\0", b"ab"), (b"\x00", b""), (b"\x01x", b"")]
)
def test_unpad(payload: bytes, content: bytes) -> None:
    assert frames.unpad(payload) == content


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "FRAME_SIZE_ERROR"),
        (b"\x01", "PROTOCOL_ERROR"),
        (b"\x03ab", "PROTOCOL_ERROR"),
        (b"\xffab", "PROTOCOL_ERROR"),
    ],
)
def test_padding_that_leaves_no_room(payload: bytes, code: str) -> None:
    with pytest.raises(ConnectionFault) as caught:
        frames.unpad(payload)
    assert code_name(caught.value.code) == code


def pairs(*settings: tuple[int, int]) -> bytes:
    return b"".join(name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in settings)


def test_settings_are_read_in_order_and_unknown_ones_left_out() -> None:
    known = [(4, 1), (4, 2), (1, 0), (3, 2**32 - 1), (6, 0), (2, 1), (8, 1), (9, 0), (5, 16384)]
    unknown = [(0, 5), (7, 5), (10, 5), (0xFFFF, 5)]
    assert frames.read_settings(pairs(*known[:4], *unknown, *known[4:])) == known
    assert frames.read_settings(b"") == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        (2, 2, "PROTOCOL_ERROR"),
        (4, 2**31, "FLOW_CONTROL_ERROR"),
        (5, 16383, "PROTOCOL_ERROR"),
        (5, 16777216, "PROTOCOL_ERROR"),
        (8, 2, "PROTOCOL_ERROR"),
        (9, 2, "PROTOCOL_ERROR"),
    ],
)
def test_a_value_that_a_setting_cannot_have(name: int, value: int, code: str) -> None:
    with pytest.raises(ConnectionFault) as caught:
        frames.read_settings(pairs((1, 4096), (name, value)))
    assert code_name(caught.value.code) == code


@pytest.mark.parametrize(("name", "value"), [(2, 1), (4, 2**31 - 1), (5, 16384), (5, 16777215), (8, 1), (9, 1)])
def test_the_last_value_that_a_setting_can_have(name: int, value: int) -> None:
    assert frames.read_settings(pairs((name, value))) == [(name, value)]


@pytest.mark.parametrize("octets", [1, 2, 4, 5, 7, 8])
def test_settings_of_a_broken_length(octets: int) -> None:
    with pytest.raises(ConnectionFault) as caught:
        frames.read_settings(bytes(octets))
    assert code_name(caught.value.code) == "FRAME_SIZE_ERROR"


@pytest.mark.parametrize("exclusive", [0, 2**31])
def test_a_stream_does_not_depend_on_itself(exclusive: int) -> None:
    frames.check_dependency(5, (7 | exclusive).to_bytes(4, "big") + b"\x10")
    with pytest.raises(StreamFault):
        frames.check_dependency(5, (5 | exclusive).to_bytes(4, "big") + b"\x10")


def test_codes_have_their_names() -> None:
    assert code_name(0xD) == "HTTP_1_1_REQUIRED"
    assert code_name(0xE) == "0xe"
