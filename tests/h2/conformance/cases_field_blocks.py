"""Field blocks: HPACK (RFC 7541) as the server decodes it, and the errors of it (RFC 9113 §4.3)."""

import hpack
from tests.h2 import raw_frames as raw
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client

#: The Huffman code of "abc" is 00011 100011 00100: 16 bits, so that no padding follows.
HUFFMAN_OF_ABC = bytes.fromhex("1c64")
#: EOS is 30 bits, all set (RFC 7541 Appendix B).
EOS = b"\xff\xff\xff\xff"


def ask(client: Client, more: bytes, stream: int = 1, first: bytes = b"") -> None:
    """Ask for the fields that a request had, with these octets at the end of its field block."""
    client.send(raw.headers(stream, first + raw.block(client.fields(path="/fields")) + more))


def expect_fields(client: Client, stream: int, *lines: bytes) -> None:
    """The server has understood these."""
    content = bytes(client.expect_response(stream).content)
    if not client.lenient and (missing := [line for line in lines if line + b"\n" not in content]):
        client.fail(f"{missing} is not among {content!r}")


# What is right


@case("7541 §6.1")
def indexed_fields(client: Client) -> None:
    """:method GET, :path / and the scheme stand in the static table."""
    scheme = raw.indexed(7 if client.scheme == "https" else 6)
    client.send(raw.headers(1, raw.indexed(2) + raw.indexed(4) + scheme + raw.literal(1, "localhost")))
    client.expect_response(1)


REPRESENTATIONS = {
    "indexing-new-name": raw.literal("x-a", "1", raw.INDEXING),
    "indexing-static-name": raw.literal(58, "x-a: 1", raw.INDEXING),
    "not-indexed-new-name": raw.literal("x-a", "1", raw.NOT_INDEXED),
    "not-indexed-static-name": raw.literal(58, "x-a: 1", raw.NOT_INDEXED),
    "never-indexed-new-name": raw.literal("x-a", "1", raw.NEVER_INDEXED),
    "never-indexed-static-name": raw.literal(58, "x-a: 1", raw.NEVER_INDEXED),
    "empty-value": raw.literal("x-a", ""),
    "huffman-name": b"\x00" + raw.huffman(HUFFMAN_OF_ABC) + raw.string("1"),
    "huffman-value": b"\x40" + raw.string("x-a") + raw.huffman(HUFFMAN_OF_ABC),
    "huffman-empty": b"\x40" + raw.string("x-a") + raw.huffman(b""),
    "length-in-more-octets-than-needed": b"\x00" + raw.string("x-a") + b"\x7f\x81\x00" + b"v" * 128,
    "index-in-more-octets-than-needed": b"\x0f\xab\x80\x00" + raw.string("1"),
}
SEEN = {
    "indexing-static-name": b"user-agent: x-a: 1",
    "not-indexed-static-name": b"user-agent: x-a: 1",
    "never-indexed-static-name": b"user-agent: x-a: 1",
    "empty-value": b"x-a: ",
    "huffman-name": b"abc: 1",
    "huffman-value": b"x-a: abc",
    "huffman-empty": b"x-a: ",
    "length-in-more-octets-than-needed": b"x-a: " + b"v" * 128,
    "index-in-more-octets-than-needed": b"user-agent: 1",
}


@case("7541 §6.2", "7541 §5.2", each={key: (key, octets) for key, octets in REPRESENTATIONS.items()})
def representation(client: Client, how: tuple[str, bytes]) -> None:
    key, octets = how
    ask(client, octets)
    expect_fields(client, 1, SEEN.get(key, b"x-a: 1"))


@case("7541 §2.3.2", "9113 §4.3")
def dynamic_table(client: Client) -> None:
    """The newest entry is 62; one that a new one pushes on is found one later."""
    ask(client, raw.literal("x-a", "1", raw.INDEXING))
    ask(client, raw.literal("x-b", "2", raw.INDEXING) + raw.indexed(62) + raw.indexed(63), 3)
    ask(client, raw.indexed(62) + raw.indexed(63) + raw.literal(63, "3"), 5)
    expect_fields(client, 3, b"x-b: 2", b"x-a: 1")
    expect_fields(client, 5, b"x-b: 2", b"x-a: 1", b"x-a: 3")


@case("7541 §4.4")
def entry_larger_than_the_table(client: Client) -> None:
    """It is no error, and empties the table."""
    ask(client, raw.literal("x-a", "1", raw.INDEXING) + raw.literal("x-b", "b" * 5000, raw.INDEXING))
    client.expect_response(1)
    ask(client, raw.indexed(62), 3)
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("7541 §4.4", "7541 §2.3.2")
def eviction(client: Client) -> None:
    """Entries of 2048 octets each: there is room for two."""
    for number in range(3):
        name = f"x-{number}"
        ask(client, raw.literal(name, "v" * (2048 - 32 - len(name)), raw.INDEXING), 2 * number + 1)
    ask(client, raw.literal(62, "newest") + raw.literal(63, "older"), 7)
    expect_fields(client, 7, b"x-2: newest", b"x-1: older")
    ask(client, raw.indexed(64), 9)
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("7541 §6.3", "7541 §4.2", each={"none": [0], "some": [100], "most": [4096], "two": [0, 4096]})
def table_size_update(client: Client, sizes: list[int]) -> None:
    ask(client, raw.literal("x-a", "1"), first=b"".join(raw.table_size(size) for size in sizes))
    expect_fields(client, 1, b"x-a: 1")


@case("7541 §4.3")
def table_size_update_to_0_empties_the_table(client: Client) -> None:
    ask(client, raw.literal("x-a", "1", raw.INDEXING))
    client.expect_response(1)
    ask(client, raw.indexed(62), 3, first=raw.table_size(0) + raw.table_size(4096))
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("9113 §4.3")
def field_block_cut_within_a_field(client: Client) -> None:
    whole = raw.block(client.fields(path="/fields")) + b"\x40" + raw.string("x-a") + raw.huffman(HUFFMAN_OF_ABC)
    parts = raw.cut(whole, len(whole) // 5)
    client.send(raw.headers(1, parts[0], end_headers=False))
    for part in parts[1:]:
        client.send(raw.continuation(1, part, end_headers=part is parts[-1]))
    expect_fields(client, 1, b"x-a: abc")


@case("9113 §4.3")
def fields_of_a_library(client: Client) -> None:
    """An encoder that uses all of the table, over many requests."""
    encoder = hpack.Encoder()
    for number in range(100):
        fields = [*client.fields(path="/fields"), ("x-number", str(number)), ("x-round", str(number % 7) * 40)]
        client.send(raw.headers(2 * number + 1, encoder.encode(fields)))
        expect_fields(client, 2 * number + 1, b"x-number: %d" % number, b"x-round: " + b"%d" % (number % 7) * 40)


# What is wrong: a connection error of type COMPRESSION_ERROR

BAD = {
    "index-0": raw.indexed(0),
    "index-beyond-the-tables": raw.indexed(62),
    "index-far-beyond": raw.indexed(70),
    "name-index-beyond-the-tables": raw.literal(62, "x"),
    "name-index-beyond-when-indexing": raw.literal(100, "x", raw.INDEXING),
    "name-index-beyond-never-indexed": raw.literal(63, "x", raw.NEVER_INDEXED),
    "index-largest": b"\xff\xff\xff\xff\xff\x0f",
    "index-without-end": b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    "index-with-many-zeros": b"\xff" + b"\x80" * 100 + b"\x00",
    "index-cut": b"\xff",
    "index-cut-later": b"\xff\x80",
    "name-cut": b"\x00\x05ab",
    "name-length-cut": b"\x00\x7f",
    "value-missing": b"\x00" + raw.string("x-a"),
    "value-cut": b"\x00" + raw.string("x-a") + b"\x05ab",
    "value-length-beyond": b"\x00" + raw.string("x-a") + b"\x7f\xff\xff\xff\x07",
    "huffman-padding-of-8-bits": b"\x00" + raw.string("x-a") + raw.huffman(HUFFMAN_OF_ABC + b"\xff"),
    "huffman-padding-of-zeros": b"\x00" + raw.string("x-a") + raw.huffman(b"\x18"),
    "huffman-padding-mixed": b"\x00" + raw.string("x-a") + raw.huffman(b"\x1a"),
    "huffman-eos": b"\x00" + raw.string("x-a") + raw.huffman(EOS),
    "huffman-eos-within": b"\x00" + raw.string("x-a") + raw.huffman(b"\x1f\xff\xff\xff\xff"),
    "huffman-eos-in-a-name": b"\x00" + raw.huffman(EOS) + raw.string("x"),
    "table-size-update-at-the-end": raw.table_size(0),
    "table-size-update-between": raw.table_size(100) + raw.literal("x-a", "1"),
    "table-size-cut": b"\x3f",
}


@case("9113 §4.3", "7541 §2.3.3", "7541 §5.1", "7541 §5.2", "7541 §6.1", "7541 §4.2", each=BAD)
def field_block_that_does_not_decode(client: Client, octets: bytes) -> None:
    ask(client, octets)
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("7541 §6.3", "9113 §4.3", each={"one-too-large": 4097, "large": 65536, "largest": 2**31})
def table_size_update_beyond_what_we_allow(client: Client, size: int) -> None:
    most = client.server_settings.get(raw.HEADER_TABLE_SIZE, 4096)
    ask(client, b"", first=raw.table_size(size - 4096 + most))
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case(
    "9113 §4.3", each={key: BAD[key] for key in ("index-0", "huffman-eos", "name-cut", "table-size-update-at-the-end")}
)
def trailers_that_do_not_decode(client: Client, octets: bytes) -> None:
    client.upload(1)
    client.send(raw.headers(1, raw.block([("x-checksum", "1")]) + octets))
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("9113 §4.3", each={key: BAD[key] for key in ("index-0", "huffman-eos", "value-missing")})
def continued_block_that_does_not_decode(client: Client, octets: bytes) -> None:
    block = raw.block(client.fields())
    client.send(raw.headers(1, block[:7], end_headers=False), raw.continuation(1, block[7:] + octets))
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("9113 §4.3", "9113 §8.1.1")
def malformed_and_does_not_decode(client: Client) -> None:
    """The connection error goes before the stream error: the table cannot be known any more."""
    ask(client, raw.literal("Upper", "x") + raw.indexed(0))
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("9113 §4.3", "9113 §5.1")
def block_on_a_closed_stream_that_does_not_decode(client: Client) -> None:
    client.reset_by_server(1)
    client.send(raw.headers(1, raw.indexed(0)))
    client.expect_goaway(raw.COMPRESSION_ERROR)


@case("9113 §4.3", "9113 §8.1.1")
def field_blocks_of_malformed_requests_are_decoded(client: Client) -> None:
    ask(client, raw.literal("Upper", "x") + raw.literal("x-kept", "in the table", raw.INDEXING))
    client.expect_malformed(1)
    ask(client, raw.indexed(62), 3)
    expect_fields(client, 3, b"x-kept: in the table")


@case("9113 §4.3")
def empty_field_block(client: Client) -> None:
    """It decodes; the request has no :method."""
    client.send(raw.headers(1, b""))
    client.expect_malformed(1)
