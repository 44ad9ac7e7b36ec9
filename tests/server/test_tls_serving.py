"""A server with TLS as its clients see it: what is agreed on, certificates for development, and new ones at SIGHUP."""

import collections
import contextlib
import http.client
import os
import signal
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest
import trustme
from tests.server.serving import PATIENCE, Server

from interlock.server.config import Config
from interlock.server.errors import StartError
from interlock.server.sockets import parse_bind
from interlock.server.tls_dev import DevelopmentCertificate, names_of
from interlock.server.worker import Signals

pytest.importorskip("fcntl", reason="signals as POSIX has them")

WORKERS = pytest.mark.parametrize("workers", [1, 2])
CERT = ["--tls-cert", "cert.pem"]


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def new_certificate(tmp_path, authority):
    """Puts another certificate, with its key, at ``cert.pem``, all at once."""

    def new_certificate(key_type=trustme.KeyType.ECDSA):
        issued = authority.issue_cert("localhost", key_type=key_type)
        issued.private_key_and_cert_chain_pem.write_to_path(f"{tmp_path}/new.pem")
        os.replace(f"{tmp_path}/new.pem", f"{tmp_path}/cert.pem")

    new_certificate()
    return new_certificate


@pytest.fixture
def trusting(authority):
    """The context of a client that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@contextlib.contextmanager
def connected(server, context, name="localhost"):
    """A connection to ``server``, whose certificate has to be one for ``name``."""
    with contextlib.closing(http.client.HTTPSConnection("localhost", timeout=PATIENCE, context=context)) as connection:
        connection.sock = context.wrap_socket(socket.create_connection(server.address, PATIENCE), server_hostname=name)
        yield connection


def get(connection, path="/"):
    """The content of a response; the connection stays open."""
    connection.request("GET", path)
    response = connection.getresponse()
    assert response.status == 200
    assert response.version == 11
    return response.read().decode()


def serial(connection):
    """The number of the certificate that the server has shown."""
    return connection.sock.getpeercert()["serialNumber"]


# What is agreed on.


@pytest.mark.parametrize(
    ("offered", "chosen"), [(None, None), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1")]
)
def test_http_1_for_who_offers_it_or_nothing(tmp_path, new_certificate, trusting, loop, offered, chosen):
    if offered:
        trusting.set_alpn_protocols(offered)
    with Server(tmp_path, "il_apps:asgi", *CERT, "--http", "1", "--loop", loop) as server:
        with connected(server, trusting) as connection:
            assert connection.sock.selected_alpn_protocol() == chosen
            assert get(connection, "/scheme") == "https"


def test_http_2_is_offered_where_it_is_asked_for(tmp_path, new_certificate, trusting, loop):
    trusting.set_alpn_protocols(["http/1.1", "h2"])
    with Server(tmp_path, "il_apps:asgi", *CERT, "--http", "1,2", "--loop", loop) as server:
        with connected(server, trusting) as connection:
            assert connection.sock.selected_alpn_protocol() == "h2"


CLIENTS = """
async def app(scope, receive, send):
    body = str(scope["extensions"]["tls"]["client_cert_name"]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""


@pytest.mark.parametrize(("mode", "needed"), [(None, True), ("required", True), ("optional", False)])
def test_certificates_of_clients(tmp_path, new_certificate, trusting, loop, mode, needed):
    (tmp_path / "il_clients.py").write_text(CLIENTS)
    clients = trustme.CA()
    clients.cert_pem.write_to_path(f"{tmp_path}/clients.pem")
    issued = clients.issue_cert("somebody@example.org", common_name="somebody")
    options = ["--lifespan", "off", "--tls-client-ca", "clients.pem", *(["--tls-client-cert", mode] if mode else [])]
    with Server(tmp_path, "il_clients:app", *CERT, *options, "--loop", loop) as server:
        if needed:
            with pytest.raises(OSError), connected(server, trusting) as connection:  # when, depends on the version
                get(connection)
        else:
            with connected(server, trusting) as connection:
                assert get(connection) == "None"
        issued.configure_cert(trusting)
        with connected(server, trusting) as connection:
            assert get(connection).startswith("CN=somebody,")
        assert server.stop() == 0
        assert len(server.lines) == 1  # who is refused fills no log


def test_a_client_that_does_not_take_its_leave_keeps_nobody(tmp_path, new_certificate, trusting, loop):
    with Server(tmp_path, "il_apps:asgi", *CERT, "--timeout-linger", "0.1", "--loop", loop) as server:
        with connected(server, trusting) as connection:
            get(connection)
            assert server.stop() == 0


# Another certificate, at SIGHUP.


def accepting(pid):
    """How many descriptors of a process lead to each socket, of those to which several lead: what is accepted from."""
    if not os.path.exists("/proc/self/fd"):
        return []
    links = collections.Counter()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            links[os.readlink(f"/proc/{pid}/fd/{name}")] += 1
    return sorted(number for link, number in links.items() if link.startswith("socket:") and number > 1)


@WORKERS
def test_new_connections_get_the_new_certificate(tmp_path, new_certificate, trusting, loop, workers):
    new_certificate(trustme.KeyType.RSA)
    arguments = ["--workers", workers, "--bind", f"unix:{tmp_path}/socket", "--loop", loop]
    with Server(tmp_path, "il_apps:asgi", *CERT, *arguments) as server:
        with connected(server, trusting) as old:
            pid = get(old)
            first = serial(old)
            before = accepting(pid)
            for nth, kind in enumerate((trustme.KeyType.ECDSA, trustme.KeyType.RSA), 1):  # another kind each time
                new_certificate(kind)
                server.process.send_signal(signal.SIGHUP)
                server.line(rf"(?s)(INFO the certificate was read again.*){{{nth * workers}}}")
                assert get(old) == pid
                with connected(server, trusting) as new:
                    pid_of_new = get(new)
                    assert serial(new) != first
                assert accepting(pid) == accepting(pid_of_new) == before
                with pytest.raises(ssl.SSLCertVerificationError), connected(server, ssl.create_default_context()):
                    pass
        assert server.stop() == 0
        assert not (tmp_path / "socket").exists()


@WORKERS
def test_a_session_of_before_is_not_resumed(tmp_path, new_certificate, trusting, workers):
    """Who resumes one is shown no certificate."""
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with Server(tmp_path, "il_apps:asgi", *CERT, "--workers", workers) as server:
        with connected(server, trusting) as connection:
            session = connection.sock.session
        name = {"server_hostname": "localhost", "session": session}
        with trusting.wrap_socket(socket.create_connection(server.address, PATIENCE), **name) as again:
            assert again.session_reused  # by any worker: they have the context of the one that started them
        new_certificate()
        server.process.send_signal(signal.SIGHUP)
        server.line(rf"(?s)(read again.*){{{workers}}}")
        with trusting.wrap_socket(socket.create_connection(server.address, PATIENCE), **name) as again:
            assert not again.session_reused


@WORKERS
def test_a_broken_certificate_changes_nothing(tmp_path, new_certificate, trusting, workers):
    with Server(tmp_path, "il_apps:asgi", *CERT, "--workers", workers) as server:
        with connected(server, trusting) as connection:
            get(connection)
            first = serial(connection)
        (tmp_path / "cert.pem").write_text("nothing")
        server.process.send_signal(signal.SIGHUP)
        server.line("the certificate stays as it was: cert.pem holds no certificate in PEM form$")
        assert server.errors.count("stays as it was") == 1
        for pid in server.workers():  # those that replace them cannot read it either
            os.kill(pid, signal.SIGKILL)
            server.line(f"worker {pid} was killed by SIGKILL: starting another")
        with connected(server, trusting) as connection:
            get(connection)
            assert serial(connection) == first
        new_certificate()
        server.process.send_signal(signal.SIGHUP)
        server.line("the certificate was read again")
        assert server.stop() == 0


def test_a_certificate_that_is_new_before_a_worker_serves(tmp_path, new_certificate, trusting):
    """A worker has the one of before from the supervisor, and is told of the new one while it imports."""
    os.rename(tmp_path / "cert.pem", tmp_path / "next.pem")
    new_certificate()
    (tmp_path / "il_renews.py").write_text(
        "import os, signal\n"
        "from il_apps import asgi as app\n"
        "try:\n"
        "    os.replace('next.pem', 'cert.pem')\n"
        "except FileNotFoundError:\n"
        "    pass  # the other worker was first\n"
        "else:\n"
        "    os.kill(os.getppid(), signal.SIGHUP)\n"
    )
    with Server(tmp_path, "il_renews:app", *CERT, "--workers", 2) as server:
        server.line("(?s)(the certificate was read again.*){2}")
        assert server.stop() == 0


@pytest.fixture
def signals_as_they_were():
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_as_they_were")
@pytest.mark.parametrize("supervised", [False, True])
def test_what_came_while_a_worker_started_is_not_forgotten(supervised):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])  # as the supervisor does
    # To this thread: of a signal for the process, a thread that another test has left would be the end.
    signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
    signals = Signals(supervised, reloads=True)
    assert signals.reload.is_set()
    assert not signals.stop.is_set()
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


# SIGHUP where no certificate can be read again.


@WORKERS
@pytest.mark.parametrize("arguments", [[], ["--tls-dev"]])
def test_a_server_whose_terminal_is_gone_ends(tmp_path, arguments, workers):
    options = {"start_new_session": True}
    with Server(tmp_path, "il_apps:asgi", *arguments, "--workers", workers, **options).ready() as server:
        printed = len(server.lines)
        os.killpg(server.process.pid, signal.SIGHUP)  # the system tells all processes of a terminal
        assert server.wait() == 0
        assert len(server.lines) == printed


@WORKERS
def test_nohup(tmp_path, workers):
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    options = {"start_new_session": True, "preexec_fn": ignore}
    with Server(tmp_path, "il_apps:asgi", "--workers", workers, **options).ready() as server:
        os.killpg(server.process.pid, signal.SIGHUP)
        assert server.get()[0].status == 200
        assert server.stop() == 0
        assert len(server.lines) == 1


# A certificate for development.


def trusted(server):
    """The file that makes a client trust the server."""
    return server.line(r"^interlock: TLS for development: clients trust it by (/.*/ca\.pem)$")[1]


@WORKERS
def test_a_certificate_for_development(tmp_path, loop, workers):
    arguments = ["--tls-dev", "--workers", workers, "--loop", loop, "--bind", "[::1]:0"]
    with Server(tmp_path, "il_apps:asgi", *arguments).ready() as server:
        path = trusted(server)
        context = ssl.create_default_context(cafile=path)
        for name in ("localhost", "127.0.0.1", "::1"):
            with connected(server, context, name) as connection:
                assert get(connection, "/scheme") == "https"
        with pytest.raises(ssl.SSLCertVerificationError), connected(server, context, "example.org"):
            pass
        with pytest.raises(ssl.SSLCertVerificationError), connected(server, ssl.create_default_context()):
            pass
        assert os.listdir(os.path.dirname(path)) == ["ca.pem"]
        assert b"PRIVATE" not in Path(path).read_bytes()
        assert os.stat(os.path.dirname(path)).st_mode & 0o077 == 0
        assert server.stop() == 0
        assert not os.path.exists(os.path.dirname(path))


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="finds the workers in /proc")
def test_all_workers_have_the_same_certificate_for_development(tmp_path):
    with Server(tmp_path, "il_apps:asgi", "--tls-dev", "--workers", 2).ready() as server:
        context = ssl.create_default_context(cafile=trusted(server))
        with connected(server, context) as connection:
            ended = get(connection)
            first = serial(connection)
        os.kill(int(ended), signal.SIGTERM)
        server.line(f"worker {ended} ended with status 0: starting another")
        with connected(server, context) as connection:
            assert get(connection) != ended
            assert serial(connection) == first
        assert os.path.exists(trusted(server))
        assert server.stop() == 0
        assert not os.path.exists(trusted(server))


def test_nothing_is_left_of_it_when_the_end_is_forced(tmp_path):
    (tmp_path / "il_stuck.py").write_text(
        "import asyncio, sys\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'http':\n"
        "        print('stuck', file=sys.stderr, flush=True)\n"
        "        await asyncio.Event().wait()\n"
    )
    with Server(tmp_path, "il_stuck:app", "--tls-dev", "--timeout-shutdown", "0.1").ready() as server:
        path = trusted(server)
        with connected(server, ssl.create_default_context(cafile=path)) as connection:
            connection.request("GET", "/")
            server.line("^stuck$")
            assert server.stop() == 0
            assert "connections cut" in server.errors
            assert not os.path.exists(os.path.dirname(path))


def test_nothing_is_left_of_it_when_the_start_fails(tmp_path):
    with Server(tmp_path, "il_apps:nothing", "--tls-dev") as server:
        assert server.wait() == 1
        assert not os.path.exists(os.path.dirname(trusted(server)))


@pytest.mark.parametrize(
    ("bind", "names"),
    [
        (["127.0.0.1:1", "localhost:1", "[::1]:1"], []),
        ([":1", "[::]:1", "unix:/x", "fd://3"], []),
        (["192.0.2.1:1", "box.example:1", "box.example:2"], ["192.0.2.1", "box.example"]),
        (["[2001:db8::1]:1", "[fe80::1%eth0]:1"], ["2001:db8::1", "fe80::1"]),
    ],
)
def test_the_names_in_a_certificate_for_development(bind, names):
    assert names_of(map(parse_bind, bind)) == ["localhost", "127.0.0.1", "::1", *names]


def test_a_host_that_no_certificate_can_name():
    with pytest.raises(StartError, match=r"--tls-dev: cannot make a certificate for .*, a_b\.c: "):
        DevelopmentCertificate(Config(tls_dev=True, bind=("a_b.c:1",)))


def test_without_trustme(monkeypatch):
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(StartError, match=r"--tls-dev: trustme is not installed \(pip install trustme\)"):
        DevelopmentCertificate(Config(tls_dev=True))
