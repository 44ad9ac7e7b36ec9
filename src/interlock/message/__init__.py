"""One HTTP/1.1 message: parsed as it comes, edited, and written back (RFC 9112).  It does no I/O.

:class:`Request` and :class:`Response` are for scripts, proxies and tests that have octets and want a message, or the
reverse.  The names are those of httpq; docs/message.md lists where the meaning is another.
"""

from interlock.http.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from interlock.http.limits import Limits
from interlock.message.headers import Headers
from interlock.message.item import Item
from interlock.message.messages import Message, Request, Response, state

__all__ = [
    "Headers",
    "Item",
    "Limits",
    "LocalProtocolError",
    "Message",
    "ProtocolError",
    "RemoteProtocolError",
    "Request",
    "Response",
    "state",
]
