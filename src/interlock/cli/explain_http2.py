"""HTTP/2 followed from outside, frame by frame: the octets of one end or of both, to steps and problems (RFC 9113).

Streams are told as the server sees them: ``remote`` is the client's message there, ``local`` the server's.  Octets of a
WebSocket on a stream (RFC 8441) go on to ``explain_websocket.py``, and are counted by themselves there.
"""

from collections.abc import Iterator
from typing import Any, Final

from interlock.cli.explain_rules import rule_for, shortened
from interlock.cli.explain_steps import ENDS, Moved, Problem, Side, Step, other_end
from interlock.cli.explain_websocket import COMPRESSED, WebSocket, agreement
from interlock.cli.ws_text import quoted
from interlock.h2 import frames
from interlock.h2.errors import ENHANCE_YOUR_CALM, code_name
from interlock.h2.events import GoAway, PriorityUpdated, SettingsChanged, StreamReset, WindowUpdated
from interlock.h2.observer import Fault, Observed, Observer
from interlock.h2.tables import CONNECTION, STREAM
from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, InformationalResponse, Request, Response
from interlock.http.limits import Limits
from interlock.http.status import reason
from interlock.machine.moves import moves
from interlock.ws.deflate import Agreed
from interlock.ws.handshake import is_websocket

__all__ = ["PROTOCOL", "Http2"]

PROTOCOL: Final = "HTTP/2"

_TYPES: Final = {
    frames.DATA: "DATA",
    frames.HEADERS: "HEADERS",
    frames.PRIORITY: "PRIORITY",
    frames.RST_STREAM: "RST_STREAM",
    frames.SETTINGS: "SETTINGS",
    frames.PUSH_PROMISE: "PUSH_PROMISE",
    frames.PING: "PING",
    frames.GOAWAY: "GOAWAY",
    frames.WINDOW_UPDATE: "WINDOW_UPDATE",
    frames.CONTINUATION: "CONTINUATION",
    frames.ALTSVC: "ALTSVC",
    frames.ORIGIN: "ORIGIN",
    frames.PRIORITY_UPDATE: "PRIORITY_UPDATE",
}
_BLOCKS: Final = {frames.HEADERS: "HEADERS", frames.CONTINUATION: "CONTINUATION", frames.PUSH_PROMISE: "PUSH_PROMISE"}
_FLAGS: Final = (
    (frames.END_STREAM, "END_STREAM", (frames.DATA, frames.HEADERS)),
    (frames.ACK, "ACK", (frames.SETTINGS, frames.PING)),
    (frames.END_HEADERS, "END_HEADERS", (frames.HEADERS, frames.CONTINUATION)),
    (frames.PADDED, "PADDED", (frames.DATA, frames.HEADERS)),
    (frames.WITH_PRIORITY, "PRIORITY", (frames.HEADERS,)),
)
_SETTINGS: Final = {
    frames.HEADER_TABLE_SIZE: "HEADER_TABLE_SIZE",
    frames.ENABLE_PUSH: "ENABLE_PUSH",
    frames.MAX_CONCURRENT_STREAMS: "MAX_CONCURRENT_STREAMS",
    frames.INITIAL_WINDOW_SIZE: "INITIAL_WINDOW_SIZE",
    frames.MAX_FRAME_SIZE: "MAX_FRAME_SIZE",
    frames.MAX_HEADER_LIST_SIZE: "MAX_HEADER_LIST_SIZE",
    frames.ENABLE_CONNECT_PROTOCOL: "ENABLE_CONNECT_PROTOCOL",
    frames.NO_RFC7540_PRIORITIES: "NO_RFC7540_PRIORITIES",
}
_SYSTEMS: Final = {"h2": STREAM, "h2-connection": CONNECTION}

#: Octets of content, and of a frame that is wrong, that are shown.
_SHOWN: Final = 32
_FRAME: Final = 48
#: Tunnels that are followed at a time, and octets of one that may wait for the server to accept it.
_MOST_TUNNELS: Final = 1000
_MOST_WAITING: Final = 1 << 20


class _Tunnel:
    """A request for a WebSocket, what each end has sent behind it, and who follows that once it was accepted."""

    def __init__(self, request: Request, sides: dict[str, Side]) -> None:
        self.request: Final = request
        self.sides: Final = sides
        self.websocket: WebSocket | None = None


class Http2:
    """One connection of HTTP/2.

    ``limits`` and ``responses``: of what the client sends, and of what the server sends.
    ``sides``: what each end has sent, as far as it is there.  ``methods``: of requests that are not there.  ``secrets``:
    whether the octets of field blocks may be shown.  ``recorded``: whether the sides have no order between them.
    """

    def __init__(
        self,
        sides: dict[str, Side],
        limits: Limits,
        methods: tuple[bytes, ...],
        *,
        responses: Limits,
        secrets: bool,
        recorded: bool = True,
    ) -> None:
        self._sides: Final = sides
        self._limits: Final = limits
        self._methods: Final = methods
        self._secrets: Final = secrets
        self._recorded: Final = recorded
        self._observer: Final = Observer(limits, responses, tuple(sides))
        self._preface_due = "client" in sides
        self._ended: Final[set[str]] = set()
        #: Requests for a WebSocket, by their streams.
        self._tunnels: Final[dict[int, _Tunnel]] = {}

    def passed(self, seconds: float) -> None:
        """So much time has passed."""
        self._observer.refill(seconds)

    def steps(self) -> Iterator[Step | Problem]:
        """What can be told of what has come so far."""
        going = True
        patient = self._recorded
        while going:
            going = False
            for sender in ENDS:
                if sender in self._sides:
                    for step in self._read(self._sides[sender], patient=patient):
                        going = True
                        yield step
            if not going and patient:
                patient = False  # neither waits for the other any more
                going = all(side.ended for side in self._sides.values())
        for sender in reversed(ENDS):
            if sender in self._sides:
                yield from self._end(self._sides[sender])

    def _read(self, side: Side, *, patient: bool) -> Iterator[Step | Problem]:
        if self._preface_due and side.sender == "client":
            yield from self._read_preface(side)
            if self._preface_due:
                return
        while not side.failed:
            whole = self._whole(side)
            if not whole or (patient and self._waits(side.sender, side.peek(frames.HEAD_OCTETS))):
                return
            octets = side.take(whole)
            observed = self._observer.frame(side.sender, octets, self._methods[0])
            yield from self._told(side, octets, observed)
            side.told = side.taken

    def _whole(self, side: Side) -> int:
        """How many octets to read for the next frame; 0 while it is not complete."""
        head = side.peek(frames.HEAD_OCTETS)
        if len(head) < frames.HEAD_OCTETS:
            return 0
        length = int.from_bytes(head[:3], "big")
        if length > self._observer.largest_frame(side.sender, head[3]):
            return frames.HEAD_OCTETS  # which is enough to refuse it
        return frames.HEAD_OCTETS + length if side.pending >= frames.HEAD_OCTETS + length else 0

    def _read_preface(self, side: Side) -> Iterator[Step | Problem]:
        while side.pending and not side.failed and side.taken < len(frames.PREFACE):
            observed = self._observer.preface(side.take(1))
            for fault in observed.faults:
                yield self._problem(side, b"", fault, observed)
        if side.taken == len(frames.PREFACE) and not side.failed:
            self._preface_due = False
            side.told = side.taken
            yield Step("client", PROTOCOL, "preface", 0, side.taken, moves=_moved(observed))

    def _waits(self, sender: str, head: bytes) -> bool:
        """Whether a frame answers something that the other end has still to have sent: files have no order between them."""
        observer = self._observer
        if not observer.is_seen(other_end(sender)):
            return False
        kind, flags = head[3], head[4]
        stream = frames.number(head[5:9]) & frames.LARGEST
        if kind == frames.SETTINGS:
            return flags & frames.ACK != 0 and not observer.announced(other_end(sender))
        if kind == frames.DATA and not observer.has_room(sender, stream, int.from_bytes(head[:3], "big")):
            return True
        if sender == "client":
            return kind == frames.HEADERS and not observer.opened(stream) and not observer.may_open()
        if kind == frames.RST_STREAM or kind == frames.GOAWAY:  # what is wrong comes before the answer to it
            return self._sides["client"].pending > 0
        return stream & 1 == 1 and not observer.opened(stream)

    def _end(self, side: Side) -> Iterator[Step | Problem]:
        if not side.ended or side.failed or side.sender in self._ended or self._whole(side):
            return
        self._ended.add(side.sender)
        if side.pending:
            at = side.taken + side.pending
            begin = side.taken
            octets = side.take(side.pending)
            fault = Fault(0, 0, "the stream ends within a frame (RFC 9113 §4.1)")
            yield self._problem(side, octets, fault, Observed(), at=at, begin=begin)
            return
        observed = self._observer.closed(side.sender)
        at = side.taken
        yield Step(side.sender, PROTOCOL, "ConnectionClosed", at, at, moves=_moved(observed))

    # -- what a frame says

    def _told(self, side: Side, octets: bytes, observed: Observed) -> Iterator[Step | Problem]:
        for fault in observed.faults:
            yield self._problem(side, octets, fault, observed)
        if any(fault.stream or fault.fatal for fault in observed.faults):
            return
        kind = octets[3]
        flags = octets[4]
        stream = frames.number(octets[5:9]) & frames.LARGEST
        step = Step(side.sender, PROTOCOL, _TYPES.get(kind, f"frame 0x{kind:x}"), side.told, side.taken, stream=stream)
        told = [name for bit, name, kinds in _FLAGS if flags & bit and kind in kinds]
        for event in observed.events:
            words = self._words(event, step)
            if words:
                told.append(words)
        if kind == frames.SETTINGS and not flags & frames.ACK:
            told.extend(f"0x{name:x} = {value}" for name, value in _unknown_settings(octets))
        step.summary = ", ".join(told)
        step.moves = _moved(observed)
        yield step
        for event in observed.events:
            yield from self._tunnelled(side.sender, event)

    def _words(self, event: Any, step: Step) -> str:
        """What an event says; fields and content go into ``step``."""
        if isinstance(event, Request):
            step.fields = event.headers.raw_items()
            protocol = f" {event.protocol.decode()}" if event.protocol else ""
            return f"{event.method.decode()}{protocol} {event.target.decode('latin-1')} ({event.scheme.decode()})"
        if isinstance(event, (InformationalResponse, Response)):
            step.fields = event.headers.raw_items()
            return f"{event.status_code}"
        if isinstance(event, Data):
            step.content = len(event.data)
            step.shown = bytes(event.data[:_SHOWN])
        elif isinstance(event, EndOfMessage):
            step.fields = step.fields or event.headers.raw_items()
            return "EndOfMessage"
        elif isinstance(event, SettingsChanged):
            return ", ".join(f"{_SETTINGS.get(name, hex(name))} = {value}" for name, value in event.changes.items())
        elif isinstance(event, WindowUpdated):
            return f"{event.increment} octets more"
        elif isinstance(event, StreamReset):
            return f"{code_name(event.error_code)} on stream {event.stream_id}"
        elif isinstance(event, GoAway):
            if event.error_code == ENHANCE_YOUR_CALM and step.sender == "server":
                sent = ", ".join(
                    f"{count} {_TYPES.get(kind, f'of type 0x{kind:x}')}" for kind, count in self._observer.sent.items()
                )
                step.notes.append(f"the client has made too much work (RFC 9113 §10.5); its frames were {sent}")
            debug = f", {quoted(event.debug[:_SHOWN])}" if event.debug else ""
            return f"{code_name(event.error_code)}, last stream {event.last_stream_id}{debug}"
        elif isinstance(event, PriorityUpdated):
            return f"stream {event.stream_id}: urgency {event.urgency}{', incremental' if event.incremental else ''}"
        return ""

    # -- WebSocket on a stream

    def _tunnelled(self, sender: str, event: Any) -> Iterator[Step | Problem]:
        stream = getattr(event, "stream_id", 0)
        tunnel = self._tunnels.get(stream)
        if isinstance(event, Request) and is_websocket(event) and len(self._tunnels) < _MOST_TUNNELS:
            tunnel = self._tunnels[stream] = _Tunnel(event, {sender: Side(sender) for sender in self._sides})
            if "server" not in self._sides:
                yield from self._accepted(stream, tunnel, COMPRESSED)
        if tunnel is None:
            return
        side = tunnel.sides[sender]
        if isinstance(event, Response):
            if not 200 <= event.status_code < 300:
                del self._tunnels[stream]
                return
            agreed = None
            try:
                agreed = agreement(tunnel.request, event)
            except LocalProtocolError as error:
                yield Step("server", PROTOCOL, "handshake", summary=str(error), stream=stream)
            yield from self._accepted(stream, tunnel, agreed)
        elif isinstance(event, Data):
            side.feed(bytes(event.data))
        elif isinstance(event, EndOfMessage):
            side.feed(b"")
        elif isinstance(event, StreamReset):
            del self._tunnels[stream]
            return
        if tunnel.websocket is not None:
            yield from tunnel.websocket.steps()
        if side.pending > _MOST_WAITING:
            del self._tunnels[stream]

    def _accepted(self, stream: int, tunnel: _Tunnel, agreed: Agreed | None) -> Iterator[Step | Problem]:
        tunnel.websocket = WebSocket(tunnel.sides, self._limits, agreed, stream)
        yield from tunnel.websocket.steps()

    # -- errors

    def _problem(
        self, side: Side, octets: bytes, fault: Fault, observed: Observed, *, at: int = -1, begin: int = -1
    ) -> Problem:
        message = shortened(fault.text)
        rule = rule_for(fault.text, PROTOCOL)
        other = other_end(side.sender)
        if rule.kind == "incomplete":
            consequence = f"a {other} takes the connection for broken off"
        elif fault.status:
            consequence = f"a server answers {fault.status} ({reason(fault.status).decode()}) on this stream"
        elif fault.stream:
            consequence = f"a {other} resets this stream with {code_name(fault.code)}; the connection goes on"
        else:
            consequence = f"a {other} ends the connection with GOAWAY {code_name(fault.code)}"
            consequence += "" if fault.fatal else ", if it comes too fast; here it is read on"
            side.failed = fault.fatal
        begin = side.told if begin < 0 else begin
        shown = side.octets(begin, begin + _FRAME)[1][: max(len(octets), side.taken - begin)]
        if octets[3:4] and octets[3] in _BLOCKS and not self._secrets:
            shown = shown[: frames.HEAD_OCTETS]
        return Problem(
            side.sender,
            PROTOCOL,
            message,
            rule,
            side.taken - 1 if at < 0 else at,
            begin,
            consequence,
            shown,
            begin,
            binary=True,
            moves=_moved(observed),
            stream=fault.stream,
            unit=_unit(octets),
            unread=side.drop() if side.failed else 0,
        )


def _unit(octets: bytes) -> str:
    """A frame in words; "" where these octets are the preface, or not even the head of a frame."""
    if len(octets) < frames.HEAD_OCTETS:
        return ""
    kind, flags = octets[3], octets[4]
    stream = frames.number(octets[5:9]) & frames.LARGEST
    words = [
        _TYPES.get(kind, f"a frame of type 0x{kind:x}") + (f" on stream {stream}" if stream else ""),
        *(name for bit, name, kinds in _FLAGS if flags & bit and kind in kinds),
        f"{int.from_bytes(octets[:3], 'big')} octets of payload",
    ]
    return ", ".join(words)


def _unknown_settings(octets: bytes) -> Iterator[tuple[int, int]]:
    """The settings of a SETTINGS frame whose names are not known."""
    for at in range(frames.HEAD_OCTETS, len(octets) - 5, 6):
        name = int.from_bytes(octets[at : at + 2], "big")
        if name not in _SETTINGS:
            yield name, int.from_bytes(octets[at + 2 : at + 6], "big")


def _moved(observed: Observed) -> list[Moved]:
    return [
        Moved(transition.system, move, transition.stream)
        for transition in observed.transitions
        for move in moves(_SYSTEMS[transition.system], transition.before, transition.event)
    ]
