"""A server within memory for a client's connections: it says what it was told to say, piece by piece, and listens to nothing."""

import contextlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from interlock.net.errors import ReadTimeout
from interlock.net.stream import Network, SocketOption, Stream

__all__ = ["MemoryNetwork", "MemoryStream"]


class MemoryStream(Stream):
    """``answers``: what comes behind each write, in pieces, one for each read; b"" is the end.

    Where nothing more comes a read times out.
    """

    def __init__(self, answers: Iterable[Iterable[bytes]]) -> None:
        self.closed = False
        self.written = bytearray()
        self._answers = iter(answers)
        self._pieces: list[bytes] = []

    def arrive(self, piece: bytes) -> None:
        """Have a piece come that nothing was written for."""
        self._pieces.append(piece)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        assert not self.closed
        if not self._pieces:
            raise ReadTimeout("nothing comes")
        piece = self._pieces[0]
        if len(piece) > max_bytes:
            self._pieces[0] = piece[max_bytes:]
        elif piece:
            self._pieces.pop(0)
        return piece[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert not self.closed
        self.written += buffer
        self._pieces.extend(next(self._answers, ()))

    async def aclose(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def get_extra_info(self, info: str) -> Any:
        return bool(self._pieces) if info == "is_readable" else None


class MemoryNetwork(Network):
    """A network whose clock stands.  ``answers``: for each connection, what its :class:`MemoryStream` says."""

    def __init__(self, answers: Sequence[Iterable[Iterable[bytes]]] = ()) -> None:
        self._answers = iter(answers)
        #: The streams of the connections so far.
        self.streams: list[MemoryStream] = []

    def now(self) -> float:
        return 1000.0

    def mutex(self) -> AbstractContextManager[object]:
        return contextlib.nullcontext()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] = (),
    ) -> Stream:
        self.streams.append(MemoryStream(next(self._answers)))
        return self.streams[-1]
