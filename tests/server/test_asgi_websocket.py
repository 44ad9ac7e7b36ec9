"""What an ASGI application has of a WebSocket: the scope, the handshake, messages, and each way that it can end."""

import asyncio
import logging
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.server.asgi_fakes import FakeExchange, settle
from tests.server.websocket_exchange import TunnelExchange, handshake, opened, run
from tests.ws import raw

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, Request, Response
from interlock.http.limits import Limits, Timeouts
from interlock.net.exchange import Disconnected, PeerInfo
from interlock.server.asgi import ASGIApplication
from interlock.server.asgi_websocket import Refused, WebSocketSettings
from interlock.server.context import ServerContext
from interlock.ws.deflate import PerMessageDeflate
from interlock.ws.handshake import accept_key

each_version = pytest.mark.parametrize("version", ["1", "2"])
CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What is logged, and goes nowhere else: a traceback would keep what it passed."""
    lines: list[str] = []

    def take(record: logging.LogRecord) -> bool:
        lines.append(record.getMessage())
        return False

    logger = logging.getLogger("interlock.error")
    logger.addFilter(take)
    yield lines
    logger.removeFilter(take)


# -- the scope


def test_scope_over_http_1() -> None:
    async def main() -> None:
        request = handshake(
            "1",
            (b"Sec-WebSocket-Protocol", b"chat, superchat"),
            (b"Sec-WebSocket-Protocol", b"third"),
            (b"Cookie", b"a=1"),
            target=b"/caf%C3%A9/x?q=%20",
        )
        async with opened(request, state={"db": 1}) as ws:
            scope = ws.scope
            assert scope["type"] == "websocket"
            assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
            assert scope["http_version"] == "1.1"
            assert scope["scheme"] == "ws"
            assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/café/x", b"/caf%C3%A9/x", b"q=%20")
            assert scope["root_path"] == ""
            assert scope["headers"][0] == (b"host", b"example.org")
            assert (b"cookie", b"a=1") in scope["headers"]
            assert (scope["client"], scope["server"]) == (("192.0.2.1", 5000), ("192.0.2.2", 80))
            assert scope["subprotocols"] == ["chat", "superchat", "third"]
            assert scope["state"] == {"db": 1}
            assert scope["extensions"] == {"websocket.http.response": {}}
            assert "method" not in scope

    run(main())


def test_scope_over_http_2_and_tls() -> None:
    async def main() -> None:
        request = handshake("2", (b"cookie", b"a=1"), (b"cookie", b"b=2"), target=b"/chat?x")
        async with opened(request, peer=PeerInfo("https", ("192.0.2.1", 5000), None)) as ws:
            scope = ws.scope
            assert (scope["http_version"], scope["scheme"]) == ("2", "wss")
            assert (scope["path"], scope["query_string"], scope["subprotocols"]) == ("/chat", b"x", [])
            assert (b"cookie", b"a=1; b=2") in scope["headers"]
            assert "state" not in scope

    run(main())


# -- the handshake


@each_version
def test_accept(version: str) -> None:
    async def main() -> None:
        request = handshake(version, (b"Sec-WebSocket-Protocol", b"chat, superchat"))
        async with opened(request) as ws:
            await ws.accept(subprotocol="superchat", headers=[(b"X-A", b"1"), [b"set-cookie", b"a"]])
            fields = ws.exchange.fields
            assert fields[b"sec-websocket-protocol"] == b"superchat"
            assert (fields[b"x-a"], fields[b"set-cookie"]) == (b"1", b"a")
            if version == "1":
                assert ws.exchange.status == 101
                assert fields[b"sec-websocket-accept"] == accept_key(b"dGhlIHNhbXBsZSBub25jZQ==")
                assert (fields[b"upgrade"], fields[b"connection"]) == (b"websocket", b"Upgrade")
            else:
                assert ws.exchange.status == 200
                assert {b"sec-websocket-accept", b"upgrade", b"connection"}.isdisjoint(fields)

    run(main())


def test_fields_of_a_connection_are_dropped_in_http_2() -> None:
    async def main() -> None:
        async with opened("2") as ws:
            await ws.accept(headers=[(b"Connection", b"x"), (b"keep-alive", b"1"), (b"x-a", b"1")])
            assert dict(ws.exchange.fields) == {b"x-a": b"1"}

    run(main())


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"subprotocol": "other"}, "not one that the client offers"),
        ({"headers": [(b"sec-websocket-accept", b"x")]}, "for the handshake to say"),
        ({"headers": [(b"x", b"a\r\nb")]}, "value"),
    ],
)
def test_what_may_not_be_accepted_leaves_the_handshake_open(more: dict[str, Any], error: str) -> None:
    async def main() -> None:
        async with opened() as ws:
            with pytest.raises(LocalProtocolError, match=error):
                await ws.accept(**more)
            assert ws.exchange.events == []
            await ws.send(ACCEPT)
            assert ws.exchange.status == 101

    run(main())


@each_version
def test_close_before_accept_is_403(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            assert await ws.receive() == CONNECT
            await ws.send({**CLOSE, "code": 4000, "reason": "no"})
            assert (ws.exchange.status, ws.exchange.fields) == (403, {b"content-length": b"0"})
            assert ws.exchange.complete
            assert not ws.exchange.aborted
            assert await ws.disconnected() == (1006, "")
            with pytest.raises(RuntimeError, match="after the WebSocket was denied: expected nothing more"):
                await ws.send(ACCEPT)
        assert not ws.exchange.aborted

    run(main())


@each_version
def test_denial(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            assert await ws.receive() == CONNECT
            start = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"WWW-Authenticate", b"x")]}
            await ws.send(start)
            assert ws.exchange.events == []  # until the first content
            for other in (start, ACCEPT, CLOSE, {"type": "websocket.send", "text": "x"}):
                with pytest.raises(
                    RuntimeError, match=r"denies the WebSocket: expected websocket\.http\.response\.body$"
                ):
                    await ws.send(other)
            await ws.send({"type": "websocket.http.response.body", "body": b"one", "more_body": True})
            assert ws.exchange.status == 401
            assert ws.exchange.fields == {b"www-authenticate": b"x"}
            await ws.send({"type": "websocket.http.response.body", "body": b"", "more_body": True})
            assert not ws.exchange.complete
            await ws.send({"type": "websocket.http.response.body", "body": b"two"})
            assert ws.exchange.complete
            assert [event.data for event in ws.exchange.events if isinstance(event, Data)] == [b"one", b"two"]
            with pytest.raises(RuntimeError, match="was denied: expected nothing more"):
                await ws.send({"type": "websocket.http.response.body", "body": b"x"})

    run(main())


def test_a_short_denial_is_one_piece() -> None:
    async def main() -> None:
        async with opened() as ws:
            await ws.send({"type": "websocket.http.response.start", "status": 404})
            await ws.send({"type": "websocket.http.response.body", "body": b"gone"})
            assert ws.exchange.calls == [3]

    run(main())


@each_version
def test_a_denial_that_has_no_content(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.send({"type": "websocket.http.response.start", "status": 304, "headers": []})
            await ws.send({"type": "websocket.http.response.body", "body": b"dropped"})
            assert [type(event) for event in ws.exchange.events] == [Response, EndOfMessage]

    run(main())


def test_a_denial_waits_for_who_takes_it_slowly() -> None:
    async def main() -> None:
        async with opened() as ws:
            ws.exchange.takes = False
            await ws.send({"type": "websocket.http.response.start", "status": 403})
            body = {"type": "websocket.http.response.body", "body": b"x" * 10, "more_body": True}
            sending = await ws.soon(ws.send(body))
            assert not sending.done()
            ws.exchange.take()
            await sending
            ws.exchange.takes = False
            sending = await ws.soon(ws.send(body))
            ws.exchange.lose()
            await sending
            with pytest.raises(Disconnected):
                await ws.send(body)

    run(main())


def test_a_denial_of_the_wrong_length_is_broken_off(complaints: list[str]) -> None:
    async def main() -> None:
        async with opened() as ws:
            ws.exchange.send = _counting(ws.exchange)  # type: ignore[method-assign]
            await ws.send(
                {"type": "websocket.http.response.start", "status": 404, "headers": [(b"content-length", b"9")]}
            )
            with pytest.raises(LocalProtocolError) as caught:
                await ws.send({"type": "websocket.http.response.body", "body": b"x"})
            await ws.raises(caught.value)
            assert ws.exchange.aborted

    run(main())
    assert complaints == ["Exception in ASGI application: GET /"]


def _counting(exchange: TunnelExchange) -> Any:
    def send(*events: Any) -> None:
        raise LocalProtocolError("too little content")

    return send


def test_a_response_of_2xx_denies_nothing_in_http_2() -> None:
    async def main() -> None:
        async with opened("2") as ws:
            with pytest.raises(RuntimeError, match="opens it"):
                await ws.send({"type": "websocket.http.response.start", "status": 200})
            await ws.send(CLOSE)
            assert ws.exchange.status == 403
        async with opened("1") as ws:
            await ws.send({"type": "websocket.http.response.start", "status": 200})
            await ws.send({"type": "websocket.http.response.body", "body": b"x"})
            assert ws.exchange.status == 200

    run(main())


def refused(request: Request) -> TunnelExchange:
    """What becomes of a handshake that no application sees."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("called")

    exchange = TunnelExchange(request)

    async def main() -> None:
        settings = WebSocketSettings(Limits(), Timeouts(), None)
        context = ServerContext(server_header=False, date_header=False)
        bridge = ASGIApplication(app, context, state=None, websocket=settings)
        exchange.handler = bridge(exchange)  # type: ignore[arg-type]
        assert type(exchange.handler) is Refused
        exchange.client_ends()
        exchange.handler.data_received(b"x")
        exchange.handler.eof_received()
        exchange.handler.writable()
        exchange.handler.connection_lost("")
        await settle()
        assert bridge.tasks == set()

    run(main())
    assert exchange.complete
    assert exchange.endings == 1
    return exchange


@pytest.mark.parametrize(
    ("request_", "status", "fields"),
    [
        (handshake("1", without=b"Sec-WebSocket-Key"), 400, {}),
        (handshake("1", (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")), 400, {}),
        (handshake("1", (b"Sec-WebSocket-Key", b"c2hvcnQ="), without=b"Sec-WebSocket-Key"), 400, {}),
        (handshake("1", (b"Content-Length", b"5")), 400, {}),
        (handshake("1", (b"Sec-WebSocket-Protocol", b"a b")), 400, {}),
        (handshake("1", (b"Sec-WebSocket-Extensions", b"x;;")), 400, {}),
        (handshake("1", (b"Origin", b"a"), (b"Origin", b"b")), 400, {}),
        (
            handshake("1", (b"Sec-WebSocket-Version", b"8"), without=b"Sec-WebSocket-Version"),
            426,
            {b"sec-websocket-version": b"13", b"upgrade": b"websocket", b"connection": b"Upgrade"},
        ),
        (handshake("1", without=b"Sec-WebSocket-Version"), 426, {b"sec-websocket-version": b"13"}),
        (
            handshake("2", (b"Sec-WebSocket-Version", b"8"), without=b"Sec-WebSocket-Version"),
            400,
            {b"sec-websocket-version": b"13"},
        ),
        (handshake("2", (b"Sec-WebSocket-Protocol", b"")), 400, {}),
    ],
)
def test_refused_without_the_application(request_: Request, status: int, fields: dict[bytes, bytes]) -> None:
    exchange = refused(request_)
    assert exchange.status == status
    assert fields.items() <= exchange.fields.items()
    if exchange.request.http_version == b"2":
        assert {b"upgrade", b"connection"}.isdisjoint(exchange.fields)


def test_without_websocket_it_is_a_request_as_any_other() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def main() -> None:
        exchange = FakeExchange(headers=handshake("1").headers.items_list()[1:])
        bridge = ASGIApplication(app, ServerContext(), state=None)
        exchange.handler = bridge(exchange)  # type: ignore[arg-type, assignment]
        exchange.request_ends()
        await settle()
        assert exchange.response.status_code == 200

    run(main())


@pytest.mark.parametrize("field", [(b"Upgrade", b"h2c"), (b"Upgrade", b"websocket2")])
def test_another_upgrade_is_for_the_application(field: tuple[bytes, bytes]) -> None:
    async def main() -> None:
        exchange = FakeExchange(headers=[field, (b"connection", b"upgrade")])
        scopes = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        bridge = ASGIApplication(
            app, ServerContext(), state=None, websocket=WebSocketSettings(Limits(), Timeouts(), None)
        )
        exchange.handler = bridge(exchange)  # type: ignore[arg-type, assignment]
        exchange.request_ends()
        await settle()
        assert [scope["type"] for scope in scopes] == ["http"]

    run(main())


# -- messages


@each_version
def test_messages(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            ws.exchange.client(raw.text("héllo"), raw.binary(b"\0"), raw.text("a", fin=False), raw.last("b"))
            assert await ws.receive() == {"type": "websocket.receive", "text": "héllo"}
            assert await ws.receive() == {"type": "websocket.receive", "bytes": b"\0"}
            assert await ws.receive() == {"type": "websocket.receive", "text": "ab"}
            await ws.text("ü")
            await ws.send({"type": "websocket.send", "text": ""})
            await ws.send({"type": "websocket.send", "bytes": b"", "text": None})
            await ws.send({"type": "websocket.send", "text": None, "bytes": bytearray(b"\1")})
            assert ws.exchange.frames == [raw.text("ü"), raw.text(""), raw.binary(b""), raw.binary(b"\1")]
            with pytest.raises(RuntimeError, match="neither text nor bytes"):
                await ws.send({"type": "websocket.send"})
            with pytest.raises(TypeError):
                await ws.send({"type": "websocket.send", "text": 5})

    run(main())


@each_version
def test_a_receiver_that_came_before_the_answer(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            assert await ws.receive() == CONNECT
            receiving = await ws.soon(ws.receive())
            assert not receiving.done()
            await ws.send(ACCEPT)
            ws.exchange.client(raw.text("x"))
            assert await receiving == {"type": "websocket.receive", "text": "x"}
        async with opened(version) as ws:
            assert await ws.receive() == CONNECT
            receiving = await ws.soon(ws.receive())
            await ws.send(CLOSE)
            assert (await receiving)["type"] == "websocket.disconnect"
        async with opened(version) as ws:
            assert await ws.receive() == CONNECT
            receiving = await ws.soon(ws.receive())
            ws.exchange.lose()
            assert (await receiving)["type"] == "websocket.disconnect"

    run(main())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "websocket.send", "text": "x"}, "before the WebSocket is accepted: expected websocket.accept, "),
        ({"type": "websocket.http.response.body"}, "before the WebSocket is accepted: "),
        ({"type": "http.response.start", "status": 200}, "before the WebSocket is accepted: "),
        ({"type": "nonsense"}, "'nonsense' is not expected before"),
    ],
)
def test_what_may_not_be_sent_before_accept(message: dict[str, Any], expected: str) -> None:
    async def main() -> None:
        async with opened() as ws:
            with pytest.raises(RuntimeError, match=expected):
                await ws.send(message)
            await ws.accept()

    run(main())


@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.http.response.start", "websocket.http.response.body"])
def test_what_may_not_be_sent_after_accept(kind: str) -> None:
    async def main() -> None:
        async with opened() as ws:
            await ws.accept()
            with pytest.raises(
                RuntimeError, match=r"while the WebSocket is open: expected websocket\.send or websocket\.close$"
            ):
                await ws.send({"type": kind, "status": 200})
            await ws.send(CLOSE)
            with pytest.raises(RuntimeError, match="after the WebSocket was closed"):
                await ws.send({"type": kind, "status": 200})

    run(main())


def test_compression_where_it_is_wanted() -> None:
    async def main() -> None:
        request = handshake("1", (b"Sec-WebSocket-Extensions", b"permessage-deflate"))
        async with opened(request, deflate=PerMessageDeflate()) as ws:
            await ws.accept()
            assert ws.exchange.fields[b"sec-websocket-extensions"].startswith(b"permessage-deflate")
            await ws.text("x" * 1000)
            (frame,) = ws.exchange.frames
            assert frame.rsv == 4
            assert zlib.decompressobj(-15).decompress(frame.payload + b"\0\0\xff\xff") == b"x" * 1000
        async with opened(request) as ws:
            await ws.accept()
            assert b"sec-websocket-extensions" not in ws.exchange.fields

    run(main())


# -- backpressure


@each_version
def test_octets_are_taken_only_as_messages_are(version: str) -> None:
    async def main() -> None:
        async with opened(version, limits=Limits(message_queue=2)) as ws:
            await ws.accept()
            ws.exchange.client(raw.text("1"), raw.text("2"), raw.text("3"))
            taken = ws.exchange.taken  # it had to be looked at
            for number in range(4, 10):
                ws.exchange.client(raw.text(str(number)))
            assert ws.exchange.taken == taken
            for number in range(1, 8):
                assert (await ws.receive())["text"] == str(number)
            assert ws.exchange.taken == taken
            assert (await ws.receive())["text"] == "8"
            assert ws.exchange.taken == taken * 3
            assert (await ws.receive())["text"] == "9"

    run(main())


@each_version
@pytest.mark.parametrize("early", [False, True])
def test_small_pieces_that_nobody_takes_are_not_held_one_by_one(version: str, early: bool) -> None:
    """A peer may cut what its window admits into pieces of two octets, each an object of 35."""
    if early and version == "1":
        pytest.skip("in HTTP/1.1 nothing comes before the handshake is answered")

    async def main() -> None:
        async with opened(version, limits=Limits(message_queue=1)) as ws:
            if not early:
                await ws.accept()
                ws.exchange.client(raw.text("1"))
            frame = raw.binary(bytes(range(256)) * 200)
            octets = frame.octets(True)
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for at in range(0, len(octets), 2):
                ws.exchange.handler.data_received(octets[at : at + 2])
            held = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            assert held < 2 * len(octets)
            if early:
                await ws.accept()
            else:
                await ws.receive()
            assert (await ws.receive())["bytes"] == frame.payload

    run(main())


@each_version
def test_send_waits_for_a_slow_client(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            ws.exchange.takes = False
            await ws.text("1")
            second = await ws.soon(ws.text("2"))
            assert not second.done()
            ws.exchange.take()
            await second
            assert ws.exchange.frames == [raw.text("1"), raw.text("2")]

    run(main())


def test_what_came_before_the_answer_is_read_after_it() -> None:
    async def main() -> None:
        async with opened("2") as ws:
            ws.exchange.client(raw.text("early"))
            assert ws.exchange.taken == 0
            await ws.accept()
            assert await ws.receive() == {"type": "websocket.receive", "text": "early"}
            assert ws.exchange.taken == len(raw.text("early").octets(True))

    run(main())


# -- ends


@each_version
@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "away"), (4999, "ü" * 60), (None, "")])
def test_the_client_closes(version: str, code: int | None, reason: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            receiving = await ws.soon(ws.disconnected())
            ws.exchange.client(raw.close(code, reason))
            assert await receiving == (1005 if code is None else code, reason)
            assert ws.exchange.close == (1005 if code is None else code, "")
            assert ws.exchange.complete  # the server ends the stream first
            assert await ws.disconnected() == (1005 if code is None else code, reason)  # as often as it asks
            with pytest.raises(OSError, match="received"):
                await ws.text("x")
            await ws.send(CLOSE)

    run(main())


@each_version
def test_the_application_closes(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            await ws.send({**CLOSE, "code": 4001, "reason": "enough"})
            assert ws.exchange.close == (4001, "enough")
            assert not ws.exchange.complete
            ws.exchange.client(raw.text("on its way"), raw.close(4001))
            assert await ws.receive() == {"type": "websocket.receive", "text": "on its way"}
            assert await ws.disconnected() == (4001, "")
            assert ws.exchange.complete

    run(main())


@pytest.mark.parametrize("more", [{}, {"code": None, "reason": None}, {"code": 1000}])
def test_close_is_1000_unless_it_says_more(more: dict[str, Any]) -> None:
    async def main() -> None:
        async with opened() as ws:
            await ws.accept()
            await ws.send({**CLOSE, **more})
            assert ws.exchange.close == (1000, "")

    run(main())


@pytest.mark.parametrize("more", [{"code": 1005}, {"code": 999}, {"code": 1000, "reason": "x" * 124}])
def test_a_close_that_may_not_be_sent(more: dict[str, Any]) -> None:
    async def main() -> None:
        async with opened() as ws:
            await ws.accept()
            with pytest.raises(LocalProtocolError):
                await ws.send({**CLOSE, **more})
            await ws.text("still open")

    run(main())


@each_version
def test_the_client_does_not_answer_our_close(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            await ws.send(CLOSE)
            before = asyncio.get_running_loop().time()
            assert await ws.disconnected() == (1006, "")
            assert asyncio.get_running_loop().time() - before == 5
            assert ws.exchange.aborted
            with pytest.raises(OSError, match="1000"):
                await ws.text("x")

    run(main())


@each_version
def test_the_client_s_side_ends_without_a_close(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            receiving = await ws.soon(ws.disconnected())
            ws.exchange.client_ends()
            assert await receiving == (1006, "")
            assert ws.exchange.close is None
            assert ws.exchange.complete
            with pytest.raises(Disconnected):
                await ws.text("x")

    run(main())


@each_version
def test_the_connection_is_lost(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            ws.exchange.client(raw.text("the last"))
            receiving = await ws.soon(ws.receive())
            ws.exchange.lose()
            assert (await receiving)["text"] == "the last"
            assert await ws.disconnected() == (1006, "")
            with pytest.raises(Disconnected):
                await ws.text("x")

    run(main())


@each_version
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (raw.Frame(3), 1002),
        (raw.Frame(raw.TEXT, b"x", masked=False), 1002),
        (raw.text(b"\xff"), 1007),
        (raw.Frame(raw.BINARY, b"x", length=101), 1009),
        (raw.Frame(raw.CLOSE, struct.pack("!H", 1005)), 1002),
    ],
)
def test_the_client_breaks_the_protocol(version: str, frame: raw.Frame, code: int) -> None:
    async def main() -> None:
        async with opened(version, limits=Limits(message=100)) as ws:
            await ws.accept()
            ws.exchange.client(raw.text("before"), frame, raw.text("not read"))
            assert (await ws.receive())["text"] == "before"
            told, reason = await ws.disconnected()
            assert (told, reason) == ws.exchange.close
            assert told == code
            assert reason
            assert ws.exchange.complete

    run(main())


@each_version
def test_the_client_answers_no_ping(version: str) -> None:
    async def main() -> None:
        async with opened(version, timeouts=Timeouts(ping_interval=7, pong=3)) as ws:
            await ws.accept()
            loop = asyncio.get_running_loop()
            before = loop.time()
            assert await ws.disconnected() == (1011, "no answer to a ping")
            assert loop.time() - before == 10
            assert [frame.opcode for frame in ws.exchange.frames] == [raw.PING, raw.CLOSE]
            assert ws.exchange.complete

    run(main())


@each_version
def test_gone_before_the_answer(version: str, complaints: list[str]) -> None:
    async def main() -> None:
        for go in (TunnelExchange.lose, TunnelExchange.client_ends if version == "2" else _half_close):
            async with opened(version) as ws:
                assert await ws.receive() == CONNECT
                go(ws.exchange)
                assert await ws.disconnected() == (1006, "")
                for message in (ACCEPT, CLOSE, {"type": "websocket.http.response.start", "status": 400}):
                    with pytest.raises(Disconnected):
                        await ws.send(message)
                assert ws.exchange.events == []

    run(main())
    assert complaints == []


def _half_close(exchange: TunnelExchange) -> None:
    exchange.client_ends()  # which is nothing: the request is complete
    exchange.handler.eof_received()


@each_version
def test_the_application_returns_without_an_answer(version: str, complaints: list[str]) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.returns()
            assert ws.exchange.status == 500
            assert ws.exchange.complete
        async with opened(version) as ws:
            await ws.send({"type": "websocket.http.response.start", "status": 401})
            await ws.returns()
            assert ws.exchange.status == 500
        async with opened(version) as ws:
            await ws.send({"type": "websocket.http.response.start", "status": 401})
            await ws.send({"type": "websocket.http.response.body", "body": b"x", "more_body": True})
            await ws.returns()
            assert ws.exchange.aborted

    run(main())
    assert len(complaints) == 3
    assert "returned without answering the request for a WebSocket: " in complaints[0]
    assert "returned without completing its response for a WebSocket" in complaints[1]
    assert complaints[1] == complaints[2]


@each_version
def test_the_application_returns_while_it_is_open(version: str, complaints: list[str]) -> None:
    async def main() -> None:
        async with opened(version, limits=Limits(message_queue=1)) as ws:
            await ws.accept()
            ws.exchange.client(*[raw.text("never taken")] * 5)
            await ws.returns()
            assert ws.exchange.close == (1000, "")
            ws.exchange.client(raw.close(1000))
            assert ws.exchange.complete

    run(main())
    assert complaints == []


@each_version
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), asyncio.CancelledError()])
def test_the_application_raises(version: str, error: BaseException, complaints: list[str]) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.raises(error)
            assert ws.exchange.status == 500
            assert ws.exchange.complete
        async with opened(version) as ws:
            await ws.accept()
            await ws.raises(error)
            assert ws.exchange.close == (1011, "")
            ws.exchange.client(raw.close(1011))
            assert ws.exchange.complete
            error.__traceback__ = None

    run(main())
    assert [line.partition(":")[0] for line in complaints] == ["Exception in ASGI application"] * 2


@each_version
def test_an_application_that_raises_what_send_has_told_it_is_no_error(version: str, complaints: list[str]) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            ws.exchange.lose()
            with pytest.raises(Disconnected) as told:
                await ws.send(ACCEPT)
            await ws.raises(told.value)
            told.value.__traceback__ = None

    run(main())
    assert complaints == []


@each_version
def test_an_application_that_never_receives(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.send(ACCEPT)
            ws.exchange.client(raw.ping(b"1"), raw.text("x"))
            await ws.text("y")
            assert ws.exchange.frames == [raw.pong(b"1"), raw.text("y")]
            ws.exchange.client(raw.close(1000))
            with pytest.raises(Disconnected):
                await ws.text("z")
            assert ws.exchange.complete

    run(main())


# -- the server stops


@each_version
def test_the_server_stops(version: str) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.accept()
            ws.exchange.handler.leave()
            assert ws.exchange.close == (1001, "the server is being stopped")
            ws.exchange.client(raw.close(1001))
            assert await ws.disconnected() == (1001, "")
            assert ws.exchange.complete

    run(main())


@each_version
def test_an_application_is_cancelled_at_the_end(version: str, complaints: list[str]) -> None:
    async def main() -> None:
        async with opened(version) as ws:
            await ws.bridge.shutdown()
            assert ws.exchange.status == 500
            assert ws.exchange.complete
        async with opened(version) as ws:
            await ws.accept()
            await ws.bridge.shutdown()
            assert ws.exchange.aborted

    run(main())
    assert complaints == []
