"""Runs vectors of HTTP/1.1: the octets of each into the engine, whole or in pieces, and what came out held against it."""

import re
from collections.abc import Iterator

import pytest
from tests.h1.vectors import Vector

from interlock import h1

__all__ = ["Outcome", "check", "connect", "cuts", "cuttings", "pieces_text", "run", "run_cut_everywhere"]

#: Inputs up to this many octets are cut at every point, longer ones at some.
_CUT_EVERYWHERE = 1500

Outcome = tuple[object, ...]


def connect(vector: Vector) -> h1.Connection:
    """The engine of a vector, at the point where the octets begin to come in."""
    role = h1.CLIENT if vector.role == "client" else h1.SERVER
    leniency = h1.Leniency(**dict.fromkeys(vector.flags, True))
    connection = h1.Connection(role, limits=h1.Limits(**vector.limits), leniency=leniency)
    if role is h1.CLIENT and vector.request != "none":
        method, target = vector.request.split(" ")
        authority = target if method == "CONNECT" else "a"
        connection.send(h1.Request(method=method, target=target, headers=[("Host", authority), *vector.request_fields]))
        connection.send(h1.EndOfMessage())
    return connection


def answer(connection: h1.Connection, status: str) -> None:
    """Answer a request, and go on with the next one where the connection is kept."""
    if status == "none" or connection.our_state is not h1.SEND_RESPONSE:
        return
    code = int(status)
    if code == 101:
        connection.send(
            h1.InformationalResponse(status_code=code, headers=[("Upgrade", "x"), ("Connection", "upgrade")])
        )
        return
    switch = connection.their_state is h1.MIGHT_SWITCH_PROTOCOL and code < 300
    connection.send(h1.Response(status_code=code, headers=[] if switch else [("Content-Length", "0")]))
    if connection.our_state is h1.SEND_BODY:
        connection.send(h1.EndOfMessage())
    if connection.our_state is h1.DONE and connection.their_state is h1.DONE:
        connection.start_next_cycle()


def fields_of(what: str, headers: h1.Headers) -> Iterator[Outcome]:
    """The lines of a field section; the names that programs see are those on the wire in lower case."""
    raw = headers.raw_items()
    assert [(name.lower(), value) for name, value in raw] == list(headers)
    return ((what, name, value) for name, value in raw)


def run(vector: Vector, pieces: list[bytes]) -> list[Outcome]:
    """What the engine gives for the octets of ``vector``, cut into ``pieces``, in the form of its events block.

    After the line that ends the block stand ``trailing``, when it is PAUSED, and ``their_state``.
    """
    connection = connect(vector)
    seen: list[Outcome] = []
    end: Outcome = ("NEED_DATA",)
    for piece in pieces:
        if end[0] in ("error", "ConnectionClosed"):
            break
        connection.receive_data(piece)
        end = pump(connection, vector, seen)
    seen.append(end)
    if end[0] == "error":
        assert connection.their_state is h1.ERROR
        with pytest.raises(h1.RemoteProtocolError):
            connection.next_event()
        assert connection.their_state is h1.ERROR
        return seen
    if end[0] == "PAUSED":
        seen.append(("trailing", connection.trailing_data[0]))
    return [*seen, ("their_state", repr(connection.their_state))]


def pump(connection: h1.Connection, vector: Vector, seen: list[Outcome]) -> Outcome:
    """Take all the events there are, and tell why there are no more."""
    while True:
        try:
            event = connection.next_event()
        except h1.RemoteProtocolError as error:
            return ("error", error.error_status_hint, str(error))
        if event is h1.NEED_DATA or event is h1.PAUSED:
            return (repr(event),)
        if isinstance(event, h1.ConnectionClosed):
            return ("ConnectionClosed",)
        if isinstance(event, h1.Data):
            octets = bytes(event.data)
            if octets and seen and seen[-1][0] == "Data":
                octets = seen.pop()[1] + octets  # type: ignore[operator]
            if octets:
                seen.append(("Data", octets))
        elif isinstance(event, h1.EndOfMessage):
            seen.append(("EndOfMessage",))
            seen.extend(fields_of("trailer", event.headers))
            if vector.role == "server":
                answer(connection, vector.answer)
        elif isinstance(event, h1.Request):
            seen.append(("Request", event.method, event.target, event.http_version))
            seen.extend(fields_of("field", event.headers))
            if connection.they_are_waiting_for_100_continue:
                seen.append(("waiting for 100-continue",))
        else:
            assert isinstance(event, (h1.InformationalResponse, h1.Response))
            seen.append((type(event).__name__, event.status_code, event.http_version, event.reason))
            seen.extend(fields_of("field", event.headers))


def check(vector: Vector, seen: list[Outcome], pieces: list[bytes]) -> None:
    """Hold what came out against the vector."""
    stated = {line[0] for line in vector.expected}
    shown = [line for line in seen if line[0] not in ("trailing", "their_state") or line[0] in stated]
    expected = list(vector.expected)
    for at, line in enumerate(expected):
        if line == ("Data", None) and at < len(shown) and shown[at][0] == "Data":
            expected[at] = shown[at]
        if line[0] == "error" and at < len(shown) and same_error(line, shown[at]):
            expected[at] = shown[at]
    assert shown == expected, f"{vector.name}\n{pieces_text(pieces)}"


def same_error(expected: Outcome, seen: Outcome) -> bool:
    """Whether an error is the one that an ``error`` line asks for."""
    status, pattern = str(expected[1]).replace("x", "[0-9]") or ".*", str(expected[2])
    return seen[0] == "error" and bool(re.fullmatch(status, str(seen[1])) and re.search(pattern, str(seen[2])))


def pieces_text(pieces: list[bytes]) -> str:
    """How the octets were cut, for a message."""
    return " | ".join(repr(piece[:200]) for piece in pieces[:3]) + (" | ..." if len(pieces) > 3 else "")


def cuts(octets: bytes) -> Iterator[int]:
    """The points at which octets are cut in two: all, or where there are many, those near the ends and some between."""
    count = len(octets)
    if count <= _CUT_EVERYWHERE:
        yield from range(1, count)
        return
    yield from range(1, 50)
    yield from range(50, count - 50, count // 50)
    yield from range(count - 50, count)


def cuttings(octets: bytes, step: int = 1) -> Iterator[list[bytes]]:
    """The octets whole, octet by octet, and in two at each ``step``; of long ones, in small pieces, and at few points."""
    count = len(octets)
    long = count > _CUT_EVERYWHERE
    yield [octets] if octets else []
    size = 97 if long else 1
    yield [octets[at : at + size] for at in range(0, count, size)]
    for at in range(1, count, count // 10 if long else step):
        yield [octets[:at], octets[at:]]


def run_cut_everywhere(vector: Vector) -> list[Outcome]:
    """Run ``vector`` whole, octet by octet, and cut in two at every point; each has to give the same, which is returned."""
    end = [b""] if vector.eof else []
    octets = vector.octets
    whole = run(vector, [octets, *end])
    check(vector, whole, [octets, *end])
    single = [octets[at : at + 1] for at in range(len(octets))]
    for pieces in (single, *([octets[:at], octets[at:]] for at in cuts(octets))):
        seen = run(vector, [*pieces, *end])
        assert seen == whole, f"{vector.name}\ncut as {pieces_text(pieces)}"
    return whole
