"""What goes wrong with a WebSocket on asyncio, by the names that users of the websockets library know."""

from typing import TYPE_CHECKING, Final

from interlock.ws.output import Closing

if TYPE_CHECKING:
    from interlock.net.asyncio.websocket_messages import Response

__all__ = [
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "InvalidHandshake",
    "InvalidMessage",
    "InvalidProxy",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "NegotiationError",
    "ProxyError",
    "WebSocketException",
    "closed",
]

#: Codes of a Close that say that all is well; 1005 is a Close without a code.
_OK: Final = (1000, 1001, 1005)


class WebSocketException(Exception):
    """The base of all these."""


class ConnectionClosed(WebSocketException):
    """The connection has ended.

    ``rcvd``, ``sent``: the Close of the other end and ours, with ``code`` (1005: none in it), ``reason`` and ``when``;
    None where there was none.  ``rcvd_then_sent``: whether theirs was the first; None unless there were both.
    """

    def __init__(self, rcvd: Closing | None, sent: Closing | None, rcvd_then_sent: bool | None = None) -> None:
        super().__init__(rcvd, sent, rcvd_then_sent)
        self.rcvd: Final = rcvd
        self.sent: Final = sent
        self.rcvd_then_sent: Final = rcvd_then_sent

    @property
    def code(self) -> int:
        """The code of the other end's Close; 1006 where there was none (RFC 6455 §7.1.5)."""
        return 1006 if self.rcvd is None else self.rcvd.code

    @property
    def reason(self) -> str:
        """The reason in the other end's Close, or ""."""
        return "" if self.rcvd is None else self.rcvd.reason

    def __str__(self) -> str:
        theirs = "nothing" if self.rcvd is None else _told(self.rcvd)
        ours = "nothing" if self.sent is None else _told(self.sent)
        if self.rcvd_then_sent is None:
            return f"received {theirs}, sent {ours}"
        return f"received {theirs}, then sent {ours}" if self.rcvd_then_sent else f"sent {ours}, then received {theirs}"


class ConnectionClosedOK(ConnectionClosed):
    """It has ended as it should: each end has sent a Close with 1000 or 1001, or without a code."""


class ConnectionClosedError(ConnectionClosed):
    """It has ended otherwise: by an error, or without the closing handshake."""


class InvalidURI(WebSocketException):
    """The URL is none of WebSocket's."""

    def __init__(self, uri: str, msg: str) -> None:
        super().__init__(uri, msg)
        self.uri: Final = uri
        self.msg: Final = msg

    def __str__(self) -> str:
        return f"{self.uri} is not a URL of WebSocket: {self.msg}"


class InvalidHandshake(WebSocketException):
    """The opening handshake has failed."""


class InvalidMessage(InvalidHandshake):
    """What came in place of the other end's part in it is no message of HTTP, or not all of one."""


class InvalidUpgrade(InvalidHandshake):
    """The response accepts, and not what was proposed."""


class InvalidStatus(InvalidHandshake):
    """The response does not accept.  ``response`` is there to be looked at, with the beginning of its content."""

    def __init__(self, response: "Response") -> None:
        super().__init__(response)
        self.response: Final = response

    def __str__(self) -> str:
        return f"the server rejected the connection with status {self.response.status_code}"


class NegotiationError(InvalidHandshake):
    """Raised by ``select_subprotocol`` where it accepts none of what a client offers: the handshake is rejected."""


class InvalidProxy(WebSocketException):
    """The URL of a proxy is none."""

    def __init__(self, proxy: str, msg: str) -> None:
        super().__init__(proxy, msg)
        self.proxy: Final = proxy
        self.msg: Final = msg

    def __str__(self) -> str:
        return f"{self.proxy} is not a URL of a proxy: {self.msg}"


class ProxyError(InvalidHandshake):
    """The proxy does not connect us."""


class ConcurrencyError(WebSocketException, RuntimeError):
    """Two tasks want to receive from one connection at the same time."""


def closed(rcvd: Closing | None, sent: Closing | None, rcvd_then_sent: bool | None) -> ConnectionClosed:
    """The error that tells of these two Closes."""
    well = rcvd is not None and sent is not None and rcvd.code in _OK and sent.code in _OK
    return (ConnectionClosedOK if well else ConnectionClosedError)(rcvd, sent, rcvd_then_sent)


def _told(close: Closing) -> str:
    code = "no code" if close.code == 1005 else str(close.code)
    return f"{code} {close.reason!r}" if close.reason else code
