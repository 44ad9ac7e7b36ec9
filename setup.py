"""How a wheel is built: the modules that pyproject.toml lists under [tool.interlock.mypyc] are compiled.

Everything else about the project stands in pyproject.toml.  The rules:

- A wheel is compiled where mypyc and a C compiler are there.  Where one is missing, or compiling fails, the same files
  are installed to run interpreted, with a notice on stderr and the same results.
- ``INTERLOCK_PURE=1`` asks for interpreted files.  ``INTERLOCK_PURE=0`` insists on compiled ones: then what would have
  been a notice is an error.
- An editable install is never compiled: an extension beside a file that somebody edits is a trap.  Extensions that are
  found in the source tree when one is made are removed.
- Nothing is written into the source tree: all that is built on the way stands in a temporary directory.
"""

import atexit
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from typing import NoReturn

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "src" / "interlock"
WISH = os.environ.get("INTERLOCK_PURE", "")
COMMANDS = frozenset(sys.argv[1:])


def modules() -> list[str]:
    """The files to compile, relative to the project, as [tool.interlock.mypyc] chooses them."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["interlock"]["mypyc"]
    chosen = {path for pattern in table["compile"] for path in PACKAGE.glob(pattern)}
    chosen -= {path for pattern in table["interpret"] for path in PACKAGE.glob(pattern)}
    return sorted(path.relative_to(ROOT).as_posix() for path in chosen)


def cannot(reason: str) -> None:
    """Say that nothing is compiled, and why; raise where compiled files were insisted on."""
    if WISH == "0":
        raise SystemExit(f"interlock: INTERLOCK_PURE=0, but {reason}")
    print(f"interlock: {reason}; installing the same files to run interpreted", file=sys.stderr)


def compiler_missing(scratch: Path) -> str:
    """Why no extension can be built here, or "" where one can: a compiler and Python's headers are needed."""
    source = scratch / "probe.c"
    source.write_text("#include <Python.h>\nint probe(void) { return PY_VERSION_HEX != 0; }\n", encoding="utf-8")
    if sys.platform == "win32":
        return ""  # found out when it is used: where MSVC stands only setuptools knows
    command = [*(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split(), "-c", str(source)]
    command += [f"-I{sysconfig.get_path('include')}", "-o", str(scratch / "probe.o")]
    try:
        run = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        return f"there is no C compiler ({error})"
    return "" if run.returncode == 0 else f"the C compiler does not find Python's headers ({' '.join(command)})"


def extensions(scratch: Path) -> list[Extension]:
    """The extensions of a wheel; none where nothing is to be compiled or nothing can be."""
    if WISH == "1" or not COMMANDS & {"bdist_wheel", "build", "build_ext", "install"}:
        return []
    try:
        from mypyc.build import mypycify
    except ImportError as error:
        return cannot(f"mypyc is missing ({error})") or []
    if reason := compiler_missing(scratch):
        return cannot(reason) or []
    os.chdir(ROOT)
    try:
        return mypycify(
            ["--config-file=pyproject.toml", f"--cache-dir={os.devnull}", *modules()],
            opt_level="3",
            debug_level="0",
            target_dir=str(scratch),
            group_name="interlock",
        )
    except SystemExit as error:
        return cannot(f"mypyc refuses the sources ({error.code})") or []


class BuildExt(build_ext):
    """Builds all extensions or none: a module that is compiled needs the others it knows to be."""

    def finalize_options(self) -> None:
        """Refuse to build into the source tree."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        if self.inplace and self.extensions:
            self.refuse()

    def refuse(self) -> NoReturn:
        """Say why extensions are not built in place."""
        raise SystemExit("interlock: extensions are built into wheels only: python -m build, or pip install .")

    def run(self) -> None:
        """Build; where that fails go on without extensions."""
        try:
            super().run()
        except (BaseError, CCompilerError, OSError) as error:
            cannot(f"compiling failed ({error})")
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []
            self.distribution.ext_modules = []
            wheel = self.distribution.get_command_obj("bdist_wheel", create=False)
            if wheel is not None:
                wheel.root_is_pure = True


def main() -> None:
    """Call setuptools."""
    scratch = Path(tempfile.mkdtemp(prefix="interlock-build-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    if COMMANDS & {"editable_wheel", "develop"}:
        for stale in [*PACKAGE.rglob("*.so"), *PACKAGE.rglob("*.pyd"), *(ROOT / "src").glob("*__mypyc*")]:
            print(f"interlock: removing {stale}: an editable install is never compiled", file=sys.stderr)
            stale.unlink()
    options = {"build": {"build_base": str(scratch)}}
    if "sdist" not in COMMANDS:
        options["egg_info"] = {"egg_base": str(scratch)}
    setup(ext_modules=extensions(scratch), cmdclass={"build_ext": BuildExt}, options=options)


main()
