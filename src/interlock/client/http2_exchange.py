"""One request and its response on an HTTP/2 connection (RFC 9113 §8.1): content both ways, timeouts, the end of the stream.

Content is sent while the response is read: whoever waits for the one also gets on with the other.  How octets come and
go is the link's, what the head of a request is, ``http2_fields.py``'s.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.heads import repeatable
from interlock.client.http2_inbox import Inbox
from interlock.client.http2_link import HTTP2Link
from interlock.client.http2_tunnel import HTTP2Tunnel
from interlock.client.messages import Exchange, Request, Response
from interlock.client.trace import ContentTrace
from interlock.h2 import Data, EndOfMessage, Headers, PriorityUpdated, errors
from interlock.h2.priority import parse_priority
from interlock.http.fields import RawFields
from interlock.net.errors import ReadError, ReadTimeout, WriteTimeout
from interlock.net.stream import Stream

__all__ = ["HTTP2Exchange"]

#: Seconds that are over as soon as they begin: less would be lost in what a clock says.
_INSTANT: Final = 1e-6


class HTTP2Exchange(Exchange):
    """What a connection keeps of a request in progress.  One task or thread at a time reads from it."""

    __slots__ = (
        "_aiterator",
        "_closed",
        "_iterator",
        "_link",
        "_opened_at",
        "_pending",
        "_rated",
        "_request",
        "_sent_at",
        "_taken",
        "_trace",
        "_tunnel",
        "_upload",
        "_waited",
        "inbox",
    )

    def __init__(self, link: HTTP2Link, inbox: Inbox, request: Request) -> None:
        self._link: Final = link
        #: What has come.
        self.inbox: Final = inbox
        self._request: Final = request
        self._opened_at: Final = inbox.last
        #: What of the content is still to be queued; whether some of it may be gone; where its blocks come from.
        self._upload = True
        self._taken = False
        self._iterator: Iterator[bytes] | None = None
        self._aiterator: AsyncIterator[bytes] | None = None
        #: Octets of it that waited for windows when somebody looked, and since when so many.
        self._pending = 0
        self._sent_at = inbox.last
        #: Seconds in which content was waited for.
        self._waited = 0.0
        self._rated = False
        self._closed = False
        self._tunnel: HTTP2Tunnel | None = None
        info = {"request": request, "stream_id": inbox.stream_id}
        self._trace = None if request.trace is None else ContentTrace(request.trace, "http2", info)

    # -- the content of the request

    def queue_at_once(self) -> None:
        """Queue all that can be sent with the head.  The mutex is held."""
        request = self._request
        content = request.content
        if request.method == b"CONNECT":
            self._upload = False  # what follows is no content
            self.inbox.sending = True
        elif callable(request.trailers):
            self._upload = True  # it is not to be called here
        elif not content:
            self._upload = False
            self._link.engine.queue(self._end_of_message(), self.inbox.stream_id)
        elif isinstance(content, bytes) and request.expect_continue is None:
            self._upload = False
            self._queue(content)
            self._link.engine.queue(self._end_of_message(), self.inbox.stream_id)

    def _queue(self, block: bytes) -> None:
        if isinstance(block, str):
            raise TypeError("content is octets: encode a str first")
        if block:
            self._taken = True
            self._link.engine.queue(Data(block), self.inbox.stream_id)

    def _end_of_message(self) -> EndOfMessage:
        trailers: Any = self._request.trailers
        fields: RawFields = trailers() if callable(trailers) else trailers
        return EndOfMessage(headers=fields) if fields else EndOfMessage()

    async def send_content(self) -> None:
        """Send content until all of it is queued, or the head of the response has come."""
        inbox = self.inbox
        while self._upload and inbox.head is None and inbox.error is None:
            await self._get_on()

    async def _get_on(self) -> None:
        """Queue the next block of content, or wait for what has to come before that, or for something to be read."""
        link = self._link
        inbox = self.inbox
        if not self._upload:
            await self._wait(self._remaining())
            return
        if not self._taken and self._request.expect_continue is not None and not inbox.may_go_on:
            left = self._opened_at + self._request.expect_continue - link.network.now()
            if left > 0.0:
                await self._wait(left)
                return
        elif link.engine.pending(inbox.stream_id):
            # Who writes takes it; but where a window is closed, it is the peer who opens it.
            await self._wait(self._remaining(), link.stalled(inbox))
            return
        await self._send_block()

    async def _send_block(self) -> None:
        """Take the next block, and send it.  What has come meanwhile is read, too."""
        link = self._link
        inbox = self.inbox
        self._taken = True
        inbox.sending = True
        try:
            block = await self._next_block()
        except BaseException:
            # Of blocks that have come to a wrong end nobody could tell that they were not all.
            inbox.fail(ReadError("the content of the request could not be had"))
            self.drop(errors.CANCEL)
            raise
        end = self._end_of_message() if block is None or block is self._request.content else None
        if self._queued(block, end):
            await link.flush(inbox.write_timeout, inbox)
            if self._upload:
                await link.look()

    def _queued(self, block: bytes | None, end: EndOfMessage | None) -> bool:
        """Have what there is of the request sent next.  Returns whether it is still of use."""
        link = self._link
        with link.mutex:
            if self.inbox.error is not None or self._closed:
                return False
            if block is not None:
                self._queue(block)
            if end is not None:
                self._upload = False
                link.engine.queue(end, self.inbox.stream_id)
        return True

    async def _next_block(self) -> bytes | None:
        """The next block of the content, or None."""
        content: Any = self._request.content
        if content is None or isinstance(content, bytes):
            return content
        if self._iterator is None and self._aiterator is None:
            if hasattr(content, "__aiter__"):
                self._aiterator = content.__aiter__()
            else:
                self._iterator = iter(content)
        if self._aiterator is not None:
            try:
                return await self._aiterator.__anext__()
            except StopAsyncIteration:
                return None
        assert self._iterator is not None
        return next(self._iterator, None)

    # -- waiting

    def _remaining(self) -> float | None:
        """How many seconds it may still take.  Raises where it has taken too long."""
        link = self._link
        timeouts = self._request.timeouts
        now = link.network.now()
        pending = link.engine.pending(self.inbox.stream_id)
        if pending != self._pending:
            self._pending = pending
            self._sent_at = now
            self.inbox.restart(now, link.busy)
        if pending:
            if timeouts.write is None:
                return None
            left = self._sent_at + timeouts.write - now
            if left < _INSTANT:
                raise WriteTimeout(f"the server has opened no window for {timeouts.write} seconds")
            return left
        silence: float | None = None
        if timeouts.read is not None:
            since = self.inbox.last + link.busy - self.inbox.busy
            silence = since + timeouts.read - now
            if silence < _INSTANT:
                with link.mutex:
                    link.doubt(self.inbox.last)
                link.tell_change()
                raise ReadTimeout(f"the server has sent nothing for {timeouts.read} seconds")
        if self._rated and timeouts.body_rate is not None and timeouts.body_grace is not None:
            rated = timeouts.body_grace + self.inbox.octets / timeouts.body_rate - self._waited
            if rated < _INSTANT:
                raise ReadTimeout(f"the server has sent less than {timeouts.body_rate} octets a second")
            return rated if silence is None else min(silence, rated)
        return silence

    async def _wait(self, seconds: float | None, reading: bool = True) -> None:
        await self._link.wait(self.inbox, seconds, reading)

    # -- the response

    async def head(self) -> Response:
        """The final response."""
        inbox = self.inbox
        inbox.restart(self._link.network.now(), self._link.busy)
        while True:
            self._tell_informational()
            if inbox.head is not None:
                break
            if inbox.error is not None:
                raise self._error(inbox.error)
            await self._get_on()
        head = inbox.head
        if head.status_code >= 300:
            self._upload = False  # it does not want the content, whatever the content is
        if not self._taken and self._request.expect_continue is not None:
            self._upload = False  # it has not asked for the content
        return Response(head.status_code, b"", head.headers, b"2", self, inbox.stream_id)

    def _tell_informational(self) -> None:
        told = self._request.on_informational
        while self.inbox.informational:
            response = self.inbox.informational.popleft()
            if told is not None:
                told(response)

    def _error(self, error: Exception) -> Exception:
        """What a caller is told: whether the request may be made again, or what went wrong."""
        inbox = self.inbox
        request = self._request
        if inbox.head is None and not inbox.informational_responses:
            refused = inbox.refused and self._content_is_there()
            if refused or (inbox.lost and self._link.served and repeatable(request)):
                again = ConnectionNotAvailable(str(error))
                again.__cause__ = error
                return again
        return error

    def _content_is_there(self) -> bool:
        """Whether all of the content can be had once more."""
        content = self._request.content
        return not self._taken or content is None or isinstance(content, (bytes, list, tuple))

    def take_rest(self) -> bytes | None:
        inbox = self.inbox
        link = self._link
        if not inbox.ended or self._request.trace is not None or inbox.stream_id in link.inboxes or link.closing:
            return None
        rest = inbox.blocks[0] if len(inbox.blocks) == 1 else b"".join(inbox.blocks)
        inbox.blocks.clear()
        self.drop(errors.NO_ERROR)
        return rest

    async def read_block(self) -> bytes:
        if self._trace is None:
            return await self._read()
        return await self._trace.read(self._read)

    async def _read(self) -> bytes:
        inbox = self.inbox
        link = self._link
        if link.engine.has_output:  # what was taken before is made known
            await link.flush(inbox.write_timeout)
        if not inbox.blocks:
            try:
                if not await self._more():
                    await self._break_off(errors.NO_ERROR)
                    return b""
            except Exception:
                await self._break_off(errors.CANCEL)
                raise
        with link.mutex:
            block = inbox.blocks.popleft()
            link.engine.consumed(inbox.stream_id, len(block))
        return block

    async def _more(self) -> bool:
        """Wait for content.  False at its end."""
        inbox = self.inbox
        network = self._link.network
        self._rated = True
        link = self._link
        began = network.now()
        inbox.restart(began, link.busy)
        while not inbox.blocks:
            if inbox.ended:
                return False
            if inbox.error is not None:
                raise inbox.error
            if self._closed:
                raise ReadError("the response was closed here")
            sending = self._upload
            others = link.busy - inbox.own
            await self._get_on()
            now = network.now()
            if not sending:
                self._waited += now - began - (link.busy - inbox.own - others)
            began = now
        return True

    @property
    def trailers(self) -> Headers | None:
        return self.inbox.trailers

    @property
    def network_stream(self) -> Stream | None:
        head = self.inbox.head
        if self._tunnel is None and self._request.method == b"CONNECT" and head is not None and head.status_code < 300:
            self._tunnel = HTTP2Tunnel(self._link, self.inbox)
        return self._link.stream if self._tunnel is None else self._tunnel

    async def prioritize(self, priority: bytes) -> None:
        """Change the priority of the response: the value of a Priority field (RFC 9218 §7.1)."""
        wanted = parse_priority(priority)
        link = self._link
        with link.mutex:
            if self._closed or link.failure is not None:
                return
            link.engine.queue(PriorityUpdated(self.inbox.stream_id, wanted.urgency, wanted.incremental))
        await link.flush(self.inbox.write_timeout)

    # -- the end

    async def aclose(self) -> None:
        if self._trace is None:
            await self._break_off(errors.CANCEL)
        else:
            await self._trace.close(self._give_up)

    async def _give_up(self) -> None:
        await self._break_off(errors.CANCEL)

    async def _break_off(self, code: int) -> None:
        self.drop(code)
        link = self._link
        try:
            if link.engine.has_output or link.closing:
                await link.flush(self.inbox.write_timeout)
        finally:
            await self._close_source()

    async def give_up(self) -> None:
        """There will be no response for anybody."""
        await self._break_off(errors.CANCEL)

    async def _close_source(self) -> None:
        """No more blocks are wanted: what makes them may have something to tidy up, and on trio nobody else has it do so."""
        source: Any = self._aiterator
        if source is not None and hasattr(source, "aclose"):
            with contextlib.suppress(RuntimeError):  # another task is within it
                await source.aclose()

    def drop(self, code: int) -> None:
        """End the stream, if it is not over.  What is queued by that is still to be written.

        A server whose response is complete need not be sent what it has not waited for (RFC 9113 §8.1).
        """
        if self._closed:
            return
        self._closed = True
        inbox = self.inbox
        link = self._link
        with link.mutex:
            link.reset(inbox, errors.NO_ERROR if inbox.ended else code)
            link.engine.release(inbox.stream_id)
            inbox.notify()
        link.tell_change()
