"""The compiled tables of WebSocket as the engine uses them: events, states and duties as small integers."""

from typing import Final

from interlock.machine import where
from interlock.ws.tables import DUTIES, SYSTEM

N: Final = SYSTEM.n_events
TABLE: Final = SYSTEM.table


def _event(name: str) -> int:
    return SYSTEM.event_index[name]


ACCEPT: Final = _event("server.Accept")
REJECT: Final = _event("server.Reject")
ABANDON: Final = _event("handshake.Abandon")
LOSE: Final = _event("stream.Lose")

#: The first event of each end, and its others counted from there.
OF_CLIENT: Final = _event("client.Message")
OF_SERVER: Final = _event("server.Message")
MESSAGE: Final = 0
BEGIN: Final = 1
CONTINUE: Final = 2
FINISH: Final = 3
PING: Final = 4
PONG: Final = 5
CLOSE: Final = 6
FAIL: Final = 7
END_OF_STREAM: Final = 8

_JOINTS: Final = range(len(SYSTEM.joints))

#: Per joint state: whether an end is in the midst of a message.
CLIENT_WITHIN: Final = [SYSTEM.state(j, "client_message") == "WITHIN" for j in _JOINTS]
SERVER_WITHIN: Final = [SYSTEM.state(j, "server_message") == "WITHIN" for j in _JOINTS]
#: Per joint state: whether the opening handshake waits for its answer, and whether it was accepted.
CONNECTING: Final = [SYSTEM.state(j, "handshake") == "CONNECTING" for j in _JOINTS]
ACCEPTED: Final = [SYSTEM.state(j, "handshake") == "ACCEPTED" for j in _JOINTS]
_OVER: Final = ("CLOSED", "FAILED", "LOST")
#: Per joint state: whether neither end will send anything of WebSocket any more.
OVER: Final = [
    SYSTEM.state(j, "handshake") in {"REJECTED", "ABANDONED"}
    or (SYSTEM.state(j, "client") in _OVER and SYSTEM.state(j, "server") in _OVER)
    for j in _JOINTS
]

# What an end owes, as bits.
READ: Final = 1
SEND_CLOSE: Final = 2
OPENING_TIMER: Final = 4
CLOSING_TIMER: Final = 8
END_STREAM: Final = 16
TEAR_DOWN: Final = 32
_BITS: Final = {
    "read": READ,
    "send_close": SEND_CLOSE,
    "opening_timer": OPENING_TIMER,
    "closing_timer": CLOSING_TIMER,
    "end_stream": END_STREAM,
    "tear_down": TEAR_DOWN,
}


def _duties(end: str) -> list[int]:
    duties = [0 for _ in _JOINTS]
    for duty in DUTIES[end]:
        for joint, holds in enumerate(where(SYSTEM, duty)):
            if holds:
                duties[joint] |= _BITS[duty.name]
    return duties


CLIENT_DUTIES: Final = _duties("client")
SERVER_DUTIES: Final = _duties("server")
