"""The Python of README.md, CONTRIBUTING.md and pages of docs/ runs, and what they name is there."""

import logging
import re
from pathlib import Path

import pytest

from interlock import h1

PAGES = ("README.md", "CONTRIBUTING.md", "docs/connection.md", "docs/message.md")
ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def snippets(language: str) -> list[tuple[str, int, str]]:
    """Every block of ``language`` on the pages: (page, line, text)."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in FENCE.finditer(text):
            if block[1] == language:
                found.append((page, text.count("\n", 0, block.start()) + 2, block[2]))
    return found


@pytest.mark.parametrize(("page", "line", "text"), snippets("python"), ids=lambda value: str(value)[:20].strip())
def test_python_runs(page: str, line: int, text: str, caplog: pytest.LogCaptureFixture) -> None:
    if not hasattr(h1, "Connection"):
        pytest.skip("there is no engine yet")
    code = compile("\n" * (line - 1) + text, page, "exec")
    exec(code, {"__name__": "snippet"})
    # What asyncio finds left at the end it tells the log, and so whoever tries this.
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_readme_has_python() -> None:
    assert any(page == "README.md" for page, _, _ in snippets("python"))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / page).parent.joinpath(target).exists() or target.startswith("src/"), (
            f"{page} links to {target}, which is not there"
        )
