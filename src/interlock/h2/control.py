"""Frames in that carry no message: what each does to the connection and its streams (RFC 9113 §6.3 to §6.9; RFC 9218)."""

from typing import Final

from interlock.h2 import errors, frames
from interlock.h2.codes import (
    CONNECTION_N,
    CONNECTION_TABLE,
    FRAME,
    GOAWAY,
    REMOTE_RESET,
    REMOTE_WINDOW_UPDATE,
    SETTINGS,
    SETTINGS_ACK,
    SHUT_DOWN,
)
from interlock.h2.core import Core
from interlock.h2.errors import ConnectionFault, StreamFault, code_name
from interlock.h2.events import (
    AlternativeService,
    GoAway,
    Origin,
    PingAcknowledged,
    PingReceived,
    PriorityUpdated,
    SettingsAcknowledged,
    SettingsChanged,
    StreamReset,
    WindowUpdated,
)
from interlock.h2.flow import may_grow
from interlock.h2.priority import Priority, parse_priority
from interlock.h2.tables import CONNECTION, STREAM
from interlock.http.limits import Limits

__all__ = ["IGNORED", "Control"]

#: Streams that we have not taken, or reset: what comes on them is dropped.
IGNORED: Final = STREAM.run(["remote.Request", "local.Reset"])
#: Streams that were closed so long ago that nothing else is known of them.
_CLOSED: Final = STREAM.run(["remote.Request.end", "local.Response", "local.Finish", "local.Data.end"])


class Control(Core):
    """What the frames do that carry no message."""

    __slots__ = ("_priorities", "_shutdown_ping", "_they_named")

    def __init__(self, is_client: bool, limits: Limits, hold: bool, extended_connect: bool) -> None:
        super().__init__(is_client, limits, hold, extended_connect)
        #: Priorities of streams that are not open yet (RFC 9218 §7.1).
        self._priorities: Final[dict[int, Priority]] = {}
        #: The data of the PING whose acknowledgement shows that the peer knows of our shutdown.
        self._shutdown_ping = b""
        #: The last stream that the peer's GOAWAY has named.
        self._they_named = frames.LARGEST

    def _their(self, event: int) -> None:
        """The peer does ``event`` on the connection."""
        target = CONNECTION_TABLE[self._joint * CONNECTION_N + self._theirs + event]
        if target < 0:
            text = str(CONNECTION.illegal(self._joint, self._theirs + event))
            raise ConnectionFault(errors.PROTOCOL_ERROR, text)
        self._joint = target

    def _recall(self, stream_id: int) -> int:
        """The joint state of a stream that is not open.  Raises :class:`ConnectionFault` where there can be none."""
        if not stream_id:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "stream 0 (RFC 9113 §5.1.1)")
        joint = self._recent.get(stream_id, -1)
        if joint >= 0:
            return joint
        if (stream_id & 1 == 1) != self.is_client:
            if stream_id > self._last_named:
                return IGNORED  # our GOAWAY has told the peer that it was not taken
            highest = self._highest_remote
        else:
            highest = self._highest_local
        return 0 if stream_id > highest else _CLOSED

    def _read_window_update(self, stream_id: int, payload: bytes) -> None:
        """RFC 9113 §6.9."""
        if len(payload) != 4:
            raise ConnectionFault(errors.FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 octets (RFC 9113 §6.9)")
        increment = frames.number(payload) & frames.LARGEST
        self._spend_allowed("window updates")
        output = self._output
        if not stream_id:
            if not increment:
                raise ConnectionFault(errors.PROTOCOL_ERROR, "a window update of 0 octets (RFC 9113 §6.9)")
            if not may_grow(output.window, increment):
                raise ConnectionFault(errors.FLOW_CONTROL_ERROR, "a window beyond 2^31-1 octets (RFC 9113 §6.9.1)")
            output.window += increment
            self._events.append(WindowUpdated(0, increment))
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            self._remote(self._recall(stream_id), REMOTE_WINDOW_UPDATE)
            return
        if not increment:
            raise StreamFault(errors.PROTOCOL_ERROR, "a window update of 0 octets (RFC 9113 §6.9)")
        stream.joint = self._remote(stream.joint, REMOTE_WINDOW_UPDATE)
        if not may_grow(stream.send, increment):
            raise StreamFault(errors.FLOW_CONTROL_ERROR, "a window beyond 2^31-1 octets (RFC 9113 §6.9.1)")
        stream.send += increment
        output.opened(stream)
        self._events.append(WindowUpdated(stream_id, increment))

    def _read_rst_stream(self, stream_id: int, payload: bytes) -> None:
        """RFC 9113 §6.4."""
        if len(payload) != 4:
            raise ConnectionFault(errors.FRAME_SIZE_ERROR, "RST_STREAM has 4 octets (RFC 9113 §6.4)")
        code = frames.number(payload)
        stream = self._streams.get(stream_id)
        if stream is None:
            joint = self._recall(stream_id)
            self._remote(joint, REMOTE_RESET)
            self._spend_allowed("resets of closed streams")
            return
        stream.joint = self._remote(stream.joint, REMOTE_RESET)
        if stream.served or self.is_client:
            # A server resets what it was asked for, so that it has no more of it than we have asked.  A client's request
            # has waited for its turn among the streams that may be open, and the application has done its work for it,
            # as for one that takes all: whoever leaves a page of images may do so as often as it is served one.
            self._spend_allowed("resets")
        else:
            self._spend(1, "resets")
        self._output.drop(stream)
        self._close(stream)
        if stream.shown:
            reason = f"reset by the peer: {code_name(code)}"
            self._events.append(StreamReset(stream_id, code, remote=True, reason=reason))

    def _read_ping(self, stream_id: int, flags: int, payload: bytes) -> None:
        """RFC 9113 §6.7."""
        if stream_id:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "PING on a stream (RFC 9113 §6.7)")
        if len(payload) != 8:
            raise ConnectionFault(errors.FRAME_SIZE_ERROR, "PING has 8 octets (RFC 9113 §6.7)")
        if flags & frames.ACK:
            self._spend_allowed("acknowledged PINGs")
            if payload == self._shutdown_ping:
                self._shutdown_ping = b""
                self._go_away(errors.NO_ERROR, b"")
            else:
                self._events.append(PingAcknowledged(payload))
            return
        self._spend_allowed("PINGs")  # clients measure with them, once in each round trip, while DATA comes to them
        self._output.control(frames.ping(payload, True))
        self._events.append(PingReceived(payload))

    def _go_away(self, code: int, debug: bytes) -> None:
        """Say which streams we have taken, and that there will be no others (RFC 9113 §6.8)."""
        self._last_named = min(self._last_named, self._highest_remote)
        self._step(self._ours + GOAWAY)
        self._output.control(frames.goaway(self._last_named, code, debug))

    def _read_priority(self, stream_id: int, payload: bytes) -> None:
        """RFC 9113 §6.3: obsolete, so read and dropped."""
        if not stream_id:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "PRIORITY on stream 0 (RFC 9113 §6.3)")
        self._spend_allowed("PRIORITY frames")
        if len(payload) != 5:
            raise StreamFault(errors.FRAME_SIZE_ERROR, "PRIORITY has 5 octets (RFC 9113 §6.3)")
        frames.check_dependency(stream_id, payload)

    def _read_priority_update(self, stream_id: int, payload: bytes) -> None:
        """RFC 9218 §7.1."""
        if self.is_client or stream_id:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "PRIORITY_UPDATE out of place (RFC 9218 §7.1)")
        if len(payload) < 4:
            raise ConnectionFault(errors.FRAME_SIZE_ERROR, "PRIORITY_UPDATE without its stream (RFC 9218 §7.1)")
        self._spend_allowed("PRIORITY_UPDATE frames")
        prioritized = frames.number(payload) & frames.LARGEST
        if prioritized & 1 == 0:
            raise ConnectionFault(errors.PROTOCOL_ERROR, f"PRIORITY_UPDATE of stream {prioritized} (RFC 9218 §7.1)")
        wanted = parse_priority(payload[4:])
        stream = self._streams.get(prioritized)
        if stream is not None:
            stream.urgency = wanted.urgency
            stream.incremental = wanted.incremental
            self._output.scheduler.change(prioritized, wanted.urgency, wanted.incremental)
            self._events.append(PriorityUpdated(prioritized, wanted.urgency, wanted.incremental))
        elif self._highest_remote < prioritized <= self._last_named:
            self._prioritize_idle(prioritized, wanted)

    def _prioritize_idle(self, prioritized: int, wanted: Priority) -> None:
        """Keep the priority of a stream that is still to be opened: not of more than may be open (RFC 9218 §7.1)."""
        priorities = self._priorities
        priorities[prioritized] = wanted
        room = self.limits.streams - len(self._streams)
        if len(priorities) <= room:
            return
        for stream_id in [known for known in priorities if known <= self._highest_remote]:
            del priorities[stream_id]  # it was opened and refused, or never will be: it is idle no more
        if len(priorities) <= room:
            return
        if not self._our_settings_pending[self._joint]:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "priorities of more streams than may be open (RFC 9218 §7.1)")
        del priorities[prioritized]  # the peer may not know of our limit yet

    def _read_settings(self, stream_id: int, flags: int, payload: bytes) -> None:
        """RFC 9113 §6.5."""
        if flags & frames.ACK:
            if stream_id:
                raise ConnectionFault(errors.PROTOCOL_ERROR, "SETTINGS on a stream (RFC 9113 §6.5)")
            if payload:
                raise ConnectionFault(errors.FRAME_SIZE_ERROR, "an acknowledgement with settings (RFC 9113 §6.5)")
            self._their(SETTINGS_ACK)
            self._decoder.max_table_size = self.limits.header_table
            for stream in self._streams.values():
                if stream.early:
                    stream.early = False
                    stream.receive.adjust(self._window - frames.DEFAULT_WINDOW)
            self._events.append(SettingsAcknowledged())
            return
        first = not self._they_have_begun[self._joint]
        self._their(SETTINGS)
        if stream_id:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "SETTINGS on a stream (RFC 9113 §6.5)")
        if not first:
            self._spend(1, "SETTINGS frames")
        if len(payload) > 6 * frames.MOST_SETTINGS:
            raise ConnectionFault(errors.ENHANCE_YOUR_CALM, "too many settings in one frame (RFC 9113 §10.5)")
        changes: dict[int, int] = {}
        for name, value in frames.read_settings(payload):
            self._change_setting(name, value)
            changes[name] = value
        self._output.control(frames.SETTINGS_ACK)
        self._step(self._ours + SETTINGS_ACK)
        self._events.append(SettingsChanged(changes))

    def _change_setting(self, name: int, value: int) -> None:
        settings = self._their_settings
        before = settings.get(name, -1)
        output = self._output
        if name == frames.INITIAL_WINDOW_SIZE:
            for stream in list(self._streams.values()):
                if not may_grow(stream.send, value - before):
                    raise ConnectionFault(errors.FLOW_CONTROL_ERROR, "a window beyond 2^31-1 octets (RFC 9113 §6.9.2)")
                stream.send += value - before
                output.opened(stream)
        elif name == frames.MAX_FRAME_SIZE:
            output.frame_size = value
        elif name == frames.HEADER_TABLE_SIZE:
            output.encoder.max_table_size = value
        elif name == frames.ENABLE_PUSH:
            if self.is_client and value:
                raise ConnectionFault(errors.PROTOCOL_ERROR, "a server that enables push (RFC 9113 §6.5.2)")
        elif name == frames.ENABLE_CONNECT_PROTOCOL:
            if before == 1 and not value:
                raise ConnectionFault(errors.PROTOCOL_ERROR, "extended CONNECT taken back (RFC 8441 §3)")
        elif name == frames.NO_RFC7540_PRIORITIES and before >= 0 and before != value:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES changed (RFC 9218 §2.1)")
        settings[name] = value

    def _read_goaway(self, stream_id: int, payload: bytes) -> None:
        """RFC 9113 §6.8."""
        if len(payload) < 8:
            self._their(FRAME)
            raise ConnectionFault(errors.FRAME_SIZE_ERROR, "GOAWAY has 8 octets at least (RFC 9113 §6.8)")
        last = frames.number(payload) & frames.LARGEST
        code = frames.number(payload[4:])
        self._their(SHUT_DOWN if last == frames.LARGEST and self._they_named == last else GOAWAY)
        if stream_id:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "GOAWAY on a stream (RFC 9113 §6.8)")
        if last > self._they_named:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "GOAWAY that names more streams than before (RFC 9113 §6.8)")
        self._spend(1, "GOAWAY frames")
        self._they_named = last
        self._events.append(GoAway(last, code, payload[8:]))
        for stream in list(self._streams.values()):
            if stream.id > last and (stream.id & 1 == 1) == self.is_client:
                stream.joint = self._remote(stream.joint, REMOTE_RESET)
                self._output.drop(stream)
                self._close(stream)
                reason = "not processed by the peer, which goes away: it can be tried again"
                self._events.append(StreamReset(stream.id, errors.REFUSED_STREAM, remote=True, reason=reason))

    def _read_announcement(self, kind: int, stream_id: int, payload: bytes) -> None:
        """What a server says of itself (RFC 7838 §4, RFC 8336 §2); malformed ones are ignored, as they ask."""
        self._spend_allowed("announcements")
        if kind == frames.ALTSVC:
            octets = int.from_bytes(payload[:2], "big")
            origin = payload[2 : 2 + octets]
            if len(payload) >= 2 + octets and (octets == 0) == (stream_id != 0):
                self._events.append(AlternativeService(stream_id, origin, payload[2 + octets :]))
        elif not stream_id:
            origins: list[bytes] = []
            at = 0
            while at + 2 <= len(payload):
                end = at + 2 + int.from_bytes(payload[at : at + 2], "big")
                if end > len(payload):
                    return
                origins.append(payload[at + 2 : end])
                at = end
            self._events.append(Origin(origins))
