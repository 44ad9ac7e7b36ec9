"""Peers that are slow on purpose, against the driver on a virtual clock (RFC 9113 §3.4, §6.5.3, §10.5)."""

from collections.abc import Iterator

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.conformance.driver_client import DriverClient
from tests.net.virtual_clock import EPOCH, Handled, ServerSide, server_side

LONG = bytes(500_000)


@pytest.fixture
def side() -> Iterator[ServerSide]:
    with server_side() as side:
        yield side


def respond_long(handled: Handled) -> None:
    handled.respond(LONG)
    handled.exchange.ended()


@pytest.mark.parametrize(
    "octets", [b"", raw.PREFACE[:10], raw.PREFACE, raw.PREFACE + raw.settings()[:5]], ids=["0", "10", "24", "29"]
)
def test_a_preface_that_never_comes(side: ServerSide, octets: bytes) -> None:
    client = DriverClient(side)
    if octets:
        client.send_raw(octets)
    assert 9 <= client.seconds_until_closed(100) <= 11


def test_a_preface_octet_by_octet(side: ServerSide) -> None:
    client = DriverClient(side)
    octets = raw.PREFACE + raw.settings()
    assert 9 <= client.seconds_until_closed(100, lambda second: client.send_raw(octets[second : second + 1])) <= 11


def test_settings_that_are_never_acknowledged(side: ServerSide) -> None:
    client = DriverClient(side)
    client.send(raw.PREFACE, raw.settings())
    assert 9 <= client.seconds_until_closed(100) <= 11
    client.expect_goaway(raw.SETTINGS_TIMEOUT)


def test_settings_that_are_never_acknowledged_while_requests_run(side: ServerSide) -> None:
    client = DriverClient(side)
    client.send(raw.PREFACE, raw.settings())
    client.send(raw.headers(1, raw.block(client.fields())))
    assert 9 <= client.seconds_until_closed(100, lambda _: client.send(raw.ping())) <= 11
    client.expect_goaway(raw.SETTINGS_TIMEOUT)


def test_an_idle_connection(side: ServerSide) -> None:
    client = DriverClient(side)
    client.start()
    assert 74 <= client.seconds_until_closed(200) <= 80
    assert client.goaways
    assert client.goaways[-1].number(4) == raw.NO_ERROR


INCOMPLETE = {
    "frame-head": raw.ping()[:5],
    "ping": raw.ping()[:12],
    "headers": raw.headers(1, raw.block([(":method", "GET")]))[:15],
    "field-block": raw.headers(1, raw.block([(":method", "GET")]), end_headers=False),
    "settings": raw.settings((4, 4))[:10],
}


@pytest.mark.parametrize("octets", INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_frame_that_is_never_complete(side: ServerSide, octets: bytes) -> None:
    client = DriverClient(side)
    client.start()
    client.send_raw(octets)
    assert 9 <= client.seconds_until_closed(100) <= 11
    client.expect_goaway(raw.ENHANCE_YOUR_CALM)


def test_a_head_octet_by_octet(side: ServerSide) -> None:
    """Slowloris."""
    client = DriverClient(side)
    client.start()
    octets = raw.headers(1, raw.block(client.fields()))
    assert 9 <= client.seconds_until_closed(100, lambda second: client.send_raw(octets[second : second + 1])) <= 12


def test_a_field_block_continuation_by_continuation(side: ServerSide) -> None:
    client = DriverClient(side)
    client.start()
    client.send(raw.headers(1, raw.literal("x", "y"), end_headers=False))
    more = raw.continuation(1, b"x", end_headers=False)
    assert client.seconds_until_closed(100, lambda second: client.send_raw(more) if second % 4 == 3 else None) <= 12


def test_an_upload_octet_by_octet(side: ServerSide) -> None:
    client = DriverClient(side)
    client.start()
    client.upload(1)
    lasted = client.seconds_until_reset(1, 100, lambda _: client.send(raw.data(1, b"x")))
    assert 9 <= lasted <= 20
    client.expect_alive()


def test_an_upload_that_stops(side: ServerSide) -> None:
    client = DriverClient(side)
    client.start()
    client.upload(1)
    client.send(raw.data(1, bytes(1000)))
    assert 9 <= client.seconds_until_reset(1, 100) <= 35
    client.expect_alive()


def test_an_upload_within_a_frame_that_stops(side: ServerSide) -> None:
    client = DriverClient(side)
    client.start()
    client.upload(1)
    client.send_raw(raw.data(1, bytes(10000))[:2000])
    assert client.seconds_until_reset(1, 100) <= 35


def test_other_streams_do_not_keep_a_slow_upload(side: ServerSide) -> None:
    client = DriverClient(side)
    client.start()
    client.upload(1)

    def every(second: int) -> None:
        client.upload(3 + 2 * second)
        client.send(raw.data(3 + 2 * second, bytes(5000), end=True))

    assert 9 <= client.seconds_until_reset(1, 100, every) <= 35


def test_a_window_that_is_never_opened(side: ServerSide) -> None:
    side.on_request = respond_long
    client = DriverClient(side)
    client.start((raw.INITIAL_WINDOW_SIZE, 0))
    client.request(1)
    lasted = client.seconds_until_reset(1, 100, lambda _: client.send(raw.ping()))
    assert 25 <= lasted <= 35


def test_a_window_octet_by_octet(side: ServerSide) -> None:
    side.on_request = respond_long
    client = DriverClient(side)
    client.start((raw.INITIAL_WINDOW_SIZE, 10))
    client.request(1)
    assert client.seconds_until_reset(1, 200, lambda _: client.send(raw.window_update(1, 1))) <= 70


def test_a_connection_window_that_is_never_opened(side: ServerSide) -> None:
    side.on_request = respond_long
    client = DriverClient(side)
    client.start((raw.INITIAL_WINDOW_SIZE, 2**20))
    for stream in range(1, 20, 2):
        client.request(stream)
    assert client.seconds_until_reset(19, 100, lambda _: client.send(raw.ping())) <= 35


def test_a_window_that_is_shrunk_below_nothing(side: ServerSide) -> None:
    side.on_request = respond_long
    client = DriverClient(side)
    client.start((raw.INITIAL_WINDOW_SIZE, 1000))
    client.request(1)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    assert client.seconds_until_reset(1, 100) <= 35


def test_who_reads_nothing_at_all(side: ServerSide) -> None:
    side.on_request = respond_long
    client = DriverClient(side)
    client.start((raw.INITIAL_WINDOW_SIZE, 2**30))
    client.send(raw.window_update(0, 2**30))
    client.transport.take_nothing()
    for stream in range(1, 200, 2):
        client.request(stream)
    for _ in range(60):
        side.pass_time(1)
    assert client.transport.closed_at is not None
    assert client.transport.closed_at - EPOCH <= 40
    assert client.transport.most_waiting < 2**20


def test_a_slow_reader_that_goes_on_is_left_alone(side: ServerSide) -> None:
    """2000 octets a second are enough."""
    side.on_request = respond_long
    client = DriverClient(side)
    client.start((raw.INITIAL_WINDOW_SIZE, 2000))
    client.request(1)
    lasted = client.seconds_until_reset(
        1, 150, lambda _: client.send(raw.window_update(1, 2000), raw.window_update(0, 2000))
    )
    assert lasted == 150
    assert len(client.streams[1].content) == 151 * 2000


def test_an_application_that_thinks_keeps_its_stream(side: ServerSide) -> None:
    client = DriverClient(side)
    client.start()
    client.request(1)
    assert client.seconds_until_reset(1, 300) == 300


def test_windows_that_are_ours_cost_nobody_anything(side: ServerSide) -> None:
    """A client that has sent all that it may waits as long as the application takes."""
    side.take = False
    client = DriverClient(side)
    client.start()
    client.upload(1)
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    client.send(*(raw.data(1, bytes(initial // 8)) for _ in range(8)), raw.data(1, bytes(initial % 8)))
    assert client.seconds_until_reset(1, 200) == 200
