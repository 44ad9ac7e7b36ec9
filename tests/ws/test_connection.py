"""What a caller does with a connection: the handshake, what is sent, pongs, what is known of the end."""

import itertools
from typing import Any

import pytest
from tests.ws import raw
from tests.ws.engine import each_role, opened, received

from interlock.ws import (
    CLIENT,
    NEED_DATA,
    SERVER,
    Action,
    Close,
    CloseReceived,
    Connection,
    ConnectionClosed,
    InformationalResponse,
    LocalProtocolError,
    Message,
    PerMessageDeflate,
    Ping,
    Pong,
    RemoteProtocolError,
    Request,
    Response,
    Step,
)


def sent_by(connection: Connection) -> list[raw.Frame]:
    return raw.read(connection.data_to_send(), connection.our_role is CLIENT)


def sends(connection: Connection, *events: Any) -> list[raw.Frame]:
    return raw.read(b"".join(map(connection.send, events)), connection.our_role is CLIENT)


def gets(connection: Connection, *frames: raw.Frame) -> list[Any]:
    connection.receive_data(raw.octets_of(frames, connection.our_role is SERVER))
    events = []
    while (event := connection.next_event()) is not NEED_DATA:
        events.append(event)
    return events


# -- the opening handshake


def handshake(**server: Any) -> tuple[Connection, Connection]:
    client = Connection(CLIENT, deflate=PerMessageDeflate())
    request = client.request(host=b"a", subprotocols=["x", "y"])
    ours = Connection(SERVER, **server)
    ours.receive_request(request)
    return client, ours


def test_a_handshake_that_is_accepted() -> None:
    client, server = handshake(deflate=PerMessageDeflate())
    assert client.next_actions() == server.next_actions() == [Action.START_OPENING_TIMER]
    response = server.accept(subprotocol="y")
    assert isinstance(response, InformationalResponse)
    assert client.receive_response(response)
    assert client.next_actions() == server.next_actions() == [Action.STOP_OPENING_TIMER]
    for end in (client, server):
        assert end.accepted
        assert not end.connecting
        assert end.subprotocol == "y"
        assert end.writable
        assert end.readable
    assert client.agreed is not None
    assert server.agreed is not None
    client.receive_data(server.send(Message("a" * 1000)))
    assert client.next_event() == Message("a" * 1000)


def test_a_handshake_that_is_refused() -> None:
    client, server = handshake()
    response = server.reject(401, [("WWW-Authenticate", "Basic")])
    assert response.status_code == 401
    assert not client.receive_response(response)
    for end in (client, server):
        end.next_actions()
        assert end.machines["handshake"] == "REJECTED"
        assert end.over
        assert not end.accepted
        assert not end.writable
        with pytest.raises(LocalProtocolError):
            end.send(Message("a"))
    with pytest.raises(LocalProtocolError):
        server.accept()


def test_accept_and_reject_exclude_each_other() -> None:
    for first, second in (("accept", "reject"), ("reject", "accept"), ("accept", "accept"), ("reject", "reject")):
        _, server = handshake()
        getattr(server, first)()
        with pytest.raises(LocalProtocolError, match="handshake"):
            getattr(server, second)()


def test_a_subprotocol_that_nobody_offered_accepts_nothing() -> None:
    _, server = handshake()
    with pytest.raises(LocalProtocolError):
        server.accept(subprotocol="z")
    assert server.connecting
    server.accept(subprotocol="x")


def test_interim_responses_are_no_answer() -> None:
    client, server = handshake()
    assert not client.receive_response(InformationalResponse(status_code=103))
    assert client.connecting
    assert client.receive_response(server.accept())


def test_a_response_that_accepts_what_was_not_proposed_abandons() -> None:
    client, server = handshake()
    response = server.accept()
    wrong = InformationalResponse(
        status_code=101, headers=[*response.headers.raw_items(), (b"Sec-WebSocket-Protocol", b"z")]
    )
    client.next_actions()
    with pytest.raises(RemoteProtocolError):
        client.receive_response(wrong)
    assert client.next_actions() == [Action.STOP_OPENING_TIMER, Action.TEAR_DOWN]
    assert client.close_code == 1006


def test_a_request_is_made_once_by_a_client_and_read_by_a_server() -> None:
    client, server = handshake()
    with pytest.raises(LocalProtocolError):
        client.request(host=b"a")
    with pytest.raises(LocalProtocolError):
        server.request(host=b"a")
    with pytest.raises(LocalProtocolError):
        Connection(SERVER).accept()
    with pytest.raises(LocalProtocolError):
        Connection(CLIENT).receive_response(Response(status_code=200))
    with pytest.raises(RemoteProtocolError) as failure:
        Connection(SERVER).receive_request(Request(method="GET", target="/", headers=[("Host", "a")]))
    assert failure.value.error_status_hint in {400, 426}


@each_role
def test_frames_behind_the_handshake_wait_for_it(role: Any) -> None:
    connection = Connection(role)
    connection.receive_data(raw.text("early").octets(role is SERVER))
    assert connection.next_event() is NEED_DATA
    connection.start()
    assert connection.next_event() == Message("early")


@each_role
def test_nothing_is_sent_before_the_handshake(role: Any) -> None:
    connection = Connection(role)
    for event in (Message("a"), Ping(), Pong(), Close()):
        with pytest.raises(LocalProtocolError):
            connection.send(event)
    assert connection.data_to_send() == b""
    assert connection.waiting_for == "opening"


# -- messages


@each_role
def test_what_is_sent(role: Any) -> None:
    assert sends(
        opened(role),
        Message("κ"),
        Message(b"\xff"),
        Message(bytearray(b"1")),
        Message(memoryview(b"234")[::2]),
        Message("a", final=False),
        Message("", final=False),
        Ping(b"?"),
        Message("b"),
        Message("c"),
        Pong(b"!"),
        Close(4000, "€" * 41),
    ) == [
        raw.text("κ"),
        raw.binary(b"\xff"),
        raw.binary(b"1"),
        raw.binary(b"24"),
        raw.text("a", fin=False),
        raw.more(""),
        raw.ping(b"?"),
        raw.last("b"),
        raw.text("c"),
        raw.pong(b"!"),
        raw.close(4000, "€" * 41),
    ]


@each_role
def test_what_cannot_be_sent_changes_nothing(role: Any) -> None:
    connection = opened(role)
    connection.send(Message("a", final=False))
    before = connection.machines
    for event in (Message("\ud800"), Message(b"b"), ConnectionClosed()):
        with pytest.raises(LocalProtocolError):
            connection.send(event)
    assert connection.machines == before
    assert sends(connection, Message("b")) == [raw.last("b")]
    for data in (5, [1, 2], None):  # the first would be five octets, were it given to bytes()
        with pytest.raises(TypeError):
            connection.send(Message(data))
    assert connection.data_to_send() == b""


def test_control_frames_are_checked_when_they_are_made() -> None:
    for make in (Ping, Pong):
        make(bytes(125))
        with pytest.raises(LocalProtocolError):
            make(bytes(126))
    for code in (None, 1000, 1003, 1007, 1014, 3000, 4999):
        Close(code)
    for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536, -1):
        with pytest.raises(LocalProtocolError):
            Close(code)
    for arguments in ((None, "why"), (1000, "€" * 42), (1000, "a" * 124), (1000, "\ud800")):
        with pytest.raises(LocalProtocolError):
            Close(*arguments)


@each_role
def test_an_error_says_where_we_are_and_what_would_be_legal(role: Any) -> None:
    connection = opened(role)
    connection.close()
    with pytest.raises(LocalProtocolError, match="CLOSED"):
        connection.send(Message("a"))


def test_every_frame_of_a_client_has_a_key_of_its_own() -> None:
    """RFC 6455 §5.3, §10.3."""
    connection = opened(CLIENT)
    octets = [connection.send(Message(bytes(4))) for _ in range(1000)]
    keys = {frame[2:6] for frame in octets}
    assert len(keys) > 990
    assert len({key[0] for key in keys}) > 200
    assert all(frame[6:] == frame[2:6] for frame in octets)
    assert {opened(CLIENT).send(Message(b""))[2:] for _ in range(50)}.isdisjoint(keys)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 131072, 1000001])
def test_lengths_are_as_short_as_can_be(size: int) -> None:
    for role in (CLIENT, SERVER):
        assert sends(opened(role), Message(b"a" * size)) == [raw.binary(b"a" * size)]


# -- pings and pongs


@each_role
def test_every_ping_is_answered_where_what_is_to_be_sent_is_asked_for(role: Any) -> None:
    frames = [raw.ping(b"%d" % number) for number in range(10)]
    outcome = received(opened(role), [raw.octets_of(frames, role is SERVER)])
    assert outcome.sent == [raw.pong(b"%d" % number) for number in range(10)]


@each_role
def test_the_latest_ping_is_answered_where_nothing_could_be_written(role: Any) -> None:
    """RFC 6455 §5.5.3."""
    connection = opened(role)
    gets(connection, *(raw.ping(b"%d" % number) for number in range(10)))
    assert sent_by(connection) == [raw.pong(b"9")]
    assert sent_by(connection) == []


@each_role
def test_a_pong_goes_before_what_is_sent_behind_the_ping(role: Any) -> None:
    for event, frame in ((Message("a"), raw.text("a")), (Ping(b"b"), raw.ping(b"b")), (Close(), raw.close())):
        connection = opened(role)
        gets(connection, raw.ping(b"?"))
        assert sends(connection, event) == [raw.pong(b"?"), frame]


@each_role
def test_a_callers_pong_is_the_answer_only_if_it_is_one(role: Any) -> None:
    connection = opened(role)
    gets(connection, raw.ping(b"?"))
    assert sends(connection, Pong(b"?")) == [raw.pong(b"?")]
    assert sent_by(connection) == []
    gets(connection, raw.ping(b"?"))
    assert sends(connection, Pong(b"unasked")) == [raw.pong(b"?"), raw.pong(b"unasked")]
    assert sent_by(connection) == []


@each_role
def test_a_ping_before_a_close_is_answered_and_one_behind_ours_is_not(role: Any) -> None:
    connection = opened(role)
    gets(connection, raw.ping(b"1"), raw.close(1001))
    assert sent_by(connection) == [raw.pong(b"1"), raw.close(1001)]
    connection = opened(role)
    connection.close(1000)
    assert gets(connection, raw.ping(b"1"), raw.text("still")) == [Ping(b"1"), Message("still")]
    assert sent_by(connection) == [raw.close(1000)]


# -- the end


@each_role
def test_when_either_end_closed(role: Any) -> None:
    connection = opened(role)
    connection.now = 5.0
    connection.close(3000, "bye")
    connection.now = 7.5
    assert gets(connection, raw.close(3001, "see you")) == [CloseReceived(3001, "see you")]
    local, remote = connection.local_close, connection.remote_close
    assert local is not None
    assert remote is not None
    assert (local.code, local.reason, local.when) == (3000, "bye", 5.0)
    assert (remote.code, remote.reason, remote.when) == (3001, "see you", 7.5)
    assert (connection.close_code, connection.close_reason) == (3001, "see you")
    assert "3001" in repr(remote)


@each_role
def test_what_is_behind_their_close_belongs_to_no_frame(role: Any) -> None:
    """A byte stream that was lent may be used for something else then."""
    connection = opened(role)
    connection.receive_data(raw.close().octets(role is SERVER) + b"\xff else")
    assert connection.next_event() == CloseReceived(1000)
    assert connection.next_event() is NEED_DATA
    assert connection.trailing_data == (b"\xff else", False)
    connection.receive_data(b"")
    assert connection.next_event() == ConnectionClosed()
    assert connection.next_event() is NEED_DATA
    assert connection.trailing_data == (b"\xff else", True)


@each_role
def test_what_is_behind_an_error_is_neither_read_nor_kept(role: Any) -> None:
    connection = opened(role)
    connection.receive_data(raw.text("a", rsv=1).octets(role is SERVER) + bytes(1000))
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    connection.receive_data(bytes(1000) + raw.close().octets(role is SERVER))
    assert connection.next_event() is NEED_DATA
    assert connection.trailing_data == (b"", False)
    assert connection.remote_close is None
    assert [frame.payload[:2] for frame in sent_by(connection)] == [b"\x03\xea"]


@each_role
def test_a_failure_of_ours_reads_nothing_more(role: Any) -> None:
    connection = opened(role)
    connection.receive_data(raw.text("waits").octets(role is SERVER))
    connection.fail(1008, "no")
    assert connection.next_event() is NEED_DATA
    assert sent_by(connection) == [raw.close(1008, "no")]
    for arguments in ((1005, ""), (1000, "a" * 124)):
        with pytest.raises(LocalProtocolError):
            opened(role).fail(*arguments)


@each_role
def test_the_reason_of_a_failure_fits_into_a_close(role: Any) -> None:
    connection = opened(role)
    connection.receive_data(raw.Frame(raw.CLOSE, b"\x03\xe8" + b"\xff" * 100).octets(role is SERVER))
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    (frame,) = sent_by(connection)
    assert frame.payload[:2] == b"\x03\xef"
    assert 0 < len(frame.payload[2:].decode()) <= 123


@each_role
def test_the_end_of_the_stream_in_a_frame(role: Any) -> None:
    connection = opened(role)
    connection.receive_data(raw.text("a message").octets(role is SERVER)[:-1])
    connection.receive_data(b"")
    assert connection.next_event() == ConnectionClosed()
    assert connection.close_code == 1006
    assert connection.local_close is None
    assert connection.data_to_send() == b""


# -- who looks on


def changes(steps: list[Step]) -> list[tuple[str, dict[str, str]]]:
    """Each event with the states that it has changed, and the states that they are now."""
    return [
        (step.event, {name: state for name, state in step.after.items() if step.before[name] != state})
        for step in steps
    ]


@each_role
def test_every_step_is_told_in_order(role: Any) -> None:
    ours, theirs = ("server", "client") if role is SERVER else ("client", "server")
    steps: list[Step] = []
    connection = Connection(role)
    connection.trace = steps.append
    connection.start()
    gets(connection, raw.text("content changes no state"), raw.close(1000))
    connection.receive_data(b"")
    connection.next_event()
    connection.next_actions()
    assert changes(steps) == [
        ("server.Accept", {"handshake": "ACCEPTED", "client": "OPEN", "server": "OPEN"}),
        (f"{theirs}.Close", {ours: "CLOSE_DUE", theirs: "CLOSED"}),
        (f"{ours}.Close", {ours: "CLOSED"}),
        (f"{theirs}.EndOfStream", {"stream": f"{theirs.upper()}_ENDED"}),
        (f"{ours}.EndOfStream", {"stream": "GONE"}),
    ]
    assert all(before.after == after.before for before, after in itertools.pairwise(steps))
    assert steps[-1].after == connection.machines
    assert repr(steps[-1]) == f"Step('{ours}.EndOfStream', b'', {{'stream': '{theirs.upper()}_ENDED -> GONE'}})"


@each_role
def test_pings_and_pongs_are_told_of_though_they_change_no_state(role: Any) -> None:
    ours, theirs = ("server", "client") if role is SERVER else ("client", "server")
    steps: list[Step] = []
    connection = opened(role)
    connection.trace = steps.append
    gets(connection, raw.Frame(raw.PING, b"a"), raw.Frame(raw.PONG, b"b"))
    sends(connection, Ping(b"c"), Pong(b"d"))
    assert [(step.event, step.payload) for step in steps] == [
        (f"{theirs}.Ping", b"a"),
        (f"{theirs}.Pong", b"b"),
        (f"{ours}.Pong", b"a"),
        (f"{ours}.Ping", b"c"),
        (f"{ours}.Pong", b"d"),
    ]
    assert all(step.before == step.after == connection.machines for step in steps)


@each_role
def test_the_loss_of_the_stream_is_told_once(role: Any) -> None:
    steps: list[Step] = []
    connection = opened(role)
    connection.trace = steps.append
    connection.connection_lost()
    connection.connection_lost()
    assert changes(steps) == [("stream.Lose", {"client": "LOST", "server": "LOST", "stream": "GONE"})]
