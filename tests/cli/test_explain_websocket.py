"""WebSocket explained: every case of tests/ws/cases, from either end, at the octet where the engine notices; and handshakes."""

import pytest
from tests.cli.explain_recorded import events, explain, moved, problems
from tests.ws import raw
from tests.ws.cases.case import Case, all_cases

from interlock import h1, ws
from interlock.cli.explain_steps import Side, Step
from interlock.cli.explain_websocket import WebSocket
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, SERVER, Sentinel
from interlock.ws import Close, Connection, Message, PerMessageDeflate

CASES = [case for case in all_cases() if not case.is_large]


def fails(case: Case, role: Sentinel, octets: bytes) -> bool:
    """Whether the end that receives notices that something is wrong when it has these octets."""
    end = Connection(role, limits=case.limits)
    end.start(agreed=case.agreed)
    end.receive_data(octets)
    try:
        while end.next_event() is not NEED_DATA:
            pass
    except ws.RemoteProtocolError:
        return True
    return False


@pytest.mark.parametrize("sender", ["client", "server"])
def test_what_is_wrong_is_told_at_its_octet(sender: str) -> None:
    role = SERVER if sender == "client" else CLIENT
    for case in CASES:
        octets = raw.octets_of(case.frames, sender == "client")
        side = Side(sender)
        side.feed(octets)
        items = list(WebSocket({sender: side}, case.limits or Limits(), case.agreed).steps())
        found = [problem for problem in problems(items) if problem.rule.kind != "incomplete"]
        behind = [problem for problem in found if problem.message.startswith("octets behind a Close")]
        wrong = [problem for problem in found if problem not in behind]
        assert bool(case.code) == bool(wrong), case.title
        for problem in wrong:
            assert problem.rule.text, case.title
            assert problem.rule.sections, case.title
            assert str(case.code) in problem.consequence, case.title
            assert not fails(case, role, octets[: problem.at]), case.title
            assert fails(case, role, octets[: problem.at + 1]), case.title
            assert problem.begin <= problem.at, case.title


def opened(deflate: PerMessageDeflate | None = None) -> tuple[Connection, Connection, bytes, bytes]:
    """Both ends of a WebSocket, and the octets of its handshake."""
    client, server = Connection(CLIENT, deflate=deflate), Connection(SERVER, deflate=deflate)
    ours, theirs = h1.Connection(CLIENT), h1.Connection(SERVER)
    request = client.request(host=b"a")
    asked = ours.send(request)
    server.receive_request(request)
    theirs.receive_data(asked or b"")
    while theirs.next_event() is not h1.PAUSED:
        pass
    response = server.accept()
    answered = theirs.send(response)
    client.receive_response(response)
    assert asked is not None
    assert answered is not None
    return client, server, asked, answered


@pytest.mark.parametrize("deflate", [None, PerMessageDeflate()])
def test_a_conversation_from_its_handshake_to_its_end(deflate: PerMessageDeflate | None) -> None:
    client, server, sent, received = opened(deflate)
    sent += client.send(Message("hello " * 30)) + client.send(Message(b"\x01", final=False))
    sent += client.send(ws.Ping(b"?")) + client.send(Message(b"\x02")) + client.send(Close(1000, "bye"))
    received += server.send(Message("wörld")) + server.send(Close(1000))
    items = explain(sent, received)
    assert problems(items) == []
    assert events(items)[3:] == [
        "server Accept",
        "client Message",
        "client Message.begin",
        "client Ping",
        "client Message.finish",
        "client Close",
        "server Message",
        "server Close",
        "server EndOfStream",
        "client EndOfStream",
    ]
    steps = [item for item in items if isinstance(item, Step)]
    compressed = ", compressed" if deflate else ""
    assert steps[4].summary == f'text, "{"hello " * 5}he" ...{compressed}'
    assert steps[4].content == 180
    assert moved(steps[8]) == ["client: OPEN -> CLOSED", "server: OPEN -> CLOSE_DUE"]
    assert steps[-1].end == len(sent)


def test_a_client_alone() -> None:
    client, _, sent, _ = opened(PerMessageDeflate())
    sent += client.send(Message("hello " * 30))
    items = explain(sent)
    assert problems(items) == []
    assert "client Message" in events(items)


def test_a_server_alone() -> None:
    _, server, _, received = opened()
    items = explain(server=received + server.send(Message("hello")))
    assert problems(items) == []
    assert "server Message" in events(items)


def test_an_answer_to_another_key_is_noted() -> None:
    _, _, sent, received = opened()
    wrong = received.replace(b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: x")
    noted = [note for item in explain(sent, wrong) if isinstance(item, Step) for note in item.notes]
    assert any("Sec-WebSocket-Accept" in note and "RFC 6455 §4.1" in note for note in noted)
    assert not [note for item in explain(sent, received) if isinstance(item, Step) for note in item.notes]


def test_octets_behind_a_close() -> None:
    octets = raw.octets_of([raw.close(), raw.text("more")], client=False)
    (problem,) = problems(explain(server=octets, protocol="websocket"))
    assert problem.at == 4
    assert "RFC 6455 §5.5.1" in problem.rule.sections
    assert problem.unread == len(octets) - 5


def test_a_stream_that_ends_within_a_frame() -> None:
    octets = raw.octets_of([raw.text("hello")], client=False)
    (problem,) = problems(explain(server=octets[:-1], protocol="websocket"))
    assert problem.rule.kind == "incomplete"
    assert problem.at == len(octets) - 1
    assert problem.unit == "a text frame, 5 octets of payload"


def test_the_other_direction_goes_on_behind_an_error() -> None:
    server = raw.octets_of([raw.text(b"\xff"), raw.text("x")], client=False)
    client = raw.octets_of([raw.text("hello"), raw.close(1007)], client=True)
    items = explain(client, server, protocol="websocket")
    assert events(items)[:4] == ["server Accept", "client Message", "client Close", "server !rule"]
