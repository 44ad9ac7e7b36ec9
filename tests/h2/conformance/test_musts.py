"""MUSTS.md: each line names what shows it, what is named exists, and cases agree about their sections."""

import re
from pathlib import Path

from tests.h2.conformance.case import all_cases

HERE = Path(__file__).parent
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in (HERE / "MUSTS.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [4-8]", line)
]
#: The sections that each case is about.
SECTIONS: dict[str, set[str]] = {}
for case in all_cases():
    SECTIONS.setdefault(case.name.partition("[")[0], set()).update(case.sections)


def names(shown_by: str) -> list[str]:
    return re.findall(r"`([^`]+)`", shown_by)


def exists(name: str) -> bool:
    """Whether a case, a test or a check is there."""
    file, _, function = name.partition("::")
    if file.startswith("cases_"):
        return name in SECTIONS
    path = HERE / file
    return (
        path.is_file()
        and re.search(rf"^ *def {function}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
    )


def order(section: str) -> tuple[int, ...]:
    return tuple(map(int, section.split(".")))


def test_every_line_has_three_cells_and_says_what_shows_it() -> None:
    assert len(ROWS) > 120
    assert [row for row in ROWS if len(row) != 3] == []
    assert [row for row in ROWS if not names(row[2]) and not row[2].startswith("not ours: ")] == []


def test_lines_are_in_the_order_of_sections() -> None:
    sections = [order(row[0]) for row in ROWS]
    assert sections == sorted(sections)


def test_every_section_is_there() -> None:
    """Those that have requirements at all."""
    expected = "4.1 4.2 4.3 4.3.1 5.1 5.1.1 5.1.2 5.2.1 5.2.2 5.4 5.4.1 5.4.2 5.5 6.1 6.2 6.3 6.4 6.5 6.5.2 6.5.3 6.6"
    expected += " 6.7 6.8 6.9 6.9.1 6.9.2 6.9.3 6.10 7 8.1 8.1.1 8.2 8.2.1 8.2.2 8.2.3 8.3 8.3.1 8.3.2 8.4 8.4.1"
    expected += " 8.4.2 8.5 8.6 8.7"
    assert sorted({row[0] for row in ROWS}, key=order) == expected.split()


def test_what_is_named_exists() -> None:
    assert [name for row in ROWS for name in names(row[2]) if not exists(name)] == []


def test_what_does_not_exist_would_be_seen() -> None:
    assert not exists("cases_frames.py::a_case_that_nobody_wrote")
    assert not exists("client.py::_a_check_that_nobody_wrote")
    assert not exists("cases_nothing.py::get")


def test_cases_say_the_sections_of_the_lines_that_name_them() -> None:
    missing = [
        (section, name)
        for section, _, shown_by in ROWS
        for name in names(shown_by)
        if name.startswith("cases_") and f"9113 §{section}" not in SECTIONS[name]
    ]
    assert missing == []
