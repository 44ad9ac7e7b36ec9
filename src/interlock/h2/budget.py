"""What a peer may cost us: one budget for all frames that make work and do none (RFC 9113 §10.5)."""

from typing import Final, final

__all__ = ["Budget"]

#: Frames that useful ones bring with them, at most so many ahead: window updates, priorities, and the like.
_MOST_ALLOWED: Final = 1000


@final
class Budget:
    """Tokens that are spent by glitches, and come back with time and with useful work.

    Beside them stand allowances: what an honest peer sends along with each request, and for each DATA frame that it
    gets, costs nothing.
    """

    __slots__ = ("_allowed", "_left", "_most", "_rate")

    def __init__(self, most: int, rate: int) -> None:
        """``most`` tokens, of which ``rate`` come back each second."""
        self._most: Final = float(most)
        self._rate: Final = float(rate)
        self._left = float(most)
        self._allowed = 0

    def spend(self, tokens: int) -> bool:
        """A glitch.  False when there is nothing left for it."""
        self._left -= tokens
        return self._left >= 0.0

    def spend_allowed(self) -> bool:
        """A frame that goes along with others, or a glitch where there were none.  False as in :meth:`spend`."""
        if self._allowed > 0:
            self._allowed -= 1
            return True
        return self.spend(1)

    def allow(self, frames: int) -> None:
        """Something was done that honest peers answer with so many frames."""
        if self._allowed < _MOST_ALLOWED:
            self._allowed += frames

    def earn(self, tokens: int) -> None:
        """Useful work was done."""
        if self._left < self._most:
            self._left = min(self._left + tokens, self._most)

    def refill(self, seconds: float) -> None:
        """Time has passed."""
        if self._left < self._most:
            self._left = min(self._left + seconds * self._rate, self._most)
