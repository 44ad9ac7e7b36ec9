"""The ASGI bridge over an exchange without a socket: messages in every order, and every way to end."""

import asyncio
import contextvars
import gc
import logging
import weakref

import pytest
from tests.server.asgi_fakes import FakeExchange, body, finish, responder, run, serve, settle, start

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, InformationalResponse, Response
from interlock.net.exchange import Disconnected
from interlock.server.asgi import ASGIApplication
from interlock.server.context import ServerContext

ERROR_LOG = "interlock.error"
HELLO = responder(body(b"hello"), headers=[(b"content-type", b"text/plain")])


def field(exchange, name):
    return exchange.response.headers.get_all(name)


# -- small responses


def test_a_small_response_goes_out_in_one_piece_with_its_length():
    exchange = run(serve(HELLO, FakeExchange()))
    ((head, data, end),) = exchange.calls
    assert isinstance(head, Response)
    assert (data, end) == (Data(b"hello"), EndOfMessage())
    assert head.reason == b"OK"
    assert field(exchange, b"content-length") == [b"5"]
    assert field(exchange, b"content-type") == [b"text/plain"]
    assert field(exchange, b"server") == [b"interlock"]
    assert len(field(exchange, b"date")) == 1


def test_a_declared_length_is_left_alone():
    exchange = run(serve(responder(body(b"hello"), headers=[(b"Content-Length", b"5")]), FakeExchange()))
    assert field(exchange, b"content-length") == [b"5"]


def test_names_are_compared_and_sent_in_lower_case():
    app = responder(body(b"hello"), headers=[(b"DATE", b"today"), (b"Server", b"mine"), (b"X-Y", b"1")])
    head = run(serve(app, FakeExchange())).response
    assert head.headers.raw_items() == [
        (b"date", b"today"),
        (b"server", b"mine"),
        (b"x-y", b"1"),
        (b"content-length", b"5"),
    ]


def test_an_empty_body_message_is_a_body():
    exchange = run(serve(responder({"type": "http.response.body"}), FakeExchange()))
    assert field(exchange, b"content-length") == [b"0"]
    assert exchange.content == b""
    assert exchange.over


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)], ids=str)
@pytest.mark.parametrize("more_body", [True, False])
def test_content_is_dropped_where_none_is_allowed(method, status, more_body):
    app = responder(body(b"hello", more_body), *([body(b"more")] if more_body else []), status=status)
    exchange = run(serve(app, FakeExchange(method)))
    assert exchange.content == b""
    assert exchange.over
    assert field(exchange, b"content-length") == []


def test_head_keeps_the_declared_length():
    app = responder(body(b""), headers=[(b"content-length", b"1234")])
    exchange = run(serve(app, FakeExchange("HEAD")))
    assert field(exchange, b"content-length") == [b"1234"]
    assert exchange.over


def test_a_204_never_has_a_length():
    app = responder(body(b""), status=204, headers=[(b"content-length", b"0")])
    assert field(run(serve(app, FakeExchange())), b"content-length") == []


def test_content_may_be_any_octets_but_no_text():
    exchange = run(serve(responder(body(bytearray(b"ab"), True), body(memoryview(b"cd"))), FakeExchange()))
    assert exchange.content == b"abcd"
    assert {type(event.data) for event in exchange.events if isinstance(event, Data)} == {bytes}
    assert run(serve(responder(body("text")), FakeExchange())).response.status_code == 500


# -- streams


def test_the_head_waits_for_the_first_content():
    async def main():
        started, go = asyncio.Event(), asyncio.Event()

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            started.set()
            await go.wait()
            await send(body(b"a", True))
            await send(body(b"", True))
            await send(body(b"b"))

        exchange = FakeExchange()
        application = start(app, exchange)
        await started.wait()
        assert exchange.calls == []
        go.set()
        await finish(application)
        head = exchange.response
        assert exchange.calls == [(head, Data(b"a")), (Data(b"b"), EndOfMessage())]
        assert head.headers.content_length == -1
        assert b"transfer-encoding: chunked" in exchange.octets.lower()

    run(main())


def test_the_applications_transfer_encoding_is_the_engines_matter():
    app = responder(body(b"a", True), body(b"b"), headers=[(b"transfer-encoding", b"Chunked")])
    assert run(serve(app, FakeExchange())).octets.lower().count(b"transfer-encoding: chunked") == 1
    assert b"transfer-encoding" not in run(serve(app, FakeExchange(http_version="1.0"))).octets.lower()
    whole = run(serve(responder(body(b"ab"), headers=[(b"transfer-encoding", b"chunked")]), FakeExchange()))
    assert (field(whole, b"transfer-encoding"), field(whole, b"content-length")) == ([], [b"2"])


def test_send_returns_when_the_exchange_is_writable():
    async def main():
        sent = []

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            for _ in range(3):
                await send(body(b"x", True))
                sent.append(1)
            await send(body())

        exchange = FakeExchange()
        exchange.writable = False
        application = start(app, exchange)
        await settle()
        assert (len(sent), exchange.content) == (0, b"x")
        exchange.handler.writable()  # without being so
        await settle()
        assert len(sent) == 0
        exchange.drain()
        await finish(application)
        assert len(sent) == 3

    run(main())


@pytest.mark.parametrize("size", [0, 1, 16384, 1_000_000])
def test_an_application_that_never_has_to_wait_leaves_others_their_turn(size):
    """A transport that is lost takes all that is written; that it is, is only told in the loop's next turn."""

    async def main():
        sent = 0

        async def app(scope, receive, send):
            nonlocal sent
            await send({"type": "http.response.start", "status": 200})
            with pytest.raises(Disconnected):
                while sent < 5000:
                    await send(body(bytes(size), True))
                    sent += 1

        exchange = FakeExchange()
        application = start(app, exchange)
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, exchange.lose)
        await finish(application)
        assert 0 < sent < 5000
        assert sent * size <= 4_000_000

    run(main())


@pytest.mark.parametrize("goes", [False, True])
@pytest.mark.parametrize("ending", ["content", "trailers"])
def test_the_last_message_is_waited_for_while_something_holds_it(goes, ending):
    async def main():
        seen = []

        async def app(scope, receive, send):
            disconnect = asyncio.create_task(asks(receive))
            await send({"type": "http.response.start", "status": 200, "trailers": ending == "trailers"})
            try:
                if ending == "trailers":
                    exchange.writable = True
                    await send(body(b"hello"))
                    exchange.writable = False
                    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})
                else:
                    await send(body(b"hello"))
            except OSError as error:
                seen.append(error)
            seen.append("returned")
            await disconnect

        async def asks(receive):
            await receive()
            seen.append((await receive())["type"])

        exchange = FakeExchange(headers=[(b"te", b"trailers")])
        exchange.writable = False
        application = start(app, exchange)
        exchange.request_ends()
        await settle()
        assert (exchange.content, exchange.over, seen) == (b"hello", True, [])
        if goes:
            exchange.lose()
        else:
            exchange.drain()
        await finish(application)
        assert sorted(map(str, seen)) == ["http.disconnect", "returned", *(["the client has gone"] if goes else [])]
        assert exchange.aborted == 0

    run(main())


@pytest.mark.parametrize("how", ["cancelled", "fails", "returns"])
def test_who_does_not_wait_for_the_last_message_changes_nothing(how, caplog):
    async def main():
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            last = asyncio.create_task(send(body(b"hello")))
            await asyncio.sleep(0)
            if how == "cancelled":
                await last
            last.cancel()
            if how == "fails":
                raise ValueError("on purpose")

        exchange = FakeExchange()
        exchange.writable = False
        application = start(app, exchange)
        await settle()
        if how == "cancelled":
            await application.shutdown()
        await finish(application)
        exchange.handler.writable()
        assert (exchange.content, exchange.over, exchange.aborted) == (b"hello", True, 0)

    run(main())
    assert [record.levelname for record in caplog.records] == (["ERROR"] if how == "fails" else [])


def test_a_lost_connection_ends_the_wait_for_writability():
    async def main():
        seen = []

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            try:
                await send(body(b"x", True))
            except OSError as error:
                seen.append(error)

        exchange = FakeExchange()
        exchange.writable = False
        application = start(app, exchange)
        await settle()
        exchange.lose()
        await finish(application)
        assert [type(error) for error in seen] == [Disconnected]
        assert exchange.aborted == 0

    run(main())


# -- lengths


@pytest.mark.parametrize(
    ("messages", "octets"),
    [
        ([body(b"hello!")], b""),
        ([body(b"hell")], b""),
        ([body(b"hel", True), body(b"lo!")], b"hel"),
        ([body(b"hel", True), body(b"l")], b"hel"),
        ([body(b"hello", True), body(b"!", True), body()], b"hello"),
    ],
    ids=["long", "short", "long in pieces", "short in pieces", "long before the end"],
)
def test_content_is_held_against_its_declared_length(messages, octets, caplog):
    exchange = run(serve(responder(*messages, headers=[(b"content-length", b"5")]), FakeExchange()))
    assert len(caplog.records) == 1
    assert "Content-Length" in str(caplog.records[0].exc_info[1])
    if octets:
        assert (exchange.content, exchange.aborted, exchange.over) == (octets, 1, False)
    else:
        assert (exchange.response.status_code, exchange.aborted) == (500, 0)


def test_a_declared_length_may_come_in_pieces():
    app = responder(body(b"hel", True), body(b"lo", True), body(), headers=[(b"content-length", b"5")])
    exchange = run(serve(app, FakeExchange()))
    assert (exchange.content, exchange.over) == (b"hello", True)


def test_a_length_error_that_is_swallowed_does_not_pass_for_an_end():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send(body(b"hel", True))
        with pytest.raises(RuntimeError):
            await send(body(b"l"))

    exchange = run(serve(app, FakeExchange()))
    assert (exchange.aborted, exchange.over) == (1, False)


# -- misuse


@pytest.mark.parametrize(
    ("before", "message", "expected"),
    [
        ([], "http.response.body", "http.response.start"),
        ([], "http.response.trailers", "http.response.start"),
        ([], "http.response.pathsend", "http.response.start"),
        ([], "http.response.zerocopysend", "http.response.start"),
        ([], "websocket.accept", "http.response.start"),
        (["start"], "http.response.start", "http.response.body"),
        (["start"], "http.response.trailers", "http.response.body"),
        (["start", body(b"x", True)], "http.response.start", "http.response.body"),
        (["start", body(b"x", True)], "http.response.pathsend", "http.response.body"),
        (["start", body(b"x")], "http.response.body", "nothing more"),
        (["start", body(b"x")], "http.response.trailers", "nothing more"),
        (["start", body(b"x")], "http.response.early_hint", "nothing more"),
    ],
)
def test_a_message_out_of_order_is_an_error_that_says_what_was_expected(before, message, expected):
    seen = []

    async def app(scope, receive, send):
        for earlier in before:
            await send({"type": "http.response.start", "status": 200} if earlier == "start" else earlier)
        with pytest.raises(RuntimeError) as caught:
            await send({"type": message, "status": 200, "path": "/", "file": 0})
        seen.append(str(caught.value))

    run(serve(app, FakeExchange()))
    assert message in seen[0]
    assert f"expected {expected}" in seen[0]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, [(b"x-split", b"a\r\nset-cookie: b")]),
        (200, [(b"bad name", b"a")]),
        (200, [(b"content-length", b"+5")]),
        (200, [(b"content-length", b"5"), (b"content-length", b"5")]),
        (200, [(b"transfer-encoding", b"gzip, chunked")]),
        (200, [("text", b"a")]),
        (101, []),
        (99, []),
        ("200", []),
    ],
)
def test_an_illegal_head_is_raised_to_the_application_and_answered_with_500(status, headers, caplog):
    exchange = run(serve(responder(body(b"hello"), status=status, headers=headers), FakeExchange()))
    assert exchange.response.status_code == 500
    assert exchange.content == b"Internal Server Error"
    (record,) = caplog.records
    assert isinstance(record.exc_info[1], (LocalProtocolError, TypeError))


def test_after_an_illegal_head_the_application_may_send_another():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"\n")]})
        with pytest.raises(LocalProtocolError):
            await send(body(b"hello"))
        await responder(body(b"sorry"), status=418)(scope, receive, send)

    exchange = run(serve(app, FakeExchange()))
    assert (exchange.response.status_code, exchange.content) == (418, b"sorry")


# -- how an application ends


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3), asyncio.CancelledError()], ids=repr)
def test_an_error_before_any_content_is_500_and_logged_once(error, caplog):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        raise error

    exchange = run(serve(app, FakeExchange(target="/x?y")))
    assert exchange.response.status_code == 500
    assert field(exchange, b"content-type") == [b"text/plain; charset=utf-8"]
    assert exchange.response.reason == exchange.content == b"Internal Server Error"
    assert exchange.over
    (record,) = caplog.records
    assert (record.name, record.levelno) == (ERROR_LOG, logging.ERROR)
    assert record.exc_info[1] is error
    assert "GET /x?y" in record.getMessage()


def test_500_has_no_content_for_head():
    async def app(scope, receive, send):
        raise ValueError

    exchange = run(serve(app, FakeExchange("HEAD")))
    assert (exchange.response.status_code, exchange.content, exchange.over) == (500, b"", True)


def test_an_error_after_content_ends_visibly_broken(caplog):
    async def app(scope, receive, send):
        await responder(body(b"part", True))(scope, receive, send)
        raise ValueError

    exchange = run(serve(app, FakeExchange()))
    assert (exchange.aborted, exchange.over, exchange.content) == (1, False, b"part")
    assert len(caplog.records) == 1


def test_an_error_after_the_response_is_logged_and_nothing_else(caplog):
    async def app(scope, receive, send):
        await HELLO(scope, receive, send)
        raise ValueError

    exchange = run(serve(app, FakeExchange()))
    assert (exchange.aborted, exchange.over) == (0, True)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("messages", "text", "status"),
    [(None, "starting a response", 500), ([], "sending the content", 500), ([body(b"x", True)], "completing", 0)],
)
def test_returning_too_early(messages, text, status, caplog):
    async def app(scope, receive, send):
        if messages is not None:
            await responder(*messages)(scope, receive, send)

    exchange = run(serve(app, FakeExchange()))
    (record,) = caplog.records
    assert text in record.getMessage()
    if status:
        assert (exchange.response.status_code, exchange.aborted) == (status, 0)
    else:
        assert (exchange.over, exchange.aborted) == (False, 1)


def test_an_exchange_that_cannot_be_answered_is_aborted(caplog):
    async def app(scope, receive, send):
        raise ValueError

    async def main():
        exchange = FakeExchange()
        application = start(app, exchange)
        exchange.gone = True  # and nobody has told the bridge
        await finish(application)
        assert (exchange.calls, exchange.aborted) == ([], 1)

    run(main())
    assert len(caplog.records) == 1


# -- cancellation and shutdown


@pytest.mark.parametrize("stage", ["unstarted", "receiving", "head", "writing", "after"])
def test_shutdown_cancels_what_runs_and_leaves_nothing(stage, caplog):
    cancelled = []

    async def app(scope, receive, send):
        try:
            if stage == "receiving":
                await receive()
            await send({"type": "http.response.start", "status": 200})
            if stage == "writing":
                await send(body(b"part", True))
            if stage == "after":
                await send(body(b"all"))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    async def main():
        exchange = FakeExchange()
        exchange.writable = False
        application = start(app, exchange)
        if stage != "unstarted":
            await settle()
        (task,) = application.tasks
        await application.shutdown()
        assert task.cancelled()
        assert exchange.handler.exchange is None
        await finish(application)
        return exchange

    exchange = run(main())
    assert cancelled == ([] if stage == "unstarted" else [1])
    assert exchange.aborted == (stage == "writing")
    assert exchange.over == (stage != "writing")
    assert exchange.endings == 1
    if stage in {"unstarted", "receiving", "head"}:
        assert exchange.response.status_code == 500
    assert caplog.records == []


def test_shutdown_with_nothing_running():
    run(ASGIApplication(HELLO, ServerContext(), state=None).shutdown())


def test_each_task_has_a_context_of_its_own():
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def app(scope, receive, send):
        seen.append(variable.get())
        variable.set("request")
        await HELLO(scope, receive, send)

    async def main():
        variable.set("server")
        application = ASGIApplication(app, ServerContext(), state=None)
        variable.set("whatever ran on this connection before")
        for _ in range(2):
            exchange = FakeExchange()
            exchange.handler = application(exchange)
            await finish(application)

    run(main())
    assert seen == ["server", "server"]


@pytest.mark.parametrize("lost", [False, True])
def test_nothing_keeps_the_exchange_alive(lost):
    async def main():
        exchange = FakeExchange()
        reference = weakref.ref(exchange)
        app = responder(body(b"x", True)) if lost else HELLO
        application = start(app, exchange)
        handler = exchange.handler
        if lost:
            exchange.lose()
        await finish(application)
        exchange.handler = None
        del exchange
        assert reference() is None
        assert handler.task is None

    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()


def test_late_calls_of_the_driver_do_nothing():
    async def main():
        exchange = await serve(HELLO, FakeExchange())
        handler = exchange.handler
        handler.data_received(b"late")
        handler.end_received(InformationalResponse(status_code=100).headers)
        handler.writable()
        handler.eof_received()
        handler.connection_lost("the client has gone")
        assert await handler.receive() == {"type": "http.disconnect"}

    run(main())
