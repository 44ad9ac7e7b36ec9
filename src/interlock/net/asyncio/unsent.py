"""How much of what was written the peer has not taken, as far as the system tells."""

import asyncio
import sys

try:
    import fcntl
    import termios
except ImportError:  # not on this system
    _TELLS = False
else:
    _TELLS = hasattr(termios, "TIOCOUTQ")

__all__ = ["unsent"]


def unsent(transport: asyncio.WriteTransport) -> int:
    """Octets that wait in the transport, and in the system's buffer until the peer has acknowledged them.

    That buffer can hold megabytes, and the system lets us write again only when a good part of it is free: seen from
    the transport alone, a peer that takes a few thousand octets a second takes nothing for minutes.
    """
    octets = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if _TELLS and sock is not None:
        try:
            queued = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        except (OSError, ValueError):
            pass  # closed, or no kind of socket that tells
        else:
            octets += int.from_bytes(queued, sys.byteorder)
    return octets
