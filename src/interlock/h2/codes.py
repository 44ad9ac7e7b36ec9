"""The compiled tables of HTTP/2 as the engine uses them: events and states as small integers."""

from typing import Final

from interlock.h2 import errors
from interlock.h2.tables import CONNECTION, REMOTE_FAULTS, STREAM

# -- one stream

N: Final = STREAM.n_events
TABLE: Final = STREAM.table


def _event(name: str) -> int:
    return STREAM.event_index[name]


LOCAL_REQUEST: Final = _event("local.Request")
LOCAL_CONNECT: Final = _event("local.Request.connect")
LOCAL_INFORMATIONAL: Final = _event("local.InformationalResponse")
LOCAL_RESPONSE: Final = _event("local.Response")
LOCAL_ACCEPT: Final = _event("local.Response.accept")
LOCAL_DATA: Final = _event("local.Data")
LOCAL_FINISH: Final = _event("local.Finish")
LOCAL_FINISH_WITH_TRAILERS: Final = _event("local.FinishWithTrailers")
LOCAL_DATA_END: Final = _event("local.Data.end")
LOCAL_TRAILERS: Final = _event("local.Trailers")
LOCAL_RESET: Final = _event("local.Reset")
REMOTE_REQUEST: Final = _event("remote.Request")
REMOTE_REQUEST_END: Final = _event("remote.Request.end")
REMOTE_CONNECT: Final = _event("remote.Request.connect")
REMOTE_INFORMATIONAL: Final = _event("remote.InformationalResponse")
REMOTE_RESPONSE: Final = _event("remote.Response")
REMOTE_RESPONSE_END: Final = _event("remote.Response.end")
REMOTE_ACCEPT: Final = _event("remote.Response.accept")
REMOTE_DATA: Final = _event("remote.Data")
REMOTE_DATA_END: Final = _event("remote.Data.end")
REMOTE_TRAILERS: Final = _event("remote.Trailers")
REMOTE_RESET: Final = _event("remote.Reset")
REMOTE_WINDOW_UPDATE: Final = _event("remote.WindowUpdate")

_JOINTS: Final = range(len(STREAM.joints))

#: Per joint state: whether the stream is closed, in whatever way.
CLOSED: Final = [STREAM.state(j, "stream") in ("CLOSED", "RESET_LOCAL", "RESET_REMOTE") for j in _JOINTS]
#: Per joint state: whether we have reset the stream.
RESET_BY_US: Final = [STREAM.state(j, "stream") == "RESET_LOCAL" for j in _JOINTS]
#: Per joint state: whether all of the peer's message has come.
REMOTE_DONE: Final = [STREAM.state(j, "remote") in ("DONE", "BROKEN") for j in _JOINTS]
#: Per joint state: whether the peer owes the head of a response.
REMOTE_OWES_HEAD: Final = [STREAM.state(j, "remote") == "HEAD" for j in _JOINTS]
#: Per joint state: whether our message is complete but for what waits to be sent.
LOCAL_ENDING: Final = [STREAM.state(j, "local") in ("ENDING", "TRAILING") for j in _JOINTS]
#: Per joint state: whether a CONNECT waits for its answer.
CONNECT_PROPOSED: Final = [STREAM.state(j, "connect") == "PROPOSED" for j in _JOINTS]
#: Per joint state, where the peer did what it may not: the error code ...
FAULT_CODE: Final[list[int]] = [getattr(errors, REMOTE_FAULTS[STREAM.state(j, "stream")][1]) for j in _JOINTS]
#: ... and whether it ends the connection.
FAULT_OF_CONNECTION: Final = [REMOTE_FAULTS[STREAM.state(j, "stream")][0] == "connection" for j in _JOINTS]

# -- one connection

CONNECTION_N: Final = CONNECTION.n_events
CONNECTION_TABLE: Final = CONNECTION.table

#: The first event of each end, and its others counted from there.
OF_CLIENT: Final = CONNECTION.event_index["client.Settings"]
OF_SERVER: Final = CONNECTION.event_index["server.Settings"]
CLIENT_PREFACE: Final = CONNECTION.event_index["client.Preface"]
SETTINGS: Final = 0
SETTINGS_ACK: Final = 1
FRAME: Final = 2
BLOCK_BEGIN: Final = 3
CONTINUATION: Final = 4
CONTINUATION_END: Final = 5
OPEN_STREAM: Final = 6
SHUT_DOWN: Final = 7
GOAWAY: Final = 8
CONNECTION_CLOSED: Final = 9
ERROR: Final = 10


_ALL: Final = range(len(CONNECTION.joints))

#: Per joint state: whether the client's preface and first SETTINGS are there, and the server's.
CLIENT_BEGUN: Final = [CONNECTION.state(j, "client") not in ("START", "PREFACE") for j in _ALL]
SERVER_BEGUN: Final = [CONNECTION.state(j, "server") != "START" for j in _ALL]
#: Per joint state: whether the client's preface is still to come.
PREFACE_DUE: Final = [CONNECTION.state(j, "client") == "START" for j in _ALL]
#: Per joint state: whether an end will take no more streams than it has named.
CLIENT_GOING: Final = [CONNECTION.state(j, "client") in ("GOING_AWAY", "CLOSED", "ERROR") for j in _ALL]
SERVER_GOING: Final = [CONNECTION.state(j, "server") in ("GOING_AWAY", "CLOSED", "ERROR") for j in _ALL]
#: Per joint state: whether an end waits for the acknowledgement of its SETTINGS.
CLIENT_PENDING: Final = [CONNECTION.state(j, "client_settings") == "PENDING" for j in _ALL]
SERVER_PENDING: Final = [CONNECTION.state(j, "server_settings") == "PENDING" for j in _ALL]
#: Per joint state: whether an end is in the midst of a field block.
CLIENT_BLOCK: Final = [CONNECTION.state(j, "client_block") == "OPEN" for j in _ALL]
SERVER_BLOCK: Final = [CONNECTION.state(j, "server_block") == "OPEN" for j in _ALL]
