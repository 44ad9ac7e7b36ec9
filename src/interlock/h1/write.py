"""Values to octets: start lines, field sections and chunks (RFC 9112 §2–§7).

Everything here has been validated when its event was made.
"""

from typing import Final

from interlock.http.events import Request
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


def field_lines(fields: list[tuple[bytes, bytes]]) -> bytes:
    """A field section: its lines, and the empty line behind them (RFC 9112 §5)."""
    lines = [b": ".join(field) for field in fields]
    lines.append(b"")
    lines.append(b"")
    return b"\r\n".join(lines)


def request_head(request: Request) -> bytes:
    """The head of a request, Host first (RFC 9110 §7.2)."""
    start = b"%b %b HTTP/1.1\r\n" % (request.method, request.target)
    headers = request.headers
    if not len(headers) or headers[0][0] == b"host":
        return start + headers.wire
    fields = headers.raw_items()
    fields.sort(key=_not_host)
    return start + field_lines(fields)


def _not_host(field: tuple[bytes, bytes]) -> bool:
    return field[0].lower() != b"host"


def without(fields: list[tuple[bytes, bytes]], names: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """``fields`` but for those called ``names``."""
    return [field for field in fields if field[0].lower() not in names]


def chunk_line(size: int) -> bytes:
    """The line that begins a chunk of ``size`` octets (RFC 9112 §7.1)."""
    return b"%x\r\n" % size
