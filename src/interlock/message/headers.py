"""A field section that can be edited: a mapping without case, which keeps the order and the repetitions of its lines.

Names and values are valid when they are set (RFC 9110 §5.1, §5.5); how they are validated stands in
:mod:`interlock.http.fields`, and so does what they say together.
"""

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self

from interlock.h1.write import field_lines
from interlock.http.errors import LocalProtocolError
from interlock.http.fields import Octets, field_name, field_value, octets_of
from interlock.message.item import Given, Item, item_of

__all__ = ["Fields", "Headers"]

#: What callers may give for the value of a field: one, or the members of a list.
Values = Given | list[Any] | tuple[Any, ...]
#: What callers may give for a field section: a mapping, or pairs of a name and a value.
Fields = Mapping[Any, Any] | Iterable[tuple[Octets, Values]]

#: One field line: its name in lower case and as it is written, and its value; several where a list was given.
Line = tuple[bytes, bytes, list[Item]]

#: RFC 9110 §5.3: the one field whose lines cannot be combined into a list, since its values have commas.
_SET_COOKIE = b"set-cookie"


class Headers(MutableMapping[Any, Any]):
    """The fields of a message, by name.

    A field that is there once is an :class:`Item`; one that has several values is a list of them, line by line.
    ``headers.content_length`` is ``headers["Content-Length"]``.  A list that is set stands in one line, with commas
    (RFC 9110 §5.6.1), but for Set-Cookie; :meth:`add` adds a line.

    Raises :class:`LocalProtocolError` for a name or a value that is malformed.
    """

    __slots__ = ("_lines",)

    _lines: list[Line]

    def __init__(self, fields: Fields = ()) -> None:
        self._lines = []
        if isinstance(fields, Headers):
            self._lines += fields._lines
            return
        for name, value in fields.items() if isinstance(fields, Mapping) else fields:
            self.add(name, value)

    # -- by name

    def __getitem__(self, name: Octets) -> Any:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return values[0] if len(values) == 1 else values

    def get_all(self, name: Octets) -> list[Item]:
        """All values of the fields called ``name``, in order."""
        wanted = _lower(name)
        return [value for lower, _, values in self._lines if lower == wanted for value in values]

    def __setitem__(self, name: Octets, value: Values) -> None:
        """Give the field this value alone, where its first line stands, or at the end."""
        lines = _lines_of(name, value)
        wanted = _lower(name)
        places = [place for place, line in enumerate(self._lines) if line[0] == wanted]
        if not places:
            self._lines += lines
            return
        first = places[0]
        written = self._lines[first][1]
        rest = [line for line in self._lines[first:] if line[0] != wanted]
        self._lines[first:] = [(lower, written, values) for lower, _, values in lines] + rest

    def add(self, name: Octets, value: Values) -> None:
        """Add a field line, whatever others of that name there are."""
        self._lines += _lines_of(name, value)

    def __delitem__(self, name: Octets) -> None:
        wanted = _lower(name)
        left = [line for line in self._lines if line[0] != wanted]
        if len(left) == len(self._lines):
            raise KeyError(name)
        self._lines = left

    def __contains__(self, name: object) -> bool:
        return isinstance(name, Octets) and any(lower == _lower(name) for lower, _, _ in self._lines)

    def __iter__(self) -> Iterator[Item]:
        """Each name once, as it was written first."""
        first: dict[bytes, bytes] = {}
        for lower, written, _ in self._lines:
            first.setdefault(lower, written)
        return iter([Item(written) for written in first.values()])

    def __len__(self) -> int:
        return len({lower for lower, _, _ in self._lines})

    # -- as attributes

    def __getattr__(self, name: str) -> Any:
        values = [] if name.startswith("_") else self.get_all(_field_of(name))
        if not values:
            raise AttributeError(f"there is no field {_field_of(name)}")
        return values[0] if len(values) == 1 else values

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            self[_field_of(name)] = value

    def __delattr__(self, name: str) -> None:
        if _field_of(name) not in self:
            raise AttributeError(f"there is no field {_field_of(name)}")
        del self[_field_of(name)]

    # -- as a whole

    def __add__(self, fields: Fields) -> "Headers":
        """These fields, with the values of ``fields`` where they have the same names."""
        together = Headers(self)
        together += fields
        return together

    def __iadd__(self, fields: Fields) -> Self:
        self.update(Headers(fields))
        return self

    def __sub__(self, fields: Fields) -> "Headers":
        """These fields without those that have the same value in ``fields``."""
        left = Headers(self)
        left -= fields
        return left

    def __isub__(self, fields: Fields) -> Self:
        own, others = self._combined(), Headers(fields)._combined()
        same = {name for name, value in others.items() if own.get(name) == value}
        self._lines = [line for line in self._lines if line[0] not in same]
        return self

    def _combined(self) -> dict[bytes, object]:
        """What each field says, by its name in lower case: one value, however many lines it has (RFC 9110 §5.3)."""
        combined: dict[bytes, object] = {}
        for name in {lower for lower, _, _ in self._lines}:
            values = self.get_all(name)
            combined[name] = values if name == _SET_COOKIE else b", ".join(values)
        return combined

    def __eq__(self, other: object) -> bool:
        """Whether both say the same: the order of names does not matter, nor how values are put into lines."""
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return self._combined() == Headers(other)._combined()
        except (TypeError, LocalProtocolError):  # what is no field section
            return False

    def raw_items(self) -> list[tuple[bytes, bytes]]:
        """The field lines in order: names as they were written, and values."""
        return [(written, b", ".join(values)) for _, written, values in self._lines]

    @property
    def raw(self) -> bytes:
        """The section as it is written: its field lines and the empty line behind them (RFC 9112 §2.1)."""
        return field_lines(self.raw_items())

    def __copy__(self) -> "Headers":
        return Headers(self)

    def __repr__(self) -> str:
        return f"<Headers({self.raw_items()!r})>"


def _lower(name: Octets) -> bytes:
    return Item(name).lower()


def _field_of(attribute: str) -> str:
    """``Content-Length`` of ``content_length``."""
    return "-".join(word.capitalize() for word in attribute.split("_"))


def _lines_of(name: Octets, value: Values) -> list[Line]:
    """The lines of a field: one, or none for an empty list."""
    written = bytes(octets_of(name, "field name"))
    lower = field_name(written)
    given = value if isinstance(value, (list, tuple)) else [value]
    values = [Item(field_value(_value(lower, one).raw)) for one in given]
    if lower == _SET_COOKIE:
        return [(lower, written, [one]) for one in values]
    return [(lower, written, values)] if values else []


def _value(name: bytes, value: Any) -> Item:
    if value is None:
        raise TypeError(f"the value of {name.decode()} has to be bytes, str or int, not None")
    return item_of(value, "field value")
