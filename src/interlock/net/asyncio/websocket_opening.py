"""The opening handshake on asyncio, for both ends: HTTP/1.1 over a stream, up to where the stream is WebSocket's (RFC 6455 §4).

Nothing here closes a stream.  Where a handshake fails, the stream is of no use any more, but that is for its owner to
see to.
"""

from contextlib import suppress
from typing import Final

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
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA
from interlock.net.asyncio.websocket_errors import InvalidMessage, InvalidStatus, InvalidUpgrade, ProxyError
from interlock.net.asyncio.websocket_messages import response_of
from interlock.net.asyncio.websocket_stream import WebSocketStream
from interlock.net.refusal import refusal
from interlock.ws.connection import Connection
from interlock.ws.handshake import Opening, is_websocket, refusal_fields

__all__ = ["open_tunnel", "read_request", "receive_request", "refuse", "request_opening", "respond", "switch"]

#: Octets of the content of a rejection that are kept for who asks.
_MOST_BODY: Final = 65536


# -- the client


async def request_opening(
    stream: WebSocketStream, engine: Connection, request: Request, limits: Limits
) -> tuple[InformationalResponse | Response, bytes]:
    """Send ``request``, which is the engine's, and return the response that has opened the connection, and what is behind.

    Raises :class:`InvalidStatus` where it opens none, :class:`InvalidUpgrade` where it accepts what was not asked for,
    :class:`InvalidMessage` where it cannot be understood.
    """
    http = h1.Connection(CLIENT, limits=limits)
    response = await _ask(stream, http, request)
    try:
        opened = engine.receive_response(response)
    except RemoteProtocolError as error:
        raise InvalidUpgrade(f"the server has accepted what was not asked for: {error}") from error
    if not opened:
        body = b""
        if isinstance(response, Response):
            body = await _read_body(stream, http)
        raise InvalidStatus(response_of(response, body))
    return response, http.trailing_data[0]


async def open_tunnel(stream: WebSocketStream, request: Request, limits: Limits) -> None:
    """Ask a proxy for a tunnel (RFC 9110 §9.3.6).  Raises :class:`ProxyError` unless there is one afterwards."""
    http = h1.Connection(CLIENT, limits=limits)
    try:
        response = await _ask(stream, http, request)
    except InvalidMessage as error:
        raise ProxyError(f"the proxy has not answered: {error}") from error
    if not 200 <= response.status_code <= 299:
        raise ProxyError(f"the proxy does not connect us: status {response.status_code}")
    if http.has_trailing_data:
        raise ProxyError("the proxy has sent something before we did")


async def _ask(stream: WebSocketStream, http: h1.Connection, request: Request) -> InformationalResponse | Response:
    """The final response to ``request``, or 101."""
    _send(stream, http, request, EndOfMessage())
    while True:
        event = await _next_event(stream, http)
        if isinstance(event, Response) or (isinstance(event, InformationalResponse) and event.status_code == 101):
            return event
        if not isinstance(event, InformationalResponse):
            raise InvalidMessage("the other end has closed the connection, and has not answered")


async def _read_body(stream: WebSocketStream, http: h1.Connection) -> bytes:
    """The content of a response, or the beginning of it, also where it comes to an early end."""
    body = bytearray()
    with suppress(InvalidMessage):
        while len(body) < _MOST_BODY:
            event = await _next_event(stream, http)
            if not isinstance(event, Data):
                break
            body += event.data
    return bytes(body[:_MOST_BODY])


# -- the server


async def read_request(stream: WebSocketStream, http: h1.Connection) -> Request | None:
    """The request of a client; None where none comes.  Raises :class:`RemoteProtocolError` for what is none."""
    try:
        event = await _next_event(stream, http)
    except InvalidMessage as error:
        if isinstance(error.__cause__, RemoteProtocolError):
            raise error.__cause__ from None
        return None
    return event if isinstance(event, Request) else None


def receive_request(engine: Connection, request: Request) -> Opening:
    """Have the engine read what the client asks for.

    Raises :class:`RemoteProtocolError` where it is no opening handshake: its hint is the status of the response.
    """
    if request.method == b"GET" and request.http_version == b"1.1" and not is_websocket(request):
        raise RemoteProtocolError("nothing but WebSocket is spoken here (RFC 9110 §15.5.22)", 426)
    return engine.receive_request(request)


async def switch(
    stream: WebSocketStream, http: h1.Connection, response: InformationalResponse | Response
) -> bytes | None:
    """Send ``response``, the engine's, which opens the connection.  Returns what has come behind the request.

    None where the client is gone, or has not ended its request.
    """
    try:
        if not isinstance(await _next_event(stream, http), EndOfMessage):
            return None
        _send(stream, http, response)
    except InvalidMessage:
        return None
    return http.trailing_data[0]


def respond(stream: WebSocketStream, http: h1.Connection, response: Response, body: bytes) -> None:
    """Send a response that opens no connection."""
    with suppress(InvalidMessage):
        _send(stream, http, response, Data(body), EndOfMessage())


def refuse(
    stream: WebSocketStream,
    http: h1.Connection,
    error: ProtocolError,
    defaults: list[tuple[bytes, bytes]],
) -> None:
    """Tell the client what is wrong with its request, if it is there to be told.  ``defaults``: further fields."""
    further = [*refusal_fields(error.error_status_hint), *defaults]
    events, _ = refusal(error, http.request_method, None, further=further)
    with suppress(InvalidMessage, LocalProtocolError):
        _send(stream, http, *events)


# -- both


def _send(stream: WebSocketStream, http: h1.Connection, *events: Event) -> None:
    octets = b"".join(http.send(event) or b"" for event in events)
    try:
        stream.send_all(octets)
    except ConnectionError as error:
        raise InvalidMessage("the connection has broken in the opening handshake") from error


async def _next_event(stream: WebSocketStream, http: h1.Connection) -> Event:
    ended = False
    while True:
        try:
            event = http.next_event()
        except RemoteProtocolError as error:
            if ended:
                raise InvalidMessage("the other end has closed the connection, and has not answered") from error
            raise InvalidMessage(f"what the other end has sent is not HTTP/1.1: {error}") from error
        if isinstance(event, Event):
            return event
        if event is not NEED_DATA:
            return ConnectionClosed()  # no more messages of HTTP
        try:
            data = await stream.receive_some()
        except ConnectionError as error:
            raise InvalidMessage("the connection has broken in the opening handshake") from error
        http.receive_data(data)
        ended = not data
