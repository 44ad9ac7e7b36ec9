"""Whatever happens in whatever order: each end does what the model in orders.py says, and nothing else."""

import contextlib
from collections import Counter
from itertools import product
from typing import Any

import pytest
from tests.ws import raw
from tests.ws.engine import each_role
from tests.ws.orders import EVENTS, THEIR_CODE, Driven, Facts, Seen

from interlock.ws import CLIENT, Action, ConnectionClosed, LocalProtocolError

#: Those of a connection that is open, but for messages in pieces.
WHEN_OPEN = ("send", "ping", "close", "fail", "abandon", "their message", "their ping", "their close")
WHEN_OPEN += ("their error", "EOF", "lost", "timeout")


def agrees(driven: Driven, facts: Facts, path: tuple[str, ...]) -> None:
    """What is known after ``path``."""
    connection = driven.connection
    local, remote = connection.local_close, connection.remote_close
    known = {
        "states": (connection.our_state, connection.their_state),
        "handshake": connection.machines["handshake"].lower(),
        "gone": connection.machines["stream"] == "GONE",
        "writable": connection.writable,
        "readable": connection.readable,
        "connecting": connection.connecting,
        "accepted": connection.accepted,
        "over": connection.over,
        "waiting_for": connection.waiting_for,
        "local_close": local.code if local is not None else 0,
        "remote_close": remote.code if remote is not None else 0,
        "close_code": connection.close_code,
        "close_reason": connection.close_reason,
    }
    expected = {
        "states": facts.states(),
        "handshake": facts.handshake,
        "gone": facts.gone,
        "writable": facts.open,
        "readable": facts.reading,
        "connecting": facts.handshake == "connecting",
        "accepted": facts.handshake == "accepted",
        "over": facts.over,
        "waiting_for": facts.timer,
        "local_close": facts.our_close,
        "remote_close": facts.their_close,
        "close_code": facts.close_code,
        "close_reason": "why" if facts.their_close else "",
    }
    assert known == expected, path


def run(role: Any, path: tuple[str, ...]) -> tuple[Driven, Facts, list[Seen]]:
    """An engine and the model, both after ``path``, of which all but the last was compared before."""
    driven, facts, all_seen = Driven(role), Facts(role is CLIENT), []
    for number, event in enumerate(path, 1):
        seen = driven.does(event)
        facts, expected = facts.after(event)
        if number == len(path):
            assert seen == expected, path
        all_seen.append(seen)
    agrees(driven, facts, path)
    return driven, facts, all_seen


def hold(all_seen: list[Seen], path: tuple[str, ...]) -> None:
    """What holds of every path, whatever the model says."""
    sent = [frame.opcode for seen in all_seen for frame in seen.sent]
    assert raw.CLOSE not in sent[:-1], path
    counts = Counter(action for seen in all_seen for action in seen.actions)
    assert counts[Action.END_STREAM] <= 1, path
    assert counts[Action.TEAR_DOWN] <= 1, path
    assert 0 <= counts[Action.START_CLOSING_TIMER] - counts[Action.STOP_CLOSING_TIMER] <= 1, path
    assert counts[Action.STOP_OPENING_TIMER] <= 1, path
    if counts[Action.TEAR_DOWN]:
        assert counts[Action.START_CLOSING_TIMER] == counts[Action.STOP_CLOSING_TIMER], path
        assert counts[Action.STOP_OPENING_TIMER] == 1, path


@each_role
def test_every_order_of_whatever_length(role: Any) -> None:
    """Paths that lead to the same facts and to the same engine go on alike: one of them is enough."""
    start: tuple[str, ...] = ()
    reached = set()
    paths = [start]
    for path in paths:  # grows while it is walked
        driven, facts, all_seen = run(role, path)
        hold(all_seen, path)
        connection = driven.connection
        key = (facts, connection._joint, connection._told, connection._eof, connection._eof_given, connection._pong)
        if key in reached:
            continue
        reached.add(key)
        paths.extend((*path, event) for event in EVENTS if facts.can(event))
    assert len(reached) > 100
    assert {facts.gone for facts, *_ in reached} == {True, False}


@each_role
@pytest.mark.parametrize("first", WHEN_OPEN)
def test_every_order_of_four(first: str, role: Any) -> None:
    """The same again, with nothing taken for granted."""
    for rest in product(WHEN_OPEN, repeat=3):
        path = ("accept", first, *rest)
        facts = Facts(role is CLIENT)
        driven = Driven(role)
        all_seen = []
        for number, event in enumerate(path):
            if not facts.can(event):
                break
            seen = driven.does(event)
            facts, expected = facts.after(event)
            assert seen == expected, path[: number + 1]
            all_seen.append(seen)
        else:
            agrees(driven, facts, path)
            hold(all_seen, path)


@each_role
def test_calls_in_any_order_raise_nothing_else(role: Any) -> None:
    """Also such as no driver makes, and where nobody looks at what comes of them before the end."""
    for path in product(("accept", *WHEN_OPEN), repeat=3):
        driven = Driven(role)
        for event in (*path, "their close", "send", "their message", "EOF"):
            with contextlib.suppress(LocalProtocolError):
                driven._do(event)
        events, error = driven._events()
        frames = raw.read(b"".join(driven._written) + driven.connection.data_to_send(), driven.is_client)
        hold([Seen(False, events, error, tuple(frames), tuple(driven.connection.next_actions()))], path)
        assert [event for event in events if isinstance(event, ConnectionClosed)] == [ConnectionClosed()], path


@each_role
def test_close_raises_in_no_state_and_says_its_code_only_where_it_closes(role: Any) -> None:
    for path in product(EVENTS, repeat=2):
        driven = Driven(role)
        for event in path:
            driven.does(event)
        before = driven.connection.local_close
        open_before = driven.connection.writable
        driven.connection.close(4000)
        driven.connection.close(4001, "again")
        after = driven.connection.local_close
        assert (after.code if after is not None else 0) == (4000 if open_before else before.code if before else 0), path


@each_role
def test_every_connection_has_a_code_when_it_has_ended(role: Any) -> None:
    for path in product(EVENTS, repeat=3):
        driven = Driven(role)
        for event in path:
            driven.does(event)
        driven.does("close")
        driven.does("lost")
        assert driven.connection.over, path
        assert driven.connection.close_code in {1006, THEIR_CODE}, path
