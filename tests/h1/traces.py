"""Reading traces.md: conversations that the tables of HTTP/1.1 must conform to, event by event."""

from pathlib import Path
from typing import NamedTuple

from interlock.machine import LocalProtocolError, System

REQUESTS = frozenset(
    f"client.Request{connect}{upgrade}{close}"
    for connect in ("", ".connect")
    for upgrade in ("", ".upgrade")
    for close in ("", ".close")
)
RESPONSES = frozenset({"server.Response", "server.Response.close"})
ERRORS = frozenset({"client.Error", "server.Error"})


class Step(NamedTuple):
    """A row: an event ("" at the start), the states that it leads to, and the events that are legal then."""

    event: str
    states: tuple[str, ...]
    legal: frozenset[str]


class Trace(NamedTuple):
    """A conversation: its heading, and its rows."""

    title: str
    steps: list[Step]


def read_traces() -> list[Trace]:
    """The conversations in traces.md."""
    traces: list[Trace] = []
    for line in (Path(__file__).with_name("traces.md")).read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            traces.append(Trace(line[3:], []))
        elif line.startswith("| ") and not line.startswith("| event "):
            event, *states, legal = (cell.strip() for cell in line.strip("|").split("|"))
            traces[-1].steps.append(Step("" if event == "(start)" else event, tuple(states), _written_out(legal)))
    return traces


def _written_out(legal: str) -> frozenset[str]:
    """The last column without its two shortenings."""
    events = set() if legal == "nothing" else set(legal.split(", "))
    if "client.Request" in events:
        events |= REQUESTS
    if "server.Response" in events:
        events |= RESPONSES
    return frozenset(events | ERRORS)


def departure(system: System, trace: Trace) -> str:
    """Where ``system`` departs from ``trace``, for people; "" where it conforms."""
    joint = system.initial
    for number, step in enumerate(trace.steps, 1):
        where = f"{trace.title}, row {number}"
        try:
            joint = system.run([step.event] if step.event else [], joint)
        except LocalProtocolError as error:
            return f"{where}: {error}"
        if system.joints[joint] != step.states:
            return f"{where}: {step.event} leads to {system.describe(joint)}"
        legal = frozenset(system.legal(joint))
        if legal != step.legal:
            return f"{where}: after {step.event}, legality differs for {', '.join(sorted(legal ^ step.legal))}"
        for machine in ("client", "server"):
            failed = system.run([f"{machine}.Error"], joint)
            if system.state(failed, machine) != "ERROR" or system.joints[failed][2:] != step.states[2:]:
                return f"{where}: then {machine}.Error leads to {system.describe(failed)}"
    return ""
