"""What loads a WebSocket server for bench/serve_ws.py: connections that send a message, wait for its echo, and go on.

    python bench/echo_load.py PORT CONNECTIONS SECONDS OCTETS
    python bench/echo_load.py PORT --hold CONNECTIONS

Prints echoes a second; or, with --hold, "held" when all connections are open, and keeps them until its input ends.  It
only counts octets, so that it costs as little as can be: the client's frames are made before.
"""

import asyncio
import sys
import time

try:
    import uvloop
except ImportError:
    uvloop = None  # slower, for all alike

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Echoed(asyncio.Protocol):
    """One connection."""

    def __init__(self, octets: int, opened: asyncio.Future) -> None:
        payload = b"x" * octets
        head = bytes((0x81, 0x80 | octets)) if octets < 126 else b"\x81\xfe" + octets.to_bytes(2, "big")
        self.frame = head + bytes(4) + payload  # a key of zeros is a key, and changes nothing
        self.expected = len(payload) + (2 if octets < 126 else 4)
        self.opened = opened
        self.count = 0
        self.received = 0
        self.head = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.head += data
            if self.head.endswith(b"\r\n\r\n"):
                if not self.head.startswith(b"HTTP/1.1 101 "):
                    self.opened.set_exception(RuntimeError(self.head.decode()))
                else:
                    self.opened.set_result(None)
            return
        self.received += len(data)
        if self.received >= self.expected:
            self.received = 0
            self.count += 1
            self.transport.write(self.frame)


async def opened(port: int, count: int, octets: int) -> list[Echoed]:
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(count):
        future = loop.create_future()
        _, connection = await loop.create_connection(lambda: Echoed(octets, future), "127.0.0.1", port)  # noqa: B023
        await future
        connections.append(connection)
    return connections


async def load(port: int, count: int, seconds: float, octets: int) -> None:
    connections = await opened(port, count, octets)
    for connection in connections:
        connection.transport.write(connection.frame)
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    echoes = sum(connection.count for connection in connections)
    print(f"{echoes / (time.perf_counter() - start):.0f}")
    for connection in connections:
        connection.transport.abort()


async def hold(port: int, count: int) -> None:
    connections = await opened(port, count, 100)
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for connection in connections:
        connection.transport.abort()


def main() -> None:
    port = int(sys.argv[1])
    if sys.argv[2] == "--hold":
        work = hold(port, int(sys.argv[3]))
    else:
        work = load(port, int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if uvloop else None) as runner:
        runner.run(work)


if __name__ == "__main__":
    main()
