"""Named constants that are their own type: roles, states, and what ``next_event`` gives when there is no event.

``type(NEED_DATA) is NEED_DATA``, so ``type(event) is X`` works for events and constants alike, as in h11.
This file is never compiled: a class that is its own type cannot be a native one.
"""

__all__ = [
    "CLIENT",
    "CLOSED",
    "DONE",
    "ERROR",
    "IDLE",
    "MIGHT_SWITCH_PROTOCOL",
    "MUST_CLOSE",
    "NEED_DATA",
    "PAUSED",
    "SEND_BODY",
    "SEND_RESPONSE",
    "SERVER",
    "SWITCHED_PROTOCOL",
    "Sentinel",
]


class Sentinel(type):
    """A constant with a name, whose type is itself."""

    def __repr__(cls) -> str:
        return cls.__name__


def _sentinel(name: str) -> Sentinel:
    constant = Sentinel(name, (Sentinel,), {})
    type.__setattr__(constant, "__class__", constant)
    return constant


CLIENT = _sentinel("CLIENT")
SERVER = _sentinel("SERVER")

IDLE = _sentinel("IDLE")
SEND_RESPONSE = _sentinel("SEND_RESPONSE")
SEND_BODY = _sentinel("SEND_BODY")
DONE = _sentinel("DONE")
MUST_CLOSE = _sentinel("MUST_CLOSE")
CLOSED = _sentinel("CLOSED")
MIGHT_SWITCH_PROTOCOL = _sentinel("MIGHT_SWITCH_PROTOCOL")
SWITCHED_PROTOCOL = _sentinel("SWITCHED_PROTOCOL")
ERROR = _sentinel("ERROR")

NEED_DATA = _sentinel("NEED_DATA")
PAUSED = _sentinel("PAUSED")
