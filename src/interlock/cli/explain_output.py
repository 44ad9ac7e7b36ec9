"""How steps and problems are written: as text, as one JSON object per line, or as a sequence diagram for Mermaid."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from interlock.cli.explain_steps import Moved, Problem, Step, other_end
from interlock.cli.explain_text import lines_of_problem, lines_of_step, masked, octets_told, shown_value, visible
from interlock.cli.ws_text import escaped

__all__ = ["FORMATS", "Writer", "writer"]

FORMATS: Final = ("text", "json", "mermaid")

#: What makes the lines of one step or problem.
Writer = Callable[[Step | Problem], list[str]]

#: Characters of a message in a diagram; the rest is cut off.
_MOST: Final = 160
#: What means something to Mermaid, or to the HTML that it makes.
_SPECIAL: Final = re.compile(r"[^A-Za-z0-9 _./:,()+*=?!'@$§^|\[\]-]")


def writer(form: str, *, secrets: bool) -> Writer:
    """What writes in the format ``form``.  ``secrets``: whether values that are secrets are shown."""
    if form == "json":
        return lambda item: [json.dumps(_object(item, secrets=secrets), ensure_ascii=False)]
    if form == "mermaid":
        return _Diagram().lines
    return lambda item: (
        lines_of_step(item, secrets=secrets) if isinstance(item, Step) else lines_of_problem(item, secrets=secrets)
    )


# -- JSON


def _object(item: Step | Problem, *, secrets: bool) -> dict[str, Any]:
    """The keys are those that docs/explain.md lists."""
    about: dict[str, Any] = {
        "type": "step" if isinstance(item, Step) else "problem",
        "connection": item.connection,
        "sender": item.sender or None,
        "protocol": item.protocol,
        "stream": item.stream or None,
    }
    if isinstance(item, Step):
        about |= {
            "event": item.event,
            "octets": [item.begin, item.end] if item.begin >= 0 else None,
            "supposed": item.supposed,
            "summary": escaped(item.summary),
            "fields": [[visible(name), shown_value(name, value, secrets=secrets)] for name, value in item.fields],
            "content": item.content if item.content >= 0 else None,
            "notes": [escaped(note) for note in item.notes],
        }
    else:
        about |= {
            "kind": item.rule.kind,
            "message": escaped(item.message),
            "octet": item.at,
            "begin": item.begin,
            "unit": item.unit or None,
            "culprit": list(item.culprit) if item.culprit is not None else None,
            "shown": {
                "octet": item.octets_at,
                "octets": item.octets.hex() if item.binary else visible(_masked(item.octets, secrets=secrets)),
            },
            "evidence": [
                {"octet": place, "octets": visible(_masked(line, secrets=secrets))} for place, line in item.evidence
            ],
            "rule": item.rule.text,
            "sections": list(item.rule.sections),
            "consequence": item.consequence,
            "unread": item.unread,
        }
    about["moves"] = [_move(moved) for moved in item.moves]
    return about


def _masked(octets: bytes, *, secrets: bool) -> bytes:
    """Lines as they may be shown."""
    return octets if secrets else b"\n".join([masked(line) for line in octets.split(b"\n")])


def _move(moved: Moved) -> dict[str, Any]:
    move = moved.move
    return {
        "system": moved.system,
        "machine": move.machine,
        "stream": moved.stream or None,
        "before": move.before,
        "after": move.after,
        "cause": move.cause,
        "forced": move.forced,
        "rfc": move.rfc or None,
    }


# -- Mermaid


def _plain(text: str) -> str:
    """``text`` as it may stand in a diagram: on one line, with numbers for what would mean something there."""
    if len(text) > _MOST:
        text = f"{text[:_MOST]}..."
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)


class _Diagram:
    """A sequence diagram, as it grows: it knows which participants were named."""

    def __init__(self) -> None:
        self._named: set[int] = set()
        self._begun = False

    def lines(self, item: Step | Problem) -> list[str]:
        """The lines for one more step or problem."""
        lines = [] if self._begun else ["sequenceDiagram"]
        self._begun = True
        number = str(item.connection) if item.connection else ""
        ends = {"client": f"c{number}", "server": f"s{number}"}
        if item.connection not in self._named:
            self._named.add(item.connection)
            lines += [f"    participant {short} as {end} {number}".rstrip() for end, short in ends.items()]
        lines += [f"    {line}" for line in self._said(item, ends)]
        if item.moves:
            told = "<br/>".join(
                _plain(f"{moved.machine}: {moved.move.before} -> {moved.move.after}") for moved in item.moves
            )
            lines.append(f"    Note over {ends['client']},{ends['server']}: {told}")
        return lines

    def _said(self, item: Step | Problem, ends: dict[str, str]) -> Iterator[str]:
        both = f"{ends['client']},{ends['server']}"
        stream = f" (stream {item.stream})" if item.stream else ""
        if isinstance(item, Problem):
            arrow = f"{ends[item.sender]}-x{ends[other_end(item.sender)]}"
            yield f"{arrow}: {_plain(f'octet {item.at}{stream}: {item.message}')}"
            yield f"Note over {both}: {_plain(', '.join(item.rule.sections))}"
            return
        content = f" {item.content} octets" if item.content >= 0 else ""
        told = _plain(f"{item.event}{stream} {item.summary}".strip() + content)
        if not item.sender:
            yield f"Note over {both}: {told}"
            return
        arrow = "-->>" if item.supposed else "->>"
        place = octets_told(item.begin, item.end)
        where = f" [{place}]" if place else ""
        yield f"{ends[item.sender]}{arrow}{ends[other_end(item.sender)]}: {told}{_plain(where)}"
