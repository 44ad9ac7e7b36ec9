"""HTTP/2 for clients: one connection with many requests at a time (RFC 9113).

The same over asyncio, trio and threads.  What its exchanges share is in ``http2_link.py``, what each of them does in
``http2_exchange.py``, the heads of requests in ``http2_fields.py``.  Which connection a request goes to, and what becomes of
one that may be made again, is the pool's.
"""

from collections.abc import Awaitable
from typing import Any, Final

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.http2_exchange import HTTP2Exchange
from interlock.client.http2_fields import head_of
from interlock.client.http2_inbox import Inbox
from interlock.client.http2_link import HTTP2Link
from interlock.client.messages import Connection, Request, Response, Trace
from interlock.h2 import Limits, errors
from interlock.h2 import Request as Head
from interlock.h2.frames import ENABLE_CONNECT_PROTOCOL
from interlock.http.errors import LocalProtocolError
from interlock.net.errors import ReadTimeout
from interlock.net.stream import Network, Stream

__all__ = ["HTTP2Connection"]

_DEFAULT_LIMITS: Final = Limits()


class HTTP2Connection(Connection):
    """One connection to a server that speaks HTTP/2, as ALPN or its owner says (RFC 9113 §3).

    Nothing is sent before the first request, and then its head goes along with our preface, since nothing is to be waited
    for (RFC 9113 §3.4).
    """

    __slots__ = ("_begun", "_link")

    def __init__(
        self,
        network: Network,
        stream: Stream,
        limits: Limits = _DEFAULT_LIMITS,
        *,
        settings_timeout: float | None = 10.0,
    ) -> None:
        """``stream``: a connection that nobody has sent anything on.  ``limits``: what the server may make us hold.

        ``settings_timeout``: seconds in which it has to acknowledge our SETTINGS (RFC 9113 §6.5.3).
        """
        self._link: Final = HTTP2Link(network, stream, limits, settings_timeout)
        self._begun = False

    async def send(self, request: Request) -> Response:
        """As :meth:`Connection.send` says.

        ``:protocol`` among the headers of a CONNECT makes it an extended one, which waits for the server's SETTINGS (RFC 8441).
        """
        head = head_of(request)
        link = self._link
        if head.protocol:
            await self._wait_for_offer(request)
        elif not link.inboxes and link.served:
            await link.look()
        trace = request.trace
        if trace is not None:
            return await self._send_traced(trace, request, head)
        exchange = self._open(request, head)
        try:
            await link.flush(request.timeouts.write, exchange.inbox)
            return await exchange.head()
        except BaseException:
            await self._give_up(exchange)
            raise

    async def _send_traced(self, trace: Trace, request: Request, head: Head) -> Response:
        link = self._link
        info: dict[str, Any] = {"request": request}
        if not self._begun:
            await tell(trace, "http2.send_connection_init.started", info)
            await tell(trace, "http2.send_connection_init.complete", {**info, "return_value": None})
        exchange = self._open(request, head)
        info = {"request": request, "stream_id": exchange.inbox.stream_id}
        step = "http2.send_request_headers"
        try:
            await tell(trace, step + ".started", info)
            await link.flush(request.timeouts.write, exchange.inbox)
            await tell(trace, step + ".complete", {**info, "return_value": None})
            step = "http2.send_request_body"
            await tell(trace, step + ".started", info)
            await exchange.send_content()
            await tell(trace, step + ".complete", {**info, "return_value": None})
            step = "http2.receive_response_headers"
            await tell(trace, step + ".started", info)
            response = await exchange.head()
            value = (response.status_code, response.headers.raw_items())
            await tell(trace, step + ".complete", {**info, "return_value": value})
            return response
        except BaseException as error:
            try:
                await tell(trace, step + ".failed", {**info, "exception": error})
            finally:
                await self._give_up(exchange)
            raise

    def _open(self, request: Request, head: Head) -> HTTP2Exchange:
        """Open a stream, and queue what can be sent of the request at once."""
        link = self._link
        with link.mutex:
            if self._room() <= 0:
                raise ConnectionNotAvailable(str(link.failure or "the connection takes no more requests now"))
            stream_id = link.engine.next_stream_id()
            link.engine.queue(head, stream_id)
            self._begun = True
            inbox = Inbox(stream_id, link.network.now(), request.timeouts.write)
            link.inboxes[stream_id] = inbox
            exchange = HTTP2Exchange(link, inbox, request)
            try:
                exchange.queue_at_once()
            except BaseException:
                link.reset(inbox, errors.CANCEL)
                link.leave(inbox)
                raise
            return exchange

    async def _give_up(self, exchange: HTTP2Exchange) -> None:
        exchange.drop(errors.CANCEL)
        await self._link.flush(exchange.inbox.write_timeout)

    async def _wait_for_offer(self, request: Request) -> None:
        """Wait until the server has said whether it takes an extended CONNECT (RFC 8441 §3)."""
        link = self._link
        timeout = request.timeouts.read
        began = link.network.now()
        nobody = Inbox(0, began, request.timeouts.write)
        await link.flush(request.timeouts.write)
        while not link.engine.preface_received and link.failure is None:
            left = None if timeout is None else began + timeout - link.network.now()
            if left is not None and left <= 0.0:
                raise ReadTimeout(f"the server has not sent its SETTINGS for {timeout} seconds")
            await link.wait(nobody, left)
        if link.failure is None and link.engine.peer_settings.get(ENABLE_CONNECT_PROTOCOL) != 1:
            raise LocalProtocolError("the server does not offer extended CONNECT (RFC 8441 §3)")

    # -- what a pool asks

    def _room(self) -> int:
        link = self._link
        return 0 if link.takes_no_more() else max(0, link.most_streams - link.engine.open_streams)

    def room(self) -> int:
        with self._link.mutex:
            return self._room()

    def idle_since(self) -> float | None:
        link = self._link
        return None if link.inboxes else link.idle_since

    def is_closed(self) -> bool:
        return self._link.takes_no_more()

    def has_ended(self) -> bool:
        """Whether the server has closed it, as far as that was read: :meth:`send` reads what came since, before it asks.

        A server may send PING, SETTINGS or WINDOW_UPDATE at any time, so that there is something to read means nothing.
        """
        return self._link.takes_no_more()

    async def aclose(self) -> None:
        await self._link.aclose()

    def abort(self) -> None:
        self._link.abort()


async def tell(trace: Trace, name: str, info: dict[str, Any]) -> None:
    """Tell of a step."""
    told = trace(name, info)
    if isinstance(told, Awaitable):
        await told
