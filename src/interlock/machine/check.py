"""Deciding properties of a compiled system over all its reachable joint states.

Every system owes six properties without stating them: its couplings come to rest after every event; their outcome
does not depend on their order except where priority is declared; no coupling is dead; no declared priority is idle;
every state of every machine is reached; every row of every machine is taken.  A protocol adds its own
(:mod:`interlock.machine.properties`).
"""

from collections.abc import Sequence
from typing import Final

from interlock.machine.model import Coupling
from interlock.machine.properties import Failure, Property
from interlock.machine.system import System

__all__ = ["Report", "check"]

_States = tuple[str, ...]


class Report:
    """What was decided: for each property its failure (None where it holds), and the system's figures."""

    __slots__ = ("results", "system")

    def __init__(self, system: System, results: list[tuple[str, Failure | None]]) -> None:
        self.system: Final = system
        self.results: Final = results

    @property
    def ok(self) -> bool:
        """Whether every property holds."""
        return not self.failures

    @property
    def failures(self) -> list[tuple[str, Failure]]:
        """The properties that fail, each with its counterexample."""
        return [(name, failure) for name, failure in self.results if failure is not None]

    @property
    def figures(self) -> dict[str, int]:
        """Machines, rows, couplings, events, reachable joint states, legal transitions between them, properties."""
        system = self.system
        return {
            "machines": len(system.machines),
            "rows": sum(1 for machine in system.machines for _ in machine.rows()),
            "couplings": len(system.couplings),
            "events": system.n_events,
            "joint states": len(system.joints),
            "transitions": sum(1 for target in system.table if target >= 0),
            "properties": len(self.results),
        }


def check(system: System, properties: Sequence[Property] = ()) -> Report:
    """Decide the properties that every system owes, then ``properties``."""
    results: list[tuple[str, Failure | None]] = [
        ("couplings come to rest after every event", _at_rest(system)),
        ("the order of couplings matters only where priority is declared", _confluent(system)),
        ("no coupling is dead", _no_dead_coupling(system)),
        ("no declared priority is idle", _no_idle_priority(system)),
        ("every state is reached", _every_state(system)),
        ("every row is taken", _every_row(system)),
    ]
    results.extend((p.name, p.decide(system)) for p in properties)
    return Report(system, results)


def _path(system: System, joint: int, event: int) -> list[str]:
    return [*system.trace(joint), system.events[event]]


def _shortest(failures: list[Failure]) -> Failure | None:
    """The failure with the shortest trace."""
    best: Failure | None = None
    for failure in failures:
        if best is None or len(failure.trace) < len(best.trace):
            best = failure
    return best


def _at_rest(system: System) -> Failure | None:
    return _shortest(
        [Failure("the couplings chase each other", _path(system, joint, event)) for joint, event in system.diverging]
    )


def _enabled(system: System, states: _States) -> list[Coupling]:
    """The couplings whose condition holds in ``states`` and that would change something, in declared order."""
    index = system.machine_index
    return [
        coupling
        for coupling in system.couplings
        if all(states[index[machine]] in wanted for machine, wanted in coupling.when.items())
        and any(states[index[machine]] != forced for machine, forced in coupling.forces.items())
    ]


def _fire(system: System, states: _States, coupling: Coupling) -> _States:
    after = list(states)
    for machine, forced in coupling.forces.items():
        after[system.machine_index[machine]] = forced
    return tuple(after)


def _outcomes(system: System, states: _States) -> set[_States]:
    """The fixed points that couplings reach from ``states`` in any order that declared priority allows."""
    seen = {states}
    queue = [states]
    outcomes: set[_States] = set()
    for current in queue:
        enabled = _enabled(system, current)
        if not enabled:
            outcomes.add(current)
            continue
        yielding = {name for coupling in enabled for name in coupling.before}
        for coupling in enabled:
            if coupling.name not in yielding:
                after = _fire(system, current, coupling)
                if after not in seen:
                    seen.add(after)
                    queue.append(after)
    return outcomes


def _raw_states(system: System) -> dict[_States, tuple[int, int]]:
    """Every joint state that an event leaves before couplings fire, with the (joint, event) nearest to the start."""
    found: dict[_States, tuple[int, int]] = {}
    for (joint, event), raw in system.raw.items():  # inserted breadth first
        states = tuple(m.states[s] for m, s in zip(system.machines, raw, strict=True))
        if states not in found:
            found[states] = (joint, event)
    return found


def _confluent(system: System) -> Failure | None:
    failures = []
    for states, (joint, event) in _raw_states(system).items():
        outcomes = _outcomes(system, states)
        rest = system.joints[system.table[joint * system.n_events + event]]
        if outcomes != {rest}:  # several ends, or priorities that the listed order does not keep
            ends = " or ".join(sorted(" ".join(outcome) for outcome in {*outcomes, rest}))
            names = ", ".join(coupling.name for coupling in _enabled(system, states))
            failures.append(Failure(f"{names} end in {ends}", _path(system, joint, event)))
    return _shortest(failures)


def _no_dead_coupling(system: System) -> Failure | None:
    dead = [c.name for c, fired in zip(system.couplings, system.fired, strict=True) if not fired]
    return Failure(f"never fires: {', '.join(dead)}", []) if dead else None


def _no_idle_priority(system: System) -> Failure | None:
    """A priority is idle where the order would not matter without it either."""
    idle: list[str] = []
    for i, coupling in enumerate(system.couplings):
        for other in coupling.before:
            rest = tuple(name for name in coupling.before if name != other)
            loose = Coupling(coupling.name, coupling.when, coupling.forces, before=rest, rfc=coupling.rfc)
            couplings = (*system.couplings[:i], loose, *system.couplings[i + 1 :])
            if _confluent(System(system.name, system.machines, couplings, system.sees)) is None:
                idle.append(f"{coupling.name} before {other}")
    return Failure(f"never matters: {', '.join(idle)}", []) if idle else None


def _every_state(system: System) -> Failure | None:
    missing: list[str] = []
    for i, machine in enumerate(system.machines):
        reached = {states[i] for states in system.joints}
        missing.extend(f"{machine.name} {state}" for state in machine.states if state not in reached)
    return Failure(f"never reached: {', '.join(missing)}", []) if missing else None


def _every_row(system: System) -> Failure | None:
    taken: set[tuple[str, str, str]] = set()
    for joint, event in system.raw:
        for machine, local in system.sees[system.events[event]].items():
            taken.add((machine, system.state(joint, machine), local))
    missing = [
        f"{machine.name} {state} --{event}--> {target}"
        for machine in system.machines
        for state, event, target in machine.rows()
        if (machine.name, state, event) not in taken
    ]
    return Failure(f"never taken: {', '.join(missing)}", []) if missing else None
