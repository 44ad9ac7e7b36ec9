"""The client's half of a connection with a delegate, on asyncio and trio."""

from typing import Any

import pytest
from tests.net.http1_peer import WORLDS, Notes, Peer, pass_time, run

from interlock.http.errors import LocalProtocolError, RemoteProtocolError
from interlock.net.errors import ReadError, ReadTimeout, WriteError, WriteTimeout
from interlock.net.http1 import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)

GET = RequestStartLine("GET", "/", "HTTP/1.1")
HOST = {"Host": "example.com"}


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["coroutines", "functions"])
def sync(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def exchange(
    peer: Peer,
    notes: Any,
    start_line: RequestStartLine = GET,
    headers: Any = HOST,
    params: HTTP1ConnectionParameters | None = None,
) -> bool:
    connection = HTTP1Connection(peer, True, params)
    await connection.write_headers(start_line, headers)
    await connection.finish()
    return await connection.read_response(notes)


def respond(
    world: str,
    *script: bytes | float | Exception,
    method: str = "GET",
    params: HTTP1ConnectionParameters | None = None,
    notes: Any = None,
    ends: bool = True,
) -> tuple[Notes, bool, Peer]:
    """What a delegate notes of a response, whether the connection can be used again, and the peer."""
    notes = notes or Notes()
    peer = Peer(*script, ends=ends)
    start_line = RequestStartLine(method, "/", "HTTP/1.1")
    return notes, run(world, lambda: exchange(peer, notes, start_line, params=params)), peer


def test_a_response(world: str, sync: bool) -> None:
    notes, reusable, peer = respond(
        world, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", notes=Notes(sync=sync), ends=False
    )
    assert peer.received == b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
    assert notes.notes == ["headers_received", "data_received", "finish"]
    assert notes.start_line == ResponseStartLine("HTTP/1.1", 200, "OK") == ("HTTP/1.1", 200, "OK")
    assert notes.headers.get(b"x") == b"y"
    assert notes.content == b"hello"
    assert len(notes.trailers) == 0
    assert reusable
    assert not peer.closed


def test_the_connection_is_used_again(world: str) -> None:
    async def main() -> None:
        peer = Peer(*[b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(3)], ends=False)
        connection = HTTP1Connection(peer, True)
        for number in range(3):
            notes = Notes()
            await connection.write_headers(GET, HOST)
            await connection.finish()
            assert await connection.read_response(notes)
            assert notes.content == b"%d" % number
        await connection.close()
        assert peer.closed
        with pytest.raises(WriteError, match="closed here"):
            connection.write_headers(GET, HOST)

    run(world, main)


RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n012\r\n7\r\n3456789\r\n0\r\nA: b\r\n\r\n",
    "until close": b"HTTP/1.0 200 OK\r\n\r\n0123456789",
    "informational": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
}


@pytest.mark.parametrize("name", RESPONSES)
def test_cut_at_every_octet(name: str) -> None:
    octets = RESPONSES[name]
    whole, reusable, _ = respond("asyncio", octets)
    cuts = [[octets[:cut], octets[cut:]] for cut in range(1, len(octets))]
    for pieces in [*cuts, [octets[index : index + 1] for index in range(len(octets))]]:
        notes, again, _ = respond("asyncio", *pieces)
        assert (notes.start_line, list(notes.headers), bytes(notes.content), list(notes.trailers), again) == (
            whole.start_line,
            list(whole.headers),
            b"0123456789",
            list(whole.trailers),
            reusable,
        )
        assert notes.informational == whole.informational
        assert notes.notes[-1] == "finish"


def test_trailers_arrive_in_finish(world: str) -> None:
    notes, reusable, _ = respond(world, RESPONSES["chunked"])
    assert list(notes.trailers) == [(b"a", b"b")]
    assert reusable


def test_finish_without_a_parameter(world: str) -> None:
    finished = []

    class Method(HTTPMessageDelegate):
        def finish(self) -> None:  # type: ignore[override]
            finished.append("method")

    class Static(HTTPMessageDelegate):
        @staticmethod
        def finish() -> None:  # type: ignore[override]
            finished.append("static")

    class Some(HTTPMessageDelegate):
        def finish(self, *args: Any) -> None:
            finished.append(f"any: {list(args[0])}")

    for delegate in (Method, Static, Some):
        respond(world, RESPONSES["chunked"], notes=delegate())
    assert finished == ["method", "static", "any: [(b'a', b'b')]"]


def test_informational_responses_have_a_callback_of_their_own(world: str, sync: bool) -> None:
    notes, reusable, _ = respond(
        world, b"HTTP/1.1 100 Continue\r\n\r\n", RESPONSES["informational"], notes=Notes(sync=sync)
    )
    assert [line.code for line in notes.informational] == [100, 103]
    assert notes.notes.count("headers_received") == notes.notes.count("finish") == 1
    assert notes.start_line.code == 200
    assert reusable


def test_informational_responses_may_be_unwanted(world: str) -> None:
    class Four:
        def headers_received(self, start_line: Any, headers: Any) -> None:
            assert start_line.code == 200

        def data_received(self, chunk: bytes) -> None: ...
        def finish(self) -> None: ...
        def on_connection_close(self) -> None: ...

    _, reusable, _ = respond(world, RESPONSES["informational"], notes=Four())
    assert reusable


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"200 OK\r\nContent-Length: 100"),
        ("HEAD", b"200 OK\r\nTransfer-Encoding: chunked"),
        ("GET", b"204 No Content"),
        ("GET", b"304 Not Modified\r\nContent-Length: 100"),
        ("GET", b"200 OK\r\nContent-Length: 0"),
    ],
)
def test_no_content(world: str, method: str, head: bytes) -> None:
    notes, reusable, _ = respond(world, b"HTTP/1.1 %b\r\n\r\n" % head, method=method, ends=False)
    assert notes.notes == ["headers_received", "finish"]
    assert reusable


@pytest.mark.parametrize(
    "octets",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
    ],
    ids=["close", "1.0", "1.0 until close", "until close", "something behind it"],
)
def test_not_to_be_used_again(world: str, octets: bytes) -> None:
    notes, reusable, peer = respond(world, octets)
    assert notes.content == b"hello"
    assert notes.notes[-1] == "finish"
    assert not reusable
    assert peer.closed


def test_no_keep_alive(world: str) -> None:
    notes, reusable, peer = respond(
        world, RESPONSES["length"], params=HTTP1ConnectionParameters(no_keep_alive=True), ends=False
    )
    assert b"\r\nConnection: close\r\n" in peer.received
    assert not reusable
    assert peer.closed


# -- requests


def test_content_is_chunked_where_nobody_says_how_long_it_is(world: str) -> None:
    async def main() -> None:
        peer = Peer(RESPONSES["length"], ends=False)
        connection = HTTP1Connection(peer, True)
        await connection.write_headers(RequestStartLine("POST", "/x"), HOST, b"first")
        await connection.write(b"second")
        await connection.write(b"")
        await connection.finish([("Checksum", "1")])
        assert peer.received == (
            b"POST /x HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\nChecksum: 1\r\n\r\n"
        )
        assert await connection.read_response(Notes())

    run(world, main)


def test_what_was_not_awaited_is_sent_before_a_response_is_awaited(world: str) -> None:
    async def main() -> None:
        peer = Peer(RESPONSES["length"], ends=False)
        connection = HTTP1Connection(peer, True)
        connection.write_headers(RequestStartLine("PUT", "/"), {**HOST, "Content-Length": "4"}, b"ab")
        connection.write(b"cd")
        connection.finish()
        assert peer.received == b""
        assert await connection.read_response(Notes())
        assert peer.received.endswith(b"\r\n\r\nabcd")

    run(world, main)


def test_what_is_wrong_with_a_request_is_said_at_once(world: str) -> None:
    async def main() -> None:
        for start_line, headers in (
            (GET, {}),
            (GET, {**HOST, "A\r\n": "b"}),
            (GET, {**HOST, "A": "b\r\nC: d"}),
            (RequestStartLine("GET", "/a b"), HOST),
        ):
            with pytest.raises(LocalProtocolError):
                HTTP1Connection(Peer(), True).write_headers(start_line, headers)
        connection = HTTP1Connection(Peer(), True)
        connection.write_headers(GET, {**HOST, "Content-Length": "3"})
        with pytest.raises(LocalProtocolError, match="Too much data"):
            connection.write(b"four")
        connection = HTTP1Connection(Peer(), True)
        connection.write_headers(GET, {**HOST, "Content-Length": "3"})
        with pytest.raises(LocalProtocolError, match="Too little data"):
            connection.finish()

    run(world, main)


def test_a_response_before_the_request_is_complete(world: str) -> None:
    async def main() -> None:
        peer = Peer(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", ends=False)
        connection = HTTP1Connection(peer, True)
        notes = Notes()
        await connection.write_headers(RequestStartLine("POST", "/"), HOST, b"first")
        assert not await connection.read_response(notes)
        assert notes.start_line.code == 413
        assert notes.notes[-1] == "finish"
        with pytest.raises(WriteError):
            await connection.write(b"second")

    run(world, main)


# -- what goes wrong


BAD = {
    "no status line": (b"220 smtp.example.com ESMTP\r\n", "HTTP version", []),
    "an early end in the head": (b"HTTP/1.1 200 OK\r\nContent-", "closed connection", []),
    "no response": (b"", "without sending a response", []),
    "an early end in the content": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "received 5 bytes, expected 10",
        ["headers_received", "data_received"],
    ),
    "an early end in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "incomplete chunked read",
        ["headers_received", "data_received"],
    ),
    "a chunk that does not end": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfooXX0\r\n\r\n",
        "chunk",
        ["headers_received", "data_received"],
    ),
    "no size of a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1_a\r\n",
        "chunk",
        ["headers_received"],
    ),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "Content-Length", []),
    "a forbidden trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
        "trailer",
        ["headers_received"],
    ),
    "101 that nobody asked for": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "101", []),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_server_does_wrong(world: str, name: str, sync: bool) -> None:
    octets, message, before = BAD[name]
    notes = Notes(sync=sync)
    peer = Peer(octets)
    with pytest.raises(RemoteProtocolError, match=message):
        run(world, lambda: exchange(peer, notes))
    assert notes.notes == [*before, "on_connection_close"]
    assert peer.closed


def test_a_connection_that_is_lost(world: str) -> None:
    notes = Notes()
    peer = Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", ConnectionResetError("reset"))
    with pytest.raises(ReadError, match="reset"):
        run(world, lambda: exchange(peer, notes))
    assert notes.notes == ["headers_received", "data_received", "on_connection_close"]
    assert peer.closed


@pytest.mark.parametrize("callback", ["headers_received", "data_received", "finish"])
def test_a_delegate_that_raises(world: str, callback: str, sync: bool) -> None:
    def fail(*_: Any) -> None:
        raise KeyError(callback)

    notes = Notes(sync=sync, **{callback: fail})
    peer = Peer(RESPONSES["length"], ends=False)
    with pytest.raises(KeyError, match=callback):
        run(world, lambda: exchange(peer, notes))
    assert peer.closed
    assert (notes.notes[-1] == "on_connection_close") == (callback != "finish")


def test_a_delegate_is_waited_for(world: str) -> None:
    """The next octets are read when it is done."""
    reads = []

    async def main() -> None:
        peer = Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"a", b"b", b"c", ends=False)

        async def wait(notes: Notes, *_: Any) -> None:

            before = peer.reads
            await pass_time(1000)
            reads.append(peer.reads - before)

        assert await exchange(peer, Notes(headers_received=wait, data_received=wait, finish=wait))

    run(world, main)
    assert reads == [0] * 5


@pytest.mark.parametrize("callback", ["headers_received", "data_received"])
def test_a_delegate_may_close(world: str, callback: str) -> None:
    async def main() -> None:
        peer = Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", ends=False)
        connection = HTTP1Connection(peer, True)
        connection.write_headers(GET, HOST)
        connection.finish()
        notes = Notes(**{callback: lambda *_: connection.close() and None})
        assert not await connection.read_response(notes)
        assert notes.notes[-2:] == [callback, "on_connection_close"]
        assert peer.closed

    run(world, main)


# -- limits and timeouts


def test_tiny_chunks_are_put_together(world: str) -> None:
    octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2500 + b"0\r\n\r\n"
    notes, reusable, _ = respond(world, octets, params=HTTP1ConnectionParameters(chunk_size=10_000))
    assert notes.content == b"x" * 2500
    assert len(notes.chunks) <= 4
    assert reusable


def test_chunk_size_is_the_most_at_once(world: str) -> None:
    octets = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(1000)
    notes, _, peer = respond(world, octets, params=HTTP1ConnectionParameters(chunk_size=64))
    assert max(notes.chunks) <= 64
    assert len(notes.content) == 1000


@pytest.mark.parametrize("name", ["length", "chunked", "until close"])
def test_max_body_size(world: str, name: str) -> None:
    params = HTTP1ConnectionParameters(max_body_size=10)
    assert respond(world, RESPONSES[name], params=params)[0].content == b"0123456789"
    notes = Notes()
    params = HTTP1ConnectionParameters(max_body_size=9)
    with pytest.raises(RemoteProtocolError, match="content of more than 9 octets"):
        respond(world, RESPONSES[name], params=params, notes=notes)
    assert notes.notes[-1] == "on_connection_close"


def test_max_body_size_of_one_message(world: str) -> None:
    async def main() -> None:
        peer = Peer(RESPONSES["length"], RESPONSES["chunked"], ends=False)
        connection = HTTP1Connection(peer, True, HTTP1ConnectionParameters(max_body_size=5))
        connection.write_headers(GET, HOST)
        connection.finish()
        assert await connection.read_response(Notes(headers_received=lambda *_: connection.set_max_body_size(10)))
        connection.write_headers(GET, HOST)
        connection.finish()
        with pytest.raises(RemoteProtocolError, match="content of more than 5 octets"):
            await connection.read_response(Notes())

    run(world, main)


def test_limits_set_ahead_of_a_message_are_for_that_message(world: str) -> None:
    async def main() -> None:
        peer = Peer(RESPONSES["length"], RESPONSES["length"], ends=False)
        connection = HTTP1Connection(peer, True, HTTP1ConnectionParameters(max_body_size=9))
        connection.set_max_body_size(10)
        connection.write_headers(GET, HOST)
        connection.finish()
        assert await connection.read_response(Notes())
        connection.write_headers(GET, HOST)
        connection.finish()
        with pytest.raises(RemoteProtocolError, match="content of more than 9 octets"):
            await connection.read_response(Notes())

        connection = HTTP1Connection(Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na", 6.0, b"b"), True)
        connection.set_body_timeout(5)
        connection.write_headers(GET, HOST)
        connection.finish()
        with pytest.raises(ReadTimeout, match="the content has not come in time"):
            await connection.read_response(Notes())

    run(world, main)


def test_max_header_size(world: str) -> None:
    octets = b"HTTP/1.1 200 OK\r\nX: %b\r\nContent-Length: 0\r\n\r\n" % (b"x" * 1000)
    assert respond(world, octets, params=HTTP1ConnectionParameters(max_header_size=2000))[1]
    with pytest.raises(RemoteProtocolError):
        respond(world, octets, params=HTTP1ConnectionParameters(max_header_size=900))


SLOW = {
    "nothing": ([], 75.0),
    "half a head": ([b"HTTP/1.1 200 OK\r\nConte"], 10.0),
    "a head, octet by octet": ([1.0, *[item for octet in b"HTTP/1.1 200 OK" for item in (bytes([octet]), 1.0)]], 11.0),
    "content that stops": ([b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", bytes(50000)], 30.0),
    "content, octet by octet": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", *[item for _ in range(99) for item in (b"x", 1.0)]],
        10.0,
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_timeouts(world: str, name: str) -> None:
    script, seconds = SLOW[name]

    async def main() -> None:
        from interlock.net.networks import running_network

        network = running_network()
        begun = network.now()
        notes = Notes()
        with pytest.raises(ReadTimeout, match="has not come in time"):
            await exchange(Peer(*script, ends=False), notes)
        assert seconds - 0.1 <= network.now() - begun <= seconds + 0.3
        assert notes.notes[-1] == "on_connection_close"

    run(world, main)


def test_body_timeout_is_for_all_of_it(world: str) -> None:
    script: list[Any] = [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"]
    script += [item for _ in range(100) for item in (bytes(1000), 1.0)]
    respond(world, *script)
    with pytest.raises(ReadTimeout, match="the content has not come in time"):
        respond(world, *script, params=HTTP1ConnectionParameters(body_timeout=50))
    respond(world, *script, params=HTTP1ConnectionParameters(body_timeout=101))


def test_set_body_timeout(world: str) -> None:
    script = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", *[item for _ in range(9) for item in (b"x", 1.0)]]

    async def main() -> None:
        connection = HTTP1Connection(Peer(*script), True)
        connection.write_headers(GET, HOST)
        connection.finish()
        with pytest.raises(ReadTimeout):
            await connection.read_response(Notes(headers_received=lambda *_: connection.set_body_timeout(5)))

    run(world, main)


def test_what_the_delegate_takes_is_not_the_servers_time(world: str) -> None:
    async def main() -> None:

        async def wait(*_: Any) -> None:
            await pass_time(1000)

        script = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"a", 1.0, b"b", 1.0, b"c"]
        params = HTTP1ConnectionParameters(body_timeout=5)
        assert await exchange(Peer(*script, ends=False), Notes(data_received=wait), params=params)

    run(world, main)


def test_write_timeout(world: str) -> None:
    async def main() -> None:
        peer = Peer(ends=False, takes=1000)
        connection = HTTP1Connection(peer, True)
        with pytest.raises(WriteTimeout):
            await connection.write_headers(RequestStartLine("POST", "/"), HOST, bytes(2000))
        with pytest.raises(WriteTimeout):
            connection.finish()
        await connection.close()
        assert peer.closed

    run(world, main)


# -- leaving HTTP


@pytest.mark.parametrize("in_callback", [True, False])
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_detach(world: str, method: str, in_callback: bool) -> None:
    async def main() -> None:
        head = b"101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade" if method == "GET" else b"200 OK"
        peer = Peer(b"HTTP/1.1 %b\r\n\r\nread ahead" % head, b" and more")
        connection = HTTP1Connection(peer, True)
        headers = {**HOST, "Upgrade": "x", "Connection": "upgrade"} if method == "GET" else {"Host": "a.test:1"}
        await connection.write_headers(RequestStartLine(method, "/" if method == "GET" else "a.test:1"), headers)
        await connection.finish()
        streams: list[Any] = []
        action = {"headers_received": lambda *_: streams.append(connection.detach())} if in_callback else {}
        notes = Notes(**action)
        assert not await connection.read_response(notes)
        if not in_callback:
            streams.append(connection.detach())
        assert notes.notes == (["headers_received"] if in_callback else ["headers_received", "finish"])
        stream = streams[0]
        assert await stream.read(4) == b"read"
        assert await stream.read(100) == b" ahead"
        assert await stream.read(100) == b" and more"
        await stream.write(b"no HTTP")
        assert peer.received.endswith(b"\r\n\r\nno HTTP")
        with pytest.raises(RuntimeError, match="was detached"):
            connection.write(b"x")
        with pytest.raises(RuntimeError, match="was detached"):
            connection.detach()
        await connection.close()
        assert not peer.closed

    run(world, main)


def test_roles(world: str) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"read_response\(\)"):
            await HTTP1Connection(Peer(), True).serve(Notes)
        with pytest.raises(RuntimeError, match=r"serve\(\)"):
            await HTTP1Connection(Peer(), False).read_response(Notes())
        with pytest.raises(TypeError, match="a stream is expected"):
            HTTP1Connection(object(), True)

    run(world, main)


@pytest.mark.parametrize("name", ["max_header_size", "header_timeout", "max_body_size", "body_timeout", "max_ratio"])
def test_parameters_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must not be negative: -1"):
        HTTP1ConnectionParameters(**{name: -1})
    with pytest.raises(ValueError, match="chunk_size has to be at least 1"):
        HTTP1ConnectionParameters(chunk_size=0)
