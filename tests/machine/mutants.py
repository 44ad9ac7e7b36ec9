"""Systems with one fault each: every row, coupling and sighting taken out, changed or added; and who notices.

A mutant that compiles to the very same table of joint states is no fault: it says the same in other words.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.machine.traces import Rules

from interlock.machine import Coupling, Machine, Property, System, To, check


class Mutant(NamedTuple):
    """A system to be compiled, and the fault in it."""

    fault: str
    machines: tuple[Machine, ...]
    couplings: tuple[Coupling, ...]
    sees: Mapping[str, Mapping[str, str]]

    def compiled(self) -> System:
        return System("mutant", self.machines, self.couplings, self.sees)


class Judge:
    """What notices faults in ``system``: ``departs``, the compiler, and the properties; asked in this order."""

    def __init__(self, system: System, properties: Sequence[Property], departs: Callable[[Rules], bool]) -> None:
        self.system = system
        self._properties = properties
        self._departs = departs

    def notices(self, mutant: Mutant) -> bool:
        compiled = self._compiled_unless_noticed(mutant)
        return compiled is None or not check(compiled, self._properties).ok

    def unnoticed(self, mutants: Callable[[System], Iterator[Mutant]]) -> list[str]:
        """The faults that nobody notices and that are faults."""
        return [mutant.fault for mutant in mutants(self.system) if not self._notices_or_is_same(mutant)]

    def _notices_or_is_same(self, mutant: Mutant) -> bool:
        compiled = self._compiled_unless_noticed(mutant)
        if compiled is None or (compiled.joints == self.system.joints and compiled.table == self.system.table):
            return True
        return not check(compiled, self._properties).ok

    def _compiled_unless_noticed(self, mutant: Mutant) -> System | None:
        """The mutant, compiled; None where it departs already, or cannot be compiled."""
        try:
            if self._departs(Rules(mutant.machines, mutant.couplings, mutant.sees)):
                return None
            return mutant.compiled()
        except ValueError:
            return None


def original(system: System) -> Mutant:
    return Mutant("none", system.machines, system.couplings, system.sees)


# -- rows


def _with_machine(system: System, fault: str, machine: Machine, changed: Machine) -> Mutant:
    machines = tuple(changed if m is machine else m for m in system.machines)
    return original(system)._replace(fault=fault, machines=machines)


def _with_row(system: System, fault: str, machine: Machine, state: str, event: str, target: str | None) -> Mutant:
    """The system with one row of ``machine`` changed, added, or (where ``target`` is None) taken out."""
    rows: dict[str, dict[str, str | To]] = {s: dict(row) for s, row in machine.transitions.items()}
    if target is None:
        del rows[state][event]
    else:
        rows[state][event] = target
    fault = f"{machine.name} {state} --{event}--> {fault}"
    return _with_machine(system, fault, machine, Machine(machine.name, machine.initial, rows))


def rows_taken_out(system: System) -> Iterator[Mutant]:
    for machine in system.machines:
        for state, event, target in machine.rows():
            yield _with_row(system, f"{target} taken out", machine, state, event, None)


def rows_retargeted(system: System) -> Iterator[Mutant]:
    for machine in system.machines:
        for state, event, target in machine.rows():
            for other in machine.states:
                if other != target:
                    yield _with_row(system, f"{other}, not {target}", machine, state, event, other)


def rows_added(system: System) -> Iterator[Mutant]:
    for machine in system.machines:
        events = dict.fromkeys(event for _, event, _ in machine.rows())
        for state, row in machine.transitions.items():
            for event in events:
                if event not in row:
                    yield _with_row(system, f"{state} added", machine, state, event, state)


def initial_states(system: System) -> Iterator[Mutant]:
    for machine in system.machines:
        for state in machine.states:
            if state != machine.initial:
                changed = Machine(machine.name, state, machine.transitions)
                yield _with_machine(system, f"{machine.name} starts in {state}", machine, changed)


# -- couplings


def _with_coupling(
    system: System,
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
    couplings = tuple(changed if c is coupling else c for c in system.couplings)
    return original(system)._replace(fault=f"{coupling.name}: {fault}", couplings=couplings)


def couplings_taken_out(system: System) -> Iterator[Mutant]:
    for coupling in system.couplings:
        rest = tuple(c for c in system.couplings if c is not coupling)
        yield original(system)._replace(fault=f"{coupling.name} taken out", couplings=rest)


def couplings_forcing_otherwise(system: System) -> Iterator[Mutant]:
    for coupling in system.couplings:
        for machine in system.machines:
            for state in machine.states:
                if coupling.forces.get(machine.name) != state:
                    forces = {**coupling.forces, machine.name: state}
                    yield _with_coupling(system, f"forces {forces}", coupling, forces=forces)


def conditions_dropped(system: System) -> Iterator[Mutant]:
    for coupling in system.couplings:
        for machine in coupling.when:
            when = {m: states for m, states in coupling.when.items() if m != machine}
            yield _with_coupling(system, f"whatever {machine} is", coupling, when=when)


def conditions_changed(system: System) -> Iterator[Mutant]:
    """Each state of each condition taken out, or another one in its place, or another one beside them."""
    for coupling in system.couplings:
        for name, states in coupling.when.items():
            others = [s for s in system.machines[system.machine_index[name]].states if s not in states]
            changed = [(*states, other) for other in others]
            for state in states:
                rest = tuple(s for s in states if s != state)
                changed.append(rest)
                changed.extend((*rest, other) for other in others)
            for mutated in changed:
                when = {**coupling.when, name: mutated}
                yield _with_coupling(system, f"where {name} is {mutated}", coupling, when=when)


def conditions_added(system: System) -> Iterator[Mutant]:
    for coupling in system.couplings:
        for machine in system.machines:
            if machine.name not in coupling.when:
                for state in machine.states:
                    when = {**coupling.when, machine.name: (state,)}
                    yield _with_coupling(system, f"only where {machine.name} is {state}", coupling, when=when)


def couplings_reordered(system: System) -> Iterator[Mutant]:
    """Each coupling moved to each other place."""
    for coupling in system.couplings:
        rest = [c for c in system.couplings if c is not coupling]
        for place in range(len(system.couplings)):
            if system.couplings[place] is not coupling:
                order = (*rest[:place], coupling, *rest[place:])
                yield original(system)._replace(fault=f"{coupling.name} moved to place {place}", couplings=order)


def priorities_taken_back(system: System) -> Iterator[Mutant]:
    for coupling in system.couplings:
        for other in coupling.before:
            rest = tuple(name for name in coupling.before if name != other)
            yield _with_coupling(system, f"no longer before {other}", coupling, before=rest)


# -- events


def sightings_changed(system: System) -> Iterator[Mutant]:
    """What each machine sees each event as: nothing, and each of its events."""
    for event, seen in system.sees.items():
        for machine in system.machines:
            for local in (None, *dict.fromkeys(e for _, e, _ in machine.rows())):
                if local != seen.get(machine.name):
                    changed = {m: e for m, e in seen.items() if m != machine.name}
                    if local is not None:
                        changed[machine.name] = local
                    fault = f"{machine.name} sees {event} as {local}"
                    yield original(system)._replace(fault=fault, sees={**system.sees, event: changed})


def events_taken_out(system: System) -> Iterator[Mutant]:
    for event in system.sees:
        sees = {e: seen for e, seen in system.sees.items() if e != event}
        yield original(system)._replace(fault=f"{event} taken out", sees=sees)


#: Every mutant of these is a fault.
FAULTS = (
    rows_taken_out,
    rows_retargeted,
    rows_added,
    initial_states,
    couplings_taken_out,
    conditions_dropped,
    events_taken_out,
)
#: Some of these say the same in other words.
REWORDINGS = (
    couplings_forcing_otherwise,
    conditions_changed,
    conditions_added,
    couplings_reordered,
    sightings_changed,
)
