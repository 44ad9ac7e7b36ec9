"""What ends a connection comes after the answer to a message that came before it, be it all in one piece."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.websocket_link import Pair, pair

from interlock.net.asyncio.websocket_errors import ConnectionClosed
from interlock.ws import Close, CloseReceived, Message, Ping, Pong

#: A frame with RSV2, which no extension here defines.
BROKEN = b"\xa1\x80aaaa"


@pytest.fixture
def both() -> Iterator[Pair]:
    with pair() as made:
        yield made


async def echo(session: Any) -> ConnectionClosed:
    """An application that answers each message, until there are no more."""
    try:
        while True:
            await session.send(await session.receive())
    except ConnectionClosed as ended:
        return ended


def at_once(both: Pair, *events: Any, behind: bytes = b"") -> None:
    both.link.send(b"".join(both.peer.send(event) for event in events) + behind)
    both.loop.settle()


def test_a_message_is_answered_before_the_close_behind_it(both: Pair) -> None:
    both.open()
    task = both.start(echo(both.session))
    at_once(both, Message("one"), Message("two"), Close(1000, "bye"))
    both.hear()
    assert both.events == [Message("one"), Message("two"), CloseReceived(1000)]
    assert task.result().rcvd.reason == "bye"


def test_a_message_is_answered_before_the_fault_behind_it(both: Pair) -> None:
    both.open()
    task = both.start(echo(both.session))
    at_once(both, Message("one"), behind=BROKEN)
    heard = both.hear()
    assert heard[0] == Message("one")
    assert heard[1].code == 1002
    assert task.result().sent.code == 1002


def test_a_message_is_answered_before_the_close_that_comes_next(both: Pair) -> None:
    """It comes in another piece, before who has waited for the message has had a turn."""
    both.open()
    task = both.start(echo(both.session))
    for event in (Message("one"), Close(1000, "bye")):
        both.link.send(both.peer.send(event))
    both.loop.settle()
    both.hear()
    assert both.events == [Message("one"), CloseReceived(1000)]
    assert task.result().rcvd.reason == "bye"


def test_a_close_alone_is_answered_at_once(both: Pair) -> None:
    both.open()
    both.start(echo(both.session))
    both.link.send(both.peer.send(Close(1000)))
    assert both.hear()[0] == CloseReceived(1000)  # in the very call


def test_a_close_behind_a_message_that_nobody_waits_for_is_answered_at_once(both: Pair) -> None:
    both.open()
    both.link.send(both.peer.send(Message("one")) + both.peer.send(Close(1000)))
    assert both.hear()[0] == CloseReceived(1000)
    assert both.run(both.session.receive()) == "one"


def test_a_close_that_is_held_back_is_not_lost_with_the_link(both: Pair) -> None:
    both.open()
    both.start(echo(both.session))
    both.link.send(both.peer.send(Message("one")) + both.peer.send(Close(4000, "gone")))
    both.link.lose(ConnectionResetError())
    both.loop.settle()
    assert (both.session.close_code, both.session.close_reason) == (4000, "gone")


def test_what_comes_behind_what_is_held_back_waits_too(both: Pair) -> None:
    both.open()
    task = both.start(echo(both.session))
    both.link.send(both.peer.send(Message("one")) + both.peer.send(Close(1000)))
    both.link.send(b"")
    both.loop.settle()
    assert both.hear()[:2] == [Message("one"), CloseReceived(1000)]
    assert task.result().rcvd.code == 1000


def test_every_ping_is_answered_as_long_as_the_peer_takes_the_answers(both: Pair) -> None:
    both.open()
    at_once(both, *(Ping(b"%d" % number) for number in range(10)))
    assert both.hear() == [Pong(b"%d" % number) for number in range(10)]
