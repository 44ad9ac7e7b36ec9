"""Requests of httpx as the client's, and what httpx is told of a response beside its head and its content.

``extensions`` of a request: ``timeout``, ``trace``, ``target`` and ``sni_hostname`` as httpx documents them; ``trailers``
(RFC 9110 §6.5), ``priority`` (RFC 9218), ``on_informational`` (RFC 9110 §15.2) and ``expect_continue`` (RFC 9110 §10.1.1)
are ours.  Of a response: ``http_version``, ``reason_phrase``, ``stream_id`` and ``network_stream`` as httpx documents them;
``trailers`` is ours.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from typing import Any, Final

import httpx

from interlock.client.messages import Content, Request, Response
from interlock.client.timeouts import ClientTimeouts
from interlock.http.fields import Headers, RawFields, octets_of

__all__ = ["RequestMaker", "content_of", "extensions_of", "trailers_of"]

_DEFAULT_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_VERSIONS: Final = {b"1.1": b"HTTP/1.1", b"1.0": b"HTTP/1.0", b"2": b"HTTP/2"}


class RequestMaker:
    """Makes requests for one transport.  ``body_grace``, ``body_rate``: as in :class:`ClientTimeouts`."""

    __slots__ = ("_body_grace", "_body_rate", "_given", "_timeouts")

    def __init__(self, body_grace: float | None, body_rate: float | None) -> None:
        self._body_grace: Final = body_grace
        self._body_rate: Final = body_rate
        # Those of the last request, which are those of nearly all.
        self._given: dict[str, float | None] | None = None
        self._timeouts: ClientTimeouts | None = None

    def request(self, request: httpx.Request, content: Content) -> Request:
        """``request`` with this content.

        Raises :class:`~interlock.http.errors.LocalProtocolError`.
        """
        url = request.url
        scheme = url.raw_scheme
        extensions = request.extensions
        made = Request(
            octets_of(request.method, "method"),
            scheme,
            url.raw_host.decode("ascii"),
            url.port or _DEFAULT_PORTS.get(url.scheme, 0),
            octets_of(extensions.get("target", url.raw_path), "target"),
            request.headers.raw,
            content,
            timeouts=self._timeouts_of(extensions.get("timeout")),
            hold=True,
        )
        if len(extensions) > 1:
            _apply(request, made)
        return made

    def _timeouts_of(self, given: dict[str, float | None] | None) -> ClientTimeouts:
        """What is not given waits for ever, as with httpx."""
        made = self._timeouts
        if made is not None and given == self._given:
            return made
        known = given or {}
        made = ClientTimeouts(
            connect=known.get("connect"),
            read=known.get("read"),
            write=known.get("write"),
            pool=known.get("pool"),
            body_grace=self._body_grace,
            body_rate=self._body_rate,
        )
        self._given, self._timeouts = dict(known), made
        return made


def _apply(asked: httpx.Request, request: Request) -> None:
    """What is not asked of every request."""
    extensions = asked.extensions
    request.trace = extensions.get("trace")
    request.server_hostname = extensions.get("sni_hostname")
    request.on_informational = extensions.get("on_informational")
    request.expect_continue = extensions.get("expect_continue")
    priority = extensions.get("priority")
    request.priority = None if priority is None else octets_of(priority, "priority")
    trailers = extensions.get("trailers")
    if trailers is not None:
        # Behind content whose length is said there is no room for them (RFC 9112 §7.1.2).
        request.headers = [field for field in asked.headers.raw if field[0].lower() != b"content-length"]
        request.trailers = _later(trailers) if callable(trailers) else httpx.Headers(trailers).raw


def _later(trailers: Callable[[], Any]) -> Callable[[], RawFields]:
    return lambda: httpx.Headers(trailers()).raw


class Blocks:
    """Content of which only the blocks that come without waiting are to be seen, though it may have others."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream: Final = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)


def content_of(stream: httpx.SyncByteStream | httpx.AsyncByteStream, blocking: bool) -> Content:
    """What a request's stream sends."""
    if isinstance(stream, httpx.ByteStream):
        return b"".join(stream) or None
    if blocking and isinstance(stream, AsyncIterable):
        assert isinstance(stream, httpx.SyncByteStream)
        return Blocks(stream)
    return stream


def extensions_of(response: Response, network_stream: object) -> dict[str, Any]:
    """What httpx is told of a response, but for its trailers."""
    version = _VERSIONS[response.http_version]
    extensions: dict[str, Any] = {"http_version": version, "network_stream": network_stream}
    if response.stream_id:
        extensions["stream_id"] = response.stream_id
    else:
        extensions["reason_phrase"] = response.reason
    return extensions


def trailers_of(trailers: Headers | None) -> httpx.Headers:
    """What came behind the content.  Raises :class:`httpx.ResponseNotRead` before that is read."""
    if trailers is None:
        raise httpx.ResponseNotRead
    return httpx.Headers(trailers.raw_items())
