"""Frames: values to octets, and the payloads of frames to values (RFC 9113 §4, §6; RFC 9218 §7.1; RFC 7838 §4).

All of these are pure functions.  What a frame means, and whether it may come now, is for the engine to say.
"""

from typing import Final

from interlock.h2.errors import FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, ConnectionFault, StreamFault

__all__ = [
    "frame",
    "goaway",
    "head",
    "headers",
    "ping",
    "priority_update",
    "rst_stream",
    "settings",
    "window_update",
]

#: RFC 9113 §3.4: what a client's octets begin with.
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# RFC 9113 §6, RFC 7838 §4, RFC 8336 §2, RFC 9218 §7.1: the types of frames.
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9
ALTSVC: Final = 0xA
ORIGIN: Final = 0xC
PRIORITY_UPDATE: Final = 0x10

# Their flags.
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

# RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1: settings.
HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
ENABLE_CONNECT_PROTOCOL: Final = 0x8
NO_RFC7540_PRIORITIES: Final = 0x9

#: The largest stream identifier, window and increment (RFC 9113 §5.1.1, §6.9).
LARGEST: Final = 0x7FFFFFFF
#: The octets of a frame's header (RFC 9113 §4.1).
HEAD_OCTETS: Final = 9
#: What SETTINGS_MAX_FRAME_SIZE may be (RFC 9113 §6.5.2).
LEAST_FRAME_SIZE: Final = 16384
MOST_FRAME_SIZE: Final = 16777215
#: Before any SETTINGS (RFC 9113 §6.9.2).
DEFAULT_WINDOW: Final = 65535

#: Before any SETTINGS (RFC 9113 §6.5.2).
DEFAULT_HEADER_TABLE: Final = 4096

#: As many settings as one SETTINGS frame may have.
MOST_SETTINGS: Final = 32


def head(octets: int, kind: int, flags: int, stream_id: int) -> bytes:
    """The header of a frame whose payload has that many octets (RFC 9113 §4.1)."""
    return ((octets << 48) | (kind << 40) | (flags << 32) | stream_id).to_bytes(HEAD_OCTETS, "big")


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A frame."""
    return head(len(payload), kind, flags, stream_id) + payload


def headers(stream_id: int, block: bytes, end_stream: bool, frame_size: int) -> bytes:
    """HEADERS, and CONTINUATION frames behind it as far as ``frame_size`` (octets) demands (RFC 9113 §6.2, §6.10)."""
    flags = END_STREAM if end_stream else 0
    octets = len(block)
    if octets <= frame_size:
        return head(octets, HEADERS, flags | END_HEADERS, stream_id) + block
    parts = [head(frame_size, HEADERS, flags, stream_id), block[:frame_size]]
    for at in range(frame_size, octets, frame_size):
        part = block[at : at + frame_size]
        parts.append(head(len(part), CONTINUATION, END_HEADERS if at + frame_size >= octets else 0, stream_id))
        parts.append(part)
    return b"".join(parts)


def rst_stream(stream_id: int, code: int) -> bytes:
    """RST_STREAM (RFC 9113 §6.4)."""
    return frame(RST_STREAM, 0, stream_id, code.to_bytes(4, "big"))


def settings(pairs: list[tuple[int, int]]) -> bytes:
    """SETTINGS (RFC 9113 §6.5)."""
    payload = b"".join([name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in pairs])
    return frame(SETTINGS, 0, 0, payload)


#: The acknowledgement of SETTINGS (RFC 9113 §6.5.3).
SETTINGS_ACK: Final = frame(SETTINGS, ACK, 0, b"")


def ping(data: bytes, ack: bool) -> bytes:
    """PING, with 8 octets of data, or its acknowledgement (RFC 9113 §6.7)."""
    return frame(PING, ACK if ack else 0, 0, data)


def goaway(last_stream_id: int, code: int, debug: bytes) -> bytes:
    """GOAWAY (RFC 9113 §6.8)."""
    return frame(GOAWAY, 0, 0, last_stream_id.to_bytes(4, "big") + code.to_bytes(4, "big") + debug)


def window_update(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE (RFC 9113 §6.9)."""
    return frame(WINDOW_UPDATE, 0, stream_id, increment.to_bytes(4, "big"))


def priority_update(stream_id: int, value: bytes) -> bytes:
    """PRIORITY_UPDATE (RFC 9218 §7.1)."""
    return frame(PRIORITY_UPDATE, 0, 0, stream_id.to_bytes(4, "big") + value)


# -- payloads to values


def unpad(payload: bytes) -> bytes:
    """What is in a PADDED payload beside its padding (RFC 9113 §6.1, §6.2)."""
    if not payload:
        raise ConnectionFault(FRAME_SIZE_ERROR, "a padded frame without its pad length (RFC 9113 §4.2)")
    padding = payload[0]
    if padding >= len(payload):
        raise ConnectionFault(PROTOCOL_ERROR, "padding as long as its frame (RFC 9113 §6.1)")
    return payload[1 : len(payload) - padding]


def number(payload: bytes) -> int:
    """The 32-bit number that is all of the payload, or begins it."""
    return int.from_bytes(payload[:4], "big")


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings in a SETTINGS frame, in order, the unknown ones left out (RFC 9113 §6.5.1, §6.5.2)."""
    if len(payload) % 6:
        raise ConnectionFault(FRAME_SIZE_ERROR, "SETTINGS whose length is no multiple of 6 (RFC 9113 §6.5)")
    pairs: list[tuple[int, int]] = []
    for at in range(0, len(payload), 6):
        name = (payload[at] << 8) | payload[at + 1]
        value = int.from_bytes(payload[at + 2 : at + 6], "big")
        if name == INITIAL_WINDOW_SIZE:
            if value > LARGEST:
                raise ConnectionFault(
                    FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31-1 (RFC 9113 §6.5.2)"
                )
        elif name == MAX_FRAME_SIZE:
            if not LEAST_FRAME_SIZE <= value <= MOST_FRAME_SIZE:
                raise ConnectionFault(PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE of {value} octets (RFC 9113 §6.5.2)")
        elif name == ENABLE_PUSH or name == ENABLE_CONNECT_PROTOCOL or name == NO_RFC7540_PRIORITIES:
            if value > 1:
                raise ConnectionFault(PROTOCOL_ERROR, f"setting 0x{name:x} is {value}, not 0 or 1 (RFC 9113 §6.5.2)")
        elif name != HEADER_TABLE_SIZE and name != MAX_CONCURRENT_STREAMS and name != MAX_HEADER_LIST_SIZE:
            continue
        pairs.append((name, value))
    return pairs


def check_dependency(stream_id: int, payload: bytes) -> None:
    """Raise :class:`StreamFault` where the priority fields that ``payload`` begins with make a stream its own parent.

    Nothing else of them means anything (RFC 9113 §5.3.2).
    """
    if number(payload) & LARGEST == stream_id:
        raise StreamFault(PROTOCOL_ERROR, "a stream that depends on itself (RFC 7540 §5.3.1)")
