"""The errors of a protocol: what a machine raises for an event that its tables do not allow.

Only :class:`LocalProtocolError` is raised inside the engines.  Where the offending octets came from the peer, one
place in each engine's ``connection.py`` turns it into a :class:`RemoteProtocolError`.
"""

from mypy_extensions import mypyc_attr

__all__ = ["LocalProtocolError", "ProtocolError", "RemoteProtocolError"]


@mypyc_attr(allow_interpreted_subclasses=True)
class ProtocolError(Exception):
    """A protocol rule was broken.  Raised only as one of its two subclasses.

    ``error_status_hint`` is the HTTP status code that a server would answer with (an integer, 400 unless told).
    """

    def __init__(self, msg: str, error_status_hint: int = 400) -> None:
        if type(self) is ProtocolError:
            raise TypeError("ProtocolError is abstract: raise LocalProtocolError or RemoteProtocolError")
        super().__init__(msg)
        self.error_status_hint = error_status_hint


@mypyc_attr(allow_interpreted_subclasses=True)
class LocalProtocolError(ProtocolError):
    """The caller of the engine broke the protocol.  The message names the state, the event and what was legal."""


@mypyc_attr(allow_interpreted_subclasses=True)
class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.  ``error_status_hint`` says how a server would answer."""
