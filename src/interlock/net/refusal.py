"""The response that a driver makes itself, to what never reaches an application."""

from collections.abc import Callable, Sequence

from interlock.http.errors import ProtocolError
from interlock.http.events import Data, EndOfMessage, Event, Response
from interlock.http.status import reason

__all__ = ["refusal"]


def refusal(
    error: ProtocolError,
    method: bytes,
    add_defaults: Callable[[list[tuple[bytes, bytes]]], None] | None,
    *,
    close: bool = True,
    further: Sequence[tuple[bytes, bytes]] = (),
) -> tuple[list[Event], int]:
    """The events of a response that says what was wrong; and the octets of its content.

    ``method``: of the request, b"" where none was understood.  ``add_defaults`` appends fields such as Date.
    ``close``: whether it says that the connection is closed, which HTTP/2 has no field for (RFC 9113 §8.2.2).
    ``further``: fields that belong to the status.
    """
    status = error.error_status_hint
    text = b"%b: %b\n" % (reason(status), str(error).encode())
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
    ]
    fields += further
    if close:
        fields.append((b"connection", b"close"))
    if add_defaults is not None:
        add_defaults(fields)
    if method == b"HEAD":
        text = b""
    head = Response(status_code=status, headers=fields, reason=reason(status))
    return [head, Data(text), EndOfMessage()], len(text)
