"""Where an engine of WebSocket is in the tables, and what it has to send (RFC 6455 §5, §7).

Nothing of what was received stands here but what is known of it: the other end's Close.
"""

from collections.abc import Callable
from typing import Final

from interlock.http.errors import LocalProtocolError
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, Sentinel
from interlock.ws.codes import (
    BEGIN,
    CLIENT_DUTIES,
    CLIENT_WITHIN,
    CLOSE,
    CONTINUE,
    FAIL,
    FINISH,
    MESSAGE,
    OF_CLIENT,
    OF_SERVER,
    OVER,
    PING,
    PONG,
    READ,
    SEND_CLOSE,
    SERVER_DUTIES,
    SERVER_WITHIN,
    TABLE,
    N,
)
from interlock.ws.deflate import Compressor
from interlock.ws.events import ABNORMAL, MOST_REASON, NO_CODE, Close, Message, code_may_be_sent, utf8
from interlock.ws.frames import BINARY, CONTINUATION, FIN, PROTOCOL_ERROR, RSV1, TEXT, close_payload, frame
from interlock.ws.frames import CLOSE as CLOSE_FRAME
from interlock.ws.frames import PING as PING_FRAME
from interlock.ws.frames import PONG as PONG_FRAME
from interlock.ws.masking import MaskKeys
from interlock.ws.tables import SYSTEM

__all__ = ["Closing", "Output", "Step"]


class Closing:
    """A Close that one end has sent: ``code`` (1005: none), ``reason``, and ``when``, on the driver's clock."""

    __slots__ = ("code", "reason", "when")

    def __init__(self, code: int, reason: str, when: float) -> None:
        self.code: Final = code
        self.reason: Final = reason
        self.when: Final = when

    def __repr__(self) -> str:
        return f"Closing(code={self.code}, reason={self.reason!r}, when={self.when!r})"


class Step:
    """What a connection went through: an event of the tables that has changed a state, or a ping or pong, which change none.

    ``event``: by its name in the tables, which says of which end it is ("server.Close").  ``payload``: of a ping or pong.
    ``before``, ``after``: the state of every machine, by its name.
    """

    __slots__ = ("after", "before", "event", "payload")

    def __init__(self, event: str, payload: bytes, before: dict[str, str], after: dict[str, str]) -> None:
        self.event: Final = event
        self.payload: Final = payload
        self.before: Final = before
        self.after: Final = after

    def __repr__(self) -> str:
        changed = {name: f"{self.before[name]} -> {state}" for name, state in self.after.items()}
        told = {name: change for name, change in changed.items() if self.before[name] != self.after[name]}
        return f"Step({self.event!r}, {self.payload!r}, {told})"


class Output:
    """The tables' side of a connection, and its frames to be sent; the other files add to it."""

    def __init__(self, role: Sentinel, limits: Limits) -> None:
        self.our_role: Final = role
        self._client: Final[bool] = role is CLIENT
        self._limits: Final = limits
        #: The driver's clock, in seconds, where it says what time it is.
        self.now = 0.0
        #: Each end's Close, once it has been sent.
        self.local_close: Closing | None = None
        self.remote_close: Closing | None = None
        #: Is told of each step, when it is taken; it must not raise, nor call this engine.  For who looks on.
        self.trace: Callable[[Step], None] | None = None
        # -- where we are
        self._joint = SYSTEM.initial
        self._ours: Final[int] = OF_CLIENT if self._client else OF_SERVER
        self._theirs: Final[int] = OF_SERVER if self._client else OF_CLIENT
        self._duties: Final = CLIENT_DUTIES if self._client else SERVER_DUTIES
        self._our_within: Final = CLIENT_WITHIN if self._client else SERVER_WITHIN
        self._their_within: Final = SERVER_WITHIN if self._client else CLIENT_WITHIN
        #: What our Close is to say, when it is due.
        self._answer = Close(None)
        # -- what is to be sent
        self._out: Final[list[bytes]] = []
        #: The payload of the latest ping, as long as it is not answered.
        self._pong: bytes | None = None
        self._keys: Final = MaskKeys()
        self._deflater: Compressor | None = None
        #: A message of fewer octets is not compressed.
        self._worthwhile = 0
        self._sending_text = False
        self._sending_deflated = False

    # -- what is known

    @property
    def machines(self) -> dict[str, str]:
        """The state of every machine, by its name."""
        return SYSTEM.states(self._joint)

    @property
    def our_state(self) -> str:
        """The state of our end's machine."""
        return SYSTEM.state(self._joint, "client" if self._client else "server")

    @property
    def their_state(self) -> str:
        """The state of the other end's machine."""
        return SYSTEM.state(self._joint, "server" if self._client else "client")

    @property
    def writable(self) -> bool:
        """Whether messages can be sent."""
        return TABLE[self._joint * N + self._ours + PING] >= 0

    @property
    def readable(self) -> bool:
        """Whether the other end can still send what is for the application: messages, pings, its Close."""
        return self._duties[self._joint] & READ != 0

    @property
    def over(self) -> bool:
        """Whether neither end will send any frame any more."""
        return OVER[self._joint]

    @property
    def close_code(self) -> int | None:
        """The WebSocket Connection Close Code (RFC 6455 §7.1.5); None until the other end's Close, or :attr:`over`."""
        if self.remote_close is not None:
            return self.remote_close.code
        return ABNORMAL if OVER[self._joint] else None

    @property
    def close_reason(self) -> str:
        """The WebSocket Connection Close Reason (RFC 6455 §7.1.6)."""
        return self.remote_close.reason if self.remote_close is not None else ""

    # -- sending

    def data_to_send(self) -> bytes:
        """What is to be written now; b"" for nothing.  It has to be written before :meth:`next_actions` is obeyed.

        Of the pings that have come since this was last asked, the latest is answered (RFC 6455 §5.5.3): who asks after
        every event answers all of them.
        """
        if self._pong is not None:
            self._flush_pong()
        out = self._out
        if not out:
            return b""
        octets = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return octets

    def _queue_message(self, event: Message) -> None:
        data = event.data
        text = isinstance(data, str)
        payload: bytes = utf8(data) if text else data if type(data) is bytes else bytes(memoryview(data))
        final = event.final
        joint = self._joint
        within = self._our_within[joint]
        if within and text != self._sending_text:
            raise LocalProtocolError("a fragment of text and one of binary in one message (RFC 6455 §5.4)")
        step = self._ours + ((FINISH if final else CONTINUE) if within else (MESSAGE if final else BEGIN))
        if TABLE[joint * N + step] != joint:
            self._step(step)
        first = CONTINUATION if within else TEXT if text else BINARY
        if not within:
            self._sending_text = text
            deflater = self._deflater
            self._sending_deflated = deflater is not None and (not final or len(payload) >= self._worthwhile)
            if self._sending_deflated:
                first |= RSV1
        if self._sending_deflated:
            deflater = self._deflater
            assert deflater is not None
            payload = deflater.compress(payload, final)
        if self._pong is not None:
            self._flush_pong()
        self._out.append(frame(first | FIN if final else first, payload, self._keys.next() if self._client else b""))

    def _queue_close(self, event: Close) -> None:
        self._flush_pong()
        self._step(self._ours + CLOSE)
        code = NO_CODE if event.code is None else event.code
        self.local_close = Closing(code, event.reason, self.now)
        self._out.append(self._frame(FIN | CLOSE_FRAME, close_payload(event.code, utf8(event.reason))))

    def _flush_pong(self) -> None:
        payload = self._pong
        if payload is not None:
            self._pong = None
            if self.writable:
                self._step(self._ours + PONG)
                self._queue_control(PONG_FRAME, payload)

    def _queue_control(self, opcode: int, payload: bytes) -> None:
        """A ping or a pong, which was found to be legal."""
        self._out.append(self._frame(FIN | opcode, payload))
        if self.trace is not None:
            self._tell(self._ours + (PING if opcode == PING_FRAME else PONG), payload, self._joint)

    def _frame(self, first: int, payload: bytes) -> bytes:
        return frame(first, payload, self._keys.next() if self._client else b"")

    # -- the tables

    def _step(self, event: int) -> None:
        """Take a transition, and at once what it makes due."""
        joint = self._joint
        target = TABLE[joint * N + event]
        if target == joint:
            return
        if target < 0:
            raise SYSTEM.illegal(joint, event)
        self._joint = target
        if self.trace is not None:
            self._tell(event, b"", joint)
        if self._duties[target] & SEND_CLOSE:
            self._queue_close(self._answer)

    def _tell(self, event: int, payload: bytes, before: int) -> None:
        trace = self.trace
        assert trace is not None
        trace(Step(SYSTEM.events[event], payload, SYSTEM.states(before), SYSTEM.states(self._joint)))

    def _fail(self, code: int, reason: str) -> None:
        """The other end has broken the protocol: our Close says so, unless it is out already (RFC 6455 §7.1.7)."""
        if TABLE[self._joint * N + self._ours + FAIL] >= 0:
            self._answer = Close(code if code_may_be_sent(code) else PROTOCOL_ERROR, _shortened(reason))
            self._step(self._ours + FAIL)


def _shortened(reason: str) -> str:
    """As much of ``reason`` as a Close may carry (RFC 6455 §5.5)."""
    return reason.encode("utf-8", "replace")[:MOST_REASON].decode("utf-8", "ignore")
