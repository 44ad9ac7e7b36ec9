"""Random conversations with the libraries websockets and wsproto, in both roles, with and without permessage-deflate."""

from collections.abc import Iterable
from typing import Any, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ws.engine import opened
from websockets.extensions.permessage_deflate import PerMessageDeflate as WebsocketsDeflate
from websockets.frames import Opcode
from websockets.protocol import OPEN, Side
from websockets.protocol import Protocol as WebsocketsProtocol
from wsproto import events as wsproto
from wsproto.connection import Connection as WsprotoConnection
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate

from interlock.ws import (
    CLIENT,
    NEED_DATA,
    SERVER,
    Action,
    Close,
    CloseReceived,
    ConnectionClosed,
    Message,
    PerMessageDeflate,
    Ping,
    Pong,
)
from interlock.ws.deflate import Agreed


class Peer(Protocol):
    """An end of a connection, whoever has written it."""

    #: What it has received: messages, ("ping", payload), ("pong", payload), ("close", code, reason).
    seen: list[Any]

    def can_send(self) -> bool:
        """Whether it has sent no Close yet."""

    def send(self, pieces: list[Any]) -> None:
        """Send a message in so many fragments."""

    def ping(self, payload: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def receive(self, octets: bytes) -> None: ...

    def written(self) -> bytes:
        """What is to be delivered."""


class Ours:
    """The engine."""

    def __init__(self, role: Any, agreed: Agreed | None) -> None:
        self.connection = opened(role, agreed=agreed, deflate=PerMessageDeflate(minimum=10))
        self.seen: list[Any] = []
        self.actions: list[Action] = []
        self._written: list[bytes] = []

    def can_send(self) -> bool:
        return self.connection.writable

    def send(self, pieces: list[Any]) -> None:
        for number, piece in enumerate(pieces, 1):
            self._written.append(self.connection.send(Message(piece, number == len(pieces))))

    def ping(self, payload: bytes) -> None:
        self._written.append(self.connection.send(Ping(payload)))

    def close(self, code: int, reason: str) -> None:
        self._written.append(self.connection.send(Close(code, reason)))

    def receive(self, octets: bytes) -> None:
        self.connection.receive_data(octets)
        while (event := self.connection.next_event()) is not NEED_DATA:
            self._written.append(self.connection.data_to_send())
            if isinstance(event, Message):
                self.seen.append(event.data)
            elif isinstance(event, CloseReceived):
                self.seen.append(("close", event.code, event.reason))
            elif isinstance(event, Ping | Pong):
                self.seen.append(("ping" if isinstance(event, Ping) else "pong", event.payload))
            else:
                assert isinstance(event, ConnectionClosed)

    def written(self) -> bytes:
        octets = b"".join(self._written) + self.connection.data_to_send()
        self._written.clear()
        self.actions += self.connection.next_actions()
        return octets


class Websockets:
    """The library websockets."""

    def __init__(self, role: Any, agreed: Agreed | None) -> None:
        self.protocol = WebsocketsProtocol(Side.CLIENT if role is CLIENT else Side.SERVER, max_size=None)
        self.seen: list[Any] = []
        self._parts: list[bytes] = []
        self._text = False
        if agreed is not None:
            server = (agreed.server_no_context_takeover, agreed.server_max_window_bits)
            client = (agreed.client_no_context_takeover, agreed.client_max_window_bits)
            local, remote = (client, server) if role is CLIENT else (server, client)
            self.protocol.extensions = [WebsocketsDeflate(remote[0], local[0], remote[1], local[1])]

    def can_send(self) -> bool:
        return self.protocol.state is OPEN

    def send(self, pieces: list[Any]) -> None:
        for number, piece in enumerate(pieces):
            final = number == len(pieces) - 1
            data = piece.encode() if isinstance(piece, str) else piece
            if number:
                self.protocol.send_continuation(data, final)
            elif isinstance(piece, str):
                self.protocol.send_text(data, final)
            else:
                self.protocol.send_binary(data, final)

    def ping(self, payload: bytes) -> None:
        self.protocol.send_ping(payload)

    def close(self, code: int, reason: str) -> None:
        self.protocol.send_close(code, reason)

    def receive(self, octets: bytes) -> None:
        self.protocol.receive_data(octets)
        for frame in self.protocol.events_received():
            if frame.opcode in {Opcode.PING, Opcode.PONG}:
                self.seen.append(("ping" if frame.opcode is Opcode.PING else "pong", bytes(frame.data)))
            elif frame.opcode is Opcode.CLOSE:
                assert self.protocol.close_rcvd is not None
                self.seen.append(("close", self.protocol.close_rcvd.code, self.protocol.close_rcvd.reason))
            else:
                if frame.opcode is not Opcode.CONT:
                    self._text = frame.opcode is Opcode.TEXT
                self._parts.append(frame.data)
                if frame.fin:
                    data = b"".join(self._parts)
                    self.seen.append(data.decode() if self._text else data)
                    self._parts.clear()
        assert self.protocol.parser_exc is None, self.protocol.parser_exc

    def written(self) -> bytes:
        return b"".join(self.protocol.data_to_send())


class Wsproto:
    """The library wsproto."""

    def __init__(self, role: Any, agreed: Agreed | None) -> None:
        extensions = []
        if agreed is not None:
            deflate = WsprotoDeflate(
                client_no_context_takeover=agreed.client_no_context_takeover,
                client_max_window_bits=agreed.client_max_window_bits,
                server_no_context_takeover=agreed.server_no_context_takeover,
                server_max_window_bits=agreed.server_max_window_bits,
            )
            deflate._enabled = True
            extensions.append(deflate)
        kind = ConnectionType.CLIENT if role is CLIENT else ConnectionType.SERVER
        self.connection = WsprotoConnection(kind, extensions)  # type: ignore[arg-type]
        self.seen: list[Any] = []
        self._parts: list[Any] = []
        self._written: list[bytes] = []

    def can_send(self) -> bool:
        return self.connection.state is ConnectionState.OPEN

    def send(self, pieces: list[Any]) -> None:
        for number, piece in enumerate(pieces, 1):
            final = number == len(pieces)
            make: Any = wsproto.TextMessage if isinstance(piece, str) else wsproto.BytesMessage
            self._written.append(self.connection.send(make(data=piece, message_finished=final)))

    def ping(self, payload: bytes) -> None:
        self._written.append(self.connection.send(wsproto.Ping(payload=payload)))

    def close(self, code: int, reason: str) -> None:
        self._written.append(self.connection.send(wsproto.CloseConnection(code=code, reason=reason)))

    def receive(self, octets: bytes) -> None:
        if self.connection.state is ConnectionState.CLOSED:
            return
        self.connection.receive_data(octets)
        for event in self.connection.events():
            if isinstance(event, wsproto.Ping):
                self.seen.append(("ping", bytes(event.payload)))
                if self.can_send():
                    self._written.append(self.connection.send(event.response()))
            elif isinstance(event, wsproto.Pong):
                self.seen.append(("pong", bytes(event.payload)))
            elif isinstance(event, wsproto.CloseConnection):
                self.seen.append(("close", event.code, event.reason or ""))
                if self.connection.state is ConnectionState.REMOTE_CLOSING:
                    self._written.append(self.connection.send(event.response()))
            else:
                assert isinstance(event, wsproto.TextMessage | wsproto.BytesMessage)
                self._parts.append(event.data)
                if event.message_finished:
                    empty: Any = "" if isinstance(event, wsproto.TextMessage) else b""
                    self.seen.append(empty.join(self._parts))
                    self._parts.clear()

    def written(self) -> bytes:
        octets = b"".join(self._written)
        self._written.clear()
        return octets


class Wire:
    """Two ends, and what is on its way between them."""

    def __init__(self, first: Peer, second: Peer) -> None:
        self.ends = (first, second)
        self._under_way = [b"", b""]
        self.sent: list[list[Any]] = [[], []]
        self.pinged: list[list[bytes]] = [[], []]

    def say(self, number: int, what: Any) -> None:
        end = self.ends[number]
        if not end.can_send():
            return
        if isinstance(what, list):
            end.send(what)
            self.sent[number].append(what[0][:0].join(what))
        else:
            end.ping(what)
            self.pinged[number].append(what)
        self._under_way[1 - number] += end.written()

    def close(self, number: int, code: int, reason: str) -> None:
        end = self.ends[number]
        if end.can_send():
            end.close(code, reason)
            self._under_way[1 - number] += end.written()

    def deliver(self, number: int, octets: int) -> None:
        """So many octets, at most, to one end."""
        some = self._under_way[number][:octets]
        if some:
            self._under_way[number] = self._under_way[number][octets:]
            self.ends[number].receive(some)
            self._under_way[1 - number] += self.ends[number].written()

    def settle(self) -> None:
        while any(self._under_way):
            for number in (0, 1):
                self.deliver(number, 1 << 20)


def messages(seen: Iterable[Any]) -> list[Any]:
    return [event for event in seen if not isinstance(event, tuple)]


def payloads(seen: Iterable[Any], what: str) -> list[bytes]:
    return [event[1] for event in seen if isinstance(event, tuple) and event[0] == what]


# No window of 8 bits, which wsproto does not know and zlib does not make.
bits = st.integers(9, 15)
agreements = st.one_of(st.none(), st.builds(Agreed, st.booleans(), st.booleans(), bits, bits))
texts = st.one_of(st.text(min_size=1, max_size=30), st.integers(1, 400).map(lambda size: "wörds " * size))
octets = st.one_of(st.binary(min_size=1, max_size=30), st.integers(1, 2000).map(lambda size: bytes(range(256)) * size))
said = st.one_of(
    st.lists(texts, min_size=1, max_size=4),
    st.lists(octets.filter(lambda data: len(data) < 100_000), min_size=1, max_size=4),
    st.binary(max_size=125),
    st.just([""]),
    st.just([b""]),
)
steps = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.one_of(said, st.sampled_from([1, 2, 3, 10, 200, 1 << 20]))), max_size=25
)
closes = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from([1000, 1001, 3000, 4999]), st.sampled_from(["", "why", "κ"])),
    min_size=1,
    max_size=2,
)


@pytest.mark.parametrize("make", [Websockets, Wsproto])
@settings(max_examples=120)
@given(st.sampled_from([CLIENT, SERVER]), agreements, steps, closes, st.integers(0, 300))
def test_a_conversation(
    make: Any, role: Any, agreed: Agreed | None, talk: list[Any], ending: list[Any], between: int
) -> None:
    ours = Ours(role, agreed)
    theirs = make(SERVER if role is CLIENT else CLIENT, agreed)
    wire = Wire(ours, theirs)
    for number, what in talk:
        if isinstance(what, int):
            wire.deliver(number, what)
        else:
            wire.say(number, what)
    for number, code, reason in ending:
        wire.close(number, code, reason)
        wire.deliver(1 - number, between)
    wire.settle()
    assert messages(theirs.seen) == wire.sent[0]
    assert messages(ours.seen) == wire.sent[1]
    assert payloads(theirs.seen, "ping") == wire.pinged[0]
    assert payloads(ours.seen, "ping") == wire.pinged[1]
    local, remote = ours.connection.local_close, ours.connection.remote_close
    assert local is not None
    assert remote is not None
    assert [event for event in theirs.seen if event[:1] == ("close",)] == [("close", local.code, local.reason)]
    assert ours.seen[-1] == ("close", remote.code, remote.reason)
    assert ours.connection.over
    assert (Action.END_STREAM in ours.actions) == (role is SERVER)
    if role is CLIENT:  # it waits for the server's end (RFC 6455 §7.1.1)
        ours.receive(b"")
        ours.written()
        assert ours.actions[-3:] == [Action.END_STREAM, Action.STOP_CLOSING_TIMER, Action.TEAR_DOWN]


@pytest.mark.parametrize("make", [Websockets, Wsproto])
@pytest.mark.parametrize("role", [CLIENT, SERVER], ids=["client", "server"])
def test_pings_are_answered_by_both(make: Any, role: Any) -> None:
    wire = Wire(Ours(role, None), make(SERVER if role is CLIENT else CLIENT, None))
    for number in range(10):
        wire.say(0, b"ours %d" % number)
        wire.say(1, b"theirs %d" % number)
    wire.settle()
    assert payloads(wire.ends[0].seen, "pong") == [b"ours %d" % number for number in range(10)]
    assert payloads(wire.ends[1].seen, "pong") == [b"theirs %d" % number for number in range(10)]


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("make", [Websockets, Wsproto])
@pytest.mark.parametrize("role", [CLIENT, SERVER], ids=["client", "server"])
def test_empty_messages_that_are_compressed(make: Any, role: Any, takeover: bool) -> None:
    """Behind another message, zlib makes no octet of them, and wsproto sends none (RFC 7692 §7.2.3.6 has one)."""
    agreed = Agreed(not takeover, not takeover, 15, 15)
    wire = Wire(Ours(role, agreed), make(SERVER if role is CLIENT else CLIENT, agreed))
    talk = [[""], ["a"], [""], [b""], [b"b" * 100], ["", ""], ["", "c" * 50, ""], [b""]]
    for pieces in talk:
        wire.say(0, pieces)
        wire.say(1, pieces)
    wire.settle()
    expected = [pieces[0][:0].join(pieces) for pieces in talk]
    for end in wire.ends:
        assert messages(end.seen) == expected
