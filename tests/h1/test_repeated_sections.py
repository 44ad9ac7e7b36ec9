"""A field section that a client sends again is not read again: what follows is as if it had been."""

from hypothesis import given
from hypothesis import strategies as st

from interlock import h1

SECTIONS = [
    b"Host: a\r\n\r\n",
    b"Host: a\r\nX: y\r\n\r\n",
    b"Host: a\r\nHost: a\r\n\r\n",
    b"Host: A\r\n\r\n",
    b"Host: a\r\nContent-Length: 3\r\n\r\n",
    b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"Host: a\r\nConnection: close\r\n\r\n",
    b"Host: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    b"Host: a\r\nX: " + b"y" * 3000 + b"\r\n\r\n",
    b"\r\n",
]
TARGETS = [
    b"GET /a HTTP/1.1",
    b"POST /b HTTP/1.1",
    b"GET http://a/ HTTP/1.1",
    b"GET http://b/ HTTP/1.1",
    b"GET / HTTP/1.0",
]
CONTENT = {4: b"abc", 5: b"1\r\nx\r\n0\r\nT: u\r\n\r\n", 7: b"abc"}


def exchange(connection: h1.Connection, pieces: list[bytes]) -> list[object]:
    """What the connection makes of one request, in ``pieces``, and whether it can go on after the response."""
    seen: list[object] = []
    for piece in pieces:
        connection.receive_data(piece)
        while True:
            try:
                event = connection.next_event()
            except h1.RemoteProtocolError as error:
                return [*seen, str(error), error.error_status_hint]
            if event is h1.NEED_DATA or event is h1.PAUSED:
                break
            seen.append(event.headers.raw_items() if isinstance(event, h1.Request) else None)
            seen.append(event)
    seen.append(connection.they_are_waiting_for_100_continue)
    connection.send(h1.Response(status_code=204, headers=[]))
    connection.send(h1.EndOfMessage())
    return [*seen, connection.states]


def fresh() -> h1.Connection:
    return h1.Connection(h1.SERVER)


requests = st.lists(
    st.tuples(st.sampled_from(TARGETS), st.integers(0, len(SECTIONS) - 1), st.integers(0, 40), st.booleans()),
    min_size=2,
    max_size=8,
)


@given(requests)
def test_what_was_sent_before_does_not_matter(said: list[tuple[bytes, int, int, bool]]) -> None:
    kept = fresh()
    for line, section, cut, whole in said:
        octets = line + b"\r\n" + SECTIONS[section] + CONTENT.get(section, b"")
        pieces = [octets] if whole else [octets[:cut], octets[cut:]]
        pieces = [piece for piece in pieces if piece]
        expected = exchange(fresh(), pieces)
        assert exchange(kept, pieces) == expected
        if kept.states != {h1.CLIENT: h1.DONE, h1.SERVER: h1.DONE}:
            kept = fresh()
        else:
            kept.start_next_cycle()


def test_the_fields_are_those_of_before() -> None:
    connection = fresh()
    first, second = (
        exchange(connection, [b"GET /%d HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n" % number])
        for number in (1, 2)
        if number == 1 or connection.start_next_cycle() is None
    )
    assert isinstance(first[1], h1.Request)
    assert isinstance(second[1], h1.Request)
    assert (first[1].target, second[1].target) == (b"/1", b"/2")
    assert first[1].headers is second[1].headers


def test_a_longer_section_that_begins_like_the_one_before_is_read() -> None:
    connection = fresh()
    exchange(connection, [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
    connection.start_next_cycle()
    seen = exchange(connection, [b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"])
    assert isinstance(seen[1], h1.Request)
    assert list(seen[1].headers) == [(b"host", b"a"), (b"x", b"y")]
