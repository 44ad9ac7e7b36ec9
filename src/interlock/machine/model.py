"""What a protocol's tables are written in: machines, their rows, couplings between machines, and duties.

Nothing here runs; :mod:`interlock.machine.system` compiles it, :mod:`interlock.machine.check` proves it, and
:mod:`interlock.machine.draw` draws it.  Nothing here knows HTTP.
"""

from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["Condition", "Coupling", "Duty", "Machine", "To"]

#: A condition on the joint state: machine name -> the states (one, or several) that satisfy it.
Condition = Mapping[str, "str | tuple[str, ...]"]


class To:
    """The target of a row that carries its source: ``To("DONE", "RFC 9112 §6.3")``."""

    __slots__ = ("rfc", "state")

    def __init__(self, state: str, rfc: str = "") -> None:
        self.state: Final = state
        self.rfc: Final = rfc

    def __repr__(self) -> str:
        return f"To({self.state!r}, {self.rfc!r})"


class Machine:
    """One machine: its name, its states, its initial state, and its event-triggered transitions.

    ``transitions`` is ``{state: {event: state}}``; a target is a state's name, or a :class:`To` that also names the
    RFC section the row comes from.  Every state is a key, also one that no event leaves.
    """

    __slots__ = ("initial", "name", "sections", "states", "transitions")

    def __init__(self, name: str, initial: str, transitions: Mapping[str, Mapping[str, str | To]]) -> None:
        if initial not in transitions:
            raise ValueError(f"machine {name}: initial state {initial} has no entry in its transitions")
        plain: dict[str, dict[str, str]] = {}
        sections: dict[tuple[str, str], str] = {}
        for state, row in transitions.items():
            plain[state] = {}
            for event, to in row.items():
                target = to.state if isinstance(to, To) else to
                if target not in transitions:
                    raise ValueError(f"machine {name}: {state} --{event}--> {target}: {target} is not a state of it")
                plain[state][event] = target
                if isinstance(to, To) and to.rfc:
                    sections[(state, event)] = to.rfc
        self.name: Final = name
        self.initial: Final = initial
        self.states: Final = tuple(plain)
        self.transitions: Final = plain
        #: (state, event) -> RFC section, for the rows that carry one.
        self.sections: Final = sections

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Every row as (state, event, target), in the order written."""
        for state, row in self.transitions.items():
            for event, target in row.items():
                yield state, event, target

    def __repr__(self) -> str:
        return f"<Machine {self.name}: {len(self.states)} states>"


class Coupling:
    """A transition triggered by a joint state: where ``when`` holds, the machines in ``forces`` go to those states.

    The order in which a :class:`~interlock.machine.System` lists its couplings is their priority.  Where the outcome
    depends on that order, ``before`` names the couplings that this one takes precedence over: what is not declared
    there must not matter, and :func:`~interlock.machine.check` proves that it does not.
    """

    __slots__ = ("before", "forces", "name", "rfc", "when")

    def __init__(
        self,
        name: str,
        when: Condition,
        forces: Mapping[str, str],
        *,
        before: tuple[str, ...] = (),
        rfc: str = "",
    ) -> None:
        if not forces:
            raise ValueError(f"coupling {name} forces nothing")
        self.name: Final = name
        self.when: Final[dict[str, tuple[str, ...]]] = {
            machine: (states,) if isinstance(states, str) else tuple(states) for machine, states in when.items()
        }
        self.forces: Final = dict(forces)
        self.before: Final = before
        self.rfc: Final = rfc

    def __repr__(self) -> str:
        return f"<Coupling {self.name}: {self.when} forces {self.forces}>"


class Duty:
    """What has to be done, or may be, as long as the joint state satisfies any of ``conditions``.

    It begins with the transition into such a joint state and is over with the one out of it: so an action, or a timer
    that runs meanwhile, is data too.
    """

    __slots__ = ("conditions", "name", "rfc")

    def __init__(self, name: str, *conditions: Condition, rfc: str = "") -> None:
        if not conditions:
            raise ValueError(f"duty {name} has no condition")
        self.name: Final = name
        self.conditions: Final = conditions
        self.rfc: Final = rfc

    def __repr__(self) -> str:
        return f"<Duty {self.name}: {' or '.join(str(condition) for condition in self.conditions)}>"
