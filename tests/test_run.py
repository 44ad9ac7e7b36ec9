"""``tools/run.py``, the script behind README's two commands: what it says where it cannot do its work."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "tools" / "run.py"


@pytest.fixture
def run() -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("run", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_can_parse_it() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("arguments", [[], ["tests"], ["--demo"]])
def test_unknown_commands(run: ModuleType, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run.main(arguments) == 2
    complaint = f"run.py: there is no command {arguments[0]!r}\n" if arguments else ""
    assert capsys.readouterr().err == f"{complaint}usage: run.py demo|test [ARGUMENT ...]\n"


def test_help(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--help"]) == 0
    assert "usage: run.py demo|test" in capsys.readouterr().out


def test_an_old_python_is_told(
    run: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    assert run.main(["demo"]) == 1
    assert "Python 3.11 or newer is needed, and this is 3.9" in capsys.readouterr().err


def test_a_missing_module_is_named(
    run: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert run.main(["demo"]) == 1
    message = capsys.readouterr().err
    assert "without the module ensurepip" in message
    assert "apt-get install python3-venv" in message


def test_a_step_that_fails_is_named(run: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(run.CannotRun, match=r"counting failed, with exit code 3 .*: .* -c raise SystemExit\(3\)"):
        run.step("counting", [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(run.CannotRun, match=r"counting failed: .*nowhere"):
        run.step("counting", ["/nowhere/counting"])


def test_what_is_installed_is_known_by_a_digest(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tools").mkdir()
    for name in ("pyproject.toml", "setup.py", "tools/run.py"):
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(run, "ROOT", str(tmp_path))
    before = run.fingerprint()
    assert run.fingerprint() == before
    (tmp_path / "pyproject.toml").write_text("2")
    assert run.fingerprint() != before
