"""docs/explain.md and README.md: what they show is what the command says, and the table has the keys that there are."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.explain_recorded import recorded
from tests.h1.vectors import octets_of

from interlock.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(
    r"^```console\n\$ printf '([^']+)' \| interlock (explain[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
EXAMPLES = BLOCK.findall(PAGE) + BLOCK.findall(README)


def test_all_examples_were_found() -> None:
    assert len(BLOCK.findall(PAGE)) == PAGE.count("```console") == 3
    assert len(BLOCK.findall(README)) == README.count("| interlock explain\n") == 1


@pytest.mark.parametrize(("octets", "command", "shown"), EXAMPLES)
def test_what_is_shown_is_what_it_says(octets: str, command: str, shown: str) -> None:
    result = CliRunner().invoke(main, command.split(), input=octets_of(octets))
    assert result.stdout == shown


def test_the_keys_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE, re.MULTILINE)
    _, told = recorded(octets=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x00")
    for kind in ("step", "problem"):
        item = next(item for item in told if item["type"] == kind)
        assert set(item) == {key for key, where in rows if where in {"both", kind}}
    moves = next(item["moves"] for item in told if item["moves"])
    assert all(f"`{key}`" in PAGE for key in moves[0])


def test_every_option_that_is_named_is_one() -> None:
    options = {option for parameter in main.commands["explain"].params for option in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]*", PAGE)) <= options
    assert {"--listen", "--to", "--client", "--server", "--format"} <= set(re.findall(r"--[a-z][a-z-]*", PAGE))


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).exists()
