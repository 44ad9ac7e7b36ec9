"""What came from the other end as it can be shown: nothing of it is a command to a terminal, or passes for our own words."""

import re
from typing import Final

__all__ = ["escaped", "lines_of", "preview", "quoted"]

#: Control characters, those that end lines, those that change the direction of what follows, and halves of surrogates.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_LINES: Final = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))

#: Octets of binary data that are shown.
_MOST: Final = 32


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def escaped(text: str) -> str:
    """``text`` on one line, with escapes as Python has them in place of what a terminal would not just show."""
    return _UNSAFE.sub(_escape, text)


def lines_of(text: str) -> str:
    """The same, but that lines stay lines, and tabs tabs."""
    return _UNSAFE_IN_LINES.sub(_escape, text)


def quoted(octets: bytes) -> str:
    """The payload of a ping: in quotation marks if it is text, otherwise in hexadecimal."""
    try:
        return f'"{escaped(octets.decode())}"'
    except UnicodeDecodeError:
        return octets.hex(" ")


def preview(octets: bytes) -> str:
    """How many octets these are, and the first of them, in hexadecimal and in ASCII."""
    size = f"{len(octets)} octet{'' if len(octets) == 1 else 's'}"
    if not octets:
        return size
    begin = octets[:_MOST]
    text = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in begin)
    more = " ..." if len(octets) > _MOST else ""
    return f"{size}: {begin.hex(' ')}{more}  |{text}|"
