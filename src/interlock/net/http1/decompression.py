"""Decoded content for a delegate: a delegate around a delegate, which works with any connection (RFC 9110 §8.4)."""

from typing import Any, Final

from interlock.http.codings import ContentDecoder, can_decode, codings_of
from interlock.http.errors import RemoteProtocolError
from interlock.http.fields import Headers
from interlock.net.http1.delegate import Callbacks, HTTPMessageDelegate, RequestStartLine, ResponseStartLine, called

__all__ = ["DecodingError", "DecompressingDelegate"]

_UNDONE: Final = frozenset((b"content-encoding", b"content-length"))


class DecodingError(RemoteProtocolError):
    """The content is not encoded as its message says, or too much comes of it."""


class DecompressingDelegate(HTTPMessageDelegate):
    """Gives ``delegate`` the content without its codings: gzip, deflate, br, zstd, and lists of them.

    The fields Content-Encoding and Content-Length, which are true no more, are left out.  A message with a coding that
    cannot be undone here stays as it is.

    ``chunk_size``: about the most octets that the delegate gets at once.  ``max_body_size``: of decoded content; None:
    no limit.  ``max_ratio``: how many octets of it a received octet may stand for, beyond the first MiB; 0: no limit.

    Its callbacks raise :class:`DecodingError`.
    """

    def __init__(
        self, delegate: Any, chunk_size: int = 65536, max_body_size: int | None = None, max_ratio: int = 100
    ) -> None:
        self._callbacks: Final = Callbacks(delegate)
        self._chunk_size: Final = chunk_size
        self._max_ratio: Final = max_ratio
        #: Counts until the first octet of content has come.
        self.max_body_size = max_body_size
        self._codings: list[str] = []
        self._decoder: ContentDecoder | None = None

    async def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: Headers) -> None:
        codings = codings_of(headers.get_all(b"content-encoding"))
        if codings and all(map(can_decode, codings)):
            self._codings = codings
            headers = Headers([item for item in headers.raw_items() if item[0].lower() not in _UNDONE])
        await called(self._callbacks.headers_received, start_line, headers)

    async def informational_received(self, start_line: ResponseStartLine, headers: Headers) -> None:
        await called(self._callbacks.informational_received, start_line, headers)

    async def data_received(self, chunk: bytes) -> None:
        if not self._codings:
            await called(self._callbacks.data_received, chunk)
            return
        decoder = self._decoder
        if decoder is None:
            try:
                decoder = ContentDecoder(self._codings, most_octets=self.max_body_size, most_ratio=self._max_ratio)
            except ValueError as error:  # too many of them
                raise DecodingError(str(error), 415) from None
            self._decoder = decoder
        decoder.receive(chunk)
        while True:
            try:
                octets = decoder.take(self._chunk_size)
            except RemoteProtocolError as error:
                raise DecodingError(str(error), error.error_status_hint) from None
            if not octets:
                return
            await called(self._callbacks.data_received, octets)

    async def finish(self, trailers: Headers) -> None:
        if self._decoder is not None:
            try:
                self._decoder.finish()
            except RemoteProtocolError as error:
                raise DecodingError(str(error), error.error_status_hint) from None
        await called(self._callbacks.finish, trailers)

    async def on_connection_close(self) -> None:
        await called(self._callbacks.on_connection_close)
