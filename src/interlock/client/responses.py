"""Responses as people read them: text, whole content with a bound, pieces as they come.

The response that connections give stands in ``messages.py``.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from interlock.client.errors import ContentTooLarge
from interlock.client.messages import Exchange, Response
from interlock.http.fields import Headers
from interlock.net.stream import Stream, run

__all__ = ["AsyncResponse", "BlockingResponse"]

_TAKEN: Final = "the content was taken in pieces, which are not kept"


class ReadableResponse:
    """What all of them have: the head, and the content once it was read."""

    __slots__ = (
        "_content",
        "_exchange",
        "_max_content",
        "_taken",
        "headers",
        "http_version",
        "reason",
        "status_code",
    )

    def __init__(self, response: Response, max_content: int | None) -> None:
        self.status_code: Final = response.status_code
        #: The reason phrase; "" where there is none.
        self.reason: Final = response.reason.decode("latin-1")
        #: The fields: a sequence of (name, value), names in lower case.
        self.headers: Final[Headers] = response.headers
        #: "HTTP/1.0", "HTTP/1.1" or "HTTP/2".
        self.http_version: Final = "HTTP/" + response.http_version.decode("ascii")
        self._exchange: Final[Exchange] = response.exchange
        self._max_content: Final = max_content
        self._content: bytes | None = None
        # Whether some of the content was taken in pieces, which are not kept.
        self._taken = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status_code} {self.reason}".rstrip() + ">"

    def header(self, name: str) -> str | None:
        """The values of the fields of this name, with commas between them (RFC 9110 §5.3); None where there is none."""
        lower = name.lower().encode("ascii")
        values = [value for each, value in self.headers if each == lower]
        return b", ".join(values).decode("latin-1") if values else None

    @property
    def content(self) -> bytes:
        """The content, as it came, content codings included.

        Raises :class:`RuntimeError` where it was not read, or was taken in pieces.
        """
        if self._content is None:
            raise RuntimeError(_TAKEN if self._taken else "the content was not read: read() does that")
        return self._content

    @property
    def text(self) -> str:
        """The content, decoded as its Content-Type says, by default as UTF-8; octets that are none become U+FFFD."""
        return self.content.decode(self._charset(), "replace")

    def _charset(self) -> str:
        for parameter in (self.header("content-type") or "").split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip().strip('"')
                try:
                    b"".decode(charset)
                except (LookupError, ValueError):
                    break
                return charset
        return "utf-8"

    @property
    def trailers(self) -> Headers | None:
        """The fields behind the content, once that is over (RFC 9110 §6.5)."""
        return self._exchange.trailers

    @property
    def network_stream(self) -> Stream | None:
        """The stream below: after 101, or 2xx to CONNECT, its octets are of another protocol."""
        return self._exchange.network_stream

    async def _read(self) -> bytes:
        """All of the content, and the end of the exchange."""
        if self._content is not None:
            return self._content
        if self._taken:
            raise RuntimeError(_TAKEN)
        most = self._max_content
        try:
            if most is not None and self.headers.content_length > most:
                raise ContentTooLarge(f"content of {self.headers.content_length} octets, more than {most}")
            content = self._exchange.take_rest()
            if content is None:
                blocks: list[bytes] = []
                size = 0
                while block := await self._exchange.read_block():
                    blocks.append(block)
                    size += len(block)
                    if most is not None and size > most:
                        break
                content = b"".join(blocks)
            if most is not None and len(content) > most:
                raise ContentTooLarge(f"content of more than {most} octets")
        finally:
            await self._exchange.aclose()
        self._content = content
        return content


class AsyncResponse(ReadableResponse):
    """A response on asyncio or trio."""

    __slots__ = ()

    async def read(self) -> bytes:
        """All of the content.

        Raises :class:`RuntimeError` where some of it was taken in pieces, :class:`ContentTooLarge` beyond ``max_content``,
        and what :meth:`~interlock.client.messages.Exchange.read_block` does.
        """
        return await self._read()

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The content in pieces, as they come."""
        if self._content is not None:
            if self._content:
                yield self._content
            return
        while block := await self._exchange.read_block():
            self._taken = True
            yield block

    async def aclose(self) -> None:
        """Nothing more of it is wanted."""
        await self._exchange.aclose()


class BlockingResponse(ReadableResponse):
    """A response on sockets that block."""

    __slots__ = ()

    def read(self) -> bytes:
        """All of the content.  Raises as :meth:`AsyncResponse.read` does."""
        return run(self._read())

    def iter_bytes(self) -> Iterator[bytes]:
        """The content in pieces, as they come."""
        if self._content is not None:
            if self._content:
                yield self._content
            return
        while block := run(self._exchange.read_block()):
            self._taken = True
            yield block

    def close(self) -> None:
        """Nothing more of it is wanted."""
        run(self._exchange.aclose())
