"""Every test and every vector that THREAT_MODEL.md names exists, and every row of it names one."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "THREAT_MODEL.md").read_text(encoding="utf-8")
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| threat |")]


def names(row: str) -> list[str]:
    """What stands in the last column of a row."""
    return re.findall(r"`([^`]+)`", row.rsplit(" | ", maxsplit=1)[-1])


def exists(name: str) -> bool:
    """Whether a test, ``file::test``, or a vector, ``file#heading``, is there."""
    file, separator, wanted = re.fullmatch(r"([^:#]+)(::|#)(.+)", name).groups()  # type: ignore[union-attr]
    path = TESTS / file if separator == "::" else TESTS / "vectors" / file
    pattern = rf"(?:async )?def {wanted}\(" if separator == "::" else rf"## {re.escape(wanted)}\n"
    return path.is_file() and re.search("^" + pattern, path.read_text(encoding="utf-8"), re.MULTILINE) is not None


def test_every_row_names_what_shows_it() -> None:
    assert len(ROWS) > 30
    assert [row for row in ROWS if not names(row)] == []


def test_what_is_named_exists() -> None:
    assert [name for row in ROWS for name in names(row) if not exists(name)] == []


def test_what_does_not_exist_would_be_seen() -> None:
    assert not exists("net/test_driver.py::test_that_nobody_wrote")
    assert not exists("h1/limits.md#A heading that nobody wrote")
    assert not exists("net/test_nothing.py::test_octet_by_octet")
