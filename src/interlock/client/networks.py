"""Which network a client is on: the only place that knows them by name.

Each is loaded when it is asked for: who uses one needs not have the others.
"""

# ruff: noqa: PLC0415
import sys

from interlock.net.stream import Network

__all__ = ["blocking_network", "running_network"]


def running_network() -> Network:
    """The network of the loop that runs: trio's or asyncio's.  Raises :class:`RuntimeError` where none does."""
    if "trio" in sys.modules:
        from trio.lowlevel import in_trio_run

        if in_trio_run():
            from interlock.net.trio.network import TrioNetwork

            return TrioNetwork()
    from asyncio import get_running_loop

    get_running_loop()
    from interlock.net.asyncio.network import AsyncioNetwork

    return AsyncioNetwork()


def blocking_network() -> Network:
    """Sockets that block."""
    from interlock.net.blocking.network import BlockingNetwork

    return BlockingNetwork()
