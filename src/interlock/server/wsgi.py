"""The WSGI bridge: one exchange after another becomes a call of a WSGI application (PEP 3333).

Two threads meet here.  The event loop's thread calls the :class:`WSGIHandler` of an exchange as its driver has
something to say, and is the only one that calls the exchange.  A worker of the pool runs the application, and hands
over to the loop what it produces.  A worker that waits does so on a lock that exactly one call on the loop's thread
releases, whatever becomes of the connection.
"""

import asyncio
from _thread import LockType, allocate_lock
from collections.abc import Callable, Iterable
from queue import Full
from types import TracebackType
from typing import IO, Any, Final

from interlock.http.events import Data, EndOfMessage, Event, InformationalResponse
from interlock.http.fields import CHUNKED, Headers
from interlock.http.status import content_allowed
from interlock.net.exchange import Disconnected, Exchange
from interlock.server.context import ServerContext, request_line
from interlock.server.threads import ThreadPool
from interlock.server.wsgi_environ import EnvironBuilder
from interlock.server.wsgi_file import FileWrapper, region
from interlock.server.wsgi_input import Input
from interlock.server.wsgi_response import Head, field_of

__all__ = ["WSGIApplication", "WSGIHandler"]

#: A WSGI application, as loosely as PEP 3333 has it.
Application = Callable[..., Iterable[bytes]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_END: Final = EndOfMessage()


class WSGIApplication:
    """A WSGI application as a :data:`~interlock.net.exchange.HandlerFactory`."""

    __slots__ = ("_pool", "app", "context", "environ")

    def __init__(self, app: Application, context: ServerContext, pool: ThreadPool) -> None:
        """``app`` is run by the threads of ``pool``, never by that of the event loop."""
        self.app: Final = app
        self.context: Final = context
        self.environ: Final = EnvironBuilder(context, multithread=pool.threads > 1)
        self._pool: Final = pool

    def __call__(self, exchange: Exchange) -> "WSGIHandler":
        """Have the application run for ``exchange`` by the next free thread; 503 if too many wait for one."""
        handler = WSGIHandler(self, exchange)
        try:
            self._pool.submit(handler.run)
        except (Full, RuntimeError):
            exchange.call_threadsafe(handler.refuse)
        return handler


class WSGIHandler:
    """One exchange: the :class:`~interlock.net.exchange.Handler` of its driver, and the job of a worker."""

    __slots__ = (
        "_application",
        "_error",
        "_exchange",
        "_file_task",
        "_finished",
        "_handed",
        "_head",
        "_head_handed",
        "_input",
        "_left",
        "_lost",
        "_over",
        "_overrun",
        "_reason",
        "_stalled",
        "_waits",
    )

    def __init__(self, application: WSGIApplication, exchange: Exchange) -> None:
        headers = exchange.request.headers
        length = headers.content_length
        expected = length > 0 or bool(headers.flags & CHUNKED) or (length < 0 and exchange.request.http_version == b"2")
        self._application: Final = application
        self._exchange: Final = exchange
        self._input: Final = Input(exchange, expected)
        # The worker's: how far the response is.
        self._head: Head | None = None
        #: The head has been handed over.
        self._head_handed = False
        #: The end of the response has been handed over, or its abort.
        self._finished = False
        #: Octets that the application's Content-Length leaves; -1 where it gave none.
        self._left = -1
        #: More content than that has been seen, and reported.
        self._overrun = False
        #: Wait until the end of the response has been handed to the transport.  Not for one block that nothing holds back,
        #: which would cost it a switch of threads that all others have anyway.
        self._waits = True
        #: Held by the worker; released on the loop's thread when it need not wait any more, once for each wait.
        self._handed: LockType | None = None
        # The event loop's: how far the exchange is.
        #: Nothing more can be sent, and why.
        self._lost = False
        self._reason = ""
        #: EndOfMessage has been sent, or the exchange aborted.
        self._over = False
        #: A worker waits for writable().
        self._stalled = False
        self._file_task: asyncio.Task[None] | None = None
        #: Why what the worker waits for could not be sent.
        self._error: BaseException | None = None

    # The driver's side, on the event loop's thread.

    def data_received(self, data: bytes) -> None:
        """See :meth:`interlock.net.exchange.Handler.data_received`."""
        self._input.feed(data)

    def end_received(self, trailers: Headers) -> None:
        """The request is complete.  WSGI has no place for its trailers."""
        self._input.end()

    def eof_received(self) -> None:
        """A client that will ask for nothing more still gets its response."""

    def connection_lost(self, reason: str) -> None:
        """Release the worker, whatever it waits for."""
        self._lose(reason)
        if self._file_task is not None:
            self._file_task.cancel()
        self.writable()

    def writable(self) -> None:
        """Let the worker go on."""
        if self._stalled:
            self._stalled = False
            self._release()

    def _lose(self, reason: str) -> None:
        self._reason = reason
        self._lost = True
        self._input.break_off(reason)

    def refuse(self) -> None:
        """Answer that there is no thread for this."""
        self._finish(_plain(self._application.context, "503 Service Unavailable", self._exchange.request.method))
        self._exchange.ended()

    # What the worker has called on the event loop's thread.

    def _guarded(self, callback: Callable[..., object], *args: object) -> None:
        """Call what the worker waits for.  Whatever goes wrong, the worker is not left waiting."""
        try:
            callback(*args)
        except Exception as error:
            self._error = error
            self._release()

    def _send(self, events: list[Event]) -> None:
        """Send, and release the worker when the exchange wants more."""
        if self._try_send(events) and not self._exchange.writable:
            self._stalled = True
        else:
            self._release()

    def _send_file(self, events: list[Event], file: IO[bytes], offset: int, count: int) -> None:
        """Send ``events`` and part of a file, and release the worker when it is sent."""
        if not self._try_send(events):
            self._release()
            return
        # The worker closes the file: it is released only when nobody reads from it any more.
        self._file_task = asyncio.get_running_loop().create_task(self._exchange.send_file(file, offset, count))
        self._file_task.add_done_callback(self._file_sent)

    def _file_sent(self, task: "asyncio.Task[None]") -> None:
        self._file_task = None
        if task.cancelled():
            self._lose(self._reason or "the event loop is being closed")
        else:
            self._error = task.exception()
            if isinstance(self._error, Disconnected):
                self._lose(self._reason or str(self._error))
        self._release()

    def _finish(self, events: list[Event], consumed: int = 0) -> None:
        """Send the last of the response.  ``consumed``: octets taken, not yet given back."""
        if consumed and not self._lost:
            self._exchange.consumed(consumed)
        if self._try_send(events):
            self._over = True
            # What of the request's content has not been read is the driver's now.
            self._input.break_off("the response has been sent")
        elif self._error is not None:
            self._application.context.log.error("the response cannot be sent", exc_info=self._error)
            self._abort([])

    def _finish_for_worker(self, events: list[Event], consumed: int) -> None:
        """Send the last of the response, and release the worker when all of it is with the transport."""
        try:
            self._finish(events, consumed)
        finally:
            if self._over and not self._exchange.writable:
                self._stalled = True
            else:
                self._release()

    def _abort(self, events: list[Event]) -> None:
        """Send what there is, and end the response so that nobody takes it for complete."""
        if (not events or self._try_send(events)) and not self._lost and not self._over:
            self._over = True
            self._exchange.abort()
            self._input.break_off("the response has been broken off")

    def _try_send(self, events: list[Event]) -> bool:
        if self._lost or self._over:
            return False
        try:
            self._exchange.send(*events)
        except Disconnected as error:
            self._lose(str(error))
            return False
        except Exception as error:
            self._error = error
            return False
        return True

    def _release(self) -> None:
        if self._handed is not None:
            self._handed.release()

    # The worker's side.

    def run(self) -> None:
        """Run the application, unless its client has gone already."""
        try:
            if not self._lost:
                self._run()
        finally:
            self._exchange.ended()

    def _run(self) -> None:
        """Run the application, from its call to the ``close()`` of what it returned."""
        application = self._application
        result: Any = None
        close: Any = None
        try:
            environ = application.environ.build(self._exchange.request, self._exchange.peer)
            environ["wsgi.input"] = self._input
            environ["wsgi.early_hints"] = self.early_hints
            result = application.app(environ, self.start_response)
            close = getattr(result, "close", None)
            self._waits = self._handed is not None
            self._respond(result)
        except BaseException as error:
            # SystemExit as well: an application ends neither the worker nor, without an answer, the exchange.
            self._failed(error)
        if close is not None:
            try:
                close()
            except BaseException as error:
                self._report("close() of the application's iterable failed", error)

    def start_response(
        self, status: object, headers: Iterable[Any], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """PEP 3333's start_response: ``status`` like "200 OK", ``headers`` a list of (name, value), all native strings.

        Returns ``write``.

        Raises :class:`~interlock.http.errors.LocalProtocolError` for a malformed status or field, AssertionError when
        it is called again without ``exc_info``, and the exception in ``exc_info`` when the head is out already.
        """
        if exc_info:
            try:
                if self._head_handed:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                # PEP 3333: the traceback leads back to this frame.
                exc_info = None
        elif self._head is not None:
            raise AssertionError("start_response was called twice, and without exc_info (PEP 3333)")
        head = Head(self._application.context, status, headers)
        self._head = head
        self._left = head.content_length
        return self.write

    def write(self, data: bytes) -> None:
        """Send ``data``, and return when the driver has it and can take more.

        Raises :class:`~interlock.net.exchange.Disconnected` when the connection is lost.
        """
        self._block(data)

    def early_hints(self, headers: Iterable[Any]) -> None:
        """Send 103 Early Hints at once (RFC 8297), with these fields: pairs of native strings.

        Does nothing in HTTP/1.0, and when the head of the response is out.
        """
        fields = [field_of(name, value) for name, value in headers]
        if not self._head_handed and self._exchange.request.http_version != b"1.0":
            self._wait(self._send, [InformationalResponse(status_code=103, headers=fields, reason=b"Early Hints")])

    def _respond(self, result: Iterable[bytes]) -> None:
        """Send what the application returned."""
        if isinstance(result, (list, tuple)) and len(result) == 1:
            if not self._head_handed:
                self._only_block(result[0])
                return
        elif type(result) is FileWrapper and not self._finished:
            part = region(result.filelike)
            if part is not None:
                self._file(*part)
                return
        for block in result:
            if not self._block(block):
                break
        self._end()

    def _only_block(self, block: bytes) -> None:
        """The whole content in one block: everything goes out in one piece."""
        head = self._require_head()
        _require_bytes(block)
        if not self._has_content(head):
            # The length that the content of a GET has.  No content at all says nothing of it.
            self._last([self._response(head, len(block) if block and head.status_code != 204 else -1), _END])
        elif self._left < 0:
            response = self._response(head, len(block))
            self._last([response, Data(block), _END] if block else [response, _END], len(block))
        else:
            self._block(block)
            self._end()

    def _file(self, file: IO[bytes], offset: int, available: int) -> None:
        """Part of a file."""
        head = self._require_head()
        has_content = self._has_content(head)
        if self._left < 0 and not self._head_handed:
            events = self._head_events(available if head.status_code != 204 else -1)
            count = available
        else:
            events = self._head_events()
            count = available if self._left < 0 else min(self._left, available)
        if has_content and count > 0:
            self._wait(self._send_file, events, file, offset, count)
            if self._left >= 0:
                self._left -= count
            events = []
        self._end(events)

    def _block(self, block: bytes) -> bool:
        """Hand over one block, and wait until more is wanted.  Returns False when nothing more can be sent."""
        _require_bytes(block)
        if not block:
            return True
        head = self._require_head()
        if not self._has_content(head):
            if not self._finished:
                self._last([self._response(head), _END])
            return False
        left = self._left
        if left < 0:
            self._wait(self._send, [*self._head_events(), Data(block)])
            return True
        if len(block) > left and not self._overrun:
            self._overrun = True
            self._report(f"the application sends more than its Content-Length of {head.content_length} octets")
        if self._finished:
            return False
        if len(block) < left:
            self._left = left - len(block)
            self._wait(self._send, [*self._head_events(), Data(block)])
            return True
        # Complete: whatever the application does now, the client has its response.
        self._left = 0
        events = self._head_events()
        if left:
            events.append(Data(block if len(block) == left else block[:left]))
        self._last([*events, _END], len(block))
        return not self._overrun

    def _end(self, events: list[Event] | None = None) -> None:
        """There is no more content; ``events`` have to be sent before the end."""
        if self._finished:
            return
        head = self._require_head()
        has_content = self._has_content(head)
        if events is None:
            events = self._head_events(0 if has_content and self._left < 0 else -1)
        if has_content and self._left > 0:
            self._report(
                f"the application sent {head.content_length - self._left} octets,"
                f" its Content-Length is {head.content_length}"
            )
            self._finished = True
            self._post(self._abort, events)
        else:
            self._last([*events, _END])

    def _require_head(self) -> Head:
        if self._head is None:
            raise AssertionError("the application did not call start_response before its content (PEP 3333)")
        return self._head

    def _has_content(self, head: Head) -> bool:
        return content_allowed(self._exchange.request.method, head.status_code)

    def _head_events(self, length: int = -1) -> list[Event]:
        """The head, if it has not been handed over, with a Content-Length of ``length`` octets unless that is -1."""
        if self._head_handed:
            return []
        return [self._response(self._require_head(), length)]

    def _response(self, head: Head, length: int = -1) -> Event:
        self._head_handed = True
        return head.response(length if head.content_length < 0 else -1)

    def _last(self, events: list[Event], octets: int = 0) -> None:
        """Hand over the end of the response, with a block of ``octets``; wait until it is sent, unless it is at once.

        Raises :class:`Disconnected` when the connection is lost.
        """
        self._finished = True
        consumed = self._input.settle()
        if not self._lost:
            if not self._waits and self._exchange.leaves_at_once(octets):
                self._post(self._finish, events, consumed)
                return
            handed = self._lock()
            if self._post(self._finish_for_worker, events, consumed):
                handed.acquire()
        if self._lost:
            raise Disconnected(self._reason)

    def _wait(self, callback: Callable[..., object], *args: object) -> None:
        """Have the loop's thread call ``callback``, and wait until it releases us."""
        handed = self._lock()
        if not self._lost and self._post(self._guarded, callback, *args):
            handed.acquire()
        if self._lost or self._over:
            raise Disconnected(self._reason or "the response is over")
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _lock(self) -> LockType:
        """What the worker waits by.  Made before the loop's thread is asked to release it."""
        handed = self._handed
        if handed is None:
            handed = allocate_lock()
            handed.acquire()
            self._handed = handed
            self._waits = True
        return handed

    def _post(self, callback: Callable[..., object], *args: object) -> bool:
        """Have the loop's thread call ``callback``.  Returns False if there is no loop any more."""
        try:
            self._exchange.call_threadsafe(callback, *args)
        except RuntimeError:
            self._lose("the event loop is closed")
            return False
        return True

    def _failed(self, error: BaseException) -> None:
        """The application ended with ``error``: 500, or a response that is visibly broken."""
        if not (isinstance(error, Disconnected) and self._lost):
            self._report("Exception in WSGI application", error)
        if self._finished:
            return
        self._finished = True
        if self._head_handed:
            self._post(self._abort, [])
        else:
            self._head_handed = True
            context = self._application.context
            self._post(self._finish, _plain(context, "500 Internal Server Error", self._exchange.request.method))

    def _report(self, what: str, error: BaseException | None = None) -> None:
        line = request_line(self._exchange.request)
        self._application.context.log.error("%s: %s", what, line, exc_info=error)


def _require_bytes(block: object) -> None:
    if not isinstance(block, bytes):
        raise TypeError(f"content has to be bytes, not {type(block).__name__} (PEP 3333)")


def _plain(context: ServerContext, status: str, method: bytes) -> list[Event]:
    """A response of our own, with the reason phrase for content."""
    head = Head(context, status, [("Content-Type", "text/plain; charset=utf-8")])
    content = status[4:].encode("latin-1")
    response = head.response(len(content))
    if content_allowed(method, head.status_code):
        return [response, Data(content), _END]
    return [response, _END]
