"""Decoding field blocks (RFC 7541): the RFC's examples, each rule and its error, limits, and any octets at all."""

import tracemalloc
from collections.abc import Callable

import hpack
import pytest
from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from interlock.h2.hpack import Decoder, HPACKError, strings
from interlock.h2.hpack.huffman import encode as huffman_encode
from interlock.h2.hpack.integer import encode_integer

Fields = list[tuple[bytes, bytes]]
NEWEST = b"\xbe"  # index 62


def string(octets: bytes) -> bytes:
    return encode_integer(len(octets), 0x7F, 0) + octets


def huffman_string(octets: bytes) -> bytes:
    code = huffman_encode(octets)
    return encode_integer(len(code), 0x7F, 0x80) + code


def literal(name: bytes, value: bytes, first: int = 0x40) -> bytes:
    """A literal with a new name; with incremental indexing unless ``first`` says otherwise."""
    return bytes([first]) + string(name) + string(value)


def size_update(octets: int) -> bytes:
    return encode_integer(octets, 0x1F, 0x20)


def fields(text: str) -> Fields:
    """The fields of lines as the RFC has them."""
    pairs = [line.strip().rpartition(": ")[::2] for line in text.strip().splitlines()]
    return [(name.encode(), value.encode()) for name, value in pairs]


def table_of(decoder: Decoder) -> Fields:
    """The dynamic table, newest entry first."""
    return [field for field, _ in decoder._table[:-61]][::-1]


# -- the RFC's examples: (block, fields, the table's size behind it)

FIRST = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com"
SECOND = FIRST + "\ncache-control: no-cache"
THIRD = """
:method: GET
:scheme: https
:path: /index.html
:authority: www.example.com
custom-key: custom-value
"""
DATE = "Mon, 21 Oct 2013 20:13:21 GMT"
REDIRECT = f":status: 302\ncache-control: private\ndate: {DATE}\nlocation: https://www.example.com"
COOKIE = """
:status: 200
cache-control: private
date: Mon, 21 Oct 2013 20:13:22 GMT
location: https://www.example.com
content-encoding: gzip
set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1
"""
EXAMPLES = {
    "C.2.1": (
        4096,
        [("400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header", 55)],
    ),
    "C.2.2": (4096, [("040c2f73616d706c652f70617468", ":path: /sample/path", 0)]),
    "C.2.3": (4096, [("100870617373776f726406736563726574", "password: secret", 0)]),
    "C.2.4": (4096, [("82", ":method: GET", 0)]),
    "C.3": (
        4096,
        [
            ("828684410f7777772e6578616d706c652e636f6d", FIRST, 57),
            ("828684be58086e6f2d6361636865", SECOND, 110),
            ("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", THIRD, 164),
        ],
    ),
    "C.4": (
        4096,
        [
            ("828684418cf1e3c2e5f23a6ba0ab90f4ff", FIRST, 57),
            ("828684be5886a8eb10649cbf", SECOND, 110),
            ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", THIRD, 164),
        ],
    ),
    "C.5": (
        256,
        [
            (
                (
                    "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
                    "6e1768747470733a2f2f7777772e6578616d706c652e636f6d"
                ),
                REDIRECT,
                222,
            ),
            ("4803333037c1c0bf", REDIRECT.replace("302", "307"), 222),
            (
                (
                    "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d"
                    "4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b20766572"
                    "73696f6e3d31"
                ),
                COOKIE,
                215,
            ),
        ],
    ),
    "C.6": (
        256,
        [
            (
                (
                    "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8"
                    "e9ae82ae43d3"
                ),
                REDIRECT,
                222,
            ),
            ("4883640effc1c0bf", REDIRECT.replace("302", "307"), 222),
            (
                (
                    "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b"
                    "3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"
                ),
                COOKIE,
                215,
            ),
        ],
    ),
}


@pytest.mark.parametrize(("size", "blocks"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_examples(size: int, blocks: list[tuple[str, str, int]]) -> None:
    decoder = Decoder(size)
    for block, expected, octets in blocks:
        assert decoder.decode(bytes.fromhex(block)) == fields(expected)
        assert decoder._octets == octets
        assert sum(len(name) + len(value) + 32 for name, value in table_of(decoder)) == octets


def test_the_table_behind_the_last_example() -> None:
    size, blocks = EXAMPLES["C.5"]
    decoder = Decoder(size)
    for block, _, _ in blocks:
        decoder.decode(bytes.fromhex(block))
    assert table_of(decoder) == fields(COOKIE)[:3:-1] + fields(COOKIE)[2:3]


def test_the_static_table() -> None:
    decoder = Decoder()
    for index, (name, value) in enumerate(HeaderTable.STATIC_TABLE, 1):
        assert decoder.decode(bytes([0x80 | index])) == [(name, value)]
        assert decoder.decode(bytes([0x0F, index - 15, 0] if index >= 15 else [index, 0])) == [(name, b"")]
    assert index == 61


# -- fields


def test_an_empty_block_has_no_fields() -> None:
    assert Decoder().decode(b"") == []


@pytest.mark.parametrize("first", [0x00, 0x10, 0x40])
@pytest.mark.parametrize("write", [string, huffman_string])
@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 129, 1000])
def test_literals_of_any_length(first: int, write: Callable[[bytes], bytes], length: int) -> None:
    name, value = b"x" * length, b"y" * length
    block = bytes([first]) + write(name) + write(value) + b"\x82"
    decoder = Decoder()
    for _ in range(2):
        assert decoder.decode(block) == [(name, value), (b":method", b"GET")]
    assert table_of(decoder) == ([(name, value)] * 2 if first == 0x40 else [])


def test_an_index_of_more_than_one_octet() -> None:
    decoder = Decoder()
    names = [b"%03d" % number for number in range(100)]
    decoder.decode(b"".join(literal(name, b"") for name in names))
    for place, name in enumerate(reversed(names)):
        index = 62 + place
        assert decoder.decode(encode_integer(index, 0x7F, 0x80)) == [(name, b"")]
        assert decoder.decode(encode_integer(index, 0x0F, 0) + b"\x01z") == [(name, b"z")]
    assert decoder.decode(encode_integer(161, 0x3F, 0x40) + b"\x01z") == [(b"000", b"z")]


def test_an_indexed_field_is_always_the_same_object() -> None:
    decoder = Decoder()
    inserted = decoder.decode(b"\x82" + literal(b"name", b"value"))
    again = decoder.decode(b"\x82" + NEWEST)
    assert again == inserted
    assert again[0] is inserted[0]
    assert again[1] is inserted[1]
    assert Decoder().decode(b"\x82")[0] is inserted[0]


def test_a_name_that_its_own_field_evicts() -> None:  # RFC 7541 §4.4
    decoder = Decoder(40)
    decoder.decode(literal(b"name", b"old"))
    assert decoder.decode(b"\x7e\x03new") == [(b"name", b"new")]
    assert table_of(decoder) == [(b"name", b"new")]


def test_never_indexed() -> None:
    decoder = Decoder()
    block = literal(b"a", b"1", 0x10) + b"\x82" + literal(b"b", b"2", 0x00) + b"\x17\x012" + literal(b"c", b"3")
    assert [name for name, _ in decoder.decode(block)] == [b"a", b":method", b"b", b":scheme", b"c"]
    assert decoder.never_indexed == (0, 3)
    assert table_of(decoder) == [(b"c", b"3")]
    decoder.decode(b"\x82")
    assert decoder.never_indexed == ()


ERRORS = {
    "index 0": (b"\x80", "index 0"),
    "index 0 behind a field": (b"\x82\x80", "index 0"),
    "an index beyond the static table": (b"\xbe", "beyond the table"),
    "an index far beyond the table": (b"\xff\x80\x7f", "beyond the table"),
    "the largest index": (b"\xff\x80\xff\xff\xff\x0f", "beyond the table"),
    "a larger index": (b"\xff\x81\xff\xff\xff\x0f", "integer"),
    "a name beyond the table": (b"\x7e\x01x", "beyond the table"),
    "a name beyond the table, not indexed": (b"\x0f\x2f\x01x", "beyond the table"),
    "a name beyond the table, never indexed": (b"\x1f\x2f\x01x", "beyond the table"),
    "an index without its end": (b"\xff\x80", "integer"),
    "a name's index without its end": (b"\x7f", "integer"),
    "no name": (b"\x40", "ends before"),
    "no value": (b"\x40\x01x", "ends before"),
    "no value behind an index": (b"\x41", "ends before"),
    "a name that is cut": (b"\x40\x02x", "ends behind"),
    "a value that is cut": (b"\x41\x02x", "ends behind"),
    "a value that is cut, Huffman": (b"\x41\x82\x1f", "ends behind"),
    "a length without its end": (b"\x41\x7f\x80", "integer"),
    "a length beyond all octets": (b"\x41\x7f\x80\xff\xff\xff\x0f", "ends behind"),
    "a length beyond all limits": (b"\x41\x7f\xff\xff\xff\xff\x7f", "integer"),
    "bad Huffman code": (b"\x41\x81\x00", "Huffman"),
    "bad Huffman code in a name": (b"\x40\x81\xff\x01x", "Huffman"),
    "EOS": (b"\x41\x84\xff\xff\xff\xff", "Huffman"),
    "a size update behind a field": (b"\x82\x20", "behind a field"),
    "a size update behind a literal": (b"\x41\x01x\x3f\xe1\x1f", "behind a field"),
    "a size update beyond the bound": (b"\x3f\xe2\x1f", "more than allowed"),
    "a second size update beyond the bound": (b"\x20\x3f\xe2\x1f", "more than allowed"),
    "a size update without its end": (b"\x3f\x80", "integer"),
    "three size updates": (b"\x20\x20\x20", "more than two"),
}


@pytest.mark.parametrize(("block", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_errors(block: bytes, message: str) -> None:
    with pytest.raises(HPACKError, match=message):
        Decoder().decode(block)


def test_every_cut_of_a_literal_is_an_error() -> None:
    block = literal(b"name" * 50, b"value" * 50)
    for end in range(1, len(block)):
        with pytest.raises(HPACKError):
            Decoder().decode(block[:end])


# -- the table's size


def test_size_updates() -> None:
    decoder = Decoder()
    decoder.decode(literal(b"first", b"1") + literal(b"second", b"2"))  # 38 and 39 octets
    assert decoder.decode(size_update(77) + NEWEST) == [(b"second", b"2")]
    assert len(table_of(decoder)) == 2
    assert decoder.decode(size_update(76)) == []
    assert table_of(decoder) == [(b"second", b"2")]
    decoder.decode(size_update(4096) + literal(b"third", b"3"))
    assert [name for name, _ in table_of(decoder)] == [b"third", b"second"]
    decoder.decode(size_update(0) + size_update(4096))
    assert table_of(decoder) == []
    assert decoder._octets == 0


def test_an_entry_larger_than_the_table_empties_it() -> None:  # RFC 7541 §4.4
    decoder = Decoder(100)
    decoder.decode(literal(b"a", b"1"))
    assert decoder.decode(literal(b"b", b"x" * 68)) == [(b"b", b"x" * 68)]
    assert table_of(decoder) == []
    assert decoder._octets == 0
    decoder.decode(literal(b"b", b"x" * 67))
    assert decoder._octets == 100


def test_a_lowered_bound_asks_for_a_size_update() -> None:
    for block in (b"", b"\x82", size_update(101), size_update(4096)):
        decoder = Decoder()
        decoder.max_table_size = 100
        with pytest.raises(HPACKError, match=r"lowered|more than allowed"):
            decoder.decode(block)
    decoder = Decoder()
    decoder.decode(literal(b"a", b"1") * 3)
    decoder.max_table_size = 100
    assert decoder.max_table_size == 100
    decoder.decode(size_update(100) + NEWEST)
    assert len(table_of(decoder)) == 2
    decoder.decode(b"\x82")  # once is enough


def test_a_bound_that_is_lowered_and_raised_asks_for_the_lowest() -> None:  # RFC 7541 §4.2
    for block in (b"\x82", size_update(4096), size_update(101) + size_update(4096)):
        decoder = Decoder()
        decoder.max_table_size = 100
        decoder.max_table_size = 200
        decoder.max_table_size = 4096
        with pytest.raises(HPACKError, match="lowered"):
            decoder.decode(block)
    decoder = Decoder()
    decoder.max_table_size = 100
    decoder.max_table_size = 4096
    decoder.decode(size_update(100) + size_update(4096) + literal(b"x" * 200, b""))
    assert len(table_of(decoder)) == 1


def test_a_bound_above_the_size_asks_for_nothing() -> None:
    decoder = Decoder()
    decoder.decode(size_update(100))
    decoder.max_table_size = 100
    decoder.decode(b"\x82")
    decoder.max_table_size = 8192
    decoder.decode(b"\x82")
    decoder.decode(literal(b"x" * 69, b""))  # the encoder decides: still 100 octets
    assert table_of(decoder) == []
    decoder.decode(size_update(8192) + literal(b"x" * 5000, b""))
    assert len(table_of(decoder)) == 1


def test_the_version_changes_with_the_table_and_only_then() -> None:
    decoder = Decoder(100)
    seen = {decoder.version}

    def changed() -> bool:
        before = len(seen)
        seen.add(decoder.version)
        return len(seen) > before

    decoder.decode(literal(b"a", b"1"))
    assert changed()
    decoder.decode(b"\x82\xbe" + literal(b"a", b"1", 0) + literal(b"a", b"1", 0x10))
    assert not changed()
    decoder.decode(b"\xbe")
    assert not changed()
    decoder.decode(literal(b"x" * 100, b"1"))  # which evicts only
    assert changed()
    decoder.decode(size_update(50))
    assert changed()
    decoder.max_table_size = 40  # a block that was right is so no more
    assert changed()
    decoder.decode(size_update(40))
    assert changed()


# -- limits


def list_octets(kept: Fields) -> int:
    return sum(len(name) + len(value) + 32 for name, value in kept)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 5000])
def test_most_fields(count: int) -> None:
    decoder = Decoder()
    assert decoder.decode(b"\x82" * count) == [(b":method", b"GET")] * min(count, 100)
    assert decoder.overflow == (count > 100)
    assert decoder.decode(b"\x82") == [(b":method", b"GET")]
    assert not decoder.overflow


@pytest.mark.parametrize("first", [0x00, 0x10, 0x40])
def test_most_octets(first: int) -> None:
    block = b"".join(literal(b"%04d" % number, b"x" * 64, first) for number in range(10))  # 100 octets each
    for most in (0, 99, 100, 101, 250, 999, 1000):
        decoder = Decoder(4096, most)
        kept = decoder.decode(block)
        assert len(kept) == most // 100
        assert decoder.overflow == (most < 1000)
        assert decoder.never_indexed == (tuple(range(len(kept))) if first == 0x10 else ())
        assert len(table_of(decoder)) == (10 if first == 0x40 else 0)


def test_a_small_field_behind_the_limit_is_not_kept() -> None:
    decoder = Decoder(4096, 200)
    assert decoder.decode(b"\x82" + literal(b"a", b"x" * 200, 0) + b"\x82") == [(b":method", b"GET")]
    assert decoder.overflow


def test_a_large_entry_counts_each_time_it_is_named() -> None:
    decoder = Decoder(4096, 10000)
    decoder.decode(literal(b"a", b"x" * 3967))  # 4000 octets
    assert len(decoder.decode(NEWEST * 3)) == 2
    assert decoder.overflow
    assert len(decoder.decode(NEWEST * 2)) == 2
    assert not decoder.overflow


@given(st.lists(st.tuples(st.binary(max_size=60), st.binary(max_size=60)), max_size=30), st.data())
def test_overflow_leaves_the_table_as_it_should_be(section: Fields, data: st.DataObject) -> None:
    encoder = hpack.Encoder()
    whole = Decoder()
    limited = Decoder(4096, data.draw(st.integers(0, 2000)), data.draw(st.integers(0, 10)))
    for _ in range(2):
        block = encoder.encode(section, huffman=False)
        expected = whole.decode(block)
        kept = limited.decode(block)
        assert kept == expected[: len(kept)]
        assert limited.overflow == (len(kept) < len(expected))
        if limited.overflow and len(kept) < limited._max_fields:
            assert list_octets(expected[: len(kept) + 1]) > limited._max_list_octets
        assert list_octets(kept) <= limited._max_list_octets
        assert table_of(limited) == table_of(whole)


def peak(decoder: Decoder, block: bytes) -> int:
    """The octets that decoding ``block`` takes at most."""
    tracemalloc.start()
    try:
        decoder.decode(block)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOMBS = {
    "a large entry, named again and again": (literal(b"a", b"x" * 4000), NEWEST * 65536),
    "a large name, with values": (literal(b"x" * 4000, b""), b"\x0f\x2f\x00" * 21000),
    "entries": (b"", literal(b"", b"") * 21000),
    "entries of which each evicts all others": (b"", (b"\x40\x01a" + string(b"x" * 4000)) * 17),
    "strings that get longer": (b"", b"\x40\x00" + huffman_string(b"0" * 100000)),
    "a lot of short strings that get longer": (b"", (b"\x00\x00" + huffman_string(b"0" * 180)) * 550),
}


@pytest.mark.parametrize(("before", "block"), BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_bounded(before: bytes, block: bytes) -> None:
    decoder = Decoder()
    decoder.decode(before + b"\x40" + huffman_string(b"0") * 2)  # what is made once is made
    assert peak(decoder, block) < 1 << 20
    assert len(decoder._table) <= 61 + 4096 // 32
    assert decoder._octets <= 4096
    assert decoder.overflow


def test_what_is_kept_of_strings_is_bounded_and_no_secret() -> None:
    decoder = Decoder()
    secret = b"0123456789abcdef"
    for block in (
        b"\x0f\x11" + huffman_string(secret),  # cookie
        b"\x0f\x28" + huffman_string(secret),  # set-cookie
        b"\x0f\x08" + huffman_string(secret),  # authorization
        b"\x0f\x22" + huffman_string(secret),  # proxy-authorization
        b"\x10" + string(b"x") + huffman_string(secret),  # never indexed
    ):
        assert decoder.decode(block)[0][1] == secret
        assert decoder.never_indexed == ((0,) if block[0] == 0x10 else ())
    assert secret not in strings._READ.values()
    decoder.decode(b"\x04" + huffman_string(b"0" * 300) + b"\x04" + huffman_string(secret))
    assert b"0" * 300 not in strings._READ.values()
    assert secret in strings._READ.values()
    for number in range(3000):
        decoder.decode(b"\x04" + huffman_string(b"/%d" % number))
        assert len(strings._READ) <= 1024


# -- any octets

pieces = st.one_of(
    st.integers(1, 64).map(lambda index: bytes([0x80 | index])),
    st.builds(literal, st.binary(max_size=8), st.binary(max_size=8), st.sampled_from([0, 0x10, 0x40])),
    st.builds(lambda first, value: bytes([first]) + huffman_string(value), st.integers(1, 0x7E), st.binary(max_size=8)),
    st.sampled_from([0, 60, 4096, 4097]).map(size_update),
    st.binary(max_size=4),
)


@given(st.lists(st.lists(pieces, max_size=8).map(b"".join), max_size=4))
def test_any_octets_are_fields_as_for_the_peer_or_an_error(blocks: list[bytes]) -> None:
    decoder = Decoder()
    peer = hpack.Decoder()
    for block in blocks:
        try:
            decoded = decoder.decode(block)
        except HPACKError:
            return
        assert [tuple(field) for field in peer.decode(block, raw=True)] == decoded
        assert table_of(decoder) == list(peer.header_table.dynamic_entries)
