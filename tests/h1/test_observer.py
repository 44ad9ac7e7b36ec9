"""The observer of HTTP/1.1: two engines, one set of machines."""

import pytest

from interlock.h1 import CLIENT, NEED_DATA, PAUSED, SERVER, EndOfMessage, Limits, RemoteProtocolError, Request, Response
from interlock.h1.observer import Observer
from interlock.h1.tables import SYSTEM
from interlock.http.sentinels import Sentinel

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def take(observer: Observer, sender: Sentinel, octets: bytes) -> list[str]:
    """What comes of octets: events by their type, and why there are no more."""
    observer.receive_data(sender, octets)
    seen = []
    while True:
        event = observer.next_event(sender)
        if event is NEED_DATA or event is PAUSED:
            return [*seen, repr(event)]
        seen.append(type(event).__name__)


def test_what_each_end_sends_moves_the_same_machines() -> None:
    observer = Observer(Limits(), Limits())
    assert take(observer, CLIENT, GET) == ["Request", "EndOfMessage", "NEED_DATA"]
    assert SYSTEM.describe(observer.joint).startswith("client=DONE server=SEND_RESPONSE")
    assert take(observer, SERVER, OK + b"ok") == ["Response", "Data", "EndOfMessage", "NEED_DATA"]
    assert SYSTEM.describe(observer.joint).startswith("client=DONE server=DONE")
    observer.start_next_cycle()
    assert observer.joint == SYSTEM.initial


def test_a_second_request_waits_for_the_first_response() -> None:
    observer = Observer(Limits(), Limits())
    assert take(observer, CLIENT, GET * 2)[-1] == "PAUSED"
    assert observer.unread(CLIENT) == len(GET)
    take(observer, SERVER, OK + b"ok")
    observer.start_next_cycle()
    assert isinstance(observer.next_event(CLIENT), Request)


def test_a_response_is_read_by_the_method_of_its_request() -> None:
    observer = Observer(Limits(), Limits())
    take(observer, CLIENT, GET.replace(b"GET", b"HEAD"))
    assert take(observer, SERVER, OK) == ["Response", "EndOfMessage", "NEED_DATA"]


def test_an_error_of_one_end_leaves_the_other() -> None:
    observer = Observer(Limits(), Limits())
    take(observer, CLIENT, GET)
    observer.receive_data(CLIENT, b"\x00")
    take(observer, SERVER, OK + b"ok")
    observer.start_next_cycle()
    with pytest.raises(RemoteProtocolError):
        observer.next_event(CLIENT)
    assert take(observer, SERVER, OK + b"no") == ["Response", "Data", "EndOfMessage", "NEED_DATA"]
    assert SYSTEM.describe(observer.joint).startswith("client=ERROR server=MUST_CLOSE")


def test_what_is_not_seen_can_be_supposed() -> None:
    observer = Observer(Limits(), Limits())
    observer.suppose("client.Request", b"HEAD")
    observer.suppose("client.EndOfMessage")
    observer.receive_data(SERVER, OK)
    assert isinstance(observer.next_event(SERVER), Response)
    assert isinstance(observer.next_event(SERVER), EndOfMessage)
    with pytest.raises(Exception, match="can't handle event"):
        observer.suppose("client.EndOfMessage")


def test_a_method_that_could_not_be_read_can_be_told() -> None:
    observer = Observer(Limits(), Limits())
    observer.answers(b"HEAD")
    assert take(observer, SERVER, OK) == ["Response", "EndOfMessage", "NEED_DATA"]


@pytest.mark.parametrize(
    ("octets", "ahead"),
    [
        (b"", 0),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 3),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 3),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", 0),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y", 0),
    ],
)
def test_octets_that_can_be_nothing_but_content(octets: bytes, ahead: int) -> None:
    observer = Observer(Limits(), Limits())
    if octets:
        take(observer, CLIENT, octets)
    assert observer.content_ahead(CLIENT) == ahead


def test_content_until_the_end_is_ahead_without_end() -> None:
    observer = Observer(Limits(), Limits())
    take(observer, CLIENT, GET)
    take(observer, SERVER, b"HTTP/1.1 200 OK\r\n\r\n")
    assert observer.content_ahead(SERVER) > 1 << 20
