import queue
import threading

import pytest
from tests.server.fake_exchange import PATIENCE

from interlock.server.threads import ThreadPool


@pytest.fixture
def pool():
    pool = ThreadPool(3)
    yield pool
    assert pool.shutdown(PATIENCE)


def rendezvous(pool):
    """Returns when all threads of the pool run a job at the same time: none of them is stuck in another."""
    barrier = threading.Barrier(pool.threads + 1)
    for _ in range(pool.threads):
        pool.submit(lambda: barrier.wait(PATIENCE))
    barrier.wait(PATIENCE)


def test_jobs_run_in_order_and_in_named_daemon_threads():
    pool = ThreadPool(1, name="pond")
    ran = []
    done = threading.Event()
    for number in range(100):
        pool.submit(lambda number=number: ran.append((number, threading.current_thread())))
    pool.submit(done.set)
    assert done.wait(PATIENCE)
    assert [number for number, _ in ran] == list(range(100))
    assert {thread.name for _, thread in ran} == {"pond-0"}
    assert ran[0][1].daemon
    assert pool.shutdown(PATIENCE)


def test_all_threads_work_at_the_same_time(pool):
    rendezvous(pool)
    assert {thread.name for thread in pool._threads} == {f"interlock-worker-{index}" for index in range(3)}


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_an_exception_ends_the_job_and_not_the_thread(pool, error, caplog):
    def fail():
        raise error

    for _ in range(10):
        pool.submit(fail)
    rendezvous(pool)
    assert [record.exc_info[1] for record in caplog.records] == [error] * 10


def test_no_more_threads_than_told_and_the_rest_waits(pool):
    gate = threading.Event()
    started = threading.Semaphore(0)

    def job():
        started.release()
        gate.wait(PATIENCE)

    for _ in range(5):
        pool.submit(job)
    for _ in range(3):
        assert started.acquire(timeout=PATIENCE)
    assert (pool.threads, pool.idle, pool.waiting) == (3, 0, 2)
    gate.set()
    for _ in range(2):
        assert started.acquire(timeout=PATIENCE)


def test_the_queue_is_bounded():
    pool = ThreadPool(1, queue=2)
    gate = threading.Event()
    started = threading.Event()
    pool.submit(lambda: (started.set(), gate.wait(PATIENCE)))
    assert started.wait(PATIENCE)
    pool.submit(int)
    pool.submit(int)
    with pytest.raises(queue.Full):
        pool.submit(int)
    gate.set()
    assert pool.shutdown(PATIENCE)


def test_shutdown_runs_what_was_submitted_and_takes_no_more():
    pool = ThreadPool(2)
    ran = []
    for number in range(50):
        pool.submit(lambda number=number: ran.append(number))
    assert pool.shutdown()
    assert sorted(ran) == list(range(50))
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(int)
    assert pool.shutdown(0)


def test_shutdown_says_when_a_thread_has_not_ended():
    pool = ThreadPool(1)
    gate = threading.Event()
    pool.submit(lambda: gate.wait(PATIENCE))
    assert not pool.shutdown(0.01)
    gate.set()
    assert pool.shutdown(PATIENCE)


def test_a_pool_of_no_threads_is_refused():
    with pytest.raises(ValueError, match="at least one thread"):
        ThreadPool(0)


def test_a_job_is_let_go_before_the_next_one_is_waited_for():
    class Job:
        def __call__(self):
            pass

        def __del__(self):
            gone.set()

    gone = threading.Event()
    pool = ThreadPool(1)
    pool.submit(Job())
    assert gone.wait(PATIENCE)
    assert pool.shutdown(PATIENCE)
