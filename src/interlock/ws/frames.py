"""Frames: their octets to values and back (RFC 6455 §5.2).  Pure functions; which frames may follow which is the tables'."""

from typing import Final

from interlock.http.errors import LocalProtocolError
from interlock.ws.events import NO_CODE, code_may_be_sent
from interlock.ws.masking import masked

__all__ = ["close_payload", "frame", "frame_head", "read_close", "read_frame_head"]

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

FIN: Final = 0x80
RSV1: Final = 0x40

#: RFC 6455 §7.4.1.
PROTOCOL_ERROR: Final = 1002
INVALID_DATA: Final = 1007
POLICY: Final = 1008
TOO_BIG: Final = 1009

#: The octets of :func:`read_frame_head` are not enough.
INCOMPLETE: Final = (-1, 0)


def _fault(first: int) -> str:
    """What is wrong with the first octet of a frame, or ""."""
    opcode = first & 0x0F
    if first & 0x30:
        return "RSV2 or RSV3 without an extension that defines it (RFC 6455 §5.2)"
    if opcode > PONG or BINARY < opcode < CLOSE:
        return f"reserved opcode {opcode} (RFC 6455 §5.2)"
    if opcode >= CLOSE and first & (FIN | RSV1) != FIN:
        return "a control frame that is fragmented or has RSV1 (RFC 6455 §5.5)"
    return ""


_FAULTS: Final = [_fault(first) for first in range(0x100)]


def read_frame_head(octets: bytes, at: int, client: bool) -> tuple[int, int]:
    """The head of the frame at ``octets[at]``: how many octets it has, its masking key included, and of its payload.

    ``client``: whether a client has sent it, so that it has to be masked (RFC 6455 §5.1).  Gives :data:`INCOMPLETE`
    where octets are missing.  Raises :class:`LocalProtocolError` with the status code of a Close as its hint.
    """
    have = len(octets) - at
    if have < 1:
        return INCOMPLETE
    first = octets[at]
    if _FAULTS[first]:
        raise LocalProtocolError(_FAULTS[first], PROTOCOL_ERROR)
    if have < 2:
        return INCOMPLETE
    second = octets[at + 1]
    if (second >= 0x80) != client:
        wrong = "a client's frame that is not masked" if client else "a server's frame that is masked"
        raise LocalProtocolError(f"{wrong} (RFC 6455 §5.1)", PROTOCOL_ERROR)
    length = second & 0x7F
    size = 6 if client else 2
    if length > 125:
        if first & 0x0F >= CLOSE:
            raise LocalProtocolError("a control frame of more than 125 octets (RFC 6455 §5.5)", PROTOCOL_ERROR)
        extended = 2 if length == 126 else 8
        size += extended
        if have < 2 + extended:
            return INCOMPLETE
        length = int.from_bytes(octets[at + 2 : at + 2 + extended], "big")
        if length > 0x7FFFFFFFFFFFFFFF:
            raise LocalProtocolError("a payload length of 64 bits (RFC 6455 §5.2)", PROTOCOL_ERROR)
        if length <= (125 if extended == 2 else 0xFFFF):
            raise LocalProtocolError(
                "a payload length that is longer than it needs to be (RFC 6455 §5.2)", PROTOCOL_ERROR
            )
    if have < size:
        return INCOMPLETE
    return size, length


def frame_head(first: int, length: int, mask: int) -> bytes:
    """The head of a frame without its masking key.  ``first``: its first octet.  ``mask``: 0x80 where it has a key."""
    if length < 126:
        return ((first << 8) | mask | length).to_bytes(2, "big")
    if length < 0x10000:
        return ((first << 24) | (mask | 126) << 16 | length).to_bytes(4, "big")
    return ((first << 8) | mask | 127).to_bytes(2, "big") + length.to_bytes(8, "big")


def frame(first: int, payload: bytes, key: bytes) -> bytes:
    """A whole frame.  ``first``: its first octet.  ``key``: its masking key, or b"" where it is a server's."""
    if key:
        return frame_head(first, len(payload), 0x80) + key + masked(payload, key)
    return frame_head(first, len(payload), 0) + payload


def close_payload(code: int | None, reason: bytes) -> bytes:
    """The payload of a Close (RFC 6455 §5.5.1)."""
    return b"" if code is None else code.to_bytes(2, "big") + reason


def read_close(payload: bytes) -> tuple[int, str]:
    """The code and the reason in the payload of a Close; 1005 where there is none (RFC 6455 §7.1.5, §7.1.6).

    Raises :class:`LocalProtocolError` with the status code of a Close as its hint.
    """
    if not payload:
        return NO_CODE, ""
    if len(payload) == 1:
        raise LocalProtocolError("a Close with one octet, which is no status code (RFC 6455 §5.5.1)", PROTOCOL_ERROR)
    code = payload[0] << 8 | payload[1]
    if not code_may_be_sent(code):
        raise LocalProtocolError(f"a Close with the status code {code} (RFC 6455 §7.4)", PROTOCOL_ERROR)
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise LocalProtocolError("a Close with a reason that is not UTF-8 (RFC 6455 §8.1)", INVALID_DATA) from None
