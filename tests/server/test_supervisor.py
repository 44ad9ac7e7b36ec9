"""Several workers: how they are started, replaced and stopped."""

import concurrent.futures
import json
import os
import signal
import time

import pytest
from tests.server.serving import Server, alive

from interlock.server import supervisor
from interlock.server.config import Config
from interlock.server.supervisor import BOOT_FAILURES, CANNOT_START, Backoff, Supervisor

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="finds the workers in /proc")


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, "il_apps:asgi", "--workers", 2).ready() as server:
        yield server


def test_the_workers_share_the_port(server):
    workers = server.workers()
    assert len(workers) == 2
    answers = {int(server.get()[1]) for _ in range(20)}
    assert answers <= set(workers)
    assert server.errors.count("serving") == 1


def test_a_killed_worker_is_replaced(server):
    killed, other = server.workers()
    os.kill(killed, signal.SIGKILL)
    server.line(f"worker {killed} was killed by SIGKILL: starting another")
    replaced = server.until(lambda: set(server.workers()) - {killed, other}, "a new worker")
    os.kill(other, signal.SIGSTOP)  # so that only the new one answers
    try:
        assert {int(server.get()[1])} == replaced
    finally:
        os.kill(other, signal.SIGCONT)
    assert server.stop() == 0


def test_a_worker_that_ends_by_itself_is_replaced(server):
    ended = server.workers()[0]
    os.kill(ended, signal.SIGTERM)
    server.line(f"worker {ended} ended with status 0: starting another")
    server.until(lambda: len(server.workers()) == 2 and ended not in server.workers(), "a new worker")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_all_end_with_0_when_they_are_told_to(server, signum):
    workers = server.workers()
    assert server.stop(signum) == 0
    assert not any(map(alive, workers))
    assert len(server.lines) == 1


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_reaches_all_of_them_forces_nobody(tmp_path, signum):
    """A terminal sends SIGINT to the whole group of processes, and a service manager may do so with SIGTERM."""
    with (
        Server(tmp_path, "il_apps:asgi", "--workers", 2, start_new_session=True).ready() as server,
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(server.get, "/slow")
        server.reported("slow")
        os.killpg(server.process.pid, signum)
        server.until(lambda: len(server.workers()) == 1, "the end of the worker that has nothing to do")
        os.kill(server.workers()[0], signal.SIGTERM)
        server.release()
        assert answer.result()[0].status == 200
        assert server.wait() == 0
        assert len(server.lines) == 1


def test_nothing_is_accepted_while_the_workers_finish_what_runs(tmp_path):
    with Server(tmp_path, "il_apps:asgi", "--workers", 2).ready() as server:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(server.get, "/slow")
            server.reported("slow")
            server.process.send_signal(signal.SIGTERM)
            server.until_refused()
            server.release()
            assert answer.result()[0].status == 200
        assert server.wait() == 0


def test_a_second_signal_forces_them(tmp_path):
    with Server(tmp_path, "il_apps:asgi", "--workers", 2, "--timeout-shutdown", 0).ready() as server:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answer = pool.submit(server.get, "/slow")
            server.reported("slow")
            server.process.send_signal(signal.SIGTERM)
            server.until_refused()
            assert server.stop() == 128 + signal.SIGTERM
            assert answer.exception()
        assert "killing" not in server.errors


def test_workers_do_not_outlive_their_supervisor(server):
    workers = server.workers()
    server.process.kill()
    server.until(lambda: not any(map(alive, workers)), "the end of all workers")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["il_broken:app"], "interlock: error: importing il_broken failed: RuntimeError: no database"),
        (["il_apps:cannot_start"], "interlock: error: the startup of il_apps:cannot_start failed: no database"),
        (["il_apps:nothing"], "interlock: error: module il_apps has no attribute 'nothing'"),
        (
            ["il_apps:asgi", "--tls-cert", "nowhere.pem"],
            "interlock: error: cannot read certificate nowhere.pem: No such",
        ),
    ],
)
def test_if_no_worker_can_start_the_server_ends(tmp_path, arguments, message):
    (tmp_path / "il_broken.py").write_text("raise RuntimeError('no database')")
    with Server(tmp_path, *arguments, "--workers", 3) as server:
        assert server.wait() == 1
        assert server.errors.count(message) == 1
        assert "supervisor" not in server.errors
        assert "serving" not in server.errors


def test_if_one_of_the_first_workers_cannot_start_the_others_end_too(tmp_path):
    (tmp_path / "il_once.py").write_text(
        "import os\n"
        "try:\n    os.mkdir('first')\n"
        "except FileExistsError:\n    raise RuntimeError('only one of us')\n"
        "from il_apps import asgi as app\n"
    )
    with Server(tmp_path, "il_once:app", "--workers", 2) as server:
        assert server.wait() == 1
        assert server.errors.count("RuntimeError: only one of us") == 2  # in the traceback, and in the message


def test_a_replacement_that_cannot_start_is_told_and_tried_again(tmp_path):
    (tmp_path / "il_later.py").write_text(
        "import os\nif os.path.exists('broken'):\n    raise RuntimeError('broken')\nfrom il_apps import asgi as app\n"
    )
    with Server(tmp_path, "il_later:app", "--workers", 2).ready() as server:
        (tmp_path / "broken").touch()
        killed, other = server.workers()
        os.kill(killed, signal.SIGKILL)
        server.line(r"worker \d+ ended with status 3 before it was ready: starting another")
        server.line("interlock: error: importing il_later failed: RuntimeError: broken")
        assert server.get()[1] == str(other)
        (tmp_path / "broken").unlink()
        server.until(lambda: len(server.workers()) == 2, "a new worker")
        assert server.stop() == 0


# What is decided about the dead, without any process.


def test_backoff():
    backoff = Backoff()
    assert [backoff.after(1) for _ in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [backoff.after(30), backoff.after(1), backoff.after(1)] == [0, 0.5, 1]


@pytest.fixture
def deaths(monkeypatch, capsys):
    """A supervisor whose workers are only on paper: ``deaths(code, said, ready)`` tells it of one that died."""
    control = Supervisor(Config(workers=2), [])
    monkeypatch.setattr(control, "_send", lambda signum: None)

    def died(code, said=b"", *, ready=False):
        slot = control._slots[0]
        slot.pid, slot.said, slot.ready, slot.started = 4711, said, ready, time.monotonic()
        control._died(slot, code)
        return capsys.readouterr().err

    died.control = control
    yield died
    control._selector.close()
    control._wake.close()
    control._waker.close()
    os.close(control._lifeline)
    os.close(control._lifeline_end)


FAILED = json.dumps({"failed": "above\nthe reason"}).encode()


def test_a_first_worker_that_cannot_start_ends_the_server(deaths):
    assert deaths(CANNOT_START, FAILED) == "above\ninterlock: error: the reason\n"
    assert deaths.control._status == 1


def test_a_first_worker_that_is_killed_is_replaced(deaths):
    assert deaths(-9) == "interlock: worker 4711 was killed by SIGKILL before it was ready: starting another\n"
    assert deaths.control._status is None


def test_a_worker_killed_in_the_middle_of_its_report(deaths):
    assert deaths(1, FAILED[:10]) == "interlock: error: worker 4711 ended with status 1 before it was ready\n"
    assert deaths.control._status == 1


def test_replacements_that_never_start_end_the_server(deaths):
    deaths.control._up = True
    for _ in range(BOOT_FAILURES - 1):
        deaths(CANNOT_START, FAILED)
        assert deaths.control._status is None
    deaths(CANNOT_START, FAILED)
    assert deaths.control._status == 1


def test_workers_that_die_when_they_were_ready_never_end_the_server_but_slow_it_down(deaths):
    deaths.control._up = True
    for _ in range(20):
        deaths(-11, ready=True)
    assert deaths.control._status is None
    assert deaths.control._slots[0].start_at > time.monotonic() + 25


def test_the_dead_of_a_server_that_stops_are_not_replaced(deaths):
    deaths.control._status = 0
    assert deaths(-9, ready=True) == ""
    assert deaths.control._slots[0].start_at == 0


def test_a_worker_has_its_timeouts_before_it_is_killed(deaths):
    deaths.control._stop(0)
    assert deaths.control._kill_at == pytest.approx(time.monotonic() + 2 * 30 + supervisor.GRACE, abs=5)
