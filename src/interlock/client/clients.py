"""The faces for people: a client for asyncio and trio, and one that blocks.

They say what a request is and read what comes back; connections are the pool's.  No cookies, no redirects, no
authentication, no content codings: :mod:`interlock.httpx` has httpx do all that.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from typing import Any, Final, Self, TypedDict, Unpack

from interlock.client.errors import UnsupportedProtocol
from interlock.client.messages import DEFAULT_TIMEOUTS, Content, Request, Trace
from interlock.client.pool import Pool
from interlock.client.responses import AsyncResponse, BlockingResponse
from interlock.client.timeouts import ClientTimeouts
from interlock.http.events import InformationalResponse
from interlock.http.fields import Headers, Octets, RawFields, octets_of
from interlock.net.networks import blocking_network, running_network
from interlock.net.stream import run
from interlock.net.urls import split_url, url_credentials, url_host, url_port, url_target

__all__ = ["AsyncClient", "Client", "RequestOptions"]

#: Octets of content that are read as a whole, unless told otherwise.
MAX_CONTENT: Final = 100 * 1024 * 1024

Fields = RawFields | Mapping[str, str] | Mapping[bytes, bytes]


class RequestOptions(TypedDict, total=False):
    """What a request may have beside its method and its URL."""

    #: Pairs of name and value, or a mapping.
    headers: Fields
    #: Octets, or an iterable of blocks of them.
    content: Content
    #: Fields behind the content, or what gives them when the content is over.
    trailers: RawFields | Callable[[], RawFields]
    #: The value of Priority (RFC 9218 §5), such as "u=1, i".
    priority: str
    #: Say ``Expect: 100-continue``, and wait for so many seconds for the answer before the content is sent.
    expect_continue: float
    #: How long to wait for what; otherwise the client's.
    timeouts: ClientTimeouts
    #: The name for TLS, where it is not the URL's.
    server_hostname: str
    #: Called with each informational response but 101.
    on_informational: Callable[[InformationalResponse], None]
    #: Called at each step, with its name and what it is about.
    trace: Trace
    #: The most octets of content that are read as a whole; None: no limit.  Otherwise the client's.
    max_content: int | None


#: Their names, since nobody has to run a type checker: what is not known would do nothing.
_OPTIONS: Final = frozenset(RequestOptions.__annotations__)


@lru_cache(maxsize=256)
def _parts(url: str) -> tuple[bytes, str, int, bytes]:
    """Scheme, host, port and target."""
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if scheme not in {"http", "https"}:
        raise UnsupportedProtocol(f"the URL has to begin with http:// or https://, not as {url[:64]!r}")
    split, secure = split_url(url, ("http", "https"))
    if url_credentials(split) is not None:
        raise ValueError("credentials are not taken from the URL: send them as Authorization (RFC 9110 §4.2.4)")
    return scheme.encode("ascii"), url_host(split), url_port(split, 443 if secure else 80), url_target(url, split)


def _pairs(fields: Fields) -> list[tuple[Octets, Octets]]:
    if isinstance(fields, Headers):
        return list(fields.raw_items())
    return [(name, value) for name, value in (fields.items() if isinstance(fields, Mapping) else fields)]


def _checked(timeouts: ClientTimeouts) -> ClientTimeouts:
    if not isinstance(timeouts, ClientTimeouts):
        raise TypeError(f"timeouts has to be a ClientTimeouts, not {timeouts!r}")
    return timeouts


class _Client:
    """What both faces share: how arguments become a request."""

    def __init__(self, headers: Fields, timeouts: ClientTimeouts, max_content: int | None) -> None:
        self._headers: Final = tuple(_pairs(headers))
        self._names: Final = frozenset(name for name, _ in Headers(self._headers))
        self._timeouts: Final = _checked(timeouts)
        self._max_content: Final = max_content

    def _request(self, method: str, url: str, options: RequestOptions) -> tuple[Request, int | None]:
        """The request, and how much of the content of its response is read as a whole."""
        if not options.keys() <= _OPTIONS:
            unknown = ", ".join(sorted(options.keys() - _OPTIONS))
            raise TypeError(f"a request has no option {unknown}: there are {', '.join(sorted(_OPTIONS))}")
        scheme, host, port, target = _parts(url)
        content = options.get("content")
        if isinstance(content, str):
            raise TypeError("content is octets: encode a str first")
        if isinstance(content, (bytearray, memoryview)):
            content = bytes(content)
        headers: RawFields = self._headers
        given = options.get("headers")
        if given:
            own = Headers(_pairs(given))
            names = {name for name, _ in own}
            kept = self._headers
            if not names.isdisjoint(self._names):
                kept = tuple(
                    pair
                    for pair, (name, _) in zip(self._headers, Headers(self._headers), strict=True)
                    if name not in names
                )
            headers = (*kept, *own.raw_items())
        priority = options.get("priority")
        request = Request(
            method.encode(),  # what is not ASCII is refused with all else that is no method
            scheme,
            host,
            port,
            target,
            headers,
            content,
            timeouts=_checked(options["timeouts"]) if "timeouts" in options else self._timeouts,
            trailers=options.get("trailers", ()),
            priority=None if priority is None else octets_of(priority, "priority"),
            expect_continue=options.get("expect_continue"),
            server_hostname=options.get("server_hostname"),
            on_informational=options.get("on_informational"),
            trace=options.get("trace"),
        )
        return request, options.get("max_content", self._max_content)


class AsyncClient(_Client):
    """A client for asyncio or trio, whichever runs when it is first used.

    ``headers``: fields of every request.  ``timeouts``: of every request.  ``max_content``: the most octets of content
    that are read as a whole; None: no limit.  Further arguments are :class:`~interlock.client.pool.Pool`'s.
    """

    def __init__(
        self,
        *,
        headers: Fields = (),
        timeouts: ClientTimeouts = DEFAULT_TIMEOUTS,
        max_content: int | None = MAX_CONTENT,
        **options: Any,
    ) -> None:
        super().__init__(headers, timeouts, max_content)
        self._options: Final = options
        self._pool: Pool | None = None

    @property
    def pool(self) -> Pool:
        """The connections.  Raises :class:`RuntimeError` where neither asyncio nor trio runs."""
        if self._pool is None:
            self._pool = Pool(running_network(), **self._options)
        return self._pool

    async def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """Make a request, and read all of the response.

        Raises what :meth:`Pool.send <interlock.client.pool.Pool.send>` and :meth:`AsyncResponse.read` do,
        :class:`ValueError` for a URL that is none.
        """
        request, max_content = self._request(method, url, options)
        response = AsyncResponse(await self.pool.send(request), max_content)
        await response.read()
        return response

    @asynccontextmanager
    async def stream(self, method: str, url: str, **options: Unpack[RequestOptions]) -> AsyncIterator[AsyncResponse]:
        """Make a request; the content of the response is there to be read within the block, which closes it."""
        request, max_content = self._request(method, url, options)
        response = AsyncResponse(await self.pool.send(request), max_content)
        try:
            yield response
        finally:
            await response.aclose()

    async def get(self, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """:meth:`request` with GET."""
        return await self.request("GET", url, **options)

    async def head(self, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """:meth:`request` with HEAD."""
        return await self.request("HEAD", url, **options)

    async def post(self, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """:meth:`request` with POST."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """:meth:`request` with PUT."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """:meth:`request` with PATCH."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """:meth:`request` with DELETE."""
        return await self.request("DELETE", url, **options)

    async def options(self, url: str, **options: Unpack[RequestOptions]) -> AsyncResponse:
        """:meth:`request` with OPTIONS."""
        return await self.request("OPTIONS", url, **options)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Client(_Client):
    """A client whose calls block.  Any number of threads may use it.  The arguments are :class:`AsyncClient`'s."""

    def __init__(
        self,
        *,
        headers: Fields = (),
        timeouts: ClientTimeouts = DEFAULT_TIMEOUTS,
        max_content: int | None = MAX_CONTENT,
        **options: Any,
    ) -> None:
        super().__init__(headers, timeouts, max_content)
        #: The connections.
        self.pool: Final = Pool(blocking_network(), **options)

    def _send(self, method: str, url: str, options: RequestOptions) -> BlockingResponse:
        request, max_content = self._request(method, url, options)
        if isinstance(request.content, AsyncIterable):
            raise TypeError("content that comes asynchronously needs an AsyncClient")
        return BlockingResponse(run(self.pool.send(request)), max_content)

    def request(self, method: str, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """Make a request, and read all of the response.  Raises as :meth:`AsyncClient.request` does."""
        response = self._send(method, url, options)
        response.read()
        return response

    @contextmanager
    def stream(self, method: str, url: str, **options: Unpack[RequestOptions]) -> Iterator[BlockingResponse]:
        """Make a request; the content of the response is there to be read within the block, which closes it."""
        response = self._send(method, url, options)
        try:
            yield response
        finally:
            response.close()

    def get(self, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """:meth:`request` with GET."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """:meth:`request` with HEAD."""
        return self.request("HEAD", url, **options)

    def post(self, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """:meth:`request` with POST."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """:meth:`request` with PUT."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """:meth:`request` with PATCH."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """:meth:`request` with DELETE."""
        return self.request("DELETE", url, **options)

    def options(self, url: str, **options: Unpack[RequestOptions]) -> BlockingResponse:
        """:meth:`request` with OPTIONS."""
        return self.request("OPTIONS", url, **options)

    def close(self) -> None:
        """Close all connections."""
        run(self.pool.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
