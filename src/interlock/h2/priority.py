"""Priorities as the extensible scheme has them: the value of a Priority field or a PRIORITY_UPDATE frame (RFC 9218 §4, §5).

The value is a dictionary of structured fields (RFC 8941 §3.2, §4.2.2).  The older scheme, a tree of dependencies, is
ignored (RFC 9113 §5.3.2).  Which stream may send next by these priorities stands in ``schedule.py``.
"""

import re
from typing import Final, final

__all__ = ["DEFAULT_PRIORITY", "LONGEST_VALUE", "Priority", "parse_priority", "priority_value"]

#: Octets of a value that is read, at most; a longer one is ignored.
LONGEST_VALUE: Final = 256

#: key = ( lcalpha / "*" ) *( lcalpha / DIGIT / "_" / "-" / "." / "*" )   (RFC 8941 §3.1.2)
_KEY: Final = rb"[a-z*][a-z0-9_\-.*]*+"
#: bare-item = sf-decimal / sf-integer / sf-string / sf-token / sf-binary / sf-boolean   (RFC 8941 §3.3)
_BARE_ITEM: Final = (
    rb"(?>-?[0-9]{1,12}\.[0-9]{1,3}|-?[0-9]{1,15}"
    rb'|"(?:[\x20\x21\x23-\x5B\x5D-\x7E]|\\["\\])*+"'
    rb"|[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+"
    rb"|:[A-Za-z0-9+/=]*+:"
    rb"|\?[01])"
)
#: parameters = *( ";" *SP parameter ), parameter = key [ "=" bare-item ]   (RFC 8941 §3.1.2)
_PARAMETERS: Final = b"(?:; *+" + _KEY + b"(?:=" + _BARE_ITEM + b")?+)*+"
_ITEM: Final = _BARE_ITEM + _PARAMETERS
#: inner-list = "(" *SP [ sf-item *( 1*SP sf-item ) *SP ] ")" parameters   (RFC 8941 §3.1.1)
_INNER_LIST: Final = rb"\( *+(?:" + _ITEM + b"(?: ++" + _ITEM + rb")*+ *+)?+\)"
#: dict-member = key ( parameters / "=" ( sf-item / inner-list ) )   (RFC 8941 §3.2); the value without its parameters is
#: group 2.  OWS and the comma, or the end, come behind it (RFC 8941 §4.2.2).  Possessive: it never backtracks.
_MEMBER: Final = re.compile(
    b"(" + _KEY + b")(?:=(" + _BARE_ITEM + b"|" + _INNER_LIST + b"))?+" + _PARAMETERS + rb"[ \t]*+(,[ \t]*+|\Z)"
)
_URGENCY: Final = re.compile(rb"-?[0-9]++")


@final
class Priority:
    """How urgent a response is, and whether parts of it are of use.  It must not be changed after it is made."""

    __slots__ = ("incremental", "urgency")

    def __init__(self, urgency: int = 3, incremental: bool = False) -> None:
        #: From 0, which comes first, to 7, for the background (RFC 9218 §4.1).
        self.urgency: Final = urgency
        #: Whether the client makes use of the response as it comes, so that it may share the bandwidth (RFC 9218 §4.2).
        self.incremental: Final = incremental

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Priority):
            return NotImplemented
        return self.urgency == other.urgency and self.incremental == other.incremental

    def __hash__(self) -> int:
        return self.urgency * 2 + self.incremental

    def __repr__(self) -> str:
        return f"Priority(urgency={self.urgency}, incremental={self.incremental})"


#: What holds where nothing is said (RFC 9218 §4).
DEFAULT_PRIORITY: Final = Priority()


def priority_value(priority: Priority) -> bytes:
    """The value of a Priority field, or of a PRIORITY_UPDATE frame, that says ``priority``; never empty."""
    return b"u=%d, i" % priority.urgency if priority.incremental else b"u=%d" % priority.urgency


def parse_priority(value: bytes) -> Priority:
    """What the value of a Priority field (its lines joined by ", ") or of a PRIORITY_UPDATE frame says.

    A value that is no dictionary, or longer than :data:`LONGEST_VALUE`, says nothing, so the defaults hold (RFC 8941
    §4.2).  Unknown members are ignored, and so are urgencies out of range and values of other types (RFC 9218 §4).
    """
    common = _COMMON.get(value)
    return _parse(value) if common is None else common


def _parse(value: bytes) -> Priority:
    if len(value) > LONGEST_VALUE:
        return DEFAULT_PRIORITY
    urgency = 3
    incremental = False
    end = len(value)
    at = 0
    # RFC 8941 §4.2: SP, and not HTAB, is dropped at the start.
    while at < end and value[at] == 0x20:
        at += 1
    comma = False
    while at < end:
        member = _MEMBER.match(value, at)
        if member is None:
            return DEFAULT_PRIORITY
        # The last of several members with one key counts, even if what it says is then ignored (RFC 8941 §4.2.2).
        key: bytes = member[1]
        item: bytes | None = member[2]
        if key == b"u":
            urgency = 3
            if item is not None and _URGENCY.fullmatch(item):
                number = int(item)
                urgency = number if 0 <= number <= 7 else 3
        elif key == b"i":
            incremental = item is None or item == b"?1"
        at = member.end()
        comma = member[3] != b""
    return DEFAULT_PRIORITY if comma else Priority(urgency, incremental)


#: What browsers send, read already.
_COMMON: Final[dict[bytes, Priority]] = {
    value: _parse(value) for value in [b"", b"i", *[b"u=%d%s" % (u, i) for u in range(8) for i in (b"", b", i", b",i")]]
}
