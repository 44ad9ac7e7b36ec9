"""Every wait of a connection, on a clock that the test turns: what is cut, when, and what never is."""

import asyncio

import pytest
from tests.net.virtual_clock import GET, OLD_GET, ServerSide, head, post

from interlock.http.events import Data, EndOfMessage, InformationalResponse
from interlock.http.limits import Timeouts
from interlock.net import deadlines
from interlock.net.deadlines import Wait

HELLO = b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"


def status(received: bytes) -> int:
    """The status of the first response."""
    assert received.startswith(b"HTTP/1.1 ")
    return int(received[9:12])


# -- the pure object


@pytest.mark.parametrize(
    ("what", "timeout"),
    [
        (deadlines.IDLE, "keep_alive"),
        (deadlines.HEAD, "head"),
        (deadlines.LINGER, "linger"),
        (deadlines.LEAVING, "linger"),
        (deadlines.SETTINGS, "settings"),
        (deadlines.SHUTDOWN, "shutdown"),
    ],
)
def test_a_fixed_wait_ends_so_long_after_its_beginning(what: int, timeout: str) -> None:
    wait = Wait(Timeouts(**{timeout: 7.0}))
    assert wait.deadline() == deadlines.NEVER
    wait.begin(what, 100.0)
    assert wait.deadline() == 107.0
    wait.progress(1 << 40, 106.0)
    assert wait.deadline() == 107.0
    wait.end()
    assert wait.deadline() == deadlines.NEVER


@pytest.mark.parametrize("what", range(deadlines.APPLICATION, deadlines.SHUTDOWN + 1))
def test_a_timeout_of_0_waits_for_ever(what: int) -> None:
    wait = Wait(
        Timeouts(head=0, keep_alive=0, body=0, body_grace=0, write=0, linger=0, shutdown=0),
    )
    wait.begin(what, 100.0)
    assert wait.deadline() == deadlines.NEVER


@pytest.mark.parametrize("what", [deadlines.BODY, deadlines.WRITE, deadlines.CLOSING])
def test_a_rated_wait_ends_at_silence_or_below_the_rate(what: int) -> None:
    wait = Wait(Timeouts(body=30, body_grace=10, body_rate=100, write=30, write_rate=100))
    grace = 10 if what == deadlines.BODY else 30
    wait.begin(what, 1000.0)
    assert wait.deadline() == 1000 + grace
    wait.progress(100, 1001.0)
    assert wait.deadline() == 1001 + grace
    wait.progress(1400, 1002.0)
    assert wait.deadline() == min(1015 + grace, 1032)
    wait.progress(1_000_000, 1005.0)
    assert wait.deadline() == 1035  # now silence comes first
    wait.begin(what, 2000.0)
    assert wait.deadline() == 2000 + grace  # nothing is carried over


def test_without_a_rate_only_silence_counts() -> None:
    wait = Wait(Timeouts(body=30, body_rate=0, write_rate=0))
    for what in (deadlines.BODY, deadlines.WRITE):
        wait.begin(what, 0.0)
        wait.progress(1, 29.0)
        assert wait.deadline() == 59.0


def test_a_pause_does_not_count() -> None:
    wait = Wait(Timeouts(body=30, body_grace=10, body_rate=100))
    wait.begin(deadlines.BODY, 0.0)
    wait.pause(4.0)
    wait.pause(5.0)
    assert wait.deadline() == deadlines.NEVER
    wait.resume(104.0)
    assert wait.deadline() == 110.0
    wait.resume(105.0)
    assert wait.deadline() == 110.0


# -- the TLS handshake is the loop's matter


@pytest.mark.parametrize(("timeout", "given"), [(10.0, 10.0), (3.0, 3.0), (0.0, 1e9)])
def test_the_tls_handshake_timeout_is_handed_to_the_loop(timeout: float, given: float) -> None:
    import socket
    import ssl

    from interlock.server.config import Config
    from interlock.server.worker import _Worker

    class Loop:
        async def create_server(self, factory: object, **options: object) -> dict[str, object]:
            return options

    config = Config(timeouts=Timeouts(tls_handshake=timeout))
    worker = _Worker(config, None, None, None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), None)  # type: ignore[arg-type]
    with socket.socket() as sock:
        loop = asyncio.new_event_loop()
        try:
            connections = type("Connections", (), {"protocol": None})
            options = loop.run_until_complete(worker._listen(Loop(), connections, sock))  # type: ignore[arg-type]
        finally:
            loop.close()
    assert options["ssl_handshake_timeout"] == given  # type: ignore[index]


# -- heads


def test_a_client_that_says_nothing_is_cut_without_a_word(side: ServerSide) -> None:
    client = side.connect()
    side.pass_time(9.9)
    assert client.closed_at is None
    side.pass_time(80)
    assert client.closed_at == pytest.approx(10)
    assert client.received == b""
    assert side.records == []


def test_a_head_has_10_s_from_the_connect(side: ServerSide) -> None:
    client = side.connect()
    side.pass_time(8)
    client.transport.send(b"GET / HT")
    side.pass_time(80)
    assert client.eof_at == pytest.approx(10)
    assert status(client.received) == 408
    assert len(side.records) == 1


def test_a_head_that_is_dribbled_has_no_more(side: ServerSide) -> None:
    client = side.connect()
    for at in range(len(GET)):
        client.transport.send(GET[at : at + 1])
        side.pass_time(1)
    assert client.eof_at == pytest.approx(10)
    assert status(client.received) == 408
    assert b"connection: close" in client.received
    assert side.handled == []


def test_empty_lines_before_a_head_win_no_time(side: ServerSide) -> None:
    client = side.connect(b"\r\n")
    side.pass_time(9)
    client.transport.send(b"\r\n")
    side.pass_time(80)
    assert client.closed_at is not None
    assert client.closed_at <= 12.1


def test_the_next_head_has_10_s_from_its_first_octet(side: ServerSide) -> None:
    client = side.connect(GET)
    side.handled[0].respond()
    side.pass_time(60)
    assert client.closed_at is None
    for at in range(len(GET)):
        client.transport.send(GET[at : at + 1])
        side.pass_time(1)
    assert client.eof_at == pytest.approx(70)
    assert client.received.startswith(HELLO)
    assert status(client.received[len(HELLO) :]) == 408


def test_the_rest_of_a_pipelined_head_has_10_s_from_the_response(side: ServerSide) -> None:
    client = side.connect(GET + GET[:9])
    side.pass_time(100)
    assert client.closed_at is None
    side.handled[0].respond()
    side.pass_time(80)
    assert client.eof_at == pytest.approx(110)
    assert status(client.received[len(HELLO) :]) == 408


# -- keep-alive


def test_an_idle_connection_has_75_s(side: ServerSide) -> None:
    client = side.connect(GET)
    side.pass_time(5)
    side.handled[0].respond()
    side.pass_time(74.9)
    assert client.closed_at is None
    side.pass_time(80)
    assert client.closed_at == pytest.approx(80)
    assert client.received == HELLO
    assert len(side.records) == 1


@pytest.mark.parametrize("keep_alive", [1.0, 5.0, 9.0])
def test_a_keep_alive_shorter_than_other_timeouts_holds_too(side: ServerSide, keep_alive: float) -> None:
    side.configure(timeouts=Timeouts(keep_alive=keep_alive))
    client = side.connect(GET)
    side.handled[0].respond()
    side.pass_time(80)
    assert client.closed_at == pytest.approx(keep_alive)


def test_each_response_renews_it(side: ServerSide) -> None:
    client = side.connect()
    for _ in range(10):
        client.transport.send(GET)
        side.handled[-1].respond()
        side.pass_time(70)
    side.pass_time(80)
    assert client.closed_at == pytest.approx(9 * 70 + 75)
    assert client.received == HELLO * 10


# -- content


def test_silence_in_a_body_is_cut_after_30_s(side: ServerSide) -> None:
    client = side.connect(post(100_000) + b"x" * 50_000)
    side.pass_time(80)
    assert client.eof_at == pytest.approx(30)
    assert status(client.received) == 408
    assert side.handled[0].told == ["lost"]
    assert side.handled[0].reason == "the request came too slowly"


def test_an_octet_a_second_is_cut_at_the_grace(side: ServerSide) -> None:
    client = side.connect(post(1000))
    for _ in range(20):
        side.pass_time(1)
        client.transport.send(b"x")
    assert client.eof_at == pytest.approx(10, abs=1)
    assert status(client.received) == 408
    assert side.handled[0].told == ["lost"]
    assert [record.status for record in side.records] == [408]


def test_an_octet_a_second_in_chunks_is_cut_at_the_grace(side: ServerSide) -> None:
    client = side.connect(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(20):
        side.pass_time(1)
        client.transport.send(b"1\r\nx\r\n")
    assert client.eof_at == pytest.approx(10, abs=1)
    assert status(client.received) == 408


def test_a_body_just_below_the_rate_is_cut_and_one_above_it_is_not(side: ServerSide) -> None:
    below = side.connect(post(600_000))
    above = side.connect(post(600_000))
    for _ in range(1000):
        side.pass_time(1)
        if below.closed_at is None:
            below.transport.send(b"x" * 400)
        above.transport.send(b"x" * 510)
    assert below.eof_at == pytest.approx(50, abs=5)
    assert above.closed_at is None
    assert len(side.handled[1].content) == 510_000


def test_a_body_that_nobody_wants_has_no_more_time(side: ServerSide) -> None:
    client = side.connect(post(60_000) + b"x" * 1000)
    side.handled[0].respond()
    assert client.received == HELLO
    for _ in range(40):
        side.pass_time(1)
        client.transport.send(b"x")
    assert client.eof_at == pytest.approx(12.5, abs=1)
    assert client.received == HELLO
    assert len(side.records) == 1


def test_an_application_that_does_not_read_cuts_nobody(side: ServerSide) -> None:
    side.take = False
    client = side.connect(post(1_000_000))
    for _ in range(16):
        client.transport.send(b"x" * 62_500)
    assert not client.transport.reading
    side.pass_time(600)
    assert client.closed_at is None
    handled = side.handled[0]
    while client.transport.unreceived:
        handled.exchange.consumed(handled.exchange.unread)
        side.pass_time(100)
    handled.exchange.consumed(handled.exchange.unread)
    assert handled.told == ["end"]
    handled.respond()
    assert client.received == HELLO


def test_the_time_without_reading_is_not_laid_to_the_client(side: ServerSide) -> None:
    side.take = False
    client = side.connect(post(200_000) + b"x" * 100_000)
    side.pass_time(600)
    handled = side.handled[0]
    handled.exchange.consumed(100_000)
    side.pass_time(29)
    assert client.closed_at is None
    side.pass_time(10)
    assert client.eof_at == pytest.approx(630)


# -- the application


def test_an_application_may_take_its_time(side: ServerSide) -> None:
    client = side.connect(GET)
    side.pass_time(600)
    assert client.closed_at is None
    side.handled[0].respond()
    assert client.received == HELLO


def test_an_application_may_take_its_time_within_a_response(side: ServerSide) -> None:
    client = side.connect(GET)
    exchange = side.handled[0].exchange
    exchange.send(head(5))
    side.pass_time(600)
    exchange.send(Data(b"hel"))
    side.pass_time(600)
    exchange.send(Data(b"lo"), EndOfMessage())
    assert client.received == HELLO
    assert client.closed_at is None


def test_who_waits_for_100_continue_waits_as_long_as_the_application(side: ServerSide) -> None:
    client = side.connect(post(5, b"Expect: 100-continue"))
    side.pass_time(600)
    assert client.closed_at is None
    handled = side.handled[0]
    handled.exchange.send(InformationalResponse(status_code=100))
    side.pass_time(9)
    client.transport.send(b"hello")
    assert handled.content == b"hello"
    handled.respond()
    assert client.received == b"HTTP/1.1 100 \r\n\r\n" + HELLO


def test_after_100_continue_the_body_has_its_time(side: ServerSide) -> None:
    client = side.connect(post(5, b"Expect: 100-continue"))
    side.pass_time(600)
    side.handled[0].exchange.send(InformationalResponse(status_code=100))
    side.pass_time(80)
    assert client.eof_at == pytest.approx(610)


# -- what the client takes


def begin_download(side: ServerSide, octets: int, request: bytes = GET) -> tuple[object, object]:
    """A client that takes nothing, and the exchange that has sent it so many octets of more."""
    client = side.connect()
    client.transport.take_nothing()
    client.transport.send(request)
    exchange = side.handled[-1].exchange
    exchange.send(head(1 << 40) if request is GET else head())
    exchange.send(Data(b"x" * octets))
    return client, exchange


def test_who_takes_nothing_is_cut_after_30_s(side: ServerSide) -> None:
    client, exchange = begin_download(side, 100_000)
    assert not exchange.writable
    side.pass_time(29.9)
    assert client.closed_at is None
    side.pass_time(50)
    assert client.closed_at == pytest.approx(30)
    assert client.transport.reset
    assert side.handled[0].told == ["end", "lost"]
    assert side.handled[0].reason == "the client is too slow to take the response"
    assert len(side.records) == 1


def test_below_the_high_water_mark_nobody_is_cut(side: ServerSide) -> None:
    client, exchange = begin_download(side, 60_000)
    assert exchange.writable
    side.pass_time(600)
    assert client.closed_at is None


def test_who_takes_less_than_the_rate_is_cut(side: ServerSide) -> None:
    client, _ = begin_download(side, 1_000_000)
    for _ in range(100):
        side.pass_time(1)
        client.transport.take(250)
    assert client.closed_at == pytest.approx(60, abs=1)


def test_who_takes_more_than_the_rate_is_never_cut(side: ServerSide) -> None:
    client, exchange = begin_download(side, 100_000)
    for _ in range(3000):
        side.pass_time(1)
        client.transport.take(600)
        if exchange.writable:
            exchange.send(Data(b"x" * 65_537))
    assert client.closed_at is None
    assert len(client.received) == 1_800_000
    assert client.transport.pauses > 20


def test_taking_in_large_steps_is_taking(side: ServerSide) -> None:
    client, _ = begin_download(side, 10_000_000)
    for _ in range(100):
        side.pass_time(29)
        client.transport.take(60_000)
    assert client.closed_at is None


# -- the end of a connection


def test_who_does_not_take_the_end_is_cut_after_30_s(side: ServerSide) -> None:
    client, exchange = begin_download(side, 10_000, OLD_GET)
    exchange.send(EndOfMessage())
    side.pass_time(29.9)
    assert client.closed_at is None
    side.pass_time(50)
    assert client.closed_at == pytest.approx(30)
    assert client.transport.reset


def test_who_takes_the_end_slowly_gets_all_of_it(side: ServerSide) -> None:
    client, exchange = begin_download(side, 200_000, OLD_GET)
    exchange.send(EndOfMessage())
    for _ in range(400):
        side.pass_time(1)
        client.transport.take(600)
    assert client.received.endswith(b"\r\n\r\n" + b"x" * 200_000)
    assert client.closed_at is not None
    assert not client.transport.reset


def test_lingering_lasts_2_s(side: ServerSide) -> None:
    client = side.connect(b"GET / HTTP/1.1\r\n\r\n")
    assert status(client.received) == 400
    assert client.eof_at == 0
    for _ in range(5):
        side.pass_time(0.5)
        client.transport.send(b"x" * 10_000)
    assert client.closed_at == pytest.approx(2)
    assert client.received.count(b"HTTP/1.1 ") == 1


def test_lingering_begins_with_our_last_octet(side: ServerSide) -> None:
    client = side.connect()
    client.transport.take_nothing()
    client.transport.send(post(100_000))
    exchange = side.handled[0].exchange
    exchange.send(head(10_000, ("Connection", "close")), Data(b"x" * 10_000), EndOfMessage())
    for _ in range(10):
        side.pass_time(1)
        client.transport.take(1100)
        assert client.closed_at is None
        client.transport.send(b"x" * 100)
    assert client.eof_at == pytest.approx(10)
    side.pass_time(80)
    assert client.closed_at is not None
    assert 11.9 < client.closed_at < 14.1
    assert not client.transport.reset


def test_lingering_ends_when_the_client_closes(side: ServerSide) -> None:
    client = side.connect(b"GET / HTTP/1.1\r\n\r\n")
    side.pass_time(0.5)
    client.transport.send_eof()
    side.loop.settle()
    assert client.closed_at == pytest.approx(0.5)


def test_without_lingering_the_close_is_at_once(side: ServerSide) -> None:
    side.configure(timeouts=Timeouts(linger=0))
    client = side.connect(b"GET / HTTP/1.1\r\n\r\n")
    assert status(client.received) == 400
    assert client.closed_at == 0


# -- the end of the server


def test_draining_cuts_nobody_by_itself(side: ServerSide) -> None:
    client = side.connect(GET)
    side.registry.drain()
    side.pass_time(600)
    assert client.closed_at is None
    side.handled[0].respond()
    side.loop.settle()
    assert b"Connection: close" in client.received
    assert client.closed_at == pytest.approx(600)


def test_what_takes_too_long_to_drain_is_aborted(side: ServerSide) -> None:
    client = side.connect(GET)
    side.registry.drain()
    waiting = side.loop.create_task(side.registry.wait_closed())
    side.pass_time(30)
    assert not waiting.done()
    side.registry.abort()
    side.loop.settle()
    assert waiting.done()
    assert client.closed_at == pytest.approx(30)
    assert side.handled[0].told == ["end", "lost"]
    assert [record.error for record in side.records] == ["aborted"]


# -- timers


def test_a_connection_has_one_timer_at_the_most(side: ServerSide) -> None:
    client = side.connect()
    assert len(side.loop.timers()) == 1
    for _ in range(50):
        client.transport.send(GET)
        side.handled[-1].respond()
        assert len(side.loop.timers()) == 1
        side.pass_time(1)
    client.transport.send_eof()
    side.loop.settle()
    assert side.loop.timers() == []
