"""What has come for one stream of HTTP/2, and who waits for more of it.  Nothing here reads, writes or waits."""

from collections import deque
from typing import Final

from interlock.h2 import InformationalResponse, Response
from interlock.http.fields import Headers
from interlock.net.stream import Event

__all__ = ["Inbox"]

#: Octets up to which blocks are put together.
_SMALL: Final = 4096


class Inbox:
    """One stream's; 0 is that of nobody's."""

    __slots__ = (
        "blocks",
        "busy",
        "changed",
        "ended",
        "error",
        "event",
        "head",
        "informational",
        "informational_responses",
        "last",
        "lost",
        "may_go_on",
        "octets",
        "own",
        "refused",
        "sending",
        "stream_id",
        "trailers",
        "write_timeout",
    )

    def __init__(self, stream_id: int, now: float, write_timeout: float | None = None) -> None:
        self.stream_id: Final = stream_id
        #: Seconds for a write by who waits here.
        self.write_timeout: Final = write_timeout
        #: The head of the final response.
        self.head: Response | None = None
        #: Informational responses of which nobody was told yet, and how many there were in all.
        self.informational: Final[deque[InformationalResponse]] = deque()
        self.informational_responses = 0
        #: Whether the server has told that it wants the content of the request (RFC 9110 §10.1.1).
        self.may_go_on = False
        #: Content that nobody has taken yet, and how many octets came in all.
        self.blocks: Final[deque[bytes]] = deque()
        self.octets = 0
        #: Whether the response is complete, and what came behind its content.
        self.ended = False
        self.trailers: Headers | None = None
        #: Why nothing more will come, if it is not complete.
        self.error: Exception | None = None
        #: Whether that is because the connection was lost; or because the peer has done nothing with the request, and says so.
        self.lost = False
        self.refused = False
        #: Whether it is also of interest that what was queued to be sent has gone.
        self.sending = False
        #: When something came for it, or somebody began to wait for that; how long the connection had been busy then, and
        #: how long it has been so with content of this stream.
        self.last = now
        self.busy = 0.0
        self.own = 0.0
        #: Whether something has happened since somebody looked; and what wakes who waits for that.
        self.changed = False
        self.event: Event | None = None

    def arrived(self, block: bytes) -> None:
        """Content has come.

        Small blocks are put together: a server may send one octet in a frame, and each block costs many more than that to
        whoever collects them.
        """
        blocks = self.blocks
        if blocks and len(blocks[-1]) + len(block) <= _SMALL:
            blocks[-1] += block
        else:
            blocks.append(block)
        self.octets += len(block)

    def restart(self, now: float, busy: float) -> None:
        """Something has come for it, or somebody begins to wait for that."""
        self.last = now
        self.busy = busy

    def notify(self) -> None:
        """Something has happened."""
        self.changed = True
        event = self.event
        if event is not None:
            self.event = None
            event.set()

    def fail(self, error: Exception, *, lost: bool = False, refused: bool = False) -> None:
        """Nothing more will come."""
        if not self.ended and self.error is None:
            self.error = error
            self.lost = lost
            self.refused = refused
        self.notify()
