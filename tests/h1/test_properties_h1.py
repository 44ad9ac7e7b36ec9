"""What holds for the HTTP/1.1 engine whatever comes in: properties, over random input.

Any cut of the same octets gives the same events; what one side writes the other reads back; h11 agrees on valid input;
nothing but RemoteProtocolError is ever raised; N octets cost O(N), however they are cut.
"""

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock import h1
from interlock.http.fields import FORBIDDEN_TRAILERS
from interlock.http.octets import COMPILED

EXAMPLES = settings(deadline=None, max_examples=150)

Fields = list[tuple[bytes, bytes]]
Outcome = tuple[object, ...]

# -- what messages are made of

TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: Fields that mean something to an engine: they are drawn apart, where they belong.
MEANINGFUL = {b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"}

tokens = st.text(TOKEN, min_size=1, max_size=12).map(str.encode)
values = st.binary(max_size=20).map(
    lambda octets: bytes(octet for octet in octets if octet >= 0x20 and octet != 0x7F).strip(b" \t")
)
names = tokens.filter(lambda name: name.lower() not in MEANINGFUL and name.lower() not in FORBIDDEN_TRAILERS)
field_sections = st.lists(st.tuples(names, values), max_size=6)
methods = st.one_of(
    st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS"]), tokens.filter(lambda m: m != b"CONNECT")
)
targets = st.text("".join(chr(octet) for octet in range(0x21, 0x7F) if octet != 0x23), max_size=30).map(
    lambda text: b"/" + text.encode()
)
contents = st.lists(st.binary(max_size=40), max_size=5)
#: How octets are cut: the lengths of the pieces, over and over.
cuttings = st.lists(st.integers(1, 9), max_size=6)

#: Fragments that make up messages which are nearly right.
FRAGMENTS = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.0 200 OK\r\n",
    b"Host: a\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Upgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"X: y\r\n",
    b"X : y\r\n",
    b" folded\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"1;a=b\r\n",
    b"\r",
    b"\n",
    b"\x00",
    b" ",
    b":",
    b"a" * 40,
]
heads = st.sampled_from(
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"",
    ]
)
soups = st.tuples(heads, st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=6)), max_size=10)).map(
    lambda parts: parts[0] + b"".join(parts[1])
)
roles = st.sampled_from([h1.SERVER, h1.CLIENT])
SMALL = h1.Limits(request_line=40, head=60, fields=4, chunk_extension=10, chunk_overhead=50, body=30)


def cut(octets: bytes, lengths: Sequence[int]) -> list[bytes]:
    """``octets`` in pieces of the given lengths, over and over; whole if there are none.  No piece is empty."""
    if not lengths:
        return [octets] if octets else []
    pieces: list[bytes] = []
    at = 0
    while at < len(octets):
        length = lengths[len(pieces) % len(lengths)]
        pieces.append(octets[at : at + length])
        at += length
    return pieces


def connect(role: h1.Connection, limits: h1.Limits | None = None) -> h1.Connection:
    """A connection that awaits a message of the peer."""
    connection = h1.Connection(role, limits=limits)
    if role is h1.CLIENT:
        connection.send(h1.Request(method="GET", target="/", headers=[("Host", "a")]))
        connection.send(h1.EndOfMessage())
    return connection


def described(event: Any) -> Outcome:
    """What an event of ours or of h11's says, in a form that can be compared; names in lower case."""
    kind = type(event).__name__
    if kind == "Request":
        return (kind, event.method, event.target, event.http_version, list(event.headers))
    if kind in ("Response", "InformationalResponse"):
        return (kind, event.status_code, event.http_version, bytes(event.reason), list(event.headers))
    if kind == "EndOfMessage":
        return (kind, list(event.headers))
    return (kind,)


def events_of(connection: Any, pieces: Sequence[bytes], *, end: bool = False, answer: bool = False) -> list[Outcome]:
    """All that the engine, ours or h11's, gives for the pieces; Data in a row are one; an error is the last."""
    seen: list[Outcome] = []
    for piece in [*pieces, *([b""] if end else [])]:
        connection.receive_data(piece)
        while True:
            try:
                event = connection.next_event()
            except h1.RemoteProtocolError as error:
                seen.append(("error", error.error_status_hint, str(error)))
                with pytest.raises(h1.RemoteProtocolError):
                    connection.next_event()
                return seen
            if repr(event) in ("NEED_DATA", "PAUSED"):
                break
            if type(event).__name__ == "Data":
                octets = bytes(event.data)
                if seen and seen[-1][0] == "Data":
                    octets = seen.pop()[1] + octets  # type: ignore[operator]
                if octets:
                    seen.append(("Data", octets))
                continue
            seen.append(described(event))
            if seen[-1] == ("ConnectionClosed",):
                return seen
            if answer and seen[-1][0] == "EndOfMessage" and connection.our_state is h1.SEND_RESPONSE:
                connection.send(h1.Response(status_code=404, headers=[("Content-Length", "0")]))
                connection.send(h1.EndOfMessage())
                if connection.our_state is connection.their_state is h1.DONE:
                    connection.start_next_cycle()
    return seen


def data_events(content: Sequence[bytes]) -> list[Outcome]:
    """What :func:`events_of` says of this content."""
    octets = b"".join(content)
    return [("Data", octets)] if octets else []


# -- anything


@EXAMPLES
@given(role=roles, octets=st.one_of(st.binary(max_size=200), soups), lengths=cuttings, end=st.booleans())
@example(role=h1.SERVER, octets=b"\r", lengths=[1], end=True)
@example(role=h1.CLIENT, octets=b"HTTP/1.1 100 \r\n\r\n" * 3, lengths=[2], end=True)
def test_any_cut_of_anything_gives_the_same_events(role: Any, octets: bytes, lengths: list[int], end: bool) -> None:
    whole = events_of(connect(role), cut(octets, []), end=end, answer=True)
    assert events_of(connect(role), cut(octets, lengths), end=end, answer=True) == whole
    assert events_of(connect(role), cut(octets, [1]), end=end, answer=True) == whole


@EXAMPLES
@given(role=roles, octets=soups, lengths=cuttings, end=st.booleans())
def test_any_cut_gives_the_same_events_at_the_limits(role: Any, octets: bytes, lengths: list[int], end: bool) -> None:
    whole = events_of(connect(role, SMALL), cut(octets, []), end=end, answer=True)
    assert events_of(connect(role, SMALL), cut(octets, lengths), end=end, answer=True) == whole
    assert events_of(connect(role, SMALL), cut(octets, [1]), end=end, answer=True) == whole


@EXAMPLES
@given(octets=soups, flip=st.integers(0, 200), octet=st.integers(0, 255), lengths=cuttings)
def test_any_cut_of_a_damaged_message_gives_the_same_events(
    octets: bytes, flip: int, octet: int, lengths: list[int]
) -> None:
    damaged = octets[:flip] + bytes([octet]) + octets[flip + 1 :]
    whole = events_of(connect(h1.SERVER), cut(damaged, []), answer=True)
    assert events_of(connect(h1.SERVER), cut(damaged, lengths), answer=True) == whole


# -- what one side writes the other reads back


@st.composite
def requests(draw: st.DrawFn) -> tuple[h1.Request, list[bytes], Fields]:
    """A request, its content, and its trailers."""
    content = draw(contents)
    fields = [(b"Host", b"a"), *draw(field_sections)]
    trailers: Fields = []
    if draw(st.booleans()):
        fields.append((b"Transfer-Encoding", b"chunked"))
        trailers = draw(field_sections)
    elif content:
        fields.append((b"Content-Length", str(sum(map(len, content))).encode()))
    if draw(st.booleans()):
        fields.append((b"Connection", draw(st.sampled_from([b"close", b"keep-alive"]))))
    fields = draw(st.permutations(fields))
    return h1.Request(method=draw(methods), target=draw(targets), headers=fields), content, trailers


@st.composite
def responses(draw: st.DrawFn) -> tuple[h1.Response, list[bytes], Fields]:
    """A response that has content, its content, and its trailers."""
    content = draw(contents)
    fields = draw(field_sections)
    trailers: Fields = []
    if draw(st.booleans()):
        fields.append((b"Transfer-Encoding", b"chunked"))
        trailers = draw(field_sections)
    else:
        fields.append((b"Content-Length", str(sum(map(len, content))).encode()))
    status_code = draw(st.integers(200, 599).filter(lambda status: status not in (204, 304)))
    response = h1.Response(status_code=status_code, reason=draw(values), headers=draw(st.permutations(fields)))
    return response, content, trailers


def written(connection: h1.Connection, head: h1.Event, content: Sequence[bytes], trailers: Fields) -> bytes:
    """A whole message, as the engine writes it."""
    parts = [connection.send(head), *(connection.send(h1.Data(octets)) for octets in content)]
    parts.append(connection.send(h1.EndOfMessage(headers=trailers)))
    return b"".join(part or b"" for part in parts)


def in_lower_case(fields: Fields) -> Fields:
    return [(name.lower(), value) for name, value in fields]


def host_first(fields: Fields) -> Fields:
    """What a client writes: Host before the others (RFC 9110 §7.2)."""
    return sorted(fields, key=lambda field: field[0] != b"host")


@EXAMPLES
@given(message=requests(), lengths=cuttings)
def test_a_server_reads_what_a_client_writes(
    message: tuple[h1.Request, list[bytes], Fields], lengths: list[int]
) -> None:
    request, content, trailers = message
    octets = written(h1.Connection(h1.CLIENT), request, content, trailers)
    assert events_of(h1.Connection(h1.SERVER), cut(octets, lengths)) == [
        ("Request", request.method, request.target, b"1.1", host_first(list(request.headers))),
        *data_events(content),
        ("EndOfMessage", in_lower_case(trailers)),
    ]


@EXAMPLES
@given(messages=st.lists(requests(), max_size=4), lengths=cuttings)
def test_a_server_reads_pipelined_requests_one_by_one(
    messages: list[tuple[h1.Request, list[bytes], Fields]], lengths: list[int]
) -> None:
    octets = b""
    expected: list[Outcome] = []
    for request, content, trailers in messages:
        if (b"connection", b"close") in request.headers:
            continue
        octets += written(h1.Connection(h1.CLIENT), request, content, trailers)
        expected += [
            ("Request", request.method, request.target, b"1.1", host_first(list(request.headers))),
            *data_events(content),
            ("EndOfMessage", in_lower_case(trailers)),
        ]
    assert events_of(h1.Connection(h1.SERVER), cut(octets, lengths), answer=True) == expected


@EXAMPLES
@given(message=responses(), hints=st.lists(field_sections, max_size=2), lengths=cuttings)
def test_a_client_reads_what_a_server_writes(
    message: tuple[h1.Response, list[bytes], Fields], hints: list[Fields], lengths: list[int]
) -> None:
    response, content, trailers = message
    client = connect(h1.CLIENT)
    server = h1.Connection(h1.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(server.next_event(), h1.Request)
    early = [server.send(h1.InformationalResponse(status_code=103, headers=fields)) for fields in hints]
    octets = b"".join(part or b"" for part in early) + written(server, response, content, trailers)
    assert events_of(client, cut(octets, lengths)) == [
        *(("InformationalResponse", 103, b"1.1", b"", in_lower_case(fields)) for fields in hints),
        ("Response", response.status_code, b"1.1", response.reason, list(response.headers)),
        *data_events(content),
        ("EndOfMessage", in_lower_case(trailers)),
    ]


@EXAMPLES
@given(message=responses(), method=st.sampled_from([b"GET", b"HEAD"]), lengths=cuttings)
def test_responses_without_content_read_back(
    message: tuple[h1.Response, list[bytes], Fields], method: bytes, lengths: list[int]
) -> None:
    status_code = 200 if method == b"HEAD" else 304
    response = h1.Response(status_code=status_code, headers=message[0].headers)
    client, server = h1.Connection(h1.CLIENT), h1.Connection(h1.SERVER)
    server.receive_data(written(client, h1.Request(method=method, target="/", headers=[("Host", "a")]), [], []))
    assert isinstance(server.next_event(), h1.Request)
    seen = events_of(client, cut(written(server, response, [], []), lengths))
    assert [line[0] for line in seen] == ["Response", "EndOfMessage"]
    assert client.their_state is h1.DONE


# -- what could not be read is not sent either

#: Octets among which the forbidden ones are not rare.
awkward = st.lists(
    st.sampled_from(
        [b"a", b"B", b"1", b"-", b"_", b":", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\x00", b"\x7f", b"\x85", b"("]
    ),
    max_size=5,
).map(b"".join)


def is_name(octets: bytes) -> bool:
    """RFC 9110 §5.1, told anew."""
    return octets != b"" and all(chr(octet) in TOKEN for octet in octets)


def is_value(octets: bytes) -> bool:
    """RFC 9110 §5.5, told anew."""
    return octets == octets.strip(b" \t") and all(
        octet in (0x09, *range(0x20, 0x7F)) or octet > 0x7F for octet in octets
    )


@EXAMPLES
@given(fields=st.lists(st.tuples(st.one_of(tokens, awkward), awkward), max_size=3), as_text=st.booleans())
def test_no_field_is_sent_that_could_not_be_read(fields: Fields, as_text: bool) -> None:
    given_fields: Any = fields
    if as_text and all(name.isascii() and value.isascii() for name, value in fields):
        given_fields = [(name.decode(), value.decode()) for name, value in fields]
    fields = [(name, value) for name, value in fields if name.lower() not in MEANINGFUL]
    if len(fields) < len(given_fields):
        return
    for make in (
        lambda: h1.Response(status_code=200, headers=given_fields),
        lambda: h1.InformationalResponse(status_code=103, headers=given_fields),
        lambda: h1.Request(method="GET", target="/", headers=[("Host", "a"), *given_fields]),
        lambda: h1.EndOfMessage(headers=given_fields),
    ):
        if all(is_name(name) and is_value(value) for name, value in fields):
            make()
        else:
            with pytest.raises(h1.LocalProtocolError):
                make()


@EXAMPLES
@given(method=awkward, target=awkward, reason=awkward)
def test_no_start_line_is_sent_that_could_not_be_read(method: bytes, target: bytes, reason: bytes) -> None:
    host = [("Host", "a")]
    if is_name(method):
        h1.Request(method=method, target="/", headers=host)
    else:
        with pytest.raises(h1.LocalProtocolError):
            h1.Request(method=method, target="/", headers=host)
    if all(0x20 < octet < 0x7F for octet in target):
        h1.Request(method="GET", target=b"/" + target, headers=host)
    else:
        with pytest.raises(h1.LocalProtocolError):
            h1.Request(method="GET", target=b"/" + target, headers=host)
    if is_value(reason.strip(b" \t")):
        h1.Response(status_code=200, reason=reason)
    else:
        with pytest.raises(h1.LocalProtocolError):
            h1.Response(status_code=200, reason=reason)


def serving(request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> h1.Connection:
    """A server that has a request to answer."""
    server = h1.Connection(h1.SERVER)
    server.receive_data(request)
    assert isinstance(server.next_event(), h1.Request)
    return server


@EXAMPLES
@given(length=st.integers(0, 20), content=st.lists(st.binary(max_size=8), max_size=5))
def test_no_more_and_no_less_is_sent_than_content_length_says(length: int, content: list[bytes]) -> None:
    server = serving()
    server.send(h1.Response(status_code=200, headers=[("Content-Length", str(length))]))
    sent = 0
    for octets in content:
        if sent + len(octets) > length:
            with pytest.raises(h1.LocalProtocolError):
                server.send(h1.Data(octets))
            assert server.our_state is h1.ERROR
            return
        assert server.send(h1.Data(octets)) == octets
        sent += len(octets)
    if sent < length:
        with pytest.raises(h1.LocalProtocolError):
            server.send(h1.EndOfMessage())
        assert server.our_state is h1.ERROR
    else:
        assert server.send(h1.EndOfMessage()) == b""
        assert server.our_state is h1.DONE


@pytest.mark.parametrize("fields", [[], [("Content-Length", "5")], [("Transfer-Encoding", "chunked")]])
@pytest.mark.parametrize(("method", "status_code"), [("HEAD", 200), ("HEAD", 404), ("GET", 204), ("GET", 304)])
def test_no_content_is_sent_where_none_may_be(method: str, status_code: int, fields: list[tuple[str, str]]) -> None:
    server = serving(method.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    head = server.send(h1.Response(status_code=status_code, headers=fields))
    assert head is not None
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
    assert server.send(h1.EndOfMessage()) == b""
    server = serving(method.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    server.send(h1.Response(status_code=status_code, headers=fields))
    with pytest.raises(h1.LocalProtocolError):
        server.send(h1.Data(b"hello"))


@pytest.mark.parametrize("fields", [[], [("Content-Length", "5")], [("Transfer-Encoding", "chunked")]])
def test_no_transfer_encoding_is_sent_where_none_may_be(fields: list[tuple[str, str]]) -> None:
    heads = [
        serving().send(h1.Response(status_code=204, headers=fields)),
        serving().send(h1.InformationalResponse(status_code=103, headers=fields)),
        serving(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").send(
            h1.InformationalResponse(status_code=101, headers=fields)
        ),
        serving(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n").send(h1.Response(status_code=200, headers=fields)),
    ]
    for head in heads:
        assert head is not None
        assert b"transfer-encoding" not in head.lower()
        assert b"content-length" not in head.lower()
    old = serving(b"GET / HTTP/1.0\r\n\r\n").send(h1.Response(status_code=200, headers=fields))
    assert b"transfer-encoding" not in (old or b"").lower()


# -- h11 as a witness, on valid input


@EXAMPLES
@given(message=requests(), lengths=cuttings)
def test_h11_reads_the_same_request(message: tuple[h1.Request, list[bytes], Fields], lengths: list[int]) -> None:
    octets = written(h1.Connection(h1.CLIENT), *message)
    ours = events_of(h1.Connection(h1.SERVER), cut(octets, lengths))
    assert events_of(h11.Connection(h11.SERVER), [octets]) == ours


@EXAMPLES
@given(message=requests(), lengths=cuttings)
def test_we_read_the_request_that_h11_writes(
    message: tuple[h1.Request, list[bytes], Fields], lengths: list[int]
) -> None:
    request, content, trailers = message
    client = h11.Connection(h11.CLIENT)
    parts = [
        client.send(h11.Request(method=request.method, target=request.target, headers=request.headers.raw_items())),
        *(client.send(h11.Data(octets)) for octets in content),
        client.send(h11.EndOfMessage(headers=trailers)),
    ]
    octets = b"".join(part or b"" for part in parts)
    assert events_of(h1.Connection(h1.SERVER), cut(octets, lengths)) == events_of(h11.Connection(h11.SERVER), [octets])


@EXAMPLES
@given(message=responses(), lengths=cuttings)
def test_h11_reads_the_same_response(message: tuple[h1.Response, list[bytes], Fields], lengths: list[int]) -> None:
    server = h1.Connection(h1.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert isinstance(server.next_event(), h1.Request)
    octets = written(server, *message)
    witness = h11.Connection(h11.CLIENT)
    witness.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    witness.send(h11.EndOfMessage())
    assert events_of(witness, [octets]) == events_of(connect(h1.CLIENT), cut(octets, lengths))


# -- N octets cost O(N)

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

#: What grows: a function of a size, that gives octets of about as many.
GROWING: dict[str, Callable[[int], bytes]] = {
    "a long target": lambda size: b"GET /" + b"a" * size,
    "a long value": lambda size: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * size,
    "many fields": lambda size: b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (size // 6),
    "content": lambda size: b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"a" * size,
    "one chunk": lambda size: CHUNKED + b"FFFFFF\r\n" + b"a" * size,
    "many chunks": lambda size: CHUNKED + b"1\r\na\r\n" * (size // 6),
    "many trailers": lambda size: CHUNKED + b"0\r\n" + b"X: y\r\n" * (size // 6),
    "many requests": lambda size: b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (size // 27),
}
WIDE = h1.Limits(request_line=10**6, head=10**6, fields=10**6, chunk_overhead=10**6)


def lines_run(octets: bytes, lengths: Sequence[int]) -> int:
    """How many lines of Python the engine runs for these octets, cut like this."""
    connection = h1.Connection(h1.SERVER, limits=WIDE)
    pieces = cut(octets, lengths)
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        events_of(connection, pieces, answer=True)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.skipif(COMPILED, reason="counts lines of Python, and a compiled wheel runs none")
@pytest.mark.parametrize("lengths", [[1], [7], [1000]], ids=["octet by octet", "by sevens", "by thousands"])
@pytest.mark.parametrize("what", GROWING)
def test_twice_the_octets_are_twice_the_work(what: str, lengths: list[int]) -> None:
    make = GROWING[what]
    small, big = lines_run(make(3000), lengths), lines_run(make(6000), lengths)
    assert big <= 2.2 * small + 500, f"{small} lines, then {big}"


@pytest.mark.parametrize("what", GROWING)
def test_nothing_is_kept_of_what_has_been_taken(what: str) -> None:
    connection = h1.Connection(h1.SERVER, limits=WIDE)
    octets = GROWING[what](6000)
    events_of(connection, cut(octets, [100]), answer=True)
    kept = len(connection.trailing_data[0])
    assert kept <= (len(octets) if what in ("a long target", "a long value") else 100)
