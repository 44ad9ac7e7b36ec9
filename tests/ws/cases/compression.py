"""Cases of permessage-deflate (RFC 7692 §6, §7.2): what is compressed, in which frames, and what is no deflate data."""

import random
import zlib
from dataclasses import replace
from typing import Any

from tests.ws import raw
from tests.ws.cases.case import case
from tests.ws.raw import CONTINUATION, Frame

from interlock.ws import CloseReceived, Limits, Message, Ping, Pong
from interlock.ws.deflate import Agreed

RSV1 = 4
AGREED = Agreed(False, False, 15, 15)
#: What is left off the end of a message (RFC 7692 §7.2.1).
TAIL = b"\x00\x00\xff\xff"


class Compression:
    """One end's, by zlib: with ``takeover`` a message may refer back to those before it."""

    def __init__(self, bits: int = 15, *, takeover: bool = True, level: int = -1, strategy: int = 0) -> None:
        # zlib makes no raw window of 8 bits: with one of 9, no repetition that is farther away than 256 octets may be.
        self._arguments = (level, zlib.DEFLATED, -max(bits, 9), 9, zlib.Z_HUFFMAN_ONLY if bits == 8 else strategy)
        self._takeover = takeover
        self._deflater = zlib.compressobj(*self._arguments)

    def __call__(self, content: str | bytes) -> bytes:
        data = content.encode() if isinstance(content, str) else content
        octets = self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        if not self._takeover:
            self._deflater = zlib.compressobj(*self._arguments)
        assert octets.endswith(TAIL)
        return octets[:-4] or b"\x00"

    def frame(self, content: str | bytes) -> Frame:
        make = raw.text if isinstance(content, str) else raw.binary
        return make(self(content), rsv=RSV1)


def hexadecimal(octets: str, *, fin: bool = True) -> Frame:
    return raw.text(bytes.fromhex(octets), rsv=RSV1, fin=fin)


def compressed(title: str, section: str, frames: Frame | list[Frame], *events: Any, **options: Any) -> None:
    case(title, f"7692 {section}", frames, *events, **{"agreed": AGREED, **options})


HELLO = Message("Hello")

# -- the examples of RFC 7692 §7.2.3

compressed("one block", "§7.2.3.1", hexadecimal("f2 48 cd c9 c9 07 00"), HELLO)
FIRST = hexadecimal("f2 48 cd", fin=False)
compressed("in two frames", "§7.2.3.1", [FIRST, raw.last(bytes.fromhex("c9 c9 07 00"))], HELLO)
compressed(
    "sharing the window",
    "§7.2.3.2",
    [hexadecimal("f2 48 cd c9 c9 07 00"), hexadecimal("f2 00 11 00 00")],
    HELLO,
    HELLO,
)
compressed(
    "the same octets twice",
    "§7.2.3.2",
    [hexadecimal("f2 48 cd c9 c9 07 00"), hexadecimal("f2 48 cd c9 c9 07 00")],
    HELLO,
    HELLO,
    agreed=Agreed(True, True, 15, 15),
)
compressed("a block without compression", "§7.2.3.3", hexadecimal("00 05 00 fa ff 48 65 6c 6c 6f 00"), HELLO)
compressed("a last block", "§7.2.3.4", hexadecimal("f3 48 cd c9 c9 07 00 00"), HELLO)
compressed("a last block with nothing behind it", "§7.2.3.4", hexadecimal("f3 48 cd c9 c9 07 00"), HELLO)
compressed(
    "a message behind a last block",
    "§7.2.3.4",
    [hexadecimal("f3 48 cd c9 c9 07 00 00"), hexadecimal("f2 48 cd c9 c9 07 00"), raw.text("Hello")],
    *[HELLO] * 3,
)
compressed("two blocks", "§7.2.3.5", hexadecimal("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"), HELLO)
compressed("an empty message", "§7.2.3.6", hexadecimal("00"), Message(""))
compressed("an empty message of binary", "§7.2.3.6", raw.binary(b"\x00", rsv=RSV1), Message(b""))
compressed("an empty block of fixed codes", "§7.2.3.6", hexadecimal("02 00"), Message(""))
EMPTY = hexadecimal("")
compressed("an empty message without an octet", "§7.2.3.6", [EMPTY, EMPTY], Message(""), Message(""))
for number in (1, 2, 3):
    compressed(
        f"{number} empty messages without an octet, between two that share the window",
        "§7.2.3.6",
        [hexadecimal("f2 48 cd c9 c9 07 00"), *[EMPTY] * number, hexadecimal("f2 00 11 00 00")],
        HELLO,
        *[Message("")] * number,
        HELLO,
    )
compressed(
    "an empty message of frames without an octet",
    "§7.2.3.6",
    [hexadecimal("", fin=False), raw.more(b""), raw.last(b""), hexadecimal("f2 48 cd c9 c9 07 00")],
    Message(""),
    HELLO,
)

# -- §6: which frames carry RSV1

compressed("not compressed, though it could be", "§6", [raw.text("Hello"), raw.binary(b"1")], HELLO, Message(b"1"))
WORDS = Compression()
compressed(
    "compressed and not, in turn",
    "§6",
    [WORDS.frame("Hello"), raw.text("Hello"), WORDS.frame("Hello"), raw.text("H", fin=False), raw.last("ello")],
    *[HELLO] * 4,
)
for name, opcode in (("ping", raw.PING), ("pong", raw.PONG), ("close", raw.CLOSE)):
    payload = b"\x03\xe8" if opcode == raw.CLOSE else b"a"
    compressed(f"{name} with RSV1", "§6.1", Frame(opcode, payload, rsv=RSV1), code=1002)
for fin in (True, False):
    bad = raw.more(bytes.fromhex("c9 c9 07 00"), fin=fin, rsv=RSV1)
    compressed(f"RSV1 on a continuation, FIN {fin:d}", "§6.1", [FIRST, bad], code=1002)
    compressed(
        f"RSV1 on a continuation of what is not compressed, FIN {fin:d}",
        "§6.1",
        [raw.text("a", fin=False), raw.more("b", fin=fin, rsv=RSV1)],
        code=1002,
    )
for rsv in (1, 2, 3, 5, 6, 7):
    compressed(f"RSV {rsv:03b}", "§6", replace(hexadecimal("00"), rsv=rsv), code=1002)
compressed(
    "control frames between compressed fragments",
    "§6.1",
    [raw.ping(b"0"), FIRST, raw.ping(b"1"), raw.more(b""), raw.pong(b"2"), raw.last(bytes.fromhex("c9 c9 07 00"))],
    Ping(b"0"),
    Ping(b"1"),
    Pong(b"2"),
    HELLO,
)
compressed("a Close between compressed fragments", "§6.1", [FIRST, raw.close(1001)], CloseReceived(1001))
compressed(
    "compressed fragments, the first and the last of them empty",
    "§6.1",
    [hexadecimal("", fin=False), raw.more(bytes.fromhex("f2 48 cd c9 c9 07 00")), raw.last(b"")],
    HELLO,
)
compressed("a message begins in the midst of a compressed one", "§6.1", [FIRST, hexadecimal("00")], code=1002)

# -- §7.1: every combination of the parameters

RANDOM = random.Random(7692)
TALK = ["".join(RANDOM.choice("abc €") for _ in range(size)) for size in (0, 1, 300, 7, 300)]
CONTENTS = [*TALK, *TALK, b"\x00\xff" * 40, b""]
for takeover in (True, False):
    for bits in range(8, 16):
        agreed = Agreed(not takeover, not takeover, bits, bits)
        name = f"window of {bits} bits, {'' if takeover else 'no '}context takeover"
        whole = Compression(bits, takeover=takeover)
        compressed(name, "§7.1", [whole.frame(c) for c in CONTENTS], *map(Message, CONTENTS), agreed=agreed)
        for size in (1, 64):
            pieces = Compression(bits, takeover=takeover)
            frames = [piece for c in CONTENTS for piece in raw.fragmented(pieces.frame(c), size)]
            compressed(f"{name}, fragments of {size}", "§7.1", frames, *map(Message, CONTENTS), agreed=agreed)
for level in (0, 1, 9):
    made = Compression(level=level)
    compressed(f"level {level}", "§7.2.1", [made.frame(c) for c in CONTENTS], *map(Message, CONTENTS))
for strategy in (zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED):
    made = Compression(strategy=strategy)
    compressed(f"strategy {strategy}", "§7.2.1", [made.frame(c) for c in CONTENTS], *map(Message, CONTENTS))
for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072):
    made = Compression()
    noise, words = RANDOM.randbytes(size), "a word, " * (size // 8)
    compressed(f"{size} octets", "§7.2", [made.frame(noise), made.frame(words)], Message(noise), Message(words))
LONG = RANDOM.randbytes(3000) * 12
FAR = Compression(15)
compressed(
    "what repeats 30000 octets later", "§7.2.1", [FAR.frame(LONG), FAR.frame(LONG)], Message(LONG), Message(LONG)
)

# -- §7.2.2: what cannot be decompressed

AGAIN = hexadecimal("f2 00 11 00 00")
compressed("refers to a message that there was not", "§7.2.2", AGAIN, code=1007)
compressed(
    "refers to a message that was forgotten",
    "§7.1.1",
    [hexadecimal("f2 48 cd c9 c9 07 00"), AGAIN],
    HELLO,
    code=1007,
    agreed=Agreed(True, True, 15, 15),
)
for octets in ("06", "07", "ff ff ff ff", "00 05 00 00 00 48", "04 00 ff ff 01"):
    compressed(f"no deflate data: {octets}", "§7.2.2", [hexadecimal(octets), raw.text("a")], code=1007)
    compressed(
        f"no deflate data, in fragments: {octets}",
        "§7.2.2",
        [raw.text("b"), *raw.fragmented(hexadecimal(octets), 1), raw.text("a")],
        Message("b"),
        code=1007,
    )
BAD = Compression()
compressed("text that is none", "§7.2.2", raw.text(BAD(b"a\xed\xa0\x80"), rsv=RSV1), code=1007)
CUT = raw.text(Compression()("κόσμε".encode()[:-1]), rsv=RSV1)
compressed("text that ends in a character", "§7.2.2", CUT, code=1007)

# -- §8: how much it may become

SMALL = Limits(message=1000)
for size, code in ((1000, 0), (1001, 1009), (100000, 1009)):
    bomb = Compression().frame(bytes(size))
    made_of_it = [Message(bytes(size))] if not code else []
    compressed(f"{size} octets, where 1000 may be", "§8", bomb, *made_of_it, code=code, limits=SMALL)
    pieces_ = raw.fragmented(bomb, 1)
    compressed(f"{size} octets in fragments", "§8", pieces_, *made_of_it, code=code, limits=SMALL)
TWICE = Compression()
compressed(
    "1000 octets, where 1000 may be, again and again",
    "§8",
    [TWICE.frame(bytes(1000)), *raw.fragmented(TWICE.frame(bytes(1000)), 3), TWICE.frame(bytes(1000))],
    *[Message(bytes(1000))] * 3,
    limits=SMALL,
)
BLOCKS = Frame(CONTINUATION, b"\x00\x00\x00\xff\xff" * 200, fin=False)
compressed(
    "blocks of nothing, without end",
    "§8",
    [hexadecimal("", fin=False), *[BLOCKS] * 20],
    code=1009,
    limits=SMALL,
)
compressed(
    "declared longer than anything that inflates to what may be",
    "§8",
    Frame(raw.TEXT, b"", rsv=RSV1, length=3000, form=16),
    code=1009,
    limits=SMALL,
)
NOISE = RANDOM.randbytes(1000)
compressed(
    "incompressible, as long as may be, in fragments of one octet each flushed",
    "§8",
    [
        Frame(raw.BINARY if not at else CONTINUATION, piece, fin=at == 999, rsv=0 if at else RSV1)
        for at, piece in enumerate(b"\x00\x01\x00\xfe\xff" + NOISE[i : i + 1] for i in range(1000))
    ],
    Message(NOISE),
    limits=SMALL,
)
