r"""The access log: a line for each exchange, in the combined format of Apache or as JSON.

What a peer sent is escaped, so that no request can forge a line or speak to a terminal: in the combined format an octet
that is no printable ASCII, a quote or a backslash is ``\xHH``; JSON takes octets as ISO 8859-1 and has only ASCII.
Both can be turned back into the octets that were received.
"""

import json
import logging
import os
import time
from collections.abc import Callable
from typing import Final

from interlock.net.asyncio import ExchangeRecord
from interlock.net.exchange import PeerInfo
from interlock.server.errors import StartError

__all__ = ["AccessLog", "combined_line", "json_line"]


_ESCAPED: Final = [
    chr(octet) if 0x20 <= octet < 0x7F and octet not in b'"\\' else f"\\x{octet:02X}" for octet in range(0x100)
]
_PLAIN: Final = bytes(octet for octet in range(0x20, 0x7F) if octet not in b'"\\')
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _escape(octets: bytes) -> str:
    if not octets.translate(None, _PLAIN):
        return octets.decode("ascii")
    return "".join([_ESCAPED[octet] for octet in octets])


def _host(peer: PeerInfo) -> str:
    return _escape(peer.client[0].encode("utf-8", "surrogateescape")) if peer.client else "-"


class _LocalTime:
    """Apache's ``%t`` of the second it was last asked for: ``20/Nov/2026:12:42:34 +0000``, in the zone of the system."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def at(self, seconds: float) -> str:
        second = int(seconds)
        if second != self._second:
            at = time.localtime(second)
            minutes = at.tm_gmtoff // 60
            sign = "-" if minutes < 0 else "+"
            self._second = second
            self._text = (
                f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} "
                f"{sign}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
            )
        return self._text


_local_time: Final = _LocalTime()


def combined_line(record: ExchangeRecord) -> str:
    """``record`` in the combined log format, without a line end."""
    request = record.request
    line = referer = agent = "-"
    if request is not None:
        line = f"{_escape(request.method)} {_escape(request.target)} HTTP/{_escape(request.http_version)}"
        referer = _escape(request.headers.get(b"referer") or b"-")
        agent = _escape(request.headers.get(b"user-agent") or b"-")
    return (
        f'{_host(record.peer)} - - [{_local_time.at(record.started)}] "{line}" '
        f'{record.status or "-"} {record.octets_sent or "-"} "{referer}" "{agent}"'
    )


def json_line(record: ExchangeRecord) -> str:
    """``record`` as an object of JSON, without a line end: times in seconds and UTC, what is not known as null."""
    request = record.request
    peer = record.peer
    fields: dict[str, object] = {
        "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.started))}.{int(record.started * 1e6) % 10**6:06}Z",
        "client": peer.client[0] if peer.client else None,
        "scheme": peer.scheme,
        "method": None,
        "host": None,
        "target": None,
        "version": None,
        "status": record.status or None,
        "octets": record.octets_sent,
        "duration": round(record.duration, 6),
        "referer": None,
        "user_agent": None,
        "error": record.error or None,
    }
    if request is not None:
        fields["method"] = request.method.decode("latin-1")
        fields["host"] = request.headers.host.decode("latin-1") if request.headers.host_count else None
        fields["target"] = request.target.decode("latin-1")
        fields["version"] = request.http_version.decode("latin-1")
        fields["referer"] = _text(request.headers.get(b"referer"))
        fields["user_agent"] = _text(request.headers.get(b"user-agent"))
    return json.dumps(fields)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


_FORMATS: Final[dict[str, Callable[[ExchangeRecord], str]]] = {"combined": combined_line, "json": json_line}


class AccessLog:
    """A file that a line is appended to for each exchange.

    Each line is one ``write`` to a file opened for appending: the lines of several workers do not mix, and none is
    lost in a buffer when a worker is killed.
    """

    def __init__(self, path: str, log_format: str) -> None:
        """``path``: "-" is standard output.  ``log_format``: "combined" or "json".  Raises :class:`StartError`."""
        self._line = _FORMATS[log_format]
        self._path = path
        self._failed = False
        try:
            self._file = 1 if path == "-" else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise StartError(f"cannot write the access log {path}: {error.strerror}") from None

    def write(self, record: ExchangeRecord) -> None:
        """Append a line.  Where that cannot be done, an error is logged, once until it succeeds again."""
        line = f"{self._line(record)}\n".encode("ascii")
        try:
            written = os.write(self._file, line)
            while written < len(line):
                written += os.write(self._file, line[written:])
            self._failed = False
        except OSError as error:
            if not self._failed:
                logging.getLogger("interlock.error").warning("cannot write the access log %s: %s", self._path, error)
            self._failed = True

    def close(self) -> None:
        """Close the file.  Standard output stays open."""
        if self._file > 2:
            os.close(self._file)
        self._file = -1
