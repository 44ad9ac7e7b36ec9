"""What may happen to one end of a WebSocket connection, in any order, and what RFC 6455 says comes of it.

The model keeps facts: who has sent a Close, who has ended the byte stream.  What is legal, what is on the wire and what a
driver has to do follows from them.  It knows nothing of the tables.
"""

from dataclasses import dataclass, replace
from typing import Any

from tests.ws import raw
from tests.ws.raw import Frame

from interlock.ws import (
    CLIENT,
    NEED_DATA,
    Action,
    CloseReceived,
    Connection,
    ConnectionClosed,
    LocalProtocolError,
    Message,
    Ping,
    Pong,
    RemoteProtocolError,
)

#: What we do, what the other end does, and what the byte stream does.
HANDSHAKE = ("accept", "reject")
OURS = ("send", "begin", "ping", "close", "fail", "abandon")
THEIRS = ("their message", "their begin", "their end", "their ping", "their pong", "their close", "their error", "EOF")
STREAM = ("lost", "timeout")
EVENTS = (*HANDSHAKE, *OURS, *THEIRS, *STREAM)

#: The codes that tell who said which.
OUR_CODE, OUR_FAILURE, THEIR_CODE = 3001, 3008, 3002

FROM_THEM = {
    "their message": raw.text("m"),
    "their begin": raw.text("m", fin=False),
    "their end": raw.last("M"),
    "their ping": raw.ping(b"?"),
    "their pong": raw.pong(b"!"),
    "their close": raw.close(THEIR_CODE, "why"),
    "their error": raw.text("m", rsv=2),
}
SHOWN = {
    "their message": Message("m"),
    "their end": Message("mM"),
    "their ping": Ping(b"?"),
    "their pong": Pong(b"!"),
    "their close": CloseReceived(THEIR_CODE, "why"),
}


@dataclass(frozen=True)
class Seen:
    """What comes of one event."""

    #: Whether our call was refused.
    refused: bool = False
    events: tuple[Any, ...] = ()
    #: The code of the error laid to the peer.
    error: int = 0
    sent: tuple[Frame, ...] = ()
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What has happened, as one end knows it."""

    is_client: bool
    #: "connecting", "accepted", "rejected", "abandoned"
    handshake: str = "connecting"
    our_close: int = 0
    their_close: int = 0
    #: We have failed the connection (RFC 6455 §7.1.7).
    failed: bool = False
    #: Who is in the midst of a message.
    we_within: bool = False
    they_within: bool = False
    #: Who has ended the byte stream, and whether it was cut.
    we_ended: bool = False
    they_ended: bool = False
    lost: bool = False

    @property
    def gone(self) -> bool:
        return self.lost or (self.we_ended and self.they_ended)

    @property
    def open(self) -> bool:
        """Whether we may send: until our Close, and as long as somebody could read it."""
        return self.handshake == "accepted" and not (self.our_close or self.they_ended or self.lost)

    @property
    def reading(self) -> bool:
        """Until their Close, and as long as we have not failed the connection."""
        return self.handshake == "accepted" and not (self.their_close or self.failed or self.they_ended or self.lost)

    @property
    def we_are_done(self) -> bool:
        return self.handshake == "accepted" and not self.open

    @property
    def they_are_done(self) -> bool:
        return self.handshake == "accepted" and bool(self.their_close or self.they_ended or self.lost)

    @property
    def over(self) -> bool:
        return self.handshake in {"rejected", "abandoned"} or (self.we_are_done and self.they_are_done)

    @property
    def close_code(self) -> int | None:
        """RFC 6455 §7.1.5."""
        return self.their_close or (1006 if self.over else None)

    @property
    def timer(self) -> str:
        if self.handshake == "connecting":
            return "opening"
        return "closing" if self.we_are_done and not self.gone else ""

    @property
    def has_to_end(self) -> bool:
        """RFC 6455 §7.1.1: the server ends the byte stream first, and the client when the server has."""
        if self.we_ended or self.gone:
            return False
        if self.is_client:
            return self.we_are_done and self.they_ended
        return self.we_are_done and (self.failed or self.they_are_done)

    @property
    def torn_down(self) -> bool:
        return self.gone or self.handshake == "abandoned"

    def can(self, event: str) -> bool:
        """Whether it can happen at all: nothing comes from a stream that has ended."""
        if event == "timeout":
            return self.timer != ""
        if event in THEIRS:
            return not self.they_ended and not self.lost and (self.handshake != "connecting" or event == "EOF")
        return True

    def after(self, event: str) -> tuple["Facts", Seen]:
        """The facts after ``event``, and what comes of it."""
        after, seen = self._happens(event)
        actions = _actions(self, after)
        if after.has_to_end:
            ended = replace(after, we_ended=True)
            actions += [Action.END_STREAM, *_actions(after, ended)]
            after = ended
        return after, replace(seen, actions=tuple(actions))

    def _happens(self, event: str) -> tuple["Facts", Seen]:
        if event in {"lost", "timeout"}:
            return self._cut(), Seen()
        if event == "abandon":
            closed, _ = self._happens("close")
            return closed._cut(), Seen()
        if event == "EOF":
            handshake = "abandoned" if self.handshake == "connecting" else self.handshake
            return replace(self, they_ended=True, handshake=handshake), Seen(events=(ConnectionClosed(),))
        if event in HANDSHAKE:
            if self.handshake != "connecting":
                return self, Seen(refused=True)
            return replace(self, handshake=event + "ed"), Seen()
        if event in OURS:
            return self._we_do(event)
        return self._they_do(event) if self.reading else (self, Seen())

    def _cut(self) -> "Facts":
        handshake = "abandoned" if self.handshake == "connecting" else self.handshake
        return replace(self, lost=True, handshake=handshake)

    def _we_do(self, event: str) -> tuple["Facts", Seen]:
        if event == "close":
            if self.handshake == "connecting":
                return replace(self, handshake="abandoned"), Seen()
            return self._close(OUR_CODE, "bye")
        if event == "fail":
            after, seen = self._close(OUR_FAILURE, "bad")
            return replace(after, failed=after.our_close != 0), seen
        if not self.open:
            return self, Seen(refused=True)
        if event == "ping":
            return self, Seen(sent=(raw.ping(b"o"),))
        final = event == "send"
        opcode = raw.CONTINUATION if self.we_within else raw.TEXT
        return replace(self, we_within=not final), Seen(sent=(Frame(opcode, b"o", final),))

    def _they_do(self, event: str) -> tuple["Facts", Seen]:
        begins = event in {"their message", "their begin"}
        if event == "their error" or (self.they_within if begins else event == "their end" and not self.they_within):
            after, seen = self._close(1002)
            return replace(after, failed=True), replace(seen, error=1002)
        if event == "their begin":
            return replace(self, they_within=True), Seen()
        seen = Seen()
        after = replace(self, they_within=self.they_within and event != "their end")
        if event == "their close":  # answered once, with the same code (RFC 6455 §5.5.1)
            after, seen = self._close(THEIR_CODE)
            after = replace(after, their_close=THEIR_CODE)
        elif event == "their ping" and self.open:
            seen = Seen(sent=(raw.pong(b"?"),))
        return after, replace(seen, events=(SHOWN[event],))

    def _close(self, code: int, reason: str = "") -> tuple["Facts", Seen]:
        if not self.open:
            return self, Seen()
        return replace(self, our_close=code), Seen(sent=(raw.close(code, reason),))

    def states(self) -> tuple[str, str]:
        """Our state and theirs."""
        if self.handshake != "accepted":
            return "CONNECTING", "CONNECTING"
        ours = "OPEN" if self.open else "LOST" if not self.our_close else "FAILED" if self.failed else "CLOSED"
        if self.their_close:
            return ours, "CLOSED"
        if self.they_are_done:
            return ours, "LOST"
        return ours, "CLOSE_DUE" if self.our_close else "OPEN"


def _actions(before: Facts, after: Facts) -> list[Action]:
    actions = []
    if before.timer == "opening" != after.timer:
        actions.append(Action.STOP_OPENING_TIMER)
    if before.timer != "closing" == after.timer:
        actions.append(Action.START_CLOSING_TIMER)
    if before.timer == "closing" != after.timer:
        actions.append(Action.STOP_CLOSING_TIMER)
    if after.torn_down and not before.torn_down:
        actions.append(Action.TEAR_DOWN)
    return actions


class Driven:
    """An engine with a driver that does what it is told, at once."""

    def __init__(self, role: Any) -> None:
        self.is_client = role is CLIENT
        self.connection = Connection(role)
        self._written: list[bytes] = []
        assert self.connection.next_actions() == [Action.START_OPENING_TIMER]

    def does(self, event: str) -> Seen:
        refused = False
        try:
            self._do(event)
        except LocalProtocolError:
            refused = True
        events, error = self._events()
        sent = raw.read(b"".join(self._written) + self.connection.data_to_send(), self.is_client)
        self._written.clear()
        frames = tuple(replace(f, payload=f.payload[:2]) if error and f.opcode == raw.CLOSE else f for f in sent)
        return Seen(refused, events, error, frames, tuple(self.connection.next_actions()))

    def _do(self, event: str) -> None:
        connection = self.connection
        if event == "accept":
            connection.start()
        elif event == "reject":
            connection.reject()
        elif event in {"send", "begin", "ping"}:
            sent = Ping(b"o") if event == "ping" else Message("o", final=event == "send")
            self._written.append(connection.send(sent))
        elif event == "close":
            connection.close(OUR_CODE, "bye")
        elif event == "fail":
            connection.fail(OUR_FAILURE, "bad")
        elif event == "abandon":
            connection.close(OUR_CODE, "bye")
            connection.connection_lost()
        elif event in {"lost", "timeout"}:
            connection.connection_lost()
        else:
            connection.receive_data(b"" if event == "EOF" else FROM_THEM[event].octets(not self.is_client))

    def _events(self) -> tuple[tuple[Any, ...], int]:
        events, error = [], 0
        while True:
            try:
                event = self.connection.next_event()
            except RemoteProtocolError as failure:
                assert not error, "a second error"
                error = failure.error_status_hint
                continue
            if event is NEED_DATA:
                return tuple(events), error
            events.append(event)
