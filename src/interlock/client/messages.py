"""What is asked of a connection, and what it gives: the same for HTTP/1.1 and HTTP/2, asyncio, trio and threads.

Nothing here knows a network or a protocol's octets.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, Final

from mypy_extensions import mypyc_attr

from interlock.client.timeouts import ClientTimeouts
from interlock.http.events import InformationalResponse
from interlock.http.fields import Headers, RawFields
from interlock.net.stream import Stream

__all__ = ["Connection", "Content", "Exchange", "Request", "Response", "Trace"]

#: What is sent: nothing, all of it, or blocks of it.  Blocks that come asynchronously need a network that is.
Content = bytes | Iterable[bytes] | AsyncIterable[bytes] | None

#: What is told of each step: its name and what it is about.  Where it returns an awaitable, the step waits for it.
Trace = Callable[[str, dict[str, Any]], Awaitable[None] | None]

#: The timeouts of who gives none.
DEFAULT_TIMEOUTS: Final = ClientTimeouts()


class Request:
    """A request, and how it is to be made.

    ``scheme``, ``host`` and ``port`` say where the origin is; ``target`` is what stands in the request (origin-form, or
    authority-form for CONNECT, or ``*``; RFC 9112 §3.2).  ``headers`` are sent as they are, Host or ``:authority`` and the
    framing fields among them: where these are missing, they are made from the above and from ``content``.
    """

    __slots__ = (
        "content",
        "expect_continue",
        "headers",
        "hold",
        "host",
        "method",
        "on_informational",
        "port",
        "priority",
        "scheme",
        "server_hostname",
        "target",
        "timeouts",
        "trace",
        "trailers",
    )

    def __init__(
        self,
        method: bytes,
        scheme: bytes,
        host: str,
        port: int,
        target: bytes,
        headers: RawFields = (),
        content: Content = None,
        *,
        timeouts: ClientTimeouts = DEFAULT_TIMEOUTS,
        trailers: RawFields | Callable[[], RawFields] = (),
        priority: bytes | None = None,
        expect_continue: float | None = None,
        server_hostname: str | None = None,
        on_informational: Callable[[InformationalResponse], None] | None = None,
        trace: Trace | None = None,
        hold: bool = False,
    ) -> None:
        self.method = method
        #: b"http" or b"https".
        self.scheme = scheme
        #: A name, or an address without brackets.
        self.host = host
        self.port = port
        self.target = target
        self.headers = headers
        self.content = content
        self.timeouts = timeouts
        #: Sent behind the content (RFC 9110 §6.5); if callable, called when the content is over.
        self.trailers = trailers
        #: The value of Priority (RFC 9218 §5), also as PRIORITY_UPDATE where that is of use.
        self.priority = priority
        #: With Expect: 100-continue, how many seconds the content waits for an answer (RFC 9110 §10.1.1); None: no such field.
        self.expect_continue = None if expect_continue is None else float(expect_continue)
        #: The name for TLS, where it is not ``host``.
        self.server_hostname = server_hostname
        self.on_informational = on_informational
        self.trace = trace
        #: Whether a connection of HTTP/1.1 is kept for it until the response is closed, though all of it has come.
        self.hold = hold


@mypyc_attr(allow_interpreted_subclasses=True)
class Exchange:
    """What a connection keeps of a request in progress: where the content of the response comes from."""

    __slots__ = ()

    def take_rest(self) -> bytes | None:
        """What is left of the content, if all of it is here, and then that is taken; None where one has to wait for it.

        It may always be None: a short way for short content, beside :meth:`read_block`.
        """
        return None

    async def read_block(self) -> bytes:
        """The next piece of the content, as it came; b"" at its end.

        Raises :class:`~interlock.net.errors.ReadTimeout`, :class:`~interlock.net.errors.ReadError`,
        :class:`~interlock.http.errors.RemoteProtocolError`; after that the connection is of no use any more.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing more is wanted of it; may be called again.  What is not over ends the connection, or resets the stream."""
        raise NotImplementedError

    @property
    def trailers(self) -> Headers | None:
        """What came behind the content, once that is over."""
        raise NotImplementedError

    @property
    def network_stream(self) -> Stream | None:
        """The stream below: after 101, or 2xx to CONNECT, the octets on it are of another protocol, those read ahead first."""
        raise NotImplementedError


class Response:
    """The final response to a request, or 101: its head at first, the content as it is asked for."""

    __slots__ = ("exchange", "headers", "http_version", "reason", "status_code", "stream_id")

    def __init__(
        self,
        status_code: int,
        reason: bytes,
        headers: Headers,
        http_version: bytes,
        exchange: Exchange,
        stream_id: int = 0,
    ) -> None:
        self.status_code = status_code
        #: b"" in HTTP/2.
        self.reason = reason
        self.headers = headers
        #: b"1.0", b"1.1" or b"2".
        self.http_version = http_version
        self.exchange = exchange
        self.stream_id = stream_id


@mypyc_attr(allow_interpreted_subclasses=True)
class Connection:
    """What a pool knows of a connection: HTTP/1.1 and HTTP/2 have one class each."""

    __slots__ = ("on_change",)

    def __init__(self) -> None:
        #: Called, if set, when :meth:`room` has grown, when it has become idle, and when it has closed; whoever made that
        #: happen calls it, holding no lock, as it asks all of that again.  Too often does no harm.
        self.on_change: Callable[[], None] | None = None

    async def send(self, request: Request) -> Response:
        """Make a request, and wait for the head of its final response.

        Raises :class:`~interlock.client.errors.ConnectionNotAvailable` where nothing of it was sent, or where the peer has
        said that it has done nothing with it (REFUSED_STREAM, GOAWAY; RFC 9113 §8.7), or has closed a connection that had
        served others before its first octet, and the request may be repeated (RFC 9110 §9.2.2).
        Others as :meth:`Exchange.read_block`, :class:`~interlock.net.errors.WriteTimeout`,
        :class:`~interlock.net.errors.WriteError`, :class:`~interlock.http.errors.LocalProtocolError`.
        """
        raise NotImplementedError

    def room(self) -> int:
        """How many more requests it takes now: at most 1 in HTTP/1.1; 0 where it is closed, or about to be."""
        raise NotImplementedError

    def idle_since(self) -> float | None:
        """Since when it has nothing to do, by the network's clock; None while it has."""
        raise NotImplementedError

    def is_closed(self) -> bool:
        """Whether it is of no further use, whoever may still be reading from it."""
        raise NotImplementedError

    def has_ended(self) -> bool:
        """Of an idle one: whether the peer has closed it, or sent what nobody asked for."""
        raise NotImplementedError

    def retire(self) -> None:
        """Take no more requests, and end as soon as nothing is in progress, which may be at once; without waiting."""
        self.abort()

    async def aclose(self) -> None:
        """Close it, and fail what is in progress; may be called again."""
        raise NotImplementedError

    def abort(self) -> None:
        """The same without waiting, for who is cancelled or cannot wait."""
        raise NotImplementedError
