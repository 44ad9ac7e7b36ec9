"""Request targets, authorities, and whether two authorities are the same."""

import pytest

from interlock.http.errors import LocalProtocolError
from interlock.http.target import check_authority, check_target, same_authority


@pytest.mark.parametrize(
    ("method", "target", "origin"),
    [
        (b"GET", b"/", b""),
        (b"GET", b"//x", b""),
        (b"GET", b"/a?b=%00&c", b""),
        (b"OPTIONS", b"*", b""),
        (b"OPTIONS", b"/", b""),
        (b"CONNECT", b"example.org:443", b""),
        (b"CONNECT", b"[::1]:443", b""),
        (b"GET", b"http://example.org", b"http://example.org"),
        (b"GET", b"HTTP://example.org:8080/x", b"http://example.org:8080"),
        (b"GET", b"https://example.org?x/y", b"https://example.org"),
    ],
)
def test_targets(method: bytes, target: bytes, origin: bytes) -> None:
    assert check_target(method, target) == origin


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"GET", b""),
        (b"GET", b"*"),
        (b"GET", b"x"),
        (b"GET", b"example.org:80"),
        (b"GET", b"/#x"),
        (b"GET", b"/\x7f"),
        (b"GET", b"/\xff"),
        (b"GET", b"/ "),
        (b"GET", b"http:///x"),
        (b"GET", b"://x"),
        (b"GET", b"1http://x"),
        (b"GET", b"http://user@x/"),
        (b"GET", b"http://x:99999/"),
        (b"CONNECT", b"/"),
        (b"CONNECT", b"x"),
        (b"CONNECT", b"x:"),
        (b"CONNECT", b":1"),
        (b"CONNECT", b"http://x:1/"),
    ],
)
def test_what_is_no_target(method: bytes, target: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        check_target(method, target)


def test_obs_text_where_it_is_allowed() -> None:
    assert check_target(b"GET", b"/\xff", obs_text=True) == b""


@pytest.mark.parametrize(
    "authority",
    [b"", b"x", b"x:", b"x:0", b"x:65535", b"127.0.0.1:80", b"[::1]", b"[::1]:80", b"[v1.a:b]", b"a%20b", b"a_b.c"],
)
def test_authorities(authority: bytes) -> None:
    check_authority(authority)


@pytest.mark.parametrize(
    "authority",
    [
        b":80",
        b"x:65536",
        b"x:000080",
        b"x:+1",
        b"x:1:2",
        b"u@x",
        b"a/b",
        b"a?b",
        b"a b",
        b"[::1",
        b"[::1]x",
        b"[::1%25eth0]",
        b"[1.2.3.4]",
        b"[v.x]",
        b"::1",
        b"a%2",
        b"a%zz",
        b"%",
        b"\xc3\xa9",
        b"[\xc3\xa9]",
    ],
)
def test_what_is_no_authority(authority: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        check_authority(authority)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        (b"http://x", b"x", True),
        (b"http://X", b"x:80", True),
        (b"http://x:80", b"x", True),
        (b"https://x", b"x:443", True),
        (b"https://x", b"x:80", False),
        (b"http://x", b"x:8080", False),
        (b"http://x", b"y", False),
        (b"http://x", b"", False),
    ],
)
def test_the_same_authority(origin: bytes, host: bytes, same: bool) -> None:
    assert same_authority(origin, host) is same
