"""One conversation of a client and a server: which protocol it speaks, and who follows it there.

The first octets tell HTTP/1.1 from HTTP/2; a response that accepts an upgrade leads on to WebSocket, or to octets that
nobody here can read.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from interlock.cli.explain_http1 import Http1
from interlock.cli.explain_http2 import Http2
from interlock.cli.explain_steps import ENDS, Problem, Side, Step, other_end
from interlock.cli.explain_websocket import COMPRESSED, WebSocket
from interlock.client.connecting import RESPONSE_LIMITS
from interlock.h2 import frames
from interlock.http.limits import Limits
from interlock.ws.deflate import Agreed
from interlock.ws.handshake import is_websocket

__all__ = ["Conversation", "Settings", "begins_as_http2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is known beforehand.

    ``limits`` and ``responses``: of what the client sends, and of what the server sends.

    ``protocol``: "auto", "http1", "http2" or "websocket".  ``methods``: of requests that are not there.  ``deflate``: whether
    messages of a bare WebSocket may be compressed.  ``secrets``: whether they may be told.
    ``recorded``: whether what the ends have sent has no order between them.
    """

    limits: Limits
    responses: Limits = RESPONSE_LIMITS
    protocol: str = "auto"
    methods: tuple[bytes, ...] = (b"GET",)
    deflate: bool = False
    secrets: bool = False
    recorded: bool = True


def begins_as_http2(octets: bytes) -> bool:
    """Whether octets are those that a server's HTTP/2 begins with: SETTINGS, on stream 0."""
    return octets[3:9] == b"\x04\x00\x00\x00\x00\x00"


class Follower(Protocol):
    """What follows a protocol: tells what can be told of what the sides have now."""

    def steps(self) -> Iterator[Step | Problem]:
        """What can be told of what has come so far."""
        ...


class Tunnel:
    """Octets of a protocol that is not known here."""

    def __init__(self, sides: dict[str, Side], protocol: str) -> None:
        self._sides: Final = sides
        self._protocol: Final = protocol

    def steps(self) -> Iterator[Step | Problem]:
        """How many octets each end has sent."""
        for sender in ENDS:
            side = self._sides.get(sender)
            if side is not None and side.pending:
                begin = side.taken
                octets = side.take(side.pending)
                side.told = side.taken
                yield Step(sender, self._protocol, "Data", begin, side.taken, content=len(octets), shown=octets[:32])


class Conversation:
    """What the ends of one connection say, as it comes.  ``present``: the ends whose octets there are."""

    def __init__(self, present: tuple[str, ...], settings: Settings, connection: int = 0) -> None:
        self.sides: Final = {sender: Side(sender) for sender in present}
        self._settings: Final = settings
        self._connection: Final = connection
        self._follower: Follower | None = None

    def feed(self, sender: str, data: bytes) -> Iterator[Step | Problem]:
        """More octets of ``sender``, b"" for its end; and what can be told then."""
        self.sides[sender].feed(data)
        yield from self.steps()

    def steps(self) -> Iterator[Step | Problem]:
        """What can be told of what the sides have."""
        for item in self._steps():
            item.connection = self._connection
            yield item

    def _steps(self) -> Iterator[Step | Problem]:
        if self._follower is None:
            self._follower = self._chosen()
            if self._follower is None:
                return
        while True:
            follower = self._follower
            yield from follower.steps()
            if not isinstance(follower, Http1) or not follower.switched:
                return
            self._follower = self._successor(follower)

    def _chosen(self) -> Follower | None:
        """Who follows what has come; None while that is open."""
        settings = self._settings
        protocol = settings.protocol if settings.protocol != "auto" else self._spoken()
        if not protocol:
            return None
        if protocol == "http2":
            return Http2(
                self.sides,
                settings.limits,
                settings.methods,
                responses=settings.responses,
                secrets=settings.secrets,
                recorded=settings.recorded,
            )
        if protocol == "websocket":
            return WebSocket(self.sides, settings.limits, COMPRESSED if settings.deflate else None)
        return Http1(
            self.sides, settings.limits, settings.methods, responses=settings.responses, recorded=settings.recorded
        )

    def _spoken(self) -> str:
        """The protocol of the first octets; "" while they are too few."""
        client = self.sides.get("client")
        if client is not None:
            begin = client.peek(len(frames.PREFACE))
            if begin == frames.PREFACE:
                return "http2"
            if frames.PREFACE.startswith(begin) and not client.ended:
                return ""
        server = self.sides.get("server")
        if server is None:
            return "http1"
        begin = server.peek(frames.HEAD_OCTETS)
        if client is None and len(begin) < frames.HEAD_OCTETS and not server.ended:
            return ""
        return "http2" if begins_as_http2(begin) else "http1"

    def _successor(self, switched: Http1) -> Follower:
        """Who follows what comes after HTTP/1.1."""
        request, response = switched.request, switched.response
        if request is None:  # only the server's side is there: its response tells
            named = response.headers.get_all(b"upgrade") if response is not None else []
            wanted = any(b"websocket" in value.lower() for value in named)
        else:
            wanted = is_websocket(request)
        if not wanted:
            return Tunnel(self.sides, "tunnel")
        agreed: Agreed | None = COMPRESSED
        if request is not None and response is not None:
            agreed = switched.agreed
        return WebSocket(self.sides, self._settings.limits, agreed)

    def passed(self, seconds: float) -> None:
        """So much time has passed: what a client may make its server do has grown."""
        if isinstance(self._follower, Http2):
            self._follower.passed(seconds)

    @property
    def pending(self) -> int:
        """Octets that wait to be read, as the other end has to go on first."""
        return sum(side.pending for side in self.sides.values())

    def left(self) -> Iterator[Step]:
        """What could not be read, at the end of all, because the other end has not gone on."""
        for sender, side in self.sides.items():
            if side.pending and not side.failed:
                yield Step(
                    sender,
                    "",
                    "unread",
                    side.taken,
                    side.taken + side.pending,
                    f"the {other_end(sender)} would have to go on first",
                    connection=self._connection,
                )
