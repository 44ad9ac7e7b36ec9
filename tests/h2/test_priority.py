"""The values of Priority fields and PRIORITY_UPDATE frames, against the grammar of RFC 8941 in other words."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock.h2.priority import DEFAULT_PRIORITY, LONGEST_VALUE, Priority, parse_priority, priority_value

EXAMPLES = settings(deadline=None)

LCALPHA = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
TCHAR = "!#$%&'*+-.^_`|~" + DIGITS + LCALPHA + LCALPHA.upper()


# -- RFC 8941 §4.2, step by step as it stands there


class NoDictionary(Exception):
    pass


class Reader:
    """The algorithms of RFC 8941 §4.2, literally.  Values are pairs of a type's name and a value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def here(self) -> str:
        return self.text[self.at : self.at + 1]

    def drop(self, octets: str) -> None:
        while self.here and self.here in octets:
            self.at += 1

    def take(self, octets: str) -> str:
        start = self.at
        self.drop(octets)
        return self.text[start : self.at]

    def want(self, condition: object) -> None:
        if not condition:
            raise NoDictionary(self.text)

    def skip(self, octet: str) -> bool:
        if self.here != octet:
            return False
        self.at += 1
        return True

    def dictionary(self) -> dict[str, tuple[str, object]]:
        members = {}
        self.drop(" ")
        while self.here:
            key = self.key()
            if self.skip("="):
                value = self.inner_list() if self.here == "(" else self.bare_item()
            else:
                value = ("boolean", True)
            self.parameters()
            members[key] = value
            self.drop(" \t")
            if not self.here:
                break
            self.want(self.skip(","))
            self.drop(" \t")
            self.want(self.here)
        return members

    def key(self) -> str:
        self.want(self.here and self.here in LCALPHA + "*")
        return self.take(LCALPHA + DIGITS + "_-.*")

    def parameters(self) -> None:
        while self.skip(";"):
            self.drop(" ")
            self.key()
            if self.skip("="):
                self.bare_item()

    def inner_list(self) -> tuple[str, object]:
        self.want(self.skip("("))
        while True:
            self.drop(" ")
            if self.skip(")"):
                return ("list", None)
            self.bare_item()
            self.parameters()
            self.want(self.here and self.here in " )")

    def bare_item(self) -> tuple[str, object]:
        here = self.here
        self.want(here)
        if here in "-" + DIGITS:
            return self.number()
        if self.skip('"'):
            while not self.skip('"'):
                self.want(self.here and 0x20 <= ord(self.here) <= 0x7E)
                if self.skip("\\"):
                    self.want(self.here and self.here in '"\\')
                self.at += 1
            return ("string", None)
        if here in "*" + LCALPHA + LCALPHA.upper():
            return ("token", self.take(TCHAR + ":/"))
        if self.skip(":"):
            self.take(TCHAR.translate({ord(c): None for c in "!#$%&'*-.^_`|~"}) + "/=")
            self.want(self.skip(":"))
            return ("binary", None)
        self.want(self.skip("?"))
        self.want(self.here and self.here in "01")
        self.at += 1
        return ("boolean", self.text[self.at - 1] == "1")

    def number(self) -> tuple[str, object]:
        sign = -1 if self.skip("-") else 1
        whole = self.take(DIGITS)
        self.want(whole)
        if self.skip("."):
            fraction = self.take(DIGITS)
            self.want(len(whole) <= 12 and 1 <= len(fraction) <= 3)
            return ("decimal", None)
        self.want(len(whole) <= 15)
        return ("integer", sign * int(whole))


def by_definition(value: bytes) -> Priority:
    if len(value) > 256:
        return Priority(3, False)
    try:
        members = Reader(value.decode("latin-1")).dictionary()
    except NoDictionary:
        return Priority(3, False)
    urgency = members.get("u", ("integer", 3))
    incremental = members.get("i", ("boolean", False))
    return Priority(
        urgency[1] if urgency[0] == "integer" and urgency[1] in range(8) else 3,
        incremental[1] if incremental[0] == "boolean" else False,
    )


# -- examples


VALUES = {
    # said as it is meant
    b"": (3, False),
    b"   ": (3, False),
    b"u=0": (0, False),
    b"u=7": (7, False),
    b"u=-0": (0, False),
    b"u=000000000000005": (5, False),
    b"i": (3, True),
    b"i=?1": (3, True),
    b"i=?0": (3, False),
    b"u=5, i": (5, True),
    b" u=5": (5, False),
    b"  u=5,i ": (5, True),
    b"u=5\t , \ti\t": (5, True),
    b"i, u=2": (2, True),
    b"u=2;x;y=?0; z=:YQ==:, i;x": (2, True),
    # the last of one key counts, and if that is ignored, none does
    b"u=1, u=2": (2, False),
    b"u=1, u=9": (3, False),
    b"i, i=?0": (3, False),
    b"i, i=1": (3, False),
    # unknown members
    b'a, b=1.5, c="x\\"y\\\\", d=tok/en:*, *e=:AA==:, f=(), g=( 1 a;b ?0  ), h=(1 2);q=1, u=6': (6, False),
    b"U=1": (3, False),
    b"u.=1, i-": (3, False),
    # out of range, or of another type
    b"u=8, i": (3, True),
    b"u=-1, i": (3, True),
    b"u=999999999999999, i": (3, True),
    b"u=1.0, i": (3, True),
    b"u, i": (3, True),
    b"u=a, i": (3, True),
    b'u="1", i': (3, True),
    b"u=(1), i": (3, True),
    b"u=?1, i": (3, True),
    b"u=:MQ==:, i": (3, True),
    b"u=1, i=1": (1, False),
    b"u=1, i=true": (1, False),
    b"u=1, i=(?1)": (1, False),
    # no dictionary
    b"u=1,": (3, False),
    b"u=1, ": (3, False),
    b",u=1": (3, False),
    b"u=1,,i": (3, False),
    b"u=1 i": (3, False),
    b"u=1;": (3, False),
    b"u=1 ;a": (3, False),
    b"u=1;=2": (3, False),
    b"u= 1": (3, False),
    b"u =1": (3, False),
    b"u=": (3, False),
    b"\tu=1": (3, False),
    b"u=1\n": (3, False),
    b"u=1\0": (3, False),
    b"u=1, I": (3, False),
    b"u=1, a=@1": (3, False),
    b"u=1, a=1.": (3, False),
    b"u=1, a=1.2345": (3, False),
    b"u=1, a=1234567890123.1": (3, False),
    b"u=1, a=1234567890123456": (3, False),
    b"u=1, a=--1": (3, False),
    b"u=1, a=+1": (3, False),
    b"u=1, a=?2": (3, False),
    b'u=1, a="': (3, False),
    b'u=1, a="\\x"': (3, False),
    b'u=1, a="\xe9"': (3, False),
    b"u=1, a=:*:": (3, False),
    b"u=1, a=:AA==": (3, False),
    b"u=1, a=(1": (3, False),
    b"u=1, a=(1,2)": (3, False),
    b"u=1, a=(1;b)(2)": (3, False),
    b'u=1, a=("x""y")': (3, False),
    b"u=1, a=(\t1)": (3, False),
    b"u=1, a=((1))": (3, False),
    b"u=\xd9\xa1": (3, False),
    b"u=1\xa0": (3, False),
}


@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_a_value(value: bytes) -> None:
    expected = Priority(*VALUES[value])
    assert parse_priority(value) == expected
    assert by_definition(value) == expected


PIECES = st.sampled_from(
    ["u", "i", "=", ",", ", ", ";", " ", "\t", "(", ")", "?0", "?1", "1", "-", ".", '"', "\\", ":", "a", "*", "Z", "8"]
)
ITEMS = st.one_of(
    st.integers(-2, 9).map(str),
    st.integers(-(10**16), 10**16).map(str),
    st.sampled_from(
        ["1.5", "-0.125", "1.", "?1", "?0", '"a,b\\""', "tok", ":YWI=:", "()", "(1 2)", "( a;b )", "(1;c=2)"]
    ),
)
KEYS = st.sampled_from(["u", "i", "u", "i", "x", "*a", "u1", "b-.*_"])
MEMBERS = st.builds(
    lambda key, item, parameters: key + ("" if item is None else "=" + item) + "".join(";" + p for p in parameters),
    KEYS,
    st.none() | ITEMS,
    st.lists(st.sampled_from(["a", " b", "c=1", "d=?0", 'e=";,"']), max_size=2),
)
DICTIONARIES = st.lists(MEMBERS, max_size=5).flatmap(
    lambda members: st.sampled_from([",", ", ", " ,\t"]).map(lambda comma: comma.join(members))
)


@EXAMPLES
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), DICTIONARIES, st.text(max_size=20)))
@example("u=1, a=" + '"' + "\\" * 120)
def test_as_the_rfc_reads_it(text: str) -> None:
    value = text.encode("utf-8")
    assert parse_priority(value) == by_definition(value)


@EXAMPLES
@given(st.binary(max_size=300))
def test_any_octets_give_a_priority(value: bytes) -> None:
    priority = parse_priority(value)
    assert priority == by_definition(value)
    assert priority.urgency in range(8)


@pytest.mark.parametrize("urgency", range(8))
@pytest.mark.parametrize("incremental", [False, True])
def test_what_is_written_is_read_back(urgency: int, incremental: bool) -> None:
    priority = Priority(urgency, incremental)
    value = priority_value(priority)
    assert parse_priority(value) == priority
    assert parse_priority(value + b" ") == priority  # past the values that are read already
    assert by_definition(value) == priority


def test_how_it_is_written() -> None:
    assert priority_value(Priority()) == b"u=3"
    assert priority_value(Priority(0, True)) == b"u=0, i"


def test_a_value_that_is_too_long_is_ignored() -> None:
    assert LONGEST_VALUE == 256
    longest = b"u=1, a=" + b"x" * 249
    assert len(longest) == 256
    assert parse_priority(longest) == Priority(1)
    assert parse_priority(longest + b"x") == Priority()


def test_a_priority() -> None:
    assert DEFAULT_PRIORITY == Priority() == Priority(3, False)
    assert Priority(1) != Priority(2)
    assert Priority(1) != Priority(1, True)
    assert Priority() != 3
    assert len({Priority(1), Priority(1, False), Priority(1, True)}) == 2
    assert repr(Priority(1, True)) == "Priority(urgency=1, incremental=True)"
