"""The chunked transfer coding on its way in (RFC 9112 §7.1): sizes, extensions, content and the trailer section.

Extensions are read past and dropped (RFC 9112 §7.1.1); they and all other framing are counted against a limit.
"""

import re
from typing import Final

from interlock.h1.buffer import ReceiveBuffer
from interlock.h1.parse import FieldSection, LineStart, check_line
from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.events import Data, EndOfMessage, Event
from interlock.http.limits import Limits
from interlock.http.octets import HEXDIG, within

__all__ = ["ChunkedReader"]

#: Hexadecimal digits of a chunk size, at most.
_SIZE_DIGITS: Final = 16

#: chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )   (RFC 9112 §7.1.1)
#: chunk-ext-name = token, chunk-ext-val = token / quoted-string.  Possessive: it never backtracks.
_EXTENSIONS: Final = re.compile(
    rb"(?:[ \t]*+;[ \t]*+[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
    rb"(?:[ \t]*+=[ \t]*+(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
    rb'|"(?:[\t \x21\x23-\x5B\x5D-\x7E\x80-\xFF]|\\[\t \x21-\x7E\x80-\xFF])*+"))?+)*+'
)

_WITHOUT_TRAILERS: Final = EndOfMessage()

_LINE: Final = 0  # waiting for a chunk line
_DATA: Final = 1  # inside a chunk
_END: Final = 2  # waiting for the CRLF behind a chunk's data
_TRAILERS: Final = 3


class ChunkedReader:
    """Reads one chunked body.  ``section`` has what the head has used of the limits that trailers share."""

    __slots__ = (
        "_begun",
        "_left",
        "_limits",
        "_most",
        "_overhead",
        "_section",
        "_start",
        "_where",
        "received",
    )

    def __init__(self, limits: Limits, section: FieldSection) -> None:
        self._limits: Final = limits
        self._most: Final = _SIZE_DIGITS + limits.chunk_extension
        self._section: Final = section
        self._start: Final = LineStart()
        self._where = _LINE
        self._left = 0
        self._begun = False
        self._overhead = 0
        #: Octets of content in the chunks begun so far, those of the current one included.
        self.received = 0

    def read(self, buffer: ReceiveBuffer) -> Event | None:
        """The next Data or EndOfMessage, or None until more has come."""
        while True:
            if self._where == _DATA:
                if not buffer.has_data():
                    return None
                data = buffer.take(self._left)
                begun = self._begun
                self._begun = True
                self._left -= len(data)
                if self._left == 0:
                    self._where = _END
                return Data(data, not begun, self._left == 0)
            if self._where == _TRAILERS:
                if not self._section.read(buffer):
                    return None
                trailers = self._section.headers(True)
                return EndOfMessage(headers=trailers) if len(trailers) else _WITHOUT_TRAILERS
            line = self._line(buffer, 0 if self._where == _END else self._most)
            if line is None:
                return None
            self._overhead += len(line) + 2
            if self._where == _END:
                if line:
                    raise LocalProtocolError(f"no CRLF behind a chunk but {excerpt(line)} (RFC 9112 §7.1)")
                self._where = _LINE
            else:
                self._begin(line)

    def _line(self, buffer: ReceiveBuffer, most: int) -> bytes | None:
        """The next line of at most ``most`` octets, without its CRLF; None until it is complete."""
        data = buffer.data
        pos = buffer.pos
        end = -1 if buffer.held else data.find(b"\r\n", pos, pos + most + 2)
        if end < 0:
            if not buffer.has_line():
                self._start.examine(buffer.held, most, 400, "chunk line")
                return None
            self._start.reset()
            data = buffer.data
            pos = buffer.pos
            end = data.find(b"\r\n", pos, pos + most + 2)
            if end < 0:
                check_line(data[pos : data.find(b"\n", pos) + 1], most, 400, "chunk line")
        buffer.pos = end + 2
        return data[pos:end]

    def _begin(self, line: bytes) -> None:
        """Go on to the chunk, or to the trailers, that a chunk line announces."""
        digits = line
        if not line or len(line) > _SIZE_DIGITS or not within(line, HEXDIG):
            digits = self._without_extensions(line)
        size = int(digits, 16)
        if size > 0x7FFF_FFFF_FFFF_FFFF:
            raise LocalProtocolError(f"chunk size {excerpt(digits)} is beyond 2^63 - 1 (RFC 9112 §7.1)")
        if self._limits.body is not None and size > self._limits.body - self.received:
            raise LocalProtocolError(f"content of more than {self._limits.body} octets", 413)
        if self._overhead > max(self._limits.chunk_overhead, self.received):
            raise LocalProtocolError("more framing than content (RFC 9112 §7.1.1)")
        self.received += size
        self._left = size
        self._begun = False
        self._where = _DATA if size else _TRAILERS

    def _without_extensions(self, line: bytes) -> bytes:
        """The chunk size of a line that is more than that."""
        check_line(line, len(line), 400, "chunk line")
        at = len(line)
        for delimiter in (b";", b" ", b"\t"):
            found = line.find(delimiter)
            if 0 <= found < at:
                at = found
        if not at or at > _SIZE_DIGITS or not within(line[:at], HEXDIG):
            raise LocalProtocolError(f"bad chunk size {excerpt(line)} (RFC 9112 §7.1)")
        if len(line) - at > self._limits.chunk_extension or not _EXTENSIONS.fullmatch(line, at):
            raise LocalProtocolError(f"bad chunk extension {excerpt(line[at:])} (RFC 9112 §7.1.1)")
        return line[:at]
