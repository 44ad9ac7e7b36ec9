"""What programs for httpq do: its way to build, feed, compare and print messages, with our module in its place."""

import pytest

import interlock.message as httpq

#: What a server sends in answer to the request of httpq's documentation.
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 30\r\nServer: a\r\n\r\n"
    b"thirty octets, in pieces of ten"
)[:-1]


def request() -> httpq.Request:
    return httpq.Request(
        method="GET",
        target="/",
        protocol="HTTP/1.1",
        headers={"Name": "a", "List": ["b", "c"]},
        body="some text",
    )


def test_what_is_built_is_written_as_it_is_where_no_server_may_take_it() -> None:
    assert request().raw == b"GET / HTTP/1.1\r\nName: a\r\nList: b, c\r\n\r\nsome text"
    assert str(request()) == "→ GET / HTTP/1.1\r\n→ Name: a\r\n→ List: b, c\r\n→ \r\n→ some text"


def test_and_so_are_responses() -> None:
    response = httpq.Response(
        protocol="HTTP/1.1", status=200, reason="OK", headers={"Name": "a", "List": ["b", "c"]}, body="some text"
    )
    assert response.raw == b"HTTP/1.1 200 OK\r\nName: a\r\nList: b, c\r\n\r\nsome text"
    assert str(response) == "← HTTP/1.1 200 OK\r\n← Name: a\r\n← List: b, c\r\n← \r\n← some text"


def test_headers_stand_alone() -> None:
    assert httpq.Headers({"name": "a"}).raw == b"name: a\r\n\r\n"


def test_a_message_without_host_can_be_read() -> None:
    assert httpq.Request.parse(b"GET / HTTP/1.1\r\n\r\n").state == httpq.state.COMPLETE
    with pytest.raises(httpq.RemoteProtocolError, match="more than one Host"):
        httpq.Request.parse(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")


@pytest.mark.parametrize("size", [1, 3, 10])
def test_feed_until_the_body_and_then_as_much_as_the_length_says(size: int) -> None:
    pieces = iter([ANSWER[at : at + size] for at in range(0, len(ANSWER), size)])
    response = httpq.Response()
    while response.state != httpq.state.BODY:
        response.feed(next(pieces))
    while len(response.body) != response.headers["Content-Length"]:
        response.feed(next(pieces))
    assert response.state == httpq.state.COMPLETE
    assert response.raw == ANSWER
    assert next(pieces, None) is None


def test_feed_until_the_body_and_then_add_to_it() -> None:
    pieces = iter([ANSWER[at : at + 10] for at in range(0, len(ANSWER), 10)])
    response = httpq.Response()
    while response.state != httpq.state.BODY:
        response.feed(next(pieces))
    while len(response.body) != response.headers["Content-Length"]:
        response.body += next(pieces)
    assert response.raw == ANSWER


def test_modify_and_compare() -> None:
    response = httpq.Response(
        protocol="HTTP/1.1", status=404, reason="Not Found", headers={"Content-Length": 4}, body="text"
    )
    response.status = 200
    response.reason = b"OK"
    response.headers += {"Accept": "*/*"}
    assert response.status == 200
    assert response.status == "200"
    assert response.status == b"200"
    assert response.raw == b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nAccept: */*\r\n\r\ntext"
