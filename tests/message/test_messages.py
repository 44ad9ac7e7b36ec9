"""Messages that are built, edited, printed and written; how they are read is told in test_same_as_h1.py, too."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from interlock.message import (
    Headers,
    Item,
    Limits,
    LocalProtocolError,
    Message,
    RemoteProtocolError,
    Request,
    Response,
    state,
)

POST = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Check\r\n\r\n"
    b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nCheck: sum\r\n\r\n"
)


def fed(message: Message, octets: bytes, size: int) -> list[state]:
    """The states that a message goes through, fed with pieces of this size."""
    states = [message.feed(octets[at : at + size]) for at in range(0, len(octets), size)]
    return [at for place, at in enumerate(states) if place == 0 or states[place - 1] is not at]


# -- reading


def test_the_states_are_in_order() -> None:
    assert state.TOP < state.HEADER < state.BODY < state.COMPLETE
    assert str(state.BODY) == "state.BODY"
    assert Request().state is state.TOP
    assert fed(Request(), POST, 1) == [state.TOP, state.HEADER, state.BODY, state.COMPLETE]
    assert fed(Response(), CHUNKED, 1) == [state.TOP, state.HEADER, state.BODY, state.COMPLETE]
    assert fed(Request(), POST, len(POST)) == [state.COMPLETE]


def test_the_state_at_each_line() -> None:
    request = Request()
    assert request.feed(b"POST /a HTTP/1.1\r") is state.TOP
    assert request.feed(b"\n") is state.HEADER
    assert request.feed(b"Host: a\r\nContent-Length: 2\r\n\r") is state.HEADER
    assert request.method == None  # noqa: E711  the comparison is what is tested
    assert request.feed(b"\n") is state.BODY
    assert request.method == "POST"
    assert request.feed(b"h") is state.BODY
    assert request.body == "h"
    assert request.feed(b"i") is state.COMPLETE
    assert request.body == b"hi"


def test_the_parts_of_a_request() -> None:
    request = Request.parse(POST)
    assert (request.method, request.target, request.protocol) == ("POST", b"/a", "HTTP/1.1")
    assert request.headers == {"Host": "a", "Content-Length": 5}
    assert request.headers.content_length == 5
    assert request.body == "hello"
    assert request.trailers == {}
    assert all(isinstance(part, Item) for part in (request.method, request.target, request.protocol, request.body))


def test_the_parts_of_a_response() -> None:
    response = Response.parse(CHUNKED)
    assert (response.protocol, response.status, response.reason) == ("HTTP/1.1", 200, "OK")
    assert response.status == "200" == response.status.string
    assert response.body == "hello"
    assert response.trailers == {"check": "sum"}
    assert "Check" not in response.headers


def test_what_has_been_fed_is_kept_and_what_is_behind_the_message_stands_apart() -> None:
    for octets in (POST, POST + b"GET"):
        request = Request()
        for at in range(len(octets)):
            assert request.buffer == octets[:at]
            request.feed(octets[at : at + 1])
        assert request.buffer == octets
        assert request.trailing_data == octets[len(POST) :]
        assert request.body == "hello"
    assert Request.parse(POST[:-1]).trailing_data == b""


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_octets_of_any_kind(kind: type) -> None:
    octets = bytearray(POST)
    request = Request.parse(kind(octets))
    octets[-5:] = b"HELLO"
    assert request.body == "hello"
    assert request.buffer == POST


@pytest.mark.parametrize("given", ["GET / HTTP/1.1\r\n", "", None, 5, [b"GET"]])
def test_what_cannot_be_fed(given: object) -> None:
    with pytest.raises(TypeError):
        Request().feed(given)
    with pytest.raises(TypeError):
        Request.parse(given)


def test_parsing_what_is_not_complete_gives_what_is_there() -> None:
    for size, at in [(0, state.TOP), (5, state.TOP), (20, state.HEADER), (len(POST) - 1, state.BODY)]:
        request = Request.parse(POST[:size])
        assert request.state is at
        assert request.buffer == POST[:size]
        assert request.feed(POST[size:]) is state.COMPLETE
        assert request.body == "hello"


def test_a_response_that_only_the_end_ends() -> None:
    response = Response.parse(b"HTTP/1.1 200 OK\r\n\r\nhel")
    assert response.feed(b"lo") is state.BODY
    assert response.feed(b"") is state.COMPLETE
    assert response.body == "hello"
    with pytest.raises(LocalProtocolError, match="the end"):
        response.feed(b"!")


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"", "closed"),
        (b"HT", "unexpectedly closed"),
        (b"HTTP/1.1 200 OK\r\n", "unexpectedly closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh", "received 1 bytes, expected 2"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\n", "incomplete chunked"),
    ],
)
def test_an_end_too_early(octets: bytes, message: str) -> None:
    response = Response.parse(octets)
    before = response.state
    with pytest.raises(RemoteProtocolError, match=message):
        response.feed(b"")
    assert response.state is before
    assert response.buffer == octets
    with pytest.raises(RemoteProtocolError, match=message):
        response.feed(b"")


def test_an_end_behind_a_message_is_no_error_but_comes_only_once() -> None:
    request = Request.parse(POST)
    assert request.feed(b"") is state.COMPLETE
    with pytest.raises(LocalProtocolError, match="the end"):  # so that no loop runs for ever
        request.feed(b"")


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (Item("HEAD"), b"HTTP/1.1 200 OK\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        ("GET", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"),
        ("CONNECT", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("CONNECT", b"HTTP/1.1 299 OK\r\nContent-Length: 5\r\n\r\n"),
    ],
)
def test_responses_without_content(method: str, head: bytes) -> None:
    response = Response.parse(head + b"hello", request_method=method)
    assert response.state is state.COMPLETE
    assert response.body == ""
    assert response.trailing_data == b"hello"
    assert response.feed(b" world") is state.COMPLETE
    assert response.trailing_data == b"hello world"
    octets = head.replace(b"Content-Length: 5\r\n", b"") if response.status == 299 else head
    assert response.raw == octets
    response.body = "hello"
    with pytest.raises(LocalProtocolError, match="no content"):
        _ = response.raw


def test_a_refused_tunnel_has_content() -> None:
    response = Response.parse(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nhi", request_method="CONNECT")
    assert (response.state, response.body) == (state.COMPLETE, "hi")


def test_a_request_without_a_length_has_no_content() -> None:
    request = Request.parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nhello")
    assert (request.state, request.body, request.trailing_data) == (state.COMPLETE, "", b"hello")


def test_a_message_after_another() -> None:
    pipelined, targets = POST + POST.replace(b"/a", b"/b") + POST[:20], []
    request = Request.parse(pipelined)
    while request.state == state.COMPLETE:
        targets.append(str(request.target))
        request = Request.parse(request.trailing_data)
    assert targets == ["/a", "/b"]
    assert request.buffer == POST[:20]


def test_a_bad_message_stays_bad() -> None:
    response = Response()
    with pytest.raises(RemoteProtocolError, match="bare LF") as first:
        response.feed(b"HTTP/1.1 200 OK\n")
    with pytest.raises(RemoteProtocolError, match="bare LF") as second:
        response.feed(b"HTTP/1.1 200 OK\r\n\r\n")
    assert first.value.error_status_hint == second.value.error_status_hint == 400
    assert response.state is state.TOP
    assert response.buffer == b"HTTP/1.1 200 OK\n"


# -- limits


def test_limits_hold() -> None:
    for limits, octets, status in [
        (Limits(request_line=20), b"GET /" + b"a" * 30, 414),
        (Limits(head=20), b"GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaa", 431),
        (Limits(body=4), POST, 413),
        (Limits(body=4), b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", 413),
    ]:
        with pytest.raises(RemoteProtocolError) as caught:
            Request.parse(octets, limits=limits)
        assert caught.value.error_status_hint == status
    with pytest.raises(RemoteProtocolError, match="more than 4 octets"):
        Response.parse(b"HTTP/1.1 200 OK\r\n\r\nhello", limits=Limits(body=4))


def test_content_has_a_limit_unless_told_otherwise() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n"
    with pytest.raises(RemoteProtocolError, match="more than 16777216 octets"):
        Request.parse(head)
    assert Request.parse(head, limits=Limits()).state is state.BODY


def test_what_is_behind_a_message_has_a_limit() -> None:
    request = Request.parse(POST + b"x" * 10, limits=Limits(read_buffer=10))
    request.feed(b"y" * 10)
    with pytest.raises(LocalProtocolError, match="trailing data"):
        request.feed(b"z")
    assert request.trailing_data == b"x" * 10 + b"y" * 10


# -- building


def test_a_built_message() -> None:
    request = Request("POST", "/", "HTTP/1.1", {"Host": "a", "Content-Length": 2}, "hi")
    assert request == Request(
        method=b"POST",
        target=Item("/"),
        protocol="HTTP/1.1",
        headers=[("host", b"a"), ("content-length", "2")],
        body=b"hi",
    )
    assert request.raw == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
    response = Response("HTTP/1.0", "404", b"Not Found", Headers({"Content-Length": 2}), 17)
    assert response.raw == b"HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\n\r\n17"


def test_the_state_of_a_built_message_is_what_has_been_given() -> None:
    assert Request("GET", "/", "HTTP/1.1").state is state.HEADER
    assert Request("GET", "/", "HTTP/1.1", {"Host": "a"}).state is state.BODY
    assert Response("HTTP/1.1", 200, "OK").state is state.HEADER
    assert Response("HTTP/1.1", 200, "OK", body="x").state is state.BODY


def test_a_start_line_is_given_as_a_whole() -> None:
    for parts in ({"method": "GET"}, {"target": "/", "protocol": "HTTP/1.1"}):
        with pytest.raises(ValueError, match="Request must have method, target, and protocol"):
            Request(**parts)
    for parts in ({"status": 200}, {"protocol": "HTTP/1.1", "status": 200}):
        with pytest.raises(ValueError, match="Response must have protocol, status, and reason"):
            Response(**parts)
    assert Response("HTTP/1.1", 200, "").raw == b"HTTP/1.1 200 \r\n\r\n"


def test_a_built_message_is_not_fed() -> None:
    request = Request("GET", "/", "HTTP/1.1")
    with pytest.raises(LocalProtocolError, match="was built"):
        request.feed(b"Host: a\r\n\r\n")
    assert request.raw == b"GET / HTTP/1.1\r\n\r\n"


def test_messages_share_nothing() -> None:
    fields = {"Host": "a"}
    first, second = Request("GET", "/", "HTTP/1.1", fields), Request("GET", "/", "HTTP/1.1", fields)
    first.headers["X"] = 1
    second.headers = first.headers
    first.headers["Y"] = 1
    assert fields == {"Host": "a"}
    assert second.headers == {"Host": "a", "X": 1}
    assert Request().headers == Request().headers == {}


def test_equality() -> None:
    one = Request.parse(POST)
    assert one == Request.parse(POST.replace(b"Host", b"HOST"))
    for other in (POST.replace(b"/a", b"/b"), POST.replace(b"hello", b"hallo"), POST.replace(b"Host: a", b"Host: b")):
        assert one != Request.parse(other)
    assert one != POST
    assert Response.parse(CHUNKED) != Response.parse(CHUNKED.replace(b"sum", b"mus"))
    together = Request.parse(b"GET / HTTP/1.1\r\nAccept: a, b\r\n\r\n")
    assert together == Request.parse(b"GET / HTTP/1.1\r\nAccept: a\r\nAccept: b\r\n\r\n")


# -- editing


def test_parts_are_set_to_any_kind_of_value() -> None:
    request = Request.parse(POST)
    request.method, request.target, request.protocol = b"PUT", "/b", Item("HTTP/1.0")
    assert isinstance(request.method, Item)
    request.headers += {"Accept": "*/*"}
    assert request.raw == b"PUT /b HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nAccept: */*\r\n\r\nhello"
    response = Response.parse(CHUNKED)
    response.status, response.reason = 404, "Not Found"
    assert response.raw.startswith(b"HTTP/1.1 404 Not Found\r\n")
    with pytest.raises(TypeError):
        response.status = 4.04
    with pytest.raises(LocalProtocolError, match="not ASCII"):
        response.reason = "für"


def test_content_length_goes_with_the_body() -> None:
    request = Request.parse(POST)
    request.body += " world"
    assert request.headers.content_length == 11
    assert request.raw.endswith(b"Content-Length: 11\r\n\r\nhello world")
    request.body = None
    assert request.raw.endswith(b"Content-Length: 0\r\n\r\n")


def test_content_length_of_another_message_stays() -> None:
    response = Response.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", request_method="HEAD")
    response.body = response.body.replace(b"hello", b"")
    assert response.raw == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


def test_a_request_gets_the_length_that_it_needs() -> None:
    request = Request.parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    request.body = "hello"
    assert request.raw == b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    assert "Content-Length: 5" in str(request)
    request.headers["Transfer-Encoding"] = "chunked"
    assert request.raw == b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    assert Request("PUT", "/", "HTTP/1.0", body="x").raw == b"PUT / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx"
    assert Request("GET", "/", "HTTP/1.1", {"Host": "a"}).raw == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_length_that_is_not_the_bodys_is_not_written() -> None:
    response = Response("HTTP/1.1", 200, "OK", {"Content-Length": 18}, "Hello world!")
    with pytest.raises(LocalProtocolError, match="Content-Length is 18, the body has 12 octets"):
        _ = response.raw
    assert "Content-Length: 18" in str(response)
    response.headers["Content-Length"] = len(response.body)
    assert response.raw.endswith(b"\r\n\r\nHello world!")


def test_chunks_are_written_again() -> None:
    response = Response.parse(CHUNKED)
    head, _, chunks = response.raw.partition(b"\r\n\r\n")
    assert head == CHUNKED.partition(b"\r\n\r\n")[0]
    assert chunks == b"5\r\nhello\r\n0\r\nCheck: sum\r\n\r\n"
    response.body = ""
    response.trailers = {}
    assert response.raw.partition(b"\r\n\r\n")[2] == b"0\r\n\r\n"


def test_trailers_are_not_lost() -> None:
    response = Response.parse(CHUNKED)
    del response.headers["Transfer-Encoding"]
    response.headers.content_length = 5
    with pytest.raises(LocalProtocolError, match="trailers"):
        _ = response.raw
    response.trailers = {"Content-Length": 5}
    response.headers = {"Transfer-Encoding": "chunked"}
    with pytest.raises(LocalProtocolError, match="must not stand in a trailer section"):
        _ = response.raw


def test_what_has_not_come_is_not_written() -> None:
    for octets in (POST[:-1], POST[:30], POST[:5]):
        request = Request.parse(octets)
        with pytest.raises(LocalProtocolError, match=f"it is at {request.state}"):
            _ = request.raw
    request = Request.parse(POST[:30])
    request.body = "x"
    with pytest.raises(LocalProtocolError, match="it is at"):
        _ = request.raw
    with pytest.raises(LocalProtocolError):
        _ = Response.parse(CHUNKED[:-3]).raw
    response = Response.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    del response.headers["Content-Length"]
    with pytest.raises(LocalProtocolError):
        _ = response.raw
    response = Response(limits=Limits(body=2))
    with pytest.raises(RemoteProtocolError, match="more than 2 octets"):
        response.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    with pytest.raises(LocalProtocolError):
        _ = response.raw
    # Of this one nobody but who feeds it knows whether it has come.
    assert Response.parse(b"HTTP/1.1 200 OK\r\n\r\nhe").raw == b"HTTP/1.1 200 OK\r\n\r\nhe"


def test_a_body_may_be_taken_over_while_it_comes() -> None:
    response = Response.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    while len(response.body) != response.headers["Content-Length"]:
        response.body += b"l"
    assert response.raw == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelll"
    with pytest.raises(LocalProtocolError, match="the body was set"):
        response.feed(b"lo")
    response.body = "x"
    with pytest.raises(LocalProtocolError, match="Content-Length is 5, the body has 1 octets"):
        _ = response.raw


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("method", "GET /x"),
        ("method", ""),
        ("method", "G\r\nT"),
        ("target", "/a b"),
        ("target", "/a\r\nX: y"),
        ("target", "/a#b"),
        ("target", "b:1"),
        ("target", "http://b/"),
        ("protocol", "HTTP/2"),
        ("protocol", "HTTP/1.1\r\nX: y"),
        ("headers", {"Host": ["a", "b"]}),
        ("headers", [("Host", "a"), ("Host", "a")]),
        ("headers", {"Host": "a", "Content-Length": "5, 5"}),
        ("headers", {"Host": "a", "Content-Length": "+5"}),
        ("headers", {"Host": "a", "Content-Length": 5, "Transfer-Encoding": "chunked"}),
        ("headers", {"Host": "a", "Transfer-Encoding": "gzip, chunked"}),
    ],
)
def test_a_request_that_would_be_read_otherwise_is_not_written(part: str, value: object) -> None:
    request = Request.parse(POST)
    setattr(request, part, value)
    with pytest.raises(LocalProtocolError):
        _ = request.raw


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("status", "20"),
        ("status", "2000"),
        ("status", "200 OK"),
        ("status", ""),
        ("status", "abc"),
        ("reason", "OK\r\nX: y"),
        ("protocol", "HTTP/1.1 200"),
        ("protocol", "HTTP/1.0"),  # which has no chunks
        ("headers", {"Content-Length": 5, "Transfer-Encoding": "chunked"}),
        ("status", 204),
        ("status", 101),
    ],
)
def test_a_response_that_would_be_read_otherwise_is_not_written(part: str, value: object) -> None:
    response = Response.parse(CHUNKED)
    response.trailers = {}
    response.body = ""
    setattr(response, part, value)
    with pytest.raises(LocalProtocolError):
        _ = response.raw


def test_nothing_is_not_written() -> None:
    for message in (Request(), Response()):
        with pytest.raises(LocalProtocolError):
            _ = message.raw


# -- printing


def test_print() -> None:
    assert str(Request.parse(POST)) == "→ POST /a HTTP/1.1\r\n→ Host: a\r\n→ Content-Length: 5\r\n→ \r\n→ hello"
    assert str(Response.parse(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\na\nb\n")) == (
        "← HTTP/1.1 200 OK\r\n← X: y\r\n← \r\n← a\n← b"
    )
    assert str(Response.parse(CHUNKED)).endswith("← \r\n← hello\r\n← Check: sum")


def test_print_what_has_come_so_far() -> None:
    for size in range(len(POST)):
        text = str(Request.parse(POST[:size]))
        assert text.replace("→ ", "") == POST[:size].decode().rstrip("\r\n")


def test_print_what_is_not_for_terminals() -> None:
    text = str(Response.parse(b"HTTP/1.1 200 OK\r\nX: \xff\r\n\r\na\x1b[2J\rb\x00\tc\xc2\x9b" + "ü".encode()))
    assert text == "← HTTP/1.1 200 OK\r\n← X: \\xff\r\n← \r\n← a\\x1b[2J\\x0db\\x00\tc\\x9bü"
    assert str(Response.parse(b"HTTP/1.1 200 OK\r\n\r\n\x89PNG\r\n")).endswith("← (6 octets that are no text)")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_a_message_of_its_own(copied: Callable[[Message], Any]) -> None:
    octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nCheck: sum\r\n\r\n"
    response = Response.parse(octets + b"behind")
    other = copied(response)
    assert other == response
    assert (other.raw, other.buffer, other.trailing_data) == (octets, b"", b"")
    other.status, other.body = 404, "gone"
    other.headers["X"] = other.trailers["Y"] = 1
    assert response.raw == octets
    assert response.trailing_data == b"behind"
    head = Response.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", request_method="HEAD")
    assert copied(head).raw == head.raw
    with pytest.raises(LocalProtocolError, match="not all of this message has come"):
        copied(Response.parse(octets[:-1]))


def test_repr() -> None:
    assert repr(Request.parse(POST[:-1])) == "<Request 'POST /a HTTP/1.1', BODY, 4 octets>"
    assert repr(Response()) == "<Response '', TOP, 0 octets>"


# -- cost


def test_small_pieces_do_not_cost_more_than_their_sum() -> None:
    """Pieces are joined when somebody asks for them, and not when they come."""
    response = Response.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n")
    for _ in range(30_000):
        response.feed(b"x")
    assert len(response._content) == 30_001
    assert len(response.body) == 30_000
    assert len(response._content) == 1
