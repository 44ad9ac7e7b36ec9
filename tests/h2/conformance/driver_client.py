"""The client beside the driver: a transport in memory, and a clock that the test turns."""

from typing import Any

from tests.h2.conformance.client import Client, Silence
from tests.net.virtual_clock import MemoryTransport, ServerSide

from interlock.net.asyncio.http2 import HTTP2Protocol


class DriverClient(Client):
    """A connection to the driver in memory."""

    def __init__(self, side: ServerSide) -> None:
        super().__init__()
        self.side = side
        self.transport = MemoryTransport(side.loop, HTTP2Protocol(side.registry, side.loop), side.extra)
        self._taken = 0
        side.loop.settle()

    def _write(self, octets: bytes) -> None:
        if self.transport.closed_at is None:
            self.transport.send(octets)
            self.side.loop.settle()

    def _read(self) -> bytes:
        octets = self._read_now()
        if not octets and not self._is_closed():
            raise Silence
        return octets

    def _read_now(self) -> bytes:
        octets = bytes(self.transport.received[self._taken :])
        self._taken += len(octets)
        return octets

    def _is_closed(self) -> bool:
        return self.transport.eof_at is not None or self.transport.closed_at is not None

    def half_close(self) -> None:
        self.transport.send_eof()
        self.side.loop.settle()

    def close(self) -> None:
        """Nothing is left of it anyway."""

    def time_passes(self, seconds: float) -> None:
        self.side.pass_time(seconds)
        self.listen()

    def seconds_until_closed(self, most: int, every: Any = None) -> int:
        """How many seconds the connection lasts, if ``every`` is done each second."""
        for second in range(most):
            if self._is_closed():
                return second
            if every is not None:
                every(second)
            self.time_passes(1)
        return most

    def seconds_until_reset(self, stream: int, most: int, every: Any = None) -> int:
        """How many seconds a stream lasts."""
        for second in range(most):
            exchange = self.streams.get(stream)
            if self._is_closed() or (exchange is not None and (exchange.reset is not None or exchange.ended)):
                return second
            if every is not None:
                every(second)
            self.time_passes(1)
        return most
