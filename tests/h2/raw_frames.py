"""HTTP/2 on the wire, from integers and octets: any frame, also one that nobody may send (RFC 9113 §4, §6).

Nothing here knows the product's own frames, so that both cannot be wrong in the same way.  Field blocks are written by
hand too (RFC 7541): each field as a literal with a new name that is put in no table, unless a test asks for more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: Frame types (RFC 9113 §6, RFC 9218 §7.1).
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
#: A type that nobody has defined.
UNKNOWN = 0xF7
KINDS = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION".split()

#: Flags.
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

#: Settings (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1).
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
ENABLE_CONNECT_PROTOCOL = 8
NO_RFC7540_PRIORITIES = 9

#: Error codes (RFC 9113 §7).
(
    NO_ERROR,
    PROTOCOL_ERROR,
    INTERNAL_ERROR,
    FLOW_CONTROL_ERROR,
    SETTINGS_TIMEOUT,
    STREAM_CLOSED,
    FRAME_SIZE_ERROR,
    REFUSED_STREAM,
    CANCEL,
    COMPRESSION_ERROR,
    CONNECT_ERROR,
    ENHANCE_YOUR_CALM,
    INADEQUATE_SECURITY,
    HTTP_1_1_REQUIRED,
) = range(14)
CODES = """
    NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR
    REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED
""".split()

#: The largest window, and the largest stream identifier.
LARGEST = 2**31 - 1

#: A name and a value, as octets or as text.
Field = tuple[bytes | str, bytes | str]


def octets(value: bytes | str) -> bytes:
    """Octets as they are, text as ISO-8859-1."""
    return value if isinstance(value, bytes) else value.encode("iso-8859-1")


def code_name(code: int) -> str:
    """An error code as people say it."""
    return CODES[code] if code < len(CODES) else f"error {code:#x}"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"", *, length: int | None = None) -> bytes:
    """Any frame.  ``stream`` has 32 bits here, the reserved one included; ``length`` is what the frame says of itself."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def padded(content: bytes, pad: int | None, padding: bytes | None) -> bytes:
    """``content`` with a Pad Length of ``pad`` before it, and so many zeros behind it, or ``padding``."""
    if pad is None:
        return content
    return bytes((pad,)) + content + (bytes(pad) if padding is None else padding)


def data(
    stream: int,
    content: bytes = b"",
    *,
    end: bool = False,
    pad: int | None = None,
    padding: bytes | None = None,
    flags: int = 0,
) -> bytes:
    flags |= (END_STREAM if end else 0) | (PADDED if pad is not None else 0)
    return frame(DATA, flags, stream, padded(content, pad, padding))


def dependency(on: int, weight: int = 15, *, exclusive: bool = False) -> bytes:
    """The five octets of the deprecated priorities."""
    return (on | (2**31 if exclusive else 0)).to_bytes(4, "big") + bytes((weight,))


def headers(
    stream: int,
    block: bytes,
    *,
    end: bool = True,
    end_headers: bool = True,
    pad: int | None = None,
    padding: bytes | None = None,
    depends: bytes | None = None,
    flags: int = 0,
) -> bytes:
    flags |= (END_STREAM if end else 0) | (END_HEADERS if end_headers else 0)
    flags |= (PADDED if pad is not None else 0) | (WITH_PRIORITY if depends is not None else 0)
    return frame(HEADERS, flags, stream, padded((depends or b"") + block, pad, padding))


def continuation(stream: int, block: bytes, *, end_headers: bool = True) -> bytes:
    return frame(CONTINUATION, END_HEADERS if end_headers else 0, stream, block)


def priority(stream: int, on: int = 0, weight: int = 15, *, exclusive: bool = False) -> bytes:
    return frame(PRIORITY, 0, stream, dependency(on, weight, exclusive=exclusive))


def rst_stream(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def settings(*values: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values))


def settings_ack() -> bytes:
    return frame(SETTINGS, ACK, 0)


def push_promise(stream: int, promised: int, block: bytes) -> bytes:
    return frame(PUSH_PROMISE, END_HEADERS, stream, promised.to_bytes(4, "big") + block)


def ping(opaque: bytes = b"\x00" * 8, *, ack: bool = False) -> bytes:
    return frame(PING, ACK if ack else 0, 0, opaque)


def goaway(last: int = 0, code: int = NO_ERROR, debug: bytes = b"", *, stream: int = 0) -> bytes:
    return frame(GOAWAY, 0, stream, last.to_bytes(4, "big") + code.to_bytes(4, "big") + debug)


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def priority_update(prioritized: int, value: bytes, *, stream: int = 0) -> bytes:
    return frame(PRIORITY_UPDATE, 0, stream, prioritized.to_bytes(4, "big") + value)


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """An integer with a prefix of so many bits, the bits before it from ``first`` (RFC 7541 §5.1)."""
    limit = 2**bits - 1
    if value < limit:
        return bytes((first | value,))
    written = bytearray((first | limit,))
    value -= limit
    while value >= 128:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def string(value: bytes | str) -> bytes:
    """A string literal without Huffman coding (RFC 7541 §5.2)."""
    value = octets(value)
    return integer(len(value), 7) + value


def huffman(coded: bytes) -> bytes:
    """A string literal of these octets, said to be Huffman-coded."""
    return integer(len(coded), 7, 0x80) + coded


#: What begins a literal: put in the table, not put there, or never (RFC 7541 §6.2); and the bits of its index.
INDEXING, NOT_INDEXED, NEVER_INDEXED = (0x40, 6), (0x00, 4), (0x10, 4)


def literal(name: bytes | str | int, value: bytes | str, how: tuple[int, int] = NOT_INDEXED) -> bytes:
    """A field as a literal; ``name`` may be an index."""
    first, bits = how
    if isinstance(name, int):
        return integer(name, bits, first) + string(value)
    return bytes((first,)) + string(name) + string(value)


def indexed(index: int) -> bytes:
    """A whole field from a table (RFC 7541 §6.1)."""
    return integer(index, 7, 0x80)


def table_size(size: int) -> bytes:
    """A dynamic table size update (RFC 7541 §6.3)."""
    return integer(size, 5, 0x20)


def block(fields: Iterable[Field]) -> bytes:
    """A field block that leaves the tables as they are."""
    return b"".join(literal(name, value) for name, value in fields)


def cut(whole: bytes, size: int) -> Sequence[bytes]:
    """Pieces of at most ``size`` octets."""
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was received."""

    kind: int
    flags: int
    #: 32 bits, the reserved one included.
    stream: int
    payload: bytes

    @property
    def name(self) -> str:
        return KINDS[self.kind] if self.kind < len(KINDS) else f"type {self.kind:#x}"

    def __str__(self) -> str:
        told = f"{self.name} stream={self.stream} flags={self.flags:#x} length={len(self.payload)}"
        if self.kind == RST_STREAM:
            told += f" {code_name(int.from_bytes(self.payload, 'big'))}"
        if self.kind == GOAWAY:
            last, code = self.number(0), self.number(4)
            told += f" last={last} {code_name(code)} {self.payload[8:72]!r}"
        return told

    def number(self, at: int) -> int:
        """Four octets of the payload as an integer."""
        return int.from_bytes(self.payload[at : at + 4], "big")


def take_frame(received: bytearray) -> Frame | None:
    """The first frame of ``received``, which is taken from there; None where it is not complete."""
    if len(received) < 9:
        return None
    size = int.from_bytes(received[:3], "big")
    if len(received) < 9 + size:
        return None
    whole = bytes(received[: 9 + size])
    del received[: 9 + size]
    return Frame(whole[3], whole[4], int.from_bytes(whole[5:9], "big"), whole[9:])
