"""The Date field's format, IMF-fixdate (RFC 9110 §5.6.7), made once per second."""

import time

__all__ = ["ImfFixdate", "imf_fixdate"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


def imf_fixdate(seconds: int) -> bytes:
    """``seconds`` since the Unix epoch as an IMF-fixdate: b"Sun, 06 Nov 1994 08:49:37 GMT"."""
    at = time.gmtime(seconds)
    return (
        f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year:04} "
        f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
    ).encode()


class ImfFixdate:
    """The IMF-fixdate of the second it was last asked for.  It has no clock: the caller says what time it is."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def at(self, seconds: float) -> bytes:
        """The IMF-fixdate of ``seconds`` since the Unix epoch."""
        second = int(seconds)
        if second != self._second:
            self._second = second
            self._text = imf_fixdate(second)
        return self._text
