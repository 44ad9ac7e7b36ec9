"""How a WebSocket has ended, in words and as a table of what its machines went through.  Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

import click

from interlock.cli.ws_text import escaped
from interlock.net.asyncio import ConnectionClosed
from interlock.ws import Closing, Step

__all__ = ["MACHINES", "code_name", "explained", "table", "told"]

#: The machines of which the table tells: all but those of the messages that are under way.
MACHINES: Final = ("handshake", "client", "server", "stream")

#: What IANA has registered (RFC 6455 §11.7).
_CODES: Final = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code given",
    1006: "abnormal closure",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "an extension is missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake failed",
    3000: "unauthorized",
    3003: "forbidden",
    3008: "timeout",
}


def code_name(code: int) -> str:
    """What a status code means, as far as that is known (RFC 6455 §7.4)."""
    if code in _CODES:
        return _CODES[code]
    if 3000 <= code <= 3999:
        return "meant for libraries and applications"
    return "meant for private use" if 4000 <= code <= 4999 else "not assigned"


def told(close: Closing) -> str:
    """A Close on one line: its code, what that means, and its reason."""
    reason = f', "{escaped(close.reason)}"' if close.reason else ""
    return f"{close.code} ({code_name(close.code)}){reason}"


def explained(closed: ConnectionClosed, steps: Sequence[Step]) -> list[str]:
    """Who has closed the connection, with what code, and what the other end had to say to that."""
    theirs, ours = closed.rcvd, closed.sent
    if theirs is not None and ours is not None:
        if closed.rcvd_then_sent:
            return [f"closed by the server: {told(theirs)}", f"we have answered: {told(ours)}"]
        return [f"closed by us: {told(ours)}", f"the server has answered: {told(theirs)}"]
    if theirs is not None:
        return [f"closed by the server: {told(theirs)}", "we could not answer"]
    if ours is None:
        return ["lost: there was no Close, 1006 (abnormal closure)", _why_no_close(closed, steps)]
    if any(step.event == "client.Fail" for step in steps):
        cause = closed.__cause__
        why = [f"since {_words(cause)}"] if cause is not None and str(cause) != ours.reason else []
        return [f"closed by us: {told(ours)}", *why, "what the server sent after that was not read"]
    return [f"closed by us: {told(ours)}", f"the server has not answered: {_why_no_close(closed, steps)}"]


def _why_no_close(closed: ConnectionClosed, steps: Sequence[Step]) -> str:
    if any(step.event == "server.EndOfStream" for step in steps):
        return "it ended the byte stream without a Close"
    return _words(closed.__cause__) if closed.__cause__ is not None else "the byte stream broke"


def _words(error: BaseException) -> str:
    return escaped(str(error) or type(error).__name__)


def table(steps: Iterable[Step]) -> list[str]:
    """The states of the machines at first, and after each step; those that it has changed are bold."""
    told_of = [step for step in steps if any(step.before[name] != step.after[name] for name in MACHINES)]
    if not told_of:
        return []
    rows = [("", {name: name for name in MACHINES}), ("", told_of[0].before)]
    rows += [(step.event, step.after) for step in told_of]
    events = max(len(event) for event, _ in rows)
    widths = [max(len(states[name]) for _, states in rows) for name in MACHINES]
    lines = []
    above = rows[1][1]
    for event, states in rows:
        cells = [event.ljust(events)]
        for name, width in zip(MACHINES, widths, strict=True):
            changed = event and states[name] != above[name]
            cell = click.style(states[name], bold=True) if changed else states[name]
            cells.append(cell + " " * (width - len(states[name])))
        lines.append("  ".join(cells).rstrip())
        above = states
    return lines
