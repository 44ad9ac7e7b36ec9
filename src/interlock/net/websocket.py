"""What drivers of WebSocket have in common, whatever their event loop: pings and their deadlines, URLs.

Pure: no clock and no socket.  The caller says what time it is, in seconds, on any clock that only goes forward.  How the
opening handshake is carried by HTTP/1.1 stands in ``websocket_opening.py``; what a connection may do when, in
:mod:`interlock.ws`.
"""

import os
from typing import Final, Generic, TypeVar

from interlock.http.limits import Timeouts
from interlock.net.deadlines import NEVER
from interlock.net.urls import basic_credentials, split_url, url_credentials, url_host, url_port, url_target

__all__ = ["Pings", "WebSocketURL", "parse_url"]

_Waiter = TypeVar("_Waiter")

#: Octets of a payload that tells our pings apart.
_PAYLOAD: Final = 4


class Pings(Generic[_Waiter]):
    """Our pings that wait for their pongs, and when the next ping that keeps the connection alive is due (RFC 6455 §5.5.2).

    A ping may have a waiter, whom the caller tells when it is answered.  Pings of the application count for the latency,
    but only those that keep the connection alive have a deadline.
    """

    __slots__ = ("_held", "_interval", "_next", "_probe", "_running", "_since", "_timeout", "_waiting", "latency")

    def __init__(self, timeouts: Timeouts) -> None:
        self._interval: Final = timeouts.ping_interval
        self._timeout: Final = timeouts.pong
        #: Seconds from the latest ping that was answered to its pong; 0.0 before there was one.
        self.latency = 0.0
        #: By payload, in the order in which they were sent: when, and who waits.
        self._waiting: Final[dict[bytes, tuple[float, _Waiter | None]]] = {}
        self._running = False
        self._next = NEVER
        #: The ping that keeps the connection alive, while it is not answered, and since when its answer is waited for.
        self._probe: bytes | None = None
        self._since = 0.0
        self._held = NEVER

    def begin(self, now: float) -> None:
        """The connection is open: the first ping is due in one interval."""
        self._running = self._interval > 0
        self._next = now + self._interval

    def stop(self) -> None:
        """No more pings are sent.  Pongs may still come, but none has to."""
        self._running = False
        self._probe = None

    def end(self) -> list[_Waiter]:
        """There will be no more pings or pongs.  Returns those who wait for one, and never will get it."""
        self.stop()
        waiters = [waiter for _, waiter in self._waiting.values() if waiter is not None]
        self._waiting.clear()
        return waiters

    def payload(self) -> bytes:
        """A payload that no waiting ping has; who does not know it cannot answer before it was asked."""
        while True:
            payload = os.urandom(_PAYLOAD)
            if payload not in self._waiting:
                return payload

    def is_waiting(self, payload: bytes) -> bool:
        """Whether a ping with this payload has not been answered."""
        return payload in self._waiting

    def sent(self, payload: bytes, now: float, waiter: _Waiter | None = None) -> None:
        """A ping was sent for the application, which no other that waits has the payload of."""
        self._waiting[payload] = (now, waiter)

    def probe(self, now: float) -> bytes:
        """Begin the ping that is due.  Returns its payload."""
        payload = self.payload()
        self._waiting[payload] = (now, None)
        self._probe = payload
        self._since = now
        self._next = now + self._interval
        return payload

    def answered(self, payload: bytes, now: float) -> list[tuple[_Waiter, float]]:
        """A pong has come.  Returns who waited for it, with the seconds that it took.

        It answers all pings before the one that it names, too (RFC 6455 §5.5.3); one that names none answers none.
        """
        if payload not in self._waiting:
            return []
        told = []
        for each in list(self._waiting):
            when, waiter = self._waiting.pop(each)
            self.latency = now - when
            if waiter is not None:
                told.append((waiter, self.latency))
            if each == self._probe:
                self._probe = None
            if each == payload:
                break
        return told

    def hold(self, held: bool, now: float) -> None:
        """Whether the peer is kept from answering, because we do not read, or what we sent is not taken.

        That time does not count; a peer that takes nothing has another deadline.
        """
        if held:
            if self._held == NEVER:
                self._held = now
        elif self._held != NEVER:
            self._since += now - self._held
            self._held = NEVER

    def progress(self, now: float) -> None:
        """Octets of a frame have come that no pong can overtake: its answer may be as much later."""
        self._since = now

    def deadline(self) -> float:
        """When a ping is due, or an answer overdue; or :data:`~interlock.net.deadlines.NEVER`."""
        if not self._running or self._held != NEVER:
            return NEVER
        if self._probe is None:
            return self._next
        return self._since + self._timeout if self._timeout else NEVER

    def due(self, now: float) -> bool:
        """Whether a ping has to be sent: :meth:`probe`."""
        return self._probe is None and self.deadline() <= now

    def overdue(self, now: float) -> bool:
        """Whether the answer to a ping has not come in time."""
        return self._probe is not None and self.deadline() <= now


# -- URLs


class WebSocketURL:
    """Where a WebSocket is (RFC 6455 §3).

    ``secure``: whether it is reached by TLS (wss).  ``host``: a name in ASCII, or an address without brackets.
    ``authority``: what Host says.  ``target``: path and query.  ``credentials``: user and password, if any.
    """

    __slots__ = ("authority", "credentials", "host", "port", "secure", "target")

    def __init__(
        self, secure: bool, host: str, port: int, authority: bytes, target: bytes, credentials: tuple[str, str] | None
    ) -> None:
        self.secure: Final = secure
        self.host: Final = host
        self.port: Final = port
        self.authority: Final = authority
        self.target: Final = target
        self.credentials: Final = credentials

    @property
    def authorization(self) -> bytes | None:
        """The value of Authorization that the URL asks for (RFC 7617); None for none."""
        return basic_credentials(self.credentials)


def parse_url(url: str) -> WebSocketURL:
    """What a URL with ``ws`` or ``wss`` says.  Raises :class:`ValueError` where it is none (RFC 6455 §3)."""
    split, secure = split_url(url, ("ws", "wss"))
    if split.fragment or url.endswith("#"):
        raise ValueError("a URL of WebSocket has no fragment: # is written %23 (RFC 6455 §3)")
    host = url_host(split)
    port = url_port(split, 443 if secure else 80)
    authority = f"[{host}]" if ":" in host else host
    if port != (443 if secure else 80):
        authority = f"{authority}:{port}"
    return WebSocketURL(secure, host, port, authority.encode("ascii"), url_target(url, split), url_credentials(split))
