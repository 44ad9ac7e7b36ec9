"""The engine of one WebSocket connection, for either end (RFC 6455, 7692, 8441).

What may happen when, and what has to be done then, is the tables'; ``output.py`` walks them and makes frames,
``receiver.py`` reads frames, and here stand the opening handshake and what a driver asks.
"""

from collections.abc import Sequence
from typing import Final

from interlock.http.errors import LocalProtocolError, remote
from interlock.http.events import Event, InformationalResponse, Request, Response
from interlock.http.fields import Octets, RawFields
from interlock.http.limits import Limits
from interlock.http.sentinels import Sentinel
from interlock.ws.actions import Action
from interlock.ws.codes import (
    ABANDON,
    ACCEPT,
    ACCEPTED,
    CLOSE,
    CLOSING_TIMER,
    CONNECTING,
    END_OF_STREAM,
    END_STREAM,
    OPENING_TIMER,
    PING,
    PONG,
    REJECT,
    TABLE,
    TEAR_DOWN,
    N,
)
from interlock.ws.deflate import Agreed, Compressor, Decompressor, PerMessageDeflate, agree, answer, offer
from interlock.ws.events import Close, Message, Ping, Pong
from interlock.ws.frames import PING as PING_FRAME
from interlock.ws.frames import PONG as PONG_FRAME
from interlock.ws.handshake import (
    Opening,
    accept_fields,
    client_request,
    read_request,
    read_response,
)
from interlock.ws.receiver import Receiver
from interlock.ws.tables import SYSTEM

__all__ = ["Connection"]


class Connection(Receiver):
    """One WebSocket connection, as seen by the end that ``role`` names (CLIENT or SERVER).

    ``limits``: see :class:`~interlock.http.limits.Limits`.  ``deflate``: permessage-deflate is offered, or accepted
    where it is offered (RFC 7692); None: not.  ``fragments``: messages are given as they come, as
    :class:`Message` events of which only the last has ``final``; otherwise only when they are complete.

    The opening handshake is messages of HTTP, which another engine carries.  After it, octets are received and sent
    here; :meth:`next_actions` says what else the driver has to do.  ``now`` may be set by the driver before each call,
    to the seconds of its clock: then the budget for pings is refilled, and it is known when either end closed.
    """

    def __init__(
        self,
        role: Sentinel,
        *,
        limits: Limits | None = None,
        deflate: PerMessageDeflate | None = None,
        fragments: bool = False,
    ) -> None:
        super().__init__(role, limits or Limits(), fragments)
        #: What has been agreed on in the opening handshake.
        self.subprotocol: str | None = None
        self.agreed: Agreed | None = None
        #: The client's request, as a server has read it.
        self.opening: Opening | None = None
        self._options: Final = deflate
        self._request: Request | None = None
        self._subprotocols: tuple[str, ...] = ()
        #: The joint state up to which the driver knows what to do.
        self._told = -1

    @property
    def connecting(self) -> bool:
        """Whether the opening handshake waits for its answer."""
        return CONNECTING[self._joint]

    @property
    def accepted(self) -> bool:
        """Whether the opening handshake was accepted, even if the connection has ended since."""
        return ACCEPTED[self._joint]

    @property
    def waiting_for(self) -> str:
        """What the driver's timer is for: "opening", "closing", or "" for nothing."""
        duties = self._duties[self._joint]
        return "closing" if duties & CLOSING_TIMER else "opening" if duties & OPENING_TIMER else ""

    @property
    def in_frame(self) -> bool:
        """Whether a data frame of the other end is under way, which no control frame can overtake (RFC 6455 §5.4)."""
        return self._in_frame

    @property
    def trailing_data(self) -> tuple[bytes, bool]:
        """What was received and belongs to no frame of this connection, and whether the byte stream ended behind it."""
        self._join()
        return self._octets[self._at :], self._eof

    # -- the opening handshake

    def request(
        self,
        *,
        host: bytes,
        target: bytes = b"/",
        subprotocols: Sequence[str] = (),
        origin: bytes = b"",
        headers: RawFields = (),
        http2: bool = False,
        scheme: bytes = b"https",
        stream_id: int = 0,
    ) -> Request:
        """A client's request, as :func:`~interlock.ws.handshake.client_request` makes it (RFC 6455 §4.1; RFC 8441 §5).

        Raises :class:`LocalProtocolError` for what may not stand in it, and where it is not the first.
        """
        if not self._client or not CONNECTING[self._joint] or self._request is not None:
            raise LocalProtocolError(f"a client makes one request, before all else; {SYSTEM.describe(self._joint)}")
        self._subprotocols = tuple(subprotocols)
        self._request = client_request(
            host,
            target,
            subprotocols=subprotocols,
            extensions=offer(self._options) if self._options is not None else b"",
            origin=origin,
            headers=headers,
            http2=http2,
            scheme=scheme,
            stream_id=stream_id,
        )
        return self._request

    def receive_request(self, request: Request) -> Opening:
        """What a client asks for, for a server.

        Raises :class:`RemoteProtocolError` where it is no opening handshake: its hint is the status of the response.
        """
        try:
            self.opening = read_request(request)
        except LocalProtocolError as error:
            raise remote(error) from error
        return self.opening

    def accept(self, *, subprotocol: str | None = None, headers: RawFields = ()) -> InformationalResponse | Response:
        """A server's response that opens the connection: 101, or in HTTP/2 200 (RFC 6455 §4.2.2, RFC 8441 §5).

        Raises :class:`LocalProtocolError` where the handshake is over, for a subprotocol that was not offered, and for
        headers that may not stand in it.
        """
        opening = self._answerable()
        self._legal(ACCEPT)
        chosen = answer(opening.extensions, self._options) if self._options is not None else None
        response = accept_fields(
            opening, subprotocol=subprotocol, extensions=chosen[0] if chosen is not None else b"", headers=headers
        )
        self.start(subprotocol=subprotocol, agreed=chosen[1] if chosen is not None else None)
        return response

    def reject(self, status_code: int = 403, headers: RawFields = (), reason: Octets = b"") -> Response:
        """A server's response that opens no connection (RFC 6455 §4.2.2).  Its content is HTTP's.

        Raises :class:`LocalProtocolError` where the handshake is over.
        """
        response = Response(
            status_code=status_code,
            headers=headers,
            reason=reason,
            http_version=b"2" if self.opening is not None and self.opening.http2 else b"1.1",
            stream_id=self.opening.request.stream_id if self.opening is not None else 0,
        )
        self._step(REJECT)
        return response

    def receive_response(self, response: InformationalResponse | Response) -> bool:
        """The server's final response, or its 101, for a client.  Returns whether the connection is open.

        Raises :class:`RemoteProtocolError` where it accepts what was not proposed; then the connection is abandoned.
        """
        request = self._request
        if request is None:
            raise LocalProtocolError("no request was made")
        if isinstance(response, InformationalResponse) and response.status_code != 101:
            return False
        accepts = 200 <= response.status_code < 300 if request.protocol else response.status_code == 101
        if not accepts:
            self._step(REJECT)
            return False
        try:
            subprotocol, extensions = read_response(request, response, self._subprotocols)
            agreed = agree(extensions, self._options)
        except LocalProtocolError as error:
            self._step(ABANDON)
            raise remote(error) from error
        self.start(subprotocol=subprotocol, agreed=agreed)
        return True

    def start(self, *, subprotocol: str | None = None, agreed: Agreed | None = None) -> None:
        """The opening handshake has succeeded; other than by the methods above, if this is called from outside."""
        self._step(ACCEPT)
        self.subprotocol = subprotocol
        self.agreed = agreed
        if agreed is not None:
            options = self._options or PerMessageDeflate()
            self._deflater = Compressor(agreed, self._client, options)
            self._worthwhile = options.minimum
            self._inflater = Decompressor(agreed, self._client)

    def _answerable(self) -> Opening:
        opening = self.opening
        if opening is None:
            raise LocalProtocolError("no request was received")
        return opening

    # -- sending

    def send(self, event: Event) -> bytes:
        """The octets to be written for ``event``, and those that wait to be sent before it.

        Raises :class:`LocalProtocolError` where it is not legal; the message says what would have been.
        """
        if isinstance(event, Message):
            self._queue_message(event)
            if len(self._out) == 1:
                return self._out.pop()
        elif isinstance(event, Ping):
            self._step(self._ours + PING)
            self._flush_pong()
            self._queue_control(PING_FRAME, event.payload)
        elif isinstance(event, Pong):
            self._step(self._ours + PONG)
            if self._pong == event.payload:
                self._pong = None  # the caller has answered it
            self._flush_pong()
            self._queue_control(PONG_FRAME, event.payload)
        elif isinstance(event, Close):
            self._queue_close(event)
        else:
            raise LocalProtocolError(f"{event!r} is no event of WebSocket that can be sent")
        return self.data_to_send()

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Begin the closing handshake, if that has not been done (RFC 6455 §7.1.2).

        In every other state nothing happens, but that a handshake that waits for its answer is abandoned.  Raises
        :class:`LocalProtocolError` for a code or reason that may not be sent.
        """
        event = Close(code, reason)
        if CONNECTING[self._joint]:
            self._step(ABANDON)
        elif TABLE[self._joint * N + self._ours + CLOSE] >= 0:
            self._queue_close(event)

    def fail(self, code: int, reason: str = "") -> None:
        """Close because of something that the other end did: what it sends from now on is not read (RFC 6455 §7.1.7)."""
        Close(code, reason)
        self._fail(code, reason)

    def next_actions(self) -> list[Action]:
        """What the driver has to do beside writing, in this order, since it was last told."""
        actions: list[Action] = []
        while self._told != self._joint:
            before = self._duties[self._told] if self._told >= 0 else 0
            self._told = self._joint
            now = self._duties[self._joint]
            begun = now & ~before
            over = before & ~now
            if over & OPENING_TIMER:
                actions.append(Action.STOP_OPENING_TIMER)
            if begun & OPENING_TIMER:
                actions.append(Action.START_OPENING_TIMER)
            if begun & CLOSING_TIMER:
                actions.append(Action.START_CLOSING_TIMER)
            if over & CLOSING_TIMER:
                actions.append(Action.STOP_CLOSING_TIMER)
            if begun & END_STREAM:
                actions.append(Action.END_STREAM)
                self._step(self._ours + END_OF_STREAM)
            if begun & TEAR_DOWN:
                actions.append(Action.TEAR_DOWN)
        return actions

    def _legal(self, event: int) -> None:
        if TABLE[self._joint * N + event] < 0:
            raise SYSTEM.illegal(self._joint, event)
