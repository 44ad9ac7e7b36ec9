"""Sets of octets, and the scanning primitives that every parser and validator is built from.

No grammar of a protocol stands here: these are the few loops over octets that a bulk operation of ``bytes`` does
fastest where Python is interpreted, and a plain loop where it is compiled.  Each such primitive has both forms side by
side, over the same sets, and ``tests/http/test_octets.py`` holds the two equal; the grammars built on them are written once.
"""

import re
from typing import Final

from mypy_extensions import i64

__all__ = [
    "ALPHA",
    "DIGIT",
    "FIELD_VALUE",
    "HEXDIG",
    "IPVFUTURE",
    "REG_NAME",
    "SCHEME",
    "TARGET",
    "TARGET_OBS_TEXT",
    "TCHAR",
    "FieldLines",
    "OctetSet",
    "outside",
    "split_field_lines",
    "within",
]

#: Whether this module runs as a native extension.
COMPILED: Final = not __file__.endswith((".py", ".pyc"))


class OctetSet:
    """A set of octets, in the two forms that scanning wants."""

    __slots__ = ("members", "table")

    def __init__(self, members: bytes) -> None:
        #: The octets of the set.
        self.members: Final = members
        #: For each octet: 0 if it is one of the set, else 1.
        self.table: Final = bytes(octet not in members for octet in range(0x100))


_DIGIT: Final = b"0123456789"
_ALPHA: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TARGET: Final = bytes(octet for octet in range(0x21, 0x7F) if octet != 0x23)
_OBS_TEXT: Final = bytes(range(0x80, 0x100))

#: RFC 5234 §B.1.
DIGIT: Final = OctetSet(_DIGIT)
ALPHA: Final = OctetSet(_ALPHA)
HEXDIG: Final = OctetSet(_DIGIT + b"ABCDEFabcdef")
#: RFC 9110 §5.6.2: tchar.
TCHAR: Final = OctetSet(b"!#$%&'*+-.^_`|~" + _DIGIT + _ALPHA)
#: RFC 9110 §5.5: SP, HTAB, VCHAR and obs-text, the octets of field values, reason phrases and quoted strings.
FIELD_VALUE: Final = OctetSet(b"\t" + bytes(range(0x20, 0x7F)) + _OBS_TEXT)
#: The octets of a request target: VCHAR without "#", which never stands in one (RFC 9112 §3.2).
TARGET: Final = OctetSet(_TARGET)
#: The same, and obs-text.
TARGET_OBS_TEXT: Final = OctetSet(_TARGET + _OBS_TEXT)
#: RFC 3986 §3.1: what a scheme is made of.
SCHEME: Final = OctetSet(b"+-." + _DIGIT + _ALPHA)
#: RFC 3986 §3.2.2: reg-name without its percent-encoded octets.
REG_NAME: Final = OctetSet(b"-._~!$&'()*+,;=" + _DIGIT + _ALPHA)
#: RFC 3986 §3.2.2: the address of an IPvFuture.
IPVFUTURE: Final = OctetSet(REG_NAME.members + b":")


def within(octets: bytes, allowed: OctetSet) -> bool:
    """Whether every octet of ``octets`` is one of ``allowed``."""
    if COMPILED:
        return outside(octets, allowed) < 0
    return octets.translate(allowed.table).find(b"\1") < 0


def outside(octets: bytes, allowed: OctetSet) -> int:
    """The index of the first octet that is not one of ``allowed``, or -1."""
    table = allowed.table
    at: i64 = 0
    end: i64 = len(octets)
    while at < end:
        if table[octets[at]]:
            return at
        at += 1
    return -1


#: A line behind its predecessor's CRLF, cut at its first colon.  Possessive: it never backtracks.
_FIELD_LINE: Final = re.compile(rb"\r\n([^:]++):[ \t]*+([^\r]*+)")

#: Faster than bytes.find() where there are many spaces.
_SPACE_AT_END: Final = re.compile(rb" \r")

#: Lines of a field section: a pair for each, and the places of those whose names are not known.
FieldLines = tuple[list[tuple[bytes, bytes]], list[int]]


def split_field_lines(octets: bytes, start: int, end: int, known: dict[bytes, bytes]) -> FieldLines | None:
    """The lines in ``octets[start:end]``, each cut at its first colon.

    The CRLF before the first line is at ``start``, the last line's CRLF ends at ``end``.  Returns for each line a pair of
    what ``known`` has for what is before the colon, and of what is behind it, without SP and HTAB around it; and the
    places of those lines for which ``known`` has nothing: their pairs have what is before the colon as it is.  None if
    some line is empty, has no colon, begins with one, or has an octet that is not one of :data:`FIELD_VALUE`.
    """
    if COMPILED:
        return _split_field_lines_loop(octets, start, end, known)
    region = octets[start:end]
    pairs: list[tuple[bytes, bytes]] = _FIELD_LINE.findall(region)
    # Each line found has the two octets of one CRLF outside the set, and so has the end: any other octet shows.
    if len(region.translate(None, FIELD_VALUE.members)) != 2 * len(pairs) + 2:
        return None
    if region.find(b"\t") >= 0 or _SPACE_AT_END.search(region):
        pairs = [(name, value.rstrip(b" \t")) for name, value in pairs]
    others = []
    at = 0
    for name, value in pairs:
        if name in known:
            pairs[at] = (known[name], value)
        else:
            others.append(at)
        at += 1  # noqa: SIM113  enumerate() is slower
    return pairs, others


def _split_field_lines_loop(octets: bytes, start: int, end: int, known: dict[bytes, bytes]) -> FieldLines | None:
    pairs: list[tuple[bytes, bytes]] = []
    others: list[int] = []
    table = FIELD_VALUE.table
    at: i64 = start
    stop: i64 = end - 2
    if stop < at or octets[stop] != 0x0D or octets[stop + 1] != 0x0A:
        return None
    while at < stop:
        if at + 2 >= stop or octets[at] != 0x0D or octets[at + 1] != 0x0A:
            return None
        at += 2
        begin: i64 = at
        while at < stop and octets[at] != 0x3A:
            if table[octets[at]]:
                return None
            at += 1
        if at >= stop or at == begin:
            return None
        name = octets[begin:at]
        at += 1
        while at < stop and (octets[at] == 0x20 or octets[at] == 0x09):
            at += 1
        begin = at
        while at < stop and not table[octets[at]]:
            at += 1
        last: i64 = at
        while last > begin and (octets[last - 1] == 0x20 or octets[last - 1] == 0x09):
            last -= 1
        first = known.get(name)
        if first is None:
            others.append(len(pairs))
            first = name
        pairs.append((first, octets[begin:last]))
    return pairs, others
