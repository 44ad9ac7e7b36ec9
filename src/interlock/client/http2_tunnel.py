"""A stream of octets within a stream of HTTP/2, as CONNECT opens it (RFC 9113 §8.5, RFC 8441 §5)."""

import ssl
from typing import Any, Final

from interlock.client.http2_inbox import Inbox
from interlock.client.http2_link import HTTP2Link
from interlock.h2 import Data, EndOfMessage, LocalProtocolError, errors
from interlock.net.errors import connect_error, read_error, read_timeout, write_error, write_timeout
from interlock.net.stream import Stream

__all__ = ["HTTP2Tunnel"]

#: What errors call the other end.
_PEER: Final = "the other end of the tunnel"


class HTTP2Tunnel(Stream):
    """``inbox``: of a stream whose CONNECT was answered with 2xx.  Closing it leaves the connection as it is."""

    __slots__ = ("_closed", "_ended", "_inbox", "_link", "_rest")

    def __init__(self, link: HTTP2Link, inbox: Inbox) -> None:
        self._link: Final = link
        self._inbox: Final = inbox
        self._rest = b""
        self._closed = False
        self._ended = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        link = self._link
        inbox = self._inbox
        if link.engine.has_output:  # what was taken before is made known
            await link.flush(inbox.write_timeout)
        if not self._rest:
            deadline = None if timeout is None else link.network.now() + timeout
            while not inbox.blocks:
                if self._closed:
                    raise read_error(_PEER)
                if inbox.ended:
                    return b""
                if inbox.error is not None:
                    raise read_error(_PEER, inbox.error) from inbox.error
                left = None if deadline is None else deadline - link.network.now()
                if left is not None and left <= 0.0:
                    raise read_timeout(_PEER, timeout)
                await link.wait(inbox, left)
            with link.mutex:
                self._rest = inbox.blocks.popleft()
                link.engine.consumed(inbox.stream_id, len(self._rest))
        block = self._rest[:max_bytes]
        self._rest = self._rest[max_bytes:]
        return block

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        link = self._link
        inbox = self._inbox
        deadline = None if timeout is None else link.network.now() + timeout
        with link.mutex:
            if self._closed or self._ended:
                raise write_error(_PEER)
            try:
                if link.failure is None:
                    link.engine.queue(Data(buffer), inbox.stream_id)
            except LocalProtocolError as error:
                raise write_error(_PEER, inbox.error or error) from error
        await link.flush(timeout, inbox)
        while inbox.error is None and link.engine.pending(inbox.stream_id):
            left = None if deadline is None else deadline - link.network.now()
            if left is not None and left <= 0.0:
                raise write_timeout(_PEER, timeout)
            await link.wait(inbox, left, link.stalled(inbox))
        if inbox.error is not None:
            raise write_error(_PEER, inbox.error) from inbox.error

    async def aclose(self) -> None:
        if self._closed:
            return
        link = self._link
        with link.mutex:
            self._closed = True
            if link.failure is None and not self._ended and self._inbox.error is None:
                self._ended = True
                link.engine.queue(EndOfMessage(), self._inbox.stream_id)
        await link.flush(self._inbox.write_timeout)
        self._drop()
        await link.flush(self._inbox.write_timeout)

    def abort(self) -> None:
        self._closed = True
        self._drop()
        if self._link.closing:
            self._link.abort()

    def _drop(self) -> None:
        link = self._link
        with link.mutex:
            link.reset(self._inbox, errors.CANCEL)
            link.engine.release(self._inbox.stream_id)
            self._inbox.notify()
        link.tell_change()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        self.abort()
        raise connect_error("the TLS handshake in a tunnel of HTTP/2", "that is not supported")

    def get_extra_info(self, info: str) -> Any:
        inbox = self._inbox
        if info == "is_readable":
            return bool(self._closed or self._rest or inbox.blocks or inbox.ended or inbox.error)
        if info in {"client_addr", "server_addr"}:
            return self._link.stream.get_extra_info(info)
        return None
