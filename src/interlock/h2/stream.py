"""One stream: its place in the tables, its windows, and what waits to be sent on it."""

from collections import deque
from typing import Any, Final, final

from mypy_extensions import mypyc_attr

from interlock.h2.flow import ReceiveWindow
from interlock.http.fields import Headers

__all__ = ["Stream"]


@final
@mypyc_attr(acyclic=True, free_list_len=1)
class Stream:
    """What the engine keeps of a stream, for as long as it is not closed."""

    __slots__ = (
        "behind",
        "body",
        "counted",
        "discarded",
        "early",
        "ended_by",
        "first",
        "head_fields",
        "head_octets",
        "id",
        "incremental",
        "joint",
        "left",
        "method",
        "no_content",
        "pending_octets",
        "receive",
        "released",
        "send",
        "served",
        "shown",
        "urgency",
    )

    def __init__(self, stream_id: int, send: int, receive: ReceiveWindow) -> None:
        self.id: Final = stream_id
        #: Its state in :data:`interlock.h2.tables.STREAM`.
        self.joint = 0
        #: Octets that we may send now; negative after the peer has made its windows smaller (RFC 9113 §6.9.2).
        self.send = send
        #: What the peer may send.
        self.receive: Final = receive
        #: Data that waits to be sent, bytes-like: the first of it, perhaps cut, and what is behind that, if anything.
        self.first: Any = b""
        self.behind: deque[Any] | None = None
        self.pending_octets = 0
        #: The trailer section that ends what we send, once it is known.
        self.ended_by: Headers | None = None
        #: Octets of content that we still owe by our Content-Length; -1 where there is none.
        self.left = -1
        #: The peer's head, whose limits its trailers share: its fields, and its octets as RFC 9113 §6.5.2 counts them.
        self.head_fields = 0
        self.head_octets = 0
        #: Octets of content that have come.
        self.body = 0
        #: Of the request.
        self.method = b""
        #: Whether the response has no content whatever its fields say (RFC 9110 §6.4.1).
        self.no_content = False
        #: Whether content of ours has been handed out on it.
        self.served = False
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
