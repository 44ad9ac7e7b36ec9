"""What can be stated about a system, to be decided over all its reachable joint states.

A protocol writes its properties beside its tables; :func:`interlock.machine.check` decides them, together with those
that every system owes (see :mod:`interlock.machine.check`).
"""

from typing import Final

from mypy_extensions import mypyc_attr

from interlock.machine.model import Condition, Duty
from interlock.machine.system import System

__all__ = ["Absorbing", "Arises", "CanReach", "Legal", "Never", "Property", "Refused", "where"]


class Failure:
    """A counterexample: what is wrong, and a shortest sequence of events that leads to it."""

    __slots__ = ("reason", "trace")

    def __init__(self, reason: str, trace: list[str]) -> None:
        self.reason: Final = reason
        self.trace: Final = trace

    def __repr__(self) -> str:
        return f"{self.reason} after {' '.join(self.trace) or 'nothing'}"


def holds(system: System, joint: int, condition: Condition) -> bool:
    """Whether the joint state satisfies the condition.  Raises :class:`ValueError` for an unknown name."""
    for machine, wanted in condition.items():
        states = (wanted,) if isinstance(wanted, str) else wanted
        if machine not in system.machine_index:
            raise ValueError(f"no machine {machine} in system {system.name}")
        for state in states:
            if state not in system.machines[system.machine_index[machine]].states:
                raise ValueError(f"machine {machine} has no state {state}")
        if system.state(joint, machine) not in states:
            return False
    return True


def where(system: System, duty: Duty) -> list[bool]:
    """For each joint state of ``system``: whether the duty holds there."""
    return [any(holds(system, joint, c) for c in duty.conditions) for joint in range(len(system.joints))]


@mypyc_attr(allow_interpreted_subclasses=True)
class Property:
    """A named statement about every reachable joint state of a system."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: Final = name

    def decide(self, system: System) -> Failure | None:
        """The counterexample with the shortest trace, or None if the property holds."""
        raise TypeError(f"{type(self).__name__} does not say how to decide {self.name}")


class Never(Property):
    """No reachable joint state satisfies ``condition``."""

    __slots__ = ("condition",)

    def __init__(self, name: str, condition: Condition) -> None:
        super().__init__(name)
        self.condition: Final = dict(condition)

    def decide(self, system: System) -> Failure | None:
        for joint in range(len(system.joints)):  # breadth first, so the first found has a shortest trace
            if holds(system, joint, self.condition):
                return Failure(f"reached {system.describe(joint)}", system.trace(joint))
        return None


class Arises(Property):
    """Each condition of ``duty`` holds in some reachable joint state, and the duty is not held everywhere."""

    __slots__ = ("duty",)

    def __init__(self, name: str, duty: Duty) -> None:
        super().__init__(name)
        self.duty: Final = duty

    def decide(self, system: System) -> Failure | None:
        joints = range(len(system.joints))
        for condition in self.duty.conditions:
            if not any(holds(system, joint, condition) for joint in joints):
                return Failure(f"no reachable joint state satisfies {condition}", [])
        return Failure("it holds everywhere", []) if all(where(system, self.duty)) else None


class Absorbing(Property):
    """Once ``machine`` is in ``state`` no event and no coupling moves it."""

    __slots__ = ("machine", "state")

    def __init__(self, name: str, machine: str, state: str) -> None:
        super().__init__(name)
        self.machine: Final = machine
        self.state: Final = state

    def decide(self, system: System) -> Failure | None:
        for joint in range(len(system.joints)):
            if system.state(joint, self.machine) != self.state:
                continue
            for event in range(system.n_events):
                target = system.table[joint * system.n_events + event]
                if target >= 0 and system.state(target, self.machine) != self.state:
                    return Failure(
                        f"{self.machine} left {self.state} for {system.state(target, self.machine)}",
                        [*system.trace(joint), system.events[event]],
                    )
        return None


class Refused(Property):
    """``event`` is illegal wherever ``unless`` does not hold."""

    __slots__ = ("event", "unless")

    def __init__(self, name: str, event: str, *, unless: Condition) -> None:
        super().__init__(name)
        self.event: Final = event
        self.unless: Final = dict(unless)

    def decide(self, system: System) -> Failure | None:
        event = system.event_index[self.event]
        for joint in range(len(system.joints)):
            if system.table[joint * system.n_events + event] >= 0 and not holds(system, joint, self.unless):
                return Failure(f"{self.event} is legal in {system.describe(joint)}", system.trace(joint))
        return None


class Legal(Property):
    """``event`` is legal wherever ``when`` holds, and that is somewhere."""

    __slots__ = ("event", "when")

    def __init__(self, name: str, event: str, *, when: Condition) -> None:
        super().__init__(name)
        self.event: Final = event
        self.when: Final = dict(when)

    def decide(self, system: System) -> Failure | None:
        event = system.event_index[self.event]
        somewhere = False
        for joint in range(len(system.joints)):
            if holds(system, joint, self.when):
                somewhere = True
                if system.table[joint * system.n_events + event] < 0:
                    return Failure(f"{self.event} is illegal in {system.describe(joint)}", system.trace(joint))
        return None if somewhere else Failure(f"no reachable joint state satisfies {self.when}", [])


class CanReach(Property):
    """From every joint state where ``when`` holds, some sequence of events leads to one where ``goal`` holds.

    ``without`` names events that the sequence may not use.
    """

    __slots__ = ("goal", "when", "without")

    def __init__(
        self, name: str, goal: Condition, *, when: Condition | None = None, without: tuple[str, ...] = ()
    ) -> None:
        super().__init__(name)
        self.goal: Final = dict(goal)
        self.when: Final[dict[str, str | tuple[str, ...]]] = dict(when) if when is not None else {}
        self.without: Final = without

    def decide(self, system: System) -> Failure | None:
        barred = {system.event_index[event] for event in self.without}
        before: list[list[int]] = [[] for _ in system.joints]
        for joint in range(len(system.joints)):
            for event in range(system.n_events):
                target = system.table[joint * system.n_events + event]
                if target >= 0 and event not in barred:
                    before[target].append(joint)
        reaching = [joint for joint in range(len(system.joints)) if holds(system, joint, self.goal)]
        able = set(reaching)
        for joint in reaching:  # grows while it is walked: backwards from the goal
            for earlier in before[joint]:
                if earlier not in able:
                    able.add(earlier)
                    reaching.append(earlier)
        for joint in range(len(system.joints)):
            if joint not in able and holds(system, joint, self.when):
                return Failure(f"stuck in {system.describe(joint)}", system.trace(joint))
        return None
