#!/usr/bin/env python3
"""Run interlock from a checkout: ``run.py demo`` serves the built-in demo, ``run.py test`` runs the whole test suite.

Both make what they need first: a virtual environment in .venv, with interlock in it as an editable install.  That is
done again when pyproject.toml or setup.py has changed.  Further arguments go to ``interlock serve`` or to pytest.

Only the standard library is used, and only what a Python that is too old can still parse, so that it can be told so.
"""

import hashlib
import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
SCRIPTS = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin")
PYTHON = os.path.join(SCRIPTS, "python.exe" if os.name == "nt" else "python")

#: What is installed for each command, as arguments of ``pip install``.
INSTALL = {
    "demo": ["--editable", ROOT],
    "test": ["--editable", ROOT, "--group", f"{os.path.join(ROOT, 'pyproject.toml')}:dev"],
}
#: What is run for each command.
COMMAND = {
    "demo": [os.path.join(SCRIPTS, "interlock"), "serve"],
    "test": [PYTHON, "-m", "pytest"],
}


class CannotRun(Exception):
    """The reason, for people."""


def main(arguments):
    """Install what is missing, then become the command.  Returns an exit code where that was not possible."""
    if len(arguments) < 1 or arguments[0] not in COMMAND:
        asked_for_help = arguments[:1] in (["-h"], ["--help"])
        if asked_for_help:
            print(__doc__)
        elif arguments:
            print(f"run.py: there is no command {arguments[0]!r}", file=sys.stderr)
        print("usage: run.py demo|test [ARGUMENT ...]", file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    command, further = arguments[0], arguments[1:]
    try:
        check_python()
        prepare(command)
    except CannotRun as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    os.chdir(ROOT)
    return become(COMMAND[command] + further)


def check_python():
    """Raise :class:`CannotRun` unless this Python is new enough and can make a virtual environment."""
    if sys.version_info < OLDEST:
        raise CannotRun(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and this is {sys.version_info[0]}.{sys.version_info[1]}"
            f" ({sys.executable}); run this file with a newer one"
        )
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            raise CannotRun(
                f"this Python ({sys.executable}) comes without the module {module}; "
                "on Debian and Ubuntu `apt-get install python3-venv` adds it"
            ) from None


def prepare(command):
    """Make the virtual environment and install into it, unless that was done for what is installed now."""
    stamp = os.path.join(VENV, "installed-for-" + command)
    wanted = fingerprint()
    if read(stamp) == wanted and os.path.exists(PYTHON):
        return
    print(f"run.py: installing into {VENV} (once)", file=sys.stderr, flush=True)
    if not runs([PYTHON, "-m", "pip", "--version"]) or read(os.path.join(VENV, "made-for")) != made_for():
        shutil.rmtree(VENV, ignore_errors=True)
        step("making a virtual environment", [sys.executable, "-m", "venv", VENV])
        write(os.path.join(VENV, "made-for"), made_for())
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    step("updating pip", pip + ["--upgrade", "pip>=25.1", "setuptools>=77,<90"])
    step("installing interlock", pip + ["--no-build-isolation"] + INSTALL[command])
    write(stamp, wanted)


def fingerprint():
    """What an install depends on, as a digest: if it changes, install again."""
    digest = hashlib.sha256(made_for().encode())
    for name in ("pyproject.toml", "setup.py", os.path.join("tools", "run.py")):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def made_for():
    """The place and the Python that a virtual environment is good for: it cannot be moved to others."""
    return f"{VENV}\n{os.path.realpath(sys.base_prefix)}\n{sys.version}"


def step(what, command):
    """Run ``command``; raise :class:`CannotRun` where it fails.  Its output is shown as it comes."""
    try:
        code = subprocess.call(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise CannotRun(f"{what} failed: {error}") from None
    if code != 0:
        raise CannotRun(f"{what} failed, with exit code {code} (the reason stands above): {' '.join(command)}")


def runs(command):
    """Whether ``command`` can be run, silently."""
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def become(command):
    """Replace this process by ``command``, so that signals reach it; where that is not possible, wait for it."""
    if os.name != "nt":
        os.execv(command[0], command)
    return subprocess.call(command)


def read(path):
    """The text of a small file; None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def write(path, text):
    """Make ``path`` a file with this text."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
