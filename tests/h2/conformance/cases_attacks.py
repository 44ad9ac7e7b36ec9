"""Attacks on the resources of a server (RFC 9113 §10.5): what each may cost, and how it ends.

A flood ends in GOAWAY with ENHANCE_YOUR_CALM.  What looks like a flood and is none stands in ``cases_honest.py``.
"""

from collections.abc import Callable

from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client

#: Frames of a flood: a hundred times what is put up with.
MANY = 20_000
#: Streams of an attack that opens one after another.
STREAMS = range(1, 6001, 2)


def flood(client: Client, *frames: bytes) -> None:
    """Send these again and again, as long as anybody takes them."""
    for _ in range(MANY // 100):
        client.send(*frames * 100)
        if client.is_over():
            return


def expect_few(client: Client) -> None:
    """Not many streams came to anything before it was too much."""
    if (many := sum(1 for exchange in client.streams.values() if exchange.reset is not None or exchange.status)) > 600:
        client.fail(f"{many} streams were answered or reset before it was too much")


# Requests that are taken back (rapid reset)


@case("9113 §10.5")
def rapid_reset(client: Client) -> None:
    for stream in STREAMS:
        client.send(raw.headers(stream, raw.block(client.fields())), raw.rst_stream(stream))
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)
    expect_few(client)


@case("9113 §10.5")
def rapid_reset_of_uploads(client: Client) -> None:
    for stream in STREAMS:
        head = raw.headers(stream, raw.block(client.fields("POST", "/echo")), end=False)
        client.send(head, raw.data(stream, bytes(17)), raw.rst_stream(stream, raw.NO_ERROR))
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


# Requests that we are made to reset (MadeYouReset)


#: What makes us reset a stream whose request is complete, by its identifier.
PRIMITIVES: dict[str, Callable[[int], bytes]] = {
    "window-update-of-0": lambda stream: raw.window_update(stream, 0),
    "window-overflow": lambda stream: raw.window_update(stream, raw.LARGEST) * 2,
    "priority-of-another-size": lambda stream: raw.frame(raw.PRIORITY, 0, stream, bytes(4)),
    "priority-on-itself": lambda stream: raw.priority(stream, stream),
    "data-after-the-end": lambda stream: raw.data(stream, b"x"),
    "headers-after-the-end": lambda stream: raw.headers(stream, raw.block([("x", "y")])),
    "much-after-the-end": lambda stream: raw.data(stream, b"x") * 2 + raw.headers(stream, raw.block([("x", "y")])) * 2,
}


@case("9113 §10.5", "9113 §5.4.2", each=PRIMITIVES)
def made_you_reset(client: Client, primitive: Callable[[int], bytes]) -> None:
    for stream in STREAMS:
        client.send(raw.headers(stream, raw.block(client.fields(path="/large"))), primitive(stream))
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)
    expect_few(client)


@case("9113 §10.5", "9113 §5.4.2", each=PRIMITIVES)
def made_you_reset_responses_that_wait(client: Client, primitive: Callable[[int], bytes]) -> None:
    """The response is there, and waits for a window that never opens; nobody has been served."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for stream in STREAMS:
        client.request(stream)
        while not client.is_over() and (stream not in client.streams or client.streams[stream].status is None):
            client.read_frame("the head of the response")
        client.send(primitive(stream))
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


@case("9113 §10.5", each={"content-length": [("content-length", "5")], "upper-case": [("Upper", "x")]})
def malformed_requests_without_end(client: Client, more: list[raw.Field]) -> None:
    for stream in STREAMS:
        client.request(stream, more=more)
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


@case("9113 §10.5", "9113 §5.1.2")
def refused_streams_without_end(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for stream in STREAMS:
        client.request(stream)
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


@case("9113 §5.1.2", start=False)
def many_streams_before_the_settings_are_known(client: Client) -> None:
    """The limit holds from the first stream on; what is beyond is refused, and can be asked for again."""
    client.send(raw.PREFACE, raw.settings((raw.INITIAL_WINDOW_SIZE, 0)))
    request = raw.block(client.fields())
    client.send(*(raw.headers(stream, request) for stream in range(1, 301, 2)))
    while not client.settings_frames or client._unacknowledged:
        client.read_frame("SETTINGS")
    client.expect_alive()
    most = client.server_settings[raw.MAX_CONCURRENT_STREAMS]
    for stream in range(2 * most + 1, 301, 2):
        client.expect_reset(stream, raw.REFUSED_STREAM)
    if any(client.streams[stream].reset is not None for stream in range(1, 2 * most, 2) if stream in client.streams):
        client.fail("a stream below the limit was refused")


# Field blocks


@case("9113 §10.5", "9113 §6.10", each={"octets": b"a" * 100, "nothing": b"", "one": b"a"})
def continuation_flood(client: Client, fragment: bytes) -> None:
    client.send(raw.headers(1, raw.literal("x", "y"), end_headers=False))
    flood(client, raw.continuation(1, fragment, end_headers=False))
    client.expect_goaway(raw.ENHANCE_YOUR_CALM, *((raw.COMPRESSION_ERROR,) if fragment else ()))


@case("9113 §10.5", "9113 §6.10")
def continuation_flood_of_large_frames(client: Client) -> None:
    """It ends long before there is a field block to decode."""
    client.send(raw.headers(1, raw.literal("x", "y" * 16000), end_headers=False))
    fragment = raw.continuation(1, raw.literal("x", "y" * 16000), end_headers=False)
    for _ in range(1000):
        client.send_raw(fragment)
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


@case("9113 §10.5", each={"seven": 7, "eight": 8})
def as_many_continuations_as_allowed(client: Client, pieces: int) -> None:
    block = raw.block(client.fields())
    parts = [block[at : at + 2] for at in range(0, 2 * pieces, 2)]
    client.send(raw.headers(1, parts[0], end_headers=False))
    client.send(*(raw.continuation(1, part, end_headers=False) for part in parts[1:]))
    client.send(raw.continuation(1, block[2 * pieces :]))
    client.expect_response(1, content=CONTENT)


@case("9113 §10.5.1", "7541 §7.3", each={"static": False, "dynamic": True})
def hpack_bomb(client: Client, dynamic: bool) -> None:
    """16 KiB that stand for 60 MB: 431 on its stream; others go on, and the table is as it was."""
    client.upload(1, "/echo")
    bomb = raw.indexed(62) if dynamic else raw.indexed(38)
    client.request(3, more=[])
    client.expect_response(3)
    client.send(raw.headers(5, raw.block(client.fields()) + raw.literal("x-bomb", "b" * 3900, raw.INDEXING)))
    client.expect_response(5)
    client.send(raw.headers(7, raw.block(client.fields()) + bomb * 15000))
    client.expect_response(7, status=431)
    client.send(raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")
    client.send(raw.headers(9, raw.block(client.fields(path="/fields")) + raw.indexed(62)))
    if b"x-bomb: bbb" not in client.expect_response(9).content:
        client.fail("the table has not what was put there")


@case("9113 §10.5.1")
def head_beyond_the_limit(client: Client) -> None:
    """The decoded head counts, however it was sent."""
    fields = [(f"x-{number}", "v" * 3000) for number in range(24)]
    block = raw.block(client.fields(more=fields))
    parts = raw.cut(block, 16384)
    client.send(
        raw.headers(1, parts[0], end_headers=False),
        *(raw.continuation(1, part, end_headers=part is parts[-1]) for part in parts[1:]),
    )
    client.expect_response(1, status=431)
    client.expect_served(3)


@case("9113 §10.5.1")
def more_fields_than_the_limit(client: Client) -> None:
    client.request(1, more=[(f"x-{number}", "v") for number in range(500)])
    client.expect_response(1, status=431)
    client.expect_served(3)


@case("9113 §10.5.1")
def head_beyond_the_limit_decodes_to_its_end(client: Client) -> None:
    """What it puts in the table behind the limit is there for the next request."""
    more = b"".join(raw.literal(f"x-{number}", "v") for number in range(500))
    kept = raw.literal("x-kept", "in the table", raw.INDEXING)
    client.send(raw.headers(1, raw.block(client.fields()) + more + kept))
    client.expect_response(1, status=431)
    client.send(raw.headers(3, raw.block(client.fields(path="/fields")) + raw.indexed(62)))
    if b"x-kept: in the table\n" not in client.expect_response(3).content:
        client.fail("the table has not what was put there")


@case("9113 §10.5.1")
def hpack_error_behind_the_limit(client: Client) -> None:
    client.send(raw.headers(1, raw.block(client.fields()) + raw.indexed(38) * 2000 + raw.indexed(0)))
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("9113 §10.5.1")
def trailers_beyond_the_limit(client: Client) -> None:
    """The application never sees the end of such a message."""
    client.upload(1, "/echo")
    client.send(raw.data(1, b"abc"), raw.headers(1, raw.block([(f"x-{number}", "v") for number in range(500)])))
    while (exchange := client.streams.get(1)) is None or not (exchange.ended or exchange.reset is not None):
        client.read_frame("431, or RST_STREAM")
    if exchange.status not in {None, 431}:
        client.fail(f"status {exchange.status} for a request with trailers beyond the limit")
    client.expect_served(3)


def send_section(client: Client, stream: int, fields: list[raw.Field], *, end: bool) -> None:
    """A field section, in as many frames as it takes."""
    first, *others = raw.cut(raw.block(fields), 16384)
    client.send(
        raw.headers(stream, first, end=end, end_headers=not others),
        *(raw.continuation(stream, part, end_headers=part is others[-1]) for part in others),
    )


def send_message(client: Client, stream: int, fields: int, octets: int) -> None:
    """A head with so many fields, whose values have so many octets; content; and trailers with as many."""
    more = [(f"x-{number}", "v" * octets) for number in range(fields)]
    send_section(client, stream, client.fields("POST", "/echo", more), end=False)
    client.send(raw.data(stream, b"abc"))
    send_section(client, stream, more, end=True)


@case("9113 §10.5.1", each={"fields": (60, 1), "octets": (12, 3000)})
def head_and_trailers_beyond_the_limit(client: Client, size: tuple[int, int]) -> None:
    """Neither is by itself: they share the limits."""
    for stream in (1, 3):  # the second head may be known already
        send_message(client, stream, *size)
        client.expect_response(stream, status=431)
    client.expect_served(5)


@case("9113 §10.5.1", each={"fields": (49, 1), "octets": (10, 3000)})
def head_and_trailers_within_the_limit(client: Client, size: tuple[int, int]) -> None:
    for stream in (1, 3):
        send_message(client, stream, *size)
        client.expect_response(stream, content=b"abc")


@case("9113 §10.5.1")
def bombs_without_end(client: Client) -> None:
    """Decoding costs too: requests that have to be refused add up."""
    block = raw.block(client.fields()) + raw.indexed(38) * 15000
    for stream in range(1, 1001, 2):
        client.send(raw.headers(stream, block))
        if client.is_over():
            break
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


# Frames that do nothing


FLOODS: dict[str, bytes | list[bytes]] = {
    "ping": raw.ping(),
    "ping-acknowledgement": raw.ping(ack=True),
    "settings": raw.settings((raw.INITIAL_WINDOW_SIZE, 65535)),
    "settings-empty": raw.settings(),
    "settings-windows": [raw.settings((raw.INITIAL_WINDOW_SIZE, size)) for size in (1, 2)],
    "settings-tables": [raw.settings((raw.HEADER_TABLE_SIZE, size)) for size in (0, 4096)],
    "priority": raw.priority(1),
    "priority-idle": raw.priority(99, 97),
    "priority-update": raw.priority_update(1, b"u=1"),
    "priority-update-idle": raw.priority_update(99, b"u=1"),
    "unknown": raw.frame(raw.UNKNOWN, 0, 0, b"x"),
    "unknown-empty": raw.frame(raw.UNKNOWN, 0, 1),
    "unknown-large": raw.frame(raw.UNKNOWN, 0, 0, bytes(1000)),
    "data-empty": raw.data(1, b""),
    "data-padding": raw.data(1, b"", pad=3),
    "data-no-padding": raw.data(1, b"", pad=0),
    "window-update-stream": raw.window_update(1, 1),
    "window-update-connection": raw.window_update(0, 1),
    "window-update-closed": raw.window_update(3, 1),
    "rst-stream-closed": raw.rst_stream(3),
    "goaway": raw.goaway(),
    "data-closed": raw.data(5, b""),
    "headers-closed": raw.headers(5, b""),
    "data-after-the-end": raw.data(7, b""),
    "headers-after-the-end": raw.headers(7, b""),
}


@case("9113 §10.5", each=FLOODS)
def flood_of(client: Client, frames: bytes | list[bytes]) -> None:
    client.upload(1)
    client.closed(3)
    client.reset_by_server(5)
    client.half_closed_remote(7)
    flood(client, *([frames] if isinstance(frames, bytes) else frames))
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


@case("9113 §10.5", "9113 §6.5")
def settings_of_very_many_values(client: Client) -> None:
    client.send(raw.settings(*((raw.INITIAL_WINDOW_SIZE, number) for number in range(2000))))
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


@case("9113 §10.5", "9218 §7.1")
def priorities_of_very_many_streams(client: Client) -> None:
    """Nothing is kept for each of the streams that may or may not come."""
    for number in range(100):
        for stream in range(1 + 200 * number, 201 + 200 * number, 2):
            client.send_raw(raw.priority_update(stream, b"u=1"))
        if client.is_over():
            break
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §10.5", "9113 §6.1")
def upload_of_padding(client: Client) -> None:
    """Its windows come back, so that it could go on for ever."""
    client.upload(1)
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    for _ in range(5000):
        while not client.is_over() and min(initial - client.credit.get(1, 0), 65535 - client.credit.get(0, 0)) < 256:
            client.read_frame("WINDOW_UPDATE")
        if client.is_over():
            break
        client.send(raw.data(1, b"", pad=255))
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


# A peer that reads nothing


@case("9113 §10.5", server=False, each={"ping": raw.ping(), "settings": raw.settings()})
def acknowledgements_that_nobody_reads(client: Client, frame: bytes) -> None:
    """Slow enough for every budget; then what waits to be read is too much."""
    client.deaf = True
    for _ in range(100_000):
        client.time_passes(1)
        client.send(frame)
        if client.is_over():
            break
    client.deaf = False
    waiting = client.waiting_octets()
    if waiting > 2**18:
        client.fail(f"{waiting} octets wait for a peer that reads nothing")
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


@case("9113 §10.5", server=False)
def resets_that_nobody_reads(client: Client) -> None:
    client.deaf = True
    for stream in range(1, 400_001, 2):
        client.time_passes(1)
        client.send_raw(raw.headers(stream, raw.block([("X", "y")])))
        if client.is_over():
            break
    client.deaf = False
    client._highest = stream
    if (waiting := client.waiting_octets()) > 2**18:
        client.fail(f"{waiting} octets wait for a peer that reads nothing")
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)
