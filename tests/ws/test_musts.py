"""MUSTS.md: each line names what shows it, and what is named exists."""

import re
from pathlib import Path

from tests.ws.cases.case import all_cases

HERE = Path(__file__).parent
TITLES = {case.title for case in all_cases()}
PARTS = (HERE / "MUSTS.md").read_text(encoding="utf-8").split("\n## ")[1:]
ROWS = [
    [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in part.splitlines() if line[:2] == "| "][1:]
    for part in PARTS
]


def names(shown_by: str) -> list[str]:
    return re.findall(r"`([^`]+)`", shown_by)


def exists(name: str) -> bool:
    """Whether a case or a test is there."""
    if name.startswith("case: "):
        return name.removeprefix("case: ") in TITLES
    file, _, function = name.partition("::")
    path = HERE / file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return re.search(rf"^def {function}\(", text, re.MULTILINE) is not None


def order(section: str) -> tuple[int, ...]:
    return tuple(map(int, section.split(".")))


def test_every_line_has_three_cells_and_says_what_shows_it() -> None:
    assert [len(rows) > 10 for rows in ROWS] == [True, True]
    assert [row for rows in ROWS for row in rows if len(row) != 3] == []
    assert [row for rows in ROWS for row in rows if not names(row[2]) and not row[2].startswith("not ours: ")] == []


def test_lines_are_in_the_order_of_sections() -> None:
    for rows in ROWS:
        sections = [order(row[0]) for row in rows]
        assert sections == sorted(sections)


def test_what_is_named_exists() -> None:
    assert [name for rows in ROWS for row in rows for name in names(row[2]) if not exists(name)] == []
    assert not exists("case: that nobody wrote")
    assert not exists("test_cases.py::test_that_nobody_wrote")
    assert not exists("test_nothing.py::test_whole")
