"""Every wait of a connection of HTTP/2, on a clock that the test turns: what is cut, when, and what never is."""

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from tests.net.http2_client import Http2Client
from tests.net.virtual_clock import ServerSide, head

from interlock.http.events import Data, EndOfMessage, InformationalResponse
from interlock.http.limits import Timeouts

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
END = EndOfMessage()


def begun(side: ServerSide, **settings: int) -> Http2Client:
    """A client whose windows are as small as a test wants, and which takes nothing by itself."""
    initial = {SettingCodes[name]: value for name, value in settings.items()}
    client = Http2Client(side, settings=initial)
    client.takes = False
    return client


# -- the connection's start


@pytest.mark.parametrize("octets", [b"", PREFACE[:1], PREFACE[:23], PREFACE, PREFACE + SETTINGS[:8]])
def test_a_preface_has_its_time_from_the_connections_start(side: ServerSide, octets: bytes) -> None:
    client = Http2Client(side, begin=False)
    side.pass_time(9)
    if octets:
        client.transport.send(octets)
    side.pass_time(0.9)
    assert client.transport.eof_at is None
    side.pass_time(0.1)
    assert client.closed_at == 10.0


def test_our_settings_have_to_be_acknowledged(side: ServerSide) -> None:
    client = Http2Client(side, begin=False)
    client.transport.send(PREFACE + SETTINGS)
    side.pass_time(9.9)
    assert client.transport.eof_at is None
    side.pass_time(0.2)
    client._without_goaways(bytes(client.transport.received))
    assert client.goaways == [(ErrorCodes.SETTINGS_TIMEOUT, 0)]
    side.pass_time(2)
    assert client.closed_at == 12.0


def test_who_acknowledges_is_not_asked_again(side: ServerSide) -> None:
    client = Http2Client(side)
    side.pass_time(60)
    assert client.goaways == []


def test_a_frame_has_its_time(side: ServerSide) -> None:
    client = Http2Client(side)
    client.request()
    side.pass_time(5)
    client.transport.send(b"\0\0\x08\6\0\0\0\0\0abc")
    side.pass_time(9.9)
    client.transport.send(b"d")
    assert side.handled[0].told == ["end"]
    side.pass_time(0.1)
    client.turn()
    assert client.goaways == [(ErrorCodes.ENHANCE_YOUR_CALM, 1)]
    assert side.handled[0].told == ["end", "lost"]


def test_frames_that_are_always_cut_are_not_one_slow_frame(side: ServerSide) -> None:
    client = Http2Client(side)
    ping = b"\0\0\x08\6\0\0\0\0\0abcdefgh"
    client.transport.send(ping[:5])
    for _ in range(20):
        side.pass_time(2)
        client.transport.send(ping[5:] + ping[:5])
    client.turn()
    assert client.goaways == []
    client.transport.send(ping[5:])


# -- idle


def test_an_idle_connection_is_left(side: ServerSide) -> None:
    client = Http2Client(side)
    side.pass_time(20)
    client.request()
    side.pass_time(100)
    assert client.goaways == []  # the application takes its time
    side.handled[0].respond()
    client.turn()
    side.pass_time(74.9)
    client.turn()
    assert client.goaways == []
    side.pass_time(0.1)
    client.turn()
    assert client.goaways == [(0, 2**31 - 1), (0, 1)]
    side.pass_time(2)
    assert client.closed_at == 197.0


def test_pings_do_not_keep_an_idle_connection(side: ServerSide) -> None:
    client = Http2Client(side)
    for _ in range(8):
        side.pass_time(9)
        client.h2.ping(b"abcdefgh")
        client.turn()
    client.transport.send(b"\0")
    side.pass_time(3)
    client.turn()
    assert client.goaways[0] == (0, 2**31 - 1)


def test_refused_requests_are_no_idleness(side: ServerSide) -> None:
    client = Http2Client(side)
    for _ in range(10):
        side.pass_time(50)
        client.request(("x-a", "x" * 70_000))
    assert client.goaways == []
    assert [record.status for record in side.records] == [431] * 10


# -- content


def test_content_that_stops_is_408(side: ServerSide) -> None:
    client = Http2Client(side)
    other = client.request()
    number = client.request(method="POST", end=False)
    client.send(number, b"x" * 20_000)
    side.pass_time(29.9)
    client.turn()
    assert client.streams[number].status == 0
    side.pass_time(0.1)
    client.turn()
    stream = client.streams[number]
    assert (stream.status, stream.ended, stream.reset) == (408, True, None)
    assert side.handled[1].told == ["lost"]
    assert side.records[0].error == "the request came too slowly"
    side.handled[0].respond()
    client.turn()
    assert client.streams[other].ended


def test_content_that_stops_within_a_response_resets_the_stream(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request(method="POST", end=False)
    side.handled[0].exchange.send(head(10), Data(b"begun"))
    client.turn()
    side.pass_time(10)
    client.turn()
    assert client.streams[number].reset == ErrorCodes.CANCEL


@pytest.mark.parametrize(("rate", "cut"), [(400, True), (600, False)])
@pytest.mark.parametrize("size", [1, 16_000])
def test_content_has_a_least_rate_however_it_is_framed(side: ServerSide, rate: int, cut: bool, size: int) -> None:
    client = Http2Client(side)
    number = client.request(method="POST", end=False)
    if size == 1:
        frame = b"\0\0\xc8\0\0" + number.to_bytes(4, "big") + bytes(200)
    else:
        frame = size.to_bytes(3, "big") + b"\0\0" + number.to_bytes(4, "big") + bytes(size)
    octets = frame * (60_000 // len(frame) + 1)
    for second in range(90):
        side.pass_time(1)
        client.transport.send(octets[second * rate : second * rate + rate])
    client.turn()
    assert client.goaways == []
    assert (client.streams[number].status == 408) == cut


def test_content_is_not_waited_for_while_the_application_holds_the_window(side: ServerSide) -> None:
    side.take = False
    client = Http2Client(side)
    number = client.request(method="POST", end=False)
    assert client.send(number, b"x" * 100_000) == 65_535
    side.pass_time(1000)
    client.turn()
    assert client.streams[number].status == 0
    side.handled[0].exchange.consumed(65_535)
    side.pass_time(29.9)
    assert side.handled[0].told == []
    side.pass_time(0.1)
    client.turn()
    assert client.streams[number].status == 408


def test_who_waits_for_100_continue_is_not_waited_for(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request(("expect", "100-continue"), method="POST", end=False)
    side.pass_time(100)
    side.handled[0].exchange.send(InformationalResponse(status_code=100))
    side.pass_time(9.9)
    client.turn()
    assert client.streams[number].status == 0
    side.pass_time(0.1)
    client.turn()
    assert client.streams[number].status == 408


def test_an_answered_request_is_not_waited_for(side: ServerSide) -> None:
    """Its response may take long to be taken."""
    client = begun(side, INITIAL_WINDOW_SIZE=0)
    number = client.request(method="POST", end=False)
    side.handled[0].respond()
    client.turn()
    side.pass_time(29)
    client.h2.increment_flow_control_window(5, number)
    client.turn()
    assert (client.streams[number].ended, client.streams[number].reset) == (True, None)


# -- what is not taken


def test_who_takes_nothing_is_cut(side: ServerSide) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
    client.h2.increment_flow_control_window(2**30)
    client.turn()
    client.request()
    side.handled[0].exchange.send(head(), Data(b"x" * 1_000_000))
    client.transport.take_nothing()
    client.turn()
    assert client.protocol.write_paused
    side.pass_time(29.9)
    assert client.closed_at is None
    side.pass_time(0.1)
    assert client.closed_at == 30.0
    assert side.handled[0].told == ["end", "lost"]
    assert side.records[0].error == "the client is too slow to take the response"


def test_a_stream_without_a_window_is_reset_and_no_other(side: ServerSide) -> None:
    client = begun(side, INITIAL_WINDOW_SIZE=1000)
    stalled, other = client.request(), client.request()
    side.handled[0].exchange.send(head(), Data(b"x" * 5000))
    side.handled[1].exchange.send(head(), Data(b"abc"))
    client.turn()
    side.pass_time(29.9)
    client.turn()
    assert client.streams[stalled].reset is None
    side.pass_time(0.1)
    client.turn()
    assert client.streams[stalled].reset == ErrorCodes.CANCEL
    assert side.handled[0].told == ["end", "lost"]
    side.handled[1].exchange.send(Data(b"def"), END)
    client.turn()
    assert client.streams[other].ended
    side.pass_time(30)
    assert client.goaways == []


def test_a_response_that_is_over_but_for_its_window_is_reset_too(side: ServerSide) -> None:
    client = begun(side, INITIAL_WINDOW_SIZE=0)
    number = client.request()
    side.handled[0].respond(b"x" * 100)
    client.turn()
    side.pass_time(30)
    client.turn()
    assert client.streams[number].reset == ErrorCodes.CANCEL
    assert side.records[0].error == "the client is too slow to take the response"
    assert side.handled[0].told == ["end", "lost"]


@pytest.mark.parametrize(("rate", "cut"), [(300, True), (600, False)])
@pytest.mark.parametrize("block", [1000, 100_000])
def test_a_window_has_to_open_at_a_least_rate(side: ServerSide, rate: int, cut: bool, block: int) -> None:
    client = begun(side, INITIAL_WINDOW_SIZE=0)
    number = client.request()
    exchange = side.handled[0].exchange
    exchange.send(head())
    for _ in range(150):
        if not exchange.over and exchange.writable:
            exchange.send(Data(b"x" * block))
        client.turn()
        side.pass_time(1)
        if client.streams[number].reset is None:
            client.h2.increment_flow_control_window(rate, number)
        client.turn()
    assert (client.streams[number].reset == ErrorCodes.CANCEL) == cut


def test_a_stream_that_was_stalled_once_is_not_cut_later(side: ServerSide) -> None:
    client = begun(side, INITIAL_WINDOW_SIZE=10)
    number = client.request()
    exchange = side.handled[0].exchange
    exchange.send(head(), Data(b"x" * 20))
    client.turn()
    side.pass_time(20)
    client.h2.increment_flow_control_window(100, number)
    client.turn()
    side.pass_time(1000)
    exchange.send(Data(b"x" * 95))
    client.turn()
    side.pass_time(5)
    client.h2.increment_flow_control_window(100, number)
    exchange.send(END)
    client.turn()
    assert client.streams[number].ended


def test_without_timeouts_nothing_is_cut(side: ServerSide) -> None:
    names = Timeouts.__dataclass_fields__
    side.configure(timeouts=Timeouts(**dict.fromkeys(names, 0)))
    client = begun(side, INITIAL_WINDOW_SIZE=0)
    numbers = [client.request(), client.request(method="POST", end=False)]
    side.handled[0].respond()
    client.turn()
    client.transport.send(b"\0")
    assert side.loop.timers() == []
    client.transport.send(SETTINGS[1:])
    client.turn()
    assert [client.streams[number].reset for number in numbers] == [None, None]
    side.registry.drain()
    client.turn()
    assert client.goaways[-1] == (0, 3)
    client.h2.increment_flow_control_window(5, numbers[0])
    client.h2.end_stream(numbers[1])
    client.turn()
    side.handled[1].exchange.send(head(0), END)
    client.turn()
    assert client.closed_at is not None
