"""The head of a request of HTTP/1.1: what it has that nobody gave, and what may be made again."""

from typing import Any

import pytest

from interlock.client.heads import ForwardingProxy, authority, repeatable, request_head
from interlock.client.messages import Request
from interlock.http.errors import LocalProtocolError
from interlock.http.fields import Headers


def head(
    method: bytes = b"GET", *, target: bytes = b"/", proxy: ForwardingProxy | None = None, **more: Any
) -> list[tuple[bytes, bytes]]:
    """The fields of the head, as they are written."""
    made = request_head(Request(method, b"http", "a.example", 80, target, **more), proxy)
    assert made.method == method
    return made.headers.raw_items()


HOST = (b"Host", b"a.example")


@pytest.mark.parametrize(
    ("scheme", "host", "port", "expected"),
    [
        (b"http", "a.example", 80, b"a.example"),
        (b"http", "a.example", 443, b"a.example:443"),
        (b"https", "a.example", 443, b"a.example"),
        (b"wss", "a.example", 443, b"a.example"),
        (b"http", "::1", 8000, b"[::1]:8000"),
        (b"http", "::1", 80, b"[::1]"),
        (b"", "a.example", 80, b"a.example:80"),
    ],
)
def test_the_authority(scheme: bytes, host: str, port: int, expected: bytes) -> None:
    assert authority(scheme, host, port) == expected


def test_a_host_that_is_not_ascii() -> None:
    with pytest.raises(LocalProtocolError, match="not ASCII"):
        request_head(Request(b"GET", b"http", "bücher.example", 80, b"/"))


def test_what_is_given_is_sent_as_it_is() -> None:
    given = [(b"hOST", b"b.example"), (b"X", b"1"), (b"x", b"2"), (b"Content-length", b"7")]
    for headers in (given, tuple(given), iter(given), Headers(given)):
        assert head(b"PUT", headers=headers, content=[b"1234567"]) == given


def test_host_comes_first() -> None:
    assert head(headers=[(b"A", b"b")]) == [HOST, (b"A", b"b")]
    assert head(headers=iter([(b"A", b"b")])) == [HOST, (b"A", b"b")]


@pytest.mark.parametrize(
    ("method", "more", "framing"),
    [
        (b"GET", {}, []),
        (b"GET", {"content": b""}, []),
        (b"GET", {"content": []}, []),
        (b"DELETE", {}, []),
        (b"POST", {}, [(b"Content-Length", b"0")]),
        (b"PATCH", {"content": b""}, [(b"Content-Length", b"0")]),
        (b"GET", {"content": b"abc"}, [(b"Content-Length", b"3")]),
        (b"POST", {"content": iter([])}, [(b"Transfer-Encoding", b"chunked")]),
        (b"POST", {"content": b"abc", "trailers": [(b"a", b"b")]}, [(b"Transfer-Encoding", b"chunked")]),
        (b"GET", {"trailers": list}, [(b"Transfer-Encoding", b"chunked")]),
    ],
)
def test_framing(method: bytes, more: dict[str, Any], framing: list[tuple[bytes, bytes]]) -> None:
    assert head(method, **more) == [HOST, *framing]


def test_an_empty_list_of_blocks_is_content_of_no_octets() -> None:
    assert head(b"POST", content=[]) == [HOST, (b"Content-Length", b"0")]


def test_expecting_the_word_to_go_on() -> None:
    expect = (b"Expect", b"100-continue")
    assert head(b"PUT", content=b"abc", expect_continue=1.0)[-1] == expect
    assert head(b"PUT", content=b"abc", expect_continue=1.0, headers=[expect]).count(expect) == 1
    assert expect not in head(b"PUT", expect_continue=1.0)
    assert expect not in head(b"PUT", content=b"abc")


def test_priority() -> None:
    assert head(priority=b"u=1") == [HOST, (b"Priority", b"u=1")]
    assert head(priority=b"u=1", headers=[(b"priority", b"u=2")]) == [HOST, (b"priority", b"u=2")]


def test_connect_names_where_to() -> None:
    assert head(b"CONNECT", target=b"b.example:443") == [(b"Host", b"b.example:443")]


def test_a_proxys_fields_give_way_to_those_of_the_request() -> None:
    proxy = ForwardingProxy(((b"Proxy-Authorization", b"a"), (b"X", b"1")))
    assert head(proxy=proxy) == [HOST, *proxy.fields]
    own = [(b"x", b"2"), (b"proxy-authorization", b"b")]
    assert head(proxy=proxy, headers=own) == [HOST, *own]
    assert head(b"POST", proxy=proxy, content=b"abc")[-1] == (b"Content-Length", b"3")


@pytest.mark.parametrize(
    ("method", "more", "expected"),
    [
        (b"GET", {}, True),
        (b"PUT", {"content": b"a"}, True),
        (b"PUT", {"content": (b"a",), "trailers": [(b"a", b"b")]}, True),
        (b"PUT", {"content": iter([b"a"])}, False),
        (b"PUT", {"trailers": list}, False),
        (b"POST", {}, False),
        (b"LOCK", {}, False),
        (b"CONNECT", {}, False),
    ],
)
def test_what_may_be_made_again(method: bytes, more: dict[str, Any], expected: bool) -> None:
    assert repeatable(Request(method, b"http", "a.example", 80, b"/", **more)) is expected
