"""Fields to field blocks (RFC 7541 §6), and what is put into the dynamic table of this direction.

What is not put there: secrets (§7.1.3), and what is hardly ever sent twice.  A Date is: all responses of one second
share it.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from interlock.h2.hpack.integer import encode_integer
from interlock.h2.hpack.static import SIZE, STATIC_FIELDS, STATIC_NAMES
from interlock.h2.hpack.strings import SECRET, write_string

__all__ = ["Encoder"]

#: The table's size before anything is said about it (RFC 9113 §6.5.2).
_INITIAL: Final = 4096

#: The first bits of a literal (RFC 7541 §6.2): with incremental indexing, without, and never indexed.
_INDEXING: Final = 0x40
_WITHOUT: Final = 0x00
_NEVER: Final = 0x10

#: Fields that are never indexed, and those that are not if they are short enough to be guessed (RFC 7541 §7.1.3).
_CREDENTIALS: Final = frozenset((b"authorization", b"proxy-authorization"))
_COOKIES: Final = frozenset((b"cookie", b"set-cookie"))
_GUESSED: Final = 20

#: Fields that differ from message to message.
_CHANGING: Final = frozenset(
    b"""
    age content-length content-range etag if-match if-modified-since if-none-match if-range if-unmodified-since
    last-modified location range set-cookie traceparent tracestate x-request-id
    """.split()
)
#: A target that is longer than this, or has a query, is not likely to be asked for again.
_LONGEST_PATH: Final = 64

#: Indexed fields (RFC 7541 §6.1): all indices that a table of 4096 octets can have, and more.
_INDEXED: Final = [encode_integer(index, 0x7F, 0x80) for index in range(256)]


#: (name, value) of the static table -> minus its index.
_STATIC: Final[dict[Any, int]] = {field: -index for field, index in STATIC_FIELDS.items()}


def representation(name: bytes, value: bytes) -> int:
    """How a field is written that is not in a table: the first bits of its literal."""
    if name in _CREDENTIALS or (len(value) < _GUESSED and name in _COOKIES):
        return _NEVER
    if name in _CHANGING:
        return _WITHOUT
    if name == b":path" and (len(value) > _LONGEST_PATH or value.find(b"?") >= 0):
        return _WITHOUT
    return _INDEXING


class Encoder:
    """Encodes the field sections of one direction of a connection, in their order."""

    __slots__ = ("_entries", "_index", "_inserted", "_least", "_most", "_names", "_octets", "_size", "version")

    def __init__(self, max_table_size: int = 4096) -> None:
        """``max_table_size``: octets that the dynamic table is to have at most, whatever the peer allows."""
        self._most: Final = max_table_size
        #: What the table may have now, and what it has (RFC 7541 §4.1).
        self._size = min(max_table_size, _INITIAL)
        self._octets = 0
        #: The least size since the last block, if the peer has to be told; else -1.
        self._least = self._size if self._size < _INITIAL else -1
        #: (name, value) -> which insertion it was, counted from 1; as in _STATIC if it is in the static table.
        self._index: Final[dict[Any, int]] = _STATIC.copy()
        #: A name that is not in the static table -> the last insertion that has it.
        self._names: Final[dict[bytes, int]] = {}
        #: The dynamic table, from its oldest entry to its newest.
        self._entries: Final[deque[Any]] = deque()
        self._inserted = 0
        #: Changes whenever the table, or what has to be said of it, has changed: until then a field list that did not
        #: change it makes the same block again.
        self.version = 0

    @property
    def max_table_size(self) -> int:
        """What the dynamic table may have (octets).  Set it to the peer's SETTINGS_HEADER_TABLE_SIZE.

        The next block says what it has become, and what it was least in between (RFC 7541 §4.2).
        """
        return self._size

    @max_table_size.setter
    def max_table_size(self, octets: int) -> None:
        size = min(octets, self._most)
        if size != self._size:
            self._size = size
            self.version += 1
            self._least = size if self._least < 0 else min(size, self._least)
            self._make_room(0)

    def encode(self, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The block of ``fields``: (name, value), names in lower case."""
        parts: list[bytes] = []
        if self._least >= 0:
            parts.append(self._write_size_updates())
        known = self._index
        section: Any = fields  # whose pairs are looked up as they are
        for field in section:
            number = known.get(field)
            if number is None:
                parts.append(self._write_literal(field))
                continue
            index = -number if number < 0 else self._inserted + (SIZE + 1) - number
            parts.append(_INDEXED[index] if index < 256 else encode_integer(index, 0x7F, 0x80))
        return b"".join(parts)

    def _write_literal(self, field: Any) -> bytes:
        """``field`` as a literal (RFC 7541 §6.2), put into the table if it is likely to come again."""
        pair: tuple[bytes, bytes] = field
        name, value = pair
        pattern = representation(name, value)
        index = STATIC_NAMES.get(name, 0)
        if not index:
            number = self._names.get(name, 0)
            if number:
                index = self._inserted + (SIZE + 1) - number
        size = len(name) + len(value) + 32
        if pattern == _INDEXING and 4 * size > 3 * self._size:
            pattern = _WITHOUT
        head = encode_integer(index, 0x3F if pattern == _INDEXING else 0x0F, pattern)
        if not index:
            head += write_string(name, public=True)
        if pattern == _INDEXING:
            self._insert(field, name, size)
        return head + write_string(value, public=name not in SECRET)

    def _write_size_updates(self) -> bytes:
        """The size updates that are due (RFC 7541 §6.3)."""
        updates = encode_integer(self._size, 0x1F, 0x20)
        if self._least < self._size:
            updates = encode_integer(self._least, 0x1F, 0x20) + updates
        self._least = -1
        self.version += 1
        return updates

    def _insert(self, field: Any, name: bytes, size: int) -> None:
        """Put ``field``, which is ``size`` octets in the table, into it."""
        self._make_room(size)
        self._octets += size
        self._inserted += 1
        self.version += 1
        self._entries.append(field)
        self._index[field] = self._inserted
        if name not in STATIC_NAMES:
            self._names[name] = self._inserted

    def _make_room(self, size: int) -> None:
        """Evict the oldest entries until there is room for ``size`` octets (RFC 7541 §4.3, §4.4)."""
        entries = self._entries
        while entries and self._octets + size > self._size:
            number = self._inserted - len(entries) + 1
            field = entries.popleft()
            pair: tuple[bytes, bytes] = field
            name, value = pair
            self._octets -= len(name) + len(value) + 32
            del self._index[field]
            if self._names.get(name) == number:
                del self._names[name]
