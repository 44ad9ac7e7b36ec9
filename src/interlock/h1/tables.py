"""The five machines of HTTP/1.1, and nothing else (RFC 9112; RFC 9110 §7.8, §9.3.6, §15.2).

Rule 1: whatever affects a transition stands in this file.  Rule 2: this file knows no role; it speaks of the client
and the server, and binds whichever of the two we are and whichever the peer is.

``client`` and ``server`` follow one request/response exchange.  ``keep_alive`` remembers whether either end has said
that this exchange is the last (RFC 9112 §9.3).  ``connect`` and ``upgrade`` remember a proposal to leave HTTP/1.1,
which only the server can accept, and only while it stands (RFC 9110 §9.3.6, §7.8).

The server's machine also sees the client's Request: that is how it knows that there is something to answer.
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

__all__ = ["PROPERTIES", "SYSTEM"]

CLIENT: Final = Machine(
    "client",
    "IDLE",
    {
        "IDLE": {
            "Request": To("SEND_BODY", "RFC 9112 §2.1"),
            "ConnectionClosed": To("CLOSED", "RFC 9112 §9.6"),
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "SEND_BODY": {
            "Data": To("SEND_BODY", "RFC 9112 §6"),
            "EndOfMessage": To("DONE", "RFC 9112 §6.3"),
            "Error": To("ERROR", "RFC 9112 §8"),
        },
        "DONE": {
            "StartNextCycle": To("IDLE", "RFC 9112 §9.3"),
            "ConnectionClosed": To("CLOSED", "RFC 9112 §9.6"),
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "MUST_CLOSE": {
            "ConnectionClosed": To("CLOSED", "RFC 9112 §9.6"),
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "CLOSED": {
            "ConnectionClosed": "CLOSED",
            "Error": "ERROR",
        },
        "MIGHT_SWITCH_PROTOCOL": {
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "SWITCHED_PROTOCOL": {
            "Error": "ERROR",
        },
        "ERROR": {
            "Error": "ERROR",
        },
    },
)

SERVER: Final = Machine(
    "server",
    "IDLE",
    {
        "IDLE": {
            "Request": To("SEND_RESPONSE", "RFC 9112 §2.1"),
            "Response": To("SEND_BODY", "RFC 9110 §15.5.9"),  # a 408 or 400 answers what never became a request
            "ConnectionClosed": To("CLOSED", "RFC 9112 §9.6"),
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "SEND_RESPONSE": {
            "InformationalResponse": To("SEND_RESPONSE", "RFC 9110 §15.2"),
            "Response": To("SEND_BODY", "RFC 9112 §2.1"),
            "SwitchUpgrade": To("SWITCHED_PROTOCOL", "RFC 9110 §7.8"),
            "SwitchConnect": To("SWITCHED_PROTOCOL", "RFC 9110 §9.3.6"),
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "SEND_BODY": {
            "Data": To("SEND_BODY", "RFC 9112 §6"),
            "EndOfMessage": To("DONE", "RFC 9112 §6.3"),
            "Error": To("ERROR", "RFC 9112 §8"),
        },
        "DONE": {
            "StartNextCycle": To("IDLE", "RFC 9112 §9.3"),
            "ConnectionClosed": To("CLOSED", "RFC 9112 §9.6"),
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "MUST_CLOSE": {
            "ConnectionClosed": To("CLOSED", "RFC 9112 §9.6"),
            "Error": To("ERROR", "RFC 9112 §9.5"),
        },
        "CLOSED": {
            "ConnectionClosed": "CLOSED",
            "Error": "ERROR",
        },
        "SWITCHED_PROTOCOL": {
            "Error": "ERROR",
        },
        "ERROR": {
            "Error": "ERROR",
        },
    },
)

KEEP_ALIVE: Final = Machine(
    "keep_alive",
    "ENABLED",
    {
        "ENABLED": {
            "Disable": To("DISABLED", "RFC 9112 §9.3"),
            "StartNextCycle": To("ENABLED", "RFC 9112 §9.3"),
        },
        "DISABLED": {
            "Disable": To("DISABLED", "RFC 9112 §9.3"),
        },
    },
)

CONNECT: Final = Machine(
    "connect",
    "NONE",
    {
        "NONE": {
            "Propose": To("PROPOSED", "RFC 9110 §9.3.6"),
            "Refuse": "NONE",
            "StartNextCycle": "NONE",
        },
        "PROPOSED": {
            "Accept": To("ACCEPTED", "RFC 9110 §9.3.6"),
            "Refuse": To("NONE", "RFC 9110 §9.3.6"),
        },
        "ACCEPTED": {},
    },
)

UPGRADE: Final = Machine(
    "upgrade",
    "NONE",
    {
        "NONE": {
            "Propose": To("PROPOSED", "RFC 9110 §7.8"),
            "Refuse": "NONE",
            "StartNextCycle": "NONE",
        },
        "PROPOSED": {
            "Accept": To("ACCEPTED", "RFC 9110 §15.2.2"),
            "Refuse": To("NONE", "RFC 9110 §7.8"),
        },
        "ACCEPTED": {},
    },
)

_OPEN: Final = ("PROPOSED", "ACCEPTED")

COUPLINGS: Final = (
    # A client that has asked to leave HTTP/1.1 waits for the answer before it says anything more.  This comes before
    # must-close: if the server accepts, closing is no longer HTTP's business; if it refuses, the client is DONE again.
    Coupling(
        "connect-might-switch",
        {"client": "DONE", "connect": _OPEN},
        {"client": "MIGHT_SWITCH_PROTOCOL"},
        before=("client-must-close",),
        rfc="RFC 9110 §9.3.6",
    ),
    Coupling(
        "upgrade-might-switch",
        {"client": "DONE", "upgrade": _OPEN},
        {"client": "MIGHT_SWITCH_PROTOCOL"},
        before=("client-must-close",),
        rfc="RFC 9110 §7.8",
    ),
    Coupling(
        "switch-refused",
        {"client": "MIGHT_SWITCH_PROTOCOL", "connect": "NONE", "upgrade": "NONE"},
        {"client": "DONE"},
        rfc="RFC 9110 §7.8",
    ),
    Coupling(
        "switch-accepted",
        {"client": "MIGHT_SWITCH_PROTOCOL", "server": "SWITCHED_PROTOCOL"},
        {"client": "SWITCHED_PROTOCOL"},
        rfc="RFC 9110 §7.8",
    ),
    Coupling(
        "switch-unanswered",
        {"client": "MIGHT_SWITCH_PROTOCOL", "server": "ERROR"},
        {"client": "MUST_CLOSE"},
        rfc="RFC 9112 §9.5",
    ),
    Coupling(
        "client-must-close",
        {"client": "DONE", "keep_alive": "DISABLED"},
        {"client": "MUST_CLOSE"},
        rfc="RFC 9112 §9.6",
    ),
    Coupling(
        "server-must-close",
        {"server": "DONE", "keep_alive": "DISABLED"},
        {"server": "MUST_CLOSE"},
        rfc="RFC 9112 §9.6",
    ),
    # One end has gone: the other, once it has nothing left to say, has only closing left.
    Coupling(
        "server-done-client-closed",
        {"client": "CLOSED", "server": ("IDLE", "DONE")},
        {"server": "MUST_CLOSE"},
        rfc="RFC 9112 §9.6",
    ),
    Coupling(
        "server-done-client-error",
        {"client": "ERROR", "server": "DONE"},
        {"server": "MUST_CLOSE"},
        rfc="RFC 9112 §9.5",
    ),
    Coupling(
        "client-done-server-closed",
        {"client": ("IDLE", "DONE"), "server": "CLOSED"},
        {"client": "MUST_CLOSE"},
        rfc="RFC 9112 §9.6",
    ),
    Coupling(
        "client-done-server-error",
        {"client": "DONE", "server": "ERROR"},
        {"client": "MUST_CLOSE"},
        rfc="RFC 9112 §9.5",
    ),
)


def _requests() -> dict[str, dict[str, str]]:
    """The eight kinds of Request, numbered ``close + 2 * connect + 4 * upgrade`` from the first event of the system."""
    events: dict[str, dict[str, str]] = {}
    for upgrade in (False, True):
        for connect in (False, True):
            for close in (False, True):
                name = "client.Request" + connect * ".connect" + upgrade * ".upgrade" + close * ".close"
                seen = {"client": "Request", "server": "Request"}
                if close:
                    seen["keep_alive"] = "Disable"
                if connect:
                    seen["connect"] = "Propose"
                if upgrade:
                    seen["upgrade"] = "Propose"
                events[name] = seen
    return events


SYSTEM: Final = System(
    "h1",
    (CLIENT, SERVER, KEEP_ALIVE, CONNECT, UPGRADE),
    COUPLINGS,
    {
        **_requests(),
        "client.Data": {"client": "Data"},
        "client.EndOfMessage": {"client": "EndOfMessage"},
        "client.ConnectionClosed": {"client": "ConnectionClosed"},
        "client.Error": {"client": "Error"},
        "server.InformationalResponse": {"server": "InformationalResponse"},
        "server.InformationalResponse.switch": {
            "server": "SwitchUpgrade",
            "upgrade": "Accept",
        },
        "server.Response": {
            "server": "Response",
            "connect": "Refuse",
            "upgrade": "Refuse",
        },
        "server.Response.close": {
            "server": "Response",
            "connect": "Refuse",
            "upgrade": "Refuse",
            "keep_alive": "Disable",
        },
        "server.Response.switch": {"server": "SwitchConnect", "connect": "Accept"},
        "server.Data": {"server": "Data"},
        "server.EndOfMessage": {"server": "EndOfMessage"},
        "server.ConnectionClosed": {"server": "ConnectionClosed"},
        "server.Error": {"server": "Error"},
        "start_next_cycle": {
            "client": "StartNextCycle",
            "server": "StartNextCycle",
            "keep_alive": "StartNextCycle",
            "connect": "StartNextCycle",
            "upgrade": "StartNextCycle",
        },
    },
)

#: What must hold in every reachable joint state; decided by ``interlock check``.
PROPERTIES: Final[tuple[Property, ...]] = (
    Absorbing("client ERROR is never left", "client", "ERROR"),
    Absorbing("server ERROR is never left", "server", "ERROR"),
    Never(
        "DONE/DONE never stands once either end has said close",
        {"client": "DONE", "server": "DONE", "keep_alive": "DISABLED"},
    ),
    Never(
        "DONE/DONE never stands with a CONNECT proposal open",
        {"client": "DONE", "server": "DONE", "connect": _OPEN},
    ),
    Never(
        "DONE/DONE never stands with an Upgrade proposal open",
        {"client": "DONE", "server": "DONE", "upgrade": _OPEN},
    ),
    Never(
        "a client that has asked to switch is never merely DONE",
        {"client": "DONE", "connect": _OPEN},
    ),
    Never(
        "a client that has asked to upgrade is never merely DONE",
        {"client": "DONE", "upgrade": _OPEN},
    ),
    Never(
        "the client never waits for a switch that nobody proposed",
        {"client": "MIGHT_SWITCH_PROTOCOL", "connect": "NONE", "upgrade": "NONE"},
    ),
    Never(
        "the client never leaves HTTP/1.1 before the server has agreed",
        {
            "client": "SWITCHED_PROTOCOL",
            "server": (
                "IDLE",
                "SEND_RESPONSE",
                "SEND_BODY",
                "DONE",
                "MUST_CLOSE",
                "CLOSED",
            ),
        },
    ),
    Never(
        "the server never leaves HTTP/1.1 without a proposal accepted",
        {
            "server": "SWITCHED_PROTOCOL",
            "connect": ("NONE", "PROPOSED"),
            "upgrade": ("NONE", "PROPOSED"),
        },
    ),
    Never(
        "no switch hangs on a server in ERROR",
        {"client": "MIGHT_SWITCH_PROTOCOL", "server": "ERROR"},
    ),
    Never(
        "the server never waits for a client that has closed",
        {"client": "CLOSED", "server": ("IDLE", "DONE")},
    ),
    Never(
        "the client never waits for a server that has closed",
        {"client": ("IDLE", "DONE"), "server": "CLOSED"},
    ),
    Refused(
        "no next cycle unless the client is DONE",
        "start_next_cycle",
        unless={"client": "DONE"},
    ),
    Refused(
        "no next cycle unless the server is DONE",
        "start_next_cycle",
        unless={"server": "DONE"},
    ),
    Legal(
        "DONE/DONE can start the next cycle",
        "start_next_cycle",
        when={"client": "DONE", "server": "DONE"},
    ),
    Refused(
        "101 without an Upgrade proposal is an error",
        "server.InformationalResponse.switch",
        unless={"upgrade": "PROPOSED"},
    ),
    Refused(
        "2xx to CONNECT without a CONNECT is an error",
        "server.Response.switch",
        unless={"connect": "PROPOSED"},
    ),
    CanReach(
        "the connection can end without an error from every state that has none",
        {
            "client": ("CLOSED", "SWITCHED_PROTOCOL"),
            "server": ("CLOSED", "SWITCHED_PROTOCOL"),
        },
        when={
            "client": (
                "IDLE",
                "SEND_BODY",
                "DONE",
                "MUST_CLOSE",
                "CLOSED",
                "MIGHT_SWITCH_PROTOCOL",
                "SWITCHED_PROTOCOL",
            ),
            "server": (
                "IDLE",
                "SEND_RESPONSE",
                "SEND_BODY",
                "DONE",
                "MUST_CLOSE",
                "CLOSED",
                "SWITCHED_PROTOCOL",
            ),
        },
        without=("client.Error", "server.Error"),
    ),
    CanReach(
        "the connection can end from every state",
        {
            "client": ("CLOSED", "SWITCHED_PROTOCOL", "ERROR"),
            "server": ("CLOSED", "SWITCHED_PROTOCOL", "ERROR"),
        },
    ),
)
