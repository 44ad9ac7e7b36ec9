"""The beginning of a connection (RFC 9113 §3.4), frames of any type (§4.1, §4.2), errors (§5.4), extensions (§5.5)."""

from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client

FULL = 16384


@case("9113 §3.4", start=False)
def preface_and_settings(client: Client) -> None:
    client.send(raw.PREFACE, raw.settings())
    while not client.settings_frames:
        client.read_frame("the server's SETTINGS")
    client.send(raw.settings_ack())
    client.expect_served(1)


@case("9113 §3.4", "9113 §6.5", start=False)
def server_speaks_first(client: Client) -> None:
    """The server's preface does not wait for more than the client's."""
    client.send(raw.PREFACE, raw.settings())
    first = client.read_frame("the server's SETTINGS")
    if first.kind != raw.SETTINGS or first.flags & raw.ACK:
        client.fail("the server's first frame is not SETTINGS")


@case("9113 §3.4", start=False)
def requests_before_the_servers_settings(client: Client) -> None:
    """A client need not wait for the server's SETTINGS."""
    request = raw.headers(1, raw.block(client.fields()))
    client.send(raw.PREFACE, raw.settings(), request)
    client.expect_response(1)


@case("9113 §3.4", start=False)
def preface_octet_by_octet(client: Client) -> None:
    for octet in raw.PREFACE:
        client.send(bytes((octet,)))
    client.send(raw.settings())
    client.expect_served(1)


WRONG_PREFACES = {
    "another-word": b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    "last-octet": raw.PREFACE[:-1] + b"\r",
    "lower-case": b"PRI * http/2.0\r\n\r\nSM\r\n\r\n",
    "frames-at-once": raw.settings() + raw.ping(),
    "preface-cut-short": raw.PREFACE[:18] + raw.settings(),
    "other-version": b"PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n",
}


@case("9113 §3.4", start=False, cleartext=False, each=WRONG_PREFACES)
def wrong_preface(client: Client, octets: bytes) -> None:
    """GOAWAY may be left out; where it comes it says why."""
    client.send(octets, raw.settings())
    client.expect_closed()
    if any(frame.number(4) != raw.PROTOCOL_ERROR for frame in client.goaways):
        client.fail("another error than PROTOCOL_ERROR")


@case("9113 §3.4", start=False)
def wrong_preface_ends_the_connection(client: Client) -> None:
    """It may be without GOAWAY, since the peer may speak another protocol."""
    client.send(b"INVALID CONNECTION PREFACE\r\n\r\n")
    client.expect_closed()


NO_SETTINGS = {
    "ping": raw.ping(),
    "window-update": raw.window_update(0, 1),
    "headers": raw.headers(1, b"\x82\x84\x86"),
    "data": raw.data(1, b"x"),
    "acknowledgement": raw.settings_ack(),
    "unknown": raw.frame(raw.UNKNOWN, 0, 0, b"x"),
    "goaway": raw.goaway(),
}


@case("9113 §3.4", "9113 §6.5", start=False, each=NO_SETTINGS)
def first_frame_is_not_settings(client: Client, first: bytes) -> None:
    client.send(raw.PREFACE, first)
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §4.1", "9113 §5.5", each={"connection": 0, "idle": 5, "closed": 1, "even": 2})
def unknown_frame_is_ignored(client: Client, stream: int) -> None:
    client.closed(1)
    client.send(raw.frame(raw.UNKNOWN, 0xFF, stream, b"whatever this may be"))
    client.expect_alive()
    client.expect_served(3)


@case("9113 §4.1", "9113 §5.5")
def unknown_frame_on_an_open_stream_is_ignored(client: Client) -> None:
    client.upload(1, "/echo")
    client.send(raw.frame(raw.UNKNOWN, raw.END_STREAM, 1, b"x"), raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9113 §4.1")
def undefined_flags_are_ignored(client: Client) -> None:
    client.send(raw.frame(raw.PING, 0xFE, 0, b"flagged!"))
    while b"flagged!" not in client.pings:
        client.read_frame("the acknowledgement of the PING")
    client.send(raw.frame(raw.SETTINGS, 0xFE, 0))
    client.send(raw.frame(raw.WINDOW_UPDATE, 0xFF, 0, (1).to_bytes(4, "big")))
    client.send(raw.frame(raw.PRIORITY, 0xFF, 3, raw.dependency(0)))
    client.send(raw.headers(1, raw.block(client.fields("POST", "/echo")), end=False, flags=0xD2))
    client.send(raw.data(1, b"abc", end=True, flags=0xF6))
    client.expect_response(1, content=b"abc")
    client.upload(3)
    client.send(raw.frame(raw.RST_STREAM, 0xFF, 3, raw.CANCEL.to_bytes(4, "big")))
    client.expect_no_reset(3)


@case("9113 §4.1")
def reserved_bit_is_ignored(client: Client) -> None:
    reserved = 2**31
    client.send(raw.frame(raw.PING, 0, reserved, b"reserved"))
    while b"reserved" not in client.pings:
        client.read_frame("the acknowledgement of the PING")
    client.send(raw.frame(raw.WINDOW_UPDATE, 0, 0, (reserved + 1).to_bytes(4, "big")))
    client.send(raw.headers(reserved + 1, raw.block(client.fields("POST", "/echo")), end=False))
    client.send(raw.data(reserved + 1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9113 §4.2")
def largest_frame_is_taken(client: Client) -> None:
    content = bytes(range(256)) * (FULL // 256)
    client.upload(1, "/length")
    client.send(raw.data(1, content, end=True))
    client.expect_response(1, content=b"16384")


@case("9113 §4.2")
def largest_field_block_fragment_is_taken(client: Client) -> None:
    fields = client.fields(more=[("x-long", "a" * 8000), ("x-longer", "b" * 8000)])
    block = raw.block(fields)
    rest = FULL - len(block) - len(raw.literal("x", "")) - 2
    block += raw.literal("x", "c" * rest)
    assert len(block) == FULL
    client.send(raw.headers(1, block))
    client.expect_response(1)


@case("9113 §4.2", "9113 §6.1")
def data_beyond_the_largest_size(client: Client) -> None:
    """It alters the connection's window, so that it may be a connection error."""
    client.upload(1, "/length")
    client.send(raw.data(1, bytes(FULL + 1), end=True))
    client.expect_reset(1, raw.FRAME_SIZE_ERROR, also=(raw.FRAME_SIZE_ERROR,))


TOO_LARGE = {
    "headers": raw.headers(1, bytes(FULL + 1)),
    "settings": raw.frame(raw.SETTINGS, 0, 0, bytes(FULL + 2)),
    "ping": raw.frame(raw.PING, 0, 0, bytes(FULL + 1)),
    "goaway": raw.goaway(debug=bytes(FULL)),
    "window-update": raw.frame(raw.WINDOW_UPDATE, 0, 0, bytes(FULL + 1)),
    "unknown": raw.frame(raw.UNKNOWN, 0, 0, bytes(FULL + 1)),
}


@case("9113 §4.2", each={key: value for key, value in TOO_LARGE.items() if key != "unknown"})
def other_frames_beyond_the_largest_size(client: Client, frame: bytes) -> None:
    client.send(frame)
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §4.2")
def continuation_beyond_the_largest_size(client: Client) -> None:
    client.send(
        raw.headers(1, raw.block(client.fields()), end_headers=False),
        raw.frame(raw.CONTINUATION, 4, 1, bytes(FULL + 1)),
    )
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §4.2")
def a_size_is_refused_before_its_payload_comes(client: Client) -> None:
    """The size alone is the error: nobody waits for 16 MiB."""
    client.send(raw.frame(raw.HEADERS, 4, 1, b"", length=2**24 - 1))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


TOO_SMALL = {
    "rst-stream": raw.frame(raw.RST_STREAM, 0, 1, b"\x00\x00\x00"),
    "settings": raw.frame(raw.SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00"),
    "ping": raw.frame(raw.PING, 0, 0, b"\x00" * 7),
    "goaway": raw.frame(raw.GOAWAY, 0, 0, b"\x00" * 7),
    "window-update-connection": raw.frame(raw.WINDOW_UPDATE, 0, 0, b"\x00\x00\x01"),
    "window-update-stream": raw.frame(raw.WINDOW_UPDATE, 0, 1, b"\x00\x00\x01"),
    "goaway-empty": raw.frame(raw.GOAWAY, 0, 0),
    "headers-no-pad-length": raw.frame(raw.HEADERS, raw.PADDED | raw.END_HEADERS, 3),
    "headers-no-priority": raw.frame(raw.HEADERS, raw.WITH_PRIORITY | raw.END_HEADERS, 3, b"\x00\x00\x00\x00"),
}


@case("9113 §4.2", each=TOO_SMALL)
def too_small_for_mandatory_data(client: Client, frame: bytes) -> None:
    """What cannot be read in a frame that alters the state of the connection is a connection error."""
    client.upload(1)
    client.send(frame)
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §4.2")
def data_without_its_pad_length(client: Client) -> None:
    client.upload(1)
    client.send(raw.frame(raw.DATA, raw.PADDED, 1))
    client.expect_reset(1, raw.FRAME_SIZE_ERROR, also=(raw.FRAME_SIZE_ERROR, raw.PROTOCOL_ERROR))


@case("9113 §5.4.1")
def connection_error_ends_the_connection(client: Client) -> None:
    """GOAWAY names the last stream, and the TCP connection is closed after it."""
    client.closed(1)
    client.closed(3)
    client.send(raw.frame(raw.PING, 0, 3, b"\x00" * 8))
    last = client.expect_goaway(raw.PROTOCOL_ERROR).number(0)
    if last != 3:
        client.fail(f"the last stream is 3, not {last}")


@case("9113 §5.4.1")
def nothing_is_done_after_a_connection_error(client: Client) -> None:
    request = raw.headers(1, raw.block(client.fields()))
    client.send(raw.frame(raw.PING, 0, 3, b"\x00" * 8), request)
    client.expect_goaway(raw.PROTOCOL_ERROR)
    if 1 in client.streams:
        client.fail("a request was answered after a connection error")


@case("9113 §5.4")
def connection_error_is_reported_beside_a_stream_error(client: Client) -> None:
    client.upload(1)
    client.send(raw.window_update(1, 0), raw.frame(raw.PING, 0, 3, b"\x00" * 8))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §5.4.2")
def stream_error_leaves_other_streams_alone(client: Client) -> None:
    client.upload(1, "/echo")
    client.upload(3, more=[("Upper", "x")])
    client.expect_malformed(3)
    client.send(raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9113 §5.4.2", "9113 §5.1")
def frames_after_the_servers_reset_are_ignored(client: Client) -> None:
    """They may have been sent before the reset came."""
    client.reset_by_server(1)
    client.send(
        raw.data(1, b"late"),
        raw.window_update(1, 10),
        raw.priority(1),
        raw.headers(1, raw.block([("late", "trailer")])),
        raw.rst_stream(1),
    )
    client.expect_alive()
    client.expect_served(3)


@case("9113 §5.4.2", "9113 §4.3")
def field_blocks_after_the_servers_reset_are_decoded(client: Client) -> None:
    """What they put in the dynamic table is there for what comes later."""
    client.reset_by_server(1)
    client.send(raw.headers(1, raw.literal("x-kept", "in the table", raw.INDEXING)))
    client.send(raw.headers(3, raw.block(client.fields(path="/fields")) + raw.indexed(62)))
    content = bytes(client.expect_response(3).content)
    if not client.lenient and b"x-kept: in the table\n" not in content:
        client.fail(f"the table has not what was put there: {content!r}")


@case("9113 §5.4.2", "9113 §6.4")
def a_reset_is_not_answered_by_a_reset(client: Client) -> None:
    client.upload(1)
    client.send(raw.rst_stream(1), raw.rst_stream(1), raw.rst_stream(1))
    client.expect_alive()
    if 1 in client.streams and client.streams[1].reset is not None:
        client.fail("RST_STREAM in response to RST_STREAM")


@case("9113 §5.4.2")
def content_after_the_servers_reset_is_given_back(client: Client) -> None:
    """DATA counts against the connection's window even where nobody takes it; so the credit has to come back."""
    for stream in range(1, 65, 2):
        client.reset_by_server(stream)
        for _ in range(3):
            while 65535 - client.credit.get(0, 0) < FULL:
                client.read_frame("WINDOW_UPDATE for the connection")
            client.send(raw.data(stream, bytes(FULL)))
        client.expect_alive()
    client.expect_served(65)


@case("9113 §5.4.3", "9113 §8.1")
def end_of_the_connection_in_a_request(client: Client) -> None:
    """What is incomplete when our side closes is never taken for complete."""
    client.upload(1, "/echo")
    client.send(raw.data(1, b"not all of it"))
    client.expect_alive()
    client.half_close()
    client.expect_closed()
    if client.streams.get(1) is not None and client.streams[1].status == 200:
        client.fail("an incomplete request was answered")


@case("9113 §5.5")
def unknown_settings_and_errors_are_ignored(client: Client) -> None:
    client.change_settings((0xF000, 7), (0x0, 1), (0xFFFF, 2**32 - 1))
    client.upload(1)
    client.send(raw.rst_stream(1, 0xFFFFFFFF))
    client.expect_alive()
    client.expect_served(3)


@case("9113 §5.5", "9113 §4.3", "9113 §6.2")
def unknown_frame_in_a_field_block(client: Client) -> None:
    client.send(raw.headers(1, raw.block(client.fields()), end_headers=False), raw.frame(raw.UNKNOWN, 0, 1))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §4.1")
def frames_cut_anywhere(client: Client) -> None:
    """Where segments begin and end means nothing."""
    whole = raw.headers(1, raw.block(client.fields("POST", "/echo")), end=False)
    whole += raw.data(1, b"abc", pad=3) + raw.ping() + raw.data(1, CONTENT, end=True)
    client._note_sent(whole[: 9 + int.from_bytes(whole[:3], "big")])
    for octet in whole:
        client._write(bytes((octet,)))
    client.expect_response(1, content=b"abc" + CONTENT)
