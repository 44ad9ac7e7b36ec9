"""The compiled tables of HTTP/1.1 as the engine uses them: events and states as small integers."""

from typing import Final

from interlock.h1.tables import SYSTEM
from interlock.http import sentinels
from interlock.http.sentinels import Sentinel

N: Final = SYSTEM.n_events
TABLE: Final = SYSTEM.table


def _event(name: str) -> int:
    return SYSTEM.event_index[name]


# The events of the tables.  The eight kinds of Request come first: close + 2 * connect + 4 * upgrade.
REQUEST: Final = _event("client.Request")
CLIENT_DATA: Final = _event("client.Data")
CLIENT_END: Final = _event("client.EndOfMessage")
CLIENT_CLOSED: Final = _event("client.ConnectionClosed")
CLIENT_ERROR: Final = _event("client.Error")
INFORMATIONAL: Final = _event("server.InformationalResponse")
SWITCH_UPGRADE: Final = _event("server.InformationalResponse.switch")
RESPONSE: Final = _event("server.Response")
RESPONSE_CLOSE: Final = _event("server.Response.close")
SWITCH_CONNECT: Final = _event("server.Response.switch")
SERVER_DATA: Final = _event("server.Data")
SERVER_END: Final = _event("server.EndOfMessage")
SERVER_CLOSED: Final = _event("server.ConnectionClosed")
SERVER_ERROR: Final = _event("server.Error")
NEXT_CYCLE: Final = _event("start_next_cycle")

# The states of the client's and the server's machine, as small integers; per joint state below.
STATES: Final = (
    "IDLE",
    "SEND_RESPONSE",
    "SEND_BODY",
    "DONE",
    "MUST_CLOSE",
    "CLOSED",
    "MIGHT_SWITCH_PROTOCOL",
    "SWITCHED_PROTOCOL",
    "ERROR",
)
IDLE: Final = 0
SEND_RESPONSE: Final = 1
SEND_BODY: Final = 2
DONE: Final = 3
MUST_CLOSE: Final = 4
CLOSED: Final = 5
MIGHT_SWITCH: Final = 6
SWITCHED: Final = 7
ERROR: Final = 8
SENTINELS: Final[list[Sentinel]] = [getattr(sentinels, name) for name in STATES]


def _codes(machine: str) -> list[int]:
    return [STATES.index(SYSTEM.state(joint, machine)) for joint in range(len(SYSTEM.joints))]


CLIENT_STATE: Final = _codes("client")
SERVER_STATE: Final = _codes("server")
#: Per joint state: whether the connection may serve another exchange.
PERSISTENT: Final = [SYSTEM.state(joint, "keep_alive") == "ENABLED" for joint in range(len(SYSTEM.joints))]
#: Per joint state: whether a CONNECT is proposed.
CONNECT_PROPOSED: Final = [SYSTEM.state(joint, "connect") == "PROPOSED" for joint in range(len(SYSTEM.joints))]
