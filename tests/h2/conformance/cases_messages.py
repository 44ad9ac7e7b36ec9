"""Malformed requests (RFC 9113 §8.1.1): each is a stream error of type PROTOCOL_ERROR, and no application sees it."""

from tests.h2 import raw_frames as raw
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client
from tests.h2.raw_frames import Field

# §8.1 the order of frames


@case("9113 §8.1")
def second_headers_without_end_stream(client: Client) -> None:
    client.upload(1)
    client.send(raw.data(1, b"abc"), raw.headers(1, raw.block([("x-checksum", "1")]), end=False))
    client.expect_malformed(1)


@case("9113 §8.1")
def second_head(client: Client) -> None:
    client.upload(1)
    client.request(1, method="POST", end=False)
    client.expect_malformed(1)


@case("9113 §8.1", "9113 §8.3", each={"path": (":path", "/"), "status": (":status", "200"), "unknown": (":foo", "x")})
def trailers_with_a_pseudo_field(client: Client, field: Field) -> None:
    client.upload(1)
    client.send(raw.data(1, b"abc"), raw.headers(1, raw.block([field, ("x-checksum", "1")])))
    client.expect_malformed(1)


@case("9113 §8.1")
def trailers_that_are_a_request(client: Client) -> None:
    client.upload(1)
    client.request(1)
    client.expect_malformed(1)


@case("9113 §8.1", "9113 §5.1")
def data_after_trailers(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    client.upload(1)
    client.send(raw.data(1, b"abc"), raw.headers(1, raw.block([("x-checksum", "1")])), raw.data(1, b"more", end=True))
    client.expect_reset(1, raw.STREAM_CLOSED)


BAD_TRAILERS = {
    "upper-case": ("X-Checksum", "1"),
    "connection": ("connection", "close"),
    "transfer-encoding": ("transfer-encoding", "chunked"),
    "value-with-lf": ("x-checksum", "1\n2"),
    "value-with-space": ("x-checksum", " 1"),
    "empty-name": ("", "1"),
}


@case("9113 §8.1.1", "9113 §8.2.1", "9113 §8.2.2", each=BAD_TRAILERS)
def trailers_with_a_bad_field(client: Client, field: Field) -> None:
    client.upload(1)
    client.send(raw.data(1, b"abc"), raw.headers(1, raw.block([field])))
    client.expect_malformed(1)


# §8.1.1 content-length

#: What content-length says, and how long the DATA frames are.
LENGTHS = {
    "too-few": ("5", [3]),
    "none": ("5", [0]),
    "too-many": ("5", [6]),
    "too-many-at-once": ("1", [100]),
    "too-many-later": ("5", [3, 3]),
    "too-few-in-two": ("5", [2, 2]),
    "0-and-some": ("0", [1]),
    "large": ("18446744073709551617", [1]),
}


@case("9113 §8.1.1", each=LENGTHS)
def content_length_that_is_not_that_of_data(client: Client, how: tuple[str, list[int]]) -> None:
    length, sizes = how
    client.upload(1, more=[("content-length", length)])
    last = len(sizes) - 1
    client.send(*(raw.data(1, b"x" * size, end=number == last) for number, size in enumerate(sizes)))
    client.expect_malformed(1)


@case("9113 §8.1.1", each={"1": "1", "large": "100000"})
def content_length_where_headers_end_the_stream(client: Client, length: str) -> None:
    client.request(1, method="POST", more=[("content-length", length)])
    client.expect_malformed(1)


@case("9113 §8.1.1")
def content_length_where_headers_end_the_stream_of_a_get(client: Client) -> None:
    client.request(1, more=[("content-length", "5")])
    client.expect_malformed(1)


@case("9113 §8.1.1", each={"too-few": [3], "none": [], "too-many": [4, 2]})
def content_length_where_trailers_end_the_stream(client: Client, sizes: list[int]) -> None:
    client.upload(1, more=[("content-length", "5")])
    client.send(*(raw.data(1, b"x" * size) for size in sizes), raw.headers(1, raw.block([("x-checksum", "1")])))
    client.expect_malformed(1)


@case("9113 §8.1.1")
def content_length_is_held_before_the_end(client: Client) -> None:
    """What is too much is an error when it comes, and not when the stream ends."""
    client.upload(1, more=[("content-length", "5")])
    client.send(raw.data(1, b"123456"))
    client.expect_malformed(1)


@case("9113 §8.1.1")
def padding_is_no_content(client: Client) -> None:
    client.upload(1, "/echo", more=[("content-length", "5")])
    client.send(raw.data(1, b"12345", pad=9, end=True))
    client.expect_response(1, content=b"12345")


@case("9113 §8.1.1")
def padding_does_not_make_up_for_content(client: Client) -> None:
    client.upload(1, more=[("content-length", "5")])
    client.send(raw.data(1, b"123", pad=2, end=True))
    client.expect_malformed(1)


@case("9113 §8.1.1", each=["+5", "-5", "0x5", "5 5", "5,5", "5, 6", "", "five", "5.0", "\u00b2"])
def content_length_that_is_no_number(client: Client, value: str) -> None:
    client.upload(1, more=[("content-length", value)])
    client.send(raw.data(1, b"12345", end=True))
    client.expect_malformed(1)


@case("9113 §8.1.1")
def content_lengths_that_differ(client: Client) -> None:
    client.upload(1, more=[("content-length", "5"), ("content-length", "6")])
    client.send(raw.data(1, b"12345", end=True))
    client.expect_malformed(1)


BAD_ENDS = {
    "too-few": raw.data(1, b"123", end=True),
    "too-many": raw.data(1, b"123456", end=True),
    "trailers": raw.headers(1, raw.block([("x-checksum", "1")])),
    "trailers-with-pseudo-field": raw.headers(1, raw.block([(":path", "/")])),
    "trailers-upper-case": raw.headers(1, raw.block([("X", "1")])),
}


@case("9113 §8.1.1", "9113 §8.1", each=BAD_ENDS)
def malformed_end_of_a_request_that_was_answered(client: Client, end: bytes) -> None:
    """There is nothing left to be reset but what is over; the connection goes on."""
    client.upload(1, "/early", more=[("content-length", "5")])
    client.expect_response(1)
    client.send(end)
    client.expect_alive()
    client.expect_served(3)


# §8.2.1 names and values

BAD_NAMES: dict[str, bytes] = {
    "upper-case": b"X-Upper",
    "upper-case-last": b"x-uppeR",
    "empty": b"",
    "space": b"x a",
    "space-first": b" x",
    "space-last": b"x ",
    "tab": b"x\ta",
    "nul": b"x\x00",
    "lf": b"x\na",
    "cr": b"x\ra",
    "crlf": b"x: y\r\nz",
    "delete": b"x\x7f",
    "0x80": b"x\x80",
    "0xff": b"\xffx",
    "utf-8": "x-\u00fc".encode(),
    "colon-within": b"x:y",
    "colon-last": b"x:",
    "slash": b"x/y",
    "parenthesis": b"(x)",
    "comma": b"x,y",
    "equals": b"x=y",
    "at": b"x@y",
    "brackets": b"[x]",
    "braces": b"{x}",
    "quote": b'"x"',
    "backslash": b"x\\y",
    "semicolon": b"x;y",
    "angle": b"<x>",
    "question": b"x?",
}


@case("9113 §8.2.1", "9113 §8.2", "9113 §8.1.1", each=BAD_NAMES)
def name_that_is_wrong(client: Client, name: bytes) -> None:
    client.request(1, more=[(name, "value")])
    client.expect_malformed(1)


BAD_VALUES: dict[str, bytes] = {
    "nul": b"a\x00b",
    "nul-alone": b"\x00",
    "lf": b"a\nb",
    "lf-last": b"a\n",
    "cr": b"a\rb",
    "cr-last": b"a\r",
    "crlf": b"a\r\nx: y",
    "space-first": b" a",
    "space-last": b"a ",
    "tab-first": b"\ta",
    "tab-last": b"a\t",
    "space-alone": b" ",
    "control-0x01": b"a\x01b",
    "control-0x1f": b"a\x1fb",
    "vertical-tab": b"a\x0bb",
    "form-feed-first": b"\x0ca",
    "delete": b"a\x7fb",
}


@case("9113 §8.2.1", "9113 §8.1.1", each=BAD_VALUES)
def value_that_is_wrong(client: Client, value: bytes) -> None:
    client.request(1, more=[("x-value", value)])
    client.expect_malformed(1)


@case("9113 §8.2.1", "9113 §8.1.1", each={"nul": b"/a\x00", "lf": b"/a\nb", "cr": b"/a\rb", "space-last": b"/a "})
def pseudo_value_that_is_wrong(client: Client, value: bytes) -> None:
    fields = [(name, value if name == ":path" else other) for name, other in client.fields()]
    client.send(raw.headers(1, raw.block(fields)))
    client.expect_malformed(1)


@case("9113 §8.2.1", "9113 §8.1.1", "9113 §8.2", each={"indexed": raw.INDEXING, "never-indexed": raw.NEVER_INDEXED})
def name_that_is_wrong_however_it_is_written(client: Client, how: tuple[int, int]) -> None:
    """And again from the table."""
    client.send(raw.headers(1, raw.block(client.fields()) + raw.literal("X-Upper", "1", how)))
    client.expect_malformed(1)
    if how == raw.INDEXING:
        client.send(raw.headers(3, raw.block(client.fields()) + raw.indexed(62)))
        client.expect_malformed(3)


# §8.2.2 connection-specific fields

CONNECTION_SPECIFIC: dict[str, tuple[str, str]] = {
    "connection": ("connection", "keep-alive"),
    "connection-names-a-field": ("connection", "x-a"),
    "proxy-connection": ("proxy-connection", "keep-alive"),
    "keep-alive": ("keep-alive", "timeout=5"),
    "transfer-encoding": ("transfer-encoding", "chunked"),
    "transfer-encoding-identity": ("transfer-encoding", "identity"),
    "upgrade": ("upgrade", "websocket"),
    "te-gzip": ("te", "gzip"),
    "te-trailers-and-more": ("te", "trailers, deflate;q=0.5"),
    "te-empty": ("te", ""),
}


@case("9113 §8.2.2", "9113 §8.6", "9113 §8.1.1", each=CONNECTION_SPECIFIC)
def connection_specific_field(client: Client, field: Field) -> None:
    client.request(1, more=[field])
    client.expect_malformed(1)


@case("9113 §8.2.2", "9113 §8.1")
def chunked_upload(client: Client) -> None:
    client.upload(1, more=[("transfer-encoding", "chunked")])
    client.expect_malformed(1)


# §8.3 pseudo-header fields

PSEUDO = {
    "unknown": (":foo", "x"),
    "status": (":status", "200"),
    "upper-case": (":Method", "GET"),
    "colon-alone": (":", "x"),
    "two-colons": ("::method", "GET"),
    "protocol-without-connect": (":protocol", "websocket"),
}


@case("9113 §8.3", "9113 §8.1.1", each=PSEUDO)
def pseudo_field_that_is_wrong(client: Client, field: Field) -> None:
    client.send(raw.headers(1, raw.block([*client.fields(), field])))
    client.expect_malformed(1)


@case("9113 §8.3", "9113 §8.1.1", each={"method": 0, "scheme": 1, "authority": 2, "path": 3})
def pseudo_field_after_a_regular_one(client: Client, which: int) -> None:
    fields = client.fields()
    late = fields.pop(which)
    client.send(raw.headers(1, raw.block([*fields, ("x-a", "1"), late])))
    client.expect_malformed(1)


@case("9113 §8.3", "9113 §8.3.1", "9113 §8.1.1", each={"method": 0, "scheme": 1, "authority": 2, "path": 3})
def pseudo_field_twice(client: Client, which: int) -> None:
    fields = client.fields()
    client.send(raw.headers(1, raw.block([*fields, fields[which]])))
    client.expect_malformed(1)


@case("9113 §8.3", "9113 §8.3.1")
def pseudo_field_twice_with_other_values(client: Client) -> None:
    client.send(raw.headers(1, raw.block([*client.fields(), (":path", "/other")])))
    client.expect_malformed(1)


@case("9113 §8.3.1", "9113 §8.1.1", each={"method": 0, "scheme": 1, "path": 3})
def pseudo_field_missing(client: Client, which: int) -> None:
    fields = client.fields()
    del fields[which]
    client.send(raw.headers(1, raw.block(fields)))
    client.expect_malformed(1)


VALUES: dict[str, tuple[str, bytes]] = {
    "path-empty": (":path", b""),
    "path-without-slash": (":path", b"index.html"),
    "path-absolute": (":path", b"http://localhost/"),
    "path-with-fragment": (":path", b"/a#b"),
    "path-with-space": (":path", b"/a b"),
    "path-with-delete": (":path", b"/a\x7f"),
    "path-with-obs-text": (":path", b"/a\xff"),
    "path-asterisk-of-get": (":path", b"*"),
    "path-that-splits": (":path", b"/ HTTP/1.1\r\nX: y\r\n\r\nGET /"),
    "path-with-tab": (":path", b"/a\tb"),
    "path-asterisk-and-more": (":path", b"*/a"),
    "method-empty": (":method", b""),
    "method-with-space": (":method", b"GET /"),
    "method-with-slash": (":method", b"GE/T"),
    "method-that-splits": (":method", b"GET / HTTP/1.1\r\nX: y\r\n\r\nGET"),
    "scheme-empty": (":scheme", b""),
    "scheme-with-colon": (":scheme", b"http:"),
    "scheme-of-digits": (":scheme", b"1http"),
    "scheme-with-space": (":scheme", b"ht tp"),
    "scheme-that-is-an-address": (":scheme", b"http://localhost/x?"),
    "scheme-that-splits": (":scheme", b"http\r\nx: y"),
    "authority-with-userinfo": (":authority", b"user@localhost"),
    "authority-with-password": (":authority", b"user:secret@localhost"),
    "authority-with-empty-userinfo": (":authority", b"@localhost"),
    "authority-with-path": (":authority", b"localhost/x"),
    "authority-with-query": (":authority", b"localhost?x"),
    "authority-with-fragment": (":authority", b"localhost#x"),
    "authority-with-space": (":authority", b"local host"),
    "authority-that-splits": (":authority", b"localhost\r\nx: y"),
    "authority-with-tab-last": (":authority", b"localhost\t"),
    "authority-with-bad-port": (":authority", b"localhost:http"),
    "authority-with-bracket": (":authority", b"[::1"),
}


@case("9113 §8.3.1", "9113 §8.1.1", each=VALUES)
def pseudo_field_with_a_bad_value(client: Client, how: tuple[str, bytes]) -> None:
    which, value = how
    fields = [(name, value if name == which else other) for name, other in client.fields()]
    client.send(raw.headers(1, raw.block(fields)))
    client.expect_malformed(1)


HOSTS: dict[str, list[Field]] = {
    "another": [("host", "example.org")],
    "another-port": [("host", "localhost:81")],
    "twice": [("host", "localhost"), ("host", "example.org")],
    "empty": [("host", "")],
    "bad": [("host", "local host")],
}


@case("9113 §8.3.1", each=HOSTS)
def host_that_contradicts_authority(client: Client, more: list[Field]) -> None:
    client.request(1, more=more)
    client.expect_malformed(1)


# §8.5 CONNECT, and RFC 8441

CONNECTS: dict[str, list[Field]] = {
    "path": [(":method", "CONNECT"), (":authority", "example.org:443"), (":path", "/")],
    "scheme": [(":method", "CONNECT"), (":authority", "example.org:443"), (":scheme", "https")],
    "both": [(":method", "CONNECT"), (":authority", "example.org:443"), (":scheme", "https"), (":path", "/")],
    "no-authority": [(":method", "CONNECT")],
    "no-port": [(":method", "CONNECT"), (":authority", "example.org")],
    "empty-authority": [(":method", "CONNECT"), (":authority", "")],
    "host-alone": [(":method", "CONNECT"), ("host", "example.org:443")],
}


@case("9113 §8.5", "9113 §8.1.1", each=CONNECTS)
def connect_that_is_malformed(client: Client, fields: list[Field]) -> None:
    client.send(raw.headers(1, raw.block(fields), end=False))
    client.expect_malformed(1)


EXTENDED: list[Field] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/chat"),
    (":authority", "localhost"),
]


@case("8441 §4", each={":scheme": ":scheme", ":path": ":path", ":authority": ":authority"})
def extended_connect_that_lacks_a_field(client: Client, which: str) -> None:
    fields = [field for field in EXTENDED if field[0] != which]
    client.send(raw.headers(1, raw.block(fields), end=False))
    client.expect_malformed(1)


@case("8441 §4", each={"twice": [(":protocol", "websocket")], "with-upgrade": [("upgrade", "websocket")]})
def extended_connect_with_too_much(client: Client, more: list[Field]) -> None:
    client.send(raw.headers(1, raw.block([*EXTENDED, *more]), end=False))
    client.expect_malformed(1)


@case("8441 §4")
def extended_connect_with_an_empty_protocol(client: Client) -> None:
    fields = [(name, "" if name == ":protocol" else value) for name, value in EXTENDED]
    client.send(raw.headers(1, raw.block(fields), end=False))
    client.expect_malformed(1)


@case("8441 §3", "8441 §4", "9113 §5.5")
def extended_connect_where_it_is_not_offered(client: Client) -> None:
    """Without SETTINGS_ENABLE_CONNECT_PROTOCOL of ours, :protocol is a field that nobody knows."""
    client.send(raw.headers(1, raw.block(EXTENDED), end=False))
    if client.server_settings.get(raw.ENABLE_CONNECT_PROTOCOL, 0):
        while (exchange := client.streams.get(1)) is None or exchange.status is None:
            client.read_frame("a response")
        client.expect_no_reset(1)
    else:
        client.expect_malformed(1)
