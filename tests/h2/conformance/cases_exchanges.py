"""What clients do every day: whole exchanges (RFC 9113 §8.1), and frames that are right wherever they come."""

from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT, LARGE
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client


@case("9113 §8.1", "9113 §8.3.2")
def get(client: Client) -> None:
    client.request(1)
    client.expect_response(1, content=CONTENT)


@case("9113 §8.1")
def head(client: Client) -> None:
    """The length of what GET would give, and none of it (RFC 9110 §9.3.2)."""
    client.request(1, method="HEAD")
    exchange = client.expect_response(1)
    if exchange.content:
        client.fail("the response to HEAD has content")
    if int(exchange.fields.get(b"content-length", b"0")) <= 0 and not client.lenient:
        client.fail("the response to HEAD does not tell the length of what GET would give")


@case("9113 §8.1")
def head_needs_no_window(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    client.request(1, "/large", method="HEAD")
    client.expect_response(1)


@case("9113 §8.1", "9113 §8.3.1")
def options_of_the_server(client: Client) -> None:
    client.request(1, "*", method="OPTIONS")
    client.read_frame("the response")
    while not client.streams[1].ended:
        client.read_frame("the response")


@case("9113 §8.1")
def post(client: Client) -> None:
    client.upload(1, "/echo")
    client.send(raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9113 §8.1", "9113 §6.1")
def post_in_many_frames(client: Client) -> None:
    client.upload(1, "/echo")
    client.send(*(raw.data(1, bytes((octet,))) for octet in range(100)), raw.data(1, b"", end=True))
    client.expect_response(1, content=bytes(range(100)))


@case("9113 §8.1", "9113 §8.1.1", each={"at-once": True, "empty-at-the-end": False})
def post_with_content_length(client: Client, end: bool) -> None:
    client.upload(1, "/echo", more=[("content-length", "5")])
    client.send(raw.data(1, b"abcde", end=end))
    if not end:
        client.send(raw.data(1, b"", end=True))
    client.expect_response(1, content=b"abcde")


@case("9113 §8.1", "9113 §8.1.1")
def post_without_content(client: Client) -> None:
    client.request(1, "/length", method="POST", more=[("content-length", "0")])
    client.expect_response(1, content=b"0")
    client.upload(3, "/length")
    client.send(raw.data(3, b"", end=True))
    client.expect_response(3, content=b"0")


@case("9113 §8.1")
def post_with_trailers(client: Client) -> None:
    client.upload(1, "/echo", more=[("trailer", "x-checksum")])
    client.send(raw.data(1, b"abc"), raw.headers(1, raw.block([("x-checksum", "1")])))
    client.expect_response(1, content=b"abc")


@case("9113 §8.1", "9113 §8.1.1")
def post_with_trailers_and_content_length(client: Client) -> None:
    client.upload(1, "/echo", more=[("content-length", "3")])
    client.send(raw.data(1, b"abc"), raw.headers(1, raw.block([("x-checksum", "1")])))
    client.expect_response(1, content=b"abc")


@case("9113 §8.1")
def trailers_without_content(client: Client) -> None:
    client.upload(1, "/length")
    client.send(raw.headers(1, raw.block([("x-checksum", "1")])))
    client.expect_response(1, content=b"0")


@case("9113 §8.1")
def trailers_without_fields(client: Client) -> None:
    client.upload(1, "/echo")
    client.send(raw.data(1, b"abc"), raw.headers(1, b""))
    client.expect_response(1, content=b"abc")


@case("9113 §8.1")
def large_response(client: Client) -> None:
    client.request(1, "/large")
    client.expect_response(1, content=LARGE, credit=True)


@case("9113 §8.1", "9113 §5.2.2")
def large_upload_comes_back(client: Client) -> None:
    """Both directions at the same time, each within its windows."""
    client.upload(1, "/echo")
    content = LARGE[:150_000]
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    sent = 0
    while sent < len(content):
        left = min(initial - client.credit.get(1, 0), 65535 - client.credit.get(0, 0), 16384)
        if left <= 0:
            client.read_frame("WINDOW_UPDATE")
            continue
        piece = content[sent : sent + left]
        sent += len(piece)
        client.send(raw.data(1, piece, end=sent == len(content)))
    client.expect_response(1, content=content, credit=True)


@case("9113 §5", "9113 §8.1")
def requests_at_the_same_time(client: Client) -> None:
    streams = range(1, 60, 2)
    client.send(*(raw.headers(stream, raw.block(client.fields())) for stream in streams))
    for stream in streams:
        client.expect_response(stream, content=CONTENT)


@case("9113 §5", "9113 §8.1")
def uploads_that_alternate(client: Client) -> None:
    streams = range(1, 20, 2)
    for stream in streams:
        client.upload(stream, "/echo")
    for octet in b"abc":
        client.send(*(raw.data(stream, bytes((octet, stream))) for stream in streams))
    client.send(*(raw.data(stream, b"", end=True) for stream in reversed(streams)))
    for stream in streams:
        client.expect_response(stream, content=b"".join(bytes((octet, stream)) for octet in b"abc"))


@case("9113 §5", "9113 §5.1.1")
def requests_one_after_another(client: Client) -> None:
    for stream in range(1, 600, 2):
        client.expect_served(stream)


@case("9113 §6.2")
def request_with_priority(client: Client) -> None:
    for stream, on, weight in ((1, 0, 0), (3, 1, 255), (5, 77, 15), (7, 3, 100)):
        depends = raw.dependency(on, weight, exclusive=stream == 3)
        client.send(raw.headers(stream, raw.block(client.fields()), depends=depends))
        client.expect_response(stream)


@case("9113 §8.2.3")
def cookies_are_put_together(client: Client) -> None:
    client.request(1, "/fields", more=[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d"), ("cookie", "e=f")])
    content = bytes(client.expect_response(1).content)
    if not client.lenient and b"cookie: a=b; c=d; e=f\n" not in content:
        client.fail(f"the cookies were not put together: {content!r}")


@case("9113 §8.3.1")
def authority_becomes_host(client: Client) -> None:
    """An application finds the authority where HTTP/1.1 has it."""
    client.request(1, "/fields")
    content = bytes(client.expect_response(1).content)
    if not client.lenient and b"host: localhost\n" not in content:
        client.fail(f"the application does not see the authority: {content!r}")


@case("9113 §8.3.1")
def host_that_equals_authority(client: Client) -> None:
    client.request(1, "/fields", more=[("host", "localhost")])
    content = bytes(client.expect_response(1).content)
    if not client.lenient and content.count(b"host: localhost\n") != 1:
        client.fail(f"the application does not see one Host: {content!r}")


@case("9113 §8.3.1")
def host_instead_of_authority(client: Client) -> None:
    fields = [(":method", "GET"), (":scheme", client.scheme), (":path", "/fields"), ("host", "example.org")]
    client.send(raw.headers(1, raw.block(fields)))
    content = bytes(client.expect_response(1).content)
    if not client.lenient and b"host: example.org\n" not in content:
        client.fail(f"the application does not see the Host: {content!r}")


@case("9113 §8.3", each={"path-first": [3, 0, 1, 2], "reversed": [3, 2, 1, 0]})
def pseudo_fields_in_any_order(client: Client, order: list[int]) -> None:
    fields = client.fields()
    client.send(raw.headers(1, raw.block(fields[index] for index in order)))
    client.expect_response(1)


@case("9113 §8.2.2")
def te_trailers(client: Client) -> None:
    client.request(1, more=[("te", "trailers")])
    client.expect_response(1)


GOOD_VALUES = {
    "empty": b"",
    "obs-text": b"caf\xe9 \xff",
    "space-within": b"a b\tc",
    "all-visible": bytes(range(0x21, 0x7F)),
    "comma": b"a, b",
}


@case("9113 §8.2.1", each=GOOD_VALUES)
def value_that_is_right(client: Client, value: bytes) -> None:
    client.request(1, "/fields", more=[("x-value", value)])
    content = bytes(client.expect_response(1).content)
    if not client.lenient and b"x-value: " + value + b"\n" not in content:
        client.fail(f"the value is not seen as it was sent: {content!r}")


@case("9113 §8.2.1")
def name_of_every_character(client: Client) -> None:
    name = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    client.request(1, "/fields", more=[(name, b"1")])
    content = bytes(client.expect_response(1).content)
    if not client.lenient and name + b": 1\n" not in content:
        client.fail(f"the name is not seen as it was sent: {content!r}")


@case("9113 §8.5")
def connect(client: Client) -> None:
    """A well-formed CONNECT gets a response, though it is that this server is no proxy."""
    fields = [(":method", "CONNECT"), (":authority", "example.org:443")]
    client.send(raw.headers(1, raw.block(fields), end=False))
    while (exchange := client.streams.get(1)) is None or exchange.status is None:
        client.read_frame("the response to CONNECT")
    if exchange.status < 400:
        client.fail(f"status {exchange.status} to CONNECT")
    client.expect_no_reset(1)
