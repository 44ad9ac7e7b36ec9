"""The opening handshake on trio, for both ends: HTTP/1.1 over a stream, up to where the stream is WebSocket's (RFC 6455 §4).

Nothing here closes a stream.  Where a handshake fails that we have begun, the stream is of no use any more, but that is
for its owner to see to.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import trio

from interlock import h1
from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.http.events import (
    ConnectionClosed,
    Data,
    EndOfMessage,
    Event,
    InformationalResponse,
    Request,
    Response,
)
from interlock.http.fields import Headers
from interlock.http.sentinels import CLIENT, NEED_DATA
from interlock.http.status import content_allowed
from interlock.net.refusal import refusal
from interlock.net.trio.websocket_errors import ConnectionRejected, HandshakeError
from interlock.ws.connection import Connection
from interlock.ws.handshake import Opening, is_websocket, refusal_fields

__all__ = ["Fields", "accept", "further_fields", "open_tunnel", "read_opening", "refuse", "reject", "request_opening"]

#: Fields as callers give them.
Fields = Iterable[tuple[bytes, bytes]]

#: Octets of the content of a rejection that are kept for who asks.
_MOST_BODY: Final = 65536

#: Fields that are the handshake's own matter, beside those that begin with "sec-websocket-".
_OWN: Final = frozenset((b"connection", b"host", b"upgrade"))


def further_fields(headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
    """The fields of a handshake that it does not need itself, with their names in lower case."""
    return tuple(
        (name, value) for name, value in headers if name not in _OWN and not name.startswith(b"sec-websocket-")
    )


# -- the client


async def request_opening(
    stream: trio.abc.Stream, engine: Connection, request: Request, receive_size: int | None
) -> InformationalResponse | Response:
    """Send ``request``, which is the engine's, and return the response that has opened the connection.

    What was received behind it is given to the engine.  Raises :class:`ConnectionRejected` where it opens none, and
    :class:`HandshakeError` where it cannot be understood.
    """
    http = h1.Connection(CLIENT)
    response = await _ask(stream, http, request, receive_size)
    try:
        opened = engine.receive_response(response)
    except RemoteProtocolError as error:
        raise HandshakeError(f"the server has accepted what was not asked for: {error}") from error
    if not opened:
        body = None
        if isinstance(response, Response):
            body = await _read_body(stream, http, receive_size)
        raise ConnectionRejected(response.status_code, tuple(response.headers), body)
    _hand_over(http, engine)
    return response


async def open_tunnel(stream: trio.abc.Stream, request: Request, receive_size: int | None) -> None:
    """Ask a proxy for a tunnel (RFC 9110 §9.3.6).  Raises :class:`HandshakeError` unless there is one afterwards."""
    http = h1.Connection(CLIENT)
    response = await _ask(stream, http, request, receive_size)
    if not 200 <= response.status_code <= 299:
        raise HandshakeError(f"the proxy does not connect us: status {response.status_code}")
    if http.has_trailing_data:
        raise HandshakeError("the proxy has sent something before we did")


async def _ask(
    stream: trio.abc.Stream, http: h1.Connection, request: Request, receive_size: int | None
) -> InformationalResponse | Response:
    """The final response to ``request``, or 101; the last that there was, if the stream ended behind it."""
    await _send(stream, http, request, EndOfMessage())
    informational: InformationalResponse | None = None
    while True:
        event = await _next_event(stream, http, receive_size)
        if isinstance(event, Response):
            return event
        if isinstance(event, InformationalResponse):
            if event.status_code == 101:
                return event
            informational = event
        elif informational is not None:
            raise ConnectionRejected(informational.status_code, tuple(informational.headers), None)
        else:
            raise HandshakeError("the other end has closed the stream, and has not answered")


async def _read_body(stream: trio.abc.Stream, http: h1.Connection, receive_size: int | None) -> bytes:
    """The content of a response, or the beginning of it, also where it comes to an early end."""
    body = bytearray()
    with suppress(HandshakeError):
        while len(body) < _MOST_BODY:
            event = await _next_event(stream, http, receive_size)
            if not isinstance(event, Data):
                break
            body += event.data
    return bytes(body[:_MOST_BODY])


# -- the server


async def read_opening(
    stream: trio.abc.Stream, http: h1.Connection, engine: Connection, receive_size: int | None
) -> Opening:
    """The request of a client.

    Raises :class:`HandshakeError` where none comes.  One that asks for no WebSocket, or not rightly, is answered before.
    """
    try:
        event = await _next_event(stream, http, receive_size)
        if not isinstance(event, Request):
            raise HandshakeError("the other end has closed the stream, and has not asked for anything")
        if event.method == b"GET" and event.http_version == b"1.1" and not is_websocket(event):
            raise RemoteProtocolError("nothing but WebSocket is spoken here (RFC 9110 §15.5.22)", 426)
        opening = engine.receive_request(event)
        while not isinstance(event, EndOfMessage):
            event = await _next_event(stream, http, receive_size)
    except RemoteProtocolError as error:
        await refuse(stream, http, error)
        raise HandshakeError(f"the request is no opening handshake: {error}") from error
    except HandshakeError as error:
        if isinstance(error.__cause__, RemoteProtocolError):
            await refuse(stream, http, error.__cause__)
        raise
    return opening


async def accept(
    stream: trio.abc.Stream, http: h1.Connection, engine: Connection, subprotocol: str | None, headers: Fields
) -> None:
    """Open the connection.

    Raises :class:`LocalProtocolError` where that cannot be, and nothing has happened; else the response may have been
    sent in part.
    """
    response = engine.accept(subprotocol=subprotocol, headers=list(headers))
    await _send(stream, http, response)
    _hand_over(http, engine)


async def reject(
    stream: trio.abc.Stream,
    http: h1.Connection,
    engine: Connection,
    status_code: int,
    headers: Fields,
    body: bytes,
    *,
    close: bool,
) -> None:
    """Open no connection.  ``close``: whether the response says that the stream is closed behind it."""
    fields = list(headers)
    if content_allowed(http.request_method, status_code):
        if all(name.lower() != b"content-length" for name, _ in fields):
            fields.append((b"Content-Length", b"%d" % len(body)))
    elif body:
        raise LocalProtocolError(f"a response with status {status_code} has no content (RFC 9110 §6.4.1)")
    if close:
        fields.append((b"Connection", b"close"))
    response = engine.reject(status_code, headers=fields)
    await _send(stream, http, response, Data(body), EndOfMessage())


async def refuse(stream: trio.abc.Stream, http: h1.Connection, error: ProtocolError) -> None:
    """Tell the client what is wrong with its request, if it is there to be told."""
    further = refusal_fields(error.error_status_hint)
    events, _ = refusal(error, http.request_method, None, further=further)
    with suppress(HandshakeError, LocalProtocolError):
        await _send(stream, http, *events)


# -- both


async def _send(stream: trio.abc.Stream, http: h1.Connection, *events: Event) -> None:
    octets = b"".join(http.send(event) or b"" for event in events)
    try:
        await stream.send_all(octets)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise HandshakeError("the stream has broken in the opening handshake") from error


async def _next_event(stream: trio.abc.Stream, http: h1.Connection, receive_size: int | None) -> Event:
    ended = False
    while True:
        try:
            event = http.next_event()
        except RemoteProtocolError as error:
            if ended:
                raise HandshakeError("the other end has closed the stream in the opening handshake") from error
            raise HandshakeError(f"what the other end has sent is not HTTP/1.1: {error}") from error
        if isinstance(event, Event):
            return event
        if event is not NEED_DATA:
            return ConnectionClosed()  # no more messages of HTTP
        try:
            data = await stream.receive_some(receive_size)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise HandshakeError("the stream has broken in the opening handshake") from error
        http.receive_data(data)
        ended = not data
        if ended and http.waiting_for == "idle":
            return ConnectionClosed()  # between messages, where nobody can call it an error of HTTP


def _hand_over(http: h1.Connection, engine: Connection) -> None:
    """What was received behind the handshake is WebSocket's."""
    octets, _ = http.trailing_data
    if octets:
        engine.receive_data(octets)
