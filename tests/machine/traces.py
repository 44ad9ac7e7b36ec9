"""Conversations written in Markdown that tables must conform to, event by event; and tables walked row by row.

A table with a fault in it need not be compiled to be walked: :class:`Rules` looks up the rows themselves.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from interlock.machine import Coupling, Machine, System

States = tuple[str, ...]


class Step(NamedTuple):
    """A row: an event ("" at the start), the states that it leads to, and the events that are legal then."""

    event: str
    states: States
    legal: frozenset[str]


class Trace(NamedTuple):
    """A conversation: its heading, and its rows."""

    title: str
    steps: list[Step]


def read_traces(text: str, machines: int, written_out: Callable[..., frozenset[str]]) -> list[Trace]:
    """The conversations in ``text``: their columns are an event, the states of so many machines, and what is legal.

    ``written_out`` makes events of the last columns, which have their shortenings.
    """
    traces: list[Trace] = []
    for line in text.splitlines():
        if line.startswith("## "):
            traces.append(Trace(line[3:], []))
        elif line.startswith("| ") and not line.startswith("| event "):
            event, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            legal = written_out(*cells[machines:])
            traces[-1].steps.append(Step("" if event == "(start)" else event, tuple(cells[:machines]), legal))
    return traces


class Walk(Protocol):
    """Tables, as far as a conversation needs them."""

    start: States
    events: Sequence[str]

    def after(self, states: States, event: str) -> States | None:
        """The states after ``event``; None where it is illegal."""


class Compiled:
    """The table of a compiled system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.start = system.joints[system.initial]
        self.events: Sequence[str] = system.events
        self._numbers = {states: number for number, states in enumerate(system.joints)}

    def after(self, states: States, event: str) -> States | None:
        system = self.system
        target = system.table[self._numbers[states] * system.n_events + system.event_index[event]]
        return None if target < 0 else system.joints[target]


@lru_cache(maxsize=4096)
def _moves(machine: Machine) -> dict[str, dict[str, str]]:
    """By a machine's name for an event: where it leads from each state."""
    moves: dict[str, dict[str, str]] = {}
    for state, event, target in machine.rows():
        moves.setdefault(event, {})[state] = target
    return moves


class Rules:
    """The rows and couplings of a system that nobody has compiled."""

    def __init__(
        self, machines: Sequence[Machine], couplings: Iterable[Coupling], sees: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.start = tuple(machine.initial for machine in machines)
        self.events = tuple(sees)
        index = {machine.name: i for i, machine in enumerate(machines)}
        self._steps = {
            event: [(index[name], _moves(machines[index[name]]).get(local, {})) for name, local in seen.items()]
            for event, seen in sees.items()
        }
        self._couplings = [
            ([(index[name], states) for name, states in c.when.items()], [(index[n], s) for n, s in c.forces.items()])
            for c in couplings
        ]

        self._known: dict[States, dict[str, States | None]] = {}

    def after(self, states: States, event: str) -> States | None:
        row = self._known.get(states)
        if row is None:
            row = self._known[states] = {event: self._move(states, steps) for event, steps in self._steps.items()}
        return row[event]

    def _move(self, states: States, steps: list[tuple[int, dict[str, str]]]) -> States | None:
        after = list(states)
        for i, move in steps:
            target = move.get(states[i])
            if target is None:
                return None
            after[i] = target
        return self._at_rest(after)

    def _at_rest(self, states: list[str]) -> States:
        """The states when no coupling changes anything any more.  Raises :class:`ValueError` if that is never so."""
        seen = set()
        while tuple(states) not in seen:
            seen.add(tuple(states))
            for condition, forced in self._couplings:
                if all(states[i] in wanted for i, wanted in condition) and any(states[i] != s for i, s in forced):
                    for i, state in forced:
                        states[i] = state
                    break
            else:
                return tuple(states)
        raise ValueError("the couplings chase each other")


def departure(walk: Walk, trace: Trace) -> str:
    """Where ``walk`` departs from ``trace``, for people; "" where it conforms."""
    states = walk.start
    for number, step in enumerate(trace.steps, 1):
        where = f"{trace.title}, row {number}"
        if step.event:
            if step.event not in walk.events:
                return f"{where}: there is no {step.event}"
            after = walk.after(states, step.event)
            if after is None:
                return f"{where}: {step.event} is illegal in {states}"
            states = after
        if states != step.states:
            return f"{where}: {step.event} leads to {states}"
        legal = {event for event in walk.events if walk.after(states, event) is not None}
        if legal != step.legal:
            return f"{where}: after {step.event}, legality differs for {', '.join(sorted(legal ^ step.legal))}"
    return ""
