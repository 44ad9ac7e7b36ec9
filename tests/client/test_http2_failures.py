"""HTTP/2 for clients: servers that are slow, silent, wrong or gone, by a clock that is turned."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.client.http2_server import OK, Server, answering, answering_later, ask, content_of, request, scripted
from tests.h2 import raw_frames as raw
from tests.h2.raw_frames import Frame

from interlock.client.errors import ConnectionNotAvailable
from interlock.client.timeouts import ClientTimeouts
from interlock.h2 import Ping
from interlock.http.errors import RemoteProtocolError
from interlock.net.errors import NetworkError, ReadError, ReadTimeout, WriteError, WriteTimeout
from interlock.net.stream import run


def nothing(server: Server) -> None:
    """A server that says nothing."""


# -- reading


def test_nothing_comes() -> None:
    """The connection may be dead: nobody else is given it."""
    server = scripted(nothing)
    with pytest.raises(ReadTimeout, match=r"nothing for 5.0 seconds"):
        run(ask(server.connection))
    assert server.network.clock == 1005
    assert server.told() == ["HEADERS 1 END", "RST_STREAM 1 CANCEL", "GOAWAY 0 NO_ERROR"]
    assert server.connection.is_closed()
    assert server.stream.closed == "closed"


def test_nothing_comes_for_a_stream() -> None:
    """Others do not suffer."""
    server = scripted(nothing)
    server.network.later(2, lambda: server.send(raw.ping()))
    with pytest.raises(ReadTimeout):
        run(ask(server.connection))
    assert server.network.clock == 1005
    assert server.told() == ["HEADERS 1 END", "PING 0", "RST_STREAM 1 CANCEL"]
    server.script = answering
    assert run(ask(server.connection)) == (200, b"3: 0")


def test_no_timeout() -> None:
    server = scripted(lambda server: server.later(10000, raw.headers(1, raw.block(OK))))
    assert run(ask(server.connection, timeouts=ClientTimeouts(read=None, write=None))) == (200, b"")


def test_a_head_that_comes_octet_by_octet() -> None:
    def script(server: Server) -> None:
        octets = raw.headers(1, raw.block([*OK, ("x", "y" * 20)]))
        for second, octet in enumerate(octets):
            server.later(second, bytes([octet]))

    server = scripted(script)
    with pytest.raises(ReadTimeout):
        run(ask(server.connection))
    assert server.network.clock == 1005


def test_a_head_that_has_no_end() -> None:
    def script(server: Server) -> None:
        server.later(1, raw.headers(1, raw.block(OK), end_headers=False))
        for second in range(2, 8):
            server.later(second, raw.continuation(1, b"", end_headers=False))

    server = scripted(script)
    with pytest.raises((ReadTimeout, RemoteProtocolError)):
        run(ask(server.connection))
    assert server.network.clock <= 1005


def test_informational_responses_show_that_somebody_is_there() -> None:
    def script(server: Server) -> None:
        for second in (4, 8, 12):
            server.later(second, raw.headers(1, raw.block([(":status", "102")]), end=False))
        server.later(16, raw.headers(1, raw.block(OK)))

    assert run(ask(scripted(script).connection)) == (200, b"")


def slowly(*pieces: bytes, every: float) -> Callable[[Server], None]:
    def script(server: Server) -> None:
        server.respond(1, end=False)
        for number, piece in enumerate(pieces):
            server.later(every * (number + 1), piece)

    return script


def test_slow_content() -> None:
    pieces = [raw.data(1, b"abc")] * 10
    server = scripted(slowly(*pieces, raw.data(1, b"!", end=True), every=4.9))
    patient = ClientTimeouts(body_rate=None)
    assert run(ask(server.connection, timeouts=patient)) == (200, b"abc" * 10 + b"!")
    server = scripted(slowly(*pieces, every=5.1))
    with pytest.raises(ReadTimeout):
        run(ask(server.connection, timeouts=patient))
    assert server.told()[1] == "RST_STREAM 1 CANCEL"


def test_a_slow_frame() -> None:
    """As long as some of it comes, something comes."""
    frame = raw.data(1, bytes(100), end=True)
    server = scripted(slowly(*raw.cut(frame, 20), every=4.0))
    assert run(ask(server.connection, timeouts=ClientTimeouts(body_rate=None))) == (200, bytes(100))


def test_content_that_is_slower_than_it_may_be() -> None:
    timeouts = ClientTimeouts(body_grace=10.0, body_rate=10.0)
    pieces = [raw.data(1, b"abc")] * 100
    server = scripted(slowly(*pieces, every=1.0))
    with pytest.raises(ReadTimeout, match=r"less than 10.0 octets a second"):
        run(ask(server.connection, timeouts=timeouts))
    assert 1010 < server.network.clock < 1016
    server = scripted(slowly(*pieces, raw.data(1, end=True), every=0.25))
    assert run(ask(server.connection, timeouts=timeouts))[1] == b"abc" * 100


def test_a_caller_may_be_slow() -> None:
    """What is there already has come in time."""
    timeouts = ClientTimeouts(body_grace=1.0, body_rate=1000.0)
    server = scripted(lambda server: server.respond(1, content=b"abc", end=False))

    async def program() -> None:
        response = await server.connection.send(request(timeouts=timeouts))
        assert await response.exchange.read_block() == b"abc"
        server.network.go_on(100)
        server.later(0.5, raw.data(1, b"def", end=True))
        assert await response.exchange.read_block() == b"def"

    run(program())


def test_a_stream_that_has_timed_out_is_over() -> None:
    server = scripted(lambda server: server.respond(1, end=False))

    async def program() -> None:
        response = await server.connection.send(request())
        with pytest.raises(ReadTimeout):
            await response.exchange.read_block()
        with pytest.raises(ReadError, match="closed here"):
            await response.exchange.read_block()

    run(program())


# -- writing


@pytest.mark.parametrize("content", [bytes(100000), [bytes(100000)], [bytes(65535), b"x"]])
def test_windows_that_stay_closed(content: Any) -> None:  # RFC 9113 §6.9
    server = scripted(nothing, answering_later)
    with pytest.raises(WriteTimeout, match=r"no window for 5.0 seconds"):
        run(ask(server.connection, b"POST", content=content))
    assert server.network.clock == 1005
    assert server.told()[-1] == "RST_STREAM 1 CANCEL"
    assert run(ask(server.connection)) == (200, b"later")


def test_windows_that_open_slowly() -> None:
    def script(server: Server) -> None:
        for number in range(1, 10):
            server.later(number * 4.0, raw.window_update(0, 5000), raw.window_update(1, 5000))

    server = Server(answering)
    script(server)
    whole = bytes(65535 + 45000)
    assert run(ask(server.connection, b"POST", content=whole)) == (200, b"1: %d" % len(whole))
    assert server.network.clock == 1036


def test_a_response_is_waited_for_once_all_is_sent() -> None:
    def script(server: Server, frame: Frame) -> None:
        if frame.kind == raw.DATA and frame.flags & raw.END_STREAM:
            server.later(4.9, raw.headers(1, raw.block(OK)))

    server = Server(script)
    server.later(4.9, raw.window_update(0, 5000), raw.window_update(1, 5000))
    assert run(ask(server.connection, b"POST", content=bytes(70000))) == (200, b"")


@pytest.mark.parametrize("error", [WriteError("broken"), WriteTimeout("too slow")])
def test_a_connection_that_takes_nothing(error: Exception) -> None:
    server = scripted(lambda server: server.respond(1))
    run(ask(server.connection))
    server.stream.broken = error
    with pytest.raises(type(error)):
        run(ask(server.connection, b"POST"))
    assert server.connection.is_closed()
    assert server.stream.closed == "aborted"


def test_what_was_said_before_the_connection_broke() -> None:
    """A server that closes early may have answered."""

    def script(server: Server) -> None:
        server.respond(1, (":status", "413"))
        server.stream.end()
        server.stream.broken = WriteError("broken pipe")

    server = scripted(script)
    assert run(ask(server.connection, b"POST", content=[bytes(1000)] * 3)) == (413, b"")


# -- the connection


@pytest.mark.parametrize("settings", [(), None])
def test_settings_that_are_not_acknowledged(settings: Any) -> None:  # RFC 9113 §6.5.3
    server = scripted(nothing, settings=None, settings_timeout=2.0)
    if settings is not None:
        server.later(0, raw.settings())
    with pytest.raises(ReadTimeout, match="acknowledged our SETTINGS"):
        run(ask(server.connection))
    assert server.network.clock == 1002
    assert server.told()[1:] == ["GOAWAY 0 SETTINGS_TIMEOUT", "RST_STREAM 1 CANCEL"]
    assert server.connection.is_closed()


def test_time_without_a_reader_does_not_count_for_settings() -> None:
    server = scripted(lambda server: server.send(raw.settings(), raw.headers(1, raw.block(OK))), settings=None)
    run(ask(server.connection))
    server.network.clock += 100
    server.send(raw.settings_ack())
    server.script = answering
    assert run(ask(server.connection)) == (200, b"3: 0")


WRONG = {
    "PROTOCOL_ERROR": raw.headers(2, raw.block(OK)),
    "FRAME_SIZE_ERROR": raw.frame(raw.PING, 0, 0, b"1"),
    "FLOW_CONTROL_ERROR": raw.window_update(0, raw.LARGEST),
    "COMPRESSION_ERROR": raw.headers(1, b"\xff\xff\xff\xff\xff"),
    "STREAM_CLOSED": raw.headers(1, raw.block(OK)) + raw.data(1, b"x"),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_server_that_breaks_the_rules_of_connections(code: str) -> None:
    """The peer is told why, and all streams fail."""
    server = Server(lambda server, frame: frame.kind == raw.HEADERS and server.respond(frame.stream, end=False))

    async def program() -> None:
        first = await server.connection.send(request())
        server.script = lambda server, frame: frame.kind == raw.HEADERS and server.send(WRONG[code])
        if code == "STREAM_CLOSED":
            server.send(raw.data(1, end=True))
            await content_of(first)
        with pytest.raises(RemoteProtocolError):
            await server.connection.send(request())
        assert server.told()[-1] == f"GOAWAY 0 {code}"
        assert server.stream.closed == "closed"
        if code != "STREAM_CLOSED":
            with pytest.raises(RemoteProtocolError):
                await first.exchange.read_block()
        with pytest.raises(ConnectionNotAvailable):
            await server.connection.send(request())

    run(program())


@pytest.mark.parametrize(
    "frames",
    [
        raw.headers(1, raw.block([(":status", "20")])),
        raw.headers(1, raw.block([*OK, ("Upper", "x")])),
        raw.headers(1, raw.block([*OK, ("connection", "close")])),
        raw.headers(1, raw.block([*OK, ("content-length", "3")]), end=False) + raw.data(1, b"ab", end=True),
        raw.headers(1, raw.block([(":status", "101")])),
        raw.headers(1, raw.block(OK), end=False) + raw.headers(1, raw.block([("x", "y")]), end=False),
        raw.rst_stream(1, raw.INTERNAL_ERROR),
        raw.rst_stream(1, raw.NO_ERROR),
        raw.headers(1, raw.block(OK), end=False) + raw.rst_stream(1, raw.NO_ERROR),
        raw.headers(1, raw.block(OK), end=False) + raw.rst_stream(1, raw.REFUSED_STREAM),
        raw.headers(1, raw.block([(":status", "102")]), end=False) + raw.rst_stream(1, raw.REFUSED_STREAM),
    ],
)
def test_a_server_that_breaks_the_rules_of_a_stream(frames: bytes) -> None:
    server = scripted(lambda server: server.send(frames), answering_later)
    with pytest.raises(RemoteProtocolError):
        run(ask(server.connection))
    assert run(ask(server.connection)) == (200, b"later")


def test_what_has_come_before_the_end_can_be_read() -> None:
    def script(server: Server) -> None:
        server.respond(1, content=b"abc", end=False)
        server.send(raw.goaway(1, raw.INTERNAL_ERROR, b"out of luck"))
        server.stream.end()

    server = scripted(script)

    async def program() -> None:
        response = await server.connection.send(request())
        assert await response.exchange.read_block() == b"abc"
        with pytest.raises(RemoteProtocolError, match="INTERNAL_ERROR: b'out of luck'"):
            await response.exchange.read_block()

    run(program())


@pytest.mark.parametrize("how", ["aclose", "abort"])
def test_closing(how: str) -> None:
    server = scripted(lambda server: server.respond(1, content=b"abc", end=False))

    async def program() -> None:
        response = await server.connection.send(request())
        for _ in range(2):
            if how == "abort":
                server.connection.abort()
            else:
                await server.connection.aclose()
        assert server.stream.closed == ("aborted" if how == "abort" else "closed")
        assert server.told()[1:] == ([] if how == "abort" else ["RST_STREAM 1 CANCEL", "GOAWAY 0 NO_ERROR"])
        assert await response.exchange.read_block() == b"abc"
        with pytest.raises(ReadError, match="here"):
            await response.exchange.read_block()
        with pytest.raises(ConnectionNotAvailable):
            await server.connection.send(request())
        assert server.connection.is_closed()
        assert server.connection.room() == 0

    run(program())


def test_a_pool_does_not_break_off_what_is_being_closed() -> None:
    """It closes what is closed and idle, as soon as it hears of that: the peer is told why before."""
    server = scripted(lambda server: server.send(WRONG["FRAME_SIZE_ERROR"]))
    connection = server.connection

    def settle() -> None:
        if connection.is_closed() and connection.idle_since() is not None:
            connection.abort()

    connection.on_change = settle
    with pytest.raises(RemoteProtocolError):
        run(ask(connection))
    assert server.told()[-1] == "GOAWAY 0 FRAME_SIZE_ERROR"
    assert server.stream.closed == "closed"
    assert connection.idle_since() is not None


def test_closing_before_anything_was_sent() -> None:
    server = Server()
    run(server.connection.aclose())
    assert server.stream.closed == "closed"


def test_a_flood() -> None:  # RFC 9113 §10.5
    for frame in (raw.ping(), raw.settings(), raw.data(1), raw.rst_stream(1), raw.window_update(0, 1)):
        server = scripted(lambda server: server.respond(1, end=False))

        async def program(server: Server = server, frame: bytes = frame) -> None:
            response = await server.connection.send(request())
            server.send(frame * 5000)
            with pytest.raises((RemoteProtocolError, NetworkError)):
                await content_of(response)
            server.stream.piece = 100
            with pytest.raises((RemoteProtocolError, ConnectionNotAvailable)):
                await server.connection.send(request())
            assert "GOAWAY 0 ENHANCE_YOUR_CALM" in server.told()

        run(program())


def test_what_is_left_to_be_written_is_written_before_reading() -> None:
    """It was left by who could not wait, in another thread."""
    server = scripted(lambda server: server.respond(1, end=False))

    async def program() -> None:
        await server.connection.send(request())
        server.connection.engine.queue(Ping(b"12345678"))
        await server.connection.wait(server.connection.inboxes[1], 1.0)
        assert server.told()[-1] == "PING 0"
        assert server.network.clock == 1000

    run(program())


# -- what a trace is told


def test_trace() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    server = Server(answering)

    async def program(method: bytes, **options: Any) -> None:
        response = await server.connection.send(
            request(method, trace=lambda name, info: told.append((name, info)), **options)
        )
        await content_of(response)
        await response.exchange.aclose()
        await response.exchange.aclose()

    run(program(b"POST", content=[b"abc"]))
    steps = ["send_request_headers", "send_request_body", "receive_response_headers", "receive_response_body"]
    expected = [
        f"http2.{step}.{what}"
        for step in ["send_connection_init", *steps, "response_closed"]
        for what in ("started", "complete")
    ]
    assert [name for name, _ in told] == expected
    assert dict(told)["http2.receive_response_headers.complete"]["return_value"] == (200, [])
    assert dict(told)["http2.receive_response_body.started"]["stream_id"] == 1
    del told[:]
    run(program(b"GET"))
    assert [name for name, _ in told] == expected[2:]
    del told[:]
    server.script = lambda server, frame: frame.kind == raw.HEADERS and server.send(raw.rst_stream(5, raw.CANCEL))
    with pytest.raises(RemoteProtocolError):
        run(program(b"GET"))
    assert [name for name, _ in told][-3:] == [
        "http2.receive_response_headers.failed",
        "http2.response_closed.started",
        "http2.response_closed.complete",
    ]
    assert isinstance(told[-3][1]["exception"], RemoteProtocolError)


# -- CONNECT


def tunnelling(server: Server, frame: Frame) -> None:
    """A script: what comes is sent back."""
    if frame.kind == raw.HEADERS:
        server.respond(frame.stream, end=False)
    elif frame.kind == raw.DATA:
        server.send(raw.data(frame.stream, frame.payload, end=bool(frame.flags & raw.END_STREAM)))


def test_a_tunnel() -> None:  # RFC 9113 §8.5
    server = Server(tunnelling)

    async def program() -> None:
        asked = request(b"CONNECT", b"other.example:443")
        response = await server.connection.send(asked)
        assert server.requests[1] == [(":method", "CONNECT"), (":authority", "other.example:443")]
        tunnel = response.exchange.network_stream
        assert tunnel is response.exchange.network_stream
        assert tunnel is not None
        await tunnel.write(b"hello")
        assert await tunnel.read(2) == b"he"
        assert tunnel.get_extra_info("is_readable")
        assert await tunnel.read(100) == b"llo"
        assert not tunnel.get_extra_info("is_readable")
        with pytest.raises(ReadTimeout):
            await tunnel.read(100, timeout=3.0)
        await tunnel.write(b"")
        await tunnel.write(b"again")
        assert await tunnel.read(100, timeout=3.0) == b"again"
        await tunnel.aclose()
        await tunnel.aclose()
        with pytest.raises(WriteError):
            await tunnel.write(b"x")
        with pytest.raises(ReadError):
            await tunnel.read(1)
        assert server.connection.room() == 100
        assert server.told()[-2:] == ["DATA 1 END", "RST_STREAM 1 CANCEL"]

    run(program())


@pytest.mark.parametrize("how", ["end", "reset", "lost"])
def test_a_tunnel_that_ends(how: str) -> None:
    server = Server(tunnelling)

    async def program() -> None:
        tunnel = (await server.connection.send(request(b"CONNECT", b"a:1"))).exchange.network_stream
        assert tunnel is not None
        if how == "end":
            server.send(raw.data(1, end=True))
            assert await tunnel.read(1) == b""
            server.script = None
            await tunnel.write(b"still here")
            assert server.content[1] == b"still here"
        else:
            if how == "reset":
                server.send(raw.rst_stream(1))
            else:
                server.stream.end()
            with pytest.raises(ReadError):
                await tunnel.read(1)
            with pytest.raises(WriteError):
                await tunnel.write(b"x")
        await tunnel.aclose()

    run(program())


def test_a_tunnel_whose_other_end_takes_nothing() -> None:
    server = Server(tunnelling)

    async def program() -> None:
        tunnel = (await server.connection.send(request(b"CONNECT", b"a:1"))).exchange.network_stream
        assert tunnel is not None
        server.script = None
        with pytest.raises(WriteTimeout):
            await tunnel.write(bytes(70000), timeout=2.0)
        tunnel.abort()
        assert server.connection.room() == 100

    run(program())


def test_a_tunnel_under_flow_control() -> None:
    server = Server(tunnelling)

    async def program() -> None:
        tunnel = (await server.connection.send(request(b"CONNECT", b"a:1"))).exchange.network_stream
        assert tunnel is not None
        server.script = None
        server.later(1.0, raw.window_update(0, 10000), raw.window_update(1, 10000))
        await tunnel.write(bytes(70000), timeout=2.0)
        assert len(server.content[1]) == 70000
        server.told()
        server.send(raw.data(1, bytes(16384)) * 3)
        for _ in range(3):
            assert len(await tunnel.read(1 << 20)) == 16384
        with pytest.raises(ReadTimeout):
            await tunnel.read(1, timeout=1.0)
        assert server.told() == ["WINDOW_UPDATE 1"]

    run(program())


def test_a_tunnel_that_is_refused() -> None:
    server = scripted(lambda server: server.respond(1, (":status", "403"), content=b"no"))
    assert run(ask(server.connection, b"CONNECT", target=b"a:1")) == (403, b"no")
    assert server.told() == ["HEADERS 1", "RST_STREAM 1 NO_ERROR"]


def test_extended_connect() -> None:  # RFC 8441
    server = Server(tunnelling, settings=((raw.ENABLE_CONNECT_PROTOCOL, 1),))

    async def program() -> None:
        asked = request(b"CONNECT", b"/chat", headers=[(":protocol", "websocket"), ("Origin", "x")])
        response = await server.connection.send(asked)
        assert (":protocol", "websocket") in server.requests[1]
        assert (":path", "/chat") in server.requests[1]
        tunnel = response.exchange.network_stream
        assert tunnel is not None
        await tunnel.write(b"x")
        assert await tunnel.read(1) == b"x"

    run(program())


@pytest.mark.parametrize("settings", [(), None])
def test_extended_connect_that_is_not_offered(settings: Any) -> None:
    server = Server(tunnelling, settings=settings)
    expected: Any = ReadTimeout if settings is None else Exception
    with pytest.raises(expected, match="SETTINGS" if settings is None else "does not offer"):
        run(server.connection.send(request(b"CONNECT", b"/chat", headers=[(":protocol", "websocket")])))
