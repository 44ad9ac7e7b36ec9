"""The machines of one WebSocket connection, and nothing else (RFC 6455 §4, §5.4, §5.5, §7; RFC 8441 §5).

Rule 1: whatever affects a transition stands in this file.  Rule 2: this file knows no role; it speaks of the client
and the server, and binds whichever of the two we are and whichever the peer is.

``handshake`` is the opening handshake.  ``client`` and ``server`` are what each end has sent, above all whether it has
sent its Close.  ``client_message`` and ``server_message`` are the message that each end is in the midst of.
``stream`` is the byte stream underneath: a TCP connection, or one stream of HTTP/2.

What an end is to do follows from the joint state, and stands here too, as its duties: it begins with the transition
that leads to such a joint state, and is over with the one that leads away.
"""

from typing import Final

from interlock.machine import (
    Absorbing,
    Arises,
    CanReach,
    Coupling,
    Duty,
    Legal,
    Machine,
    Never,
    Property,
    Refused,
    System,
    To,
)

__all__ = ["DUTIES", "PROPERTIES", "SYSTEM"]

HANDSHAKE: Final = Machine(
    "handshake",
    "CONNECTING",
    {
        "CONNECTING": {
            "Accept": To("ACCEPTED", "RFC 6455 §4.2.2"),
            "Reject": To("REJECTED", "RFC 6455 §4.2.2"),
            "Abandon": To("ABANDONED", "RFC 6455 §4.1"),
        },
        "ACCEPTED": {},
        "REJECTED": {},
        "ABANDONED": {},
    },
)


def _end(name: str) -> Machine:
    """What one end has sent; the rules are the same for both."""
    return Machine(
        name,
        "CONNECTING",
        {
            "CONNECTING": {
                "Accept": To("OPEN", "RFC 6455 §4.1"),
            },
            "OPEN": {
                "Data": To("OPEN", "RFC 6455 §5.6"),
                "Control": To("OPEN", "RFC 6455 §5.5"),
                "Close": To("CLOSED", "RFC 6455 §5.5.1"),
                "Fail": To("FAILING", "RFC 6455 §7.1.7"),
            },
            # The other end has sent its Close.  What this one sent before it knew is still under way.
            "CLOSE_DUE": {
                "Data": To("CLOSE_DUE", "RFC 6455 §5.5.1"),
                "Control": To("CLOSE_DUE", "RFC 6455 §5.5"),
                "Close": To("CLOSED", "RFC 6455 §5.5.1"),
                "Fail": To("FAILING", "RFC 6455 §7.1.7"),
            },
            # It has found that the other end broke the protocol, and has not said so yet.
            "FAILING": {
                "Close": To("FAILED", "RFC 6455 §7.1.7"),
            },
            "CLOSED": {
                "Fail": To("FAILED", "RFC 6455 §7.1.7"),
            },
            # It has sent its Close, and reads nothing any more.
            "FAILED": {},
            # It has sent no Close, and never will.
            "LOST": {},
        },
    )


def _message(name: str) -> Machine:
    """The message that one end is in the midst of."""
    return Machine(
        name,
        "BETWEEN",
        {
            "BETWEEN": {
                "Whole": To("BETWEEN", "RFC 6455 §5.4"),
                "Begin": To("WITHIN", "RFC 6455 §5.4"),
            },
            "WITHIN": {
                "Continue": To("WITHIN", "RFC 6455 §5.4"),
                "Finish": To("BETWEEN", "RFC 6455 §5.4"),
            },
        },
    )


CLIENT: Final = _end("client")
SERVER: Final = _end("server")

STREAM: Final = Machine(
    "stream",
    "OPEN",
    {
        "OPEN": {
            "ClientEnd": To("CLIENT_ENDED", "RFC 6455 §7.1.1"),
            "ServerEnd": To("SERVER_ENDED", "RFC 6455 §7.1.1"),
            "Lose": To("GONE", "RFC 6455 §7.1.4"),
        },
        "CLIENT_ENDED": {
            "ServerEnd": To("GONE", "RFC 6455 §7.1.1"),
            "Lose": To("GONE", "RFC 6455 §7.1.4"),
        },
        "SERVER_ENDED": {
            "ClientEnd": To("GONE", "RFC 6455 §7.1.1"),
            "Lose": To("GONE", "RFC 6455 §7.1.4"),
        },
        "GONE": {
            "Lose": "GONE",
        },
    },
)

_UNCLOSED: Final = ("OPEN", "CLOSE_DUE", "FAILING")
_ENDED: Final = ("CLIENT_ENDED", "SERVER_ENDED", "GONE")
_OVER: Final = ("CLOSED", "FAILED", "LOST")

COUPLINGS: Final = (
    # A Close is to be answered with a Close.
    Coupling(
        "client-owes-close",
        {"client": "OPEN", "server": ("CLOSED", "FAILED")},
        {"client": "CLOSE_DUE"},
        rfc="RFC 6455 §5.5.1",
    ),
    Coupling(
        "server-owes-close",
        {"server": "OPEN", "client": ("CLOSED", "FAILED")},
        {"server": "CLOSE_DUE"},
        rfc="RFC 6455 §5.5.1",
    ),
    # Who ends the byte stream can send no Close any more.
    Coupling(
        "client-cut",
        {"client": _UNCLOSED, "stream": ("CLIENT_ENDED", "GONE")},
        {"client": "LOST"},
        rfc="RFC 6455 §7.1.5",
    ),
    Coupling(
        "server-cut",
        {"server": _UNCLOSED, "stream": ("SERVER_ENDED", "GONE")},
        {"server": "LOST"},
        rfc="RFC 6455 §7.1.5",
    ),
    # One end has gone without its Close: it would not read ours.
    Coupling(
        "client-deserted",
        {"client": "OPEN", "server": "LOST"},
        {"client": "LOST"},
        rfc="RFC 6455 §7.1.5",
    ),
    Coupling(
        "server-deserted",
        {"server": "OPEN", "client": "LOST"},
        {"server": "LOST"},
        rfc="RFC 6455 §7.1.5",
    ),
    Coupling(
        "handshake-cut",
        {"handshake": "CONNECTING", "stream": _ENDED},
        {"handshake": "ABANDONED"},
        rfc="RFC 6455 §4.1",
    ),
)


def _events_of(end: str) -> dict[str, dict[str, str]]:
    """What each machine sees of what one end does, in the order that both ends share."""
    message = f"{end}_message"
    return {
        f"{end}.Message": {end: "Data", message: "Whole"},
        f"{end}.Message.begin": {end: "Data", message: "Begin"},
        f"{end}.Message.continue": {end: "Data", message: "Continue"},
        f"{end}.Message.finish": {end: "Data", message: "Finish"},
        f"{end}.Ping": {end: "Control"},
        f"{end}.Pong": {end: "Control"},
        f"{end}.Close": {end: "Close"},
        f"{end}.Fail": {end: "Fail"},
        f"{end}.EndOfStream": {"stream": f"{end.capitalize()}End"},
    }


SYSTEM: Final = System(
    "ws",
    (HANDSHAKE, CLIENT, SERVER, _message("client_message"), _message("server_message"), STREAM),
    COUPLINGS,
    {
        "server.Accept": {"handshake": "Accept", "client": "Accept", "server": "Accept"},
        "server.Reject": {"handshake": "Reject"},
        "handshake.Abandon": {"handshake": "Abandon"},
        **_events_of("client"),
        **_events_of("server"),
        "stream.Lose": {"stream": "Lose"},
    },
)


def _duties_of(end: str, other: str) -> tuple[Duty, ...]:
    """What an end owes in which joint states, whichever of the two it is."""
    return (
        # Content and control frames of the other end are for the application, even after our own Close, unless we have
        # failed the connection; what comes after the other end's Close never is.
        Duty("read", {end: ("OPEN", "CLOSED"), other: ("OPEN", "CLOSE_DUE")}, rfc="RFC 6455 §7.1.7"),
        Duty("send_close", {end: ("CLOSE_DUE", "FAILING")}, rfc="RFC 6455 §5.5.1"),
        Duty("opening_timer", {"handshake": "CONNECTING"}, rfc="RFC 6455 §4.1"),
        Duty("closing_timer", {end: _OVER, "stream": ("OPEN", "CLIENT_ENDED", "SERVER_ENDED")}, rfc="RFC 6455 §7.1.1"),
        Duty("tear_down", {"stream": "GONE"}, {"handshake": "ABANDONED"}, rfc="RFC 6455 §7.1.1"),
    )


#: What each end owes, by the joint state.
DUTIES: Final[dict[str, tuple[Duty, ...]]] = {
    # The server ends the byte stream first ...
    "server": (
        *_duties_of("server", "client"),
        Duty(
            "end_stream",
            {"server": ("FAILED", "LOST"), "stream": ("OPEN", "CLIENT_ENDED")},
            {"server": "CLOSED", "client": _OVER, "stream": ("OPEN", "CLIENT_ENDED")},
            rfc="RFC 6455 §7.1.1",
        ),
    ),
    # ... and the client waits for that.
    "client": (
        *_duties_of("client", "server"),
        Duty("end_stream", {"client": _OVER, "stream": "SERVER_ENDED"}, rfc="RFC 6455 §7.1.1"),
    ),
}

_SENDS: Final = ("Message", "Message.begin", "Message.continue", "Message.finish", "Ping", "Pong", "Close")


def _properties_of(end: str, other: str) -> tuple[Property, ...]:
    ended = (f"{end.upper()}_ENDED", "GONE")
    return (
        *(Arises(f"{end}: the duty {duty.name} arises", duty) for duty in DUTIES[end]),
        Absorbing(f"{end} FAILED is never left", end, "FAILED"),
        Absorbing(f"{end} LOST is never left", end, "LOST"),
        *(
            Refused(
                f"{end}: no {event} before the handshake is done, nor after its Close", f"{end}.{event}", unless=when
            )
            for event in _SENDS
            for when in ({end: _UNCLOSED if event == "Close" else ("OPEN", "CLOSE_DUE")},)
        ),
        Refused(
            f"{end}: no frames unless the handshake was accepted", f"{end}.Message", unless={"handshake": "ACCEPTED"}
        ),
        Refused(f"{end}: no message begins in another", f"{end}.Message.begin", unless={f"{end}_message": "BETWEEN"}),
        Refused(f"{end}: no message is whole in another", f"{end}.Message", unless={f"{end}_message": "BETWEEN"}),
        Refused(
            f"{end}: no message goes on that was not begun",
            f"{end}.Message.continue",
            unless={f"{end}_message": "WITHIN"},
        ),
        Refused(
            f"{end}: no message ends that was not begun", f"{end}.Message.finish", unless={f"{end}_message": "WITHIN"}
        ),
        Legal(f"{end}: a Close that is due can be sent", f"{end}.Close", when={end: "CLOSE_DUE"}),
        Legal(
            f"{end}: a ping is welcome while a message is under way",
            f"{end}.Ping",
            when={end: "OPEN", f"{end}_message": "WITHIN"},
        ),
        Legal(f"{end}: content that crossed the other end's Close is legal", f"{end}.Ping", when={end: "CLOSE_DUE"}),
        Legal(f"{end} can fail the connection while it is open", f"{end}.Fail", when={end: "OPEN"}),
        Legal(f"{end} can fail the connection after its Close", f"{end}.Fail", when={end: "CLOSED"}),
        Never(f"{end} is never OPEN once {other} has closed", {end: "OPEN", other: _OVER}),
        Never(
            f"{end} never owes a Close that nobody sent",
            {end: "CLOSE_DUE", other: ("CONNECTING", "OPEN", "CLOSE_DUE", "FAILING", "LOST")},
        ),
        Never(f"{end} never owes a Close on a stream that it has ended", {end: _UNCLOSED, "stream": ended}),
        Never(
            f"{end} is never open without an accepted handshake",
            {
                end: ("OPEN", "CLOSE_DUE", "FAILING", "CLOSED", "FAILED", "LOST"),
                "handshake": ("CONNECTING", "REJECTED", "ABANDONED"),
            },
        ),
        # Each end can bring the connection to its end by doing what it owes, whatever the other does not do ...
        CanReach(
            f"{end} can always say its Close once the other has",
            {end: _OVER},
            when={end: "CLOSE_DUE"},
            without=tuple(event for event in SYSTEM.events if event != f"{end}.Close"),
        ),
    )


#: What must hold in every reachable joint state; decided by ``interlock check``.
PROPERTIES: Final[tuple[Property, ...]] = (
    Refused("accept and reject exclude each other", "server.Accept", unless={"handshake": "CONNECTING"}),
    Refused("reject and accept exclude each other", "server.Reject", unless={"handshake": "CONNECTING"}),
    Refused("only an unanswered handshake can be abandoned", "handshake.Abandon", unless={"handshake": "CONNECTING"}),
    *(Absorbing(f"the handshake stays {state}", "handshake", state) for state in ("ACCEPTED", "REJECTED", "ABANDONED")),
    Absorbing("a stream that is gone stays gone", "stream", "GONE"),
    Never("no handshake waits on a stream that has ended", {"handshake": "CONNECTING", "stream": _ENDED}),
    *_properties_of("client", "server"),
    *_properties_of("server", "client"),
    Never("both ends have come to their end when the stream has", {"stream": "GONE", "client": _UNCLOSED}),
    Legal("the stream can be lost whatever happened", "stream.Lose", when={}),
    # ... and from everywhere the connection can end: by the events that the ends owe, and without losing the stream.
    CanReach(
        "an open connection can end by two Closes and the end of the stream",
        {"client": "CLOSED", "server": "CLOSED", "stream": "GONE"},
        when={"client": ("OPEN", "CLOSE_DUE"), "server": ("OPEN", "CLOSE_DUE")},
        without=("stream.Lose", "client.Fail", "server.Fail"),
    ),
    CanReach(
        "the byte stream can end from every state without being lost",
        {"stream": "GONE"},
        without=("stream.Lose",),
    ),
)
