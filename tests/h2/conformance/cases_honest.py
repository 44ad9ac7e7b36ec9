"""What honest clients do, fast and much of it: none of this may ever be taken for an attack."""

import hpack
from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT, LARGE
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client


def many_requests(client: Client, requests: int) -> None:
    """A load generator: 100 streams at a time; it gives back each window as soon as it is used."""
    encoder = hpack.Encoder()
    waiting: set[int] = set()
    given = 0
    stream = 1
    last = 2 * requests - 1
    while stream <= last or waiting:
        burst = []
        while stream <= last and len(waiting) < 100:
            burst.append(raw.headers(stream, encoder.encode(client.fields())))
            waiting.add(stream)
            stream += 2
        if burst:
            client.send(*burst)
        received = client.read_frame("responses")
        if received.kind == raw.DATA and received.payload:
            given += 1
            client.send(raw.window_update(received.stream, len(received.payload)))
            client.send(raw.window_update(0, len(received.payload)))
        if received.stream in waiting and client.streams[received.stream].ended:
            waiting.discard(received.stream)
            exchange = client.streams.pop(received.stream)
            if exchange.status != 200 or exchange.content != CONTENT:
                client.fail(f"status {exchange.status}, {bytes(exchange.content[:64])!r} on stream {received.stream}")
            del client.log[:-20]
    client.expect_alive()
    if given < requests:
        client.fail("DATA came in less frames than there were requests")


@case("9113 §10.5", server=False)
def twenty_thousand_requests(client: Client) -> None:
    many_requests(client, 20_000)


@case("9113 §10.5", engine=False)
def two_thousand_requests(client: Client) -> None:
    many_requests(client, 2_000)


@case("9113 §10.5")
def a_page_of_images_is_cancelled(client: Client) -> None:
    """A hundred requests at once, and the user goes to another page."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 1000))
    client.send(raw.window_update(0, 2**20))
    streams = range(1, 200, 2)
    client.send(*(raw.headers(stream, raw.block(client.fields(path="/large"))) for stream in streams))
    client.expect_alive()
    client.send(*(raw.rst_stream(stream) for stream in streams))
    client.expect_alive()
    client.expect_served(201)


@case("9113 §10.5")
def a_page_is_left_for_another(client: Client) -> None:
    """A hundred requests are cancelled and a hundred others made, at once; what is refused is asked for again."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 1000))
    client.send(raw.window_update(0, 2**20))
    first, second = range(1, 200, 2), range(201, 400, 2)
    client.send(*(raw.headers(stream, raw.block(client.fields(path="/large"))) for stream in first))
    client.expect_alive()
    client.send(
        *(raw.rst_stream(stream) for stream in first),
        *(raw.headers(stream, raw.block(client.fields())) for stream in second),
    )
    client.expect_alive()
    refused = [stream for stream in second if stream in client.streams and client.streams[stream].reset is not None]
    if any(client.streams[stream].reset != raw.REFUSED_STREAM for stream in refused):
        client.fail("another error than REFUSED_STREAM")
    for stream in second:
        if stream not in refused:
            client.expect_response(stream, content=CONTENT)
    for number in range(len(refused)):
        client.expect_served(401 + 2 * number)


@case("9113 §10.5")
def pages_of_images_are_cancelled_one_after_another(client: Client) -> None:
    """A user who looks at the begin of each page, and goes on at once."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 1000))
    for first in range(1, 1200, 200):
        streams = range(first, first + 200, 2)
        client.send(raw.window_update(0, 2**20))
        client.send(*(raw.headers(stream, raw.block(client.fields(path="/large"))) for stream in streams))
        for stream in streams:
            while stream not in client.streams or not (
                client.streams[stream].content or client.streams[stream].reset == raw.REFUSED_STREAM
            ):
                client.read_frame("an image")
        client.send(*(raw.rst_stream(stream) for stream in streams if client.streams[stream].content))
        client.expect_alive()
    client.expect_served(1201)


@case("9113 §10.5", server=False)
def a_page_of_images_is_cancelled_now_and_then(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 1000))
    stream = 1
    for _ in range(50):
        client.send(raw.window_update(0, 2**20))
        streams = range(stream, stream + 200, 2)
        client.send(*(raw.headers(stream, raw.block(client.fields(path="/large"))) for stream in streams))
        client.send(*(raw.rst_stream(stream) for stream in streams))
        client.expect_alive()
        stream += 200
        client.expect_served(stream)
        stream += 2
        client.time_passes(5)


@case("9113 §10.5", "9113 §6.7", server=False)
def keep_alive_pings(client: Client) -> None:
    """One every ten seconds, for a day."""
    for _ in range(8640):
        client.time_passes(10)
        client.send(raw.ping())
    client.expect_served(1)


@case("9113 §10.5", "9113 §6.7")
def a_ping_with_each_request(client: Client) -> None:
    """Some clients measure the connection as they go (and grow their windows by that)."""
    for stream in range(1, 1000, 2):
        client.send(raw.headers(stream, raw.block(client.fields())), raw.ping(b"measured"))
        client.expect_response(stream, content=CONTENT)
        client.send(raw.window_update(0, len(CONTENT)))


@case("9113 §10.5", "9113 §6.1", each={"octets-1": 1, "octets-10": 10, "octets-64": 64, "octets-300": 300})
def upload_in_small_frames(client: Client, size: int) -> None:
    """Messages of a stream of events: small, many, and each of use; a lonely octet is rare."""
    frames = 150 if size == 1 else 1000 if size == 10 else 5000
    client.upload(1, "/length")
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    for _ in range(frames):
        while min(initial - client.credit.get(1, 0), 65535 - client.credit.get(0, 0)) < size:
            client.read_frame("WINDOW_UPDATE")
        client.send(raw.data(1, bytes(size)))
    client.send(raw.data(1, b"", end=True))
    client.expect_response(1, content=b"%d" % (frames * size))


@case("9113 §10.5", "9113 §6.9")
def window_update_for_each_data_frame(client: Client) -> None:
    """On the stream and on the connection, as many clients do."""
    for stream in range(1, 40, 2):
        client.request(stream, "/large")
        client.expect_response(stream, content=LARGE, credit=True)


@case("9113 §10.5", "9113 §6.9")
def small_windows_of_a_slow_reader(client: Client) -> None:
    """It opens its windows a little at a time; each time something useful comes."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 500))
    client.request(1, "/large")
    for number in range(1, 400):
        client.expect_some(1, 500 * number)
        client.send(raw.window_update(1, 500), raw.window_update(0, 500))


@case("9113 §10.5", "9113 §5.3")
def priorities_with_each_request(client: Client) -> None:
    """The old ones and the new ones together."""
    for stream in (3, 5, 7, 9, 11):
        client.send(raw.priority(stream, 0, 200))
    for stream in range(13, 2000, 2):
        depends = raw.dependency(11, 41)
        client.send(
            raw.headers(stream, raw.block(client.fields(more=[("priority", "u=1, i")])), depends=depends),
            raw.priority(stream, 3, 31),
            raw.priority_update(stream, b"u=2"),
        )
        client.expect_response(stream, content=CONTENT)


@case("9113 §10.5", "9113 §10.7")
def padding_that_hides_the_length(client: Client) -> None:
    """Some clients pad what they send; there is content in each frame."""
    client.upload(1, "/length")
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    for number in range(150):
        while min(initial - client.credit.get(1, 0), 65535 - client.credit.get(0, 0)) < 1256:
            client.read_frame("WINDOW_UPDATE")
        client.send(raw.data(1, bytes(1000), pad=number))
    client.send(raw.data(1, b"", end=True))
    client.expect_response(1, content=b"150000")


@case("9113 §10.5", server=False)
def padding_of_a_long_upload(client: Client) -> None:
    client.upload(1, "/length")
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    for _ in range(5000):
        while min(initial - client.credit.get(1, 0), 65535 - client.credit.get(0, 0)) < 1256:
            client.read_frame("WINDOW_UPDATE")
        client.send(raw.data(1, bytes(1000), pad=255))
    client.send(raw.data(1, b"", end=True))
    client.expect_response(1, content=b"5000000")


@case("9113 §8.2.3", "9113 §10.5.1")
def many_cookies(client: Client) -> None:
    """Browsers send each cookie as a line of its own; there may be some hundred."""
    client.request(1, more=[("cookie", f"c{number}=value") for number in range(150)])
    client.expect_response(1, content=CONTENT)


@case("9113 §10.5")
def a_hundred_uploads_at_once(client: Client) -> None:
    streams = range(1, 200, 2)
    for stream in streams:
        client.upload(stream, "/length")
    for _ in range(10):
        client.send(*(raw.data(stream, bytes(100)) for stream in streams))
    client.send(*(raw.data(stream, b"", end=True) for stream in streams))
    for stream in streams:
        client.expect_response(stream, content=b"1000")


@case("9113 §10.5", server=False)
def settings_now_and_then(client: Client) -> None:
    """A client that adapts its windows to the network."""
    for number in range(1000):
        client.time_passes(1)
        client.change_settings((raw.INITIAL_WINDOW_SIZE, 65535 + number))
    client.expect_served(1)


@case("9113 §10.5")
def unknown_frames_now_and_then(client: Client) -> None:
    """Some clients send frames of reserved types with their requests, so that servers do not forget to ignore them."""
    for stream in range(1, 1000, 2):
        client.send(raw.frame(0x0B + 0x1F * (stream % 7), 0, 0, b"grease"))
        client.expect_served(stream)
