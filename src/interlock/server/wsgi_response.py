"""What an application tells start_response, checked and turned into the head of a response (PEP 3333).

Nothing is taken for granted of an application's types: what is no native string is its error, and is named as such.
"""

from collections.abc import Iterable
from typing import Any, Final

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Response
from interlock.http.fields import Headers, field_name
from interlock.http.names import CONNECTION_SPECIFIC
from interlock.http.octets import FIELD_VALUE, within
from interlock.server.context import ServerContext

__all__ = ["Head", "field_of"]

#: PEP 3333: "applications are forbidden from using HTTP/1.1 hop-by-hop features or headers".  Those of
#: wsgiref.util.is_hop_by_hop, and their modern kin (RFC 9110 §7.6.1).
_HOP_BY_HOP: Final = CONNECTION_SPECIFIC.union(
    (b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"trailers")
)
#: How many of an application's status lines and field names are remembered.
_REMEMBERED: Final = 1000

_names: Final[dict[str, bytes]] = {}
_statuses: Final[dict[str, tuple[int, bytes]]] = {}


class Head:
    """The head of a response as the application gave it, with the fields that the server adds.

    ``status_code``; ``content_length``: octets, -1 where the application gave none.
    """

    __slots__ = ("_fields", "_headers", "_reason", "content_length", "status_code")

    def __init__(self, context: ServerContext, status: object, headers: Iterable[Any]) -> None:
        """Raises :class:`LocalProtocolError` for what is malformed or not for an application to say."""
        known = _statuses.get(status) if isinstance(status, str) else None
        self.status_code, self._reason = known or _status(status)
        fields = []
        for name, value in headers:
            octets = _names.get(name) if isinstance(name, str) else None
            if octets is not None and isinstance(value, str) and value.isascii():
                fields.append((octets, value.encode("ascii").strip(b" \t")))
            else:
                fields.append(field_of(name, value))
        if self.status_code == 204:
            # RFC 9110 §8.6: a 204 has no Content-Length, but frameworks add it to every response.
            fields = [field for field in fields if field[0] != b"content-length"]
        context.add_defaults(fields)
        self._fields: Final = fields
        self._headers: Final = Headers(fields)
        self.content_length: Final = self._headers.content_length

    def response(self, length: int) -> Response:
        """The event; ``length``: a Content-Length in octets to add, or -1."""
        headers = self._headers if length < 0 else Headers([*self._fields, (b"content-length", b"%d" % length)])
        return Response(status_code=self.status_code, headers=headers, reason=self._reason)


def field_of(name: object, value: object) -> tuple[bytes, bytes]:
    """A field as an application gives it, as octets, the name in lower case.

    White space around the value is taken off.  Raises :class:`LocalProtocolError` for what is no native string, and
    for a name that is malformed or belongs to the connection.
    """
    octets = _name(name)
    if not isinstance(value, str):
        raise LocalProtocolError(f"the value of field {name} has to be a str, not {type(value).__name__} (PEP 3333)")
    try:
        return octets, value.encode("latin-1").strip(b" \t")
    except UnicodeEncodeError:
        raise LocalProtocolError(f"the value of field {name} has characters that are no octets (PEP 3333)") from None


def _name(name: object) -> bytes:
    if not isinstance(name, str):
        raise LocalProtocolError(f"a field name has to be a str, not {type(name).__name__} (PEP 3333)")
    if not name.isascii():
        raise LocalProtocolError(f"illegal field name {name[:64]!r} (RFC 9110 §5.1)")
    octets = field_name(name.encode("ascii"))
    if octets in _HOP_BY_HOP:
        raise LocalProtocolError(f"the field {name} belongs to the connection, not to the application (PEP 3333)")
    if len(_names) < _REMEMBERED:
        _names[name] = octets
    return octets


def _status(status: object) -> tuple[int, bytes]:
    """The code and the reason in "200 OK"; the reason may be empty, the space before it may not be left out."""
    if not isinstance(status, str):
        raise LocalProtocolError(f"the status has to be a str, not {type(status).__name__} (PEP 3333)")
    digits = status[:3]
    if len(digits) < 3 or not digits.isascii() or not digits.isdigit() or status[3:4] != " " or digits < "200":
        raise LocalProtocolError(f"bad status {status[:64]!r}: it has to look like '200 OK' (PEP 3333)")
    try:
        reason = status[4:].encode("latin-1")
    except UnicodeEncodeError:
        raise LocalProtocolError(f"the status {status[:64]!r} has characters that are no octets (PEP 3333)") from None
    if not within(reason, FIELD_VALUE):
        raise LocalProtocolError(f"illegal character in status {status[:64]!r} (RFC 9112 §4)")
    if len(_statuses) < _REMEMBERED:
        _statuses[status] = (int(digits), reason)
    return int(digits), reason
