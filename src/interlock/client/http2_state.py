"""What the exchanges of one HTTP/2 connection share: the engine, what has come for each stream, and the ends (RFC 9113).

Nothing here waits: who reads and who writes is in ``http2_link.py``.  Methods are to be called with the mutex held, unless
they say that they take it.
"""

from typing import Final

from interlock.client.http2_inbox import Inbox
from interlock.client.messages import Connection as AnyConnection
from interlock.h2 import (
    CLIENT,
    NEED_DATA,
    Connection,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Event,
    GoAway,
    InformationalResponse,
    Limits,
    RemoteProtocolError,
    RequestRefused,
    Response,
    SettingsChanged,
    StreamReset,
    errors,
)
from interlock.h2.frames import LARGEST, MAX_CONCURRENT_STREAMS
from interlock.net.errors import ReadError, ReadTimeout
from interlock.net.stream import Network, Stream

__all__ = ["HTTP2State"]

#: Octets a second that keep the connection busy, if content is among them.
_BUSY: Final = 1000.0
#: Informational responses to one request (RFC 9110 §15.2).
_MOST_INFORMATIONAL: Final = 64


class HTTP2State(AnyConnection):
    """What a connection is, as long as nobody waits for it."""

    __slots__ = (
        "_broken",
        "_changed",
        "_content_at",
        "_ended",
        "_goaway",
        "_gone",
        "_idle_since",
        "_reader",
        "_received_at",
        "_retired",
        "_waiting",
        "busy",
        "closing",
        "engine",
        "failure",
        "inboxes",
        "most_streams",
        "mutex",
        "network",
        "served",
        "stream",
        "suspect",
        "watchers",
    )

    def __init__(self, network: Network, stream: Stream, limits: Limits) -> None:
        super().__init__()
        now = network.now()
        self.network: Final = network
        self.stream: Final = stream
        self.engine: Final = Connection(CLIENT, limits=limits)
        #: What keeps threads from the engine, and from all that stands here.
        self.mutex: Final = network.mutex()
        #: The streams that are not over; and those who wait for what the server says of itself.
        self.inboxes: Final[dict[int, Inbox]] = {}
        self.watchers: Final[set[Inbox]] = set()
        #: Why the connection is of no use any more.
        self.failure: Exception | None = None
        #: How many streams may be open.
        self.most_streams = limits.streams
        #: Whether a response has come on it before.
        self.served = False
        #: Whether nothing at all has come while somebody has waited in vain: the peer may be gone.
        self.suspect = False
        #: Whether the stream of octets is to be closed once all is written.
        self.closing = False
        # Whether who uses it has still to be told of a change.
        self._changed = False
        # Since when no stream is open; meaningless while one is.
        self._idle_since = now
        # Whether somebody closes the stream of octets, and whether that is done.
        self._ended = False
        self._gone = False
        # Whether nothing more can be written; whether whoever owns it wants no more of it.
        self._broken = False
        self._retired = False
        # Who reads for all, and who waits meanwhile and would read.
        self._reader: Inbox | None = None
        self._waiting: Final[dict[Inbox, None]] = {}
        self._received_at = now
        #: Seconds in which the connection was busy with content, of whichever stream: a server may send one after the other.
        self.busy = 0.0
        self._content_at = now
        self._goaway: GoAway | None = None

    # -- what has come

    def _receive(self, octets: bytes) -> None:
        """Hand octets to the engine, and its events to their streams."""
        engine = self.engine
        now = self.network.now()
        engine.refill(now - self._received_at)
        self._received_at = now
        if self.suspect:
            self.suspect = False
            self._changed = True
        engine.receive_data(octets)
        inboxes = self.inboxes
        fed: dict[Inbox, None] = {}
        try:
            while True:
                event = engine.next_event()
                if event is NEED_DATA:
                    break
                kind = type(event)
                if kind is Data:
                    inbox = inboxes.get(event.stream_id)
                    if inbox is not None:
                        inbox.arrived(event.data)
                        fed[inbox] = None
                        inbox.notify()
                elif kind is Response or kind is EndOfMessage or kind is InformationalResponse:
                    inbox = inboxes.get(event.stream_id)
                    if inbox is not None:
                        inbox.restart(now, self.busy)
                        self._message(inbox, event)
                        inbox.notify()
                else:
                    self._other(event)
        except RemoteProtocolError as error:
            self._fail(error)
        stream_id = engine.data_frame_stream
        if stream_id:  # a frame of content comes slowly, but it comes
            inbox = inboxes.get(stream_id)
            if inbox is not None:
                fed[inbox] = None
        if fed:
            self._feed(fed, len(octets), now)
        self._end_if_done()

    def _feed(self, fed: dict[Inbox, None], octets: int, now: float) -> None:
        """Content has come for these streams."""
        busy = min(now - self._content_at, octets / _BUSY)
        self._content_at = now
        self.busy += busy
        for inbox in fed:
            inbox.own += busy
            inbox.restart(now, self.busy)

    def _message(self, inbox: Inbox, event: Event) -> None:
        if isinstance(event, Response):
            inbox.head = event
        elif isinstance(event, EndOfMessage):
            inbox.ended = True
            inbox.trailers = event.headers
            self.served = True
            if not self.engine.stream_waits_for(inbox.stream_id):
                self.leave(inbox)
        elif isinstance(event, InformationalResponse):
            inbox.informational_responses += 1
            inbox.may_go_on = inbox.may_go_on or event.status_code == 100
            if inbox.informational_responses > _MOST_INFORMATIONAL:
                inbox.fail(RemoteProtocolError(f"more than {_MOST_INFORMATIONAL} informational responses"))
                self.reset(inbox, errors.ENHANCE_YOUR_CALM)
            else:
                inbox.informational.append(event)

    def _other(self, event: Event) -> None:
        if isinstance(event, StreamReset):
            inbox = self.inboxes.get(event.stream_id)
            if inbox is not None:
                refused = event.remote and event.error_code == errors.REFUSED_STREAM
                inbox.fail(RemoteProtocolError(event.reason), refused=refused)
                self.leave(inbox)
        elif isinstance(event, RequestRefused):
            inbox = self.inboxes.get(event.stream_id)
            if inbox is not None:
                inbox.fail(RemoteProtocolError(event.reason))
                self.reset(inbox, errors.CANCEL)
        elif isinstance(event, SettingsChanged):
            most = event.changes.get(MAX_CONCURRENT_STREAMS)
            if most is not None:
                self.most_streams = min(most, self.engine.limits.streams)
            self._changed = True
            self._notify_all()  # who waits for what the server offers
        elif isinstance(event, GoAway):
            self._goaway = event
            self._changed = True
        elif isinstance(event, ConnectionClosed):
            self._fail(RemoteProtocolError(self._told()), lost=True)

    def _told(self) -> str:
        """Why the server has closed the connection, as far as it has said so."""
        goaway = self._goaway
        if goaway is None:
            return "the server has closed the connection"
        said = f": {goaway.debug[:64]!r}" if goaway.debug else ""
        return f"the server has closed the connection, with {errors.code_name(goaway.error_code)}{said}"

    def stalled(self, inbox: Inbox) -> bool:
        """Whether what is to be sent on a stream waits for a window that the peer has to open.  The mutex is not needed."""
        engine = self.engine
        stream_id = inbox.stream_id
        return engine.send_window <= 0 or engine.room(stream_id) + engine.pending(stream_id) <= 0

    # -- the end of streams

    def reset(self, inbox: Inbox, code: int) -> None:
        """End a stream, if it is not over, and drop what is still to be sent on it."""
        if not self._broken and self.failure is None:
            self.engine.queue(StreamReset(inbox.stream_id, code))
        self.leave(inbox)

    def leave(self, inbox: Inbox) -> None:
        """A stream is over.  What has come on it may still be taken."""
        if self.inboxes.pop(inbox.stream_id, None) is None:
            return
        self._changed = True
        if not self.inboxes:
            self._idle_since = self.network.now()
            self._end_if_done()

    # -- the end of the connection

    def is_closed(self) -> bool:
        """Whether no stream will be opened any more.  The mutex is not needed."""
        return (
            self.failure is not None
            or self._broken
            or self._retired
            or self.suspect
            or self.engine.peer_going_away
            or self.engine.next_stream_id() > LARGEST
        )

    def room(self) -> int:
        """How many streams may be opened.  The mutex is not needed, and will be when one is opened."""
        return 0 if self.is_closed() else max(0, self.most_streams - self.engine.open_streams)

    def idle_since(self) -> float | None:
        busy = self.inboxes or (self.closing and not self._gone)  # the peer is being told
        return None if busy else self._idle_since

    def doubt(self, since: float) -> None:
        """Somebody has waited in vain since then."""
        if self._received_at <= since and not self.suspect:
            self.suspect = True
            self._changed = True

    def _end_if_done(self) -> None:
        if not self.inboxes and not self.closing and self.is_closed():
            self._fail(ReadError("the connection takes no more requests"))

    def _fail(self, error: Exception, *, lost: bool = False) -> None:
        """The connection is over: say so to the peer, unless it is ``lost``."""
        tell = self.engine.error_code < 0 and not lost
        self._broken = self._broken or lost
        self.closing = True
        self._changed = True
        if self.failure is None:
            for inbox in list(self.inboxes.values()):
                inbox.fail(_again(error), lost=lost)
                if tell:
                    self.reset(inbox, errors.CANCEL)
            self.failure = error
            self.inboxes.clear()
            if tell:
                self.engine.queue(ConnectionClosed())
        self._notify_all()

    def _notify_all(self) -> None:
        if self._reader is not None:
            self._reader.notify()
        for inbox in [*self._waiting, *self.watchers]:
            inbox.notify()

    def _refuse_settings(self, seconds: float | None) -> None:
        """Our SETTINGS were not acknowledged in time (RFC 9113 §6.5.3)."""
        self.engine.queue(GoAway(0, errors.SETTINGS_TIMEOUT))
        self._fail(ReadTimeout(f"the server has not acknowledged our SETTINGS for {seconds} seconds"))

    def lose(self, error: Exception) -> None:
        """Nothing more comes, or goes out: ``error`` says why.  Takes the mutex."""
        with self.mutex:
            if self._gone:
                return
            self._fail(error, lost=True)
            self._ended = True
            self._gone = True
        self.stream.abort()
        self.tell_change()

    def retire(self) -> None:
        """Open no more streams, and end with the last that is open.  Takes the mutex."""
        with self.mutex:
            self._retired = True
            idle = not self.inboxes and not self.closing
        if idle:
            self.abort()

    def abort(self) -> None:
        """End it at once.  Takes the mutex."""
        self.lose(ReadError("the connection was aborted here"))

    def tell_change(self) -> None:
        """Tell who is to be told.  The mutex is not to be held."""
        if self._changed:
            self._changed = False
            if self.on_change is not None:
                self.on_change()


def _again(error: Exception) -> Exception:
    """The same error, for another to raise."""
    again = type(error)(str(error))
    again.__cause__ = error
    return again
