"""Sets of octets, and the scanning primitives that every parser and validator is built from.

No grammar stands here: these are the few loops over octets that a bulk operation of ``bytes`` does fastest where
Python is interpreted, and a plain loop where it is compiled.  Each such primitive has both forms side by side, over
the same sets, and ``tests/http/test_octets.py`` holds the two equal; the grammars built on them are written once.
"""

import re
from typing import Final

from mypy_extensions import i64

__all__ = [
    "ALPHA",
    "DIGIT",
    "FIELD_VALUE",
    "HEXDIG",
    "REG_NAME",
    "TARGET",
    "TCHAR",
    "count_outside_field_value",
    "outside",
    "split_field_lines",
    "within",
]

#: Whether this module runs as a native extension.
COMPILED: Final = not __file__.endswith((".py", ".pyc"))

DIGIT: Final = b"0123456789"
HEXDIG: Final = b"0123456789ABCDEFabcdef"
ALPHA: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: RFC 9110 §5.6.2: tchar.
TCHAR: Final = b"!#$%&'*+-.^_`|~" + DIGIT + ALPHA
#: RFC 9110 §5.5: SP, HTAB, VCHAR and obs-text, the octets of field values, reason phrases and quoted strings.
FIELD_VALUE: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
#: The octets of a request target: VCHAR without "#", which never stands in one (RFC 9112 §3.2).
TARGET: Final = bytes(octet for octet in range(0x21, 0x7F) if octet != 0x23)
#: RFC 3986 §3.2.2: reg-name without its percent-encoded octets.
REG_NAME: Final = b"-._~!$&'()*+,;=" + DIGIT + ALPHA


def within(octets: bytes, allowed: bytes) -> bool:
    """Whether every octet of ``octets`` is one of ``allowed``."""
    return not octets.translate(None, allowed)


def outside(octets: bytes, allowed: bytes) -> int:
    """The index of the first octet that is not one of ``allowed``, or -1."""
    for index, octet in enumerate(octets):
        if octet not in allowed:
            return index
    return -1


#: For each octet: 1 if no line may contain it, else 0.
_OUTSIDE_FIELD_VALUE: Final = bytes(octet not in FIELD_VALUE for octet in range(0x100))

#: A line behind its predecessor's CRLF, cut at its first colon.  Possessive: it never backtracks.
_FIELD_LINE: Final = re.compile(rb"\r\n([^:]++):[ \t]*+([^\r]*+)")


def count_outside_field_value(octets: bytes) -> int:
    """How many octets of ``octets`` are not one of :data:`FIELD_VALUE`."""
    return _count_outside_loop(octets) if COMPILED else _count_outside_bulk(octets)


def _count_outside_bulk(octets: bytes) -> int:
    return len(octets.translate(None, FIELD_VALUE))


def _count_outside_loop(octets: bytes) -> int:
    table = _OUTSIDE_FIELD_VALUE
    at: i64 = 0
    end: i64 = len(octets)
    count: i64 = 0
    while at < end:
        count += table[octets[at]]
        at += 1
    return count


def split_field_lines(octets: bytes, start: int, end: int) -> list[tuple[bytes, bytes]] | None:
    """The lines in ``octets[start:end]``, each cut at its first colon: (what is before it, what is behind it).

    The CRLF before the first line is at ``start``, the last line ends at ``end`` without its CRLF.  What is behind
    the colon is without SP and HTAB around it.  None if some line is empty, has no colon, begins with one, or has an
    octet that is not one of :data:`FIELD_VALUE`.
    """
    return _split_field_lines_loop(octets, start, end) if COMPILED else _split_field_lines_bulk(octets, start, end)


def _split_field_lines_bulk(octets: bytes, start: int, end: int) -> list[tuple[bytes, bytes]] | None:
    region = octets[start:end]
    lines: list[tuple[bytes, bytes]] = _FIELD_LINE.findall(region)
    # Each line found has the two octets of one CRLF outside the set: any other such octet shows in the sum.
    if len(region.translate(None, FIELD_VALUE)) != 2 * len(lines):
        return None
    if b" \r" in region or b"\t\r" in region or region.endswith((b" ", b"\t")):
        return [(name, value.rstrip(b" \t")) for name, value in lines]
    return lines


def _split_field_lines_loop(octets: bytes, start: int, end: int) -> list[tuple[bytes, bytes]] | None:
    lines: list[tuple[bytes, bytes]] = []
    table = _OUTSIDE_FIELD_VALUE
    at: i64 = start
    stop: i64 = end
    while at < stop:
        if at + 2 >= stop or octets[at] != 0x0D or octets[at + 1] != 0x0A:
            return None
        at += 2
        name: i64 = at
        while at < stop and octets[at] != 0x3A:
            if table[octets[at]]:
                return None
            at += 1
        if at >= stop or at == name:
            return None
        colon: i64 = at
        at += 1
        while at < stop and (octets[at] == 0x20 or octets[at] == 0x09):
            at += 1
        value: i64 = at
        while at < stop and not table[octets[at]]:
            at += 1
        last: i64 = at
        while last > value and (octets[last - 1] == 0x20 or octets[last - 1] == 0x09):
            last -= 1
        lines.append((octets[name:colon], octets[value:last]))
    return lines
