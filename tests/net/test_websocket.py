"""What the drivers of WebSocket share: the deadlines of pings, URLs, the request to a proxy."""

import os

import pytest

from interlock.http.limits import Timeouts
from interlock.net.deadlines import NEVER
from interlock.net.proxy import parse_proxy_url, proxy_request
from interlock.net.websocket import Pings, parse_url


def pings(interval: float = 20, pong: float = 10) -> Pings[str]:
    made: Pings[str] = Pings(Timeouts(ping_interval=interval, pong=pong))
    made.begin(100)
    return made


# -- keeping alive


def test_a_ping_is_due_each_interval() -> None:
    keep = pings()
    assert keep.deadline() == 120
    assert not keep.due(119.9)
    assert keep.due(120)
    payload = keep.probe(120)
    assert keep.deadline() == 130  # until the pong
    assert not keep.due(125)
    assert keep.answered(payload, 122) == []
    assert keep.latency == 2
    assert keep.deadline() == 140
    assert not keep.overdue(1000)


def test_an_answer_that_takes_longer_than_the_interval_is_followed_at_once() -> None:
    keep = pings(interval=5, pong=30)
    payload = keep.probe(105)
    keep.answered(payload, 125)
    assert keep.due(125)


def test_an_answer_is_overdue() -> None:
    keep = pings()
    keep.probe(120)
    assert not keep.overdue(129.9)
    assert keep.overdue(130)
    assert not keep.due(200)


def test_without_an_interval_there_are_no_pings() -> None:
    assert pings(interval=0).deadline() == NEVER


def test_without_a_timeout_an_answer_is_waited_for_for_ever() -> None:
    keep = pings(pong=0)
    keep.probe(120)
    assert keep.deadline() == NEVER
    assert not keep.overdue(1e9)


def test_before_the_beginning_and_after_the_end_nothing_is_due() -> None:
    keep: Pings[str] = Pings(Timeouts())
    assert keep.deadline() == NEVER
    keep.begin(100)
    keep.probe(120)
    keep.sent(b"one", 121, "waiter")
    assert keep.end() == ["waiter"]
    assert keep.deadline() == NEVER
    assert keep.answered(b"one", 122) == []


def test_when_no_more_are_sent_pongs_can_still_come() -> None:
    keep = pings()
    keep.sent(b"one", 101, "first")
    keep.probe(120)
    keep.stop()
    assert keep.deadline() == NEVER
    assert keep.answered(b"one", 122) == [("first", 21)]


def test_time_in_which_the_peer_is_kept_from_answering_does_not_count() -> None:
    keep = pings()
    keep.probe(120)
    keep.hold(True, 125)
    keep.hold(True, 126)
    assert keep.deadline() == NEVER
    keep.hold(False, 1125)
    keep.hold(False, 1126)
    assert keep.deadline() == 1130


def test_after_being_held_only_one_ping_is_due() -> None:
    keep = pings()
    keep.hold(True, 110)
    keep.hold(False, 1000)
    assert keep.due(1000)
    keep.answered(keep.probe(1000), 1001)
    assert keep.deadline() == 1020


def test_a_frame_under_way_holds_the_pong_up() -> None:
    keep = pings()
    keep.probe(120)
    keep.progress(128)
    assert not keep.overdue(130)
    assert keep.overdue(138)


def test_a_pong_answers_the_pings_before_it_too() -> None:
    keep = pings()
    keep.sent(b"one", 101, "first")
    probe = keep.probe(120)
    keep.sent(b"two", 121, "second")
    keep.sent(b"three", 122, "third")
    assert keep.answered(b"two", 123) == [("first", 22), ("second", 2)]
    assert keep.latency == 2
    assert not keep.is_waiting(probe)
    assert keep.deadline() == 140
    assert keep.is_waiting(b"three")


def test_an_unsolicited_pong_answers_nothing() -> None:
    keep = pings()
    keep.sent(b"one", 101, "first")
    assert keep.answered(b"", 102) == []
    assert keep.is_waiting(b"one")
    assert keep.latency == 0


def test_payloads_differ_and_are_not_guessed() -> None:
    keep = pings()
    made = {keep.payload() for _ in range(100)}
    assert len(made) > 90
    assert {len(payload) for payload in made} == {4}


def test_no_two_pings_that_wait_have_one_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([b"once", b"once", b"more"])
    monkeypatch.setattr(os, "urandom", lambda octets: next(drawn))
    keep = pings()
    keep.sent(keep.payload(), 101, "first")
    assert keep.payload() == b"more"


# -- URLs


@pytest.mark.parametrize(
    ("url", "secure", "host", "port", "authority", "target"),
    [
        ("ws://example.com", False, "example.com", 80, b"example.com", b"/"),
        ("wss://example.com", True, "example.com", 443, b"example.com", b"/"),
        ("WS://EXAMPLE.com:80/Chat", False, "example.com", 80, b"example.com", b"/Chat"),
        ("ws://example.com:8080/a/b?c=d&e", False, "example.com", 8080, b"example.com:8080", b"/a/b?c=d&e"),
        ("wss://example.com:80/", True, "example.com", 80, b"example.com:80", b"/"),
        ("ws://example.com?query", False, "example.com", 80, b"example.com", b"/?query"),
        ("ws://example.com/?", False, "example.com", 80, b"example.com", b"/?"),
        ("ws://[2001:DB8::1]:9000/x", False, "2001:db8::1", 9000, b"[2001:db8::1]:9000", b"/x"),
        (
            "ws://bücher.example/ü?ö=ä",
            False,
            "xn--bcher-kva.example",
            80,
            b"xn--bcher-kva.example",
            b"/%C3%BC?%C3%B6=%C3%A4",
        ),
        ("ws://x/%2F%23;a=b@c", False, "x", 80, b"x", b"/%2F%23;a=b@c"),
        ('ws://x/"<>', False, "x", 80, b"x", b"/%22%3C%3E"),
    ],
)
def test_urls(url: str, secure: bool, host: str, port: int, authority: bytes, target: bytes) -> None:
    read = parse_url(url)
    assert (read.secure, read.host, read.port) == (secure, host, port)
    assert (read.authority, read.target) == (authority, target)
    assert read.authorization is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "http://example.com",
        "ws:example.com",
        "ws:///path",
        "ws://:80/",
        "ws://x/#fragment",
        "ws://x/#",
        "ws://x:0/",
        "ws://x:65536/",
        "ws://x:port/",
        "ws://[::1/",
        "ws://x/a b",
        "ws://x/a\r\nHost: y",
        "ws://x\t/",
        "ws://x/\x7f",
        "ws://\udcff/",
    ],
)
def test_no_urls(url: str) -> None:
    with pytest.raises(ValueError):
        parse_url(url)


def test_credentials() -> None:
    assert parse_url("ws://Aladdin:open%20sesame@x/").authorization == b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert parse_url("ws://me@x/").authorization == b"Basic bWU6"
    with pytest.raises(ValueError, match="colon"):
        _ = parse_url("ws://a%3Ab:c@x/").authorization


# -- proxies


def test_the_request_to_a_proxy() -> None:
    proxy = parse_proxy_url("http://me:secret@proxy.example:3128")
    assert (proxy.secure, proxy.host, proxy.port) == (False, "proxy.example", 3128)
    request = proxy_request("example.com", 443, proxy, [(b"User-Agent", b"test")])
    assert (request.method, request.target) == (b"CONNECT", b"example.com:443")
    assert list(request.headers) == [
        (b"host", b"example.com:443"),
        (b"proxy-authorization", b"Basic bWU6c2VjcmV0"),
        (b"user-agent", b"test"),
    ]


def test_the_request_for_an_address() -> None:
    request = proxy_request("::1", 81, parse_proxy_url("https://proxy.example"))
    assert request.target == b"[::1]:81"
    assert list(request.headers) == [(b"host", b"[::1]:81")]
    assert parse_proxy_url("https://proxy.example/").port == 443
    assert parse_proxy_url("http://proxy.example/").port == 80


@pytest.mark.parametrize("url", ["socks5://x", "http://", "http://x/path", "http://x?q", "x:3128"])
def test_no_proxies(url: str) -> None:
    with pytest.raises(ValueError):
        parse_proxy_url(url)
