"""Content codings are undone however they are cut, in bounded steps, and what is wrong with them is said."""

import gzip
import random
import zlib
from typing import Any

import brotli
import pytest
import zstandard

from interlock.http.codings import ContentDecoder, can_decode, codings_of
from interlock.http.errors import RemoteProtocolError

TEXT = b"the quick brown fox jumps over the lazy dog. " * 200 + bytes(range(256))


def raw(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate, raw": raw,
    "br": lambda data: brotli.compress(data, quality=3),
    "zstd": zstandard.compress,
    "identity": bytes,
}
REAL = [name for name in ENCODERS if name != "identity"]


def coding_of(name: str) -> str:
    return name.partition(",")[0]


def decode(decoder: ContentDecoder, *pieces: bytes, most: int = 65536) -> bytes:
    content = bytearray()
    for piece in pieces:
        decoder.receive(piece)
        while octets := decoder.take(most):
            content += octets
    decoder.finish()
    return bytes(content)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("content", [b"", b"x", TEXT], ids=["nothing", "little", "text"])
def test_round_trip(name: str, content: bytes) -> None:
    assert decode(ContentDecoder([coding_of(name)]), ENCODERS[name](content)) == content


@pytest.mark.parametrize("name", ENCODERS)
def test_cut_at_every_octet(name: str) -> None:
    encoded = ENCODERS[name](TEXT)
    for cut in range(min(len(encoded), 300)):
        assert decode(ContentDecoder([coding_of(name)]), encoded[:cut], encoded[cut:]) == TEXT
    single = [encoded[index : index + 1] for index in range(len(encoded))]
    assert decode(ContentDecoder([coding_of(name)]), *single, most=1000) == TEXT


@pytest.mark.parametrize("first", REAL)
@pytest.mark.parametrize("second", REAL)
def test_one_upon_another(first: str, second: str) -> None:
    encoded = ENCODERS[second](ENCODERS[first](TEXT))
    assert decode(ContentDecoder([coding_of(first), "identity", coding_of(second)]), encoded, most=100) == TEXT


@pytest.mark.parametrize("name", REAL)
def test_no_octets_at_all(name: str) -> None:
    """As in the response to HEAD."""
    assert decode(ContentDecoder([coding_of(name)])) == b""


@pytest.mark.parametrize("name", REAL)
def test_a_bomb_is_decoded_in_steps_and_stopped(name: str) -> None:
    encoded = ENCODERS[name](bytes(6_000_000))
    decoder = ContentDecoder([coding_of(name)], most_ratio=0, most_octets=4_000_000)
    decoder.receive(encoded)
    with pytest.raises(RemoteProtocolError, match="decoded content of more than 4000000 octets") as caught:
        while octets := decoder.take(10_000):
            assert len(octets) <= 100_000
    assert caught.value.error_status_hint == 413
    assert decoder.decoded <= 4_100_000


@pytest.mark.parametrize("name", REAL)
def test_the_smallest_steps(name: str) -> None:
    """All input can be taken while there is output left."""
    for seed in range(40):
        chance = random.Random(seed)
        content = bytes(98 if chance.random() < 0.05 else 97 for _ in range(chance.randrange(1, 600)))
        assert decode(ContentDecoder([coding_of(name)]), ENCODERS[name](content), most=1) == content


def test_little_of_zstd_is_decoded_at_once() -> None:
    """Its library has no bound for what it gives, so it does not get all of the input."""
    decoder: Any = ContentDecoder(["zstd"])
    decoder.receive(zstandard.compress(bytes(12_000_000)))
    assert decoder.take(1) == b"\0"
    assert len(decoder._steps[0]._ready) < 4_000_000


@pytest.mark.parametrize("name", REAL)
def test_a_ratio_is_enough_to_stop_a_bomb(name: str) -> None:
    decoder = ContentDecoder([coding_of(name)])
    decoder.receive(ENCODERS[name](bytes(6_000_000)))
    with pytest.raises(RemoteProtocolError, match="more than 100 times") as caught:
        while decoder.take(10_000):
            pass
    assert caught.value.error_status_hint == 413
    assert decoder.decoded <= max(1_048_576, decoder.received * 100) + 100_000


@pytest.mark.parametrize("name", REAL)
def test_what_is_not_all_there(name: str) -> None:
    encoded = ENCODERS[name](TEXT)
    for cut in (1, 2, 3, len(encoded) // 2, len(encoded) - 1):
        with pytest.raises(RemoteProtocolError, match=f"in the midst of its {coding_of(name).removeprefix('x-')}"):
            decode(ContentDecoder([coding_of(name)]), encoded[:cut])


@pytest.mark.parametrize("name", REAL)
def test_what_is_something_else(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"not valid {coding_of(name).removeprefix('x-')}: "):
        decode(ContentDecoder([coding_of(name)]), b"\xfehello, this is plain text, is it not?")


@pytest.mark.parametrize("name", REAL)
def test_octets_behind_the_end(name: str) -> None:
    encoded = ENCODERS[name](TEXT)
    for pieces in ([encoded + b"more of it"], [encoded, b"more of it"]):
        with pytest.raises(RemoteProtocolError, match=f"not valid {coding_of(name).removeprefix('x-')}: "):
            decode(ContentDecoder([coding_of(name)]), *pieces)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_several_members(name: str) -> None:
    encoded = ENCODERS[name](b"one, ") + ENCODERS[name](b"") + ENCODERS[name](b"two")
    assert decode(ContentDecoder([name]), encoded) == b"one, two"
    single = [encoded[index : index + 1] for index in range(len(encoded))]
    assert decode(ContentDecoder([name]), *single) == b"one, two"


def test_a_window_that_is_too_large() -> None:
    """RFC 9659: what we hold for a peer has a limit."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    encoded = compressor.compress(TEXT * 10) + compressor.flush()
    with pytest.raises(RemoteProtocolError, match="not valid zstd: "):
        decode(ContentDecoder(["zstd"]), encoded)


def test_nothing_grows_between_two_codings() -> None:
    """Many members without content are much between the codings, and nothing in the end."""
    members = gzip.compress(b"") * 100_000
    decoder = ContentDecoder(["gzip", "gzip"])
    with pytest.raises(RemoteProtocolError, match="more than 100 times"):
        decode(decoder, gzip.compress(members))
    decoder = ContentDecoder(["gzip", "gzip"], most_ratio=0, most_octets=1_000_000)
    with pytest.raises(RemoteProtocolError, match="more than 1000000 octets"):
        decode(decoder, gzip.compress(members))


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_members_without_content_have_their_price(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="more than 100 times"):
        decode(ContentDecoder([name]), ENCODERS[name](b"") * 1000)
    assert decode(ContentDecoder([name]), ENCODERS[name](b"") * 500) == b""
    long = random.Random(1).randbytes(20)
    assert decode(ContentDecoder([name]), ENCODERS[name](long) * 1000) == long * 1000


def test_codings_of() -> None:
    assert codings_of([b"GZip, br", b" zstd ,,"]) == ["gzip", "br", "zstd"]
    assert codings_of([]) == []


def test_what_cannot_be_undone() -> None:
    assert can_decode("br")
    assert not can_decode("compress")
    with pytest.raises(ValueError, match="'compress' cannot be undone"):
        ContentDecoder(["gzip", "compress"])
    with pytest.raises(ValueError, match="5 content codings"):
        ContentDecoder(["gzip"] * 5)
