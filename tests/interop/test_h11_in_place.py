"""Code written for h11 runs with ``interlock.h1`` in its place: httpcore, uvicorn, and what h11's documentation says.

Whatever is asked of interlock here is asked of h11 too, so that the tests say what h11 really does.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

import h11
import httpcore
import httpx
import pytest
import uvicorn
import uvicorn.protocols.http.h11_impl
from tests.interop.conversations import CONVERSATIONS, GET, HOST, LENGTH_5
from tests.interop.served import serving
from tests.server.serving import PATIENCE

import interlock
from interlock import h1

ENGINES = [pytest.param(h11, id="h11"), pytest.param(h1, id="interlock")]


# What h11 documents


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("title", CONVERSATIONS)
def test_what_h11_documents(engine, title):
    role, steps = CONVERSATIONS[title]
    connection = engine.Connection(getattr(engine, role))
    assert connection.our_role is getattr(engine, role)
    for number, step in enumerate(steps, 1):
        try:
            step(engine, connection)
        except BaseException as error:
            error.add_note(f"in step {number} of {title!r}")
            raise


def test_every_public_name_is_there():
    assert [name for name in (*h11.__all__, "PRODUCT_ID") if not hasattr(h1, name)] == []
    assert type(h1.PRODUCT_ID) is type(h11.PRODUCT_ID)


@pytest.mark.parametrize("engine", ENGINES)
def test_constants_are_their_own_type(engine):
    names = """CLIENT SERVER IDLE SEND_RESPONSE SEND_BODY DONE MUST_CLOSE CLOSED ERROR MIGHT_SWITCH_PROTOCOL
               SWITCHED_PROTOCOL NEED_DATA PAUSED"""
    constants = [getattr(engine, name) for name in names.split()]
    for name, constant in zip(names.split(), constants, strict=True):
        assert type(constant) is constant
        assert isinstance(constant, constant)
        assert repr(constant) == name
    assert len(set(constants)) == len(constants)


@pytest.mark.parametrize("engine", ENGINES)
def test_events_are_normalized(engine):
    request = engine.Request(method="GET", target=bytearray(b"/"), headers=[("HoST", bytearray(b"a.example"))])
    assert (request.method, request.target, request.http_version) == (b"GET", b"/", b"1.1")
    assert list(request.headers) == [(b"host", b"a.example")]
    assert request.headers[0] == (b"host", b"a.example")
    assert len(request.headers) == 1
    assert request.headers == [(b"host", b"a.example")]
    assert request.headers.raw_items() == [(b"HoST", b"a.example")]
    assert repr(request).startswith("Request(method=b'GET', headers=")
    assert request == engine.Request(method=b"GET", target=b"/", headers=[(b"host", b"a.example")])
    assert request != engine.Request(method=b"GET", target=b"/other", headers=[(b"host", b"a.example")])
    assert engine.Data(data=b"a") == engine.Data(data=b"a") != engine.Data(data=b"b")
    assert engine.ConnectionClosed() == engine.ConnectionClosed()
    assert isinstance(request, engine.Event)
    with pytest.raises(TypeError):
        hash(request)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Request", {"method": "GET", "target": "/", "headers": []}),
        ("Request", {"method": "GE T", "target": "/", "headers": HOST}),
        ("Request", {"method": "GET", "target": "/ /", "headers": HOST}),
        ("Request", {"method": "GET", "target": "/", "headers": [*HOST, ("Content-Length", "x")]}),
        ("Request", {"method": "GET", "target": "/", "headers": [*HOST, *LENGTH_5, ("Content-Length", "6")]}),
        ("Request", {"method": "GET", "target": "/", "headers": [*HOST, *HOST]}),
        ("Request", {"method": "GET", "target": "/", "headers": [*HOST, ("a b", "c")]}),
        ("Request", {"method": "GET", "target": "/", "headers": [*HOST, ("a ", "c")]}),
        ("Request", {"method": "GET", "target": "/", "headers": [*HOST, ("a", "b\r\nc: d")]}),
        ("Request", {"method": "GET", "target": "/", "headers": [*HOST, ("Transfer-Encoding", "gzip")]}),
        ("Response", {"status_code": 100, "headers": []}),
        ("Response", {"status_code": 1000, "headers": []}),
        ("InformationalResponse", {"status_code": 200, "headers": []}),
    ],
)
def test_malformed_events_cannot_be_made(engine, name, fields):
    with pytest.raises(engine.LocalProtocolError) as raised:
        getattr(engine, name)(**fields)
    assert raised.value.error_status_hint >= 400


@pytest.mark.parametrize("engine", ENGINES)
def test_http_1_0_needs_no_host_and_is_not_sent(engine):
    request = engine.Request(method="GET", target="/", headers=[], http_version="1.0")
    with pytest.raises(engine.LocalProtocolError):
        engine.Connection(engine.CLIENT).send(request)


@pytest.mark.parametrize("engine", ENGINES)
def test_content_is_passed_through_as_it_is(engine):
    """So that an object that only stands for a file can be sent: h11's documentation of sendfile."""

    class Placeholder:
        def __len__(self):
            return 10

    def answered(*fields):
        connection = engine.Connection(engine.SERVER)
        connection.receive_data(GET)
        connection.next_event()
        connection.next_event()
        connection.send(engine.Response(status_code=200, headers=fields))
        return connection

    placeholder = Placeholder()
    sent = answered(("Content-Length", "10")).send_with_data_passthrough(engine.Data(data=placeholder))
    assert [part for part in sent if part is placeholder] == [part for part in sent if part] == [placeholder]
    sent = answered().send_with_data_passthrough(engine.Data(data=placeholder))
    assert [part if isinstance(part, bytes) else None for part in sent] == [b"a\r\n", None, b"\r\n"]
    assert b"".join(answered().send_with_data_passthrough(engine.EndOfMessage())) == b"0\r\n\r\n"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_head_that_is_too_large(engine):
    connection = engine.Connection(engine.SERVER, max_incomplete_event_size=1000)
    connection.receive_data(b"GET / HTTP/1.0\r\nBig: " + b"a" * 2000)
    with pytest.raises(engine.RemoteProtocolError) as raised:
        connection.next_event()
    assert raised.value.error_status_hint == 431


@pytest.mark.parametrize("engine", ENGINES)
def test_receiving_after_the_close(engine):
    connection = engine.Connection(engine.SERVER)
    connection.receive_data(b"")
    connection.receive_data(b"")
    with pytest.raises(RuntimeError):
        connection.receive_data(b"GET")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_role_that_is_none(engine):
    with pytest.raises(ValueError):
        engine.Connection("SERVER")
    with pytest.raises(TypeError):
        engine.ProtocolError("of neither kind")


# httpcore and uvicorn

CONTENT = bytes(range(256)) * 2000


async def echo(scope, receive, send):
    """What an ASGI application is asked, and how: one way to answer for each path."""
    content, more = b"", True
    while more and scope["path"] != "/ignore":
        message = await receive()
        content += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"x-method", scope["method"].encode()), (b"x-version", scope["http_version"].encode())]
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for i in range(0, len(CONTENT), 50_000):
            await send({"type": "http.response.body", "body": CONTENT[i : i + 50_000], "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body"})
    elif scope["path"] == "/empty":
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})
    else:
        headers.append((b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class UvicornServer(uvicorn.Server):
    """uvicorn, which says when it has started."""

    def __init__(self, config):
        super().__init__(config)
        self.running = threading.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.running.set()


@contextlib.contextmanager
def uvicorn_running(engine):
    """The server uvicorn with its h11 protocol, which finds ``engine`` where it looks for h11."""
    protocol = uvicorn.protocols.http.h11_impl
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(echo, http="h11", loop="asyncio", lifespan="off", log_level="critical", ws="none")
    server = UvicornServer(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "h11", engine)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert server.running.wait(PATIENCE)
            yield "http://{}:{}".format(*listener.getsockname())
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            listener.close()


SUBSTITUTED = """
import sys, threading, types
from interlock import h1

sys.modules["h11"] = h1
# uvicorn takes a default from a module that h11 does not document
sys.modules["h11._connection"] = types.SimpleNamespace(DEFAULT_MAX_INCOMPLETE_EVENT_SIZE=16384)
import httpx, uvicorn

async def app(scope, receive, send):
    content = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": content + b" back"})

running = threading.Event()

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        running.set()

server = Server(uvicorn.Config(app, port=0, http="h11", ws="none", lifespan="off", log_level="critical"))
thread = threading.Thread(target=server.run)
thread.start()
running.wait()
port = server.servers[0].sockets[0].getsockname()[1]
with httpx.Client(trust_env=False) as client:
    for content in (b"there", b"again"):
        print(client.post(f"http://127.0.0.1:{port}/", content=content).text)
    print(type(client._transport._pool.connections[0]._connection._h11_state).__module__)
server.should_exit = True
thread.join()
print(*(name for name in sys.modules if name.startswith("h11.")))
"""


def test_the_whole_import_is_substituted():
    run = subprocess.run(
        [sys.executable, "-c", SUBSTITUTED],
        env=os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(interlock.__file__))},
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert run.stderr == ""
    assert run.stdout.split("\n") == ["there back", "again back", "interlock.h1.connection", "h11._connection", ""]


@pytest.fixture(scope="module", params=ENGINES)
def served_by_uvicorn(request):
    with uvicorn_running(request.param) as base:
        yield base


@pytest.fixture(params=ENGINES)
def client_engine(request, monkeypatch):
    """The connections of httpcore find this engine where they look for h11."""
    monkeypatch.setattr(httpcore._sync.http11, "h11", request.param)
    monkeypatch.setattr(httpcore._async.http11, "h11", request.param)
    return request.param


def exchanges(client):
    """Everything that an httpx client asks of ``echo``, over one connection."""
    client_ports = set()

    def check(response, content=b""):
        assert response.status_code == 200
        assert response.content == content
        assert response.headers["x-version"] == "1.1"
        with contextlib.suppress(OSError):  # it is closed already
            client_ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))

    check(client.get("/"))
    check(client.post("/", content=CONTENT), CONTENT)
    check(client.post("/", content=iter([CONTENT, b"more"])), CONTENT + b"more")
    check(client.get("/stream"), CONTENT)
    check(client.head("/stream"))
    assert client.get("/empty").status_code == 204
    check(client.put("/", content=b"x", headers={"Expect": "100-continue"}), b"x")
    raw = client.get("/").extensions
    assert raw["http_version"] == b"HTTP/1.1"
    assert raw["reason_phrase"] == b"OK"
    assert len(client_ports) == 1
    check(client.get("/", headers={"Connection": "close"}))
    check(client.get("/"))
    assert len(client_ports) >= 2


def test_httpcore_and_uvicorn(served_by_uvicorn, client_engine):
    with httpx.Client(base_url=served_by_uvicorn, timeout=PATIENCE, trust_env=False) as client:
        exchanges(client)
        [connection] = client._transport._pool.connections
        assert type(connection._connection._h11_state) is client_engine.Connection


def test_asynchronous_httpcore_and_uvicorn(served_by_uvicorn, client_engine):
    async def several():
        async with httpx.AsyncClient(base_url=served_by_uvicorn, timeout=PATIENCE, trust_env=False) as client:
            answers = await asyncio.gather(*(client.post("/", content=b"%d" % i) for i in range(20)))
            assert [answer.content for answer in answers] == [b"%d" % i for i in range(20)]
            async with client.stream("GET", "/stream") as response:
                async for _ in response.aiter_bytes():
                    break  # and leave it in the middle
            assert (await client.get("/stream")).content == CONTENT

    asyncio.run(several())


def test_httpcore_says_what_a_server_did_wrong(client_engine):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(octets):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(octets)

        for octets in (b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", b""):
            thread = threading.Thread(target=answer, args=(octets,))
            thread.start()
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get("http://{}:{}/".format(*listener.getsockname()), timeout=PATIENCE, trust_env=False)
            thread.join()
        with pytest.raises(httpx.LocalProtocolError):
            httpx.get("http://{}:{}/".format(*listener.getsockname()), headers={"a": "b\nc"}, trust_env=False)


def test_httpcore_upgrades(client_engine):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst")
                connection.sendall(connection.recv(100))

        thread = threading.Thread(target=answer)
        thread.start()
        url = "http://{}:{}/".format(*listener.getsockname())
        headers = {"Connection": "upgrade", "Upgrade": "echo"}
        with httpcore.ConnectionPool() as pool, pool.stream("GET", url, headers=headers) as response:
            assert response.status == 101
            stream = response.extensions["network_stream"]
            assert stream.read(5, timeout=PATIENCE) == b"first"
            stream.write(b"second", timeout=PATIENCE)
            assert stream.read(6, timeout=PATIENCE) == b"second"
        thread.join()


def raw(base, octets):
    """What comes for some octets until the server closes."""
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as client:
        client.sendall(octets)
        received = b""
        while more := client.recv(65536):
            received += more
        return received


def test_what_uvicorn_answers_to_others(served_by_uvicorn):
    close = b"GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    pipelined = raw(served_by_uvicorn, b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" + close)
    assert pipelined.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"\r\n\r\nhiHTTP/1.1 200 OK\r\n" in pipelined
    assert b"\r\nconnection: close" in pipelined.lower()
    old = raw(served_by_uvicorn, b"GET /stream HTTP/1.0\r\n\r\n")
    assert old.endswith(b"\r\n\r\n" + CONTENT)
    assert b"transfer-encoding" not in old.partition(b"\r\n\r\n")[0].lower()
    expecting = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    assert raw(served_by_uvicorn, expecting + b"hi").endswith(b"\r\n\r\nhi")
    ignored = raw(served_by_uvicorn, b"POST /ignore" + expecting[7:])
    assert ignored.startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw(served_by_uvicorn, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_httpcore_and_interlock(tmp_path, client_engine):
    with serving(tmp_path, "starlette") as server:
        base = "http://{}:{}".format(*server.address)
        with httpx.Client(base_url=base, timeout=PATIENCE, trust_env=False) as client:
            assert client.get("/hello").text == "hello"
            assert client.post("/form", data={"a": "b"}).json() == {"a": ["b"]}
            assert client.get("/stream").text.count("\n") == 100
            assert json.loads(client.post("/upload", content=iter([b"abc"] * 100)).content)[0] == 300
            assert client.get("/nothing").status_code == 204
