"""The errors of all protocol versions, and how they quote input.

The classes are those of :mod:`interlock.machine.errors`, whose machines raise them too.
"""

from typing import Final

from interlock.machine.errors import (
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)

__all__ = [
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "excerpt",
    "remote",
]

#: No error carries more than this many octets of input.
EXCERPT_OCTETS: Final = 64


def excerpt(octets: bytes) -> str:
    """At most 64 octets of input, escaped, to stand in an error's message."""
    shown = repr(bytes(octets[:EXCERPT_OCTETS]))
    return shown if len(octets) <= EXCERPT_OCTETS else f"{shown}... ({len(octets)} octets)"


def remote(error: LocalProtocolError) -> RemoteProtocolError:
    """The same error, laid to the peer: for where the octets that broke the rule came from it."""
    return RemoteProtocolError(str(error), error.error_status_hint)
