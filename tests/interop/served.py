"""``interlock serve`` as a test runs it: really started, and at its end it has to have been no trouble."""

import contextlib
import re
import signal
from pathlib import Path

from tests.server.serving import Server

HERE = Path(__file__).parent


@contextlib.contextmanager
def serving(directory, application, *arguments, complaints="", signum=signal.SIGTERM, **options):
    """Serve ``application`` of ``interop_apps.py``; at the end, stop it: it ends with exit status 0 and has said nothing.

    ``complaints``: a pattern of the lines on standard error that a test provokes.
    """
    if "--app-dir" not in arguments:
        arguments = ["--app-dir", HERE, *arguments]
    application = application if ":" in application else f"interop_apps:{application}"
    with Server(directory, application, *arguments, **options) as server:
        yield server.ready()
        assert server.stop(signum) == 0, server.errors
        expected = r"interlock: serving .* on " + (f"|{complaints}" if complaints else "")
        unexpected = [line for line in server.lines if not re.search(expected, line)]
        assert not unexpected, "".join(unexpected)


def memory(pid, what="VmHWM"):
    """What a process has in memory, in octets: ``VmHWM`` is the most that it ever had, ``VmRSS`` what it has now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(what)
