"""WebSockets behind both drivers, on a virtual clock: what the client does, and what comes of it."""

import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.http2_client import Http2Client
from tests.net.tunnels import HANDSHAKE, Http2Peer, TunnelSide, tunnel_side
from tests.net.virtual_clock import MemoryTransport, living
from tests.ws import raw

from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.exchange import StreamExchange
from interlock.net.asyncio.websocket import WebSocketSession
from interlock.net.exchange import Disconnected
from interlock.ws.deflate import PerMessageDeflate

each_version = pytest.mark.parametrize("version", ["1", "2"])


@pytest.fixture
def side() -> Iterator[TunnelSide]:
    with tunnel_side() as side:
        yield side


@each_version
def test_messages_both_ways_and_the_client_closes(side: TunnelSide, version: str) -> None:
    before = living(WebSocketSession, StreamExchange)
    side.app.echoes = True
    peer = side.open(version)
    assert peer.status == {"1": 101, "2": 200}[version]
    peer.send(raw.text("héllo"), raw.binary(b"\0\1"))
    assert side.app.messages == ["héllo", b"\0\1"]
    assert peer.frames == [raw.text("héllo"), raw.binary(b"\0\1")]
    peer.send(raw.close(4000, "bye"))
    assert side.app.ends == [(4000, "bye")]
    assert peer.close == (4000, "")
    assert peer.ended  # the server does so first
    peer.end()
    assert peer.over
    assert living(WebSocketSession, StreamExchange) <= before
    (record,) = side.records
    assert (record.status, record.octets_sent, record.error) == (peer.status, len(peer.octets), "")


@each_version
def test_an_idle_websocket_stays(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    side.pass_time(1000)
    assert not peer.ended
    assert not peer.was_reset
    peer.send(raw.text("x"))
    assert side.app.messages == ["x"]


@each_version
def test_a_websocket_may_be_accepted_late(side: TunnelSide, version: str) -> None:
    side.app.accepting.clear()
    peer = side.open(version)
    side.pass_time(1000)
    assert peer.status == 0
    side.app.accepting.set()
    side.loop.settle()
    assert peer.status == {"1": 101, "2": 200}[version]
    side.pass_time(1000)
    peer.send(raw.text("x"))
    assert side.app.messages == ["x"]


# -- ends


@each_version
def test_the_client_ends_its_side(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    peer.send(raw.text("x"))
    peer.end()
    assert side.app.ends == [(1006, "")]
    assert peer.frames == []
    assert peer.ended
    assert peer.over


@each_version
def test_the_client_is_gone(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    peer.send(raw.text("x"), raw.text("half", fin=False))
    peer.reset()
    assert (side.app.messages, side.app.ends) == (["x"], [(1006, "")])
    assert peer.over
    assert side.records[0].error


@each_version
def test_who_does_not_answer_a_close_is_cut_off(side: TunnelSide, version: str) -> None:
    async def script(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    side.app.script = script
    peer = side.open(version)
    assert peer.close == (1000, "")
    side.pass_time(4.9)
    assert not peer.over
    side.pass_time(0.2)
    assert peer.over
    assert peer.was_reset
    if isinstance(peer, Http2Peer):
        assert peer.stream.reset == 8  # CANCEL: what a reset is in TCP (RFC 8441 §5)
        assert peer.connection.closed_at is None


@each_version
def test_an_application_that_sends_without_end_is_told_that_its_client_is_gone(side: TunnelSide, version: str) -> None:
    sent = 0
    transports: list[MemoryTransport] = []

    async def script(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "websocket.accept"})
        await side.app.accepting.wait()
        try:
            while sent < 1000:
                await send({"type": "websocket.send", "text": "x"})
                sent += 1
                if transports:
                    transports.pop().reset_by_peer()
        except Disconnected as error:
            side.app.refused.append(type(error))

    side.app.script = script
    side.app.accepting.clear()
    peer = side.open(version)
    transport = peer.connection.transport if isinstance(peer, Http2Peer) else peer.transport
    transports.append(transport)
    octets = len(transport.received)
    side.app.accepting.set()
    side.loop.settle()
    assert side.app.refused == [Disconnected]
    assert 0 < sent < 1000
    (record,) = side.records
    if version == "1":  # what nobody will take is not given to the transport: asyncio tells the log of each such write
        assert record.octets_sent == len(transport.received) - octets


@each_version
def test_who_ends_its_side_instead_of_a_close_is_not_waited_for(side: TunnelSide, version: str) -> None:
    async def script(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000})
        side.app.received.append(await receive())
        side.app.received.append(await receive())

    side.app.script = script
    peer = side.open(version)
    peer.end()
    assert side.app.received == [
        {"type": "websocket.connect"},
        {"type": "websocket.disconnect", "code": 1006, "reason": ""},
    ]
    assert peer.ended
    assert peer.over


def test_who_never_closes_its_side(side: TunnelSide) -> None:
    peer = side.open("1")
    peer.send(raw.close(1000))
    assert peer.ended
    side.pass_time(4)
    assert not peer.over
    side.pass_time(2)
    assert peer.over


@each_version
def test_who_never_closes_its_side_is_cut_off(side: TunnelSide, version: str) -> None:
    """Also who takes our last octets only after our side was closed."""
    side.configure(Limits(write_buffer=1000))
    side.app.echoes = True
    peer = side.open(version) if version == "1" else side.open("2", settings={4: 1000})
    peer.take_nothing()
    peer.send(raw.binary(bytes(60_000)))
    peer.send(raw.close(1000))
    assert not peer.ended
    side.pass_time(1)
    peer.take_all()
    assert peer.close == (1000, "")
    assert peer.ended
    side.pass_time(10)
    assert peer.over
    assert side.app.ends == [(1000, "")]


@each_version
def test_the_application_s_error_is_1011(side: TunnelSide, version: str, caplog: pytest.LogCaptureFixture) -> None:
    async def script(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise ZeroDivisionError

    caplog.set_level("CRITICAL", "interlock.error")
    side.app.script = script
    peer = side.open(version)
    assert peer.close == (1011, "")
    peer.send(raw.close(1011))
    peer.end()
    assert peer.over


@each_version
@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([raw.Frame(raw.TEXT, b"x", rsv=4)], 1002),
        ([raw.Frame(raw.BINARY, length=1 << 40)], 1009),
        ([raw.more("x")], 1002),
        ([raw.text(b"\xff", fin=False)], 1007),
    ],
)
def test_who_breaks_the_protocol_is_told_so(side: TunnelSide, version: str, frames: list[raw.Frame], code: int) -> None:
    """And may go on sending for as long as the closing handshake takes, so that it reads what it is told."""
    peer = side.open(version)
    peer.send(*frames)
    assert peer.close is not None
    assert peer.close[0] == code
    assert side.app.ends == [peer.close]
    assert peer.ended
    for _ in range(10):
        peer.send_octets(bytes(10_000))
    assert not peer.was_reset
    peer.end()
    assert peer.over


def test_with_tls_there_is_no_half(side: TunnelSide) -> None:
    peer = side.open("1", ssl_object=object())
    peer.transport.can_write_eof = lambda: False  # type: ignore[method-assign]
    peer.send(raw.close(1000))
    assert peer.close == (1000, "")
    assert peer.over
    peer = side.open("1", ssl_object=object())
    peer.transport.can_write_eof = lambda: False  # type: ignore[method-assign]
    peer.send(raw.text("x"))
    peer.end()
    assert peer.over
    assert side.app.messages == ["x"]
    assert side.app.ends == [(1000, ""), (1006, "")]
    assert [record.error for record in side.records] == ["", ""]


def test_with_tls_who_is_still_sending_gets_to_read_our_close(side: TunnelSide) -> None:
    peer = side.open("1", ssl_object=object())
    peer.transport.can_write_eof = lambda: False  # type: ignore[method-assign]
    peer.send(raw.Frame(3))
    assert peer.close is not None
    assert peer.close[0] == 1002
    assert side.app.ends == [peer.close]
    side.pass_time(1)
    for _ in range(10):
        peer.send_octets(bytes(10_000))
    assert not peer.over
    side.pass_time(1.1)
    assert peer.over
    assert not peer.was_reset
    peer = side.open("1", ssl_object=object())
    peer.transport.can_write_eof = lambda: False  # type: ignore[method-assign]
    peer.send(raw.Frame(3))
    peer.end()
    assert peer.over
    assert not peer.was_reset


# -- the opening handshake


def test_frames_in_one_segment_with_the_handshake(side: TunnelSide) -> None:
    for cut in range(1, 8):
        peer = side.open("1", behind=raw.octets_of([raw.text("early")], True)[:cut])
        peer.send_octets(raw.octets_of([raw.text("early"), raw.text("later")], True)[cut:])
        assert side.app.messages == ["early", "later"]
        side.app.received.clear()


def test_no_more_than_a_window_comes_before_accept(side: TunnelSide) -> None:
    side.app.accepting.clear()
    message = raw.octets_of([raw.binary(bytes(200_000))], True)
    peer = side.open("2")
    assert isinstance(peer, Http2Peer)
    sent = peer.connection.send(peer.stream_id, message)
    assert sent == 65_535
    side.app.accepting.set()
    side.loop.settle()
    while sent < len(message):
        sent += peer.connection.send(peer.stream_id, message[sent:])
    assert side.app.messages == [bytes(200_000)]


def test_no_more_than_a_read_comes_before_accept(side: TunnelSide) -> None:
    side.app.accepting.clear()
    peer = side.open("1")
    for _ in range(10):
        peer.send(raw.binary(bytes(50_000)))
    assert peer.transport.unreceived >= 400_000
    side.app.accepting.set()
    side.loop.settle()
    assert len(side.app.messages) == 10


def test_what_stands_behind_an_accepted_handshake_is_never_a_request(side: TunnelSide) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: example.org\r\n\r\n"
    peer = side.open("1", behind=smuggled)
    assert [scope["path"] for scope in side.app.scopes] == ["/"]
    assert peer.close is not None
    assert peer.close[0] == 1002
    assert side.records == []
    peer = side.open("1")
    peer.send_octets(smuggled)
    assert [scope["path"] for scope in side.app.scopes] == ["/", "/"]


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize("cut", [False, True])
def test_what_stands_behind_a_refused_handshake_is_the_next_request(
    side: TunnelSide, accepted: bool, cut: bool
) -> None:
    """Whoever refuses it: the application, or we."""

    async def script(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    side.app.script = script
    lines = HANDSHAKE if accepted else [*HANDSHAKE[:4], b"Sec-WebSocket-Version: 12"]
    behind = b"GET /next HTTP/1.1\r\nHost: example.org\r\n\r\n"
    peer = side.open("1", lines=lines, behind=b"" if cut else behind)
    if cut:
        peer.send_octets(behind)
    assert peer.status == (403 if accepted else 426)
    assert [scope["path"] for scope in side.app.scopes] == (["/", "/next"] if accepted else ["/next"])
    assert b"HTTP/1.1 200" in peer.transport.received
    assert [record.status for record in side.records] == [peer.status, 200]
    assert not peer.over


def test_the_content_of_a_refused_handshake_is_no_request(side: TunnelSide) -> None:
    inner = b"GET /inner HTTP/1.1\r\nHost: example.org\r\n\r\n"
    behind = b"GET /next HTTP/1.1\r\nHost: example.org\r\n\r\n"
    peer = side.open("1", "/", ("Content-Length", str(len(inner))), behind=inner + behind)
    assert peer.status == 400
    assert [scope["path"] for scope in side.app.scopes] == ["/next"]


@each_version
def test_the_limit_of_content_is_not_for_tunnels(side: TunnelSide, version: str) -> None:
    side.configure(Limits(body=100))
    peer = side.open(version)
    for _ in range(100):
        peer.send(raw.binary(bytes(90)))
    assert len(side.app.messages) == 100


def test_a_client_that_has_ended_its_stream_cannot_be_accepted(side: TunnelSide) -> None:
    side.app.accepting.clear()
    peer = side.open("2")
    peer.end()
    side.app.accepting.set()
    side.loop.settle()
    assert peer.status == 0
    assert side.app.refused == [Disconnected]
    assert side.app.ends == [(1006, "")]


def test_without_websocket_http_2_does_not_offer_it(side: TunnelSide) -> None:
    for websocket in (True, False):
        side.registry.abort()
        side.loop.settle()
        side.configure(websocket=websocket)
        client = Http2Client(side)
        assert client.h2.remote_settings.enable_connect_protocol == websocket
        plain = client.h2.get_next_available_stream_id()
        client.h2.send_headers(plain, [(":method", "CONNECT"), (":authority", "example.org:443")])
        client.turn()
        assert client.streams[plain].status == 501
    peer = side.open("2", connection=client)
    assert (peer.status, peer.was_reset) == (0, True)
    assert side.app.scopes == []


def test_another_protocol_is_501(side: TunnelSide) -> None:
    client = Http2Client(side)
    h2 = client.h2
    stream_id = h2.get_next_available_stream_id()
    pseudo = [
        (":method", "CONNECT"),
        (":protocol", "connect-udp"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ]
    h2.send_headers(stream_id, pseudo)
    client.turn()
    assert client.streams[stream_id].status == 501
    assert side.app.scopes == []


# -- many on one connection


def test_websockets_and_requests_share_a_connection(side: TunnelSide) -> None:
    side.app.echoes = True
    client = Http2Client(side)
    peers = [side.open("2", f"/{number}", connection=client) for number in range(20)]
    for number, peer in enumerate(peers):
        peer.send(raw.text(str(number)))
    requests = [client.request() for _ in range(10)]
    assert [peer.content for peer in peers] == [[str(number).encode()] for number in range(20)]
    assert [client.streams[stream].status for stream in requests] == [200] * 10
    for number, peer in enumerate(peers):
        if number % 3 == 0:
            peer.send(raw.close(1000))
            peer.end()
        elif number % 3 == 1:
            peer.reset()
        assert peer.over == (number % 3 < 2)
    assert sorted(side.app.ends) == sorted([(1000, "")] * 7 + [(1006, "")] * 7)
    for peer in peers[2::3]:
        peer.send(raw.text("still"))
        assert peer.content[1:] == [b"still"]
    assert client.closed_at is None
    client.transport.reset_by_peer()
    side.loop.settle()
    assert len(side.app.ends) == 20


def test_who_takes_nothing_holds_up_nobody_else(side: TunnelSide) -> None:
    side.app.echoes = True
    client = Http2Client(side, settings={4: 1000})
    client.takes = False
    slow, quick = (side.open("2", connection=client) for _ in range(2))
    slow.send(raw.binary(bytes(5000)))
    quick.send(raw.text("x"))
    assert quick.content == [b"x"]
    assert len(slow.octets) == 1000
    assert client.streams[client.request()].content == b"hello"


def test_an_application_that_takes_nothing_holds_up_nobody_else(side: TunnelSide) -> None:
    side.app.taking.clear()
    client = Http2Client(side)
    slow = side.open("2", connection=client)
    message = raw.octets_of([raw.binary(bytes(1000))] * 1000, True)
    sent = client.send(slow.stream_id, message)  # type: ignore[attr-defined]
    # what is ahead of the application: read_buffer in the session, and a window
    assert sent < 3 * 65536
    side.app.taking.set()
    client.turn()
    while sent < len(message):
        more = client.send(slow.stream_id, message[sent:])  # type: ignore[attr-defined]
        assert more
        sent += more
    assert side.app.messages == [bytes(1000)] * 1000


def test_an_application_that_takes_nothing_pauses_reading(side: TunnelSide) -> None:
    side.app.taking.clear()
    peer = side.open("1")
    for _ in range(1000):
        peer.send(raw.binary(bytes(1000)))
    assert peer.transport.unreceived > 800 * 1000
    side.pass_time(1000)
    assert not peer.ended
    side.app.taking.set()
    side.loop.settle()
    side.pass_time(1)
    assert side.app.messages == [bytes(1000)] * 1000


# -- clients that are slow


@each_version
def test_who_never_reads_is_cut_off(side: TunnelSide, version: str) -> None:
    sent = []

    async def script(scope: Any, receive: Any, send: Any) -> None:
        await side.app.accepting.wait()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(10_000)})
                sent.append(side.now)
        except OSError:
            sent.append(side.now)
        side.app.received.append(await receive())
        side.app.received.append(await receive())

    side.app.script = script
    if version == "1":
        side.app.accepting.clear()
        peer = side.open("1")
        peer.take_nothing()
        side.app.accepting.set()
        side.loop.settle()
    else:
        client = Http2Client(side)
        client.takes = False
        peer = side.open("2", connection=client)
    assert len(sent) < 30
    side.pass_time(29)
    assert not peer.over
    side.pass_time(2)
    assert peer.over
    assert side.app.ends == [(1006, "")]
    assert 30 <= sent[-1] <= 31
    if version == "2":
        assert peer.was_reset
        assert client.closed_at is None


@each_version
def test_who_sends_a_frame_slowly_is_waited_for_while_octets_come(side: TunnelSide, version: str) -> None:
    """A client of any speed is honest, as long as it answers: but a ping cannot overtake the frame that it sends."""
    side.configure(timeouts=Timeouts(ping_interval=20, pong=10))
    peer = side.open(version)
    octets = raw.binary(bytes(100)).octets(True)
    peer.send_octets(octets[:10])
    for octet in octets[10:]:
        side.pass_time(9)
        peer.send_octets(bytes([octet]))
    side.pass_time(9)  # in which it may have sent its pong
    assert side.app.messages == [bytes(100)]
    pings = [frame for frame in peer.frames if frame.opcode == raw.PING]
    assert len(pings) == 1
    peer.send(raw.Frame(raw.PONG, pings[0].payload))
    side.pass_time(20)
    assert len([frame for frame in peer.frames if frame.opcode == raw.PING]) == 2
    side.pass_time(11)
    assert peer.close == (1011, "no answer to a ping")
    assert side.app.ends == [(1011, "no answer to a ping")]


@each_version
def test_a_head_of_a_frame_that_never_ends(side: TunnelSide, version: str) -> None:
    side.configure(timeouts=Timeouts(ping_interval=20, pong=10))
    peer = side.open(version)
    peer.send_octets(b"\x82")
    side.pass_time(31)
    assert peer.close == (1011, "no answer to a ping")


# -- floods


@each_version
def test_pings_without_end(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    for _ in range(100):
        peer.send(*[raw.ping(b"x" * 125)] * 10)
        if peer.ended:
            break
    assert peer.close is not None
    assert peer.close[0] == 1008
    assert len(peer.octets) < 202 * 127  # an answer for each that the budget allows, and the Close


@each_version
def test_pings_that_nobody_takes_the_answers_of(side: TunnelSide, version: str) -> None:
    """Only the latest is answered: what waits to be sent does not grow."""
    side.configure(Limits(write_buffer=1000, glitches=10**9))
    if version == "2":
        peer = side.open("2", settings={4: 1000})
    else:
        peer = side.open("1")
    peer.take_nothing()
    for _ in range(100):
        peer.send(*[raw.ping(b"x" * 125)] * 100)
    if version == "1":
        assert peer.transport.most_waiting < 20_000  # type: ignore[attr-defined]
    else:
        assert side.registry._connections
        (connection,) = side.registry._connections
        assert connection._exchanges[1].pending < 20_000  # type: ignore[attr-defined]


@each_version
def test_frames_without_end(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    peer.send(raw.text("x", fin=False))
    for _ in range(70):
        peer.send(*[raw.more("x")] * 1000)
        if peer.ended:
            break
    assert peer.close is not None
    assert peer.close[0] == 1009


@each_version
def test_closes_without_end(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    peer.send(*[raw.close(1000)] * 1000)
    assert peer.close == (1000, "")
    assert side.app.ends == [(1000, "")]


@each_version
def test_a_deflate_bomb(side: TunnelSide, version: str) -> None:
    """194 KB that would be 200 MB."""
    side.configure(deflate=PerMessageDeflate())
    peer = side.open(version, "/", ("Sec-WebSocket-Extensions".lower(), "permessage-deflate"))
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflater.compress(bytes(1_000_000)) for _ in range(200)) + deflater.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert len(bomb) < 200_000
    octets = raw.binary(bomb, rsv=4).octets(True)
    tracemalloc.start()
    for at in range(0, len(octets), 50_000):
        peer.send_octets(octets[at : at + 50_000])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peer.close is not None
    assert peer.close[0] == 1009
    assert most < 60_000_000
    assert side.app.messages == []


# -- the server stops


@each_version
def test_the_server_stops(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    side.registry.drain()
    side.loop.settle()
    assert peer.close == (1001, "the server is being stopped")
    peer.send(raw.close(1001))
    peer.end()
    assert peer.over
    assert side.app.ends == [(1001, "")]
    side.pass_time(3)
    assert len(side.registry) == 0


@each_version
def test_the_server_stops_and_nobody_answers(side: TunnelSide, version: str) -> None:
    peers = [side.open(version) for _ in range(3)]
    side.registry.drain()
    side.pass_time(8)
    assert [peer.close for peer in peers] == [(1001, "the server is being stopped")] * 3
    assert len(side.registry) == 0


@each_version
def test_accepted_while_the_server_stops(side: TunnelSide, version: str) -> None:
    side.app.accepting.clear()
    peer = side.open(version)
    side.registry.drain()
    side.loop.settle()
    side.app.accepting.set()
    side.loop.settle()
    assert peer.close == (1001, "the server is being stopped")
    peer.send(raw.close(1001))
    peer.end()
    side.pass_time(3)
    assert len(side.registry) == 0


@each_version
def test_denied_while_the_server_stops(side: TunnelSide, version: str) -> None:
    async def script(scope: Any, receive: Any, send: Any) -> None:
        await side.app.accepting.wait()
        await send({"type": "websocket.close"})

    side.app.script = script
    side.app.accepting.clear()
    peer = side.open(version)
    side.registry.drain()
    side.app.accepting.set()
    side.loop.settle()
    assert peer.status == 403
    side.pass_time(5)
    assert len(side.registry) == 0


@each_version
def test_cut(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    side.registry.abort()
    side.loop.settle()
    assert len(side.registry) == 0
    assert side.app.ends == [(1006, "")]
    assert peer.over
    assert side.records[0].error


@each_version
def test_the_application_is_left(side: TunnelSide, version: str) -> None:
    peer = side.open(version)
    side.loop.run_until_complete(side.bridge.shutdown())
    side.loop.settle()
    assert peer.over
    assert side.app.ends == []


def test_a_client_that_says_goodbye_keeps_its_websocket(side: TunnelSide) -> None:
    peer = side.open("2")
    assert isinstance(peer, Http2Peer)
    peer.connection.leave()
    side.pass_time(1000)
    peer.send(raw.text("x"))
    assert side.app.messages == ["x"]
    peer.send(raw.close(1000))
    peer.end()
    side.pass_time(3)
    assert peer.connection.closed_at is not None


def test_an_idle_connection_is_left_after_its_last_websocket(side: TunnelSide) -> None:
    peer = side.open("2")
    assert isinstance(peer, Http2Peer)
    side.pass_time(1000)
    peer.send(raw.close(1000))
    peer.end()
    side.pass_time(70)
    assert peer.connection.goaways == []
    side.pass_time(10)
    peer.connection.turn()
    assert peer.connection.goaways != []
    side.pass_time(10)
    assert peer.connection.closed_at is not None
