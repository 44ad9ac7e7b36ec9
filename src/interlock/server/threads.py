"""Threads for applications that block: a bounded pool of workers.  Nothing here knows HTTP."""

import logging
import threading
import time
from collections.abc import Callable
from queue import Full, SimpleQueue
from typing import Final

__all__ = ["ThreadPool"]

Job = Callable[[], object]


class ThreadPool:
    """``threads`` daemon threads that run the jobs they are given, in the order in which they came.

    The threads start at once.  A job's exception, whatever it is, is logged and ends the job, never the thread.
    """

    __slots__ = ("_busy", "_jobs", "_log", "_queue", "_shut", "_threads")

    def __init__(self, threads: int, *, queue: int | None = None, name: str = "interlock-worker") -> None:
        """``queue``: how many jobs may wait for a thread; None: as many as come (a server has its connections counted).

        ``name``: the threads are called ``name-0``, ``name-1`` ...
        """
        if threads < 1:
            raise ValueError(f"a pool needs at least one thread, not {threads}")
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._queue: Final = queue
        self._log: Final = logging.getLogger("interlock.error")
        self._shut = False
        self._busy: Final = [False] * threads
        self._threads: Final = [
            threading.Thread(target=self._work, args=(index,), name=f"{name}-{index}", daemon=True)
            for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def threads(self) -> int:
        """How many threads there are."""
        return len(self._threads)

    @property
    def idle(self) -> int:
        """How many of the threads run no job at this moment."""
        return self._busy.count(False)

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread at this moment."""
        return self._jobs.qsize()

    def submit(self, job: Job) -> None:
        """Have ``job()`` called by the next thread that is free.  May be called by any thread; never blocks.

        Raises :class:`queue.Full` when too many jobs wait already, and :class:`RuntimeError` after :meth:`shutdown`.
        """
        if self._shut:
            raise RuntimeError("the pool has been shut down")
        if self._queue is not None and self._jobs.qsize() >= self._queue:
            raise Full
        self._jobs.put(job)

    def shutdown(self, wait: float | None = None) -> bool:
        """Take no more jobs, run those that were submitted, and end the threads.

        Waits at most ``wait`` seconds for that; None: as long as it takes.  Returns whether all threads have ended.
        """
        if not self._shut:
            self._shut = True
            for _ in self._threads:
                self._jobs.put(None)
        deadline = None if wait is None else time.monotonic() + wait
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, index: int) -> None:
        busy = self._busy
        take = self._jobs.get
        while (job := take()) is not None:
            busy[index] = True
            try:
                job()
            except BaseException:
                self._log.exception("a job failed in thread %s", threading.current_thread().name)
            # What the job held is let go before the thread waits for the next one.
            del job
            busy[index] = False
