"""Which stream may send the next DATA frame, by the extensible priorities (RFC 9218 §10).

Windows and frames stand elsewhere: a stream is here while it has something to send and may send it.

- A lower urgency number goes first.
- Of one urgency, responses that are not incremental are sent one after the other, in the order of their stream ids;
  incremental ones share, a frame each in turn.  Where there are both, the two kinds take turns: RFC 9218 §10 asks that
  neither starves the other and leaves open how.
- **Nothing starves.**  While several urgencies wait, one of :data:`SHARE` frames goes to those behind the first, in
  turn; while several streams wait that are not incremental and of one urgency, one of :data:`SHARE` frames of these
  goes to those behind the first, in turn.  Clients that know no priorities have all their streams there: without this,
  an endless response would stop all others.
"""

from bisect import bisect_left, bisect_right
from typing import Final, final

__all__ = ["SHARE", "Scheduler"]

#: Of so many frames, one goes to what would otherwise wait for ever.
SHARE: Final = 16

#: For each set of urgencies, as bits: the lowest number in it.
_FIRST: Final = bytes([0, *[(waiting & -waiting).bit_length() - 1 for waiting in range(1, 256)]])


@final
class _Level:
    """The streams of one urgency.  Both lists are sorted by stream id."""

    __slots__ = ("behind", "last", "one_by_one", "passed", "share_now", "sharing")

    def __init__(self) -> None:
        #: Streams that are not incremental.
        self.one_by_one: Final[list[int]] = []
        #: Incremental streams.
        self.sharing: Final[list[int]] = []
        #: The stream of ``sharing`` that has sent last.
        self.last = 0
        #: Whether it is the turn of ``sharing``.
        self.share_now = False
        #: Frames of the first of ``one_by_one`` since one of a stream behind it.
        self.passed = 0
        #: The stream of ``one_by_one`` that has last sent without being the first.
        self.behind = 0

    def next(self) -> int:
        """The stream to send the level's next frame.  The level is not empty."""
        streams = self.one_by_one
        if self.sharing and (self.share_now or not streams):
            streams = self.sharing
            if len(streams) == 1:
                return streams[0]
            at = bisect_right(streams, self.last)
            return streams[at] if at < len(streams) else streams[0]
        if self.passed >= SHARE - 1 and len(streams) > 1:
            at = bisect_right(streams, self.behind, 1)
            return streams[at] if at < len(streams) else streams[1]
        return streams[0]

    def sent(self, stream_id: int, incremental: bool) -> None:
        """A frame of ``stream_id``, one of the level's, has been sent."""
        self.share_now = not incremental
        if incremental:
            self.last = stream_id
        elif self.one_by_one[0] == stream_id:
            self.passed = self.passed + 1 if len(self.one_by_one) > 1 else 0
        else:
            self.passed = 0
            self.behind = stream_id


@final
class Scheduler:
    """The streams of a connection that are ready to send DATA.

    An operation costs a search among the streams of one urgency and a move of their ids in memory, so next to nothing
    for the thousands of streams that a connection may have.  With one stream there is nothing to decide.
    """

    __slots__ = ("_levels", "_only", "_passed", "_place", "_streams", "_turn", "_waiting")

    def __init__(self) -> None:
        #: A stream that came when there was no other, until there is one, and its place; or 0.
        self._only = 0
        self._place = 0
        #: All streams, if there is none of that kind: twice the urgency of each, and one more if it is incremental.
        self._streams: Final[dict[int, int]] = {}
        self._levels: Final = [_Level() for _ in range(8)]
        #: The urgencies that have streams, as bits.
        self._waiting = 0
        #: Frames of the first urgency since one of another, while there were others.
        self._passed = 0
        #: The urgency that has last sent without being the first.
        self._turn = 0

    def __len__(self) -> int:
        return 1 if self._only else len(self._streams)

    def __contains__(self, stream_id: int) -> bool:
        return stream_id in self._streams or (self._only != 0 and stream_id == self._only)

    def add(self, stream_id: int, urgency: int, incremental: bool) -> None:
        """The stream is ready to send.  Where it is one already nothing changes, its priority neither."""
        if self._only:
            if stream_id == self._only:
                return
            self._put(self._only, self._place)
            self._only = 0
        elif not self._streams:
            self._only = stream_id
            self._place = urgency * 2 + incremental
            return
        if stream_id not in self._streams:
            self._put(stream_id, urgency * 2 + incremental)

    def _put(self, stream_id: int, place: int) -> None:
        self._streams[stream_id] = place
        level = self._levels[place >> 1]
        streams = level.sharing if place & 1 else level.one_by_one
        if streams and streams[-1] > stream_id:
            streams.insert(bisect_left(streams, stream_id), stream_id)
        else:
            streams.append(stream_id)
        self._waiting |= 1 << (place >> 1)

    def remove(self, stream_id: int) -> None:
        """The stream has nothing to send, or may not send it.  Nothing changes where it is not there."""
        if self._only:
            if stream_id == self._only:
                self._only = 0
            return
        place = self._streams.pop(stream_id, -1)
        if place < 0:
            return
        level = self._levels[place >> 1]
        streams = level.sharing if place & 1 else level.one_by_one
        del streams[bisect_left(streams, stream_id)]
        if not level.one_by_one and not level.sharing:
            self._waiting &= ~(1 << (place >> 1))

    def change(self, stream_id: int, urgency: int, incremental: bool) -> None:
        """The stream has another priority now (RFC 9218 §6).  Nothing changes where it is not there."""
        if self._only:
            if stream_id == self._only:
                self._place = urgency * 2 + incremental
            return
        place = self._streams.get(stream_id, -1)
        if place < 0 or place == urgency * 2 + incremental:
            return
        self.remove(stream_id)
        self.add(stream_id, urgency, incremental)

    def next(self) -> int:
        """The stream to send the next frame, or 0.  The same again, until something else of this class is called."""
        if self._only:
            return self._only
        waiting = self._waiting
        if not waiting:
            return 0
        if self._passed >= SHARE - 1:
            others = waiting & (waiting - 1)
            if others:
                later = others & ~((2 << self._turn) - 1)
                return self._levels[_FIRST[later or others]].next()
        return self._levels[_FIRST[waiting]].next()

    def sent(self, stream_id: int) -> None:
        """One frame of the stream has been sent.  To be called before the stream is removed."""
        if self._only or len(self._streams) == 1:
            self._passed = 0
            return
        place = self._streams.get(stream_id, -1)
        if place < 0:
            return
        urgency = place >> 1
        waiting = self._waiting
        if urgency != _FIRST[waiting]:
            self._passed = 0
            self._turn = urgency
        elif waiting & (waiting - 1):
            self._passed += 1
        else:
            self._passed = 0
        self._levels[urgency].sent(stream_id, place & 1 == 1)
