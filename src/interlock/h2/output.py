"""What is to be sent: control frames and heads in their order, and DATA as windows and priorities allow (RFC 9113 §5.2)."""

from collections import deque
from typing import Any, Final, final

from interlock.h2 import frames
from interlock.h2.codes import CLOSED, LOCAL_DATA_END, LOCAL_ENDING, LOCAL_TRAILERS, TABLE, N
from interlock.h2.hpack import Encoder
from interlock.h2.messages import write_trailers
from interlock.h2.schedule import Scheduler
from interlock.h2.stream import Stream
from interlock.http.events import Response
from interlock.http.fields import Headers

__all__ = ["Output"]


#: Field blocks of responses that are remembered: so many, each of at most so many octets.
_MOST_BLOCKS: Final = 16
_LONGEST_BLOCK: Final = 1024


@final
class Output:
    """The sending half of a connection.

    Field blocks are encoded in the order in which they are handed over, and go out in that order (RFC 9113 §4.3).
    The head of a message is held back until something follows it, so that it can carry END_STREAM.
    """

    __slots__ = (
        "_blocks",
        "_control",
        "_ended",
        "_held",
        "_held_block",
        "_octets",
        "_parts",
        "closed",
        "encoder",
        "frame_size",
        "gave_way",
        "released",
        "scheduler",
        "window",
    )

    def __init__(self, header_table: int) -> None:
        self.encoder: Final = Encoder(header_table)
        #: The connection's window: what the peer lets us send (RFC 9113 §6.9.1).
        self.window = frames.DEFAULT_WINDOW
        #: The peer's SETTINGS_MAX_FRAME_SIZE.
        self.frame_size = frames.LEAST_FRAME_SIZE
        #: Streams that have Data, and a window for it.
        self.scheduler: Final = Scheduler()
        #: Streams whose Data has all been handed out, until somebody takes note.
        self.released: list[int] = []
        #: Streams that are closed by what was handed out, until somebody takes note.
        self.closed: list[Stream] = []
        self._parts: list[Any] = []
        #: How many octets these are, and how many of them are frames that the peer has made us send.
        self._octets = 0
        self._control = 0
        #: Streams whose END_STREAM is among them.
        self._ended: list[Stream] = []
        #: Whether the last :meth:`take` has stopped for who may have something more urgent to say.
        self.gave_way = False
        self._held: Stream | None = None
        self._held_block = b""
        #: Field sections of responses, as octets -> what they have become: the encoder's version, the status, and a
        #: field block that has not changed the encoder's table.
        self._blocks: Final[dict[bytes, Any]] = {}

    @property
    def control_octets(self) -> int:
        """Octets of frames that belong to no message and wait to be taken."""
        return self._control

    @property
    def waits(self) -> bool:
        """Whether :meth:`take` would give something."""
        return self._octets > 0 or self._held is not None or (self.window > 0 and len(self.scheduler) > 0)

    def control(self, octets: bytes) -> None:
        """A frame other than DATA."""
        if self._held is not None:
            self._write_held(False)
        self._parts.append(octets)
        self._octets += len(octets)
        self._control += len(octets)

    def head(self, stream: Stream, fields: list[Any]) -> None:
        """The head of a message."""
        self.hold(stream, self.encoder.encode(fields))

    def response(self, stream: Stream, fields: list[Any], event: Response) -> None:
        """The head of a final response, whose field list is ``fields``."""
        headers = event.headers
        encoder = self.encoder
        version = encoder.version
        block = encoder.encode(fields)
        self.hold(stream, block)
        if headers.shared and version == encoder.version and len(block) <= _LONGEST_BLOCK:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            self._blocks[headers.wire] = (version, event.status_code, block)

    def known_block(self, status: int, headers: Headers) -> bytes:
        """The field block of a final response, if it was sent before and would be the same again; else b""."""
        if not headers.shared:
            return b""
        known: tuple[int, int, bytes] | None = self._blocks.get(headers.wire)
        if known is None:
            return b""
        version, known_status, block = known
        return block if known_status == status and version == self.encoder.version else b""

    def hold(self, stream: Stream, block: bytes) -> None:
        """The field block that is the head of a message."""
        if self._held is not None:
            self._write_held(False)
        self._held = stream
        self._held_block = block

    def _write_held(self, end_stream: bool) -> None:
        stream = self._held
        if stream is not None:
            self._held = None
            octets = frames.headers(stream.id, self._held_block, end_stream, self.frame_size)
            self._parts.append(octets)
            self._octets += len(octets)

    def data(self, stream: Stream, data: Any) -> None:
        """Content; it waits for windows and for its turn."""
        octets = len(data)
        if octets:
            if not stream.pending_octets:
                stream.first = data
            elif stream.behind is None:
                stream.behind = deque((data,))
            else:
                stream.behind.append(data)
            stream.pending_octets += octets
            if stream.send > 0:
                self.scheduler.add(stream.id, stream.urgency, stream.incremental)

    def finish(self, stream: Stream, trailers: Headers | None) -> None:
        """The message is complete, with this trailer section."""
        stream.ended_by = trailers
        if not stream.pending_octets:
            self._end(stream)

    def _end(self, stream: Stream) -> None:
        """Send the end of a message that has nothing else left."""
        self._ended.append(stream)
        if self._held is stream and stream.ended_by is None:
            self._write_held(True)
            return
        if self._held is not None:
            self._write_held(False)
        if stream.ended_by is not None:
            block = self.encoder.encode(write_trailers(stream.ended_by))
            octets = frames.headers(stream.id, block, True, self.frame_size)
        else:
            octets = frames.head(0, frames.DATA, frames.END_STREAM, stream.id)
        self._parts.append(octets)
        self._octets += len(octets)

    def _note_ended(self) -> None:
        """The ends of messages that were waiting are handed out now."""
        for stream in self._ended:
            if LOCAL_ENDING[stream.joint]:
                event = LOCAL_DATA_END if stream.ended_by is None else LOCAL_TRAILERS
                stream.joint = TABLE[stream.joint * N + event]
                if CLOSED[stream.joint]:
                    self.closed.append(stream)
            self.released.append(stream.id)
        self._ended.clear()

    def drop(self, stream: Stream) -> None:
        """What waits on the stream is not to be sent."""
        if self._held is stream:
            self._write_held(False)  # it is encoded, and the peer's table must stay what ours is
        if stream.pending_octets:
            stream.first = b""
            stream.behind = None
            stream.pending_octets = 0
            self.scheduler.remove(stream.id)
            self.released.append(stream.id)

    def opened(self, stream: Stream) -> None:
        """The stream's window has changed."""
        if stream.pending_octets:
            if stream.send > 0:
                self.scheduler.add(stream.id, stream.urgency, stream.incremental)
            else:
                self.scheduler.remove(stream.id)

    def discard(self) -> None:
        """Nothing that waits is to be sent."""
        self._parts = []
        self._octets = 0
        self._control = 0
        self._held = None

    def take(self, streams: dict[int, Stream], limit: int, give_way: bool) -> bytes:
        """All frames other than DATA, and as much DATA as may be sent, until there are ``limit`` octets; -1: no limit.

        With ``give_way`` no DATA follows that of a stream which has given all that it had, whose message goes on, and
        which has precedence: whoever sends there is to have the chance to go on first.
        """
        self.gave_way = False
        if self._held is not None and not self._held.pending_octets:
            self._write_held(False)
        scheduler = self.scheduler
        if len(scheduler) and self.window > 0:
            if self._held is not None:
                self._write_held(False)
            octets = self._octets
            first: Stream | None = None
            while limit < 0 or octets < limit:
                stream_id = scheduler.next()
                if not stream_id or self.window <= 0:
                    break
                stream = streams[stream_id]
                if first is not None and _behind(stream, first):
                    self.gave_way = True
                    break
                octets += self._write_data(stream)
                if give_way and not stream.pending_octets and not LOCAL_ENDING[stream.joint]:
                    first = stream if first is None or _behind(first, stream) else first
        elif self._held is not None:
            self._write_held(False)
        parts = self._parts
        if not parts:
            return b""
        self._parts = []
        self._octets = 0
        self._control = 0
        if self._ended:
            self._note_ended()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _write_data(self, stream: Stream) -> int:
        """Write one DATA frame of ``stream``; give its octets."""
        most = min(self.frame_size, self.window, stream.send)
        data = stream.first
        size = len(data)
        if size > most:
            view = memoryview(data)
            data = view[:most]
            stream.first = view[most:]
            size = most
        else:
            behind = stream.behind
            stream.first = behind.popleft() if behind else b""
        self.window -= size
        stream.send -= size
        stream.served = True
        stream.pending_octets -= size
        scheduler = self.scheduler
        scheduler.sent(stream.id)
        flags = 0
        complete = not stream.pending_octets
        if complete:
            scheduler.remove(stream.id)
            if not LOCAL_ENDING[stream.joint]:
                self.released.append(stream.id)
            elif stream.ended_by is None:
                flags = frames.END_STREAM
                self._ended.append(stream)
        elif stream.send <= 0:
            scheduler.remove(stream.id)
        self._parts.append(frames.head(size, frames.DATA, flags, stream.id))
        self._parts.append(data)
        if complete and not flags and LOCAL_ENDING[stream.joint]:
            self._end(stream)  # trailers
        return size + frames.HEAD_OCTETS


def _behind(stream: Stream, other: Stream) -> bool:
    """Whether ``other`` has precedence (RFC 9218 §10): who shares with another has none."""
    if stream.urgency != other.urgency:
        return stream.urgency > other.urgency
    return not stream.incremental and not other.incremental and stream.id > other.id
