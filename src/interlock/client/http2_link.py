"""Who reads from an HTTP/2 connection for all its exchanges, and who writes.

There is no task in the background.  Who waits for something takes the role of the reader, if nobody has it: what is read
is handed to the engine, its events to the inboxes of their streams, and those who wait for these are woken.  When the
reader has what it wanted, or is cancelled, the next one who waits gets the role.  In the same way who has queued something
takes the role of the writer, and writes all that there is to be written, in order, before it gives the role back.  So
whatever is queued is written, and nobody waits for another's answer.

What they share is in ``http2_state.py``; what a request is, and what an exchange gives to its caller, is not here.
"""

import functools
from typing import Final

from interlock.client.http2_inbox import Inbox
from interlock.client.http2_state import HTTP2State
from interlock.h2 import Limits, errors
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


class HTTP2Link(HTTP2State):
    """The same, and who reads and writes."""

    __slots__ = (
        "_nobody",
        "_reads_at_once",
        "_settings_left",
        "_settings_timeout",
        "_unfinished",
        "_whole",
        "_writing",
    )

    def __init__(self, network: Network, stream: Stream, limits: Limits, settings_timeout: float | None) -> None:
        super().__init__(network, stream, limits)
        # Who reads for nobody.
        self._nobody: Final = Inbox(0, 0.0)
        # Whether somebody writes; and has a write that may be half done.
        self._writing = False
        self._unfinished = False
        # Whether a write that is cancelled goes out whole all the same.
        self._whole: Final = bool(stream.get_extra_info("cancelled_write_is_whole"))
        # Whether what is there can be read without waiting.
        self._reads_at_once: Final = bool(stream.get_extra_info("reads_at_once"))
        # Seconds of reading in which our SETTINGS have still to be acknowledged (RFC 9113 §6.5.3).
        self._settings_timeout: Final = settings_timeout
        self._settings_left = _LONG if settings_timeout is None else settings_timeout

    # -- waiting

    async def wait(self, inbox: Inbox, seconds: float | None, reading: bool = True) -> None:
        """Wait until something has happened for ``inbox``, at most so many seconds.  It may end early.

        With ``reading``, read meanwhile if nobody does.  Without, what is waited for is not the peer, but who writes.
        """
        with self.mutex:
            if inbox.changed or self.failure is not None:
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
        if self.engine.has_output and not self._writing and not self._broken:
            return  # it was left by who could not wait
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
                    with self.mutex:
                        self._refuse_settings(self._settings_timeout)
                return
            with self.mutex:
                self._receive(octets)
            self.tell_change()
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
                self.tell_change()
        except ReadTimeout:
            pass  # of TLS, and nothing in it
        except NetworkError as error:
            self.lose(error)
        finally:
            with self.mutex:
                self._hand_over()
        if self.engine.has_output or self.closing:
            await self.flush(_LINGER)

    def has_ended(self) -> bool:
        """Of an idle one: whether the server has ended it.

        A server may send PING, SETTINGS or WINDOW_UPDATE at any time, so that there is something to read means nothing: it
        is read, where the network can do that at once.  Where it cannot, who sends a request reads it first.
        """
        if self._reads_at_once and not self.inboxes and not self.is_closed():
            self._look_at_once()
        return self.is_closed()

    def _look_at_once(self) -> None:
        """As :meth:`look`, on a network on which that never suspends.  Nobody is told of a change, as nobody is yet of use."""
        with self.mutex:
            if self._reader is not None:
                return
            self._reader = self._nobody
        try:
            while self.failure is None and self.stream.get_extra_info("is_readable"):
                reading = self.stream.read(_READ, 0.0)
                try:
                    reading.send(None)
                except StopIteration as stop:
                    octets: bytes = stop.value
                else:
                    reading.close()  # the loop has not got round to it
                    break
                with self.mutex:
                    self._receive(octets)
        except ReadTimeout:
            pass  # of TLS, and nothing in it
        except NetworkError as error:
            with self.mutex:
                self._fail(error, lost=True)
        with self.mutex:
            self._hand_over()
            over = self.closing and not self._ended
            if over:
                self._ended = self._gone = True
        if over:
            self.stream.abort()

    # -- writing

    async def flush(self, timeout: float | None, owner: Inbox | None = None) -> None:
        """Write all that may be written, unless somebody does.

        Who is cancelled meanwhile gives up the stream of ``owner``; the rest is written all the same.
        """
        with self.mutex:
            idle = self._writing or self._broken or not self.engine.has_output
            if not idle:
                self._writing = True
        if not idle:
            await self._write_all(timeout, owner)
        if self.closing:
            await self._end()

    async def _write_all(self, timeout: float | None, owner: Inbox | None) -> None:
        """Write, in the role of the writer."""
        try:
            if len(self.inboxes) > 1:
                await self.network.sleep(0)  # others may be about to say something, too: one write does for all
            while True:
                with self.mutex:
                    octets = self._take()
                    self._writing = octets != b""
                if not octets:
                    return
                await self._write(octets, timeout)
        except (NetworkError, TimeoutException) as error:
            await self._cannot_write(error)
        except GeneratorExit:
            self.lose(ReadError("the connection was aborted here, where somebody wrote who is no more"))
            raise
        except BaseException:
            await self._go_on(owner)
            if self.closing:
                self.abort()
            raise

    def _take(self) -> bytes:
        """What is to be written next.  The mutex is held."""
        if self._broken:
            return b""
        octets = self.engine.data_to_send(_WRITE)
        for stream_id in self.engine.take_released():
            inbox = self.inboxes.get(stream_id)
            if inbox is not None and inbox.sending:
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
            self.tell_change()
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
            self._changed = True
            reading = self._reader is not None
        self.tell_change()
        if isinstance(error, NetworkError):
            if reading:
                return  # who reads comes to the end, too, behind what the peer has said before
            await self.look()
        self.lose(error)

    # -- the end

    async def _end(self) -> None:
        """Close the stream, once."""
        with self.mutex:
            if self._ended or self._writing:
                return
            self._ended = True
        try:
            await self.stream.aclose()
        finally:
            self._is_gone()

    def _is_gone(self) -> None:
        with self.mutex:
            self._gone = True
            self._changed = True
        self.tell_change()

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
        finally:
            self._is_gone()
