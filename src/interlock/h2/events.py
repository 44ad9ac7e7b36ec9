"""The events that HTTP/2 has beside those of :mod:`interlock.http.events` (RFC 9113 §6; RFC 9218; RFC 7838; RFC 8336)."""

from typing import Final

from interlock.h2.errors import code_name
from interlock.http.errors import LocalProtocolError
from interlock.http.events import Event

__all__ = [
    "AlternativeService",
    "GoAway",
    "Origin",
    "Ping",
    "PingAcknowledged",
    "PingReceived",
    "PriorityUpdated",
    "RequestRefused",
    "SettingsAcknowledged",
    "SettingsChanged",
    "StreamReset",
    "WindowUpdated",
]


class StreamReset(Event):
    """A stream has ended before its messages did, by RST_STREAM (RFC 9113 §6.4).

    ``error_code``: see :mod:`interlock.h2.errors`.  ``remote``: whether the peer did it.  ``reason``: for people.
    """

    __slots__ = ("error_code", "reason", "remote", "stream_id")

    def __init__(self, stream_id: int, error_code: int, *, remote: bool = False, reason: str = "") -> None:
        self.stream_id: Final = stream_id
        self.error_code: Final = _code(error_code)
        self.remote: Final = remote
        self.reason: Final = reason or f"reset: {code_name(error_code)}"

    def _fields(self) -> list[tuple[str, object]]:
        return [("stream_id", self.stream_id), ("error_code", self.error_code), ("remote", self.remote)]


class GoAway(Event):
    """The peer, or we, will take no stream above ``last_stream_id`` (RFC 9113 §6.8).

    Requests on streams above it were not processed and can be made again.  ``debug``: octets for people.
    """

    __slots__ = ("debug", "error_code", "last_stream_id")

    def __init__(self, last_stream_id: int = 0x7FFFFFFF, error_code: int = 0, debug: bytes = b"") -> None:
        if not 0 <= last_stream_id <= 0x7FFFFFFF:
            raise LocalProtocolError(f"{last_stream_id} is no stream identifier (RFC 9113 §5.1.1)")
        self.last_stream_id: Final = last_stream_id
        self.error_code: Final = _code(error_code)
        self.debug: Final = debug

    def _fields(self) -> list[tuple[str, object]]:
        return [("last_stream_id", self.last_stream_id), ("error_code", self.error_code), ("debug", self.debug)]


class SettingsChanged(Event):
    """The peer has changed its settings: ``changes`` are the new values, by identifier (RFC 9113 §6.5)."""

    __slots__ = ("changes",)

    def __init__(self, changes: dict[int, int]) -> None:
        self.changes: Final = changes

    def _fields(self) -> list[tuple[str, object]]:
        return [("changes", self.changes)]


class SettingsAcknowledged(Event):
    """The peer has acknowledged our settings (RFC 9113 §6.5.3)."""

    __slots__ = ()


class WindowUpdated(Event):
    """The peer has opened its window for a stream, or with ``stream_id`` 0 for the connection (RFC 9113 §6.9)."""

    __slots__ = ("increment", "stream_id")

    def __init__(self, stream_id: int, increment: int) -> None:
        self.stream_id: Final = stream_id
        self.increment: Final = increment

    def _fields(self) -> list[tuple[str, object]]:
        return [("stream_id", self.stream_id), ("increment", self.increment)]


class PriorityUpdated(Event):
    """The peer has changed a stream's priority, or we do (RFC 9218 §7).  ``urgency``: 0, the most urgent, to 7."""

    __slots__ = ("incremental", "stream_id", "urgency")

    def __init__(self, stream_id: int, urgency: int = 3, incremental: bool = False) -> None:
        if not 0 <= urgency <= 7:
            raise LocalProtocolError(f"urgency {urgency} is not one from 0 to 7 (RFC 9218 §4.1)")
        self.stream_id: Final = stream_id
        self.urgency: Final = urgency
        self.incremental: Final = incremental

    def _fields(self) -> list[tuple[str, object]]:
        return [("stream_id", self.stream_id), ("urgency", self.urgency), ("incremental", self.incremental)]


class _Ping(Event):
    __slots__ = ("data",)

    def __init__(self, data: bytes = bytes(8)) -> None:
        if len(data) != 8:
            raise LocalProtocolError(f"PING has 8 octets of data, not {len(data)} (RFC 9113 §6.7)")
        self.data: Final = data

    def _fields(self) -> list[tuple[str, object]]:
        return [("data", self.data)]


class Ping(_Ping):
    """To be sent: the peer answers with the same 8 octets (RFC 9113 §6.7)."""

    __slots__ = ()


class PingReceived(_Ping):
    """The peer has sent a PING; the engine answers it (RFC 9113 §6.7)."""

    __slots__ = ()


class PingAcknowledged(_Ping):
    """The peer has answered our PING (RFC 9113 §6.7)."""

    __slots__ = ()


class RequestRefused(Event):
    """A request that is beyond our limits: answer it with ``status`` on its stream.

    Either no Request event was given for it, or its content has become too long since, or its trailers are too much beside
    its head.  ``reason``: for people.
    """

    __slots__ = ("reason", "status", "stream_id")

    def __init__(self, stream_id: int, status: int, reason: str) -> None:
        self.stream_id: Final = stream_id
        self.status: Final = status
        self.reason: Final = reason

    def _fields(self) -> list[tuple[str, object]]:
        return [("stream_id", self.stream_id), ("status", self.status), ("reason", self.reason)]


class AlternativeService(Event):
    """A server names other places for an origin, in the form of the Alt-Svc field (RFC 7838 §4)."""

    __slots__ = ("origin", "stream_id", "value")

    def __init__(self, stream_id: int, origin: bytes, value: bytes) -> None:
        self.stream_id: Final = stream_id
        self.origin: Final = origin
        self.value: Final = value

    def _fields(self) -> list[tuple[str, object]]:
        return [("stream_id", self.stream_id), ("origin", self.origin), ("value", self.value)]


class Origin(Event):
    """A server names the origins that this connection is good for (RFC 8336 §2)."""

    __slots__ = ("origins",)

    def __init__(self, origins: list[bytes]) -> None:
        self.origins: Final = origins

    def _fields(self) -> list[tuple[str, object]]:
        return [("origins", self.origins)]


def _code(code: int) -> int:
    if not 0 <= code <= 0xFFFFFFFF:
        raise LocalProtocolError(f"{code} is no error code (RFC 9113 §7)")
    return code
