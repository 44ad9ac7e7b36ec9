"""What ``interlock explain`` has to tell, before it is text: steps and problems; and the octets of one side.

The files ``explain_http1.py``, ``explain_http2.py`` and ``explain_websocket.py`` make these; ``explain_output.py`` and what
it imports print them.
"""

from dataclasses import dataclass, field
from typing import Final

from interlock.cli.explain_rules import Rule
from interlock.machine.moves import Move

__all__ = ["ENDS", "Moved", "Problem", "Side", "Step", "other_end"]

#: The two ends of a connection.
ENDS: Final = ("client", "server")

#: Octets of a side that are kept to be shown beside an error: more than any head has.
_KEPT: Final = 131072


def other_end(sender: str) -> str:
    """The end that ``sender`` sends to."""
    return "server" if sender == "client" else "client"


@dataclass(frozen=True, slots=True)
class Moved:
    """A machine that moved, with the system that it is of, and the stream of HTTP/2 where it has one (else 0)."""

    system: str
    move: Move
    stream: int = 0

    @property
    def machine(self) -> str:
        """Its name, for people."""
        if not self.stream:
            return self.move.machine
        own = "" if self.move.machine == "stream" else f" {self.move.machine}"
        return f"stream {self.stream}{own}"


@dataclass(slots=True)
class Step:
    """Something that happened: ``event``, by its name in the tables or by the frame's, and all machines that it moved.

    ``begin`` and ``end``: the octets of its ``sender`` that it is made of, counted from 0; both -1 for what no octets say.
    ``sender``: "client", "server", or "" for what both do.  ``supposed``: it was not seen, but has to have happened.
    ``fields``: of a head or a trailer section.  ``notes``: what is no error, and has misled others.  ``content``: how many octets of content it carries, ``shown`` the first.
    """

    sender: str
    protocol: str
    event: str
    begin: int = -1
    end: int = -1
    summary: str = ""
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    moves: list[Moved] = field(default_factory=list)
    stream: int = 0
    content: int = -1
    shown: bytes = b""
    supposed: bool = False
    notes: list[str] = field(default_factory=list)
    connection: int = 0


@dataclass(slots=True)
class Problem:
    """What broke a rule, and where.

    ``at``: the octet at which it is noticed, counted from 0, or how many octets there are where they end too early.
    ``begin``: where the line or the frame begins that it stands in.  ``octets``: what is around it, from ``octets_at`` on;
    ``binary``: they are no text.  ``evidence``: the lines that say together what is wrong, each with its place.
    ``unit``: the frame that it stands in, in words.  ``culprit``: the place of what is wrong, from where to where, if it can be told apart.
    ``consequence``: what the other end does.  ``unread``: octets behind it that were there, and are not read.
    """

    sender: str
    protocol: str
    message: str
    rule: Rule
    at: int
    begin: int
    consequence: str
    octets: bytes = b""
    octets_at: int = 0
    binary: bool = False
    evidence: list[tuple[int, bytes]] = field(default_factory=list)
    culprit: tuple[int, int] | None = None
    unit: str = ""
    moves: list[Moved] = field(default_factory=list)
    stream: int = 0
    unread: int = 0
    connection: int = 0


class Side:
    """What one end has sent: octets that are still to be read, and the last ones that were, by their place."""

    def __init__(self, sender: str) -> None:
        self.sender: Final = sender
        #: Octets that were read: the place of the next one.
        self.taken = 0
        #: Whether nothing more will come.
        self.ended = False
        #: Whether something was found wrong, so that nothing more is read.
        self.failed = False
        #: Where what was told of last has ended.
        self.told = 0
        self._pending = b""
        self._at = 0
        self._record = bytearray()

    @property
    def pending(self) -> int:
        """How many octets are still to be read."""
        return len(self._pending) - self._at

    def feed(self, data: bytes) -> None:
        """More octets; b"" says that these were all."""
        if not data:
            self.ended = True
        elif not self.failed:
            self._pending = self._pending[self._at :] + data
            self._at = 0

    def peek(self, most: int) -> bytes:
        """The next octets, without reading them."""
        return self._pending[self._at : self._at + most]

    def take(self, most: int) -> bytes:
        """Read the next octets."""
        data = self.peek(most)
        self._at += len(data)
        self.taken += len(data)
        self._record += data
        if len(self._record) > 2 * _KEPT:
            del self._record[:-_KEPT]
        return data

    def drop(self) -> int:
        """Let go of what is still to be read; return how many octets that was."""
        dropped = self.pending
        self._pending = b""
        self._at = 0
        return dropped

    def octets(self, begin: int, end: int) -> tuple[int, bytes]:
        """The octets from ``begin`` to ``end``, as far as they are kept, and the place of the first."""
        first = self.taken - len(self._record)
        begin = max(begin, first)
        read = bytes(self._record[begin - first : max(end - first, 0)])
        ahead = end - max(begin, self.taken)
        return begin, read + self.peek(ahead) if ahead > 0 else read
