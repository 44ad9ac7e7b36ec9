"""The tables of HTTP/1.1: their properties hold, they conform to traces.md, and they agree with h11's."""

import re

import h11
import pytest
from h11._state import _SWITCH_CONNECT, _SWITCH_UPGRADE, ConnectionState
from tests.h1.traces import ERRORS, REQUESTS, RESPONSES, departure, read_traces
from tests.machine.traces import Compiled, Trace

from interlock.h1.tables import PROPERTIES, SYSTEM
from interlock.machine import Absorbing, CanReach, Failure, check

TRACES = read_traces()
REPORT = check(SYSTEM, PROPERTIES)


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
            for machine, states in getattr(stated, part, {}).items():
                assert {(machine, state) for state in ((states,) if isinstance(states, str) else states)} <= known
        if isinstance(stated, Absorbing):
            assert (stated.machine, stated.state) in known
        if isinstance(stated, CanReach):
            assert set(stated.without) <= set(SYSTEM.events)


@pytest.mark.parametrize("trace", TRACES, ids=[trace.title for trace in TRACES])
def test_conforms(trace: Trace) -> None:
    assert departure(Compiled(SYSTEM), trace) == ""


def test_conversations_have_titles_of_their_own_and_take_every_event() -> None:
    assert len({trace.title for trace in TRACES}) == len(TRACES)
    assert {step.event for trace in TRACES for step in trace.steps} - {""} == set(SYSTEM.events)


def test_shortenings_of_the_traces_name_events() -> None:
    assert (REQUESTS | RESPONSES | ERRORS) < set(SYSTEM.events)


def test_requests_are_numbered_from_the_first_event_by_what_they_ask() -> None:
    for kind in range(8):
        name = SYSTEM.events[kind]
        asked = (".close" in name) + 2 * (".connect" in name) + 4 * (".upgrade" in name)
        assert name.startswith("client.Request")
        assert asked == kind


def test_sources_name_sections_of_the_rfcs() -> None:
    rows = [rfc for machine in SYSTEM.machines for rfc in machine.sections.values()]
    for rfc in [*rows, *(coupling.rfc for coupling in SYSTEM.couplings)]:
        assert re.fullmatch(r"RFC (9110|9112) §\d+(\.\d+)*", rfc)


# -- the same conversations in h11

H11_EVENTS = {
    "Data": h11.Data,
    "EndOfMessage": h11.EndOfMessage,
    "ConnectionClosed": h11.ConnectionClosed,
    "InformationalResponse": h11.InformationalResponse,
    "Response": h11.Response,
}


def in_h11(events: list[str]) -> tuple[str, str, bool, bool, bool] | None:
    """What h11 makes of ``events``: client, server, keep-alive, CONNECT open, Upgrade open.  None: not legal."""
    state = ConnectionState()
    try:
        for event in events:
            feed_h11(state, *event.split("."))
            if state.states == {h11.CLIENT: h11.MIGHT_SWITCH_PROTOCOL, h11.SERVER: h11.ERROR}:
                state.states[h11.CLIENT] = h11.MUST_CLOSE  # the one rule h11 lacks: its client waits for ever
    except (h11.LocalProtocolError, AttributeError):  # h11 cannot put the name of a switch into its message
        return None
    return (
        str(state.states[h11.CLIENT]),
        str(state.states[h11.SERVER]),
        state.keep_alive,
        _SWITCH_CONNECT in state.pending_switch_proposals,
        _SWITCH_UPGRADE in state.pending_switch_proposals,
    )


def feed_h11(state: ConnectionState, role: str, kind: str = "", *marks: str) -> None:
    """Feed one event as h11's Connection would."""
    if role == "start_next_cycle":
        state.start_next_cycle()
    elif kind == "Error":
        state.process_error(h11.CLIENT if role == "client" else h11.SERVER)
    elif kind == "Request":
        if "connect" in marks:
            state.process_client_switch_proposal(_SWITCH_CONNECT)
        if "upgrade" in marks:
            state.process_client_switch_proposal(_SWITCH_UPGRADE)
        state.process_event(h11.CLIENT, h11.Request)
    elif "switch" in marks:
        switch = _SWITCH_CONNECT if kind == "Response" else _SWITCH_UPGRADE
        state.process_event(h11.SERVER, H11_EVENTS[kind], switch)
    else:
        state.process_event(h11.CLIENT if role == "client" else h11.SERVER, H11_EVENTS[kind])
    if "close" in marks:
        state.process_keep_alive_disabled()


def in_ours(joint: int) -> tuple[str, str, bool, bool, bool] | None:
    if joint < 0:
        return None
    client, server, keep_alive, connect, upgrade = SYSTEM.joints[joint]
    return client, server, keep_alive == "ENABLED", connect != "NONE", upgrade != "NONE"


@pytest.mark.parametrize("event", SYSTEM.events)
def test_agrees_with_h11_in_every_joint_state(event: str) -> None:
    number = SYSTEM.event_index[event]
    for joint in range(len(SYSTEM.joints)):
        path = [*SYSTEM.trace(joint), event]
        assert in_h11(path) == in_ours(SYSTEM.table[joint * SYSTEM.n_events + number]), path
