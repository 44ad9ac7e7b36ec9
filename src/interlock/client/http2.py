"""HTTP/2 for clients: one connection with many requests at a time (RFC 9113).

The same over asyncio, trio and threads.  The connection is one object in three files: ``http2_state.py`` what its exchanges
share, ``http2_link.py`` who reads and writes, and here, how requests are made.  What an exchange does is in
``http2_exchange.py``, the head of a request in ``http2_fields.py``.  Which connection a request goes to, and what becomes of
one that may be made again, is the pool's.
"""

from typing import Any, Final

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.http2_exchange import HTTP2Exchange
from interlock.client.http2_fields import head_of
from interlock.client.http2_inbox import Inbox
from interlock.client.http2_link import HTTP2Link
from interlock.client.messages import Request, Response, Trace
from interlock.client.trace import tell, traced
from interlock.h2 import Limits, errors
from interlock.h2 import Request as Head
from interlock.h2.frames import ENABLE_CONNECT_PROTOCOL
from interlock.http.errors import LocalProtocolError
from interlock.net.errors import ReadTimeout
from interlock.net.stream import Network, Stream

__all__ = ["HTTP2Connection"]

_DEFAULT_LIMITS: Final = Limits()


class HTTP2Connection(HTTP2Link):
    """One connection to a server that speaks HTTP/2, as ALPN or its owner says (RFC 9113 §3).

    Nothing is sent before the first request, and then its head goes along with our preface, since nothing is to be waited
    for (RFC 9113 §3.4).
    """

    __slots__ = ("_begun",)

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
        super().__init__(network, stream, limits, settings_timeout)
        self._begun = False

    async def send(self, request: Request) -> Response:
        """As :meth:`Connection.send` says.

        ``:protocol`` among the headers of a CONNECT makes it an extended one, which waits for the server's SETTINGS (RFC 8441).
        """
        head = head_of(request)
        if head.protocol:
            await self._wait_for_offer(request)
        elif self._begun and not self.inboxes:
            await self.look()
        if request.trace is not None:
            return await self._send_traced(request.trace, request, head)
        exchange = await self._open(request, head)
        try:
            await self.flush(request.timeouts.write, exchange.inbox)
            return await exchange.head()
        except GeneratorExit:  # nothing can be awaited any more
            exchange.drop(errors.CANCEL)
            raise
        except BaseException:
            await exchange.give_up()
            raise

    async def _send_traced(self, trace: Trace, request: Request, head: Head) -> Response:
        info: dict[str, Any] = {"request": request}
        if not self._begun:  # it goes out with the head
            await tell(trace, "http2.send_connection_init.started", info)
            await tell(trace, "http2.send_connection_init.complete", {"return_value": None})
        exchange = await self._open(request, head)
        info = {"request": request, "stream_id": exchange.inbox.stream_id}
        try:
            sent = self.flush(request.timeouts.write, exchange.inbox)
            await traced(trace, "http2.send_request_headers", info, sent)
            await traced(trace, "http2.send_request_body", info, exchange.send_content())
            return await traced(trace, "http2.receive_response_headers", info, exchange.head(), _describe_head)
        except BaseException:
            await traced(trace, "http2.response_closed", info, exchange.give_up())
            raise

    async def _open(self, request: Request, head: Head) -> HTTP2Exchange:
        """Open a stream, and queue what can be sent of the request at once."""
        with self.mutex:
            if self.room() <= 0:
                raise ConnectionNotAvailable(str(self.failure or "the connection takes no more requests now"))
            stream_id = self.engine.next_stream_id()
            self.engine.queue(head, stream_id)
            self._begun = True
            inbox = Inbox(stream_id, self.network.now(), request.timeouts.write)
            self.inboxes[stream_id] = inbox
            exchange = HTTP2Exchange(self, inbox, request)
            error: Exception | None = None
            try:
                exchange.queue_at_once()
            except Exception as raised:  # noqa: BLE001  the caller's own, from trailers
                error = raised
        if error is not None:
            await exchange.give_up()
            raise error
        return exchange

    async def _wait_for_offer(self, request: Request) -> None:
        """Wait until the server has said whether it takes an extended CONNECT (RFC 8441 §3)."""
        timeout = request.timeouts.read
        began = self.network.now()
        watcher = Inbox(0, began, request.timeouts.write)
        self.watchers.add(watcher)
        try:
            await self.flush(request.timeouts.write)
            while not self.engine.preface_received and self.failure is None:
                left = None if timeout is None else began + timeout - self.network.now()
                if left is not None and left <= 0.0:
                    raise ReadTimeout(f"the server has not sent its SETTINGS for {timeout} seconds")
                await self.wait(watcher, left)
        finally:
            self.watchers.discard(watcher)
        if self.failure is None and self.engine.peer_settings.get(ENABLE_CONNECT_PROTOCOL) != 1:
            raise LocalProtocolError("the server does not offer extended CONNECT (RFC 8441 §3)")


def _describe_head(response: Response) -> object:
    return response.status_code, response.headers.raw_items()
