"""The same octets, cut anywhere, are the same messages to ``message`` and to ``h1``: good ones, bad ones and those cut short.

What is fed stands in tests/vectors; what comes out of a message is held against the events of one connection.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.h1.vectors import Vector, read_vectors

from interlock import h1
from interlock.message import Request, Response, state

#: A message has no leniencies.
VECTORS = [vector for vector in [*read_vectors("h1"), *read_vectors("responses")] if not vector.flags]

#: Inputs up to so many octets are cut at each octet at once; longer ones are cut into pieces of 97 octets.
_OCTET_BY_OCTET = 3000
#: Inputs up to so many octets are cut in two everywhere, longer ones at some points.
_IN_TWO = 80

Outcome = list[object]
Given = bytes | str | int


def method_of(vector: Vector) -> str:
    """The method of the request that a vector's responses answer."""
    return "GET" if vector.request == "none" else vector.request.split(" ")[0]


def new_message(vector: Vector) -> Request | Response:
    """An empty message of the kind that a vector has."""
    limits = h1.Limits(**vector.limits)
    return (
        Request(limits=limits) if vector.role == "server" else Response(request_method=method_of(vector), limits=limits)
    )


def by_h1(vector: Vector, octets: bytes) -> Outcome:
    """What a connection gives for octets: one message, and what is left behind it."""
    limits = h1.Limits(**vector.limits)
    if vector.role == "server":
        # A message is not served: only here is Host not asked for.
        connection = h1.Connection(h1.SERVER, limits=limits, leniency=h1.Leniency(missing_host=True))
    else:
        connection = h1.Connection(h1.CLIENT, limits=limits)
        # Whether an upgrade was asked for, a message does not know.
        fields = [("Host", "a:1"), ("Connection", "upgrade"), ("Upgrade", "x")]
        target = "a:1" if method_of(vector) == "CONNECT" else "/"
        connection.send(h1.Request(method=method_of(vector), target=target, headers=fields))
        connection.send(h1.EndOfMessage())
    connection.receive_data(octets)
    if vector.eof:
        connection.receive_data(b"")
    head: Outcome = []
    body = b""
    while True:
        try:
            event = connection.next_event()
        except h1.RemoteProtocolError as error:
            return [*head, body, "error", error.error_status_hint, str(error)]
        if isinstance(event, h1.ConnectionClosed):
            return ["closed"]
        if event is h1.NEED_DATA:
            return [*head, body, "more"]
        if isinstance(event, h1.Request):
            head = [event.method, event.target, event.http_version, event.headers.raw_items()]
        elif isinstance(event, h1.Data):
            body += event.data
        elif isinstance(event, h1.EndOfMessage):
            return [*head, body, "end", event.headers.raw_items(), connection.trailing_data[0]]
        else:
            assert isinstance(event, (h1.Response, h1.InformationalResponse))
            head = [event.http_version, event.status_code, event.reason, event.headers.raw_items()]
            if event.status_code < 200 or connection.their_state is h1.SWITCHED_PROTOCOL:
                return [*head, body, "end", [], connection.trailing_data[0]]


def by_message(vector: Vector, pieces: list[bytes]) -> Outcome:
    """What a message says that was fed these pieces."""
    message = new_message(vector)
    error: h1.RemoteProtocolError | None = None
    try:
        for piece in pieces:
            assert message.feed(piece) is message.state
    except h1.RemoteProtocolError as raised:
        if "closed before a message began" in str(raised):
            return ["closed"]
        error = raised
        with pytest.raises(h1.RemoteProtocolError):
            message.feed(b"GET / HTTP/1.1\r\n")
    head: Outcome = []
    if message.state >= state.BODY:
        version = message.protocol.raw.removeprefix(b"HTTP/")
        if isinstance(message, Request):
            head = [message.method.raw, message.target.raw, version]
        else:
            head = [version, int(message.status), message.reason.raw]
        head.append(message.headers.raw_items())
    if error is not None:
        return [*head, message.body.raw, "error", error.error_status_hint, str(error)]
    if message.state < state.COMPLETE:
        return [*head, message.body.raw, "more"]
    assert message.buffer == b"".join(pieces)
    return [*head, message.body.raw, "end", message.trailers.raw_items(), message.trailing_data]


def cuttings(octets: bytes) -> Iterator[list[bytes]]:
    """The octets whole, in small pieces, and in two."""
    count = len(octets)
    yield [octets]
    size = 1 if count <= _OCTET_BY_OCTET else 97
    yield [octets[at : at + size] for at in range(0, count, size)]
    for at in range(1, count, 1 if count <= _IN_TWO else count // 20):
        yield [octets[:at], octets[at:]]


@pytest.mark.parametrize("file", sorted({vector.file for vector in VECTORS}))
def test_the_same_messages(file: str) -> None:
    for vector in VECTORS:
        octets = vector.octets if vector.file == file else b""
        while octets:
            expected = by_h1(vector, octets)
            for pieces in cuttings(octets):
                seen = by_message(vector, [*pieces, b""] if vector.eof else pieces)
                assert seen == expected, f"{vector.name}, cut as {pieces[:3]}"
            informational = "end" in expected and expected[1] in (100, *range(102, 200))
            octets = expected[-1] if informational else b""


def test_there_are_good_and_bad_ones_of_both_kinds() -> None:
    for role in ("server", "client"):
        outcomes = [by_h1(vector, vector.octets) for vector in VECTORS if vector.role == role]
        assert sum("error" in outcome for outcome in outcomes) >= 150
        assert sum("end" in outcome for outcome in outcomes) >= 100


# -- what is written is what is read


def read(vector: Vector, octets: bytes) -> Request | Response:
    """The message that the octets begin with, and that the end of the connection ends."""
    message = new_message(vector)
    if message.feed(octets) == state.BODY:
        message.feed(b"")
    return message


def test_a_message_that_was_read_is_written_as_itself() -> None:
    good = [vector for vector in VECTORS if "end" in by_h1(vector, vector.octets)]
    assert len(good) >= 300
    for vector in good:
        message = read(vector, vector.octets)
        octets = message.raw
        again = read(vector, octets)
        assert again.state == state.COMPLETE, vector.name
        assert again.trailing_data == b"", vector.name
        if isinstance(again, Response) and (again.status == 204 or again.status.startswith(b"1")):
            message.headers.pop("Content-Length", None)
        elif isinstance(again, Response) and again.request_method == "CONNECT" and again.status.startswith(b"2"):
            message.headers.pop("Content-Length", None)
        assert again == message, vector.name
        assert again.headers.raw_items() == message.headers.raw_items(), vector.name
        assert again.raw == octets, vector.name


junk = st.one_of(st.binary(max_size=6), st.text(max_size=6), st.integers(-5, 999))


def mostly(*good: object) -> st.SearchStrategy:
    """One of these, but one time in eight anything."""
    return st.integers(0, 7).flatmap(lambda chance: st.sampled_from(good) if chance else junk)


fields = st.one_of(
    st.tuples(st.just("Content-Length"), mostly(0, 3, 3, "3, 3", [3, 3])),
    st.tuples(st.just("Transfer-Encoding"), mostly("chunked", "chunked", "gzip")),
    st.tuples(mostly("Set-Cookie", "Accept", "X", "Connection", "host"), mostly("a", ["a", "b"], "", b"\xff", 5)),
)
sections = st.lists(fields, max_size=3)
bodies = mostly(b"", b"abc")


def is_read_back(message: Request | Response) -> bool:
    """Whether a message is written, and is read as itself then; it may be refused, and never be read as anything else."""
    try:
        octets = message.raw
    except h1.LocalProtocolError:
        return False
    again: Request | Response = Request()
    if isinstance(message, Response):
        again = Response(request_method=message.request_method)
    if again.feed(octets) == state.BODY:
        again.feed(b"")
    assert again.state == state.COMPLETE
    assert again.trailing_data == b""
    if message.headers != again.headers:  # a length was added, or left out where none may be
        assert again.headers.pop("Content-Length", len(again.body)) == len(message.body)
        message.headers.pop("Content-Length", None)
    assert again == message
    return True


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=mostly("GET", "POST", "CONNECT"),
    target=mostly("/", "/", "/a?b", "*", "a:1", "http://a/"),
    protocol=mostly("HTTP/1.1", "HTTP/1.1", "HTTP/1.0"),
    headers=sections,
    body=bodies,
    trailers=st.one_of(st.just([]), st.just([]), sections),
)
def test_a_request_of_anything_is_refused_or_read_back(
    method: Given, target: Given, protocol: Given, headers: list, body: Given, trailers: list
) -> None:
    try:
        request = Request(method, target, protocol, [("Host", "a"), *headers], body)
        request.trailers = trailers
    except (h1.LocalProtocolError, TypeError, ValueError):
        return
    event("written" if is_read_back(request) else "refused")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(["GET", "HEAD", "CONNECT"]),
    protocol=mostly("HTTP/1.1", "HTTP/1.1", "HTTP/1.0"),
    status=mostly(100, 101, 200, 200, 204, 304, 404),
    reason=mostly("OK", "", "Not Found"),
    headers=sections,
    body=bodies,
    trailers=st.one_of(st.just([]), st.just([]), sections),
)
def test_a_response_of_anything_is_refused_or_read_back(
    method: str, protocol: Given, status: Given, reason: Given, headers: list, body: Given, trailers: list
) -> None:
    try:
        response = Response(protocol, status, reason, headers, body, request_method=method)
        response.trailers = trailers
    except (h1.LocalProtocolError, TypeError, ValueError):
        return
    event("written" if is_read_back(response) else "refused")
