"""What the trace hook is told: each step by the name that httpcore gives it, with its beginning and its end."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.client.conversing import HELLO, content
from tests.client.wire import Context, Script, Wire, WireNetwork, passing, run, seconds

from interlock.client.messages import Request, Trace
from interlock.client.pool import Pool
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import RemoteProtocolError
from interlock.net.errors import ConnectError

CONNECTED = ["connection.connect_tcp.started", "connection.connect_tcp.complete"]
SECURED = [*CONNECTED, "connection.start_tls.started", "connection.start_tls.complete"]
SENT = [
    f"http11.{step}.{end}" for step in ("send_request_headers", "send_request_body") for end in ("started", "complete")
]
HEAD = ["http11.receive_response_headers.started", "http11.receive_response_headers.complete"]
BODY = ["http11.receive_response_body.started", "http11.receive_response_body.complete"]
CLOSED = ["http11.response_closed.started", "http11.response_closed.complete"]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Told:
    """A hook that remembers; ``slow``: seconds that each step has to wait for it."""

    def __init__(self, slow: float = 0.0) -> None:
        self.names: list[str] = []
        self.infos: list[dict[str, Any]] = []
        self._slow = slow

    def __call__(self, name: str, info: dict[str, Any]) -> Awaitable[None] | None:
        self.names.append(name)
        self.infos.append(info)
        return passing(self._slow) if self._slow else None


def get(trace: Trace, scheme: bytes = b"http", **more: Any) -> Request:
    return Request(b"GET", scheme, "a.example", 80, b"/", trace=trace, timeouts=ClientTimeouts(), **more)


def traced(
    program: Callable[[Pool], Awaitable[Any]], script: Script, network: dict[str, Any] | None = None, **options: Any
) -> None:
    async def main() -> None:
        under = WireNetwork(script, **(network or {}))
        under.agree = {"a.example": "http/1.1"}
        pool = Pool(under, ssl_context=Context(), **options)  # type: ignore[arg-type]
        try:
            await program(pool)
        finally:
            await pool.aclose()
            await under.finish()

    run(main)


def answering(*answers: bytes) -> Script:
    async def script(wire: Wire) -> None:
        for answer in answers:
            await wire.take()
            for piece in answer.split(b"|"):
                wire.send(piece)
                await passing(1)
        wire.end()
        await wire.gone()

    return script


def test_a_request_and_another_on_the_same_connection() -> None:
    async def program(pool: Pool) -> None:
        told = Told()
        for number in range(2):
            response = await pool.send(get(told))
            assert told.names == ([] if number else CONNECTED) + SENT + HEAD
            assert response.exchange.take_rest() is None  # so that the steps of the content are told, too
            assert await content(response) == b"hello"
            await response.exchange.aclose()
            await response.exchange.aclose()
            assert told.names[-4:] == BODY + CLOSED
            assert len(told.names) == (0 if number else 2) + 10
            told.names.clear()
        assert told.infos[0]["host"] == "a.example"
        head = told.infos[7]["return_value"]
        assert head == (b"HTTP/1.1", 200, b"OK", [(b"Content-Length", b"5")])

    traced(program, answering(HELLO, HELLO))


def test_steps_wait_for_a_hook_that_takes_its_time() -> None:
    async def program(pool: Pool) -> None:
        told = Told(slow=1.0)
        response = await pool.send(get(told, b"https", content=[b"a"]))
        assert told.names == SECURED + SENT + HEAD
        assert seconds() == len(told.names)
        assert await content(response) == b"hello"
        assert told.names == SECURED + SENT + HEAD + BODY

    traced(program, answering(CHUNKED + b"2\r\nhe\r\n|3\r\nllo\r\n0\r\n\r\n"))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (b"", [*SENT, HEAD[0], "http11.receive_response_headers.failed", *CLOSED]),
        (CHUNKED + b"2\r\nhe\r\nZ\r\n", [*SENT, *HEAD, BODY[0], "http11.receive_response_body.failed", *CLOSED]),
    ],
)
def test_steps_that_fail(answer: bytes, names: list[str]) -> None:
    async def program(pool: Pool) -> None:
        told = Told()
        with pytest.raises(RemoteProtocolError) as caught:
            response = await pool.send(get(told))
            try:
                await content(response)
            finally:
                await response.exchange.aclose()
        assert told.names == CONNECTED + names
        failed = next(number for number, name in enumerate(told.names) if name.endswith(".failed"))
        assert told.infos[failed] == {"exception": caught.value}

    traced(program, answering(*([answer] if answer else [b"|"])))


def test_connecting_again() -> None:
    async def program(pool: Pool) -> None:
        told = Told()
        with pytest.raises(ConnectError):
            await pool.send(get(told))
        failed = ["connection.connect_tcp.started", "connection.connect_tcp.failed"]
        assert told.names == [*failed, "connection.retry.started", "connection.retry.complete", *failed]

    traced(program, answering(), {"refuse": [0, 1]}, retries=1)


def test_a_hook_that_raises() -> None:
    """Its error is the caller's, and the connection is of no use any more."""

    def hook(at: str) -> Trace:
        def trace(name: str, _: dict[str, Any]) -> None:
            if name == at:
                raise ZeroDivisionError

        return trace

    async def program(pool: Pool) -> None:
        for name in CONNECTED + SENT + HEAD:
            with pytest.raises(ZeroDivisionError):
                await pool.send(get(hook(name)))
            assert pool.connections() == []

    async def script(wire: Wire) -> None:
        if await wire.take(b""):
            wire.send(HELLO)
        await wire.gone()

    traced(program, script)
