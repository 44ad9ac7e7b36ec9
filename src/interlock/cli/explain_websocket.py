"""WebSocket followed from outside, frame by frame: the octets of one end or of both, to steps and problems (RFC 6455).

Each end's octets are read by the engine that would receive them; the machines, which know no role, run once, for both.
"""

from collections.abc import Iterator
from typing import Any, Final

from interlock.cli.explain_rules import rule_for, shortened
from interlock.cli.explain_steps import ENDS, Moved, Problem, Side, Step, other_end
from interlock.cli.ws_text import quoted
from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.http.events import InformationalResponse, Request, Response
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, SERVER
from interlock.machine.moves import moves
from interlock.ws import CloseReceived, Connection, Message, PerMessageDeflate
from interlock.ws.deflate import Agreed, agree
from interlock.ws.frames import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, RSV1, TEXT, read_frame_head
from interlock.ws.handshake import read_request, read_response
from interlock.ws.tables import SYSTEM

__all__ = ["COMPRESSED", "PROTOCOL", "WebSocket", "agreement"]

PROTOCOL: Final = "WebSocket"

#: What is agreed on where nobody has seen the handshake: any window, and the context is kept.
COMPRESSED: Final = Agreed(False, False, 15, 15)

_NAMES: Final = {
    CONTINUATION: "continuation",
    TEXT: "text",
    BINARY: "binary",
    CLOSE: "close",
    PING: "ping",
    PONG: "pong",
}
_CONTROL: Final = {CLOSE: "Close", PING: "Ping", PONG: "Pong"}

#: Octets of content that are shown, and octets of it that are read at once.
_SHOWN: Final = 32
_PIECE: Final = 65536
#: Octets around an error that are shown, before it and behind it.
_BEFORE: Final = 48
_BEHIND: Final = 8


def agreement(request: Request, response: InformationalResponse | Response) -> Agreed | None:
    """The compression that a handshake has agreed on.

    Raises :class:`~interlock.http.errors.LocalProtocolError` where it is no handshake (RFC 6455 §4.1, §4.2.1).
    """
    opening = read_request(request)
    _, extensions = read_response(request, response, opening.subprotocols)
    offered = any(extension.name == b"permessage-deflate" for extension in opening.extensions)
    return agree(extensions, PerMessageDeflate() if offered else None)


class _Frames:
    """What one end sends: its engine, and the frame in progress."""

    def __init__(self, side: Side, limits: Limits, agreed: Agreed | None) -> None:
        self.side: Final = side
        self.client: Final = side.sender == "client"
        self.engine: Final = Connection(SERVER if self.client else CLIENT, limits=limits, fragments=True)
        self.engine.start(agreed=agreed)
        #: The head of the frame as far as it has come, and octets of its payload that are still to come, -1 before that.
        self.head = bytearray()
        self.left = -1
        #: Whether the message in progress is text, or compressed: wrong octets of these are noticed one by one.
        self.delicate = False
        #: Of the message that it is a part of: what came, its octets, and the first of them.
        self.close: CloseReceived | None = None
        self.text = False
        self.content = 0
        self.shown = b""

    def read(self) -> bool:
        """Read some more of the frame; whether it is complete.  Raises :class:`RemoteProtocolError`."""
        whole = self.left <= 0 or (self.delicate and self.head[0] & 0x0F < CLOSE)
        octets = self.side.take(1 if whole else min(self.left, _PIECE))
        self.engine.receive_data(octets)
        while True:
            event: Any = self.engine.next_event()
            if event is NEED_DATA:
                break
            if isinstance(event, Message):
                data = event.data.encode() if isinstance(event.data, str) else bytes(event.data)
                self.content += len(data)
                self.shown += data[: _SHOWN - len(self.shown)]
            elif isinstance(event, CloseReceived):
                self.close = event
            else:
                self.content = len(event.payload)
                self.shown = event.payload[:_SHOWN]
        self.engine.data_to_send()  # which nobody is to get
        if self.left > 0:
            self.left -= len(octets)
        else:
            self.head += octets
            size, length = read_frame_head(bytes(self.head), 0, self.client)
            if size < 0:
                return False
            self.left = length
            opcode = self.head[0] & 0x0F
            if TEXT <= opcode <= BINARY:
                self.text = opcode == TEXT
                self.delicate = self.text or self.head[0] & RSV1 != 0
        return self.left == 0

    def next(self) -> None:
        """The frame is over."""
        self.head.clear()
        self.left = -1
        self.content = 0
        self.shown = b""


class WebSocket:
    """One connection of WebSocket, behind its handshake; ``stream``: that of HTTP/2 which it is on, or 0."""

    def __init__(self, sides: dict[str, Side], limits: Limits, agreed: Agreed | None, stream: int = 0) -> None:
        self._ends: Final = {sender: _Frames(side, limits, agreed) for sender, side in sides.items()}
        self._stream: Final = stream
        self._joint = 0
        self._ended: Final[set[str]] = set()
        self._begun = False

    def steps(self) -> Iterator[Step | Problem]:
        """What can be told of what has come so far."""
        if not self._begun:
            self._begun = True
            yield Step("server", PROTOCOL, "Accept", moves=self._advance("server.Accept"), stream=self._stream)
        for sender in ENDS:
            if sender in self._ends:
                yield from self._read(self._ends[sender])
        for sender in reversed(ENDS):
            if sender in self._ends:
                yield from self._end(self._ends[sender])

    def _read(self, end: _Frames) -> Iterator[Step | Problem]:
        side = end.side
        while side.pending and not side.failed:
            try:
                if not end.engine.readable:
                    side.take(1)
                    raise RemoteProtocolError("octets behind a Close (RFC 6455 §5.5.1)", 1002)
                if end.read():
                    yield self._frame(end)
            except ProtocolError as error:
                yield self._problem(end, error, side.taken - 1)

    def _frame(self, end: _Frames) -> Step:
        """The frame that is complete."""
        side = end.side
        first = end.head[0]
        opcode = first & 0x0F
        step = Step(side.sender, PROTOCOL, "", side.told, side.taken, stream=self._stream)
        told = [_NAMES[opcode]]
        if opcode == CLOSE:
            assert end.close is not None
            told = [f"{end.close.code} {quoted(end.close.reason.encode()) if end.close.reason else ''}".strip()]
        elif opcode in _CONTROL or end.text:
            told.append(quoted(end.shown) + (" ..." if end.content > len(end.shown) else ""))
        if opcode not in _CONTROL:
            step.content = end.content
            step.shown = b"" if end.text else end.shown
            told += [word for word, holds in (("not final", first < FIN), ("compressed", first & RSV1)) if holds]
        step.summary = ", ".join(told)
        within = SYSTEM.state(self._joint, f"{side.sender}_message") == "WITHIN"
        kinds = ("Message.continue", "Message.finish") if within else ("Message.begin", "Message")
        step.event = _CONTROL.get(opcode) or kinds[first >= FIN]
        step.moves = self._advance(f"{side.sender}.{step.event}")
        side.told = side.taken
        end.next()
        return step

    def _advance(self, name: str) -> list[Moved]:
        """Take an event to the tables.  Raises :class:`LocalProtocolError` where it is illegal."""
        event = SYSTEM.event_index[name]
        before = self._joint
        self._joint = SYSTEM.step(before, event)
        return [Moved(SYSTEM.name, move, self._stream) for move in moves(SYSTEM, before, event)]

    def _end(self, end: _Frames) -> Iterator[Step | Problem]:
        """The byte stream has ended on this side, if it has."""
        side = end.side
        if not side.ended or side.pending or side.failed or side.sender in self._ended:
            return
        self._ended.add(side.sender)
        if end.head:
            error = RemoteProtocolError("the stream ends within a frame (RFC 6455 §5.2)")
            yield self._problem(end, error, side.taken)
        try:
            moved = self._advance(f"{side.sender}.EndOfStream")
        except LocalProtocolError:
            return
        yield Step(side.sender, PROTOCOL, "EndOfStream", side.taken, side.taken, moves=moved, stream=self._stream)

    def _problem(self, end: _Frames, error: ProtocolError, at: int) -> Problem:
        side = end.side
        side.failed = True
        message = str(error)
        rule = rule_for(message, PROTOCOL)
        message = shortened(message)
        begin = side.told
        place, octets = side.octets(max(begin, at - _BEFORE), at + 1 + _BEHIND)
        if rule.kind == "incomplete":
            consequence = "the connection is lost: its close code is 1006"
        elif not end.engine.readable and end.close is not None:
            consequence = f"a {other_end(side.sender)} reads nothing of it"
        else:
            consequence = f"a {other_end(side.sender)} closes the connection with {error.error_status_hint}"
        return Problem(
            side.sender,
            PROTOCOL,
            message,
            rule,
            at,
            begin,
            consequence,
            octets,
            place,
            binary=True,
            unit=_unit(end),
            stream=self._stream,
            unread=side.drop(),
        )


def _unit(end: _Frames) -> str:
    """The frame in progress in words, as far as its head is known; "" before that."""
    if not end.head or end.left < 0:
        return ""
    size, length = read_frame_head(bytes(end.head), 0, end.client)
    return f"a {_NAMES[end.head[0] & 0x0F]} frame, {length} octets of payload" if size > 0 else ""
