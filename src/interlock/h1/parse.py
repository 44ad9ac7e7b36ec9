"""Octets to values: start lines and field sections (RFC 9112 §2–§5), strictly.

Errors are found in the order of the octets, however they were cut: an octet that no line may contain (a bare CR or LF
among them) and a limit at the octet itself, even while the line has no end; the syntax of a line at its end; what the
fields of a head say together at its empty line.
"""

from typing import Final

from interlock.h1.buffer import ReceiveBuffer
from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.fields import INTERPRETED, Headers, field_name, parsed_headers
from interlock.http.leniency import Leniency
from interlock.http.limits import Limits
from interlock.http.names import KNOWN_NAMES
from interlock.http.octets import (
    DIGIT,
    FIELD_VALUE,
    NO_COLON,
    TCHAR,
    count_outside_field_value,
    outside,
    partition_lines,
    within,
)
from interlock.http.target import check_target

__all__ = [
    "FieldSection",
    "LineStart",
    "RequestLine",
    "StartLine",
    "check_line",
    "parse_request_line",
    "parse_status_line",
]

_VERSIONS: Final = {b"HTTP/1.1": b"1.1", b"HTTP/1.0": b"1.0"}

#: Methods that need no check (RFC 9110 §9.3, RFC 5789).
_METHODS: Final = frozenset(
    (
        b"GET",
        b"HEAD",
        b"POST",
        b"PUT",
        b"DELETE",
        b"OPTIONS",
        b"PATCH",
        b"CONNECT",
        b"TRACE",
    )
)


def _version(octets: bytes) -> bytes:
    """b"1.1" or b"1.0" from an HTTP-version (RFC 9112 §2.3)."""
    version = _VERSIONS.get(octets)
    if version is not None:
        return version
    if (
        len(octets) == 8
        and octets.startswith(b"HTTP/")
        and octets[6] == 0x2E
        and within(octets[5:6] + octets[7:], DIGIT)
    ):
        raise LocalProtocolError(f"HTTP version {excerpt(octets)} is not spoken here (RFC 9112 §2.3)", 505)
    raise LocalProtocolError(f"bad HTTP version {excerpt(octets)} (RFC 9112 §2.3)")


class RequestLine:
    """A request line, taken apart.  ``origin``: what :func:`~interlock.http.target.check_target` says of the target."""

    __slots__ = ("http_version", "method", "origin", "target")

    def __init__(self, method: bytes, target: bytes, http_version: bytes, origin: bytes) -> None:
        self.method: Final = method
        self.target: Final = target
        self.http_version: Final = http_version
        self.origin: Final = origin


def parse_request_line(line: bytes, obs_text: bool) -> RequestLine:
    """``method SP request-target SP HTTP-version``, exactly (RFC 9112 §3)."""
    parts = line.split(b" ")
    if len(parts) != 3:
        raise LocalProtocolError(f"a request line is method SP target SP version, not {excerpt(line)} (RFC 9112 §3)")
    method, target, version = parts
    if method not in _METHODS and (not method or not within(method, TCHAR)):
        raise LocalProtocolError(f"illegal method {excerpt(method)} (RFC 9110 §9.1)")
    http_version = _version(version)
    return RequestLine(method, target, http_version, check_target(method, target, obs_text))


def parse_status_line(line: bytes) -> tuple[bytes, int, bytes]:
    """``HTTP-version SP status-code SP [ reason-phrase ]``: (version, status code, reason) (RFC 9112 §4).

    The SP behind the status code may be missing where there is no reason, as servers have it.
    """
    version, _, rest = line.partition(b" ")
    http_version = _version(version)
    code = rest[:3]
    if len(code) != 3 or not within(code, DIGIT) or code[0] == 0x30 or (len(rest) > 3 and rest[3] != 0x20):
        raise LocalProtocolError(f"bad status line {excerpt(line)} (RFC 9112 §4)")
    if not within(rest, FIELD_VALUE):
        raise LocalProtocolError(f"illegal reason {excerpt(rest[4:])} (RFC 9112 §4)")
    return http_version, int(code), rest[4:]


class LineStart:
    """What is known of a line that has no end yet: how many of the held pieces were examined, and their octets."""

    __slots__ = ("octets", "pending_cr", "pieces")

    def __init__(self) -> None:
        self.pieces = 0
        self.octets = 0
        self.pending_cr = False

    def reset(self) -> None:
        """The line's end has come."""
        self.pieces = 0
        self.octets = 0
        self.pending_cr = False

    def examine(self, held: list[bytes], most: int, status: int, what: str) -> None:
        """Raise if a line that starts with the ``held`` pieces cannot become one of at most ``most`` octets."""
        while self.pieces < len(held):
            piece = held[self.pieces]
            self.pieces += 1
            if self.pending_cr:
                raise _bad_octet(0x0D)
            self.pending_cr = piece[-1] == 0x0D
            check_line(
                piece[:-1] if self.pending_cr else piece,
                most - self.octets,
                status,
                what,
            )
            self.octets += len(piece)


def check_line(line: bytes, most: int, status: int, what: str) -> None:
    """Raise for the first octet that does not belong into a line, or for the first beyond ``most`` octets."""
    bad = outside(line, FIELD_VALUE)
    if bad >= 0 and bad <= most:
        raise _bad_octet(line[bad])
    if len(line) > most:
        raise LocalProtocolError(f"{what} too long", status)


def _bad_octet(octet: int) -> LocalProtocolError:
    if octet == 0x0A:
        return LocalProtocolError("bare LF (RFC 9112 §2.2)")
    if octet == 0x0D:
        return LocalProtocolError("bare CR (RFC 9112 §2.2)")
    return LocalProtocolError(f"illegal octet 0x{octet:02X} (RFC 9110 §5.5)")


class StartLine:
    """A start line on its way in, with the empty lines that may stand before it (RFC 9112 §2.2)."""

    __slots__ = ("_most", "_skip", "_start")

    def __init__(self, most: int, skip: int) -> None:
        """``most``: octets that it may have.  ``skip``: how many empty lines before it are passed over."""
        self._most: Final = most
        self._skip = skip
        self._start: Final = LineStart()

    def read(self, buffer: ReceiveBuffer) -> bytes | None:
        """The line without its CRLF, or None while it is not complete."""
        while True:
            if buffer.held or buffer.incoming or buffer.pos == len(buffer.data):
                if not buffer.has_line():
                    if buffer.held and buffer.held[0][0] == 0x20:
                        raise LocalProtocolError("a start line begins with white space (RFC 9112 §2.2)")
                    self._start.examine(buffer.held, self._most, 414, "start line")
                    return None
                self._start.reset()
            data = buffer.data
            pos = buffer.pos
            end = data.find(b"\r\n", pos)
            if data[pos] == 0x20:
                raise LocalProtocolError("a start line begins with white space (RFC 9112 §2.2)")
            if end < 0:
                if buffer.has_line():
                    check_line(
                        data[pos : data.find(b"\n", pos) + 1],
                        self._most,
                        414,
                        "start line",
                    )
                continue
            buffer.pos = end + 2
            if end == pos and self._skip > 0:
                self._skip -= 1
                continue
            if end - pos > self._most:
                check_line(data[pos:end], self._most, 414, "start line")
            return data[pos:end]


class FieldSection:
    """A field section on its way in: lines are taken as they come, and each is validated once (RFC 9112 §5).

    ``size`` and ``count`` start at what the same message has used of its limits before.
    """

    __slots__ = (
        "_items",
        "_leniency",
        "_limits",
        "_parts",
        "_special",
        "_start",
        "count",
        "size",
    )

    def __init__(self, limits: Limits, leniency: Leniency, size: int, count: int) -> None:
        self._limits: Final = limits
        self._leniency: Final = leniency
        self._start: Final = LineStart()
        self._parts: list[bytes] = []
        self._items: list[tuple[bytes, bytes]] = []
        self._special = False
        #: Octets of field lines so far, each with its CRLF.
        self.size = size
        #: Fields so far.
        self.count = count

    def read(self, buffer: ReceiveBuffer) -> bool:
        """Take the lines that are complete.  Returns whether the empty line that ends the section was one of them."""
        while True:
            if buffer.held or buffer.pos == len(buffer.data):
                if not buffer.has_line():
                    self._start.examine(
                        buffer.held,
                        self._limits.head - self.size - 2,
                        431,
                        "field section",
                    )
                    return False
                self._start.reset()
            if self._leniency.obs_fold and not _unfold(buffer):
                if len(buffer.data) - buffer.pos > self._limits.head:
                    raise LocalProtocolError("field section too long", 431)
                return False
            data = buffer.data
            pos = buffer.pos
            parts = self._parts
            before = len(parts)
            behind = partition_lines(data, pos, parts)
            complete = behind >= 0
            end = behind - 2 if complete else -1 - behind
            lines = (len(parts) - before) // 2
            if (
                self.size + end - pos > self._limits.head
                or self.count + lines > self._limits.fields
                or count_outside_field_value(data, pos, end) != 2 * lines
            ):
                self._refuse(data, pos, end, before)
            self._add(before, len(parts))
            self.size += end - pos
            self.count += lines
            if complete:
                buffer.pos = behind
                return True
            buffer.pos = end
            if buffer.has_line() and buffer.data.find(b"\r\n", buffer.pos) < 0:
                line = buffer.data[buffer.pos : buffer.data.find(b"\n", buffer.pos) + 1]
                check_line(line, self._limits.head - self.size - 2, 431, "field section")

    def _add(self, first: int, behind: int) -> None:
        """Validate the names in ``_parts[first:behind]`` and add the fields.  The values' octets have been checked."""
        parts = self._parts
        items = self._items
        for i in range(first, behind, 2):
            name = parts[i]
            value = parts[i + 1]
            lower = KNOWN_NAMES.get(name)
            if lower is None or value is NO_COLON:
                lower = self._unusual(name, value)
            items.append((lower, value))
            if lower in INTERPRETED:
                self._special = True

    def _unusual(self, name: bytes, value: bytes) -> bytes:
        """The lower-case form of a name that is not a known one; or the error that says what is wrong with the line."""
        if name[:1] in (b" ", b"\t"):
            raise LocalProtocolError("a line starts with white space: line folding is obsolete (RFC 9112 §2.2, §5.2)")
        if value is NO_COLON:
            raise LocalProtocolError(f"field line without a colon: {excerpt(name)} (RFC 9112 §5)")
        if name[-1:] in (b" ", b"\t"):
            raise LocalProtocolError(f"white space before the colon: {excerpt(name)} (RFC 9112 §5.1)")
        return field_name(name)

    def _refuse(self, data: bytes, pos: int, end: int, before: int) -> None:
        """Raise for what is wrong first in the complete lines from ``pos`` to ``end``."""
        size = self.size
        at = before
        for line in data[pos : end - 2].split(b"\r\n"):
            check_line(line, self._limits.head - size - 2, 431, "field section")
            if self.count + (at - before) // 2 >= self._limits.fields:
                raise LocalProtocolError(f"more than {self._limits.fields} fields", 431)
            self._add(at, at + 2)
            at += 2
            size += len(line) + 2

    def headers(self, trailers: bool) -> Headers:
        """The section, once it is complete."""
        if self._leniency.repeated_content_length and self._special:
            self._fold_content_length()
        return parsed_headers(self._parts, self._items, self._special, trailers)

    def _fold_content_length(self) -> None:
        """Keep one Content-Length where all of them, and all members of their lists, are identical (RFC 9110 §8.6)."""
        values = [
            member.strip(b" \t")
            for name, value in self._items
            if name == b"content-length"
            for member in value.split(b",")
        ]
        if len(values) < 2 or len(set(values)) > 1:
            return
        places = [i for i, (name, _) in enumerate(self._items) if name == b"content-length"]
        for i in reversed(places[1:]):
            del self._items[i]
            del self._parts[2 * i : 2 * i + 2]
        self._items[places[0]] = (b"content-length", values[0])
        self._parts[2 * places[0] + 1] = values[0]


def _unfold(buffer: ReceiveBuffer) -> bool:
    """Replace obsolete line folding by SP (RFC 9112 §5.2), as soon as all of the section is there.  Returns whether it is."""
    data = buffer.data[buffer.pos :] + b"".join(buffer.incoming)
    buffer.data = data
    buffer.pos = 0
    buffer.incoming.clear()
    end = 0 if data.startswith(b"\r\n") else data.find(b"\r\n\r\n") + 2
    if end == 1:
        return False
    section = data[:end]
    for fold in (b"\r\n ", b"\r\n\t"):
        section = section.replace(fold, b"   ")
    buffer.data = section + data[end:]
    return True
