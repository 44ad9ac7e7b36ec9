"""Priorities: what is left of the old ones (RFC 9113 §5.3, RFC 7540 §5.3), and PRIORITY_UPDATE (RFC 9218)."""

from collections.abc import Callable

from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client


@case("7540 §5.3.1")
def headers_that_depend_on_themselves(client: Client) -> None:
    client.send(raw.headers(1, raw.block(client.fields()), depends=raw.dependency(1)))
    client.expect_malformed(1)


@case("7540 §5.3.1")
def priority_that_depends_on_itself(client: Client) -> None:
    client.upload(1)
    client.send(raw.priority(1, 1))
    client.expect_reset(1, raw.PROTOCOL_ERROR)


@case("7540 §5.3.1", "9113 §6.4")
def priority_of_an_idle_stream_that_depends_on_itself(client: Client) -> None:
    """An idle stream cannot be reset, so that the connection ends."""
    client.send(raw.priority(1, 1))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("7540 §5.3.1", each={"closed": 1, "exclusive": -1})
def dependency_on_any_other_stream(client: Client, on: int) -> None:
    client.closed(1)
    client.send(raw.priority(3, 1 if on == 1 else 0, exclusive=on < 0), raw.priority(1, 99), raw.priority(99, 2))
    client.expect_served(3)


@case("7540 §5.3.1", "9113 §5.3.2")
def priorities_that_go_round(client: Client) -> None:
    for stream in (1, 3, 5):
        client.upload(stream, "/echo")
    client.send(raw.priority(1, 3), raw.priority(3, 5), raw.priority(5, 1, 255, exclusive=True))
    for stream in (1, 3, 5):
        client.send(raw.data(stream, b"abc", end=True))
        client.expect_response(stream, content=b"abc")


# RFC 9218


@case("9218 §7.1", each={"open": 1, "idle": 3})
def priority_update_on_a_stream(client: Client, stream: int) -> None:
    client.upload(1)
    client.send(raw.priority_update(1, b"u=1", stream=stream))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9218 §7.1")
def priority_update_of_stream_0(client: Client) -> None:
    client.send(raw.priority_update(0, b"u=1"))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9218 §7.1")
def priority_update_of_a_stream_that_was_never_pushed(client: Client) -> None:
    client.send(raw.priority_update(2, b"u=1"))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9218 §7.1", "9113 §4.2", each={"empty": 0, "three": 3})
def priority_update_that_is_too_short(client: Client, size: int) -> None:
    client.send(raw.frame(raw.PRIORITY_UPDATE, 0, 0, bytes(size)))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9218 §7", each={"urgency": b"u=0", "both": b"u=7, i", "empty": b"", "unknown": b"u=3, x=?0, y", "off": b"i=?0"})
def priority_update(client: Client, value: bytes) -> None:
    """Of a stream that is to come, runs, and is over."""
    client.send(raw.priority_update(1, value))
    client.upload(1, "/echo")
    client.send(raw.priority_update(1, value), raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")
    client.send(raw.priority_update(1, value))
    client.expect_served(3)


# No more idle streams have a priority than could be opened


def prioritize(client: Client, first: int, streams: int) -> None:
    """Give so many streams a priority that are still to be opened."""
    client.send(*(raw.priority_update(first + 2 * number, b"u=1") for number in range(streams)))


def most_streams(client: Client) -> int:
    return client.server_settings[raw.MAX_CONCURRENT_STREAMS]


@case("9218 §7.1")
def priorities_of_as_many_idle_streams_as_may_be_open(client: Client) -> None:
    prioritize(client, 1, most_streams(client))
    prioritize(client, 1, 50)
    client.expect_served(1)


@case("9218 §7.1")
def priorities_of_more_idle_streams_than_may_be_open(client: Client) -> None:
    prioritize(client, 1, most_streams(client) + 1)
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9218 §7.1", each={"as-many": 0, "more": 1})
def priorities_beside_streams_that_are_open(client: Client, more: int) -> None:
    """Streams that are open count too, in whatever state."""
    client.half_closed_remote(1)
    client.upload(3)
    prioritize(client, 5, most_streams(client) - 2 + more)
    if more:
        client.expect_goaway(raw.PROTOCOL_ERROR)
        return
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535))
    client.expect_served(5)


#: How a stream that had a priority is opened: with it, all those below are idle no more (RFC 9113 §5.1.1).
OPENED: dict[str, Callable[[Client, int], None]] = {
    "served": lambda client, stream: client.expect_served(stream),
    "malformed": lambda client, stream: client.reset_by_server(stream),
    "cancelled": lambda client, stream: client.cancelled(stream),
}


@case("9218 §7.1", "9113 §5.1.1", each=OPENED)
def priorities_of_streams_that_are_idle_no_more(client: Client, begin: Callable[[Client, int], None]) -> None:
    """They do not count any more: as many others may have one again."""
    for stream in range(1, 60, 2):
        client.closed(stream)  # of which comes an allowance for priorities
    most = most_streams(client)
    prioritize(client, 61, most)
    begin(client, 59 + 2 * most)
    prioritize(client, 61 + 2 * most, most)
    client.expect_alive()
    prioritize(client, 61 + 4 * most, 1)
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9218 §7.1")
def priorities_of_streams_that_were_all_opened(client: Client) -> None:
    most = most_streams(client)
    prioritize(client, 1, most)
    for stream in range(1, 2 * most, 2):
        client.closed(stream)
        prioritize(client, stream + 2 * most, 1)
    client.expect_served(2 * most + 1)


@case("9218 §7.1", start=False)
def priorities_before_the_limit_is_known(client: Client) -> None:
    """There is none before the client has the server's SETTINGS."""
    client.send(raw.PREFACE, raw.settings())
    prioritize(client, 1, 150)
    while client._unacknowledged or not client.settings_frames:
        client.read_frame("SETTINGS")
    client.send(raw.settings_ack())
    client.expect_served(1)


BAD_VALUES = {
    "syntax": b"u=",
    "octets": b"\x00\xff\xfe",
    "urgency-too-large": b"u=8",
    "urgency-negative": b"u=-1",
    "urgency-text": b'u="1"',
    "incremental-number": b"i=1",
    "comma": b"u=1,",
    "upper-case": b"U=1",
    "long": b"u=1, x" + b"y" * 5000,
}


@case("9218 §4", "9218 §7", each=BAD_VALUES)
def priority_update_that_says_nothing(client: Client, value: bytes) -> None:
    """A value that cannot be understood is as if it were not there."""
    client.upload(1, "/echo")
    client.send(raw.priority_update(1, value), raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9218 §5", each={**BAD_VALUES, "good": b"u=5, i"})
def priority_field(client: Client, value: bytes) -> None:
    value = b"?" if value == BAD_VALUES["octets"] else value
    client.request(1, more=[("priority", value)])
    client.expect_response(1, content=CONTENT)


@case("9218 §7.1", "9113 §4.1")
def priority_update_ignores_flags(client: Client) -> None:
    client.send(raw.frame(raw.PRIORITY_UPDATE, 0xFF, 0, (1).to_bytes(4, "big") + b"u=1"))
    client.expect_served(1)


@case("9218 §2.1", each={"2": 2, "largest": 2**32 - 1})
def no_rfc7540_priorities_of_another_value(client: Client, value: int) -> None:
    client.send(raw.settings((raw.NO_RFC7540_PRIORITIES, value)))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9218 §2.1", start=False, each={"0": 0, "1": 1})
def no_rfc7540_priorities(client: Client, value: int) -> None:
    client.start((raw.NO_RFC7540_PRIORITIES, value))
    client.send(raw.priority(1, 3))
    client.expect_served(1)
