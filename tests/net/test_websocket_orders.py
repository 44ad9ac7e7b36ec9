"""All that can happen to a WebSocket on asyncio, in every order of three: each time it ends, and both ends agree on how."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.net.virtual_clock import VirtualClockLoop
from tests.net.websocket_link import Pair

from interlock.http.limits import Timeouts
from interlock.net.asyncio.websocket_errors import ConnectionClosed
from interlock.ws import CLIENT, SERVER, Close, Message, Ping


def we_close(both: Pair) -> None:
    both.start(both.session.close(3000))


def they_close(both: Pair) -> None:
    if both.peer.writable:
        both.say(Close(3001))


def they_end(both: Pair) -> None:
    both.link.send(b"")
    both.loop.settle()


def reset(both: Pair) -> None:
    both.link.lose(ConnectionResetError("reset"))
    both.loop.settle()


def cancel(both: Pair) -> None:
    for task in [both.start(both.session.receive()), *both.tasks]:
        task.cancel()
    both.loop.settle()


def time_passes(both: Pair) -> None:
    both.pass_time(3)


def ping(both: Pair) -> None:
    if both.peer.writable:
        both.say(Ping(b"?"))
    both.start(both.session.ping())


def data(both: Pair) -> None:
    if both.peer.writable:
        both.say(Message("theirs"))
    both.start(both.session.send("ours"))


def error(both: Pair) -> None:
    both.link.send(b"\xff\xff")
    both.loop.settle()


def answer(both: Pair) -> None:
    both.answer()


def stall(both: Pair) -> None:
    both.link.taking = not both.link.taking
    if both.link.taking:
        both.link.take_all()
    both.start(both.session.send(b"x" * 70000))


ALL: list[Callable[[Pair], None]] = [
    we_close,
    they_close,
    they_end,
    reset,
    cancel,
    time_passes,
    ping,
    data,
    error,
    answer,
    stall,
]


@pytest.mark.parametrize("role", [SERVER, CLIENT])
@pytest.mark.parametrize("first", ALL)
def test_every_order(role: Any, first: Callable[[Pair], None]) -> None:
    loop = VirtualClockLoop()
    timeouts = Timeouts(ping_interval=4, pong=2, closing=5, write=7)
    for rest in itertools.product(ALL, repeat=2):
        both = Pair(loop)
        both.open(role, timeouts=timeouts)
        for happens in (first, *rest):
            happens(both)
        told = how_it_ends(both)
        assert told == [], (told, first, *rest)
    loop.close()


def how_it_ends(both: Pair) -> list[str]:
    """What is wrong about it, when time has passed and nobody has answered anything more."""
    session = both.session
    waiting = [both.start(session.wait_closed()), both.start(session.close()), both.start(drain(session))]
    both.loop.advance(30)
    wrong = []
    if not session.lost:
        wrong.append("the link is not gone")
    if not all(task.done() for task in (*both.tasks, *waiting)):
        wrong.append("somebody waits")
    if both.loop.timers() or asyncio.all_tasks(both.loop) or both.loop.errors:
        wrong.append("something is left")
    both.hear()
    ours, theirs, peer = session.local_close, session.remote_close, both.peer
    if session.close_code != (theirs.code if theirs is not None else 1006):
        wrong.append(f"the code is {session.close_code}")
    if theirs is not None and (peer.local_close is None or peer.local_close.code != theirs.code):
        wrong.append(f"their Close was {peer.local_close}, and we have {theirs}")
    if peer.remote_close is not None and (ours is None or peer.remote_close.code != ours.code):
        wrong.append(f"our Close was {ours}, and they have {peer.remote_close}")
    if ours is not None and peer.remote_close is None and both.link.taking and not both.link.did("abort"):
        wrong.append("our Close never came")
    if (session.rcvd_then_sent is None) != (ours is None or theirs is None):
        wrong.append("whose Close was first is not known")
    for task in both.tasks:
        if not task.cancelled() and task.exception() is not None and not isinstance(task.exception(), ConnectionClosed):
            wrong.append(repr(task.exception()))
    return wrong


async def drain(session: Any) -> None:
    """Take all that is left, up to the error, which has to say what the session does."""
    with pytest.raises(ConnectionClosed) as raised:
        while True:
            await session.receive()
    assert raised.value.sent is session.local_close
    assert raised.value.rcvd is session.remote_close
