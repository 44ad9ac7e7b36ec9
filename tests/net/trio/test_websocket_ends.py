"""Every way in which a WebSocket on trio comes to its end, for both roles: who waits is told, and both Closes are known."""

from contextlib import suppress
from typing import Any

import pytest
import trio
from tests.net.trio.far_end import both, on_trio, pass_time
from trio.testing import wait_all_tasks_blocked

from interlock.http.errors import LocalProtocolError
from interlock.http.events import ConnectionClosed as EndOfStream
from interlock.net.trio import CloseReason, ConnectionClosed, WebSocketConnection
from interlock.ws import CLIENT, SERVER, Close, CloseReceived, Message, Ping

ROLES = pytest.mark.parametrize("role", [SERVER, CLIENT])
OWNED = pytest.mark.parametrize("owned", [True, False])


def codes(reason: CloseReason | None) -> tuple[int, str | None] | None:
    return None if reason is None else (reason.code, reason.reason)


async def end_of(connection: WebSocketConnection) -> CloseReason:
    """What receiving is told; sending is told the same."""
    with pytest.raises(ConnectionClosed) as raised:
        await connection.get_message()
    assert codes(raised.value.reason) == codes(connection.closed)
    with pytest.raises(ConnectionClosed) as raised:
        await connection.send_message("too late")
    with pytest.raises(ConnectionClosed) as raised:
        await connection.ping()
    assert connection.closed is not None
    return connection.closed


# -- the closing handshake


@on_trio
async def test_we_close_as_a_server() -> None:
    async with both(SERVER) as it:
        it.nursery.start_soon(it.connection.aclose, 1001, "going")
        await pass_time(1)
        assert await it.far.answer() == [CloseReceived(1001, "going")]
        # The server ends the stream first, and waits for the client.
        await wait_all_tasks_blocked()
        assert it.wire.done == ["send_eof"]
        assert await it.far.hear() == [EndOfStream()]
        await it.far.end()
        assert it.wire.done == ["send_eof", "aclose"]
        assert it.closes() == (1001, 1001, 1001)
        assert codes(await end_of(it.connection)) == (1001, "going")


@on_trio
async def test_we_close_as_a_client() -> None:
    async with both(CLIENT) as it:
        it.nursery.start_soon(it.connection.aclose)
        await it.far.answer()
        # The client waits for the server to end the stream.
        assert it.wire.done == []
        await it.far.end()
        assert it.wire.done == ["aclose"]
        assert codes(await end_of(it.connection)) == (1000, None)


@ROLES
@on_trio
async def test_they_close(role: Any) -> None:
    async with both(role, message_queue_size=3) as it:
        await it.far.say(Message("one"), Message("two"), Close(4000, "bye"))
        assert codes(it.connection.closed) == (4000, "bye")
        assert await it.far.hear() == [CloseReceived(4000)] + [EndOfStream()] * (role is SERVER)
        # What came before can still be received.
        assert await it.connection.get_message() == "one"
        assert await it.connection.get_message() == "two"
        assert codes(await end_of(it.connection)) == (4000, "bye")
        assert it.closes() == (4000, 4000, 4000)
        await it.far.end()
        assert it.wire.done == ["send_eof", "aclose"] if role is SERVER else ["aclose"]


@ROLES
@on_trio
async def test_closing_after_they_did_drops_nothing(role: Any) -> None:
    async with both(role, message_queue_size=3) as it:
        await it.far.say(Message("one"), Message("two"), Close(4000))
        await it.far.end()
        await it.connection.aclose()
        assert await it.connection.get_message() == "one"
        assert await it.connection.get_message() == "two"
        assert (await end_of(it.connection)).code == 4000


@ROLES
@on_trio
async def test_they_close_without_a_code(role: Any) -> None:
    async with both(role) as it:
        await it.far.say(Close(None))
        assert (await end_of(it.connection)).code == 1005
        assert await it.far.hear() == [CloseReceived(1005)] + [EndOfStream()] * (role is SERVER)
        await it.far.end()


@ROLES
@on_trio
async def test_both_close_at_once(role: Any) -> None:
    async with both(role) as it:
        theirs = it.far.engine.send(Close(3001, "theirs"))
        it.nursery.start_soon(it.connection.aclose, 3000, "ours")
        await wait_all_tasks_blocked()
        await it.far.write(theirs)
        assert it.closes() == (3000, 3001, 3000)
        assert codes(it.connection.closed) == (3000, "ours")
        await it.far.end()


@ROLES
@on_trio
async def test_closing_again_changes_nothing(role: Any) -> None:
    async with both(role) as it:
        for code in (3000, 3001):
            it.nursery.start_soon(it.connection.aclose, code)
            await wait_all_tasks_blocked()
        await it.far.finish()
        assert it.far.heard[0] == CloseReceived(3000)
        await it.connection.aclose(3002)
        assert it.closes() == (3000, 3000, 3000)


@ROLES
@on_trio
async def test_a_code_that_may_not_be_sent_closes_nothing(role: Any) -> None:
    async with both(role) as it:
        for code, reason in ((1005, ""), (1006, ""), (2000, ""), (1000, "x" * 124)):
            with pytest.raises(LocalProtocolError):
                await it.connection.aclose(code, reason)
        assert it.connection.closed is None
        await it.far.say(Message("still"))
        assert await it.connection.get_message() == "still"
        it.nursery.start_soon(it.connection.aclose)
        await it.far.finish()


@ROLES
@on_trio
async def test_who_waits_to_receive_is_told_that_we_close(role: Any) -> None:
    async with both(role) as it:
        told: list[CloseReason | None] = []

        async def receive() -> None:
            with pytest.raises(ConnectionClosed) as raised:
                await it.connection.get_message()
            told.append(raised.value.reason)

        it.nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        it.nursery.start_soon(it.connection.aclose, 3000)
        await wait_all_tasks_blocked()
        assert [codes(reason) for reason in told] == [(3000, None)]
        await it.far.finish()


@ROLES
@on_trio
async def test_what_waits_when_we_close_is_dropped(role: Any) -> None:
    async with both(role) as it:
        await it.far.say(*(Message(str(number)) for number in range(5)))  # more than may wait
        it.nursery.start_soon(it.connection.aclose)
        await it.far.hear()
        with pytest.raises(ConnectionClosed):
            await it.connection.get_message()
        await it.far.finish()
        assert it.closes() == (1000, 1000, 1000)


@ROLES
@on_trio
async def test_the_other_end_goes_on_after_our_close(role: Any) -> None:
    """Its messages are dropped, its pings need no answer, and nothing of that is an error."""
    async with both(role) as it:
        crossing = it.far.engine.send(Message("crossing")) + it.far.engine.send(Ping(b"crossing"))
        it.nursery.start_soon(it.connection.aclose)
        await wait_all_tasks_blocked()
        await it.far.write(crossing)
        await it.far.finish()
        assert [type(event) for event in it.far.heard[:1]] == [CloseReceived]
        assert it.closes() == (1000, 1000, 1000)


@ROLES
@on_trio
async def test_closing_from_within_the_reader(role: Any) -> None:
    class Closing(WebSocketConnection):
        async def _handle_ping_event(self, event: Ping) -> None:
            await self.aclose(3000)

    async with both(role) as it:
        it.connection.__class__ = Closing
        it.connection._handlers[Ping] = it.connection._handle_ping_event
        await it.far.say(Ping(b"close"))
        await it.far.finish()
        assert it.closes() == (3000, 3000, 3000)


# -- the end of the stream


@ROLES
@OWNED
@on_trio
async def test_the_stream_ends_without_a_close(role: Any, owned: bool) -> None:
    async with both(role, owned=owned, message_queue_size=2) as it:
        await it.far.write(it.far.engine.send(Message("last")))
        await it.far.end()
        assert codes(it.connection.closed) == (1006, None)
        assert await it.connection.get_message() == "last"
        assert (await end_of(it.connection)).code == 1006
        assert it.closes() == (None, None, 1006)


@ROLES
@OWNED
@on_trio
async def test_the_stream_ends_in_a_frame(role: Any, owned: bool) -> None:
    async with both(role, owned=owned) as it:
        await it.far.write(it.far.engine.send(Message("half"))[:-2])
        await it.far.end()
        assert (await end_of(it.connection)).code == 1006


@ROLES
@OWNED
@on_trio
async def test_the_stream_breaks(role: Any, owned: bool) -> None:
    async with both(role, owned=owned) as it:
        it.wire.stream.receive_stream.close()
        await wait_all_tasks_blocked()
        assert (await end_of(it.connection)).code == 1006
        assert it.closes() == (None, None, 1006)


@ROLES
@OWNED
@on_trio
async def test_the_stream_breaks_as_we_send(role: Any, owned: bool) -> None:
    """Whoever sends hears of it, and only when it is known how the other end has closed."""
    async with both(role, owned=owned) as it:
        it.wire.broken = True
        begun = trio.current_time()
        with pytest.raises(ConnectionClosed) as raised:
            await it.connection.send_message("lost")
        assert codes(raised.value.reason) == (1006, None)
        assert trio.current_time() - begun < 5  # it was waited for what they have to say
        assert codes(it.connection.closed) == (1006, None)


@ROLES
@OWNED
@on_trio
async def test_the_stream_breaks_and_their_close_is_there(role: Any, owned: bool) -> None:
    """Their Close is waiting to be read behind messages that nobody takes: still it is what the sender is told."""
    async with both(role, owned=owned, message_queue_size=0) as it:
        await it.far.say(Message("one"), Message("two"), Close(1012, "restart"))
        assert it.connection.closed is None
        it.wire.broken = True
        with pytest.raises(ConnectionClosed) as raised:
            await it.connection.send_message("lost")
        assert codes(raised.value.reason) == (1012, "restart")
        assert await it.connection.get_message() == "one"
        assert await it.connection.get_message() == "two"
        assert (await end_of(it.connection)).code == 1012


@ROLES
@on_trio
async def test_what_comes_while_nothing_can_be_sent_is_bounded(role: Any) -> None:
    async with both(role, message_queue_size=2) as it:
        it.wire.broken = True
        it.nursery.start_soon(_send_in_vain, it.connection)
        await wait_all_tasks_blocked()
        with suppress(trio.BrokenResourceError):  # it is closed at last
            for number in range(100):
                await it.far.say(Message(str(number)))
        received = []
        with pytest.raises(ConnectionClosed):
            while True:
                received.append(await it.connection.get_message())
        assert received == ["0", "1", "2"]


async def _send_in_vain(connection: WebSocketConnection) -> None:
    with pytest.raises(ConnectionClosed):
        await connection.send_message("lost")


@ROLES
@OWNED
@on_trio
async def test_the_stream_ends_after_our_close(role: Any, owned: bool) -> None:
    async with both(role, owned=owned) as it:
        it.nursery.start_soon(it.connection.aclose, 3000)
        await wait_all_tasks_blocked()
        await it.far.end()
        assert it.closes() == (3000, None, 3000)
        assert (await end_of(it.connection)).code == 3000


@ROLES
@OWNED
@on_trio
async def test_the_owner_closes_the_stream(role: Any, owned: bool) -> None:
    async with both(role, owned=owned) as it:
        await it.wire.stream.aclose()
        with pytest.raises(ConnectionClosed) as raised:
            await it.connection.send_message("lost")
        assert raised.value.reason is not None
        assert raised.value.reason.code == 1006


# -- errors of the protocol


@ROLES
@OWNED
@on_trio
async def test_they_break_the_protocol(role: Any, owned: bool) -> None:
    async with both(role, owned=owned, message_queue_size=2) as it:
        await it.far.write(it.far.engine.send(Message("good")) + b"\xff" * 20 + it.far.engine.send(Message("bad")))
        assert it.closes() == (1002, None, 1002)
        heard = await it.far.answer()
        assert isinstance(heard[0], CloseReceived)
        assert heard[0].code == 1002
        # What came before was good, and nothing of what came behind is read.
        assert await it.connection.get_message() == "good"
        assert (await end_of(it.connection)).code == 1002
        await it.far.end()


@ROLES
@on_trio
async def test_a_message_that_is_too_big(role: Any) -> None:
    async with both(role, max_message_size=100) as it:
        await it.far.say(Message(b"x" * 100))
        assert await it.connection.get_message() == b"x" * 100
        await it.far.write(it.far.engine.send(Message(b"x" * 101))[:20])  # its length is enough
        assert (await end_of(it.connection)).code == 1009
        await it.far.finish()


@on_trio
async def test_a_failure_over_a_stream_that_knows_no_half() -> None:
    """What is under way is read and dropped for a while: to close at once could cost the client our Close."""
    async with both(SERVER, half_closeable=False) as it:
        await it.far.write(b"\xff" * 20)
        assert it.closes() == (1002, None, 1002)
        for _ in range(10):
            await it.far.write(b"\xff" * 1000)
        assert it.wire.done == []
        await pass_time(1.9)
        assert it.wire.done == []
        await pass_time(0.2)
        assert it.wire.done == ["aclose"]
        assert [event.code for event in await it.far.hear() if isinstance(event, CloseReceived)] == [1002]


@on_trio
async def test_a_closing_handshake_over_a_stream_that_knows_no_half() -> None:
    async with both(SERVER, half_closeable=False) as it:
        it.nursery.start_soon(it.connection.aclose)
        await it.far.answer()
        assert it.wire.done == ["aclose"]
        assert it.wire.gently
        assert it.closes() == (1000, 1000, 1000)


# -- deadlines


@ROLES
@OWNED
@on_trio
async def test_our_close_is_not_answered(role: Any, owned: bool) -> None:
    async with both(role, owned=owned, disconnect_timeout=7) as it:
        it.nursery.start_soon(it.connection.aclose, 3000)
        await pass_time(6.9)
        assert not it.connection._finished.is_set()
        await pass_time(0.2)
        assert it.connection._finished.is_set()
        assert it.connection.timed_out
        assert not it.wire.gently
        assert it.closes() == (3000, None, 3000)


@ROLES
@OWNED
@on_trio
async def test_a_stream_that_has_broken_is_no_timeout(role: Any, owned: bool) -> None:
    async with both(role, owned=owned) as it:
        it.wire.broken = True
        await it.connection.aclose()
        assert not it.connection.timed_out
        assert it.closes() == (1000, None, 1000)


@ROLES
@on_trio
async def test_the_stream_is_not_ended_after_both_closes(role: Any) -> None:
    async with both(role, disconnect_timeout=60) as it:
        it.nursery.start_soon(it.connection.aclose)
        await it.far.answer()
        await pass_time(4.9)
        assert "aclose" not in it.wire.done
        await pass_time(0.2)
        assert it.wire.done[-1] == "aclose"
        assert not it.connection.timed_out  # the closing handshake was complete
        assert it.closes() == (1000, 1000, 1000)


@ROLES
@OWNED
@on_trio
async def test_who_takes_nothing_does_not_keep_us_from_closing(role: Any, owned: bool) -> None:
    async with both(role, owned=owned, disconnect_timeout=7) as it:
        it.wire.stuck = trio.Event()
        it.nursery.start_soon(_send_in_vain, it.connection)
        await wait_all_tasks_blocked()
        it.nursery.start_soon(it.connection.aclose)
        await pass_time(6.9)
        assert not it.connection._finished.is_set()
        await pass_time(0.2)
        assert it.connection._finished.is_set()


@ROLES
@on_trio
async def test_who_takes_nothing_is_left_where_that_was_asked_for(role: Any) -> None:
    async with both(role, write_timeout=10) as it:
        it.wire.stuck = trio.Event()
        begun = trio.current_time()
        with pytest.raises(ConnectionClosed) as raised:
            await it.connection.send_message(bytes(1000))
        assert codes(raised.value.reason) == (1006, None)
        assert 10 <= trio.current_time() - begun <= 13


# -- cancellation


@ROLES
@OWNED
@on_trio
async def test_closing_is_cancelled(role: Any, owned: bool) -> None:
    async with both(role, owned=owned) as it:
        with trio.move_on_after(3) as scope:
            await it.connection.aclose(3000)
        assert scope.cancelled_caught
        assert trio.current_time() < 3.1
        # There is nothing left to do when it returns.
        assert it.connection._finished.is_set()
        assert ("aclose" in it.wire.done) == owned
        assert it.closes() == (3000, None, 3000)
        assert (await end_of(it.connection)).code == 3000


@ROLES
@OWNED
@on_trio
async def test_nothing_uses_the_stream_when_closing_has_been_cancelled(role: Any, owned: bool) -> None:
    async with both(role, owned=owned) as it:
        it.wire.stuck = trio.Event()
        it.wire.lag = 1
        it.nursery.start_soon(_send_in_vain, it.connection)
        await wait_all_tasks_blocked()
        assert it.wire.sending
        with trio.move_on_after(1):
            await it.connection.aclose()
        assert not it.wire.sending


@ROLES
@OWNED
@on_trio
async def test_the_nursery_is_cancelled(role: Any, owned: bool) -> None:
    told: list[CloseReason | None] = []

    async def receive(connection: WebSocketConnection) -> None:
        with trio.CancelScope(shield=True), pytest.raises(ConnectionClosed) as raised:
            await connection.get_message()
        told.append(raised.value.reason)

    async with trio.open_nursery() as other, both(role, owned=owned) as it:
        other.start_soon(receive, it.connection)
        await wait_all_tasks_blocked()
        it.tasks.cancel_scope.cancel()
        await it.connection._finished.wait()
    assert [codes(reason) for reason in told] == [(1006, None)]


# -- streams that somebody else has wrapped


@ROLES
@pytest.mark.parametrize("we_close", [True, False])
@on_trio
async def test_a_wrapped_stream_is_ready_for_another_protocol(role: Any, we_close: bool) -> None:
    async with both(role, owned=False) as it:
        asked = it.wire.asked
        if we_close:
            it.nursery.start_soon(it.connection.aclose)
            await it.far.hear()
            await it.far.write(it.far.engine.data_to_send() + b"EHLO ")
        else:
            await it.far.write(it.far.engine.send(Close(1000)) + b"EHLO ")
            await it.far.hear()
        await it.connection.aclose()
        assert trio.current_time() < 1  # nothing more was waited for
        assert it.closes() == (1000, 1000, 1000)
        assert it.wire.done == []
        assert it.wire.asked == asked  # nothing was asked for that might be another's
        assert not it.far.ended
        # Nothing of what comes then is taken away, and the stream is open in both directions.
        await it.far.write(b"example.org")
        assert it.connection.trailing_data + await it.wire.receive_some() == b"EHLO example.org"
        await it.wire.send_all(b"250")
        assert await it.far.stream.receive_some() == b"250"


@on_trio
async def test_two_websockets_one_after_the_other_on_one_stream() -> None:
    near, far = trio.testing.memory_stream_pair()
    from interlock.net.trio import wrap_client_stream, wrap_server_stream

    async def serve() -> None:
        for number in range(2):
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, far)
                connection = await request.accept()
                await connection.send_message(str(number))
                with pytest.raises(ConnectionClosed):
                    await connection.get_message()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        for number in range(2):
            async with trio.open_nursery() as inner:
                connection = await wrap_client_stream(inner, near, "example.org", "/")
                assert await connection.get_message() == str(number)
                await connection.aclose()
                assert codes(connection.closed) == (1000, None)
