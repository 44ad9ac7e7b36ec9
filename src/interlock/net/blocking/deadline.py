"""Until when the calls of a thread may block, whatever timeouts they have themselves.

Nobody can cancel a thread.  So what is to have an end in any case says when, and all that blocks in that thread asks.
"""

import contextlib
import math
import threading
import time
from collections.abc import Iterator

__all__ = ["DeadlinePassed", "deadline_after", "remaining", "within"]


class DeadlinePassed(BaseException):
    """The thread's own deadline has passed: only :func:`within` catches it."""


class _Deadline(threading.local):
    at = math.inf


_DEADLINE = _Deadline()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Have what blocks in this block raise :class:`DeadlinePassed` when so many seconds are over."""
    before = _DEADLINE.at
    _DEADLINE.at = min(before, time.monotonic() + seconds)
    try:
        yield
    finally:
        _DEADLINE.at = before


def deadline_after(timeout: float | None) -> float:
    """When a call that begins now, with this timeout, has taken too long."""
    return math.inf if timeout is None else time.monotonic() + timeout


def remaining(deadline: float) -> float | None:
    """How long may still be waited: None for ever, 0.0 where the deadline has passed.

    Raises :class:`DeadlinePassed` where the thread's own has.
    """
    own = _DEADLINE.at
    if own == math.inf == deadline:
        return None
    now = time.monotonic()
    if own <= now:
        raise DeadlinePassed
    return max(min(own, deadline) - now, 0.0)
