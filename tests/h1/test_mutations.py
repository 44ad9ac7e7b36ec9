"""Every fault in the tables of HTTP/1.1 is noticed: by the compiler, by a property, or by a conversation in traces.md.

A mutant is the system with one thing taken out, changed or added.  One that compiles to the very same table of joint
states is no fault: it says the same in other words.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import pytest
from tests.h1.traces import departure, read_traces

from interlock.h1.tables import PROPERTIES, SYSTEM
from interlock.machine import Coupling, Machine, System, To, check

TRACES = read_traces()


class Mutant(NamedTuple):
    """A system to be compiled, and the fault in it."""

    fault: str
    machines: tuple[Machine, ...] = SYSTEM.machines
    couplings: tuple[Coupling, ...] = SYSTEM.couplings
    sees: Mapping[str, Mapping[str, str]] = SYSTEM.sees


def noticed(mutant: Mutant) -> bool:
    try:
        system = System("h1", mutant.machines, mutant.couplings, mutant.sees)
    except ValueError:
        return True
    return any(departure(system, trace) for trace in TRACES) or not check(system, PROPERTIES).ok


def same(mutant: Mutant) -> bool:
    system = System("h1", mutant.machines, mutant.couplings, mutant.sees)
    return system.joints == SYSTEM.joints and system.table == SYSTEM.table


# -- rows


def with_row(fault: str, machine: Machine, state: str, event: str, target: str | None) -> Mutant:
    """The system with one row of ``machine`` changed, added, or (where ``target`` is None) taken out."""
    rows: dict[str, dict[str, str | To]] = {s: dict(row) for s, row in machine.transitions.items()}
    if target is None:
        del rows[state][event]
    else:
        rows[state][event] = target
    changed = Machine(machine.name, machine.initial, rows)
    fault = f"{machine.name} {state} --{event}--> {fault}"
    return Mutant(fault, tuple(changed if m is machine else m for m in SYSTEM.machines))


def rows_taken_out() -> Iterator[Mutant]:
    for machine in SYSTEM.machines:
        for state, event, target in machine.rows():
            yield with_row(f"{target} taken out", machine, state, event, None)


def rows_retargeted() -> Iterator[Mutant]:
    for machine in SYSTEM.machines:
        for state, event, target in machine.rows():
            for other in machine.states:
                if other != target:
                    yield with_row(f"{other}, not {target}", machine, state, event, other)


def rows_added() -> Iterator[Mutant]:
    for machine in SYSTEM.machines:
        events = dict.fromkeys(event for _, event, _ in machine.rows())
        for state, row in machine.transitions.items():
            for event in events:
                if event not in row:
                    yield with_row(f"{state} added", machine, state, event, state)


def initial_states() -> Iterator[Mutant]:
    for machine in SYSTEM.machines:
        for state in machine.states:
            if state != machine.initial:
                changed = Machine(machine.name, state, machine.transitions)
                yield Mutant(
                    f"{machine.name} starts in {state}", tuple(changed if m is machine else m for m in SYSTEM.machines)
                )


# -- couplings


def with_coupling(
    fault: str,
    coupling: Coupling,
    *,
    when: Mapping[str, tuple[str, ...]] | None = None,
    forces: Mapping[str, str] | None = None,
    before: tuple[str, ...] | None = None,
) -> Mutant:
    changed = Coupling(
        coupling.name,
        coupling.when if when is None else when,
        coupling.forces if forces is None else forces,
        before=coupling.before if before is None else before,
    )
    return Mutant(
        f"{coupling.name}: {fault}", couplings=tuple(changed if c is coupling else c for c in SYSTEM.couplings)
    )


def couplings_taken_out() -> Iterator[Mutant]:
    for coupling in SYSTEM.couplings:
        yield Mutant(f"{coupling.name} taken out", couplings=tuple(c for c in SYSTEM.couplings if c is not coupling))


def couplings_forcing_otherwise() -> Iterator[Mutant]:
    for coupling in SYSTEM.couplings:
        for machine in SYSTEM.machines:
            for state in machine.states:
                if coupling.forces.get(machine.name) != state:
                    forces = {**coupling.forces, machine.name: state}
                    yield with_coupling(f"forces {forces}", coupling, forces=forces)


def conditions_dropped() -> Iterator[Mutant]:
    for coupling in SYSTEM.couplings:
        for machine in coupling.when:
            when = {m: states for m, states in coupling.when.items() if m != machine}
            yield with_coupling(f"whatever {machine} is", coupling, when=when)


def conditions_changed() -> Iterator[Mutant]:
    """Each state of each condition taken out, or another one in its place, or another one beside them."""
    for coupling in SYSTEM.couplings:
        for name, states in coupling.when.items():
            others = [s for s in SYSTEM.machines[SYSTEM.machine_index[name]].states if s not in states]
            changed = [(*states, other) for other in others]
            for state in states:
                rest = tuple(s for s in states if s != state)
                changed.append(rest)
                changed.extend((*rest, other) for other in others)
            for mutated in changed:
                yield with_coupling(f"where {name} is {mutated}", coupling, when={**coupling.when, name: mutated})


def conditions_added() -> Iterator[Mutant]:
    for coupling in SYSTEM.couplings:
        for machine in SYSTEM.machines:
            if machine.name not in coupling.when:
                for state in machine.states:
                    when = {**coupling.when, machine.name: (state,)}
                    yield with_coupling(f"only where {machine.name} is {state}", coupling, when=when)


def couplings_reordered() -> Iterator[Mutant]:
    """Each coupling moved to each other place."""
    for coupling in SYSTEM.couplings:
        rest = [c for c in SYSTEM.couplings if c is not coupling]
        for place in range(len(SYSTEM.couplings)):
            if SYSTEM.couplings[place] is not coupling:
                order = (*rest[:place], coupling, *rest[place:])
                yield Mutant(f"{coupling.name} moved to place {place}", couplings=order)


# -- events


def sightings_changed() -> Iterator[Mutant]:
    """What each machine sees each event as: nothing, and each of its events."""
    for event, seen in SYSTEM.sees.items():
        for machine in SYSTEM.machines:
            for local in (None, *dict.fromkeys(e for _, e, _ in machine.rows())):
                if local != seen.get(machine.name):
                    changed = {m: e for m, e in seen.items() if m != machine.name}
                    if local is not None:
                        changed[machine.name] = local
                    yield Mutant(f"{machine.name} sees {event} as {local}", sees={**SYSTEM.sees, event: changed})


def events_taken_out() -> Iterator[Mutant]:
    for event in SYSTEM.sees:
        yield Mutant(f"{event} taken out", sees={e: seen for e, seen in SYSTEM.sees.items() if e != event})


@pytest.mark.parametrize(
    "mutants",
    [
        rows_taken_out,
        rows_retargeted,
        rows_added,
        initial_states,
        couplings_taken_out,
        conditions_dropped,
        events_taken_out,
    ],
)
def test_every_fault_is_noticed(mutants: Callable[[], Iterator[Mutant]]) -> None:
    faults = list(mutants())
    assert faults
    assert [mutant.fault for mutant in faults if not noticed(mutant)] == []


@pytest.mark.parametrize(
    "mutants",
    [
        couplings_forcing_otherwise,
        conditions_changed,
        conditions_added,
        couplings_reordered,
        sightings_changed,
    ],
)
def test_every_fault_is_noticed_that_is_not_the_same_in_other_words(mutants: Callable[[], Iterator[Mutant]]) -> None:
    unnoticed = [mutant for mutant in mutants() if not noticed(mutant)]
    assert [mutant.fault for mutant in unnoticed if not same(mutant)] == []
    assert len(unnoticed) < len(list(mutants()))


def priorities() -> Iterator[object]:
    for coupling in SYSTEM.couplings:
        for other in coupling.before:
            yield pytest.param(coupling, other, id=f"{coupling.name} before {other}")


@pytest.mark.parametrize(("coupling", "other"), list(priorities()))
def test_every_declared_priority_is_needed(coupling: Coupling, other: str) -> None:
    before = tuple(name for name in coupling.before if name != other)
    assert noticed(with_coupling(f"no longer before {other}", coupling, before=before))


def test_the_tables_themselves_have_no_fault() -> None:
    assert not noticed(Mutant("none"))
