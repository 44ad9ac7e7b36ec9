"""Compiling machines and couplings into one table, and walking it."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.machine import Coupling, LocalProtocolError, Machine, ProtocolError, RemoteProtocolError, System

DOOR = Machine("door", "CLOSED", {"CLOSED": {"open": "OPEN", "close": "CLOSED"}, "OPEN": {"close": "CLOSED"}})
LAMP = Machine("lamp", "OFF", {"OFF": {"blow": "BLOWN"}, "ON": {"blow": "BLOWN"}, "BLOWN": {}})
LIGHT = Coupling("light", {"door": "OPEN", "lamp": "OFF"}, {"lamp": "ON"})
DARK = Coupling("dark", {"door": "CLOSED", "lamp": "ON"}, {"lamp": "OFF"})
SEES = {"open": {"door": "open"}, "close": {"door": "close"}, "slam": {"door": "close", "lamp": "blow"}}

FRIDGE = System("fridge", (DOOR, LAMP), (LIGHT, DARK), SEES)


def test_joint_states_are_the_reachable_ones_breadth_first() -> None:
    assert FRIDGE.joints == [("CLOSED", "OFF"), ("OPEN", "ON"), ("CLOSED", "BLOWN"), ("OPEN", "BLOWN")]
    assert FRIDGE.initial == 0


def test_table_is_dense_and_says_minus_one_for_illegal() -> None:
    assert FRIDGE.n_events == 3
    # fmt: off
    assert FRIDGE.table == [
        1,  0,  2,
        -1, 0,  2,
        3,  2, -1,
        -1, 2, -1,
    ]
    # fmt: on


def test_step_is_one_lookup() -> None:
    assert FRIDGE.step(0, FRIDGE.event_index["open"]) == 1


def test_run_takes_events_by_name() -> None:
    joint = FRIDGE.run(["open", "slam", "open"])
    assert FRIDGE.states(joint) == {"door": "OPEN", "lamp": "BLOWN"}
    assert FRIDGE.state(joint, "lamp") == "BLOWN"
    assert FRIDGE.run(["close"], joint) == 2


def test_coupling_is_the_same_whichever_side_moves_last() -> None:
    a = Machine("a", "NO", {"NO": {"a": "YES"}, "YES": {}})
    b = Machine("b", "NO", {"NO": {"b": "YES"}, "YES": {}})
    c = Machine("c", "WAIT", {"WAIT": {}, "GO": {}})
    both = Coupling("both", {"a": "YES", "b": "YES"}, {"c": "GO"})
    system = System("s", (a, b, c), (both,), {"a": {"a": "a"}, "b": {"b": "b"}})
    assert system.run(["a", "b"]) == system.run(["b", "a"])
    assert system.state(system.run(["a", "b"]), "c") == "GO"
    assert system.state(system.run(["a"]), "c") == "WAIT"


def test_couplings_fire_one_after_another_to_their_fixed_point() -> None:
    m = Machine("m", "A", {"A": {"go": "B"}, "B": {}, "C": {}, "D": {}})
    chain = (Coupling("c-d", {"m": "C"}, {"m": "D"}), Coupling("b-c", {"m": "B"}, {"m": "C"}))
    system = System("s", (m,), chain, {"go": {"m": "go"}})
    assert system.joints == [("A",), ("D",)]
    assert system.raw == {(0, 0): (1,)}
    assert system.fired == [1, 1]
    assert system.diverging == []


def test_declared_order_is_priority() -> None:
    m = Machine("m", "A", {"A": {"go": "B"}, "B": {}, "C": {}, "D": {}})
    to_c = Coupling("to-c", {"m": "B"}, {"m": "C"})
    to_d = Coupling("to-d", {"m": "B"}, {"m": "D"})
    assert System("s", (m,), (to_c, to_d), {"go": {"m": "go"}}).joints[1] == ("C",)
    assert System("s", (m,), (to_d, to_c), {"go": {"m": "go"}}).joints[1] == ("D",)


def test_couplings_that_chase_each_other_are_recorded() -> None:
    m = Machine("m", "A", {"A": {"go": "B"}, "B": {}, "C": {}})
    chase = (Coupling("there", {"m": "B"}, {"m": "C"}), Coupling("back", {"m": "C"}, {"m": "B"}))
    assert System("s", (m,), chase, {"go": {"m": "go"}}).diverging == [(0, 0)]


def test_event_is_all_or_nothing() -> None:
    # The door could be slammed once more, but the lamp has nothing left to blow.
    joint = FRIDGE.run(["open", "slam"])
    with pytest.raises(LocalProtocolError):
        FRIDGE.run(["slam"], joint)
    assert FRIDGE.legal(joint) == ["open", "close"]


def test_trace_is_a_shortest_one() -> None:
    assert FRIDGE.trace(0) == []
    assert FRIDGE.trace(3) == ["slam", "open"]
    for joint in range(len(FRIDGE.joints)):
        assert FRIDGE.run(FRIDGE.trace(joint)) == joint


def test_illegal_event_names_machine_state_event_and_the_legal_events() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        FRIDGE.run(["open", "open"])
    assert str(caught.value) == (
        "can't handle event open: machine door is in state OPEN; legal there: close; "
        "legal for fridge in door=OPEN lamp=ON: close, slam"
    )


def test_illegal_event_is_told_by_the_name_of_the_machine_that_refuses_it() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        FRIDGE.run(["slam", "slam"])
    assert str(caught.value) == (
        "can't handle event blow: machine lamp is in state BLOWN; legal there: nothing; "
        "legal for fridge in door=CLOSED lamp=BLOWN: open, close"
    )


def test_where_nothing_is_legal_the_message_says_so() -> None:
    m = Machine("m", "A", {"A": {"end": "Z"}, "Z": {}})
    system = System("s", (m,), (), {"end": {"m": "end"}})
    with pytest.raises(LocalProtocolError, match=r"legal for s in m=Z: nothing$"):
        system.run(["end", "end"])


def test_a_legal_event_has_no_error() -> None:
    with pytest.raises(ValueError, match="event open is legal in door=CLOSED lamp=OFF"):
        FRIDGE.illegal(0, 0)


def test_local_and_remote_errors_are_protocol_errors_with_a_status() -> None:
    assert LocalProtocolError("x").error_status_hint == 400
    assert RemoteProtocolError("x", 431).error_status_hint == 431
    assert issubclass(LocalProtocolError, ProtocolError)
    with pytest.raises(TypeError, match="abstract"):
        ProtocolError("x")


def test_repr_says_what_it_is() -> None:
    assert repr(FRIDGE) == "<System fridge: 4 joint states, 3 events>"


@pytest.mark.parametrize(
    ("machines", "couplings", "sees", "message"),
    [
        ((DOOR, DOOR), (), {}, "system fridge: two machines share a name"),
        ((DOOR, LAMP), (LIGHT, LIGHT), SEES, "system fridge: two couplings share a name"),
        ((DOOR,), (LIGHT,), {}, "coupling light: no machine lamp in system fridge"),
        ((DOOR, LAMP), (Coupling("c", {"bell": "X"}, {"lamp": "ON"}),), {}, "coupling c: no machine bell"),
        ((DOOR, LAMP), (Coupling("c", {"door": "AJAR"}, {"lamp": "ON"}),), {}, "machine door has no state AJAR"),
        ((DOOR, LAMP), (Coupling("c", {"door": "OPEN"}, {"lamp": "DIM"}),), {}, "machine lamp has no state DIM"),
        (
            (DOOR, LAMP),
            (Coupling("c", {"door": "OPEN"}, {"lamp": "ON"}, before=("d",)),),
            {},
            "coupling c: no coupling d to come before",
        ),
        ((DOOR, LAMP), (), {"ring": {"bell": "ring"}}, "event ring: no machine bell in system fridge"),
        ((DOOR, LAMP), (), {"kick": {"door": "kick"}}, "event kick: machine door has no row for kick"),
    ],
)
def test_unknown_names_are_refused(
    machines: Sequence[Machine], couplings: Sequence[Coupling], sees: Mapping[str, Mapping[str, str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        System("fridge", machines, couplings, sees)


@given(st.lists(st.sampled_from(FRIDGE.events)))
def test_the_table_says_what_the_machines_and_couplings_say(events: list[str]) -> None:
    door, lamp = "CLOSED", "OFF"
    joint = FRIDGE.initial
    for event in events:
        legal = event == "close" or (event == "open" and door == "CLOSED") or (event == "slam" and lamp != "BLOWN")
        assert (event in FRIDGE.legal(joint)) == legal
        if legal:
            door = "OPEN" if event == "open" else "CLOSED"
            lamp = "BLOWN" if event == "slam" or lamp == "BLOWN" else "ON" if door == "OPEN" else "OFF"
            joint = FRIDGE.run([event], joint)
        assert FRIDGE.joints[joint] == (door, lamp)
