"""What one event does to each machine of a system: the rows that it takes, and the couplings that follow, in order.

Nothing runs on this: :mod:`interlock.machine.system` has compiled it all into one number.  It is for who wants to be
told why a machine stands where it stands.
"""

from typing import Final

from interlock.machine.system import System

__all__ = ["Move", "moves", "which"]


class Move:
    """A machine that changed its state: ``before``, ``after``, the ``rfc`` section that says so ("" where none does).

    ``cause``: the event, by the machine's own name for it; or, where ``forced``, the coupling.
    """

    __slots__ = ("after", "before", "cause", "forced", "machine", "rfc")

    def __init__(self, machine: str, before: str, after: str, cause: str, forced: bool, rfc: str) -> None:
        self.machine: Final = machine
        self.before: Final = before
        self.after: Final = after
        self.cause: Final = cause
        self.forced: Final = forced
        self.rfc: Final = rfc

    def __repr__(self) -> str:
        return f"Move({self.machine}: {self.before} -> {self.after}, {self.cause}, {self.rfc!r})"


def moves(system: System, joint: int, event: int) -> list[Move]:
    """What ``event`` does in ``joint``, which has to allow it: first its rows, then couplings until none changes anything."""
    done: list[Move] = []
    states = system.states(joint)
    for name, local in system.sees[system.events[event]].items():
        machine = system.machines[system.machine_index[name]]
        before = states[name]
        after = machine.transitions[before][local]
        if after != before:
            done.append(Move(name, before, after, local, False, machine.sections.get((before, local), "")))
        states[name] = after
    fired = True
    while fired:
        fired = False
        for coupling in system.couplings:
            if not all(states[name] in wanted for name, wanted in coupling.when.items()):
                continue
            for name, forced in coupling.forces.items():
                if states[name] != forced:
                    done.append(Move(name, states[name], forced, coupling.name, True, coupling.rfc))
                    states[name] = forced
                    fired = True
            if fired:
                break
    return done


def which(system: System, before: int, after: int, prefix: str) -> int:
    """The first event whose name begins with ``prefix`` and that leads from ``before`` to ``after``; -1 for none."""
    row = before * system.n_events
    for event, name in enumerate(system.events):
        if name.startswith(prefix) and system.table[row + event] == after:
            return event
    return -1
