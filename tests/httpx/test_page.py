"""The Python of docs/httpx.md runs, and its table of differences is that of the tests."""

import re
from pathlib import Path

import pytest
from tests.httpx.differences import DIFFERENCES
from tests.httpx.site import open_site

TEXT = (Path(__file__).parents[2] / "docs" / "httpx.md").read_text(encoding="utf-8")
BLOCKS = [
    (TEXT.count("\n", 0, block.start()) + 2, block[1])
    for block in re.finditer(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]


@pytest.fixture(scope="module")
def site():
    with open_site() as site:
        yield site


@pytest.mark.parametrize(("line", "text"), BLOCKS, ids=lambda value: str(value) if isinstance(value, int) else "")
def test_python_runs(line, text, site):
    for shown, real in (
        ("http://127.0.0.1:8000", site.http),
        ("https://127.0.0.1:8443", site.h2),
        ("authority.pem", site.authority_file),
    ):
        text = text.replace(shown, real)
    exec(compile("\n" * (line - 1) + text, "docs/httpx.md", "exec"), {"__name__": "snippet"})


def test_the_examples_send_what_they_say(site):
    [(line, text)] = [block for block in BLOCKS if "X-Sum" in block[1]]
    site.take()
    test_python_runs(line, text, site)
    [trailers] = [request.trailers for request in site.take()["plain"] if request.method == b"POST"]
    assert [name for name, _ in trailers] == [b"X-Sum"]


def test_the_table_of_differences_is_complete():
    table = TEXT.partition("| what | with httpx's own transports | why |")[2].partition("\n\n")[0]
    assert [row.split(" | ")[0].removeprefix("| ") for row in table.splitlines()[2:]] == list(DIFFERENCES)
