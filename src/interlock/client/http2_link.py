"""What the exchanges of one HTTP/2 connection share: the engine, who reads for all of them, and who writes (RFC 9113).

There is no task in the background.  Who waits for something takes the role of the reader, if nobody has it: what is read
is handed to the engine, its events to the inboxes of their streams, and those who wait for these are woken.  When the
reader has what it wanted, or is cancelled, the next one who waits gets the role.  In the same way who has queued something
takes the role of the writer, and writes all that there is to be written, in order, before it gives the role back.  So
whatever is queued is written, and nobody waits for another's answer.

What a request is, and what an exchange gives to its caller, is not here.
"""

import functools
from typing import Final

from interlock.client.http2_inbox import Inbox
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
from interlock.net.errors import NetworkError, ReadError, ReadTimeout, TimeoutException, WriteTimeout
from interlock.net.stream import Network, Stream

__all__ = ["HTTP2Link"]

#: Octets that are read, and written, at a time.
_READ: Final = 65536
_WRITE: Final = 65536
#: Seconds in which what was queued goes out although who writes it is cancelled, or the connection is being closed.
_LINGER: Final = 2.0
#: The same where a write may take as long as it likes.
_LONG: Final = 3600.0
#: Seconds in which octets that are there are read: some networks take a look at the clock first.
_AT_ONCE: Final = 0.005
#: Informational responses to one request.
_MOST_INFORMATIONAL: Final = 64


class HTTP2Link:
    """One connection below its exchanges.

    Methods that say so are to be called with :attr:`mutex` held, and never wait.
    """

    __slots__ = (
        "_broken",
        "_ended",
        "_goaway",
        "_nobody",
        "_reader",
        "_received_at",
        "_settings_left",
        "_settings_timeout",
        "_unfinished",
        "_waiting",
        "_whole",
        "_writing",
        "closing",
        "engine",
        "failure",
        "idle_since",
        "inboxes",
        "most_streams",
        "mutex",
        "network",
        "served",
        "stream",
        "suspect",
    )

    def __init__(self, network: Network, stream: Stream, limits: Limits, settings_timeout: float | None) -> None:
        now = network.now()
        self.network: Final = network
        self.stream: Final = stream
        self.engine: Final = Connection(CLIENT, limits=limits)
        #: What keeps threads from the engine, and from all that stands here.
        self.mutex: Final = network.mutex()
        #: The streams whose exchanges are not over.
        self.inboxes: Final[dict[int, Inbox]] = {}
        #: Why the connection is of no use any more.
        self.failure: Exception | None = None
        #: How many streams may be open.
        self.most_streams = limits.streams
        #: Whether a response has come on it before.
        self.served = False
        #: Whether nothing at all has come while somebody has waited in vain: the peer may be gone.
        self.suspect = False
        #: Since when no exchange is in progress; meaningless while one is.
        self.idle_since = now
        # Who reads; who waits, and would read; who reads for nobody.
        self._reader: Inbox | None = None
        self._waiting: Final[dict[Inbox, None]] = {}
        self._nobody: Final = Inbox(0, now)
        # Whether somebody writes; has a write that may be half done; can write no more.
        self._writing = False
        self._unfinished = False
        self._broken = False
        # Whether a write that is cancelled goes out whole all the same.
        self._whole: Final = bool(stream.get_extra_info("cancelled_write_is_whole"))
        #: Whether the stream is to be closed once all is written.
        self.closing = False
        # Whether that was done.
        self._ended = False
        self._goaway: GoAway | None = None
        self._received_at = now
        # Seconds of reading in which our SETTINGS have still to be acknowledged (RFC 9113 §6.5.3).
        self._settings_timeout: Final = settings_timeout
        self._settings_left = _LONG if settings_timeout is None else settings_timeout

    # -- waiting

    async def wait(self, inbox: Inbox, seconds: float | None, reading: bool = True) -> None:
        """Wait until something has happened for ``inbox``, at most so many seconds.  It may end early.

        With ``reading``, read meanwhile if nobody does.  Without, what is waited for is not the peer, but who writes.
        """
        with self.mutex:
            if inbox.changed:
                inbox.changed = False
                return
            event = None
            if reading and self._reader is None:
                self._reader = inbox
            else:
                event = inbox.event = self.network.event()
                if reading:
                    self._waiting[inbox] = None
        try:
            if event is not None:
                before = self.network.now()
                await event.wait(seconds)
                if seconds is not None:
                    seconds = max(seconds - (self.network.now() - before), 0.0)
            if self._reader is inbox and not inbox.changed:
                await self._read(inbox, seconds)
        finally:
            with self.mutex:
                inbox.changed = False
                inbox.event = None
                self._waiting.pop(inbox, None)
                if self._reader is inbox:
                    self._hand_over()
        if self.engine.has_output or self.closing:
            await self.flush(inbox.write_timeout)

    def _hand_over(self) -> None:
        """Give the role of the reader to the next one who waits.  The mutex is held."""
        self._reader = None
        for inbox in self._waiting:
            self._reader = inbox
            del self._waiting[inbox]
            event = inbox.event
            if event is not None:
                inbox.event = None
                event.set()
            return

    async def _read(self, inbox: Inbox, seconds: float | None) -> None:
        """Read until something has happened for ``inbox``, or something is to be written: others may read meanwhile."""
        while True:
            began = self.network.now()
            timeout = seconds
            pending = not self.engine.settings_acknowledged
            if pending and (timeout is None or self._settings_left < timeout):
                timeout = self._settings_left
            if timeout is not None and timeout < 0.0:
                timeout = 0.0
            try:
                octets = await self.stream.read(_READ, timeout)
            except ReadTimeout:
                octets = None
            except NetworkError as error:
                self.lose(error)
                return
            if pending:
                self._settings_left -= self.network.now() - began
            if octets is None:
                if pending and self._settings_left <= 0.0:
                    self._refuse_settings()
                return
            with self.mutex:
                self._receive(octets)
            if inbox.changed or self.engine.has_output or self.closing:
                return
            if seconds is not None:
                seconds -= self.network.now() - began

    async def look(self) -> None:
        """Read what is there already, without waiting, unless somebody reads."""
        stream = self.stream
        if not stream.get_extra_info("is_readable"):
            return
        with self.mutex:
            if self._reader is not None:
                return
            self._reader = self._nobody
        try:
            while self.failure is None and stream.get_extra_info("is_readable"):
                octets = await stream.read(_READ, _AT_ONCE)
                with self.mutex:
                    self._receive(octets)
        except ReadTimeout:
            pass  # of TLS, and nothing in it
        except NetworkError as error:
            self.lose(error)
        finally:
            with self.mutex:
                self._hand_over()
        if self.engine.has_output or self.closing:
            await self.flush(_LINGER)

    # -- writing

    async def flush(self, timeout: float | None, owner: Inbox | None = None) -> None:
        """Write all that may be written, unless somebody does.

        Who is cancelled meanwhile gives up the stream of ``owner``; the rest is written all the same.
        """
        with self.mutex:
            if self._writing:
                return
            octets = self._take()
            self._writing = octets != b""
        try:
            while octets:
                await self._write(octets, timeout)
                with self.mutex:
                    octets = self._take()
                    self._writing = octets != b""
        except (NetworkError, TimeoutException) as error:
            await self._cannot_write(error)
        except GeneratorExit:
            self.lose(ReadError("the connection was aborted here, where somebody wrote who is no more"))
            raise
        except BaseException:
            await self._go_on(owner)
            raise
        if self.closing:
            await self._end()

    def _take(self) -> bytes:
        """What is to be written next.  The mutex is held."""
        if self._broken:
            return b""
        octets = self.engine.data_to_send(_WRITE)
        for stream_id in self.engine.take_released():
            inbox = self.inboxes.get(stream_id)
            if inbox is not None:
                inbox.notify()
        return octets

    async def _write(self, octets: bytes, timeout: float | None) -> None:
        if self._whole:
            await self.stream.write(octets, timeout)
            return
        self._unfinished = True
        seconds = _LONG if timeout is None else timeout + _LINGER
        if await self.network.shielded(functools.partial(self._write_whole, octets, timeout), seconds) is None:
            raise WriteTimeout("what was sent was not taken in time")
        if len(octets) >= _WRITE:
            await self.network.sleep(0)  # where who is cancelled hears of it

    async def _write_whole(self, octets: bytes, timeout: float | None) -> bool:
        await self.stream.write(octets, timeout)
        self._unfinished = False
        return True

    async def _go_on(self, owner: Inbox | None) -> None:
        """Write what others have queued, though who wrote is cancelled."""
        if self._unfinished:
            self.lose(ReadError("the connection was aborted here, where a frame could not be written whole"))
            return
        if owner is not None:
            with self.mutex:
                self.reset(owner, errors.CANCEL)
        if self._writing and await self.network.shielded(self._write_rest, _LINGER) is None:
            self.lose(ReadError("the connection was aborted here: the peer takes nothing, and nobody waits for that"))

    async def _write_rest(self) -> bool:
        while True:
            with self.mutex:
                octets = self._take()
                self._writing = octets != b""
            if not octets:
                return True
            try:
                await self.stream.write(octets, _LINGER)
            except (NetworkError, TimeoutException) as error:
                self.lose(error)
                return True

    async def _cannot_write(self, error: Exception) -> None:
        """Nothing more can be written.  What the peer has said before it went may still be there to be read."""
        with self.mutex:
            self._broken = True
            self._writing = False
        if isinstance(error, NetworkError) and self._reader is None:
            await self.look()
        self.lose(error)

    # -- what has come

    def _receive(self, octets: bytes) -> None:
        """Hand octets to the engine, and its events to their streams.  The mutex is held."""
        engine = self.engine
        now = self.network.now()
        engine.refill(now - self._received_at)
        self._received_at = now
        self.suspect = False
        engine.receive_data(octets)
        inboxes = self.inboxes
        try:
            while True:
                event = engine.next_event()
                if event is NEED_DATA:
                    break
                kind = type(event)
                if kind is Data:
                    inbox = inboxes.get(event.stream_id)
                    if inbox is not None:
                        inbox.blocks.append(event.data)
                        inbox.octets += len(event.data)
                        inbox.last = now
                        inbox.notify()
                elif kind is Response or kind is EndOfMessage or kind is InformationalResponse:
                    inbox = inboxes.get(event.stream_id)
                    if inbox is not None:
                        inbox.last = now
                        self._message(inbox, event)
                        inbox.notify()
                else:
                    self._other(event)
        except RemoteProtocolError as error:
            self._fail(error)
        stream_id = engine.data_frame_stream
        if stream_id:
            inbox = inboxes.get(stream_id)
            if inbox is not None:
                inbox.last = now
        self._end_if_done()

    def _message(self, inbox: Inbox, event: Event) -> None:
        if isinstance(event, Response):
            inbox.head = event
        elif isinstance(event, EndOfMessage):
            inbox.ended = True
            inbox.trailers = event.headers
            self.served = True
        elif isinstance(event, InformationalResponse):
            inbox.informational_responses += 1
            inbox.may_go_on = inbox.may_go_on or event.status_code == 100
            if inbox.informational_responses > _MOST_INFORMATIONAL:
                self.reset(inbox, errors.ENHANCE_YOUR_CALM)
                inbox.fail(RemoteProtocolError(f"more than {_MOST_INFORMATIONAL} informational responses"))
            else:
                inbox.informational.append(event)

    def _other(self, event: Event) -> None:
        if isinstance(event, StreamReset):
            inbox = self.inboxes.get(event.stream_id)
            if inbox is not None:
                refused = event.remote and event.error_code == errors.REFUSED_STREAM
                inbox.fail(RemoteProtocolError(event.reason), refused=refused)
        elif isinstance(event, RequestRefused):
            inbox = self.inboxes.get(event.stream_id)
            if inbox is not None:
                self.reset(inbox, errors.CANCEL)
                inbox.fail(RemoteProtocolError(event.reason))
        elif isinstance(event, SettingsChanged):
            most = event.changes.get(MAX_CONCURRENT_STREAMS)
            if most is not None:
                self.most_streams = min(most, self.engine.limits.streams)
            self._notify_all()
        elif isinstance(event, GoAway):
            self._goaway = event
        elif isinstance(event, ConnectionClosed):
            self._fail(RemoteProtocolError(self._told()), lost=True)

    def _told(self) -> str:
        """Why the server has closed the connection, as far as it has said so."""
        goaway = self._goaway
        if goaway is None:
            return "the server has closed the connection"
        said = f": {goaway.debug[:64]!r}" if goaway.debug else ""
        return f"the server has closed the connection, with {errors.code_name(goaway.error_code)}{said}"

    # -- the end of streams

    def reset(self, inbox: Inbox, code: int) -> None:
        """End a stream, if it is not over, and drop what is still to be sent on it.  The mutex is held."""
        if not self._broken and self.failure is None:
            self.engine.queue(StreamReset(inbox.stream_id, code))

    def leave(self, inbox: Inbox) -> None:
        """The exchange of a stream is over.  The mutex is held."""
        if self.inboxes.pop(inbox.stream_id, None) is None:
            return
        self.engine.release(inbox.stream_id)
        if not self.inboxes:
            self.idle_since = self.network.now()
            self._end_if_done()

    # -- the end of the connection

    def takes_no_more(self) -> bool:
        """Whether no stream will be opened any more."""
        return (
            self.failure is not None
            or self._broken
            or self.suspect
            or self.engine.peer_going_away
            or self.engine.next_stream_id() > LARGEST
        )

    def doubt(self, since: float) -> None:
        """Somebody has waited in vain since then.  The mutex is held."""
        if self._received_at <= since:
            self.suspect = True

    def _end_if_done(self) -> None:
        if not self.inboxes and not self.closing and self.takes_no_more():
            self._fail(ReadError("the connection takes no more requests"))

    def _fail(self, error: Exception, *, lost: bool = False) -> None:
        """The connection is over: say so to the peer if that is possible.  The mutex is held."""
        if self.failure is None:
            for inbox in self.inboxes.values():
                if self.engine.error_code < 0 and not lost:
                    self.reset(inbox, errors.CANCEL)
                inbox.fail(type(error)(str(error)), lost=lost)
            self.failure = error
            if self.engine.error_code < 0 and not lost:
                self.engine.queue(ConnectionClosed())
        self._broken = self._broken or lost
        self.closing = True
        self._notify_all()

    def _notify_all(self) -> None:
        if self._reader is not None:
            self._reader.notify()
        for inbox in list(self._waiting):
            inbox.notify()
        for inbox in self.inboxes.values():
            inbox.notify()

    def _refuse_settings(self) -> None:
        """Our SETTINGS were not acknowledged in time (RFC 9113 §6.5.3)."""
        with self.mutex:
            self.engine.queue(GoAway(0, errors.SETTINGS_TIMEOUT))
            self._fail(
                ReadTimeout(f"the server has not acknowledged our SETTINGS for {self._settings_timeout} seconds")
            )

    def lose(self, error: Exception) -> None:
        """Nothing more comes, or goes out: ``error`` says why."""
        with self.mutex:
            self._fail(error, lost=True)
            self._writing = False
            self._ended = True
        self.stream.abort()

    def abort(self) -> None:
        """End it at once."""
        self.lose(ReadError("the connection was aborted here"))

    async def _end(self) -> None:
        """Close the stream, once."""
        with self.mutex:
            if self._ended or self._writing:
                return
            self._ended = True
        await self.stream.aclose()

    async def aclose(self) -> None:
        """End all streams, and the connection."""
        with self.mutex:
            self._fail(ReadError("the connection was closed here"))
        try:
            await self.flush(_LINGER)
            await self.stream.aclose()
        except BaseException:
            self.stream.abort()
            raise
