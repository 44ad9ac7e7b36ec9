"""One connection of HTTP/1.1 with a delegate: what it receives, as a client and as a server (RFC 9112).

What octets mean is the engine's to say.  How long one waits, and how much content there may be, is decided here; what is
sent stands in ``output.py``.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.http.events import Data, EndOfMessage, Event, InformationalResponse, Request, ResponseHead
from interlock.http.fields import CHUNKED, EXPECT_CONTINUE, Headers
from interlock.http.sentinels import (
    DONE,
    ERROR,
    IDLE,
    MUST_CLOSE,
    NEED_DATA,
    SEND_BODY,
    SEND_RESPONSE,
    SWITCHED_PROTOCOL,
)
from interlock.net.deadlines import BODY, HEAD, LINGER, NEVER, Wait
from interlock.net.deadlines import IDLE as IDLE_WAIT
from interlock.net.errors import NetworkError, ReadTimeout, TimeoutException, WriteError
from interlock.net.http1.decompression import DecodingError, DecompressingDelegate
from interlock.net.http1.delegate import Callbacks, called, request_start_line, response_start_line
from interlock.net.http1.output import HTTP1Output
from interlock.net.http1.parameters import HTTP1ConnectionParameters
from interlock.net.refusal import refusal

__all__ = ["HTTP1Connection"]

#: What a connection waits for, in words.
_MISSING: Final = {IDLE_WAIT: "the first octet of a head", HEAD: "a head", BODY: "the content"}


class _DelegateFailed(Exception):
    """A delegate has raised ``error``, which is neither the peer's fault nor the connection's."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error: Final = error


class HTTP1Connection(HTTP1Output):
    """One connection.

    On a client: ``write_headers``, ``write``, ``finish``, and :meth:`read_response`; again as long as that returns True.
    On a server: :meth:`serve`.

    ``stream``: a :class:`~interlock.net.stream.Stream`, asyncio's (reader, writer), or a stream of trio's; it is the
    connection's from now on.  ``context``: whatever its owner likes.
    """

    def __init__(
        self, stream: Any, is_client: bool, params: HTTP1ConnectionParameters | None = None, context: object = None
    ) -> None:
        super().__init__(stream, is_client, params, context)
        self._wait: Final = Wait(self._timeouts)
        self._close_callback: Callable[[], Any] | None = None
        # Of the message that is received: how much content there may be, and was, and how long it may still take.
        self._max_body_size: int | None = None
        self._body_size = 0
        self._body_seconds = math.inf
        self._decompressing: DecompressingDelegate | None = None
        self._next_message()

    def set_close_callback(self, callback: Callable[[], Any] | None) -> None:
        """Have ``callback`` called, once, when the client closes its side, or is lost, while it waits for the response.

        It may be a coroutine function.  Who then sends no response has to call :meth:`close`: a client may close its
        side only, and still wait for the response.
        """
        self._close_callback = callback

    def set_max_body_size(self, max_body_size: int | None) -> None:
        """How many octets of content a message may have, None: any number.

        It is for the message that is being received; set between two messages, for the next one.
        """
        self._max_body_size = max_body_size
        if self._decompressing is not None:
            self._decompressing.max_body_size = max_body_size

    def set_body_timeout(self, timeout: float | None) -> None:
        """How many seconds the rest of the content may take; None: as long as it keeps coming.

        It is for the message that is being received; set between two messages, for the next one.
        """
        self._body_seconds = math.inf if timeout is None else float(timeout)

    # -- the client

    async def read_response(self, delegate: Any) -> bool:
        """Receive a response.  Returns whether the connection can be used again; if not, it is closed.

        It is not where the response leaves HTTP (101, or 2xx to CONNECT): then :meth:`detach` gives the stream, to the
        delegate or behind this call.

        Raises :class:`RemoteProtocolError` for what the server did wrong, :class:`ReadTimeout`, :class:`ReadError`,
        :class:`WriteError`, :class:`WriteTimeout`, and what the delegate raises.  The connection is closed then.
        """
        if not self.is_client:
            raise RuntimeError("a server reads requests: call serve()")
        self._attached()
        callbacks = self._begin_message(delegate)
        finished = [False]
        try:
            await self._flush()
            await self._receive_response(callbacks, finished)
        except BaseException as error:
            self._abort()
            # The end of the content can still be found to be wrong before the delegate is told of it.
            if (not finished[0] or isinstance(error, DecodingError)) and self.stream is not None:
                await called(callbacks.on_connection_close)
            if isinstance(error, _DelegateFailed):
                raise error.error from error.error.__cause__
            raise
        if self.stream is None:
            return False
        engine = self._engine
        if engine.their_state is SWITCHED_PROTOCOL and not self._closing:
            return False
        reusable = engine.our_state is DONE and engine.their_state is DONE and not engine.has_trailing_data
        reusable = reusable and not self._has_more()
        if reusable and not self._closing and not self.params.no_keep_alive:
            self._start_next_cycle()
            return True
        await self._close()
        if not finished[0]:
            await called(callbacks.on_connection_close)
        return False

    async def _receive_response(self, callbacks: Callbacks, finished: list[bool]) -> None:
        event = await self._next_event(IDLE_WAIT)
        while isinstance(event, InformationalResponse) and event.status_code != 101:
            await self._call(callbacks.informational_received, response_start_line(event), event.headers)
            event = await self._next_event(IDLE_WAIT)
        if not isinstance(event, ResponseHead):
            raise RemoteProtocolError("the connection was closed without a response")
        await self._call(callbacks.headers_received, response_start_line(event), event.headers)
        trailers: Headers | None = Headers()
        if self._engine.their_state is not SWITCHED_PROTOCOL:
            self._check_length(event.headers)
            trailers = await self._receive_content(callbacks)
        if trailers is not None and not self._gone():
            finished[0] = True
            await self._call(callbacks.finish, trailers)

    # -- the server

    async def serve(self, delegate_factory: Callable[["HTTP1Connection"], Any]) -> None:
        """Receive requests, one after the other, each for a new delegate, until the connection is over and closed.

        ``delegate_factory(connection)`` gives the delegate of a request.  The next request is read when the response to
        this one is complete, and all callbacks of its delegate are done.

        What the client does wrong is answered with the status that it deserves, if nothing was sent yet.  Raises what a
        delegate raises; the client gets a 500 then.
        """
        if self.is_client:
            raise RuntimeError("a client reads responses: call read_response()")
        self._attached()
        try:
            first = True
            while await self._serve_one(delegate_factory, first):
                first = False
            await self._close_gently()
        except _DelegateFailed as failed:
            raise failed.error from failed.error.__cause__
        finally:
            if self.stream is not None:
                self.stream.abort()

    async def _serve_one(self, delegate_factory: Callable[["HTTP1Connection"], Any], first: bool) -> bool:
        """Serve a request.  Returns whether there may be another."""
        try:
            request = await self._next_event(HEAD if first else IDLE_WAIT)
        except (ProtocolError, TimeoutException, NetworkError) as error:
            await self._refuse(error)
            return False
        if not isinstance(request, Request):
            return False
        try:
            callbacks = self._begin_message(delegate_factory(self))
        except Exception as error:
            await self._refuse(_failure())
            await self._close_gently()
            raise _DelegateFailed(error) from error
        self._responded = self._network.event()
        finished = False
        try:
            trailers = await self._receive_request(request, callbacks)
            if trailers is not None and not self._gone() and not self._responded.is_set():
                finished = True
                await self._call(callbacks.finish, trailers)
            finished = finished or (self._responded.is_set() and not self._closing)
        except _DelegateFailed:
            await self._refuse(_failure())
            await self._close_gently()
            raise
        except (ProtocolError, TimeoutException, NetworkError) as error:
            finished = finished and not isinstance(error, DecodingError)
            await self._refuse(error)
            return False
        finally:
            if not finished and self.stream is not None:
                await called(callbacks.on_connection_close)
        if self._gone():
            return False
        try:
            await self._flush()
            if not self._responded.is_set():
                await self._network.until(self._responded, self._watch)
                await self._flush()
        except (NetworkError, TimeoutException):
            return False
        engine = self._engine
        if self._gone() or engine.our_state is not DONE or engine.their_state is not DONE:
            return False
        self._start_next_cycle()
        return True

    async def _receive_request(self, request: Request, callbacks: Callbacks) -> Headers | None:
        """Give a request to its delegate, up to its end.  Returns the trailers, or None if there will be no more of it."""
        engine = self._engine
        trailers: Headers | None = None
        if not request.headers.flags & CHUNKED and request.headers.content_length <= 0:
            # So a delegate can switch protocols as soon as it has the head.
            end = engine.next_event()
            assert isinstance(end, EndOfMessage)
            trailers = end.headers
        await self._call(callbacks.headers_received, request_start_line(request), request.headers)
        if self._gone() or trailers is not None:
            return trailers
        self._check_length(request.headers)
        if request.headers.flags & EXPECT_CONTINUE and self._answered() and not engine.has_trailing_data:
            return None  # it has waited for us to say that we want content, and will send none
        if engine.they_are_waiting_for_100_continue and engine.our_state is SEND_RESPONSE:
            self._send(InformationalResponse(status_code=100, reason="Continue"))
            await self._flush()
        return await self._receive_content(callbacks)

    async def _watch(self) -> None:
        """See the client close its side, or send the next request, while it waits for the response."""
        engine = self._engine
        while self.stream is not None and not engine.received_eof and not engine.has_trailing_data:
            try:
                data = await self.stream.read(self.params.chunk_size)
            except NetworkError as error:
                lost = WriteError(f"the client is gone: {error}")
                lost.__cause__ = error
                self._lose(lost)
                data = b""
            engine.receive_data(data)
        if engine.received_eof and self._close_callback is not None:
            await called(self._close_callback)

    async def _refuse(self, error: Exception) -> None:
        """Answer what a client has done wrong, where there is something to answer and nobody has begun to."""
        if isinstance(error, ReadTimeout):
            if self._engine.waiting_for == "idle":
                return  # it has asked for nothing
            error = RemoteProtocolError(str(error), 408)
        engine = self._engine
        if not isinstance(error, ProtocolError):
            self._abort()
        elif engine.our_state is IDLE or engine.our_state is SEND_RESPONSE:
            events, _ = refusal(error, engine.request_method, None)
            try:
                for event in events:
                    self._send(event)
                await self._flush()
            except (NetworkError, TimeoutException):
                self._abort()
        elif engine.our_state is not DONE and engine.our_state is not MUST_CLOSE:
            self._abort()  # in the midst of a response: nobody is to take it for complete

    async def _close_gently(self) -> None:
        """Close the connection; a client that may still be sending gets to see our last octets (RFC 9112 §9.6)."""
        stream = self.stream
        if stream is None:
            return
        engine = self._engine
        sending = engine.their_state in {SEND_BODY, ERROR} or engine.has_trailing_data
        if sending and not engine.received_eof and self._lost is None and not self._closing:
            now = self._network.now
            deadline = now() + self._timeouts.linger
            try:
                await self._flush()
                await stream.send_eof()
                while await stream.read(self.params.chunk_size, max(deadline - now(), 0.0)):
                    pass
            except (NetworkError, TimeoutException):
                pass
        await self._close()

    # -- both

    def _next_message(self) -> None:
        """What holds for a message unless its owner or its delegate says otherwise."""
        self._max_body_size = self.params.max_body_size
        self._body_size = 0
        self.set_body_timeout(self.params.body_timeout)
        self._decompressing = None

    def _start_next_cycle(self) -> None:
        self._engine.start_next_cycle()
        self._next_message()

    def _begin_message(self, delegate: Any) -> Callbacks:
        params = self.params
        if params.decompress:
            delegate = DecompressingDelegate(delegate, params.chunk_size, self._max_body_size, params.max_ratio)
            self._decompressing = delegate
        return Callbacks(delegate)

    def _gone(self) -> bool:
        """Whether a delegate has detached the stream, or closed the connection."""
        return self.stream is None or self._closing

    def _answered(self) -> bool:
        """On a server: whether the response is complete."""
        return self._responded is not None and self._responded.is_set()

    async def _call(self, callback: Callable[..., Any], *args: Any) -> None:
        """Call a delegate, and send what it wants to have sent."""
        try:
            await called(callback, *args)
        except DecodingError:
            raise
        except Exception as error:
            if error is self._lost:
                raise
            raise _DelegateFailed(error) from error
        if self._out:
            await self._flush()

    def _check_length(self, headers: Headers) -> None:
        if self._max_body_size is not None and headers.content_length > self._max_body_size and not self._gone():
            raise RemoteProtocolError(f"content of more than {self._max_body_size} octets", 413)

    async def _receive_content(self, callbacks: Callbacks) -> Headers | None:
        """Give the content to the delegate.  Returns the trailers, or None if there will be no more of it."""
        most = self.params.chunk_size
        pieces: list[bytes] = []
        size = 0
        while not self._gone():
            if self._answered():
                return await self._drop_content()
            event: Event | object = NEED_DATA
            error: RemoteProtocolError | None = None
            try:
                event = self._engine.next_event()
                if isinstance(event, Data):
                    self._body_size += len(event.data)
                    if self._max_body_size is not None and self._body_size > self._max_body_size:
                        raise RemoteProtocolError(f"content of more than {self._max_body_size} octets", 413)
                    pieces.append(event.data)
                    size += len(event.data)
                    if size < most:
                        continue
            except RemoteProtocolError as raised:
                error = raised
            if pieces:
                # Small chunks are put together, but never held back for what has not come yet.
                content = b"".join(pieces)
                pieces.clear()
                size = 0
                for start in range(0, len(content), most):
                    if not self._gone() and not self._answered():
                        await self._call(callbacks.data_received, content[start : start + most])
            if error is not None:
                raise error
            if isinstance(event, EndOfMessage):
                return event.headers
            if event is NEED_DATA and not self._gone() and not self._answered():
                await self._receive(BODY)
        return None

    async def _drop_content(self) -> Headers | None:
        """Receive content that nobody wants, since the response is complete.  None if it is too much of it, or too slow."""
        engine = self._engine
        dropped = 0
        while dropped <= self.params.limits.drain:
            event = engine.next_event()
            if isinstance(event, EndOfMessage):
                return event.headers
            if isinstance(event, Data):
                dropped += len(event.data)
            else:
                try:
                    await self._receive(LINGER)
                except ReadTimeout:
                    return None
        return None

    async def _next_event(self, what: int) -> Event | object:
        """The next event of the engine, which is no content.  ``what`` is waited for until its first octet is there."""
        self._wait.begin(what, self._network.now())
        while True:
            event = self._engine.next_event()
            if event is not NEED_DATA:
                self._wait.end()
                return event
            if self._wait.what == IDLE_WAIT and self._engine.waiting_for == "head":
                self._wait.begin(HEAD, self._network.now())
            await self._receive(self._wait.what)

    async def _receive(self, what: int) -> None:
        """Receive some octets.  Raises :class:`ReadTimeout` where ``what`` has taken too long by then."""
        wait = self._wait
        now = self._network.now()
        if wait.what != what:
            wait.begin(what, now)
        wait.resume(now)
        deadline = wait.deadline()
        if what == BODY:
            deadline = min(deadline, now + self._body_seconds)
        timeout = None if deadline == NEVER else max(deadline - now, 0.0)
        try:
            data = await self._attached().read(self.params.chunk_size, timeout)
        except ReadTimeout as error:
            raise ReadTimeout(
                f"{_MISSING.get(what, 'the rest of the content')} has not come in time: {error}"
            ) from None
        after = self._network.now()
        wait.progress(len(data), after)
        if what == BODY:
            wait.pause(after)
            self._body_seconds -= after - now
        self._engine.receive_data(data)


def _failure() -> ProtocolError:
    """What a client is told of a delegate that has raised."""
    return LocalProtocolError("the server has failed", 500)
