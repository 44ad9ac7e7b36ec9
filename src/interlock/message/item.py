"""A value of a message, which compares with bytes, text and numbers alike.

What may be given for a value, and how it becomes octets, is told here; what a value of each kind may hold is not: that
is for :mod:`interlock.http.fields` and :mod:`interlock.h1.parse` to say.
"""

from typing import Any, Self

from interlock.http.fields import Octets, octets_of

__all__ = ["Given", "Item", "item_of"]

#: What callers may give for a value: bytes-like, text or a number.
Given = Octets | int


class Item(bytes):
    """One value: bytes that are equal to the same bytes, to text that encodes to them, and to the number they write.

    ``Item(b"197") == 197 == "197"``; an empty one is equal to None, too.  It has all methods of bytes; ``str()`` decodes
    it, and ``int()`` gives the number, or raises :class:`ValueError`.
    """

    __slots__ = ()

    def __new__(cls, value: Given | None = None) -> Self:
        """``value``: bytes-like, text (UTF-8), a number (in decimal), or None for no octets."""
        return super().__new__(cls, _octets(value))

    @property
    def raw(self) -> bytes:
        """The octets."""
        return bytes(self)

    @property
    def string(self) -> str:
        r"""The octets as UTF-8; what is none is shown as ``\xNN``."""
        return self.decode("utf-8", "backslashreplace")

    @property
    def integer(self) -> int | None:
        """The number that the octets write in decimal digits, 18 of them at most; None where they do not."""
        return int(self.raw) if self.isdigit() and len(self) <= 18 else None

    def __int__(self) -> int:
        number = self.integer
        if number is None:
            raise ValueError(f"not a number: {self.raw[:64]!r}")
        return number

    def __str__(self) -> str:
        return self.string

    def __eq__(self, other: object) -> bool:
        if other is None:
            return not self
        if not isinstance(other, Given):
            return NotImplemented
        return bytes.__eq__(self, _octets(other, "surrogatepass"))

    def __ne__(self, other: object) -> bool:  # bytes has one of its own, which knows no text
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    __hash__ = bytes.__hash__

    def __contains__(self, part: Any) -> bool:
        return bytes.__contains__(self, _octets(part))

    def __add__(self, other: Any) -> "Item":
        return Item(self.raw + _octets(other))


def _octets(value: object, errors: str = "strict") -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", errors)
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"a value has to be bytes, str or int, not {type(value).__name__}")


def item_of(value: Given | None, what: str) -> Item:
    """``value`` as an item of a head, where text has to be ASCII.  ``what`` names it in the error."""
    if value is None or isinstance(value, int):
        return Item(value)
    return Item(octets_of(value, what))
