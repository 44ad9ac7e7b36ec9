"""Values to octets: start lines, field sections and chunks (RFC 9112 §2–§7).

Everything here has been validated when its event was made.
"""

from typing import Final

from interlock.http.events import Request
from interlock.http.fields import Headers
from interlock.http.status import REASONS

__all__ = [
    "LAST_CHUNK",
    "chunk_line",
    "field_lines",
    "request_head",
    "status_line",
    "without",
]

LAST_CHUNK: Final = b"0\r\n"


def _status_lines() -> tuple[dict[int, bytes], dict[int, bytes]]:
    bare: dict[int, bytes] = {}
    full: dict[int, bytes] = {}
    for status_code in range(100, 1000):
        line = b"HTTP/1.1 %d " % status_code
        bare[status_code] = line + b"\r\n"
        full[status_code] = line + REASONS.get(status_code, b"") + b"\r\n"
    return bare, full


_LINES: Final = _status_lines()
_BARE: Final = _LINES[0]
_FULL: Final = _LINES[1]


def status_line(status_code: int, reason: bytes) -> bytes:
    """The status line, with its CRLF (RFC 9112 §4)."""
    if not reason:
        return _BARE[status_code]
    if reason == REASONS.get(status_code):
        return _FULL[status_code]
    return b"HTTP/1.1 %d %b\r\n" % (status_code, reason)


def field_lines(start_line: bytes, written: list[bytes]) -> bytes:
    """``start_line``, then a field section: its lines and the empty line behind them (RFC 9112 §5).

    ``written``: names and values in turn.
    """
    parts = [start_line]
    for i in range(0, len(written), 2):
        parts.append(written[i])
        parts.append(b": ")
        parts.append(written[i + 1])
        parts.append(b"\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)


def request_head(request: Request) -> bytes:
    """The head of a request, Host first (RFC 9110 §7.2)."""
    written = request.headers.written
    names = request.headers
    ordered: list[bytes] = []
    for i in range(len(names)):
        if names[i][0] == b"host":
            ordered.extend(written[2 * i : 2 * i + 2])
    for i in range(len(names)):
        if names[i][0] != b"host":
            ordered.extend(written[2 * i : 2 * i + 2])
    return field_lines(b"%b %b HTTP/1.1\r\n" % (request.method, request.target), ordered)


def without(headers: Headers, names: frozenset[bytes]) -> list[bytes]:
    """The fields of a section, names as written and values in turn, but for those called ``names``."""
    written = headers.written
    kept: list[bytes] = []
    for i in range(len(headers)):
        if headers[i][0] not in names:
            kept.extend(written[2 * i : 2 * i + 2])
    return kept


def chunk_line(size: int) -> bytes:
    """The line that begins a chunk of ``size`` octets (RFC 9112 §7.1)."""
    return b"%x\r\n" % size
