"""The scripts in examples/ do what they say, as processes, between real clients and servers."""

import contextlib
import http.client
import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import interlock

EXAMPLES = Path(__file__).parent.parent / "examples"
#: How long anything may take, in seconds, before a test fails.
PATIENCE = 30


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, in chunks where the path says so."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b"Hello, " + content + b" via " + self.headers["Via"].encode())

    def do_GET(self) -> None:
        self.answer(", ".join(self.headers).encode() if self.path == "/fields" else b"Hello from " + self.path.encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, content: bytes) -> None:
        if self.path == "/lies":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")
            return
        if self.path == "/hints":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        self.send_response(200)
        if self.path == "/chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"".join(b"1\r\n%c\r\n" % octet for octet in content) + b"0\r\nCheck: sum\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """A server of the standard library; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield "{}:{}".format(*server.server_address)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[str, int]]:
    """The address at which examples/proxy.py listens."""
    source = str(Path(interlock.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))}
    with upstream() as address:
        process = subprocess.Popen(
            [sys.executable, EXAMPLES / "proxy.py", "127.0.0.1:0", address],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        with process:
            host, _, port = process.stdout.readline().removeprefix("listening at ").strip().rpartition(":")
            yield host, int(port)
            process.terminate()


def ask(address: tuple[str, int], method: str, path: str, content: bytes | None = None) -> tuple[int, bytes, str]:
    """Ask through the proxy: the status, the content and Via."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, path, content)
        response = connection.getresponse()
        return response.status, response.read(), response.getheader("Via", "")


@pytest.mark.parametrize("path", ["/", "/chunks", "/hints"])
def test_a_response_is_edited(proxy: tuple[str, int], path: str) -> None:
    assert ask(proxy, "GET", path) == (200, b"Good evening from " + path.encode(), "1.1 interlock")


def test_a_request_is_edited_and_goes_through_with_its_content(proxy: tuple[str, int]) -> None:
    assert ask(proxy, "POST", "/", b"x" * 100_000)[1] == b"Good evening, " + b"x" * 100_000 + b" via 1.1 interlock"


def test_a_response_without_content(proxy: tuple[str, int]) -> None:
    assert ask(proxy, "HEAD", "/") == (200, b"", "1.1 interlock")


def test_a_response_that_lies_is_not_forwarded(proxy: tuple[str, int]) -> None:
    assert ask(proxy, "GET", "/lies") == (502, b"", "")


def test_what_is_for_one_connection_goes_no_further(proxy: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*proxy, timeout=PATIENCE)
    with contextlib.closing(connection):
        fields = {
            "Connection": "x-hop, host , keep-alive",
            "X-Hop": "1",
            "Keep-Alive": "a",
            "TE": "trailers",
            "X-End": "2",
        }
        connection.request("GET", "/fields", headers=fields)
        assert connection.getresponse().read() == b"Host, Accept-Encoding, Connection, X-End, Via"


def test_a_client_that_waits_to_be_asked_is_asked(proxy: tuple[str, int]) -> None:
    with socket.create_connection(proxy, PATIENCE) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hi")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_could_be_two_is_refused(proxy: tuple[str, int]) -> None:
    with socket.create_connection(proxy, PATIENCE) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
