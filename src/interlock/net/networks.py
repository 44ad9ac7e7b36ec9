"""Which network runs, and streams that users have already: what knows asyncio, trio and threads by name.

Each is loaded when there is something of it: who uses one needs not have the others.
"""

# ruff: noqa: PLC0415
import sys
from typing import Any

from interlock.net.stream import Network, Stream

__all__ = ["as_stream", "blocking_network", "present_network", "running_network"]


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


def present_network() -> Network:
    """The network of the loop that runs; where none does, sockets that block."""
    try:
        return running_network()
    except RuntimeError:
        return blocking_network()


def as_stream(stream: Any) -> Stream:
    """``stream``, if it is one of ours; else what asyncio's (reader, writer), or a stream of trio's, is as one.

    Raises :class:`TypeError` for anything else.
    """
    if isinstance(stream, Stream):
        return stream
    if isinstance(stream, tuple) and len(stream) == 2:
        from asyncio import StreamReader, StreamWriter

        reader, writer = stream
        if isinstance(reader, StreamReader) and isinstance(writer, StreamWriter):
            from interlock.net.asyncio.pair import stream_of_pair

            return stream_of_pair(reader, writer)
    elif "trio" in sys.modules:
        from trio.abc import Stream as TrioABC

        if isinstance(stream, TrioABC):
            from interlock.net.trio.network import TrioStream

            return TrioStream(stream)
    raise TypeError(f"a stream is expected, or asyncio's (reader, writer), or a stream of trio's, not {stream!r}")
