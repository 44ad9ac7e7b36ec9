"""The scanning primitives, each held against a definition in other words; and their two forms against each other."""

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.http import octets as o

SETS = {name: value for name, value in vars(o).items() if isinstance(value, o.OctetSet)}
LETTERS = string.ascii_letters.encode()
DIGITS = string.digits.encode()

#: Each set, by the grammar of its RFC.
MEMBERS = {
    "ALPHA": LETTERS,
    "DIGIT": DIGITS,
    "HEXDIG": DIGITS + b"abcdefABCDEF",
    "TCHAR": b"!#$%&'*+-.^_`|~" + DIGITS + LETTERS,
    "FIELD_VALUE": b"\t" + bytes(x for x in range(0x20, 0x100) if x != 0x7F),
    "TARGET": bytes(x for x in range(0x21, 0x7F) if x != ord("#")),
    "TARGET_OBS_TEXT": bytes(x for x in range(0x21, 0x100) if x not in {ord("#"), 0x7F}),
    "SCHEME": b"+-." + DIGITS + LETTERS,
    "REG_NAME": b"-._~" + b"!$&'()*+,;=" + DIGITS + LETTERS,
    "IPVFUTURE": b":-._~" + b"!$&'()*+,;=" + DIGITS + LETTERS,
}

#: What matters to the splitting of lines.
ALPHABET = b"\r\n: \tax\0\xa0"


#: Names that split_field_lines() is told of.
KNOWN = {b"a": b"name", b"Host": b"host"}


def split_by_definition(region: bytes) -> o.FieldLines | None:
    """The definition of split_field_lines(), octet by octet."""
    lines = lines_by_definition(region)
    if lines is None:
        return None
    return (
        [(KNOWN.get(name, name), value) for name, value in lines],
        [place for place, (name, _) in enumerate(lines) if name not in KNOWN],
    )


def lines_by_definition(region: bytes) -> list[tuple[bytes, bytes]] | None:
    if len(region) < 2 or region[-2:] != b"\r\n":
        return None
    body = region[:-2]
    if not body:
        return []
    if body[:2] != b"\r\n":
        return None
    lines = []
    for line in body[2:].split(b"\r\n"):
        if any(x not in MEMBERS["FIELD_VALUE"] for x in line):
            return None
        name, colon, value = line.partition(b":")
        if not name or not colon:
            return None
        lines.append((name, value.strip(b" \t")))
    return lines


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_what_its_rfc_says(name: str) -> None:
    assert sorted(SETS[name].members) == sorted(MEMBERS[name])
    assert [octet for octet in range(256) if not SETS[name].table[octet]] == sorted(MEMBERS[name])


@pytest.mark.parametrize("name", SETS)
def test_every_octet_alone_and_among_others(name: str) -> None:
    allowed = SETS[name]
    inside = MEMBERS[name][:1]
    assert o.within(b"", allowed)
    assert o.outside(b"", allowed) == -1
    for octet in range(256):
        for before, behind in itertools.product((b"", inside * 40), repeat=2):
            octets = before + bytes((octet,)) + behind
            is_in = octet in MEMBERS[name]
            assert o.within(octets, allowed) is is_in
            assert o.outside(octets, allowed) == (-1 if is_in else len(before))


@given(st.binary(max_size=200), st.sampled_from(sorted(SETS)))
def test_within_and_outside_agree(octets: bytes, name: str) -> None:
    at = next((i for i, octet in enumerate(octets) if octet not in MEMBERS[name]), -1)
    assert o.outside(octets, SETS[name]) == at
    assert o.within(octets, SETS[name]) is (at < 0)


def check_split(region: bytes, before: bytes = b"", behind: bytes = b"") -> None:
    octets = before + region + behind
    start, end = len(before), len(before) + len(region)
    expected = split_by_definition(region)
    assert o.split_field_lines(octets, start, end, KNOWN) == expected, region
    if not o.COMPILED:
        assert o._split_field_lines_loop(octets, start, end, KNOWN) == expected, region


def test_lines_are_split_alike_by_both_forms_for_all_small_inputs() -> None:
    for length in range(5):
        for middle in itertools.product(ALPHABET, repeat=length):
            check_split(b"\r\n" + bytes(middle) + b"\r\n")


PIECES = st.sampled_from([b"\r\n", b"a: b", b"Host:x", b":", b" ", b"\t", b"a", b"\r", b"\n", b"\0", b"\x85", b"\xa0"])


@given(st.lists(PIECES, max_size=20).map(b"".join), st.binary(max_size=5), st.binary(max_size=5))
def test_lines_are_split_alike_by_both_forms(middle: bytes, before: bytes, behind: bytes) -> None:
    check_split(b"\r\n" + middle + b"\r\n", before, behind)


@given(st.binary(max_size=60))
def test_anything_else_is_no_section(middle: bytes) -> None:
    check_split(b"\r\n" + middle + b"\r\n")
    check_split(b"\r\na: b\r\nc:" + middle + b"\r\n")


def test_white_space_is_that_of_http_only() -> None:
    """bytes.strip() would take VT, FF, 0x85 and 0xA0 for white space too, some of them in str only."""
    for octet in range(256):
        section = b"\r\na:" + bytes((octet,)) + b"b" + bytes((octet,)) + b"\r\n"
        expected = b"b" if octet in b" \t" else bytes((octet,)) + b"b" + bytes((octet,))
        allowed = octet in MEMBERS["FIELD_VALUE"]
        assert o.split_field_lines(section, 0, len(section), {}) == (([(b"a", expected)], [0]) if allowed else None)
