"""Writes docs/machines: a page for each protocol and each of its machines, from the tables.

Run as ``python docs/generate.py`` after a change to a ``tables.py``; tests/test_docs.py fails until then.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from interlock.cli.machines import PROTOCOLS
from interlock.machine import Condition, Coupling, Machine, Property, System, check, mermaid

MACHINES = Path(__file__).with_name("machines")

LEGEND = (
    "A solid arrow is a row: an event that this machine sees. A dashed arrow is a coupling: a transition triggered by\n"
    "the joint state, whichever machine moved last."
)


def pages() -> dict[str, str]:
    """Every page of docs/machines: its file name and its text."""
    made: dict[str, str] = {}
    for name, (system, properties) in PROTOCOLS.items():
        made[f"{name}.md"] = system_page(system, properties)
        for machine in system.machines:
            made[f"{name}.{machine.name}.md"] = machine_page(system, machine)
    made["ws.endings.md"] = endings_page(PROTOCOLS["ws"][0])
    return made


def system_page(system: System, properties: Sequence[Property]) -> str:
    report = check(system, properties)
    figures = ", ".join(f"{number} {what}" for what, number in report.figures.items())
    machines = [[f"[{m.name}]({system.name}.{m.name}.md)", code(m.initial), code(*m.states)] for m in system.machines]
    sightings = [
        [code(event), *(code(seen[m.name]) if m.name in seen else "" for m in system.machines)]
        for event, seen in system.sees.items()
    ]
    return page(
        system.name,
        system,
        f"In figures: {figures}.",
        drawing(mermaid(system)),
        "## Machines",
        table(["machine", "starts in", "states"], machines),
        "## Events",
        "What each machine sees each event as. Where one of them has no row for it, the event is illegal for all.",
        table(["event", *(m.name for m in system.machines)], sightings),
        "## Couplings",
        "In order of priority: after each event the first one that changes something fires, until none does.",
        couplings_table(system.couplings),
        "## Properties",
        f"`interlock check {system.name}` decides them over all reachable joint states.",
        "\n".join(f"- {title}" for title, _ in report.results),
    )


def machine_page(system: System, machine: Machine) -> str:
    rows = [
        [code(state), code(event), code(target), source(machine.sections.get((state, event), ""))]
        for state, event, target in machine.rows()
    ]
    locals_ = dict.fromkeys(event for _, event, _ in machine.rows())
    sightings = [
        [code(local), code(*(event for event, seen in system.sees.items() if seen.get(machine.name) == local))]
        for local in locals_
    ]
    forcing = [c for c in system.couplings if machine.name in c.forces]
    reading = [c for c in system.couplings if machine.name in c.when and c not in forcing]
    return page(
        f"{system.name}.{machine.name}",
        system,
        f"One of the machines of [{system.name}]({system.name}.md). It starts in `{machine.initial}`.",
        drawing(mermaid(system, machine.name)),
        "## Rows",
        table(["state", "event", "next state", "source"], rows),
        "## Events",
        "This machine's name for what happens, and the system's names for it.",
        table(["seen as", "events"], sightings),
        "## Couplings that move it",
        couplings_table(forcing),
        "## Couplings that it takes part in",
        couplings_table(reading),
    )


#: What takes a WebSocket towards its end.
ENDING = ("Close", "Fail", "EndOfStream", "Lose")


def endings_page(ws: System) -> str:
    found: dict[tuple[str, str], list[list[str]]] = {}
    for ending in endings(ws, ws.run(["server.Accept"])):
        joint = ws.run(["server.Accept", *ending])
        found.setdefault((ws.state(joint, "client"), ws.state(joint, "server")), []).append(ending)
    rows = [
        [code(client), code(server), str(len(ways)), code_seen(client, server), code_seen(server, client)]
        for (client, server), ways in found.items()
    ]
    parts = []
    for (client, server), ways in found.items():
        parts.append(f"## The client ends as {client}, the server as {server}")
        parts.append("\n".join("- " + " → ".join(code(event) for event in ending) for ending in ways))
    return page(
        "ws.endings",
        ws,
        f"Every way in which an open WebSocket can end, by the tables of [ws](ws.md): {sum(map(len, found.values()))}"
        " orders of what either end does towards it. Messages, pings and pongs may stand in between, wherever the tables"
        " allow them, and change nothing. `Fail` is what an end finds out about the other, and its Close then says.",
        "A WebSocket that was never open ends with its handshake: `server.Reject`, `handshake.Abandon`, or the end of the"
        " stream.",
        table(["client ends as", "server ends as", "ways", "the client's close code", "the server's close code"], rows),
        *parts,
    )


def endings(system: System, joint: int) -> Iterator[list[str]]:
    """All sequences of events that lead from ``joint`` to the end of the stream."""
    if system.state(joint, "stream") == "GONE":
        yield []
        return
    for number, event in enumerate(system.events):
        target = system.table[joint * system.n_events + number]
        if event.rpartition(".")[2] in ENDING and target >= 0:
            for rest in endings(system, target):
                yield [event, *rest]


def code_seen(end: str, other: str) -> str:
    """What an end that is left in state ``end`` has for a close code (RFC 6455 §7.1.5)."""
    if end == "FAILED":
        return "1006, unless the other's Close came before it failed"
    return "1006" if other == "LOST" else "what the other's Close says; 1006 if that did not arrive"


def page(title: str, system: System, *parts: str) -> str:
    note = f"<!-- Made by docs/generate.py from src/interlock/{system.name.partition('-')[0]}/tables.py: change that, and run it. -->"
    return "\n\n".join([note, f"# {title}", *parts]) + "\n"


def drawing(text: str) -> str:
    return f"```mermaid\n{text}```\n\n{LEGEND}"


def couplings_table(couplings: Sequence[Coupling]) -> str:
    rows = [[c.name, condition(c.when), condition(c.forces), ", ".join(c.before), source(c.rfc)] for c in couplings]
    return table(["coupling", "where", "forces", "takes precedence over", "source"], rows) if rows else "None."


def condition(states: Condition) -> str:
    parts = ((name, (wanted,) if isinstance(wanted, str) else wanted) for name, wanted in states.items())
    return "<br>".join(f"{name}: {' or '.join(code(state) for state in wanted)}" for name, wanted in parts)


def source(rfc: str) -> str:
    """The section as a link, where it is one of an RFC."""
    return re.sub(r"^RFC (\d+) §([\d.]+)$", r"[\g<0>](https://www.rfc-editor.org/rfc/rfc\1#section-\2)", rfc)


def code(*names: str) -> str:
    return ", ".join(f"`{name}`" for name in names)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    MACHINES.mkdir(exist_ok=True)
    made = pages()
    for old in MACHINES.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (MACHINES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
