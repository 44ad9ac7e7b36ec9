"""Who gets what a connection receives: the delegate, and the start lines that it is told (RFC 9112 §3, §4)."""

import inspect
from collections.abc import Awaitable, Callable
from types import FunctionType
from typing import Any, Final, NamedTuple

from interlock.http.events import Request, ResponseHead
from interlock.http.fields import Headers

__all__ = ["Callbacks", "HTTPMessageDelegate", "RequestStartLine", "ResponseStartLine"]


class RequestStartLine(NamedTuple):
    """``path``: the target, in whichever form it has (RFC 9112 §3.2).  ``version``: "HTTP/1.1" or "HTTP/1.0"."""

    method: str
    path: str
    version: str = "HTTP/1.1"


class ResponseStartLine(NamedTuple):
    """``version``: "HTTP/1.1" or "HTTP/1.0"."""

    version: str
    code: int
    reason: str


def request_start_line(request: Request) -> RequestStartLine:
    """The start line of a request that was received."""
    return RequestStartLine(
        request.method.decode("ascii"), request.target.decode("latin-1"), f"HTTP/{request.http_version.decode('ascii')}"
    )


def response_start_line(response: ResponseHead) -> ResponseStartLine:
    """The start line of a response that was received."""
    version = f"HTTP/{response.http_version.decode('ascii')}"
    return ResponseStartLine(version, response.status_code, response.reason.decode("latin-1"))


class HTTPMessageDelegate:
    """What a delegate may have; it needs not be one of this class.

    Each of them may be a coroutine function, too: the next octets are read when it is done.
    """

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: Headers
    ) -> Awaitable[None] | None:
        """The head of the message; of a response the final one, or 101."""

    def informational_received(self, start_line: ResponseStartLine, headers: Headers) -> Awaitable[None] | None:
        """An informational response, any number of them before the final one (RFC 9110 §15.2).  May be missing."""

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Some of the content, never none of it."""

    def finish(self, trailers: Headers) -> Awaitable[None] | None:
        """The message is complete.  May have no parameter: then trailers are not wanted."""

    def on_connection_close(self) -> Awaitable[None] | None:
        """The message will never be complete.  Called at most once, and not after :meth:`finish`."""


class Callbacks:
    """A delegate, looked at once: which of its callbacks there are, and what they take."""

    __slots__ = ("data_received", "finish", "headers_received", "informational_received", "on_connection_close")

    def __init__(self, delegate: Any) -> None:
        self.headers_received: Final[Callable[..., Any]] = delegate.headers_received
        self.data_received: Final[Callable[..., Any]] = delegate.data_received
        self.on_connection_close: Final[Callable[..., Any]] = delegate.on_connection_close
        self.informational_received: Final[Callable[..., Any]] = getattr(delegate, "informational_received", _nothing)
        finish = delegate.finish
        self.finish: Final[Callable[..., Any]] = finish if _takes_trailers(finish) else lambda _: finish()


async def called(callback: Callable[..., Any], *args: Any) -> None:
    """Call it, and wait if it is a coroutine function, or returns something to wait for."""
    result = callback(*args)
    if result is not None and inspect.isawaitable(result):
        await result


def _nothing(*_: Any) -> None:
    """What is not wanted."""


def _takes_trailers(finish: Callable[..., Any]) -> bool:
    function = getattr(finish, "__func__", None)
    if isinstance(function, FunctionType):  # a method: to ask for its signature would take longer than a request does
        code = function.__code__
        return code.co_argcount > 1 or code.co_flags & inspect.CO_VARARGS != 0
    try:
        inspect.signature(finish).bind(None)
    except TypeError:
        return False
    except ValueError:  # it does not tell
        return True
    return True
