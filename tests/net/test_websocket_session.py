"""The session of a WebSocket on asyncio, over a link in memory: what is received, what is sent, and how fast."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.net.websocket_link import Pair, pair

from interlock.http.errors import LocalProtocolError
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.websocket_errors import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from interlock.ws import CLIENT, SERVER, Close, CloseReceived, Message, Ping, Pong


@pytest.fixture
def both() -> Iterator[Pair]:
    """A session and its peer."""
    with pair() as made:
        yield made


# -- receiving


def test_messages_come_in_order(both: Pair) -> None:
    both.open()
    both.say(Message("one"), Message(b"two"))
    both.say(Message("three"))
    assert [both.run(both.session.receive()) for _ in range(3)] == ["one", b"two", "three"]


def test_who_receives_waits(both: Pair) -> None:
    both.open()
    receiving = both.start(both.session.receive())
    assert not receiving.done()
    both.say(Message("late"))
    assert receiving.result() == "late"


def test_a_receive_that_is_cancelled_loses_nothing(both: Pair) -> None:
    both.open()
    receiving = both.start(both.session.receive())
    # The message comes, and wakes who waits; before that has its turn it is cancelled.
    both.link.send(both.peer.send(Message("one")))
    receiving.cancel()
    both.loop.settle()
    assert receiving.cancelled()
    assert both.session._receivers == []
    assert both.run(both.session.receive()) == "one"


def test_who_was_cancelled_waits_no_more(both: Pair) -> None:
    both.open()
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    tasks = [
        both.start(coroutine)
        for coroutine in (both.session.receive(), both.session.send("x"), both.session.wait_closed())
    ]
    for task in tasks:
        task.cancel()
    both.loop.settle()
    assert (both.session._receivers, both.session._senders, both.session._enders) == ([], [], [])


def test_several_may_receive(both: Pair) -> None:
    both.open()
    receiving = [both.start(both.session.receive()) for _ in range(3)]
    both.say(Message("one"), Message("two"))
    assert [task.result() for task in receiving[:2]] == ["one", "two"]
    assert not receiving[2].done()


def test_reading_pauses_above_so_many_messages(both: Pair) -> None:
    both.open(max_queue=4)
    both.say(*(Message(str(i)) for i in range(20)))
    assert not both.link.reading
    assert len(both.session._inbox) == 4
    both.say(Message("20"))
    got = [both.run(both.session.receive()) for _ in range(21)]
    assert got == [str(i) for i in range(21)]
    assert both.link.reading


def test_reading_pauses_above_so_many_octets(both: Pair) -> None:
    both.open(limits=Limits(read_buffer=1000))
    both.say(Message(b"x" * 600))
    assert both.link.reading
    both.say(Message(b"y" * 600))
    assert not both.link.reading
    both.run(both.session.receive())
    assert not both.link.reading
    both.run(both.session.receive())
    assert both.link.reading
    assert both.link.pauses == 1


def test_without_a_bound_reading_does_not_pause_for_many(both: Pair) -> None:
    both.open(max_queue=None)
    both.say(*(Message("") for _ in range(1000)))
    assert both.link.reading


def test_fragments_are_joined(both: Pair) -> None:
    both.open(fragments=True)
    both.say(Message("a", False))
    receiving = both.start(both.session.receive())
    both.say(Message("b", False))
    assert not receiving.done()
    both.say(Message("c"), Message(b"d"))
    assert receiving.result() == "abc"
    assert both.run(both.session.receive()) == b"d"


def test_a_message_larger_than_the_buffer_is_received_by_who_waits_for_it(both: Pair) -> None:
    both.open(fragments=True, limits=Limits(read_buffer=100), max_queue=4)
    for _ in range(10):
        both.say(Message(b"x" * 50, False))
    assert not both.link.reading
    receiving = both.start(both.session.receive())
    assert both.link.reading
    for _ in range(10):
        both.say(Message(b"x" * 50, False))
    both.say(Message(b"", True))
    assert receiving.result() == b"x" * 1000
    assert both.link.pauses <= 2  # before anybody waited for it, and when all was there


def test_fragments_can_be_taken_one_by_one(both: Pair) -> None:
    both.open(fragments=True)
    both.say(Message("a", False), Message("b", False))
    taken = [both.run(both.session.receive_fragment()) for _ in range(2)]
    assert taken == [Message("a", False), Message("b", False)]
    last = both.start(both.session.receive_fragment())
    both.say(Message("c"))
    assert last.result() == Message("c")


def test_what_is_left_of_a_message_is_skipped(both: Pair) -> None:
    both.open(fragments=True)
    both.say(Message("a", False), Message("b", False))
    both.run(both.session.receive_fragment())
    receiving = both.start(both.session.receive())
    both.say(Message("c"), Message("whole"))
    assert receiving.result() == "whole"


def test_what_was_received_can_be_taken_after_the_end(both: Pair) -> None:
    both.open()
    both.say(Message("one"), Message("two"), Close(1000))
    both.link.lose(ConnectionResetError("reset"))
    both.loop.settle()
    assert both.run(both.session.receive()) == "one"
    assert both.run(both.session.receive()) == "two"
    with pytest.raises(ConnectionClosedOK):
        both.run(both.session.receive())


def test_what_was_received_and_not_read_can_be_taken_after_a_reset(both: Pair) -> None:
    both.open(max_queue=1)
    both.say(*(Message(str(i)) for i in range(5)))
    both.link.lose(ConnectionResetError("reset"))
    both.loop.settle()
    assert [both.run(both.session.receive()) for _ in range(5)] == ["0", "1", "2", "3", "4"]
    with pytest.raises(ConnectionClosedError) as raised:
        both.run(both.session.receive())
    assert raised.value.code == 1006
    assert isinstance(raised.value.__cause__, ConnectionResetError)


# -- sending


@pytest.mark.parametrize("role", [SERVER, CLIENT])
@pytest.mark.parametrize("data", ["text", b"binary", bytearray(b"binary"), memoryview(b"binary"), "", b""])
def test_send(both: Pair, role: Any, data: Any) -> None:
    both.open(role)
    both.run(both.session.send(data))
    assert both.hear() == [Message(data if isinstance(data, str) else bytes(data))]


def test_fragments_of_an_iterable(both: Pair) -> None:
    both.open()
    both.run(both.session.send(["a", "b"]))
    both.run(both.session.send(iter([b"c"])))
    both.run(both.session.send([]))
    assert both.hear() == [
        Message("a", False),
        Message("b", False),
        Message(""),
        Message(b"c", False),
        Message(b""),
    ]


@pytest.mark.parametrize("wrong", [1, None, {"a": "b"}, [1], ["a", b"b"], [b"a", "b"]])
def test_what_is_no_message(both: Pair, wrong: Any) -> None:
    both.open()
    with pytest.raises(TypeError):
        both.run(both.session.send(wrong))


def test_send_waits_above_high_water(both: Pair) -> None:
    both.open()
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    first = both.start(both.session.send("first"))
    second = both.start(both.session.send("second"))
    assert not first.done()
    both.link.take_all()
    both.loop.settle()
    assert first.done()
    assert second.done()
    assert [event.data for event in both.hear() if len(event.data) < 100][-2:] == ["first", "second"]


def test_a_send_that_is_cancelled_sends_nothing(both: Pair) -> None:
    both.open()
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    sending = both.start(both.session.send("never"))
    both.link.taking = True
    both.link._flush()
    both.loop.call_soon(sending.cancel)  # behind what wakes it
    both.loop.settle()
    assert sending.cancelled()
    both.run(both.session.send("later"))
    assert [event for event in both.hear() if event.final][-1] == Message("later")
    assert Message("never") not in both.events


def test_another_message_waits_for_the_end_of_one_in_fragments(both: Pair) -> None:
    both.open()
    pieces: asyncio.Queue[str] = asyncio.Queue()

    async def fragments() -> AsyncIterator[str]:
        while piece := await pieces.get():
            yield piece

    sending = both.start(both.session.send(fragments()))
    both.start(pieces.put("a"))
    other = both.start(both.session.send(b"other"))
    assert not other.done()
    pinging = both.start(both.session.ping())
    assert pinging.done()
    both.start(pieces.put("b"))
    both.start(pieces.put(""))
    assert sending.done()
    assert other.done()
    told = [event for event in both.hear() if not isinstance(event, Ping)]
    assert told == [Message("a", False), Message("b", False), Message(""), Message(b"other")]


def test_two_messages_in_fragments_do_not_mix(both: Pair) -> None:
    both.open()
    go_on = asyncio.Event()

    async def fragments(begin: str) -> AsyncIterator[str]:
        yield begin
        await go_on.wait()
        yield "end"

    both.start(both.session.send(fragments("a")))
    both.start(both.session.send(fragments("b")))
    go_on.set()
    both.loop.settle()
    assert "".join(event.data + "." * event.final for event in both.hear()) == "aend.bend."


def test_each_that_waited_to_send_looks_for_room_again(both: Pair) -> None:
    both.open()
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    waiting = [both.start(both.session.send(b"y" * 70000)) for _ in range(5)]
    both.link.take(70010)
    both.loop.settle()
    assert [task.done() for task in waiting] == [True, False, False, False, False]
    assert both.link.unsent() < 80000


def test_a_message_that_is_broken_off_ends_the_connection(both: Pair) -> None:
    both.open()

    async def fragments() -> AsyncIterator[str]:
        yield "a"
        await asyncio.get_running_loop().create_future()

    sending = both.start(both.session.send(fragments()))
    other = both.start(both.session.send("other"))
    sending.cancel()
    both.loop.settle()
    assert sending.cancelled()
    heard = both.hear()
    assert heard[0] == Message("a", False)
    assert heard[1] == CloseReceived(1011, "a message could not be completed")
    assert not other.done()  # it waits to know how the other end closes
    both.link.send(both.peer.data_to_send())
    both.loop.settle()
    with pytest.raises(ConnectionClosedError):
        other.result()


def test_text_that_cannot_be_sent(both: Pair) -> None:
    both.open()
    with pytest.raises(LocalProtocolError):
        both.run(both.session.send("\ud800"))
    both.run(both.session.send("fine"))
    assert both.hear() == [Message("fine")]


def test_who_sends_without_end_is_told_that_the_peer_is_gone(both: Pair) -> None:
    """The peer takes all, so nobody has to wait, and what it takes no more is taken by the transport all the same."""
    both.open()
    sent = 0

    async def send() -> None:
        nonlocal sent
        both.link.lose(ConnectionResetError("reset"))
        while sent < 1000:
            await both.session.send("x")
            sent += 1

    sending = both.start(send())
    assert isinstance(sending.exception(), ConnectionClosedError)
    assert 0 < sent < 1000


def test_who_sends_without_end_may_be_cancelled_and_loses_nothing(both: Pair) -> None:
    both.open()
    sent = 0

    async def send() -> None:
        nonlocal sent
        both.loop.call_soon(asyncio.current_task().cancel)  # type: ignore[union-attr]
        while sent < 1000:
            await both.session.send(str(sent))
            sent += 1

    assert both.start(send()).cancelled()
    assert 0 < sent < 1000
    both.run(both.session.send("again"))
    assert [event.data for event in both.hear()] == [*map(str, range(sent)), "again"]


# -- pings


def test_a_ping_is_answered(both: Pair) -> None:
    both.open()
    both.say(Ping(b"one"))
    assert both.hear() == [Pong(b"one")]


def test_above_high_water_only_the_latest_ping_is_answered(both: Pair) -> None:
    both.open()
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    waiting = both.link.unsent()
    for i in range(100):
        both.say(Ping(b"%d" % i))
    assert both.link.unsent() == waiting
    both.link.take_all()
    both.loop.settle()
    assert [event for event in both.hear() if isinstance(event, Pong)] == [Pong(b"99")]


def test_the_latency_of_a_ping(both: Pair) -> None:
    both.open()
    pong = both.run(both.session.ping(b"one"))
    both.pass_time(2)
    both.answer()
    assert pong.result() == 2
    assert both.session.latency == 2


def test_a_ping_whose_payload_waits_already(both: Pair) -> None:
    both.open()
    both.run(both.session.ping(b"one"))
    with pytest.raises(ValueError, match="already"):
        both.run(both.session.ping(b"one"))
    both.answer()
    both.run(both.session.ping(b"one"))


def test_who_does_not_wait_for_a_pong_any_more(both: Pair) -> None:
    both.open()
    first = both.run(both.session.ping())
    second = both.run(both.session.ping())
    first.cancel()
    both.answer()
    assert second.done()


def test_an_unsolicited_pong(both: Pair) -> None:
    both.open()
    both.run(both.session.pong(b"beat"))
    assert both.hear() == [Pong(b"beat")]


def test_pings_keep_the_connection_alive(both: Pair) -> None:
    both.open(timeouts=Timeouts(ping_interval=20, pong=10))
    for _ in range(5):
        both.pass_time(20)
        heard = both.answer()
        assert [type(event) for event in heard] == [Ping]
    both.pass_time(15)
    assert both.answer() == []
    assert both.session.open


def test_no_pings_where_none_are_wanted(both: Pair) -> None:
    both.open(timeouts=Timeouts(ping_interval=0))
    both.pass_time(10000)
    assert both.hear() == []
    assert both.loop.timers() == []


def test_a_peer_is_not_blamed_while_we_do_not_read(both: Pair) -> None:
    both.open(timeouts=Timeouts(ping_interval=20, pong=10), max_queue=1)
    both.pass_time(20)
    both.say(Message("one"))
    assert not both.link.reading
    both.answer()  # the pong is not read
    both.pass_time(1000)
    assert both.session.open
    both.run(both.session.receive())
    assert both.session.open
    both.pass_time(9)
    assert both.session.open


def test_a_pong_may_be_held_up_by_a_large_frame(both: Pair) -> None:
    both.open(timeouts=Timeouts(ping_interval=20, pong=10))
    frame = both.peer.send(Message(b"x" * 100))
    both.link.send(frame[:50])
    for octet in frame[50:80]:
        both.pass_time(5)
        both.link.send(bytes([octet]))
    assert both.session.open
    both.pass_time(10)
    assert not both.session.open


def test_a_peer_has_what_was_left_of_its_time_when_we_read_again(both: Pair) -> None:
    both.open(timeouts=Timeouts(ping_interval=20, pong=10), max_queue=1)
    both.pass_time(26)
    both.say(Message("one"))
    both.pass_time(1000)
    both.run(both.session.receive())
    both.pass_time(3.9)
    assert both.session.open
    both.pass_time(0.1)
    assert not both.session.open


def test_a_peer_is_not_blamed_while_it_is_busy_with_what_we_sent(both: Pair) -> None:
    both.open(timeouts=Timeouts(ping_interval=20, pong=10, write=30))
    both.pass_time(19)
    both.link.taking = False
    both.run(both.session.send(b"x" * 200_000))
    for _ in range(9):
        both.pass_time(10)
        both.link.take(20_000)
    assert both.session.open
    assert both.link.waiting.startswith(b"x")  # no ping is behind it
    both.link.take_all()
    both.loop.settle()
    both.pass_time(0)
    assert [type(event) for event in both.answer()][-1] is Ping
    both.pass_time(19.9)
    assert both.answer() == []
    both.pass_time(0.1)
    assert [type(event) for event in both.answer()] == [Ping]


def test_a_pong_in_time_makes_the_next_ping_nearer(both: Pair) -> None:
    both.open(timeouts=Timeouts(ping_interval=20, pong=60))
    both.pass_time(20)
    both.answer()
    both.pass_time(19.9)
    assert both.answer() == []
    both.pass_time(0.1)
    assert [type(event) for event in both.answer()] == [Ping]


# -- deadlines for writing


def test_a_peer_that_never_reads_is_cut_off(both: Pair) -> None:
    both.open(timeouts=Timeouts(write=30))
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    sending = both.start(both.session.send("never"))
    receiving = both.start(both.session.receive())
    both.pass_time(29)
    assert both.session.open
    both.pass_time(1)
    assert both.link.done == [("abort", 30)]
    for task in (sending, receiving):
        with pytest.raises(ConnectionClosedError) as raised:
            task.result()
        assert isinstance(raised.value.__cause__, TimeoutError)
    assert (both.session.close_code, both.session.local_close, both.session.remote_close) == (1006, None, None)


def test_a_peer_that_reads_too_slowly_is_cut_off(both: Pair) -> None:
    both.open(timeouts=Timeouts(write=30, write_rate=500, ping_interval=0))
    both.link.taking = False
    both.run(both.session.send(b"x" * 1_000_000))
    while both.session.open and both.now < 1000:
        both.link.take(1000)
        both.pass_time(10)
    assert 30 < both.now < 100


def test_a_peer_that_reads_fast_enough_is_not(both: Pair) -> None:
    both.open(timeouts=Timeouts(write=30, write_rate=500, ping_interval=0))
    both.link.taking = False
    both.run(both.session.send(b"x" * 1_000_000))
    for _ in range(100):
        both.link.take(9000)
        both.pass_time(15)
    assert both.session.open


def test_what_was_taken_in_the_end_is_forgiven(both: Pair) -> None:
    both.open(timeouts=Timeouts(write=30, ping_interval=0))
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    both.pass_time(29)
    both.link.take_all()
    both.pass_time(1000)
    assert both.session.open
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    both.pass_time(29)
    assert both.session.open


def test_errors_name_the_end_for_all(both: Pair) -> None:
    both.open()
    both.say(Close(4000, "bye"))
    with pytest.raises(ConnectionClosed) as raised:
        both.run(both.session.send("x"))
    assert raised.value.code == 4000
    assert raised.value.reason == "bye"
    assert str(raised.value) == "received 4000 'bye', then sent 4000"
