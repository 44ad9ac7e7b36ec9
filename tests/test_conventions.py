"""What CONTRIBUTING.md asks of the tests, and the tests themselves cannot tell."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: They turn virtual clocks, on which sleeping takes no time.
VIRTUAL = {TESTS / "net" / "virtual_clock.py", TESTS / "client" / "bad_server.py"}
#: A call of sleep() with anything but a plain 0, in a program that a test writes.
SLEEP_IN_TEXT = re.compile(r"\bsleep\((?!\s*0\s*\))")


def sleeps(source: str) -> list[int]:
    """The lines on which ``source``, or a program in one of its strings, sleeps for some time."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            plain = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if name == "sleep" and not plain:
                lines.append(node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            lines += [
                node.lineno + node.value.count("\n", 0, match.start()) for match in SLEEP_IN_TEXT.finditer(node.value)
            ]
    return lines


def test_no_test_sleeps() -> None:
    """It waits for what it needs, or turns a clock.  A sleep is too short on a busy machine, and too long on any other."""
    found = {
        f"{path.relative_to(TESTS)}:{line}"
        for path in TESTS.rglob("*.py")
        if path not in VIRTUAL | {Path(__file__)}
        for line in sleeps(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("time.sleep(1)", [1]),
        ("\nasync def f():\n    await asyncio.sleep(0.01)", [3]),
        ("sleep(seconds)", [1]),
        ("sleep(delay=1)", [1]),
        ("PROGRAM = '''\nwhile True:\n    time.sleep(0.01)\n'''", [3]),
        ("await asyncio.sleep(0)", []),
        ("PROGRAM = 'asyncio.sleep(0)'", []),
        ("asleep(1)", []),
    ],
)
def test_what_is_found(source: str, lines: list[int]) -> None:
    assert sleeps(source) == lines
