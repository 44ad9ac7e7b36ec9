"""Masking: octet by octet what RFC 6455 §5.3 says, interpreted and compiled; and keys."""

import pytest
from tests.ws.raw import KEY, xor

from interlock.ws.masking import MaskKeys, masked

SIZES = (*range(70), 255, 256, 257, 16383, 16384, 16385, 16388, 32767, 32768, 40001, 65535, 65536, 65537, 131081)


@pytest.mark.parametrize("key", [KEY, bytes(4), b"\xff\xff\xff\xff", b"\x80\x00\x00\x01"])
def test_each_octet_is_that_of_the_key(key: bytes) -> None:
    for size in SIZES:
        octets = bytes(range(251)) * (size // 251) + bytes(range(size % 251))
        assert masked(octets, key) == xor(octets, key)
        assert masked(masked(octets, key), key) == octets


def test_keys_are_drawn_again_when_they_are_used_up() -> None:
    keys = MaskKeys()
    drawn = [keys.next() for _ in range(1000)]
    assert {len(key) for key in drawn} == {4}
    assert len(set(drawn)) > 990
    assert {MaskKeys().next() for _ in range(100)}.isdisjoint(drawn)
