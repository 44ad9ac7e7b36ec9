"""Frames in: what each type does to the connection, to its stream, and what event it gives (RFC 9113 §6)."""

from typing import Any, Final

from interlock.h2 import errors, frames
from interlock.h2.codes import (
    BLOCK_BEGIN,
    CLIENT_PREFACE,
    CLOSED,
    CONNECT_PROPOSED,
    CONNECTION_CLOSED,
    CONTINUATION,
    CONTINUATION_END,
    FRAME,
    OPEN_STREAM,
    PREFACE_DUE,
    REMOTE_ACCEPT,
    REMOTE_CONNECT,
    REMOTE_DATA,
    REMOTE_DATA_END,
    REMOTE_DONE,
    REMOTE_INFORMATIONAL,
    REMOTE_OWES_HEAD,
    REMOTE_REQUEST,
    REMOTE_REQUEST_END,
    REMOTE_RESPONSE,
    REMOTE_RESPONSE_END,
    REMOTE_TRAILERS,
)
from interlock.h2.control import IGNORED, Control
from interlock.h2.errors import ConnectionFault, StreamFault
from interlock.h2.events import (
    RequestRefused,
)
from interlock.h2.hpack import HPACKError
from interlock.h2.messages import read_request, read_response, read_trailers
from interlock.h2.priority import DEFAULT_PRIORITY, Priority, parse_priority
from interlock.h2.stream import Stream
from interlock.http.errors import excerpt
from interlock.http.events import ConnectionClosed, Data, EndOfMessage, InformationalResponse, Request
from interlock.http.limits import Limits

__all__ = ["Receiver"]

#: A DATA frame with content of more octets than this is useful work (RFC 9113 §10.5) ...
_TINY: Final = 16
#: ... once its stream has had so many: a little content must not pay for the reset of its stream.
_LITTLE: Final = 16384
#: Blocks whose request is remembered: so many, each of at most so many octets.
_MOST_BLOCKS: Final = 16
_LONGEST_BLOCK: Final = 1024


class KnownBlock:
    """A field block that did not change the decoder's table, and the request that it makes while that is so."""

    __slots__ = ("event", "octets", "priority", "request", "version")

    def __init__(self, version: int, request: Request, event: int, priority: Priority, octets: int) -> None:
        self.version: Final = version
        self.request: Final = request
        #: What it is in the tables.
        self.event: Final = event
        self.priority: Final = priority
        #: Of its field list, where anybody has asked; else -1.
        self.octets: Final = octets


class Receiver(Control):
    """The receiving half of a connection."""

    __slots__ = (
        "_at",
        "_block",
        "_block_flags",
        "_block_octets",
        "_block_parts",
        "_block_stream",
        "_blocks",
        "_closed_by_peer",
        "_largest_frame",
        "_need",
        "_octets",
        "_partial",
        "_self_dependent",
    )

    def __init__(self, is_client: bool, limits: Limits, hold: bool, extended_connect: bool) -> None:
        super().__init__(is_client, limits, hold, extended_connect)
        #: What was received and not yet looked at, from ``_at`` on; or, of a frame that is not complete, ``_partial``,
        #: until it has ``_need`` octets.
        self._octets = b""
        self._at = 0
        self._partial = bytearray()
        self._need = len(frames.PREFACE) if not is_client else frames.HEAD_OCTETS
        self._closed_by_peer = False
        #: What the peer was told that a frame may have; more than the least only where somebody looks on (observer.py).
        self._largest_frame = frames.LEAST_FRAME_SIZE
        #: A field block that is not complete: its parts, their octets, and the CONTINUATION frames that it may have.
        self._block: list[bytes] = []
        self._block_octets = 0
        self._block_parts = 0
        self._block_stream = 0
        self._block_flags = 0
        self._self_dependent = False
        self._blocks: Final[dict[bytes, KnownBlock]] = {}

    # -- octets to frames

    def receive_data(self, data: bytes) -> None:
        """Octets from the peer, cut anywhere; b"" when it has closed its side."""
        if not data:
            self._closed_by_peer = True
        elif self._error is not None:
            return
        elif self._partial:
            self._partial += data
        elif self._at < len(self._octets):
            self._partial += self._octets[self._at :]
            self._partial += data
            self._octets = b""
            self._at = 0
            self._need = 0
        else:
            self._octets = data
            self._at = 0

    def _next_frame(self) -> bool:
        """Process the next frame.  False when there is none that is complete."""
        if self._partial:
            if len(self._partial) < self._need:
                return False
            self._octets = bytes(self._partial)
            self._at = 0
            self._partial.clear()
        octets = self._octets
        at = self._at
        available = len(octets) - at
        if PREFACE_DUE[self._joint]:
            return self._read_preface(octets, available)
        if available < frames.HEAD_OCTETS:
            self._keep(octets, at, frames.HEAD_OCTETS)
            return False
        length = (octets[at] << 16) | (octets[at + 1] << 8) | octets[at + 2]
        if length > frames.LEAST_FRAME_SIZE and length > self._largest_frame:
            if not self._they_have_begun[self._joint] and octets[at + 3] != frames.SETTINGS:
                begin = excerpt(octets[at : at + frames.HEAD_OCTETS])
                raise ConnectionFault(
                    errors.PROTOCOL_ERROR, f"no HTTP/2, which begins with SETTINGS: {begin} (RFC 9113 §3.4)"
                )
            raise ConnectionFault(errors.FRAME_SIZE_ERROR, f"a frame of {length} octets (RFC 9113 §4.2)")
        end = at + frames.HEAD_OCTETS + length
        if end > len(octets):
            self._keep(octets, at, frames.HEAD_OCTETS + length)
            return False
        kind = octets[at + 3]
        flags = octets[at + 4]
        stream_id = ((octets[at + 5] & 0x7F) << 24) | (octets[at + 6] << 16) | (octets[at + 7] << 8) | octets[at + 8]
        self._at = end
        payload = octets[at + frames.HEAD_OCTETS : end]
        try:
            if kind == frames.DATA:
                self._their(FRAME)
                self._read_data(stream_id, flags, payload)
            elif kind == frames.HEADERS:
                self._read_headers(stream_id, flags, payload)
            else:
                self._read_other(kind, stream_id, flags, payload)
        except StreamFault as fault:
            self._stream_fault(stream_id, fault)
        return True

    def _keep(self, octets: bytes, at: int, need: int) -> None:
        """Keep the frame that is not complete until it has ``need`` octets."""
        if at < len(octets):
            self._partial += octets[at:]
        self._octets = b""
        self._at = 0
        self._need = need

    def _read_preface(self, octets: bytes, available: int) -> bool:
        """A client's first octets (RFC 9113 §3.4)."""
        preface = frames.PREFACE
        start = octets[: len(preface)]
        if not preface.startswith(start):
            raise ConnectionFault(errors.PROTOCOL_ERROR, "no HTTP/2 preface (RFC 9113 §3.4)")
        if available < len(preface):
            self._keep(octets, 0, 0)  # every octet is looked at as it comes, to refuse it at once
            return False
        self._step(CLIENT_PREFACE)
        self._at = len(preface)
        self._need = frames.HEAD_OCTETS
        return True

    # -- DATA (RFC 9113 §6.1)

    def _read_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        octets = len(payload)
        if not self._credit.received(octets):
            raise ConnectionFault(errors.FLOW_CONTROL_ERROR, "DATA beyond the connection's window (RFC 9113 §6.9.1)")
        stream = self._streams.get(stream_id)
        if stream is None:
            self._read_late_data(stream_id, flags, payload)
            return
        data = frames.unpad(payload) if flags & frames.PADDED else payload
        content = len(data)
        end = flags & frames.END_STREAM
        if REMOTE_DONE[stream.joint]:  # an error by the tables; nothing is left of a window to count it in
            self._give_credit(octets)
            self._remote(stream.joint, REMOTE_DATA_END if end else REMOTE_DATA)
        if not stream.receive.received(octets):
            self._give_credit(octets)
            raise StreamFault(errors.FLOW_CONTROL_ERROR, "DATA beyond the stream's window (RFC 9113 §6.9.1)")
        target = self._remote(stream.joint, REMOTE_DATA_END if end else REMOTE_DATA)
        if content:
            stream.body += content
            if content > _TINY and stream.body > _LITTLE:
                self._budget.earn(1)
        elif not end:
            self._spend(1, "empty DATA frames")
        receive = stream.receive
        if receive.remaining >= 0:
            receive.remaining -= content
            if receive.remaining < 0 or (end and receive.remaining):
                raise StreamFault(errors.PROTOCOL_ERROR, "content that its Content-Length belies (RFC 9113 §8.1.1)")
        stream.joint = target  # from here on nothing is wrong with it
        if octets != content:
            self._take(stream, octets - content)
        if stream.discarded:
            self._take(stream, content)
        elif content:
            limit = self.limits.body
            if limit is not None and stream.body > limit and stream.method != b"CONNECT":  # whose octets are no content
                stream.discarded = True
                self._take(stream, receive.unconsumed)
                self._events.append(RequestRefused(stream_id, 413, f"content of more than {limit} octets"))
            else:
                self._events.append(Data(data, stream_id=stream_id))
        if end:
            self._message_ended(stream, None)

    def _read_late_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        """DATA on a stream that is not open."""
        joint = self._recall(stream_id)
        octets = len(payload)
        self._give_credit(octets)
        self._remote(joint, REMOTE_DATA_END if flags & frames.END_STREAM else REMOTE_DATA)
        if octets and octets <= self._in_flight:
            self._in_flight -= octets
        else:
            self._spend_allowed("frames on streams that were reset")

    def _message_ended(self, stream: Stream, trailers: Any) -> None:
        """The peer's message is complete."""
        stream.receive.no_more()
        if not stream.discarded:
            if trailers is None:
                self._events.append(EndOfMessage(stream_id=stream.id))
            else:
                end = EndOfMessage(stream_id=stream.id)
                end.headers = trailers
                self._events.append(end)
        if CLOSED[stream.joint]:
            self._close(stream)

    # -- HEADERS and CONTINUATION (RFC 9113 §6.2, §6.10)

    def _read_headers(self, stream_id: int, flags: int, payload: bytes) -> None:
        self._their(FRAME if flags & frames.END_HEADERS else BLOCK_BEGIN)
        if not stream_id:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "HEADERS on stream 0 (RFC 9113 §6.2)")
        self._self_dependent = False
        if flags & (frames.PADDED | frames.WITH_PRIORITY):
            if flags & frames.PADDED:
                payload = frames.unpad(payload)
            if flags & frames.WITH_PRIORITY:
                if len(payload) < 5:
                    raise ConnectionFault(errors.FRAME_SIZE_ERROR, "HEADERS without its priority (RFC 9113 §6.2)")
                self._self_dependent = frames.number(payload) & frames.LARGEST == stream_id
                payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._read_block(stream_id, flags, payload)
            return
        self._block = [payload]
        self._block_octets = len(payload)
        self._block_parts = 0
        self._block_stream = stream_id
        self._block_flags = flags

    def _read_continuation(self, stream_id: int, flags: int, payload: bytes) -> None:
        self._their(CONTINUATION_END if flags & frames.END_HEADERS else CONTINUATION)
        if stream_id != self._block_stream:
            raise ConnectionFault(errors.PROTOCOL_ERROR, "CONTINUATION of another stream (RFC 9113 §6.10)")
        self._block.append(payload)
        self._block_octets += len(payload)
        self._block_parts += 1 if payload else 2
        if self._block_parts > self.limits.continuations or self._block_octets > 2 * self.limits.head:
            raise ConnectionFault(errors.ENHANCE_YOUR_CALM, "a field block without an end (RFC 9113 §10.5)")
        if flags & frames.END_HEADERS:
            block = b"".join(self._block)
            self._block = []
            self._read_block(stream_id, self._block_flags, block)

    def _decode(self, block: bytes) -> list[Any]:
        try:
            return self._decoder.decode(block)
        except HPACKError as error:
            raise ConnectionFault(errors.COMPRESSION_ERROR, str(error)) from None

    def _read_block(self, stream_id: int, flags: int, block: bytes) -> None:
        """A field block that is complete.  It is decoded whatever becomes of it (RFC 9113 §4.3)."""
        end = flags & frames.END_STREAM != 0
        stream = self._streams.get(stream_id)
        if stream is None:
            self._read_first_block(stream_id, end, block)
            return
        fields = self._decode(block)
        if self._self_dependent:
            self._refuse_dependency()
        if REMOTE_OWES_HEAD[stream.joint]:
            self._read_response_head(stream, end, fields)
            return
        if not end and not REMOTE_DONE[stream.joint]:
            raise StreamFault(errors.PROTOCOL_ERROR, "trailers that do not end their message (RFC 9113 §8.1)")
        target = self._remote(stream.joint, REMOTE_TRAILERS)
        if (
            self._decoder.overflow
            or len(fields) + stream.head_fields > self.limits.fields
            or _list_octets(fields) + stream.head_octets > self.limits.head
        ):
            self._refuse_trailers(stream, target)
            return
        trailers = read_trailers(fields, self._decoder.marked)
        if stream.receive.remaining > 0:
            raise StreamFault(errors.PROTOCOL_ERROR, "content that its Content-Length belies (RFC 9113 §8.1.1)")
        stream.joint = target
        self._message_ended(stream, trailers)

    def _refuse_trailers(self, stream: Stream, target: int) -> None:
        """Have a request answered whose trailers are too much beside its head, if it still can be."""
        reason = "a head and trailers beyond our limits (RFC 9113 §10.5.1)"
        if self.is_client or CLOSED[target]:
            raise StreamFault(errors.PROTOCOL_ERROR, reason)
        self._spend(1, "requests that have to be refused")
        stream.joint = target
        if not stream.discarded:
            stream.discarded = True
            self._take(stream, stream.receive.unconsumed)
            self._events.append(RequestRefused(stream.id, 431, reason))
        self._message_ended(stream, None)

    def _refuse_dependency(self) -> None:
        self._self_dependent = False
        raise StreamFault(errors.PROTOCOL_ERROR, "a stream that depends on itself (RFC 7540 §5.3.1)")

    def _read_first_block(self, stream_id: int, end: bool, block: bytes) -> None:
        """A field block on a stream that is not open: a request, or something late."""
        if self.is_client or stream_id & 1 == 0 or stream_id <= self._highest_remote:
            joint = self._recall(stream_id)
            self._decode(block)
            if joint != IGNORED and stream_id not in self._recent:
                raise ConnectionFault(
                    errors.PROTOCOL_ERROR, f"HEADERS on stream {stream_id}, which cannot be opened (RFC 9113 §5.1.1)"
                )
            self._remote(joint, REMOTE_DATA_END if end else REMOTE_DATA)  # dropped, as late DATA is
            self._spend_allowed("frames on streams that were reset")
            return
        if stream_id > self._last_named:
            self._decode(block)
            self._spend_allowed("requests behind a GOAWAY")
            return
        self._their(OPEN_STREAM)
        self._highest_remote = stream_id
        known = self._blocks.get(block)
        decoder = self._decoder
        stream = self._new_stream(stream_id, end)
        if known is not None and known.version == decoder.version and (end or known.octets >= 0):
            octets = known.octets
            model = known.request
            request = Request(
                method=model.method,
                headers=(),
                target=model.target,
                http_version=b"2",
                stream_id=stream_id,
                scheme=model.scheme,
                protocol=model.protocol,
                _parsed=model.headers,
            )
            stream.joint = self._remote(0, _REQUESTS[known.event + end])
            priority = known.priority
        else:
            version = decoder.version
            fields = self._decode(block)
            connect = False
            for field in fields:
                if field[0] == b":method":
                    stream.method = field[1]  # also of a request that is refused: no content in answer to HEAD
                    connect = field[1] == b"CONNECT"
                    break
            event = 2 if connect else 0
            stream.joint = self._remote(0, _REQUESTS[event + end])
            if decoder.overflow:
                self._refuse_request(stream, end, 431, "a head beyond our limits (RFC 9113 §10.5.1)")
                return
            try:
                request = read_request(fields, decoder.marked, stream_id, self.limits, self._extended_connect)
            except StreamFault as fault:
                if fault.error_status_hint == 400:
                    raise
                self._refuse_request(stream, end, fault.error_status_hint, str(fault))
                return
            value = request.headers.get(b"priority")
            priority = DEFAULT_PRIORITY if value is None else parse_priority(value)
            octets = -1 if end else _list_octets(fields)
            if version == decoder.version and len(block) <= _LONGEST_BLOCK:
                if len(self._blocks) >= _MOST_BLOCKS:
                    self._blocks.clear()
                self._blocks[block] = KnownBlock(version, request, event, priority, octets)
        if not end:
            stream.head_octets = octets
            stream.head_fields = len(request.headers)
        if self._self_dependent:
            self._refuse_dependency()
        self._begin_request(stream, request, end, priority)

    def _begin_request(self, stream: Stream, request: Request, end: bool, priority: Priority) -> None:
        limits = self.limits
        if self._counted >= limits.streams:
            raise StreamFault(errors.REFUSED_STREAM, "too many streams (RFC 9113 §5.1.2)")
        stream.counted = True
        self._counted += 1
        self._budget.allow(2)
        headers = request.headers
        stream.method = request.method
        length = headers.content_length
        if end:
            if length > 0:
                raise StreamFault(errors.PROTOCOL_ERROR, "content that its Content-Length belies (RFC 9113 §8.1.1)")
        elif length >= 0:
            stream.receive.remaining = length
            if limits.body is not None and length > limits.body:
                self._refuse_request(stream, end, 413, f"content of more than {limits.body} octets")
                return
        if self._priorities:
            priority = self._priorities.pop(stream.id, priority)
        stream.urgency = priority.urgency
        stream.incremental = priority.incremental
        stream.shown = True
        self._events.append(request)
        if end:
            stream.receive.no_more()
            self._events.append(EndOfMessage(stream_id=stream.id))

    def _refuse_request(self, stream: Stream, end: bool, status: int, reason: str) -> None:
        """Have a request answered that no application sees."""
        self._spend(1, "requests that have to be refused")
        if not stream.counted:
            if self._counted >= self.limits.streams:
                raise StreamFault(errors.REFUSED_STREAM, "too many streams (RFC 9113 §5.1.2)")
            stream.counted = True
            self._counted += 1
        stream.discarded = True
        stream.released = True
        if end:
            stream.receive.no_more()
        self._events.append(RequestRefused(stream.id, status, reason))

    def _read_response_head(self, stream: Stream, end: bool, fields: list[Any]) -> None:
        if self._decoder.overflow or len(fields) > self.limits.fields:
            raise StreamFault(errors.PROTOCOL_ERROR, "a head beyond our limits (RFC 9113 §10.5.1)")
        head = read_response(fields, self._decoder.marked, stream.id)
        if isinstance(head, InformationalResponse):
            if end:
                raise StreamFault(errors.PROTOCOL_ERROR, "an informational response that ends (RFC 9113 §8.1)")
            self._spend_allowed("informational responses")
            stream.joint = self._remote(stream.joint, REMOTE_INFORMATIONAL)
            self._events.append(head)
            return
        status = head.status_code
        event = REMOTE_RESPONSE_END if end else REMOTE_RESPONSE
        if not end and CONNECT_PROPOSED[stream.joint] and 200 <= status < 300:
            event = REMOTE_ACCEPT
        target = self._remote(stream.joint, event)
        length = head.headers.content_length
        if stream.method == b"HEAD" or status == 304 or status == 204:
            stream.receive.remaining = 0
        elif length >= 0 and event != REMOTE_ACCEPT:
            if end and length:
                raise StreamFault(errors.PROTOCOL_ERROR, "content that its Content-Length belies (RFC 9113 §8.1.1)")
            stream.receive.remaining = length
        stream.joint = target
        self._events.append(head)
        if not end:
            stream.head_octets = _list_octets(fields)
            stream.head_fields = len(head.headers)
        else:
            self._message_ended(stream, None)

    # -- the other frames

    def _read_other(self, kind: int, stream_id: int, flags: int, payload: bytes) -> None:
        if kind == frames.CONTINUATION:
            self._read_continuation(stream_id, flags, payload)
        elif kind == frames.SETTINGS:
            self._read_settings(stream_id, flags, payload)
        elif kind == frames.GOAWAY:
            self._read_goaway(stream_id, payload)
        else:
            self._their(FRAME)
            if kind == frames.WINDOW_UPDATE:
                self._read_window_update(stream_id, payload)
            elif kind == frames.RST_STREAM:
                self._read_rst_stream(stream_id, payload)
            elif kind == frames.PING:
                self._read_ping(stream_id, flags, payload)
            elif kind == frames.PRIORITY:
                self._read_priority(stream_id, payload)
            elif kind == frames.PRIORITY_UPDATE:
                self._read_priority_update(stream_id, payload)
            elif kind == frames.PUSH_PROMISE:
                raise ConnectionFault(errors.PROTOCOL_ERROR, "PUSH_PROMISE, which is not enabled (RFC 9113 §8.4)")
            elif self.is_client and (kind == frames.ALTSVC or kind == frames.ORIGIN):
                self._read_announcement(kind, stream_id, payload)
            else:
                self._spend_allowed("frames of unknown types")

    def _read_eof(self) -> None:
        """The peer has closed its side (RFC 9113 §9.1)."""
        self._closed_by_peer = False
        self._their(CONNECTION_CLOSED)
        self._events.append(ConnectionClosed())


def _list_octets(fields: list[Any]) -> int:
    """The octets of a field list (RFC 9113 §6.5.2)."""
    octets = 32 * len(fields)
    for field in fields:
        known: tuple[bytes, bytes] = field
        octets += len(known[0]) + len(known[1])
    return octets


#: The event that a request is: one more if it ends at once, two more if it is CONNECT.  A CONNECT that ends at once
#: proposes nothing.
_REQUESTS: Final = (REMOTE_REQUEST, REMOTE_REQUEST_END, REMOTE_CONNECT, REMOTE_REQUEST_END)
