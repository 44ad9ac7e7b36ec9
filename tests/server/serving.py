"""A server in a process of its own, as a test starts it, asks it and stops it.

Nothing looks again and again, and nothing sleeps.  The server prints lines; its applications report through a pipe whose
number is in ``IL_NEWS``, and wait for the end of their standard input, which is the same for all its processes; the
kernel tells when one of these ends.
"""

import contextlib
import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import interlock

#: How long anything may take, in seconds, before a test fails.
PATIENCE = 30

#: Applications: what a test needs is chosen by the path of the request.
APPLICATIONS = """
import asyncio, os, select

HERE = os.path.dirname(os.path.abspath(__file__))

def touch(name):
    open(os.path.join(HERE, name), "a").close()

def report(what):
    os.write(int(os.environ["IL_NEWS"]), what.encode() + b"\\n")

def is_released():
    return bool(select.select([0], [], [], 0)[0])

async def release():
    loop = asyncio.get_running_loop()
    released = loop.create_future()
    loop.add_reader(0, released.set_result, None)
    try:
        await released
    finally:
        loop.remove_reader(0)

report(f"worker {os.getpid()}")

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        touch("shut-down-after-release" if is_released() else "shut-down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = str(os.getpid()).encode()
    if scope["path"] == "/slow":
        report("slow")
        await release()
    if scope["path"].endswith("/root"):
        body = scope["root_path"].encode()
    if scope["path"] == "/scheme":
        body = scope["scheme"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

def wsgi(environ, start_response):
    body = str(os.getpid()).encode()
    if environ["PATH_INFO"] == "/slow":
        report("slow")
        os.read(0, 1)
    if environ["PATH_INFO"] == "/threads":
        body = str(environ["wsgi.multithread"]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def cannot_start(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})

async def never_starts(scope, receive, send):
    report("starting")
    await asyncio.Event().wait()

def create_app():
    return wsgi
"""


class Server:
    """``interlock serve`` with these arguments.  Its output is read as it comes."""

    def __init__(self, directory, *arguments, bind="127.0.0.1:0", env=None, pass_fds=(), **options):
        self.directory = Path(directory)
        (self.directory / "il_apps.py").write_text(APPLICATIONS)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        source = str(Path(interlock.__file__).parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        self._seen = set()
        #: What was printed on standard error and output, and what applications reported.
        self.lines = []
        self.out = []
        self.news = []
        #: Notified of every line of these, and of the end of every process.
        self._changed = threading.Condition()
        news, news_end = os.pipe()
        environment["IL_NEWS"] = str(news_end)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "interlock", "serve", *(("--bind", bind) if bind else ()), *map(str, arguments)],
            cwd=directory,
            env=environment | (env or {}),
            pass_fds=[news_end, *pass_fds],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        os.close(news_end)
        self._news = open(news)
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.out), (self.process.stderr, self.lines), (self._news, self.news))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            with self._changed:
                lines.append(line)
                self._changed.notify_all()
            if line.startswith("worker ") and stream is self._news:
                threading.Thread(target=self._watch, args=(int(line.split()[1]),), daemon=True).start()
        with self._changed:
            self._changed.notify_all()

    def _watch(self, pid):
        with contextlib.suppress(ProcessLookupError, AttributeError):  # it has ended; there is no such thing here
            descriptor = os.pidfd_open(pid)
            try:
                select.select([descriptor], [], [])
            finally:
                os.close(descriptor)
        with self._changed:
            self._changed.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in {*self.workers(), *self._seen}:
            if alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.release()
        self.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        self._news.close()

    @property
    def errors(self):
        """What it has printed on standard error."""
        return "".join(self.lines)

    def until(self, condition, what):
        """Wait until ``condition()`` is true, and give what it gave.

        It is asked again when a line was printed, when an application has reported, and when a process has ended.
        """
        with self._changed:
            found = self._changed.wait_for(condition, PATIENCE)
        assert found, f"{what} did not happen within {PATIENCE} s: {self.errors}"
        return found

    def line(self, pattern):
        """Wait until it prints a line that has ``pattern``, and give the match."""

        def found():
            match = re.search(pattern, self.errors, re.MULTILINE)
            assert match or any(reader.is_alive() for reader in self._readers[:2]), self.errors
            return match

        return self.until(found, f"{pattern!r} in the output")

    def ready(self):
        """Wait until it serves, and give this server."""
        self.line("serving .* on ")
        return self

    @property
    def address(self):
        """Where it listens: (host, port)."""
        return "127.0.0.1", int(self.line(r"serving .* on https?://\S*:(\d+)$")[1])

    def release(self):
        """Let the applications go on that wait for it."""
        self.process.stdin.close()

    def reported(self, what):
        """Wait until an application has reported this."""
        self.until(lambda: f"{what}\n" in self.news, f"{what!r} from the application")

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

    def until_refused(self):
        """Wait until it accepts no connection.

        A connection that is accepted before that is closed by the server, since it has nothing to do.
        """
        with contextlib.suppress(ConnectionRefusedError):
            while True:
                with (
                    contextlib.suppress(ConnectionResetError),  # also while it connects
                    socket.create_connection(self.address, PATIENCE) as client,
                ):
                    client.recv(1)

    def workers(self):
        """The process ids of its workers that run."""
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except FileNotFoundError:
            return []
        pids = [pid for pid in map(int, children.split()) if alive(pid)]
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
