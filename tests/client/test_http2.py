"""HTTP/2 for clients: heads, content both ways, and the ends of streams, against a server of raw frames in memory."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from tests.client.http2_server import OK, Server, answering, answering_later, ask, content_of, request, scripted
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Frame

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.messages import Response
from interlock.http.errors import LocalProtocolError, RemoteProtocolError
from interlock.http.limits import Limits
from interlock.net.stream import run


def head(server: Server, stream: int = 1) -> list[tuple[str, str]]:
    return server.requests[stream]


# -- requests


def test_a_request_goes_out_at_once() -> None:
    """The preface, SETTINGS and the head in one write, before anything has come."""
    server = Server(answering)
    assert run(ask(server.connection)) == (200, b"1: 0")
    assert [frame.name for frame in server.frames][:3] == ["SETTINGS", "WINDOW_UPDATE", "HEADERS"]
    assert head(server) == [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "example.com"),
        (":path", "/"),
    ]
    assert run(ask(server.connection)) == (200, b"3: 0")


def test_fields_of_http11_are_dropped() -> None:  # RFC 9113 §8.2.2
    server = Server(answering)
    fields = [
        ("Host", "other.example"),
        ("Connection", "keep-alive, X-Hop"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "websocket"),
        ("TE", "gzip, trailers"),
        ("X-Hop", "1"),
        ("X-Kept", "2"),
        ("Cookie", "a=b"),
    ]
    run(ask(server.connection, headers=fields))
    assert head(server)[2] == (":authority", "other.example")
    assert head(server)[4:] == [("x-kept", "2"), ("cookie", "a=b"), ("te", "trailers")]
    run(ask(server.connection, headers=[("TE", "gzip")]))
    assert head(server, 3)[4:] == []


@pytest.mark.parametrize(
    ("host", "port", "authority"),
    [("example.com", 8443, "example.com:8443"), ("::1", 443, "[::1]"), ("::1", 1, "[::1]:1"), ("a", 443, "a")],
)
def test_authority(host: str, port: int, authority: str) -> None:
    server = Server(answering)
    asked = request()
    asked.host, asked.port = host, port
    run(server.connection.send(asked))
    assert (":authority", authority) in head(server)


@pytest.mark.parametrize(
    "options",
    [
        {"headers": [(":path", "/x")]},
        {"headers": [("x y", "z")]},
        {"headers": [("x", "a\nb")]},
        {"target": b"http://example.com/"},
        {"headers": [("Content-Length", "3")], "content": b"ab"},
        {"headers": [("Content-Length", "3")]},
        {"content": b"ab", "trailers": [("Content-Length", "3")]},
        {"headers": [(":protocol", "websocket")]},
    ],
)
def test_what_is_no_request(options: dict[str, Any]) -> None:
    server = Server(answering)
    with pytest.raises(LocalProtocolError):
        run(ask(server.connection, **options))
    assert server.connection.idle_since() is not None
    assert run(ask(server.connection))[0] == 200


async def blocks_of(*blocks: bytes) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (lambda: b"abc", "3"),
        (lambda: [b"a", b"", b"bc"], None),
        (lambda: iter([b"a", b"bc"]), None),
        (lambda: blocks_of(b"a", b"bc"), None),
    ],
)
def test_content(content: Callable[[], Any], length: str | None) -> None:
    server = Server(answering)
    assert run(ask(server.connection, b"POST", content=content())) == (200, b"1: 3")
    assert server.content[1] == b"abc"
    assert dict(head(server)).get("content-length") == length


@pytest.mark.parametrize("content", [b"", (), None])
def test_no_content(content: Any) -> None:
    server = Server(answering)
    assert run(ask(server.connection, b"POST", content=content)) == (200, b"1: 0")
    assert "content-length" not in dict(head(server))


def test_content_that_is_text() -> None:
    server = Server(answering)
    with pytest.raises(TypeError, match="encode"):
        run(ask(server.connection, b"POST", content=["abc"]))
    assert server.told()[-1] == "RST_STREAM 1 CANCEL"


@pytest.mark.parametrize("content", [b"ab", [b"ab"], None])
@pytest.mark.parametrize("trailers", [[("x-sum", "1")], lambda: [("x-sum", "1")]])
def test_trailers_of_a_request(content: Any, trailers: Any) -> None:
    server = Server(answering)
    run(ask(server.connection, b"POST", content=content, trailers=trailers))
    assert head(server)[-1] == ("x-sum", "1")
    assert server.ended == [1]


def test_trailers_are_asked_for_when_the_content_is_over() -> None:
    told: list[str] = []

    def blocks() -> Iterator[bytes]:
        yield b"a"
        told.append("over")

    def trailers() -> list[tuple[bytes, bytes]]:
        assert told == ["over"]
        return [(b"x", b"y")]

    server = Server(answering)
    run(ask(server.connection, b"POST", content=blocks(), trailers=trailers))
    assert head(server)[-1] == ("x", "y")


def test_content_that_fails() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"a"
        raise OSError("no more of it")

    server = Server(answering)
    with pytest.raises(OSError, match="no more"):
        run(ask(server.connection, b"POST", content=blocks()))
    assert server.told() == ["HEADERS 1", "DATA 1", "RST_STREAM 1 CANCEL"]
    assert run(ask(server.connection)) == (200, b"3: 0")


@pytest.mark.parametrize("cut", [1, 7, 1000, 100000])
@pytest.mark.parametrize("kind", ["bytes", "blocks", "async"])
def test_content_under_flow_control(cut: int, kind: str) -> None:
    whole = bytes(range(250)) * 8 if cut < 1000 else bytes(range(250)) * 800
    given: Any = whole
    if kind != "bytes":
        parts = [whole[at : at + 30000] for at in range(0, len(whole), 30000)]
        given = parts if kind == "blocks" else blocks_of(*parts)

    def script(server: Server, frame: Frame) -> None:
        if frame.stream == 3 and not frame.flags & raw.END_STREAM:
            server.later(1, raw.window_update(0, cut), raw.window_update(3, cut))
        answering(server, frame)

    server = Server(script, settings=((raw.INITIAL_WINDOW_SIZE, 1),))
    run(ask(server.connection))
    assert run(ask(server.connection, b"PUT", content=given)) == (200, b"3: %d" % len(whole))
    assert server.content[3] == whole


def test_priority() -> None:  # RFC 9218
    server = Server()

    async def program() -> None:
        server.script = lambda server, frame: frame.kind == raw.HEADERS and server.respond(frame.stream, end=False)
        response = await server.connection.send(request(priority=b"u=5"))
        assert ("priority", "u=5") in head(server)
        await response.exchange.prioritize(b"u=1, i")  # type: ignore[attr-defined]
        assert server.frames[-1].kind == raw.PRIORITY_UPDATE
        assert server.frames[-1].payload == b"\x00\x00\x00\x01u=1, i"
        await server.connection.send(request(priority=b"u=5", headers=[("Priority", "u=0")]))
        assert head(server, 3)[4:] == [("priority", "u=0")]

    run(program())


# -- responses


def test_a_response() -> None:
    server = scripted(
        lambda server: server.send(
            raw.headers(1, raw.block([(":status", "103"), ("link", "x")]), end=False),
            raw.headers(1, raw.block([(":status", "200"), ("content-length", "3"), ("x", "y")]), end=False),
            raw.data(1, b"ab"),
            raw.data(1, b"c"),
            raw.headers(1, raw.block([("x-sum", "6")])),
        )
    )
    told: list[Any] = []

    async def program() -> Response:
        response = await server.connection.send(request(on_informational=told.append))
        assert response.exchange.trailers is None or response.exchange.trailers == [(b"x-sum", b"6")]
        assert await response.exchange.read_block() == b"abc"
        assert await response.exchange.read_block() == b""
        assert await response.exchange.read_block() == b""
        return response

    response = run(program())
    assert (response.status_code, response.reason, response.http_version) == (200, b"", b"2")
    assert response.stream_id == 1
    assert response.headers == [(b"content-length", b"3"), (b"x", b"y")]
    assert response.exchange.trailers == [(b"x-sum", b"6")]
    assert [event.status_code for event in told] == [103]
    assert server.connection.idle_since() is not None


def whole_conversation() -> bytes:
    return b"".join(
        [
            raw.settings((raw.MAX_CONCURRENT_STREAMS, 7)),
            raw.settings_ack(),
            raw.ping(b"abcdefgh"),
            raw.headers(1, raw.block([(":status", "100")]), end=False),
            raw.headers(1, raw.block([(":status", "200")])[:3], end=False, end_headers=False),
            raw.continuation(1, raw.block([(":status", "200")])[3:]),
            raw.data(1, b"ab", pad=3),
            raw.window_update(0, 5),
            raw.data(1, b"cd"),
            raw.headers(1, raw.block([("x", "y")])),
            raw.goaway(1),
        ]
    )


def check_conversation(server: Server) -> None:
    async def program() -> None:
        response = await server.connection.send(request())
        assert response.status_code == 200
        assert await content_of(response) == b"abcd"
        assert response.exchange.trailers == [(b"x", b"y")]
        assert "PING 0" in server.told()
        with pytest.raises(ConnectionNotAvailable):
            await server.connection.send(request())
        assert server.connection.room() == 0

    run(program())
    assert server.stream.closed == "closed"


@pytest.mark.parametrize("piece", [1, 2, 3, 1000])
def test_in_pieces(piece: int) -> None:
    server = scripted(lambda server: server.send(whole_conversation()), settings=None)
    server.stream.piece = piece
    check_conversation(server)


def test_cut_at_every_octet() -> None:
    whole = whole_conversation()
    for cut in range(1, len(whole)):

        def script(server: Server, cut: int = cut) -> None:
            server.send(whole[:cut])
            server.later(1, whole[cut:])

        check_conversation(scripted(script, settings=None))


def test_cut_off_at_every_octet() -> None:
    """What ends early is told, whatever was there before."""
    whole = whole_conversation()[: -len(raw.goaway(1))]
    for cut in range(len(whole)):

        def script(server: Server, cut: int = cut) -> None:
            server.send(whole[:cut])
            server.stream.end()

        server = scripted(script, settings=None)
        with pytest.raises(RemoteProtocolError, match="closed the connection"):
            run(ask(server.connection))
        assert server.connection.is_closed()
        assert server.stream.closed


def test_informational_responses_have_an_end() -> None:
    endless = raw.headers(1, raw.block([(":status", "102")]), end=False) * 65
    server = scripted(lambda server: server.send(endless), answering_later)
    with pytest.raises(RemoteProtocolError, match="more than 64"):
        run(ask(server.connection))
    assert server.told() == ["HEADERS 1 END", "RST_STREAM 1 ENHANCE_YOUR_CALM"]
    assert run(ask(server.connection)) == (200, b"later")


def test_content_is_let_in_as_it_is_taken() -> None:
    """No more than a window comes ahead, and other streams do not wait."""
    server = scripted(
        lambda server: server.send(raw.headers(1, raw.block(OK), end=False), raw.data(1, bytes(16384)) * 3)
    )

    async def program() -> None:
        response = await server.connection.send(request())
        assert "WINDOW_UPDATE 1" not in server.told()
        server.script = answering
        assert await ask(server.connection) == (200, b"3: 0")
        for _ in range(2):
            assert "WINDOW_UPDATE 1" not in server.told()
            assert len(await response.exchange.read_block()) == 16384
        assert len(await response.exchange.read_block()) == 16384
        assert server.told() == ["WINDOW_UPDATE 1"]
        server.send(raw.data(1, b"end", end=True))
        assert await response.exchange.read_block() == b"end"
        assert await response.exchange.read_block() == b""

    run(program())


def test_small_frames_make_few_blocks() -> None:
    """Each block costs whoever collects them many times what stands in such a frame."""
    server = scripted(
        lambda server: server.send(
            raw.headers(1, raw.block(OK), end=False), raw.data(1, b"xy") * 5000, raw.data(1, b"", end=True)
        )
    )

    async def program() -> list[int]:
        response = await server.connection.send(request())
        sizes = []
        while block := await response.exchange.read_block():
            sizes.append(len(block))
        return sizes

    sizes = run(program())
    assert sum(sizes) == 10000
    assert len(sizes) < 10


def test_content_beyond_the_limit() -> None:
    server = scripted(lambda server: server.respond(1, content=bytes(11), end=False), limits=Limits(body=10))
    with pytest.raises(RemoteProtocolError, match="more than 10 octets"):
        run(ask(server.connection))
    assert server.told()[-1] == "RST_STREAM 1 CANCEL"
    assert server.connection.room() == 100


@pytest.mark.parametrize("taken", [0, 1])
def test_a_response_that_is_not_read_to_its_end(taken: int) -> None:
    server = scripted(lambda server: server.respond(1, content=b"abc", end=False))

    async def program() -> None:
        response = await server.connection.send(request())
        for _ in range(taken):
            assert await response.exchange.read_block() == b"abc"
        assert server.connection.idle_since() is None
        await response.exchange.aclose()
        await response.exchange.aclose()
        assert server.connection.idle_since() == server.network.clock
        assert server.told() == ["HEADERS 1 END", "RST_STREAM 1 CANCEL"]
        server.send(raw.data(1, b"late"))
        server.script = answering
        assert await ask(server.connection) == (200, b"3: 0")

    run(program())


def test_a_response_that_nobody_reads() -> None:
    """It has come whole, and is let go: nothing of it counts any more."""
    server = scripted(lambda server: server.respond(1, content=bytes(10000)))

    async def program() -> None:
        response = await server.connection.send(request())
        assert server.connection.engine._left_over == {1: 10000}
        await response.exchange.aclose()
        assert server.connection.engine._left_over == {}

    run(program())


def test_a_short_way_to_short_content() -> None:
    server = scripted(
        lambda server: server.respond(1, content=b"abc", end=False), lambda server: server.respond(3, content=b"x")
    )

    async def program() -> None:
        response = await server.connection.send(request())
        assert response.exchange.take_rest() is None
        server.send(raw.data(1, b"d", end=True))
        await ask(server.connection)
        assert response.exchange.take_rest() == b"abcd"
        assert await response.exchange.read_block() == b""
        assert server.told() == ["HEADERS 1 END", "HEADERS 3 END"]

    run(program())
