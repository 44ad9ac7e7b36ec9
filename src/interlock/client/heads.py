"""A client's request as the head of HTTP/1.1: the fields that it lacks, and what follows from its content.

Pure.  RFC 9112 §3.2, §6; RFC 9110 §7.2, §8.6, §9.2.2, §10.1.1.
"""

from typing import Final

from interlock.client.messages import Request
from interlock.http import events
from interlock.http.fields import CHUNKED, EXPECT_CONTINUE, EXPECT_UNKNOWN, Headers, headers_of, octets_of

__all__ = ["ForwardingProxy", "authority", "repeatable", "request_head"]

#: Methods whose request says that it has no content (RFC 9110 §8.6).
_ANTICIPATE_CONTENT: Final = frozenset((b"POST", b"PUT", b"PATCH"))
#: Methods that may be made twice (RFC 9110 §9.2.2).
_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))

_DEFAULT_PORTS: Final = {b"http": 80, b"ws": 80, b"https": 443, b"wss": 443}


class ForwardingProxy:
    """What a proxy that forwards requests for http wants beside them: fields of its own (RFC 9110 §11.7.1)."""

    __slots__ = ("fields",)

    def __init__(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        self.fields: Final = fields


def authority(scheme: bytes, host: str, port: int) -> bytes:
    """What Host says of an origin: without the port where it is the scheme's own (RFC 9110 §4.2.3, §7.2).

    With b"" for the scheme the port is always there.  Raises :class:`~interlock.http.errors.LocalProtocolError` for a name
    that is not ASCII.
    """
    name = octets_of(f"[{host}]" if ":" in host else host, "host")
    return name if port == _DEFAULT_PORTS.get(scheme) else b"%b:%d" % (name, port)


def request_head(request: Request, proxy: ForwardingProxy | None = None) -> events.Request:
    """The head of ``request``, Host and framing fields included.

    Raises :class:`~interlock.http.errors.LocalProtocolError` where it cannot be one.
    """
    given = request.headers
    if not isinstance(given, (list, tuple, Headers)):
        given = list(given)
    headers = headers_of(given)
    before: list[tuple[bytes, bytes]] = []
    after: list[tuple[bytes, bytes]] = []
    if not headers.host_count:
        before.append((b"Host", request.target if request.method == b"CONNECT" else _origin(request)))
    content = request.content
    if headers.content_length < 0 and not headers.flags & CHUNKED:
        if request.trailers or (content and not isinstance(content, bytes)):
            after.append((b"Transfer-Encoding", b"chunked"))
        elif content or request.method in _ANTICIPATE_CONTENT:
            after.append((b"Content-Length", b"%d" % (len(content) if isinstance(content, bytes) else 0)))
    if request.expect_continue is not None and content and not headers.flags & (EXPECT_CONTINUE | EXPECT_UNKNOWN):
        after.append((b"Expect", b"100-continue"))
    if request.priority is not None and _value(headers, b"priority") is None:
        after.append((b"Priority", request.priority))
    if proxy is not None:
        return _forwarded_head(request, headers, proxy, after)
    if before or after:
        headers = headers_of((*before, *(given.raw_items() if isinstance(given, Headers) else given), *after))
    return events.Request(method=request.method, target=request.target, headers=headers)


def _forwarded_head(
    request: Request, headers: Headers, proxy: ForwardingProxy, after: list[tuple[bytes, bytes]]
) -> events.Request:
    """The head in the form for a proxy: the target is absolute (RFC 9112 §3.2.2).

    Host has to be the target's, and a proxy would make it so if it were not.
    """
    origin = _origin(request)
    target = request.target
    if target[:1] == b"/":
        target = b"http://" + origin + target
    elif target == b"*":
        target = b"http://" + origin  # RFC 9112 §3.2.4
    fields = [field for field in headers.raw_items() if field[0].lower() != b"host"]
    proxys = [field for field in proxy.fields if _value(headers, field[0].lower()) is None]
    return events.Request(method=request.method, target=target, headers=[(b"Host", origin), *proxys, *fields, *after])


def _origin(request: Request) -> bytes:
    return authority(request.scheme, request.host, request.port)


def repeatable(request: Request) -> bool:
    """Whether a request of which nothing is known may be made again: it is idempotent, and all of it is still there."""
    content = request.content
    return (
        request.method in _IDEMPOTENT
        and not callable(request.trailers)
        and (content is None or isinstance(content, (bytes, list, tuple)))
    )


def _value(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first field of this name, in lower case; None where there is none."""
    for each, value in headers:
        if each == name:
            return value
    return None
