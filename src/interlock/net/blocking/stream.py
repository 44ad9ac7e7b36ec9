"""A stream on a socket, whose calls block: one thread may read while another writes, and any may close.

The socket itself never blocks; who waits polls it, each with a timeout of their own.  TLS is in a file of its own.
"""

import contextlib
import os
import socket
import ssl
import threading
from typing import Any, Final

from interlock.net.blocking.deadline import deadline_after, remaining
from interlock.net.blocking.tls import start_tls
from interlock.net.errors import read_error, read_timeout, write_error, write_timeout
from interlock.net.sockets import ready
from interlock.net.stream import Stream

__all__ = ["BlockingStream"]


class BlockingStream(Stream):
    """A connected socket.  ``peer``: what errors call the other end.

    It is of the process that made it.  In one that is forked from that it is closed: two that read from one connection would
    take each other's responses.
    """

    __slots__ = ("_closed", "_lock", "_peer", "_process", "_socket", "_users", "_write_broken")

    def __init__(self, sock: socket.socket, peer: str) -> None:
        sock.setblocking(False)
        self._socket: Final = sock
        self._peer: Final = peer
        self._process: Final = os.getpid()
        # Who uses the socket: its descriptor must not become another's meanwhile, so the last of them closes it.
        self._lock: Final = threading.Lock()
        self._users = 0
        self._closed = False
        self._write_broken = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if max_bytes < 1:
            raise ValueError(f"at least one octet has to be read, not {max_bytes}")
        deadline = deadline_after(timeout)
        if not self._enter():
            raise read_error(self._peer)
        try:
            while ready(self._socket, timeout=remaining(deadline)):
                with contextlib.suppress(BlockingIOError, InterruptedError):
                    data = self._socket.recv(max_bytes)
                    if not data and self._closed:
                        raise read_error(self._peer)
                    return data
        except OSError as error:
            raise read_error(self._peer, None if self._closed else error) from error
        finally:
            self._leave()
        remaining(deadline)
        raise read_timeout(self._peer, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        deadline = deadline_after(timeout)
        if not self._enter():
            raise write_error(self._peer)
        try:
            if self._write_broken:
                raise write_error(self._peer, "an earlier write was broken off")
            self._write_broken = True
            self._send(buffer, timeout, deadline)
            self._write_broken = False
        except OSError as error:
            raise write_error(self._peer, None if self._closed else error) from error
        finally:
            self._leave()

    def _send(self, buffer: bytes, timeout: float | None, deadline: float) -> None:
        left = memoryview(buffer)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except (BlockingIOError, InterruptedError):
                if not ready(self._socket, writing=True, timeout=remaining(deadline)):
                    remaining(deadline)
                    raise write_timeout(self._peer, timeout) from None

    async def send_eof(self) -> None:
        if self._enter():
            try:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)
            finally:
                self._leave()

    async def aclose(self) -> None:
        self.abort()

    def abort(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._users and self._process == os.getpid():
                # Wakes who waits for it.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            else:
                self._socket.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        return await start_tls(self, self._peer, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._socket
        if info == "reads_at_once":
            return True
        if info == "is_readable":
            if not self._enter():
                return True
            try:
                return ready(self._socket)
            finally:
                self._leave()
        if info in {"client_addr", "server_addr"}:
            with contextlib.suppress(OSError):
                return self._socket.getsockname() if info == "client_addr" else self._socket.getpeername()
        return None

    def _enter(self) -> bool:
        """Begin to use the socket, and return True; False if it is closed."""
        with self._lock:
            if self._closed or self._process != os.getpid():
                return False
            self._users += 1
            return True

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._closed and not self._users:
                self._socket.close()
