"""The Huffman code (RFC 7541 §5.2, Appendix B), in both forms of each direction, with the hpack library beside it."""

from collections.abc import Callable

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import example, given
from hypothesis import strategies as st

from interlock.h2.hpack import HPACKError, huffman

PEER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
Coder = Callable[[bytes], bytes]
ENCODERS = [huffman.encode, huffman._encode_bulk, huffman._encode_loop]
DECODERS = [huffman.decode, huffman._decode_bulk, huffman._decode_loop]

encoders = pytest.mark.parametrize("encode", ENCODERS)
decoders = pytest.mark.parametrize("decode", DECODERS)


def code(bits: str) -> bytes:
    """These bits as octets."""
    bits = bits.replace(" ", "")
    assert len(bits) % 8 == 0
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def test_every_code_is_that_of_the_rfc() -> None:
    assert huffman._CODES == REQUEST_CODES[:256]
    assert list(huffman._LENGTHS) == REQUEST_CODES_LENGTH[:256]


@encoders
@decoders
@pytest.mark.parametrize(
    ("string", "octets"),
    [
        (b"", ""),
        (b"www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),  # C.4.1
        (b"no-cache", "a8eb10649cbf"),  # C.4.2
        (b"custom-key", "25a849e95ba97d7f"),  # C.4.3
        (b"custom-value", "25a849e95bb8e8b4bf"),
        (b"302", "6402"),  # C.6.1
        (b"private", "aec3771a4b"),
        (b"Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        (b"https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
        (b"307", "640eff"),  # C.6.2
        (b"gzip", "9bd9ab"),  # C.6.3
    ],
)
def test_examples(encode: Coder, decode: Coder, string: bytes, octets: str) -> None:
    assert encode(string).hex() == octets
    assert decode(bytes.fromhex(octets)) == string


@encoders
@decoders
@pytest.mark.parametrize("octet", range(256))
def test_each_octet_at_each_place(encode: Coder, decode: Coder, octet: int) -> None:
    for before in range(9):  # "0" has five bits: all eight places
        string = b"0" * before + bytes([octet]) + b"a"
        octets = encode(string)
        assert octets == PEER.encode(string)
        assert decode(octets) == string


@given(st.binary(max_size=300))
@example(bytes(range(256)))
@example(bytes(range(255, -1, -1)) * 20)
def test_any_string(string: bytes) -> None:
    expected = PEER.encode(string)
    for encode in ENCODERS:
        assert encode(string) == expected
    for decode in DECODERS:
        assert decode(expected) == string


def outcome(decode: Coder, octets: bytes) -> bytes | None:
    """What ``octets`` is decoded to; None for an error."""
    try:
        return decode(octets)
    except HPACKError:
        return None


@given(st.binary(max_size=40) | st.lists(st.sampled_from([0, 0x1F, 0x7F, 0xFE, 0xFF]), max_size=8).map(bytes))
def test_any_octets_have_one_meaning(octets: bytes) -> None:
    string = outcome(huffman.decode, octets)
    assert [outcome(decode, octets) for decode in DECODERS] == [string] * 3
    if string is not None:
        assert huffman.encode(string) == octets


ALL_ONES = "1" * 30
ZERO = "00000"  # the digit
SEVEN = "1011100"  # a colon


@decoders
@pytest.mark.parametrize(
    ("octets", "string"),
    [
        (code(ZERO + "111"), b"0"),
        (code(SEVEN + "1"), b":"),
        (code("11111000"), b"&"),  # no padding
        (code(3 * ZERO + "1"), b"000"),
        (code("1111111111001" + "111"), b"$"),
        (code(5 * ZERO + "1111111"), b"00000"),  # seven ones
    ],
)
def test_padding(decode: Coder, octets: bytes, string: bytes) -> None:
    assert decode(octets) == string


@decoders
@pytest.mark.parametrize(
    "octets",
    [
        code(ZERO + "110"),  # padding that is not all ones
        code(ZERO + "000"),
        code(ZERO + "011"),
        code(SEVEN + "0"),
        code("11111000" + "11111111"),  # eight ones
        code(ZERO + "111" + "11111111"),
        code("11111111"),
        code("11111111 11111111 11111111"),
        code(ALL_ONES + "11"),  # EOS and padding
        code(ALL_ONES + ZERO + "11111"),  # EOS before a string
        code(ZERO + ALL_ONES + "11111"),  # behind one
        code("11" + "1" * 30 + ZERO + "111"),
        code("1" * 64),
        code("11111111 11111111 11111111 11110000"),  # a code of 30 bits that stops short
    ],
)
def test_errors(decode: Coder, octets: bytes) -> None:
    with pytest.raises(HPACKError, match="Huffman"):
        decode(octets)
