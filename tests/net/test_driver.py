"""What the driver does with one connection, over a transport in memory: pausing, pipelining, ends, errors, reports."""

import asyncio
import logging
import re
import time

import pytest
from tests.net.virtual_clock import GET, OLD_GET, Client, Handled, ServerSide, head, post

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, InformationalResponse
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.exchange import Disconnected

HELLO = b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"


def responses(received: bytes) -> list[int]:
    """The status of each response."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


def answer(handled: Handled) -> None:
    """An application that says hello at once."""
    handled.respond()


# -- reading pauses while the application has not taken what was read


def test_reading_pauses_above_the_read_buffer_and_goes_on_below_half_of_it(side: ServerSide) -> None:
    side.take = False
    client = side.connect(post(300_000))
    for _ in range(30):
        client.transport.send(b"x" * 10_000)
    handled = side.handled[0]
    assert not client.transport.reading
    assert handled.exchange.unread == len(handled.content) == 70_000
    handled.exchange.consumed(70_000 - 32_769)
    assert not client.transport.reading
    handled.exchange.consumed(1)
    assert client.transport.reading
    side.loop.settle()
    assert handled.exchange.unread <= 75_536
    assert not client.transport.reading


def test_an_upload_is_held_by_whoever_reads_slowly(side: ServerSide) -> None:
    side.take = False
    client = side.connect(post(2_000_000))
    for _ in range(200):
        client.transport.send(b"x" * 10_000)
    handled = side.handled[0]
    rounds = 0
    while handled.told != ["end"]:
        assert handled.exchange.unread <= 80_000
        handled.exchange.consumed(min(handled.exchange.unread, 10_000))
        side.loop.settle()
        rounds += 1
    assert len(handled.content) == 2_000_000
    assert rounds > 100


def test_a_client_is_heard_again_once_its_whole_content_was_taken(side: ServerSide) -> None:
    """Content that came in one piece with its end pauses reading; taken, the client's going is noticed."""
    side.take = False
    client = side.connect(post(100_000) + b"x" * 100_000)
    handled = side.handled[0]
    assert handled.told == ["end"]
    assert not client.transport.reading
    handled.exchange.consumed(100_000)
    assert client.transport.reading
    client.transport.send_eof()
    side.loop.settle()
    assert handled.told == ["end", "eof"]


def test_what_comes_behind_a_request_pauses_reading_until_the_response(side: ServerSide) -> None:
    client = side.connect(GET + GET)
    assert len(side.handled) == 1
    assert not client.transport.reading
    client.transport.send(GET * 1000)
    side.pass_time(100)
    assert len(side.handled) == 1
    assert client.transport.unreceived == len(GET) * 1000
    side.handled[0].respond()
    side.handled[1].respond()
    side.loop.settle()
    assert len(side.handled) == 3


# -- pipelining


def test_pipelined_requests_are_answered_in_order(side: ServerSide) -> None:
    side.on_request = answer
    client = side.connect(GET * 500)
    for _ in range(100):
        side.loop.settle()
    assert client.received == HELLO * 500
    assert [record.status for record in side.records] == [200] * 500


@pytest.mark.parametrize("size", [5, 10_000, 1_000_000])
def test_who_takes_no_responses_is_given_no_more_of_them(side: ServerSide, size: int) -> None:
    """28 MB of requests, and nobody takes the responses: what waits stays below the high-water mark and one response."""
    content = b"x" * size
    side.on_request = lambda handled: handled.respond(content)
    client = side.connect()
    client.transport.take_nothing()
    most = 0
    for _ in range(28 * 1024 // 64):
        client.transport.send(GET * (65536 // len(GET)))
        side.loop.settle()
        if not client.transport.reading and most == client.transport.most_waiting:
            break
        most = client.transport.most_waiting
    for _ in range(1000):
        side.loop.settle()
    assert client.transport.most_waiting <= 65536 + size + 100
    assert not client.transport.reading
    answered = len(side.handled)
    client.transport.take(size)
    for _ in range(20):
        side.loop.settle()
    if size > 65536:
        assert len(side.handled) == answered + 1


def test_a_response_that_the_transport_takes_is_over_at_once(side: ServerSide) -> None:
    client = side.connect(GET)
    (handled,) = side.handled
    assert (handled.exchange.leaves_at_once(65_536), handled.exchange.leaves_at_once(65_537)) == (True, False)
    client.transport.take_nothing()
    handled.respond(b"x" * 1000)
    assert (handled.exchange.writable, handled.told, len(side.records)) == (True, ["end"], 1)


@pytest.mark.parametrize("end", ["taken", "taken, and closed", "reset", "too slow", "abort"])
def test_a_response_above_high_water_is_over_when_it_is_taken(side: ServerSide, end: str) -> None:
    client = side.connect(GET)
    (handled,) = side.handled
    client.transport.take_nothing()
    handled.exchange.send(head(100_000), Data(b"x" * 100_000))
    assert not handled.exchange.leaves_at_once(0)
    handled.exchange.send(EndOfMessage())
    handled.exchange.abort()  # too late
    client.transport.take(10_000)
    side.loop.settle()
    assert (handled.exchange.writable, handled.told, side.records) == (False, ["end"], [])
    if "taken" in end:
        if "closed" in end:
            side.registry.drain()
        client.transport.take(None)
    elif end == "reset":
        client.transport.reset_by_peer()
    elif end == "abort":
        client.protocol.abort("stopped")
    else:
        side.pass_time(40)
    side.loop.settle()
    assert handled.exchange.writable
    (record,) = side.records
    if "taken" in end:
        assert (handled.told, record.error) == (["end", "writable"], "")
        assert (client.closed_at is not None) == ("closed" in end)
    else:
        assert handled.told == ["end", "lost"]
        assert record.error == handled.reason != ""


def test_who_takes_responses_again_is_served_again(side: ServerSide) -> None:
    side.on_request = lambda handled: handled.respond(b"x" * 100_000)
    client = side.connect()
    client.transport.take_nothing()
    client.transport.send(GET * 10)
    for _ in range(20):
        side.loop.settle()
    assert len(side.handled) == 1
    client.transport.take(None)
    for _ in range(20):
        side.loop.settle()
    assert responses(client.received) == [200] * 10
    side.pass_time(80)
    assert client.closed_at == pytest.approx(75)  # and the idle wait has begun


def test_who_takes_no_responses_and_goes_leaves_nothing(side: ServerSide) -> None:
    side.on_request = lambda handled: handled.respond(b"x" * 100_000)
    client = side.connect()
    client.transport.take_nothing()
    client.transport.send(GET * 10)
    client.transport.send_eof()
    for _ in range(20):
        side.loop.settle()
    side.pass_time(40)
    assert client.closed_at == pytest.approx(30)
    assert len(side.records) == 1


def test_draining_while_a_response_is_not_taken(side: ServerSide) -> None:
    side.on_request = lambda handled: handled.respond(b"x" * 100_000)
    client = side.connect()
    client.transport.take_nothing()
    client.transport.send(GET * 10)
    for _ in range(20):
        side.loop.settle()
    side.registry.drain()
    client.transport.take(None)
    side.pass_time(3)
    assert client.closed_at is not None
    assert responses(client.received) == [200]
    assert len(client.received) > 100_000


def test_nothing_is_parsed_after_an_error(side: ServerSide) -> None:
    side.on_request = answer
    client = side.connect(GET + b"GET / HTTP/1.1\r\n\r\n" + GET)
    for _ in range(5):
        side.loop.settle()
    client.transport.send(GET)
    side.loop.settle()
    assert responses(client.received) == [200, 400]
    assert [record.status for record in side.records] == [200, 400]
    assert len(side.handled) == 1


# -- many small segments


def test_octet_by_octet(side: ServerSide) -> None:
    client = side.connect()
    for octet in GET + post(5) + b"hello" + GET:
        client.transport.send(bytes((octet,)))
        if side.handled and side.handled[-1].told == ["end"]:
            side.handled[-1].respond()
            side.handled[-1].told.append("done")
    assert client.received == HELLO * 3
    assert side.handled[1].content == b"hello"


def test_limits_hold_across_segments(side: ServerSide) -> None:
    client = side.connect(b"GET / HTTP/1.1\r\nHost: x\r\n")
    sent = 0
    while client.eof_at is None:
        client.transport.send(b"X: y\r\n" if sent % 2 else b"Y:")
        if sent % 2 == 0:
            client.transport.send(b" z\r\n")
        sent += 1
        assert sent <= 100
    assert responses(client.received) == [431]


# -- half-close


def test_a_client_may_close_its_side_and_still_gets_its_response(side: ServerSide) -> None:
    client = side.connect(post(5) + b"hello")
    client.transport.send_eof()
    side.pass_time(100)
    assert client.closed_at is None
    handled = side.handled[0]
    assert handled.told == ["end", "eof"]
    handled.respond(b"x" * 100_000)
    side.loop.settle()
    assert client.received.endswith(b"x" * 100_000)
    assert client.closed_at == pytest.approx(100)
    assert [record.error for record in side.records] == [""]


def test_pipelined_requests_before_a_half_close_are_answered(side: ServerSide) -> None:
    side.on_request = answer
    client = side.connect(GET * 3)
    client.transport.send_eof()
    for _ in range(5):
        side.loop.settle()
    assert client.received == HELLO * 3
    assert client.closed_at == 0


def test_over_tls_there_is_no_half_close(side: ServerSide) -> None:
    client = side.connect(GET, ssl_object=object())
    client.transport.send_eof()
    side.loop.settle()
    assert client.closed_at == 0
    assert side.handled[0].told == ["end", "eof", "lost"]


# -- lingering close


def test_a_client_that_still_sends_gets_the_error(side: ServerSide) -> None:
    client = side.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n")
    assert responses(client.received) == [400]
    assert client.eof_at == 0
    assert client.closed_at is None
    for _ in range(10):
        client.transport.send(b"x" * 100_000)
    assert client.transport.unreceived == 0  # read and dropped
    client.transport.send_eof()
    side.loop.settle()
    assert client.closed_at == 0
    assert not client.transport.reset


def test_over_tls_an_error_is_followed_by_the_close(side: ServerSide) -> None:
    client = side.connect(ssl_object=object())
    client.transport.can_write_eof = lambda: False  # type: ignore[method-assign]  # as asyncio's own over TLS
    client.transport.send(b"GET / HTTP/1.1\r\n\r\n")
    side.loop.settle()
    assert responses(client.received) == [400]
    assert client.closed_at == 0


# -- responses before the content was read


def test_a_little_content_that_nobody_read_is_dropped_and_the_connection_kept(side: ServerSide) -> None:
    client = side.connect(post(60_000) + b"x" * 100)
    side.handled[0].respond()
    assert b"close" not in client.received
    client.transport.send(b"x" * 59_900 + GET)
    side.handled[1].respond()
    assert client.received == HELLO * 2
    assert client.closed_at is None
    assert side.handled[0].told == []


def test_much_content_that_nobody_reads_closes_the_connection(side: ServerSide) -> None:
    client = side.connect(post(10_000_000) + b"x" * 100)
    side.handled[0].respond()
    for _ in range(10):
        client.transport.send(b"x" * 10_000)
    assert client.received == HELLO
    assert client.eof_at == 0
    side.pass_time(5)
    assert client.closed_at == pytest.approx(2)
    assert not client.transport.reset
    assert [(record.status, record.error) for record in side.records] == [(200, "")]


def test_content_that_was_paused_is_dropped_too(side: ServerSide) -> None:
    side.take = False
    client = side.connect(post(120_000) + b"x" * 66_000)
    assert not client.transport.reading
    side.handled[0].respond()
    side.loop.settle()
    client.transport.send(b"x" * 54_000 + GET)
    side.pass_time(5)
    assert responses(client.received) == [200]  # 120 000 octets are too much to drop
    assert client.closed_at == pytest.approx(2)


@pytest.mark.parametrize("then", [b"x\r\n", b"", None], ids=["error", "eof", "silence"])
def test_what_goes_wrong_in_content_that_nobody_wants_harms_no_response(side: ServerSide, then: bytes | None) -> None:
    client = side.connect(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    client.transport.take_nothing()
    side.handled[0].respond()
    if then is None:
        side.pass_time(12)
    elif then:
        client.transport.send(then)
    else:
        client.transport.send_eof()
    side.loop.settle()
    client.transport.take(None)
    side.pass_time(5)
    assert client.received == HELLO
    assert client.closed_at is not None
    assert not client.transport.reset
    assert [(record.status, record.error) for record in side.records] == [(200, "")]


# -- Expect: 100-continue


def test_100_continue_when_the_application_wants_it(side: ServerSide) -> None:
    client = side.connect(post(5, b"Expect: 100-continue"))
    exchange = side.handled[0].exchange
    assert exchange.expects_continue
    assert client.received == b""
    exchange.send(InformationalResponse(status_code=100, reason=b"Continue"))
    assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not exchange.expects_continue
    client.transport.send(b"hello")
    side.handled[0].respond()
    assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO
    assert client.closed_at is None


def test_a_client_that_does_not_wait_for_100_continue(side: ServerSide) -> None:
    client = side.connect(post(5, b"Expect: 100-continue") + b"he")
    assert not side.handled[0].exchange.expects_continue
    client.transport.send(b"llo")
    side.handled[0].respond()
    client.transport.send(GET)
    side.handled[1].respond()
    assert client.received == HELLO * 2


@pytest.mark.parametrize("status", [200, 413, 417])
def test_a_final_response_instead_of_100_continue_closes(side: ServerSide, status: int) -> None:
    client = side.connect(post(10_000_000, b"Expect: 100-continue"))
    side.handled[0].respond(status=status)
    assert b"\r\nConnection: close\r\n" in client.received
    assert responses(client.received) == [status]
    client.transport.send(b"x" * 100_000)  # it could not know
    side.pass_time(5)
    assert client.closed_at == pytest.approx(2)
    assert not client.transport.reset


def test_an_expectation_that_nobody_knows(side: ServerSide) -> None:
    client = side.connect(post(5, b"Expect: tea"))
    assert responses(client.received) == [417]
    assert side.handled == []


# -- the end of a response that never comes


def broken_off(side: ServerSide, request: bytes, length: int | None) -> Client:
    client = side.connect(request)
    handled = side.handled[0]
    handled.exchange.send(head(length), Data(b"hello"))
    handled.exchange.abort()
    side.pass_time(5)
    assert handled.told == ["end", "lost"]
    assert [(record.status, record.error) for record in side.records] == [(200, "the application failed")]
    with pytest.raises(Disconnected):
        handled.exchange.send(Data(b"more"))
    assert client.closed_at is not None
    return client


def test_a_chunked_response_that_breaks_off_has_no_last_chunk(side: ServerSide) -> None:
    client = broken_off(side, GET, None)
    assert client.received.endswith(b"\r\n\r\n5\r\nhello\r\n")


def test_a_response_of_known_length_that_breaks_off_is_too_short(side: ServerSide) -> None:
    client = broken_off(side, GET, 10)
    assert client.received.endswith(b"\r\n\r\nhello")


def test_a_response_until_close_that_breaks_off_is_reset(side: ServerSide) -> None:
    options = []

    class Socket:
        family = 2

        def fileno(self) -> int:
            return 3

        def setsockopt(self, *option: object) -> None:
            options.append(option)

    side.extra["socket"] = Socket()
    client = broken_off(side, OLD_GET, None)
    assert client.received.endswith(b"\r\n\r\nhello")
    assert client.eof_at is None
    assert len(options) == 1


def test_what_the_protocol_does_not_allow_is_told_and_not_sent(side: ServerSide) -> None:
    client = side.connect(GET)
    exchange = side.handled[0].exchange
    exchange.send(head(5))
    sent = client.received
    with pytest.raises(LocalProtocolError):
        exchange.send(Data(b"too much"))
    exchange.abort()
    side.pass_time(5)
    assert client.received == sent


# -- other protocols


def test_connect_is_for_proxies(side: ServerSide) -> None:
    client = side.connect(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n\x16\x03\x01")
    assert responses(client.received) == [501]
    assert side.handled == []
    assert [record.status for record in side.records] == [501]
    side.pass_time(5)
    assert client.closed_at == pytest.approx(2)


def test_http_2_without_tls_is_refused(side: ServerSide) -> None:
    client = side.connect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert responses(client.received) == [505]


def test_who_wants_to_upgrade_gets_an_ordinary_response(side: ServerSide) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    client = side.connect(upgrade + GET)
    assert len(side.handled) == 1
    side.handled[0].respond()
    side.handled[1].respond()
    assert client.received == HELLO * 2


# -- HTTP/1.0


def test_http_1_0_is_answered_until_the_close(side: ServerSide) -> None:
    client = side.connect(OLD_GET)
    side.handled[0].exchange.send(InformationalResponse(status_code=103))
    side.handled[0].exchange.send(head(), Data(b"hello"), EndOfMessage(headers=[("X", "y")]))
    side.loop.settle()
    assert client.received == b"HTTP/1.1 200 \r\nConnection: close\r\n\r\nhello"
    assert client.closed_at == 0


def test_http_1_0_with_a_length_closes_too(side: ServerSide) -> None:
    client = side.connect(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    side.handled[0].respond()
    side.loop.settle()
    assert client.received.endswith(b"hello")
    assert b"Connection: close\r\n" in client.received
    assert client.closed_at == 0


# -- draining


def test_draining_closes_what_is_idle_and_lets_the_others_finish(side: ServerSide) -> None:
    idle = side.connect(GET)
    side.handled[0].respond()
    running = side.connect(GET)
    begun = side.connect(GET)
    side.handled[2].exchange.send(head(5))
    uploading = side.connect(post(10) + b"hello")
    silent = side.connect()
    side.registry.drain()
    side.loop.settle()
    assert idle.closed_at == silent.closed_at == 0
    assert running.closed_at is begun.closed_at is uploading.closed_at is None
    late = side.connect(GET)
    assert late.received == b""
    side.handled[1].respond()
    side.handled[2].exchange.send(Data(b"hello"), EndOfMessage())
    uploading.transport.send(b"hello")
    side.handled[3].respond()
    side.loop.settle()
    assert b"Connection: close\r\n" in running.received
    assert begun.received == HELLO
    assert b"Connection: close\r\n" in uploading.received
    side.pass_time(3)
    assert {running.closed_at, begun.closed_at, uploading.closed_at} == {0}
    assert len(side.handled) == 4
    assert len(side.registry) == 0


def test_draining_answers_no_second_pipelined_request(side: ServerSide) -> None:
    client = side.connect(GET * 2)
    side.registry.drain()
    side.handled[0].respond()
    side.pass_time(3)
    assert responses(client.received) == [200]
    assert client.closed_at is not None
    assert len(side.handled) == 1


def test_whoever_waits_for_the_last_connection_is_told(side: ServerSide) -> None:
    side.connect(GET)
    waiting = side.loop.create_task(side.registry.wait_closed())
    side.registry.drain()
    side.loop.settle()
    assert not waiting.done()
    side.handled[0].respond()
    side.loop.settle()
    assert waiting.done()


# -- how many connections


def test_no_more_connections_than_the_limit(side: ServerSide) -> None:
    side.configure(Limits(connections=3))
    clients = [side.connect(peername=(f"192.0.2.{i}", 1)) for i in range(3)]
    refused = side.connect(peername=("192.0.2.9", 1))
    assert responses(refused.received) == [503]
    assert b"connection: close" in refused.received
    assert len(side.records) == 1
    refused.transport.send(GET)
    side.pass_time(3)
    assert refused.closed_at is not None
    assert side.handled == []
    clients[0].transport.send_eof()
    side.loop.settle()
    accepted = side.connect(GET)
    side.handled[0].respond()
    assert accepted.received == HELLO


def test_no_more_connections_from_one_address_than_the_limit(side: ServerSide) -> None:
    side.configure(Limits(connections_per_ip=2))
    clients = [side.connect(), side.connect()]
    assert responses(side.connect().received) == [503]
    other = side.connect(GET, peername=("192.0.2.8", 1))
    side.handled[0].respond()
    assert other.received == HELLO
    side.pass_time(3)
    clients[1].transport.reset_by_peer()
    side.loop.settle()
    again = side.connect(GET)
    side.handled[1].respond()
    assert again.received == HELLO


def test_connections_through_a_unix_socket_have_no_address_to_be_counted_by(side: ServerSide) -> None:
    side.configure(Limits(connections_per_ip=1))
    side.extra |= {"peername": "", "sockname": "/run/interlock"}
    for at in range(5):
        client = side.connect(GET)
        side.handled[at].respond()
        assert client.received == HELLO
    assert side.handled[0].exchange.peer.server == ("/run/interlock", None)
    assert side.handled[0].exchange.peer.client is None


def test_a_flood_of_refused_connections_is_not_lingered_on(side: ServerSide) -> None:
    side.configure(Limits(connections=10))
    for _ in range(200):
        side.connect()
    assert len(side.registry) <= 20


# -- one report for each exchange


def test_every_exchange_is_reported_once(side: ServerSide) -> None:
    side.connect(GET)
    side.handled[0].respond(b"hello")
    assert [(r.status, r.octets_sent, r.error) for r in side.records] == [(200, 5, "")]
    assert side.records[0].request is not None
    assert side.records[0].request.target == b"/"


def test_a_report_tells_how_long_it_took(side: ServerSide, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that does not stand still within one turn of the event loop, as uvloop's does."""
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    side.connect(GET)
    side.handled[0].exchange.send(head())
    now += 0.0007
    side.handled[0].exchange.send(Data(b"x" * 70_000), EndOfMessage())
    assert side.records[0].duration == pytest.approx(0.0007)
    assert side.records[0].octets_sent == 70_000


@pytest.mark.parametrize("end", ["eof", "reset", "abort", "drain"])
@pytest.mark.parametrize(
    ("request_", "sent"),
    [(GET, 0), (GET, 1), (GET, 2), (post(10) + b"hello", 0), (post(10) + b"hello", 1), (OLD_GET, 2)],
)
def test_an_exchange_that_fails_is_reported_once(side: ServerSide, request_: bytes, sent: int, end: str) -> None:
    client = side.connect(request_)
    exchange = side.handled[0].exchange
    exchange.send(*(head(10), Data(b"hello"))[:sent]) if sent else None
    if end == "eof":
        client.transport.send_eof()
        side.loop.settle()
        exchange.abort()
    elif end == "reset":
        client.transport.reset_by_peer()
    elif end == "abort":
        exchange.abort()
    else:
        side.registry.drain()
        side.registry.abort()
    side.pass_time(10)
    assert client.closed_at is not None
    assert len(side.records) == 1
    assert side.records[0].error
    assert side.handled[0].told.count("lost") == 1
    exchange.abort()
    exchange.consumed(0)
    assert not exchange.expects_continue
    assert exchange.writable
    with pytest.raises(Disconnected):
        exchange.send(head())


def test_a_head_that_never_was_one_is_reported_once(side: ServerSide) -> None:
    client = side.connect(b"\x16\x03\x01\x02\x00\x01")
    client.transport.send(b"\x00" * 100)
    side.pass_time(3)
    assert responses(client.received) == [400]
    assert [(record.request, record.status) for record in side.records] == [(None, 400)]
    assert len(side.records[0].error) < 200


def test_what_is_wrong_with_a_request_can_be_read_in_the_log_too(
    side: ServerSide, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="interlock.error"):
        side.connect(b"GET /\x1b[31m HTTP/1.1\r\n" + b"Host: a\r\n\r\n" * 50)
    (entry,) = caplog.records
    assert entry.levelno == logging.DEBUG
    assert "illegal octet 0x1B" in entry.getMessage()
    assert entry.getMessage().isprintable()


def test_what_is_wrong_with_a_request_can_be_read_in_the_answer(side: ServerSide) -> None:
    client = side.connect(b"GET / HTTP/1.1\r\n\r\n")
    fields, _, content = client.received.partition(b"\r\n\r\n")
    assert b"text/plain; charset=utf-8" in fields
    assert content.decode() == "Bad Request: no Host (RFC 9112 §3.2)\n"
    assert [record.octets_sent for record in side.records] == [len(content)]


# -- what a handler does within a call of the driver's


def test_a_response_within_the_call_that_brings_the_request(side: ServerSide) -> None:
    """Even thousands of them, one within the other, are no recursion."""
    made = []

    class Handler:
        def __init__(self, exchange: object) -> None:
            self.exchange = exchange
            made.append(1)

        def end_received(self, trailers: object) -> None:
            self.exchange.send(head(5), Data(b"hello"), EndOfMessage())  # type: ignore[attr-defined]

        def connection_lost(self, reason: str) -> None:
            raise AssertionError

    async def make() -> ConnectionRegistry:
        return ConnectionRegistry(Handler, limits=Limits(), timeouts=Timeouts())  # type: ignore[arg-type]

    side.registry = side.loop.run_until_complete(make())
    client = side.connect(GET * 3000)
    assert client.received == HELLO * 3000
    assert len(made) == 3000


def test_who_only_sends_is_told_at_once_that_the_client_is_gone(side: ServerSide) -> None:
    """The transport knows before it calls connection_lost(), and an application that never waits would never see that."""
    client = side.connect(GET)
    exchange = side.handled[0].exchange
    exchange.send(head())
    client.transport.reset_by_peer()
    with pytest.raises(Disconnected):
        for _ in range(100):
            assert exchange.writable
            exchange.send(Data(b"x" * 1000))
    side.loop.settle()
    assert side.handled[0].told == ["end", "lost"]


def test_writing_goes_on_below_the_low_water_mark(side: ServerSide) -> None:
    client = side.connect(GET)
    client.transport.take_nothing()
    handled = side.handled[0]
    handled.exchange.send(head(), Data(b"x" * 70_000))
    assert not handled.exchange.writable
    client.transport.take(40_000)
    side.loop.settle()
    assert "writable" not in handled.told
    client.transport.take(20_000)
    side.loop.settle()
    assert handled.told == ["end", "writable"]
    assert handled.exchange.writable


def test_calls_from_other_threads_run_on_the_loop(side: ServerSide, caplog: pytest.LogCaptureFixture) -> None:
    side.connect(GET)
    exchange = side.handled[0].exchange
    called = []
    for at in range(3):
        exchange.call_threadsafe(called.append, at)
    exchange.call_threadsafe(lambda: 1 / 0)
    exchange.call_threadsafe(called.append, 3)
    assert called == []
    side.loop.settle()
    assert called == [0, 1, 2, 3]
    assert [record.message for record in caplog.records] == ["a call from another thread failed"]
    caplog.clear()


def test_calls_to_a_loop_that_is_closed_are_refused_every_time(side: ServerSide) -> None:
    loop = asyncio.new_event_loop()

    async def make() -> ConnectionRegistry:
        return ConnectionRegistry(lambda _: None, limits=Limits(), timeouts=Timeouts())  # type: ignore[arg-type,return-value]

    registry = loop.run_until_complete(make())
    loop.close()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            registry.call_threadsafe(print, ())


@pytest.mark.parametrize("head", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"])
@pytest.mark.parametrize("behind", [b"\r\n", GET, b"\x00"])
@pytest.mark.parametrize("together", [True, False])
def test_what_comes_behind_the_last_request_is_not_read(
    side: ServerSide, head: bytes, behind: bytes, together: bool
) -> None:
    client = side.connect(head + behind if together else head)
    if not together:
        client.transport.send(behind)
    side.handled[0].respond()
    assert responses(client.received) == [200]
    assert len(side.handled) == 1
    side.pass_time(5)
    assert client.closed_at is not None
