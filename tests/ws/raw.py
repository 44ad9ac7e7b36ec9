"""Frames of WebSocket as octets, right and wrong, made and read apart from the engine (RFC 6455 §5.2)."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

#: A masking key with four different octets, of which some set the highest bit.
KEY = b"\x37\xfa\x21\x3d"


@dataclass(frozen=True)
class Frame:
    """One frame.  What is None is as it has to be."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    #: RSV1, RSV2 and RSV3, as a number from 0 to 7: RSV1 is 4.
    rsv: int = 0
    #: The length that its head declares, and the bits that the head has for it: 7, 16 or 64.
    length: int | None = None
    form: int | None = None
    masked: bool | None = None

    def octets(self, client: bool, key: bytes = KEY) -> bytes:
        """The frame as the ``client`` sends it, or the server."""
        length = len(self.payload) if self.length is None else self.length
        form = self.form or (7 if length < 126 else 16 if length < 65536 else 64)
        is_masked = client if self.masked is None else self.masked
        first = self.fin << 7 | self.rsv << 4 | self.opcode
        mask = 0x80 if is_masked else 0
        if form == 7:
            head = struct.pack("!BB", first, mask | length)
        elif form == 16:
            head = struct.pack("!BBH", first, mask | 126, length)
        else:
            head = struct.pack("!BBQ", first, mask | 127, length)
        return head + (key + xor(self.payload, key) if is_masked else self.payload)


def xor(octets: bytes, key: bytes) -> bytes:
    """Octet i of the payload with octet i modulo 4 of the key (RFC 6455 §5.3)."""
    repeated = key * (len(octets) // 4 + 1)
    return bytes(map(int.__xor__, octets, repeated))


def text(payload: str | bytes, *, fin: bool = True, rsv: int = 0) -> Frame:
    return Frame(TEXT, payload.encode() if isinstance(payload, str) else payload, fin, rsv)


def binary(payload: bytes, *, fin: bool = True, rsv: int = 0) -> Frame:
    return Frame(BINARY, payload, fin, rsv)


def more(payload: str | bytes, *, fin: bool = False, rsv: int = 0) -> Frame:
    """A continuation frame."""
    return Frame(CONTINUATION, payload.encode() if isinstance(payload, str) else payload, fin, rsv)


def last(payload: str | bytes) -> Frame:
    """The continuation frame that ends a message."""
    return more(payload, fin=True)


def ping(payload: bytes = b"") -> Frame:
    return Frame(PING, payload)


def pong(payload: bytes = b"") -> Frame:
    return Frame(PONG, payload)


def close(code: int | None = 1000, reason: str | bytes = b"") -> Frame:
    said = reason.encode() if isinstance(reason, str) else reason
    return Frame(CLOSE, b"" if code is None else struct.pack("!H", code) + said)


def octets_of(frames: Iterable[Frame], client: bool) -> bytes:
    return b"".join(frame.octets(client) for frame in frames)


def read(octets: bytes, client: bool) -> list[Frame]:
    """The frames that an engine has sent, each of which has to be complete, as short as can be, and masked or not."""
    frames = []
    while octets:
        first, second = octets[:2]
        length, form, at = second & 0x7F, 7, 2
        if length == 126:
            (length,), form, at = struct.unpack("!H", octets[2:4]), 16, 4
        elif length == 127:
            (length,), form, at = struct.unpack("!Q", octets[2:10]), 64, 10
        assert form == (7 if length < 126 else 16 if length < 65536 else 64), "a length that is longer than need be"
        assert (second >= 0x80) == client, "masked by a server, or not masked by a client"
        key = octets[at : at + 4] if client else bytes(4)
        at += 4 if client else 0
        payload = octets[at : at + length]
        assert len(payload) == length, "half a frame"
        frames.append(Frame(first & 0x0F, xor(payload, key) if client else payload, first >= 0x80, first >> 4 & 7))
        octets = octets[at + length :]
    return frames


def cut(octets: bytes, size: int) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)]


def fragmented(frame: Frame, size: int) -> list[Frame]:
    """The message of one frame, in frames of so many octets."""
    pieces = cut(frame.payload, size) or [b""]
    frames = [Frame(CONTINUATION, piece, fin=False) for piece in pieces]
    frames[0] = replace(frames[0], opcode=frame.opcode, rsv=frame.rsv)
    frames[-1] = replace(frames[-1], fin=True)
    return frames
