"""The link of a WebSocket to a transport of its own: what it asks of the transport, and what no more."""

import asyncio

from interlock.net.asyncio.websocket_link import TransportLink


class Transport(asyncio.Transport):
    """A transport that knows no half-close, as with TLS, and keeps what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.closing = False

    def write(self, data: object) -> None:
        self.asked.append("write")

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.asked.append("close")
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing


def test_without_half_close_the_end_of_our_side_is_the_end() -> None:
    """It is said once: a transport with TLS that is closed twice cannot be aborted any more, nor asked for anything."""
    transport = Transport()
    link = TransportLink(transport)
    link.end_stream()
    link.close()
    assert transport.asked == ["close"]


def test_what_nobody_will_take_is_not_written() -> None:
    transport = Transport()
    link = TransportLink(transport)
    link.write(b"one")
    transport.closing = True  # as when the peer is gone, which the session is told in the loop's next turn
    link.write(b"two")
    assert transport.asked == ["write"]
