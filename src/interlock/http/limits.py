"""Every limit and every timeout, with its default: two frozen objects.

Engines take :class:`Limits`; only drivers take :class:`Timeouts`, since engines know no clock.  Sizes are in octets,
times in seconds.
"""

from dataclasses import dataclass

__all__ = ["Limits", "Timeouts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a peer may make us hold or read."""

    #: The request line (or status line), without its CRLF, in octets; in HTTP/2, what would be one in HTTP/1.1.  Beyond
    #: it: 414, or 400 if all of it is method.
    request_line: int = 8192
    #: The field section of a head together with the trailer section of the same message, in octets.  Beyond it: 431.
    head: int = 65536
    #: Fields in a head and its trailers together.  Beyond it: 431.
    fields: int = 100
    #: The extensions of one chunk line, in octets (RFC 9112 §7.1.1).
    chunk_extension: int = 256
    #: Framing overhead of a chunked body, in octets: at most this, or as many octets as the body has so far.
    chunk_overhead: int = 16384
    #: The content of one message, in octets; None: no limit (it is streamed under backpressure).  Beyond it: 413.
    body: int | None = None
    #: Octets received ahead of what the application has taken, before reading pauses.
    read_buffer: int = 65536
    #: Octets given to the transport and not yet sent, before writing waits (the high-water mark).
    write_buffer: int = 65536
    #: HTTP/2: streams that a peer may have open at the same time (RFC 9113 §5.1.2).  Beyond it: REFUSED_STREAM.
    streams: int = 100
    #: HTTP/2: CONTINUATION frames of one field block; one without content counts twice.  Beyond it: ENHANCE_YOUR_CALM.
    continuations: int = 8
    #: HTTP/2: frames that cost us more than they are worth to an honest peer, such as PING, SETTINGS and the reset of a
    #: request in progress: so many at once ...
    glitches: int = 200
    #: ... and so many more a second.  Useful work earns some too.  Beyond it: ENHANCE_YOUR_CALM.
    glitches_rate: int = 33
    #: HTTP/2: octets that a peer may send on a stream before the application has taken them (RFC 9113 §5.2) ...
    window: int = 65535
    #: ... and how large that may grow where the application keeps up: on each stream, and on all of a connection's
    #: streams together beyond what each of them has from the start.
    window_ceiling: int = 16777216
    #: HTTP/2: octets of each of the two header compression tables (RFC 7541 §4.2).
    header_table: int = 4096
    #: WebSocket: octets of one message, after inflation (RFC 6455 §10.4).  Beyond it: 1009.
    message: int = 16777216
    #: WebSocket: frames of one message (RFC 6455 §5.4); None: one for every 256 octets of the limit for messages, and at
    #: least 1024.  Beyond it: 1009.
    fragments: int | None = None
    #: WebSocket: messages received ahead of what the application has taken, before reading pauses; their octets count
    #: as in ``read_buffer``.
    message_queue: int = 16
    #: Octets of an unread request body that are read and dropped, so that the connection can be kept.
    drain: int = 65536
    #: Connections at the same time, in one worker; None: no limit.
    connections: int | None = None
    #: Connections at the same time from one IP address, in one worker; None: no limit.
    connections_per_ip: int | None = None

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"limit {name} must not be negative: {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a driver waits for what.  A timeout of 0 waits for ever."""

    #: The TLS handshake.
    tls_handshake: float = 10.0
    #: A head, from its first octet; the first head also from the connection's start.
    head: float = 10.0
    #: The acknowledgement of our SETTINGS (RFC 9113 §6.5.3).
    settings: float = 10.0
    #: The next request on an idle connection.
    keep_alive: float = 75.0
    #: Between two pieces of a body.
    body: float = 30.0
    #: A body may be as slow as it likes for this long ...
    body_grace: float = 10.0
    #: ... and then has to have come at this many octets a second on the average.
    body_rate: float = 500.0
    #: A peer that takes nothing, while more than the high-water mark waits to be sent.
    write: float = 30.0
    #: A peer that takes something has to take this many octets a second while more than the high-water mark waits.
    write_rate: float = 500.0
    #: After our last octet, how long the peer's are read and dropped before the socket is closed (RFC 9112 §9.6).
    linger: float = 2.0
    #: WebSocket: the closing handshake, from our Close to the end of the byte stream (RFC 6455 §7.1.1).
    closing: float = 5.0
    #: WebSocket: between two of our pings on a connection (RFC 6455 §5.5.2); 0: none are sent ...
    ping_interval: float = 20.0
    #: ... and until the answer to one.
    pong: float = 20.0
    #: Requests that are running when the server is told to stop.
    shutdown: float = 30.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"timeout {name} must not be negative: {getattr(self, name)}")
