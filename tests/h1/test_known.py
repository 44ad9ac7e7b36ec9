"""What was read before is known again: that changes no answer, keeps no secret, and stays small."""

import pytest

from interlock import h1
from interlock.h1 import chunked, parse
from interlock.http import events, fields
from interlock.http.leniency import Leniency

SERVER_WITH_OBS_TEXT = Leniency(obs_text_in_target=True)


def first_event(octets: bytes, **options: object) -> object:
    connection = h1.Connection(h1.SERVER, **options)  # type: ignore[arg-type]
    connection.receive_data(octets)
    return connection.next_event()


def test_a_line_that_a_lenient_connection_took_is_refused_by_a_strict_one() -> None:
    request = b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(2):
        assert isinstance(first_event(request, leniency=SERVER_WITH_OBS_TEXT), h1.Request)
        with pytest.raises(h1.RemoteProtocolError):
            first_event(request)


def test_a_line_that_is_known_is_still_too_long_where_it_is() -> None:
    request = b"GET /" + b"a" * 50 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert isinstance(first_event(request), h1.Request)
    with pytest.raises(h1.RemoteProtocolError) as raised:
        first_event(request, limits=h1.Limits(request_line=40))
    assert raised.value.error_status_hint == 414


def test_a_host_that_is_known_has_to_be_the_targets_and_the_only_one() -> None:
    assert isinstance(first_event(b"GET / HTTP/1.1\r\nHost: known.example\r\n\r\n"), h1.Request)
    for request in (
        b"GET http://other.example/ HTTP/1.1\r\nHost: known.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: known.example\r\nHost: known.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: known.example \x0b\r\n\r\n",
    ):
        with pytest.raises(h1.RemoteProtocolError):
            first_event(request)


def test_a_chunk_size_that_is_known_still_counts() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    for most, refused in ((None, False), (4, True), (5, False)):
        connection = h1.Connection(h1.SERVER, limits=h1.Limits(body=most))
        connection.receive_data(head + b"5\r\nhello\r\n0\r\n\r\n")
        assert isinstance(connection.next_event(), h1.Request)
        if refused:
            with pytest.raises(h1.RemoteProtocolError) as raised:
                connection.next_event()
            assert raised.value.error_status_hint == 413
        else:
            assert connection.next_event() == h1.Data(b"hello", True, True)


def test_no_query_is_kept() -> None:
    for target in (b"/reset", b"/reset?token=1"):
        request = first_event(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert isinstance(request, h1.Request)
        assert request.target == target
    assert b"GET /reset HTTP/1.1" in parse._REQUEST_LINES
    assert not any(b"token" in line for line in parse._REQUEST_LINES)


def test_what_is_kept_stays_small() -> None:
    for number in range(2000):
        digits = b"%x" % (number + 1)
        connection = h1.Connection(h1.SERVER)
        connection.receive_data(
            b"POST /%b HTTP/1.1\r\nHost: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % (digits, digits)
            + b"%b\r\nx" % digits
        )
        request = connection.next_event()
        assert isinstance(request, h1.Request)
        assert (request.target, request.headers[0]) == (b"/" + digits, (b"host", digits))
        assert isinstance(connection.next_event(), h1.Data)
        h1.Response(status_code=200, headers=[(b"X-Number", digits)])
    assert len(parse._REQUEST_LINES) <= parse._MOST_LINES
    assert len(events._HOSTS) <= events._MOST_HOSTS
    assert len(chunked._SIZES) <= chunked._MOST_SIZES
    assert len(fields._SECTIONS) <= fields._MOST_SECTIONS
    long = b"a" * 300
    first_event(b"GET /%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (long, long))
    h1.Response(status_code=200, headers=[(b"X-%d" % number, b"y" * 60) for number in range(50)])
    assert not any(len(line) > parse._LONGEST_LINE for line in parse._REQUEST_LINES)
    assert not any(len(host) > events._LONGEST_HOST for host in events._HOSTS)
    assert not any(len(section.wire) > fields._LONGEST_SECTION for section in fields._SECTIONS.values())


def test_a_section_that_is_given_again_is_the_same_as_written() -> None:
    lower, upper = [(b"x", b"1"), (b"y", b"2")], [(b"X", b"1"), (b"y", b"2")]
    for given in (lower, upper, lower, tuple(upper), iter(upper)):
        made = h1.Response(status_code=200, headers=given)
        assert made.headers == [(b"x", b"1"), (b"y", b"2")]
        assert made.headers.raw_items() == (lower if given is lower else upper)
    bad = [(b"X", b"1"), (b"y", b"2\r\nz: 3")]
    for _ in range(2):
        with pytest.raises(h1.LocalProtocolError):
            h1.Response(status_code=200, headers=bad)


def test_what_can_be_changed_is_read_each_time() -> None:
    value = bytearray(b"1")
    for given in ([(b"X", value)], [[b"X", value]], [(b"X", memoryview(value))]):
        for octet in b"12":
            value[0] = octet
            assert h1.Response(status_code=200, headers=given).headers == [(b"x", bytes((octet,)))]


@pytest.mark.parametrize("name", [b"Set-Cookie", b"Authorization"])
def test_no_section_with_a_secret_is_kept(name: bytes) -> None:
    h1.Response(status_code=200, headers=[(b"X", b"y"), (name, b"secret=1")])
    assert not any(b"secret" in section.wire for section in fields._SECTIONS.values())
