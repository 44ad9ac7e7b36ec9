"""Drawings hold what the tables hold, in Mermaid and in DOT, and always the same."""

import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from interlock.h1.tables import SYSTEM as H1
from interlock.machine import Coupling, Machine, System, To, dot, mermaid

DOOR = Machine(
    "door",
    "SHUT",
    {
        "SHUT": {"open": To("OPEN", "RFC 1 §2"), "knock": "SHUT"},
        "OPEN": {"close": "SHUT", "slam": "SHUT", "Error": "ERROR"},
        "ERROR": {},
    },
)
LAMP = Machine("lamp", "OFF", {"OFF": {}, "ON": {}, "DIM": {}})
SYSTEM = System(
    "fridge",
    (DOOR, LAMP),
    (
        Coupling("light", {"door": ("OPEN", "ERROR"), "lamp": "OFF"}, {"lamp": "ON"}),
        Coupling("lure", {"door": "OPEN", "lamp": "OFF"}, {"lamp": "ON"}),
        Coupling("dark", {"door": "SHUT"}, {"lamp": "OFF"}),
        Coupling("jam", {"lamp": "DIM", "door": "SHUT"}, {"door": "ERROR", "lamp": "OFF"}),
    ),
    {event: {"door": event} for event in ("open", "knock", "close", "slam", "Error")},
)

DOOR_MERMAID = """\
flowchart LR
    door__(("&nbsp;")) --> door__SHUT
    door__SHUT(["SHUT"])
    door__OPEN(["OPEN"])
    door__ERROR(["ERROR"])
    door__SHUT -- "open (RFC 1 §2)" --> door__OPEN
    door__SHUT -- "knock" --> door__SHUT
    door__OPEN -- "close<br/>slam" --> door__SHUT
    door__OPEN -- "Error" --> door__ERROR
    door__SHUT -. "jam: lamp is DIM" .-> door__ERROR
"""

LAMP_DOT = """\
digraph "fridge.lamp" {
    rankdir=LR;
    node [shape=box, style=rounded, fontname="sans-serif", fontsize=12];
    edge [fontname="sans-serif", fontsize=9];
    "lamp" [shape=point, width=0.15];
    "lamp.OFF" [label="OFF"];
    "lamp.ON" [label="ON"];
    "lamp.DIM" [label="DIM"];
    "lamp" -> "lamp.OFF";
    "lamp.OFF" -> "lamp.ON" [label="light: door is OPEN or ERROR\\nlure: door is OPEN", style=dashed, \
color="#1f5fa8", fontcolor="#1f5fa8"];
    "lamp.ON" -> "lamp.OFF" [label="dark: door is SHUT", style=dashed, color="#1f5fa8", fontcolor="#1f5fa8"];
    "lamp.DIM" -> "lamp.OFF" [label="dark: door is SHUT\\njam: door is SHUT", style=dashed, \
color="#1f5fa8", fontcolor="#1f5fa8"];
}
"""


def test_mermaid_of_one_machine() -> None:
    assert mermaid(SYSTEM, "door") == DOOR_MERMAID


def test_dot_of_one_machine() -> None:
    assert dot(SYSTEM, "lamp") == LAMP_DOT


def test_mermaid_of_a_system_has_a_box_for_each_machine() -> None:
    text = mermaid(SYSTEM)
    assert re.findall(r"subgraph \w+\[(.*)\]", text) == ['"door"', '"lamp"']
    for line in DOOR_MERMAID.splitlines()[1:]:
        assert f"    {line}\n" in text


def test_dot_of_a_system_has_a_cluster_for_each_machine() -> None:
    text = dot(SYSTEM)
    assert re.findall(r'subgraph "(\w+)"', text) == ["cluster_door", "cluster_lamp"]
    for line in LAMP_DOT.splitlines()[4:-1]:
        assert f"    {line}\n" in text


def test_coupling_that_asks_nothing_of_others_is_told_by_its_name() -> None:
    m = Machine("m", "A", {"A": {"go": "B"}, "B": {}, "C": {}})
    system = System("s", (m,), (Coupling("on", {"m": "B"}, {"m": "C"}),), {"go": {"m": "go"}})
    assert '    m__B -. "on" .-> m__C\n' in mermaid(system, "m")


def test_a_coupling_is_not_drawn_where_it_changes_nothing() -> None:
    text = mermaid(SYSTEM, "lamp")
    assert "lamp__OFF -." in text
    assert '"dark: door is SHUT" .-> lamp__ON' not in text
    assert not re.search(r"(\w+) -\. .* \.-> \1\n", text)


@pytest.mark.parametrize("drawn", [mermaid, dot])
def test_unknown_machine(drawn: Callable[[System, str], str]) -> None:
    with pytest.raises(ValueError, match="system fridge has no machine doors; it has door, lamp"):
        drawn(SYSTEM, "doors")


def odd() -> System:
    names = ('say "hi"', "a\\b", "x<y> & z", "end", "a-b", "a_b")
    rows = {name: {f"to {other}": other for other in names} for name in names}
    machine = Machine('the "odd" one', names[0], rows)
    return System("odd", (machine,), (), {f"to {name}": {machine.name: f"to {name}"} for name in names})


def test_odd_names_are_escaped_in_mermaid() -> None:
    text = mermaid(odd())
    assert '["say &quot;hi&quot;"]' in text
    assert '["x&lt;y&gt; &amp; z"]' in text
    identifiers = re.findall(r"^ *(\w+)\(\[", text, re.MULTILINE)
    assert len(set(identifiers)) == 6


def test_odd_names_are_escaped_in_dot() -> None:
    text = dot(odd())
    assert '[label="say \\"hi\\""]' in text
    assert '[label="a\\\\b"]' in text


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("system", [SYSTEM, H1, odd()], ids=["fridge", "h1", "odd"])
def test_graphviz_reads_it(system: System) -> None:
    made = subprocess.run(["dot", "-Tplain"], input=dot(system), capture_output=True, encoding="utf-8", check=True)
    assert not made.stderr
    states = sum(len(machine.states) for machine in system.machines)
    assert len(re.findall(r"^node ", made.stdout, re.MULTILINE)) == states + len(system.machines)


@pytest.mark.parametrize("machine", H1.machine_index)
def test_every_row_and_every_coupling_is_drawn_with_its_source(machine: str) -> None:
    text = mermaid(H1, machine)
    table = H1.machines[H1.machine_index[machine]]
    arrows = re.findall(rf'^ +{machine}__(\w+) -[-.] "(.*)" (--|\.-)> {machine}__(\w+)$', text, re.MULTILINE)
    drawn = {(source, label, target) for source, labels, _, target in arrows for label in labels.split("<br/>")}
    for source, event, target in table.rows():
        rfc = table.sections.get((source, event))
        assert (source, f"{event} ({rfc})" if rfc else event, target) in drawn
    for coupling in H1.couplings:
        if machine in coupling.forces:
            for source in coupling.when[machine]:
                ends = [(s, t) for s, label, t in drawn if label.startswith(f"{coupling.name}:")]
                assert (source, coupling.forces[machine]) in ends
    assert len({(source, style, target) for source, _, style, target in arrows}) == len(arrows)


@pytest.mark.parametrize("drawn", [mermaid, dot])
def test_the_same_tables_give_the_same_text(drawn: Callable[[System], str]) -> None:
    again = System(H1.name, H1.machines, H1.couplings, H1.sees)
    assert drawn(again) == drawn(H1)
