"""Integers with a prefix (RFC 7541 §5.1)."""

from typing import Final

from mypy_extensions import i64

from interlock.h2.hpack.errors import HPACKError

__all__ = ["decode_integer", "encode_integer"]

#: More than any index, length or size can be that is of use; also what fits into native integers by far.
_MOST: Final = 0xFFFFFFFF
#: Octets behind the prefix: as many as :data:`_MOST` needs.
_MOST_OCTETS: Final = 5


def encode_integer(value: int, mask: int, pattern: int) -> bytes:
    """``value`` with a prefix of ``mask`` (all ones), in an octet whose bits above the prefix are ``pattern``."""
    if value < mask:
        return bytes([pattern | value])
    octets = [pattern | mask]
    value -= mask
    while value >= 0x80:
        octets.append(0x80 | (value & 0x7F))
        value >>= 7
    octets.append(value)
    return bytes(octets)


def decode_integer(block: bytes, start: int, mask: int) -> tuple[int, int]:
    """The integer whose prefix, ``mask`` (all ones), was full, with its other octets from ``start``; and where it ends.

    Raises :class:`HPACKError` if it does not end, has more than 5 of these octets, or is 2^32 or more.
    """
    value: i64 = mask
    shift: i64 = 0
    at: i64 = start
    end: i64 = min(len(block), start + _MOST_OCTETS)
    while at < end:
        octet: i64 = block[at]
        at += 1
        value += (octet & 0x7F) << shift
        if octet < 0x80:
            if value > _MOST:
                break
            return value, at
        shift += 7
    raise HPACKError("an integer that has no end, or is too large (RFC 7541 §5.1)")
