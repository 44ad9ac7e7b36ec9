"""The Python of docs/client.md runs, with the server that it talks of."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.served import serving

from interlock.client import ClientTimeouts, Pool
from interlock.client.connecting import RESPONSE_LIMITS

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


def test_defaults_are_what_they_are_said_to_be() -> None:
    assert f"heads of {RESPONSE_LIMITS.head // 1024} KiB, {RESPONSE_LIMITS.fields} fields" in TEXT
    times = ClientTimeouts()
    assert times.connect == times.read == times.write == times.pool
    assert f"are {times.read:g} seconds each unless told" in TEXT
    assert f"({times.body_rate:g} unless told)" in TEXT
    parameters = inspect.signature(Pool).parameters
    rows = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| (\d+|none) \|", TEXT, re.MULTILINE)}
    assert len(rows) == 6
    for name, default in rows.items():
        assert parameters[name].default == (None if default == "none" else int(default))


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 9
