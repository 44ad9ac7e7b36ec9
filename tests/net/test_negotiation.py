"""Which version a connection speaks: by ALPN with TLS, else by the client's first octets, wherever these are cut."""

from typing import Any

import pytest
from tests.net.http2_client import Http2Client
from tests.net.virtual_clock import GET, Handled, ServerSide

from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio import Connections
from interlock.net.asyncio.http import HTTPProtocol
from interlock.net.asyncio.http2 import HTTP2Protocol
from interlock.net.asyncio.negotiation import NegotiatingProtocol

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HELLO = b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello"


class Selected:
    """What a TLS connection has agreed on."""

    def __init__(self, protocol: str | None) -> None:
        self.protocol = protocol

    def selected_alpn_protocol(self) -> str | None:
        return self.protocol


def connect(side: ServerSide, **extra: Any) -> Http2Client:
    """A client that has sent nothing yet."""
    return Http2Client(side, begin=False, factory=NegotiatingProtocol, **extra)


@pytest.fixture(autouse=True)
def application(side: ServerSide) -> None:
    side.on_request = Handled.respond


@pytest.mark.parametrize("cut", range(1, len(PREFACE)))
def test_a_preface_is_known_wherever_it_is_cut(side: ServerSide, cut: int) -> None:
    client = connect(side)
    client.h2.initiate_connection()
    octets = client.h2.data_to_send()
    client.transport.send(octets[:cut])
    assert type(client.transport.protocol) is NegotiatingProtocol
    client.transport.send(octets[cut:])
    assert type(client.transport.protocol) is HTTP2Protocol
    client.turn()
    assert client.streams[client.request()].status == 200
    assert len(side.registry) == 1


def test_a_preface_comes_octet_by_octet(side: ServerSide) -> None:
    client = connect(side)
    client.h2.initiate_connection()
    for octet in client.h2.data_to_send():
        client.transport.send(bytes([octet]))
    client.turn()
    assert client.streams[client.request()].status == 200


@pytest.mark.parametrize("octets", [GET, b"\r\n" + GET, GET.replace(b"GET", b"P"), GET.replace(b"GET", b"PRI")])
def test_anything_else_is_http_1_wherever_it_is_cut(side: ServerSide, octets: bytes) -> None:
    for cut in range(len(octets)):
        client = connect(side)
        client.transport.send(octets[:cut]) if cut else None
        client.transport.send(octets[cut:])
        side.loop.settle()
        assert type(client.transport.protocol) is HTTPProtocol
        assert bytes(client.transport.received) == HELLO


@pytest.mark.parametrize("cut", range(1, len(PREFACE)))
def test_a_preface_that_goes_wrong_is_http_1(side: ServerSide, cut: int) -> None:
    client = connect(side)
    client.transport.send(PREFACE[:cut])
    client.transport.send(b"\0")
    side.loop.settle()
    assert type(client.transport.protocol) is HTTPProtocol
    assert client.transport.received.startswith(b"HTTP/1.1 ")
    assert client.transport.eof_at is not None


@pytest.mark.parametrize(
    ("protocol", "expected"), [("h2", HTTP2Protocol), ("http/1.1", HTTPProtocol), (None, HTTPProtocol)]
)
def test_with_tls_alpn_decides_at_once(side: ServerSide, protocol: str | None, expected: type) -> None:
    client = connect(side, ssl_object=Selected(protocol))
    assert type(client.transport.protocol) is expected
    if expected is HTTP2Protocol:
        client.h2.initiate_connection()
        client.turn()
        assert client.streams[client.request()].status == 200
    else:
        client.transport.send(PREFACE)  # without ALPN there is no HTTP/2 (RFC 9113 §3.2)
        side.loop.settle()
        assert client.transport.received.startswith(b"HTTP/1.1 505 ")


def test_the_time_for_a_head_runs_from_the_connections_start(side: ServerSide) -> None:
    clients = [connect(side) for _ in range(4)]
    side.pass_time(9)
    clients[1].transport.send(b"P")
    clients[2].transport.send(b"POST")
    clients[3].transport.send(PREFACE)
    side.pass_time(0.9)
    assert [client.closed_at for client in clients] == [None] * 4
    side.pass_time(0.1)
    assert clients[0].closed_at == 10.0
    assert clients[3].closed_at == 10.0
    for client in clients[1:3]:
        assert client.transport.received.startswith(b"HTTP/1.1 408 ")


def test_without_a_timeout_there_is_no_timer(side: ServerSide) -> None:
    side.configure(timeouts=Timeouts(head=0))
    connect(side)
    assert side.loop.timers() == []


def test_a_connection_without_octets_is_closed_by_either_side(side: ServerSide) -> None:
    clients = [connect(side) for _ in range(4)]
    assert len(side.registry) == 4
    clients[0].transport.send_eof()
    clients[1].transport.reset_by_peer()
    side.loop.settle()
    assert len(side.registry) == 2
    clients[2].protocol.abort()
    side.registry.drain()
    side.loop.settle()
    assert len(side.registry) == 0
    assert [client.closed_at for client in clients] == [0.0] * 4
    assert side.loop.timers() == []


def test_half_a_preface_and_an_end(side: ServerSide) -> None:
    client = connect(side)
    client.transport.send(PREFACE[:10])
    client.transport.send_eof()
    side.loop.settle()
    assert client.closed_at == 0.0


def test_connections_are_counted_once(side: ServerSide) -> None:
    side.configure(Limits(connections_per_ip=2))
    first, second = connect(side), connect(side)
    third = connect(side)
    side.loop.settle()
    assert third.transport.received.startswith(b"HTTP/1.1 503 ")
    first.transport.send(GET)
    second.transport.send(PREFACE + b"\0\0\0\4\0\0\0\0\0")
    side.loop.settle()
    assert bytes(first.transport.received) == HELLO
    assert type(second.transport.protocol) is HTTP2Protocol
    assert second.closed_at is None


def test_a_connection_that_comes_while_the_server_stops(side: ServerSide) -> None:
    side.registry.drain()
    client = connect(side)
    side.loop.settle()
    assert client.closed_at == 0.0


def of_versions(side: ServerSide, *versions: str) -> Any:
    """What makes a protocol for a connection of a server that speaks these."""

    async def make() -> Connections:
        return Connections(side._handle, limits=Limits(), timeouts=Timeouts(), versions=frozenset(versions))

    side.registry = connections = side.loop.run_until_complete(make())
    return lambda registry, loop: connections.protocol()


@pytest.mark.parametrize("protocol", ["h2", None])
def test_a_server_of_http_2_only(side: ServerSide, protocol: str | None) -> None:
    extra = {} if protocol is None else {"ssl_object": Selected(protocol)}
    factory = of_versions(side, "2")
    client = Http2Client(side, factory=factory, **extra)
    assert type(client.transport.protocol) is HTTP2Protocol
    assert client.streams[client.request()].status == 200
    client = Http2Client(side, begin=False, factory=factory, **extra)
    client.transport.send(GET)
    if protocol is None:
        assert client.transport.received.startswith(b"HTTP/1.1 505 HTTP Version Not Supported\r\n")
        assert client.transport.received.endswith(b"only HTTP/2 is spoken here\n")
    else:
        client._without_goaways(bytes(client.transport.received))
        assert client.goaways == [(1, 0)]
    assert client.transport.eof_at is not None
    assert len(side.handled) == 1


@pytest.mark.parametrize("octets", [PREFACE[:20] + b"x", b"PRI * HTTP/1.1\r\n", b"\x16\x03\1", b"\r\n", b""])
@pytest.mark.parametrize("end", [False, True])
def test_what_is_no_request_of_http_1_is_answered_in_http_2(side: ServerSide, octets: bytes, end: bool) -> None:
    client = Http2Client(side, begin=False, factory=of_versions(side, "2"))
    if octets:
        client.transport.send(octets)
    if end:
        client.transport.send_eof()
    side.pass_time(10)
    client._without_goaways(bytes(client.transport.received))
    assert b"HTTP/1.1" not in client.transport.received
    assert [code for code, _ in client.goaways] == ([1] if octets else [] if end else [0])
    assert client.transport.eof_at is not None


@pytest.mark.parametrize("octets", [b"G", b"POST /", b"PROPFIND / HTTP/1.1\r\n"])
def test_half_a_request_of_http_1_is_refused_too(side: ServerSide, octets: bytes) -> None:
    client = Http2Client(side, begin=False, factory=of_versions(side, "2"))
    for octet in octets:
        client.transport.send(bytes([octet]))
    assert client.transport.received.startswith(b"HTTP/1.1 505 ")


@pytest.mark.parametrize("protocol", ["http/1.1", None])
def test_with_tls_there_is_no_http_2_without_alpn(side: ServerSide, protocol: str | None) -> None:
    client = Http2Client(side, begin=False, factory=of_versions(side, "2"), ssl_object=Selected(protocol))
    client.transport.send(PREFACE)
    client._without_goaways(bytes(client.transport.received))
    assert client.goaways == [(1, 0)]
    assert client.transport.eof_at is not None


def test_a_server_of_http_1_only_looks_for_no_preface(side: ServerSide) -> None:
    client = Http2Client(side, begin=False, factory=of_versions(side, "1"))
    assert type(client.transport.protocol) is HTTPProtocol
    client.transport.send(PREFACE)
    side.loop.settle()
    assert client.transport.received.startswith(b"HTTP/1.1 505 ")
