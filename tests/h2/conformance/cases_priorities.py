"""Priorities: what is left of the old ones (RFC 9113 §5.3, RFC 7540 §5.3), and PRIORITY_UPDATE (RFC 9218)."""

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
