"""The WSGI bridge behind the asyncio driver: real connections, real applications, and what they leave behind."""

import asyncio
import contextlib
import gc
import hashlib
import http.client
import io
import logging
import os
import socket
import threading
import time
from wsgiref.validate import validator

import pytest
from tests.server.fake_exchange import PATIENCE, all_free, loop_thread

from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio import Connections
from interlock.server.context import ServerContext
from interlock.server.threads import ThreadPool
from interlock.server.wsgi import WSGIApplication, WSGIHandler

PLAIN = ("Content-Type", "text/plain")


class Served:
    """An application on a port of its own."""

    def __init__(self, app, loop, **limits):
        self.loop = loop
        self.pool = ThreadPool(3)
        self.bridge = WSGIApplication(app, ServerContext(), self.pool)

        async def start():
            self.connections = Connections(self.bridge, limits=Limits(**limits), timeouts=Timeouts(linger=0.1))
            self.server = await loop.create_server(self.connections.protocol, "127.0.0.1", 0)
            return self.server.sockets[0].getsockname()[1]

        self.port = self.call(start())

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    @contextlib.contextmanager
    def raw(self, octets=b""):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            sock.sendall(octets)
            yield sock

    def ask(self, octets):
        """What comes back until the connection is closed."""
        with self.raw(octets) as sock:
            return b"".join(iter(lambda: sock.recv(65536), b""))

    def get(self, target, method="GET", body=None, headers=(), **options):
        connection = self.connect()
        try:
            connection.request(method, target, body, dict(headers), **options)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def all_free(self):
        all_free(self.pool)

    def close(self):
        async def stop():
            self.server.close()
            self.connections.drain()
            await asyncio.wait_for(self.connections.wait_closed(), PATIENCE)

        self.all_free()
        self.call(stop())
        assert self.pool.shutdown(PATIENCE)


@pytest.fixture
def serve():
    with loop_thread() as loop, contextlib.ExitStack() as stack:

        def serve(app, **limits):
            served = Served(app, loop, **limits)
            stack.callback(served.close)
            return served

        yield serve


def echo(environ, start_response):
    digest = hashlib.sha256()
    octets = 0
    while block := environ["wsgi.input"].read(65536):
        digest.update(block)
        octets += len(block)
    start_response("200 OK", [PLAIN])
    return [f"{octets} {digest.hexdigest()}".encode()]


BIG = bytes(range(256)) * 20000


@pytest.mark.parametrize("chunked", [False, True])
def test_uploads(serve, chunked):
    served = serve(validator(echo))
    expected = f"{len(BIG)} {hashlib.sha256(BIG).hexdigest()}".encode()
    body = iter([BIG[start : start + 50000] for start in range(0, len(BIG), 50000)]) if chunked else BIG
    status, _, content = served.get("/", "POST", body, [PLAIN], encode_chunked=chunked)
    assert (status, content) == (200, expected)


def test_100_continue(serve):
    served = serve(echo)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with served.raw(head) as sock:
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert b"\r\n\r\n3 " + hashlib.sha256(b"abc").hexdigest().encode() in answer


def test_the_application_is_told_why_it_gets_no_more(serve):
    told = []
    begun = threading.Event()

    def app(environ, start_response):
        begun.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            told.append(str(error))
            raise
        return []

    served = serve(app, body=5)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with served.raw(head + b"5\r\nabcde\r\n") as sock:
        assert begun.wait(PATIENCE)  # one that has not begun is not called any more
        sock.sendall(b"6\r\nfghijk\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 413 ")
    served.all_free()
    assert told == ["the request's content is not complete: content of more than 5 octets"]


def test_keep_alive_and_pipelining(serve):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        return [environ["PATH_INFO"].encode()]

    served = serve(app)
    connection = served.connect()
    for number in range(50):
        connection.request("GET", f"/{number}")
        assert connection.getresponse().read() == f"/{number}".encode()
    connection.close()
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50))
    answer = served.ask(requests + b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert [part.rpartition(b"/")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [
        *[b"%d" % number for number in range(50)],
        b"last",
    ]


def test_http_1_0_gets_a_stream_until_the_close(serve):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        yield b"one"
        yield b"two"

    answer = serve(app).ask(b"GET / HTTP/1.0\r\n\r\n")
    head, _, content = answer.partition(b"\r\n\r\n")
    assert content == b"onetwo"
    assert b"chunked" not in head


def test_an_error_in_the_stream_leaves_no_end(serve):
    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        yield b"one"
        raise ValueError

    served = serve(app)
    answer = served.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.endswith(b"3\r\none\r\n")


def test_early_hints(serve):
    def app(environ, start_response):
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start_response("200 OK", [PLAIN])
        return [b"x"]

    answer = serve(app).ask(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_files(serve, tmp_path, method):
    path = tmp_path / "file"
    path.write_bytes(BIG)

    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        return environ["wsgi.file_wrapper"](path.open("rb"))

    status, headers, content = serve(app).get("/", method)
    assert (status, headers["Content-Length"]) == (200, str(len(BIG)))
    assert content == (BIG if method == "GET" else b"")


def left_behind():
    """How many exchanges and file descriptors there are."""
    gc.collect()
    handlers = sum(type(each) is WSGIHandler for each in gc.get_objects())
    return handlers, len(os.listdir("/proc/self/fd"))


STAGES = ["head", "content", "before the head", "in write", "in a block", "in a file", "waiting for a thread"]


@pytest.mark.parametrize("stage", STAGES)
def test_clients_that_go_away_leave_nothing_behind(serve, stage, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(BIG * 4)
    returned = []
    closed = []
    reached = threading.Semaphore(0)
    gate = threading.Event()

    class Content:
        def __iter__(self):
            return self

        def __next__(self):
            if stage == "in a block":
                reached.release()
            return BIG

        def close(self):
            closed.append(self)

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/fine":
            start_response("200 OK", [PLAIN])
            return [b"fine"]
        if stage == "content":
            reached.release()
            environ["wsgi.input"].read()
        if stage in {"before the head", "waiting for a thread"}:
            reached.release()
            assert gate.wait(PATIENCE)
        write = start_response("200 OK", [PLAIN])
        if stage == "in a file":
            reached.release()
            return environ["wsgi.file_wrapper"](path.open("rb"))
        while stage == "in write":
            reached.release()
            write(BIG)
        returned.append(Content())
        return returned[-1]

    served = serve(app)
    assert served.get("/fine")[2] == b"fine"
    wait_until(lambda: served_connections(served) == 0)
    before = left_behind()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            count = 1 if stage == "head" else 8 if stage == "waiting for a thread" else 3
            for _ in range(count):
                stack.enter_context(served.raw(head if stage == "head" else head + b"\r\nabc"))
            for _ in range(0 if stage == "head" else 3):
                assert reached.acquire(timeout=PATIENCE)
        if gate_needed := stage in {"before the head", "waiting for a thread"}:
            # The application goes on when the driver knows that nobody listens.
            wait_until(lambda: served_connections(served) == 0)
            gate.set()
        served.all_free()
        if gate_needed:
            gate.clear()
    wait_until(lambda: served_connections(served) == 0)
    assert served.get("/fine")[2] == b"fine"
    wait_until(lambda: served_connections(served) == 0)
    assert left_behind() == before
    assert sorted(map(id, closed)) == sorted(map(id, returned))
    assert bool(returned) == (stage in {"in a block", "before the head", "waiting for a thread"})


def served_connections(served):
    async def count():
        return len(served.connections)

    return served.call(count())


def wait_until(condition):
    """Ask the event loop again and again; each question lets it do what is due."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline


def test_a_slow_reader_bounds_what_is_produced(serve):
    produced = []

    def app(environ, start_response):
        start_response("200 OK", [PLAIN])
        for _ in range(1000):
            produced.append(1)
            yield bytes(100000)

    served = serve(app)
    with served.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as sock:
        total = 0
        assert sock.recv(1)
        while len(produced) < 2:
            total += len(sock.recv(1000))
        # Whatever the system's own buffers hold, it is far from all of it.
        assert len(produced) < 500
        while data := sock.recv(1 << 20):
            total += len(data)
    assert len(produced) == 1000
    assert total > 100_000_000


def test_flask(serve):
    flask = pytest.importorskip("flask")
    app = flask.Flask("test")

    @app.route("/")
    def index():
        return "hello from Flask"

    @app.route("/echo", methods=["POST"])
    def echo():
        return flask.request.get_data()

    @app.route("/form", methods=["POST"])
    def form():
        return {"name": flask.request.form["name"], "file": len(flask.request.files["file"].read())}

    @app.route("/stream")
    def stream():
        return flask.Response((f"{number}," for number in range(5)), mimetype="text/plain")

    @app.route("/fail")
    def fail():
        raise ValueError("in a view")

    @app.route("/file")
    def file():
        return flask.send_file(io.BytesIO(BIG), mimetype="application/octet-stream")

    app.logger.disabled = True
    served = serve(app)
    assert served.get("/")[2] == b"hello from Flask"
    assert served.get("/", "HEAD")[1]["Content-Length"] == "16"
    assert served.get("/missing")[0] == 404
    assert served.get("/", "POST", b"x" * 100)[0] == 405
    assert served.get("/fail")[0] == 500
    assert served.get("/stream")[2] == b"0,1,2,3,4,"
    assert served.get("/file")[2] == BIG
    assert served.get("/echo", "POST", BIG)[2] == BIG
    assert served.get("/echo", "POST", iter([b"chunk", b"ed"]), [PLAIN], encode_chunked=True)[2] == b"chunked"
    boundary = b"--b\r\nContent-Disposition: form-data; name="
    body = boundary + b'"name"\r\n\r\nn\r\n' + boundary + b'"file"; filename="f"\r\n\r\n' + BIG + b"\r\n--b--\r\n"
    answer = served.get("/form", "POST", body, [("Content-Type", "multipart/form-data; boundary=b")])
    assert answer[2].split() == b'{"file":%d,"name":"n"}'.__mod__(len(BIG)).split()


def test_django(serve, tmp_path):
    pytest.importorskip("django")
    from django.conf import settings

    if settings.configured:
        pytest.skip("another test has configured Django")
    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x",
        LOGGING_CONFIG=None,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    )
    import django
    from django.core.wsgi import get_wsgi_application
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    django.setup()
    file = tmp_path / "file"
    file.write_bytes(BIG)

    def form(request):
        return JsonResponse({"name": request.POST["name"], "scheme": request.scheme})

    def fail(request):
        raise ValueError("in a view")

    urlpatterns[:] = [
        path("", lambda request: HttpResponse("hello from Django")),
        path("form", form),
        path("echo", lambda request: HttpResponse(request.body)),
        path("stream", lambda request: StreamingHttpResponse(iter([b"a", b"b"]))),
        path("file", lambda request: FileResponse(file.open("rb"))),
        path("none", lambda request: HttpResponse(status=204)),
        path("fail", fail),
    ]
    logging.getLogger("django").setLevel(logging.CRITICAL + 1)
    served = serve(get_wsgi_application())
    assert served.get("/")[2] == b"hello from Django"
    assert served.get("/", "HEAD")[1]["Content-Length"] == "17"
    assert served.get("/stream")[2] == b"ab"
    assert served.get("/echo", "POST", b"x" * 100000)[2] == b"x" * 100000
    assert served.get("/missing")[0] == 404
    assert served.get("/fail")[0] == 500
    status, headers, content = served.get("/none")
    assert (status, headers["Content-Length"], content) == (204, None, b"")
    status, headers, content = served.get("/file")
    assert (status, headers["Content-Length"], content == BIG) == (200, str(len(BIG)), True)
    form_type = ("Content-Type", "application/x-www-form-urlencoded")
    assert served.get("/form", "POST", b"name=n", [form_type])[2] == b'{"name": "n", "scheme": "http"}'


urlpatterns = []
