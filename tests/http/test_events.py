"""Events: what callers may make of them, and what raises at once."""

from http import HTTPStatus

import pytest

from interlock.http.errors import LocalProtocolError
from interlock.http.events import (
    ConnectionClosed,
    Data,
    EndOfMessage,
    InformationalResponse,
    Request,
    Response,
)
from interlock.http.fields import Headers

HOST = ("Host", "example.com")


def request(**parts):
    return Request(**{"method": "GET", "target": "/", "headers": [HOST], **parts})


def test_a_request_has_octets_whatever_it_was_made_from():
    made = request(method=bytearray(b"PUT"), target=memoryview(b"/x"), headers=[["HOST", bytearray(b"a")]])
    assert (made.method, made.target, made.http_version) == (b"PUT", b"/x", b"1.1")
    assert list(made.headers) == [(b"host", b"a")]
    assert made.headers.raw_items() == [(b"HOST", b"a")]
    assert [type(part) for part in (made.method, made.target, made.headers[0][1])] == [bytes] * 3


@pytest.mark.parametrize(
    "parts",
    [
        {"method": ""},
        {"method": "GE T"},
        {"method": "GET\r\nX: y"},
        {"method": "GÉT"},
        {"target": ""},
        {"target": "/a b"},
        {"target": "/a\r\nX: y"},
        {"target": "/#a"},
        {"target": "*"},
        {"target": "a"},
        {"target": "http://user@example.com/"},
        {"target": "http://other.example/"},
        {"method": "CONNECT", "target": "/"},
        {"method": "CONNECT", "target": "a:1", "headers": [("Host", "")]},
        {"headers": []},
        {"headers": [HOST, HOST]},
        {"headers": [("Host", "a/b?c")]},
        {"headers": [HOST, ("Content-Length", "1"), ("Transfer-Encoding", "chunked")]},
        {"headers": [HOST, ("Content-Length", "1"), ("Content-Length", "1")]},
        {"headers": [HOST, ("Content-Length", "1, 1")]},
        {"headers": [HOST, ("Content-Length", "+1")]},
        {"headers": [HOST, ("Transfer-Encoding", "gzip, chunked")]},
        {"headers": [HOST, ("Transfer-Encoding", "chunked")], "http_version": "1.0"},
        {"headers": [HOST, ("X Y", "z")]},
        {"headers": [HOST, ("X:", "z")]},
        {"headers": [HOST, ("", "z")]},
        {"headers": [HOST, ("X", "a\r\nY: b")]},
        {"headers": [HOST, ("X", " a")]},
        {"headers": [HOST, ("X", "a\t")]},
        {"headers": [HOST, ("X", "a\x00")]},
        {"http_version": "1.2"},
        {"http_version": "9.9"},
    ],
)
def test_a_request_that_cannot_be_is_not_made(parts):
    with pytest.raises(LocalProtocolError):
        request(**parts)


def test_a_valid_field_that_is_taken_for_known_is_the_one_that_was_valid():
    """Fields that come again are not validated again: neither a name nor a value of another may slip through."""
    Headers([("X", "a")])
    Headers([(b"X", b"a")])
    for pair in ((b"X", b"a\r\n"), (b"X\r\n", b"a"), (b"X", b"a "), (b"X ", b"a"), [b"X", b"a\n"]):
        with pytest.raises(LocalProtocolError):
            Headers([(b"X", b"a"), pair])
    assert Headers([(b"x", b"a"), (b"X", b"a")]).raw_items() == [(b"x", b"a"), (b"X", b"a")]


def test_many_different_fields_are_all_right_and_forgotten():
    for number in range(3000):
        value = b"%d" % number
        assert list(Headers([(b"X-Number", value)])) == [(b"x-number", value)]
    from interlock.http import fields

    assert len(fields._FIELDS) <= fields._MOST_FIELDS
    assert not any(b"session=1" in pair for pair in fields._FIELDS)


@pytest.mark.parametrize("name", [b"Set-Cookie", b"Authorization", b"Cookie", b"Proxy-Authorization"])
def test_no_secret_is_kept(name):
    from interlock.http import fields

    Headers([(name, b"session=1")])
    assert (name, b"session=1") not in fields._FIELDS


def test_status_codes():
    made = Response(status_code=HTTPStatus.NOT_FOUND, headers=[])
    assert made.status_code == 404
    assert type(made.status_code) is int
    assert InformationalResponse(status_code=103, headers=[("Link", "</a>")]).status_code == 103
    for kind, status in ((Response, 199), (Response, 1000), (InformationalResponse, 200), (InformationalResponse, 99)):
        with pytest.raises(LocalProtocolError, match=str(status)):
            kind(status_code=status, headers=[])
    for kind in (Response, InformationalResponse):
        with pytest.raises(LocalProtocolError, match="integer"):
            kind(status_code="200", headers=[])


@pytest.mark.parametrize("reason", ["a\r\nX: y", "a\x00", b"\x7f"])
def test_a_reason_that_would_split_the_response(reason):
    with pytest.raises(LocalProtocolError, match="reason"):
        Response(status_code=200, headers=[], reason=reason)


@pytest.mark.parametrize(
    "name", ["Content-Length", "transfer-encoding", "Host", "Trailer", "Set-Cookie", "Authorization"]
)
def test_what_must_not_stand_in_a_trailer(name):
    with pytest.raises(LocalProtocolError, match=r"§6\.5\.1"):
        EndOfMessage(headers=[("X", "y"), (name, "1")])
    with pytest.raises(LocalProtocolError):
        EndOfMessage(headers=Headers([(name, "1")]) if name.lower() != "transfer-encoding" else [(name, "chunked")])


def test_events_are_equal_when_they_say_the_same():
    assert request() == request()
    assert request() != request(target="/x")
    assert Response(status_code=200, headers=[]) != Response(status_code=204, headers=[])
    assert Data(b"a") == Data(data=b"a")
    assert Data(b"a") != Data(b"b")
    assert EndOfMessage() == EndOfMessage(headers=[])
    assert ConnectionClosed() == ConnectionClosed()
    assert ConnectionClosed() != EndOfMessage()
    assert Response(status_code=200, headers=[]) != InformationalResponse(status_code=100, headers=[])
    with pytest.raises(TypeError, match="unhashable"):
        hash(request())


def test_events_say_what_they_are():
    assert repr(ConnectionClosed()) == "ConnectionClosed()"
    assert repr(Data(b"a")) == "Data(data=b'a', chunk_start=False, chunk_end=False)"
    assert repr(request()) == (
        "Request(method=b'GET', headers=<Headers([(b'host', b'example.com')])>, target=b'/', http_version=b'1.1')"
    )
    assert "stream_id=3" in repr(Data(b"a", stream_id=3))


def test_an_error_quotes_at_most_64_octets_escaped():
    with pytest.raises(LocalProtocolError) as caught:
        Headers([("X", b"\x00\n" * 500)])
    assert str(caught.value).isprintable()
    assert str(caught.value).count("\\x00") == 32
