"""Drawing machines from their tables, as Mermaid or DOT text.  Nothing here knows HTTP, and nothing is laid out here.

A drawing shows what the tables hold and no more: a solid arrow is one or more rows, each labelled with the machine's
name for the event and the row's RFC section; a dashed arrow is one or more couplings, each labelled with its name and
with what it asks of the other machines.  Parallel arrows between the same two states are merged, one line per label.
The order is that of the tables, so the same tables always give the same text.
"""

from typing import Final

from interlock.machine.model import Coupling, Machine
from interlock.machine.system import System

__all__ = ["dot", "mermaid"]


class _Arrow:
    """All the rows (or, dashed, all the couplings) that lead from one state of a machine to another."""

    __slots__ = ("dashed", "labels", "source", "target")

    def __init__(self, source: str, target: str, *, dashed: bool) -> None:
        self.source: Final = source
        self.target: Final = target
        self.dashed: Final = dashed
        self.labels: Final[list[str]] = []


def mermaid(system: System, machine: str | None = None) -> str:
    """One machine of ``system`` as a Mermaid flowchart; without ``machine`` all of them, each in a box of its own.

    A flowchart and not a state diagram, because Mermaid draws dashed arrows only in flowcharts.
    Raises ``ValueError`` where the system has no such machine.
    """
    machines = _chosen(system, machine)
    lines = ["flowchart LR"]
    for m in machines:
        body = [f'{_id(m, "")}(("&nbsp;")) --> {_id(m, m.initial)}']
        body.extend(f'{_id(m, state)}(["{_entities(state)}"])' for state in m.states)
        for arrow in _arrows(system, m):
            label = "<br/>".join(_entities(line) for line in arrow.labels)
            line = f'-. "{label}" .->' if arrow.dashed else f'-- "{label}" -->'
            body.append(f"{_id(m, arrow.source)} {line} {_id(m, arrow.target)}")
        if machine is None:
            lines.append(f'    subgraph {_id(m, "box")}["{_entities(m.name)}"]')
            lines.extend(f"        {line}" for line in body)
            lines.append("    end")
        else:
            lines.extend(f"    {line}" for line in body)
    return "\n".join(lines) + "\n"


def dot(system: System, machine: str | None = None) -> str:
    """One machine of ``system`` in Graphviz's DOT; without ``machine`` all of them, each in a cluster of its own.

    Raises ``ValueError`` where the system has no such machine.
    """
    machines = _chosen(system, machine)
    lines = [
        f"digraph {_quoted(system.name if machine is None else f'{system.name}.{machine}')} {{",
        "    rankdir=LR;",
        '    node [shape=box, style=rounded, fontname="sans-serif", fontsize=12];',
        '    edge [fontname="sans-serif", fontsize=9];',
    ]
    for m in machines:
        start = _quoted(m.name)
        body = [f"{start} [shape=point, width=0.15];"]
        body.extend(f"{_quoted(f'{m.name}.{state}')} [label={_quoted(state)}];" for state in m.states)
        body.append(f"{start} -> {_quoted(f'{m.name}.{m.initial}')};")
        for arrow in _arrows(system, m):
            look = ', style=dashed, color="#1f5fa8", fontcolor="#1f5fa8"' if arrow.dashed else ""
            label = _quoted("\n".join(arrow.labels))
            ends = f"{_quoted(f'{m.name}.{arrow.source}')} -> {_quoted(f'{m.name}.{arrow.target}')}"
            body.append(f"{ends} [label={label}{look}];")
        if machine is None:
            lines.append(f"    subgraph {_quoted(f'cluster_{m.name}')} {{")
            lines.append(f'        label={_quoted(m.name)}; fontname="sans-serif"; color=gray;')
            lines.extend(f"        {line}" for line in body)
            lines.append("    }")
        else:
            lines.extend(f"    {line}" for line in body)
    lines.append("}")
    return "\n".join(lines) + "\n"


def _chosen(system: System, machine: str | None) -> tuple[Machine, ...]:
    if machine is None:
        return system.machines
    if machine not in system.machine_index:
        known = ", ".join(system.machine_index)
        raise ValueError(f"system {system.name} has no machine {machine}; it has {known}")
    return (system.machines[system.machine_index[machine]],)


def _arrows(system: System, machine: Machine) -> list[_Arrow]:
    """The machine's arrows: those of its rows in the order written, then those of the couplings that force it."""
    arrows: dict[tuple[str, str, bool], _Arrow] = {}
    for source, event, target in machine.rows():
        rfc = machine.sections.get((source, event), "")
        _label(arrows, source, target, f"{event} ({rfc})" if rfc else event, dashed=False)
    for coupling in system.couplings:
        if machine.name in coupling.forces:
            target = coupling.forces[machine.name]
            label = _coupling_label(coupling, machine)
            for source in coupling.when.get(machine.name, machine.states):
                if source != target:  # there it changes nothing in this machine
                    _label(arrows, source, target, label, dashed=True)
    return list(arrows.values())


def _label(arrows: dict[tuple[str, str, bool], _Arrow], source: str, target: str, label: str, *, dashed: bool) -> None:
    key = (source, target, dashed)
    if key not in arrows:
        arrows[key] = _Arrow(source, target, dashed=dashed)
    arrows[key].labels.append(label)


def _coupling_label(coupling: Coupling, machine: Machine) -> str:
    """The coupling's name and its condition on the other machines: ``must-close: keep_alive is DISABLED``."""
    others = [f"{name} is {' or '.join(states)}" for name, states in coupling.when.items() if name != machine.name]
    return f"{coupling.name}: {' and '.join(others)}" if others else coupling.name


def _id(machine: Machine, state: str) -> str:
    """A state's identifier in Mermaid: letters, digits and underscores; anything else as its code point."""
    name = f"{machine.name}__{state}"
    return "".join(c if c == "_" or (c.isascii() and c.isalnum()) else f"_{ord(c):x}_" for c in name)


def _entities(text: str) -> str:
    """``text`` inside a quoted Mermaid label, where quotes and markup must be written as entities."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _quoted(text: str) -> str:
    """``text`` as a DOT string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
