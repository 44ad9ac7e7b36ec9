"""Fields: names, values, sections, and what a message's framing fields mean (RFC 9110 §5, §6.5, §8.6; RFC 9112 §6).

A :class:`Headers` is one field section.  It interprets, once, when it is made, the fields that decide how a message is
framed and how its connection goes on; nobody looks for them again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, overload

from mypy_extensions import mypyc_attr

from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.names import INTERPRETED, KNOWN_NAMES
from interlock.http.octets import FIELD_VALUE, TCHAR, within

__all__ = [
    "FORBIDDEN_TRAILERS",
    "Headers",
    "comma_list",
    "field_name",
    "field_value",
]

#: Set in :attr:`Headers.flags`: Transfer-Encoding is exactly ``chunked`` (RFC 9112 §7.1).
CHUNKED: Final = 1
#: Connection has the option ``close`` (RFC 9112 §9.6).
CLOSE: Final = 2
#: Connection has the option ``keep-alive``.
KEEP_ALIVE: Final = 4
#: There is an Upgrade field (RFC 9110 §7.8).
UPGRADE: Final = 8
#: Expect is ``100-continue`` (RFC 9110 §10.1.1).
EXPECT_CONTINUE: Final = 16
#: Expect is something else.
EXPECT_UNKNOWN: Final = 32

#: RFC 9110 §6.5.1: fields that never stand in a trailer section.
FORBIDDEN_TRAILERS: Final = frozenset(
    b"""
    transfer-encoding content-length host connection keep-alive proxy-connection te trailer upgrade
    authorization proxy-authorization proxy-authenticate www-authenticate authentication-info
    proxy-authentication-info cookie set-cookie
    age cache-control date expires location pragma retry-after vary warning expect max-forwards range
    if-match if-none-match if-modified-since if-unmodified-since if-range
    content-encoding content-type content-range
    """.split()
)

#: What callers may give for octets: bytes-like, or an ASCII string.
Octets = bytes | str | bytearray | memoryview
#: What callers may give for a field section: pairs of a name and a value.
RawFields = Iterable[tuple[Octets, Octets] | Sequence[Octets]]


def octets_of(value: object, what: str) -> bytes:
    """``value``, bytes-like or an ASCII string, as bytes.  ``what`` names it in the error."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        if not value.isascii():
            raise LocalProtocolError(f"{what} {value[:64]!r} is not ASCII: encode it to bytes first")
        return value.encode("ascii")
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{what} has to be bytes or str, not {type(value).__name__}")


def field_name(name: bytes) -> bytes:
    """The lower-case form of a field name (RFC 9110 §5.1).  Raises :class:`LocalProtocolError` if it is not a token."""
    known = KNOWN_NAMES.get(name)
    if known is not None:
        return known
    if not name or not within(name, TCHAR):
        raise LocalProtocolError(f"illegal field name {excerpt(name)} (RFC 9110 §5.1)")
    return name.lower()


def field_value(value: bytes) -> bytes:
    """``value``, if it is a field value (RFC 9110 §5.5).  Raises :class:`LocalProtocolError` otherwise."""
    if value and (value[0] == 0x20 or value[0] == 0x09 or value[-1] == 0x20 or value[-1] == 0x09):
        raise LocalProtocolError(f"white space around field value {excerpt(value)} (RFC 9110 §5.5)")
    if not within(value, FIELD_VALUE):
        raise LocalProtocolError(f"illegal field value {excerpt(value)} (RFC 9110 §5.5)")
    return value


def comma_list(value: bytes) -> list[bytes]:
    """The elements of a list-based field value (RFC 9110 §5.6.1), without OWS and without empty elements."""
    return [element for part in value.split(b",") if (element := part.strip(b" \t"))]


def refuse_transfer_encoding(value: bytes) -> LocalProtocolError:
    """The error for a Transfer-Encoding that is not exactly ``chunked``.

    A list of codings that we do not know is 501 (RFC 9112 §6.1); what is no such list, or has ``chunked`` anywhere
    but at its end, is 400 (RFC 9112 §6.3).
    """
    codings = [coding.strip(b" \t") for coding in value.split(b",")]
    status = 501
    for index, coding in enumerate(codings):
        last_chunked = coding.lower() == b"chunked"
        if not coding or not within(coding, TCHAR) or (last_chunked and index != len(codings) - 1):
            status = 400
    return LocalProtocolError(
        f"Transfer-Encoding {excerpt(value)}: only chunked is understood (RFC 9112 §6.1)",
        error_status_hint=status,
    )


@mypyc_attr(acyclic=True, free_list_len=1)
class CheckedField:
    """A field that a caller gave and that is valid, as it stands in a section and as it is written."""

    __slots__ = ("item", "kind", "line")

    def __init__(self, item: Any, line: bytes, kind: int) -> None:
        #: The name in lower case, and the value: one tuple for all sections, which a narrower type would unpack here.
        self.item: Final = item
        #: The field line, with its CRLF.
        self.line: Final = line
        #: 0, or the sum of _SPECIAL and _ALONE where these hold.
        self.kind: Final = kind


#: It has to be interpreted.
_SPECIAL: Final = 1
#: It is not kept for those who give the same.
_ALONE: Final = 2

#: Fields that callers gave before, so that those that are always the same are validated once.  Short ones only, none
#: that carries a secret, and at most _MOST_FIELDS.
_FIELDS: Final[dict[object, CheckedField]] = {}
_MOST_FIELDS: Final = 1024
_LONGEST_VALUE: Final = 64
_SECRET: Final = frozenset((b"set-cookie", b"cookie", b"authorization", b"proxy-authorization"))

#: Whole sections of such fields, by what was given for them: at most _MOST_SECTIONS, of at most _LONGEST_SECTION octets.
_SECTIONS: Final[dict[object, "Headers"]] = {}
_MOST_SECTIONS: Final = 256
_LONGEST_SECTION: Final = 1024


def checked_field(pair: Any) -> CheckedField:
    """The field that ``pair`` gives.  Raises :class:`LocalProtocolError` unless its name and its value are valid."""
    if isinstance(pair, (str, bytes)):  # which has two octets to unpack if it is TE
        raise TypeError(f"a field is a pair of name and value, not {pair!r}: of a mapping, give its items()")
    given_name, given_value = pair
    name = octets_of(given_name, "field name")
    value = field_value(octets_of(given_value, "field value"))
    lower = field_name(name)
    kept = type(pair) is tuple and name is given_name and value is given_value
    kept = kept and len(value) <= _LONGEST_VALUE and lower not in _SECRET
    kind = (_SPECIAL if lower in INTERPRETED else 0) + (0 if kept else _ALONE)
    field = CheckedField((lower, value), b"%b: %b\r\n" % (name, value), kind)
    if kept:
        if len(_FIELDS) >= _MOST_FIELDS:
            _FIELDS.clear()
        _FIELDS[name, value] = field
    return field


def headers_of(fields: RawFields) -> "Headers":
    """The section that a caller gives: ``fields`` themselves, or those that were made of the same before, or new ones."""
    if isinstance(fields, Headers):
        return fields
    given = tuple(fields)
    try:
        headers = _SECTIONS.get(given)
    except (TypeError, ValueError):  # a list, or a bytearray in it: it has no hash
        return Headers(given)
    if headers is None:
        headers = Headers(given)
        if headers.shared and len(headers.wire) <= _LONGEST_SECTION:
            if len(_SECTIONS) >= _MOST_SECTIONS:
                _SECTIONS.clear()
            _SECTIONS[given] = headers
    return headers


#: What a parser has read: the fields with their names as written, with their names in lower case (which may be the same
#: list, with the octets in _received), and those of the latter that have to be interpreted.
Parsed = tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]


@mypyc_attr(acyclic=True, free_list_len=1)
class Headers:
    """One field section: a sequence of (name, value), names in lower case, in the order of the message.

    ``raw_items()`` has the names as they were written.  Sections are compared as lists of (name, value).
    """

    __slots__ = ("_items", "_received", "_wire", "content_length", "flags", "host", "host_count", "shared")

    def __init__(
        self,
        fields: RawFields = (),
        *,
        trailers: bool = False,
        _parsed: Parsed | None = None,
        _received: bytes = b"",
    ) -> None:
        """``fields``: pairs of (name, value), each bytes or ASCII str.

        Raises :class:`LocalProtocolError` for an illegal name or value, for contradicting framing fields, and, with
        ``trailers``, for a field that must not stand in a trailer section (RFC 9110 §6.5.1).
        """
        #: The number in Content-Length, in octets; -1 where there is none.  Only its canonical form is taken: digits, at
        #: most 18 of them, without a leading zero.
        self.content_length = -1
        #: What the framing fields say: see the constants of this module.
        self.flags = 0
        #: The Host field's value; b"" where there is none.
        self.host = b""
        #: How many Host fields there are.
        self.host_count = 0
        #: Whether it may be kept for other messages: all its fields are short, and none carries a secret.
        self.shared = False
        #: The section as it was received, if it was: it has the names as they were written.
        self._received = _received
        #: What :attr:`wire` gives; b"" while nobody has asked for it.
        self._wire = b""
        if _parsed is not None:  # a parser has validated it
            written, self._items, interpreted = _parsed
            if written is not self._items:
                self._wire = b"".join([b"%b: %b\r\n" % field for field in written]) + b"\r\n"
            if trailers:
                self._refuse_trailers()
            elif interpreted:
                self._interpret(interpreted)
            return
        items: list[tuple[bytes, bytes]] = []
        self._items = items
        special: list[tuple[bytes, bytes]] = []
        lines: list[bytes] = []
        kinds = 0
        for pair in fields:
            try:
                field = _FIELDS.get(pair)
            except (TypeError, ValueError):  # a list, or a bytearray in it: it has no hash
                field = None
            if field is None:
                field = checked_field(pair)
            items.append(field.item)
            lines.append(field.line)
            if field.kind:
                kinds |= field.kind
                if field.kind & _SPECIAL:
                    special.append(field.item)
        self.shared = not kinds & _ALONE
        lines.append(b"\r\n")
        self._wire = b"".join(lines)
        if trailers:
            self._refuse_trailers()
        elif special:
            self._interpret(special)

    def _refuse_trailers(self) -> None:
        """Raise for a field that must not stand in a trailer section."""
        for name, _ in self._items:
            if name in FORBIDDEN_TRAILERS:
                raise LocalProtocolError(f"{excerpt(name)} must not stand in a trailer section (RFC 9110 §6.5.1)")

    def _interpret(self, special: list[tuple[bytes, bytes]]) -> None:
        """Take from the interpreted fields what they say, and refuse those that contradict each other."""
        unknown: LocalProtocolError | None = None
        for name, value in special:
            if name == b"host":
                self.host = value
                self.host_count += 1
            elif name == b"content-length":
                if self.content_length >= 0:
                    raise LocalProtocolError("more than one Content-Length (RFC 9112 §6.3)")
                if not value.isdigit() or len(value) > 18 or (value[0] == 0x30 and len(value) > 1):
                    raise LocalProtocolError(f"bad Content-Length {excerpt(value)} (RFC 9110 §8.6)")
                self.content_length = int(value)
            elif name == b"connection":
                if value == b"keep-alive":
                    self.flags |= KEEP_ALIVE
                else:
                    self._interpret_connection(value)
            elif name == b"transfer-encoding":
                if self.flags & CHUNKED or unknown is not None:
                    raise LocalProtocolError("more than one Transfer-Encoding (RFC 9112 §6.1)")
                if value.lower() == b"chunked":
                    self.flags |= CHUNKED
                else:
                    unknown = refuse_transfer_encoding(value)
            elif name == b"expect":
                if value.lower() == b"100-continue" and not self.flags & EXPECT_CONTINUE:
                    self.flags |= EXPECT_CONTINUE
                else:
                    self.flags |= EXPECT_UNKNOWN
            elif comma_list(value):
                self.flags |= UPGRADE
        if unknown is not None:
            if self.content_length >= 0:
                raise LocalProtocolError("both Transfer-Encoding and Content-Length (RFC 9112 §6.3)")
            raise unknown

    def _interpret_connection(self, value: bytes) -> None:
        for option in comma_list(value.lower()):
            if option == b"keep-alive":
                self.flags |= KEEP_ALIVE
            elif option == b"close":
                self.flags |= CLOSE
            elif not within(option, TCHAR):
                raise LocalProtocolError(f"bad Connection option {excerpt(option)} (RFC 9110 §7.6.1)")

    @property
    def wire(self) -> bytes:
        """The section as it is written: its field lines and the empty line behind them (RFC 9112 §2.1)."""
        if not self._wire:
            lines = [b": ".join(field) for field in self.raw_items()]
            lines.append(b"")
            lines.append(b"")
            self._wire = b"\r\n".join(lines)
        return self._wire

    def get(self, name: bytes, default: bytes | None = None) -> bytes | None:
        """The value of the first field called ``name`` (in lower case), or ``default``."""
        for field, value in self._items:
            if field == name:
                return value
        return default

    def get_all(self, name: bytes) -> list[bytes]:
        """The values of all fields called ``name`` (in lower case), in order."""
        return [value for field, value in self._items if field == name]

    def raw_items(self) -> list[tuple[bytes, bytes]]:
        """The fields with their names as they were written."""
        section = self._received or self._wire
        if not section or not self._items:
            return self._items.copy()
        lines = section[:-4].split(b"\r\n")
        return [(line[: line.find(b":")], item[1]) for line, item in zip(lines, self._items, strict=True)]

    def items_list(self) -> list[tuple[bytes, bytes]]:
        """The fields as a new list of (name, value)."""
        return self._items.copy()

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> tuple[bytes, bytes]: ...

    @overload
    def __getitem__(self, index: slice) -> list[tuple[bytes, bytes]]: ...

    def __getitem__(self, index: int | slice) -> tuple[bytes, bytes] | list[tuple[bytes, bytes]]:
        return self._items[index]

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self._items == other._items
        if isinstance(other, (list, tuple)):
            return self._items == list(other)
        return NotImplemented

    def __repr__(self) -> str:
        return f"<Headers({self._items!r})>"


Sequence.register(Headers)
