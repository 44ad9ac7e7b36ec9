"""The server's half of a connection with a delegate, on asyncio and trio."""

import asyncio
import functools
import gzip
from collections.abc import Callable
from typing import Any

import pytest
import trio
from tests.net.http1_peer import WORLDS, Notes, Peer, pass_time, run

from interlock.http.errors import LocalProtocolError
from interlock.net.errors import WriteError
from interlock.net.http1 import (
    HTTP1Connection,
    HTTP1ConnectionParameters,
    RequestStartLine,
    ResponseStartLine,
)
from interlock.net.networks import running_network

OK = ResponseStartLine("HTTP/1.1", 200, "OK")
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["coroutines", "functions"])
def sync(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def hello(notes: Notes, *_: Any) -> None:
    """Answer, and wait for nothing."""
    notes.connection.write_headers(OK, {"Content-Length": "5"}, b"hello")
    notes.connection.finish()


def post(content: bytes, *lines: bytes, length: int | None = None) -> bytes:
    fields = [b"Host: a", b"Content-Length: %d" % (len(content) if length is None else length), *lines]
    return b"POST /x HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + content


class Server:
    """A connection that serves ``script``, and its delegates."""

    def __init__(
        self,
        world: str,
        *script: bytes | float | Exception,
        ends: bool = True,
        params: HTTP1ConnectionParameters | None = None,
        sync: bool = False,
        takes: int | None = None,
        made: Callable[[HTTP1Connection], None] | None = None,
        **actions: Any,
    ) -> None:
        self.peer = Peer(*script, ends=ends, takes=takes)
        self.notes: list[Notes] = []
        self.seconds = 0.0
        self.error: Exception | None = None
        actions.setdefault("finish", hello)

        def delegate(connection: HTTP1Connection) -> Notes:
            notes = Notes(connection, sync=sync, **actions)
            self.notes.append(notes)
            if made is not None:
                made(connection)
            return notes

        async def main() -> None:
            begun = running_network().now()
            self.connection = HTTP1Connection(self.peer, False, params)
            try:
                await self.connection.serve(delegate)
            except Exception as error:
                self.error = error
            self.seconds = running_network().now() - begun

        run(world, main)
        assert self.peer.closed
        self.sent = bytes(self.peer.received)


def test_requests_and_responses(world: str, sync: bool) -> None:
    server = Server(world, GET, b"GET /2?q HTTP/1.1\r\nHost: a\r\n\r\n", sync=sync)
    assert server.sent == HELLO * 2
    assert [notes.notes for notes in server.notes] == [["headers_received", "finish"]] * 2
    assert server.notes[1].start_line == RequestStartLine("GET", "/2?q", "HTTP/1.1")
    assert server.notes[1].headers.get(b"host") == b"a"
    assert server.error is None


def test_pipelined_requests(world: str) -> None:
    server = Server(world, GET + post(b"content") + GET)
    assert server.sent == HELLO * 3
    assert [bytes(notes.content) for notes in server.notes] == [b"", b"content", b""]


CHUNKED = (
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n4\r\n0123\r\n6;a=b\r\n456789\r\n0\r\nT: u\r\n\r\n"
)


@pytest.mark.parametrize("octets", [CHUNKED, post(b"0123456789")], ids=["chunked", "length"])
def test_cut_at_every_octet(octets: bytes) -> None:
    whole = Server("trio", octets)
    assert whole.notes[0].content == b"0123456789"
    cuts = [[octets[:cut], octets[cut:]] for cut in range(1, len(octets))]
    for pieces in [*cuts, [octets[index : index + 1] for index in range(len(octets))]]:
        server = Server("trio", *pieces)
        notes = server.notes[0]
        assert notes.content == b"0123456789"
        assert (notes.start_line, list(notes.headers), list(notes.trailers)) == (
            whole.notes[0].start_line,
            list(whole.notes[0].headers),
            list(whole.notes[0].trailers),
        )
        assert server.sent == HELLO


def test_a_response_without_length_is_chunked_and_may_have_trailers(world: str) -> None:
    async def answer(notes: Notes, *_: Any) -> None:
        await notes.connection.write_headers(ResponseStartLine("HTTP/1.1", 103, "Early Hints"), [("Link", "x")])
        await notes.connection.write_headers(OK, [])
        await notes.connection.write(b"hello")
        await notes.connection.finish({"Checksum": "1"})

    server = Server(world, LAST, finish=answer)
    assert server.sent == (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"5\r\nhello\r\n0\r\nChecksum: 1\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("request_octets", "code", "fields"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, {"Content-Length": "5"}),
        (GET, 204, {}),
        (GET, 304, {"Content-Length": "5"}),
    ],
)
def test_no_content(world: str, request_octets: bytes, code: int, fields: dict[str, str]) -> None:
    def answer(notes: Notes, *_: Any) -> None:
        notes.connection.write_headers(ResponseStartLine("HTTP/1.1", code, ""), fields)
        notes.connection.finish()

    server = Server(world, request_octets * 2, finish=answer)
    assert server.sent.count(b"\r\n\r\n") == server.sent.count(b"HTTP/1.1 %d" % code) == 2
    assert server.sent.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("octets", "params", "said"),
    [
        (LAST, None, True),
        (b"GET / HTTP/1.0\r\n\r\n", None, True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", None, True),
        (GET, HTTP1ConnectionParameters(no_keep_alive=True), True),
    ],
)
def test_closing(world: str, octets: bytes, params: HTTP1ConnectionParameters | None, said: bool) -> None:
    server = Server(world, octets + GET, params=params)
    assert len(server.notes) == 1
    assert server.sent.count(b"hello") == 1
    assert (b"\r\nConnection: close\r\n" in server.sent) == said


def test_a_response_from_elsewhere(world: str) -> None:
    """The delegate is done, and another task answers: the next request waits for that."""

    async def main() -> None:
        network = running_network()
        asked = network.event()
        peer = Peer(GET, GET)
        connection = HTTP1Connection(peer, False)
        numbers = iter(range(2))

        async def application() -> None:
            for number in range(2):
                await asked.wait()
                await pass_time(500)
                assert peer.received.count(b"HTTP/1.1") == number
                await connection.write_headers(OK, {"Content-Length": "1"})
                await pass_time(500)
                await connection.write(b"%d" % number)
                await connection.finish()
                await network.sleep(0)

        def factory(_: HTTP1Connection) -> Notes:
            next(numbers)
            asked.set()
            return Notes()

        await together(world, application, lambda: connection.serve(factory))
        assert peer.received.count(b"HTTP/1.1 200 OK") == 2

    run(world, main)


# -- Expect: 100-continue


def test_100_continue_when_the_delegate_wants_content(world: str, sync: bool) -> None:
    server = Server(world, post(b"", b"Expect: 100-continue", length=5), 1.0, b"hello", sync=sync)
    assert server.sent == b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO
    assert server.notes[0].content == b"hello"


def test_no_100_continue_where_it_is_answered_at_once(world: str, sync: bool) -> None:
    server = Server(
        world, post(b"", b"Expect: 100-continue", length=5), ends=False, sync=sync, headers_received=hello, finish=None
    )
    assert server.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.notes[0].notes == ["headers_received"]
    assert server.seconds == pytest.approx(2.0, abs=0.5)  # in which what the client sends is dropped


# -- responses before the request is complete


def test_an_early_response_and_the_rest_is_little(world: str, sync: bool) -> None:
    """It is read and dropped, and the connection goes on."""
    server = Server(world, post(b"x" * 10, length=1000), bytes(990) + GET, sync=sync, data_received=once(hello))
    assert server.sent == HELLO * 2
    assert server.notes[0].notes == ["headers_received", "data_received"]


def test_an_early_response_and_the_rest_is_much(world: str, sync: bool) -> None:
    server = Server(
        world, post(b"x" * 10, length=10**9), bytes(10**6), ends=False, sync=sync, data_received=once(hello)
    )
    assert server.sent == HELLO
    assert len(server.notes) == 1
    assert server.peer.eof  # only our side, until the client has seen the response
    assert server.seconds == pytest.approx(2.0, abs=0.5)


def once(action: Any) -> Any:
    def answer(notes: Notes, *args: Any) -> None:
        if notes.notes.count("data_received") == 1 or "data_received" not in notes.notes:
            action(notes, *args)

    return answer


# -- what clients do wrong


BAD = {
    "a malformed line": (b"malformed request line\r\n\r\n", 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "white space before the colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "both framings": (post(b"x", b"Transfer-Encoding: chunked"), 400),
    "two codings": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
    "a coding that nobody knows": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n", 501),
    "no length": (post(b"").replace(b"Length: 0", b"Length: foo"), 400),
    "a list of lengths": (post(b"").replace(b"Length: 0", b"Length: 2, 2"), 400),
    "another version": (b"GET / HTTP/2.3\r\nHost: a\r\n\r\n", 505),
    "a long target": (b"GET /%b HTTP/1.1\r\n" % (b"x" * 10000), 414),
    "a large head": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: %b\r\n" % (b"y" * 70000), 431),
    "an expectation": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417),
}


@pytest.mark.parametrize("name", BAD)
def test_what_never_reaches_a_delegate(world: str, name: str) -> None:
    octets, status = BAD[name]
    server = Server(world, octets, ends=False)
    assert server.notes == []
    assert server.sent.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close\r\n" in server.sent
    assert server.error is None


BAD_CONTENT = {
    "a size": (CHUNKED.replace(b"4\r\n", b"1_a\r\n"), 400),
    "the end of a chunk": (CHUNKED.replace(b"0123\r\n", b"0123xx"), 400),
    "an early end": (post(b"012", length=10), 400),
    "too much": (post(b"", length=1000), 413),
    "too much, chunked": (CHUNKED.replace(b"6;a=b\r\n", b"600\r\n" + bytes(0x600)), 413),
}


@pytest.mark.parametrize("name", BAD_CONTENT)
def test_what_is_wrong_with_content(world: str, name: str, sync: bool) -> None:
    octets, status = BAD_CONTENT[name]
    server = Server(world, octets, params=HTTP1ConnectionParameters(max_body_size=999), sync=sync)
    assert server.notes[0].notes[-1] == "on_connection_close"
    assert "finish" not in server.notes[0].notes
    assert server.sent.startswith(b"HTTP/1.1 %d " % status)
    assert server.error is None


def test_a_larger_body_where_the_delegate_allows_it(world: str) -> None:
    server = Server(
        world,
        post(bytes(1000)) * 2,
        params=HTTP1ConnectionParameters(max_body_size=999),
        headers_received=lambda notes, *_: notes.connection.set_max_body_size(1000),
    )
    assert server.sent == HELLO * 2


def test_a_limit_that_a_delegate_sets_when_it_is_made(world: str) -> None:
    octets = gzip.compress(bytes(1000))
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(octets)
    allowed = iter((1000, 999))

    server = Server(
        world,
        (head + octets) * 2,
        params=HTTP1ConnectionParameters(decompress=True),
        made=lambda connection: connection.set_max_body_size(next(allowed)),
    )
    assert server.sent.startswith(HELLO + b"HTTP/1.1 413 ")


def test_content_goes_wrong_behind_the_beginning_of_the_response(world: str) -> None:
    """Nothing is added to it, so that nobody takes it for complete."""

    def begin(notes: Notes, *_: Any) -> None:
        notes.connection.write_headers(OK, {}, b"beginning")

    server = Server(world, CHUNKED.replace(b"6;a=b\r\n", b"xx\r\n"), headers_received=begin)
    assert server.sent.endswith(b"\r\n\r\n9\r\nbeginning\r\n")
    assert server.peer.aborted


def test_a_client_that_is_lost(world: str) -> None:
    server = Server(world, post(b"x", length=5), ConnectionResetError("reset"))
    assert server.notes[0].notes == ["headers_received", "data_received", "on_connection_close"]
    assert server.sent == b""
    assert server.error is None


# -- time


def test_a_client_that_sends_nothing(world: str) -> None:
    server = Server(world, ends=False)
    assert server.sent == b""
    assert server.seconds == pytest.approx(10.0)


def test_a_client_that_sends_no_second_request(world: str) -> None:
    server = Server(world, GET, ends=False)
    assert server.sent == HELLO
    assert server.seconds == pytest.approx(75.0)


@pytest.mark.parametrize(
    ("octets", "params", "seconds"),
    [
        (GET[:-3], None, 10.0),
        (GET[:-3], HTTP1ConnectionParameters(header_timeout=3), 3.0),
        (post(b"", length=10), HTTP1ConnectionParameters(body_timeout=5), 5.0),
    ],
)
def test_a_client_that_is_too_slow(
    world: str, octets: bytes, params: HTTP1ConnectionParameters | None, seconds: float
) -> None:
    server = Server(world, octets, ends=False, params=params)
    assert server.sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert server.seconds == pytest.approx(seconds + 2.0, abs=0.1)  # and then it is let see that
    assert [notes.notes[-1] for notes in server.notes] == ["on_connection_close"] * len(server.notes)


def test_a_client_that_takes_nothing(world: str) -> None:
    async def answer(notes: Notes, *_: Any) -> None:
        await notes.connection.write_headers(OK, {}, bytes(10_000))
        raise AssertionError("it was taken")

    server = Server(world, GET, takes=1000, finish=answer)
    assert server.seconds == pytest.approx(30.0)
    assert server.error is None
    assert server.peer.aborted


# -- delegates


@pytest.mark.parametrize("callback", ["headers_received", "data_received", "finish"])
def test_a_delegate_that_raises(world: str, callback: str, sync: bool) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("secret")

    server = Server(world, post(b"content"), sync=sync, **{callback: fail})
    assert isinstance(server.error, KeyError)
    assert server.sent.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"secret" not in server.sent
    assert (server.notes[0].notes[-1] == "on_connection_close") == (callback != "finish")


def test_no_delegate(world: str) -> None:
    def fail(_: HTTP1Connection) -> None:
        raise KeyError("secret")

    async def main() -> None:
        peer = Peer(GET)
        with pytest.raises(KeyError):
            await HTTP1Connection(peer, False).serve(fail)
        assert peer.received.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert peer.closed

    run(world, main)


def test_a_delegate_that_raises_in_the_midst_of_its_response(world: str) -> None:
    def fail(notes: Notes, *_: Any) -> None:
        notes.connection.write_headers(OK, {"Content-Length": "10"}, b"hello")
        raise KeyError

    server = Server(world, GET, finish=fail)
    assert isinstance(server.error, KeyError)
    assert server.peer.aborted


def test_a_delegate_that_raises_behind_its_response(world: str) -> None:
    """The client gets what is complete, and the owner what was raised."""

    def fail(notes: Notes, *_: Any) -> None:
        notes.connection.write_headers(OK, {"Content-Length": "5"}, b"hello")
        notes.connection.finish()
        raise KeyError

    server = Server(world, GET * 2, finish=fail)
    assert isinstance(server.error, KeyError)
    assert server.sent.endswith(b"\r\n\r\nhello")
    assert len(server.notes) == 1


def test_a_response_that_is_shorter_than_it_says(world: str) -> None:
    def answer(notes: Notes, *_: Any) -> None:
        notes.connection.write_headers(OK, {"Content-Length": "10"}, b"hello")
        notes.connection.finish()

    server = Server(world, GET, finish=answer)
    assert isinstance(server.error, LocalProtocolError)
    assert server.peer.aborted


def test_a_delegate_may_close(world: str, sync: bool) -> None:
    server = Server(
        world, post(b"x", length=10), sync=sync, headers_received=lambda notes, *_: notes.connection.close() and None
    )
    assert server.notes[0].notes == ["headers_received", "on_connection_close"]
    assert server.sent == b""


def test_the_close_callback(world: str) -> None:
    """The client goes away while it waits for the response."""
    called = []

    def wait(notes: Notes, *_: Any) -> None:
        async def gone() -> None:
            called.append(len(notes.notes))
            await notes.connection.close()

        notes.connection.set_close_callback(gone)

    server = Server(world, GET, 5.0, finish=wait)
    assert called == [2]
    assert server.seconds == pytest.approx(5.0)
    assert server.notes[0].notes == ["headers_received", "finish"]


def test_a_client_that_is_lost_while_it_waits(world: str) -> None:
    called = []
    server = Server(
        world,
        GET,
        5.0,
        ConnectionResetError("reset"),
        finish=lambda notes, *_: notes.connection.set_close_callback(lambda: called.append(True)),
    )
    assert called == [True]
    assert server.error is None
    with pytest.raises(WriteError):
        server.connection.write(b"x")


# -- leaving HTTP


def test_detach(world: str, sync: bool) -> None:
    streams = []

    def leave(notes: Notes, *_: Any) -> None:
        notes.connection.write_headers(
            ResponseStartLine("HTTP/1.1", 101, "Switching Protocols"), {"Upgrade": "x", "Connection": "upgrade"}
        )
        streams.append(notes.connection.detach())

    async def main() -> None:
        peer = Peer(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nread ahead", b" and more")
        connection = HTTP1Connection(peer, False)
        notes = Notes(connection, sync=sync, headers_received=leave)
        await connection.serve(lambda _: notes)
        assert notes.notes == ["headers_received"]
        assert not peer.closed
        stream = streams[0]
        assert await stream.read(100) == b"read ahead"
        assert peer.received == b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        assert await stream.read(100) == b" and more"
        await stream.aclose()
        assert peer.closed

    run(world, main)


def test_two_tasks_may_send(world: str) -> None:
    """Each returns when its own is out, and they do not write at the same time."""

    async def main() -> None:
        peer = Peer(GET)
        connection = HTTP1Connection(peer, False)

        async def send(chunk: bytes) -> None:
            await connection.write(chunk)
            assert chunk in peer.received

        async def answer(*_: Any) -> None:
            await connection.write_headers(OK, {})
            await together(world, *[functools.partial(send, b"chunk %d" % number) for number in range(5)])
            await connection.finish()

        await connection.serve(lambda _: Notes(finish=answer))
        assert peer.received.count(b"chunk ") == 5

    run(world, main)


async def together(world: str, *calls: Any) -> None:
    if world == "trio":
        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(call)
    else:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call())


def test_another_task_takes_the_stream(world: str) -> None:
    """What waits for the response does not wait for ever."""

    async def main() -> None:
        peer = Peer(GET, ends=False)
        connection = HTTP1Connection(peer, False)

        async def take() -> None:
            await pass_time(5)
            assert connection.detach() is peer

        await together(world, lambda: connection.serve(lambda _: Notes()), take)
        assert not peer.closed

    run(world, main)


def test_cancelled(world: str) -> None:
    """Nothing is left of it."""

    async def main() -> None:
        peer = Peer(GET, ends=False)
        connection = HTTP1Connection(peer, False)
        if world == "trio":
            with trio.move_on_after(1) as scope:
                await connection.serve(lambda _: Notes())
            assert scope.cancelled_caught
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await connection.serve(lambda _: Notes())
        assert peer.aborted

    run(world, main)
