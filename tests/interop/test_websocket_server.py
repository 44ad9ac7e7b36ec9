"""``interlock serve`` and clients of WebSocket that others have written, over HTTP/1.1 and HTTP/2, with TLS and without."""

import base64
import contextlib
import hashlib
import json
import re
import resource
import signal
import socket
import ssl
import subprocess
import time
import zlib

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.interop.served import memory, serving
from tests.interop.test_browser import CHROMIUM
from tests.server.http2_client import Http2Socket
from tests.server.serving import PATIENCE
from tests.ws import raw
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidStatus,
    InvalidUpgrade,
)
from websockets.sync.client import connect
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, RejectData, Request, TextMessage
from wsproto.extensions import PerMessageDeflate


@pytest.fixture(scope="module")
def certificate():
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.authority = authority
    return issued


@pytest.fixture(params=["ws", "wss"])
def scheme(request):
    return request.param


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request):
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return request.param


@pytest.fixture
def serve(tmp_path, certificate):
    def serve(*arguments, scheme="ws", application="websocket_apps:app", **options):
        if scheme == "wss":
            certificate.private_key_and_cert_chain_pem.write_to_path(f"{tmp_path}/cert.pem")
            arguments = ("--tls-cert", "cert.pem", *arguments)
        return serving(tmp_path, application, *arguments, **options)

    return serve


@pytest.fixture
def trusting(certificate):
    context = ssl.create_default_context()
    certificate.authority.configure_trust(context)
    return context


@pytest.fixture
def dial(trusting):
    """Connect with the websockets library."""

    def dial(server, path="/echo", scheme="ws", **options):
        if scheme == "wss":
            options["ssl"] = trusting
        host, port = server.address
        return connect(f"{scheme}://{host}:{port}{path}", proxy=None, open_timeout=PATIENCE, **options)

    return dial


# -- websockets


def test_websockets(serve, dial, scheme, loop):
    with serve("--loop", loop, scheme=scheme) as server:
        with dial(server, scheme=scheme, subprotocols=["chat", "superchat"]) as client:
            assert client.subprotocol == "superchat"
            assert client.response.headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate")
            client.send("héllo")
            assert client.recv() == "héllo"
            for size in (0, 1, 125, 126, 65535, 65536, 1_000_000):
                client.send(bytes(size))
                assert client.recv() == bytes(size)
            client.send(["in ", "frag", "ments"])
            assert client.recv() == "in fragments"
            assert client.ping().wait(PATIENCE)
            client.close(4000, "bye")
        assert (client.protocol.close_rcvd.code, client.protocol.close_rcvd_then_sent) == (4000, False)
        server.reported("closed 4000 bye")


def test_many_messages(serve, dial, loop):
    with serve("--loop", loop) as server, dial(server) as client:
        for number in range(2000):
            client.send(f"{number} " * (number % 50))
        for number in range(2000):
            assert client.recv() == f"{number} " * (number % 50)


def test_a_websocket_that_is_denied(serve, dial):
    with serve() as server:
        with pytest.raises(InvalidStatus) as caught, dial(server, "/denied"):
            pass
        response = caught.value.response
        assert (response.status_code, response.headers["X-Why"]) == (401, "because")
        assert response.body == b"not you"


def test_the_server_closes(serve, dial):
    with serve() as server, dial(server, "/closes") as client:
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "enough")


def test_without_compression(serve, dial):
    with serve("--websocket", "plain") as server, dial(server) as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        client.send("x" * 1000)
        assert client.recv() == "x" * 1000


def test_how_messages_are_compressed(serve, dial):
    asked = ("--deflate-server-no-context-takeover", "--deflate-server-max-window-bits", "9")
    with serve(*asked, "--deflate-level", "0") as server, dial(server) as client:
        assert client.response.headers["Sec-WebSocket-Extensions"] == (
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=12"
        )
        client.send("x" * 1000)
        assert client.recv() == "x" * 1000


def test_without_websocket(serve, dial):
    with serve("--websocket", "off") as server:
        with pytest.raises((InvalidStatus, InvalidUpgrade)) as caught, dial(server):
            pass
        assert caught.value.response.status_code == 200
        with Http2Socket(server.address) as client:
            client.get()
            assert not client.h2.remote_settings.enable_connect_protocol
            stream = client.request(
                "/", (":protocol", "websocket"), ("sec-websocket-version", "13"), method="CONNECT", end=False
            )
            assert client.answer(stream).reset is not None


def test_messages_that_are_too_big(serve, dial):
    with serve("--limit-message", "1000") as server, dial(server) as client:
        client.send(bytes(1000))
        assert client.recv() == bytes(1000)
        client.send(bytes(1001))
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv()
        assert caught.value.rcvd.code == 1009
        server.until(lambda: any(line.startswith("closed 1009 ") for line in server.news), "1009")


def test_who_is_refused_in_the_midst_of_a_message_is_told_so(serve, dial, scheme, loop):
    """And gets to read it, though it is still sending."""
    with serve("--limit-message", "1000", "--loop", loop, scheme=scheme) as server:
        for size in (100_000, 1_000_000, 20_000_000):
            with dial(server, scheme=scheme, compression=None) as client:
                with contextlib.suppress(ConnectionClosed):
                    client.send(bytes(size))
                with pytest.raises(ConnectionClosedError) as caught:
                    client.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1009


def test_pings_keep_it_alive(serve, dial):
    options = ("--timeout-ping-interval", "0.05", "--timeout-pong", "5")
    with serve(*options) as server, dial(server, "/wait", ping_interval=None) as client:
        seen = []
        for _ in range(5):
            with contextlib.suppress(TimeoutError):
                seen.append(client.recv(timeout=0.1))
        assert seen == []
        client.ping().wait(PATIENCE)


def test_the_access_log(serve, dial):
    with serve("--access-log", "-") as server:
        with dial(server, "/echo?q=1") as client:
            client.send("x")
            client.recv()
        server.until(lambda: any('"GET /echo?q=1 HTTP/1.1" 101 ' in line for line in server.out), "a line")
        line = next(line for line in server.out if " 101 " in line)
        assert re.search(r" 101 7( |$)", line), line  # a message of one octet, and a Close of two


# -- wsproto


def wsproto_connection(address, trusting=None):
    sock = socket.create_connection(address, PATIENCE)
    if trusting is not None:
        sock = trusting.wrap_socket(sock, server_hostname=address[0])
    return sock


def test_wsproto(serve, scheme, trusting):
    with serve(scheme=scheme) as server:
        client = WSConnection(ConnectionType.CLIENT)
        with wsproto_connection(server.address, trusting if scheme == "wss" else None) as sock:

            def turn(event):
                sock.sendall(client.send(event))
                return next_event()

            def next_event():
                while True:
                    for found in client.events():
                        return found
                    client.receive_data(sock.recv(65536) or None)

            request = Request(host="127.0.0.1", target="/echo", subprotocols=["a"], extensions=[PerMessageDeflate()])
            accepted = turn(request)
            assert isinstance(accepted, AcceptConnection)
            assert accepted.subprotocol == "a"
            assert [type(extension) for extension in accepted.extensions] == [PerMessageDeflate]
            text = "wsproto " * 1000
            echoed = turn(TextMessage(text))
            data = echoed.data
            while not echoed.message_finished:
                echoed = next_event()
                data += echoed.data
            assert data == text
            closed = turn(CloseConnection(1001, "away"))
            assert isinstance(closed, CloseConnection)
            assert closed.code == 1001
            if scheme == "ws":
                assert sock.recv(1) == b""  # the server ends it
        server.reported("closed 1001 away")


def test_wsproto_is_denied(serve):
    with serve() as server:
        client = WSConnection(ConnectionType.CLIENT)
        with wsproto_connection(server.address) as sock:
            sock.sendall(client.send(Request(host="127.0.0.1", target="/denied")))
            events = []
            while not (events and isinstance(events[-1], RejectData) and events[-1].body_finished):
                client.receive_data(sock.recv(65536))
                events += client.events()
        assert isinstance(events[0], RejectConnection)
        assert events[0].status_code == 401
        assert b"".join(bytes(event.data) for event in events[1:]) == b"not you"


# -- HTTP/2


class WithoutGoaways:
    """A socket to a server that may leave: the h2 library takes nothing more once it has got a GOAWAY."""

    def __init__(self, sock):
        self.sock = sock
        self.sendall, self.close = sock.sendall, sock.close
        self._octets = b""

    def recv(self, size):
        frames = b""
        while not frames:
            received = self.sock.recv(size)
            if not received:
                return b""
            self._octets += received
            while len(self._octets) >= (end := 9 + int.from_bytes(self._octets[:3], "big")):
                if self._octets[3] != 7:
                    frames += self._octets[:end]
                self._octets = self._octets[end:]
        return frames


class Tunnel:
    """A WebSocket on a stream of the h2 library."""

    def __init__(self, client, path="/echo", *fields):
        self.client = client
        client.until(lambda: client.h2.remote_settings.enable_connect_protocol)
        self.stream = client.request(
            path, (":protocol", "websocket"), ("sec-websocket-version", "13"), *fields, method="CONNECT", end=False
        )
        self.answer = client.answers[self.stream]
        client.until(lambda: self.answer.status)

    def send(self, *frames):
        self.client.send(self.stream, raw.octets_of(frames, True), end=False)

    def until(self, octets):
        """Wait for so many octets, and give the frames that they are."""
        self.client.until(lambda: len(self.answer.content) >= octets)
        return raw.read(bytes(self.answer.content), False)


@pytest.fixture
def http2(trusting):
    @contextlib.contextmanager
    def http2(server, scheme="ws"):
        sock = socket.create_connection(server.address, PATIENCE)
        if scheme == "wss":
            trusting.set_alpn_protocols(["h2"])
            sock = trusting.wrap_socket(sock, server_hostname="127.0.0.1")
        with Http2Socket(server.address, sock=WithoutGoaways(sock)) as client:
            yield client

    return http2


def test_h2(serve, http2, scheme, loop):
    with serve("--loop", loop, scheme=scheme) as server, http2(server, scheme) as client:
        tunnels = [Tunnel(client, "/version", ("sec-websocket-protocol", "a, b")) for _ in range(5)]
        for tunnel in tunnels:
            assert tunnel.answer.status == 200
            assert tunnel.answer.fields["sec-websocket-protocol"] == "b"
            assert tunnel.until(3) == [raw.text("2")]
        big = bytes(range(256)) * 4000
        for tunnel in tunnels:
            tunnel.send(raw.text("hello"), raw.binary(big))
            assert tunnel.until(3 + 7 + 10 + len(big))[1:] == [raw.text("hello"), raw.binary(big)]
        assert client.get("/").content == b"hello"
        for tunnel in tunnels:
            tunnel.send(raw.close(4000, "bye"))
            client.until(lambda tunnel=tunnel: tunnel.answer.ended)
            assert raw.read(bytes(tunnel.answer.content), False)[-1] == raw.close(4000)
        server.until(lambda: server.news.count("closed 4000 bye\n") == 5, "five ends")
        assert client.get("/").content == b"hello"


def test_h2_is_denied(serve, http2):
    with serve() as server, http2(server) as client:
        tunnel = Tunnel(client, "/denied")
        answer = client.answer(tunnel.stream)
        assert (answer.status, answer.content, answer.fields["x-why"]) == (401, b"not you", "because")


def test_h2_compression(serve, http2):
    with serve() as server, http2(server) as client:
        tunnel = Tunnel(client, "/echo", ("sec-websocket-extensions", "permessage-deflate"))
        assert tunnel.answer.fields["sec-websocket-extensions"].startswith("permessage-deflate")
        tunnel.send(raw.text("x" * 10000))
        client.until(lambda: len(tunnel.answer.content) > 10)
        assert len(tunnel.answer.content) < 200


def test_h2_reset(serve, http2):
    with serve() as server, http2(server) as client:
        tunnel = Tunnel(client, "/streams")
        client.until(lambda: len(tunnel.answer.content) > 10000)
        client.reset(tunnel.stream)
        server.reported("send has raised")
        assert client.get("/").content == b"hello"


# -- Chromium


@pytest.mark.parametrize(
    ("scheme", "versions", "expected"), [("ws", "1,2", "1.1"), ("wss", "1", "1.1"), ("wss", "1,2", "2")]
)
def test_chromium(serve, certificate, tmp_path, scheme, versions, expected):
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    leaf = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes())
    key = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = base64.b64encode(hashlib.sha256(key).digest()).decode()
    with serve("--http", versions, scheme=scheme) as server:
        run = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--no-proxy-server",
                f"--user-data-dir={tmp_path}/profile",
                f"--ignore-certificate-errors-spki-list={trusted}",
                "--dump-dom",
                "{}://{}:{}/page".format({"ws": "http", "wss": "https"}[scheme], *server.address),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=90,
        )
        found = re.search("<title>(.*)</title>", run.stdout)
        assert found, run.stderr
        echo = f"chat,deflate,{expected},héllo,300000,4321,true"
        protocol = "h2" if expected == "2" else "http/1.1"
        assert found[1] == f"{echo} 1006,false 4000,enough {protocol}"
        assert server.news.count("closed 4321 done\n") == 3


# -- Starlette


def test_starlette(serve, dial):
    with serve(application="websocket_apps:starlette") as server:
        with dial(server, "/endpoint") as client:
            assert client.response.headers["X-From"] == "starlette"
            client.send(json.dumps([1, "ü"]))
            assert json.loads(client.recv()) == {"you sent": [1, "ü"]}
        server.reported("closed 1000")
        with dial(server, "/shouts") as client:
            client.send("hey")
            assert client.recv() == "HEY"
            client.send("stop")
            assert client.recv() == "STOP"
            with pytest.raises(ConnectionClosedError, match="4100"):
                client.recv()
        with pytest.raises(InvalidStatus) as caught, dial(server, "/deny"):
            pass
        response = caught.value.response
        assert (response.status_code, json.loads(response.body)) == (402, {"why": "no"})
        with pytest.raises(InvalidStatus) as caught, dial(server, "/rejects"):
            pass
        assert caught.value.response.status_code == 403
        with pytest.raises(InvalidStatus) as caught, dial(server, "/nowhere"):
            pass
        assert caught.value.response.status_code in {403, 404}


# -- the server stops


def test_a_server_that_stops_says_so_on_every_websocket(serve, dial, http2, loop):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve("--loop", loop))
        clients = [stack.enter_context(dial(server, "/wait")) for _ in range(10)]
        multiplexed = stack.enter_context(http2(server))
        tunnels = [Tunnel(multiplexed, "/wait") for _ in range(10)]
        silent = stack.enter_context(socket.create_connection(server.address, PATIENCE))
        silent.sendall(HANDSHAKE)
        server.until(lambda: server.news.count("open\n") == 21, "all are open")
        before = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            with pytest.raises(ConnectionClosedOK) as caught:
                client.recv(PATIENCE)
            assert caught.value.rcvd.code == 1001
        for tunnel in tunnels:
            tunnel.until(4)
            assert raw.read(bytes(tunnel.answer.content), False) == [raw.close(1001, "the server is being stopped")]
            tunnel.send(raw.close(1001))
            multiplexed.until(lambda tunnel=tunnel: tunnel.answer.ended)
        assert server.wait() == 0
        assert time.monotonic() - before < 15  # of the 30 that it may take: one of them does not answer
        assert sorted(set(server.news)) == [
            "closed 1001 \n",
            "closed 1001 the server is being stopped\n",
            "closed 1006 \n",
            "open\n",
            f"worker {server.process.pid}\n",
        ]


# -- how much it takes

HANDSHAKE = (
    b"GET /wait HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def upgraded(server, path=b"/wait", *lines):
    """A socket whose handshake was accepted."""
    sock = socket.create_connection(server.address, PATIENCE)
    request = HANDSHAKE.replace(b"/wait", path, 1)
    sock.sendall(request[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return sock


def closing(sock):
    """The code of the Close that comes, when everything has."""
    octets = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            octets += piece
    *_, frame = raw.read(octets, False)
    assert frame.opcode == raw.CLOSE
    return int.from_bytes(frame.payload[:2], "big")


def test_a_thousand_connections_leave_nothing(serve, loop):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    try:
        with serve("--loop", loop) as server:

            def objects():
                host, port = server.address
                return httpx.get(f"http://{host}:{port}/objects", trust_env=False).json()

            objects()
            before = objects()
            socks = [upgraded(server) for _ in range(1000)]
            assert objects()["WebSocketSession"] == 1000
            for number, sock in enumerate(socks):
                match number % 4:
                    case 0:
                        sock.sendall(raw.close(1000).octets(True))
                        assert closing(sock) == 1000
                    case 1:
                        sock.shutdown(socket.SHUT_WR)
                    case 2:
                        sock.sendall(raw.Frame(5).octets(True))
                        assert closing(sock) == 1002
                sock.close()
            server.until(lambda: sum(line.startswith("closed ") for line in server.news) == 1000, "a thousand ends")
            server.until(lambda: objects() == before, "all is gone")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_deflate_bomb(serve):
    """194 KB that would be 200 MB."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflater.compress(bytes(1_000_000)) for _ in range(200)) + deflater.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert len(bomb) < 200_000
    with serve() as server:
        (pid,) = [server.process.pid]
        before = memory(pid)
        for _ in range(5):
            with upgraded(server, b"/echo", b"Sec-WebSocket-Extensions: permessage-deflate") as sock:
                sock.sendall(raw.binary(bomb, rsv=4).octets(True))
                assert closing(sock) == 1009
        assert memory(pid) - before < 100_000_000


def test_a_million_frames(serve):
    """Of one octet each, as messages and as fragments; and as many pings."""
    with serve("--limit-fragments", "2000000") as server:
        before = memory(server.process.pid)
        spent = processor_time(server.process.pid)
        with upgraded(server, b"/sink") as sock:
            frame = raw.binary(b"x").octets(True)
            for _ in range(100):
                sock.sendall(frame * 10_000)
            sock.sendall(raw.close(1000).octets(True))
            assert closing(sock) == 1000
        with upgraded(server, b"/sink") as sock:
            sock.sendall(raw.binary(b"x", fin=False).octets(True))
            frame = raw.more(b"x").octets(True)
            for _ in range(100):
                sock.sendall(frame * 10_000)
            sock.sendall(raw.last(b"x").octets(True) + raw.close(1000).octets(True))
            assert closing(sock) == 1000
        assert memory(server.process.pid) - before < 50_000_000
        assert processor_time(server.process.pid) - spent < 120  # it is a matter of seconds; on no machine of minutes


def processor_time(pid):
    """Seconds of the processor that a process has taken."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("frame", [raw.ping(b"x"), raw.pong(b"x")])
def test_a_flood_of_control_frames(serve, frame):
    with serve() as server, upgraded(server, b"/sink") as sock:
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                sock.sendall(frame.octets(True) * 100)
        assert closing(sock) == 1008


def test_who_never_reads_is_cut_off(serve):
    with serve("--timeout-write", "0.5") as server, upgraded(server, b"/streams"):
        server.reported("send has raised")
