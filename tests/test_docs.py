"""The pages of docs/machines are what the tables give."""

import re
import runpy
from pathlib import Path

import pytest

from interlock.cli.machines import PROTOCOLS

DOCS = Path(__file__).parents[1] / "docs"
PAGES: dict[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_fresh(name: str) -> None:
    path = DOCS / "machines" / name
    assert path.exists(), "run python docs/generate.py"
    assert path.read_text(encoding="utf-8") == PAGES[name], "run python docs/generate.py"


def test_there_are_no_other_pages() -> None:
    assert {path.name for path in (DOCS / "machines").iterdir()} == set(PAGES)


def test_every_protocol_and_every_machine_has_a_page() -> None:
    machines = {f"{name}.{m.name}.md" for name, (system, _) in PROTOCOLS.items() for m in system.machines}
    assert set(PAGES) == {f"{name}.md" for name in PROTOCOLS} | machines | {"ws.endings.md"}


@pytest.mark.parametrize("name", PAGES)
def test_links_between_the_pages_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGES[name]):
        assert target in PAGES
