"""WebSockets behind both drivers, on a virtual clock: what the client does, and what comes of it."""

from collections.abc import Iterator

import pytest
from tests.net.tunnels import TunnelSide, tunnel_side
from tests.net.virtual_clock import living
from tests.ws import raw

from interlock.net.asyncio.exchange import StreamExchange
from interlock.net.asyncio.websocket import WebSocketSession

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
