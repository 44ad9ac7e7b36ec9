"""Integers with a prefix (RFC 7541 §5.1): the RFC's examples, every prefix there is, and the limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.h2.hpack import HPACKError
from interlock.h2.hpack.integer import decode_integer, encode_integer

MOST = 2**32 - 1
MASKS = [0x0F, 0x1F, 0x3F, 0x7F]


@pytest.mark.parametrize(
    ("value", "mask", "octets"),
    [
        (10, 0x1F, "0a"),  # C.1.1
        (1337, 0x1F, "1f9a0a"),  # C.1.2
        (42, 0xFF, "2a"),  # C.1.3
        (30, 0x1F, "1e"),
        (31, 0x1F, "1f00"),
        (127 + 127, 0x7F, "7f7f"),
        (127 + 128, 0x7F, "7f8001"),
        (MOST, 0x7F, "7f80ffffff0f"),
    ],
)
def test_examples(value: int, mask: int, octets: str) -> None:
    assert encode_integer(value, mask, 0).hex() == octets
    if value >= mask:
        assert decode_integer(bytes.fromhex(octets), 1, mask) == (value, len(octets) // 2)


@given(value=st.integers(0, MOST), mask=st.sampled_from(MASKS), before=st.binary(max_size=3), behind=st.binary())
def test_what_is_written_is_read_back(value: int, mask: int, before: bytes, behind: bytes) -> None:
    octets = encode_integer(value, mask, 0)
    assert len(octets) <= 6
    assert octets[0] & mask == min(value, mask)
    if value >= mask:
        start = len(before) + 1
        assert decode_integer(before + octets + behind, start, mask) == (value, len(before) + len(octets))


def test_the_pattern_stands_above_the_prefix() -> None:
    assert encode_integer(5, 0x0F, 0x10) == b"\x15"
    assert encode_integer(15, 0x0F, 0x10) == b"\x1f\x00"


def test_zeros_at_the_end_are_no_error() -> None:
    assert decode_integer(b"\x9a\x8a\x80\x80\x00", 0, 0x1F) == (1337, 5)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    "octets",
    [
        b"",  # no end
        b"\x80",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff",  # no end within five octets
        b"\x80\x80\x80\x80\x80\x00",  # six octets, even if they say 0
        b"\xff\xff\xff\xff\xff\x01",
        b"\xff\xff\xff\xff\x0f",  # 2^32 - 1, to which the prefix comes
        b"\xff\xff\xff\xff\x7f",  # 2^35 - 1
        b"\xff" * 64,
    ],
)
def test_limits(octets: bytes, mask: int) -> None:
    with pytest.raises(HPACKError, match="integer"):
        decode_integer(octets, 0, mask)


@pytest.mark.parametrize("mask", MASKS)
def test_the_largest_integer(mask: int) -> None:
    octets = encode_integer(MOST, mask, 0)
    assert decode_integer(octets, 1, mask) == (MOST, 6)
    with pytest.raises(HPACKError, match="integer"):
        decode_integer(encode_integer(MOST + 1, mask, 0), 1, mask)
