"""Octets to values: start lines and field sections (RFC 9112 §2–§5), strictly.

Errors are found in the order of the octets, however they were cut: an octet that no line may contain (a bare CR or LF
among them) and a limit at the octet itself, even while the line has no end; the syntax of a line at its end; what the
fields of a head say together at its empty line.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from interlock.h1.buffer import ReceiveBuffer
from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.fields import Headers, field_name
from interlock.http.leniency import Leniency
from interlock.http.limits import Limits
from interlock.http.names import INTERPRETED, KNOWN_NAMES, PLAIN_NAMES
from interlock.http.octets import (
    DIGIT,
    FIELD_VALUE,
    TCHAR,
    FieldLines,
    outside,
    split_field_lines,
    within,
)
from interlock.http.target import check_target

__all__ = [
    "FieldSection",
    "LineStart",
    "StartLine",
    "check_line",
    "parse_request_line",
    "parse_status_line",
]

_VERSIONS: Final = {b"HTTP/1.1": b"1.1", b"HTTP/1.0": b"1.0"}

#: Up to so many octets, what has come behind a start line is taken for one field section at first.
_GUESS: Final = 4096

#: A field section of up to so many octets is kept, in case that the next one is the same.
_KEPT: Final = 2048

#: What stands for the fields of a section that has none: never added to.
_NO_FIELDS: Final[list[tuple[bytes, bytes]]] = []

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


#: What a request line says: method, target, version, what :func:`~interlock.http.target.check_target` says of the target.
RequestLine = tuple[bytes, bytes, bytes, bytes]

#: Request lines that were read before: at most _MOST_LINES, of at most _LONGEST_LINE octets, and none with a query, which
#: seldom comes again and may hold a secret.
_REQUEST_LINES: Final[dict[bytes, RequestLine]] = {}
_MOST_LINES: Final = 512
_LONGEST_LINE: Final = 128


def parse_request_line(line: bytes, obs_text: bool) -> RequestLine:
    """``method SP request-target SP HTTP-version``, exactly (RFC 9112 §3).

    ``obs_text`` lets octets from 0x80 stand in the target.
    """
    if obs_text:
        return _parse_request_line(line, True)
    known = _REQUEST_LINES.get(line)
    if known is not None:
        return known
    parsed = _parse_request_line(line, False)
    if len(line) <= _LONGEST_LINE and line.find(b"?") < 0:
        if len(_REQUEST_LINES) >= _MOST_LINES:
            _REQUEST_LINES.clear()
        _REQUEST_LINES[line] = parsed
    return parsed


def _parse_request_line(line: bytes, obs_text: bool) -> RequestLine:
    try:
        parts = line.split(b" ")
        if len(parts) != 3:
            raise LocalProtocolError(
                f"a request line is method SP target SP version, not {excerpt(line)} (RFC 9112 §3)"
            )
        method, target, version = parts
        if method not in _METHODS and (not method or not within(method, TCHAR)):
            raise LocalProtocolError(f"illegal method {excerpt(method)} (RFC 9110 §9.1)")
        http_version = _VERSIONS.get(version)
        if http_version is None:
            http_version = _version(version)
        return method, target, http_version, check_target(method, target, obs_text)
    except LocalProtocolError:
        check_line(line, len(line), 414, "start line")  # an octet that no line may contain comes first
        raise


def parse_status_line(line: bytes) -> tuple[bytes, int, bytes]:
    """``HTTP-version SP status-code SP [ reason-phrase ]``: (version, status code, reason) (RFC 9112 §4).

    The SP behind the status code may be missing where there is no reason, as servers have it.
    """
    if not within(line, FIELD_VALUE):
        check_line(line, len(line), 414, "start line")
    version, _, rest = line.partition(b" ")
    http_version = _version(version)
    code = rest[:3]
    if len(code) != 3 or not within(code, DIGIT) or code[0] == 0x30 or (len(rest) > 3 and rest[3] != 0x20):
        raise LocalProtocolError(f"bad status line {excerpt(line)} (RFC 9112 §4)")
    return http_version, int(code), rest[4:]


@mypyc_attr(acyclic=True, free_list_len=1)
class LineStart:
    """What is known of a line that has no end yet: how many of the held pieces were examined, and their octets."""

    __slots__ = ("octets", "pending_cr", "pieces")

    def __init__(self) -> None:
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
    bad = -1 if within(line, FIELD_VALUE) else outside(line, FIELD_VALUE)
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


@mypyc_attr(acyclic=True, free_list_len=1)
class StartLine:
    """A start line on its way in, with the empty lines that may stand before it (RFC 9112 §2.2)."""

    __slots__ = ("_most", "_skip", "_skipped", "_start", "begun")

    def __init__(self, most: int, skip: int) -> None:
        """``most``: octets that it may have.  ``skip``: how many empty lines before it are passed over."""
        self._most: Final = most
        self._skip: Final = skip
        self._skipped = 0
        self._start: LineStart | None = None
        #: Whether some of it has come.
        self.begun = False

    def read(self, buffer: ReceiveBuffer) -> bytes | None:
        """The line without its CRLF, or None while it is not complete."""
        while True:
            if buffer.held or buffer.pos == len(buffer.data):
                if not buffer.has_line():
                    self._examine(buffer)
                    return None
                self._start = None
            data = buffer.data
            pos = buffer.pos
            end = data.find(b"\r\n", pos)
            if end > pos:
                if data[pos] == 0x20:
                    raise _leading_space()
                if end - pos > self._most:
                    self._check(data[pos:end])
                buffer.pos = end + 2
                self._skipped = 0
                self.begun = False
                return data[pos:end]
            if end == pos:
                if self._skipped == self._skip:
                    raise LocalProtocolError("an empty line where a start line should be (RFC 9112 §2.2)")
                self._skipped += 1
                self.begun = False
                buffer.pos = pos + 2
            elif buffer.has_line() and buffer.data.find(b"\r\n", buffer.pos) < 0:
                line = buffer.data[buffer.pos : buffer.data.find(b"\n", buffer.pos) + 1]
                if line[0] == 0x20:
                    raise _leading_space()
                self._check(line)

    def _check(self, line: bytes) -> None:
        check_line(line, self._most, self._status(line), "start line")

    def _status(self, line: bytes) -> int:
        """The status for a line that is too long: 414 is for a target (RFC 9112 §3), and not for a method."""
        return 414 if line.find(b" ", 0, self._most) >= 0 else 400

    def _examine(self, buffer: ReceiveBuffer) -> None:
        """Look at what has come of a line that is not complete."""
        if buffer.held:
            self.begun = True
            if buffer.held[0][0] == 0x20:
                raise _leading_space()
            if self._start is None:
                self._start = LineStart()
            octets = self._start.octets
            for piece in buffer.held[self._start.pieces :]:
                octets += len(piece)
            status = 414 if octets <= self._most else self._status(b"".join(buffer.held))
            self._start.examine(buffer.held, self._most, status, "start line")


@mypyc_attr(acyclic=True, free_list_len=1)
class FieldSection:
    """A field section on its way in: lines are taken as they come, and each is validated once (RFC 9112 §5).

    ``size`` and ``count`` start at what the same message has used of its limits before.
    """

    __slots__ = (
        "_headers",
        "_items",
        "_leniency",
        "_limits",
        "_octets",
        "_pieces",
        "_special",
        "_start",
        "count",
        "size",
    )

    def __init__(self, limits: Limits, leniency: Leniency, size: int = 0, count: int = 0) -> None:
        self._limits: Final = limits
        self._leniency: Final = leniency
        self._start: LineStart | None = None
        #: The fields, and those of them that have to be interpreted.
        self._items = _NO_FIELDS
        self._special = _NO_FIELDS
        #: The lines as they came in, where they came in pieces, without the CRLF behind each piece.
        self._pieces: list[bytes] | None = None
        #: The section as it came in, once it is complete, with the empty line that ends it.
        self._octets = b""
        self._headers: Headers | None = None
        #: Octets of field lines so far, each with its CRLF.
        self.size = size
        #: Fields so far.
        self.count = count

    def read(self, buffer: ReceiveBuffer) -> bool:
        """Take the lines that are complete.  Returns whether the empty line that ends the section was one of them.

        The octets that come before are a complete line.
        """
        while True:
            data = buffer.data
            pos = buffer.pos
            if buffer.held or pos == len(data):
                if not buffer.has_line():
                    self._examine(buffer)
                    return False
                self._start = None
                data = buffer.data
                pos = buffer.pos
            if self._leniency.obs_fold:
                if not _unfold(buffer):
                    if len(buffer.data) > self._limits.head:
                        raise LocalProtocolError("field section too long", 431)
                    return False
                data = buffer.data
                pos = buffer.pos
            # With something before it, the section is behind a CRLF: if it is empty, that one begins what is found.
            # Most heads are all that there is; where that is a wrong guess, the lines do not fit.  (A long way to be
            # wrong, over requests that are piled up, would have to be gone again for each.)
            if pos and len(data) - pos <= _GUESS and data.endswith(b"\r\n\r\n"):
                end = len(data) - 4
                lines = split_field_lines(data, pos - 2, end + 2, PLAIN_NAMES) if end > pos else None
                if lines is not None:
                    self._add(data, pos, end, lines)
                    buffer.pos = len(data)
                    self._complete(data, pos, end)
                    return True
            end = data.find(b"\r\n\r\n", pos - 2 if pos else 0)
            if end == pos - 2 or (not pos and data.startswith(b"\r\n")):
                buffer.pos = pos + 2
                self._complete(data, pos, pos)
                return True
            if end > pos:
                self._take(data, pos, end)
                buffer.pos = end + 4
                self._complete(data, pos, end)
                return True
            end = data.rfind(b"\r\n", pos)
            if end >= 0:
                self._take(data, pos, end)
                if self._pieces is None:
                    self._pieces = []
                self._pieces.append(data[pos:end])
                buffer.pos = end + 2
            if buffer.has_line() and buffer.data.find(b"\r\n", buffer.pos) < 0:
                line = buffer.data[buffer.pos : buffer.data.find(b"\n", buffer.pos) + 1]
                check_line(line, self._room(), 431, "field section")

    def _complete(self, data: bytes, pos: int, end: int) -> None:
        """Note the section as it came in, with its last lines from ``pos`` to ``end``, which is where their last CRLF is."""
        if self._pieces is None:
            self._octets = data[pos : end + 4] if end > pos else b""
        else:
            if end > pos:
                self._pieces.append(data[pos:end])
            self._octets = b"\r\n".join(self._pieces) + b"\r\n\r\n"
            self._pieces = None

    @property
    def kept(self) -> bool:
        """Whether it is to be kept in case that it is :meth:`repeated`."""
        return 0 < len(self._octets) <= _KEPT

    def repeated(self, buffer: ReceiveBuffer) -> bool:
        """Take the same octets again, if they are what comes next.

        On a connection that is kept alive, clients send the same fields with request after request.  What was read
        from them once need not be read again.
        """
        octets = self._octets
        if not octets or buffer.held or not buffer.data.startswith(octets, buffer.pos):
            return False
        buffer.pos += len(octets)
        return True

    def _room(self) -> int:
        """Octets that the next line may have.  The empty line that ends the section has always room."""
        return max(0, self._limits.head - self.size - 2)

    def _examine(self, buffer: ReceiveBuffer) -> None:
        """Look at what has come of a line that is not complete."""
        if self._start is None:
            self._start = LineStart()
        self._start.examine(buffer.held, self._room(), 431, "field section")

    def _take(self, data: bytes, pos: int, end: int) -> None:
        """Validate and add the lines from ``pos`` to ``end``, which is where the CRLF of the last of them is."""
        if pos:
            lines = split_field_lines(data, pos - 2, end + 2, PLAIN_NAMES)
        else:
            lines = split_field_lines(b"\r\n" + data[: end + 2], 0, end + 4, PLAIN_NAMES)
        if lines is None:
            self._refuse(data, pos, end)
        else:
            self._add(data, pos, end, lines)

    def _add(self, data: bytes, pos: int, end: int, lines: FieldLines) -> None:
        """Validate those names of ``lines`` that are not known to be good, and add them."""
        items, unusual = lines
        size = self.size + end - pos + 2
        count = self.count + len(items)
        if size > self._limits.head or count > self._limits.fields:
            self._refuse(data, pos, end)
        for at in unusual:
            name, value = items[at]
            lower = KNOWN_NAMES.get(name)
            if lower is None:
                lower = _unusual(name)
            items[at] = (lower, value)
            if lower in INTERPRETED:
                if not self._special:
                    self._special = []
                self._special.append((lower, value))
        if self._items:
            self._items.extend(items)
        else:
            self._items = items
        self.size = size
        self.count = count

    def _refuse(self, data: bytes, pos: int, end: int) -> None:
        """Raise for what is wrong first in the complete lines from ``pos`` to ``end``."""
        for line in data[pos:end].split(b"\r\n"):
            check_line(line, self._room(), 431, "field section")
            if self.count == self._limits.fields:
                raise LocalProtocolError(f"more than {self._limits.fields} fields", 431)
            if line[:1] in (b" ", b"\t"):
                raise _folded()
            name, colon, _ = line.partition(b":")
            if not colon:
                raise LocalProtocolError(f"field line without a colon: {excerpt(line)} (RFC 9112 §5)")
            if not name:
                raise LocalProtocolError(f"field line without a name: {excerpt(line)} (RFC 9112 §5)")
            if name not in KNOWN_NAMES:
                _unusual(name)
            self.size += len(line) + 2
            self.count += 1

    @property
    def empty(self) -> bool:
        """Whether there is no field in it so far."""
        return not self._items

    def headers(self, trailers: bool) -> Headers:
        """The section, once it is complete."""
        if self._headers is None:
            if self._leniency.repeated_content_length and self._special:
                self._fold_content_length()
            self._headers = Headers(
                trailers=trailers, _parsed=(self._items, self._items, self._special), _received=self._octets
            )
        return self._headers

    def _fold_content_length(self) -> None:
        """Keep one Content-Length where all of them, and all members of their lists, are identical (RFC 9110 §8.6)."""
        places = [i for i, (name, _) in enumerate(self._items) if name == b"content-length"]
        values = {member.strip(b" \t") for i in places for member in self._items[i][1].split(b",")}
        if len(values) != 1:
            return
        only = (b"content-length", values.pop())
        lines = self._octets[:-4].split(b"\r\n")
        for i in reversed(places[1:]):
            del self._items[i]
            del lines[i]
        self._items[places[0]] = only
        self._octets = b"\r\n".join(lines) + b"\r\n\r\n"
        self._special = [field for field in self._special if field[0] != b"content-length"]
        self._special.append(only)


def _unusual(name: bytes) -> bytes:
    """The lower-case form of a name that is not a known one."""
    if name[0] == 0x20 or name[0] == 0x09:
        raise _folded()
    if name[-1] == 0x20 or name[-1] == 0x09:
        raise LocalProtocolError(f"white space before the colon: {excerpt(name)} (RFC 9112 §5.1)")
    return field_name(name)


def _leading_space() -> LocalProtocolError:
    return LocalProtocolError("a start line begins with white space (RFC 9112 §2.2)")


def _folded() -> LocalProtocolError:
    return LocalProtocolError("a line starts with white space: line folding is obsolete (RFC 9112 §2.2, §5.2)")


def _unfold(buffer: ReceiveBuffer) -> bool:
    """Replace obsolete line folding by SP (RFC 9112 §5.2), once all of the section is there.  Returns whether it is."""
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
