"""Machines and couplings as they are written."""

import pytest

from interlock.machine import Coupling, Machine, To

DOOR = Machine(
    "door",
    "CLOSED",
    {
        "CLOSED": {"open": To("OPEN", "RFC 1 §2"), "close": "CLOSED"},
        "OPEN": {"close": To("CLOSED"), "break": "BROKEN"},
        "BROKEN": {},
    },
)


def test_machine_keeps_its_states_in_the_order_written() -> None:
    assert DOOR.name == "door"
    assert DOOR.initial == "CLOSED"
    assert DOOR.states == ("CLOSED", "OPEN", "BROKEN")


def test_rows_are_in_the_order_written_and_plain() -> None:
    assert list(DOOR.rows()) == [
        ("CLOSED", "open", "OPEN"),
        ("CLOSED", "close", "CLOSED"),
        ("OPEN", "close", "CLOSED"),
        ("OPEN", "break", "BROKEN"),
    ]
    assert DOOR.transitions["OPEN"] == {"close": "CLOSED", "break": "BROKEN"}


def test_only_rows_that_carry_a_section_have_one() -> None:
    assert DOOR.sections == {("CLOSED", "open"): "RFC 1 §2"}


def test_initial_state_must_be_a_state() -> None:
    with pytest.raises(ValueError, match=r"machine door: initial state AJAR has no entry"):
        Machine("door", "AJAR", {"CLOSED": {}})


@pytest.mark.parametrize("target", ["AJAR", To("AJAR", "RFC 1 §2")])
def test_target_must_be_a_state(target: str | To) -> None:
    with pytest.raises(ValueError, match=r"machine door: CLOSED --open--> AJAR: AJAR is not a state"):
        Machine("door", "CLOSED", {"CLOSED": {"open": target}})


def test_machine_is_not_changed_by_what_it_was_written_in() -> None:
    rows: dict[str, dict[str, str | To]] = {"A": {"go": "B"}, "B": {}}
    machine = Machine("m", "A", rows)
    rows["A"]["go"] = "A"
    rows["C"] = {}
    assert machine.states == ("A", "B")
    assert list(machine.rows()) == [("A", "go", "B")]


def test_coupling_takes_one_state_or_several() -> None:
    coupling = Coupling("c", {"a": "X", "b": ("Y", "Z")}, {"c": "W"}, before=("d",), rfc="RFC 1 §2")
    assert coupling.when == {"a": ("X",), "b": ("Y", "Z")}
    assert coupling.forces == {"c": "W"}
    assert coupling.before == ("d",)
    assert coupling.rfc == "RFC 1 §2"


def test_coupling_must_force_something() -> None:
    with pytest.raises(ValueError, match="coupling c forces nothing"):
        Coupling("c", {"a": "X"}, {})


def test_reprs_say_what_they_are() -> None:
    assert repr(DOOR) == "<Machine door: 3 states>"
    assert repr(To("OPEN", "RFC 1 §2")) == "To('OPEN', 'RFC 1 §2')"
    assert repr(Coupling("c", {"a": "X"}, {"b": "Y"})) == "<Coupling c: {'a': ('X',)} forces {'b': 'Y'}>"
