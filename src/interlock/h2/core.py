"""The state of a connection, and what both directions do to it: streams that open and close, credit, errors."""

from typing import Final

from interlock.h2 import errors, frames
from interlock.h2.budget import Budget
from interlock.h2.codes import (
    CLIENT_BEGUN,
    CLIENT_PENDING,
    CLOSED,
    CONNECTION_N,
    CONNECTION_TABLE,
    FAULT_CODE,
    FAULT_OF_CONNECTION,
    LOCAL_RESET,
    OF_CLIENT,
    OF_SERVER,
    REMOTE_DONE,
    RESET_BY_US,
    SERVER_BEGUN,
    SERVER_PENDING,
    TABLE,
    N,
)
from interlock.h2.codes import ERROR as CONNECTION_ERROR
from interlock.h2.codes import SETTINGS as OUR_SETTINGS
from interlock.h2.errors import ConnectionFault, StreamFault
from interlock.h2.events import StreamReset
from interlock.h2.flow import NO_WINDOW, GrowthBudget, ReceiveWindow
from interlock.h2.hpack import Decoder
from interlock.h2.messages import mark
from interlock.h2.output import Output
from interlock.h2.stream import Stream
from interlock.h2.tables import CONNECTION, STREAM
from interlock.http.errors import RemoteProtocolError
from interlock.http.events import Event
from interlock.http.limits import Limits

__all__ = ["Core"]

#: What is withheld of the connection's window, at most one of so many octets.  At one of two, one stream that has grown to
#: the ceiling would wait for the connection.
_PARTS: Final = 4
#: How many closed streams are remembered, so that what comes late is told from what may not come: so many that we have
#: reset, or as many as may be open at the same time, and so many others.
_REMEMBERED: Final = 256
#: How many reasons are kept for resets of which no event tells.
_MOST_UNSEEN: Final = 16
#: Octets of frames other than DATA that may wait for a peer that does not take them.
_MOST_CONTROL: Final = 262144


class Core:
    """What :class:`~interlock.h2.receiver.Receiver` and :class:`~interlock.h2.connection.Connection` share."""

    __slots__ = (
        "_budget",
        "_counted",
        "_credit",
        "_decoder",
        "_error",
        "_events",
        "_extended_connect",
        "_given",
        "_growth",
        "_held_streams",
        "_highest_local",
        "_highest_remote",
        "_hold",
        "_in_flight",
        "_joint",
        "_last_named",
        "_left_over",
        "_oldest",
        "_oldest_reset",
        "_our_settings_pending",
        "_ours",
        "_output",
        "_recent",
        "_resets",
        "_ring",
        "_streams",
        "_their_settings",
        "_theirs",
        "_they_have_begun",
        "_unseen",
        "_window",
        "error_code",
        "is_client",
        "limits",
    )

    def __init__(self, is_client: bool, limits: Limits, hold: bool, extended_connect: bool) -> None:
        self.is_client: Final = is_client
        self.limits: Final = limits
        #: The error code of our GOAWAY, once the connection has failed; -1 before that.
        self.error_code = -1
        self._hold: Final = hold
        self._extended_connect: Final = extended_connect
        #: Its state in :data:`interlock.h2.tables.CONNECTION`, and where each end's events begin there.
        self._joint = 0
        self._ours: Final = OF_CLIENT if is_client else OF_SERVER
        self._theirs: Final = OF_SERVER if is_client else OF_CLIENT
        #: Per joint state: whether our SETTINGS wait to be acknowledged, and whether the peer's first ones have come.
        self._our_settings_pending: Final = CLIENT_PENDING if is_client else SERVER_PENDING
        self._they_have_begun: Final = SERVER_BEGUN if is_client else CLIENT_BEGUN
        self._error: RemoteProtocolError | None = None
        #: Events for the caller; of these, so many were given.
        self._events: Final[list[Event]] = []
        self._given = 0
        #: Why requests were reset that no event has told of.
        self._unseen: list[str] = []
        self._streams: Final[dict[int, Stream]] = {}
        #: Streams that are closed: the last ones, with the joint state in which they were; and in which order they were.
        #: Those that we have reset stand apart, since only they may have much on its way, however many others end.
        self._recent: Final[dict[int, int]] = {}
        self._ring: Final[list[int]] = [0] * _REMEMBERED
        self._oldest = 0
        self._resets: Final[list[int]] = []
        self._oldest_reset = 0
        #: Streams that are closed, while octets of them are still to be taken by the application.
        self._left_over: Final[dict[int, int]] = {}
        #: Streams that were reset, while the application still works on them.
        self._held_streams: Final[set[int]] = set()
        #: How many streams count against the peer's limit.
        self._counted = 0
        self._highest_remote = 0
        self._highest_local = 0
        #: Octets of DATA that the peer may have sent before it knew that we have reset their streams.
        self._in_flight = 0
        #: The last stream that our GOAWAY has named.
        self._last_named = frames.LARGEST
        self._output: Final = Output(limits.header_table)
        self._decoder: Final = Decoder(frames.DEFAULT_HEADER_TABLE, limits.head, limits.head // 32 + 1, mark)
        self._budget: Final = Budget(limits.glitches, limits.glitches_rate)
        self._growth: Final = GrowthBudget(limits.window_ceiling)
        #: Octets of a stream's window, and the connection's window: as large as all streams' together may get, so that
        #: one whose content nobody takes never stops the others.
        self._window: Final = min(limits.window, frames.LARGEST)
        whole = max(
            frames.DEFAULT_WINDOW, min(frames.LARGEST, self._window * max(limits.streams, 1) + limits.window_ceiling)
        )
        self._credit: Final = ReceiveWindow(whole, whole, None, _PARTS)
        self._their_settings: Final[dict[int, int]] = {
            frames.HEADER_TABLE_SIZE: 4096,
            frames.ENABLE_PUSH: 1,
            frames.INITIAL_WINDOW_SIZE: frames.DEFAULT_WINDOW,
            frames.MAX_FRAME_SIZE: frames.LEAST_FRAME_SIZE,
        }
        self._begin(whole)

    def _begin(self, whole: int) -> None:
        """Our preface (RFC 9113 §3.4)."""
        limits = self.limits
        settings = [(frames.MAX_CONCURRENT_STREAMS, limits.streams)]
        if self.is_client:
            settings = [(frames.ENABLE_PUSH, 0)]
            self._output.control(frames.PREFACE)
            self._step(CONNECTION.event_index["client.Preface"])
        if limits.header_table != frames.DEFAULT_HEADER_TABLE:
            settings.append((frames.HEADER_TABLE_SIZE, limits.header_table))
        if self._window != frames.DEFAULT_WINDOW:
            settings.append((frames.INITIAL_WINDOW_SIZE, self._window))
        settings.append((frames.MAX_HEADER_LIST_SIZE, limits.head))
        if self._extended_connect and not self.is_client:
            settings.append((frames.ENABLE_CONNECT_PROTOCOL, 1))
        settings.append((frames.NO_RFC7540_PRIORITIES, 1))
        self._output.control(frames.settings(settings))
        self._step(self._ours + OUR_SETTINGS)
        if whole > frames.DEFAULT_WINDOW:
            self._output.control(frames.window_update(0, whole - frames.DEFAULT_WINDOW))

    # -- the tables

    def _step(self, event: int) -> None:
        """We, or the connection itself, do ``event``.  Raises :class:`LocalProtocolError` where it is illegal."""
        target = CONNECTION_TABLE[self._joint * CONNECTION_N + event]
        if target < 0:
            raise CONNECTION.illegal(self._joint, event)
        self._joint = target

    def _local(self, stream: Stream, event: int) -> None:
        """We do ``event`` on a stream.  Raises :class:`LocalProtocolError` where it is illegal."""
        target = TABLE[stream.joint * N + event]
        if target < 0:
            raise STREAM.illegal(stream.joint, event)
        stream.joint = target

    def _remote(self, joint: int, event: int) -> int:
        """The state of a stream in ``joint`` on which the peer does ``event``.

        Raises :class:`ConnectionFault` or :class:`StreamFault` where it is illegal.
        """
        target = TABLE[joint * N + event]
        if target < 0:
            text = str(STREAM.illegal(joint, event))
            if FAULT_OF_CONNECTION[joint]:
                raise ConnectionFault(FAULT_CODE[joint], text)
            raise StreamFault(FAULT_CODE[joint], text)
        return target

    # -- streams

    def _new_stream(self, stream_id: int, complete: bool) -> Stream:
        """A stream that opens now.  ``complete``: with all that the peer has to send on it."""
        if complete:
            stream = Stream(stream_id, self._their_settings[frames.INITIAL_WINDOW_SIZE], NO_WINDOW)
            self._streams[stream_id] = stream
            return stream
        window = self._window
        early = not self.is_client and window < frames.DEFAULT_WINDOW and self._our_settings_pending[self._joint]
        if early:
            window = frames.DEFAULT_WINDOW  # the peer may not know of ours yet
        stream = Stream(
            stream_id,
            self._their_settings[frames.INITIAL_WINDOW_SIZE],
            ReceiveWindow(window, max(self.limits.window_ceiling, self._window), self._growth),
        )
        stream.early = early
        self._streams[stream_id] = stream
        return stream

    def _close(self, stream: Stream) -> None:
        """Forget a stream that the tables say is closed."""
        stream_id = stream.id
        if self._streams.pop(stream_id, None) is None:
            return
        if RESET_BY_US[stream.joint]:
            self._remember_reset(stream_id)
        else:
            at = self._oldest
            oldest = self._ring[at]
            if oldest:
                self._recent.pop(oldest, None)
            self._ring[at] = stream_id
            self._oldest = at + 1 if at + 1 < _REMEMBERED else 0
        self._recent[stream_id] = stream.joint
        if stream.pending_octets:
            self._output.drop(stream)
        stream.receive.end()
        left = stream.receive.unconsumed
        if left:
            if stream.joint in _RESET or stream.discarded or (self._hold and stream.released):
                self._give_credit(left)
            else:
                self._left_over[stream_id] = left
        if stream.counted:
            if self._hold and stream.joint in _RESET and stream.shown and not stream.released:
                self._held_streams.add(stream_id)
            else:
                self._counted -= 1

    def _remember_reset(self, stream_id: int) -> None:
        """Remember a stream as one that we have reset, in the place of the oldest of these if there are many."""
        resets = self._resets
        if len(resets) < max(_REMEMBERED, self.limits.streams):
            resets.append(stream_id)
            return
        at = self._oldest_reset
        self._recent.pop(resets[at], None)
        resets[at] = stream_id
        self._oldest_reset = at + 1 if at + 1 < len(resets) else 0

    def _reset(self, stream: Stream, code: int) -> None:
        """End a stream with RST_STREAM (RFC 9113 §6.4)."""
        if not REMOTE_DONE[stream.joint]:
            self._in_flight = min(self._in_flight + stream.receive.available, frames.LARGEST)
        self._local(stream, LOCAL_RESET)
        self._output.drop(stream)
        self._output.control(frames.rst_stream(stream.id, code))
        self._close(stream)

    def _give_credit(self, octets: int) -> None:
        """Octets of the connection's window are the peer's again (RFC 9113 §6.9.1)."""
        increment = self._credit.consumed(octets)
        if increment:
            self._output.control(frames.window_update(0, increment))

    def _take(self, stream: Stream, octets: int) -> None:
        """Octets of a stream need not be held any more: the peer may send as many again."""
        increment = stream.receive.consumed(octets)
        if increment and not REMOTE_DONE[stream.joint]:
            self._output.control(frames.window_update(stream.id, increment))
        self._give_credit(octets)

    # -- errors

    def _stream_fault(self, stream_id: int, fault: StreamFault) -> None:
        """The peer did what it may not: its stream ends, and no other (RFC 9113 §5.4.2)."""
        if fault.code != errors.REFUSED_STREAM:
            self._spend(1, "streams that have to be reset")
        elif not self._our_settings_pending[self._joint]:
            # Who gives up a page for another is refused for as long as the applications have not noticed.
            self._spend_allowed("streams that have to be refused")
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._reset(stream, fault.code)
            if stream.shown:
                self._events.append(StreamReset(stream_id, fault.code, reason=str(fault)))
            elif len(self._unseen) < _MOST_UNSEEN:
                self._unseen.append(f"stream {stream_id}: {fault}")
        elif stream_id in self._recent:
            if RESET_BY_US[self._recent[stream_id]]:
                return  # it was told once (RFC 9113 §5.4.2)
            self._ring[self._ring.index(stream_id)] = 0
            self._remember_reset(stream_id)
            self._recent[stream_id] = _RESET_JOINT
            self._output.control(frames.rst_stream(stream_id, fault.code))
        else:  # idle, or long closed: RST_STREAM has no place there
            raise ConnectionFault(fault.code, str(fault))

    def _connection_fault(self, fault: ConnectionFault) -> RemoteProtocolError:
        """The peer did what it may not: the connection ends (RFC 9113 §5.4.1).  Returns the error to be raised."""
        self.error_code = fault.code
        error = RemoteProtocolError(str(fault), fault.error_status_hint)
        self._error = error
        output = self._output
        if output.control_octets > _MOST_CONTROL:
            output.discard()
        for stream in list(self._streams.values()):
            output.drop(stream)
        self._step(self._theirs + CONNECTION_ERROR)
        output.control(frames.goaway(self._highest_remote, fault.code, str(fault).encode()[:200]))
        self._step(self._ours + CONNECTION_ERROR)
        return error

    def _spend(self, tokens: int, what: str) -> None:
        """Take tokens from the budget.  Raises :class:`ConnectionFault` when it is spent."""
        if not self._budget.spend(tokens):
            raise ConnectionFault(errors.ENHANCE_YOUR_CALM, f"too many {what} (RFC 9113 §10.5)")

    def _spend_allowed(self, what: str) -> None:
        """As :meth:`_spend`, for what honest peers send along with requests and with DATA that they get."""
        if not self._budget.spend_allowed():
            raise ConnectionFault(errors.ENHANCE_YOUR_CALM, f"too many {what} (RFC 9113 §10.5)")

    def _check_output(self) -> None:
        """Raise :class:`ConnectionFault` when the peer makes us answer and takes no answers."""
        if self._output.control_octets > _MOST_CONTROL:
            raise ConnectionFault(errors.ENHANCE_YOUR_CALM, "too much waits to be taken by the peer (RFC 9113 §10.5)")


#: A stream that was opened and then reset by us.
_RESET_JOINT: Final = STREAM.run(["remote.Request", "local.Reset"])
_RESET: Final = frozenset(
    joint
    for joint in range(len(STREAM.joints))
    if CLOSED[joint] and STREAM.state(joint, "stream") in ("RESET_LOCAL", "RESET_REMOTE")
)
