"""The windows of both directions as they are seen from outside (RFC 9113 §5.2, §6.9).

What an end may send follows from the other end's SETTINGS and WINDOW_UPDATE frames alone, so who sees both can count.
"""

from typing import Final

from interlock.h2.frames import DEFAULT_WINDOW

__all__ = ["ObservedWindows"]


class ObservedWindows:
    """How many octets of DATA one end may still send."""

    __slots__ = ("_connection", "_initial", "_streams")

    def __init__(self) -> None:
        self._connection = DEFAULT_WINDOW
        self._initial = DEFAULT_WINDOW
        self._streams: Final[dict[int, int]] = {}

    def room(self, stream: int) -> int:
        """For a stream."""
        return self._streams.get(stream, self._initial)

    @property
    def connection(self) -> int:
        """For all streams together."""
        return self._connection

    def sent(self, stream: int, octets: int) -> None:
        """It has sent so many, padding included."""
        self._connection -= octets
        self._streams[stream] = self.room(stream) - octets

    def granted(self, stream: int, octets: int) -> None:
        """The other end has sent a WINDOW_UPDATE; ``stream``: 0 for the connection."""
        if stream:
            self._streams[stream] = self.room(stream) + octets
        else:
            self._connection += octets

    def set_initial(self, octets: int) -> None:
        """The other end's SETTINGS_INITIAL_WINDOW_SIZE; it changes the windows of streams that are open, too."""
        for stream in self._streams:
            self._streams[stream] += octets - self._initial
        self._initial = octets

    @property
    def initial(self) -> int:
        """What a stream begins with."""
        return self._initial

    def forget(self, stream: int) -> None:
        """The stream is closed."""
        self._streams.pop(stream, None)
