"""Each state of a stream with each type of frame (RFC 9113 §5.1), identifiers (§5.1.1), concurrency (§5.1.2)."""

from collections.abc import Callable

from tests.h2 import raw_frames as raw
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client

TRAILERS = raw.block([("x-checksum", "1")])

# idle: anything but HEADERS and PRIORITY is a connection error

ON_IDLE = {
    "data": raw.data(1, b"x"),
    "data-end": raw.data(1, b"", end=True),
    "rst-stream": raw.rst_stream(1),
    "window-update": raw.window_update(1, 100),
    "continuation": raw.continuation(1, b"\x82\x84\x86"),
    "window-update-servers": raw.window_update(2, 100),
    "data-servers": raw.data(2, b"x"),
    "data-later": raw.data(101, b"x"),
}


@case("9113 §5.1", each=ON_IDLE)
def frame_on_an_idle_stream(client: Client, frame: bytes) -> None:
    client.send(frame)
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §5.1", each={"clients": 1, "servers": 2, "later": 77})
def priority_on_an_idle_stream(client: Client, stream: int) -> None:
    client.send(raw.priority(stream))
    client.expect_alive()
    client.expect_served(79)


# open


@case("9113 §5.1", "9113 §8.1")
def frames_on_an_open_stream(client: Client) -> None:
    client.upload(1, "/echo")
    client.send(
        raw.window_update(1, 5), raw.priority(1), raw.data(1, b"ab"), raw.data(1, b"c"), raw.headers(1, TRAILERS)
    )
    client.expect_response(1, content=b"abc")


@case("9113 §5.1")
def rst_stream_on_an_open_stream(client: Client) -> None:
    client.upload(1)
    client.send(raw.rst_stream(1))
    client.expect_alive()
    client.expect_served(3)


# half-closed (remote): the client has said that it is done

AFTER_END = {
    "data": raw.data(1, b"x"),
    "data-end": raw.data(1, b"x", end=True),
    "data-empty": raw.data(1, b"", end=True),
    "headers": raw.headers(1, TRAILERS),
    "headers-open": raw.headers(1, TRAILERS, end=False),
}


@case("9113 §5.1", each=AFTER_END)
def frame_on_a_half_closed_remote_stream(client: Client, frame: bytes) -> None:
    client.half_closed_remote(1)
    client.send(frame)
    client.expect_reset(1, raw.STREAM_CLOSED)


@case("9113 §5.1", "9113 §8.1")
def second_request_on_a_half_closed_remote_stream(client: Client) -> None:
    client.half_closed_remote(1)
    client.request(1)
    client.expect_reset(1, raw.STREAM_CLOSED)


@case("9113 §5.1", "9113 §6.10")
def continuation_on_a_half_closed_remote_stream(client: Client) -> None:
    client.half_closed_remote(1)
    client.send(raw.continuation(1, b"\x82"))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §5.1", each={"window-update": raw.window_update(1, 100), "priority": raw.priority(1, 3)})
def permitted_frame_on_a_half_closed_remote_stream(client: Client, frame: bytes) -> None:
    client.half_closed_remote(1)
    client.send(frame)
    client.expect_alive()
    client.send(raw.window_update(1, 65535))
    client.expect_response(1)


@case("9113 §5.1")
def rst_stream_on_a_half_closed_remote_stream(client: Client) -> None:
    client.half_closed_remote(1)
    client.send(raw.rst_stream(1))
    client.expect_alive()
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    client.expect_served(3)


@case("9113 §5.1", each={"request": [b""], "data": [raw.data(1, b"x")]})
def end_and_what_follows_at_once(client: Client, before: list[bytes]) -> None:
    """What comes behind END_STREAM in the same segment is an error too."""
    head = raw.headers(1, raw.block(client.fields("POST", "/large")), end=before == [b""])
    end = [] if before == [b""] else [raw.data(1, b"", end=True)]
    client.send(raw.settings((raw.INITIAL_WINDOW_SIZE, 0)), head, *filter(None, before), *end, raw.data(1, b"late"))
    client.expect_reset(1, raw.STREAM_CLOSED)


# half-closed (local): the server has said that it is done

TO_HALF_CLOSED_LOCAL: dict[str, list[bytes]] = {
    "data": [raw.data(1, b"x"), raw.data(1, b"", end=True)],
    "trailers": [raw.data(1, b"x"), raw.headers(1, TRAILERS)],
    "window-update": [raw.window_update(1, 1)],
    "priority": [raw.priority(1, 3)],
    "rst-stream": [raw.rst_stream(1)],
}


@case("9113 §5.1", "9113 §8.1", each=TO_HALF_CLOSED_LOCAL)
def frame_on_a_half_closed_local_stream(client: Client, frames: list[bytes]) -> None:
    """The server may reset such a stream with NO_ERROR; what comes then is ignored."""
    client.half_closed_local(1)
    client.send(*frames)
    client.expect_no_reset(1)
    client.expect_served(3)


# closed, with END_STREAM from both sides


@case("9113 §5.1", "9113 §6.1", each={"data": b"x", "empty": b""})
def data_on_a_closed_stream(client: Client, content: bytes) -> None:
    client.closed(1)
    client.send(raw.data(1, content, end=True))
    client.expect_reset(1, raw.STREAM_CLOSED, also=(raw.STREAM_CLOSED,))


@case("9113 §5.1", "9113 §5.1.1", each={"trailers": TRAILERS, "request": None})
def headers_on_a_closed_stream(client: Client, block: bytes | None) -> None:
    """Identifiers are not used again (§5.1.1)."""
    client.closed(1)
    client.send(raw.headers(1, raw.block(client.fields()) if block is None else block))
    client.expect_goaway(raw.STREAM_CLOSED)


@case("9113 §5.1", "9113 §6.10")
def continuation_on_a_closed_stream(client: Client) -> None:
    client.closed(1)
    client.send(raw.continuation(1, TRAILERS))
    client.expect_goaway(raw.PROTOCOL_ERROR)


PERMITTED_ON_CLOSED = {
    "window-update": raw.window_update(1, 100),
    "priority": raw.priority(1, 3),
    "rst-stream": raw.rst_stream(1),
}


@case("9113 §5.1", "9113 §6.9", each=PERMITTED_ON_CLOSED)
def permitted_frame_on_a_closed_stream(client: Client, frame: bytes) -> None:
    client.closed(1)
    client.send(frame)
    client.expect_alive()
    client.expect_served(3)


# closed, with RST_STREAM from the client


@case("9113 §5.1", "9113 §6.1")
def data_after_our_reset(client: Client) -> None:
    client.cancelled(1)
    client.send(raw.data(1, b"x", end=True))
    client.expect_reset(1, raw.STREAM_CLOSED, also=(raw.STREAM_CLOSED,))


@case("9113 §5.1", each={"trailers": TRAILERS, "request": None})
def headers_after_our_reset(client: Client, block: bytes | None) -> None:
    client.cancelled(1)
    client.send(raw.headers(1, raw.block(client.fields()) if block is None else block))
    client.expect_reset(1, raw.STREAM_CLOSED, also=(raw.STREAM_CLOSED,))


@case("9113 §5.1", "9113 §6.10")
def continuation_after_our_reset(client: Client) -> None:
    client.cancelled(1)
    client.send(raw.continuation(1, TRAILERS))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §5.1", each=PERMITTED_ON_CLOSED)
def permitted_frame_after_our_reset(client: Client, frame: bytes) -> None:
    client.cancelled(1)
    client.send(frame)
    client.expect_alive()
    client.expect_served(3)


@case("9113 §5.1")
def reset_of_a_response_that_runs(client: Client) -> None:
    """The rest of it does not come; the connection and its window go on."""
    client.request(1, "/large")
    client.read_frame("the head of the response")
    client.send(raw.rst_stream(1))
    client.expect_alive()
    client.send(raw.window_update(0, 2**20))
    client.expect_served(3)


# closed, with RST_STREAM from the server: what comes may have been under way, so that it is ignored

UNDER_WAY = {
    "data": raw.data(1, b"x"),
    "data-end": raw.data(1, b"x", end=True),
    "headers": raw.headers(1, TRAILERS),
    "window-update": raw.window_update(1, 100),
    "rst-stream": raw.rst_stream(1),
    "priority": raw.priority(1, 3),
    "window-update-0": raw.window_update(1, 0),
    "window-overflow": raw.window_update(1, raw.LARGEST) * 2,
    "priority-of-another-size": raw.frame(raw.PRIORITY, 0, 1, bytes(4)),
    "priority-on-itself": raw.priority(1, 1),
    "second-request": raw.headers(1, raw.block([(":method", "GET"), (":scheme", "http"), (":path", "/")])),
}


@case("9113 §5.1", "9113 §5.4.2", "9113 §6.4", each=UNDER_WAY)
def frame_after_the_servers_reset(client: Client, frame: bytes) -> None:
    client.reset_by_server(1)
    client.send(frame)
    client.expect_alive()
    client.expect_served(3)


#: What a client sends behind END_STREAM before it knows that the server has reset the stream for the first of it.
BEHIND_THE_END = {
    "data": [raw.data(1, b"x"), raw.data(1, b"x"), raw.data(1, b"x", end=True)],
    "headers": [raw.headers(1, TRAILERS), raw.headers(1, TRAILERS), raw.headers(1, TRAILERS, end=False)],
    "data-headers": [raw.data(1, b"x"), raw.headers(1, TRAILERS), raw.data(1, b"x")],
    "headers-data": [raw.headers(1, TRAILERS), raw.data(1, b""), raw.window_update(1, 0), raw.rst_stream(1)],
    "window-update-0": [raw.window_update(1, 0), raw.data(1, b"x"), raw.headers(1, TRAILERS)],
    "priority-of-another-size": [raw.frame(raw.PRIORITY, 0, 1, bytes(4)), raw.data(1, b"x")],
}


@case("9113 §5.1", "9113 §5.4.2", "9113 §6.4", each=BEHIND_THE_END)
def frames_behind_the_end_after_the_servers_reset(client: Client, frames: list[bytes]) -> None:
    """The first of them is the error; the others were under way when the server reset the stream."""
    client.half_closed_remote(1)
    client.send(*frames)
    client.expect_reset(1, raw.STREAM_CLOSED, raw.PROTOCOL_ERROR, raw.FRAME_SIZE_ERROR)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    client.expect_served(3)


LATE = {"data": raw.data(1, b"x"), "headers": raw.headers(1, TRAILERS)}


@case("9113 §5.1", "9113 §5.4.2", "9113 §8.1.1", each=LATE)
def frame_behind_the_end_of_a_malformed_request(client: Client, frame: bytes) -> None:
    client.send(raw.headers(1, raw.block(client.fields(more=[("Upper", "x")]))), frame, frame)
    client.expect_malformed(1)
    client.expect_served(3)


@case("9113 §5.1", "9113 §5.1.2", "9113 §5.4.2")
def frames_behind_the_end_of_a_refused_request(client: Client) -> None:
    most = client.server_settings.get(raw.MAX_CONCURRENT_STREAMS, 0)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for number in range(most):
        client.request(2 * number + 1)
    client.expect_alive()
    refused = 2 * most + 1
    client.request(refused)
    client.send(raw.data(refused, b"x"), raw.headers(refused, TRAILERS), raw.data(refused, b"x", end=True))
    client.expect_reset(refused, raw.REFUSED_STREAM, raw.PROTOCOL_ERROR)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    client.expect_response(1)
    client.expect_served(refused + 2)


@case("9113 §5.1", "9113 §6.10")
def continuation_after_the_servers_reset(client: Client) -> None:
    client.reset_by_server(1)
    client.send(raw.continuation(1, TRAILERS))
    client.expect_goaway(raw.PROTOCOL_ERROR)


# Many streams later, states are still known well enough

LATER: dict[str, Callable[[Client], None]] = {
    "closed": lambda client: client.closed(1),
    "cancelled": lambda client: client.cancelled(1),
}


@case("9113 §5.1", each=LATER)
def window_update_long_after_the_end(client: Client, close: Callable[[Client], None]) -> None:
    close(client)
    for stream in range(3, 400, 2):
        client.closed(stream)
    client.send(raw.window_update(1, 1), raw.rst_stream(1), raw.priority(1))
    client.expect_alive()
    client.expect_served(401)


@case("9113 §5.1", each=LATER)
def data_long_after_the_end(client: Client, close: Callable[[Client], None]) -> None:
    close(client)
    for stream in range(3, 400, 2):
        client.closed(stream)
    client.send(raw.data(1, b"x"))
    client.expect_reset(1, raw.STREAM_CLOSED, also=(raw.STREAM_CLOSED,))


# §5.1.1 identifiers


@case("9113 §5.1.1", "9113 §5.1", each={"two": 2, "large": 2**31 - 2})
def even_identifier(client: Client, stream: int) -> None:
    client.request(stream)
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §5.1.1", each={"after-a-closed-one": True, "after-an-open-one": False})
def lower_identifier(client: Client, end: bool) -> None:
    client.request(5, method="POST", end=end)
    if end:
        client.expect_response(5)
    client.request(3)
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §5.1.1")
def lower_identifier_after_our_reset(client: Client) -> None:
    client.cancelled(5)
    client.request(3)
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §5.1.1", each={"data": raw.data(3, b"x"), "headers": raw.headers(3, TRAILERS)})
def skipped_identifier(client: Client, frame: bytes) -> None:
    """A stream that was skipped is closed."""
    client.closed(5)
    client.send(frame)
    client.expect_goaway(raw.PROTOCOL_ERROR, raw.STREAM_CLOSED)


@case("9113 §5.1.1", each={"window-update": raw.window_update(3, 1), "priority": raw.priority(3)})
def permitted_frame_with_a_skipped_identifier(client: Client, frame: bytes) -> None:
    client.closed(5)
    client.send(frame)
    client.expect_alive()
    client.expect_served(7)


@case("9113 §5.1.1")
def largest_identifier(client: Client) -> None:
    client.expect_served(2**31 - 1)


@case("9113 §5.1.1")
def first_identifier_is_any(client: Client) -> None:
    client.expect_served(1_000_001)


# §5.1.2 concurrency


@case("9113 §5.1.2", each={"half-closed": True, "open": False})
def more_streams_than_allowed(client: Client, end: bool) -> None:
    most = client.server_settings.get(raw.MAX_CONCURRENT_STREAMS, 0)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for number in range(most):
        client.request(2 * number + 1, method="GET" if end else "POST", end=end)
    client.expect_alive()
    for number in range(most, most + 3):
        client.request(2 * number + 1)
        client.expect_reset(2 * number + 1, raw.REFUSED_STREAM, raw.PROTOCOL_ERROR)
    client.send(raw.rst_stream(1))
    client.expect_alive()
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    client.expect_served(2 * (most + 3) + 1)


@case("9113 §5.1.2")
def as_many_streams_as_allowed(client: Client) -> None:
    most = client.server_settings.get(raw.MAX_CONCURRENT_STREAMS, 0)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for number in range(most):
        client.request(2 * number + 1)
    client.expect_alive()
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    for number in range(most):
        client.expect_response(2 * number + 1)
    client.expect_served(2 * most + 1)


@case("9113 §5.1.2", "9113 §4.3")
def field_blocks_of_refused_streams_are_decoded(client: Client) -> None:
    most = client.server_settings.get(raw.MAX_CONCURRENT_STREAMS, 0)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for number in range(most):
        client.request(2 * number + 1)
    refused = 2 * most + 1
    client.send(raw.headers(refused, raw.block(client.fields()) + raw.literal("x-kept", "in the table", raw.INDEXING)))
    client.expect_reset(refused, raw.REFUSED_STREAM, raw.PROTOCOL_ERROR)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    for number in range(most):
        client.expect_response(2 * number + 1)
    client.send(raw.headers(refused + 2, raw.block(client.fields(path="/fields")) + raw.indexed(62)))
    content = bytes(client.expect_response(refused + 2).content)
    if not client.lenient and b"x-kept: in the table\n" not in content:
        client.fail(f"the table has not what was put there: {content!r}")
