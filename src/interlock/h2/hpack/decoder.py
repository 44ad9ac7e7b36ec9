"""Field blocks to fields (RFC 7541 §3, §6), and the dynamic table of this direction (§2.3, §4).

A field of the table is one tuple for as long as it stands there: who decodes it twice gets the same object twice.
What fields mean is not known here; but who knows can have each looked at once, when it is read, and be told then and
whenever it comes again out of the table.
"""

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import i64

from interlock.h2.hpack.errors import HPACKError
from interlock.h2.hpack.integer import decode_integer
from interlock.h2.hpack.static import LARGEST, REVERSED, SIZE
from interlock.h2.hpack.strings import SECRET, read_string

__all__ = ["Decoder"]

#: What a name and a value mean to somebody; 0: nothing of interest.
Mark = Callable[[bytes, bytes], int]


def unmarked(_name: bytes, _value: bytes) -> int:
    """The mark of all fields where nobody asks for marks."""
    return 0


#: The static table with the marks of its fields, for each function that gives them.
_MARKED: Final[dict[Mark, list[Any]]] = {}


def _static_table(mark: Mark) -> list[Any]:
    table = _MARKED.get(mark)
    if table is None:
        table = _MARKED[mark] = [((name, value), mark(name, value)) for name, value in REVERSED]
    return table.copy()


class Decoder:
    """Decodes the field blocks of one direction of a connection, in their order."""

    __slots__ = (
        "_largest",
        "_lowered",
        "_mark",
        "_max_fields",
        "_max_list_octets",
        "_max_table_size",
        "_octets",
        "_size",
        "_table",
        "marked",
        "never_indexed",
        "overflow",
        "version",
    )

    def __init__(
        self,
        max_table_size: int = 4096,
        max_list_octets: int = 65536,
        max_fields: int = 100,
        mark: Mark = unmarked,
    ) -> None:
        """``max_table_size``: octets of the dynamic table, as both ends know it from the start; 4096 in HTTP/2.

        ``max_list_octets`` and ``max_fields``: how much of a field list is kept; see :attr:`overflow`.  ``mark``: see
        :attr:`marked`.
        """
        self._mark: Final = mark
        #: The dynamic table from its oldest entry to its newest, then the static one backwards: index n is [-n].  An
        #: entry is a field and its mark.
        self._table: Final[list[Any]] = _static_table(mark)
        #: What the table may have now, what it has, and the largest entry that it ever had (RFC 7541 §4.1).
        self._size = max_table_size
        self._octets = 0
        self._largest = LARGEST
        self._max_table_size = max_table_size
        #: The lowest bound since the last block, if the table was larger than that; else -1.
        self._lowered = -1
        self._max_list_octets: Final = max_list_octets
        self._max_fields: Final = max_fields
        #: Whether the last field list was more than is kept: it has the fields up to the limit, the table all.
        self.overflow = False
        #: The fields of the last list whose mark is not 0, each with its mark, in their order.
        self.marked: list[Any] = []
        #: Which fields of the last list must be literals also where they are sent on (RFC 7541 §6.2.3).
        self.never_indexed: tuple[int, ...] = ()
        #: Changes whenever the table, or what it may be, has changed.
        self.version = 0

    @property
    def max_table_size(self) -> int:
        """The SETTINGS_HEADER_TABLE_SIZE that the peer has acknowledged: its encoder keeps within that (octets).

        Where it goes below what the table may have now, the next block has to begin with a size update (§4.2).
        """
        return self._max_table_size

    @max_table_size.setter
    def max_table_size(self, octets: int) -> None:
        self._max_table_size = octets
        self.version += 1
        if octets < self._size and (self._lowered < 0 or octets < self._lowered):
            self._lowered = octets

    def decode(self, block: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of a block, as (name, value).  Raises :class:`HPACKError`; after that the decoder is of no use."""
        fields: list[Any] = []
        marked: list[Any] = []
        never: list[int] = []
        self.overflow = False
        self.marked = marked
        self.never_indexed = ()
        table = self._table
        largest = self._largest
        most: i64 = self._max_fields
        count: i64 = 0
        at: i64 = 0
        end: i64 = len(block)
        if self._lowered >= 0 or (end and (block[0] & 0xE0) == 0x20):
            at = self._read_size_updates(block)
        try:
            while at < end:
                octet: i64 = block[at]
                at += 1
                if octet > 0x80 and octet < 0xFF:
                    entry: Any = table[0x80 - octet]
                elif octet >= 0x80:
                    if octet == 0x80:
                        raise HPACKError("index 0 (RFC 7541 §6.1)")
                    index, at = decode_integer(block, at, 0x7F)
                    entry = table[-index]
                else:
                    name, value, at = self._read_literal(block, at, octet)
                    entry = ((name, value), self._mark(name, value))
                    if octet & 0xF0 == 0x10:
                        never.append(count)
                    size = len(name) + len(value) + 32
                    if size > largest:
                        largest = size
                    if octet >= 0x40:
                        self._insert(entry, size)
                if count < most:
                    known: tuple[Any, int] = entry
                    fields.append(known[0])
                    if known[1]:
                        marked.append(entry)
                count += 1
        except IndexError:
            raise HPACKError("an index beyond the table (RFC 7541 §2.3.3)") from None
        if count > most:
            self.overflow = True
        # Only where the list could be too large is it measured.
        if count * largest > self._max_list_octets:
            self._cut(fields)
        if never:
            self.never_indexed = tuple([index for index in never if index < len(fields)])
        return fields

    def _read_literal(self, block: bytes, at: int, octet: int) -> tuple[bytes, bytes, int]:
        """The name and the value of the literal whose first octet is ``octet`` (RFC 7541 §6.2), and where it ends."""
        if octet >= 0x40:
            mask = 0x3F
        elif octet < 0x20:
            mask = 0x0F
        else:
            raise HPACKError("a size update behind a field (RFC 7541 §4.2)")
        index = octet & mask
        if index == mask:
            index, at = decode_integer(block, at, mask)
        if index:
            entry: tuple[tuple[bytes, bytes], int] = self._table[-index]
            name = entry[0][0]
        else:
            name, at = read_string(block, at, True)
        value, at = read_string(block, at, octet & 0xF0 != 0x10 and name not in SECRET)
        return name, value, at

    def _read_size_updates(self, block: bytes) -> int:
        """Read the size updates that a block begins with (RFC 7541 §6.3); where they end."""
        at = 0
        updates = 0
        while at < len(block) and (block[at] & 0xE0) == 0x20:
            size = block[at] & 0x1F
            at += 1
            if size == 0x1F:
                size, at = decode_integer(block, at, 0x1F)
            updates += 1
            if updates > 2:
                raise HPACKError("more than two size updates (RFC 7541 §4.2)")
            if size > self._max_table_size:
                raise HPACKError(f"a table size of {size} octets, more than allowed (RFC 7541 §6.3)")
            if self._lowered >= 0:
                if size > self._lowered:
                    break
                self._lowered = -1
            self._size = size
            self.version += 1
            self._make_room(0)
        if self._lowered >= 0:
            raise HPACKError("no size update after the table size was lowered (RFC 7541 §4.2)")
        return at

    def _insert(self, entry: Any, size: int) -> None:
        """Put ``entry``, which is ``size`` octets in the table, into it (RFC 7541 §4.4)."""
        self.version += 1
        self._make_room(size)
        if size <= self._size:
            self._table.insert(len(self._table) - SIZE, entry)
            self._octets += size
            if size > self._largest:
                self._largest = size

    def _make_room(self, size: int) -> None:
        """Evict the oldest entries until there is room for ``size`` octets, or until there is none."""
        table = self._table
        evicted = 0
        while self._octets + size > self._size and self._octets:
            entry: tuple[tuple[bytes, bytes], int] = table[evicted]
            self._octets -= len(entry[0][0]) + len(entry[0][1]) + 32
            evicted += 1
        if evicted:
            del table[:evicted]

    def _cut(self, fields: list[Any]) -> None:
        """Measure ``fields``, and take away what is beyond the limit (RFC 9113 §6.5.2)."""
        room = self._max_list_octets
        for kept, field in enumerate(fields):
            entry: tuple[bytes, bytes] = field
            room -= len(entry[0]) + len(entry[1]) + 32
            if room < 0:
                self.overflow = True
                del fields[kept:]
                return
