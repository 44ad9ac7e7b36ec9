"""The Python of docs/client.md runs, with the server that it talks of."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.served import serving

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = [
    (TEXT.count("\n", 0, block.start()) + 2, block[1])
    for block in re.finditer(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    with serving(tmp_path_factory.mktemp("page"), "interlock.server.demo:app") as server:
        yield server.address


@pytest.mark.parametrize(("line", "text"), BLOCKS, ids=lambda value: str(value) if isinstance(value, int) else "")
def test_python_runs(line: int, text: str, address: tuple[str, int]) -> None:
    host, port = address
    text = text.replace("http://127.0.0.1:8000", f"http://{host}:{port}").replace(
        '"127.0.0.1", 8000', f'"{host}", {port}'
    )
    exec(compile("\n" * (line - 1) + text, "docs/client.md", "exec"), {"__name__": "snippet"})


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 9
