"""Decoded content for a delegate: through a connection, and around any delegate."""

import gzip
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from tests.net.http1_peer import WORLDS, Notes, Peer, run

from interlock.http.errors import RemoteProtocolError
from interlock.http.fields import Headers
from interlock.net.http1 import (
    DecodingError,
    DecompressingDelegate,
    HTTP1Connection,
    HTTP1ConnectionParameters,
    RequestStartLine,
    ResponseStartLine,
)

TEXT = b"the quick brown fox jumps over the lazy dog. " * 500
ENCODED = {
    "gzip": gzip.compress(TEXT),
    "GZIP": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
    "gzip, br": brotli.compress(gzip.compress(TEXT)),
    "identity": TEXT,
}
START = ResponseStartLine("HTTP/1.1", 200, "OK")


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def response(coding: str, content: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\nX: y\r\n\r\n"
    return head % (coding.encode(), len(content)) + content


def receive(world: str, *script: bytes, method: str = "GET", decompress: bool = True, **params: Any) -> Notes:
    notes = Notes()

    async def main() -> None:
        connection = HTTP1Connection(
            Peer(*script, ends=False), True, HTTP1ConnectionParameters(decompress=decompress, **params)
        )
        await connection.write_headers(RequestStartLine(method, "/"), {"Host": "a"})
        await connection.finish()
        assert await connection.read_response(notes)

    try:
        run(world, main)
    except RemoteProtocolError:
        assert notes.notes[-1] == "on_connection_close"
        raise
    assert notes.notes[-1] == "finish"
    return notes


@pytest.mark.parametrize("coding", ENCODED)
def test_responses(world: str, coding: str) -> None:
    octets = response(coding, ENCODED[coding])
    notes = receive(world, octets, chunk_size=1000)
    assert notes.content == TEXT
    assert list(notes.headers) == [(b"x", b"y")]
    assert max(notes.chunks) <= 66_000
    if coding == "identity":
        return
    notes = receive(world, *[octets[index : index + 1] for index in range(len(octets))])
    assert notes.content == TEXT


def test_only_where_it_is_asked_for(world: str) -> None:
    notes = receive(world, response("gzip", ENCODED["gzip"]), decompress=False)
    assert notes.content == ENCODED["gzip"]
    assert notes.headers.get(b"content-encoding") == b"gzip"


def test_what_cannot_be_undone_stays_as_it_is(world: str) -> None:
    notes = receive(world, response("gzip, compress", ENCODED["gzip"]))
    assert notes.content == ENCODED["gzip"]
    assert notes.headers.get(b"content-encoding") == b"gzip, compress"
    assert notes.headers.content_length == len(ENCODED["gzip"])


def test_no_content(world: str) -> None:
    notes = receive(world, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", method="HEAD")
    assert notes.notes == ["headers_received", "finish"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_what_is_not_encoded_like_that(world: str, coding: str) -> None:
    name = coding.rpartition(", ")[2]
    with pytest.raises(DecodingError, match=f"not valid {name}"):
        receive(world, response(coding, b"\xfethis is plain text"))
    with pytest.raises(DecodingError, match=f"in the midst of its {name} coding"):
        receive(world, response(coding, ENCODED[coding][:-5]))


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb(world: str, coding: str) -> None:
    zeros = bytes(8_000_000)
    encode = {"gzip": gzip.compress, "br": lambda data: brotli.compress(data, quality=3), "zstd": zstandard.compress}
    bomb = response(coding, encode[coding](zeros))
    with pytest.raises(DecodingError, match="more than 100 times"):
        receive(world, bomb)
    with pytest.raises(DecodingError, match="decoded content of more than 1000000 octets"):
        receive(world, bomb, max_body_size=1_000_000, max_ratio=0)
    notes = receive(world, bomb, max_ratio=0, chunk_size=50_000)
    assert len(notes.content) == 8_000_000
    assert max(notes.chunks) <= 100_000


def test_requests_of_a_server(world: str) -> None:
    def post(content: bytes) -> bytes:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        return head % len(content) + content

    delegates = []

    def delegate(connection: HTTP1Connection) -> Notes:
        def answer(*_: Any) -> None:
            connection.write_headers(START, {"Content-Length": "0"})
            connection.finish()

        delegates.append(Notes(finish=answer, headers_received=lambda *_: connection.set_max_body_size(30_000)))
        return delegates[-1]

    async def main() -> None:
        peer = Peer(post(ENCODED["gzip"]), post(gzip.compress(bytes(30_001))))
        cut = Peer(post(ENCODED["gzip"][:-1]))
        params = HTTP1ConnectionParameters(decompress=True, max_body_size=10)
        await HTTP1Connection(peer, False, params).serve(delegate)
        assert delegates[0].content == TEXT
        assert delegates[1].notes[-1] == "on_connection_close"
        assert peer.received.startswith(
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 413 Content Too Large\r\n"
        )
        await HTTP1Connection(cut, False, params).serve(delegate)
        assert cut.received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert delegates[2].notes[-1] == "on_connection_close"

    run(world, main)


def test_a_delegate_around_any_delegate(world: str) -> None:
    """It needs no connection, and passes on all that it is told."""

    async def main() -> None:
        notes = Notes(sync=True)
        delegate = DecompressingDelegate(notes)
        await delegate.informational_received(ResponseStartLine("HTTP/1.1", 103, ""), Headers())
        await delegate.headers_received(START, Headers([("Content-Encoding", "gzip"), ("X", "y")]))
        await delegate.data_received(ENCODED["gzip"])
        await delegate.finish(Headers([("a", "b")]))
        assert notes.content == TEXT
        assert list(notes.headers) == [(b"x", b"y")]
        assert list(notes.trailers) == [(b"a", b"b")]
        await delegate.on_connection_close()
        assert notes.notes[0] == "informational_received"
        assert notes.notes[-2:] == ["finish", "on_connection_close"]
        delegate = DecompressingDelegate(Notes())
        await delegate.headers_received(
            START, Headers([("Content-Encoding", "gzip, gzip, gzip"), ("Content-Encoding", "gzip, br")])
        )
        with pytest.raises(DecodingError, match="5 content codings") as caught:
            await delegate.data_received(b"x")
        assert caught.value.error_status_hint == 415

    run(world, main)
