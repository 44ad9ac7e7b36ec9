"""Why a WebSocket has ended, and the errors that say so, under the names that trio's users know (RFC 6455 §7.4)."""

from typing import Final

__all__ = [
    "CloseReason",
    "ConnectionClosed",
    "ConnectionRejected",
    "ConnectionTimeout",
    "DisconnectionTimeout",
    "HandshakeError",
]

_NAMES: Final = {
    1000: "NORMAL_CLOSURE",
    1001: "GOING_AWAY",
    1002: "PROTOCOL_ERROR",
    1003: "UNSUPPORTED_DATA",
    1005: "NO_STATUS_RCVD",
    1006: "ABNORMAL_CLOSURE",
    1007: "INVALID_FRAME_PAYLOAD_DATA",
    1008: "POLICY_VIOLATION",
    1009: "MESSAGE_TOO_BIG",
    1010: "MANDATORY_EXT",
    1011: "INTERNAL_ERROR",
    1012: "SERVICE_RESTART",
    1013: "TRY_AGAIN_LATER",
    1015: "TLS_HANDSHAKE_FAILED",
}

#: What a code that has no name is reserved for, up to which code (RFC 6455 §7.4.2).
_RANGES: Final = ((2999, "RFC_RESERVED"), (3999, "IANA_RESERVED"), (4999, "PRIVATE_RESERVED"))


class CloseReason:
    """Why a WebSocket was closed: a status code, and a text or None (RFC 6455 §7.1.5, §7.1.6)."""

    __slots__ = ("_code", "_reason")

    def __init__(self, code: int, reason: str | None) -> None:
        self._code: Final = code
        self._reason: Final = reason

    @property
    def code(self) -> int:
        """The status code; 1005 where a Close had none, 1006 where there was no Close."""
        return self._code

    @property
    def name(self) -> str:
        """The code's name, or else whom its range belongs to."""
        name = _NAMES.get(self._code)
        if name is not None:
            return name
        return next((owner for last, owner in _RANGES if 1000 <= self._code <= last), "INVALID_CODE")

    @property
    def reason(self) -> str | None:
        """The text, if there is one."""
        return self._reason

    def __repr__(self) -> str:
        return f"{type(self).__name__}<code={self.code}, name={self.name}, reason={self.reason}>"


class HandshakeError(Exception):
    """The opening or the closing handshake has failed."""


class ConnectionTimeout(HandshakeError):
    """The opening handshake took too long."""


class DisconnectionTimeout(HandshakeError):
    """The closing handshake took too long."""


class ConnectionRejected(HandshakeError):
    """The server has not accepted the opening handshake.

    ``status_code``: that of its response.  ``headers``: the response's fields, names in lower case.  ``body``: its
    content, or the beginning of it; None where it sent nothing but an informational response.
    """

    def __init__(self, status_code: int, headers: tuple[tuple[bytes, bytes], ...], body: bytes | None) -> None:
        super().__init__(status_code, headers, body)
        self.status_code = status_code
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"{type(self).__name__}<status_code={self.status_code}>"


class ConnectionClosed(Exception):
    """The WebSocket is closed or being closed.  ``reason`` says why, as the connection's ``closed`` does."""

    def __init__(self, reason: CloseReason | None) -> None:
        super().__init__(reason)
        self.reason = reason

    def __repr__(self) -> str:
        return f"{type(self).__name__}<{self.reason}>"
