"""Reading traces.md: conversations that the tables of HTTP/1.1 must conform to, event by event."""

from pathlib import Path

from tests.machine import traces
from tests.machine.traces import Trace, Walk

REQUESTS = frozenset(
    f"client.Request{connect}{upgrade}{close}"
    for connect in ("", ".connect")
    for upgrade in ("", ".upgrade")
    for close in ("", ".close")
)
RESPONSES = frozenset({"server.Response", "server.Response.close"})
ERRORS = frozenset({"client.Error", "server.Error"})


def read_traces() -> list[Trace]:
    """The conversations in traces.md."""
    return traces.read_traces(Path(__file__).with_name("traces.md").read_text(encoding="utf-8"), 5, _written_out)


def _written_out(legal: str) -> frozenset[str]:
    """The last column without its two shortenings."""
    events = set() if legal == "nothing" else set(legal.split(", "))
    if "client.Request" in events:
        events |= REQUESTS
    if "server.Response" in events:
        events |= RESPONSES
    return frozenset(events | ERRORS)


def departure(walk: Walk, trace: Trace) -> str:
    """Where ``walk`` departs from ``trace``, for people; "" where it conforms.

    Also, after each event, either end may fail: its machine is in ERROR then, and keep-alive and the proposals stay.
    """
    departed = traces.departure(walk, trace)
    if departed:
        return departed
    for number, step in enumerate(trace.steps, 1):
        for place, end in enumerate(("client", "server")):
            failed = walk.after(step.states, f"{end}.Error")
            if failed is None or failed[place] != "ERROR" or failed[2:] != step.states[2:]:
                return f"{trace.title}, row {number}: then {end}.Error leads to {failed}"
    return ""
