"""HTTP/1.1 followed from outside: the octets of one end or of both, to steps and problems (RFC 9112).

The engine's own machines run; nothing is imitated here.  Where only one end's octets are there, what the other has to have
said is supposed, and told as such.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from interlock.cli.explain_rules import rule_for, shortened
from interlock.cli.explain_steps import ENDS, Moved, Problem, Side, Step
from interlock.cli.explain_text import visible
from interlock.cli.explain_websocket import agreement
from interlock.h1.observer import Observer
from interlock.h1.tables import SYSTEM
from interlock.http.errors import LocalProtocolError, RemoteProtocolError
from interlock.http.events import ConnectionClosed, Data, EndOfMessage, Event, InformationalResponse, Request, Response
from interlock.http.fields import CLOSE
from interlock.http.limits import Limits
from interlock.http.octets import FIELD_VALUE, TARGET, TCHAR, outside, within
from interlock.http.sentinels import (
    CLIENT,
    DONE,
    IDLE,
    MIGHT_SWITCH_PROTOCOL,
    NEED_DATA,
    PAUSED,
    SEND_BODY,
    SEND_RESPONSE,
    SERVER,
    SWITCHED_PROTOCOL,
    Sentinel,
)
from interlock.http.status import reason
from interlock.machine.moves import moves, which
from interlock.ws.deflate import Agreed
from interlock.ws.handshake import is_websocket, read_request

__all__ = ["PROTOCOL", "Http1", "notes_on"]

PROTOCOL: Final = "HTTP/1.1"

_ROLES: Final = {"client": CLIENT, "server": SERVER}

#: How an engine quotes octets, and what may stand in those that it quotes.
_QUOTED: Final = re.compile(r"""b'(?:[^'\\]|\\.)*'|b"(?:[^"\\]|\\.)*\"""")
_ALLOWED: Final = {"illegal octet in request target": TARGET, "illegal method": TCHAR, "illegal field name": TCHAR}
#: What the engine says of a line of a chunked body that has no end.
_TOO_LONG: Final = "chunk line too long"
#: What it says of octets behind the last message of a connection.
_NOTHING_MORE: Final = "Got data when expecting EOF"
#: Octets of content that are shown.
_SHOWN: Final = 32
#: Octets of content that are read at once.
_PIECE: Final = 65536
#: Octets of a line of a head that are read at once.
_LINE: Final = 256
#: Octets around an error that are shown, before it and behind it.
_BEFORE: Final = 512
_BEHIND: Final = 24


class Http1:
    """One connection of HTTP/1.1.

    ``sides``: what each end has sent, as far as it is there: an end that is missing is supposed to have done its part.
    ``limits`` and ``responses``: of what the client sends, and of what the server sends.
    ``methods``: of the requests that are supposed, the last one of all that follow.  ``recorded``: whether the sides have
    no order between them.
    """

    def __init__(
        self,
        sides: dict[str, Side],
        limits: Limits,
        methods: tuple[bytes, ...],
        *,
        responses: Limits,
        recorded: bool = True,
    ) -> None:
        self._sides: Final = sides
        self._recorded: Final = recorded
        self._observer: Final = Observer(limits, responses)
        self._methods: Final = list(methods)
        #: Octets that a head has at least, before it meets a limit.
        self._room: Final = min(limits.request_line, limits.head, responses.request_line, responses.head)
        #: Where the message of a side has begun, and whether what was read of it ends within a line, before its CR.
        self._message_at: Final = dict.fromkeys(sides, 0)
        self._within_line: Final = dict.fromkeys(sides, False)
        #: Whether the engine was told that a side has ended, and whether it has said so.
        self._end_given: Final = dict.fromkeys(sides, False)
        self._closed: Final = dict.fromkeys(sides, False)
        #: The request that asks for another protocol, and the response that accepts that, once it has.
        self.request: Request | None = None
        self.response: InformationalResponse | Response | None = None
        #: The compression of the WebSocket that they have opened.
        self.agreed: Agreed | None = None
        #: Whether both ends have left HTTP/1.1.
        self.switched = False

    def steps(self) -> Iterator[Step | Problem]:
        """What can be told of what has come so far."""
        going = True
        while going and not self.switched:
            going = False
            for turn in (self._suppose, self._read_client, self._read_server, self._next_cycle):
                for step in turn():
                    going = True
                    yield step
            self.switched = self._observer.states[SERVER] is SWITCHED_PROTOCOL
        # Only when nothing else is left does it count that one has ended: what was recorded has no order between sides.
        if not self.switched:
            for sender in reversed(ENDS):
                if sender in self._sides:
                    yield from self._end(self._sides[sender])

    def _read_client(self) -> Iterator[Step | Problem]:
        if "client" in self._sides:
            yield from self._read(self._sides["client"])

    def _read_server(self) -> Iterator[Step | Problem]:
        client = self._sides.get("client")
        waits = self._recorded and client is not None and not client.failed and not client.ended
        if waits and self._observer.states[CLIENT] in {IDLE, SEND_BODY}:
            return  # more of the request is to come, and what is recorded does not say which came first
        if "server" in self._sides:
            yield from self._read(self._sides["server"])

    def _read(self, side: Side) -> Iterator[Step | Problem]:
        """Read until the side has no more, or the other end has to go on."""
        role = _ROLES[side.sender]
        observer = self._observer
        while not side.failed and not self._closed[side.sender]:
            before = observer.joint
            try:
                event = observer.next_event(role)
            except RemoteProtocolError as error:
                yield self._forsaken(side) if self._is_forsaken(side, error) else self._problem(side, error, before)
                return
            if event is PAUSED:
                return
            if event is NEED_DATA:
                octets = side.take(self._at_once(side, role))
                if not octets:
                    return
                self._within_line[side.sender] = octets[-1] not in b"\r\n"
                observer.receive_data(role, octets)
                continue
            assert isinstance(event, Event)
            self._closed[side.sender] = isinstance(event, ConnectionClosed)
            self._within_line[side.sender] = False
            if not isinstance(event, InformationalResponse):  # whose octets count in the limits of what follows
                self._message_at[side.sender] = side.taken
            yield self._step(side, role, event, before)

    def _at_once(self, side: Side, role: Sentinel) -> int:
        """How many octets to read so that whatever is wrong is noticed at the last of them.

        Content is never wrong.  Nor is the rest of a line of a head, up to its CR, if all its octets may stand there and
        no limit is near; of other lines each octet has to be looked at.
        """
        state = self._observer.states[role]
        if state is SEND_BODY:
            return max(1, min(self._observer.content_ahead(role), _PIECE))
        if self._within_line[side.sender] and (state is IDLE or state is SEND_RESPONSE):
            rest = side.peek(_LINE).partition(b"\r")[0]
            if side.taken - self._message_at[side.sender] + len(rest) < self._room and within(rest, FIELD_VALUE):
                return max(1, len(rest))
        return 1

    def _end(self, side: Side) -> Iterator[Step | Problem]:
        """The side has closed, if it has."""
        if side.ended and not side.pending and not side.failed and not self._end_given[side.sender]:
            self._end_given[side.sender] = True
            self._observer.receive_data(_ROLES[side.sender], b"")
            yield from self._read(side)

    def _step(self, side: Side, role: Sentinel, event: Event, before: int) -> Step:
        begin = side.told
        side.told = side.taken - self._observer.unread(role)
        step = Step(side.sender, PROTOCOL, type(event).__name__, begin, side.told)
        if isinstance(event, Request):
            version = event.http_version.decode()
            step.summary = f"{event.method.decode()} {event.target.decode('latin-1')} HTTP/{version}"
            step.fields = event.headers.raw_items()
            step.notes = notes_on(event)
            self.request = event
        elif isinstance(event, (InformationalResponse, Response)):
            step.summary = f"HTTP/{event.http_version.decode()} {event.status_code} {event.reason.decode('latin-1')}"
            step.fields = event.headers.raw_items()
            step.notes = self._notes_on_response(event)
            self.response = event
        elif isinstance(event, Data):
            step.content = len(event.data)
            step.shown = bytes(event.data[:_SHOWN])
        elif isinstance(event, EndOfMessage):
            step.fields = event.headers.raw_items()
        step.moves = self._moves(before, f"{side.sender}.{step.event}")
        return step

    def _notes_on_response(self, response: InformationalResponse | Response) -> list[str]:
        """Whether a response opens a WebSocket as it should."""
        request = self.request
        if request is None or response.status_code != 101 or not is_websocket(request):
            return []
        try:
            self.agreed = agreement(request, response)
        except LocalProtocolError as error:
            return [f"a client does not take this WebSocket for open: {error}"]
        return []

    def _moves(self, before: int, prefix: str) -> list[Moved]:
        event = which(SYSTEM, before, self._observer.joint, prefix)
        return [Moved(SYSTEM.name, move) for move in moves(SYSTEM, before, event)] if event >= 0 else []

    # -- what goes without saying

    def _next_cycle(self) -> Iterator[Step]:
        """Both ends are done with an exchange, and can begin the next."""
        states = self._observer.states
        if states[CLIENT] is DONE and states[SERVER] is DONE:
            before = self._observer.joint
            self._observer.start_next_cycle()
            yield Step("", PROTOCOL, "start_next_cycle", moves=self._moves(before, "start_next_cycle"))

    def _suppose(self) -> Iterator[Step]:
        """What an end whose octets are not there has to have done for the other to go on."""
        states = self._observer.states
        if "server" not in self._sides:
            side = self._sides["client"]
            waits = side.pending or self._observer.unread(CLIENT)
            if waits and not side.failed and states[CLIENT] in {DONE, MIGHT_SWITCH_PROTOCOL}:
                for event in self._answer():
                    yield self._supposed(event)
        elif "client" not in self._sides:
            side = self._sides["server"]
            waits = side.pending or self._observer.unread(SERVER)
            if waits and not side.failed and states[SERVER] is IDLE and states[CLIENT] is IDLE:
                yield from self._asked(side)

    def _answer(self) -> tuple[str, ...]:
        """How a server that is not seen has answered: it accepts a CONNECT, or a WebSocket, and no other proposal."""
        proposed = SYSTEM.states(self._observer.joint)
        if proposed["connect"] == "PROPOSED":
            return ("server.Response.switch",)
        if proposed["upgrade"] == "PROPOSED" and self.request is not None and is_websocket(self.request):
            return ("server.InformationalResponse.switch",)
        return ("server.Response", "server.EndOfMessage")

    def _asked(self, side: Side) -> Iterator[Step]:
        """A request that is not seen, whose response comes now."""
        method = self._methods.pop(0) if len(self._methods) > 1 else self._methods[0]
        kind = "client.Request"
        if method == b"CONNECT":
            kind += ".connect"
        elif side.octets(side.told, side.told + 12)[1][8:] == b" 101":
            kind += ".upgrade"
        yield self._supposed(kind, method)
        yield self._supposed("client.EndOfMessage")

    def _supposed(self, event: str, method: bytes = b"") -> Step:
        before = self._observer.joint
        self._observer.suppose(event, method)
        sender, _, name = event.partition(".")
        return Step(
            sender,
            PROTOCOL,
            name.partition(".")[0],
            summary=method.decode("ascii"),
            moves=self._moves(before, event),
            supposed=True,
        )

    # -- errors

    def _is_forsaken(self, side: Side, error: RemoteProtocolError) -> bool:
        """Whether a client has gone on where it could not know that it is of no use: it is the server that closes."""
        if side.sender != "client" or not str(error).startswith(_NOTHING_MORE):
            return False
        request = self.request
        return request is None or (request.http_version == b"1.1" and not request.headers.flags & CLOSE)

    def _forsaken(self, side: Side) -> Step:
        side.failed = True
        begin = side.taken - 1
        end = side.taken + side.drop()
        told = "the server closes behind what it has sent, and reads nothing more"
        return Step("client", PROTOCOL, "unread", begin, end, told)

    def _problem(self, side: Side, error: RemoteProtocolError, before: int) -> Problem:
        message = str(error)
        at = side.taken if self._end_given[side.sender] else side.taken - 1
        if message == _TOO_LONG and at <= side.told + 1:  # of the line behind a chunk's data, which is to be empty
            message = "chunk data that goes on behind its size (RFC 9112 §7.1)"
        rule = rule_for(message, PROTOCOL)
        message = shortened(message)
        side.failed = True
        if side.sender == "client" and side.octets(side.told, side.told + 5)[1] == b"HEAD ":
            self._observer.answers(b"HEAD")  # whoever answers it sends no content
        begin, shown, octets = _around(side, at)
        evidence = _evidence(side, at, begin, rule.fields)
        status = error.error_status_hint
        if rule.kind == "incomplete":
            consequence = "the message is not complete, and must not be taken for it"
        elif side.sender == "client":
            consequence = f"a server answers {status} ({reason(status).decode()}) and closes the connection"
        else:
            consequence = "a client gives the response up and closes the connection"
        return Problem(
            side.sender,
            PROTOCOL,
            message,
            rule,
            at,
            begin,
            consequence,
            octets,
            shown,
            evidence=evidence,
            culprit=_culprit(message, [*evidence, (begin, octets[begin - shown :])]),
            moves=self._moves(before, f"{side.sender}.Error"),
            unread=side.drop(),
        )


#: Methods that are known to be cut from: a method that ends in one of them is most often something else in front of it.
_CUT: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE")


def notes_on(request: Request) -> list[str]:
    """What is legal in a request, and yet is how something was smuggled elsewhere."""
    notes = []
    for method in _CUT:
        if request.method.endswith(method) and request.method != method and request.method not in _CUT:
            notes.append(
                f"{visible(request.method)} is a legal method (RFC 9110 §9.1), but most likely the rest of a body that was "
                f"longer than its framing says, with {method.decode()} behind it (RFC 9112 §11.2)"
            )
            break
    for name, _ in request.headers:
        if b"_" in name:
            notes.append(
                f"{visible(name)}: what goes on by CGI or WSGI has the same name for it as for "
                f"{visible(name.replace(b'_', b'-'))} (RFC 3875 §4.1.18)"
            )
        elif name == b"proxy":
            notes.append("Proxy: by CGI it becomes HTTP_PROXY, which clients go by (RFC 3875 §4.1.18; httpoxy)")
    if is_websocket(request):
        try:
            read_request(request)
        except LocalProtocolError as error:
            status = error.error_status_hint
            notes.append(f"a server refuses this WebSocket with {status} ({reason(status).decode()}): {error}")
    return notes


def _around(side: Side, at: int) -> tuple[int, int, bytes]:
    """Where the line begins that the octet at ``at`` stands in; and what to show: from where on, and the octets."""
    first, before = side.octets(at - _BEFORE, at)
    line = first + before.rfind(b"\n") + 1
    begin = max(line, min(side.told, at))
    shown = first + max(before.rfind(b"\n", 0, max(line - 1 - first, 0)) + 1, 0)  # with the line before
    shown, octets = side.octets(max(shown, at - _BEFORE), at + 1 + _BEHIND)
    end = octets.find(b"\n", at - shown)
    return begin, shown, octets if end < 0 else octets[: end + 1]


def _evidence(side: Side, at: int, line: int, names: tuple[bytes, ...]) -> list[tuple[int, bytes]]:
    """The lines of this message, before the one that begins at ``line``, that have to do with it.

    They are those with fields of these names; where an empty line is what is wrong by itself, the first line of the head.
    """
    place, octets = side.octets(side.told, line)
    found: list[tuple[int, bytes]] = []
    first: tuple[int, bytes] | None = None
    for text in _lines(octets):
        if first is None and text.strip(b"\r\n"):
            first = (place, text)
        if text.partition(b":")[0].strip(b" \t").lower() in names:
            found.append((place, text))
        place += len(text)
    if not found and first is not None and side.octets(line, at + 1)[1] in {b"\r\n", b""}:
        found = [first]
    return found


def _culprit(message: str, lines: list[tuple[int, bytes]]) -> tuple[int, int] | None:
    """The place of the octets that ``message`` quotes, or of the first of them that may not stand there."""
    quotation = _QUOTED.search(message)
    if quotation is None:
        return None
    quoted: bytes = ast.literal_eval(quotation[0])
    for place, line in lines:
        at = line.rfind(quoted) if quoted else -1
        if at < 0:
            continue
        for beginning, allowed in _ALLOWED.items():
            wrong = outside(quoted, allowed) if message.startswith(beginning) else -1
            if wrong >= 0:
                return place + at + wrong, place + at + wrong + 1
        return place + at, place + at + len(quoted)
    return None


def _lines(octets: bytes) -> list[bytes]:
    """The lines of ``octets``, with their LF."""
    lines = [line + b"\n" for line in octets.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return [line for line in lines if line]
