"""The windows of flow control: what we may send, and what a peer may send (RFC 9113 §5.2, §6.9).

Pure counts of octets.  A stream has one window of each kind, and so has the connection; frames are not made here.
"""

from typing import Final, final

from mypy_extensions import mypyc_attr

__all__ = ["LARGEST_WINDOW", "NO_WINDOW", "GrowthBudget", "ReceiveWindow", "may_grow"]

#: RFC 9113 §6.9.1.
LARGEST_WINDOW: Final = 0x7FFF_FFFF

#: "Nearly all": at most one of so many octets of a window is still to be taken by the application.
_NEARLY: Final = 8


def may_grow(window: int, increment: int) -> bool:
    """Whether a window that lets us send so many octets stays within its limit when it grows by ``increment``.

    Both may be negative: the peer can make its windows smaller after they were used (RFC 9113 §6.9.1, §6.9.2).
    """
    return increment <= LARGEST_WINDOW - window


@final
class GrowthBudget:
    """Octets by which the receive windows of a connection may have grown, all together."""

    __slots__ = ("left",)

    def __init__(self, octets: int) -> None:
        #: Octets that no window has taken.
        self.left = octets

    def take(self, octets: int) -> int:
        """Take ``octets``, or as many as are left; return how many."""
        if octets > self.left:
            octets = self.left
        self.left -= octets
        return octets

    def give_back(self, octets: int) -> None:
        """Octets that were taken are free again."""
        self.left += octets


@final
@mypyc_attr(acyclic=True, free_list_len=1)
class ReceiveWindow:
    """What we let the peer send, and what of it the application has still to take.

    Every octet of ``size`` is in one of three places: the peer may send it (``available``), the application has still to
    take it (``unconsumed``), or it was taken and not yet announced to the peer.  It is announced once it is at least one of
    ``parts`` of the window, so a peer never waits for what is withheld, and updates are few.

    A window grows where it is what holds the peer back: the peer has used up half of it since the last update, and the
    application has meanwhile taken nearly all that there was.  It doubles then, up to ``ceiling`` and as far as
    ``budget`` has octets left.
    """

    __slots__ = (
        "_budget",
        "_ceiling",
        "_initial",
        "_parts",
        "_taken",
        "available",
        "kept_up",
        "remaining",
        "size",
        "unconsumed",
    )

    def __init__(self, initial: int, ceiling: int, budget: GrowthBudget | None = None, parts: int = 2) -> None:
        self._initial = initial
        self._ceiling: Final = min(ceiling, LARGEST_WINDOW)
        self._budget: Final = budget
        self._parts: Final = parts
        #: Octets taken by the application and not yet announced.
        self._taken = 0
        #: Octets that the peer may have sent without the application's taking them: never more than these.
        self.size = initial
        #: Octets that the peer may send now; negative after :meth:`adjust` has made the window smaller.
        self.available = initial
        #: Octets received that the application has still to take.
        self.unconsumed = 0
        #: Whether the application has taken nearly all that there was at some time since the last update.
        self.kept_up = False
        #: Octets of content that the peer has still to send, or -1 where that is not known.  While it may send all of
        #: them already, nothing is announced.
        self.remaining = -1

    def received(self, octets: int) -> bool:
        """DATA has come, its padding counted.  False, and nothing changes, if the peer has overrun the window."""
        if octets > self.available:
            return False
        self.available -= octets
        self.unconsumed += octets
        return True

    def consumed(self, octets: int) -> int:
        """The application has taken ``octets`` (or nobody has to: padding, content that is dropped).

        Return the increment of the WINDOW_UPDATE to be sent now, or 0 for none.
        """
        self.unconsumed -= octets
        self._taken += octets
        if self.unconsumed * _NEARLY <= self.size:
            self.kept_up = True
        if self._taken * self._parts < self.size or 0 <= self.remaining <= self.available:
            return 0
        increment = self._taken
        self._taken = 0
        if self.kept_up:
            increment += self._grow()
        self.kept_up = False
        self.available += increment
        return increment

    def adjust(self, delta: int) -> None:
        """Our SETTINGS_INITIAL_WINDOW_SIZE differs by ``delta`` from what the window was made with (RFC 9113 §6.9.2).

        To be called for streams that were open before, once the peer has acknowledged it: it has done the same.
        """
        self._initial += delta
        self.size += delta
        self.available += delta

    def no_more(self) -> None:
        """Nothing more will come, as END_STREAM or the content length shows: nothing is announced from now on."""
        self.remaining = 0

    def end(self) -> None:
        """The stream has ended: what its window has grown by is given back to the budget.  Once is enough."""
        self.remaining = 0
        grown = self.size - self._initial
        self.size = self._initial
        if self._budget is not None:
            self._budget.give_back(grown)

    def _grow(self) -> int:
        """Make the window larger, by the octets that are returned."""
        octets = min(self.size, self._ceiling - self.size)
        if octets <= 0:
            return 0
        if self._budget is not None:
            octets = self._budget.take(octets)
        self.size += octets
        return octets


#: The window of streams on which the peer has nothing left to send.
NO_WINDOW: Final = ReceiveWindow(0, 0)
