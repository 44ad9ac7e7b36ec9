"""A WebSocket on trio while it is open: messages, backpressure, pings, and cancellation wherever something waits."""

from typing import Any

import pytest
import trio
from tests.net.trio.far_end import Both, both, cancelled_at, on_trio, pass_time
from trio.testing import wait_all_tasks_blocked

from interlock.http.errors import LocalProtocolError
from interlock.http.events import ConnectionClosed as EndOfStream
from interlock.http.limits import Limits
from interlock.net.trio import ConnectionClosed, PerMessageDeflate, WebSocketConnection
from interlock.ws import CLIENT, SERVER, Close, CloseReceived, Message, Ping, Pong
from interlock.ws.deflate import Agreed, Compressor, Decompressor

ROLES = pytest.mark.parametrize("role", [SERVER, CLIENT])


async def finish(it: Both) -> None:
    """Close well."""
    it.nursery.start_soon(it.connection.aclose)
    await it.far.finish()
    await it.connection.aclose()


# -- messages


@ROLES
@on_trio
async def test_messages(role: Any) -> None:
    async with both(role, message_queue_size=9) as it:
        sent = ["text", "", "Grüße 🖖", b"binary", b"", bytes(70_000), "x" * 70_000]
        for message in sent:
            await it.connection.send_message(message)
        assert await it.far.hear() == [Message(message) for message in sent]
        await it.far.say(*(Message(message) for message in sent))
        assert [await it.connection.get_message() for _ in sent] == sent
        await finish(it)


@ROLES
@on_trio
async def test_octets_of_all_kinds(role: Any) -> None:
    async with both(role) as it:
        await it.connection.send_message(bytearray(b"array"))
        await it.connection.send_message(memoryview(b"view"))
        assert await it.far.hear() == [Message(b"array"), Message(b"view")]
        for wrong in (None, 1, ["list"], object()):
            with pytest.raises(ValueError, match="a message is a string or bytes"):
                await it.connection.send_message(wrong)  # type: ignore[arg-type]
        await finish(it)


@ROLES
@on_trio
async def test_fragments_are_joined(role: Any) -> None:
    async with both(role) as it:
        await it.far.say(Message("a", final=False), Ping(b"between"), Message("b", final=False), Message("c"))
        assert await it.connection.get_message() == "abc"
        assert await it.far.hear() == [Pong(b"between")]
        await finish(it)


@ROLES
@on_trio
async def test_iteration_ends_where_the_connection_ends_well(role: Any) -> None:
    async with both(role, message_queue_size=2) as it:
        await it.far.say(Message("one"), Message("two"), Close(1001))
        assert [message async for message in it.connection] == ["one", "two"]
        await it.far.finish()
    async with both(role, message_queue_size=2) as it:
        await it.far.say(Message("one"), Close(1011, "why"))
        received = []
        with pytest.raises(ConnectionClosed) as raised:
            async for message in it.connection:
                received.append(message)
        assert received == ["one"]
        assert raised.value.reason is not None
        assert (raised.value.reason.code, raised.value.reason.reason) == (1011, "why")
        await it.far.finish()


@ROLES
@on_trio
async def test_what_is_known(role: Any) -> None:
    async with both(role) as it:
        connection = it.connection
        assert connection.is_client == (role is CLIENT)
        assert connection.is_server == (role is SERVER)
        assert str(connection).startswith("client-" if role is CLIENT else "server-")
        assert isinstance(connection.local, str)
        assert "HalfCloseable" in connection.local
        assert connection.path == "/"
        assert connection.subprotocol is None
        assert connection.handshake_headers == ()
        assert connection.trailing_data == b""
        assert connection.closed is connection.local_close is connection.remote_close is None
        await finish(it)


@ROLES
@on_trio
async def test_as_a_context_manager(role: Any) -> None:
    async with both(role) as it:

        async def use() -> None:
            async with it.connection as connection:
                assert connection is it.connection

        it.nursery.start_soon(use)
        await it.far.finish()
        assert it.closes() == (1000, 1000, 1000)


@ROLES
@on_trio
async def test_compression(role: Any) -> None:
    options = PerMessageDeflate()
    async with both(role, deflate=options, far_options={"deflate": options}) as it:
        for engine in (it.connection._engine, it.far.engine):
            client = engine.our_role is CLIENT
            engine._deflater = Compressor(Agreed(), client, options)
            engine._inflater = Decompressor(Agreed(), client)
        await it.connection.send_message("x" * 10_000)
        written = await it.far.stream.receive_some()
        assert len(written) < 200
        it.far.engine.receive_data(bytes(written))
        assert await it.far.hear() == [Message("x" * 10_000)]
        await finish(it)


# -- backpressure


@ROLES
@pytest.mark.parametrize("size", [0, 1, 5])
@on_trio
async def test_reading_stops_when_enough_waits(role: Any, size: int) -> None:
    async with both(role, message_queue_size=size, receive_buffer_size=10) as it:
        messages = [Message(str(number) * 5) for number in range(20)]
        await it.far.say(*messages)
        for message in messages:
            # As many as may wait, the one that waits to be let in, and what was read with it.
            unread = len(bytes(it.wire.stream.receive_stream._incoming._data))
            await wait_all_tasks_blocked()
            assert len(it.connection._messages) <= size + 1
            assert await it.connection.get_message() == message.data
            await wait_all_tasks_blocked()
            assert len(bytes(it.wire.stream.receive_stream._incoming._data)) <= unread
        await finish(it)


@ROLES
@on_trio
async def test_sending_waits_until_the_stream_takes_it(role: Any) -> None:
    async with both(role) as it:
        it.wire.stuck = trio.Event()
        sent: list[int] = []

        async def send(number: int) -> None:
            await it.connection.send_message(str(number) * 100)
            sent.append(number)

        for number in range(3):
            it.nursery.start_soon(send, number)
            await wait_all_tasks_blocked()
        assert sent == []
        # No more than one of them is with the writer: the others are not even frames yet.
        assert it.connection._given - it.connection._written == 1
        it.wire.release()
        await wait_all_tasks_blocked()
        assert sent == [0, 1, 2]
        assert await it.far.hear() == [Message(str(number) * 100) for number in range(3)]
        await finish(it)


@ROLES
@on_trio
async def test_reading_goes_on_while_sending_waits(role: Any) -> None:
    """Two ends that both send more than fits in between must not wait for each other."""
    async with both(role, message_queue_size=2) as it:
        it.wire.stuck = trio.Event()
        it.nursery.start_soon(it.connection.send_message, "stuck")
        await wait_all_tasks_blocked()
        await it.far.say(Ping(b"one"), Ping(b"two"), Message("one"), Message("two"))
        assert await it.connection.get_message() == "one"
        assert await it.connection.get_message() == "two"
        it.wire.release()
        # Only the latest ping is answered (RFC 6455 §5.5.3).
        assert await it.far.hear() == [Message("stuck"), Pong(b"two")]
        await finish(it)


@ROLES
@on_trio
async def test_many_tasks_at_once(role: Any) -> None:
    async with both(role, message_queue_size=0) as it:
        received: list[str | bytes] = []

        async def receive() -> None:
            received.append(await it.connection.get_message())

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(receive)
            for number in range(20):
                nursery.start_soon(it.connection.send_message, f"{number}" * 10)
            await it.far.say(*(Message(str(number)) for number in range(20)))
        assert sorted(received, key=int) == [str(number) for number in range(20)]
        heard = await it.far.hear()
        assert sorted(event.data for event in heard if isinstance(event, Message)) == sorted(
            f"{number}" * 10 for number in range(20)
        )
        await finish(it)


# -- pings


@ROLES
@on_trio
async def test_a_ping_waits_for_its_pong(role: Any) -> None:
    async with both(role) as it:
        done = trio.Event()

        async def ping() -> None:
            await it.connection.ping(b"here?")
            done.set()

        it.nursery.start_soon(ping)
        await pass_time(2)
        await it.far.say(Pong(b"another"))
        assert not done.is_set()
        assert await it.far.answer() == [Ping(b"here?")]
        assert done.is_set()
        assert it.connection.latency == pytest.approx(2, abs=0.01)
        await finish(it)


@ROLES
@on_trio
async def test_a_pong_answers_all_pings_before_it(role: Any) -> None:
    async with both(role) as it:
        answered: list[bytes] = []

        async def ping(payload: bytes) -> None:
            await it.connection.ping(payload)
            answered.append(payload)

        for payload in (b"1", b"2", b"3"):
            it.nursery.start_soon(ping, payload)
            await wait_all_tasks_blocked()
        await it.far.say(Pong(b"2"))
        assert sorted(answered) == [b"1", b"2"]
        with pytest.raises(ValueError, match="waits for its pong already"):
            await it.connection.ping(b"3")
        await it.far.say(Pong(b"3"))
        assert sorted(answered) == [b"1", b"2", b"3"]
        await finish(it)


@ROLES
@on_trio
async def test_a_ping_that_is_not_answered_before_the_end(role: Any) -> None:
    async with both(role) as it:
        told = []

        async def ping() -> None:
            with pytest.raises(ConnectionClosed) as raised:
                await it.connection.ping()
            told.append(raised.value.reason)

        it.nursery.start_soon(ping)
        await wait_all_tasks_blocked()
        await it.far.say(Close(3000))
        assert [reason.code for reason in told if reason] == [3000]
        await it.far.finish()


@ROLES
@on_trio
async def test_a_cancelled_ping_leaves_nothing_in_the_way(role: Any) -> None:
    async with both(role) as it:
        with trio.move_on_after(1) as scope:
            await it.connection.ping(b"same")
        assert scope.cancelled_caught
        it.nursery.start_soon(it.connection.ping, b"same")
        await it.far.answer()
        await finish(it)


@ROLES
@on_trio
async def test_pongs_and_payloads(role: Any) -> None:
    async with both(role) as it:
        await it.connection.pong()
        await it.connection.pong(b"for nothing")
        assert await it.far.hear() == [Pong(b""), Pong(b"for nothing")]
        for call in (it.connection.ping, it.connection.pong):
            with pytest.raises(LocalProtocolError):
                await call(bytes(126))
        await finish(it)


@ROLES
@on_trio
async def test_no_pings_unless_asked_for(role: Any) -> None:
    async with both(role) as it:
        await pass_time(100_000)
        assert await it.far.hear() == []
        assert it.connection.closed is None
        await finish(it)


@ROLES
@on_trio
async def test_pings_keep_the_connection_alive(role: Any) -> None:
    async with both(role, ping_interval=20, ping_timeout=10) as it:
        for _ in range(5):
            await pass_time(20.1)
            heard = await it.far.answer()
            assert [type(event) for event in heard] == [Ping]
        assert it.connection.closed is None
        await finish(it)
        await pass_time(100)
        assert not [event for event in await it.far.hear() if isinstance(event, Ping)]


@ROLES
@on_trio
async def test_no_ping_comes_after_our_close(role: Any) -> None:
    async with both(role, ping_interval=20, ping_timeout=10) as it:
        it.nursery.start_soon(it.connection.aclose)
        await pass_time(55)
        assert it.closes() == (1000, None, 1000)
        assert await it.far.hear() == [CloseReceived(1000)]
        await pass_time(10)


@ROLES
@on_trio
async def test_who_answers_no_ping_is_left(role: Any) -> None:
    async with both(role, ping_interval=20, ping_timeout=10, disconnect_timeout=5) as it:
        await pass_time(29.9)
        assert it.connection.closed is None
        await pass_time(0.2)
        assert it.closes() == (1011, None, 1011)
        assert [type(event) for event in await it.far.hear()][:2] == [Ping, CloseReceived]
        with pytest.raises(ConnectionClosed):
            await it.connection.get_message()
        await pass_time(5)
        assert "aclose" in it.wire.done


@ROLES
@on_trio
async def test_who_takes_nothing_answers_no_ping(role: Any) -> None:
    async with both(role, ping_interval=20, ping_timeout=10, disconnect_timeout=5) as it:
        it.wire.stuck = trio.Event()
        with pytest.raises(ConnectionClosed) as raised:
            await it.connection.send_message(bytes(1000))
        assert raised.value.reason is not None
        assert raised.value.reason.code == 1011
        assert trio.current_time() < 50


@ROLES
@on_trio
async def test_who_takes_a_long_message_slowly_is_alive(role: Any) -> None:
    async with both(role, ping_interval=20, ping_timeout=10, far_options={"limits": Limits(message=10_000_000)}) as it:
        it.wire.delay = 8
        await it.connection.send_message(bytes(1_000_000))
        assert trio.current_time() > 100
        await pass_time(9)
        it.wire.delay = 0
        heard = await it.far.answer()
        assert [type(event) for event in heard] == [Message, Ping]
        assert it.connection.closed is None
        await finish(it)


@ROLES
@on_trio
async def test_a_ping_has_no_deadline_while_we_do_not_read(role: Any) -> None:
    async with both(role, ping_interval=20, ping_timeout=10, message_queue_size=1) as it:
        await it.far.say(Message("1"), Message("2"), Message("3"))
        await pass_time(500)
        assert it.connection.closed is None
        for expected in "123":
            assert await it.connection.get_message() == expected
        await pass_time(21)
        assert Ping in [type(event) for event in await it.far.answer()]
        await pass_time(15)
        assert it.connection.closed is None
        await finish(it)


@ROLES
@on_trio
async def test_a_long_message_is_a_sign_of_life(role: Any) -> None:
    async with both(role, ping_interval=20, ping_timeout=10) as it:
        octets = it.far.engine.send(Message("x" * 100))
        await it.far.write(octets[:8])
        for octet in octets[8:]:
            await it.far.write(bytes([octet]))
            await pass_time(5)
        assert it.connection.closed is None
        assert await it.connection.get_message() == "x" * 100
        await it.far.answer()
        await finish(it)


# -- cancellation


@ROLES
@on_trio
async def test_receiving_may_be_cancelled_at_any_step(role: Any) -> None:
    """No message is lost, and none comes twice."""
    async with both(role, message_queue_size=1) as it:
        expected = 0
        for step in range(12):
            for waits in (False, True):
                number = step * 2 + waits
                if waits:  # for a message that comes while it waits
                    it.nursery.start_soon(it.far.say, Message(str(number)))
                else:
                    await it.far.say(Message(str(number)))
                cancelled, message = await cancelled_at(step, it.connection.get_message)
                if cancelled:
                    assert message is None
                    message = await it.connection.get_message()
                assert message == str(expected)
                expected += 1
        assert not cancelled
        await finish(it)


@ROLES
@pytest.mark.parametrize("stuck", [False, True])
@on_trio
async def test_sending_may_be_cancelled_at_any_step(role: Any, stuck: bool) -> None:
    """A message goes out whole, or nothing of it; and those after it are whole too."""
    async with both(role) as it:
        outcomes = set()
        for step in range(12):
            if stuck:
                it.wire.stuck = trio.Event()
            message = f"{step}-" * 50

            async def send(message: str = message) -> str:
                if stuck:
                    it.nursery.start_soon(_release, it)
                await it.connection.send_message(message)
                return "sent"

            cancelled, result = await cancelled_at(step, send)
            await wait_all_tasks_blocked()
            if it.wire.stuck is not None:
                it.wire.release()
            heard = await it.far.hear()
            assert heard in ([], [Message(message)])
            assert result == "sent" or cancelled
            if result == "sent":
                assert heard == [Message(message)]
            outcomes.add((cancelled, len(heard)))
            await it.connection.send_message("next")
            assert await it.far.hear() == [Message("next")]
        # Each of these has happened: nothing sent, sent though cancelled, sent.
        assert outcomes == {(True, 0), (True, 1), (False, 1)}
        assert it.connection.closed is None
        await finish(it)


async def _release(it: Both) -> None:
    await pass_time(1)
    if it.wire.stuck is not None:
        it.wire.release()


@ROLES
@on_trio
async def test_cancelled_sending_piles_nothing_up(role: Any) -> None:
    async with both(role) as it:
        it.wire.stuck = trio.Event()
        for _ in range(50):
            with trio.move_on_after(1) as scope:
                await it.connection.send_message(bytes(1000))
            assert scope.cancelled_caught
        assert it.connection._given - it.connection._written == 1
        it.wire.release()
        assert await it.far.hear() == [Message(bytes(1000))]
        await finish(it)


@ROLES
@on_trio
async def test_pinging_may_be_cancelled_at_any_step(role: Any) -> None:
    async with both(role) as it:
        for step in range(15):

            async def ping(step: int = step) -> str:
                await it.connection.ping(str(step).encode())
                return "answered"

            async with trio.open_nursery() as nursery:
                nursery.start_soon(it.far.answer)
                cancelled, result = await cancelled_at(step, ping)
            await it.far.answer()
            assert cancelled != (result == "answered")
        assert result == "answered"
        await it.connection.send_message("next")
        assert await it.far.hear() == [Message("next")]
        await finish(it)


@ROLES
@pytest.mark.parametrize("owned", [True, False])
@on_trio
async def test_closing_may_be_cancelled_at_any_step(role: Any, owned: bool) -> None:
    """When it returns, all is done: well, or without the other end."""
    outcomes = set()
    for step in range(20):
        async with both(role, owned=owned) as it:

            async def close(it: Both = it) -> str:
                it.nursery.start_soon(it.far.finish)
                await it.connection.aclose(3000)
                return "closed"

            cancelled, result = await cancelled_at(step, close)
            assert cancelled != (result == "closed")
            assert it.connection._finished.is_set() or step == 0
            outcomes.add((cancelled, it.closes()))
            if step == 0:
                await it.connection.aclose(3000)
            assert isinstance(it.far.heard, list)
            await wait_all_tasks_blocked()
    assert (False, (3000, 3000, 3000)) in outcomes
    assert {codes for _, codes in outcomes} <= {(3000, 3000, 3000), (3000, None, 3000), (None, None, None)}


@on_trio
async def test_a_handler_of_events_that_raises_ends_all() -> None:
    class Failing(WebSocketConnection):
        async def _handle_ping_event(self, event: Ping) -> None:
            raise ZeroDivisionError

    with pytest.raises(BaseExceptionGroup) as raised:
        async with both(SERVER) as it:
            it.connection.__class__ = Failing
            it.connection._handlers[Ping] = it.connection._handle_ping_event
            await it.far.say(Ping())
    of_tasks = raised.value.exceptions[0]
    assert isinstance(of_tasks, BaseExceptionGroup)
    assert [type(error) for error in of_tasks.exceptions] == [ZeroDivisionError]
    assert it.connection._finished.is_set()
    assert it.wire.done[-1] == "aclose"
    assert EndOfStream() in await it.far.hear()
