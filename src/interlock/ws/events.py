"""The events that WebSocket has beside those of :mod:`interlock.http.events` (RFC 6455 §5.5, §5.6)."""

from typing import Any, Final

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Event

__all__ = ["Close", "CloseReceived", "Message", "Ping", "Pong", "code_may_be_sent"]

#: No status code was in the Close (RFC 6455 §7.1.5).
NO_CODE: Final = 1005
#: There was no Close (RFC 6455 §7.1.5).
ABNORMAL: Final = 1006

#: A control frame's payload has at most so many octets (RFC 6455 §5.5), and a Close's reason two less for the code.
MOST_CONTROL: Final = 125
MOST_REASON: Final = 123


def code_may_be_sent(code: int) -> bool:
    """Whether a Close may carry this status code: RFC 6455 §7.4, and what IANA has registered since."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and not 1004 <= code <= 1006)


class Message(Event):
    """A message, or a fragment of one (RFC 6455 §5.6).

    ``data``: ``str`` for text, bytes-like for binary.  ``final``: whether the message ends with it; a message that is
    not in fragments is one with ``final``.
    """

    __slots__ = ("data", "final")

    def __init__(self, data: Any, final: bool = True) -> None:
        self.data: Final[Any] = data
        self.final: Final = final

    def _fields(self) -> list[tuple[str, object]]:
        return [("data", self.data), ("final", self.final)]


class _Control(Event):
    __slots__ = ("payload",)

    def __init__(self, payload: bytes = b"") -> None:
        if len(payload) > MOST_CONTROL:
            raise LocalProtocolError(
                f"a control frame carries at most {MOST_CONTROL} octets, not {len(payload)} (RFC 6455 §5.5)"
            )
        self.payload: Final = payload

    def _fields(self) -> list[tuple[str, object]]:
        return [("payload", self.payload)]


class Ping(_Control):
    """A ping, ``payload`` of at most 125 octets; whoever receives it answers it (RFC 6455 §5.5.2)."""

    __slots__ = ()


class Pong(_Control):
    """The answer to a ping, with the same payload; or an unsolicited one (RFC 6455 §5.5.3)."""

    __slots__ = ()


class Close(Event):
    """To be sent: this end's Close, after which it sends nothing more (RFC 6455 §5.5.1).

    ``code``: a status code, or None for a Close without one.  ``reason``: at most 123 octets in UTF-8.  Raises
    :class:`LocalProtocolError` for a code that may not be sent (RFC 6455 §7.4) and for a reason that is too long.
    """

    __slots__ = ("code", "reason")

    def __init__(self, code: int | None = 1000, reason: str = "") -> None:
        if code is None:
            if reason:
                raise LocalProtocolError("a Close without a code has no reason (RFC 6455 §5.5.1)")
        elif not code_may_be_sent(code):
            raise LocalProtocolError(f"{code} is no status code that a Close may carry (RFC 6455 §7.4)")
        if len(reason) > MOST_REASON or len(utf8(reason)) > MOST_REASON:
            raise LocalProtocolError(f"the reason of a Close has at most {MOST_REASON} octets (RFC 6455 §5.5)")
        self.code: Final = code
        self.reason: Final = reason

    def _fields(self) -> list[tuple[str, object]]:
        return [("code", self.code), ("reason", self.reason)]


class CloseReceived(Event):
    """The other end's Close.  ``code``: 1005 where it carries none (RFC 6455 §7.1.5)."""

    __slots__ = ("code", "reason")

    def __init__(self, code: int = NO_CODE, reason: str = "") -> None:
        self.code: Final = code
        self.reason: Final = reason

    def _fields(self) -> list[tuple[str, object]]:
        return [("code", self.code), ("reason", self.reason)]


def utf8(text: str) -> bytes:
    """``text`` in UTF-8.  Raises :class:`LocalProtocolError` where it has a surrogate (RFC 6455 §5.6)."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"text that UTF-8 cannot carry: {error.reason} at {error.start}") from None
