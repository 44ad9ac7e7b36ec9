"""What an ASGI application receives: content, 100 Continue, and the disconnect."""

import asyncio
import logging
import tracemalloc

import pytest
from tests.server.asgi_fakes import FakeExchange, body, finish, responder, run, serve, settle, start

from interlock.http.events import InformationalResponse
from interlock.http.fields import Headers
from interlock.net.exchange import Disconnected

HELLO = responder(body(b"hello"))
DISCONNECT = {"type": "http.disconnect"}
EXPECT = [(b"content-length", b"4"), (b"expect", b"100-continue")]


def request(data=b"", more_body=False):
    return {"type": "http.request", "body": data, "more_body": more_body}


class Receiver:
    """An application that receives when told, and then responds."""

    def __init__(self):
        self.received = []
        self.go = asyncio.Event()

    async def __call__(self, scope, receive, send):
        while not self.go.is_set():
            self.received.append(await receive())
            if self.received[-1] == DISCONNECT:
                return
        await HELLO(scope, receive, send)


def receiving(script):
    """Run ``script(exchange, received)`` while an application does nothing but receive."""

    async def main():
        exchange, app = FakeExchange("POST"), Receiver()
        application = start(app, exchange)
        await settle()
        assert app.received == []
        await script(exchange, app.received)
        await finish(application)
        return exchange, app.received

    return run(main())


def test_a_request_without_content_is_one_empty_message():
    async def app(scope, receive, send):
        assert await receive() == request()
        await HELLO(scope, receive, send)

    assert run(serve(app, FakeExchange())).content == b"hello"


def test_small_pieces_that_nobody_takes_are_not_held_one_by_one():
    """A peer may cut what its window admits into pieces of two octets, each an object of 35."""
    content = bytes(range(256)) * 256

    async def script(exchange, received):
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for at in range(0, len(content), 2):
            exchange.handler.data_received(content[at : at + 2])
        held = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert held < 3 * len(content)
        exchange.handler.end_received(Headers())
        await settle()
        assert (received, exchange.taken) == ([request(content)], len(content))
        exchange.lose()

    receiving(script)


def test_content_comes_as_it_arrives_and_is_given_back_as_it_is_taken():
    async def script(exchange, received):
        exchange.handler.data_received(b"ab")
        exchange.handler.data_received(b"cd")
        assert exchange.taken == 0
        await settle()
        assert (received, exchange.taken) == ([request(b"abcd", True)], 4)
        exchange.handler.data_received(b"e")
        exchange.handler.end_received(Headers())
        await settle()
        assert (received[1:], exchange.taken) == ([request(b"e")], 5)
        exchange.lose()

    assert receiving(script)[1][2:] == [DISCONNECT]


def test_the_end_may_come_alone():
    async def script(exchange, received):
        exchange.handler.data_received(b"a")
        await settle()
        exchange.handler.end_received(Headers())
        await settle()
        assert received == [request(b"a", True), request()]
        exchange.lose()

    receiving(script)


def test_content_that_nobody_takes_is_not_given_back():
    exchange = run(serve(HELLO, FakeExchange("POST"), b"abc"))
    assert exchange.taken == 0


def test_content_that_comes_while_it_is_given_back_is_not_lost():
    class Refilling(FakeExchange):
        def consumed(self, octets):
            super().consumed(octets)
            if self.taken == 1:
                self.request_ends(b"b")

    async def app(scope, receive, send):
        assert await receive() == request(b"a", True)
        assert await receive() == request(b"b")
        await HELLO(scope, receive, send)

    async def main():
        exchange = Refilling("POST")
        application = start(app, exchange)
        exchange.handler.data_received(b"a")
        await finish(application)
        assert (exchange.content, exchange.taken) == (b"hello", 2)

    run(main())


# -- the disconnect


def test_a_loss_in_mid_body_never_passes_for_its_end():
    async def script(exchange, received):
        exchange.handler.data_received(b"some")
        exchange.lose()

    exchange, received = receiving(script)
    assert received == [DISCONNECT]
    assert (exchange.calls, exchange.aborted) == ([], 0)


def test_a_complete_body_is_delivered_though_the_connection_is_lost():
    async def script(exchange, received):
        exchange.request_ends(b"all")
        exchange.lose()

    assert receiving(script)[1] == [request(b"all"), DISCONNECT]


def test_a_half_closed_peer_is_a_disconnect_and_still_gets_its_response():
    async def app(scope, receive, send):
        assert await receive() == request(b"all")
        assert await receive() == DISCONNECT
        await HELLO(scope, receive, send)

    async def main():
        exchange = FakeExchange("POST")
        application = start(app, exchange)
        exchange.request_ends(b"all")
        await settle()
        exchange.handler.eof_received()
        await finish(application)
        assert exchange.content == b"hello"

    run(main())


def test_half_closed_in_mid_body_ends_the_body_as_broken():
    async def script(exchange, received):
        exchange.handler.data_received(b"some")
        exchange.handler.eof_received()

    assert receiving(script)[1] == [request(b"some", True), DISCONNECT]


def test_an_application_that_gives_up_at_a_disconnect_is_no_error(caplog):
    async def script(exchange, received):
        exchange.handler.end_received(Headers())
        exchange.handler.eof_received()

    exchange, received = receiving(script)
    assert received == [request(), DISCONNECT]
    assert exchange.response.status_code == 500
    assert caplog.records == []


def test_receive_waits_for_the_end_of_the_response_and_never_hangs_after_it():
    async def main():
        received = []

        async def app(scope, receive, send):
            async def listen():
                for _ in range(3):
                    received.append(await receive())

            listener = asyncio.create_task(listen())
            await settle()
            assert received == [request()]
            await HELLO(scope, receive, send)
            await listener
            received.append(await receive())

        await serve(app, FakeExchange())
        assert received == [request(), DISCONNECT, DISCONNECT, DISCONNECT]

    run(main())


def test_several_may_wait_and_one_may_give_up():
    async def main():
        async def app(scope, receive, send):
            waiting = [asyncio.create_task(receive()) for _ in range(3)]
            await settle()
            waiting[0].cancel()
            await settle()
            assert [task.done() for task in waiting] == [True, False, False]
            assert len(exchange.handler._waiters) == 2
            waiting[1].cancel()  # and before its task has seen that:
            exchange.handler.data_received(b"x")
            assert await waiting[2] == request(b"x", True)
            await HELLO(scope, receive, send)

        exchange = FakeExchange("POST")
        application = start(app, exchange)
        await finish(application)
        assert exchange.content == b"hello"

    run(main())


@pytest.mark.parametrize("stage", ["start", "head", "body"])
def test_send_raises_an_oserror_once_the_connection_is_lost(stage, caplog):
    async def main():
        raised = []
        go = asyncio.Event()

        async def app(scope, receive, send):
            messages = [{"type": "http.response.start", "status": 200}, body(b"x", True), body(b"y", True)]
            done = ["start", "head", "body"].index(stage)
            for message in messages[:done]:
                await send(message)
            await go.wait()
            for message in messages[done:]:
                with pytest.raises(OSError, match="the client has gone") as caught:
                    await send(message)
                raised.append(type(caught.value))
            raise caught.value

        exchange = FakeExchange()
        application = start(app, exchange)
        await settle()
        exchange.lose()
        await settle()
        assert len(application.tasks) == 1, "a lost connection does not cancel the application"
        go.set()
        await finish(application)
        assert set(raised) == {Disconnected}
        assert exchange.aborted == 0

    with caplog.at_level(logging.DEBUG, logger="interlock.error"):
        run(main())
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG


def test_a_loss_that_only_send_has_found_is_told_to_receive_too():
    async def app(scope, receive, send):
        with pytest.raises(Disconnected):
            await HELLO(scope, receive, send)
        assert await receive() == request()
        assert await receive() == DISCONNECT

    async def main():
        exchange = FakeExchange()
        application = start(app, exchange)
        exchange.request_ends()
        exchange.gone = True
        await finish(application)

    run(main())


def test_an_error_that_has_nothing_to_do_with_the_loss_is_an_error(caplog):
    async def main():
        go = asyncio.Event()

        async def app(scope, receive, send):
            await go.wait()
            raise ValueError

        exchange = FakeExchange()
        application = start(app, exchange)
        await settle()
        exchange.lose()
        go.set()
        await finish(application)

    run(main())
    (record,) = caplog.records
    assert record.levelno == logging.ERROR


# -- 100 Continue


def test_the_first_receive_invites_the_content():
    async def main():
        async def app(scope, receive, send):
            await receive()
            await receive()
            await HELLO(scope, receive, send)

        exchange = FakeExchange("POST", headers=EXPECT)
        application = start(app, exchange)
        assert exchange.calls == []
        await settle()
        assert exchange.events == [InformationalResponse(status_code=100, reason="Continue")]
        exchange.handler.data_received(b"ab")
        await settle()
        exchange.request_ends(b"cd")
        await finish(application)
        assert len([event for event in exchange.events if isinstance(event, InformationalResponse)]) == 1

    run(main())


def test_nothing_is_invited_when_the_application_does_not_read():
    exchange = run(serve(HELLO, FakeExchange("POST", headers=EXPECT)))
    assert not any(isinstance(event, InformationalResponse) for event in exchange.events)


def test_nothing_is_invited_once_the_response_has_begun():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send(body(b"x", True))
        assert await receive() == request(b"data")
        await send(body())

    exchange = run(serve(app, FakeExchange("POST", headers=EXPECT), b"data"))
    assert exchange.over
    assert not any(isinstance(event, InformationalResponse) for event in exchange.events)


def test_a_loss_found_by_the_invitation_is_a_disconnect(caplog):
    async def app(scope, receive, send):
        assert await receive() == DISCONNECT

    async def main():
        exchange = FakeExchange("POST", headers=EXPECT)
        application = start(app, exchange)
        exchange.gone = True
        await finish(application)

    run(main())
    assert caplog.records == []
