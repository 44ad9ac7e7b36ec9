"""What ends a connection comes after the answer to a message that came before it, be it all in one piece, on trio."""

from typing import Any

import trio
from tests.net.trio.far_end import Both, both, on_trio
from trio.testing import wait_all_tasks_blocked

from interlock.net.trio import ConnectionClosed
from interlock.ws import SERVER, Close, CloseReceived, Message, Ping, Pong

#: A client's frame with RSV2, which no extension here defines.
BROKEN = b"\xa1\x80aaaa"


async def echo(it: Both, ended: list[Any]) -> None:
    """An application that answers each message, until there are no more."""
    try:
        while True:
            await it.connection.send_message(await it.connection.get_message())
    except ConnectionClosed as error:
        ended.append(error.reason)


@on_trio
async def test_a_message_is_answered_before_the_close_behind_it() -> None:
    async with both(SERVER) as it:
        ended: list[Any] = []
        it.nursery.start_soon(echo, it, ended)
        await wait_all_tasks_blocked()
        await it.far.say(Message("one"), Close(1000, "bye"))
        assert (await it.far.hear())[:2] == [Message("one"), CloseReceived(1000)]
        await it.far.finish()
        assert [reason.reason for reason in ended] == ["bye"]


@on_trio
async def test_a_message_is_answered_before_the_fault_behind_it() -> None:
    async with both(SERVER) as it:
        ended: list[Any] = []
        it.nursery.start_soon(echo, it, ended)
        await wait_all_tasks_blocked()
        await it.far.write(it.far.engine.send(Message("one")) + BROKEN)
        heard = await it.far.hear()
        assert heard[0] == Message("one")
        assert heard[1].code == 1002
        await it.far.finish()


@on_trio
async def test_a_message_is_answered_before_the_close_that_comes_next() -> None:
    """It comes in another piece, before who has waited for the message has had a turn: which is first is anybody's."""
    for _ in range(20):
        async with both(SERVER) as it:
            ended: list[Any] = []
            it.nursery.start_soon(echo, it, ended)
            await wait_all_tasks_blocked()
            message, *behind = (it.far.engine.send(event) for event in (Message("one"), Close(1000)))
            receive_some = it.wire.receive_some

            async def receive_next(
                most: int | None = None, behind: list[bytes] = behind, receive_some: Any = receive_some
            ) -> bytes:
                if not behind:
                    return bytes(await receive_some(most))
                await trio.lowlevel.checkpoint()  # as a socket's is that has something
                return behind.pop()

            it.wire.receive_some = receive_next  # type: ignore[method-assign]
            await it.far.write(message)
            assert (await it.far.hear())[:2] == [Message("one"), CloseReceived(1000)]
            await it.far.finish()


@on_trio
async def test_every_ping_is_answered_as_long_as_the_peer_takes_the_answers() -> None:
    async with both(SERVER) as it:
        await it.far.say(*(Ping(b"%d" % number) for number in range(10)))
        assert await it.far.hear() == [Pong(b"%d" % number) for number in range(10)]
        it.nursery.start_soon(it.connection.aclose)
        await it.far.finish()
