"""What cases cannot show from outside: other limits, what an engine keeps, what an application is shown, shutting down."""

import gc
import tracemalloc

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.conformance.case import Case, all_cases, run
from tests.h2.conformance.engine_client import EngineClient

from interlock.h2 import Limits

#: The connection's window is no larger than that of its one stream, so that every octet that is lost is missed.
SMALL = Limits(window_ceiling=0, streams=1)
#: Cases of content that has to be given back.
GIVEN_BACK = """
    content_after_the_servers_reset_is_given_back large_upload_comes_back an_upload_is_given_windows
    padding_counts_and_is_given_back what_comes_for_a_closed_stream_is_given_back
""".split()


def connected(limits: Limits | None = None, *, hold: bool = False) -> EngineClient:
    client = EngineClient(limits, hold=hold)
    client.start()
    return client


# Limits


@pytest.mark.parametrize(
    "case", [case for case in all_cases() if case.name.partition("::")[2] in GIVEN_BACK], ids=lambda case: case.name
)
def test_every_octet_is_given_back(case: Case) -> None:  # RFC 9113 §6.9
    run(case, EngineClient(SMALL))


def test_more_than_the_connection_window() -> None:  # RFC 9113 §6.9.1
    """By default the connection's window is as large as those of all streams together; here both are the same."""
    client = connected(SMALL)
    client.keeping = True
    client.upload(1)
    client.send(raw.data(1, bytes(65535 - 4 * 16383)), *(raw.data(1, bytes(16383)) for _ in range(4)))
    client.expect_alive()
    client.send(raw.data(1, b"x"))
    client.expect_reset(1, raw.FLOW_CONTROL_ERROR, also=(raw.FLOW_CONTROL_ERROR,))


def test_a_smaller_table_has_to_be_confirmed() -> None:  # RFC 9113 §4.3.1, RFC 7541 §4.2
    """The first field block after the acknowledgement begins with a size update."""
    client = connected(Limits(header_table=100))
    client.request(1)
    client.expect_goaway(raw.COMPRESSION_ERROR)


@pytest.mark.parametrize("size", [0, 99, 100])
def test_a_smaller_table_that_is_confirmed(size: int) -> None:  # RFC 9113 §4.3.1
    client = connected(Limits(header_table=100))
    client.send(raw.headers(1, raw.table_size(size) + raw.block(client.fields())))
    client.expect_response(1)
    client.expect_served(3)


def test_a_size_update_above_a_smaller_table() -> None:  # RFC 7541 §6.3
    client = connected(Limits(header_table=100))
    client.send(raw.headers(1, raw.table_size(101) + raw.block(client.fields())))
    client.expect_goaway(raw.COMPRESSION_ERROR)


def test_no_table_at_all() -> None:  # RFC 7541 §4.2
    client = connected(Limits(header_table=0))
    client.send(raw.headers(1, raw.table_size(0) + raw.block(client.fields()) + raw.literal("x", "y", raw.INDEXING)))
    client.expect_response(1)
    client.send(raw.headers(3, raw.block(client.fields()) + raw.indexed(62)))
    client.expect_goaway(raw.COMPRESSION_ERROR)


# What applications are shown


def test_a_refused_stream_is_shown_to_nobody() -> None:  # RFC 9113 §8.7
    client = connected()
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for number in range(150):
        client.request(2 * number + 1)
    client.expect_alive()
    assert client.requests == 100
    assert sum(exchange.reset == raw.REFUSED_STREAM for exchange in client.streams.values()) == 50


def test_a_malformed_request_is_shown_to_nobody() -> None:  # RFC 9113 §8.1.1
    client = connected()
    client.request(1, more=[("Upper", "x")])
    client.expect_malformed(1)
    assert client.requests == 0


@pytest.mark.parametrize("reset", ["theirs", "ours"])
def test_streams_count_until_their_application_has_ended(reset: str) -> None:  # RFC 9113 §5.1.2, §10.5
    """An application that goes on after a reset still has its place, whoever has reset the stream."""
    client = connected(hold=True)
    client.thinking = True
    for number in range(150):
        stream = 2 * number + 1
        client.request(stream)
        client.send(raw.rst_stream(stream) if reset == "theirs" else raw.window_update(stream, 0))
    assert client.requests == 100
    assert client.most_running == 100
    client.engine.release(1)
    client.request(301)
    assert client.requests == 101


# Shutting down


def test_two_steps_of_a_graceful_end() -> None:  # RFC 9113 §6.8
    client = connected()
    client.upload(1, "/echo")
    client.engine.shutdown()
    client.expect_alive()
    client.expect_alive()
    assert [frame.number(0) for frame in client.goaways] == [raw.LARGEST, 1]
    assert [frame.number(4) for frame in client.goaways] == [raw.NO_ERROR, raw.NO_ERROR]
    client.send(raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")
    assert client.engine.finished


def test_streams_above_the_last_one_change_the_connection_only() -> None:  # RFC 9113 §6.8
    """Their field blocks go into the table and their content counts; nobody sees them, and nothing answers."""
    client = connected(SMALL)
    client.upload(1, "/echo")
    client.engine.shutdown()
    client.expect_alive()
    client.expect_alive()
    block = raw.block(client.fields("POST", "/echo")) + raw.literal("x-kept", "in the table", raw.INDEXING)
    client.send(raw.headers(3, block, end=False))
    for _ in range(10):
        while 65535 - client.credit.get(0, 0) < 16384:
            client.read_frame("WINDOW_UPDATE")
        client.send(raw.data(3, bytes(16384)))
    client.send(raw.headers(1, raw.indexed(62)))
    client.expect_response(1, content=b"")
    assert client.requests == 1
    assert 3 not in client.streams


# Memory


def memory_of(client: EngineClient, first: int, requests: int, kind: str) -> int:
    """What Python has in memory after so many requests."""
    for number in range(requests):
        stream = first + 2 * number
        if kind == "answered":
            client.request(stream)
        elif kind == "cancelled":
            client.send(raw.headers(stream, raw.block(client.fields(path="/large"))), raw.rst_stream(stream))
        else:
            client.request(stream, more=[("Upper", "x")])
        client.listen()
        client.time_passes(1)
        client.streams.clear()
        del client.log[1:]
        client.connection_window = 65535
        if number % 1000 == 999:
            client.send(raw.window_update(0, 2**15))
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("kind", ["answered", "cancelled", "malformed"])
def test_little_is_kept_of_streams_that_are_closed(kind: str) -> None:  # RFC 9113 §5.1
    client = connected()
    tracemalloc.start()
    try:
        before = memory_of(client, 1, 1000, kind)
        after = memory_of(client, 2001, 3000, kind)
    finally:
        tracemalloc.stop()
    assert after - before < 32768


@pytest.mark.parametrize("bomb", [38, 62])
def test_a_bomb_is_not_kept(bomb: int) -> None:  # RFC 9113 §10.5.1
    """16 KiB that stand for 60 MB are never more than a fraction of that in memory."""
    client = connected()
    client.send(raw.headers(1, raw.block(client.fields()) + raw.literal("x-bomb", "b" * 3900, raw.INDEXING)))
    client.expect_response(1)
    block = raw.block(client.fields()) + raw.indexed(bomb) * 15000
    tracemalloc.start()
    try:
        client.send(raw.headers(3, block))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    client.expect_response(3, status=431)
    assert most < 2**20
