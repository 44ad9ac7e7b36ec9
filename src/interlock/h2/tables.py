"""The machines of HTTP/2, and nothing else (RFC 9113; RFC 9218; RFC 8441).

Rule 1: whatever affects a transition stands in this file.  Rule 2: this file knows no role.  A stream is seen from one
of its two ends, as in RFC 9113's figure 2, but the same rules bind ``local`` and ``remote``; a connection is seen from
outside, as ``client`` and ``server``, since these two begin it differently.

:data:`STREAM` is one stream: ``stream`` is figure 2, ``local`` and ``remote`` are the message that each end sends on it
(RFC 9113 §8.1), and ``connect`` remembers a proposal to make a tunnel of it (RFC 9113 §8.5).

:data:`CONNECTION` is one connection: each end's preface, life and farewell, its SETTINGS with their acknowledgement, and
whether it is in the midst of a field block.
"""

from typing import Final

from interlock.machine import (
    Absorbing,
    CanReach,
    Coupling,
    Legal,
    Machine,
    Never,
    Property,
    Refused,
    System,
    To,
)

__all__ = ["CONNECTION", "CONNECTION_PROPERTIES", "REMOTE_FAULTS", "STREAM", "STREAM_PROPERTIES"]

# -- one stream

#: RFC 9113 §5.1, figure 2, with the three ways to be closed kept apart.
FIGURE_2: Final = Machine(
    "stream",
    "IDLE",
    {
        "IDLE": {
            "send HEADERS": To("OPEN", "RFC 9113 §5.1"),
            "send HEADERS+END_STREAM": To("HALF_CLOSED_LOCAL", "RFC 9113 §5.1"),
            "recv HEADERS": To("OPEN", "RFC 9113 §5.1"),
            "recv HEADERS+END_STREAM": To("HALF_CLOSED_REMOTE", "RFC 9113 §5.1"),
            "send PUSH_PROMISE": To("RESERVED_LOCAL", "RFC 9113 §8.4"),
            "recv PUSH_PROMISE": To("RESERVED_REMOTE", "RFC 9113 §8.4"),
            "send PRIORITY": To("IDLE", "RFC 9113 §5.3.2"),
            "recv PRIORITY": To("IDLE", "RFC 9113 §5.3.2"),
        },
        "RESERVED_LOCAL": {
            "send HEADERS": To("HALF_CLOSED_REMOTE", "RFC 9113 §5.1"),
            "send HEADERS+END_STREAM": To("CLOSED", "RFC 9113 §5.1"),
            "send RST_STREAM": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "recv RST_STREAM": To("RESET_REMOTE", "RFC 9113 §5.1"),
            "recv WINDOW_UPDATE": "RESERVED_LOCAL",
            "send PRIORITY": "RESERVED_LOCAL",
            "recv PRIORITY": "RESERVED_LOCAL",
        },
        "RESERVED_REMOTE": {
            "recv HEADERS": To("HALF_CLOSED_LOCAL", "RFC 9113 §5.1"),
            "recv HEADERS+END_STREAM": To("CLOSED", "RFC 9113 §5.1"),
            "send RST_STREAM": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "recv RST_STREAM": To("RESET_REMOTE", "RFC 9113 §5.1"),
            "send WINDOW_UPDATE": "RESERVED_REMOTE",
            "send PRIORITY": "RESERVED_REMOTE",
            "recv PRIORITY": "RESERVED_REMOTE",
        },
        "OPEN": {
            "send HEADERS": "OPEN",
            "send DATA": "OPEN",
            "send HEADERS+END_STREAM": To("HALF_CLOSED_LOCAL", "RFC 9113 §5.1"),
            "send DATA+END_STREAM": To("HALF_CLOSED_LOCAL", "RFC 9113 §5.1"),
            "recv HEADERS": "OPEN",
            "recv DATA": "OPEN",
            "recv HEADERS+END_STREAM": To("HALF_CLOSED_REMOTE", "RFC 9113 §5.1"),
            "recv DATA+END_STREAM": To("HALF_CLOSED_REMOTE", "RFC 9113 §5.1"),
            "send RST_STREAM": To("RESET_LOCAL", "RFC 9113 §6.4"),
            "recv RST_STREAM": To("RESET_REMOTE", "RFC 9113 §6.4"),
            "send WINDOW_UPDATE": "OPEN",
            "recv WINDOW_UPDATE": "OPEN",
            "send PRIORITY": "OPEN",
            "recv PRIORITY": "OPEN",
        },
        "HALF_CLOSED_LOCAL": {
            "recv HEADERS": "HALF_CLOSED_LOCAL",
            "recv DATA": "HALF_CLOSED_LOCAL",
            "recv HEADERS+END_STREAM": To("CLOSED", "RFC 9113 §5.1"),
            "recv DATA+END_STREAM": To("CLOSED", "RFC 9113 §5.1"),
            "send RST_STREAM": To("RESET_LOCAL", "RFC 9113 §6.4"),
            "recv RST_STREAM": To("RESET_REMOTE", "RFC 9113 §6.4"),
            "send WINDOW_UPDATE": "HALF_CLOSED_LOCAL",
            "recv WINDOW_UPDATE": To("HALF_CLOSED_LOCAL", "RFC 9113 §6.9"),
            "send PRIORITY": "HALF_CLOSED_LOCAL",
            "recv PRIORITY": "HALF_CLOSED_LOCAL",
        },
        "HALF_CLOSED_REMOTE": {
            "send HEADERS": "HALF_CLOSED_REMOTE",
            "send DATA": "HALF_CLOSED_REMOTE",
            "send HEADERS+END_STREAM": To("CLOSED", "RFC 9113 §5.1"),
            "send DATA+END_STREAM": To("CLOSED", "RFC 9113 §5.1"),
            "send RST_STREAM": To("RESET_LOCAL", "RFC 9113 §6.4"),
            "recv RST_STREAM": To("RESET_REMOTE", "RFC 9113 §6.4"),
            "send WINDOW_UPDATE": To("HALF_CLOSED_REMOTE", "RFC 9113 §6.9"),
            "recv WINDOW_UPDATE": "HALF_CLOSED_REMOTE",
            "send PRIORITY": "HALF_CLOSED_REMOTE",
            "recv PRIORITY": "HALF_CLOSED_REMOTE",
        },
        # Closed, by END_STREAM in both directions.  What crossed our last frame on its way is expected.
        "CLOSED": {
            "recv WINDOW_UPDATE": To("CLOSED", "RFC 9113 §5.1"),
            "recv RST_STREAM": To("CLOSED", "RFC 9113 §5.1"),
            "send PRIORITY": To("CLOSED", "RFC 9113 §5.1"),
            "recv PRIORITY": To("CLOSED", "RFC 9113 §5.1"),
        },
        # Closed, by RST_STREAM from here: whatever the other end had sent before it knew is dropped.
        "RESET_LOCAL": {
            "recv HEADERS": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "recv DATA": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "recv HEADERS+END_STREAM": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "recv DATA+END_STREAM": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "recv RST_STREAM": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "recv WINDOW_UPDATE": To("RESET_LOCAL", "RFC 9113 §5.1"),
            "send PRIORITY": "RESET_LOCAL",
            "recv PRIORITY": "RESET_LOCAL",
        },
        # Closed, by RST_STREAM from the other end: it sends nothing more.
        "RESET_REMOTE": {
            "recv RST_STREAM": To("RESET_REMOTE", "RFC 9113 §5.4.2"),
            "send PRIORITY": "RESET_REMOTE",
            "recv PRIORITY": "RESET_REMOTE",
        },
    },
)


def _message(
    name: str,
    finish: dict[str, str | To],
    trail: dict[str, str | To],
    ending: dict[str, dict[str, str | To]],
    crossing: dict[str, str | To],
) -> Machine:
    """What one end sends on a stream: a request, or the response to one (RFC 9113 §8.1).

    ``finish``, ``trail`` and ``ending``: how its end is announced, without and with trailers, before it is sent.
    ``crossing``: what of it may still come once a reset has broken it.
    """
    return Machine(
        name,
        "IDLE",
        {
            "IDLE": {
                "Request": To("BODY", "RFC 9113 §8.1"),
                "Request.end": To("DONE", "RFC 9113 §8.1"),
                "TheirRequest": To("HEAD", "RFC 9113 §8.1"),
                "Promise": To("HEAD", "RFC 9113 §8.4"),
                "TheirPromise": To("DONE", "RFC 9113 §8.4"),
            },
            "HEAD": {
                "InformationalResponse": To("HEAD", "RFC 9113 §8.1"),
                "Response": To("BODY", "RFC 9113 §8.1"),
                "Response.end": To("DONE", "RFC 9113 §8.1"),
                "Reset": To("BROKEN", "RFC 9113 §6.4"),
            },
            "BODY": {
                "Data": To("BODY", "RFC 9113 §8.1"),
                "Data.end": To("DONE", "RFC 9113 §8.1"),
                "Trailers": To("DONE", "RFC 9113 §8.1"),
                "Reset": To("BROKEN", "RFC 9113 §6.4"),
                **finish,
                **trail,
            },
            # Octets of another protocol: no trailers (RFC 9113 §8.5).
            "TUNNEL": {
                "Data": To("TUNNEL", "RFC 9113 §8.5"),
                "Data.end": To("DONE", "RFC 9113 §8.5"),
                "Reset": To("BROKEN", "RFC 9113 §8.5"),
                **finish,
            },
            # All of it is there, and waits for windows.
            **ending,
            "DONE": {
                "Reset": "DONE",
            },
            "BROKEN": {
                "Reset": "BROKEN",
                **crossing,
            },
        },
    )


#: Our end of a message is announced when the caller has given all of it.
_FINISH: Final[dict[str, str | To]] = {"Finish": To("ENDING", "RFC 9113 §5.2")}
_TRAIL: Final[dict[str, str | To]] = {"FinishWithTrailers": To("TRAILING", "RFC 9113 §5.2")}
_ENDING: Final[dict[str, dict[str, str | To]]] = {
    "ENDING": {
        "Data.end": To("DONE", "RFC 9113 §5.2"),
        "Reset": To("BROKEN", "RFC 9113 §6.4"),
    },
    "TRAILING": {
        "Trailers": To("DONE", "RFC 9113 §5.2"),
        "Reset": To("BROKEN", "RFC 9113 §6.4"),
    },
}

#: What the peer had sent before it knew that we have reset the stream.
_CROSSING: Final[dict[str, str | To]] = {
    "InformationalResponse": To("BROKEN", "RFC 9113 §5.1"),
    "Response": To("BROKEN", "RFC 9113 §5.1"),
    "Response.end": To("BROKEN", "RFC 9113 §5.1"),
    "Data": To("BROKEN", "RFC 9113 §5.1"),
    "Data.end": To("BROKEN", "RFC 9113 §5.1"),
    "Trailers": To("BROKEN", "RFC 9113 §5.1"),
}


TUNNEL: Final = Machine(
    "connect",
    "NONE",
    {
        "NONE": {
            "Propose": To("PROPOSED", "RFC 9113 §8.5"),
            "Refuse": "NONE",
            "Trail": "NONE",  # and nowhere else: neither CONNECT nor a tunnel has trailers
        },
        "PROPOSED": {
            "Accept": To("ACCEPTED", "RFC 9113 §8.5"),
            "Refuse": To("NONE", "RFC 9113 §8.5"),
        },
        "ACCEPTED": {},
    },
)

STREAM_COUPLINGS: Final = (
    Coupling(
        "local-tunnel",
        {"connect": "ACCEPTED", "local": "BODY"},
        {"local": "TUNNEL"},
        rfc="RFC 9113 §8.5",
    ),
    Coupling(
        "remote-tunnel",
        {"connect": "ACCEPTED", "remote": "BODY"},
        {"remote": "TUNNEL"},
        rfc="RFC 9113 §8.5",
    ),
    # Who goes on behind its END_STREAM has its stream reset for that once: the rest of it was on its way.
    Coupling(
        "remote-crossing",
        {"stream": "RESET_LOCAL", "remote": "DONE"},
        {"remote": "BROKEN"},
        rfc="RFC 9113 §5.4.2",
    ),
)


def _stream_events() -> dict[str, dict[str, str]]:
    """What either end may do on a stream, and what each machine sees of it."""
    events: dict[str, dict[str, str]] = {}
    for end, other, verb in (("local", "remote", "send"), ("remote", "local", "recv")):
        head, last_head = f"{verb} HEADERS", f"{verb} HEADERS+END_STREAM"
        events |= {
            f"{end}.Request": {"stream": head, end: "Request", other: "TheirRequest"},
            f"{end}.Request.end": {"stream": last_head, end: "Request.end", other: "TheirRequest"},
            f"{end}.Request.connect": {"stream": head, end: "Request", other: "TheirRequest", "connect": "Propose"},
            f"{end}.InformationalResponse": {"stream": head, end: "InformationalResponse"},
            f"{end}.Response": {"stream": head, end: "Response", "connect": "Refuse"},
            f"{end}.Response.end": {"stream": last_head, end: "Response.end", "connect": "Refuse"},
            f"{end}.Response.accept": {"stream": head, end: "Response", "connect": "Accept"},
            f"{end}.Data": {"stream": f"{verb} DATA", end: "Data"},
            f"{end}.Data.end": {"stream": f"{verb} DATA+END_STREAM", end: "Data.end"},
            f"{end}.Trailers": {"stream": last_head, end: "Trailers", "connect": "Trail"},
            f"{end}.Reset": {"stream": f"{verb} RST_STREAM", end: "Reset", other: "Reset"},
            f"{end}.Promise": {"stream": f"{verb} PUSH_PROMISE", end: "Promise", other: "TheirPromise"},
            f"{end}.WindowUpdate": {"stream": f"{verb} WINDOW_UPDATE"},
            f"{end}.Priority": {"stream": f"{verb} PRIORITY"},
        }
    events["local.Finish"] = {"local": "Finish"}
    events["local.FinishWithTrailers"] = {"local": "FinishWithTrailers", "connect": "Trail"}
    return events


STREAM: Final = System(
    "h2",
    (FIGURE_2, _message("local", _FINISH, _TRAIL, _ENDING, {}), _message("remote", {}, {}, {}, _CROSSING), TUNNEL),
    STREAM_COUPLINGS,
    _stream_events(),
)

#: What it means that the peer did on a stream what the tables do not allow, by the state of ``stream``: how far the
#: error reaches, and its code (RFC 9113 §5.1, §5.4).
REMOTE_FAULTS: Final = {
    "IDLE": ("connection", "PROTOCOL_ERROR"),
    "RESERVED_LOCAL": ("connection", "PROTOCOL_ERROR"),
    "RESERVED_REMOTE": ("connection", "PROTOCOL_ERROR"),
    "OPEN": ("stream", "PROTOCOL_ERROR"),
    "HALF_CLOSED_LOCAL": ("stream", "PROTOCOL_ERROR"),
    "HALF_CLOSED_REMOTE": ("stream", "STREAM_CLOSED"),
    "CLOSED": ("connection", "STREAM_CLOSED"),
    "RESET_LOCAL": ("connection", "STREAM_CLOSED"),
    "RESET_REMOTE": ("stream", "STREAM_CLOSED"),
}

_ENDED: Final = ("CLOSED", "RESET_LOCAL", "RESET_REMOTE")

#: What must hold in every reachable joint state of a stream; decided by ``interlock check``.
STREAM_PROPERTIES: Final[tuple[Property, ...]] = (
    Absorbing("closed is never left", "stream", "CLOSED"),
    Absorbing("reset by us is never left", "stream", "RESET_LOCAL"),
    Absorbing("reset by the peer is never left", "stream", "RESET_REMOTE"),
    Never(
        "no message is in progress on a stream that END_STREAM has closed in both directions",
        {"stream": "CLOSED", "local": ("IDLE", "HEAD", "BODY", "TUNNEL", "ENDING", "TRAILING", "BROKEN")},
    ),
    Never(
        "nor is the peer's",
        {"stream": "CLOSED", "remote": ("IDLE", "HEAD", "BODY", "TUNNEL", "BROKEN")},
    ),
    Never(
        "who has ended its half has ended its message",
        {"stream": "HALF_CLOSED_LOCAL", "local": ("IDLE", "HEAD", "BODY", "TUNNEL", "ENDING", "TRAILING", "BROKEN")},
    ),
    Never(
        "and so has the peer",
        {"stream": "HALF_CLOSED_REMOTE", "remote": ("IDLE", "HEAD", "BODY", "TUNNEL", "BROKEN")},
    ),
    Never(
        "an idle stream carries no message",
        {"stream": "IDLE", "local": ("HEAD", "BODY", "ENDING", "TRAILING", "DONE", "TUNNEL", "BROKEN")},
    ),
    Never(
        "only a reset breaks a message",
        {"stream": ("OPEN", "HALF_CLOSED_LOCAL", "HALF_CLOSED_REMOTE"), "local": "BROKEN"},
    ),
    Never("no tunnel without an accepted proposal", {"connect": ("NONE", "PROPOSED"), "local": "TUNNEL"}),
    Never("and none to the peer", {"connect": ("NONE", "PROPOSED"), "remote": "TUNNEL"}),
    Never("both ends never send a response on one stream", {"local": "HEAD", "remote": "HEAD"}),
    Refused(
        "a 2xx makes a tunnel only of a proposed one",
        "local.Response.accept",
        unless={"connect": "PROPOSED"},
    ),
    Refused("neither CONNECT nor a tunnel has trailers", "local.Trailers", unless={"connect": "NONE"}),
    Refused("nor are any announced", "local.FinishWithTrailers", unless={"connect": "NONE"}),
    Refused("nor does the peer send any", "remote.Trailers", unless={"connect": "NONE"}),
    Refused("trailers end what has begun", "local.Trailers", unless={"local": ("BODY", "TRAILING")}),
    Refused("no content before the head of a response", "local.Data", unless={"local": ("BODY", "TUNNEL")}),
    Refused(
        "nor from the peer, but what a reset has broken", "remote.Data", unless={"remote": ("BODY", "TUNNEL", "BROKEN")}
    ),
    Refused("nothing is sent once END_STREAM was", "local.Data", unless={"stream": ("OPEN", "HALF_CLOSED_REMOTE")}),
    Refused(
        "nothing is taken once the peer has sent END_STREAM",
        "remote.Data",
        unless={"stream": ("OPEN", "HALF_CLOSED_LOCAL", "RESET_LOCAL")},
    ),
    Legal(
        "a stream in use can always be reset",
        "local.Reset",
        when={"stream": ("RESERVED_LOCAL", "RESERVED_REMOTE", "OPEN", "HALF_CLOSED_LOCAL", "HALF_CLOSED_REMOTE")},
    ),
    Legal("what was on its way when we reset a stream is no error", "remote.Data", when={"stream": "RESET_LOCAL"}),
    Legal("nor is its end", "remote.Data.end", when={"stream": "RESET_LOCAL"}),
    Legal("PRIORITY is never an error", "remote.Priority", when={}),
    CanReach("a stream can end from every state", {"stream": _ENDED}),
    CanReach(
        "a stream can end without a reset from every state that had none",
        {"stream": "CLOSED"},
        when={
            "stream": ("IDLE", "RESERVED_LOCAL", "RESERVED_REMOTE", "OPEN", "HALF_CLOSED_LOCAL", "HALF_CLOSED_REMOTE")
        },
        without=("local.Reset", "remote.Reset"),
    ),
)

# -- one connection

_LIFE: Final[dict[str, dict[str, str | To]]] = {
    "OPEN": {
        "Settings": To("OPEN", "RFC 9113 §6.5"),
        "Frame": To("OPEN", "RFC 9113 §4.1"),
        "OpenStream": To("OPEN", "RFC 9113 §5.1.1"),
        "TheirStream": To("OPEN", "RFC 9113 §5.1.1"),
        "ShutDown": To("SHUTTING_DOWN", "RFC 9113 §6.8"),
        "GoAway": To("GOING_AWAY", "RFC 9113 §6.8"),
        "ConnectionClosed": To("CLOSED", "RFC 9113 §9.1"),
        "Error": To("ERROR", "RFC 9113 §5.4.1"),
    },
    # It has announced that it will take no more streams soon, and still takes those that are on their way.
    "SHUTTING_DOWN": {
        "Settings": To("SHUTTING_DOWN", "RFC 9113 §6.5"),
        "Frame": To("SHUTTING_DOWN", "RFC 9113 §4.1"),
        "OpenStream": To("SHUTTING_DOWN", "RFC 9113 §6.8"),
        "TheirStream": To("SHUTTING_DOWN", "RFC 9113 §6.8"),
        "ShutDown": To("SHUTTING_DOWN", "RFC 9113 §6.8"),
        "GoAway": To("GOING_AWAY", "RFC 9113 §6.8"),
        "ConnectionClosed": To("CLOSED", "RFC 9113 §9.1"),
        "Error": To("ERROR", "RFC 9113 §5.4.1"),
    },
    # It takes no more streams than it has named.
    "GOING_AWAY": {
        "Settings": To("GOING_AWAY", "RFC 9113 §6.5"),
        "Frame": To("GOING_AWAY", "RFC 9113 §4.1"),
        "OpenStream": To("GOING_AWAY", "RFC 9113 §6.8"),
        "GoAway": To("GOING_AWAY", "RFC 9113 §6.8"),
        "ConnectionClosed": To("CLOSED", "RFC 9113 §9.1"),
        "Error": To("ERROR", "RFC 9113 §5.4.1"),
    },
    "CLOSED": {
        "ConnectionClosed": "CLOSED",
        "Error": "ERROR",
    },
    "ERROR": {
        "Error": "ERROR",
    },
}

CLIENT: Final = Machine(
    "client",
    "START",
    {
        "START": {
            "Preface": To("PREFACE", "RFC 9113 §3.4"),
            "ConnectionClosed": To("CLOSED", "RFC 9113 §9.1"),
            "Error": To("ERROR", "RFC 9113 §3.4"),
            "TheirStream": "START",
        },
        "PREFACE": {
            "Settings": To("OPEN", "RFC 9113 §3.4"),
            "ConnectionClosed": To("CLOSED", "RFC 9113 §9.1"),
            "Error": To("ERROR", "RFC 9113 §3.4"),
            "TheirStream": "PREFACE",
        },
        **_LIFE,
    },
)

SERVER: Final = Machine(
    "server",
    "START",
    {
        "START": {
            "Settings": To("OPEN", "RFC 9113 §3.4"),
            "TheirStream": To("START", "RFC 9113 §3.4"),  # a client need not wait for our SETTINGS
            "ConnectionClosed": To("CLOSED", "RFC 9113 §9.1"),
            "Error": To("ERROR", "RFC 9113 §3.4"),
        },
        **_LIFE,
    },
)


def _settings(name: str) -> Machine:
    """The SETTINGS of one end, and whether the other has acknowledged them (RFC 9113 §6.5.3)."""
    return Machine(
        name,
        "ACKNOWLEDGED",
        {
            "ACKNOWLEDGED": {"Settings": To("PENDING", "RFC 9113 §6.5.3")},
            "PENDING": {"Acknowledge": To("ACKNOWLEDGED", "RFC 9113 §6.5.3")},
        },
    )


def _block(name: str) -> Machine:
    """Whether one end is in the midst of a field block: then nothing else may come from it (RFC 9113 §4.3)."""
    return Machine(
        name,
        "COMPLETE",
        {
            "COMPLETE": {
                "Begin": To("OPEN", "RFC 9113 §6.2"),
                "Frame": "COMPLETE",
            },
            "OPEN": {
                "Continue": To("OPEN", "RFC 9113 §6.10"),
                "End": To("COMPLETE", "RFC 9113 §6.10"),
            },
        },
    )


def _connection_events() -> dict[str, dict[str, str]]:
    events: dict[str, dict[str, str]] = {"client.Preface": {"client": "Preface"}}
    for end, other in (("client", "server"), ("server", "client")):
        block = f"{end}_block"
        events |= {
            f"{end}.Settings": {end: "Settings", f"{end}_settings": "Settings", block: "Frame"},
            f"{end}.SettingsAck": {end: "Frame", f"{other}_settings": "Acknowledge", block: "Frame"},
            f"{end}.Frame": {end: "Frame", block: "Frame"},
            f"{end}.BlockBegin": {end: "Frame", block: "Begin"},
            f"{end}.Continuation": {end: "Frame", block: "Continue"},
            f"{end}.ContinuationEnd": {end: "Frame", block: "End"},
            f"{end}.OpenStream": {end: "OpenStream", other: "TheirStream"},
            f"{end}.ShutDown": {end: "ShutDown", block: "Frame"},
            f"{end}.GoAway": {end: "GoAway", block: "Frame"},
            f"{end}.ConnectionClosed": {end: "ConnectionClosed"},
            f"{end}.Error": {end: "Error"},
        }
    return events


CONNECTION: Final = System(
    "h2-connection",
    (
        CLIENT,
        SERVER,
        _settings("client_settings"),
        _settings("server_settings"),
        _block("client_block"),
        _block("server_block"),
    ),
    (),
    _connection_events(),
)

#: What must hold in every reachable joint state of a connection; decided by ``interlock check``.
CONNECTION_PROPERTIES: Final[tuple[Property, ...]] = (
    Absorbing("client ERROR is never left", "client", "ERROR"),
    Absorbing("server ERROR is never left", "server", "ERROR"),
    Refused(
        "nothing comes from a client before its preface",
        "client.Settings",
        unless={"client": ("PREFACE", "OPEN", "SHUTTING_DOWN", "GOING_AWAY")},
    ),
    Refused(
        "no frame before the client's SETTINGS",
        "client.Frame",
        unless={"client": ("OPEN", "SHUTTING_DOWN", "GOING_AWAY")},
    ),
    Refused(
        "no frame before the server's SETTINGS",
        "server.Frame",
        unless={"server": ("OPEN", "SHUTTING_DOWN", "GOING_AWAY")},
    ),
    Refused("no acknowledgement of what was not sent", "client.SettingsAck", unless={"server_settings": "PENDING"}),
    Refused("nor of what was acknowledged before", "server.SettingsAck", unless={"client_settings": "PENDING"}),
    Refused(
        "no SETTINGS while the last ones are unacknowledged",
        "server.Settings",
        unless={"server_settings": "ACKNOWLEDGED"},
    ),
    Refused("a field block is not interrupted by a frame", "client.Frame", unless={"client_block": "COMPLETE"}),
    Refused("nor by another field block", "client.BlockBegin", unless={"client_block": "COMPLETE"}),
    Refused("nor is the server's by a frame", "server.Frame", unless={"server_block": "COMPLETE"}),
    Refused("nor by another one of the server's", "server.BlockBegin", unless={"server_block": "COMPLETE"}),
    Refused("CONTINUATION continues something", "client.Continuation", unless={"client_block": "OPEN"}),
    Refused("and so it does from the server", "server.Continuation", unless={"server_block": "OPEN"}),
    Refused(
        "no stream beyond those that a server that goes away has named",
        "client.OpenStream",
        unless={"server": ("START", "OPEN", "SHUTTING_DOWN")},
    ),
    Legal(
        "streams on their way are taken while a server shuts down",
        "client.OpenStream",
        when={"client": "OPEN", "server": "SHUTTING_DOWN"},
    ),
    CanReach("a connection can end from every state", {"client": ("CLOSED", "ERROR"), "server": ("CLOSED", "ERROR")}),
    CanReach(
        "a connection can end without an error from every state that has none",
        {"client": "CLOSED", "server": "CLOSED"},
        when={
            "client": ("START", "PREFACE", "OPEN", "SHUTTING_DOWN", "GOING_AWAY", "CLOSED"),
            "server": ("START", "OPEN", "SHUTTING_DOWN", "GOING_AWAY", "CLOSED"),
        },
        without=("client.Error", "server.Error"),
    ),
)
