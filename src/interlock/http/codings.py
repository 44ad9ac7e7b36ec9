"""Content codings, undone as the octets come: gzip, deflate, br and zstd, and lists of them (RFC 9110 §8.4).

A few octets can stand for gigabytes.  So nothing is made before it is asked for, and no more at once than was asked for;
and there is a limit for all of it, and for how many octets one received octet may stand for.

Encoding is not here, nor what a message says about its codings.
"""

import importlib
import zlib
from collections.abc import Sequence
from typing import Any, Final, final

from interlock.http.errors import RemoteProtocolError
from interlock.http.fields import comma_list

__all__ = ["ContentDecoder", "can_decode", "codings_of"]

#: Octets that may come of little input, before the ratio counts.
_GRACE: Final = 1048576
#: Codings that were laid one upon another; nobody needs more than two.
_MOST_CODINGS: Final = 4
#: Octets of content that a further member, or frame, costs as much as: there can be any number of them, with nothing in them.
_MEMBER: Final = 2048
#: Octets of zstd that are decoded at once: each block of four octets or more can become 128 KiB (RFC 8878 §3.1.1.2).
_ZSTD_PIECE: Final = 64
#: The largest window that a decoder has to have (RFC 9659 §3).
_ZSTD_WINDOW: Final = 8388608
#: The wbits of zlib for gzip, zlib's own format, and none (RFC 1952, RFC 1950, RFC 1951).
_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15


def _library(*names: str) -> Any:
    """The first of these modules that is there; None without any."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_brotli: Final[Any] = _library("brotli", "brotlicffi")
_zstandard: Final[Any] = _library("zstandard")


class Coding:
    """One coding being undone.  ``name``: its registered name."""

    def __init__(self, name: str) -> None:
        self.name: Final = name
        #: Octets that were given and not yet decoded.
        self.input = b""
        #: Whether any were ever given, and whether all of it is decoded.
        self.begun = False
        self.done = False
        #: Octets that came out of it, and the members, or frames, behind the first.
        self.made = 0
        self.members = 0

    def receive(self, data: bytes) -> None:
        """Give it more octets."""
        if data:
            self.begun = True
            self.input = self.input + data if self.input else data

    def take(self, most: int) -> bytes:
        """Some octets of the content, about ``most`` of them at the most; b"" if there are none without more input."""
        raise NotImplementedError

    def finish(self) -> None:
        """There is no more input.  Raises :class:`RemoteProtocolError` unless it was complete; none at all is."""
        if self.begun and not self.done:
            raise RemoteProtocolError(f"the content ends in the midst of its {self.name} coding (RFC 9110 §8.4.1)")

    def bad(self, error: object) -> RemoteProtocolError:
        """What to raise for content that was not encoded like this."""
        return RemoteProtocolError(f"the content is not valid {self.name}: {error} (RFC 9110 §8.4.1)")


@final
class _Deflate(Coding):
    """gzip with any number of members (RFC 1952 §2.2); deflate, with the header of zlib or, as many send it, without."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._inflater: Any = zlib.decompressobj(_GZIP) if name == "gzip" else None
        # Whether it may have more to give although there is no input.
        self._more = False

    def take(self, most: int) -> bytes:
        if self._inflater is None:
            if len(self.input) < 2:
                return b""
            first = self.input[0]
            zlib_header = first & 0x0F == 8 and (first << 8 | self.input[1]) % 31 == 0
            self._inflater = zlib.decompressobj(_ZLIB if zlib_header else _RAW)
        while self.input or self._more:
            if self.done:
                self._next_member()
            try:
                octets: bytes = self._inflater.decompress(self.input, most)
            except zlib.error as error:
                raise self.bad(error) from None
            self._more = len(octets) >= most
            self.input = self._inflater.unconsumed_tail
            if self._inflater.eof:
                self.done = True
                self._more = False
                self.input = self._inflater.unused_data
            if octets:
                return octets
        return b""

    def _next_member(self) -> None:
        if self.name != "gzip":
            raise self.bad("there are octets behind its end")
        self._inflater = zlib.decompressobj(_GZIP)
        self.done = False
        self.members += 1


@final
class _Brotli(Coding):
    """br (RFC 7932)."""

    def __init__(self) -> None:
        super().__init__("br")
        self._decompressor: Any = _brotli.Decompressor()
        # Whether it may have more to give although there is no input.
        self._more = False

    def take(self, most: int) -> bytes:
        decompressor = self._decompressor
        while self.input or self._more:
            data = b""
            if self.input and decompressor.can_accept_more_data():
                if self.done:
                    raise self.bad("there are octets behind its end")
                data = self.input
                self.input = b""
            try:
                octets: bytes = decompressor.process(data, output_buffer_limit=most)
            except _brotli.error as error:
                raise self.bad(error) from None
            self.done = decompressor.is_finished()
            self._more = not self.done and (bool(octets) or not decompressor.can_accept_more_data())
            if octets:
                return octets
        return b""


@final
class _Zstd(Coding):
    """zstd, with any number of frames (RFC 8878 §3)."""

    def __init__(self) -> None:
        super().__init__("zstd")
        self._decompressor: Any = None
        self._ready = b""
        self._taken = 0

    def take(self, most: int) -> bytes:
        while self._taken >= len(self._ready):
            if not self.input:
                return b""
            if self._decompressor is None:
                self._decompressor = _zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
                self.members += self.done
                self.done = False
            piece = self.input[:_ZSTD_PIECE]
            self.input = self.input[_ZSTD_PIECE:]
            try:
                self._ready = self._decompressor.decompress(piece)
            except _zstandard.ZstdError as error:
                raise self.bad(error) from None
            self._taken = 0
            if self._decompressor.eof:
                self.input = self._decompressor.unused_data + self.input
                self._decompressor = None
                self.done = True
        octets = self._ready[self._taken : self._taken + most]
        self._taken += len(octets)
        return octets


def can_decode(coding: str) -> bool:
    """Whether a coding, by its name in lower case, can be undone here: br and zstd need a library each."""
    if coding == "br":
        # Before 1.2 it could not be told to stop.
        return _brotli is not None and hasattr(_brotli.Decompressor, "can_accept_more_data")
    if coding == "zstd":
        return _zstandard is not None
    return coding in {"gzip", "x-gzip", "deflate", "identity"}


def codings_of(values: Sequence[bytes]) -> list[str]:
    """The codings that the Content-Encoding fields of a message name, in the order in which they were applied."""
    return [coding.decode("latin-1").lower() for value in values for coding in comma_list(value)]


def _coding(name: str) -> Coding:
    if name == "br":
        return _Brotli()
    if name == "zstd":
        return _Zstd()
    return _Deflate("deflate" if name == "deflate" else "gzip")


@final
class ContentDecoder:
    """The codings of one message, undone.

    ``codings``: in the order in which they were applied, as :func:`codings_of` gives them.  ``most_octets``: of all
    decoded content; None: no limit.  ``most_ratio``: octets of content that an octet received may stand for on the
    average, once there is 1 MiB of content; 0: no limit.  Both hold for each coding by itself, so that nothing is hidden
    between two of them; and members without content count, too.

    Raises :class:`ValueError` for a coding that :func:`can_decode` does not know, and for more than four.
    """

    def __init__(self, codings: Sequence[str], *, most_octets: int | None = None, most_ratio: int = 100) -> None:
        names = [name for name in codings if name != "identity"]
        for name in names:
            if not can_decode(name):
                raise ValueError(f"content coding {name!r} cannot be undone here")
        if len(names) > _MOST_CODINGS:
            raise ValueError(f"{len(names)} content codings, one upon another")
        # What was applied last is undone first.
        self._steps: Final = [_coding(name) for name in reversed(names)]
        self._most_octets = -1 if most_octets is None else most_octets
        self._most_ratio: Final = most_ratio
        self._plain = b""
        #: Octets that were received, and that were made of them.
        self.received = 0
        self.decoded = 0

    def receive(self, data: bytes) -> None:
        """Take octets as they came; :meth:`take` gives what they stand for."""
        self.received += len(data)
        if self._steps:
            self._steps[0].receive(data)
        else:
            self._plain += data

    def take(self, most: int) -> bytes:
        """Some octets of the content, at most about ``most`` of them; b"" if more has to be received first.

        Raises :class:`RemoteProtocolError` for what is not encoded as was said, and, with 413, beyond a limit.
        """
        if not self._steps:
            octets = self._plain[:most]
            self._plain = self._plain[most:]
            self._check(self.decoded + len(octets), 0)
        else:
            octets = self._take(len(self._steps) - 1, most)
        self.decoded += len(octets)
        return octets

    def _check(self, made: int, members: int) -> None:
        """Hold what came out of a step against the limits."""
        if 0 <= self._most_octets < made:
            raise RemoteProtocolError(f"decoded content of more than {self._most_octets} octets", 413)
        if self._most_ratio and made + members * _MEMBER > max(_GRACE, self.received * self._most_ratio):
            raise RemoteProtocolError(
                f"content of more than {self._most_ratio} times the octets that it was encoded in", 413
            )

    def _take(self, index: int, most: int) -> bytes:
        """What comes out of a step; what goes into it comes out of the one before."""
        step = self._steps[index]
        while True:
            octets = step.take(most)
            step.made += len(octets)
            self._check(step.made, step.members)
            if octets or not index:
                return octets
            data = self._take(index - 1, most)
            if not data:
                return b""
            step.receive(data)

    def finish(self) -> None:
        """The message is complete; all was taken.  Raises :class:`RemoteProtocolError` unless the codings are too."""
        for step in self._steps:
            step.finish()
