"""What ``asyncio.open_connection`` gives, and what ``asyncio.start_server`` hands over, as a stream."""

import asyncio
from typing import Any, cast

from interlock.net.asyncio.stream import AsyncioStream
from interlock.net.sockets import peer_name
from interlock.net.stream import Stream

__all__ = ["stream_of_pair"]


def stream_of_pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Stream:
    """The stream of a reader and a writer that belong together, with what the reader has and nobody has read.

    They are not to be used from then on, but for ``writer.close()`` and ``writer.wait_closed()``.
    """
    peer = peer_name(writer.get_extra_info("peername"))
    stream = AsyncioStream(asyncio.get_running_loop(), peer)
    kept: Any = reader  # there is no public word for what it has
    received = bytes(kept._buffer)
    kept._buffer.clear()
    stream.take_over(cast(asyncio.Transport, writer.transport), writer, received, kept._eof)
    return stream
