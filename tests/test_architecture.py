"""The layers of ARCHITECTURE.md, decided from the imports of every file, and the checker itself on a tree that is bad.

All imports count, also those in a function or for types only: a layer that is only reached late is reached.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import interlock

PACKAGE = Path(interlock.__file__).parent

#: The row of each package and module right below ``interlock``.
ROWS = {
    "machine": 1,
    "http": 2,
    "h1": 3,
    "h2": 3,
    "ws": 3,
    "message": 3,
    "net": 4,
    "server": 5,
    "client": 5,
    "httpx": 6,
    "cli": 6,
    "compat": 6,
    "__main__": 7,  # python -m interlock: only calls the command
}
#: What may import a package of its own row: a message is what the engine for HTTP/1.1 reads and writes.
BESIDE = {("message", "h1")}
#: Modules that any row may import: they import nothing themselves.
FREE = {"interlock.http.sentinels"}
#: Rows up to this one touch no socket, no clock and no thread.
SANS_IO = 3
SANS_IO_FORBIDS = set(
    """
    anyio asyncio concurrent datetime multiprocessing sched select selectors signal socket socketserver ssl thread
    threading time trio uvloop _socket _ssl _thread
    """.split()
)
#: The exceptions: what a module may use nevertheless, as (module, attributes of it).  These read no clock.
SANS_IO_ALLOWS = {"interlock.http.dates": ("time", {"gmtime", "struct_time"})}
MOST_LINES = 600


class Module:
    """One file: its dotted name, its syntax tree, and the modules that it imports, with the line of each import."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.is_package = path.name == "__init__.py"
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text, str(path))

    @property
    def part(self) -> str:
        """The package or module right below ``interlock`` that this belongs to; "" for ``interlock`` itself."""
        return part_of(self.name)

    def imports(self, known: set[str]) -> Iterator[tuple[str, int]]:
        """What is imported: modules of ``known`` where names are from them, else as written."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name, node.lineno
            elif isinstance(node, ast.ImportFrom):
                base = self.absolute(node)
                for alias in node.names:
                    full = f"{base}.{alias.name}"
                    yield (full if full in known else base), node.lineno

    def absolute(self, node: ast.ImportFrom) -> str:
        """The module that ``from ... import`` names, with its leading dots resolved."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        parts = parts[: len(parts) - node.level + (1 if self.is_package else 0)]
        return ".".join([*parts, *([node.module] if node.module else [])])


def part_of(name: str) -> str:
    """``h1`` of ``interlock.h1.parse``."""
    return [*name.split("."), ""][1]


def read(package: Path) -> dict[str, Module]:
    """Every module of the package at ``package``, by name."""
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        name = ".".join(("interlock", *parts)).removesuffix(".__init__")
        modules[name] = Module(name, path)
    return modules


def violations(package: Path) -> list[str]:
    """Every rule that a file of ``package`` breaks, as sentences."""
    modules = read(package)
    known = set(modules)
    edges = {
        module.name: {(to, line) for to, line in module.imports(known) if to.split(".")[0] == "interlock"}
        for module in modules.values()
    }
    found = []
    for module in modules.values():
        found += layer_violations(module, edges[module.name])
        found += sans_io_violations(module, known)
        if not ast.get_docstring(module.tree):
            found.append(f"{module.name} has no docstring")
        lines = module.text.count("\n")
        if lines > MOST_LINES:
            found.append(f"{module.name} has {lines} lines, more than {MOST_LINES}: it holds two things")
    found += [f"import circle: {' -> '.join(circle)}" for circle in circles(edges)]
    return found


def layer_violations(module: Module, edges: set[tuple[str, int]]) -> Iterator[str]:
    """Imports of a row that is not above the module's, or of another package in the same row."""
    if module.part and module.part not in ROWS:
        yield f"{module.name} is in no row: add it to ROWS and to ARCHITECTURE.md"
        return
    own = ROWS.get(module.part, 0)
    for to, line in sorted(edges):
        if to in FREE or part_of(to) == module.part or (module.part, part_of(to)) in BESIDE:
            continue
        row = ROWS.get(part_of(to), 0 if to == "interlock" else 99)
        if row >= own:
            yield f"{module.name}, line {line}: row {own} may not import {to}, row {row}"


def sans_io_violations(module: Module, known: set[str]) -> Iterator[str]:
    """Imports of what reaches a socket, a clock or a thread, below row 4."""
    if ROWS.get(module.part, 0) > SANS_IO:
        return
    allowed, attributes = SANS_IO_ALLOWS.get(module.name, ("", set()))
    for to, line in module.imports(known):
        if to.split(".")[0] in SANS_IO_FORBIDS and to != allowed:
            yield f"{module.name}, line {line}: rows 1 to {SANS_IO} may not import {to}"
    if not allowed:
        return
    for node in ast.walk(module.tree):
        used = set()
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == allowed:
            used = {node.attr}
        elif isinstance(node, ast.ImportFrom) and node.module == allowed:
            used = {alias.name for alias in node.names}
        for attribute in sorted(used - attributes):
            yield f"{module.name}, line {node.lineno}: may not use {allowed}.{attribute}"


def circles(edges: dict[str, set[tuple[str, int]]]) -> list[list[str]]:
    """One circle through each module that stands in one and was not in an earlier one."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
            return
        if name in done:
            return
        for to, _ in sorted(edges.get(name, ())):
            visit(to, [*way, name])
        done.add(name)

    for name in sorted(edges):
        visit(name, [])
    return found


def test_layers_hold() -> None:
    found = violations(PACKAGE)
    assert not found, "\n".join(found)


# -- the checker itself


def tree(root: Path, files: dict[str, str]) -> Path:
    """A package of these files, each with a docstring unless it says "bare"; packages get their ``__init__.py``."""
    package = root / "interlock"
    for name, text in {"__init__.py": "", "http/__init__.py": "", "h1/__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.removeprefix("bare") if text.startswith("bare") else f'"""A file."""\n{text}\n')
    return package


BAD = {
    "a row above": ({"machine/x.py": "import interlock.http"}, "row 1 may not import interlock.http, row 2"),
    "a row above, from": ({"http/x.py": "from interlock.h1 import y"}, "row 2 may not import interlock.h1, row 3"),
    "a row above, by its submodule": (
        {"http/x.py": "from interlock.h1 import y", "h1/y.py": ""},
        "row 2 may not import interlock.h1.y, row 3",
    ),
    "a row above, relative": ({"http/x.py": "from ..h1 import y"}, "row 2 may not import interlock.h1, row 3"),
    "a row above, relative, in a package": (
        {"http/__init__.py": "from ..net import y"},
        "row 2 may not import interlock.net, row 4",
    ),
    "a neighbour, the other way round": ({"h1/x.py": "import interlock.message"}, "row 3 may not import"),
    "a row above, in a function": (
        {"http/x.py": "def f():\n    import interlock.net.y"},
        "row 2 may not import interlock.net.y, row 4",
    ),
    "another protocol": ({"ws/x.py": "import interlock.h1"}, "row 3 may not import interlock.h1, row 3"),
    "a package of the same row": (
        {"client/x.py": "import interlock.server"},
        "row 5 may not import interlock.server, row 5",
    ),
    "the root imports": ({"__init__.py": "import interlock.http"}, "row 0 may not import interlock.http, row 2"),
    "in no row": ({"extra/x.py": ""}, "interlock.extra.x is in no row"),
    "a socket": ({"h1/x.py": "import socket"}, "rows 1 to 3 may not import socket"),
    "a clock": ({"h1/x.py": "from time import monotonic"}, "rows 1 to 3 may not import time"),
    "a clock in dates": ({"http/dates.py": "import time\nNOW = time.time()"}, "may not use time.time"),
    "a clock in dates, from": ({"http/dates.py": "from time import time"}, "may not use time.time"),
    "a loop": ({"h1/x.py": "from asyncio.events import get_event_loop"}, "rows 1 to 3 may not import asyncio.events"),
    "no docstring": ({"h1/x.py": "bareX = 1"}, "interlock.h1.x has no docstring"),
    "empty": ({"h1/x.py": "bare"}, "interlock.h1.x has no docstring"),
    "too long": ({"h1/x.py": "\n" * MOST_LINES}, f"interlock.h1.x has {MOST_LINES + 2} lines"),
    "a circle": (
        {"h1/x.py": "from interlock.h1 import y", "h1/y.py": "from interlock.h1.x import Z"},
        "import circle: interlock.h1.x -> interlock.h1.y -> interlock.h1.x",
    ),
    "a circle through the face": (
        {"h1/__init__.py": "from interlock.h1.x import Z", "h1/x.py": "from interlock.h1 import Y"},
        "import circle: interlock.h1 -> interlock.h1.x -> interlock.h1",
    ),
    "itself": ({"h1/x.py": "import interlock.h1.x"}, "import circle: interlock.h1.x -> interlock.h1.x"),
}


@pytest.mark.parametrize(("files", "expected"), BAD.values(), ids=BAD.keys())
def test_the_checker_sees(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    found = violations(tree(tmp_path, files))
    assert len(found) == 1
    assert expected in found[0]


def test_the_checker_lets_pass_what_is_right(tmp_path: Path) -> None:
    files = {
        "machine/x.py": "from interlock.http.sentinels import DONE\nfrom interlock.http import sentinels",
        "http/sentinels.py": "",
        "http/dates.py": "import time\nAT = time.gmtime(0)",
        "h1/__init__.py": "from interlock.h1.x import Z",
        "h1/x.py": "from interlock.http.dates import AT\nfrom interlock.machine import x",
        "net/x.py": "import asyncio, time\nfrom interlock import h1\nfrom . import y",
        "net/y.py": "from interlock.http import dates",
        "cli/x.py": "import interlock.server, interlock.net.x",
        "server/__init__.py": "",
        "__main__.py": "from interlock import cli",
        "cli/__init__.py": "",
    }
    assert violations(tree(tmp_path, files)) == []
