"""Each type of frame but SETTINGS and WINDOW_UPDATE: where it may stand, and how large it is (RFC 9113 §6, §7)."""

from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client

# §6.1 DATA


@case("9113 §6.1")
def data_on_stream_0(client: Client) -> None:
    client.send(raw.data(0, b"x"))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.1", "9113 §5.1")
def data_on_a_half_closed_stream(client: Client) -> None:
    client.half_closed_remote(1)
    client.send(raw.data(1, b"x", end=True))
    client.expect_reset(1, raw.STREAM_CLOSED)


@case("9113 §6.1", each={"one": (b"abc", 1), "most": (b"abc", 255), "nothing-but-padding": (b"", 100)})
def data_with_padding(client: Client, how: tuple[bytes, int]) -> None:
    content, pad = how
    client.upload(1, "/echo")
    client.send(raw.data(1, content, pad=pad), raw.data(1, b"", pad=0, end=True))
    client.expect_response(1, content=content)


#: Pad Length, and the payload behind it: the padding leaves no room for itself.
TOO_MUCH_PADDING = {
    "as-long-as-the-payload": (4, b"abc"),
    "longer": (200, b"abc"),
    "of-nothing": (1, b""),
    "longest": (255, b"x" * 254),
}


@case("9113 §6.1", each=TOO_MUCH_PADDING)
def data_with_too_much_padding(client: Client, how: tuple[int, bytes]) -> None:
    pad, rest = how
    client.upload(1)
    client.send(raw.frame(raw.DATA, raw.PADDED | raw.END_STREAM, 1, bytes((pad,)) + rest))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.1")
def data_padding_as_long_as_what_follows(client: Client) -> None:
    """Nothing but padding is right: the Pad Length is less than the length of the payload."""
    client.upload(1, "/echo")
    client.send(raw.data(1, b"", pad=10), raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


# §6.2 HEADERS


@case("9113 §6.2")
def headers_on_stream_0(client: Client) -> None:
    client.send(raw.headers(0, raw.block(client.fields())))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.2", each={"one": 1, "most": 255, "none": 0})
def headers_with_padding(client: Client, pad: int) -> None:
    client.send(raw.headers(1, raw.block(client.fields()), pad=pad))
    client.expect_response(1)


@case("9113 §6.2")
def headers_with_padding_and_priority(client: Client) -> None:
    client.send(raw.headers(1, raw.block(client.fields()), pad=7, depends=raw.dependency(0, 255, exclusive=True)))
    client.expect_response(1)


@case("9113 §6.2")
def headers_with_padding_and_continuation(client: Client) -> None:
    block = raw.block(client.fields())
    client.send(raw.headers(1, block[:9], pad=40, end_headers=False), raw.continuation(1, block[9:]))
    client.expect_response(1)


@case("9113 §6.2", each={"one-too-many": 1, "longest": 255})
def headers_with_too_much_padding(client: Client, more: int) -> None:
    block = raw.block(client.fields())
    pad = min(255, len(block) + more)
    if pad == 255:
        block = block[:100]
    client.send(raw.frame(raw.HEADERS, raw.PADDED | raw.END_HEADERS | raw.END_STREAM, 1, bytes((pad,)) + block))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.2")
def headers_with_padding_that_eats_the_priority(client: Client) -> None:
    payload = bytes((3,)) + raw.dependency(0) + b"ab"
    client.send(raw.frame(raw.HEADERS, raw.PADDED | raw.WITH_PRIORITY | raw.END_HEADERS | raw.END_STREAM, 1, payload))
    client.expect_goaway(raw.PROTOCOL_ERROR, raw.FRAME_SIZE_ERROR)


# What may stand between HEADERS and CONTINUATION: nothing (§6.2, §6.10, §4.3, §8.1)

BETWEEN = {
    "data": raw.data(1, b"x"),
    "data-elsewhere": raw.data(3, b"x"),
    "headers": raw.headers(1, b"\x82"),
    "headers-elsewhere": raw.headers(3, b"\x82"),
    "priority": raw.priority(1),
    "rst-stream": raw.rst_stream(1),
    "settings": raw.settings(),
    "settings-acknowledgement": raw.settings_ack(),
    "push-promise": raw.push_promise(1, 2, b""),
    "ping": raw.ping(),
    "goaway": raw.goaway(),
    "window-update": raw.window_update(1, 1),
    "window-update-connection": raw.window_update(0, 1),
    "continuation-elsewhere": raw.continuation(3, b"\x82"),
    "unknown": raw.frame(raw.UNKNOWN, 0, 0),
    "priority-update": raw.priority_update(1, b"u=1"),
}


@case("9113 §6.2", "9113 §6.10", "9113 §4.3", "9113 §8.1", each=BETWEEN)
def frame_after_headers_without_end_headers(client: Client, between: bytes) -> None:
    block = raw.block(client.fields())
    client.send(raw.headers(1, block[:9], end_headers=False), between, raw.continuation(1, block[9:]))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.10", "9113 §6.2", "9113 §4.3", "9113 §8.1", each=BETWEEN)
def frame_after_continuation_without_end_headers(client: Client, between: bytes) -> None:
    block = raw.block(client.fields())
    client.send(
        raw.headers(1, block[:9], end_headers=False),
        raw.continuation(1, block[9:12], end_headers=False),
        between,
        raw.continuation(1, block[12:]),
    )
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case(
    "9113 §6.10", "9113 §8.1", each={"data": raw.data(1, b"x"), "ping": raw.ping(), "headers": raw.headers(3, b"\x82")}
)
def frame_within_trailers(client: Client, between: bytes) -> None:
    client.upload(1)
    client.send(raw.headers(1, b"", end_headers=False), between)
    client.expect_goaway(raw.PROTOCOL_ERROR)


# §6.3 PRIORITY


@case("9113 §6.3")
def priority_on_stream_0(client: Client) -> None:
    client.send(raw.priority(0, 1))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.3", each={"empty": 0, "four": 4, "six": 6, "large": 1000})
def priority_of_another_size(client: Client, size: int) -> None:
    client.upload(1)
    client.send(raw.frame(raw.PRIORITY, 0, 1, bytes(size)))
    client.expect_reset(1, raw.FRAME_SIZE_ERROR)


@case("9113 §6.3", "9113 §6.4")
def priority_of_another_size_on_an_idle_stream(client: Client) -> None:
    """An idle stream cannot be reset (§6.4), so that the connection may end."""
    client.send(raw.frame(raw.PRIORITY, 0, 1, bytes(4)))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §6.3", "9113 §5.1")
def priority_leaves_streams_as_they_are(client: Client) -> None:
    """An idle stream that a PRIORITY names is still idle, and one with a lower identifier can still be opened."""
    client.send(raw.priority(9, 3, 200, exclusive=True), raw.priority(7, 9, 0))
    client.expect_served(5)
    client.expect_served(7)
    client.expect_served(9)


# §6.4 RST_STREAM


@case("9113 §6.4")
def rst_stream_on_stream_0(client: Client) -> None:
    client.send(raw.rst_stream(0))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.4", "9113 §5.1", each={"first": 1, "later": 9, "servers": 2})
def rst_stream_on_an_idle_stream(client: Client, stream: int) -> None:
    client.send(raw.rst_stream(stream))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.4", each={"empty": 0, "three": 3, "five": 5, "eight": 8})
def rst_stream_of_another_size(client: Client, size: int) -> None:
    client.upload(1)
    client.send(raw.frame(raw.RST_STREAM, 0, 1, bytes(size)))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §6.4", "9113 §5.1")
def nothing_is_sent_on_a_stream_that_was_reset(client: Client) -> None:
    client.half_closed_remote(1)
    client.send(raw.rst_stream(1))
    client.expect_alive()
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    client.expect_alive()
    client.expect_served(3)


# §6.6 PUSH_PROMISE


@case("9113 §6.6", "9113 §8.4", each={"stream-0": 0, "idle": 3, "open": 1})
def push_promise_from_a_client(client: Client, stream: int) -> None:
    client.upload(1)
    client.send(raw.push_promise(stream, 2, raw.block(client.fields())))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.6", "9113 §8.4.1")
def push_promise_without_end_headers(client: Client) -> None:
    client.upload(1)
    client.send(raw.frame(raw.PUSH_PROMISE, 0, 1, (2).to_bytes(4, "big")))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.6", "9113 §8.4")
def nothing_is_pushed(client: Client) -> None:
    """Every frame is looked at for PUSH_PROMISE; this client would let it come."""
    client.change_settings((raw.ENABLE_PUSH, 1))
    for stream in range(1, 20, 2):
        client.request(stream)
        client.expect_response(stream)


# §6.7 PING


@case("9113 §6.7")
def ping_is_acknowledged_with_its_payload(client: Client) -> None:
    for number in range(20):
        opaque = bytes((number, 0, 255, 10, 13, 1, 2, number))
        client.send(raw.ping(opaque))
        while opaque not in client.pings:
            client.read_frame("the acknowledgement of the PING")
    client.expect_served(1)


@case("9113 §6.7")
def pings_are_acknowledged_in_order_and_once(client: Client) -> None:
    sent = [b"%08d" % number for number in range(20)]
    client.send(*(raw.ping(opaque) for opaque in sent))
    client.expect_alive()
    if client.pings[:-1] != sent:
        client.fail(f"acknowledged were {client.pings[:-1]}")


@case("9113 §6.7")
def ping_acknowledgement_is_not_answered(client: Client) -> None:
    client.send(raw.ping(b"unasked!", ack=True))
    client.expect_alive()
    if b"unasked!" in client.pings:
        client.fail("an acknowledgement was acknowledged")


@case("9113 §6.7", each={"open": 1, "idle": 3, "servers": 2})
def ping_on_a_stream(client: Client, stream: int) -> None:
    client.upload(1)
    client.send(raw.frame(raw.PING, 0, stream, b"\x00" * 8))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.7")
def ping_acknowledgement_on_a_stream(client: Client) -> None:
    client.send(raw.frame(raw.PING, raw.ACK, 1, b"\x00" * 8))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.7", each={"empty": 0, "six": 6, "seven": 7, "nine": 9, "sixteen": 16})
def ping_of_another_size(client: Client, size: int) -> None:
    client.send(raw.frame(raw.PING, 0, 0, bytes(size)))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §6.7")
def ping_acknowledgement_of_another_size(client: Client) -> None:
    client.send(raw.frame(raw.PING, raw.ACK, 0, bytes(7)))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


# §6.8 GOAWAY


@case("9113 §6.8", each={"open": 1, "idle": 3})
def goaway_on_a_stream(client: Client, stream: int) -> None:
    client.upload(1)
    client.send(raw.goaway(stream=stream))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.8")
def what_runs_at_a_goaway_is_finished(client: Client) -> None:
    """A client that goes away still gets what it has asked for."""
    client.upload(1, "/echo")
    client.send(raw.goaway(0, raw.NO_ERROR, b"bye"))
    client.send(raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9113 §6.8", "9113 §7", each={"unknown": 0xFF, "largest": 2**32 - 1, "server-only": raw.INADEQUATE_SECURITY})
def goaway_with_another_code(client: Client, code: int) -> None:
    client.upload(1, "/echo")
    client.send(raw.goaway(0, code))
    client.send(raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9113 §6.8")
def second_goaway(client: Client) -> None:
    client.upload(1, "/echo")
    client.send(raw.goaway(2**31 - 1), raw.goaway(0), raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


# §6.10 CONTINUATION


@case("9113 §6.10", each={"one": 2, "three": 4, "octets": 0})
def continuations(client: Client, pieces: int) -> None:
    block = raw.block(client.fields())
    parts = raw.cut(block, -(-len(block) // (pieces or 8)))
    client.send(
        raw.headers(1, parts[0], end_headers=False),
        *(raw.continuation(1, part, end_headers=part is parts[-1]) for part in parts[1:]),
    )
    client.expect_response(1)


@case("9113 §6.10")
def continuation_without_octets(client: Client) -> None:
    client.send(raw.headers(1, raw.block(client.fields()), end_headers=False), raw.continuation(1, b""))
    client.expect_response(1)


@case("9113 §6.10")
def continuations_of_trailers(client: Client) -> None:
    block = raw.block([("x-checksum", "1"), ("x-more", "2")])
    client.upload(1, "/echo")
    client.send(raw.data(1, b"abc"), raw.headers(1, block[:5], end_headers=False), raw.continuation(1, block[5:]))
    client.expect_response(1, content=b"abc")


@case("9113 §6.10")
def continuation_ignores_end_stream(client: Client) -> None:
    """CONTINUATION has no END_STREAM flag: what HEADERS said holds."""
    block = raw.block(client.fields("POST", "/echo"))
    client.send(
        raw.headers(1, block[:5], end=False, end_headers=False),
        raw.frame(raw.CONTINUATION, raw.END_HEADERS | raw.END_STREAM, 1, block[5:]),
        raw.data(1, b"abc", end=True),
    )
    client.expect_response(1, content=b"abc")


@case("9113 §6.10")
def continuation_on_stream_0(client: Client) -> None:
    client.send(raw.headers(1, raw.block(client.fields()), end_headers=False), raw.continuation(0, b""))
    client.expect_goaway(raw.PROTOCOL_ERROR)


BEFORE_CONTINUATION = {
    "headers": [raw.headers(1, raw.block([(":method", "POST"), (":scheme", "http"), (":path", "/")]), end=False)],
    "headers-end-stream": [raw.headers(1, raw.block([(":method", "GET"), (":scheme", "http"), (":path", "/")]))],
    "continuation": [
        raw.headers(1, raw.block([(":method", "POST"), (":scheme", "http")]), end=False, end_headers=False),
        raw.continuation(1, raw.block([(":path", "/")])),
    ],
    "data": [
        raw.headers(1, raw.block([(":method", "POST"), (":scheme", "http"), (":path", "/")]), end=False),
        raw.data(1, b"x"),
    ],
    "ping": [raw.ping()],
    "nothing": [],
}


@case("9113 §6.10", each=BEFORE_CONTINUATION)
def continuation_after_a_complete_field_block(client: Client, before: list[bytes]) -> None:
    client.send(*before, raw.continuation(1, raw.block([("x", "y")])))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.10")
def continuation_on_stream_0_after_nothing(client: Client) -> None:
    client.send(raw.continuation(0, b""))
    client.expect_goaway(raw.PROTOCOL_ERROR)


# §7 error codes


@case("9113 §7", each={"unknown": 0xFF, "largest": 2**32 - 1, "http-1-1-required": raw.HTTP_1_1_REQUIRED})
def rst_stream_with_another_code(client: Client, code: int) -> None:
    client.upload(1)
    client.send(raw.rst_stream(1, code))
    client.expect_alive()
    client.request(3)
    client.expect_response(3, content=CONTENT)
