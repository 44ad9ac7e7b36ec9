"""Sets of octets, and the scanning primitives that every parser and validator is built from.

No grammar stands here: these are the few loops over octets that a bulk operation of ``bytes`` does fastest where
Python is interpreted, and a plain loop where it is compiled.  Each such primitive has both forms side by side, over
the same sets, and ``tests/http/test_octets.py`` holds the two equal; the grammars built on them are written once.
"""

from typing import Final

from mypy_extensions import i64

__all__ = [
    "ALPHA",
    "DIGIT",
    "FIELD_VALUE",
    "HEXDIG",
    "NO_COLON",
    "REG_NAME",
    "TARGET",
    "TCHAR",
    "count_outside_field_value",
    "outside",
    "partition_lines",
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


#: For each octet, 0 if it is one of FIELD_VALUE, else 1.
_OUTSIDE_FIELD_VALUE: Final = bytes(octet not in FIELD_VALUE for octet in range(0x100))


def count_outside_field_value(octets: bytes, start: int, end: int) -> int:
    """How many octets from ``start`` to ``end`` are not of :data:`FIELD_VALUE`."""
    if COMPILED:
        return _count_outside_loop(octets, start, end)
    return _count_outside_bulk(octets, start, end)


def _count_outside_bulk(octets: bytes, start: int, end: int) -> int:
    return len(octets[start:end].translate(None, FIELD_VALUE))


def _count_outside_loop(octets: bytes, start: int, end: int) -> int:
    table = _OUTSIDE_FIELD_VALUE
    at: i64 = start
    stop: i64 = end
    count: i64 = 0
    while at < stop:
        count += table[octets[at]]
        at += 1
    return count


def partition_lines(octets: bytes, start: int, parts: list[bytes]) -> int:
    """Split the lines from ``start`` at their first colon, up to and with the first empty line.

    For each line that ends in CRLF, the octets before its first colon and those behind it, without SP and HTAB around
    the latter, are appended to ``parts``.  A line without a colon gives itself and :data:`NO_COLON`.

    Returns the index behind the empty line; or, if there is none, -1 - the index behind the last complete line.
    """
    return (
        _partition_lines_loop(octets, start, parts)
        if COMPILED
        else _partition_lines_bulk(octets, start, parts)
    )


#: What stands in place of the second part of a line without a colon: not a possible part, since parts are trimmed.
NO_COLON: Final = b" "


def _partition_lines_bulk(octets: bytes, start: int, parts: list[bytes]) -> int:
    if octets.startswith(b"\r\n", start):
        return start + 2
    end = octets.find(b"\r\n\r\n", start)
    behind = end + 4
    if end < 0:
        end = octets.rfind(b"\r\n", start)
        if end < 0:
            return -1 - start
        behind = -1 - (end + 2)
    append = parts.append
    for line in octets[start:end].split(b"\r\n"):
        name, colon, value = line.partition(b":")
        append(name)
        append(value.strip(b" \t") if colon else NO_COLON)
    return behind


def _partition_lines_loop(octets: bytes, start: int, parts: list[bytes]) -> int:
    end: i64 = len(octets)
    last: i64 = end - 1
    line: i64 = start
    while True:
        colon: i64 = -1
        at: i64 = line
        while at < end:
            octet = octets[at]
            if octet == 0x3A:
                break
            if octet == 0x0D and at < last and octets[at + 1] == 0x0A:
                break
            at += 1
        if at < end and octets[at] == 0x3A:
            colon = at
            at += 1
            while at < end and not (
                octets[at] == 0x0D and at < last and octets[at + 1] == 0x0A
            ):
                at += 1
        if at >= end:
            return -1 - line
        if at == line:
            return line + 2
        if colon < 0:
            parts.append(octets[line:at])
            parts.append(NO_COLON)
        else:
            parts.append(octets[line:colon])
            colon += 1
            stop: i64 = at
            while colon < stop and (octets[colon] == 0x20 or octets[colon] == 0x09):
                colon += 1
            while stop > colon and (
                octets[stop - 1] == 0x20 or octets[stop - 1] == 0x09
            ):
                stop -= 1
            parts.append(octets[colon:stop])
        line = at + 2
