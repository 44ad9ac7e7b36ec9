"""Lists of futures for those who wait for something to change, and look again when they are woken."""

import asyncio

__all__ = ["forget", "wake"]


def wake(waiters: "list[asyncio.Future[None]]") -> None:
    """Have all of them look again."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


def forget(waiters: "list[asyncio.Future[None]]", waiter: "asyncio.Future[None]") -> None:
    """This one does not wait any more, be it that it was woken or that it was cancelled."""
    if waiter in waiters:
        waiters.remove(waiter)
