"""The tables of HTTP/2: their properties hold, they conform to traces.md, and they agree with models of RFC 9113."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest
from tests.h2.models import ConnectionFacts, Model, StreamFacts, disagreement, explored
from tests.h2.traces import read_traces
from tests.machine.traces import Compiled, Trace, departure

from interlock.h2 import errors
from interlock.h2.tables import CONNECTION, CONNECTION_PROPERTIES, REMOTE_FAULTS, STREAM, STREAM_PROPERTIES
from interlock.machine import Absorbing, CanReach, Failure, Property, Report, System, check


class Protocol(NamedTuple):
    """A system with what it is held to."""

    system: System
    properties: Sequence[Property]
    traces: list[Trace]
    model: Model


PROTOCOLS = (
    Protocol(
        STREAM,
        STREAM_PROPERTIES,
        read_traces(STREAM, "One stream", "local", "remote", "Priority"),
        explored(StreamFacts(), STREAM.events),
    ),
    Protocol(
        CONNECTION,
        CONNECTION_PROPERTIES,
        read_traces(CONNECTION, "One connection", "client", "server", "Error"),
        explored(ConnectionFacts(), CONNECTION.events),
    ),
)
REPORTS = [check(protocol.system, protocol.properties) for protocol in PROTOCOLS]
RESULTS = [(report.system.name, *result) for report in REPORTS for result in report.results]
CONVERSATIONS = [(protocol.system, trace) for protocol in PROTOCOLS for trace in protocol.traces]

each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.system.name)


@pytest.mark.parametrize(
    ("title", "failure"), [result[1:] for result in RESULTS], ids=[f"{name}: {title}" for name, title, _ in RESULTS]
)
def test_property_holds(title: str, failure: Failure | None) -> None:
    assert failure is None


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.system.name)
def test_no_property_is_stated_twice(report: Report) -> None:
    titles = [title for title, _ in report.results]
    assert len(titles) == len(set(titles))


@each_protocol
def test_properties_speak_of_what_there_is(protocol: Protocol) -> None:
    """A misspelt state would make a property hold of nothing."""
    system = protocol.system
    known = {(machine.name, state) for machine in system.machines for state in machine.states}
    for stated in protocol.properties:
        for part in ("condition", "when", "unless", "goal"):
            condition: Mapping[str, str | tuple[str, ...]] = getattr(stated, part, {})
            for machine, states in condition.items():
                assert {(machine, state) for state in ((states,) if isinstance(states, str) else states)} <= known
        if isinstance(stated, Absorbing):
            assert (stated.machine, stated.state) in known
        if isinstance(stated, CanReach):
            assert set(stated.without) <= set(system.events)


@each_protocol
def test_sources_name_sections_of_the_rfcs(protocol: Protocol) -> None:
    rows = [rfc for machine in protocol.system.machines for rfc in machine.sections.values()]
    assert rows
    for rfc in [*rows, *(coupling.rfc for coupling in protocol.system.couplings)]:
        assert re.fullmatch(r"RFC (9113|9218|8441|9110) §\d+(\.\d+)*", rfc)


def test_every_fault_of_the_peer_has_its_reach_and_its_code() -> None:
    assert set(REMOTE_FAULTS) == set(STREAM.machines[0].states)
    for reach, code in REMOTE_FAULTS.values():
        assert reach in {"stream", "connection"}
        assert code in errors.NAMES


# -- conversations


@pytest.mark.parametrize(
    ("system", "trace"), CONVERSATIONS, ids=lambda value: getattr(value, "title", None) or value.name
)
def test_conforms(system: System, trace: Trace) -> None:
    assert departure(Compiled(system), trace) == ""


@each_protocol
def test_conversations_have_titles_of_their_own_and_take_every_event(protocol: Protocol) -> None:
    assert len({trace.title for trace in protocol.traces}) == len(protocol.traces)
    taken = {step.event for trace in protocol.traces for step in trace.steps}
    assert taken - {""} == set(protocol.system.events)


# -- models of RFC 9113


@each_protocol
def test_agrees_with_the_model_in_every_joint_state(protocol: Protocol) -> None:
    assert disagreement(Compiled(protocol.system), protocol.model) == ""
    assert {states for states, _ in protocol.model} == set(protocol.system.joints)
