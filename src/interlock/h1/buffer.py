"""What has been received and not yet been parsed.

Octets are kept as they came.  Nothing is copied while whole lines and content can be sliced from what came last;
pieces of a line that has no end yet are held apart and joined once, when its end has come.  So N octets cost O(N),
however they are cut.
"""

from mypy_extensions import mypyc_attr

__all__ = ["ReceiveBuffer"]


@mypyc_attr(acyclic=True, free_list_len=1)
class ReceiveBuffer:
    """The received octets: ``held`` (pieces of an incomplete line), then ``data`` from ``pos``, then ``incoming``."""

    __slots__ = ("closed", "data", "held", "incoming", "pos")

    def __init__(self) -> None:
        self.data = b""
        self.pos = 0
        self.held: list[bytes] = []
        self.incoming: list[bytes] = []
        #: Whether the peer has said that nothing more will come.
        self.closed = False

    def append(self, octets: bytes) -> None:
        """Add what was received."""
        if self.pos == len(self.data) and not self.incoming:
            self.data = octets
            self.pos = 0
        else:
            self.incoming.append(octets)

    def has_line(self) -> bool:
        """Whether there is a LF in ``data`` from ``pos``; if not, all that there is goes to ``held``."""
        while True:
            if self.data.find(b"\n", self.pos) >= 0:
                if self.held:
                    self.held.append(self.data[self.pos :])
                    self.data = b"".join(self.held)
                    self.pos = 0
                    self.held.clear()
                return True
            if self.pos < len(self.data):
                self.held.append(self.data[self.pos :])
            self.data = b""
            self.pos = 0
            if not self._next():
                return False

    def has_data(self) -> bool:
        """Whether there is an octet in ``data`` from ``pos``, after getting at what came later."""
        return self.pos < len(self.data) or self._next()

    def _next(self) -> bool:
        """Go on to ``incoming``, once ``data`` is used up."""
        if not self.incoming:
            return False
        self.data = self.incoming[0] if len(self.incoming) == 1 else b"".join(self.incoming)
        self.pos = 0
        self.incoming.clear()
        return True

    def take(self, most: int) -> bytes:
        """Remove and return the next octets of ``data``, ``most`` of them at the most."""
        start = self.pos
        end = start + most
        if end >= len(self.data):
            end = len(self.data)
            if start == 0:
                taken = self.data
                self.data = b""
                return taken
        self.pos = end
        return self.data[start:end]

    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return self.pos == len(self.data) and not self.incoming and not self.held

    def unread(self) -> bytes:
        """All that is in it."""
        return b"".join((*self.held, self.data[self.pos :], *self.incoming))
