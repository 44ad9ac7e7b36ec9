"""String literals (RFC 7541 §5.2)."""

from typing import Final

from interlock.h2.hpack import huffman
from interlock.h2.hpack.errors import HPACKError
from interlock.h2.hpack.integer import decode_integer, encode_integer

__all__ = ["SECRET", "read_string", "write_string"]

#: Fields whose values are never kept outside their connection.
SECRET: Final = frozenset((b"set-cookie", b"cookie", b"authorization", b"proxy-authorization"))

#: Huffman-coded strings that were read before -> what they are; strings that were written before -> their literals.
#: Short ones only, none that may be a secret, and at most _MOST_STRINGS in each.
_READ: Final[dict[bytes, bytes]] = {}
_WRITTEN: Final[dict[bytes, bytes]] = {}
_MOST_STRINGS: Final = 1024
_LONGEST_STRING: Final = 128


def read_string(block: bytes, at: int, public: bool) -> tuple[bytes, int]:
    """The string literal at ``at``, and where it ends.  What is ``public``, no secret, may be kept.

    Raises :class:`HPACKError` if it is not complete, or its Huffman code is bad.
    """
    size = len(block)
    if at >= size:
        raise HPACKError("the field block ends before a string literal (RFC 7541 §6.2)")
    first = block[at]
    length = first & 0x7F
    at += 1
    if length == 0x7F:
        length, at = decode_integer(block, at, 0x7F)
    end = at + length
    if end > size:
        raise HPACKError("a string literal ends behind its field block (RFC 7541 §5.2)")
    octets = block[at:end]
    if first < 0x80:
        return octets, end
    if not public or length > _LONGEST_STRING:
        return huffman.decode(octets), end
    string = _READ.get(octets)
    if string is None:
        string = huffman.decode(octets)
        if len(_READ) >= _MOST_STRINGS:
            _READ.clear()
        _READ[octets] = string
    return string, end


def write_string(string: bytes, public: bool) -> bytes:
    """``string`` as a literal, Huffman-coded where that is shorter.  What is ``public``, no secret, may be kept."""
    literal = _WRITTEN.get(string) if public else None
    if literal is not None:
        return literal
    code = huffman.encode(string)
    if len(code) < len(string):
        literal = encode_integer(len(code), 0x7F, 0x80) + code
    else:
        literal = encode_integer(len(string), 0x7F, 0) + string
    if public and len(string) <= _LONGEST_STRING:
        if len(_WRITTEN) >= _MOST_STRINGS:
            _WRITTEN.clear()
        _WRITTEN[string] = literal
    return literal
