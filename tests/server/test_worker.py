"""One process that serves, and above all how it ends."""

import asyncio
import http.client
import signal
import socket
import sys
import threading
from types import SimpleNamespace

import pytest
import trustme
from tests.net.virtual_clock import VirtualClockLoop
from tests.server.serving import PATIENCE, Server

from interlock.http.limits import Timeouts
from interlock.server.config import Config
from interlock.server.errors import StartError
from interlock.server.worker import CUT_GRACE, _loop_factory, _stop_accepting, _unless, _Worker

pytest.importorskip("fcntl", reason="signals as POSIX has them")

BOTH = pytest.mark.parametrize("app", ["il_apps:asgi", "il_apps:wsgi"])


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture
def slow():
    """Asks a server for what takes until it is released."""
    threads = []

    def slow(server):
        answers = []

        def ask():
            try:
                answers.append(server.get("/slow"))
            except (OSError, http.client.HTTPException) as error:
                answers.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        threads.append(thread)
        server.reported("slow")

        def answer():
            thread.join(PATIENCE)
            return answers[0]

        return answer

    yield slow
    for thread in threads:
        thread.join(PATIENCE)


@BOTH
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_0_when_it_is_told_to(tmp_path, loop, app, signum):
    with Server(tmp_path, app, "--loop", loop).ready() as server:
        assert server.get()[1] == str(server.process.pid)
        assert server.stop(signum) == 0
        assert len(server.lines) == 1
        assert (tmp_path / "shut-down").exists() == (app == "il_apps:asgi")


@BOTH
def test_it_accepts_nothing_while_it_finishes_what_runs(tmp_path, loop, slow, app):
    with Server(tmp_path, app, "--loop", loop).ready() as server:
        answer = slow(server)
        with socket.create_connection(server.address, PATIENCE) as idle:
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            idle.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            assert idle.recv(65536) == b""  # it is closed because it has nothing to do
        assert server.refused()
        assert server.process.poll() is None
        server.release()
        response, body = answer()
        assert response.status == 200
        assert response.headers["connection"] == "close"
        assert body == str(server.process.pid)
        assert server.wait() == 0
        assert (tmp_path / "shut-down-after-release").exists() == (app == "il_apps:asgi")
        assert "cut" not in server.errors


def test_what_was_accepted_as_the_server_stops_is_no_orphan(loop):
    class Connection(asyncio.Protocol):
        def connection_made(self, transport):
            made.set_result(transport)

    async def main():
        nonlocal made
        made = asyncio.get_running_loop().create_future()
        with socket.create_server(("127.0.0.1", 0)) as sock:
            server = await asyncio.get_running_loop().create_server(Connection, sock=sock)
            with socket.create_connection(sock.getsockname()):
                await asyncio.sleep(0)
                await asyncio.sleep(0)  # asyncio has accepted it by now, and made no transport
                await _stop_accepting([server])
                assert not server.is_serving()
                (await made).close()

    made = None
    with asyncio.Runner(loop_factory=_loop_factory(loop)) as runner:
        runner.run(asyncio.wait_for(main(), PATIENCE))


@BOTH
def test_what_takes_too_long_is_cut(tmp_path, loop, slow, app):
    with Server(tmp_path, app, "--loop", loop, "--timeout-shutdown", "0.2").ready() as server:
        answer = slow(server)
        assert server.stop() == 0
        assert isinstance(answer(), Exception)
        assert "connections cut before they were done, after 0.2 s: 1" in server.errors
        assert (tmp_path / "shut-down").exists() == (app == "il_apps:asgi")


@BOTH
def test_a_second_signal_forces_it(tmp_path, loop, slow, app):
    with Server(tmp_path, app, "--loop", loop, "--timeout-shutdown", "0").ready() as server:
        answer = slow(server)
        server.process.send_signal(signal.SIGTERM)
        server.until_refused()
        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT
        assert isinstance(answer(), Exception)


def test_a_signal_while_the_application_is_imported(tmp_path):
    (tmp_path / "il_slow.py").write_text(
        "import os, signal\nos.write(int(os.environ['IL_NEWS']), b'starting\\n')\nwhile True: signal.pause()"
    )
    with Server(tmp_path, "il_slow:app", bind=f"unix:{tmp_path}/socket") as server:
        server.reported("starting")
        assert server.stop() == 128 + signal.SIGTERM
        assert not (tmp_path / "socket").exists()
        assert server.errors == ""


def test_a_signal_while_the_application_starts(tmp_path, loop):
    with Server(tmp_path, "il_apps:never_starts", "--loop", loop) as server:
        server.reported("starting")
        assert server.stop() == 128 + signal.SIGTERM
        assert server.errors == ""


def test_an_application_that_never_shuts_down_is_left(tmp_path, loop):
    (tmp_path / "il_stuck.py").write_text(
        "import asyncio\n"
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.complete'})\n"
        "    await asyncio.Event().wait()\n"
    )
    with Server(tmp_path, "il_stuck:app", "--timeout-shutdown", "0.2", "--loop", loop).ready() as server:
        assert server.stop() == 0
        assert "the application was left before it had shut down" in server.errors


def test_the_socket_is_gone_before_the_process_is(tmp_path, loop, slow):
    path = tmp_path / "socket"
    with Server(tmp_path, "il_apps:asgi", "--bind", f"unix:{path}", "--loop", loop).ready() as server:
        answer = slow(server)
        server.process.send_signal(signal.SIGTERM)
        while path.exists():
            pass
        assert server.process.poll() is None
        server.release()
        assert answer()[0].status == 200
        assert server.wait() == 0


def test_errors_are_logged_though_the_application_configures_logging_for_itself(tmp_path):
    (tmp_path / "il_logging.py").write_text(
        "import logging.config\n"
        "logging.config.dictConfig({'version': 1})\n"
        "def app(environ, start_response): raise RuntimeError('oh no')\n"
    )
    with Server(tmp_path, "il_logging:app").ready() as server:
        assert server.get()[0].status == 500
        server.line("RuntimeError: oh no")


def test_a_handshake_that_never_comes_keeps_nobody(tmp_path, loop):
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(f"{tmp_path}/both.pem")
    with Server(tmp_path, "il_apps:asgi", "--tls-cert", "both.pem", "--loop", loop).ready() as server:
        with socket.create_connection(server.address, PATIENCE) as silent:
            assert server.stop() == 0
            assert silent.recv(1) == b""


# Which event loop it runs.


def test_uvloop_where_it_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", SimpleNamespace(new_event_loop="made"))
    assert _loop_factory("auto") == "made"
    assert _loop_factory("uvloop") == "made"
    assert _loop_factory("asyncio") is None


def test_uvloop_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert _loop_factory("auto") is None
    with pytest.raises(StartError, match="pip install uvloop"):
        _loop_factory("uvloop")


# What a signal cuts short.


def turned(main):
    """Run it on a clock that jumps to what is due next."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)


def test_work_that_is_done_in_time():
    done = []

    async def work():
        done.append(1)

    async def main():
        return await _unless(asyncio.Event(), work(), asyncio.get_running_loop().time() + 60)

    assert asyncio.run(main()) is True
    assert done == [1]


def test_work_that_an_event_cuts_short():
    async def main():
        event = asyncio.Event()
        cancelled = []

        async def work():
            event.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(1)
                raise

        assert await _unless(event, work()) is False
        await asyncio.sleep(0)
        return cancelled

    assert asyncio.run(main()) == [1]


def test_work_that_takes_too_long():
    async def main():
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = await _unless(asyncio.Event(), asyncio.Event().wait(), began + 60)
        return done, loop.time() - began

    assert turned(main()) == (False, 60)


@pytest.mark.parametrize(("timeout", "cut_after"), [(30.0, 30), (7.0, 7), (0.0, None)])
def test_connections_are_cut_when_the_time_to_shut_down_is_over(timeout, cut_after):
    class Connections:
        aborted_at = None

        def __len__(self):
            return 1

        def drain(self):
            self.began = asyncio.get_running_loop().time()

        def abort(self):
            self.aborted_at = asyncio.get_running_loop().time() - self.began

        async def wait_closed(self):
            closed = asyncio.Event()
            asyncio.get_running_loop().call_later(1000, closed.set)
            await closed.wait()

    async def main():
        signals = SimpleNamespace(force=asyncio.Event())
        worker = _Worker(Config(timeouts=Timeouts(shutdown=timeout)), None, None, signals, None, None)
        connections = Connections()
        await worker._drain(connections)
        lasted = asyncio.get_running_loop().time() - connections.began
        return worker.cut, connections.aborted_at, lasted

    if cut_after is None:
        assert turned(main()) == (False, None, 1000)
    else:
        assert turned(main()) == (True, cut_after, cut_after + CUT_GRACE)


def test_work_that_raises():
    async def work():
        raise KeyError("x")

    async def main():
        await _unless(asyncio.Event(), work())

    with pytest.raises(KeyError):
        asyncio.run(main())
