"""What a connection with a delegate sends: heads, content, ends, and how they get to the stream.

Nothing here waits before it is awaited: what is to be sent is validated and queued at once, and goes out when somebody
awaits what he was given, or when the connection has called a delegate.  So a delegate whose callbacks are plain
functions can answer, too.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Final, cast

from interlock import h1
from interlock.http.events import Data, EndOfMessage, Event, InformationalResponse, Request, Response
from interlock.http.fields import CHUNKED, CLOSE, Headers, RawFields
from interlock.http.sentinels import CLIENT, IDLE, SERVER
from interlock.net.errors import NetworkError, TimeoutException, WriteError
from interlock.net.http1.delegate import RequestStartLine, ResponseStartLine
from interlock.net.http1.detached import DetachedStream
from interlock.net.http1.parameters import HTTP1ConnectionParameters
from interlock.net.networks import as_stream, present_network
from interlock.net.sockets import reset_on_close
from interlock.net.stream import Event as Occurrence
from interlock.net.stream import Network, Stream

__all__ = ["HTTP1Output"]

#: Octets for which the peer has the write timeout.
_PIECE: Final = 262144
#: Requests that usually have content, and so get the chunked coding unless they say how much (RFC 9110 §9.3).
_WITH_CONTENT: Final = frozenset(("POST", "PUT", "PATCH"))

_END: Final = EndOfMessage()


class Deferred:
    """Something that is done when it is awaited, and needs not be awaited."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._call: Final = call

    def __await__(self) -> Generator[Any, Any, None]:
        return self._call().__await__()


class HTTP1Output:
    """The sending half of :class:`~interlock.net.http1.connection.HTTP1Connection`."""

    def __init__(
        self, stream: Any, is_client: bool, params: HTTP1ConnectionParameters | None = None, context: object = None
    ) -> None:
        #: The stream; None once it is detached.
        self.stream: Stream | None = as_stream(stream)
        self.is_client: Final = is_client
        self.params: Final = params or HTTP1ConnectionParameters()
        #: Whatever its owner likes.
        self.context = context
        self._engine: Final = h1.Connection(CLIENT if is_client else SERVER, limits=self.params.engine_limits())
        self._timeouts: Final = self.params.all_timeouts()
        self._running: Network | None = None
        # What is to be sent, and what happens when those who are sending have sent it.
        self._out: list[bytes] = []
        self._sending: Occurrence | None = None
        # Why nothing more can be sent.
        self._lost: Exception | None = None
        # Whether close() was called.
        self._closing = False
        # On a client: whether there was a request before.
        self._used = False
        # On a server: happens when the response is complete, or never will be.
        self._responded: Occurrence | None = None

    @property
    def _network(self) -> Network:
        if self._running is None:
            self._running = present_network()
        return self._running

    # -- for the owner and for delegates

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: "RawFields | Mapping[Any, Any]" = (),
        chunk: bytes | None = None,
    ) -> Awaitable[None]:
        """Send the head of a request or of a response, and ``chunk`` behind it.

        ``headers``: pairs of name and value, bytes or ASCII str, or a mapping.  A response without Content-Length is
        chunked, or to HTTP/1.0 ends with the connection; so is a request that has a ``chunk`` or one of the methods
        POST, PUT and PATCH, and no Content-Length.  A status from 100 to 199 is no final response: another follows.

        It is out, and the peer ready for more, when what is returned was awaited.  Raises :class:`LocalProtocolError` for
        what is malformed or out of turn, and :class:`WriteError` where the connection is gone, and where the server has
        sent something behind the last response: nobody may take that for the next one (RFC 9112 §9.2).
        """
        fields = Headers(headers.items() if isinstance(headers, Mapping) else headers)
        event: Event
        if self.is_client:
            request_line = cast(RequestStartLine, start_line)
            if fields.content_length < 0 and not fields.flags & CHUNKED and (chunk or request_line[0] in _WITH_CONTENT):
                fields = _with(fields, b"Transfer-Encoding", b"chunked")
            if self.params.no_keep_alive and not fields.flags & CLOSE:
                fields = _with(fields, b"Connection", b"close")
            event = Request(method=request_line[0], target=request_line[1], headers=fields)
            if self._used and self._engine.our_state is IDLE and self._has_more():
                self._lose(WriteError("the server has closed the connection, or sent what nobody has asked for"))
            self._used = True
        else:
            _, code, reason = cast(ResponseStartLine, start_line)
            if 100 <= code <= 199:
                event = InformationalResponse(status_code=code, reason=reason, headers=fields)
            else:
                if self.params.no_keep_alive and not fields.flags & CLOSE:
                    fields = _with(fields, b"Connection", b"close")
                event = Response(status_code=code, reason=reason, headers=fields)
        self._send(event)
        if chunk:
            self._send(Data(chunk))
        return Deferred(self._flush)

    def write(self, chunk: bytes) -> Awaitable[None]:
        """Send some content.  The peer is ready for more when what is returned was awaited.

        Raises as :meth:`write_headers` does, also where the content is longer than Content-Length says.
        """
        self._send(Data(chunk))
        return Deferred(self._flush)

    def finish(self, trailers: "RawFields | Mapping[Any, Any]" = ()) -> Awaitable[None]:
        """End the message, with a trailer section if it is chunked (RFC 9112 §7.1.2).

        Raises as :meth:`write_headers` does, also where the content is shorter than Content-Length says.
        """
        fields = list(trailers.items() if isinstance(trailers, Mapping) else trailers)
        self._send(EndOfMessage(headers=fields) if fields else _END)
        if self._responded is not None:
            self._responded.set()
        return Deferred(self._flush)

    def detach(self) -> Stream:
        """The stream, for another protocol.  What was read ahead of it is read from it first.

        A delegate does that when it gets the head of a message; who has called ``read_response``, after it has returned
        for a response that leaves HTTP.  The connection has no stream from then on.
        """
        stream = self._attached()
        received, _ = self._engine.trailing_data
        unsent = b"".join(self._out)
        self._out.clear()
        self.stream = None
        self._over()
        return DetachedStream(stream, received, unsent) if received or unsent else stream

    def close(self) -> Awaitable[None]:
        """Close the connection, behind what was sent.  That is done when what is returned was awaited.

        In a callback of a delegate it needs not be awaited: the connection does it behind the callback.
        """
        self._closing = True
        if self._responded is not None:
            self._responded.set()
        return Deferred(self._close)

    # -- for the receiving half

    def _attached(self) -> Stream:
        if self.stream is None:
            raise RuntimeError("the stream of this connection was detached")
        return self.stream

    def _has_more(self) -> bool:
        """Whether there is anything on the stream, be it its end, where nothing should be."""
        return bool(self._attached().get_extra_info("is_readable"))

    def _send(self, event: Event) -> None:
        """Queue what an event is on the wire."""
        self._attached()
        if self._lost is not None:
            raise self._lost
        if self._closing:
            raise WriteError("the connection was closed here")
        pieces = self._engine.send_with_data_passthrough(event)
        if pieces:
            self._out += [piece if isinstance(piece, bytes) else bytes(piece) for piece in pieces]

    async def _flush(self) -> None:
        """Send what is queued, one after the other; raise what keeps it from being sent."""
        while self._out or self._sending is not None:
            if self._sending is not None:
                await self._sending.wait()
                continue
            if self.stream is None or self._lost is not None:
                break
            self._sending = self._network.event()
            octets = b"".join(self._out)
            self._out.clear()
            try:
                for start in range(0, len(octets), _PIECE):
                    piece = octets if len(octets) <= _PIECE else octets[start : start + _PIECE]
                    await self.stream.write(piece, self._timeouts.write or None)
            except (NetworkError, TimeoutException) as error:
                self._lose(error)
            except BaseException:
                self._lose(WriteError("an earlier write was cancelled"))
                raise
            finally:
                sent = self._sending
                self._sending = None
                sent.set()
        if self._lost is not None:
            raise self._lost

    def _lose(self, error: Exception) -> None:
        """Nothing more can be sent."""
        if self._lost is None:
            self._lost = error
        self._engine.send_failed()
        self._over()

    def _over(self) -> None:
        """There will be no response any more, or no more of it."""
        self._out.clear()
        if self._responded is not None:
            self._responded.set()

    def _abort(self) -> None:
        self._closing = True
        self._over()
        if self.stream is not None:
            self.stream.abort()

    async def _close(self) -> None:
        self._closing = True
        if self.stream is None:
            return
        try:
            await self._flush()
        except (NetworkError, TimeoutException):
            self.stream.abort()
        finally:
            stream = self.stream
            if self._engine.ends_by_close and self._lost is None:
                # Nobody is to take what was broken off for complete.
                reset_on_close(stream.get_extra_info("socket"))
                stream.abort()
            await stream.aclose()


def _with(fields: Headers, name: bytes, value: bytes) -> Headers:
    return Headers([*fields.raw_items(), (name, value)])
