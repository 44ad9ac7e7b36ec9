"""Machines coupled into one system, compiled at construction into one dense table of joint states.

The readable tables *are* what runs: a joint state is a small integer, an event is a small integer, and

    next = system.table[joint * system.n_events + event]        # -1: the event is illegal in that joint state

is all that happens at run time.  The compiler walks every reachable joint state, breadth first, so the first path it
finds to a joint state is a shortest one: that is the trace that :mod:`interlock.machine.check` prints.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from interlock.machine.errors import LocalProtocolError
from interlock.machine.model import Coupling, Machine

__all__ = ["System"]

Joint = tuple[int, ...]


class System:
    """Machines, couplings, and which machine sees which event, compiled.

    ``sees`` maps each event of the system to ``{machine: that machine's name for it}``.  A machine that is not named
    does not see the event; a machine that sees it in a state without a row for it makes the event illegal there.
    An event is all or nothing: either every machine that sees it moves, or none does.
    """

    __slots__ = (
        "couplings",
        "diverging",
        "event_index",
        "events",
        "fired",
        "initial",
        "joints",
        "machine_index",
        "machines",
        "n_events",
        "name",
        "parents",
        "raw",
        "sees",
        "table",
    )

    def __init__(
        self,
        name: str,
        machines: Sequence[Machine],
        couplings: Sequence[Coupling],
        sees: Mapping[str, Mapping[str, str]],
    ) -> None:
        self.name: Final = name
        self.machines: Final[tuple[Machine, ...]] = tuple(machines)
        self.couplings: Final[tuple[Coupling, ...]] = tuple(couplings)
        self.sees: Final[dict[str, dict[str, str]]] = {event: dict(seen) for event, seen in sees.items()}
        self.machine_index: Final = {machine.name: i for i, machine in enumerate(self.machines)}
        self.events: Final[tuple[str, ...]] = tuple(self.sees)
        self.event_index: Final = {event: i for i, event in enumerate(self.events)}
        self.n_events: Final = len(self.events)
        self._refuse_unknown_names()

        #: joint state -> the state of each machine, by name.
        self.joints: Final[list[tuple[str, ...]]] = []
        #: The dense table: joint * n_events + event -> joint, or -1.
        self.table: Final[list[int]] = []
        #: joint state -> (joint state, event) that first led to it; (-1, -1) for the initial one.
        self.parents: Final[list[tuple[int, int]]] = []
        #: (joint, event) -> the machines' states after the event and before any coupling, by index.
        self.raw: Final[dict[tuple[int, int], Joint]] = {}
        #: coupling -> how many (joint, event) pairs make it fire.
        self.fired: Final[list[int]] = [0] * len(self.couplings)
        #: (joint, event) pairs whose couplings never come to rest.
        self.diverging: Final[list[tuple[int, int]]] = []
        #: The joint state that a connection starts in.
        self.initial: Final = 0
        self._compile()

    # -- compilation

    def _refuse_unknown_names(self) -> None:
        if len(self.machine_index) != len(self.machines):
            raise ValueError(f"system {self.name}: two machines share a name")
        if len({c.name for c in self.couplings}) != len(self.couplings):
            raise ValueError(f"system {self.name}: two couplings share a name")
        for coupling in self.couplings:
            mentioned = [(m, s) for m, states in coupling.when.items() for s in states] + list(coupling.forces.items())
            for machine, state in mentioned:
                if machine not in self.machine_index:
                    raise ValueError(f"coupling {coupling.name}: no machine {machine} in system {self.name}")
                if state not in self.machines[self.machine_index[machine]].states:
                    raise ValueError(f"coupling {coupling.name}: machine {machine} has no state {state}")
            for other in coupling.before:
                if other not in {c.name for c in self.couplings}:
                    raise ValueError(f"coupling {coupling.name}: no coupling {other} to come before")
        for event, seen in self.sees.items():
            for machine, local in seen.items():
                if machine not in self.machine_index:
                    raise ValueError(f"event {event}: no machine {machine} in system {self.name}")
                rows = self.machines[self.machine_index[machine]].transitions.values()
                if not any(local in row for row in rows):
                    raise ValueError(f"event {event}: machine {machine} has no row for {local}")

    def _compile(self) -> None:
        state_index = [{state: i for i, state in enumerate(m.states)} for m in self.machines]
        conditions = [
            [
                (self.machine_index[m], {state_index[self.machine_index[m]][s] for s in states})
                for m, states in c.when.items()
            ]
            for c in self.couplings
        ]
        forced = [
            [(self.machine_index[m], state_index[self.machine_index[m]][s]) for m, s in c.forces.items()]
            for c in self.couplings
        ]
        # moves[event]: for each machine that sees it, its index and {state: state}
        moves: list[list[tuple[int, dict[int, int]]]] = []
        for seen in self.sees.values():
            steps = []
            for machine, local in seen.items():
                i = self.machine_index[machine]
                rows = self.machines[i].transitions
                steps.append(
                    (i, {state_index[i][s]: state_index[i][row[local]] for s, row in rows.items() if local in row})
                )
            moves.append(steps)

        start = tuple(state_index[i][m.initial] for i, m in enumerate(self.machines))
        if _settle(start, conditions, forced)[0] != start:
            raise ValueError(f"system {self.name}: a coupling fires before the first event")
        numbers: dict[Joint, int] = {start: 0}
        queue: list[Joint] = [start]
        self.parents.append((-1, -1))
        settled: dict[Joint, tuple[Joint, list[int], bool]] = {}
        for joint in queue:  # grows while it is walked: breadth first
            number = numbers[joint]
            self.joints.append(tuple(m.states[s] for m, s in zip(self.machines, joint, strict=True)))
            for event, steps in enumerate(moves):
                after = list(joint)
                legal = True
                for i, step in steps:
                    target = step.get(joint[i], -1)
                    if target < 0:
                        legal = False
                        break
                    after[i] = target
                if not legal:
                    self.table.append(-1)
                    continue
                raw = tuple(after)
                self.raw[(number, event)] = raw
                if raw not in settled:
                    settled[raw] = _settle(raw, conditions, forced)
                rest, fired, converged = settled[raw]
                for c in fired:
                    self.fired[c] += 1
                if not converged:
                    self.diverging.append((number, event))
                if rest not in numbers:
                    numbers[rest] = len(queue)
                    queue.append(rest)
                    self.parents.append((number, event))
                self.table.append(numbers[rest])

    # -- reading the compiled table

    def state(self, joint: int, machine: str) -> str:
        """The state of ``machine`` in the joint state ``joint``."""
        return self.joints[joint][self.machine_index[machine]]

    def states(self, joint: int) -> dict[str, str]:
        """The state of every machine in the joint state ``joint``, by machine name."""
        return {m.name: s for m, s in zip(self.machines, self.joints[joint], strict=True)}

    def legal(self, joint: int) -> list[str]:
        """The events of the system that are legal in the joint state ``joint``."""
        row = joint * self.n_events
        return [event for i, event in enumerate(self.events) if self.table[row + i] >= 0]

    def step(self, joint: int, event: int) -> int:
        """The joint state after ``event``.  Raises :class:`LocalProtocolError` where the event is illegal."""
        target = self.table[joint * self.n_events + event]
        if target < 0:
            raise self.illegal(joint, event)
        return target

    def illegal(self, joint: int, event: int) -> LocalProtocolError:
        """The error that says why ``event`` is illegal in ``joint``: machine, state, event, and the legal events."""
        for machine, local in self.sees[self.events[event]].items():
            state = self.state(joint, machine)
            row = self.machines[self.machine_index[machine]].transitions[state]
            if local not in row:
                return LocalProtocolError(
                    f"can't handle event {local}: machine {machine} is in state {state}; "
                    f"legal there: {', '.join(row) or 'nothing'}; "
                    f"legal for {self.name} in {self.describe(joint)}: {', '.join(self.legal(joint)) or 'nothing'}"
                )
        raise ValueError(f"event {self.events[event]} is legal in {self.describe(joint)}")

    def describe(self, joint: int) -> str:
        """The joint state for people: ``client=DONE server=SEND_BODY ...``."""
        return " ".join(f"{m.name}={s}" for m, s in zip(self.machines, self.joints[joint], strict=True))

    def trace(self, joint: int) -> list[str]:
        """A shortest sequence of events that leads from the initial joint state to ``joint``."""
        events: list[str] = []
        while self.parents[joint][0] >= 0:
            joint, event = self.parents[joint]
            events.append(self.events[event])
        events.reverse()
        return events

    def run(self, events: Sequence[str], joint: int = 0) -> int:
        """The joint state after all of ``events``, by name, from ``joint``.  Raises at the first illegal one."""
        for event in events:
            joint = self.step(joint, self.event_index[event])
        return joint

    def __repr__(self) -> str:
        return f"<System {self.name}: {len(self.joints)} joint states, {self.n_events} events>"


def _settle(
    joint: Joint, conditions: list[list[tuple[int, set[int]]]], forced: list[list[tuple[int, int]]]
) -> tuple[Joint, list[int], bool]:
    """Fire the first coupling that would change something until none does: (fixed point, fired, did it come to rest)."""
    fired: list[int] = []
    seen = {joint}
    while True:
        for c, condition in enumerate(conditions):
            if all(joint[i] in states for i, states in condition):
                after = list(joint)
                for i, state in forced[c]:
                    after[i] = state
                target = tuple(after)
                if target != joint:
                    break
        else:
            return joint, fired, True
        fired.append(c)
        if target in seen:
            return joint, fired, False
        seen.add(target)
        joint = target
