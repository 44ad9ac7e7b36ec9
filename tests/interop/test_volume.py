"""Much content, slow readers, many connections: what a server holds in memory stays small."""

import contextlib
import hashlib
import http.client
import json
import os
import resource
import socket
import time
from pathlib import Path

import pytest
from tests.interop.served import memory, serving
from tests.server.serving import PATIENCE

MIB = 1024 * 1024
#: Octets of a block of a download, as in interop_apps.py.
BLOCK = 262144
#: What a server may have in memory at most, in octets, whatever is sent through it.
MOST = 100 * MIB
APPLICATIONS = ["django_wsgi", "django_asgi", "starlette"]
LIFESPAN = "does not support the lifespan protocol"
GONE = f"{LIFESPAN}|the client has disconnected"

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells what a process holds")


def head_of(client):
    """Read up to the end of the response's head; gives the head, and what came behind it."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = client.recv(4096)
        assert more, received
        received += more
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


@contextlib.contextmanager
def turns_of(server):
    """Gives what lets the server go on as far as it can: its loop is behind us when it has answered."""
    with contextlib.closing(http.client.HTTPConnection(*server.address, timeout=PATIENCE)) as connection:

        def turn():
            connection.request("GET", "/hello")
            assert connection.getresponse().read() == b"hello"

        yield turn


def connect(server, receive_buffer=None):
    client = socket.socket()
    client.settimeout(PATIENCE)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect(server.address)
    return client


#: Django with WSGI takes no content without Content-Length, whatever server it runs on.
UPLOADS = [
    (name, chunked) for name in APPLICATIONS for chunked in (False, True) if (name, chunked) != ("django_wsgi", True)
]


@pytest.mark.parametrize(("application", "chunked"), UPLOADS)
def test_an_upload_of_100_mb(tmp_path, application, chunked):
    block = bytes(range(256)) * 4096
    with serving(tmp_path, application, complaints=LIFESPAN) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
        headers = {} if chunked else {"Content-Length": str(100 * len(block))}
        connection.request("POST", "/upload", (block for _ in range(100)), headers, encode_chunked=chunked)
        octets, _ = json.loads(connection.getresponse().read())
        assert octets == 100 * MIB
        assert memory(server.process.pid) < MOST
        connection.close()


@pytest.mark.parametrize("application", APPLICATIONS)
def test_a_reader_of_1_gb_that_leaves(tmp_path, application):
    """It takes some, then nothing: the application may not go on.  Then it leaves, and the application is told."""
    with serving(tmp_path, application, complaints=GONE) as server:
        before = memory(server.process.pid)
        with connect(server, receive_buffer=65536) as client:
            client.sendall(b"GET /download?blocks=4096 HTTP/1.1\r\nHost: a\r\n\r\n")
            head, rest = head_of(client)
            assert head.startswith(b"HTTP/1.1 200 ")
            with turns_of(server) as turn:
                for _ in range(10):
                    rest += client.recv(4096)
                    turn()
            assert len(rest) > 10_000
            assert memory(server.process.pid) < MOST
            assert memory(server.process.pid) - before < 40 * MIB
        with connect(server) as client:
            client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            assert head_of(client)[0].startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("application", ["starlette", "django_wsgi"])
def test_a_reader_of_1_gb_that_is_slow(tmp_path, application):
    """It takes little at a time, and goes on only when the server has come to a stop.  It gets all of it."""
    with serving(tmp_path, application, complaints=LIFESPAN) as server:

        def made():
            return int((tmp_path / "made").read_text()) * BLOCK

        with connect(server, receive_buffer=65536) as client, turns_of(server) as turn:
            client.sendall(b"GET /download?blocks=4096 HTTP/1.0\r\n\r\n")
            head, rest = head_of(client)
            assert head.startswith(b"HTTP/1.1 200 ")
            octets, summary, buffer = len(rest), hashlib.sha256(rest), memoryview(bytearray(16384))
            stops = 0
            while received := client.recv_into(buffer):
                octets += received
                summary.update(buffer[:received])
                if octets >= stops * 16 * MIB and made() < 1024 * MIB:
                    before = -1
                    while before != made():
                        before = made()
                        turn()
                    assert before - octets < 16 * MIB  # what the systems hold in their buffers, and we in ours
                    assert memory(server.process.pid, "VmRSS") < MOST
                    stops += 1
        assert stops >= 60
        assert octets == 1024 * MIB
        expected = hashlib.sha256()
        for number in range(4096):
            expected.update(b"%-*d" % (BLOCK, number))
        assert summary.digest() == expected.digest()
        assert memory(server.process.pid) < MOST


@pytest.mark.parametrize("application", ["starlette", "django_wsgi"])
def test_a_reader_of_1_gb_that_is_fast(tmp_path, application):
    with serving(tmp_path, application, complaints=LIFESPAN) as server, connect(server) as client:
        client.sendall(b"GET /download?blocks=4096 HTTP/1.0\r\n\r\n")
        head, rest = head_of(client)
        assert head.startswith(b"HTTP/1.1 200 ")
        octets, buffer = len(rest), memoryview(bytearray(MIB))
        while received := client.recv_into(buffer):
            octets += received
        assert octets == 1024 * MIB
        assert memory(server.process.pid) < MOST


def test_a_file_of_1_gb(tmp_path):
    """By the file wrapper of WSGI, and so by sendfile."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1024 * MIB)
        file.seek(-4, os.SEEK_END)
        file.write(b"end.")
    with serving(tmp_path, "sparse_file") as server, connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head, rest = head_of(client)
        assert b"\r\ncontent-length: 1073741824" in head.lower()
        octets, buffer, last = len(rest), memoryview(bytearray(MIB)), b""
        while octets < 1024 * MIB:
            received = client.recv_into(buffer)
            assert received
            octets += received
            last = (last + bytes(buffer[max(0, received - 4) : received]))[-4:]
        assert last == b"end."
        assert memory(server.process.pid) < MOST


def test_uploads_that_nobody_reads(tmp_path):
    """A body that the application does not want may not pile up in the server."""
    with serving(tmp_path, "starlette", complaints=GONE) as server:
        with connect(server) as client:
            client.sendall(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n")
            client.setblocking(False)
            sent, before = 0, -1
            with turns_of(server) as turn:
                while sent != before:
                    before = sent
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            sent += client.send(b"x" * MIB)
                    turn()
            assert MIB < sent < 50 * MIB
            assert memory(server.process.pid) < MOST
        server.release()


@pytest.mark.parametrize("application", ["starlette", "django_wsgi"])
def test_1000_idle_connections(tmp_path, application):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2500:
        pytest.skip("fewer than 2500 descriptors are allowed")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2500), hard))
    clients = []
    try:
        with serving(tmp_path, application, complaints=LIFESPAN) as server:
            pid = server.process.pid
            few = len(os.listdir(f"/proc/{pid}/fd"))
            before = memory(pid, "VmRSS")
            clients.extend(connect(server) for _ in range(1000))
            for client in clients[:500]:  # half of them have been used, half have not
                client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            for client in clients[:500]:
                assert head_of(client)[0].startswith(b"HTTP/1.1 200 ")
            assert server.get("/hello")[1] == "hello"  # they are accepted in their order: all of them by now
            assert len(os.listdir(f"/proc/{pid}/fd")) >= few + 1000
            assert memory(pid, "VmRSS") - before < 50 * MIB
            started = time.monotonic()
            assert server.get("/hello")[1] == "hello"
            assert time.monotonic() - started < 5  # "at once", on a machine that has other things to do
            for client in clients[500:510]:
                client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
                assert head_of(client)[0].startswith(b"HTTP/1.1 200 ")
            started = time.monotonic()
            server.process.terminate()
            for client in clients:
                while client.recv(1000):  # the content of its response, where that has not been read yet
                    pass
            server.process.wait(PATIENCE)
            assert time.monotonic() - started < 10  # nothing that is idle is waited for
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
