"""Encoding field sections (RFC 7541): what is indexed, what never is, the table's size, and reading it all back."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.h2.hpack import Decoder, Encoder, strings
from interlock.h2.hpack.integer import encode_integer

Fields = list[tuple[bytes, bytes]]

FIRST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]


def size_update(octets: int) -> bytes:
    return encode_integer(octets, 0x1F, 0x20)


# -- octets


def test_the_requests_of_the_rfc() -> None:  # C.4
    encoder = Encoder()
    assert encoder.encode(FIRST).hex() == "828684418cf1e3c2e5f23a6ba0ab90f4ff"
    assert encoder.encode([*FIRST, (b"cache-control", b"no-cache")]).hex() == "828684be5886a8eb10649cbf"
    third = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":path", b"/index.html"),
        (b":authority", b"www.example.com"),
        (b"custom-key", b"custom-value"),
    ]
    assert encoder.encode(third).hex() == "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"
    assert encoder._octets == 164


def test_a_name_has_the_first_index_that_it_stands_at() -> None:  # C.6.1
    assert Encoder().encode([(b":status", b"302")]).hex() == "48826402"


def test_no_fields() -> None:
    assert Encoder().encode([]) == b""


def test_the_static_table() -> None:
    encoder = Encoder()
    static = [Decoder().decode(bytes([0x80 | index]))[0] for index in range(1, 62)]
    assert encoder.encode(static) == bytes(range(0x81, 0x80 + 62))


def test_any_iterable_will_do() -> None:
    assert Encoder().encode(iter(FIRST)) == Encoder().encode(tuple(FIRST)) == Encoder().encode(FIRST)


def test_huffman_where_it_is_shorter() -> None:
    encoder = Encoder()
    assert encoder.encode([(b"age", b"0000")]) == b"\x0f\x06\x83" + bytes.fromhex("00000f")
    assert encoder.encode([(b"age", b"\xff" * 4)]) == b"\x0f\x06\x04" + b"\xff" * 4
    assert encoder.encode([(b"age", b"0")]) == b"\x0f\x06\x010"  # as long: plain
    assert encoder.encode([(b"age", b"")]) == b"\x95"  # in the static table


def test_a_name_is_taken_from_the_table() -> None:
    encoder = Encoder()
    encoder.encode([(b"x-name", b"1")])
    assert encoder.encode([(b"x-name", b"2")]) == b"\x7e\x012"
    assert encoder.encode([(b"x-name", b"3" * 4000)])[:2] == b"\x0f\x2f"  # too large to be indexed: the newest's name
    encoder.encode([(b"x-%d" % number, b"") for number in range(100)])
    assert encoder.encode([(b"x-1", b"1")])[:2] == encode_integer(62 + 98, 0x3F, 0x40)


def test_indices_of_a_large_table() -> None:
    encoder = Encoder(65536)
    encoder.max_table_size = 65536
    decoder = Decoder()
    decoder.max_table_size = 65536
    section = [(b"x-%d" % number, b"") for number in range(1000)]
    decoder.decode(encoder.encode(section))
    block = encoder.encode(section)
    assert len(block) <= 3000
    assert decoder.decode(block) == section[:100]
    assert decoder.overflow


# -- what is put into the table

NEVER = [
    (b"authorization", b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    (b"authorization", b"Bearer " + b"x" * 100),
    (b"proxy-authorization", b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    (b"cookie", b"pin=1234"),
    (b"cookie", b"x" * 19),
    (b"set-cookie", b"pin=1234"),
]


@pytest.mark.parametrize("field", NEVER)
def test_never_indexed(field: tuple[bytes, bytes]) -> None:
    encoder = Encoder()
    block = encoder.encode([field])
    assert block[0] & 0xF0 == 0x10
    assert encoder.encode([field]) == block
    assert encoder._octets == 0
    decoder = Decoder()
    assert decoder.decode(block) == [field]
    assert decoder.never_indexed == (0,)
    assert next(iter(hpack.Decoder().decode(block, raw=True))).indexable is False


NOT_INDEXED = [
    (b"age", b"17"),
    (b"content-length", b"1234"),
    (b"content-range", b"bytes 0-1/2"),
    (b"etag", b'"abc"'),
    (b"if-modified-since", b"Mon, 21 Oct 2013 20:13:21 GMT"),
    (b"if-none-match", b'"abc"'),
    (b"last-modified", b"Mon, 21 Oct 2013 20:13:21 GMT"),
    (b"location", b"https://www.example.com/"),
    (b"range", b"bytes=0-1"),
    (b"set-cookie", b"x" * 20),
    (b":path", b"/?q=1"),
    (b":path", b"/" + b"x" * 64),
    (b"x-large", b"x" * (3 * 1024 - 32 - 7 + 1)),
]


@pytest.mark.parametrize("field", NOT_INDEXED)
def test_not_indexed(field: tuple[bytes, bytes]) -> None:
    encoder = Encoder()
    block = encoder.encode([field])
    assert block[0] & 0xF0 == 0x00
    assert encoder.encode([field]) == block
    assert encoder._octets == 0
    decoder = Decoder()
    assert decoder.decode(block) == [field]
    assert decoder.never_indexed == ()


INDEXED = [
    (b":authority", b"www.example.com"),
    (b":path", b"/a"),
    (b":path", b"/" + b"x" * 63),
    (b":status", b"418"),
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cookie", b"x" * 20),
    (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
    (b"server", b"interlock"),
    (b"user-agent", b"Mozilla/5.0"),
    (b"x-anything", b""),
    (b"x-large", b"x" * (3 * 1024 - 32 - 7)),
]


@pytest.mark.parametrize("field", INDEXED)
def test_indexed(field: tuple[bytes, bytes]) -> None:
    encoder = Encoder()
    block = encoder.encode([field])
    assert block[0] & 0xC0 == 0x40
    assert encoder.encode([field]) == b"\xbe"
    assert encoder._octets == len(field[0]) + len(field[1]) + 32


def test_a_field_that_was_evicted_is_written_out_again() -> None:
    encoder = Encoder(100)
    assert encoder.encode([(b"a", b"1"), (b"b", b"2"), (b"a", b"1")])[-1] == 0xBF
    assert encoder.encode([(b"c", b"3"), (b"b", b"2")])[-1] == 0xBF
    assert encoder.encode([(b"a", b"1")]) == b"\x40\x01a\x011"
    assert encoder.encode([(b"a", b"1")]) == b"\xbe"
    assert len(encoder._index) == 61 + len(encoder._entries)
    assert encoder._names.keys() == {name for name, _ in encoder._entries}


def test_what_is_kept_of_strings_is_bounded_and_no_secret() -> None:
    encoder = Encoder()
    encoder.encode([*NEVER, (b"cookie", b"y" * 20), (b"set-cookie", b"y" * 21), (b"etag", b"y" * 200)])
    for _, value in NEVER:
        assert value not in strings._WRITTEN
    assert not {b"y" * 20, b"y" * 21, b"y" * 200} & strings._WRITTEN.keys()
    for number in range(3000):
        encoder.encode([(b"etag", b"%d" % number)])
        assert len(strings._WRITTEN) <= 1024
    assert b"2999" in strings._WRITTEN


# -- the table's size (RFC 7541 §4.2)


def test_nothing_is_said_where_nothing_changes() -> None:
    encoder = Encoder()
    encoder.max_table_size = 4096
    encoder.max_table_size = 65536
    assert encoder.max_table_size == 4096
    assert encoder.encode(FIRST)[0] == 0x82


@pytest.mark.parametrize(
    ("sizes", "updates"),
    [
        ([100], [100]),
        ([0], [0]),
        ([100, 200], [100, 200]),
        ([200, 100], [100]),
        ([100, 4096], [100, 4096]),
        ([100, 0, 9999], [0, 4096]),
        ([300, 100, 200, 150], [100, 150]),
    ],
)
def test_changes_are_said_once(sizes: list[int], updates: list[int]) -> None:
    encoder = Encoder()
    decoder = Decoder()
    peer = hpack.Decoder()
    decoder.decode(block := encoder.encode(FIRST))
    peer.decode(block)
    for size in sizes:
        encoder.max_table_size = size
        decoder.max_table_size = size
        peer.max_allowed_table_size = size
    expected = b"".join(map(size_update, updates))
    block = encoder.encode(FIRST)
    assert block.startswith(expected + b"\x82")
    assert decoder.decode(block) == FIRST
    assert [tuple(field) for field in peer.decode(block, raw=True)] == FIRST
    assert encoder.encode(FIRST).startswith(b"\x82")


def test_a_raise_is_said() -> None:
    encoder = Encoder()
    encoder.max_table_size = 100
    assert encoder.encode([]) == size_update(100)
    encoder.max_table_size = 200
    assert encoder.encode([]) == size_update(200)
    encoder.max_table_size = 300
    encoder.max_table_size = 200
    assert encoder.encode([]) == size_update(200)


def test_the_cap() -> None:
    encoder = Encoder(256)
    assert encoder.max_table_size == 256
    assert encoder.encode([]) == size_update(256)
    encoder.max_table_size = 4096
    assert encoder.encode([]) == b""
    encoder = Encoder(8192)
    assert encoder.max_table_size == 4096  # until the peer allows more
    assert encoder.encode([]) == b""
    encoder.max_table_size = 65536
    assert encoder.max_table_size == 8192
    assert encoder.encode([]) == size_update(8192)
    encoder = Encoder(0)
    assert encoder.encode([]) == size_update(0)
    assert encoder.encode([(b"a", b"1")]) == encoder.encode([(b"a", b"1")]) == b"\x00\x01a\x011"


def test_a_lower_size_evicts() -> None:
    encoder = Encoder()
    encoder.encode([(b"a", b"1"), (b"b", b"2")])
    encoder.max_table_size = 67
    encoder.max_table_size = 4096
    assert encoder.encode([(b"b", b"2")]) == size_update(67) + size_update(4096) + b"\xbe"
    assert len(encoder._entries) == 1


# -- reading it back

names = st.sampled_from([b"a", b"x-name", b"cookie", b"authorization", b"content-length", b":path", b"date"])
values = st.sampled_from([b"", b"1", b"2" * 30]) | st.binary(max_size=60) | st.just(b"x" * 3500)
sections = st.lists(st.tuples(names | st.binary(min_size=1, max_size=10), values), max_size=20)
sizes = st.none() | st.sampled_from([0, 33, 100, 4096, 10000]) | st.integers(0, 8192)


@given(st.sampled_from([4096, 0, 100, 8192]), st.lists(st.tuples(st.lists(sizes, max_size=3), sections), max_size=5))
def test_what_is_written_is_read_back(most: int, steps: list[tuple[list[int | None], Fields]]) -> None:
    encoder = Encoder(most)
    decoder = Decoder(4096, 1 << 20)
    peer = hpack.Decoder(max_header_list_size=1 << 20)
    for changes, section in steps:
        for size in changes:
            if size is not None:
                encoder.max_table_size = size
                decoder.max_table_size = size
                peer.max_allowed_table_size = size
        block = encoder.encode(section)
        assert decoder.decode(block) == section
        assert [tuple(field) for field in peer.decode(block, raw=True)] == section
        assert list(encoder._entries) == [field for field, _ in decoder._table[:-61]]
        assert encoder._octets == decoder._octets
        assert len(encoder._index) == 61 + len(encoder._entries)


@given(st.lists(sections, max_size=5), st.booleans())
def test_what_the_peer_writes_is_read(steps: list[Fields], huffman: bool) -> None:
    encoder = hpack.Encoder()
    decoder = Decoder(4096, 1 << 20)
    for section in steps:
        assert decoder.decode(encoder.encode(section, huffman=huffman)) == section
