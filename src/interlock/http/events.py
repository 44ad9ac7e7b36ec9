"""The events of all protocol versions: what a connection is made of (RFC 9110 §6).

Events are made by callers, to be sent, and by engines, from what was received.  What a caller makes is validated as
strictly as what a peer sends, when it is made; after that an event is not to be changed.  ``stream_id`` is 0 in
HTTP/1.1.
"""

from typing import Any, Final, cast

from mypy_extensions import mypyc_attr

from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.fields import CHUNKED, EXPECT_UNKNOWN, Headers, Octets, RawFields, headers_of, octets_of
from interlock.http.octets import COMPILED, FIELD_VALUE, REG_NAME, TCHAR, within
from interlock.http.status import REASONS
from interlock.http.target import check_authority, check_target, same_authority

__all__ = [
    "ConnectionClosed",
    "Data",
    "EndOfMessage",
    "Event",
    "InformationalResponse",
    "Request",
    "Response",
]

_VERSIONS: Final = (b"1.1", b"1.0", b"2")

#: Reasons that need no check.
_REASONS: Final = frozenset((b"", *REASONS.values()))


@mypyc_attr(acyclic=True, free_list_len=1)
class Event:
    """What every event is."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and type(self) is type(other) and self._fields() == other._fields()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._fields())})"

    def _fields(self) -> list[tuple[str, object]]:
        """The names and values that make up this event."""
        return []


@mypyc_attr(acyclic=True, free_list_len=1)
class Request(Event):
    """The head of a request.

    ``method``: a token.  ``target``: in the form that fits the method (RFC 9112 §3.2).  ``headers``: a
    :class:`~interlock.http.fields.Headers`.  ``http_version``: b"1.1", b"1.0" or b"2".  HTTP/2 alone has ``scheme``, such as
    b"https" (RFC 9113 §8.3.1), and ``protocol``, what an extended CONNECT asks for (RFC 8441 §4); elsewhere they are b"".

    Raises :class:`LocalProtocolError` where any of them is malformed, where Host is missing, repeated, malformed or
    not the target's, or where the framing fields contradict each other.
    """

    __slots__ = ("headers", "http_version", "method", "protocol", "scheme", "stream_id", "target")

    method: bytes
    headers: Headers
    target: bytes
    http_version: bytes
    stream_id: int
    scheme: bytes
    protocol: bytes

    def __init__(
        self,
        *,
        method: Octets,
        headers: RawFields,
        target: Octets,
        http_version: Octets = b"1.1",
        stream_id: int = 0,
        scheme: bytes = b"",
        protocol: bytes = b"",
        _parsed: Headers | None = None,
    ) -> None:
        self.scheme = scheme
        self.protocol = protocol
        if _parsed is not None:  # an engine has validated all of it
            self.method = cast(bytes, method)
            self.headers = _parsed
            self.target = cast(bytes, target)
            self.http_version = cast(bytes, http_version)
            self.stream_id = stream_id
            return
        self.method = octets_of(method, "method")
        self.headers = headers_of(headers)
        self.target = octets_of(target, "target")
        self.http_version = _http_version(http_version)
        self.stream_id = stream_id
        if not self.method or not within(self.method, TCHAR):
            raise LocalProtocolError(f"illegal method {excerpt(self.method)} (RFC 9110 §9.1)")
        form = b"GET" if protocol else self.method  # an extended CONNECT has a path (RFC 8441 §4)
        check_request(form, self.http_version, self.headers, check_target(form, self.target), to_be_sent=True)

    def _fields(self) -> list[tuple[str, object]]:
        return [
            ("method", self.method),
            ("headers", self.headers),
            ("target", self.target),
            ("http_version", self.http_version),
            *([("stream_id", self.stream_id)] if self.stream_id else []),
            *([("scheme", self.scheme)] if self.scheme else []),
            *([("protocol", self.protocol)] if self.protocol else []),
        ]


def received_request(method: bytes, target: bytes, http_version: bytes, headers: Headers) -> Request:
    """A Request whose parts an engine has validated, by :func:`check_request` among others."""
    if COMPILED:  # a plain call of a function in C; interpreted, keywords would cost more than all the rest
        return Request(method=method, headers=(), target=target, http_version=http_version, _parsed=headers)
    request = Request.__new__(Request)
    request.method = method
    request.headers = headers
    request.target = target
    request.http_version = http_version
    request.stream_id = 0
    request.scheme = b""
    request.protocol = b""
    return request


#: Host values that were found to be good: at most _MOST_HOSTS, of at most _LONGEST_HOST octets.
_HOSTS: Final[set[bytes]] = set()
_MOST_HOSTS: Final = 256
_LONGEST_HOST: Final = 64


def check_host(host: bytes) -> None:
    """Raise :class:`LocalProtocolError` unless the value of Host, which is not empty, is an authority."""
    if not within(host, REG_NAME):
        check_authority(host)
    if len(host) <= _LONGEST_HOST:
        if len(_HOSTS) >= _MOST_HOSTS:
            _HOSTS.clear()
        _HOSTS.add(host)


def check_request(
    method: bytes,
    http_version: bytes,
    headers: Headers,
    origin: bytes,
    missing_host: bool = False,
    to_be_sent: bool = False,
) -> None:
    """Raise :class:`LocalProtocolError` unless the fields of a request agree with each other and with its target.

    ``origin`` is what :func:`~interlock.http.target.check_target` gave for the target.  ``missing_host`` lets HTTP/1.1
    have no Host.  What is ``to_be_sent`` may expect anything: the server knows what it can meet.
    """
    if headers.host_count != 1:
        if headers.host_count > 1:
            raise LocalProtocolError("more than one Host (RFC 9112 §3.2)")
        if http_version == b"1.1" and not missing_host:
            raise LocalProtocolError("no Host (RFC 9112 §3.2)")
    else:
        if headers.host not in _HOSTS:
            if headers.host:
                check_host(headers.host)
            elif method == b"CONNECT":
                raise LocalProtocolError("Host is empty though the target has an authority (RFC 9112 §3.2)")
        if origin and not same_authority(origin, headers.host):
            raise LocalProtocolError(f"Host {excerpt(headers.host)} is not the target's (RFC 9112 §3.2.2)")
    if headers.flags:
        if headers.flags & CHUNKED:
            if http_version == b"1.0":
                raise LocalProtocolError("Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1)")
            if headers.content_length >= 0:
                raise LocalProtocolError("both Transfer-Encoding and Content-Length (RFC 9112 §6.3)")
        if headers.flags & EXPECT_UNKNOWN and http_version != b"1.0" and not to_be_sent:
            raise LocalProtocolError("only Expect: 100-continue is understood (RFC 9110 §10.1.1)", 417)


@mypyc_attr(acyclic=True, free_list_len=1)
class ResponseHead(Event):
    """What informational and final responses share."""

    __slots__ = ("headers", "http_version", "reason", "status_code", "stream_id")

    status_code: int
    headers: Headers
    http_version: bytes
    reason: bytes
    stream_id: int

    def _fields(self) -> list[tuple[str, object]]:
        return [
            ("status_code", self.status_code),
            ("headers", self.headers),
            ("http_version", self.http_version),
            ("reason", self.reason),
            *([("stream_id", self.stream_id)] if self.stream_id else []),
        ]


@mypyc_attr(acyclic=True, free_list_len=1)
class InformationalResponse(ResponseHead):
    """The head of an informational response: ``status_code`` 100 to 199 (RFC 9110 §15.2)."""

    __slots__ = ()

    def __init__(
        self,
        *,
        status_code: Any,
        headers: RawFields = (),
        reason: Octets = b"",
        http_version: Octets = b"1.1",
        stream_id: int = 0,
    ) -> None:
        self.status_code = _status_code(status_code, 100, 199)
        self.headers = headers_of(headers)
        self.http_version = _http_version(http_version)
        self.reason = reason if type(reason) is bytes and reason in _REASONS else _reason(reason)
        self.stream_id = stream_id


@mypyc_attr(acyclic=True, free_list_len=1)
class Response(ResponseHead):
    """The head of a final response: ``status_code`` 200 to 999 (RFC 9110 §15)."""

    __slots__ = ()

    def __init__(
        self,
        *,
        status_code: Any,
        headers: RawFields = (),
        reason: Octets = b"",
        http_version: Octets = b"1.1",
        stream_id: int = 0,
    ) -> None:
        if type(status_code) is int and 200 <= status_code <= 999:
            self.status_code = status_code
        else:
            self.status_code = _status_code(status_code, 200, 999)
        self.headers = headers_of(headers)
        self.http_version = b"1.1" if http_version == b"1.1" else _http_version(http_version)
        self.reason = reason if type(reason) is bytes and reason in _REASONS else _reason(reason)
        self.stream_id = stream_id


def _status_code(status_code: Any, lowest: int, highest: int) -> int:
    if not isinstance(status_code, int):
        raise LocalProtocolError(f"status code has to be an integer, not {status_code!r}")
    code = int(status_code)  # of an IntEnum, the number
    if not lowest <= code <= highest:
        raise LocalProtocolError(f"status code {code} is not one from {lowest} to {highest} (RFC 9110 §15)")
    return code


def _reason(reason: Octets) -> bytes:
    octets = octets_of(reason, "reason")
    if not within(octets, FIELD_VALUE):
        raise LocalProtocolError(f"illegal reason {excerpt(octets)} (RFC 9112 §4)")
    return octets


@mypyc_attr(acyclic=True, free_list_len=1)
class Data(Event):
    """Some octets of the message's content, bytes-like; how a message is cut into them means nothing (RFC 9110 §6.4).

    ``chunk_start`` and ``chunk_end`` tell where a chunk began and ended on the wire (RFC 9112 §7.1); nobody should
    need them.
    """

    __slots__ = ("chunk_end", "chunk_start", "data", "stream_id")

    def __init__(
        self,
        data: Any,
        chunk_start: bool = False,
        chunk_end: bool = False,
        stream_id: int = 0,
    ) -> None:
        self.data: Final[Any] = data
        self.chunk_start: Final = chunk_start
        self.chunk_end: Final = chunk_end
        self.stream_id: Final = stream_id

    def _fields(self) -> list[tuple[str, object]]:
        return [
            ("data", self.data),
            ("chunk_start", self.chunk_start),
            ("chunk_end", self.chunk_end),
            *([("stream_id", self.stream_id)] if self.stream_id else []),
        ]


@mypyc_attr(acyclic=True, free_list_len=1)
class EndOfMessage(Event):
    """The end of a message, with its trailer section in ``headers`` (RFC 9110 §6.5).

    Raises :class:`LocalProtocolError` for a field that must not stand there (RFC 9110 §6.5.1).
    """

    __slots__ = ("headers", "stream_id")

    def __init__(self, *, headers: RawFields | None = None, stream_id: int = 0) -> None:
        if headers is None:
            self.headers: Headers = NO_HEADERS
        else:
            fields = headers.raw_items() if isinstance(headers, Headers) else headers
            self.headers = Headers(fields, trailers=True)
        self.stream_id: int = stream_id

    def _fields(self) -> list[tuple[str, object]]:
        return [
            ("headers", self.headers),
            *([("stream_id", self.stream_id)] if self.stream_id else []),
        ]


@mypyc_attr(acyclic=True, free_list_len=1)
class ConnectionClosed(Event):
    """The peer has said that it will send nothing more, or we have (RFC 9112 §9.6)."""

    __slots__ = ()


NO_HEADERS: Final = Headers()


def _http_version(version: Octets) -> bytes:
    octets = octets_of(version, "http_version")
    if octets not in _VERSIONS:
        raise LocalProtocolError(f"HTTP version {excerpt(octets)}: 1.1, 1.0 or 2 is understood", 505)
    return octets
