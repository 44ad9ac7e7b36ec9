"""The messages of an opening handshake as the callers of a library see them: text, where the engines have octets.

The names are those that users of the websockets library know.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Final

from interlock.http import events

__all__ = ["Headers", "HeadersLike", "MultipleValuesError", "Request", "Response"]

#: What headers can be given as.
HeadersLike = Mapping[str, str] | Iterable[tuple[str, str]]


class MultipleValuesError(LookupError):
    """One value was asked for, and there are several fields of that name: :meth:`Headers.get_all` has all."""


class Headers(MutableMapping[str, str]):
    """Fields by their names, whose case does not matter.  A name can have several: :meth:`get_all`."""

    def __init__(self, fields: HeadersLike = ()) -> None:
        self._fields: Final[list[tuple[str, str]]] = []
        for name, value in fields.items() if isinstance(fields, Mapping) else fields:
            self[name] = value

    def __getitem__(self, name: str) -> str:
        """The value of the field of that name.  Raises :class:`KeyError` for none, :class:`MultipleValuesError` for several."""
        values = self.get_all(name)
        if len(values) > 1:
            raise MultipleValuesError(name)
        if not values:
            raise KeyError(name)
        return values[0]

    def __setitem__(self, name: str, value: str) -> None:
        """Add a field; those of the same name stay."""
        self._fields.append((name, value))

    def __delitem__(self, name: str) -> None:
        lower = name.lower()
        self._fields[:] = [field for field in self._fields if field[0].lower() != lower]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in self._fields}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"

    def get_all(self, name: str) -> list[str]:
        """The values of all fields of that name."""
        lower = name.lower()
        return [value for each, value in self._fields if each.lower() == lower]

    def raw_items(self) -> Iterator[tuple[str, str]]:
        """All fields, in order."""
        return iter(self._fields)


class Request:
    """A client's request.  ``path``: path and query."""

    __slots__ = ("headers", "path")

    def __init__(self, path: str, headers: Headers) -> None:
        self.path: Final = path
        self.headers: Final = headers

    def __repr__(self) -> str:
        return f"Request({self.path!r}, {self.headers!r})"


class Response:
    """A server's response.  ``body``: its content, or where it rejects with much, the beginning of that."""

    __slots__ = ("body", "headers", "reason_phrase", "status_code")

    def __init__(self, status_code: int, reason_phrase: str, headers: Headers, body: bytes = b"") -> None:
        self.status_code: Final = status_code
        self.reason_phrase: Final = reason_phrase
        self.headers: Final = headers
        self.body: Final = body

    def __repr__(self) -> str:
        return f"Response({self.status_code}, {self.reason_phrase!r}, {self.headers!r}, {self.body!r})"


def request_of(request: events.Request) -> Request:
    """An engine's request, as text."""
    return Request(request.target.decode("latin-1"), _headers_of(request))


def response_of(response: events.Response | events.InformationalResponse, body: bytes = b"") -> Response:
    """An engine's response, as text."""
    return Response(response.status_code, response.reason.decode("latin-1"), _headers_of(response), body)


def octets_of(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Fields for an engine.  Raises :class:`ValueError` for what no field may have in it."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.raw_items()]


def _headers_of(message: events.Request | events.Response | events.InformationalResponse) -> Headers:
    return Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in message.headers.raw_items())
