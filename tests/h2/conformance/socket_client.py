"""The client on a socket: cleartext with prior knowledge (RFC 9113 §3.3), or TLS with ALPN (§3.2)."""

import contextlib
import select
import socket
import ssl
import time

from tests.h2.conformance.client import Client, Silence

#: How long the server may take to say something, in seconds, before a case fails.
PATIENCE = 10.0


class SocketClient(Client):
    """A connection to a server.  With a TLS context it speaks TLS."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._gone = False
        self._incoming = bytearray()
        self._socket: socket.socket = socket.create_connection(address, PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.scheme = "https"
            tls = context.wrap_socket(self._socket, server_hostname="localhost")
            assert tls.selected_alpn_protocol() == "h2"
            self._socket = tls
        self._socket.setblocking(False)

    def _write(self, octets: bytes) -> None:
        """Send all of it, and read meanwhile, so that two full buffers cannot wait for each other."""
        deadline = time.monotonic() + PATIENCE
        view = memoryview(octets)
        while view and not self._gone:
            try:
                view = view[self._socket.send(view[:65536]) :]
                deadline = time.monotonic() + PATIENCE
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                if not self._wait(deadline, writing=True):
                    raise Silence from None
                self._take()
            except OSError:
                self._take()
                self._gone = True

    def _read(self) -> bytes:
        deadline = time.monotonic() + PATIENCE
        while not self._incoming:
            self._take()
            if self._gone and not self._incoming:
                return b""
            if not self._incoming and not self._wait(deadline, writing=False):
                raise Silence
        octets = bytes(self._incoming)
        self._incoming.clear()
        return octets

    def _read_now(self) -> bytes:
        self._take()
        octets = bytes(self._incoming)
        self._incoming.clear()
        return octets

    def _is_closed(self) -> bool:
        return self._gone

    def _take(self) -> None:
        """What is there now."""
        while not self._gone:
            try:
                octets = self._socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError:
                octets = b""
            self._gone = not octets
            self._incoming += octets

    def _wait(self, deadline: float, *, writing: bool) -> bool:
        """Wait until something can go on; False when the time is over."""
        left = deadline - time.monotonic()
        return left > 0 and any(select.select([self._socket], [self._socket] if writing else [], [], left))

    def half_close(self) -> None:
        """Send nothing more."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()
