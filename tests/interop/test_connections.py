"""Connections of every kind to a server that is really started, and what becomes of them when it stops."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import httpx
import pytest
import trustme
from tests.interop.served import serving
from tests.server.serving import PATIENCE, alive

APPLICATIONS = ["django_wsgi", "django_asgi", "starlette"]
LIFESPAN = "does not support the lifespan protocol"
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@pytest.fixture(scope="module", params=APPLICATIONS)
def server(request, tmp_path_factory):
    with serving(tmp_path_factory.mktemp(request.param), request.param, complaints=LIFESPAN) as server:
        server.application = request.param
        yield server


@contextlib.contextmanager
def connected(server):
    with socket.create_connection(server.address, PATIENCE) as client:
        yield client


def all_of(client):
    """What comes until the server closes."""
    received = b""
    while more := client.recv(65536):
        received += more
    return received


def until_there(client, octets, received=b""):
    """Read until these octets have come; gives all that has."""
    while octets not in received:
        more = client.recv(65536)
        assert more, received
        received += more
    return received


def responses(received):
    """The status codes and contents of responses that have a Content-Length."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        found.append((int(head.split()[1]), received[:length]))
        received = received[length:]
    return found


# Expect: 100-continue


def test_100_continue_comes_before_the_content_is_sent(server):
    with connected(server) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        received = until_there(client, b"\r\n\r\n")
        assert received == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        received = until_there(client, b"]")
        assert received.startswith(b"HTTP/1.1 200 ")
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert until_there(client, b"hello").startswith(b"HTTP/1.1 200 ")


def test_an_answer_without_100_continue_ends_the_connection(server):
    with connected(server) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        received = until_there(client, b"\r\n\r\n")
        if received.startswith(b"HTTP/1.1 100 "):  # the framework reads content that it has no use for
            client.sendall(b"hello")
            assert until_there(client, b"\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        else:
            assert received.startswith(b"HTTP/1.1 404 ")
            assert b"\r\nconnection: close" in received.lower()
            all_of(client)


def test_an_expectation_that_nobody_knows(server):
    with connected(server) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: miracles\r\n\r\nhello")
        assert all_of(client).startswith(b"HTTP/1.1 417 ")


# HTTP/1.0, and the end of a connection


def test_http_1_0(server):
    with connected(server) as client:
        client.sendall(b"GET /stream HTTP/1.0\r\n\r\n")
        head, _, content = all_of(client).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding" not in head.lower()
        assert content == b"".join(b"%d\n" % i for i in range(100))


def test_a_client_that_closes_its_side_gets_its_answer(server):
    with connected(server) as client:
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answers = responses(all_of(client))
    if server.application == "django_asgi":  # it gives up a request when it is told that the client's side is closed
        assert [status for status, _ in answers] in ([200], [500])
    else:
        assert answers == [(200, b"hello")]


def test_connection_close(server):
    with connected(server) as client:
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = all_of(client)
        assert b"\r\nconnection: close" in received.lower()
        assert responses(received) == [(200, b"hello")]


def test_what_is_malformed_is_refused(server):
    with connected(server) as client:
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert all_of(client).startswith(b"HTTP/1.1 400 ")


# Pipelining


def test_pipelined_requests(server):
    post = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n%d:%d"
    requests = [b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n", *(post % (i, 10 + i) for i in range(10, 20))]
    requests.append(b"HEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    with connected(server) as client:
        client.sendall(b"".join(requests))
        received = all_of(client)
        head = received.rindex(b"HTTP/1.1 200")
        assert received[head:].endswith(b"\r\n\r\n")
        found = responses(received[:head])
        assert [status for status, _ in found] == [200] * 11
        assert found[0][1] == b"hello"
        assert len({content for _, content in found[1:]}) == 10


def test_many_pipelined_requests_octet_by_octet_and_in_bulk(server):
    request = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
    with connected(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in request:
            client.send(bytes([octet]))
        threading.Thread(
            target=client.sendall, args=(request * 300 + request.replace(b"a\r", b"a\r\nConnection: close\r"),)
        ).start()
        assert responses(all_of(client)) == [(200, b"hello")] * 302


# TLS and unix sockets


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificate")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(directory / "key.pem")
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(directory / "chain.pem", append=number > 0)
    authority.cert_pem.write_to_path(directory / "authority.pem")
    return directory


@pytest.mark.parametrize("application", APPLICATIONS)
def test_tls(tmp_path, certificate, application):
    (tmp_path / "file").write_bytes(b"file" * 100_000)
    arguments = ["--tls-cert", certificate / "chain.pem", "--tls-key", certificate / "key.pem"]
    with serving(tmp_path, application, *arguments, complaints=LIFESPAN) as server:
        base = f"https://localhost:{server.address[1]}"
        context = ssl.create_default_context(cafile=certificate / "authority.pem")
        with httpx.Client(base_url=base, verify=context, timeout=PATIENCE) as client:
            assert client.get("/query").json()["secure"]
            assert client.post("/form", data={"a": "b"}).json() == {"a": ["b"]}
            assert client.post("/upload", content=b"x" * 1_000_000).json()[0] == 1_000_000
            assert client.get("/a_file").content == b"file" * 100_000
            assert client.get("/stream").text.count("\n") == 100
        if shutil.which("curl"):
            command = ["curl", "--silent", "--show-error", "--cacert", certificate / "authority.pem", f"{base}/hello"]
            assert subprocess.check_output(command, timeout=PATIENCE) == b"hello"


@needs_curl
@pytest.mark.parametrize("application", APPLICATIONS)
def test_a_unix_socket(tmp_path, application):
    path = tmp_path / "socket"
    with serving(tmp_path, application, bind=f"unix:{path}", complaints=LIFESPAN):
        command = ["curl", "--silent", "--show-error", "--unix-socket", path]
        assert subprocess.check_output([*command, "http://a/hello"], timeout=PATIENCE) == b"hello"
        answer = subprocess.check_output([*command, "http://a/form", "--data", "a=1"], timeout=PATIENCE)
        assert json.loads(answer) == {"a": ["1"]}
    assert not path.exists()


# The application's errors


@pytest.mark.parametrize("application", ["django_wsgi", "django_asgi"])
def test_an_exception_that_the_framework_answers(tmp_path, application):
    with serving(tmp_path, application, complaints=LIFESPAN) as server:
        assert server.get("/fail")[0].status == 500
        assert server.get("/hello")[1] == "hello"


def test_an_exception_that_reaches_the_server(tmp_path):
    with serving(tmp_path, "starlette", complaints="|") as server:
        assert server.get("/fail")[0].status == 500
        assert server.get("/hello")[1] == "hello"
        server.line("RuntimeError: on purpose")
    assert server.errors.count("RuntimeError: on purpose") == 1


# The server's end


@pytest.mark.parametrize("application", APPLICATIONS)
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_request_that_runs_is_finished(tmp_path, application, signum):
    with serving(tmp_path, application, complaints=LIFESPAN) as server, connected(server) as idle:
        idle.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        until_there(idle, b"hello")
        with connected(server) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            server.reported("slow")
            server.process.send_signal(signum)
            assert idle.recv(1) == b""
            server.until_refused()
            server.release()
            received = all_of(client)
            assert responses(received) == [(200, b"done")]
            assert b"\r\nconnection: close" in received.lower()
        assert server.wait() == 0


@pytest.mark.parametrize("application", ["django_wsgi", "starlette"])
def test_one_of_two_workers_is_killed(tmp_path, application):
    arguments = ["--workers", "2"]
    complaints = rf"{LIFESPAN}|worker \d+ was killed by SIGKILL: starting another"
    with serving(tmp_path, application, *arguments, complaints=complaints) as server:
        first = set(server.workers())
        assert len(first) == 2
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        for _ in range(20):
            assert server.get("/hello")[1] == "hello"
        server.until(lambda: len(set(server.workers()) - {victim}) == 2, "replacing the worker")
        for _ in range(20):
            assert server.get("/hello")[1] == "hello"
        pids = server.workers()
    assert not any(alive(pid) for pid in pids)


def test_workers_finish_what_runs(tmp_path):
    with serving(tmp_path, "starlette", "--workers", "2") as server:
        connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
        connection.request("GET", "/slow")
        server.reported("slow")
        server.process.terminate()
        server.until_refused()
        server.release()
        assert connection.getresponse().read() == b"done"
        connection.close()
        assert server.wait() == 0
