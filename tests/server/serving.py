"""A server in a process of its own, as a test starts it, asks it and stops it."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import interlock

#: How long anything may take, in seconds, before a test fails.
PATIENCE = 30

#: Applications: what a test needs is chosen by the path of the request.
APPLICATIONS = """
import asyncio, os, time

HERE = os.path.dirname(os.path.abspath(__file__))

def there(name):
    return os.path.exists(os.path.join(HERE, name))

def touch(name):
    open(os.path.join(HERE, name), "a").close()

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        touch("shut-down-after-release" if there("release") else "shut-down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = str(os.getpid()).encode()
    if scope["path"] == "/slow":
        touch("slow")
        while not there("release"):
            await asyncio.sleep(0.01)
    if scope["path"].endswith("/root"):
        body = scope["root_path"].encode()
    if scope["path"] == "/scheme":
        body = scope["scheme"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

def wsgi(environ, start_response):
    body = str(os.getpid()).encode()
    if environ["PATH_INFO"] == "/slow":
        touch("slow")
        while not there("release"):
            time.sleep(0.01)
    if environ["PATH_INFO"] == "/threads":
        body = str(environ["wsgi.multithread"]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def cannot_start(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})

async def never_starts(scope, receive, send):
    touch("starting")
    await asyncio.Event().wait()

def create_app():
    return wsgi
"""


def until(condition, what="it"):
    """Wait until ``condition()`` is true, and give what it gave."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE} s"
        time.sleep(0.01)
    return found


class Server:
    """``interlock serve`` with these arguments.  Its output is read as it comes."""

    def __init__(self, directory, *arguments, bind="127.0.0.1:0", env=None, **options):
        self.directory = Path(directory)
        (self.directory / "il_apps.py").write_text(APPLICATIONS)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        source = str(Path(interlock.__file__).parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self._seen = set()
        self.lines = []
        self.out = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "serve", *(("--bind", bind) if bind else ()), *map(str, arguments)],
            cwd=directory,
            env=environment | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self._readers = [
            threading.Thread(target=lines.extend, args=(stream,), daemon=True)
            for stream, lines in ((self.process.stdout, self.out), (self.process.stderr, self.lines))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in {*self.workers(), *self._seen}:
            if alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    @property
    def errors(self):
        """What it has printed on standard error."""
        return "".join(self.lines)

    def line(self, pattern):
        """Wait until it prints a line that has ``pattern``, and give the match."""

        def found():
            if match := re.search(pattern, self.errors, re.MULTILINE):
                return match
            assert self.process.poll() is None or any(r.is_alive() for r in self._readers), self.errors
            return None

        return until(found, f"{pattern!r} in the output")

    def ready(self):
        """Wait until it serves, and give this server."""
        self.line("serving .* on ")
        return self

    @property
    def address(self):
        """Where it listens: (host, port)."""
        return "127.0.0.1", int(self.line(r"serving .* on https?://\S*:(\d+)$")[1])

    def touch(self, name):
        (self.directory / name).touch()

    def touched(self, name):
        """Wait until the application has touched a file of this name."""
        until((self.directory / name).exists, f"touching {name}")

    def get(self, path="/"):
        """The response to a GET, and its content."""
        with contextlib.closing(http.client.HTTPConnection(*self.address, timeout=PATIENCE)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response, response.read().decode()

    def refused(self):
        """Whether it accepts no connection."""
        with socket.socket() as client:
            return client.connect_ex(self.address) != 0

    def workers(self):
        """The process ids of its workers."""
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except FileNotFoundError:
            return []
        pids = [int(pid) for pid in children.split()]
        self._seen.update(pids)
        return pids

    def stop(self, signum=signal.SIGTERM):
        """Send it a signal, and give its exit status."""
        self.process.send_signal(signum)
        return self.wait()

    def wait(self):
        """The exit status, when it has ended by itself and all that it printed was read."""
        status = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return status


def alive(pid):
    """Whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
