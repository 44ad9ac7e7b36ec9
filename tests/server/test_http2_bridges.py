"""The bridges behind the driver for HTTP/2: what applications see of it, what they wait for, and what they leave behind."""

import asyncio
import contextlib
import gc
import io
import json
import threading

import pytest
from tests.server.fake_exchange import PATIENCE, FakeDriver, all_free, loop_thread, request
from tests.server.http2_client import Http2Socket

from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio import Connections
from interlock.net.asyncio.exchange import StreamExchange
from interlock.net.asyncio.http2 import HTTP2Protocol
from interlock.net.exchange import Disconnected
from interlock.server.asgi import ASGIApplication, ASGIHandler
from interlock.server.context import ServerContext
from interlock.server.threads import ThreadPool
from interlock.server.wsgi import WSGIApplication, WSGIHandler

NOT_THERE_AFTERWARDS = (HTTP2Protocol, StreamExchange, WSGIHandler, ASGIHandler)


class Served:
    """An application on a port of its own, over HTTP/2."""

    def __init__(self, app, loop, interface, limits):
        self.loop = loop
        self.interface = interface
        self.pool = ThreadPool(3)

        async def start():
            context = ServerContext()
            bridge = (
                WSGIApplication(app, context, self.pool)
                if interface == "wsgi"
                else ASGIApplication(app, context, state=None)
            )
            self.bridge = bridge
            self.connections = Connections(
                bridge, limits=Limits(**limits), timeouts=Timeouts(linger=0.1), versions=frozenset({"2"})
            )
            self.server = await loop.create_server(self.connections.protocol, "127.0.0.1", 0)
            return self.server.sockets[0].getsockname()

        self.address = self.call(start())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def connect(self, **options):
        return Http2Socket(self.address, **options)

    def on_loop(self, function, *args):
        async def run():
            return function(*args)

        return self.call(run())

    def all_free(self):
        all_free(self.pool)

    def close(self):
        async def stop():
            self.server.close()
            self.connections.drain()
            self.connections.abort()
            await asyncio.wait_for(self.connections.wait_closed(), PATIENCE)
            if self.interface == "asgi":
                await self.bridge.shutdown()
            return len(asyncio.all_tasks())

        if self.interface == "wsgi":
            self.all_free()
        assert self.call(stop()) == 1
        assert self.pool.shutdown(PATIENCE)


@pytest.fixture
def serve():
    gc.collect()
    before = sum(type(found) in NOT_THERE_AFTERWARDS for found in gc.get_objects())
    with loop_thread() as loop, contextlib.ExitStack() as stack:

        def serve(app, interface="wsgi", **limits):
            served = Served(app, loop, interface, limits)
            stack.callback(served.close)
            return served

        yield serve
    gc.collect()
    assert sum(type(found) in NOT_THERE_AFTERWARDS for found in gc.get_objects()) <= before


def answering(app):
    """``app`` gives an object, which becomes JSON."""

    def wsgi(environ, start_response):
        content = json.dumps(app(environ)).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [content]

    return wsgi


async def whole(receive):
    """The content of a request."""
    content = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        content += message["body"]
        if not message["more_body"]:
            return content


# -- what an application is shown


FIELDS = [("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("x-a", "2"), ("cookie", "c=3")]


def test_environ(serve):
    served = serve(answering(lambda environ: {key: environ[key] for key in environ if isinstance(environ[key], str)}))
    with served.connect() as client:
        answer = client.get("/a%20b?c=d", *FIELDS)
        environ = json.loads(answer.content)
        assert answer.fields["content-length"] == str(len(answer.content))
    expected = {
        "SERVER_PROTOCOL": "HTTP/2",
        "HTTP_HOST": "example.org",
        "HTTP_COOKIE": "a=1; b=2; c=3",
        "HTTP_X_A": "1, 2",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=d",
        "wsgi.url_scheme": "http",
    }
    assert {key: environ[key] for key in expected} == expected


def test_scope(serve):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        headers = [(b"Connection", b"close"), (b"Keep-Alive", b"x"), (b"Transfer-Encoding", b"chunked")]
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"upgrade", b"x")]})
        await send({"type": "http.response.body", "body": b"x"})

    with serve(app, "asgi").connect() as client:
        answer = client.get("/a%20b?c=d", *FIELDS)
    assert set(answer.fields) == {":status", "content-length", "date", "server"}
    (scope,) = scopes
    assert (scope["http_version"], scope["scheme"], scope["path"]) == ("2", "http", "/a b")
    assert scope["headers"] == [
        (b"host", b"example.org"),
        (b"cookie", b"a=1; b=2; c=3"),
        (b"x-a", b"1"),
        (b"x-a", b"2"),
    ]


@pytest.mark.parametrize("field", ["Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"])
def test_a_field_of_the_connection_is_a_wsgi_application_s_error(serve, field, caplog):
    """As in HTTP/1.1: PEP 3333 forbids it."""

    def app(environ, start_response):
        start_response("200 OK", [(field, "x")])
        return []

    with serve(app).connect() as client:
        assert client.get().status == 500
    assert "belongs to the connection" in caplog.text
    caplog.clear()  # a traceback keeps what it passed


# -- content


def test_a_line_longer_than_the_window_can_be_read(serve):
    """What a read in progress has consumed counts as taken."""
    served = serve(answering(lambda environ: [len(line) for line in environ["wsgi.input"]]))
    with served.connect() as client:
        stream = client.request(method="POST", end=False)
        client.send(stream, b"x" * 10_000_000 + b"\nrest")
        assert json.loads(client.answer(stream).content) == [10_000_001, 4]


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_credit_is_given_back_when_the_application_has_taken_the_content(serve, interface):
    go_on = threading.Event()

    def wsgi(environ, start_response):
        assert go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return [str(len(environ["wsgi.input"].read())).encode()]

    async def asgi(scope, receive, send):
        await asyncio.to_thread(go_on.wait, PATIENCE)
        content = await whole(receive)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": str(len(content)).encode()})

    with serve(wsgi if interface == "wsgi" else asgi, interface).connect() as client:
        stream = client.request(method="POST", end=False)
        client.send(stream, b"x" * 65_535, end=False)
        client.h2.ping(b"whatever")
        client.flush()
        client.read()
        assert client.h2.local_flow_control_window(stream) == 0
        go_on.set()
        client.send(stream, b"x" * 300_000)
        assert client.answer(stream).content == b"365535"


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_100_continue(serve, interface):
    def wsgi(environ, start_response):
        content = environ["wsgi.input"].read()
        start_response("200 OK", [])
        return [content]

    async def asgi(scope, receive, send):
        content = await whole(receive)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": content})

    with serve(wsgi if interface == "wsgi" else asgi, interface).connect() as client:
        stream = client.request("/", ("expect", "100-continue"), method="POST", end=False)
        answer = client.answers[stream]
        client.until(lambda: answer.informational)
        assert [status for status, _ in answer.informational] == [100]
        client.send(stream, b"abc")
        assert client.answer(stream).content == b"abc"


# -- responses


def test_early_hints_and_a_file_of_wsgi(serve, tmp_path):
    content = bytes(range(256)) * 4000
    (tmp_path / "file").write_bytes(content)

    def app(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(tmp_path / "file", "rb"))

    with serve(app).connect() as client:
        answer = client.get()
        assert answer.informational[0][0] == 103
        assert answer.informational[0][1]["link"] == "</a.css>; rel=preload"
        assert answer.content == content


def test_early_hints_trailers_and_a_file_of_asgi(serve, tmp_path):
    content = bytes(range(256)) * 4000
    (tmp_path / "file").write_bytes(content)

    async def app(scope, receive, send):
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        trailers = scope["path"] == "/trailers"
        await send({"type": "http.response.start", "status": 200, "trailers": trailers})
        if trailers:
            await send({"type": "http.response.body", "body": b"abc"})
            await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"3")]})
        else:
            await send({"type": "http.response.pathsend", "path": str(tmp_path / "file")})

    with serve(app, "asgi").connect() as client:
        answer = client.get("/trailers", ("te", "trailers"))
        assert answer.informational[0][1]["link"] == "</a.css>; rel=preload"
        assert (answer.content, answer.trailers) == (b"abc", {"x-sum": "3"})
        answer = client.get("/trailers")
        assert (answer.content, answer.trailers) == (b"abc", {})
        assert client.get("/file").content == content


def test_head_and_no_content(serve):
    def app(environ, start_response):
        start_response(environ["PATH_INFO"][1:] + " -", [])
        return [b"some content"]

    with serve(app).connect() as client:
        answer = client.answer(client.request("/200", method="HEAD"))
        assert (answer.status, answer.content, answer.fields["content-length"]) == (200, b"", "12")
        for status in (204, 304):
            answer = client.get(f"/{status}")
            assert (answer.status, answer.content) == (status, b"")


def test_a_response_that_is_too_short_is_reset(serve, caplog):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "10")])
        return [b"short"]

    with serve(app).connect() as client:
        answer = client.get()
        assert (answer.ended, answer.reset) == (False, 2)
        assert client.get().reset == 2  # the connection goes on
    assert "its Content-Length is 10" in caplog.text


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_an_application_that_fails_in_its_response(serve, interface, caplog):
    def wsgi(environ, start_response):
        start_response("200 OK", [])
        yield b"some"
        raise RuntimeError("on purpose")

    async def asgi(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise RuntimeError("on purpose")

    with serve(wsgi if interface == "wsgi" else asgi, interface).connect() as client:
        answer = client.get()
        assert (answer.status, answer.content, answer.ended, answer.reset) == (200, b"some", False, 2)
        assert client.get().status == 200
    assert caplog.text.count("on purpose") >= 2
    caplog.clear()  # a traceback keeps what it passed


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_last_block_is_waited_for_however_small(serve, interface):
    went_on = threading.Event()

    class Closed(list):
        def close(self):
            went_on.set()

    def wsgi(environ, start_response):
        if environ["PATH_INFO"] == "/empty":
            start_response("204 -", [])
            return []
        start_response("200 OK", [("Content-Length", "1000")])
        return Closed([bytes(1000)])

    async def asgi(scope, receive, send):
        if scope["path"] == "/empty":
            await send({"type": "http.response.start", "status": 204})
            await send({"type": "http.response.body"})
            return
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": bytes(1000)})
        went_on.set()

    with serve(wsgi if interface == "wsgi" else asgi, interface).connect(window=0) as client:
        client.takes = False
        stream = client.request()
        answer = client.answers[stream]
        client.until(lambda: answer.status)
        for octets in (999, 1):
            assert client.get("/empty").status == 204
            assert not went_on.is_set()
            client.h2.increment_flow_control_window(octets, stream)
            client.flush()
            client.until(lambda: len(answer.content) in {999, 1000})
        assert client.answer(stream).ended
        assert went_on.wait(PATIENCE)


# -- the end, whatever is waited for


@pytest.mark.parametrize("end", ["reset", "lost", "shutdown"])
@pytest.mark.parametrize("stage", ["reading", "writing", "last", "file"])
def test_a_thread_that_waits_is_released_at_once_and_told_why(serve, stage, end, tmp_path, caplog):
    (tmp_path / "file").write_bytes(bytes(1_000_000))
    waits = threading.Event()
    told = []

    def app(environ, start_response):
        waits.set()
        try:
            if stage == "reading":
                environ["wsgi.input"].read()
            elif stage == "writing":
                start_response("200 OK", [])(bytes(1_000_000))
            elif stage == "last":
                start_response("200 OK", [("Content-Length", "2000")])(bytes(2000))
        except OSError as error:
            told.append(error)
            raise
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(tmp_path / "file", "rb"))

    served = serve(app)
    with served.connect(window=1000) as client:
        client.takes = False
        stream = client.request(method="POST", end=False)
        client.send(stream, b"some", end=False)
        assert waits.wait(PATIENCE)
        if stage != "reading":
            client.until(lambda: len(client.answers[stream].content) == 1000)
        if end == "reset":
            client.reset(stream)
        elif end == "lost":
            client.sock.close()
        else:
            served.on_loop(served.connections.abort)
        served.all_free()
    if stage != "file":
        (error,) = told
        assert isinstance(error, Disconnected)
        text = {"reset": "reset the stream: CANCEL", "lost": "connection", "shutdown": "aborted"}[end]
        assert text in str(error)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("end", ["reset", "lost", "shutdown"])
@pytest.mark.parametrize("stage", ["receiving", "sending", "last", "file"])
def test_a_task_that_waits_is_released_at_once_and_told_why(serve, stage, end, tmp_path, caplog):
    (tmp_path / "file").write_bytes(bytes(1_000_000))
    told, waits, over = [], threading.Event(), threading.Event()

    async def app(scope, receive, send):
        try:
            if stage == "receiving":
                assert (await receive())["body"] == b"some"
                waits.set()
                told.append((await receive())["type"])
                return
            await send({"type": "http.response.start", "status": 200})
            if stage == "sending":
                await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
            elif stage == "last":
                await send({"type": "http.response.body", "body": bytes(2000)})
            else:
                await send({"type": "http.response.pathsend", "path": str(tmp_path / "file")})
        except OSError as error:
            told.append(error)
            raise
        finally:
            over.set()

    served = serve(app, "asgi")
    with served.connect(window=1000) as client:
        client.takes = False
        stream = client.request(method="POST", end=False)
        client.send(stream, b"some", end=False)
        if stage == "receiving":
            assert waits.wait(PATIENCE)
        else:
            client.until(lambda: len(client.answers[stream].content) == 1000)
        if end == "reset":
            client.reset(stream)
        elif end == "lost":
            client.sock.close()
        else:
            served.on_loop(served.connections.abort)
        assert over.wait(PATIENCE)
    (what,) = told
    assert what == "http.disconnect" if stage == "receiving" else isinstance(what, Disconnected)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_thread_counts_until_its_application_has_ended(serve):
    """Rapid reset: no more of them than streams are allowed."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def app(environ, start_response):
        begun.release()
        assert go_on.wait(PATIENCE)
        start_response("200 OK", [])
        return []

    with serve(app, streams=2).connect() as client:
        for _ in range(2):
            stream = client.request()
            assert begun.acquire(timeout=PATIENCE)
            client.reset(stream)
        assert client.get().reset == 7  # REFUSED_STREAM
        go_on.set()
        while client.get().reset == 7:
            pass


# -- the driver is told once when an application has ended


def test_a_wsgi_application_ends_once():
    with loop_thread() as loop, contextlib.closing(io.BytesIO()):
        pool = ThreadPool(1, queue=1)

        def app(environ, start_response):
            if environ["PATH_INFO"] == "/fails":
                raise RuntimeError("on purpose")
            if environ["PATH_INFO"] == "/waits":
                begun.set()
                assert go_on.wait(PATIENCE)
            start_response("200 OK", [])
            return [b"x"]

        begun, go_on = threading.Event(), threading.Event()
        driver = FakeDriver(WSGIApplication(app, ServerContext(), pool), loop)
        exchanges = [driver.run(request("/")), driver.run(request("/fails"))]
        waiting = driver.begin(request("/waits"))
        assert begun.wait(PATIENCE)
        lost = driver.begin(request("/lost"))
        refused = driver.begin(request("/refused")).finish()
        assert refused.status == 503
        driver.lose(lost)
        go_on.set()
        for exchange in (*exchanges, waiting, lost, refused):
            exchange.until(lambda exchange=exchange: exchange.endings)
            assert exchange.endings == 1
        assert pool.shutdown(PATIENCE)
