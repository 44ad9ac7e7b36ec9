"""One request or one response: fed or built, edited, and written (RFC 9112 §2.1, §6).

Octets are read by the engine of :mod:`interlock.h1`, with its strictness and its limits, and what is written is held
against the same rules.  Here stands what a message is once it has been read: parts that can be set, and octets again.
"""

import enum
import re
from abc import ABC, abstractmethod
from typing import Any, Final, Self, TypeAlias, overload

from interlock.h1.connection import Connection
from interlock.h1.framing import (
    BY_CHUNKS,
    BY_LENGTH,
    UNTIL_CLOSE,
    check_informational,
    framing_received,
)
from interlock.h1.parse import parse_request_line, parse_status_line
from interlock.h1.write import LAST_CHUNK, chunk_line, field_lines, without
from interlock.http import events
from interlock.http.errors import LocalProtocolError, RemoteProtocolError, excerpt
from interlock.http.fields import CHUNKED
from interlock.http.fields import Headers as FieldSection
from interlock.http.leniency import Leniency
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, SERVER, SWITCHED_PROTOCOL, Sentinel
from interlock.http.status import content_allowed
from interlock.message.headers import Fields, Headers
from interlock.message.item import Given, Item, item_of

__all__ = ["Message", "Request", "Response", "state"]

#: The limits of a message that is not told otherwise.  All of it is kept, so there is one for its content, too.
LIMITS: Final = Limits(body=16777216)

#: A message is not served: whether it has to say whose it is decides who serves it.
_WITHOUT_HOST: Final = Leniency(missing_host=True)

_CONTENT_LENGTH: Final = frozenset((b"content-length",))

#: What a terminal would obey: control characters, but for HTAB and the ends of lines.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


class State(enum.IntEnum):
    """How far a message is, in this order.

    A message that is built is not read: it is at HEADER with a start line, and at BODY with fields or a body.
    """

    #: The start line is not there, or not all of it.
    TOP = 0
    #: The start line is there, and not yet the empty line behind the fields.
    HEADER = 1
    #: The head is there: all its parts can be read.
    BODY = 2
    #: The body is there, too, and so are the trailers.  What comes now belongs to another message.
    COMPLETE = 3

    def __str__(self) -> str:
        return f"state.{self.name}"


#: The name that httpq has for it.
state: TypeAlias = State  # noqa: PYI042


class _Part:
    """A part of the start line: what it is set to, as an :class:`Item`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, message: None, owner: type) -> Self: ...

    @overload
    def __get__(self, message: "Message", owner: type) -> Item: ...

    def __get__(self, message: "Message | None", owner: type) -> Item | Self:
        return self if message is None else message._parts[self._name]

    def __set__(self, message: "Message", value: Given | None) -> None:
        message._parts[self._name] = item_of(value, self._name)


class Message(ABC):
    """What requests and responses share.  Not to be made itself."""

    #: What stands before each line when it is printed.
    _arrow: str

    #: ``HTTP/1.1`` or ``HTTP/1.0``.
    protocol = _Part()

    def __init__(
        self, start_line: dict[str, Given | None], headers: Fields | None, body: Given | None, limits: Limits
    ) -> None:
        self._limits = limits
        self._parts: dict[str, Item] = {}
        for name, part in start_line.items():
            setattr(self, name, part)
        given = [part is not None for part in start_line.values()]
        if any(given) and not all(given):
            names = list(start_line)
            raise ValueError(f"{type(self).__name__} must have {', '.join(names[:-1])}, and {names[-1]}.")
        self._headers = Headers(() if headers is None else headers)
        self._trailers = Headers()
        self._content: list[bytes] = [Item(body)]
        # What has been fed, and who reads it; the error that has ended that.
        self._fed: list[bytes] = []
        self._engine: Connection | None = None
        self._error: RemoteProtocolError | None = None
        self._has_head = False
        self._complete = False
        self._until_close = False
        self._body_set = False
        # Octets of trailing data.
        self._behind = 0

    # -- what is read

    def _parse(self, msg: bytes | bytearray | memoryview) -> Self:
        """Feed this empty message.  No octets are not the end here, as they are to :meth:`feed`."""
        if not isinstance(msg, (bytes, bytearray, memoryview)) or msg:
            self.feed(msg)
        return self

    def feed(self, msg: bytes | bytearray | memoryview) -> State:
        """Read on with these octets; b"" says that nothing more will come.  Returns the :attr:`state`.

        Raises :class:`RemoteProtocolError` for octets that are no message, beyond a limit, or cut short by their end; and
        :class:`LocalProtocolError` where a message cannot be fed: it was built, its body was set before all of it had
        come, the end was fed before, or more is :attr:`trailing_data` than ``limits.read_buffer``.
        """
        if not isinstance(msg, (bytes, bytearray, memoryview)):
            raise TypeError(f"a message is fed with bytes, not {type(msg).__name__}")
        engine = self._reader()
        octets = bytes(msg)
        self._fed.append(octets)
        engine.receive_data(octets)
        if self._complete:
            self._behind += len(octets)
            return State.COMPLETE
        try:
            while not self._complete:
                event = engine.next_event()
                if event is NEED_DATA:
                    return self.state
                self._take(event, engine.their_state is SWITCHED_PROTOCOL)
        except RemoteProtocolError as error:
            self._error = error
            raise
        self._behind = len(self.trailing_data)
        return State.COMPLETE

    def _reader(self) -> Connection:
        """The engine, if it may be fed."""
        if self._error is not None:
            raise RemoteProtocolError(str(self._error), self._error.error_status_hint)
        if self._engine is None:
            if self.state != State.TOP:
                raise LocalProtocolError("this message was built: only one that was made empty can be fed")
            self._engine = self._new_engine()
        if self._engine.received_eof:
            raise LocalProtocolError("the end has been fed: nothing can come behind it")
        if self._body_set:
            raise LocalProtocolError("the body was set before all of it had come: it cannot be fed, too")
        if self._behind > self._limits.read_buffer:
            raise LocalProtocolError("this message is complete: go on with its trailing data elsewhere")
        return self._engine

    def _take(self, event: events.Event | Sentinel, switched: bool) -> None:
        """Take from the engine what has come.  ``switched``: whether what comes behind it is no HTTP."""
        if isinstance(event, events.Data):
            self._content.append(bytes(event.data))
        elif isinstance(event, events.EndOfMessage):
            self._trailers = Headers(event.headers.raw_items())
            self._complete = True
        elif isinstance(event, (events.Request, events.Response, events.InformationalResponse)):
            self._take_head(event)
            self.protocol = b"HTTP/" + event.http_version
            self._headers = Headers(event.headers.raw_items())
            self._has_head = True
            # Behind an informational response, and one that opens a tunnel, comes no content, and no end of it.
            self._complete = isinstance(event, events.InformationalResponse) or switched
        else:
            raise RemoteProtocolError("closed before a message began (RFC 9112 §8)")

    @property
    def state(self) -> State:
        """How far the message is."""
        if self._complete:
            return State.COMPLETE
        if self._engine is None:
            if self._headers or self.body:
                return State.BODY
            return State.HEADER if any(self._parts.values()) else State.TOP
        if self._has_head:
            return State.BODY
        return State.HEADER if self._engine.start_line_received else State.TOP

    @property
    def buffer(self) -> bytes:
        """All octets that have been fed, as they were."""
        self._fed = [b"".join(self._fed)]
        return self._fed[0]

    @property
    def trailing_data(self) -> bytes:
        """The octets behind the message, once it is COMPLETE: they belong to the next one, or to another protocol."""
        return self._engine.trailing_data[0] if self._complete and self._engine is not None else b""

    # -- what it is made of

    @property
    def headers(self) -> Headers:
        """The fields of the head; they can be set to any mapping, or to pairs."""
        return self._headers

    @headers.setter
    def headers(self, fields: Fields) -> None:
        if fields is not self._headers:
            self._headers = Headers(fields)

    @property
    def trailers(self) -> Headers:
        """The fields of the trailer section (RFC 9110 §6.5), which only a chunked body has; set as the headers are."""
        return self._trailers

    @trailers.setter
    def trailers(self, fields: Fields) -> None:
        if fields is not self._trailers:
            self._trailers = Headers(fields)

    @property
    def body(self) -> Item:
        """The content, without the transfer coding; as much of it as has come.

        Where it is set, a Content-Length is set with it, unless not all of the message has come yet.  (Nor is it for HEAD and
        304, whose Content-Length is that of another message.)
        """
        body = Item(b"".join(self._content))
        self._content = [body]
        return body

    @body.setter
    def body(self, value: Given | None) -> None:
        self._content = [Item(value)]
        if self._engine is not None and not self._complete:
            self._body_set = True
        elif "Content-Length" in self._headers and self._content_allowed():
            self._headers["Content-Length"] = len(self._content[0])

    # -- what is written

    @property
    def raw(self) -> bytes:
        """The message as it is written: octets that are read as this message, and nothing else.

        A body is chunked, in one chunk, where the headers say so.  A request that has a body and nothing that says
        where it ends gets a Content-Length.

        Raises :class:`LocalProtocolError` for parts that are malformed or contradict each other, a Content-Length that is
        not the body's, a body where none may be, trailers that nothing carries, and a message that is not COMPLETE and
        has a length: what has come of it is in :attr:`buffer`.
        """
        self._check_has_come()
        fields = FieldSection(self._fields())
        framing = self._framing(fields)
        body = self.body.raw
        has_length = framing == BY_LENGTH and fields.content_length >= 0 and self._content_allowed()
        if has_length and fields.content_length != len(body):
            raise LocalProtocolError(f"Content-Length is {fields.content_length}, the body has {len(body)} octets")
        head = self._start_line() + b"\r\n" + fields.wire
        if framing == BY_CHUNKS:
            chunk = chunk_line(len(body)) + body + b"\r\n" if body else b""
            return head + chunk + LAST_CHUNK + FieldSection(self._trailers.raw_items(), trailers=True).wire
        if self._trailers:
            raise LocalProtocolError("trailers need the chunked transfer coding (RFC 9112 §7.1.2)")
        return head + body

    def _check_has_come(self) -> None:
        if self._engine is not None and not self._complete and not self._may_end_here():
            raise LocalProtocolError(f"not all of this message has come: it is at {self.state}")

    def _may_end_here(self) -> bool:
        """Whether a message that is not complete can be taken for one: only its end ends it, or its body was set."""
        return self._has_head and (self._body_set or (self._until_close and self._error is None))

    def _start_line(self) -> bytes:
        """The start line without its CRLF; not validated."""
        return b" ".join(self._parts.values())

    def __eq__(self, other: object) -> bool:
        """Whether both say the same (see :meth:`Headers.__eq__`)."""
        if not isinstance(other, Message):
            return NotImplemented
        return (self._parts, self._headers, self.body, self._trailers) == (
            other._parts,
            other._headers,
            other.body,
            other._trailers,
        )

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Self:
        """Another message that says the same, as if it had been built: it has no :attr:`buffer` and no trailing data.

        Raises :class:`LocalProtocolError` where :attr:`raw` does because not all of the message has come.
        """
        self._check_has_come()
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        other._parts = dict(self._parts)
        other._headers = Headers(self._headers)
        other._trailers = Headers(self._trailers)
        other._content = [self.body]
        other._fed = []
        other._engine = other._error = None
        other._has_head = other._complete = other._body_set = False
        other._behind = 0
        return other

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()

    def __str__(self) -> str:
        """The message for reading: each line behind an arrow, the body as text if it is UTF-8, no control characters."""
        if not self._has_head and not any(self._parts.values()):
            text = Item(self.buffer).string
        else:
            text = Item(self._start_line() + b"\r\n" + field_lines(self._fields())).string + self._readable_body()
            if self._trailers:
                text += "\r\n" + Item(self._trailers.raw).string
        text = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text.rstrip("\r\n"))
        return self._arrow + text.replace("\n", "\n" + self._arrow)

    def _readable_body(self) -> str:
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            return f"({len(self.body)} octets that are no text)"

    def __repr__(self) -> str:
        start_line = Item(self._start_line()).string.strip()
        return f"<{type(self).__name__} {start_line!r}, {self.state.name}, {len(self.body)} octets>"

    # -- what is different between requests and responses

    @abstractmethod
    def _new_engine(self) -> Connection:
        """The engine that reads such a message."""

    @abstractmethod
    def _take_head(self, event: Any) -> None:
        """Take the start line from the event of a head."""

    @abstractmethod
    def _fields(self) -> list[tuple[bytes, bytes]]:
        """The field lines that are written."""

    @abstractmethod
    def _framing(self, fields: FieldSection) -> int:
        """How the body is framed (RFC 9112 §6.3).  Raises :class:`LocalProtocolError` for a head that is not valid."""

    @abstractmethod
    def _content_allowed(self) -> bool:
        """Whether such a message can have content (RFC 9110 §6.4.1)."""


class Request(Message):
    """A request (RFC 9112 §3).

    ``method``, ``target``, ``protocol`` and ``body``: bytes, text or numbers.  ``headers``: a mapping, or pairs.  ``limits``:
    what may be fed; the content of 16 MiB, unless told otherwise.

    Raises :class:`ValueError` where there is a part of the start line and not all of it.
    """

    _arrow = "→ "

    method = _Part()
    target = _Part()

    def __init__(
        self,
        method: Given | None = None,
        target: Given | None = None,
        protocol: Given | None = None,
        headers: Fields | None = None,
        body: Given | None = None,
        *,
        limits: Limits = LIMITS,
    ) -> None:
        super().__init__({"method": method, "target": target, "protocol": protocol}, headers, body, limits)

    @classmethod
    def parse(cls, msg: bytes | bytearray | memoryview, *, limits: Limits = LIMITS) -> Self:
        """The request that ``msg`` begins with.  If :attr:`state` says that not all of it is there, the rest can be fed.

        Raises :class:`RemoteProtocolError` for octets that are no request.
        """
        return cls(limits=limits)._parse(msg)

    def _new_engine(self) -> Connection:
        return Connection(SERVER, limits=self._limits, leniency=_WITHOUT_HOST)

    def _take_head(self, event: events.Request) -> None:
        self.method = event.method
        self.target = event.target

    def _fields(self) -> list[tuple[bytes, bytes]]:
        """Those that were set, and Content-Length where there is a body and nothing that frames it (RFC 9112 §6.3).

        But for HTTP/1.1 without Host: that nobody may serve (RFC 9112 §3.2), so it is written as it was built.
        """
        fields = self._headers.raw_items()
        framed = "Content-Length" in self._headers or "Transfer-Encoding" in self._headers
        if self.body and not framed and ("Host" in self._headers or self.protocol != "HTTP/1.1"):
            fields.append((b"Content-Length", b"%d" % len(self.body)))
        return fields

    def _framing(self, fields: FieldSection) -> int:
        method, _, version, origin = parse_request_line(self._start_line(), obs_text=False)
        events.check_request(method, version, fields, origin, missing_host=True)
        return BY_CHUNKS if fields.flags & CHUNKED else BY_LENGTH

    def _content_allowed(self) -> bool:
        return True


class Response(Message):
    """A response (RFC 9112 §4), the informational ones included.

    ``protocol``, ``status``, ``reason`` and ``body``: bytes, text or numbers; a reason may be empty.  ``headers``: a mapping,
    or pairs.  ``request_method``: of the request that it answers, since no content comes behind HEAD, and another protocol
    behind CONNECT.  ``limits``: what may be fed; the content of 16 MiB, unless told otherwise.

    Raises :class:`ValueError` where there is a part of the start line and not all of it.
    """

    _arrow = "← "

    status = _Part()
    reason = _Part()

    def __init__(
        self,
        protocol: Given | None = None,
        status: Given | None = None,
        reason: Given | None = None,
        headers: Fields | None = None,
        body: Given | None = None,
        *,
        request_method: bytes | str = b"GET",
        limits: Limits = LIMITS,
    ) -> None:
        super().__init__({"protocol": protocol, "status": status, "reason": reason}, headers, body, limits)
        #: The method of the request that this answers.
        self.request_method: Final = item_of(request_method, "method")

    @classmethod
    def parse(
        cls, msg: bytes | bytearray | memoryview, *, request_method: bytes | str = b"GET", limits: Limits = LIMITS
    ) -> Self:
        """The response that ``msg`` begins with.  If :attr:`state` says that not all of it is there, the rest can be fed.

        One that only the end of the connection ends is COMPLETE once b"" was fed (RFC 9112 §6.3).

        Raises :class:`RemoteProtocolError` for octets that are no response.
        """
        return cls(request_method=request_method, limits=limits)._parse(msg)

    def _new_engine(self) -> Connection:
        """A client that has asked with this method, and for an upgrade: whether it did is not the message's matter."""
        engine = Connection(CLIENT, limits=self._limits)
        target = "a:1" if self.request_method == b"CONNECT" else "/"
        fields = [("Host", "a:1"), ("Connection", "upgrade"), ("Upgrade", "a")]
        engine.send(events.Request(method=self.request_method.raw, target=target, headers=fields))
        engine.send(events.EndOfMessage())
        return engine

    def _take_head(self, event: events.Response | events.InformationalResponse) -> None:
        self.status = event.status_code
        self.reason = event.reason
        if isinstance(event, events.Response):
            self._until_close = framing_received(self.request_method.raw, event) == UNTIL_CLOSE

    def _fields(self) -> list[tuple[bytes, bytes]]:
        """Those that were set, without a Content-Length where none is sent (RFC 9110 §8.6)."""
        fields = self._headers.raw_items()
        if self._content_allowed() or self.request_method == b"HEAD" or self.status == 304:
            return fields
        return without(fields, _CONTENT_LENGTH)

    def _framing(self, fields: FieldSection) -> int:
        version, code, reason = parse_status_line(self._start_line())
        if self.status != code or self.reason != reason:
            raise LocalProtocolError(
                f"the status line {excerpt(self._start_line())} is not of three parts (RFC 9112 §4)"
            )
        if self.body and not self._content_allowed():
            raise LocalProtocolError(
                f"a response {code} to {self.request_method.string} has no content (RFC 9110 §6.4.1)"
            )
        if code < 200:
            check_informational(
                events.InformationalResponse(status_code=code, headers=fields, http_version=version, reason=reason)
            )
            return BY_LENGTH
        response = events.Response(status_code=code, headers=fields, http_version=version, reason=reason)
        return framing_received(self.request_method.raw, response)

    def _content_allowed(self) -> bool:
        return content_allowed(self.request_method.raw, self.status.integer or 0)
