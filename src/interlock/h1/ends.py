"""The two ends of a connection: where their machines stand, and how an event moves them.

Which events there are is for :mod:`interlock.h1.connection` to say, and what they do for :mod:`interlock.h1.tables`.
"""

from interlock.h1.codes import (
    CLIENT_ERROR,
    CLIENT_STATE,
    ERROR,
    SENTINELS,
    SERVER_ERROR,
    SERVER_STATE,
    TABLE,
    N,
)
from interlock.h1.tables import SYSTEM
from interlock.http.errors import LocalProtocolError
from interlock.http.sentinels import CLIENT, SERVER, Sentinel

__all__ = ["Ends"]


class Ends:
    """The states of both ends, as one joint state of the tables, seen from one end."""

    __slots__ = ("_joint", "_our", "_server", "_their", "our_role", "their_role")

    our_role: Sentinel
    their_role: Sentinel
    _joint: int
    #: Whether we are the server; per joint state, the state of our machine and that of the peer's.
    _server: bool
    _our: list[int]
    _their: list[int]

    @property
    def our_state(self) -> Sentinel:
        """The state of our machine."""
        return SENTINELS[self._our[self._joint]]

    @property
    def their_state(self) -> Sentinel:
        """The state of the peer's machine."""
        return SENTINELS[self._their[self._joint]]

    @property
    def states(self) -> dict[Sentinel, Sentinel]:
        """The states of both ends, by role."""
        client, server = SENTINELS[CLIENT_STATE[self._joint]], SENTINELS[SERVER_STATE[self._joint]]
        return {CLIENT: client, SERVER: server}

    @property
    def machines(self) -> dict[str, str]:
        """The states of all five machines, by the names that :mod:`interlock.h1.tables` has for them."""
        return SYSTEM.states(self._joint)

    def _advance(self, event: int) -> None:
        """Take the event to the tables."""
        joint = TABLE[self._joint * N + event]
        if joint < 0:
            raise SYSTEM.illegal(self._joint, event)
        self._joint = joint

    def _their_error(self) -> None:
        self._advance(CLIENT_ERROR if self._server else SERVER_ERROR)

    def _our_error(self) -> None:
        self._advance(SERVER_ERROR if self._server else CLIENT_ERROR)

    def _illegal(self, event: int) -> LocalProtocolError:
        """The error for an event of ours that the tables do not allow, or that comes after an error."""
        if self._our[self._joint] == ERROR:
            return LocalProtocolError("Can't send data when our state is ERROR")
        return SYSTEM.illegal(self._joint, event)
