"""A client and a server joined back to back: every interleaving of what either does and of what is delivered when."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

import pytest
from tests.ws import raw

from interlock.ws import (
    CLIENT,
    NEED_DATA,
    SERVER,
    Action,
    CloseReceived,
    Connection,
    Message,
    Ping,
)

#: What an end may do by itself.
DOES = ("message", "ping", "close", "fail")
CODES = {"client": 3001, "server": 3002}
OTHER = {"client": "server", "server": "client"}


@dataclass
class End:
    """One engine, what is on its way to it, and what has come of it all."""

    name: str
    connection: Connection
    #: Octets, each as they were written; b"" ends the byte stream.
    arriving: list[bytes] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    events: list[Any] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def does(self, what: str) -> None:
        connection = self.connection
        if what == "close":
            connection.close(CODES[self.name])
        elif what == "fail":
            connection.fail(CODES[self.name] + 1000)
        elif connection.writable:
            self.out = connection.send(Message(self.name) if what == "message" else Ping(self.name.encode()))
            self.sent[what] += 1

    def takes(self) -> None:
        self.connection.receive_data(self.arriving.pop(0))
        while (event := self.connection.next_event()) is not NEED_DATA:
            self.events.append(event)

    def writes(self) -> Iterator[bytes]:
        """What is to be written, and then the end of the byte stream."""
        octets = self.out + self.connection.data_to_send()
        self.out = b""
        if octets:
            yield octets
        actions = self.connection.next_actions()
        self.actions += actions
        if Action.END_STREAM in actions:
            yield b""

    out = b""


class Pair:
    """Both ends, after a path of steps: an end and what it does, or "takes"."""

    def __init__(self) -> None:
        self.ends = {
            "client": End("client", Connection(CLIENT)),
            "server": End("server", Connection(SERVER)),
        }
        for end in self.ends.values():
            end.connection.start()
            end.connection.next_actions()

    def step(self, name: str, what: str) -> None:
        end = self.ends[name]
        if what == "takes":
            end.takes()
        else:
            end.does(what)
        self.ends[OTHER[name]].arriving.extend(end.writes())

    def key(self) -> Any:
        """All that decides how it can go on."""
        return [
            (
                end.connection._joint,
                end.connection._told,
                [
                    [(f.opcode, f.payload) for f in raw.read(octets, end.connection.our_role is SERVER)]
                    for octets in end.arriving
                ],
                end.events,
                sorted(end.sent.items()),
            )
            for end in self.ends.values()
        ]


def settled(plan: tuple[tuple[str, str], ...]) -> Iterator[tuple[Pair, tuple[tuple[str, str], ...]]]:
    """The pair at the end of every interleaving of ``plan`` with deliveries, in any order of what is planned."""
    known = set()
    start: tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = ((), plan)
    queue = [start]
    for path, rest in queue:  # grows while it is walked
        pair = Pair()
        for name, what in path:
            pair.step(name, what)
        key = repr((pair.key(), rest))
        if key in known:
            continue
        known.add(key)
        ways = [((name, "takes"), rest) for name, end in pair.ends.items() if end.arriving]
        ways += [(step, rest[:at] + rest[at + 1 :]) for at, step in enumerate(rest) if step not in rest[:at]]
        if not ways:
            yield pair, path
        queue.extend(((*path, step), left) for step, left in ways)


#: What happens: up to three things, with at least one that ends it.
PLANS = [
    plan
    for plan in combinations_with_replacement([(name, what) for name in CODES for what in DOES], 3)
    if any(what in {"close", "fail"} for _, what in plan)
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: ", ".join(map(" ".join, plan)))
def test_every_interleaving_ends_well(plan: tuple[tuple[str, str], ...]) -> None:
    ways = list(settled(plan))
    assert ways
    for pair, path in ways:
        for name, end in pair.ends.items():
            other = pair.ends[OTHER[name]]
            connection = end.connection
            assert connection.machines["stream"] == "GONE", path
            assert connection.over, path
            assert end.actions.count(Action.TEAR_DOWN) == 1, path
            assert end.actions[-1] is Action.TEAR_DOWN, path
            assert end.actions.count(Action.END_STREAM) == 1, path
            assert end.actions.count(Action.START_CLOSING_TIMER) == end.actions.count(Action.STOP_CLOSING_TIMER), path
            closes = [event.code for event in end.events if isinstance(event, CloseReceived)]
            assert other.connection.local_close is not None, path
            if connection.our_state == "FAILED":  # reads nothing any more
                assert closes in ([], [other.connection.local_close.code]), path
            else:
                assert closes == [other.connection.local_close.code], path
                # What was sent before the Close has come, all of it, and in order (RFC 6455 §5.5.1).
                assert [event for event in end.events if isinstance(event, Message)] == (
                    [Message(other.name)] * other.sent["message"]
                ), path
            assert connection.close_code == (closes[0] if closes else 1006), path


def test_the_server_ends_the_byte_stream_first() -> None:
    """RFC 6455 §7.1.1: whoever began to close, and also where that is a failure."""
    for plan in PLANS[:40]:
        for pair, path in settled(plan):
            client = pair.ends["client"].actions
            server = pair.ends["server"].actions
            # The client's end is the answer to the server's, and so tears down at once; the server's is not.
            assert client[-3:] == [Action.END_STREAM, Action.STOP_CLOSING_TIMER, Action.TEAR_DOWN], path
            assert server[-2:] == [Action.STOP_CLOSING_TIMER, Action.TEAR_DOWN], path
            assert server[-3] is Action.END_STREAM, path


def test_a_close_of_either_end_is_kept_apart() -> None:
    """Where both begin at once, each says its own code, and knows both."""
    codes = set()
    for pair, _ in settled((("client", "close"), ("server", "close"))):
        client, server = pair.ends["client"].connection, pair.ends["server"].connection
        assert client.local_close is not None
        assert client.remote_close is not None
        assert server.local_close is not None
        assert server.remote_close is not None
        assert client.local_close.code == server.remote_close.code
        assert server.local_close.code == client.remote_close.code
        codes.add((client.local_close.code, server.local_close.code))
    assert codes == {(3001, 3002), (3001, 3001), (3002, 3002)}
