"""Field sections: what they interpret, what they refuse, and how they read."""

from typing import Any

import pytest

from interlock.http.errors import LocalProtocolError
from interlock.http.fields import (
    CHUNKED,
    CLOSE,
    EXPECT_CONTINUE,
    EXPECT_UNKNOWN,
    FORBIDDEN_TRAILERS,
    KEEP_ALIVE,
    UPGRADE,
    Headers,
    comma_list,
    field_name,
    field_value,
)


def test_a_section_is_a_sequence_and_keeps_the_case_it_was_written_in() -> None:
    fields = Headers([("Set-Cookie", "a"), (b"X-Y", b"b"), ("set-cookie", "c")])
    assert fields == [(b"set-cookie", b"a"), (b"x-y", b"b"), (b"set-cookie", b"c")]
    assert fields.raw_items() == [(b"Set-Cookie", b"a"), (b"X-Y", b"b"), (b"set-cookie", b"c")]
    assert fields.get(b"set-cookie") == b"a"
    assert fields.get_all(b"set-cookie") == [b"a", b"c"]
    assert fields.get(b"none", b"d") == b"d"
    assert fields[1] == (b"x-y", b"b")
    assert fields[1:] == [(b"x-y", b"b"), (b"set-cookie", b"c")]
    assert (b"x-y", b"b") in fields
    assert len(fields) == len(list(fields)) == 3
    assert Headers() == []


@pytest.mark.parametrize(
    ("name", "value", "flags"),
    [
        ("Transfer-Encoding", "Chunked", CHUNKED),
        ("Connection", "close", CLOSE),
        ("Connection", "Keep-Alive", KEEP_ALIVE),
        ("Connection", "x, , keep-alive ,CLOSE", KEEP_ALIVE | CLOSE),
        ("Upgrade", "websocket", UPGRADE),
        ("Upgrade", "", 0),
        ("Expect", "100-Continue", EXPECT_CONTINUE),
        ("Expect", "tea", EXPECT_UNKNOWN),
        ("X", "close", 0),
    ],
)
def test_what_is_interpreted(name: str, value: str, flags: int) -> None:
    assert Headers([(name, value)]).flags == flags


@pytest.mark.parametrize("value", ["", "+5", "-1", "0x5", "5_0", " 5", "5 ", "5,5", "05", "1" * 19, "٥"])
def test_what_is_no_length(value: str) -> None:
    with pytest.raises(LocalProtocolError):
        Headers([("Content-Length", value)])


@pytest.mark.parametrize("value", ["0", "5", "9" * 18])
def test_lengths(value: str) -> None:
    assert Headers([("Content-Length", value)]).content_length == int(value)


@pytest.mark.parametrize(
    ("value", "status"),
    [("gzip", 501), ("gzip, chunked", 501), ("chunked, gzip", 400), ("chunked, chunked", 400), (",chunked", 400)],
)
def test_transfer_codings_that_are_not_understood(value: str, status: int) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        Headers([("Transfer-Encoding", value)])
    assert caught.value.error_status_hint == status


@pytest.mark.parametrize("octet", [x for x in range(256) if x < 0x20 or x in {0x7F, 0x20}])
def test_no_control_octet_in_a_name_or_around_a_value(octet: int) -> None:
    with pytest.raises(LocalProtocolError):
        field_name(b"a" + bytes((octet,)))
    with pytest.raises(LocalProtocolError):
        field_value(b"a" + bytes((octet,)))
    with pytest.raises(LocalProtocolError):
        Headers([(b"x", bytes((octet,)) + b"a")])


def test_a_name_is_a_token() -> None:
    assert field_name(b"X-Y") == b"x-y"
    for name in (b"", b"a b", b"a:", b"\xc3\xa9", b"(a)"):
        with pytest.raises(LocalProtocolError):
            field_name(name)


@pytest.mark.parametrize("name", sorted(FORBIDDEN_TRAILERS))
def test_what_must_not_stand_in_a_trailer_section(name: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        Headers([(name.title(), b"5")], trailers=True)


def test_wrong_types_are_told() -> None:
    with pytest.raises(TypeError):
        Headers([(1, b"x")])  # type: ignore[list-item]
    with pytest.raises(LocalProtocolError, match="ASCII"):
        Headers([("x", "é")])


@pytest.mark.parametrize("name", ["Host", "TE", b"TE"])
def test_a_mapping_is_no_section(name: Any) -> None:
    with pytest.raises(TypeError, match=r"give its items\(\)"):
        Headers({name: "x"})


def test_lists() -> None:
    assert comma_list(b" a ,, b\t,\x0bc") == [b"a", b"b", b"\x0bc"]
