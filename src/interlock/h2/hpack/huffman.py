"""The Huffman code of string literals (RFC 7541 §5.2, Appendix B).

Both directions have two forms, as in :mod:`interlock.http.octets`: one of bulk operations for the interpreter, and one
loop for the compiler.
"""

from typing import Any, Final

from mypy_extensions import i64

from interlock.h2.hpack.errors import HPACKError
from interlock.http.octets import COMPILED

__all__ = ["decode", "encode"]

#: The octets whose codes have so many bits, for each number of bits.  That is the whole of Appendix B: its code is the
#: canonical one, in which codes go up with their length, and within a length with their octet.  EOS is the last one.
_OCTETS_BY_BITS: Final = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: b"\\\xc3\xd0",
    20: b"\x80\x82\x83\xa2\xb8\xc2\xe0\xe2",
    21: b"\x99\xa1\xa7\xac\xb0\xb1\xb3\xd1\xd8\xd9\xe3\xe5\xe6",
    22: b"\x81\x84\x85\x86\x88\x92\x9a\x9c\xa0\xa3\xa4\xa9\xaa\xad\xb2\xb5\xb9\xba\xbb\xbd\xbe\xc4\xc6\xe4\xe8\xe9",
    23: (
        b"\x01\x87\x89\x8a\x8b\x8c\x8d\x8f\x93\x95\x96\x97\x98\x9b"
        b"\x9d\x9e\xa5\xa6\xa8\xae\xaf\xb4\xb6\xb7\xbc\xbf\xc5\xe7\xef"
    ),
    24: b"\t\x8e\x90\x91\x94\x9f\xab\xce\xd7\xe1\xec\xed",
    25: b"\xc7\xcf\xea\xeb",
    26: b"\xc0\xc1\xc8\xc9\xca\xcd\xd2\xd5\xda\xdb\xee\xf0\xf2\xf3\xff",
    27: b"\xcb\xcc\xd3\xd4\xd6\xdd\xde\xdf\xf1\xf4\xf5\xf6\xf7\xf8\xfa\xfb\xfc\xfd\xfe",
    28: (
        b"\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12"
        b"\x13\x14\x15\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f\xdc\xf9"
    ),
    30: b"\n\r\x16",
}
#: Nodes of the tree that are no leaves.  A node's number is its state; 0 is the root.
_NODES: Final = 256
#: What :data:`_MARKS` says of a step: an octet is complete; there is no way on, since it would be EOS.
_EMIT: Final = 1
_FAIL: Final = 2


def _codes() -> tuple[list[int], bytes]:
    """For each octet its code, and how many bits that has."""
    codes = [0] * 0x100
    lengths = bytearray(0x100)
    code = 0
    previous = 0
    for length, octets in _OCTETS_BY_BITS.items():
        code <<= length - previous
        previous = length
        for octet in octets:
            codes[octet] = code
            lengths[octet] = length
            code += 1
    return codes, bytes(lengths)


def _tree() -> list[int]:
    """The children of node n at 2n and 2n+1: a node, or -1 minus a leaf's octet.  0: EOS, which is no octet."""
    tree = [0, 0]
    for octet in range(0x100):
        at = 0
        code = _CODES[octet]
        for shift in range(_LENGTHS[octet] - 1, 0, -1):
            branch = at + ((code >> shift) & 1)
            if not tree[branch]:
                tree[branch] = len(tree) >> 1
                tree += (0, 0)
            at = 2 * tree[branch]
        tree[at + (code & 1)] = -1 - octet
    return tree


def _steps(tree: list[int]) -> tuple[bytes, bytes, bytes]:
    """For each state and each four bits, at 16 * state + bits: the next state, the octet to emit, and the marks."""
    following = bytearray(_NODES * 16)
    emitted = bytearray(_NODES * 16)
    marks = bytearray(_NODES * 16)
    for at in range(_NODES * 16):
        node = at >> 4
        for shift in (3, 2, 1, 0):
            child = tree[2 * node + ((at >> shift) & 1)]
            if child < 0:
                emitted[at] = -1 - child
                marks[at] |= _EMIT
                child = 0
            elif not child:
                marks[at] |= _FAIL
            node = child
        following[at] = node
    return bytes(following), bytes(emitted), bytes(marks)


def _octet_steps() -> tuple[bytes, bytes]:
    """For each state and each octet, at 256 * state + octet: the next state, and 1 if there is no way on."""
    following: list[bytes] = []
    fails: list[bytes] = []
    fail = bytes(mark & _FAIL != 0 for mark in range(_EMIT + _FAIL + 1)).ljust(0x100, b"\0")
    marks = _MARKS.translate(fail)
    for at in range(_NODES * 16):
        row = 16 * _FOLLOWING[at]
        following.append(_FOLLOWING[row : row + 16])
        fails.append(b"\1" * 16 if marks[at] else marks[row : row + 16])
    return b"".join(following), b"".join(fails)


def _ends(tree: list[int]) -> bytes:
    """For each state: 1 if a string may end there, for padding is up to seven bits of ones (RFC 7541 §5.2)."""
    ends = bytearray(_NODES)
    node = 0
    for _ in range(8):
        ends[node] = 1
        node = tree[2 * node + 1]
    return bytes(ends)


_CODED: Final = _codes()
_CODES: Final = _CODED[0]
_LENGTHS: Final = _CODED[1]
_TREE: Final = _tree()
_STEPS: Final = _steps(_TREE)
_FOLLOWING: Final = _STEPS[0]
_EMITTED: Final = _STEPS[1]
_MARKS: Final = _STEPS[2]
_OCTET_STEPS: Final = _octet_steps()
_NEXT: Final = _OCTET_STEPS[0]
_FAILS: Final = _OCTET_STEPS[1]
_ENDS: Final = _ends(_TREE)
#: So many octets are decoded before what they say is put together: a long string takes little more than itself.
_PIECE: Final = 1024
#: The codes as digits.
_DIGITS: Final = [f"{code:0{length}b}" for code, length in zip(_CODES, _LENGTHS, strict=True)]

#: For each state: for each octet what to emit, as a string of up to two characters, one for each octet.  A row is empty
#: until it is needed: few are.
_CHUNKS: Final[list[list[Any]]] = [[] for _ in range(_NODES)]
#: For each state, and for the failure behind them: for each octet what to emit, and the row of the next state; likewise.
_ROWS: Final[list[list[Any]]] = [[] for _ in range(_NODES + 1)]
_ROWS[_NODES] += [(b"", _ROWS[_NODES])] * 0x100
#: The rows in which a string may end.
_END_ROWS: Final = frozenset(id(row) for row, end in zip(_ROWS, _ENDS, strict=False) if end)


def encode(octets: bytes) -> bytes:
    """The Huffman code of ``octets``, padded with ones."""
    if COMPILED:
        return _encode_loop(octets)
    return _encode_bulk(octets)


def decode(octets: bytes) -> bytes:
    """What ``octets`` is the Huffman code of.

    Raises :class:`HPACKError` if it has the code of EOS, or ends in anything but up to seven ones.
    """
    if COMPILED:
        return _decode_loop(octets)
    return _decode_bulk(octets)


def _encode_bulk(octets: bytes) -> bytes:
    if not octets:
        return b""
    digits = "".join([_DIGITS[octet] for octet in octets])
    digits += "1" * (-len(digits) & 7)
    return int(digits, 2).to_bytes(len(digits) >> 3, "big")


def _encode_loop(octets: bytes) -> bytes:
    codes = _CODES
    lengths = _LENGTHS
    out = bytearray()
    bits: i64 = 0
    held: i64 = 0
    at: i64 = 0
    end: i64 = len(octets)
    while at < end:
        octet: i64 = octets[at]
        at += 1
        length: i64 = lengths[octet]
        code: i64 = codes[octet]
        bits = (bits << length) | code
        held += length
        if held >= 32:
            held -= 32
            out += int(bits >> held).to_bytes(4, "big")
            bits &= (1 << held) - 1
    if held:
        padding: i64 = -held & 7
        bits = (bits << padding) | ((1 << padding) - 1)
        out += int(bits).to_bytes((held + padding) >> 3, "big")
    return bytes(out)


def _chunks(state: int) -> list[Any]:
    """The row of a state in :data:`_CHUNKS`."""
    row = _CHUNKS[state]
    if not row:
        for octet in range(0x100):
            first = 16 * state + (octet >> 4)
            second = 16 * _FOLLOWING[first] + (octet & 0x0F)
            chunk = chr(_EMITTED[first]) if _MARKS[first] & _EMIT else ""
            row.append(chunk + chr(_EMITTED[second]) if _MARKS[second] & _EMIT else chunk)
    return row


def _decode_bulk(octets: bytes) -> bytes:
    while True:
        row = _ROWS[0]
        out = bytearray()
        try:
            for octet in octets:
                chunk, row = row[octet]
                out += chunk
        except IndexError:
            _fill(row)
            continue
        if id(row) not in _END_ROWS:
            raise _bad_code()
        return bytes(out)


def _fill(row: list[Any]) -> None:
    """Make the row of a state, which is empty."""
    state = 0
    while _ROWS[state] is not row:
        state += 1
    first = 0x100 * state
    row[:] = [
        (chunk.encode("latin-1"), _ROWS[_NODES if _FAILS[at] else _NEXT[at]])
        for at, chunk in enumerate(_chunks(state), first)
    ]


def _decode_loop(octets: bytes) -> bytes:
    rows = _CHUNKS
    following = _NEXT
    fails = _FAILS
    pieces: list[Any] = []
    state: i64 = 0
    at: i64 = 0
    end: i64 = len(octets)
    while at < end:
        left: i64 = min(end - at, _PIECE)
        chunks: list[Any] = [""] * left
        place: i64 = 0
        while place < left:
            octet: i64 = octets[at]
            step: i64 = 0x100 * state + octet
            if fails[step]:
                raise _bad_code()
            row = rows[state]
            if not row:
                row = _chunks(state)
            chunks[place] = row[octet]
            state = following[step]
            at += 1
            place += 1
        pieces.append("".join(chunks))
    if not _ENDS[state]:
        raise _bad_code()
    return "".join(pieces).encode("latin-1")


def _bad_code() -> HPACKError:
    return HPACKError("a string that is not Huffman code, or has EOS or bad padding (RFC 7541 §5.2)")
