"""The tables of WebSocket: their properties hold, and they agree with a model of RFC 6455, what is owed included."""

import re
from collections.abc import Iterator, Mapping

import pytest
from tests.h2.models import disagreement, explored
from tests.machine.traces import Compiled
from tests.ws.models import Facts, every_fact

from interlock.machine import Absorbing, CanReach, Duty, Failure, check, where
from interlock.ws import codes
from interlock.ws.tables import DUTIES, PROPERTIES, SYSTEM

REPORT = check(SYSTEM, PROPERTIES)
MODEL = explored(Facts(), SYSTEM.events)
FACTS = every_fact(tuple(SYSTEM.events))


@pytest.mark.parametrize(("title", "failure"), REPORT.results, ids=[title for title, _ in REPORT.results])
def test_property_holds(title: str, failure: Failure | None) -> None:
    assert failure is None


def test_no_property_is_stated_twice() -> None:
    titles = [title for title, _ in REPORT.results]
    assert len(titles) == len(set(titles))


def test_properties_speak_of_what_there_is() -> None:
    """A misspelt state would make a property hold of nothing."""
    known = {(machine.name, state) for machine in SYSTEM.machines for state in machine.states}
    for stated in PROPERTIES:
        for part in ("condition", "when", "unless", "goal"):
            condition: Mapping[str, str | tuple[str, ...]] = getattr(stated, part, {})
            for machine, states in condition.items():
                assert {(machine, state) for state in ((states,) if isinstance(states, str) else states)} <= known
        if isinstance(stated, Absorbing):
            assert (stated.machine, stated.state) in known
        if isinstance(stated, CanReach):
            assert set(stated.without) <= set(SYSTEM.events)


def test_sources_name_sections_of_the_rfcs() -> None:
    sources = [rfc for machine in SYSTEM.machines for rfc in machine.sections.values()]
    sources += [coupling.rfc for coupling in SYSTEM.couplings]
    sources += [duty.rfc for duties in DUTIES.values() for duty in duties]
    assert len(sources) > 50
    assert [rfc for rfc in sources if not re.fullmatch(r"RFC (6455|8441) §\d+(\.\d+)*", rfc)] == []


def test_agrees_with_the_model_in_every_joint_state() -> None:
    assert disagreement(Compiled(SYSTEM), MODEL) == ""
    assert {states for states, _ in MODEL} == set(SYSTEM.joints)
    assert set(FACTS) == set(SYSTEM.joints)


# -- duties


def owed(end: str, name: str) -> list[bool]:
    """By joint state: whether ``end`` owes it, in the model's opinion."""
    return [name in FACTS[states].duties(end) for states in SYSTEM.joints]


OWED = {(end, duty.name): owed(end, duty.name) for end, duties in DUTIES.items() for duty in duties}
each_duty = pytest.mark.parametrize(
    ("end", "duty"), [pytest.param(end, duty, id=f"{end} {duty.name}") for end in DUTIES for duty in DUTIES[end]]
)


@each_duty
def test_what_is_owed_agrees_with_the_model(end: str, duty: Duty) -> None:
    assert where(SYSTEM, duty) == OWED[end, duty.name]


def test_the_model_knows_of_no_other_duty() -> None:
    for end, duties in DUTIES.items():
        names = {name for facts in FACTS.values() for name in facts.duties(end)}
        assert names == {duty.name for duty in duties}
        assert len(names) == len(duties)


def duties_changed(duty: Duty) -> Iterator[Duty]:
    """The duty without each condition, each part of one and each state in it, and with each other state."""
    machines = {machine.name: machine.states for machine in SYSTEM.machines}
    for at, condition in enumerate(duty.conditions):
        others = [c for c in duty.conditions if c is not condition]
        if others:
            yield Duty(duty.name, *others)
        changed: list[Mapping[str, str | tuple[str, ...]]] = []
        for name, wanted in condition.items():
            states = (wanted,) if isinstance(wanted, str) else wanted
            changed.append({n: s for n, s in condition.items() if n != name})
            changed.extend({**condition, name: tuple(s for s in states if s != state)} for state in states)
            changed.extend({**condition, name: (*states, s)} for s in machines[name] if s not in states)
        changed.extend(
            {**condition, name: (state,)} for name in machines if name not in condition for state in machines[name]
        )
        for mutated in changed:
            yield Duty(duty.name, *others[:at], mutated, *others[at:])


@each_duty
def test_every_fault_in_a_duty_is_noticed(end: str, duty: Duty) -> None:
    """But for such as hold in the same joint states: they say the same in other words."""
    holds = where(SYSTEM, duty)
    found = [where(SYSTEM, mutated) for mutated in duties_changed(duty)]
    assert found
    assert all(mutated != OWED[end, duty.name] for mutated in found if mutated != holds)
    # Most of what stands there could not be left out or changed without a difference.
    assert sum(mutated != holds for mutated in found) >= len(found) // 2


@each_duty
def test_no_condition_of_a_duty_says_more_than_need_be(end: str, duty: Duty) -> None:
    holds = where(SYSTEM, duty)
    for condition in duty.conditions:
        rest = [c for c in duty.conditions if c is not condition]
        assert not rest or where(SYSTEM, Duty(duty.name, *rest)) != holds
        for name in condition:
            less = {machine: states for machine, states in condition.items() if machine != name}
            assert where(SYSTEM, Duty(duty.name, *rest, less)) != holds, f"{name} in {condition}"


# -- as the engine has them


def test_the_engines_numbers_are_those_of_the_tables() -> None:
    names = ("Message", "Message.begin", "Message.continue", "Message.finish", "Ping", "Pong", "Close", "Fail")
    offsets = (
        codes.MESSAGE,
        codes.BEGIN,
        codes.CONTINUE,
        codes.FINISH,
        codes.PING,
        codes.PONG,
        codes.CLOSE,
        codes.FAIL,
        codes.END_OF_STREAM,
    )
    for first, end in ((codes.OF_CLIENT, "client"), (codes.OF_SERVER, "server")):
        for offset, name in zip(offsets, (*names, "EndOfStream"), strict=True):
            assert SYSTEM.events[first + offset] == f"{end}.{name}"
    for number, name in (
        (codes.ACCEPT, "server.Accept"),
        (codes.REJECT, "server.Reject"),
        (codes.ABANDON, "handshake.Abandon"),
        (codes.LOSE, "stream.Lose"),
    ):
        assert SYSTEM.events[number] == name


@pytest.mark.parametrize(("end", "bits"), [("client", codes.CLIENT_DUTIES), ("server", codes.SERVER_DUTIES)])
def test_the_engines_duties_are_those_of_the_tables(end: str, bits: list[int]) -> None:
    named = {
        "read": codes.READ,
        "send_close": codes.SEND_CLOSE,
        "opening_timer": codes.OPENING_TIMER,
        "closing_timer": codes.CLOSING_TIMER,
        "end_stream": codes.END_STREAM,
        "tear_down": codes.TEAR_DOWN,
    }
    assert len(set(named.values())) == len(named)
    for joint, states in enumerate(SYSTEM.joints):
        assert bits[joint] == sum(named[name] for name in FACTS[states].duties(end))
    assert [joint for joint in range(len(SYSTEM.joints)) if codes.OVER[joint]] == [
        joint
        for joint, states in enumerate(SYSTEM.joints)
        if states[0] in {"REJECTED", "ABANDONED"} or set(states[1:3]) <= {"CLOSED", "FAILED", "LOST"}
    ]
