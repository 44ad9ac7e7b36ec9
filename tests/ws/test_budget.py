"""What a peer may do for nothing, and what nobody may mind: pings, fragments, small messages (RFC 6455 §5.5.2, §10.4)."""

from typing import Any

import pytest
from tests.ws import raw
from tests.ws.engine import each_role, opened, received
from tests.ws.raw import Frame

from interlock.ws import NEED_DATA, SERVER, Connection, Limits, Message, Ping, RemoteProtocolError

PING = raw.ping(b"still there?")


def take(connection: Connection, *frames: Frame) -> list[Any]:
    connection.receive_data(raw.octets_of(frames, connection.our_role is SERVER))
    events = []
    while (event := connection.next_event()) is not NEED_DATA:
        events.append(event)
        connection.data_to_send()
    return events


def pings_until_refused(connection: Connection, most: int) -> int:
    for number in range(most):
        try:
            take(connection, PING)
        except RemoteProtocolError as error:
            if error.error_status_hint != 1008:
                raise
            return number
    return most


# -- attacks


@each_role
@pytest.mark.parametrize("frame", [PING, raw.pong()], ids=["pings", "pongs"])
def test_a_flood_of_control_frames(frame: Frame, role: Any) -> None:
    for frames in ([frame] * 201, [raw.text("a", fin=False), *[frame] * 201]):
        outcome = received(opened(role), [raw.octets_of(frames, role is SERVER)])
        assert (len(outcome.events), outcome.code) == (200, 1008)


@each_role
def test_a_flood_that_goes_on_for_long(role: Any) -> None:
    """A hundred pings a second are three times what may be."""
    connection = opened(role)
    refused = 0
    for tick in range(2000):
        connection.now = 1000 + tick / 100
        refused = pings_until_refused(connection, 1)
        if refused == 0:
            break
    assert 200 < tick < 500


@each_role
def test_fragments_of_nothing_earn_nothing(role: Any) -> None:
    connection = opened(role)
    take(connection, raw.text("a", fin=False))
    with pytest.raises(RemoteProtocolError) as failure:
        for _ in range(300):
            take(connection, raw.more(""), PING)
    assert failure.value.error_status_hint == 1008


@each_role
@pytest.mark.parametrize("payload", [b"", b"a"], ids=["empty", "one octet"])
def test_a_flood_of_fragments(payload: bytes, role: Any) -> None:
    """65 536 frames are as many as a message may have, whatever is in them."""
    frames = [raw.binary(b"", fin=False), *[raw.more(payload)] * 65536]
    outcome = received(opened(role), raw.cut(raw.octets_of(frames, role is SERVER), 65536))
    assert (outcome.events, outcome.code) == ([], 1009)


@each_role
def test_pongs_that_nobody_takes_are_one(role: Any) -> None:
    connection = opened(role)
    for number in range(150):
        connection.receive_data(raw.ping(b"%d" % number).octets(role is SERVER))
        connection.next_event()
    assert len(connection.data_to_send()) < 20


# -- what is near them


@each_role
def test_pings_of_a_second_are_free(role: Any) -> None:
    connection = opened(role)
    for number in range(2000):
        connection.now = 5.0 + number / 30
        assert take(connection, PING) == [Ping(PING.payload)]


@each_role
def test_keep_alive_pings_for_a_day(role: Any) -> None:
    """A ping and a pong every twenty seconds, and nothing else."""
    connection = opened(role)
    for number in range(24 * 180):
        connection.now = number * 20.0
        assert len(take(connection, PING, raw.pong(b"%d" % number))) == 2


@each_role
def test_ten_pings_at_once_and_again_later(role: Any) -> None:
    connection = opened(role)
    for number in range(100):
        connection.now = number * 1.0
        assert len(take(connection, *[PING] * 10)) == 10


@each_role
@pytest.mark.parametrize("fragments", [False, True], ids=["whole", "as it comes"])
def test_a_ping_with_every_message_of_any_kind(fragments: bool, role: Any) -> None:
    """Also where no clock is turned."""
    connection = opened(role, fragments=fragments)
    for _ in range(1000):
        take(connection, raw.text("m"), PING)
        take(connection, raw.text("m", fin=False), PING, raw.last("m"))
        connection.receive_data(raw.binary(b"in two").octets(role is SERVER)[:-1])
        while connection.next_event() is not NEED_DATA:
            pass
        connection.receive_data(raw.binary(b"in two").octets(role is SERVER)[-1:])
        take(connection, raw.pong())


@each_role
def test_a_thousand_small_messages_in_one_read(role: Any) -> None:
    messages = [Message(f"message {number}") for number in range(1000)]
    octets = raw.octets_of([raw.text(message.data) for message in messages], role is SERVER)
    outcome = received(opened(role), [octets] * 3)
    assert outcome.events == messages * 3
    assert outcome.sent == []


@each_role
def test_16_mebibytes_in_65536_fragments(role: Any) -> None:
    connection = opened(role)
    first = Frame(raw.BINARY, bytes(256), fin=False).octets(role is SERVER)
    rest = raw.more(b"b" * 256).octets(role is SERVER)
    end = raw.last(b"c" * 256).octets(role is SERVER)
    for piece in (first, *[rest * 1000] * 65, rest * 534, end):
        connection.receive_data(piece)
        event = connection.next_event()
        assert (event is NEED_DATA) == (piece is not end)
    assert event == Message(bytes(256) + b"b" * 256 * 65534 + b"c" * 256)


@each_role
def test_a_message_as_long_as_may_be(role: Any) -> None:
    octets = raw.binary(bytes(2**24)).octets(False) if role is not SERVER else b""
    if role is SERVER:
        octets = Frame(raw.BINARY, b"", length=2**24, form=64).octets(True, bytes(4)) + bytes(2**24)
    for size in (len(octets), 2**18):
        assert received(opened(role), raw.cut(octets, size)).events == [Message(bytes(2**24))]


# -- time brings more


@each_role
def test_the_budget_comes_back_with_time_and_no_more_than_it_was(role: Any) -> None:
    limits = Limits(glitches=20, glitches_rate=4)
    connection = opened(role, limits=limits)
    assert pings_until_refused(opened(role, limits=limits), 100) == 20
    connection.now = 1e9  # whatever a clock begins with
    take(connection, *[PING] * 20)
    connection.now += 2.5
    take(connection, *[PING] * 10)
    connection.now += 1000
    assert pings_until_refused(connection, 100) == 20


@each_role
def test_a_clock_that_goes_back_brings_nothing_and_takes_nothing(role: Any) -> None:
    connection = opened(role, limits=Limits(glitches=20, glitches_rate=4))
    connection.now = 100.0
    take(connection, *[PING] * 10)
    connection.now = 50.0
    take(connection, *[PING] * 5)
    connection.now = 100.0
    assert pings_until_refused(connection, 100) == 5


@each_role
def test_messages_bring_one_each_and_no_more_than_it_was(role: Any) -> None:
    connection = opened(role, limits=Limits(glitches=5, glitches_rate=0))
    take(connection, *[raw.text("m")] * 100)
    take(connection, *[PING] * 5)
    take(connection, *[raw.text("m")] * 2, *raw.fragmented(raw.text("mm"), 1))
    assert pings_until_refused(connection, 100) == 3
