"""What a client makes of the responses of ``tests/vectors``, however they are cut: the message that the engine gives, or an error.

After a bad response, one that is cut off, and one with anything behind it the connection is not used again.
"""

import contextlib

import pytest
from tests.client.memory_stream import MemoryNetwork, MemoryStream
from tests.h1.vector_runner import Outcome, cuttings, fields_of, pieces_text, run
from tests.h1.vectors import Vector, read_vectors

from interlock import h1
from interlock.client.http1 import ClientHTTP1Connection
from interlock.client.messages import Connection, Request, Response
from interlock.client.pool import Pool
from interlock.net import stream
from interlock.net.errors import ReadTimeout

VECTORS = [vector for folder in ("h1", "responses") for vector in read_vectors(folder) if vector.role == "client"]
#: A client reads nothing before it has asked for something.
ASKED = [vector for vector in VECTORS if vector.request != "none"]
UNASKED = [vector for vector in VECTORS if vector.request == "none"]

#: Where a response ends otherwise than with an error.
_AGAIN = "the connection can be used again"
_OVER = "the connection is not used again"


def connect(vector: Vector, pieces: list[bytes]) -> ClientHTTP1Connection:
    """A connection to a server that says ``pieces``."""
    leniency = h1.Leniency(**dict.fromkeys(vector.flags, True))
    return ClientHTTP1Connection(
        MemoryNetwork(), MemoryStream([pieces]), limits=h1.Limits(**vector.limits), leniency=leniency
    )


def request(vector: Vector, seen: list[Outcome]) -> Request:
    """The request of a vector; informational responses to it go to ``seen``."""
    method, target = vector.request.split(" ")
    return Request(
        method.encode(),
        b"http",
        "a",
        80,
        target.encode(),
        vector.request_fields,
        on_informational=lambda response: seen.extend(head_lines(response)),
    )


def head_lines(response: h1.InformationalResponse | Response) -> list[Outcome]:
    """The head of a response in the form of an events block."""
    kind = "Response" if response.status_code >= 200 else "InformationalResponse"
    head = (kind, response.status_code, response.http_version, response.reason)
    return [head, *fields_of("field", response.headers)]


async def ask(connection: Connection, vector: Vector) -> list[Outcome]:
    """What comes of a request on ``connection``, in the form of an events block, and how the connection goes on."""
    seen: list[Outcome] = []
    octets = b""
    asked = request(vector, seen)
    try:
        response = await connection.send(asked)
        seen.extend(head_lines(response))
        if response.status_code == 101 or (asked.method == b"CONNECT" and response.status_code < 300):
            return [*seen, ("PAUSED",), ("trailing", await all_there_is(response))]
        while block := await response.exchange.read_block():
            octets += block
    except (h1.RemoteProtocolError, ReadTimeout) as error:
        assert connection.is_closed()
        assert connection.room() == 0
        message = str(error) if isinstance(error, h1.RemoteProtocolError) else ""
        return [*seen, *content_lines(octets), (type(error).__name__, message)]
    trailers = response.exchange.trailers
    assert trailers is not None
    usable = connection.room() > 0 and not connection.has_ended()
    end = [("EndOfMessage",), *fields_of("trailer", trailers), (_AGAIN if usable else _OVER,)]
    return [*seen, *content_lines(octets), *end]


def content_lines(octets: bytes) -> list[Outcome]:
    return [("Data", octets)] if octets else []


async def all_there_is(response: Response) -> bytes:
    """The octets behind a response that switches."""
    below = response.exchange.network_stream
    assert below is not None
    octets = b""
    while below.get_extra_info("is_readable"):
        octets += await below.read(10)
    return octets


def by_engine(vector: Vector, pieces: list[bytes]) -> list[Outcome]:
    """The same of the engine: its events, and how the connection goes on by what it says."""
    seen = run(vector, pieces)
    if seen[-1][0] == "their_state" and seen[-1][1] == "SWITCHED_PROTOCOL":
        return seen[:-1]
    if ("EndOfMessage",) in seen:
        usable = seen[-2:] == [("NEED_DATA",), ("their_state", "DONE")]
        kept = [
            line for line in seen if line[0] not in ("NEED_DATA", "PAUSED", "their_state", "error", "ConnectionClosed")
        ]
        return [*(line for line in kept if line[0] != "trailing"), (_AGAIN if usable else _OVER,)]
    if seen[-1][0] == "error":
        return [*seen[:-1], ("RemoteProtocolError", seen[-1][2])]
    return [*seen[:-2], ("ReadTimeout", "")]


def same(seen: list[Outcome], expected: list[Outcome]) -> bool:
    """Whether both are the same, in whichever words a client says that there was no response at all."""
    nothing = "without sending a response"
    if nothing in str(expected[-1]) and nothing in str(seen[-1]):
        return seen[:-1] == expected[:-1]
    return seen == expected


@pytest.mark.parametrize("vector", ASKED, ids=lambda vector: vector.name)
def test_a_response(vector: Vector) -> None:
    end = [b""] if vector.eof else []
    octets = vector.octets
    expected = by_engine(vector, [octets, *end])
    for pieces in cuttings(octets):
        seen = stream.run(ask(connect(vector, [*pieces, *end]), vector))
        assert same(seen, expected), pieces_text(pieces)


@pytest.mark.parametrize("vector", ASKED, ids=lambda vector: vector.name)
def test_the_next_request(vector: Vector) -> None:
    """It is made on the same connection where that is as good as new, and on another one where it is not."""
    end = [b""] if vector.eof else []
    good = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]
    network = MemoryNetwork([[[vector.octets, *end], good], [good]])
    leniency = h1.Leniency(**dict.fromkeys(vector.flags, True))
    pool = Pool(network, http2=False, limits=h1.Limits(**vector.limits), leniency=leniency)

    async def ask_twice() -> bytes:
        with contextlib.suppress(h1.RemoteProtocolError, ReadTimeout):
            response = await pool.send(request(vector, []))
            while await response.exchange.read_block():
                pass
            await response.exchange.aclose()
        response = await pool.send(Request(b"GET", b"http", "a", 80, b"/next"))
        return await response.exchange.read_block()

    assert stream.run(ask_twice()) == b"hi"
    first, *others = network.streams
    again = by_engine(vector, [vector.octets, *end])[-1] == (_AGAIN,)
    assert len(others) == (0 if again else 1)
    assert (b"GET /next " in first.written) is again
    assert first.closed is not again
    stream.run(pool.aclose())


@pytest.mark.parametrize("vector", UNASKED, ids=lambda vector: vector.name)
def test_a_response_that_nobody_asked_for(vector: Vector) -> None:
    """A connection on which there is anything before a request is not used for one."""
    unasked = connect(vector, [vector.octets or b""])
    stream.run(unasked._stream.write(b""))
    assert unasked.has_ended()
