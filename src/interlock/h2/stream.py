"""One stream: its place in the tables, its windows, and what waits to be sent on it."""

from collections import deque
from typing import Any, Final, final

from interlock.h2.flow import GrowthBudget, ReceiveWindow, SendWindow
from interlock.http.fields import Headers

__all__ = ["Stream"]


@final
class Stream:
    """What the engine keeps of a stream, for as long as it is not closed."""

    __slots__ = (
        "body",
        "counted",
        "discarded",
        "early",
        "ended_by",
        "id",
        "incremental",
        "joint",
        "left",
        "method",
        "no_content",
        "pending",
        "pending_octets",
        "receive",
        "released",
        "send",
        "shown",
        "urgency",
    )

    def __init__(self, stream_id: int, send: int, receive: int, ceiling: int, budget: GrowthBudget) -> None:
        self.id: Final = stream_id
        #: Its state in :data:`interlock.h2.tables.STREAM`.
        self.joint = 0
        #: What we may send, and what the peer may.
        self.send: Final = SendWindow(send)
        self.receive: Final = ReceiveWindow(receive, ceiling, budget)
        #: Data that waits to be sent: bytes-like, the first of them perhaps cut.
        self.pending: Final[deque[Any]] = deque()
        self.pending_octets = 0
        #: The trailer section that ends what we send, once it is known.
        self.ended_by: Headers | None = None
        #: Octets of content that we still owe by our Content-Length; -1 where there is none.
        self.left = -1
        #: Octets of content that have come.
        self.body = 0
        #: Of the request.
        self.method = b""
        #: Whether the response has no content whatever its fields say (RFC 9110 §6.4.1).
        self.no_content = False
        #: Whether the caller has been told of the stream.
        self.shown = False
        #: Whether it counts against the peer's limit of streams.
        self.counted = False
        #: Whether nothing of the application runs for it any more.
        self.released = False
        #: Whether what comes on it is dropped.
        self.discarded = False
        #: Whether its window has the default size, since the peer does not know of ours (RFC 9113 §6.9.2).
        self.early = False
        self.urgency = 3
        self.incremental = False
