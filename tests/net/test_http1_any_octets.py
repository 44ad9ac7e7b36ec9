"""Whatever a peer sends, a connection with a delegate ends as it says, and its delegate is told once."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.net.http1_peer import Notes, Peer, run

from interlock.http.errors import RemoteProtocolError
from interlock.net.http1 import HTTP1Connection, HTTP1ConnectionParameters, RequestStartLine, ResponseStartLine

#: Octets as they are, and pieces of messages, so that some of it is understood.
PIECES = st.one_of(
    st.binary(min_size=1, max_size=20),
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.0 404 \r\n",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n",
            b"POST /x HTTP/1.1\r\nHost: a\r\n",
            b"Content-Length: 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Encoding: gzip\r\n",
            b"Content-Encoding: zstd, br\r\n",
            b"Connection: close\r\n",
            b"Expect: 100-continue\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"0\r\nA: b\r\n\r\n",
            b"hello",
            b"\x1f\x8b\x08\x00",
        ]
    ),
)
SCRIPTS = st.lists(PIECES, max_size=12)
PARAMS = HTTP1ConnectionParameters(decompress=True, max_body_size=100, chunk_size=7)


def told_once(notes: Notes) -> bool:
    return notes.notes.count("finish") + notes.notes.count("on_connection_close") == 1


@settings(max_examples=200)
@given(SCRIPTS)
@example([b"HTTP/1.1 200 OK\r\n", b"Content-Encoding: gzip\r\n", b"Content-Length: 5\r\n", b"\r\n", b"hello"])
def test_a_client(script: list[bytes]) -> None:
    async def main() -> None:
        peer = Peer(*script)
        connection = HTTP1Connection(peer, True, PARAMS)
        notes = Notes(sync=True)
        connection.write_headers(RequestStartLine("GET", "/"), {"Host": "a"})
        connection.finish()
        try:
            reusable = await connection.read_response(notes)
        except RemoteProtocolError:
            reusable = False
            assert notes.notes[-1] == "on_connection_close"
        else:
            assert notes.notes[-1] == "finish"
        assert told_once(notes)
        assert peer.closed != reusable

    run("asyncio", main)


@settings(max_examples=200)
@given(SCRIPTS)
@example([b"POST /x HTTP/1.1\r\nHost: a\r\n", b"Expect: 100-continue\r\n", b"Content-Length: 5\r\n", b"\r\n", b"hello"])
def test_a_server(script: list[bytes]) -> None:
    delegates: list[Notes] = []

    def answer(notes: Notes, *_: Any) -> None:
        notes.connection.write_headers(ResponseStartLine("HTTP/1.1", 200, "OK"), {"Content-Length": "0"})
        notes.connection.finish()

    def delegate(connection: HTTP1Connection) -> Notes:
        delegates.append(Notes(connection, sync=True, finish=answer))
        return delegates[-1]

    async def main() -> None:
        peer = Peer(*script)
        await HTTP1Connection(peer, False, PARAMS).serve(delegate)
        assert peer.closed
        assert all(map(told_once, delegates))

    run("asyncio", main)
