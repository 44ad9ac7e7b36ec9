import asyncio
import contextlib
import gzip
import logging
import os
import sys
import threading
import traceback
from wsgiref.validate import validator

import pytest
from tests.server.fake_exchange import PATIENCE, FakeDriver, all_free, loop_thread, request

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, InformationalResponse, Response
from interlock.net.exchange import Disconnected
from interlock.server.context import ServerContext
from interlock.server.threads import ThreadPool
from interlock.server.wsgi import WSGIApplication

PLAIN = ("Content-Type", "text/plain")


class Content:
    """An iterable that notes what is done with it, and by whom."""

    def __init__(self, *blocks, error=None, close_error=None):
        self.blocks = list(blocks)
        self.error = error
        self.close_error = close_error
        self.asked = 0
        self.closed = 0
        self.threads = set()

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.current_thread().name)
        self.asked += 1
        if self.blocks:
            block = self.blocks.pop(0)
            return block() if callable(block) else block
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self):
        self.threads.add(threading.current_thread().name)
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class Server:
    """Applications on a fake driver, with a pool of three threads."""

    def __init__(self, loop):
        self.loop = loop
        self.pool = ThreadPool(3)
        self.context = ServerContext(date_header=False, server_header=False)

    def driver(self, app):
        return FakeDriver(WSGIApplication(app, self.context, self.pool), self.loop)

    def run(self, app, *pieces, head=None):
        return self.driver(app).run(head or request(), *pieces)

    def all_free(self):
        all_free(self.pool)


@pytest.fixture
def server():
    with loop_thread() as loop:
        server = Server(loop)
        yield server
        server.all_free()
        assert server.pool.shutdown(PATIENCE), "a thread is left waiting"


class Records(logging.Handler):
    def __init__(self):
        super().__init__(logging.ERROR)
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def errors():
    """The records of interlock.error."""
    handler = Records()
    log = logging.getLogger("interlock.error")
    log.addHandler(handler)
    yield handler.records
    log.removeHandler(handler)


def answering(content, *fields, status="200 OK"):
    def app(environ, start_response):
        start_response(status, [PLAIN, *fields])
        return content

    return app


HEAD = request(method="HEAD")

# What is sent, and in how many pieces.


def test_one_block_goes_out_in_one_piece_with_its_length(server):
    exchange = server.run(answering([b"hello"]))
    assert exchange.events == [
        Response(status_code=200, headers=[("content-type", "text/plain"), ("content-length", "5")], reason="OK"),
        Data(b"hello"),
        EndOfMessage(),
    ]
    assert exchange.calls == [3]


@pytest.mark.parametrize("content", [(b"hello",), [b"hello"]])
def test_the_application_s_own_length_is_kept(server, content):
    exchange = server.run(answering(content, ("Content-Length", "5")))
    assert exchange.head.headers.get_all(b"content-length") == [b"5"]
    assert exchange.head.headers.content_length == 5
    assert exchange.content == b"hello"
    assert exchange.calls == [3]


def test_several_blocks_have_no_length(server):
    exchange = server.run(answering([b"a", b"", b"b"]))
    assert exchange.fields == {b"content-type": b"text/plain"}
    assert exchange.head.headers.content_length == -1
    assert [event.data for event in exchange.events[1:-1]] == [b"a", b"b"]
    assert exchange.calls == [2, 1, 1]


@pytest.mark.parametrize("content", [[], [b""], (), Content(), Content(b"", b""), iter([])])
def test_no_content_has_length_0(server, content):
    exchange = server.run(answering(content))
    assert exchange.fields[b"content-length"] == b"0"
    assert exchange.calls == [2]
    assert exchange.complete


def test_a_stream_that_has_its_length_needs_no_wait_at_its_end(server):
    content = Content(b"ab", b"cd")
    exchange = server.run(answering(content, ("Content-Length", "4")))
    server.all_free()
    assert exchange.calls == [2, 2]
    assert (exchange.content, exchange.complete, content.closed) == (b"abcd", True, 1)


def test_the_server_adds_its_fields(server):
    server.context = ServerContext()
    fields = server.run(answering([b"x"])).fields
    assert fields[b"server"] == b"interlock"
    assert fields[b"date"].endswith(b" GMT")
    fields = server.run(answering([b"x"], ("Date", "today"), ("Server", "me"))).fields
    assert (fields[b"server"], fields[b"date"]) == (b"me", b"today")


def test_repeated_fields_and_latin_1(server):
    exchange = server.run(answering([b"x"], ("Set-Cookie", "a"), ("Set-Cookie", "b\xe9"), ("X", "\t y ")))
    assert exchange.head.headers.get_all(b"set-cookie") == [b"a", b"b\xe9"]
    assert exchange.fields[b"x"] == b"y"


@pytest.mark.parametrize(
    ("status", "code", "reason"), [("404 Not Found", 404, b"Not Found"), ("299 ", 299, b""), ("200 \xe4", 200, b"\xe4")]
)
def test_status(server, status, code, reason):
    head = server.run(answering([b"x"], status=status)).head
    assert (head.status_code, head.reason) == (code, reason)


# start_response.

BAD_HEADS = [
    ("200", []),
    ("200OK", []),
    ("2000 OK", []),
    (" 200 OK", []),
    ("20 OK", []),
    ("\u0662\u0660\u0660 OK", []),
    ("100 Continue", []),
    ("101 Switching Protocols", []),
    ("200 a\r\nb: c", []),
    ("200 \u20ac", []),
    (b"200 OK", []),
    (200, []),
    ("200 OK", [("X", "a\r\nb: c")]),
    ("200 OK", [("X", "a\nb")]),
    ("200 OK", [("X", "a\0b")]),
    ("200 OK", [("X\r\nY", "a")]),
    ("200 OK", [("X Y", "a")]),
    ("200 OK", [("X:", "a")]),
    ("200 OK", [("", "a")]),
    ("200 OK", [("\xe9", "a")]),
    ("200 OK", [(b"X", "a")]),
    ("200 OK", [("X", b"a")]),
    ("200 OK", [("X", 1)]),
    ("200 OK", [("X", "\u20ac")]),
    ("200 OK", [("Content-Length", "5, 5")]),
    ("200 OK", [("Content-Length", "+5")]),
    ("200 OK", [("Content-Length", "5"), ("content-length", "5")]),
    *[
        ("200 OK", [(name, "x")])
        for name in (
            "Connection",
            "keep-alive",
            "Proxy-Authenticate",
            "Proxy-Authorization",
            "Proxy-Connection",
            "TE",
            "Trailer",
            "Trailers",
            "Transfer-Encoding",
            "UPGRADE",
        )
    ],
]


@pytest.mark.parametrize(("status", "headers"), BAD_HEADS)
def test_a_bad_head_is_the_application_s_error(server, status, headers, errors):
    seen = []

    def app(environ, start_response):
        try:
            start_response(status, headers)
        except LocalProtocolError as error:
            seen.append(error)
        start_response("200 OK", [PLAIN])
        return [b"still well"]

    exchange = server.run(app)
    assert len(seen) == 1
    assert exchange.content == b"still well"
    assert errors == []


def test_a_bad_head_that_nobody_catches(server, errors):
    exchange = server.run(answering([b"x"], ("X", "a\r\nSet-Cookie: b")))
    assert (exchange.status, exchange.content) == (500, b"Internal Server Error")
    assert len(errors) == 1


def test_start_response_twice(server, errors):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        start_response("201 Created", [PLAIN])
        return [b"x"]

    assert server.run(app).status == 500
    assert errors[0].exc_info[0] is AssertionError


def test_start_response_again_with_exc_info_replaces_the_head(server, errors):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN, ("Content-Length", "100")])
        try:
            raise ValueError
        except ValueError:
            start_response("502 Bad Gateway", [("X-Second", "1")], sys.exc_info())
        return [b"oops"]

    exchange = server.run(app)
    assert exchange.status == 502
    assert exchange.fields == {b"x-second": b"1", b"content-length": b"4"}
    assert errors == []


def test_start_response_with_exc_info_after_the_head_raises_it(server, errors):
    def app(environ, start_response):
        write = start_response("200 OK", [PLAIN])
        write(b"begun")
        try:
            raise ValueError("in the middle")
        except ValueError:
            start_response("500 Oops", [PLAIN], sys.exc_info())
        return [b"never"]

    exchange = server.run(app)
    assert exchange.aborted
    assert exchange.content == b"begun"
    assert [str(record.exc_info[1]) for record in errors] == ["in the middle"]
    assert "raise ValueError" in "".join(traceback.format_exception(errors[0].exc_info[1]))


@pytest.mark.parametrize("content", [[b"x"], [b"x", b"y"], Content(b"x"), []])
def test_no_start_response(server, content, errors):
    assert server.run(lambda environ, start_response: content).status == 500
    assert errors[0].exc_info[0] is AssertionError


def test_start_response_may_be_called_as_late_as_the_first_block(server):
    def app(environ, start_response):
        yield b""
        start_response("200 OK", [PLAIN])
        yield b"late"

    exchange = server.run(app)
    assert (exchange.status, exchange.content, exchange.complete) == (200, b"late", True)


def test_the_head_waits_for_the_first_octet(server):
    gate = threading.Event()
    reached = threading.Event()

    def wait():
        reached.set()
        assert gate.wait(PATIENCE)
        return b"x"

    driver = server.driver(answering(Content(b"", wait)))
    exchange = driver.begin(request())
    assert reached.wait(PATIENCE)
    driver.call(int)
    assert exchange.events == []
    gate.set()
    assert exchange.finish().content == b"x"


# write().


def test_write_and_the_iterable_after_it(server):
    def app(environ, start_response):
        write = start_response("200 OK", [PLAIN])
        write(b"a")
        write(b"")
        write(b"b")
        return [b"c"]

    exchange = server.run(app)
    assert exchange.content == b"abc"
    assert exchange.complete
    assert b"content-length" not in exchange.fields


def test_write_with_a_length(server, errors):
    def app(environ, start_response):
        write = start_response("200 OK", [PLAIN, ("Content-Length", "3")])
        write(b"a")
        write(b"bcd")
        write(b"e")
        return []

    exchange = server.run(app)
    assert (exchange.content, exchange.complete) == (b"abc", True)
    server.all_free()
    assert len(errors) == 1


# Blocks that are no bytes.


@pytest.mark.parametrize(
    "result", [["text"], [1], [bytearray(b"x")], [b"", None], "text", b"bytes", None, 5, Content(3)]
)
def test_content_that_is_no_bytes(server, result, errors):
    assert server.run(answering(result)).status == 500
    assert errors[0].exc_info[0] is TypeError


# Content-Length against content.


@pytest.mark.parametrize(
    "content", [[b"hello world"], [b"hel", b"lo world"], Content(b"hello", b" ", b"world"), [b"hello", b"x"]]
)
def test_no_octet_beyond_the_length_is_sent(server, content, errors):
    exchange = server.run(answering(content, ("Content-Length", "5")))
    server.all_free()
    assert (exchange.content, exchange.complete, exchange.aborted) == (b"hello", True, False)
    assert [record.getMessage() for record in errors] == [
        "the application sends more than its Content-Length of 5 octets: GET /"
    ]
    if isinstance(content, Content):
        assert content.closed == 1
        assert content.asked == 2


def test_nothing_is_asked_for_once_there_is_too_much(server, errors):
    content = Content(b"hello world", b"more")
    exchange = server.run(answering(content, ("Content-Length", "5")))
    server.all_free()
    assert (exchange.content, content.asked, content.closed, len(errors)) == (b"hello", 1, 1, 1)


def test_length_0_and_content(server, errors):
    exchange = server.run(answering([b"x"], ("Content-Length", "0")))
    server.all_free()
    assert (exchange.content, exchange.complete, exchange.calls) == (b"", True, [2])
    assert len(errors) == 1


@pytest.mark.parametrize("content", [[b"hell"], [b"he", b"ll"], Content(b"hell"), iter([b"h", b"ell"])])
def test_too_little_content_ends_visibly_broken(server, content, errors):
    exchange = server.run(answering(content, ("Content-Length", "5")))
    assert (exchange.content, exchange.complete, exchange.aborted) == (b"hell", False, True)
    assert [record.getMessage() for record in errors] == [
        "the application sent 4 octets, its Content-Length is 5: GET /"
    ]


@pytest.mark.parametrize("content", [[], [b""], Content()])
def test_no_content_at_all_with_a_length(server, content, errors):
    exchange = server.run(answering(content, ("Content-Length", "5")))
    assert (exchange.status, exchange.content, exchange.complete, exchange.aborted) == (200, b"", False, True)
    assert len(errors) == 1


# Responses without content.


@pytest.mark.parametrize(
    ("head", "status"), [(HEAD, "200 OK"), (request(), "204 No Content"), (request(), "304 Not Modified")]
)
@pytest.mark.parametrize("kind", ["list", "blocks", "write", "none", "empty"])
def test_no_content_is_sent(server, head, status, kind, errors):
    content = Content(b"hello", b"again")

    def app(environ, start_response):
        write = start_response(status, [("X", "y")])
        if kind == "write":
            write(b"hello")
            write(b"again")
        return {"list": [b"hello"], "blocks": content, "write": [b"x"], "none": [], "empty": [b""]}[kind]

    exchange = server.run(app, head=head)
    server.all_free()
    assert exchange.complete
    assert exchange.content == b""
    assert exchange.calls == [2]
    assert exchange.status == int(status[:3])
    if kind == "list" and status[:3] != "204":
        assert exchange.fields == {b"x": b"y", b"content-length": b"5"}
    else:
        assert exchange.fields == {b"x": b"y"}
    if kind == "blocks":
        # One that never ends would hold the thread for ever.
        assert (content.asked, content.closed) == (1, 1)
    assert errors == []


@pytest.mark.parametrize("content", [[b"hello"], [], [b""], Content(b"hello"), Content()])
def test_head_keeps_the_length(server, content):
    exchange = server.run(answering(content, ("Content-Length", "5")), head=HEAD)
    assert exchange.fields[b"content-length"] == b"5"
    assert exchange.complete


def test_204_has_no_length(server):
    exchange = server.run(answering([], ("Content-Length", "0"), status="204 No Content"))
    assert b"content-length" not in exchange.fields
    assert exchange.complete


# Errors.


@pytest.mark.parametrize(
    "error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), Disconnected("other")]
)
@pytest.mark.parametrize("head", [request(), HEAD])
def test_an_error_before_the_head(server, error, head, errors):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        raise error

    exchange = server.run(app, head=head)
    assert exchange.status == 500
    assert exchange.fields[b"content-type"] == b"text/plain; charset=utf-8"
    assert exchange.fields[b"content-length"] == b"21"
    assert exchange.content == (b"" if head is HEAD else b"Internal Server Error")
    assert exchange.complete
    assert [record.exc_info[1] for record in errors] == [error]
    assert errors[0].getMessage() == f"Exception in WSGI application: {head.method.decode()} /"


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_an_error_of_the_iterable_before_its_first_block(server, error, errors):
    content = Content(b"", error=error)
    exchange = server.run(answering(content))
    server.all_free()
    assert (exchange.status, content.closed, len(errors)) == (500, 1, 1)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_an_error_after_the_head(server, error, errors):
    content = Content(b"begun", error=error)
    exchange = server.run(answering(content))
    server.all_free()
    assert (exchange.status, exchange.content, exchange.complete, exchange.aborted) == (200, b"begun", False, True)
    assert (content.closed, len(errors)) == (1, 1)


def test_an_error_after_the_end(server, errors):
    content = Content(b"hello", error=ValueError("x"))
    exchange = server.run(answering(content, ("Content-Length", "5")))
    server.all_free()
    assert (exchange.complete, exchange.aborted, content.closed, len(errors)) == (True, False, 1, 1)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_an_error_of_close(server, error, errors):
    content = Content(b"hello", close_error=error)
    exchange = server.run(answering(content))
    server.all_free()
    assert (exchange.complete, exchange.aborted, content.closed) == (True, False, 1)
    assert [record.exc_info[1] for record in errors] == [error]
    assert errors[0].getMessage() == "close() of the application's iterable failed: GET /"


@pytest.mark.parametrize("size", [1, 2])
def test_what_the_engine_refuses(server, size, errors):
    driver = server.driver(answering(Content(*[b"x"] * size)))
    exchange = driver.begin(request(), failure=LocalProtocolError("no")).finish()
    server.all_free()
    assert exchange.aborted
    assert len(errors) == 1


def test_a_last_piece_that_the_engine_refuses(server, errors):
    exchange = server.driver(answering([b"x"])).begin(request(), failure=LocalProtocolError("no")).finish()
    server.all_free()
    assert (exchange.aborted, len(errors)) == (True, 1)


def test_a_target_cannot_forge_log_lines(server, errors):
    def app(environ, start_response):
        raise ValueError

    server.run(app, head=request("/" + "a" * 500))
    assert len(errors[0].getMessage()) < 150


# close().


@pytest.mark.parametrize(
    "content",
    [
        Content(),
        Content(b"a"),
        Content(b"a", b"b"),
        Content(b""),
        Content(b"a", error=ValueError()),
        Content(error=ValueError()),
    ],
)
def test_close_is_called_once_and_in_the_worker(server, content):
    server.run(answering(content))
    server.all_free()
    assert content.closed == 1
    assert len(content.threads) == 1
    assert content.threads.pop().startswith("interlock-worker-")


def test_close_when_start_response_was_not_called(server):
    content = Content(b"a")
    server.run(lambda environ, start_response: content)
    server.all_free()
    assert content.closed == 1


def test_a_generator_is_closed(server):
    steps = []

    def app(environ, start_response):
        start_response("200 OK", [PLAIN, ("Content-Length", "1")])
        try:
            yield b"a"
            yield b"b"
        finally:
            steps.append("closed")

    server.run(app)
    server.all_free()
    assert steps == ["closed"]


# Backpressure.


def test_the_next_block_is_asked_for_when_the_last_is_below_high_water(server):
    content = Content(b"a", b"b", b"c")
    driver = server.driver(answering(content))
    exchange = driver.begin(request(), high_water=1)
    for asked in (1, 2, 3):
        exchange.until(lambda asked=asked: len(exchange.calls) == asked)
        driver.call(int)
        assert content.asked == asked
        driver.drain(exchange)
    assert exchange.finish().content == b"abc"


def test_write_returns_below_high_water(server):
    steps = []

    def app(environ, start_response):
        write = start_response("200 OK", [PLAIN])
        for octet in (b"a", b"b"):
            write(octet)
            steps.append(octet)
        return []

    driver = server.driver(app)
    exchange = driver.begin(request(), high_water=1)
    exchange.until(lambda: exchange.calls)
    driver.call(int)
    assert steps == []
    driver.drain(exchange)
    exchange.until(lambda: len(exchange.calls) == 2)
    assert steps == [b"a"]
    driver.drain(exchange)
    exchange.finish()
    server.all_free()
    assert steps == [b"a", b"b"]


@pytest.mark.parametrize("ending", ["taken", "lost"])
def test_a_last_piece_that_something_holds_is_waited_for(server, ending, errors):
    content = Content(b"x" * 100)
    driver = server.driver(answering(content, ("Content-Length", "100")))
    exchange = driver.begin(request(), high_water=1).finish()
    driver.call(int)
    assert content.closed == 0
    if ending == "taken":
        driver.drain(exchange)
    else:
        driver.lose(exchange)
    server.all_free()
    assert (content.closed, exchange.aborted, errors) == (1, False, [])


def test_write_tells_of_a_connection_that_is_lost_with_its_last_octets(server):
    caught = []

    def app(environ, start_response):
        try:
            start_response("200 OK", [PLAIN, ("Content-Length", "1")])(b"x")
        except Disconnected as error:
            caught.append(str(error))
        return []

    driver = server.driver(app)
    exchange = driver.begin(request(), high_water=1).finish()
    driver.lose(exchange)
    server.all_free()
    assert caught == ["the client has gone"]


def test_a_last_piece_that_nothing_holds_keeps_nobody_waiting(server):
    gate = threading.Event()

    def late(callback, *args):
        assert gate.wait(PATIENCE)
        callback(*args)

    content = Content(b"x" * 100)
    driver = server.driver(answering(content, ("Content-Length", "100")))
    exchange = driver.begin(request(), call_threadsafe=lambda *call: server.loop.call_soon_threadsafe(late, *call))
    server.all_free()
    assert content.closed == 1
    gate.set()
    exchange.finish()


def test_writable_without_anybody_waiting(server):
    driver = server.driver(answering(Content(b"a", b"b")))
    exchange = driver.begin(request())
    for _ in range(3):
        driver.call(exchange.handler.writable)
    assert exchange.finish().content == b"ab"


@pytest.mark.parametrize("how", ["blocks", "generator", "write", "large", "large, of many"])
def test_the_application_goes_on_when_the_transport_has_all_of_it(server, how):
    went_on = threading.Event()
    early = []

    class Closed(list):
        def close(self):
            went_on.set()

    def generate():
        try:
            yield b"a"
            yield b"b"
        finally:
            went_on.set()

    def app(environ, start_response):
        write = start_response("200 OK", [PLAIN, ("Content-Length", "200000" if "large" in how else "2")])
        if how == "write":
            write(b"ab")
            went_on.set()
        return {
            "blocks": Closed([b"a", b"b"]),
            "generator": generate(),
            "write": [],
            "large": Closed([bytes(200_000)]),
            "large, of many": Closed([bytes(200_000), b""]),
        }[how]

    def late(callback, *args):
        for _ in range(1000):  # who does not wait goes on here
            os.sched_yield()
        early.append(went_on.is_set())
        callback(*args)

    driver = server.driver(app)
    exchange = driver.begin(request(), call_threadsafe=lambda *call: server.loop.call_soon_threadsafe(late, *call))
    driver.feed(exchange, end=True)
    exchange.finish()
    assert went_on.wait(PATIENCE)
    assert set(early) == {False}


# Connections that are lost.


@pytest.mark.parametrize("stage", ["read", "readline", "write", "block", "early_hints"])
def test_a_connection_lost_while_the_thread_waits(server, stage, errors):
    content = Content(b"a", b"b")
    caught = []

    def app(environ, start_response):
        try:
            if stage == "read":
                environ["wsgi.input"].read()
            elif stage == "readline":
                environ["wsgi.input"].readline()
            elif stage == "early_hints":
                environ["wsgi.early_hints"]([("Link", "</a>")])
            write = start_response("200 OK", [PLAIN])
            if stage == "write":
                write(b"x")
        except OSError as error:
            caught.append(error)
            raise
        return content

    driver = server.driver(app)
    exchange = driver.begin(
        request("/", ("Expect", "100-continue"), ("Content-Length", "5"), method="POST"),
        high_water=0 if stage == "early_hints" else 1,
    )
    exchange.until(lambda: exchange.events)
    driver.lose(exchange)
    server.all_free()
    assert not exchange.complete
    assert not exchange.aborted
    assert errors == []
    if stage == "block":
        assert (content.asked, content.closed) == (1, 1)
    else:
        assert isinstance(caught[0], Disconnected)
        assert "the client has gone" in str(caught[0])


@pytest.mark.parametrize("stage", ["head", "one block", "blocks", "error", "after a block"])
def test_a_connection_lost_while_the_application_works(server, stage, errors):
    gate = threading.Event()
    reached = threading.Event()
    content = Content(b"a", b"b")

    def pause():
        reached.set()
        assert gate.wait(PATIENCE)
        return b"x"

    def app(environ, start_response):
        if stage == "after a block":
            content.blocks.insert(1, pause)
        else:
            pause()
        if stage == "error":
            raise ValueError("x")
        start_response("200 OK", [PLAIN])
        return [b"x"] if stage == "one block" else content

    driver = server.driver(app)
    exchange = driver.begin(request())
    assert reached.wait(PATIENCE)
    driver.lose(exchange)
    gate.set()
    server.all_free()
    driver.call(int)
    assert not exchange.complete
    assert not exchange.aborted
    assert content.closed == (0 if stage in {"one block", "error"} else 1)
    assert len(errors) == (1 if stage == "error" else 0)


def test_a_lost_connection_that_the_application_does_not_notice(server, errors):
    # It catches the error of write() and goes on.
    content = Content(b"a")

    def app(environ, start_response):
        write = start_response("200 OK", [PLAIN])
        for _ in range(3):
            with contextlib.suppress(OSError):
                write(b"x")
        return content

    driver = server.driver(app)
    exchange = driver.begin(request(), high_water=1)
    exchange.until(lambda: exchange.calls)
    driver.lose(exchange)
    server.all_free()
    assert content.closed == 1
    assert exchange.calls == [2]
    assert errors == []


def test_send_that_finds_the_connection_lost(server, errors):
    content = Content(b"a", b"b")
    driver = server.driver(answering(content))
    exchange = driver.begin(request(), high_water=1)
    exchange.until(lambda: exchange.calls)
    exchange.failure = Disconnected("just now")
    driver.drain(exchange)
    server.all_free()
    assert (content.closed, errors) == (1, [])


def test_a_request_that_waits_for_a_thread_is_skipped_when_its_connection_is_lost(server):
    gate = threading.Event()
    started = threading.Semaphore(0)
    ran = []

    def app(environ, start_response):
        ran.append(environ["PATH_INFO"])
        started.release()
        assert gate.wait(PATIENCE)
        start_response("200 OK", [PLAIN])
        return [b"x"]

    driver = server.driver(app)
    exchanges = [driver.begin(request(f"/{number}")) for number in range(6)]
    for _ in range(3):
        assert started.acquire(timeout=PATIENCE)
    driver.lose(exchanges[3])
    driver.lose(exchanges[5])
    gate.set()
    exchanges[4].finish()
    server.all_free()
    assert sorted(ran) == ["/0", "/1", "/2", "/4"]
    assert exchanges[3].events == []


def test_half_close_does_not_disturb(server):
    content = Content(b"a", b"b")
    driver = server.driver(answering(content))
    exchange = driver.begin(request(), high_water=1)
    exchange.until(lambda: exchange.calls)
    driver.call(exchange.handler.eof_received)
    driver.drain(exchange)
    exchange.until(lambda: len(exchange.calls) == 2)
    driver.drain(exchange)
    assert exchange.finish().content == b"ab"


def test_an_event_loop_that_has_been_closed(server, errors):
    gate = threading.Event()
    reached = threading.Event()
    content = Content(b"a", b"b")

    def app(environ, start_response):
        reached.set()
        assert gate.wait(PATIENCE)
        start_response("200 OK", [PLAIN])
        return content

    def closed(callback, *args):
        raise RuntimeError("Event loop is closed")

    exchange = server.driver(app).begin(request())
    assert reached.wait(PATIENCE)
    exchange.call_threadsafe = closed
    gate.set()
    server.all_free()
    assert (content.asked, content.closed, errors) == (1, 1, [])


# The request's content.


def test_content_is_read(server):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        return [environ["wsgi.input"].readline(), environ["wsgi.input"].read()]

    exchange = server.run(
        app, b"li", b"ne\nre", b"st", head=request("/", ("Transfer-Encoding", "chunked"), method="POST")
    )
    assert exchange.content == b"line\nrest"
    server.driver(app).call(int)
    assert exchange.consumed_octets == 9


def test_100_continue_only_when_the_content_is_read(server):
    head = request("/", ("Expect", "100-continue"), ("Content-Length", "2"), method="POST")
    assert [type(event) for event in server.run(answering([b"x"]), head=head).events] == [Response, Data, EndOfMessage]

    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        return [environ["wsgi.input"].read()]

    driver = server.driver(app)
    exchange = driver.begin(head)
    exchange.until(lambda: exchange.events)
    assert exchange.events == [InformationalResponse(status_code=100, reason="Continue")]
    driver.feed(exchange, b"ab", end=True)
    assert exchange.finish().content == b"ab"


def test_reading_after_the_response_was_sent_does_not_wait_for_ever(server):
    caught = []

    class Reading(Content):
        def close(self):
            super().close()
            try:
                source.read()
            except OSError as error:
                caught.append(error)

    source = None
    content = Reading(b"ab")

    def app(environ, start_response):
        nonlocal source
        source = environ["wsgi.input"]
        start_response("200 OK", [PLAIN, ("Content-Length", "2")])
        return content

    driver = server.driver(app)
    exchange = driver.begin(request("/", ("Content-Length", "5"), method="POST"))
    exchange.finish()
    server.all_free()
    assert isinstance(caught[0], Disconnected)
    assert content.closed == 1


# Early hints.


def test_early_hints(server, errors):
    def app(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start_response("200 OK", [PLAIN])
        environ["wsgi.early_hints"]([("Link", "</b.css>; rel=preload")])
        write = start_response("200 OK", [PLAIN], (ValueError, ValueError(), None))
        write(b"x")
        environ["wsgi.early_hints"]([("Link", "too late")])
        return []

    exchange = server.run(app)
    assert [event.headers.get(b"link") for event in exchange.events if isinstance(event, InformationalResponse)] == [
        b"</a.css>; rel=preload",
        b"</b.css>; rel=preload",
    ]
    assert exchange.events[0].status_code == 103
    assert exchange.complete
    assert errors == []


def test_early_hints_are_ignored_in_http_1_0(server):
    def app(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start_response("200 OK", [PLAIN])
        return [b"x"]

    assert server.run(app, head=request(http_version="1.0")).calls == [3]


def test_bad_early_hints(server, errors):
    def app(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "a\r\nb")])

    assert server.run(app).status == 500
    assert len(errors) == 1


# Files.


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 1000)
    return path


def sending(files, path, *fields, position=0, mode="rb", buffering=-1, method="read"):
    def app(environ, start_response):
        file = path.open(mode, buffering)
        files.append(file)
        file.read(position)
        start_response("200 OK", [PLAIN, *fields])
        return environ["wsgi.file_wrapper"](file, 4000)

    return app


@pytest.mark.parametrize(("mode", "buffering"), [("rb", -1), ("rb", 0), ("r+b", -1)])
def test_a_file_is_sent_by_the_driver(server, path, mode, buffering):
    files = []
    exchange = server.run(sending(files, path, position=3, mode=mode, buffering=buffering))
    server.all_free()
    assert exchange.files == [(files[0], 3, 9997)]
    assert exchange.content == path.read_bytes()[3:]
    assert exchange.fields[b"content-length"] == b"9997"
    assert exchange.complete
    assert files[0].closed


def test_a_file_with_a_length(server, path, errors):
    files = []
    exchange = server.run(sending(files, path, ("Content-Length", "20"), position=5))
    server.all_free()
    assert exchange.files == [(files[0], 5, 20)]
    assert exchange.complete
    assert files[0].closed
    assert errors == []


def test_a_file_that_is_too_short(server, path, errors):
    files = []
    exchange = server.run(sending(files, path, ("Content-Length", "20000")))
    server.all_free()
    assert exchange.content == path.read_bytes()
    assert (exchange.complete, exchange.aborted, files[0].closed, len(errors)) == (False, True, True, 1)


@pytest.mark.parametrize("position", [10000, 20000])
def test_a_file_at_its_end(server, path, position):
    exchange = server.run(sending([], path, position=position))
    assert (exchange.files, exchange.fields[b"content-length"], exchange.complete) == ([], b"0", True)


def test_head_of_a_file(server, path):
    exchange = server.run(sending([], path), head=HEAD)
    assert (exchange.files, exchange.fields[b"content-length"], exchange.complete) == ([], b"10000", True)


def test_a_file_after_write(server, path):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN])(b"begin ")
        return environ["wsgi.file_wrapper"](path.open("rb"))

    exchange = server.run(app)
    assert exchange.content == b"begin " + path.read_bytes()
    assert exchange.complete


def test_what_only_looks_like_a_file_is_read(server, tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(b"plain" * 1000))
    files = []

    def app(environ, start_response):
        files.append(gzip.open(path))
        start_response("200 OK", [PLAIN])
        return environ["wsgi.file_wrapper"](files[0])

    exchange = server.run(app)
    server.all_free()
    assert (exchange.files, exchange.content, exchange.complete) == ([], b"plain" * 1000, True)
    assert files[0].closed


def test_a_pipe_is_read(server):
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)

    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        return environ["wsgi.file_wrapper"](os.fdopen(reading, "rb"))

    exchange = server.run(app)
    assert (exchange.files, exchange.content, exchange.complete) == ([], b"from a pipe", True)


def test_a_connection_lost_while_a_file_is_sent(server, path, errors):
    files = []
    driver = server.driver(sending(files, path))
    exchange = driver.begin(request(), file_gate=asyncio.Event())
    exchange.until(lambda: exchange.files)
    driver.lose(exchange)
    server.all_free()
    assert files[0].closed
    assert (exchange.complete, exchange.aborted, errors) == (False, False, [])


def test_a_file_that_cannot_be_read(server, path, errors):
    async def fail(file, offset, count):
        raise OSError(5, "Input/output error")

    exchange = server.driver(sending([], path)).begin(request(), send_file=fail).finish()
    assert exchange.aborted
    assert errors[0].exc_info[0] is OSError


# A pool that is full, or shut down.


def test_a_full_pool(loop_server):
    server, pool = loop_server
    gate = threading.Event()
    started = threading.Event()

    def app(environ, start_response):
        started.set()
        assert gate.wait(PATIENCE)
        start_response("200 OK", [PLAIN])
        return [b"x"]

    driver = FakeDriver(WSGIApplication(app, server.context, pool), server.loop)
    first = driver.begin(request())
    assert started.wait(PATIENCE)
    second = driver.begin(request())
    third = driver.begin(request()).finish()
    assert (third.status, third.content) == (503, b"Service Unavailable")
    gate.set()
    assert first.finish().status == second.finish().status == 200


@pytest.fixture
def loop_server(server):
    pool = ThreadPool(1, queue=1)
    yield server, pool
    assert pool.shutdown(PATIENCE)


# wsgiref.validate.


def echo(environ, start_response):
    start_response("200 OK", [PLAIN])
    return [environ["wsgi.input"].read(5), environ["wsgi.input"].readline(100), b"".join(environ["wsgi.input"])]


def writing(environ, start_response):
    start_response("200 OK", [PLAIN])(b"written ")
    return [b"and", b" returned"]


def failing(environ, start_response):
    try:
        raise ValueError
    except ValueError:
        start_response("500 Oops", [PLAIN], sys.exc_info())
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].writelines([])
    environ["wsgi.errors"].flush()
    return [b"oops"]


@pytest.mark.parametrize("target", ["/", "/a%20b?c", "*", "http://example.org/x"])
@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (answering([b"one"]), b"one"),
        (answering([b"one", b"two"]), b"onetwo"),
        (answering([]), b""),
        (answering([b"one"], ("Content-Length", "3")), b"one"),
        (echo, b"body\nof two lines\nand a rest"),
        (writing, b"written and returned"),
        (failing, b"oops"),
    ],
)
def test_wsgiref_validate(server, app, expected, target, errors):
    method = "OPTIONS" if target == "*" else "POST"
    head = request(target, ("Transfer-Encoding", "chunked"), ("Content-Type", "text/plain"), method=method)
    exchange = server.run(validator(app), b"body\nof two", b" lines\nand a rest", head=head)
    server.all_free()
    assert errors == []
    assert exchange.content == expected
    assert exchange.complete


@pytest.mark.parametrize("root", ["", "/app"])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_wsgiref_validate_without_content(server, root, status, method, errors):
    server.context = ServerContext(root_path=root)

    def app(environ, start_response):
        start_response(status, [] if status[:3] == "204" else [PLAIN])
        return []

    exchange = server.run(validator(app), head=request("/app/x", method=method))
    server.all_free()
    assert errors == []
    assert exchange.complete
