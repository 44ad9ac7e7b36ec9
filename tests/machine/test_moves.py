"""What is told of an event is what the compiled table does, for every joint state and every event of every protocol."""

import pytest

from interlock.cli.machines import PROTOCOLS
from interlock.machine import Coupling, Machine, System
from interlock.machine.moves import moves, which

SYSTEMS = [system for system, _ in PROTOCOLS.values()]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_moves_lead_where_the_table_leads(system: System) -> None:
    for joint in range(len(system.joints)):
        for event in range(system.n_events):
            target = system.table[joint * system.n_events + event]
            if target < 0:
                continue
            states = system.states(joint)
            for move in moves(system, joint, event):
                assert states[move.machine] == move.before != move.after
                states[move.machine] = move.after
            assert states == system.states(target)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_move_has_its_cause(system: System) -> None:
    couplings = {coupling.name: coupling for coupling in system.couplings}
    forced = set()
    for joint, event in system.raw:
        for move in moves(system, joint, event):
            if move.forced:
                forced.add(move.cause)
                assert couplings[move.cause].forces[move.machine] == move.after
                assert move.rfc == couplings[move.cause].rfc
            else:
                assert system.sees[system.events[event]][move.machine] == move.cause
                machine = system.machines[system.machine_index[move.machine]]
                assert move.rfc == machine.sections.get((move.before, move.cause), "")
    assert forced == set(couplings)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_the_event_between_two_states_is_found(system: System) -> None:
    for joint, event in system.raw:
        after = system.table[joint * system.n_events + event]
        found = which(system, joint, after, system.events[event])
        assert found == event or system.events[found].startswith(system.events[event])
    assert which(system, 0, 0, "no such event") == -1


def test_after_each_coupling_the_first_that_fits_is_next() -> None:
    one, two, three = (Machine(name, "OFF", {"OFF": {"Go": "ON"}, "ON": {}}) for name in ("one", "two", "three"))
    backwards = (
        Coupling("two-three", {"two": "ON"}, {"three": "ON"}),
        Coupling("one-two", {"one": "ON"}, {"two": "ON"}),
    )
    system = System("row", (one, two, three), backwards, {"Go": {"one": "Go"}})
    assert [(move.machine, move.cause) for move in moves(system, 0, 0)] == [
        ("one", "Go"),
        ("two", "one-two"),
        ("three", "two-three"),
    ]
