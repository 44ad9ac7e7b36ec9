"""The modules that are to be compiled are, where a compiled wheel is tested; and nowhere else.

``INTERLOCK_EXPECT_COMPILED=1`` says that a compiled wheel is tested.  Which modules that means stands in pyproject.toml,
where setup.py reads it too.
"""

import importlib
import os
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

import interlock

COMPILED = os.environ.get("INTERLOCK_EXPECT_COMPILED") == "1"
PACKAGE = Path(interlock.__file__).parent
CHOICE = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "interlock"
]["mypyc"]


def matching(patterns: list[str]) -> set[Path]:
    """The modules of the package that one of the patterns names, as paths below it."""
    return {path.relative_to(PACKAGE) for pattern in patterns for path in PACKAGE.glob(pattern)}


def imported_from(path: Path) -> str:
    """The file that the module which ``path`` is the source of was really loaded from."""
    name = ".".join(("interlock", *path.with_suffix("").parts)).removesuffix(".__init__")
    return importlib.import_module(name).__file__ or ""


INTERPRETED = sorted(matching(CHOICE["interpret"]))
CHOSEN = sorted(matching(CHOICE["compile"]) - set(INTERPRETED))


def test_modules_are_chosen() -> None:
    assert {path.parts[0] for path in CHOSEN} >= {"machine", "http", "h1"}
    for pattern in [*CHOICE["compile"], *CHOICE["interpret"]]:
        assert matching([pattern]), f"{pattern} in [tool.interlock.mypyc] names no module"


@pytest.mark.parametrize("path", CHOSEN, ids=str)
def test_compiled_where_expected_and_only_there(path: Path) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX") if COMPILED else ".py"
    assert imported_from(path).endswith(suffix)


@pytest.mark.parametrize("path", INTERPRETED, ids=str)
def test_never_compiled(path: Path) -> None:
    assert imported_from(path).endswith(".py")


def test_no_extension_stands_where_none_is_expected() -> None:
    found = [path for suffix in ("*.so", "*.pyd") for path in PACKAGE.rglob(suffix)]
    assert len(found) == (len(CHOSEN) if COMPILED else 0)


def test_an_installed_wheel_is_what_is_tested() -> None:
    if not COMPILED:
        pytest.skip("only where a compiled wheel is tested (INTERLOCK_EXPECT_COMPILED=1)")
    assert Path(sys.prefix) in PACKAGE.parents
    assert PACKAGE.parent.name == "site-packages"


def test_sources_and_the_typing_marker_are_installed() -> None:
    assert (PACKAGE / "py.typed").is_file()
    for path in CHOSEN:
        assert (PACKAGE / path).is_file()
