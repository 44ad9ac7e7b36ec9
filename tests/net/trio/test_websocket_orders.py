"""All that can happen to a WebSocket on trio, in all orders of three: it ends, everybody is told why, and nothing is left."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import permutations
from typing import Any

import pytest
import trio
from tests.net.trio.far_end import Both, both, on_trio, pass_time
from trio.testing import wait_all_tasks_blocked

from interlock.http.errors import LocalProtocolError
from interlock.net.trio import ConnectionClosed
from interlock.ws import CLIENT, SERVER, Close, Message, Ping

#: What may come of it where the far end has no stream any more, or has closed.
IN_VAIN = (trio.BrokenResourceError, trio.ClosedResourceError, LocalProtocolError)


async def we_close(it: Both) -> None:
    it.nursery.start_soon(it.connection.aclose, 3000)
    await wait_all_tasks_blocked()


async def our_closing_is_cancelled(it: Both) -> None:
    with trio.move_on_after(0.1):
        await it.connection.aclose(3001)


async def we_send(it: Both) -> None:
    async def send() -> None:
        with suppress(ConnectionClosed):
            await it.connection.send_message("ours")

    it.nursery.start_soon(send)
    await wait_all_tasks_blocked()


async def our_sending_is_cancelled(it: Both) -> None:
    it.wire.stuck = trio.Event()
    with trio.move_on_after(0.1), suppress(ConnectionClosed):
        await it.connection.send_message("ours, cancelled")
    it.wire.release()
    await wait_all_tasks_blocked()


async def they_close(it: Both) -> None:
    await it.far.say(Close(4000, "theirs"))


async def they_send(it: Both) -> None:
    await it.far.say(Ping(b"theirs"), Message("theirs"), Message("more"), Message("most"))


async def they_answer(it: Both) -> None:
    await it.far.answer()


async def they_err(it: Both) -> None:
    await it.far.write(b"\xff" * 10)


async def they_end_the_stream(it: Both) -> None:
    await it.far.end()


async def the_stream_breaks(it: Both) -> None:
    it.wire.broken = True
    await it.far.stream.aclose()
    await wait_all_tasks_blocked()


async def time_passes(it: Both) -> None:
    await pass_time(100)


HAPPENINGS: list[Callable[[Both], Awaitable[None]]] = [
    we_close,
    our_closing_is_cancelled,
    we_send,
    our_sending_is_cancelled,
    they_close,
    they_send,
    they_answer,
    they_err,
    they_end_the_stream,
    the_stream_breaks,
    time_passes,
]


@pytest.mark.parametrize("role", [SERVER, CLIENT])
@pytest.mark.parametrize("owned", [True, False])
@on_trio
async def test_all_orders_of_three(role: Any, owned: bool) -> None:
    for order in permutations(HAPPENINGS, 3):
        names = [happening.__name__ for happening in order]
        async with both(role, owned=owned) as it:
            for happening in order:
                with suppress(*IN_VAIN):
                    await happening(it)
            with trio.fail_after(200):
                await it.connection.aclose(3002)
                with pytest.raises(ConnectionClosed) as raised:
                    while True:
                        await it.connection.get_message()
            local, remote, closed = it.closes()
            assert raised.value.reason is not None, names
            assert raised.value.reason.code == closed, names
            # What is known is what was said, by the one who said it first.
            assert local in {None, 3000, 3001, 3002, 4000, 1002}, names
            assert remote in {None, 3000, 3001, 3002, 4000, 1002}, names
            assert closed == (1006 if local is remote is None else closed), names
            assert closed in {local, remote, 1006}, names
            if "they_close" not in names and "they_answer" not in names:
                assert remote is None, names
            if not {"they_err", "the_stream_breaks", "they_end_the_stream", "they_close"} & set(names):
                assert local in {3000, 3001, 3002}, names
                assert closed == local, names
