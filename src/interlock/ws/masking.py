"""Masking of a payload: each octet XOR one of the four of a key (RFC 6455 §5.3)."""

import os
from typing import Final

from librt.strings import BytesWriter, read_i32_le, read_i64_le, write_i64_le
from mypy_extensions import i64

from interlock.http.octets import COMPILED

__all__ = ["MaskKeys", "masked"]

#: Interpreted, so many octets at once are one integer: more than fit the processor's caches take longer.
_BLOCK: Final = 16384
#: Compiled, so many octets are masked before they are joined: memory that is used again need not be asked for.
_PAGE: Final = 65536
#: Octets of keys that are drawn at once.
_DRAWN: Final = 256


def masked(octets: bytes, key: bytes) -> bytes:
    """``octets``, masked or unmasked with the four octets of ``key``, of which the first is for the first octet."""
    size = len(octets)
    if COMPILED:
        if size <= _PAGE:
            return _masked_loop(octets, key, 0, size)
        return b"".join([_masked_loop(octets, key, at, min(at + _PAGE, size)) for at in range(0, size, _PAGE)])
    if size <= _BLOCK:
        repeated = (key * (size + 3 >> 2))[:size]
        return (int.from_bytes(octets, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")
    long_key = int.from_bytes(key * (_BLOCK >> 2), "little")
    parts = [
        (int.from_bytes(octets[at : at + _BLOCK], "little") ^ long_key).to_bytes(_BLOCK, "little")
        for at in range(0, size - _BLOCK + 1, _BLOCK)
    ]
    rest = size % _BLOCK
    if rest:
        parts.append(masked(octets[size - rest :], key))
    return b"".join(parts)


def _masked_loop(octets: bytes, key: bytes, begin: i64, end: i64) -> bytes:
    out = BytesWriter()
    word: i64 = i64(read_i32_le(key, 0)) & 0xFFFFFFFF
    word |= word << 32
    at = begin
    while at + 8 <= end:
        write_i64_le(out, read_i64_le(octets, at) ^ word)
        at += 8
    while at < end:
        out.append(octets[at] ^ key[at & 3])
        at += 1
    return out.getvalue()


class MaskKeys:
    """The keys of one client: four octets each, from the system's source of randomness (RFC 6455 §5.3, §10.3)."""

    __slots__ = ("_at", "_octets")

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0

    def next(self) -> bytes:
        """A key that nobody can foresee, and that is never used again."""
        at = self._at
        if at >= len(self._octets):
            self._octets = os.urandom(_DRAWN)
            at = 0
        self._at = at + 4
        return self._octets[at : at + 4]
