"""Every way in which a WebSocket on asyncio comes to its end, for both roles: who waits is told, and both Closes are known."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.websocket_link import Pair, pair

from interlock.http.errors import LocalProtocolError
from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.websocket_errors import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from interlock.ws import CLIENT, SERVER, Close, CloseReceived, Message, Ping, Pong

ROLES = pytest.mark.parametrize("role", [SERVER, CLIENT])


@pytest.fixture
def both() -> Iterator[Pair]:
    """A session and its peer."""
    with pair() as made:
        yield made


def closes(both: Pair) -> tuple[int | None, int | None]:
    """The codes of our Close and of theirs."""
    local, remote = both.session.local_close, both.session.remote_close
    return local.code if local else None, remote.code if remote else None


def end_of(both: Pair, task: "asyncio.Task[Any] | None" = None) -> ConnectionClosed:
    """What receiving, or ``task``, is told."""
    with pytest.raises(ConnectionClosed) as raised:
        both.run(both.session.receive()) if task is None else task.result()
    error = raised.value
    assert (error.sent, error.rcvd) == (both.session.local_close, both.session.remote_close)
    return error


# -- the closing handshake


def test_we_close_as_a_server(both: Pair) -> None:
    both.open(SERVER)
    receiving = both.start(both.session.receive())
    closing = both.start(both.session.close(1001, "going"))
    assert both.link.done == []
    both.pass_time(1)
    assert both.answer() == [CloseReceived(1001, "going")]
    # The server ends the stream first, and waits for the client.
    assert both.link.done == [("end_stream", 1)]
    assert not closing.done()
    assert type(end_of(both, receiving)) is ConnectionClosedOK
    both.link.send(b"")
    both.loop.settle()
    assert both.link.done == [("end_stream", 1), ("close", 1)]
    assert closing.done()
    assert closes(both) == (1001, 1001)
    assert (both.session.close_code, both.session.close_reason) == (1001, "")
    assert both.session.rcvd_then_sent is False
    assert both.session.local_close is not None
    assert both.session.local_close.reason == "going"


def test_we_close_as_a_client(both: Pair) -> None:
    both.open(CLIENT)
    closing = both.start(both.session.close())
    both.answer()
    # The client waits for the server to end the stream.
    assert both.link.done == []
    both.link.send(b"")
    both.loop.settle()
    assert [name for name, _ in both.link.done] == ["end_stream", "close"]
    assert closing.done()
    assert closes(both) == (1000, 1000)


@ROLES
def test_they_close(both: Pair, role: Any) -> None:
    both.open(role)
    assert (both.session.close_code, both.session.close_reason) == (None, None)
    receiving = both.start(both.session.receive())
    both.say(Message("last"), Close(4000, "bye"))
    assert receiving.result() == "last"
    error = end_of(both)
    assert type(error) is ConnectionClosedError
    assert (error.code, error.reason, error.rcvd_then_sent) == (4000, "bye", True)
    assert both.hear() == [CloseReceived(4000)]
    assert closes(both) == (4000, 4000)
    assert both.link.did("end_stream") == (role is SERVER)
    both.link.send(b"")
    both.loop.settle()
    assert both.session.lost
    assert (both.session.close_code, both.session.close_reason) == (4000, "bye")


@ROLES
@pytest.mark.parametrize(("code", "well"), [(1000, True), (1001, True), (None, True), (1011, False), (3000, False)])
def test_what_is_well(both: Pair, role: Any, code: int | None, well: bool) -> None:
    both.open(role)
    both.say(Close(code))
    assert isinstance(end_of(both), ConnectionClosedOK) == well
    assert both.session.close_code == (1005 if code is None else code)


@ROLES
def test_both_close_at_once(both: Pair, role: Any) -> None:
    both.open(role)
    theirs = both.peer.send(Close(3001))
    closing = both.start(both.session.close(3000))
    both.link.send(theirs)
    both.loop.settle()
    assert closes(both) == (3000, 3001)
    assert both.session.close_code == 3001
    assert end_of(both).rcvd_then_sent is False
    both.link.send(b"")
    both.loop.settle()
    assert closing.done()


@ROLES
def test_closing_again_changes_nothing(both: Pair, role: Any) -> None:
    both.open(role)
    first = both.start(both.session.close(3000))
    second = both.start(both.session.close(3001))
    both.answer()
    both.link.send(b"")
    both.loop.settle()
    assert first.done()
    assert second.done()
    both.run(both.session.close(3002))
    assert closes(both) == (3000, 3000)


@ROLES
def test_messages_can_be_received_until_their_close(both: Pair, role: Any) -> None:
    both.open(role)
    under_way = both.peer.send(Message("one")) + both.peer.send(Message("two"))
    closing = both.start(both.session.close())
    both.link.send(under_way)
    assert both.run(both.session.receive()) == "one"
    assert both.run(both.session.receive()) == "two"
    both.answer()
    assert type(end_of(both)) is ConnectionClosedOK
    both.link.send(b"")
    both.loop.settle()
    assert closing.done()


@ROLES
def test_a_close_does_not_wait_for_messages_to_be_taken(both: Pair, role: Any) -> None:
    both.open(role, max_queue=2)
    both.say(*(Message(str(i)) for i in range(10)))
    assert not both.link.reading
    closing = both.start(both.session.close())
    both.answer()
    both.link.send(b"")
    both.loop.settle()
    assert closing.done()
    assert closes(both) == (1000, 1000)
    assert [both.run(both.session.receive()) for _ in range(10)] == [str(i) for i in range(10)]


@ROLES
def test_what_nobody_takes_while_we_close_is_bounded(both: Pair, role: Any) -> None:
    both.open(role, limits=Limits(message=1000, read_buffer=100))
    closing = both.start(both.session.close())
    for _ in range(1000):
        both.link.send(both.peer.send(Message(b"x" * 100)))
    both.answer()
    both.link.send(b"")
    both.loop.settle()
    assert closing.done()
    got = 0
    while got < 20:
        try:
            both.run(both.session.receive())
        except ConnectionClosedOK:
            break
        got += 1
    assert got == 11


@ROLES
def test_what_waits_in_the_engine_while_we_close(both: Pair, role: Any) -> None:
    both.open(role, max_queue=2)
    both.link.send(b"".join(both.peer.send(Message("")) for _ in range(20_000)))
    closing = both.start(both.session.close())
    both.answer()
    both.link.send(b"")
    both.loop.settle()
    assert closing.done()
    assert both.session.close_code == 1000


@ROLES
def test_pings_are_not_answered_after_our_close(both: Pair, role: Any) -> None:
    both.open(role)
    ping = both.peer.send(Ping(b"?"))
    both.start(both.session.close())
    both.hear()
    both.link.send(ping)
    both.loop.settle()
    assert both.hear() == []
    assert both.session.error is None


@ROLES
def test_sending_while_we_close_tells_how_it_ended(both: Pair, role: Any) -> None:
    both.open(role)
    both.start(both.session.close())
    sending = both.start(both.session.send("late"))
    pinging = both.start(both.session.ping())
    assert not sending.done()
    both.answer()
    assert type(end_of(both, sending)) is ConnectionClosedOK
    assert type(end_of(both, pinging)) is ConnectionClosedOK
    assert type(end_of(both, both.start(both.session.send("later")))) is ConnectionClosedOK


@ROLES
@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (999, ""), (5000, ""), (1000, "x" * 124)])
def test_what_may_not_be_said(both: Pair, role: Any, code: int, reason: str) -> None:
    both.open(role)
    with pytest.raises(LocalProtocolError):
        both.run(both.session.close(code, reason))
    assert both.session.open


# -- without the closing handshake


@ROLES
def test_they_end_the_stream(both: Pair, role: Any) -> None:
    both.open(role)
    receiving = both.start(both.session.receive())
    ping = both.run(both.session.ping())
    both.say(Message("last"))
    both.link.send(b"")
    both.loop.settle()
    assert receiving.result() == "last"
    error = end_of(both)
    assert type(error) is ConnectionClosedError
    assert (error.code, error.reason, error.rcvd_then_sent) == (1006, "", None)
    assert closes(both) == (None, None)
    assert both.session.close_code == 1006
    assert [name for name, _ in both.link.done] == ["end_stream", "close"]
    assert isinstance(ping.exception(), ConnectionClosedError)


@ROLES
def test_they_end_the_stream_in_a_frame(both: Pair, role: Any) -> None:
    both.open(role)
    both.link.send(both.peer.send(Message("cut"))[:-1])
    both.link.send(b"")
    both.loop.settle()
    assert end_of(both).code == 1006
    assert both.session.lost


@ROLES
def test_they_end_the_stream_before_their_close(both: Pair, role: Any) -> None:
    both.open(role)
    closing = both.start(both.session.close(3000))
    both.link.send(b"")
    both.loop.settle()
    assert closing.done()
    assert closes(both) == (3000, None)
    assert both.session.close_code == 1006
    assert type(end_of(both)) is ConnectionClosedError


@ROLES
@pytest.mark.parametrize("error", [ConnectionResetError("reset"), None])
def test_the_link_is_lost(both: Pair, role: Any, error: Exception | None) -> None:
    both.open(role)
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    waiting = [
        both.start(both.session.receive()),
        both.start(both.session.receive_fragment()),
        both.start(both.session.send("x")),
        both.start(both.session.send(["x"])),
        both.start(both.session.ping()),
    ]
    ending = both.start(both.session.wait_closed())
    both.link.lose(error)
    both.loop.settle()
    for task in waiting:
        told = end_of(both, task)
        assert type(told) is ConnectionClosedError
        assert told.__cause__ is error
    assert ending.done()
    assert closes(both) == (None, None)
    assert both.session.close_code == 1006
    assert both.link.done == []
    both.run(both.session.close())


@ROLES
def test_the_link_is_lost_while_we_close(both: Pair, role: Any) -> None:
    both.open(role)
    closing = both.start(both.session.close(3000))
    both.link.lose(ConnectionResetError("reset"))
    both.loop.settle()
    assert closing.done()
    assert closes(both) == (3000, None)
    assert both.session.close_code == 1006


@ROLES
def test_the_link_is_lost_behind_their_close(both: Pair, role: Any) -> None:
    both.open(role)
    both.link.send(both.peer.send(Close(1000)))
    both.link.lose(ConnectionResetError("reset"))
    both.loop.settle()
    assert type(end_of(both)) is ConnectionClosedOK
    assert closes(both) == (1000, 1000)


@ROLES
def test_we_abort(both: Pair, role: Any) -> None:
    both.open(role)
    receiving = both.start(both.session.receive())
    error = RuntimeError("because")
    both.session.abort(error)
    both.session.abort()
    assert both.session.lost
    both.loop.settle()
    assert both.link.done == [("abort", 0)]
    assert end_of(both, receiving).__cause__ is error
    assert both.session.close_code == 1006


# -- by the other end's error


@ROLES
def test_they_break_the_protocol(both: Pair, role: Any) -> None:
    both.open(role)
    receiving = both.start(both.session.receive())
    both.say(Message("fine"))
    both.link.send(b"\xff\xff")
    both.loop.settle()
    assert receiving.result() == "fine"
    error = end_of(both)
    assert type(error) is ConnectionClosedError
    assert error.sent is not None
    assert error.sent.code == 1002
    assert error.rcvd is None
    assert error.__cause__ is not None
    assert "5.2" in str(error.__cause__)
    assert both.session.close_code == 1006
    # Our Close is out; their answer is not read, but the end of their stream is.
    heard = both.hear()
    assert isinstance(heard[0], CloseReceived)
    assert heard[0].code == 1002
    assert both.link.did("end_stream") == (role is SERVER)
    both.link.send(both.peer.data_to_send())
    both.link.send(b"")
    both.loop.settle()
    assert both.session.lost
    assert closes(both) == (1002, None)


@ROLES
def test_a_message_that_is_too_long(both: Pair, role: Any) -> None:
    both.open(role, limits=Limits(message=10))
    both.say(Message("x" * 11))
    assert closes(both) == (1009, None)


@ROLES
def test_the_application_fails_the_connection(both: Pair, role: Any) -> None:
    both.open(role)
    both.session.fail(1008, "no")
    both.say(Message("not read"))
    assert end_of(both).sent is not None
    assert closes(both) == (1008, None)
    assert both.hear()[0] == CloseReceived(1008, "no")


# -- by time


@ROLES
def test_they_do_not_answer_our_close(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(closing=5))
    receiving = both.start(both.session.receive())
    closing = both.start(both.session.close(3000))
    both.pass_time(4.9)
    assert not closing.done()
    both.pass_time(0.1)
    assert closing.done()
    assert both.link.done == [("abort", 5)]
    error = end_of(both, receiving)
    assert isinstance(error.__cause__, TimeoutError)
    assert closes(both) == (3000, None)
    assert both.session.close_code == 1006


@ROLES
def test_they_answer_our_close_and_do_not_end_the_stream(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(closing=5))
    closing = both.start(both.session.close())
    both.pass_time(3)
    both.answer()
    assert type(end_of(both)) is ConnectionClosedOK
    assert not closing.done()
    both.pass_time(2)
    assert closing.done()
    assert both.link.did("abort")
    assert closes(both) == (1000, 1000)
    assert both.session.close_code == 1000


@ROLES
def test_they_close_and_do_not_end_the_stream(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(closing=5))
    both.say(Close(1000))
    both.pass_time(4.9)
    assert not both.session.lost
    both.pass_time(0.1)
    assert both.session.lost
    assert closes(both) == (1000, 1000)


@ROLES
def test_without_a_closing_timeout_it_is_waited_for_ever(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(closing=0))
    both.start(both.session.close())
    both.pass_time(10000)
    assert not both.session.lost


@ROLES
def test_what_was_sent_before_our_close_is_still_taken(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(closing=5, ping_interval=0))
    both.link.taking = False
    both.run(both.session.send(b"x" * 100_000))
    closing = both.start(both.session.close())
    for _ in range(10):
        both.pass_time(4)
        both.link.take(10_000)
    both.pass_time(1)
    assert not closing.done()
    both.link.take_all()
    both.answer()
    both.link.send(b"")
    both.loop.settle()
    assert closing.done()
    assert closes(both) == (1000, 1000)
    assert any(isinstance(event, CloseReceived) for event in both.events)


@ROLES
def test_who_takes_too_little_while_we_close_is_cut_off(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(closing=5, ping_interval=0))
    both.link.taking = False
    both.run(both.session.send(b"x" * 100_000))
    closing = both.start(both.session.close())
    both.link.take(1000)
    both.pass_time(5)
    assert closing.done()
    assert both.link.did("abort")


@ROLES
def test_who_stops_taking_while_we_close_is_cut_off(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(closing=5, ping_interval=0))
    both.link.taking = False
    both.run(both.session.send(b"x" * 100_000))
    closing = both.start(both.session.close())
    both.link.take(10_000)
    both.pass_time(9.9)
    assert not closing.done()
    both.pass_time(0.1)
    assert closing.done()


@ROLES
def test_they_do_not_answer_a_ping(both: Pair, role: Any) -> None:
    both.open(role, timeouts=Timeouts(ping_interval=20, pong=10, closing=5))
    receiving = both.start(both.session.receive())
    ping = both.run(both.session.ping())
    both.pass_time(29.9)
    assert both.session.open
    both.pass_time(0.1)
    assert not both.session.open
    error = end_of(both, receiving)
    assert error.sent is not None
    assert error.sent.code == 1011
    assert isinstance(error.__cause__, TimeoutError)
    both.pass_time(5)
    assert both.session.lost
    assert both.session.error is error.__cause__
    assert closes(both) == (1011, None)
    assert both.session.close_code == 1006
    assert isinstance(ping.exception(), ConnectionClosedError)


@ROLES
def test_our_answer_to_their_close_is_sent_however_much_waits(both: Pair, role: Any) -> None:
    both.open(role)
    both.link.taking = False
    both.run(both.session.send(b"x" * 100_000))
    both.say(Ping(b"?"), Close(1000))
    both.link.send(b"")
    both.loop.settle()
    both.link.take_all()
    both.loop.settle()
    assert both.hear()[-2:] == [Pong(b"?"), CloseReceived(1000)]
    assert both.session.lost


@ROLES
@pytest.mark.parametrize("size", [1000, 100_000])
def test_they_do_not_take_all_behind_the_end(both: Pair, role: Any, size: int) -> None:
    """The stream has ended both ways, and our last octets are never taken."""
    both.open(role, timeouts=Timeouts(write=30))
    both.link.taking = False
    both.run(both.session.send(b"x" * size))
    both.say(Close(1000))
    both.link.send(b"")
    both.loop.settle()
    assert both.link.did("close")
    assert not both.session.lost
    both.link.take(size - 1000)  # below low water, but not the rest
    both.pass_time(29.9)
    assert not both.session.lost
    both.pass_time(30.1)
    assert both.session.lost
    assert both.link.did("abort")


# -- by cancellation


@ROLES
@pytest.mark.parametrize("what", ["receive", "receive_fragment", "wait_closed", "close", "send", "ping", "pong"])
def test_cancelling_who_waits(both: Pair, role: Any, what: str) -> None:
    """Nothing is left of it, and the connection goes on, unless it was to be closed."""
    both.open(role)
    both.link.taking = False
    both.run(both.session.send(b"x" * 70000))
    arguments = ["never"] if what == "send" else []
    task = both.start(getattr(both.session, what)(*arguments))
    assert not task.done()
    task.cancel()
    both.loop.settle()
    assert task.cancelled()
    both.link.take_all()
    both.loop.settle()
    assert both.session.open == (what != "close")
    both.answer()
    assert Message("never") not in both.events
    both.link.send(b"")
    both.loop.settle()
    assert closes(both) == ((1000, 1000) if what == "close" else (None, None))


def test_the_end_is_told_once(both: Pair) -> None:
    both.open()
    both.say(Close(1000))
    both.link.send(b"")
    both.loop.settle()
    both.session.connection_lost(OSError("again"))
    both.session.eof_received()
    both.session.data_received(b"x")
    both.session.pause_writing()
    both.session.resume_writing()
    assert both.session.error is None
    assert both.hear() == [CloseReceived(1000)]
