"""The chunked transfer coding on its way in (RFC 9112 §7.1): sizes, extensions, content and the trailer section.

Extensions are read past and dropped (RFC 9112 §7.1.1); they and all other framing are counted against a limit.
"""

import re
from typing import Final

from mypy_extensions import mypyc_attr

from interlock.h1.buffer import ReceiveBuffer
from interlock.h1.parse import FieldSection, LineStart, check_line
from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.events import Data, EndOfMessage, Event
from interlock.http.leniency import Leniency
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


#: Chunk lines without extensions that were read before, and the sizes that they say: at most _MOST_SIZES.  Whoever sends
#: chunks mostly sends those of one size.
_SIZES: Final[dict[bytes, int]] = {}
_MOST_SIZES: Final = 256


@mypyc_attr(acyclic=True, free_list_len=1)
class ChunkedReader:
    """Reads one chunked body.  ``head`` has what the head has used of the limits that trailers share."""

    __slots__ = (
        "_begun",
        "_head",
        "_left",
        "_leniency",
        "_limits",
        "_most",
        "_overhead",
        "_section",
        "_start",
        "_where",
        "received",
    )

    def __init__(self, limits: Limits, leniency: Leniency, head: FieldSection) -> None:
        self._limits: Final = limits
        self._leniency: Final = leniency
        self._head: Final = head
        self._most: Final = _SIZE_DIGITS + limits.chunk_extension
        self._section: FieldSection | None = None
        self._start: LineStart | None = None
        self._where = _LINE
        self._left = 0
        self._begun = False
        self._overhead = 0
        #: Octets of content in the chunks begun so far, those of the current one included.
        self.received = 0

    def read(self, buffer: ReceiveBuffer) -> Event | None:
        """The next Data or EndOfMessage, or None until more has come."""
        if self._where == _END:
            if not buffer.held and buffer.data.startswith(b"\r\n", buffer.pos):
                buffer.pos += 2
                self._overhead += 2
            elif self._line(buffer, 0) is None:  # which raises where there is something else
                return None
            self._where = _LINE
        if self._where == _LINE:
            line = self._line(buffer, self._most)
            if line is None:
                return None
            self._begin(line)
        if self._where == _DATA:
            if buffer.pos == len(buffer.data) and not buffer.has_data():
                return None
            begun = self._begun
            data = buffer.take(self._left)
            left = self._left - len(data)
            if left:
                self._left = left
                self._begun = True
                return Data(data, not begun)
            self._where = _END
            return Data(data, not begun, True)
        section = self._section
        if section is None:
            section = FieldSection(self._limits, self._leniency, self._head.size, self._head.count)
            self._section = section
        if not section.read(buffer):
            return None
        return _WITHOUT_TRAILERS if section.empty else EndOfMessage(headers=section.headers(True))

    def _line(self, buffer: ReceiveBuffer, most: int) -> bytes | None:
        """The next line of at most ``most`` octets, without its CRLF; None until it is complete."""
        data = buffer.data
        pos = buffer.pos
        end = -1 if buffer.held else data.find(b"\r\n", pos, pos + most + 2)
        if end < 0:
            if not buffer.has_line():
                if self._start is None:
                    self._start = LineStart()
                self._start.examine(buffer.held, most, 400, "chunk line")
                return None
            self._start = None
            data = buffer.data
            pos = buffer.pos
            end = data.find(b"\r\n", pos, pos + most + 2)
            if end < 0:
                check_line(data[pos : data.find(b"\n", pos) + 1], most, 400, "chunk line")
        buffer.pos = end + 2
        self._overhead += end - pos + 2
        return data[pos:end]

    def _begin(self, line: bytes) -> None:
        """Go on to the chunk, or to the trailers, that a chunk line announces."""
        known = _SIZES.get(line)
        size = self._size(line) if known is None else known
        limits = self._limits
        if limits.body is not None and size > limits.body - self.received:
            raise LocalProtocolError(f"content of more than {limits.body} octets", 413)
        if self._overhead > limits.chunk_overhead and self._overhead > self.received:
            raise LocalProtocolError("more framing than content (RFC 9112 §7.1.1)")
        self.received += size
        self._left = size
        self._begun = False
        self._where = _DATA if size else _TRAILERS

    def _size(self, line: bytes) -> int:
        """The size that a chunk line says."""
        bare = len(line) > 0 and len(line) <= _SIZE_DIGITS and within(line, HEXDIG)
        digits = line if bare else self._without_extensions(line)
        size = int(digits, 16)
        if size > 0x7FFF_FFFF_FFFF_FFFF:
            raise LocalProtocolError(f"chunk size {excerpt(digits)} is beyond 2^63 - 1 (RFC 9112 §7.1)")
        if bare:
            if len(_SIZES) >= _MOST_SIZES:
                _SIZES.clear()
            _SIZES[line] = size
        return size

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
