"""The engine of HTTP/2: octets in, events out; events in, octets out (RFC 9113).

It touches no socket, clock or thread.  What may happen next stands in ``tables.py``; what octets mean, in ``frames.py``
and ``messages.py``; what the peer's frames do, in ``receiver.py``; what may be sent next, in ``output.py``.
"""

from typing import Any, Final

from interlock.h2 import errors, frames
from interlock.h2.codes import (
    CLIENT_BLOCK,
    CLIENT_GOING,
    CONNECT_PROPOSED,
    CONNECTION_CLOSED,
    LOCAL_ACCEPT,
    LOCAL_CONNECT,
    LOCAL_DATA,
    LOCAL_FINISH,
    LOCAL_FINISH_WITH_TRAILERS,
    LOCAL_INFORMATIONAL,
    LOCAL_REQUEST,
    LOCAL_RESPONSE,
    OPEN_STREAM,
    REMOTE_DONE,
    SERVER_BLOCK,
    SERVER_GOING,
    SHUT_DOWN,
)
from interlock.h2.codes import GOAWAY as GO_AWAY
from interlock.h2.errors import ConnectionFault
from interlock.h2.events import GoAway, Ping, PriorityUpdated, StreamReset
from interlock.h2.messages import write_request, write_response, write_trailers
from interlock.h2.priority import Priority, parse_priority, priority_value
from interlock.h2.receiver import Receiver
from interlock.h2.stream import Stream
from interlock.h2.tables import CONNECTION, STREAM
from interlock.http.errors import LocalProtocolError
from interlock.http.events import (
    ConnectionClosed,
    Data,
    EndOfMessage,
    Event,
    InformationalResponse,
    Request,
    Response,
)
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, SERVER, Sentinel

__all__ = ["Connection"]

#: The PING that goes with the first step of a shutdown (RFC 9113 §6.8).
_SHUTDOWN_PING: Final = b"shutdown"

_DEFAULT_LIMITS: Final = Limits()


class Connection(Receiver):
    """One end of one HTTP/2 connection.

    Our preface waits to be sent from the start: take it with :meth:`data_to_send`.  Events given by
    :meth:`next_event` carry their ``stream_id``, and so do those that are to be sent.
    """

    __slots__ = ("_scheme",)

    def __init__(
        self,
        our_role: Sentinel,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        hold: bool = False,
        extended_connect: bool = False,
        scheme: bytes = b"https",
    ) -> None:
        """``our_role``: CLIENT or SERVER.

        ``hold``: a stream that was reset counts against the peer's limit until :meth:`release` is called for it: who asks
        and takes it back does not get more work done at a time than who waits.  ``extended_connect``: a server offers RFC 8441.  ``scheme``: of a client's requests that name none.
        """
        if our_role is not CLIENT and our_role is not SERVER:
            raise ValueError(f"our_role has to be CLIENT or SERVER, not {our_role!r}")
        self._scheme: Final = scheme
        super().__init__(our_role is CLIENT, limits, hold, extended_connect)

    # -- receiving

    def next_event(self) -> Any:
        """The next event, or NEED_DATA.

        Raises :class:`~interlock.http.errors.RemoteProtocolError` where the peer has broken the connection's rules,
        each time; a GOAWAY that says so waits to be sent (RFC 9113 §5.4.1).
        """
        events = self._events
        if self._given >= len(events):
            if events:
                events.clear()
                self._given = 0
            if self._error is not None:
                raise self._error
            try:
                while not events:
                    if not self._next_frame():
                        if not self._closed_by_peer:
                            self._check_output()
                            return NEED_DATA
                        self._read_eof()
            except ConnectionFault as fault:
                events.clear()
                raise self._connection_fault(fault) from None
        event = events[self._given]
        self._given += 1
        return event

    def consumed(self, stream_id: int, octets: int) -> None:
        """The application has taken ``octets`` of the stream's content: the peer may send as many again.

        WINDOW_UPDATE frames are made when they are worth it (RFC 9113 §5.2).  The stream may be closed already.
        """
        stream = self._streams.get(stream_id)
        if stream is not None:
            octets = min(octets, stream.receive.unconsumed)
            if octets > 0:
                self._take(stream, octets)
            return
        left = self._left_over.get(stream_id, 0)
        if left > octets:
            self._left_over[stream_id] = left - octets
            self._give_credit(octets)
        elif left:
            del self._left_over[stream_id]
            self._give_credit(left)

    def release(self, stream_id: int) -> None:
        """Nothing of the application runs for the stream any more, and it takes nothing more of it.

        Until then a stream that was reset counts against the peer's limit, if ``hold`` was asked for.
        """
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.released = True
            if not stream.discarded:
                stream.discarded = True
                if stream.receive.unconsumed:
                    self._take(stream, stream.receive.unconsumed)
            return
        if stream_id in self._held_streams:
            self._held_streams.discard(stream_id)
            self._counted -= 1
        left = self._left_over.pop(stream_id, 0)
        if left:
            self._give_credit(left)

    def refill(self, seconds: float) -> None:
        """So many seconds have passed: what the peer may cost us has grown."""
        self._budget.refill(seconds)

    # -- sending

    def send(self, event: Event, stream_id: int = 0) -> bytes:
        """Queue an event, and give all octets that may be sent now."""
        self.queue(event, stream_id)
        return self.data_to_send()

    def data_to_send(self, limit: int | None = None, give_way: bool = False) -> bytes:
        """The octets that may be sent now, each once.

        Frames other than DATA come first, all of them; DATA follows by priority, within the peer's windows, and stops
        when there are ``limit`` octets or a little more.

        With ``give_way`` it stops, too, before a stream that comes behind one which has given all that it had and is
        not at its end: :attr:`gave_way` says so.  Whoever gives more on that stream before the next call, goes first.
        """
        output = self._output
        control = output.control_octets
        octets = output.take(self._streams, -1 if limit is None else limit, give_way)
        if output.closed:
            self._forget_closed()
        messages = len(octets) - control
        if messages > 0:
            self._budget.allow(2 + (messages >> 12))
        return octets

    @property
    def gave_way(self) -> bool:
        """Whether the last :meth:`data_to_send` has stopped for a stream that may go on."""
        return self._output.gave_way

    def take_released(self) -> list[int]:
        """The streams whose Data has all been given by :meth:`data_to_send`, or was dropped, since the last call."""
        released = self._output.released
        if released:
            self._output.released = []
        return released

    def queue(self, event: Event, stream_id: int = 0) -> None:
        """Hand over an event to be sent, on ``stream_id`` if that is not 0, else on the event's own stream.

        Raises :class:`~interlock.http.errors.LocalProtocolError`, and changes nothing, where it is illegal.
        """
        if type(event) is Data:
            self._queue_data(event, stream_id or event.stream_id)
        elif type(event) is EndOfMessage:
            self._queue_end(event, stream_id or event.stream_id)
        elif type(event) is Response:
            self._queue_response(event, stream_id or event.stream_id)
        elif type(event) is InformationalResponse:
            stream = self._stream(stream_id or event.stream_id, "InformationalResponse")
            fields = write_response(event)
            self._local(stream, LOCAL_INFORMATIONAL)
            self._output.head(stream, fields)
        elif type(event) is Request:
            self._queue_request(event, stream_id or event.stream_id)
        elif type(event) is StreamReset:
            stream_id = stream_id or event.stream_id
            if stream_id not in self._streams and not self._was_open(stream_id):
                raise LocalProtocolError(f"can't reset stream {stream_id}, which is idle (RFC 9113 §6.4)")
            if stream_id in self._streams:
                self._reset(self._streams[stream_id], event.error_code)
                self._budget.allow(2)  # what was on its way
        elif type(event) is Ping:
            self._output.control(frames.ping(event.data, False))
            self._budget.allow(1)
        elif type(event) is GoAway:
            self._queue_goaway(event)
        elif type(event) is PriorityUpdated:
            if not self.is_client:
                raise LocalProtocolError("PRIORITY_UPDATE is for clients (RFC 9218 §7)")
            value = priority_value(Priority(event.urgency, event.incremental))
            self._output.control(frames.priority_update(event.stream_id, value))
        elif type(event) is ConnectionClosed:
            if not self.going_away:
                self._go_away(errors.NO_ERROR, b"")
            self._step(self._ours + CONNECTION_CLOSED)
        else:
            raise LocalProtocolError(f"{type(event).__name__} is not an event that can be sent")

    def _stream(self, stream_id: int, what: str) -> Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            state = "closed" if self._was_open(stream_id) else "idle"
            raise LocalProtocolError(f"can't send {what} on stream {stream_id}, which is {state} (RFC 9113 §5.1)")
        return stream

    def _was_open(self, stream_id: int) -> bool:
        if (stream_id & 1 == 1) == self.is_client:
            return 0 < stream_id <= self._highest_local
        return 0 < stream_id <= self._highest_remote

    def _queue_response(self, event: Response, stream_id: int) -> None:
        stream = self._stream(stream_id, "Response")
        status = event.status_code
        output = self._output
        block = output.known_block(status, event.headers)
        fields = [] if block else write_response(event)
        if CONNECT_PROPOSED[stream.joint] and 200 <= status < 300:
            self._local(stream, LOCAL_ACCEPT)
        else:
            self._local(stream, LOCAL_RESPONSE)
            stream.no_content = stream.method == b"HEAD" or status == 204 or status == 304
            if not stream.no_content:
                stream.left = event.headers.content_length
        if block:
            output.hold(stream, block)
        else:
            output.response(stream, fields, event)

    def _queue_data(self, event: Data, stream_id: int) -> None:
        stream = self._stream(stream_id, "Data")
        self._local(stream, LOCAL_DATA)
        if stream.no_content:
            return
        data = event.data
        if stream.left >= 0:
            octets = len(data)
            if octets > stream.left:
                raise LocalProtocolError(
                    f"{octets} octets of content where Content-Length leaves {stream.left} (RFC 9113 §8.1.1)"
                )
            stream.left -= octets
        self._output.data(stream, data)

    def _queue_end(self, event: EndOfMessage, stream_id: int) -> None:
        stream = self._stream(stream_id, "EndOfMessage")
        trailers = event.headers if len(event.headers) else None
        if stream.left > 0:
            raise LocalProtocolError(f"{stream.left} octets less content than Content-Length says (RFC 9113 §8.1.1)")
        if trailers is not None:
            write_trailers(trailers)
        self._local(stream, LOCAL_FINISH if trailers is None else LOCAL_FINISH_WITH_TRAILERS)
        self._output.finish(stream, trailers)
        if self._output.closed:
            self._forget_closed()

    def _queue_request(self, event: Request, stream_id: int) -> None:
        if not self.is_client:
            raise LocalProtocolError("a server sends no Request (RFC 9113 §8.1)")
        if stream_id & 1 == 0 or stream_id <= self._highest_local or stream_id > frames.LARGEST:
            raise LocalProtocolError(
                f"a Request opens a stream of its own: {self.next_stream_id()} is the next one, not {stream_id}"
            )
        most = self._their_settings.get(frames.MAX_CONCURRENT_STREAMS, -1)
        if 0 <= most <= len(self._streams):
            raise LocalProtocolError(f"the server takes {most} streams at a time (RFC 9113 §5.1.2)")
        if event.protocol and self._their_settings.get(frames.ENABLE_CONNECT_PROTOCOL, 0) != 1:
            raise LocalProtocolError("the server does not offer extended CONNECT (RFC 8441 §3)")
        fields = write_request(event, self._scheme)
        self._step(self._ours + OPEN_STREAM)
        self._highest_local = stream_id
        stream = self._new_stream(stream_id, False)
        self._local(stream, LOCAL_CONNECT if event.method == b"CONNECT" else LOCAL_REQUEST)
        stream.method = event.method
        stream.left = event.headers.content_length
        stream.shown = True
        self._budget.allow(2)  # what its answer brings with it
        priority = event.headers.get(b"priority")
        if priority is not None:
            wanted = parse_priority(priority)
            stream.urgency = wanted.urgency
            stream.incremental = wanted.incremental
        self._output.head(stream, fields)

    def _queue_goaway(self, event: GoAway) -> None:
        last = min(event.last_stream_id, self._last_named)
        if event.error_code != errors.NO_ERROR:
            last = min(last, self._highest_remote)
        if last == frames.LARGEST and event.error_code == errors.NO_ERROR:
            self._step(self._ours + SHUT_DOWN)
        else:
            self._step(self._ours + GO_AWAY)
            self._last_named = last
        self._output.control(frames.goaway(last, event.error_code, event.debug))

    def shutdown(self) -> None:
        """End the connection without a loss: streams that are open, and those on their way, go on (RFC 9113 §6.8).

        The peer is told so at once, and told which streams were taken as soon as its answer shows that it knows, or
        when this is called again.  The connection is :attr:`finished` when all of them have ended.
        """
        if self.going_away:
            return
        if self.is_client or self._shutdown_ping or self._last_named != frames.LARGEST:
            self._shutdown_ping = b""
            self._go_away(errors.NO_ERROR, b"")
            return
        self._step(self._ours + SHUT_DOWN)
        self._shutdown_ping = _SHUTDOWN_PING
        self._output.control(frames.goaway(frames.LARGEST, errors.NO_ERROR, b""))
        self._output.control(frames.ping(_SHUTDOWN_PING, False))

    def _forget_closed(self) -> None:
        closed = self._output.closed
        self._output.closed = []
        for stream in closed:
            if stream.shown:
                self._budget.earn(1)
            self._close(stream)

    # -- what may be asked

    def next_stream_id(self) -> int:
        """The stream that a client's next Request opens."""
        return self._highest_local + 2 if self._highest_local else 1

    def writable(self, stream_id: int) -> bool:
        """Whether no Data of the stream waits to be given by :meth:`data_to_send`."""
        stream = self._streams.get(stream_id)
        return stream is None or not stream.pending_octets

    def pending(self, stream_id: int) -> int:
        """Octets of Data of the stream that wait to be given by :meth:`data_to_send`."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.pending_octets

    @property
    def send_window(self) -> int:
        """Octets of Data that the peer's window for the connection takes (RFC 9113 §6.9.1)."""
        return self._output.window

    def room(self, stream_id: int) -> int:
        """Octets of Data that the peer's window for a stream takes beyond what waits; negative where it takes none."""
        stream = self._streams.get(stream_id)
        return -1 if stream is None else stream.send - stream.pending_octets

    @property
    def has_output(self) -> bool:
        """Whether :meth:`data_to_send` would give something."""
        return self._output.waits

    def stalled_streams(self) -> list[int]:
        """The streams that have Data and no window for it, be it theirs or the connection's (RFC 9113 §6.9)."""
        if self._output.window <= 0:
            return [stream.id for stream in self._streams.values() if stream.pending_octets]
        return [stream.id for stream in self._streams.values() if stream.pending_octets and stream.send <= 0]

    def stream_waits_for(self, stream_id: int) -> str:
        """What would bring the peer's message forward.

        "body": the peer.  "window": the application, since the peer has sent all that it may.  "application": all of
        it has come.  "": the stream is not open.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            return ""
        if REMOTE_DONE[stream.joint]:
            return "application"
        return "body" if stream.receive.available > 0 and self._credit.available > 0 else "window"

    def take_unseen(self) -> list[str]:
        """Why requests were reset that no event has told of, since the last call: the first few of them, for a log."""
        unseen = self._unseen
        if unseen:
            self._unseen = []
        return unseen

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def preface_received(self) -> bool:
        """Whether the peer's preface and its first SETTINGS have come (RFC 9113 §3.4)."""
        return self._they_have_begun[self._joint]

    @property
    def settings_acknowledged(self) -> bool:
        """Whether the peer has acknowledged our SETTINGS (RFC 9113 §6.5.3)."""
        return not self._our_settings_pending[self._joint]

    @property
    def in_frame(self) -> bool:
        """Whether a frame of the peer's other than DATA, or a field block, is not complete."""
        blocks = SERVER_BLOCK if self.is_client else CLIENT_BLOCK
        return (len(self._partial) > 0 and not self.data_frame_stream) or blocks[self._joint]

    @property
    def data_frame_stream(self) -> int:
        """The stream whose DATA frame is not complete; 0 where there is none."""
        partial = self._partial
        if len(partial) < frames.HEAD_OCTETS or partial[3] != frames.DATA:
            return 0
        return int.from_bytes(partial[5:9], "big") & frames.LARGEST

    @property
    def partial_octets(self) -> int:
        """Octets of the frame that is not complete."""
        return len(self._partial)

    @property
    def going_away(self) -> bool:
        """Whether we take no more streams."""
        return (CLIENT_GOING if self.is_client else SERVER_GOING)[self._joint]

    @property
    def peer_going_away(self) -> bool:
        """Whether the peer takes no more streams."""
        return (SERVER_GOING if self.is_client else CLIENT_GOING)[self._joint]

    @property
    def finished(self) -> bool:
        """Whether we take no more streams, and none is open."""
        return self.going_away and not self._streams

    @property
    def peer_settings(self) -> dict[int, int]:
        """The peer's settings, by identifier (RFC 9113 §6.5.2)."""
        return self._their_settings.copy()

    @property
    def machines(self) -> dict[str, str]:
        """The state of each machine of the connection, by name."""
        return CONNECTION.states(self._joint)

    def stream_machines(self, stream_id: int) -> dict[str, str]:
        """The state of each machine of a stream, by name."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            return STREAM.states(stream.joint)
        joint = self._recent.get(stream_id, -1)
        if joint >= 0:
            return STREAM.states(joint)
        if self._was_open(stream_id):
            return {"stream": "CLOSED"}
        return STREAM.states(0)
