"""When a wait becomes too long: pure, without a clock.

A :class:`Wait` says what a connection waits for, since when, and how much has come; the deadline follows from that and
from :class:`~interlock.http.limits.Timeouts`.  The caller says what time it is, so a test turns the clock as it likes.
Times are in seconds, on any clock that only goes forward.
"""

from typing import Final

from interlock.http.limits import Timeouts

__all__ = [
    "APPLICATION",
    "BODY",
    "CLOSING",
    "HEAD",
    "IDLE",
    "LEAVING",
    "LINGER",
    "NEVER",
    "SETTINGS",
    "SHUTDOWN",
    "WRITE",
    "Wait",
]

NEVER: Final = float("inf")

#: Nothing from the peer: the application has to act.
APPLICATION: Final = 0
#: The first octet of the next head, on a connection that has served one before.
IDLE: Final = 1
#: A head: its first octet on a new connection, the rest of it on any.
HEAD: Final = 2
#: The content of a request.
BODY: Final = 3
#: The peer to take what is above the high-water mark.
WRITE: Final = 4
#: The peer to take the last octets of a connection that is being closed.
CLOSING: Final = 5
#: The peer to close its side after ours (RFC 9112 §9.6).
LINGER: Final = 6
#: Exchanges that run while the server stops.
SHUTDOWN: Final = 7
#: The acknowledgement of our SETTINGS (RFC 9113 §6.5.3).
SETTINGS: Final = 8
#: The peer to have heard that we take no more requests (RFC 9113 §6.8).
LEAVING: Final = 9


class Wait:
    """What is waited for now, and since when; or nothing, as long as it is :data:`APPLICATION`."""

    __slots__ = ("_last", "_octets", "_paused", "_since", "_timeouts", "what")

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts: Final = timeouts
        self.what = APPLICATION
        self._since = 0.0
        self._last = 0.0
        self._octets = 0
        self._paused = NEVER

    def begin(self, what: int, now: float) -> None:
        """Wait for ``what`` from ``now`` on."""
        self.what = what
        self._since = now
        self._last = now
        self._octets = 0
        self._paused = NEVER

    def end(self) -> None:
        """Nothing is waited for."""
        self.what = APPLICATION

    def progress(self, octets: int, now: float) -> None:
        """``octets`` more have come, or have been taken."""
        self._octets += octets
        self._last = now

    def pause(self, now: float) -> None:
        """We do not let the peer go on: the time until :meth:`resume` does not count."""
        if self._paused == NEVER:
            self._paused = now

    def resume(self, now: float) -> None:
        """The peer can go on."""
        if self._paused != NEVER:
            self._since += now - self._paused
            self._last += now - self._paused
            self._paused = NEVER

    def deadline(self) -> float:
        """When this wait is too long, or :data:`NEVER`."""
        timeouts = self._timeouts
        what = self.what
        if what == APPLICATION or self._paused != NEVER:
            return NEVER
        if what == BODY:
            return self._rated(timeouts.body, timeouts.body_grace, timeouts.body_rate)
        if what == WRITE or what == CLOSING:
            return self._rated(timeouts.write, timeouts.write, timeouts.write_rate)
        if what == IDLE:
            limit = timeouts.keep_alive
        elif what == HEAD:
            limit = timeouts.head
        elif what == LINGER or what == LEAVING:
            limit = timeouts.linger
        elif what == SETTINGS:
            limit = timeouts.settings
        else:
            limit = timeouts.shutdown
        return self._since + limit if limit else NEVER

    def _rated(self, silence: float, grace: float, rate: float) -> float:
        """The earlier of ``silence`` after the last octet, and when the average falls below ``rate`` after ``grace``.

        The grace is added to the time that the octets may take: who keeps to the rate may do so in bursts.
        """
        deadline = self._last + silence if silence else NEVER
        if rate and grace:
            deadline = min(deadline, self._since + grace + self._octets / rate)
        return deadline
