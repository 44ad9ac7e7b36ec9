"""``interlock check`` and ``interlock draw``."""

import re
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from interlock.cli import machines
from interlock.machine import Absorbing, Machine, Never, System, dot, mermaid

DOOR = Machine("door", "SHUT", {"SHUT": {"open": "OPEN"}, "OPEN": {"close": "SHUT"}, "WALLED": {}})
HOUSE = System("house", (DOOR,), (), {"open": {"door": "open"}, "close": {"door": "close"}})
WRONG = (
    Absorbing("once open, always open", "door", "OPEN"),
    Never("never shut", {"door": "SHUT"}),
    Never("never walled", {"door": "WALLED"}),
)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(machines.PROTOCOLS, "house", (HOUSE, WRONG))


def run(command: click.Command, *args: str) -> Result:
    return CliRunner().invoke(command, args)


# -- check


def test_every_protocol_holds() -> None:
    result = run(machines.check)
    assert result.exit_code == 0
    system, properties = machines.PROTOCOLS["h1"]
    assert re.search(
        r"^h1: 5 machines, 50 rows, 11 couplings, 22 events, 154 joint states, 594 transitions, \d+ properties; "
        r"compiled in \d+\.\d ms$",
        result.output,
        re.MULTILINE,
    )
    for stated in properties:
        assert f"  ok    {stated.name}\n" in result.output
    assert re.search(r"^all \d+ properties hold\n$", result.output, re.MULTILINE)


def test_quiet_prints_only_the_summary_where_all_hold() -> None:
    result = run(machines.check, "--quiet")
    assert result.exit_code == 0
    assert re.fullmatch(r"all \d+ properties hold\n", result.output)


def test_failure_is_told_with_its_trace(broken: None) -> None:
    result = run(machines.check, "house")
    assert result.exit_code == 1
    assert result.output.startswith("house: 1 machines, 2 rows, 0 couplings, 2 events, 2 joint states, 2 transitions")
    assert "  ok    no coupling is dead\n" in result.output
    assert "  ok    never walled\n" in result.output
    assert (
        "  FAIL  house: once open, always open\n        door left OPEN for SHUT\n        events: open close\n"
    ) in result.output
    assert "  FAIL  house: never shut\n        reached door=SHUT\n        events: none\n" in result.output
    assert result.output.endswith("\n3 of 9 properties fail\n")


def test_quiet_prints_failures_and_the_summary(broken: None) -> None:
    result = run(machines.check, "-q", "h1", "house")
    assert result.exit_code == 1
    assert [line.split("  ")[1] for line in result.output.splitlines() if line.startswith("  F")] == ["FAIL"] * 3
    assert "ok" not in result.output
    assert "joint states" not in result.output
    assert re.search(r"\n3 of \d+ properties fail\n$", result.output)


def test_a_protocol_named_twice_is_checked_once() -> None:
    assert run(machines.check, "h1", "h1").output.count("h1: ") == 1


def test_unknown_protocol(broken: None) -> None:
    result = run(machines.check, "h1", "hause")
    assert result.exit_code == 2
    assert "no protocol 'hause'. Did you mean house? Known: h1, h2, h2-connection, ws, house." in result.output
    assert "ok" not in result.output


# -- draw


def test_draws_mermaid_unless_told() -> None:
    system, _ = machines.PROTOCOLS["h1"]
    assert run(machines.draw, "h1.client").output == mermaid(system, "client")
    assert run(machines.draw, "h1.client", "--format", "mermaid").output == mermaid(system, "client")


def test_draws_dot() -> None:
    system, _ = machines.PROTOCOLS["h1"]
    assert run(machines.draw, "h1.upgrade", "--format", "dot").output == dot(system, "upgrade")


def test_draws_a_whole_system() -> None:
    system, _ = machines.PROTOCOLS["h1"]
    assert run(machines.draw, "h1").output == mermaid(system)
    assert run(machines.draw, "h1", "--format", "dot").output == dot(system)


def test_writes_a_file(tmp_path: Path) -> None:
    system, _ = machines.PROTOCOLS["h1"]
    target = tmp_path / "client.mmd"
    result = run(machines.draw, "h1.client", "--output", str(target))
    assert result.exit_code == 0
    assert result.output == ""
    assert target.read_text(encoding="utf-8") == mermaid(system, "client")


def test_file_that_cannot_be_written(tmp_path: Path) -> None:
    result = run(machines.draw, "h1", "-o", str(tmp_path / "missing" / "h1.mmd"))
    assert result.exit_code == 1
    assert "Could not open file" in result.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_disk_that_is_full() -> None:
    result = run(machines.draw, "h1", "-o", "/dev/full")
    assert result.exit_code == 1
    assert result.output == "Error: cannot write the drawing: No space left on device\n"


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_draws_svg() -> None:
    result = run(machines.draw, "h1.client", "--format", "svg")
    assert result.exit_code == 0
    assert result.output.startswith("<?xml")
    assert result.output.rstrip().endswith("</svg>")
    assert "MIGHT_SWITCH_PROTOCOL" in result.output


def test_svg_without_graphviz_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    target = tmp_path / "h1.svg"
    result = run(machines.draw, "h1", "--format", "svg", "-o", str(target))
    assert result.exit_code == 1
    assert "install graphviz" in result.output
    assert "--format mermaid" in result.output
    assert not target.exists()


def test_svg_where_graphviz_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "dot"
    fake.write_text("#!/bin/sh\necho 'no fonts' >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(machines.draw, "h1", "--format", "svg")
    assert result.exit_code == 1
    assert result.output == "Error: Graphviz failed: no fonts\n"


@pytest.mark.parametrize(
    ("name", "meant"), [("h1.cleint", "h1.client"), ("h1.keepalive", "h1.keep_alive"), ("h11", "h1"), ("h1.", "h1")]
)
def test_unknown_machine(name: str, meant: str) -> None:
    result = run(machines.draw, name)
    assert result.exit_code == 2
    assert f"no machine '{name}'. Did you mean {meant}?" in result.output
    assert "Known: h1, h2, h2-connection, ws, h1.client, h1.server, h1.keep_alive" in result.output
    assert "h2.stream" in result.output


def test_help_names_what_can_be_drawn() -> None:
    names = " ".join(run(machines.draw, "--help").output.split()).partition("NAME is one of: ")[2]
    assert {"h1", "h2", "h1.client", "h1.keep_alive", "h2.stream"} <= set(names.rstrip(".").split(", "))


def test_unknown_machine_like_no_other() -> None:
    result = run(machines.draw, "zzz")
    assert result.exit_code == 2
    assert "no machine 'zzz'. Known: h1," in result.output


def test_unknown_format() -> None:
    result = run(machines.draw, "h1", "--format", "png")
    assert result.exit_code == 2
    assert "'png' is not one of 'mermaid', 'dot', 'svg'" in result.output
