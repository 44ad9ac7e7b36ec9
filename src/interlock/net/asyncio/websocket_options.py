"""What can be chosen for WebSockets on asyncio, by clients and servers alike, in the words of the websockets library."""

from typing import Final

from interlock.http.limits import Limits, Timeouts
from interlock.http.sentinels import Sentinel
from interlock.ws.connection import Connection
from interlock.ws.deflate import PerMessageDeflate

__all__ = ["Options"]

#: Where there is no limit: more than there can be.
_NO_LIMIT: Final = (1 << 62) - 1


class Options:
    """Limits and timeouts, and how to make an engine and a session with them."""

    def __init__(
        self,
        *,
        compression: str | PerMessageDeflate | None,
        open_timeout: float | None,
        ping_interval: float | None,
        ping_timeout: float | None,
        close_timeout: float | None,
        max_size: int | None,
        max_queue: int | None,
        write_limit: int | tuple[int, int | None],
    ) -> None:
        if compression is not None and not isinstance(compression, PerMessageDeflate) and compression != "deflate":
            raise ValueError(f"compression has to be 'deflate', a PerMessageDeflate or None, not {compression!r}")
        if max_queue is not None and max_queue < 1:
            raise ValueError(f"max_queue must be at least 1: {max_queue}")
        self.deflate: Final = PerMessageDeflate() if isinstance(compression, str) else compression
        self.open_timeout: Final = open_timeout
        self.max_queue: Final = max_queue
        self.write_limit: Final = write_limit
        self.limits: Final = Limits(message=_NO_LIMIT if max_size is None else max_size)
        self.timeouts: Final = Timeouts(
            ping_interval=ping_interval or 0, pong=ping_timeout or 0, closing=close_timeout or 0
        )

    def engine(self, role: Sentinel) -> Connection:
        """An engine, which gives messages as they come."""
        return Connection(role, limits=self.limits, deflate=self.deflate, fragments=True)
