"""Cases of text: what is UTF-8 and what is not, wherever it is cut into frames (RFC 6455 §5.6, §8.1; RFC 3629)."""

from tests.ws import raw
from tests.ws.cases.case import case

from interlock.ws import Message

#: Characters at the edges of what a sequence of one length can say, and such as stand for none but are allowed.
CHARACTERS = (
    *(0x0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF),
    *(0x10000, 0x1FFFE, 0x1FFFF, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFE, 0x10FFFF),
)
VALID = {f"U+{number:04X}": chr(number) for number in CHARACTERS} | {
    "Greek": "κόσμε",
    "a mix": "Hello-µ@ßöäüàá-UTF-8!!",
    "a byte order mark": "﻿a",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "all lengths": "a\xe9€\U00010348" * 3,
}

#: What is not UTF-8.
INVALID = {
    # continuation octets by themselves
    **{f"{count} continuation octets": b"\x80" * count for count in range(1, 8)},
    "BF": b"\xbf",
    "every continuation octet": bytes(range(0x80, 0xC0)),
    # octets that begin a sequence, and are followed by none of it
    **{f"{first:02X} before a space": bytes((first, 0x20)) for first in range(0xC0, 0x100)},
    **{
        f"{octets.hex(' ')} cut off": octets
        for octets in (b"\xc2", b"\xdf", b"\xe0\xa0", b"\xef\xbf", b"\xe1", b"\xed")
    },
    **{
        f"{octets.hex(' ')} cut off": octets
        for octets in (b"\xf0\x90\x80", b"\xf4\x8f\xbf", b"\xf0\x90", b"\xf3", b"\xf4")
    },
    **{
        f"{octets.hex(' ')} before a letter": octets + b"a"
        for octets in (b"\xe0\xa0", b"\xf0\x90\x80", b"\xe2\x82", b"\xf1\x80")
    },
    # more octets than need be
    "overlong solidus, 2": b"\xc0\xaf",
    "overlong solidus, 3": b"\xe0\x80\xaf",
    "overlong solidus, 4": b"\xf0\x80\x80\xaf",
    "overlong solidus, 5": b"\xf8\x80\x80\x80\xaf",
    "overlong solidus, 6": b"\xfc\x80\x80\x80\x80\xaf",
    "overlong NUL, 2": b"\xc0\x80",
    "overlong NUL, 3": b"\xe0\x80\x80",
    "overlong NUL, 4": b"\xf0\x80\x80\x80",
    "overlong U+007F": b"\xc1\xbf",
    "overlong U+07FF": b"\xe0\x9f\xbf",
    "overlong U+FFFF": b"\xf0\x8f\xbf\xbf",
    # surrogates, alone and in pairs
    **{f"surrogate {number:04X}": chr(number).encode("utf-8", "surrogatepass") for number in (0xD800, 0xDB7F, 0xDB80)},
    **{f"surrogate {number:04X}": chr(number).encode("utf-8", "surrogatepass") for number in (0xDBFF, 0xDC00, 0xDFFF)},
    "surrogates D800 DC00": b"\xed\xa0\x80\xed\xb0\x80",
    "surrogates DBFF DFFF": b"\xed\xaf\xbf\xed\xbf\xbf",
    # beyond U+10FFFF
    "U+110000": b"\xf4\x90\x80\x80",
    "U+13FFFF": b"\xf4\xbf\xbf\xbf",
    "U+140000": b"\xf5\x80\x80\x80",
    "U+1FFFFF": b"\xf7\xbf\xbf\xbf",
    "U+200000": b"\xf8\x88\x80\x80\x80",
    "U+7FFFFFFF": b"\xfd\xbf\xbf\xbf\xbf\xbf",
    "FE": b"\xfe",
    "FF": b"\xff",
    "FE FE FF FF": b"\xfe\xfe\xff\xff",
}

for name, content in VALID.items():
    octets = content.encode()
    case(f"valid: {name}", "§8.1", raw.text(octets), Message(content))
    case(f"valid, in fragments of one octet: {name}", "§8.1", raw.fragmented(raw.text(octets), 1), Message(content))
    case(
        f"valid, between others: {name}",
        "§8.1",
        [raw.text("κ"), raw.text("a" + content, fin=False), raw.more(""), raw.last(octets + b"b"), raw.text("κ")],
        Message("κ"),
        Message(f"a{content}{content}b"),
        Message("κ"),
    )

for name, octets in INVALID.items():
    case(f"invalid: {name}", "§8.1", [raw.text(octets), raw.text("a")], code=1007)
    case(
        f"invalid, in fragments of one octet: {name}",
        "§8.1",
        [raw.text("κόσμε"), *raw.fragmented(raw.text(octets), 1), raw.text("a")],
        Message("κόσμε"),
        code=1007,
    )
    case(f"invalid, within text: {name}", "§8.1", raw.text("κόσμε".encode() + octets + b"edited"), code=1007)
    case(
        f"invalid, behind a long fragment: {name}",
        "§8.1",
        [raw.text("a" * 200, fin=False), raw.last(octets)],
        code=1007,
    )
    case(f"not text at all: {name}", "§5.6", raw.binary(octets), Message(octets))
case(
    "a character that the next message ends",
    "§8.1",
    [raw.text(b"\xce"), raw.text(b"\xba")],
    code=1007,
)
