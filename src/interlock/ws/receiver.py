"""What an engine of WebSocket receives: octets to frames, frames to messages, messages to events (RFC 6455 §5, RFC 7692 §6)."""

from codecs import IncrementalDecoder, getincrementaldecoder
from typing import Any, Final

from interlock.http.errors import LocalProtocolError, remote
from interlock.http.events import ConnectionClosed, Event
from interlock.http.limits import Limits
from interlock.http.sentinels import NEED_DATA, Sentinel
from interlock.ws.codes import (
    BEGIN,
    CLOSE,
    CONNECTING,
    CONTINUE,
    END_OF_STREAM,
    FINISH,
    LOSE,
    MESSAGE,
    PING,
    PONG,
    READ,
    TABLE,
    N,
)
from interlock.ws.deflate import Decompressor
from interlock.ws.events import NO_CODE, Close, CloseReceived, Message, Ping, Pong
from interlock.ws.frames import CLOSE as CLOSE_FRAME
from interlock.ws.frames import (
    CONTINUATION,
    FIN,
    INVALID_DATA,
    POLICY,
    PROTOCOL_ERROR,
    RSV1,
    TEXT,
    TOO_BIG,
    read_close,
    read_frame_head,
)
from interlock.ws.frames import PING as PING_FRAME
from interlock.ws.masking import masked
from interlock.ws.output import Closing, Output

__all__ = ["Receiver"]

#: Pieces of a message that are shorter are joined as they come, so that many tiny ones take no more room than one.
_SMALL: Final = 4096
#: A compressed message may be longer than what it inflates to, by so little (RFC 1951 §3.2.4), and by so much for each
#: frame, if everything was flushed for it (RFC 7692 §7.2.1).
_INCOMPRESSIBLE: Final = 1024
_FLUSHED: Final = 16

_UTF8: Final = getincrementaldecoder("utf-8")


class Receiver(Output):
    """The receiving side of a connection."""

    def __init__(self, role: Sentinel, limits: Limits, fragments: bool) -> None:
        super().__init__(role, limits)
        self._as_fragments: Final = fragments
        self._most: Final = limits.message
        self._most_frames: Final[int] = max(1024, limits.message >> 8) if limits.fragments is None else limits.fragments
        self._most_glitches: Final = limits.glitches
        # -- what was received
        self._pieces: Final[list[Any]] = []
        self._octets = b""
        self._at = 0
        self._eof = False
        self._eof_given = False
        # the data frame that is being read
        self._in_frame = False
        self._left = 0
        self._key = b""
        self._final = False
        # the message that is being read
        self._text = False
        self._deflated = False
        #: Octets of it after inflation, octets that its frames have declared, and frames.
        self._size = 0
        self._declared = 0
        self._frames = 0
        self._parts: Final[list[Any]] = []
        self._decoder: IncrementalDecoder | None = None
        self._inflater: Decompressor | None = None
        # pings and pongs that they may still send for nothing
        self._glitches = float(limits.glitches)
        self._refilled = 0.0
        #: Whether what would end the connection is held back, and whether it is.
        self.patient = False
        self.holding = False
        self._fault: LocalProtocolError | None = None

    # -- receiving

    def receive_data(self, data: bytes) -> None:
        """Octets from the byte stream; b"" where the other end has ended it."""
        if not data:
            self._eof = True
        elif CONNECTING[self._joint] or self._duties[self._joint] & READ:
            pieces = self._pieces
            if not pieces and not self._octets and type(data) is bytes:
                self._octets = data
            elif len(data) >= _SMALL or not pieces:
                pieces.append(data)
            elif type(pieces[-1]) is bytearray and len(pieces[-1]) < _SMALL:
                pieces[-1] += data
            else:
                pieces.append(bytearray(data))

    def connection_lost(self) -> None:
        """The byte stream is gone, in whatever way: nothing can be read from it or written to it any more."""
        self._step(LOSE)
        self._pong = None
        self._out.clear()

    def next_event(self) -> Any:
        """The next event, or NEED_DATA.

        Raises :class:`RemoteProtocolError` once, where the other end has broken the protocol: its hint is the status
        code of our Close.  What comes after that is not read.  After the end of the byte stream the event is
        :class:`ConnectionClosed`, once.

        As long as ``patient`` is set, what would end the connection, the other end's Close or its fault, is held back:
        then ``holding`` is True, and there is no event behind it.  So a driver can have messages answered first that
        came with it.
        """
        if self._pieces:
            self._join()
        self.holding = False
        try:
            fault = self._fault
            while self._duties[self._joint] & READ:
                if fault is not None:
                    raise fault
                if self._in_frame:
                    event = self._read_payload()
                elif self._at < len(self._octets):
                    event = self._read_frame()
                else:
                    break
                if event is None:
                    continue
                if event is NEED_DATA:
                    break
                return event
            else:
                if not CONNECTING[self._joint] and self.remote_close is None:
                    self._drop()
        except LocalProtocolError as error:
            if self.patient:
                self._fault = error
                self.holding = True
                return NEED_DATA
            self._fault = None
            self._drop()
            self._fail(error.error_status_hint, str(error))
            raise remote(error) from error
        if self._at:  # who waits for long keeps no more than the beginning of a frame
            self._octets = self._octets[self._at :]
            self._at = 0
        if self._eof and not self._eof_given and not self.holding:
            self._eof_given = True
            if TABLE[self._joint * N + self._theirs + END_OF_STREAM] >= 0:
                self._step(self._theirs + END_OF_STREAM)
            return ConnectionClosed()
        return NEED_DATA

    def _drop(self) -> None:
        """What comes after our failure is not read, nor kept."""
        self._parts.clear()
        self._octets = b""
        self._at = 0

    def _join(self) -> None:
        pieces = self._pieces
        if self._at < len(self._octets):
            pieces.insert(0, self._octets[self._at :])
        self._octets = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._at = 0
        pieces.clear()

    def _read_frame(self) -> Any:
        """The event of the frame that begins here; None where it gives none, NEED_DATA where octets are missing."""
        octets = self._octets
        at = self._at
        size, length = read_frame_head(octets, at, not self._client)
        if size < 0:
            return NEED_DATA
        first = octets[at]
        opcode = first & 0x0F
        begin = at + size
        if opcode >= CLOSE_FRAME:
            end = begin + length
            if end > len(octets):
                return NEED_DATA
            if opcode == CLOSE_FRAME and self.patient:
                self.holding = True
                return NEED_DATA
            self._at = end
            payload = octets[begin:end]
            return self._control(opcode, payload if self._client else masked(payload, octets[begin - 4 : begin]))
        final = first >= FIN
        if opcode == CONTINUATION:
            self._step_theirs(FINISH if final else CONTINUE, "a continuation frame where no message was begun")
            if first & RSV1:
                raise LocalProtocolError("RSV1 in a continuation frame (RFC 7692 §6.1)", PROTOCOL_ERROR)
        else:
            joint = self._joint
            step = MESSAGE if final else BEGIN
            if TABLE[joint * N + self._theirs + step] != joint:
                self._step_theirs(step, "a message begins in the midst of another")
            self._deflated = first & RSV1 != 0
            if self._deflated:
                if self._inflater is None:
                    raise LocalProtocolError("RSV1 without permessage-deflate (RFC 6455 §5.2)", PROTOCOL_ERROR)
            elif final and length <= self._most and begin + length <= len(octets):  # nothing of it has to be kept
                self._at = begin + length
                payload = octets[begin : begin + length]
                if not self._client:
                    payload = masked(payload, octets[begin - 4 : begin])
                if self._glitches < self._most_glitches:
                    self._glitches += 1
                return Message(_decoded(payload) if opcode == TEXT else payload)
            self._text = opcode == TEXT
            self._size = 0
            self._declared = 0
            self._frames = 0
        self._frames += 1
        if self._frames > self._most_frames:
            raise LocalProtocolError(f"a message of more than {self._most_frames} frames (RFC 6455 §10.4)", TOO_BIG)
        most = self._most
        if self._deflated:
            most += (most >> 8) + _INCOMPRESSIBLE + self._frames * _FLUSHED
        self._declared += length
        if self._declared > most:
            raise LocalProtocolError(f"a message of more than {most} octets (RFC 6455 §10.4)", TOO_BIG)
        self._at = begin
        self._in_frame = True
        self._left = length
        self._final = final
        self._key = octets[begin - 4 : begin] if not self._client else b""
        return None

    def _read_payload(self) -> Any:
        """As much of the payload of the data frame in progress as is there."""
        at = self._at
        have = len(self._octets) - at
        left = self._left
        taken = have if have < left else left
        if not taken and left:
            return NEED_DATA
        chunk = self._octets[at : at + taken]
        self._at = at + taken
        self._left = left - taken
        key = self._key
        if key and taken:
            chunk = masked(chunk, key)
            turn = taken & 3
            if turn:
                self._key = key[turn:] + key[:turn]
        ended = not self._left
        last = ended and self._final
        if self._deflated:
            inflater = self._inflater
            assert inflater is not None
            chunk = inflater.decompress(chunk, last, self._most - self._size)
        self._size += len(chunk)
        if ended:
            self._in_frame = False
        return self._piece(chunk, last)

    def _piece(self, chunk: bytes, last: bool) -> Any:
        """A piece of a message: as an event, or kept until there is one."""
        if last:
            self._earn()
        text = ""
        if self._text:
            decoder = self._decoder
            if decoder is None:
                decoder = self._decoder = _UTF8()
            try:
                text = decoder.decode(chunk, last)
            except UnicodeDecodeError:
                raise LocalProtocolError("text that is not UTF-8 (RFC 6455 §8.1)", INVALID_DATA) from None
            if not last and decoder.getstate()[0][:1] == b"\xed" and decoder.getstate()[0][1:] >= b"\xa0":
                # Two octets of a surrogate, for whose third Python waits.
                raise LocalProtocolError("text that is not UTF-8 (RFC 6455 §8.1)", INVALID_DATA)
            if last:
                self._decoder = None
            if self._as_fragments:
                return Message(text, last) if text or last else None
        elif self._as_fragments:
            return Message(chunk, last) if chunk or last else None
        parts = self._parts
        if last and not parts:
            return Message(text if self._text else chunk)
        if chunk:
            if parts and len(chunk) < _SMALL and type(parts[-1]) is bytearray and len(parts[-1]) < _SMALL:
                parts[-1] += chunk
            else:
                parts.append(bytearray(chunk) if len(chunk) < _SMALL else chunk)
        if not last:
            return None
        content = b"".join(parts)
        parts.clear()
        return Message(content.decode() if self._text else content)

    def _control(self, opcode: int, payload: bytes) -> Event:
        if opcode == CLOSE_FRAME:
            code, reason = read_close(payload)
            self.remote_close = Closing(code, reason, self.now)
            self._answer = Close(None if code == NO_CODE else code)
            self._step(self._theirs + CLOSE)
            return CloseReceived(code, reason)
        self._spend()
        if opcode == PING_FRAME:
            self._step(self._theirs + PING)
            if self.trace is not None:
                self._tell(self._theirs + PING, payload, self._joint)
            if self.writable:
                self._pong = payload
            return Ping(payload)
        self._step(self._theirs + PONG)
        if self.trace is not None:
            self._tell(self._theirs + PONG, payload, self._joint)
        return Pong(payload)

    def _spend(self) -> None:
        """A ping or a pong: so many are free, and content and time bring more (RFC 6455 §5.5.2)."""
        if self.now > self._refilled:
            more = self._glitches + (self.now - self._refilled) * self._limits.glitches_rate
            self._glitches = min(more, self._most_glitches)
            self._refilled = self.now
        self._glitches -= 1
        if self._glitches < 0:
            raise LocalProtocolError("too many pings and pongs for what else was sent", POLICY)

    def _earn(self) -> None:
        if self._glitches < self._most_glitches:
            self._glitches += 1

    def _step_theirs(self, event: int, wrong: str) -> None:
        """The same, for a frame of the other end; ``wrong`` says what the peer did where it is illegal."""
        if TABLE[self._joint * N + self._theirs + event] < 0:
            raise LocalProtocolError(f"{wrong} (RFC 6455 §5.4)", PROTOCOL_ERROR)
        self._step(self._theirs + event)


def _decoded(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise LocalProtocolError("text that is not UTF-8 (RFC 6455 §8.1)", INVALID_DATA) from None
