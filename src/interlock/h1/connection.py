"""The engine for HTTP/1.1: octets in, events out, and the reverse (RFC 9112).  It does no I/O and knows no clock.

What is legal is decided by :mod:`interlock.h1.tables` alone; this file translates between octets, events and the
events of the tables.  The interface is h11's.
"""

from typing import Any, Final

from interlock.h1.buffer import ReceiveBuffer
from interlock.h1.chunked import ChunkedReader
from interlock.h1.codes import (
    CLIENT_CLOSED,
    CLIENT_DATA,
    CLIENT_END,
    CLIENT_STATE,
    CLOSED,
    CONNECT_PROPOSED,
    DONE,
    ERROR,
    IDLE,
    INFORMATIONAL,
    MIGHT_SWITCH,
    MUST_CLOSE,
    NEXT_CYCLE,
    PERSISTENT,
    REQUEST,
    RESPONSE,
    RESPONSE_CLOSE,
    SEND_BODY,
    SEND_RESPONSE,
    SERVER_CLOSED,
    SERVER_DATA,
    SERVER_END,
    SERVER_STATE,
    SWITCH_CONNECT,
    SWITCH_UPGRADE,
    SWITCHED,
    TABLE,
    N,
)
from interlock.h1.ends import Ends
from interlock.h1.framing import (
    BY_CHUNKS,
    BY_LENGTH,
    UNTIL_CLOSE,
    check_informational,
    framing_received,
    informational_head,
    response_head,
    says_close,
)
from interlock.h1.parse import (
    FieldSection,
    StartLine,
    parse_request_line,
    parse_status_line,
)
from interlock.h1.tables import SYSTEM
from interlock.h1.write import LAST_CHUNK, chunk_line, request_head
from interlock.http.errors import LocalProtocolError, RemoteProtocolError, remote
from interlock.http.events import (
    NO_HEADERS,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Event,
    InformationalResponse,
    Request,
    Response,
    check_request,
    received_request,
)
from interlock.http.fields import CHUNKED, CLOSE, EXPECT_CONTINUE, UPGRADE, Headers
from interlock.http.leniency import STRICT, Leniency
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, PAUSED, SERVER, Sentinel
from interlock.http.status import content_allowed

__all__ = ["Connection"]

#: The limits of a connection that is not told otherwise.
_LIMITS: Final = Limits()

#: What ends most messages.
_END: Final = EndOfMessage()


class Connection(Ends):
    """One HTTP/1.1 connection, seen from one end.

    ``our_role``: :data:`CLIENT` or :data:`SERVER`.  ``max_incomplete_event_size``: if given, the limit of the start
    line and of the field section, in octets; otherwise ``limits`` has them.  ``leniency``: what is let pass.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_chunks",
        "_informational",
        "_last_section",
        "_left",
        "_length",
        "_leniency",
        "_limits",
        "_most_content",
        "_request_line",
        "_section",
        "_send_body",
        "_send_left",
        "_start",
        "_status_line",
        "client_is_waiting_for_100_continue",
        "request_method",
        "their_http_version",
    )

    def __init__(
        self,
        our_role: Sentinel,
        max_incomplete_event_size: int | None = None,
        *,
        limits: Limits | None = None,
        leniency: Leniency = STRICT,
    ) -> None:
        if our_role is not CLIENT and our_role is not SERVER:
            raise ValueError(f"expected CLIENT or SERVER, not {our_role!r}")
        if our_role is SERVER and (leniency.obs_fold or leniency.repeated_content_length):
            raise ValueError("a server does not take obs_fold or repeated_content_length: these flags are for clients")
        self.our_role = our_role
        self.their_role = CLIENT if our_role is SERVER else SERVER
        #: The version of the peer's last message head, or None before there was one.
        self.their_http_version: bytes | None = None
        #: Whether the client has said ``Expect: 100-continue`` and neither end has gone on since.
        self.client_is_waiting_for_100_continue = False
        #: The method of the request in hand; b"" where there is none.
        self.request_method = b""
        if limits is None:
            limits = _LIMITS
        if max_incomplete_event_size is not None:
            limits = Limits(request_line=max_incomplete_event_size, head=max_incomplete_event_size)
        self._limits: Final = limits
        self._most_content: Final = limits.body
        self._leniency: Final = leniency
        self._server = our_role is SERVER
        self._our = SERVER_STATE if our_role is SERVER else CLIENT_STATE
        self._their = CLIENT_STATE if our_role is SERVER else SERVER_STATE
        self._joint = SYSTEM.initial
        self._buffer: Final = ReceiveBuffer()
        # The head on its way in.
        self._start: Final = StartLine(limits.request_line, 2 if our_role is SERVER else 0)
        self._request_line: tuple[bytes, bytes, bytes, bytes] | None = None
        self._status_line: tuple[bytes, int, bytes] = (b"", 0, b"")
        # Octets of informational responses since the request: they share the limit of the final response's head.
        self._informational = 0
        self._section: FieldSection | None = None
        # The last one, for a client that sends the same again.
        self._last_section: FieldSection | None = None
        # The body on its way in, and the one on its way out: how it is framed, and how many octets are left of it.
        self._body = BY_LENGTH
        self._length = 0
        self._left = 0
        self._chunks: ChunkedReader | None = None
        self._send_body = BY_LENGTH
        self._send_left = 0

    # -- what is going on

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        """Whether the peer is a client that waits for 100 (Continue) (RFC 9110 §10.1.1)."""
        return self._server and self.client_is_waiting_for_100_continue

    @property
    def trailing_data(self) -> tuple[bytes, bool]:
        """What was received and not parsed, and whether the peer has closed behind it."""
        return self._buffer.unread(), self._buffer.closed

    @property
    def has_trailing_data(self) -> bool:
        """Whether there is anything in :attr:`trailing_data`'s octets."""
        return not self._buffer.empty()

    @property
    def received_eof(self) -> bool:
        """Whether the peer has closed its side, be it seen yet or not."""
        return self._buffer.closed

    @property
    def start_line_received(self) -> bool:
        """Whether a head is on its way in of which the start line is there."""
        return self._section is not None

    @property
    def waiting_for(self) -> str:
        """What must happen next for this connection to go on.

        ``"idle"``: the first octet of a head; ``"head"``: the rest of it; ``"body"``: more of the peer's body;
        ``"application"``: the caller, who has to send, to start the next cycle, or to switch; ``"close"``: the peer's
        closing; ``"nothing"``: it is over.
        """
        their = self._their[self._joint]
        if their == SEND_BODY:
            return "body"
        if their == IDLE or their == SEND_RESPONSE:
            return "idle" if self._at_rest() else "head"
        if their == MUST_CLOSE:
            our = self._our[self._joint]
            return "close" if our == MUST_CLOSE or our == CLOSED or our == ERROR else "application"
        if their == CLOSED or their == ERROR:
            our = self._our[self._joint]
            return "nothing" if our == CLOSED or our == ERROR else "application"
        return "application"

    def start_next_cycle(self) -> None:
        """Get ready for the next request and response.  Legal when both ends are DONE (RFC 9112 §9.3)."""
        joint = TABLE[self._joint * N + NEXT_CYCLE]
        if joint < 0:
            raise LocalProtocolError(f"not in a reusable state: {SYSTEM.illegal(self._joint, NEXT_CYCLE)}")
        self._joint = joint
        self.request_method = b""

    # -- receiving

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what was received; b"" says that the peer has closed its side.  Ask :meth:`next_event` what it means."""
        buffer = self._buffer
        if not data:
            buffer.closed = True
            return
        if buffer.closed:
            raise RuntimeError("received close, then received more data?")
        buffer.append(data if isinstance(data, bytes) else bytes(data))

    def next_event(self) -> Event | Sentinel:
        """The next event, or :data:`NEED_DATA`, or :data:`PAUSED` where the caller has to act first.

        Raises :class:`RemoteProtocolError` for what the peer did wrong; its ``error_status_hint`` is the status that a
        server answers with.  After that the peer's state is ERROR, and every further call raises.
        """
        their = self._their[self._joint]
        event: Event | None = None
        try:
            if their == SEND_BODY:
                event = self._read_body()
            elif their == IDLE or their == SEND_RESPONSE:
                event = self._read_request() if self._server else self._read_response()
            elif their == MIGHT_SWITCH or their == SWITCHED:
                return PAUSED
            elif their == ERROR:
                raise RemoteProtocolError("Can't receive data when peer state is ERROR")
            elif not self._buffer.empty():
                if their == DONE:
                    return PAUSED
                raise LocalProtocolError("Got data when expecting EOF (RFC 9112 §9.6)")
            if event is not None:
                return event
            if not self._buffer.closed:
                return NEED_DATA
            if their == SEND_BODY or not self._at_rest():
                raise RemoteProtocolError("peer unexpectedly closed connection")
            try:
                self._advance(CLIENT_CLOSED if self._server else SERVER_CLOSED)
            except LocalProtocolError:  # the machines would say in which state they are
                raise RemoteProtocolError("peer closed connection without sending a response") from None
        except LocalProtocolError as error:
            self._their_error()
            raise remote(error) from None
        except BaseException:
            self._their_error()
            raise
        return ConnectionClosed()

    def _at_rest(self) -> bool:
        """Whether no head has begun."""
        return self._section is None and not self._start.begun and self._buffer.empty()

    def _read_request(self) -> Event | None:
        buffer = self._buffer
        section = self._section
        parsed = self._request_line
        if section is None:
            line = self._start.read(buffer)
            if line is None:
                return None
            parsed = parse_request_line(line, self._leniency.obs_text_in_target)
            section = self._last_section
            if section is None or not section.repeated(buffer):
                self._request_line = parsed
                section = FieldSection(self._limits, self._leniency)
                self._section = section
        if self._section is not None:
            if not section.read(buffer):
                return None
            self._section = None
            self._last_section = section if section.kept else None
        assert parsed is not None
        method, target, version, origin = parsed
        try:
            headers = section.headers(False)
        except LocalProtocolError as error:
            if version == b"1.0" and error.error_status_hint == 501:  # a transfer coding that nobody knows
                raise LocalProtocolError("Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1)") from None
            raise
        self.their_http_version = version
        check_request(method, version, headers, origin, self._leniency.missing_host)
        length = headers.content_length
        if self._most_content is not None and length > self._most_content:
            raise self._refuse_length()
        self._advance_request(method, version, headers.flags)
        if headers.flags & CHUNKED:
            self._expect_chunks(section)
        else:
            self._body = BY_LENGTH
            self._length = self._left = length if length > 0 else 0
        return received_request(method, target, version, headers)

    def _advance_request(self, method: bytes, version: bytes, flags: int) -> None:
        """Take a Request, the client's, to the tables, and note what its response depends on."""
        event = REQUEST
        old = version == b"1.0"
        if old or flags & CLOSE:
            event += 1
        if method == b"CONNECT":
            event += 2
        if flags & UPGRADE and not old:
            event += 4
        joint = TABLE[self._joint * N + event]
        if joint < 0:
            raise SYSTEM.illegal(self._joint, event)
        self._joint = joint
        self.request_method = method
        self.client_is_waiting_for_100_continue = flags & EXPECT_CONTINUE != 0 and not old

    def _refuse_length(self) -> LocalProtocolError:
        return LocalProtocolError(f"content of more than {self._most_content} octets", 413)

    def _expect_length(self, octets: int) -> None:
        """Expect content of so many octets; -1: Content-Length is not there, and that means none."""
        if octets < 0:
            octets = 0
        self._body = BY_LENGTH
        self._length = octets
        self._left = octets

    def _expect_chunks(self, section: FieldSection) -> None:
        self._body = BY_CHUNKS
        self._chunks = ChunkedReader(self._limits, self._leniency, section)

    def _read_response(self) -> Event | None:
        section = self._section
        if section is None:
            line = self._start.read(self._buffer)
            if line is None:
                return None
            self._status_line = parse_status_line(line)
            if self._status_line[1] < 200:
                self._informational += len(line) + 4  # and the line ends, its own and that of its section
                if self._informational > self._limits.head:
                    raise LocalProtocolError(f"more than {self._limits.head} octets of informational responses")
            section = FieldSection(self._limits, self._leniency, self._informational)
            self._section = section
        if not section.read(self._buffer):
            return None
        self._section = None
        version, status_code, reason = self._status_line
        headers = section.headers(False)
        self.their_http_version = version
        if status_code < 200:
            informational = InformationalResponse(
                status_code=status_code,
                headers=headers,
                http_version=version,
                reason=reason,
            )
            check_informational(informational)
            try:
                self._advance_informational(status_code)
            except LocalProtocolError as error:
                raise LocalProtocolError(f"nothing asked for a {status_code} (RFC 9110 §15.2): {error}") from None
            self._informational = section.size
            return informational
        self._informational = 0
        response = Response(status_code=status_code, headers=headers, http_version=version, reason=reason)
        framing = framing_received(self.request_method, response)
        if framing == BY_CHUNKS:
            self._expect_chunks(section)
        elif framing == UNTIL_CLOSE:
            self._body = UNTIL_CLOSE
            self._left = -1 if self._most_content is None else self._most_content
        elif not content_allowed(self.request_method, status_code):
            self._expect_length(0)
        else:
            if self._most_content is not None and headers.content_length > self._most_content:
                raise self._refuse_length()
            self._expect_length(headers.content_length)
        self._advance_response(status_code, framing == UNTIL_CLOSE or says_close(response))
        return response

    def _advance_informational(self, status_code: int) -> None:
        self._advance(SWITCH_UPGRADE if status_code == 101 else INFORMATIONAL)
        if status_code == 100 or status_code == 101:
            self.client_is_waiting_for_100_continue = False

    def _advance_response(self, status_code: int, close: bool) -> None:
        event = RESPONSE_CLOSE if close else RESPONSE
        if status_code < 300 and CONNECT_PROPOSED[self._joint]:
            event = SWITCH_CONNECT
        joint = TABLE[self._joint * N + event]
        if joint < 0:
            raise SYSTEM.illegal(self._joint, event)
        self._joint = joint
        self.client_is_waiting_for_100_continue = False

    def _read_body(self) -> Event | None:
        event: Event | None
        if self._body == BY_LENGTH:
            if self._left == 0:
                event = _END
            elif self._buffer.has_data():
                octets = self._buffer.take(self._left)
                self._left -= len(octets)
                event = Data(octets)
            else:
                event = None
        elif self._body == BY_CHUNKS:
            assert self._chunks is not None
            event = self._chunks.read(self._buffer)
        else:
            event = self._read_until_close()
        if event is None:
            if self._buffer.closed:
                raise RemoteProtocolError(self._incomplete())
            return None
        if type(event) is Data:
            kind = CLIENT_DATA if self._server else SERVER_DATA
        else:
            kind = CLIENT_END if self._server else SERVER_END
        joint = TABLE[self._joint * N + kind]
        if joint < 0:
            raise SYSTEM.illegal(self._joint, kind)
        self._joint = joint
        if self._server:
            self.client_is_waiting_for_100_continue = False
        return event

    def _read_until_close(self) -> Event | None:
        if self._buffer.has_data():
            if self._left == 0:
                raise self._refuse_length()
            octets = self._buffer.take(len(self._buffer.data) if self._left < 0 else self._left)
            if self._left > 0:
                self._left -= len(octets)
            return Data(octets)
        return EndOfMessage() if self._buffer.closed else None

    def _incomplete(self) -> str:
        if self._body == BY_LENGTH:
            return (
                "peer closed connection without sending complete message body "
                f"(received {self._length - self._left} bytes, expected {self._length})"
            )
        return "peer closed connection without sending complete message body (incomplete chunked read)"

    # -- sending

    def send(self, event: Event) -> bytes | None:
        """The octets of an event of ours, or None for :class:`ConnectionClosed`: then close our side of the stream.

        Raises :class:`LocalProtocolError` for an event that the state does not allow; our state is ERROR after that.
        """
        if type(event) is not Data:
            return self._send(event)
        data = event.data
        line = self._begin_data(data)
        if line:
            return b"".join((line, data, b"\r\n"))
        return data if type(data) is bytes else b"".join((data,))

    def send_with_data_passthrough(self, event: Event) -> list[Any] | None:
        """As :meth:`send`, in pieces; the data of a :class:`Data` is one of them, as it is."""
        if type(event) is not Data:
            octets = self._send(event)
            if octets is None:
                return None
            return [octets] if octets else []
        line = self._begin_data(event.data)
        if line:
            return [line, event.data, b"\r\n"]
        return [event.data] if self._send_body != BY_CHUNKS else []

    def _begin_data(self, data: Any) -> bytes:
        """Take a Data, ours, to the tables.  Returns the line that begins its chunk, or b"" where it is none."""
        event = SERVER_DATA if self._server else CLIENT_DATA
        joint = TABLE[self._joint * N + event]
        try:
            if joint < 0:
                raise self._illegal(event)
            self._joint = joint
            size = len(data)
            if self._send_body == BY_LENGTH:
                if size > self._send_left:
                    raise LocalProtocolError(
                        "Too much data for declared Content-Length, or for a message that has no content"
                    )
                self._send_left -= size
        except BaseException:
            self._our_error()
            raise
        if not self._server:
            self.client_is_waiting_for_100_continue = False
        return chunk_line(size) if size and self._send_body == BY_CHUNKS else b""

    def _send(self, event: Event) -> bytes | None:
        """The octets of an event of ours that is no Data; None for :class:`ConnectionClosed`."""
        try:
            if type(event) is EndOfMessage:
                return self._send_end(event.headers)
            if self._our[self._joint] == ERROR:
                raise self._illegal(0)
            if type(event) is Response and self._server:
                return self._send_response(event)
            if type(event) is InformationalResponse and self._server:
                return self._send_informational(event)
            if type(event) is Request and not self._server:
                return self._send_request(event)
            if type(event) is ConnectionClosed:
                self._advance(SERVER_CLOSED if self._server else CLIENT_CLOSED)
                return None
            legal = ", ".join(SYSTEM.legal(self._joint))
            raise LocalProtocolError(
                f"the {self.our_role!r} can't send {type(event).__name__} in state {self.our_state!r}; legal: {legal}"
            )
        except BaseException:
            self._our_error()
            raise

    def send_failed(self) -> None:
        """What :meth:`send` gave could not be sent: our state becomes ERROR."""
        self._our_error()

    def _send_informational(self, response: InformationalResponse) -> bytes:
        self._advance_informational(response.status_code)
        return informational_head(response)

    def _send_request(self, request: Request) -> bytes:
        if request.http_version != b"1.1":
            raise LocalProtocolError("only HTTP/1.1 is sent")
        self._advance_request(request.method, b"1.1", request.headers.flags)
        if request.headers.flags & CHUNKED:
            self._send_body = BY_CHUNKS
        else:
            self._send_body = BY_LENGTH
            self._send_left = max(0, request.headers.content_length)
        return request_head(request)

    def _send_response(self, response: Response) -> bytes:
        """The head of a response, with the fields that its framing and its connection need (RFC 9112 §6, §9.6)."""
        if response.http_version != b"1.1":
            raise LocalProtocolError("only HTTP/1.1 is sent")
        status_code = response.status_code
        joint = self._joint
        head, self._send_body, self._send_left, close = response_head(
            response,
            self.request_method,
            self.their_http_version,
            status_code < 300 and CONNECT_PROPOSED[joint],
            PERSISTENT[joint],
        )
        self._advance_response(status_code, close)
        return head

    @property
    def trailers_can_be_sent(self) -> bool:
        """Whether the message on its way out is chunked, so that it can have trailers (RFC 9112 §7.1.2)."""
        return self._send_body == BY_CHUNKS

    @property
    def ends_by_close(self) -> bool:
        """Whether only our closing ends the message on its way out (RFC 9112 §6.3)."""
        return self._send_body == UNTIL_CLOSE and self._our[self._joint] == SEND_BODY

    def _send_end(self, trailers: Headers) -> bytes:
        event = SERVER_END if self._server else CLIENT_END
        joint = TABLE[self._joint * N + event]
        if joint < 0:
            raise self._illegal(event)
        self._joint = joint
        if not self._server:
            self.client_is_waiting_for_100_continue = False
        if self._send_body == BY_CHUNKS:
            return LAST_CHUNK + trailers.wire
        if self._send_left > 0 and self._send_body == BY_LENGTH:
            raise LocalProtocolError(
                f"Too little data for declared Content-Length: {self._send_left} octets are missing"
            )
        if trailers is not NO_HEADERS and len(trailers):
            raise LocalProtocolError("trailers need the chunked transfer coding (RFC 9112 §7.1.2)")
        return b""
