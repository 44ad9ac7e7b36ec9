"""What can be chosen for a connection with a delegate."""

from dataclasses import dataclass, field, replace

from interlock.http.limits import Limits, Timeouts

__all__ = ["HTTP1ConnectionParameters"]


@dataclass(frozen=True, slots=True)
class HTTP1ConnectionParameters:
    """Sizes are in octets, times in seconds.  What has no name here is in ``limits`` and ``timeouts``."""

    #: Close the connection after one exchange, and say so.
    no_keep_alive: bool = False
    #: Octets that are read at once, and the most that a delegate gets at once.
    chunk_size: int = 65536
    #: The field section of a head, with its trailers.
    max_header_size: int = Limits().head
    #: A head, from its first octet; a server's first also from the beginning.  None: for ever.
    header_timeout: float | None = Timeouts().head
    #: The content of one message, encoded as well as decoded.  None: no limit, as delegates hold the peer up.
    max_body_size: int | None = Limits().body
    #: All of a message's content, without the time that the delegate takes.  None: it may last as long as it keeps coming,
    #: as ``timeouts`` says.
    body_timeout: float | None = None
    #: Undo the content codings of what is received.
    decompress: bool = False
    #: Octets of decoded content that one received octet may stand for, on the average beyond the first MiB; 0: any.
    max_ratio: int = field(default=100, kw_only=True)
    limits: Limits = field(default=Limits(), kw_only=True)
    timeouts: Timeouts = field(default=Timeouts(), kw_only=True)

    def __post_init__(self) -> None:
        if self.chunk_size < 1:
            raise ValueError(f"chunk_size has to be at least 1, not {self.chunk_size}")
        for name in ("max_header_size", "header_timeout", "max_body_size", "body_timeout", "max_ratio"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be negative: {value}")

    def engine_limits(self) -> Limits:
        """What the engine is to hold; how much content there may be is the connection's to say, for each message."""
        line = min(self.limits.request_line, self.max_header_size)
        return replace(self.limits, request_line=line, head=self.max_header_size, body=None)

    def all_timeouts(self) -> Timeouts:
        """The timeouts, with ours among them."""
        return replace(self.timeouts, head=self.header_timeout or 0.0)
