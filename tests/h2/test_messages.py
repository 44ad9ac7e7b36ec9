"""Field lists to heads and back: each rule of RFC 9113 §8.2, §8.3 and §8.5, and of RFC 8441 §4, in both directions.

test_messages_and_h2.py asks the h2 library for a second opinion; conformance/ sends such lists in frames.
"""

import pytest
from tests.h2.engine import marked

from interlock.h2 import InformationalResponse, LocalProtocolError, Request, Response
from interlock.h2.errors import StreamFault
from interlock.h2.messages import (
    read_request,
    read_response,
    read_trailers,
    write_request,
    write_response,
    write_trailers,
)
from interlock.http.fields import Headers
from interlock.http.limits import Limits

Fields = list[tuple[bytes, bytes]]

GET: Fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a.example")]
CONNECT: Fields = [(b":method", b"CONNECT"), (b":authority", b"a.example:443")]
EXTENDED: Fields = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
MANY = 100


def request(fields: Fields, *, extended: bool = False) -> Request:
    return read_request(list(fields), marked(fields), 1, Limits(fields=MANY), extended)


def response(fields: Fields, stream_id: int = 1) -> InformationalResponse | Response:
    return read_response(fields, marked(fields), stream_id)


def trailers(fields: Fields) -> Headers:
    return read_trailers(list(fields), marked(fields))


def changed(fields: Fields, **pseudo: str | None) -> Fields:
    """``fields`` with pseudo-headers changed, or with None taken out."""
    values = {f":{name}".encode(): value for name, value in pseudo.items()}
    return [
        (name, (values.get(name) or "").encode() if name in values else value)
        for name, value in fields
        if values.get(name, "") is not None
    ]


# -- requests


def test_a_request() -> None:
    event = request([*GET, (b"accept", b"*/*"), (b"x-y", b"")])
    assert (event.method, event.scheme, event.target, event.protocol) == (b"GET", b"https", b"/", b"")
    assert (event.http_version, event.stream_id) == (b"2", 1)
    assert list(event.headers) == [(b"host", b"a.example"), (b"accept", b"*/*"), (b"x-y", b"")]


def test_pseudo_headers_come_in_any_order() -> None:
    assert request(GET[::-1]) == request(GET)


@pytest.mark.parametrize("authority", ["a", "A.example", "a:80", "[::1]:8080", "127.0.0.1", "a:"])
def test_the_authority_becomes_host(authority: str) -> None:  # §8.3.1
    fields = changed(GET, authority=authority)
    assert next(iter(request(fields).headers)) == (b"host", authority.encode())
    assert list(request([*fields, (b"x", b"y"), (b"host", authority.lower().encode())]).headers) == [
        (b"host", authority.encode()),
        (b"x", b"y"),
    ]


def test_host_alone_will_do() -> None:
    fields = changed(GET, authority=None)
    assert request([*fields, (b"x", b"y"), (b"host", b"b")]).headers.host == b"b"
    assert list(request([*fields, (b"x", b"y"), (b"host", b"b")]).headers) == [(b"x", b"y"), (b"host", b"b")]


def test_a_scheme_that_has_no_authority_needs_no_host() -> None:  # §8.3.1: only http and https need one
    assert not request(changed(GET, scheme="urn", authority=None)).headers.host_count


@pytest.mark.parametrize("target", ["/", "/a?b=c", "//", "/%41", "/?"])
def test_targets(target: str) -> None:
    assert request(changed(GET, path=target)).target == target.encode()


def test_options_of_the_server() -> None:
    assert request(changed(GET, method="OPTIONS", path="*")).target == b"*"


@pytest.mark.parametrize(
    ("crumbs", "whole"),
    [
        ([b"a=1"], b"a=1"),
        ([b"a=1", b"b=2"], b"a=1; b=2"),
        ([b"a=1", b"b=2; c=3", b"d=4"], b"a=1; b=2; c=3; d=4"),
        ([b"a=1", b"", b"b=2"], b"a=1; b=2"),
        ([b"", b""], b""),
    ],
)
def test_several_cookies_are_one_in_the_place_of_the_first(crumbs: list[bytes], whole: bytes) -> None:  # §8.2.3
    fields = [(b"x", b"1"), (b"cookie", crumbs[0]), (b"x", b"2"), *((b"cookie", crumb) for crumb in crumbs[1:])]
    assert list(request([*GET, *fields]).headers)[1:] == [(b"x", b"1"), (b"cookie", whole), (b"x", b"2")]


def test_connect_has_its_authority_for_a_target() -> None:  # §8.5
    event = request(CONNECT)
    assert (event.method, event.target, event.scheme, event.headers.host) == (
        b"CONNECT",
        b"a.example:443",
        b"",
        b"a.example:443",
    )


def test_extended_connect() -> None:  # RFC 8441 §4
    event = request(EXTENDED, extended=True)
    assert (event.method, event.target, event.scheme, event.protocol) == (b"CONNECT", b"/", b"https", b"websocket")
    assert event.headers.host == b"a.example"


MALFORMED: dict[str, Fields] = {
    "nothing": [],
    "no :method": changed(GET, method=None),
    "no :scheme": changed(GET, scheme=None),
    "no :path": changed(GET, path=None),
    "neither :authority nor Host": changed(GET, authority=None),
    "an empty :method": changed(GET, method=""),
    "an empty :scheme": changed(GET, scheme=""),
    "an empty :path": changed(GET, path=""),
    "an empty :authority": changed(GET, authority=""),
    "an empty Host": [*changed(GET, authority=None), (b"host", b"")],
    ":method is no token": changed(GET, method="G T"),
    ":scheme with a digit first": changed(GET, scheme="1http"),
    ":scheme with a colon": changed(GET, scheme="http:"),
    ":path without its slash": changed(GET, path="a"),
    ":path that is a URI": changed(GET, path="https://a.example/"),
    ":path with a space": changed(GET, path="/a b"),
    ":path with a fragment": changed(GET, path="/#a"),
    ":path with a line end": changed(GET, path="/\r\n"),
    "* without OPTIONS": changed(GET, path="*"),
    ":authority with user information": changed(GET, authority="me@a"),
    ":authority with a path": changed(GET, authority="a/b"),
    ":authority with a port that is none": changed(GET, authority="a:b"),
    "two :method": [*GET, (b":method", b"GET")],
    "two :scheme": [*GET, (b":scheme", b"https")],
    "two :path": [*GET, (b":path", b"/")],
    "two :authority": [*GET, (b":authority", b"a.example")],
    "two :authority, the first empty": [*changed(GET, authority=""), (b":authority", b"a")],
    ":status": [*GET, (b":status", b"200")],
    "an unknown pseudo-header": [*GET, (b":x", b"y")],
    "a pseudo-header behind a field": [*GET[:3], (b"x", b"y"), GET[3]],
    ":protocol that was not offered": EXTENDED,
    "another Host": [*GET, (b"host", b"b")],
    "two Host, beside :authority": [*GET, (b"host", b"a.example"), (b"host", b"a.example")],
    "two Host": [*changed(GET, authority=None), (b"host", b"a"), (b"host", b"a")],
    "Host with user information": [*changed(GET, authority=None), (b"host", b"me@a")],
    "Content-Length of letters": [*GET, (b"content-length", b"x")],
    "Content-Length with a sign": [*GET, (b"content-length", b"+1")],
    "two lengths": [*GET, (b"content-length", b"1"), (b"content-length", b"2")],
    "CONNECT with :scheme": [*CONNECT, (b":scheme", b"https")],
    "CONNECT with :path": [*CONNECT, (b":path", b"/")],
    "CONNECT without :authority": CONNECT[:1],
    "CONNECT to no port": changed(CONNECT, authority="a.example"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_request(what: str) -> None:  # §8.1.1
    with pytest.raises(StreamFault) as caught:
        request(MALFORMED[what])
    assert caught.value.error_status_hint == 400


@pytest.mark.parametrize(
    "fields",
    [
        changed(EXTENDED, protocol=""),
        changed(EXTENDED, protocol="a b"),
        changed(EXTENDED, method="GET"),
        changed(EXTENDED, scheme=None),
        changed(EXTENDED, path=None),
        changed(EXTENDED, authority=None),
        [*EXTENDED, (b":protocol", b"websocket")],
    ],
)
def test_a_malformed_extended_connect(fields: Fields) -> None:  # RFC 8441 §4
    with pytest.raises(StreamFault):
        request(fields, extended=True)


def test_an_expectation_that_nobody_knows() -> None:  # RFC 9110 §10.1.1
    with pytest.raises(StreamFault) as caught:
        request([*GET, (b"expect", b"200-ok")])
    assert caught.value.error_status_hint == 417
    assert request([*GET, (b"expect", b"100-Continue")]).headers.get(b"expect") == b"100-Continue"


def test_a_target_is_no_longer_than_a_request_line_of_http_1_1_could_have_it() -> None:
    """GET, two spaces, HTTP/1.1 and the target are 8192 octets."""
    longest = "/" + "a" * (8192 - len("GET  HTTP/1.1") - 1)
    assert len(request(changed(GET, path=longest)).target) == len(longest)
    with pytest.raises(StreamFault, match="8192 octets") as caught:
        request(changed(GET, path=longest + "a"))
    assert caught.value.error_status_hint == 414


def test_as_many_fields_as_the_limit() -> None:
    fields = [(b"x", b"%d" % number) for number in range(MANY)]
    assert len(request([*changed(GET, authority=None), *fields[1:], (b"host", b"a")]).headers) == MANY
    with pytest.raises(StreamFault) as caught:
        request([*GET, *fields, (b"x", b"y")])
    assert caught.value.error_status_hint == 431


# -- fields, wherever they stand

#: A field, and whether it may stand in any section.
FIELDS: dict[tuple[bytes, bytes], bool] = {
    (b"x", b""): True,
    (b"x", b"a\tb c"): True,
    (b"x", b"\x80\xff"): True,
    (b"!#$%&'*+-.^_`|~09az", b"x"): True,
    (b"te", b"gzip"): False,
    (b"te", b"trailers, gzip"): False,
    (b"te", b""): False,
    (b"connection", b"close"): False,
    (b"proxy-connection", b"close"): False,
    (b"keep-alive", b"1"): False,
    (b"transfer-encoding", b"chunked"): False,
    (b"upgrade", b"websocket"): False,
    (b"", b"x"): False,
    (b"X", b"y"): False,
    (b"a b", b"x"): False,
    (b"a:b", b"x"): False,
    (b"a\x00", b"x"): False,
    (b"a\x7f", b"x"): False,
    (b"a\x80", b"x"): False,
    (b"x", b" y"): False,
    (b"x", b"y "): False,
    (b"x", b"\ty"): False,
    (b"x", b"y\t"): False,
    (b"x", b" "): False,
    (b"x", b"a\x00b"): False,
    (b"x", b"a\rb"): False,
    (b"x", b"a\nb"): False,
    (b"x", b"a\x01b"): False,
    (b"x", b"\x7f"): False,
    (b":status", b"200"): False,
    (b":path", b"/"): False,
}


@pytest.mark.parametrize("field", FIELDS, ids=repr)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_field(field: tuple[bytes, bytes], place: int) -> None:  # §8.2
    fields = [(b"a", b"1"), (b"b", b"2")]
    fields.insert(place, field)
    for read in (
        lambda: request([*GET, *fields]),
        lambda: response([(b":status", b"200"), *fields]),
        lambda: response([(b":status", b"103"), *fields]),
        lambda: trailers(fields),
    ):
        if FIELDS[field]:
            read()
        else:
            with pytest.raises(StreamFault):
                read()


@pytest.mark.parametrize("value", [b"trailers", b"Trailers"])
def test_te_says_that_trailers_are_welcome(value: bytes) -> None:  # §8.2.2
    assert request([*GET, (b"te", value)]).headers.get(b"te") == value
    with pytest.raises(StreamFault):
        trailers([(b"te", value)])


# -- responses and trailers


@pytest.mark.parametrize(("status", "kind"), [(b"100", InformationalResponse), (b"199", InformationalResponse)])
def test_an_interim_response(status: bytes, kind: type) -> None:
    event = response([(b":status", status), (b"link", b"x")], 3)
    assert type(event) is kind
    assert (event.status_code, event.stream_id, list(event.headers)) == (int(status), 3, [(b"link", b"x")])


@pytest.mark.parametrize("status", [b"200", b"204", b"599", b"999"])
def test_a_final_response(status: bytes) -> None:
    event = response([(b":status", status)], 3)
    assert type(event) is Response
    assert (event.status_code, event.reason) == (int(status), b"")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"x", b"y")],
        [(b"x", b"y"), (b":status", b"200")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b":path", b"/")],
        *([(b":status", status)] for status in (b"", b"20", b"2000", b"099", b"2x0", b"+20", b"101")),
        [(b":status", b"200"), (b"content-length", b"1"), (b"content-length", b"2")],
    ],
    ids=repr,
)
def test_a_malformed_response(fields: Fields) -> None:  # §8.3.2, §8.6
    with pytest.raises(StreamFault):
        response(fields)


def test_trailers() -> None:
    assert list(trailers([(b"x", b"y")])) == [(b"x", b"y")]
    assert list(trailers([])) == []


# -- to be sent


def asked(method: str = "GET", target: str = "/", *fields: tuple[str, str], **more: bytes) -> Request:
    return Request(method=method, target=target, headers=[("Host", "a"), *fields], http_version="2", **more)


def test_host_is_sent_as_authority() -> None:
    assert write_request(asked("GET", "/", ("X-Y", "z")), b"https") == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"a"),
        (b":path", b"/"),
        (b"x-y", b"z"),
    ]


def test_the_scheme_of_the_event_is_taken_first() -> None:
    assert (b":scheme", b"http") in write_request(asked(scheme=b"http"), b"https")


def test_connect_is_sent_with_its_target() -> None:
    assert write_request(asked("CONNECT", "a:443"), b"https") == [(b":method", b"CONNECT"), (b":authority", b"a:443")]


def test_extended_connect_is_sent_with_all() -> None:
    fields = write_request(asked("CONNECT", "/chat", protocol=b"websocket"), b"https")
    assert sorted(fields) == [
        (b":authority", b"a"),
        (b":method", b"CONNECT"),
        (b":path", b"/chat"),
        (b":protocol", b"websocket"),
        (b":scheme", b"https"),
    ]


def test_options_of_the_server_are_asked_for_with_a_star() -> None:
    assert (b":path", b"*") in write_request(asked("OPTIONS", "*"), b"https")


def test_a_target_that_is_a_uri_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="no path"):
        write_request(asked("GET", "http://a/"), b"https")


BARRED = [
    ("Connection", "close"),
    ("Proxy-Connection", "close"),
    ("Keep-Alive", "1"),
    ("Transfer-Encoding", "chunked"),
    ("Upgrade", "x"),
    ("TE", "gzip"),
]


@pytest.mark.parametrize("field", BARRED)
def test_what_has_no_place_in_http2_is_not_sent(field: tuple[str, str]) -> None:  # §8.2.2
    with pytest.raises(LocalProtocolError):
        write_request(asked("GET", "/", field), b"https")
    with pytest.raises(LocalProtocolError):
        write_response(Response(status_code=200, headers=[field], http_version="2"))
    with pytest.raises(LocalProtocolError):
        write_trailers(Headers([field], trailers=True))


def test_te_trailers_is_sent() -> None:
    assert (b"te", b"trailers") in write_request(asked("GET", "/", ("TE", "trailers")), b"https")


@pytest.mark.parametrize("status", [200, 404, 599])
def test_a_response_is_sent_without_its_reason(status: int) -> None:
    response = Response(status_code=status, headers=[("X", "Y")], reason="Why", http_version="2")
    assert write_response(response) == [(b":status", b"%d" % status), (b"x", b"Y")]


def test_switching_protocols_is_not_sent() -> None:  # §8.6
    with pytest.raises(LocalProtocolError, match="101"):
        write_response(InformationalResponse(status_code=101, headers=[("Upgrade", "x")], http_version="2"))


@pytest.mark.parametrize(
    "fields", [GET, CONNECT, [*GET, (b"x", b"y"), (b"te", b"trailers")], changed(GET, method="OPTIONS", path="*")]
)
def test_what_was_read_is_written(fields: Fields) -> None:
    assert sorted(write_request(request(fields), b"x")) == sorted(fields)
