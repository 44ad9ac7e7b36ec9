"""Lists of futures for those who wait for something to change, and look again when they are woken."""

import asyncio

__all__ = ["wake", "woken"]


def wake(waiters: "list[asyncio.Future[None]]") -> None:
    """Have all of them look again."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()


async def woken(waiters: "list[asyncio.Future[None]]") -> None:
    """Be one of them until they are woken.  Who is cancelled meanwhile is one no more."""
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiters.append(waiter)
    try:
        await waiter
    finally:
        if waiter in waiters:
            waiters.remove(waiter)
