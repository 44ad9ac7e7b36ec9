"""What a connection with a delegate makes of the messages of ``tests/vectors``, however they are cut: what the engine does.

Responses to a client, and requests to a server.  After a bad response, one that is cut off, and one with anything behind it
the connection is not used again.
"""

import re
from typing import Any

import pytest
from tests.client.memory_stream import MemoryStream
from tests.h1.vector_runner import Outcome, cuttings, fields_of, pieces_text, run
from tests.h1.vectors import Vector, read_vectors

from interlock import h1
from interlock.net import stream
from interlock.net.errors import ReadTimeout, WriteError
from interlock.net.http1 import HTTP1Connection, HTTP1ConnectionParameters, RequestStartLine, ResponseStartLine

#: There are no leniencies; and content beyond a limit is found out behind the head, not with it.
VECTORS = [
    vector
    for folder in ("h1", "responses")
    for vector in read_vectors(folder)
    if not vector.flags and "body" not in vector.limits
]
#: A client reads nothing before it has asked for something.
RESPONSES = [vector for vector in VECTORS if vector.role == "client" and vector.request != "none"]
#: All get the same answer, so none leaves HTTP.  The limit of a head is that of its start line, too.
REQUESTS = [
    vector for vector in VECTORS if vector.role == "server" and vector.answer == "404" and "head" not in vector.limits
]

#: The octets come one by one; in two pieces they are cut at every so many octets, as it is the engine that puts them together.
_STEP = 5

_AGAIN = "the connection can be used again"
_OVER = "the connection is not used again"


class Notes:
    """A delegate that notes what it is told, in the form of an events block."""

    def __init__(self) -> None:
        self.lines: list[Outcome] = []
        self.content = b""
        self.finished = 0
        self.closed = 0

    def headers_received(self, start_line: Any, headers: h1.Headers) -> None:
        self._head(start_line, headers)

    def informational_received(self, start_line: ResponseStartLine, headers: h1.Headers) -> None:
        self._head(start_line, headers)

    def _head(self, start_line: RequestStartLine | ResponseStartLine, headers: h1.Headers) -> None:
        if isinstance(start_line, ResponseStartLine):
            version, code, reason = start_line
            kind = "InformationalResponse" if code < 200 else "Response"
            self.lines.append((kind, code, version.removeprefix("HTTP/").encode(), reason.encode("latin-1")))
        else:
            method, target, version = start_line
            line = ("Request", method.encode(), target.encode("latin-1"), version.removeprefix("HTTP/").encode())
            self.lines.append(line)
        self.lines += fields_of("field", headers)

    def data_received(self, chunk: bytes) -> None:
        assert chunk
        self.content += chunk

    def finish(self, trailers: h1.Headers) -> None:
        self.finished += 1
        self.lines += [*self.data(), ("EndOfMessage",), *fields_of("trailer", trailers)]

    def data(self) -> list[Outcome]:
        """The content, if there was any."""
        return [("Data", self.content)] if self.content else []

    def on_connection_close(self) -> None:
        self.closed += 1


def parameters(vector: Vector) -> HTTP1ConnectionParameters:
    """The limits of a vector."""
    limits = h1.Limits(**vector.limits)
    return HTTP1ConnectionParameters(max_header_size=limits.head, max_body_size=limits.body, limits=limits)


async def ask(vector: Vector, pieces: list[bytes]) -> list[Outcome]:
    """What comes of a request to a server that says ``pieces``, and how the connection goes on."""
    below = MemoryStream([pieces])
    connection = HTTP1Connection(below, True, parameters(vector))
    method, target = vector.request.split(" ")
    authority = target if method == "CONNECT" else "a"
    notes = Notes()
    connection.write_headers(RequestStartLine(method, target), [("Host", authority), *vector.request_fields])
    await connection.finish()
    try:
        again = await connection.read_response(notes)
    except (h1.RemoteProtocolError, ReadTimeout) as error:
        assert below.closed
        assert (notes.finished, notes.closed) == (0, 1)
        return [*notes.lines, *notes.data(), error_line(error)]
    assert notes.closed == 0
    assert notes.finished == 1
    if connection._engine.their_state is h1.SWITCHED_PROTOCOL:
        assert not again
        assert not below.closed
        rest = connection.detach()
        octets = b""
        while rest.get_extra_info("is_readable"):
            octets += await rest.read(10)
        return [*(line for line in notes.lines if line[0] != "EndOfMessage"), ("PAUSED",), ("trailing", octets)]
    assert below.closed is not again
    return [*notes.lines, (_AGAIN if again and not below.get_extra_info("is_readable") else _OVER,)]


def error_line(error: Exception) -> Outcome:
    """What a call raises; the words of a timeout are its own."""
    return (type(error).__name__, str(error) if isinstance(error, h1.RemoteProtocolError) else "")


def by_engine(vector: Vector, pieces: list[bytes]) -> list[Outcome]:
    """The same of the engine: its events, and how the connection goes on by what it says."""
    seen = run(vector, pieces)
    if seen[-1] == ("their_state", "SWITCHED_PROTOCOL"):
        return seen[:-1]
    if ("EndOfMessage",) in seen:
        usable = seen[-2:] == [("NEED_DATA",), ("their_state", "DONE")]
        ends = ("NEED_DATA", "PAUSED", "trailing", "their_state", "error", "ConnectionClosed")
        return [*(line for line in seen if line[0] not in ends), (_AGAIN if usable else _OVER,)]
    if seen[-1][0] == "error":
        return [*seen[:-1], ("RemoteProtocolError", seen[-1][2])]
    return [*seen[:-2], ("ReadTimeout", "")]


@pytest.mark.parametrize("vector", RESPONSES, ids=lambda vector: vector.name)
def test_a_response(vector: Vector) -> None:
    end = [b""] if vector.eof else []
    expected = by_engine(vector, [vector.octets, *end])
    for pieces in cuttings(vector.octets, _STEP):
        seen = stream.run(ask(vector, [*pieces, *end]))
        assert seen == expected, pieces_text(pieces)


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize("behind", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\r\n", b""])
def test_what_comes_behind_a_response_is_not_the_next_one(behind: bytes) -> None:
    """Not even where it comes after the response was read (RFC 9112 §9.2)."""

    async def test(late: bool) -> None:
        below = MemoryStream([[GOOD] if late else [GOOD, behind], [GOOD]])
        connection = HTTP1Connection(below, True)
        connection.write_headers(RequestStartLine("GET", "/"), [("Host", "a")])
        await connection.finish()
        assert await connection.read_response(Notes()) is late
        if late:
            below.arrive(behind)
            with pytest.raises(WriteError, match="what nobody has asked for"):
                connection.write_headers(RequestStartLine("GET", "/"), [("Host", "a")])
            await connection.close()
        assert below.closed
        assert below.written.count(b"GET / ") == 1

    stream.run(test(False))
    stream.run(test(True))


class Answering(Notes):
    """Answers each request as the vectors have it."""

    def __init__(self, connection: HTTP1Connection) -> None:
        super().__init__()
        self._connection = connection

    def finish(self, trailers: h1.Headers) -> None:
        super().finish(trailers)
        self._connection.write_headers(ResponseStartLine("HTTP/1.1", 404, "No"), [("Content-Length", "0")])
        self._connection.finish()


async def answer(vector: Vector, pieces: list[bytes]) -> tuple[list[Outcome], list[int]]:
    """What a server is told of the requests in ``pieces``, and what it answers, but for 408 where nothing more comes."""
    below = MemoryStream([pieces])
    await below.write(b"")
    told: list[Answering] = []

    def delegate(connection: HTTP1Connection) -> Answering:
        told.append(Answering(connection))
        return told[-1]

    await HTTP1Connection(below, False, parameters(vector)).serve(delegate)
    assert below.closed
    assert all(notes.finished + notes.closed == 1 for notes in told)
    lines = [line for notes in told for line in [*notes.lines, *([] if notes.finished else notes.data())]]
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", below.written)]
    return lines, [status for status in statuses if status >= 200 and status != 408]


def expected_of(vector: Vector) -> tuple[list[Outcome], list[int]]:
    """The same of the engine."""
    seen = run(vector, [vector.octets, *([b""] if vector.eof else [])])
    ends = ("NEED_DATA", "PAUSED", "trailing", "their_state", "error", "ConnectionClosed", "waiting for 100-continue")
    statuses = [404] * seen.count(("EndOfMessage",))
    what, *said = seen[-1]
    if what == "error" and "expecting EOF" not in str(said[1]):
        statuses.append(int(str(said[0])))
    return [line for line in seen if line[0] not in ends], statuses


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda vector: vector.name)
def test_requests(vector: Vector) -> None:
    end = [b""] if vector.eof else []
    expected = expected_of(vector)
    for pieces in cuttings(vector.octets, _STEP):
        assert stream.run(answer(vector, [*pieces, *end])) == expected, pieces_text(pieces)
