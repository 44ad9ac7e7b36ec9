"""wsgi.input: the content of a request as a file to read from (PEP 3333).

The event loop's thread feeds it; the application's thread reads, and waits for what has not come yet.
"""

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from sys import maxsize
from typing import Final

from interlock.http.events import InformationalResponse
from interlock.net.exchange import Disconnected, Exchange

__all__ = ["Input"]

#: Octets taken by the application are given back to the driver in lots of this size, or when the reader has to wait.
_LOT: Final = 16384
#: A piece of less octets is small; so many of them in a row are joined.
_SMALL: Final = 64
_SMALL_PIECES: Final = 64


class Input:
    """The content of one request.

    Reads as io's buffered readers do: ``read(size)`` gives fewer octets only at the end.  A read raises
    :class:`~interlock.net.exchange.Disconnected` when the content will never be complete, and :class:`ValueError`
    after :meth:`close`.
    """

    __slots__ = (
        "_at",
        "_broken",
        "_closed",
        "_continue",
        "_ended",
        "_exchange",
        "_news",
        "_owed",
        "_piece",
        "_pieces",
        "_reason",
        "_small",
    )

    def __init__(self, exchange: Exchange, expected: bool) -> None:
        """``expected``: whether the request can have content.  Called on the event loop's thread."""
        self._exchange: Final = exchange
        self._pieces: Final[deque[bytes]] = deque()
        self._piece = b""
        self._at = 0
        #: How many pieces of those that came last are small.
        self._small = 0
        #: Octets that the application has taken and the driver has not been told of.
        self._owed = 0
        self._ended = not expected
        self._broken = False
        self._reason = ""
        self._closed = False
        self._continue = expected and exchange.expects_continue
        #: Free when something has come since the reader last looked; held when not.
        self._news: Final = allocate_lock() if expected else None
        if self._news is not None:
            self._news.acquire()

    # For the event loop's thread.

    def feed(self, data: bytes) -> None:
        """This much more has come."""
        if data:
            if len(data) < _SMALL:
                self._small += 1
                if self._small >= _SMALL_PIECES:
                    data = self._join(data)
            else:
                self._small = 0
            self._pieces.append(data)
            self._tell()

    def _join(self, data: bytes) -> bytes:
        """``data`` with the small pieces before it, as far as the reader has left them: an object for each is large."""
        self._small = 0
        joined = [data]
        with suppress(IndexError):  # the reader takes from the other end meanwhile
            while len(joined) < _SMALL_PIECES:
                joined.append(self._pieces.pop())
        joined.reverse()
        return b"".join(joined)

    def end(self) -> None:
        """All of it has come."""
        self._ended = True
        self._tell()

    def break_off(self, reason: str) -> None:
        """Nothing more will come.  If that was not all, who waits for more is told so, and the reason given first."""
        self._reason = self._reason or reason
        self._broken = True
        self._tell()

    # For the application's thread.

    def read(self, size: int | None = -1) -> bytes:
        """The next ``size`` octets, fewer at the end; all of them if ``size`` is negative or None."""
        return self._gather(size, line=False)

    def readline(self, size: int | None = -1) -> bytes:
        """The octets up to and with the next LF; at most ``size`` of them if it is not negative."""
        return self._gather(size, line=True)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Lines until they have ``hint`` octets together; all of them if ``hint`` is not positive or None."""
        lines = []
        left = maxsize if hint is None or hint <= 0 else hint
        while left > 0 and (line := self._gather(-1, line=True)):
            lines.append(line)
            left -= len(line)
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self._gather(-1, line=True)
        if not line:
            raise StopIteration
        return line

    def close(self) -> None:
        """Read no more."""
        self._closed = True
        self._piece = b""
        self._at = 0

    def settle(self) -> int:
        """How many octets have been taken that the driver has not been told of; the caller will tell it."""
        owed = self._owed
        self._owed = 0
        return owed

    def _gather(self, size: int | None, *, line: bool) -> bytes:
        """At most ``size`` octets, up to and with the next LF if ``line``."""
        if self._closed:
            raise ValueError("I/O operation on closed file")
        left = maxsize if size is None or size < 0 else size
        gathered = []
        while left > 0 and (self._at < len(self._piece) or self._next_piece()):
            piece = self._piece
            start = self._at
            end = start + left
            found = piece.find(b"\n", start, end) if line else -1
            if found >= 0:
                end = found + 1
            taken = piece if start == 0 and end >= len(piece) else piece[start:end]
            self._at = start + len(taken)
            left -= len(taken)
            gathered.append(taken)
            self._owed += len(taken)
            if self._owed >= _LOT:
                self._give_back()
            if found >= 0:
                break
        return gathered[0] if len(gathered) == 1 else b"".join(gathered)

    def _next_piece(self) -> bool:
        """Wait for the next piece.  Returns False at the end."""
        while True:
            # Looked at before the pieces: once it is true, none is added.
            ended = self._ended
            with suppress(IndexError):
                self._piece = self._pieces.popleft()
                self._at = 0
                return True
            self._piece = b""
            self._at = 0
            if ended or self._news is None:
                return False
            if self._broken:
                raise Disconnected(f"the request's content is not complete: {self._reason}")
            if self._owed:
                self._give_back()
            if self._continue:
                self._continue = False
                self._post(self._send_continue)
            self._news.acquire()
            if self._ended or self._broken:
                # There may be others who wait.
                self._tell()

    def _tell(self) -> None:
        """Release who waits.  Any thread."""
        news = self._news
        if news is not None and news.locked():
            # Somebody else may release it at the same time.
            with suppress(RuntimeError):
                news.release()

    def _give_back(self) -> None:
        self._post(self._exchange.consumed, self.settle())

    def _post(self, callback: Callable[..., object], *args: object) -> None:
        try:
            self._exchange.call_threadsafe(callback, *args)
        except RuntimeError:
            self.break_off("the event loop is closed")
            raise Disconnected(self._reason) from None

    def _send_continue(self) -> None:
        """On the event loop's thread: ask for the content, if the client still waits for that (RFC 9110 §10.1.1)."""
        if self._exchange.expects_continue and not self._broken:
            try:
                self._exchange.send(InformationalResponse(status_code=100, reason=b"Continue"))
            except Disconnected as error:
                self.break_off(str(error))
