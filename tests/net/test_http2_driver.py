"""What the driver for HTTP/2 does with one connection, over a transport in memory: many exchanges, credit, ends, reports."""

import asyncio
import errno
import io
import logging
import random
import threading
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from tests.net.http2_client import Http2Client
from tests.net.virtual_clock import Handled, ServerSide, head

from interlock.http.errors import LocalProtocolError
from interlock.http.events import Data, EndOfMessage, InformationalResponse
from interlock.http.limits import Limits, Timeouts
from interlock.net.exchange import Disconnected

END = EndOfMessage()
PING = b"\0\0\x08\6\0\0\0\0\0whatever"


def answer(handled: Handled) -> None:
    """An application that says hello at once, and ends."""
    handled.respond()
    handled.exchange.ended()


# -- requests and responses


def test_a_request_and_its_response(side: ServerSide) -> None:
    side.on_request = answer
    client = Http2Client(side)
    stream = client.streams[client.request(("x-a", "1"), path="/?b")]
    assert (stream.status, bytes(stream.content), stream.ended, stream.reset) == (200, b"hello", True, None)
    assert stream.fields == [(b"content-length", b"5")]
    (handled,) = side.handled
    request = handled.exchange.request
    assert (request.method, request.target, request.http_version, request.scheme) == (b"GET", b"/?b", b"2", b"http")
    assert list(request.headers) == [(b"host", b"example.org"), (b"x-a", b"1")]
    assert handled.told == ["end"]
    (record,) = side.records
    assert (record.status, record.octets_sent, record.error, record.request) == (200, 5, "", request)


def test_what_many_streams_have_to_say_in_one_turn_is_one_write(side: ServerSide) -> None:
    side.on_request = answer
    client = Http2Client(side)
    before = client.transport.writes
    for _ in range(100):
        client.request(turn=False)
    client.turn()
    assert [stream.status for number, stream in client.streams.items() if number] == [200] * 100
    assert client.transport.writes == before + 1
    assert len(side.records) == 100


def test_responses_come_in_any_order(side: ServerSide) -> None:
    client = Http2Client(side)
    numbers = [client.request() for _ in range(3)]
    for number, handled in reversed(list(zip(numbers, side.handled, strict=True))):
        handled.respond(b"%d" % number)
        client.turn()
        assert client.streams[number].ended
    assert [bytes(client.streams[number].content) for number in numbers] == [b"1", b"3", b"5"]


def test_trailers_both_ways_and_informational_responses(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request(("te", "trailers"), method="POST", end=False)
    client.send(number, b"abc")
    client.h2.send_headers(number, [("x-sum", "6")], end_stream=True)
    client.turn()
    (handled,) = side.handled
    assert (bytes(handled.content), handled.trailers, handled.told) == (b"abc", [(b"x-sum", b"6")], ["end"])
    handled.exchange.send(InformationalResponse(status_code=103, headers=[("link", "</a>")]))
    client.turn()
    assert (client.streams[number].informational, client.streams[number].status) == ([103], 0)
    handled.exchange.send(head(), Data(b"hello"), EndOfMessage(headers=[("x-sum", "5")]))
    client.turn()
    stream = client.streams[number]
    assert (stream.status, bytes(stream.content), stream.trailers) == (200, b"hello", [(b"x-sum", b"5")])
    assert stream.ended


def test_who_expects_100_continue_is_told_to_go_on(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request(("expect", "100-continue"), ("content-length", "3"), method="POST", end=False)
    exchange = side.handled[0].exchange
    assert exchange.expects_continue
    exchange.send(InformationalResponse(status_code=103))
    assert exchange.expects_continue
    side.pass_time(100)  # it waits for us, and not we for it
    exchange.send(InformationalResponse(status_code=100))
    assert not exchange.expects_continue
    client.turn()
    assert client.streams[number].informational == [103, 100]
    client.send(number, b"abc", end=True)
    assert side.handled[0].told == ["end"]


def test_the_states_of_connection_and_stream_are_shown(side: ServerSide) -> None:
    client = Http2Client(side)
    client.request()
    states = side.handled[0].exchange.states()
    assert states["stream"] == "HALF_CLOSED_REMOTE"
    side.handled[0].respond()
    assert side.handled[0].exchange.states() == {}


# -- credit


def test_the_window_opens_when_the_application_has_taken_the_content(side: ServerSide) -> None:
    side.take = False
    client = Http2Client(side)
    number = client.request(method="POST", end=False)
    assert client.send(number, b"x" * 100_000) == 65_535
    handled = side.handled[0]
    assert handled.exchange.unread == 65_535
    side.pass_time(1)
    client.turn()
    assert client.h2.local_flow_control_window(number) == 0
    handled.exchange.consumed(40_000)
    client.turn()
    assert client.h2.local_flow_control_window(number) >= 40_000
    assert client.send(number, b"x" * 34_465, end=True) == 34_465
    assert handled.told == ["end"]
    assert len(handled.content) == 100_000


def test_an_upload_that_nobody_reads_does_not_stop_the_others(side: ServerSide) -> None:
    side.take = False
    client = Http2Client(side)
    for _ in range(20):
        assert client.send(client.request(method="POST", end=False), b"x" * 100_000) == 65_535
    side.take = True
    number = client.request(method="POST", end=False)
    for _ in range(10):
        assert client.send(number, b"x" * 50_000) == 50_000
    client.send(number, end=True)
    assert side.handled[-1].told == ["end"]


def test_what_the_application_leaves_is_given_back_at_the_end(side: ServerSide) -> None:
    """Else each request that is not read to its end would make the connection's window smaller, for ever."""
    side.take = False
    client = Http2Client(side)
    whole = client.h2.outbound_flow_control_window
    for _ in range(30):
        number = client.request(method="POST", end=False)
        client.send(number, b"x" * 65_535, end=True)
        side.handled[-1].respond()
        client.turn()
        assert client.streams[number].ended
    assert client.h2.outbound_flow_control_window > whole // 2


@pytest.mark.parametrize("end", ["reset", "abort", "release"])
def test_what_nobody_takes_is_given_back_after_any_end(side: ServerSide, end: str) -> None:
    side.take = False
    client = Http2Client(side)
    whole = client.h2.outbound_flow_control_window
    for _ in range(300):
        number = client.request(method="POST", end=False)
        client.send(number, b"x" * 65_535)
        exchange = side.handled[-1].exchange
        if end == "reset":
            client.h2.reset_stream(number, ErrorCodes.CANCEL)
            client.turn()
        elif end == "abort":
            exchange.abort()
        else:
            exchange.send(head(0), END)
        exchange.ended()
        side.pass_time(1)  # which earns what resets cost
        client.turn()
    assert client.h2.outbound_flow_control_window > whole // 2
    assert not client.goaways


# -- sending: windows, high water


def test_a_block_is_released_when_all_of_it_is_handed_to_the_transport(side: ServerSide) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    client.takes = False
    number = client.request()
    handled = side.handled[0]
    handled.exchange.send(head(), Data(b"x" * 1500))
    assert not handled.exchange.writable
    client.turn()
    assert len(client.streams[number].content) == 1000
    assert handled.told == ["end"]
    client.h2.increment_flow_control_window(499, number)
    client.turn()
    assert not handled.exchange.writable
    client.h2.increment_flow_control_window(1, number)
    client.turn()
    assert handled.exchange.writable
    assert handled.told == ["end", "writable"]
    handled.exchange.send(END)
    client.turn()
    assert client.streams[number].ended


def test_a_small_block_is_released_at_once(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request()
    handled = side.handled[0]
    for _ in range(5):
        handled.exchange.send(*([] if client.streams[number].status else [head()]), Data(b"abc"))
        client.turn()
        assert handled.exchange.writable
    assert handled.told == ["end", "writable", "writable", "writable", "writable", "writable"]
    assert bytes(client.streams[number].content) == b"abc" * 5
    handled.exchange.send(END)


def test_a_last_block_that_leaves_at_once_is_waited_for_by_nobody(side: ServerSide) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    numbers = [client.request() for _ in range(3)]
    for handled in side.handled:
        assert (handled.exchange.leaves_at_once(1000), handled.exchange.leaves_at_once(1001)) == (True, False)
        handled.respond(b"x" * 1000)
        assert handled.exchange.writable
    client.turn()
    assert [client.streams[number].ended for number in numbers] == [True] * 3
    assert [handled.told for handled in side.handled] == [["end"]] * 3


@pytest.mark.parametrize("holds", ["the stream's window", "the connection's window", "the transport"])
def test_a_last_block_that_something_holds_is_over_when_the_transport_has_it(side: ServerSide, holds: str) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0 if "stream" in holds else 2**30})
    client.takes = False
    client.request()
    number = client.request()
    first, handled = side.handled
    if "connection" in holds:
        first.respond(b"x" * 65_535)
        client.turn()
    elif "transport" in holds:
        client.h2.increment_flow_control_window(2**30)
        client.transport.take_nothing()
        first.respond(b"x" * 100_000)
        client.turn()
    assert not handled.exchange.leaves_at_once(1000)
    handled.respond(b"x" * 1000)
    assert not handled.exchange.writable
    with pytest.raises(Disconnected, match="the response is over"):
        handled.exchange.send(END)
    handled.exchange.abort()  # too late
    client.turn()
    if "window" in holds:
        for octets in (999, 1):
            assert (handled.exchange.writable, handled.told) == (False, ["end"])
            client.h2.increment_flow_control_window(octets, number if "stream" in holds else None)
            client.turn()
    else:
        assert (handled.exchange.writable, handled.told) == (False, ["end"])
        client.transport.take(None)
        client.turn()
    assert (handled.exchange.writable, handled.told) == (True, ["end", "writable"])
    assert client.streams[number].ended
    assert [record.error for record in side.records if record.octets_sent == 1000] == [""]
    side.handled[0].exchange.abort()


def test_what_is_held_tells_nobody_of_the_rest_of_its_request(side: ServerSide) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0})
    number = client.request(method="POST", end=False)
    side.handled[0].respond()
    client.turn()
    client.send(number, b"x" * 1000, end=True)
    assert (side.handled[0].told, bytes(side.handled[0].content)) == ([], b"")
    client.h2.increment_flow_control_window(5, number)
    client.turn()
    assert side.handled[0].told == ["writable"]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_foreseen_to_leave_at_once_does(side: ServerSide, seed: int) -> None:
    chance = random.Random(seed)
    side.configure(Limits(glitches=1_000_000))  # it opens windows again and again
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: chance.choice([0, 1000, 50_000, 2**30])})
    client.takes = False
    waiting: list[tuple[int, Handled]] = []
    at_once = held = 0
    for _ in range(60):
        for _ in range(chance.randrange(4)):
            if client.h2.open_outbound_streams < 90:
                waiting.append((client.request(turn=False), None))
        client.turn()
        waiting = [(number, side.handled[number // 2]) for number, _ in waiting]
        match chance.randrange(4):
            case 0:
                client.h2.increment_flow_control_window(chance.randrange(1, 500_000))
            case 1:
                for number in list(client.streams)[-20:]:
                    if number and not client.streams[number].ended:
                        client.h2.increment_flow_control_window(chance.randrange(1, 30_000), number)
            case 2:
                client.transport.take(chance.randrange(500_000))
            case _:
                client.transport.take_nothing()
        client.transport.send(client.h2.data_to_send() or PING)
        foreseen = []
        for _ in range(chance.randrange(6)):
            if waiting:
                number, handled = waiting.pop(chance.randrange(len(waiting)))
                octets = chance.choice([1, 500, 5_000, 30_000])
                told = handled.exchange.leaves_at_once(octets)
                handled.respond(b"x" * octets)
                assert told <= handled.exchange.writable
                if handled.exchange.writable:
                    foreseen.append(number)
                else:
                    held += 1
        if chance.randrange(2):  # what opens windows may come before all that has gone
            for number in [number for number in client.streams if client.protocol.connection.pending(number)]:
                client.h2.increment_flow_control_window(chance.randrange(1, 30_000), number)
            client.transport.send(client.h2.data_to_send() or PING)
        side.loop.settle()
        assert not [number for number in foreseen if client.protocol.connection.pending(number)]
        at_once += len(foreseen)
        client.turn()
    assert at_once
    assert held


def endless(handled: Handled) -> None:
    """Answer with 100 000 octets, as the driver takes it, a block after the other."""
    handled.writable = lambda: handled.exchange.send(  # type: ignore[method-assign]
        *([Data(b"x" * 50_000)] if handled.exchange.octets_sent < 100_000 else [END])
    )
    handled.exchange.send(head(), Data(b"x" * 50_000))


def test_a_hundred_endless_responses_that_nobody_takes_are_held_small(side: ServerSide) -> None:
    """What is not yet asked for by the socket is not yet produced."""
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
    client.h2.increment_flow_control_window(2**30)
    client.turn()
    client.transport.take_nothing()
    for _ in range(100):
        client.request(turn=False)
    client.turn()
    for handled in side.handled:
        endless(handled)
    for _ in range(20):
        client.turn()
    sent = sum(handled.exchange.octets_sent for handled in side.handled)
    assert sent <= 100 * 50_000 + 200_000
    assert client.transport.most_waiting <= 65_536 + 16_384 + 20_000
    client.transport.take(None)
    client.turn()
    assert [len(stream.content) for number, stream in client.streams.items() if number] == [100_000] * 100


@pytest.mark.parametrize(
    ("priorities", "order"),
    [
        (("u=7", "u=3, i", "u=1"), [5, 3, 1]),
        (("u=3", "u=3", "u=3"), [1, 3, 5]),
    ],
)
def test_a_response_that_goes_on_keeps_its_precedence(
    side: ServerSide, priorities: tuple[str, ...], order: list[int]
) -> None:
    """Though nothing of it waits in the moment in which its last block was taken."""
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
    client.h2.increment_flow_control_window(2**30)
    client.turn()
    for priority in priorities:
        client.request(("priority", priority), turn=False)
    client.turn()

    done: list[int] = []
    behind: list[int] = []

    def stream(handled: Handled) -> None:
        """As an application does: it is told that there is room, and in its turn gives the next block."""

        def give() -> None:
            if handled.exchange.octets_sent < 1_000_000:
                handled.exchange.send(Data(b"x" * 10_000))
            else:
                handled.exchange.send(END)
                done.append(handled.exchange.request.stream_id)
                behind.append(sum(other.exchange.octets_sent for other in side.handled))

        def writable() -> None:
            side.loop.call_soon(give)

        handled.writable = writable  # type: ignore[method-assign]
        handled.exchange.send(head(), Data(b"x" * 10_000))

    for handled in side.handled:
        stream(handled)
    client.turn()
    assert done == order
    assert behind[0] < 1_300_000  # the others had their share only, so that none starves
    assert [len(response.content) for number, response in client.streams.items() if number] == [1_000_000] * 3


def test_who_takes_no_responses_is_not_asked_for_more_requests(side: ServerSide) -> None:
    side.on_request = answer
    client = Http2Client(side)
    client.request()
    client.transport.take_nothing()
    client.protocol.pause_writing()
    before = len(side.handled)
    for _ in range(1000):
        client.request(turn=False)
        if client.h2.open_outbound_streams >= 90:
            break
    client.turn()
    assert len(side.handled) < before + 101
    assert client.transport.reading
    for stream in list(client.streams):
        if stream > 1:
            client.h2.reset_stream(stream)
    client.turn()
    for _ in range(20):
        client.request(turn=False)
    client.turn()
    assert not client.transport.reading
    client.protocol.resume_writing()
    client.transport.take(None)
    client.turn()
    assert client.transport.reading


def test_one_stream_without_a_window_does_not_stop_the_others(side: ServerSide) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0})
    stalled = client.request()
    side.handled[0].respond(b"x" * 1000)
    client.turn()
    assert client.streams[stalled].status == 200
    assert not client.streams[stalled].content
    number = client.request()
    client.h2.increment_flow_control_window(5, number)
    side.handled[1].respond()
    client.turn()
    assert client.streams[number].ended


def immediately(side: ServerSide) -> None:
    """What would run in a thread runs at once."""

    def run(_: Any, function: Any, *args: Any) -> "asyncio.Future[Any]":
        future = side.loop.create_future()
        future.set_result(function(*args))
        return future

    side.loop.run_in_executor = run  # type: ignore[assignment,method-assign]


def test_a_file_is_sent_in_blocks_as_they_are_taken(side: ServerSide) -> None:
    immediately(side)
    client = Http2Client(side)
    number = client.request()
    exchange = side.handled[0].exchange
    content = bytes(range(256)) * 8000
    exchange.send(head(len(content) - 100))
    task = side.loop.create_task(exchange.send_file(io.BytesIO(content), 100, len(content) - 100))
    client.turn()
    assert task.done()
    exchange.send(END)
    client.turn()
    assert client.streams[number].content == content[100:]
    assert client.streams[number].ended
    assert side.records[0].octets_sent == len(content) - 100


def test_a_file_whose_client_goes_is_not_sent_on(side: ServerSide) -> None:
    immediately(side)
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 10})
    number = client.request()
    exchange = side.handled[0].exchange
    exchange.send(head())
    task = side.loop.create_task(exchange.send_file(io.BytesIO(bytes(10**6)), 0, 10**6))
    client.takes = False
    client.turn()
    assert not task.done()
    client.h2.reset_stream(number, ErrorCodes.CANCEL)
    client.turn()
    assert isinstance(task.exception(), Disconnected)


def test_a_file_that_is_too_short_is_an_error(side: ServerSide) -> None:
    immediately(side)
    client = Http2Client(side)
    client.request()
    exchange = side.handled[0].exchange
    exchange.send(head(10))
    task = side.loop.create_task(exchange.send_file(io.BytesIO(b"short"), 0, 10))
    client.turn()
    assert isinstance(task.exception(), EOFError)


# -- ends of one stream


def test_a_reset_ends_its_exchange_and_no_other(side: ServerSide) -> None:
    client = Http2Client(side)
    first, second = client.request(method="POST", end=False), client.request()
    client.h2.reset_stream(first, ErrorCodes.CANCEL)
    client.turn()
    assert side.handled[0].told == ["lost"]
    assert side.handled[0].reason == "the client has reset the stream: CANCEL"
    with pytest.raises(Disconnected, match="CANCEL"):
        side.handled[0].exchange.send(head())
    side.handled[0].exchange.consumed(1)
    side.handled[0].exchange.abort()
    side.handled[1].respond()
    client.turn()
    assert client.streams[second].ended
    assert [record.error for record in side.records] == ["the client has reset the stream: CANCEL", ""]


def test_an_application_counts_until_it_has_ended(side: ServerSide) -> None:
    """Rapid reset: a hundred applications run, though no stream is open."""
    client = Http2Client(side)
    for _ in range(100):
        number = client.request()
        client.h2.reset_stream(number, ErrorCodes.CANCEL)
        client.turn()
    assert len(side.handled) == 100
    number = client.request()
    assert client.streams[number].reset == ErrorCodes.REFUSED_STREAM
    assert len(side.handled) == 100
    side.handled[7].exchange.ended()
    client.request()
    assert len(side.handled) == 101


def test_an_application_that_ends_before_its_stream_does_not_count_twice(side: ServerSide) -> None:
    side.on_request = answer
    client = Http2Client(side)
    for _ in range(500):
        client.request()
    assert len(side.records) == 500


def test_an_abort_resets_the_stream_and_the_connection_goes_on(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request()
    handled = side.handled[0]
    handled.exchange.send(head(10), Data(b"half"))
    client.turn()
    handled.exchange.abort()
    client.turn()
    stream = client.streams[number]
    assert (stream.status, stream.reset, stream.ended) == (200, ErrorCodes.INTERNAL_ERROR, False)
    assert handled.told == ["end", "writable", "lost"]
    assert side.records[0].error == "the application failed"
    number = client.request()
    side.handled[1].respond()
    client.turn()
    assert client.streams[number].ended


def test_a_response_before_the_end_of_its_request(side: ServerSide) -> None:
    """RFC 9113 §8.1: END_STREAM, and RST_STREAM with NO_ERROR for a client that has not noticed after a while."""
    client = Http2Client(side)
    number = client.request(method="POST", end=False)
    client.send(number, b"some")
    side.handled[0].respond()
    client.turn()
    stream = client.streams[number]
    assert (stream.status, bytes(stream.content), stream.ended, stream.reset) == (200, b"hello", True, None)
    assert side.records[0].error == ""
    side.pass_time(1.9)
    client.turn()
    assert stream.reset is None
    side.pass_time(0.1)
    client.turn()
    assert stream.reset == 0
    number = client.request()
    assert len(side.handled) == 2


def test_the_rest_of_an_answered_request_is_read_and_dropped(side: ServerSide) -> None:
    """A client that is reset while it sends may lose the response."""
    client = Http2Client(side)
    number = client.request(method="POST", end=False)
    side.handled[0].respond()
    client.turn()
    for _ in range(40):  # ten windows
        client.send(number, bytes(16000))
    client.send(number, b"", end=True)
    side.pass_time(10)
    client.turn()
    assert (client.streams[number].ended, client.streams[number].reset) == (True, None)
    assert side.handled[0].content == b""


def test_a_response_before_the_end_of_its_request_waits_for_its_window(side: ServerSide) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 3})
    client.takes = False
    number = client.request(method="POST", end=False)
    side.handled[0].respond()
    client.turn()
    stream = client.streams[number]
    assert (bytes(stream.content), stream.ended, stream.reset) == (b"hel", False, None)
    client.send(number, b"more")
    client.h2.increment_flow_control_window(10, number)
    client.turn()
    assert (bytes(stream.content), stream.ended, stream.reset) == (b"hello", True, None)
    side.pass_time(2)
    client.turn()
    assert stream.reset == 0
    assert len(side.records) == 1


def test_a_request_beyond_the_limits_is_answered_on_its_stream(side: ServerSide) -> None:
    side.configure(Limits(head=1000))
    client = Http2Client(side)
    number = client.request(("x-a", "x" * 2000))
    stream = client.streams[number]
    assert stream.status == 431
    assert stream.ended
    assert b"connection" not in dict(stream.fields)
    assert not side.handled
    (record,) = side.records
    assert (record.request, record.status) == (None, 431)
    client.request()
    answer(side.handled[0])
    for _ in range(200):
        client.request(("x-a", "x" * 2000))
        client.turn()
        side.pass_time(1)
    assert len(side.records) == 202


def test_content_beyond_the_limit_is_413(side: ServerSide) -> None:
    side.configure(Limits(body=10))
    client = Http2Client(side)
    number = client.request(method="POST", end=False)
    client.send(number, b"x" * 20)
    stream = client.streams[number]
    assert (stream.status, stream.ended, stream.reset) == (413, True, None)
    assert side.handled[0].told == ["lost"]
    assert side.records[0].status == 413


@pytest.mark.parametrize("begun", [False, True])
def test_trailers_that_are_too_much_beside_their_head_are_431_or_end_what_was_begun(
    side: ServerSide, begun: bool
) -> None:
    client = Http2Client(side)
    number = client.request(*((f"x-{n}", "y") for n in range(60)), method="POST", end=False)
    (handled,) = side.handled
    if begun:
        handled.exchange.send(head(5), Data(b"he"))
    client.send(number, b"abc")
    client.h2.send_headers(number, [(f"x-{n}", "y") for n in range(60)], end_stream=True)
    client.turn()
    stream = client.streams[number]
    if begun:
        assert (stream.status, bytes(stream.content), stream.reset) == (200, b"he", ErrorCodes.CANCEL)
    else:
        assert (stream.status, stream.ended, stream.reset) == (431, True, None)
    assert "end" not in handled.told
    assert "lost" in handled.told
    assert side.records[0].status == (200 if begun else 431)
    assert client.protocol._answered == set()
    assert client.streams[client.request()].reset is None


def test_a_complete_response_is_not_cut_by_too_much_content(side: ServerSide) -> None:
    side.configure(Limits(body=10))
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 3})
    client.takes = False
    number = client.request(method="POST", end=False)
    side.handled[0].respond()
    client.turn()
    client.send(number, bytes(20))
    client.h2.increment_flow_control_window(10, number)
    client.turn()
    stream = client.streams[number]
    assert (stream.status, bytes(stream.content), stream.ended, stream.reset) == (200, b"hello", True, None)


def test_refused_requests_that_are_taken_back_leave_nothing(side: ServerSide) -> None:
    side.configure(Limits(body=10))
    client = Http2Client(side)
    for _ in range(20):
        number = client.request(("content-length", "100"), method="HEAD", end=False, turn=False)
        client.h2.reset_stream(number)
        client.turn()
    assert client.protocol._answered == set()


def test_connect_is_501(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.h2.get_next_available_stream_id()
    client.h2.config.validate_outbound_headers = False
    client.h2.send_headers(number, [(":method", "CONNECT"), (":authority", "example.org:443")])
    client.turn()
    assert (client.streams[number].status, client.streams[number].ended) == (501, True)
    assert not side.handled
    assert side.records[0].status == 501


@pytest.mark.parametrize(("scheme", "status"), [("ftp", 421), ("foo", 421), ("HTTPS", 200), ("http", 200)])
def test_a_scheme_that_is_not_ours_is_421(side: ServerSide, scheme: str, status: int) -> None:
    """RFC 9110 §7.4: a server does not answer for what it cannot be asked for."""
    client = Http2Client(side)
    number = client.h2.get_next_available_stream_id()
    pseudo = [(":method", "GET"), (":scheme", scheme), (":path", "/"), (":authority", "example.org")]
    client.h2.send_headers(number, pseudo, end_stream=True)
    client.turn()
    for handled in side.handled:
        handled.respond()
    client.turn()
    assert client.streams[number].status == status


def test_what_the_protocol_does_not_allow_is_the_applications_error(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request()
    exchange = side.handled[0].exchange
    with pytest.raises(LocalProtocolError):
        exchange.send(Data(b"without a head"))
    with pytest.raises(LocalProtocolError):
        exchange.send(head(5, ("connection", "close")))
    exchange.send(head(5))
    with pytest.raises(LocalProtocolError):
        exchange.send(Data(b"too long"))
    exchange.abort()
    client.turn()
    assert client.streams[number].reset == ErrorCodes.INTERNAL_ERROR


# -- ends of the connection


@pytest.mark.parametrize("stage", ["nothing", "head", "content", "complete", "responding", "stalled", "answered"])
@pytest.mark.parametrize("how", ["reset", "eof", "abort"])
def test_a_lost_connection_ends_everything(side: ServerSide, stage: str, how: str) -> None:
    side.take = False
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 100})
    client.takes = False
    if stage in {"head", "content"}:
        number = client.request(method="POST", end=False)
        if stage == "content":
            client.send(number, b"x" * 1000)
    elif stage != "nothing":
        number = client.request()
        exchange = side.handled[0].exchange
        if stage == "responding":
            exchange.send(head())
        elif stage == "stalled":
            exchange.send(head(), Data(b"x" * 1000))
        elif stage == "answered":
            side.handled[0].respond(b"x" * 1000)
    client.turn()
    if how == "reset":
        client.transport.reset_by_peer()
    elif how == "eof":
        client.transport.send_eof()
    else:
        side.registry.abort()
    side.pass_time(0)
    if how == "eof" and stage in {"complete", "responding"}:
        assert client.closed_at is None  # its response can still be sent
        assert side.handled[0].told == ["end", "eof"]
        if stage == "complete":
            side.handled[0].respond(b"x")
        else:
            side.handled[0].exchange.send(Data(b"x" * 1000))  # for which it can open no window any more
        side.loop.settle()
    assert client.closed_at is not None
    assert len(side.registry) == 0
    assert side.loop.timers() == []
    for handled in side.handled:
        assert handled.told.count("lost") == (0 if (how, stage) == ("eof", "complete") else 1)
        with pytest.raises(Disconnected):
            handled.exchange.send(head())
    assert len(side.records) == len(side.handled)


def test_an_error_of_the_connection_is_answered_and_ends_all(
    side: ServerSide, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "interlock.error")
    client = Http2Client(side)
    for _ in range(3):
        client.request()
    client.transport.send(b"\0\0\1\6\0\0\0\0\0x")  # PING of one octet
    client.transport.send(b"and more")
    client.turn()
    assert client.goaways == [(ErrorCodes.FRAME_SIZE_ERROR, 5)]
    assert [handled.told for handled in side.handled] == [["end", "lost"]] * 3
    assert client.transport.eof_at is not None
    assert client.closed_at is None  # it lingers, so that the client can read why
    side.pass_time(3)
    assert client.closed_at == 2.0
    assert len(caplog.records) == 1
    assert "refused 192.0.2.7" in caplog.text


@pytest.mark.parametrize("whose", ["the engine's", "the driver's"])
def test_an_error_of_the_connection_leaves_out_what_waits_to_be_sent(side: ServerSide, whose: str) -> None:
    client = Http2Client(side, settings={SettingCodes.INITIAL_WINDOW_SIZE: 2**30})
    client.h2.increment_flow_control_window(2**30)
    client.turn()
    client.transport.take_nothing()
    for _ in range(3):
        client.request()
        side.handled[-1].respond(b"x" * 1_000_000)
    client.turn()
    waiting = client.transport.most_waiting
    assert waiting < 100_000
    if "engine" in whose:
        client.transport.send(b"\0\0\1\6\0\0\0\0\0x")
    else:
        client.transport.send(b"\0")
        side.pass_time(10)
    assert client.transport.most_waiting < waiting + 200
    assert [handled.told for handled in side.handled] == [["end", "lost"]] * 3
    client.transport.take(None)
    client._without_goaways(bytes(client.transport.received[client._seen :]))
    code = ErrorCodes.FRAME_SIZE_ERROR if "engine" in whose else ErrorCodes.ENHANCE_YOUR_CALM
    assert client.goaways == [(code, 5)]
    assert client.transport.eof_at is not None


def test_what_is_no_preface_is_refused(side: ServerSide) -> None:
    client = Http2Client(side, begin=False)
    client.transport.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client.h2.initiate_connection()
    client.h2.data_to_send()
    client.turn()
    assert client.goaways == [(ErrorCodes.PROTOCOL_ERROR, 0)]


def test_a_server_that_stops_lets_streams_finish(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request()
    side.registry.drain()
    client.turn()
    assert client.goaways[0] == (0, 2**31 - 1)
    assert client.goaways[-1] == (0, number)
    side.pass_time(10)
    assert client.closed_at is None
    side.handled[0].respond(b"x" * 100_000)
    client.turn()
    assert client.streams[number].ended
    assert client.transport.eof_at is not None
    client.transport.send_eof()
    side.loop.settle()
    assert client.closed_at == 10.0


def test_an_idle_connection_is_left_when_the_server_stops(side: ServerSide) -> None:
    client = Http2Client(side)
    side.registry.drain()
    client.turn()
    assert client.goaways == [(0, 2**31 - 1), (0, 0)]
    assert client.transport.eof_at is not None
    side.pass_time(3)
    assert client.closed_at == 2.0


def test_a_client_that_does_not_hear_is_left_after_a_while(side: ServerSide) -> None:
    client = Http2Client(side)
    client.transport.send = lambda octets: None  # type: ignore[method-assign]
    side.registry.drain()
    side.pass_time(3)
    assert client.closed_at == 2.0


def test_a_connection_without_a_preface_is_closed_when_the_server_stops(side: ServerSide) -> None:
    client = Http2Client(side, begin=False)
    side.registry.drain()
    side.loop.settle()
    assert client.closed_at == 0.0


def test_what_runs_too_long_while_the_server_stops_is_cut(side: ServerSide) -> None:
    side.configure(timeouts=Timeouts(shutdown=20))
    client = Http2Client(side)
    number = client.request()
    side.registry.drain()
    client.turn()
    side.pass_time(21.9)
    client.turn()
    assert client.streams[number].reset is None
    side.pass_time(0.1)
    client.turn()
    assert client.streams[number].reset == ErrorCodes.CANCEL
    assert side.handled[0].told == ["end", "lost"]
    side.pass_time(3)
    assert client.closed_at == 24.0


def test_a_new_stream_is_served_until_the_client_has_heard(side: ServerSide) -> None:
    client = Http2Client(side)
    number = client.request(turn=False)
    octets = client.h2.data_to_send()
    client.protocol.drain()
    side.loop.settle()
    client.transport.send(octets)
    side.loop.settle()
    side.handled[0].respond()
    client.turn()
    assert client.streams[number].ended
    assert client.goaways[-1] == (0, number)


def test_a_client_that_leaves_is_let_go(side: ServerSide) -> None:
    client = Http2Client(side)
    client.request()
    client.leave()
    assert client.closed_at is None
    side.handled[0].respond()
    client.turn()
    assert client.transport.eof_at is None
    client.h2.ping(b"are you?")
    client.turn()
    assert client.pings == [b"are you?"]
    side.pass_time(2)
    assert client.transport.eof_at is not None


def test_a_client_that_is_gone_before_our_side_is_closed(side: ServerSide) -> None:
    """As the system tells it: our side cannot be closed any more."""
    client = Http2Client(side)

    def write_eof() -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    client.transport.write_eof = write_eof  # type: ignore[method-assign]
    client.leave()
    side.pass_time(2)
    assert client.closed_at == 2.0


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_too_many_connections(side: ServerSide, connections: int) -> None:
    side.configure(Limits(connections=1))
    clients = [Http2Client(side) for _ in range(connections)]
    assert [client.goaways for client in clients] == [[], [(0, 0)], []][:connections]
    side.pass_time(3)
    assert [client.closed_at for client in clients] == [None, 2.0, 0.0][:connections]


def test_ends_from_other_threads_are_counted(side: ServerSide) -> None:
    """The WSGI bridge says so from its own threads."""
    client = Http2Client(side)
    client.request()
    exchange = side.handled[0].exchange
    side.handled[0].respond()
    registry = side.registry
    thread = threading.Thread(target=exchange.ended)
    thread.start()
    thread.join()
    assert exchange._driver is not None
    assert len(registry._calls) == 1
    client.turn()
    assert exchange._driver is None
