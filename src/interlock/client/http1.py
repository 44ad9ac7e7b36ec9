"""A client's connection of HTTP/1.1: one exchange after the other on a stream (RFC 9112).

What the octets mean is for :mod:`interlock.h1` to say, and how requests get here for ``pool.py``.  Nothing here knows
which network it is on.
"""

from collections.abc import AsyncIterable
from typing import Any, Final

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.heads import ForwardingProxy, repeatable, request_head
from interlock.client.messages import Connection, Exchange, Request, Response
from interlock.client.switched import SwitchedStream
from interlock.client.timeouts import ClientTimeouts
from interlock.client.trace import ContentTrace, tell, traced
from interlock.h1.connection import Connection as Engine
from interlock.http import events
from interlock.http.errors import RemoteProtocolError
from interlock.http.events import Data, EndOfMessage, InformationalResponse, ResponseHead
from interlock.http.fields import EXPECT_CONTINUE, Headers
from interlock.http.leniency import STRICT, Leniency
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, DONE, NEED_DATA, SWITCHED_PROTOCOL
from interlock.net.errors import NetworkError, ReadError, ReadTimeout, WriteError, WriteTimeout
from interlock.net.stream import Network, Stream

__all__ = ["ClientHTTP1Connection"]

#: Octets that are read at once.
_READ: Final = 65536
#: Octets of content that go out with the head, in one piece; more than that is sent in pieces of this size.
_PIECE: Final = 65536
#: Informational responses to one request (RFC 9110 §15.2): nothing else bounds them.
_MOST_INFORMATIONAL: Final = 64

_END: Final = EndOfMessage()
_DISCONNECTED: Final = "Server disconnected without sending a response."


class HTTP1Exchange(Exchange):
    """The content of one response.  It lets go of its connection as soon as the whole of it has come."""

    __slots__ = (
        "_connection",
        "_error",
        "_held",
        "_ready",
        "_stream",
        "_trace",
        "_trailers",
        "hold",
        "octets",
        "timeouts",
        "waited",
    )

    def __init__(
        self, connection: "ClientHTTP1Connection", stream: Stream, timeouts: ClientTimeouts, request: Request
    ) -> None:
        #: None once all of the content has come, or never will.
        self._connection: ClientHTTP1Connection | None = connection
        self._stream = stream
        self.timeouts: Final = timeouts
        #: What has come and was not taken, and what is wrong behind it.
        self._ready = b""
        self._error: Exception | None = None
        self._trailers: Headers | None = None
        #: What the rate of the content is measured by: octets, and seconds that we have waited for them.
        self.octets = 0
        self.waited = 0.0
        self._trace = None if request.trace is None else ContentTrace(request.trace, "http11", {"request": request})
        self.hold: Final = request.hold
        #: With ``hold``: the connection that can be used again once this is closed.
        self._held: ClientHTTP1Connection | None = None

    def take_rest(self) -> bytes | None:
        if self._connection is not None or self._error is not None or self._trace is not None:
            return None
        block = self._ready
        self._ready = b""
        return block

    async def read_block(self) -> bytes:
        if self._trace is not None:
            return await self._trace.read(self.read)
        return await self.read()

    async def read(self) -> bytes:
        """As :meth:`read_block`, without telling anybody."""
        block = self._ready
        if block:
            self._ready = b""
            return block
        if self._error is not None:
            raise self._error
        if self._connection is None or self._trailers is not None:
            return b""
        return await self._connection.read_block(self)

    async def aclose(self) -> None:
        if self._trace is None:
            await self._close()
        else:
            await self._trace.close(self._close)

    async def _close(self) -> None:
        connection = self._connection
        if connection is not None:
            self.fail(ReadError("the response was closed before all of it was read"))
            connection.abort()  # nothing that is still to be sent is of use now
        held = self._held
        if held is not None:
            self._held = None
            held.let_go()

    def arrived(self, block: bytes) -> None:
        """Content to be taken."""
        self._ready = block

    def complete(self, trailers: Headers) -> None:
        """All of it has come."""
        self._connection = None
        self._trailers = trailers

    def keep(self, connection: "ClientHTTP1Connection") -> None:
        """Keep the connection until this is closed."""
        self._held = connection

    def fail(self, error: Exception) -> None:
        """Nothing more will come."""
        if self._connection is not None:
            self._connection = None
            self._error = error

    def switch(self, stream: Stream) -> None:
        """The octets that follow are of another protocol: this has no content, and keeps the connection."""
        self._stream = stream
        self._trailers = _END.headers

    @property
    def trailers(self) -> Headers | None:
        return self._trailers

    @property
    def network_stream(self) -> Stream | None:
        return self._stream


class ClientHTTP1Connection(Connection):
    """One connection of HTTP/1.1.  ``stream``: connected, and TLS on it where that is wanted.

    ``proxy``: given where the other end is a proxy that forwards requests.
    """

    __slots__ = (
        "_begun",
        "_busy",
        "_closed",
        "_early",
        "_engine",
        "_exchange",
        "_idle_since",
        "_informational",
        "_network",
        "_proxy",
        "_served",
        "_stream",
    )

    def __init__(
        self,
        network: Network,
        stream: Stream,
        *,
        limits: Limits | None = None,
        leniency: Leniency = STRICT,
        proxy: ForwardingProxy | None = None,
    ) -> None:
        super().__init__()
        self._network: Final = network
        self._stream: Final = stream
        self._engine: Final = Engine(CLIENT, limits=limits, leniency=leniency)
        self._proxy: Final = proxy
        self._exchange: HTTP1Exchange | None = None
        self._busy = False
        self._closed = False
        self._idle_since = network.now()
        #: Whether an exchange was completed before.
        self._served = False
        # Of the request in progress: whether anything of its response has come, the informational ones so far, and the
        # final one if it came before the request was out.
        self._begun = False
        self._informational = 0
        self._early: ResponseHead | None = None

    # -- what a pool asks

    def room(self) -> int:
        return 0 if self._busy or self._closed else 1

    def idle_since(self) -> float | None:
        return None if self._busy or self._closed else self._idle_since

    def is_closed(self) -> bool:
        return self._closed

    def has_ended(self) -> bool:
        return bool(self._stream.get_extra_info("is_readable"))

    async def aclose(self) -> None:
        if not self._closed:
            self._end()
            try:
                await self._stream.aclose()
            finally:
                self._changed()

    def abort(self) -> None:
        if not self._closed:
            self._end()
            self._stream.abort()
            self._changed()

    def _end(self) -> None:
        self._closed = True
        exchange = self._exchange
        self._exchange = None
        if exchange is not None:
            exchange.fail(ReadError("the connection was closed before all of the response was read"))

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

    # -- a request

    async def send(self, request: Request) -> Response:
        if self._busy or self._closed:
            raise ConnectionNotAvailable("the connection is busy, or closed")
        head = request_head(request, self._proxy)
        self._busy = True
        self._begun = False
        self._informational = 0
        self._early = None
        timeouts = request.timeouts
        content = request.content
        try:
            octets = self._engine.send(head)
            assert octets is not None
            short = not content or (isinstance(content, bytes) and len(content) <= _PIECE)
            if not short or request.trace is not None or request.trailers or request.expect_continue is not None:
                event = await self._steps(request, head, octets)
            else:
                if content:
                    octets += self._engine.send(Data(content)) or b""
                octets += self._engine.send(_END) or b""
                try:
                    await self._stream.write(octets, timeouts.write)
                except WriteError:
                    self._engine.send_failed()  # there may be a response nevertheless
                event = await self._receive_head(request)
        except BaseException as error:
            self.abort()
            if request.trace is not None:
                await tell(request.trace, "http11.response_closed.started", {"request": request})
                await tell(request.trace, "http11.response_closed.complete", {"return_value": None})
            if (
                self._served
                and not self._begun
                and isinstance(error, (NetworkError, RemoteProtocolError))
                and repeatable(request)
            ):
                raise ConnectionNotAvailable("the peer closed the connection while it was idle") from error
            raise
        return self._respond(request, event)

    async def _steps(self, request: Request, head: events.Request, octets: bytes) -> ResponseHead:
        """Send what is not sent in one piece, and wait for the head of the response."""
        trace = request.trace
        info: dict[str, Any] = {"request": request}
        write = request.timeouts.write
        try:
            await traced(trace, "http11.send_request_headers", info, self._stream.write(octets, write))
            await traced(trace, "http11.send_request_body", info, self._send_content(request, head))
        except WriteError:
            self._engine.send_failed()
        except WriteTimeout:
            if self._early is None and self._stream.get_extra_info("is_readable"):
                await self._look(request)
            if self._early is None or self._early.status_code < 300:
                raise
            self._engine.send_failed()  # it has stopped reading, and says why
        return await traced(trace, "http11.receive_response_headers", info, self._receive_head(request), _describe_head)

    def _respond(self, request: Request, event: ResponseHead) -> Response:
        """The response that has begun, with as much of its content as has come."""
        exchange = HTTP1Exchange(self, self._stream, request.timeouts, request)
        self._exchange = exchange
        engine = self._engine
        if engine.their_state is SWITCHED_PROTOCOL:
            exchange.switch(SwitchedStream(self._stream, engine.trailing_data[0]))
        else:
            exchange.arrived(self._pull(exchange))
        return Response(event.status_code, event.reason, event.headers, event.http_version, exchange)

    # -- sending content

    async def _send_content(self, request: Request, head: events.Request) -> None:
        """Send the content and its end, unless there is a response that makes it pointless (RFC 9112 §9.5)."""
        if request.expect_continue is not None and head.headers.flags & EXPECT_CONTINUE:
            await self._wait_for_continue(request, request.expect_continue)
            if self._early is not None:
                return
        content = request.content
        if isinstance(content, bytes):
            for start in range(0, len(content), _PIECE):
                if not await self._send_block(request, content[start : start + _PIECE]):
                    return
        elif isinstance(content, AsyncIterable):
            if not await self._send_async_blocks(request, content):
                return
        elif content is not None:
            for block in content:
                if not await self._send_block(request, block):
                    return
        trailers = request.trailers() if callable(request.trailers) else request.trailers
        end = self._engine.send(EndOfMessage(headers=trailers) if trailers else _END)
        if end:
            await self._stream.write(end, request.timeouts.write)

    async def _send_async_blocks(self, request: Request, content: AsyncIterable[bytes]) -> bool:
        """Send blocks as they come.  Returns whether all of them were wanted.

        What makes them may have something to tidy up, and on trio nobody else has it do so.
        """
        blocks: Any = aiter(content)
        try:
            async for block in blocks:
                if not await self._send_block(request, block):
                    return False
            return True
        finally:
            if hasattr(blocks, "aclose"):
                await blocks.aclose()

    async def _send_block(self, request: Request, block: bytes) -> bool:
        """Send some content.  Returns whether more of it is wanted."""
        if isinstance(block, str):
            raise TypeError("content is octets: encode a str first")
        if not block:
            return True
        await self._stream.write(self._engine.send(Data(block)) or b"", request.timeouts.write)
        if self._early is None and self._stream.get_extra_info("is_readable"):
            await self._look(request)
        return self._early is None or self._early.status_code < 300

    async def _wait_for_continue(self, request: Request, seconds: float) -> None:
        """Give the peer so long to say whether it wants the content (RFC 9110 §10.1.1)."""
        deadline = self._network.now() + seconds
        left = seconds
        while self._early is None and self._engine.client_is_waiting_for_100_continue and left > 0:
            try:
                octets = await self._stream.read(_READ, left)
            except ReadTimeout:
                return
            self._early = self._received(request, octets)
            left = deadline - self._network.now()

    async def _look(self, request: Request) -> None:
        """See what has come while the content is being sent: perhaps the response."""
        try:
            octets = await self._stream.read(_READ, 0.0)
        except ReadTimeout:  # of TLS there may be octets that say nothing to us
            return
        self._early = self._received(request, octets)

    # -- the head of the response

    async def _receive_head(self, request: Request) -> ResponseHead:
        """The final response, or 101.  The rest of it may have come, too."""
        if self._early is not None:
            return self._early
        read = request.timeouts.read
        timeout = read
        deadline: float | None = None
        while True:
            try:
                octets = await self._stream.read(_READ, timeout)
            except ReadTimeout as error:
                if deadline is None:
                    raise
                raise ReadTimeout(f"the head of the response was not complete within {read} seconds") from error
            event = self._received(request, octets)
            if event is not None:
                return event
            if read is None or self._engine.waiting_for != "head":
                deadline = None
                timeout = read
                continue
            now = self._network.now()
            if deadline is None:
                deadline = now + read
            timeout = max(0.0, deadline - now)

    def _received(self, request: Request, octets: bytes) -> ResponseHead | None:
        """Take what has come to the engine.  Returns the final response, or 101, once its head is complete."""
        engine = self._engine
        if octets:
            self._begun = True
        elif engine.waiting_for == "idle":
            raise RemoteProtocolError(_DISCONNECTED)
        engine.receive_data(octets)
        while True:
            event = engine.next_event()
            if type(event) is events.Response:
                return event
            if event is NEED_DATA:
                return None
            assert isinstance(event, InformationalResponse)
            if event.status_code == 101:
                return event
            self._informational += 1
            if self._informational > _MOST_INFORMATIONAL:
                raise RemoteProtocolError(f"more than {_MOST_INFORMATIONAL} informational responses (RFC 9110 §15.2)")
            if request.on_informational is not None:
                request.on_informational(event)

    # -- the content of the response

    async def read_block(self, exchange: HTTP1Exchange) -> bytes:
        """The next piece of content of the response in progress; b"" at its end."""
        try:
            while True:
                grace, rate = exchange.timeouts.body_grace, exchange.timeouts.body_rate
                if grace is not None and rate is not None:
                    octets = await self._read_at_rate(exchange, grace, rate)
                else:
                    octets = await self._stream.read(_READ, exchange.timeouts.read)
                self._engine.receive_data(octets)
                block = self._pull(exchange)
                if block or exchange is not self._exchange:
                    break
        except BaseException as error:
            if isinstance(error, Exception):
                exchange.fail(error)
            self.abort()
            raise
        return block or await exchange.read()

    async def _read_at_rate(self, exchange: HTTP1Exchange, grace: float, rate: float) -> bytes:
        """The next octets, if those of the content come fast enough on the average."""
        timeouts = exchange.timeouts
        left = max(0.0, grace + exchange.octets / rate - exchange.waited)
        since = self._network.now()
        try:
            octets = await self._stream.read(_READ, left if timeouts.read is None else min(left, timeouts.read))
        except ReadTimeout as error:
            if timeouts.read is not None and timeouts.read <= left:
                raise
            raise ReadTimeout(f"the content came at less than {rate} octets a second") from error
        exchange.waited += self._network.now() - since
        exchange.octets += len(octets)
        return octets

    def _pull(self, exchange: HTTP1Exchange) -> bytes:
        """The content that has come.  What is wrong behind it is told when it was taken."""
        engine = self._engine
        block = b""
        more: list[bytes] | None = None
        try:
            while True:
                event = engine.next_event()
                if type(event) is Data:
                    if not block:
                        block = event.data
                    elif more is None:
                        more = [block, event.data]
                    else:
                        more.append(event.data)
                elif type(event) is EndOfMessage:
                    self._complete(exchange, event.headers)
                    break
                else:
                    break
        except RemoteProtocolError as error:
            exchange.fail(error)
            self.abort()
        return block if more is None else b"".join(more)

    def _complete(self, exchange: HTTP1Exchange, trailers: Headers) -> None:
        """The response is over; whether the connection goes on is for the engine to say.

        From then on others may use it.
        """
        engine = self._engine
        exchange.complete(trailers)
        self._exchange = None
        done = engine.our_state is DONE and engine.their_state is DONE
        if not done or engine.has_trailing_data:
            self.abort()
            return
        engine.start_next_cycle()
        self._served = True
        if exchange.hold:
            exchange.keep(self)
        else:
            self.let_go()

    def let_go(self) -> None:
        """The exchange is over, and nobody holds the connection any more."""
        self._idle_since = self._network.now()
        self._busy = False
        self._changed()


def _describe_head(event: ResponseHead) -> object:
    return b"HTTP/" + event.http_version, event.status_code, event.reason, event.headers.raw_items()
