"""Several workers behind the same sockets: they are started, replaced when they die, and stopped together.

The supervisor opens the sockets and forks; each worker accepts from all of them.  It loads no application and runs no
event loop, so that nothing that an application does can stop it.

It also reads the certificate for TLS, so that each worker that it starts gets one that could be used.  At SIGHUP it
tries it again, and tells the workers if it is good.

A worker says through a pipe that it is ready, or why it cannot start.  If one of the first cannot, the server ends.  A
worker that dies later is replaced, at once the first time and then ever more slowly; when replacements cannot start
:data:`BOOT_FAILURES` times on end, the server drains and ends.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn

from interlock.server import worker
from interlock.server.config import Config
from interlock.server.errors import StartError
from interlock.server.loading import Loaded
from interlock.server.sockets import Listener, open_listeners
from interlock.server.tls import server_context
from interlock.server.tls_dev import DevelopmentCertificate

__all__ = ["Backoff", "Supervisor", "complain", "serve"]

#: The exit status of a worker that cannot start.
CANNOT_START: Final = 3
#: So many workers on end may fail to start after the server had been up.
BOOT_FAILURES: Final = 5
#: What a worker has beyond its timeouts before it is killed, in seconds.
GRACE: Final = 5.0


def serve(config: Config) -> int:
    """Serve until a signal says stop; gives the exit status.  Raises :class:`StartError`."""
    with contextlib.ExitStack() as at_end:
        listeners = open_listeners(config.addresses, backlog=config.backlog, unix_mode=config.unix_mode)
        for listener in listeners:
            at_end.callback(listener.close)
        tls = None
        if config.tls_dev:
            development = DevelopmentCertificate(config)
            at_end.callback(development.remove)
            tls = development.context
            say(f"TLS for development: clients trust it by {development.authority}")
        elif config.tls_cert is not None:
            tls = server_context(config)
        try:
            if config.workers > 1:
                return Supervisor(config, listeners, tls).run()
            return worker.run(
                config,
                listeners,
                lambda loaded: announce(_described(loaded), listeners, config.scheme),
                tls=tls,
                on_leave=at_end.close,
            )
        except worker.Stopped as stopped:
            return 128 + stopped.signum


def announce(application: str, listeners: Sequence[Listener], scheme: str) -> None:
    """Say on standard error what is served, and where."""
    for listener in listeners:
        say(f"serving {application} on {listener.url(scheme)}")


def say(message: str) -> None:
    """Print a line for the operator on standard error."""
    sys.stderr.write(f"interlock: {message}\n")
    sys.stderr.flush()


class Backoff:
    """How long to wait before the next start, in seconds: 0, then 0.5, 1, 2 ... 30.

    After a worker that lived for half a minute it begins again.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def after(self, lived: float) -> float:
        """The wait after a worker that lived for so many seconds."""
        delay = 0.0 if lived >= 30.0 else self._next
        self._next = min(30.0, max(0.5, delay * 2))
        return delay


class _Slot:
    """The place of one worker: the one that runs, or when the next is to be started."""

    def __init__(self) -> None:
        self.backoff: Final = Backoff()
        #: The worker's process id; 0: none runs.
        self.pid = 0
        #: The pipe that it reports through; -1 when it has been closed.
        self.pipe = -1
        self.said = b""
        self.ready = False
        self.started = 0.0
        self.start_at = 0.0


class Supervisor:
    """The parent of ``config.workers`` processes that serve on ``listeners``."""

    def __init__(self, config: Config, listeners: Sequence[Listener], tls: ssl.SSLContext | None = None) -> None:
        self._config = config
        self._listeners = listeners
        self._tls = tls
        self._slots = [_Slot() for _ in range(config.workers)]
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._lifeline, self._lifeline_end = os.pipe()
        self._signals: list[int] = []
        #: How many signals to stop have been obeyed.
        self._obeyed = 0
        #: Whether all workers have been ready once.
        self._up = False
        self._boot_failures = 0
        #: The exit status, once the server is stopping.
        self._status: int | None = None
        self._kill_at: float | None = None

    def run(self) -> int:
        """Serve until a signal says stop, or no worker can start; gives the exit status."""
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        obeyed = [signal.SIGTERM, signal.SIGINT]
        if self._reloads or worker.hangs_up():
            obeyed.append(signal.SIGHUP)
        for signum in obeyed:
            signal.signal(signum, lambda signum, _: self._signals.append(signum))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # it only has to wake the selector
        while self._status is None or any(slot.pid for slot in self._slots):
            if self._status is None:
                self._start_due()
            self._wait()
            self._reap()
            self._obey()
        signal.set_wakeup_fd(-1)
        self._selector.close()
        return self._status

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if not slot.pid and slot.start_at <= now:
                self._start(slot)

    def _start(self, slot: _Slot) -> None:
        pipe, report = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal for the child must not be taken by the handlers that it inherits.
        signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGQUIT, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            ignored = (signal.SIGINT, signal.SIGHUP)
            for signum in signals:
                signal.signal(signum, signal.SIG_IGN if signum in ignored else signal.SIG_DFL)
            if self._reloads:
                # One that comes before the worker can obey it waits until then: its context may be the old one.
                signal.signal(signal.SIGHUP, signal.SIG_DFL)
                signals.discard(signal.SIGHUP)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            os.close(pipe)
            self._work(report)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        os.close(report)
        os.set_blocking(pipe, False)
        slot.pid, slot.pipe, slot.said, slot.ready = pid, pipe, b"", False
        slot.started = time.monotonic()
        self._selector.register(pipe, selectors.EVENT_READ, slot)

    def _work(self, report: int) -> NoReturn:
        """Be a worker: in the child."""
        self._selector.close()
        self._wake.close()
        self._waker.close()
        os.close(self._lifeline_end)
        for slot in self._slots:
            if slot.pipe >= 0:
                os.close(slot.pipe)

        def tell(**what: str) -> None:
            with os.fdopen(report, "wb") as pipe:
                pipe.write(json.dumps(what).encode())

        try:
            status = worker.run(
                self._config,
                self._listeners,
                lambda loaded: tell(ready=_described(loaded)),
                tls=self._tls,
                supervised=True,
                lifeline=self._lifeline,
            )
        except StartError as error:
            tell(failed=error.report())
            status = CANNOT_START
        raise SystemExit(status)

    def _wait(self) -> None:
        """Wait until something was said, a signal came, or it is time to start or kill somebody."""
        due = [slot.start_at for slot in self._slots if not slot.pid] if self._status is None else []
        if self._kill_at is not None:
            due.append(self._kill_at)
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, _Slot):
                self._listen_to(key.data)
            else:
                self._wake.recv(4096)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            say("killing workers that do not end")
            self._send(signal.SIGKILL)
            self._kill_at = None

    def _listen_to(self, slot: _Slot) -> None:
        """Take what a worker says; the end of it makes it a report."""
        try:
            said = os.read(slot.pipe, 65536)
        except BlockingIOError:
            said = b""  # the worker is gone, but a process that it had started holds the pipe
        slot.said += said
        if said:
            return
        self._selector.unregister(slot.pipe)
        os.close(slot.pipe)
        slot.pipe = -1
        ready = _reported(slot.said, "ready")
        if not ready:
            return
        slot.ready = True
        self._boot_failures = 0
        if not self._up and all(slot.ready for slot in self._slots):
            self._up = True
            announce(ready, self._listeners, self._config.scheme)

    def _reap(self) -> None:
        for slot in self._slots:
            if slot.pid:
                pid, status = os.waitpid(slot.pid, os.WNOHANG)
                if pid:
                    while slot.pipe >= 0:
                        self._listen_to(slot)
                    self._died(slot, os.waitstatus_to_exitcode(status))

    def _died(self, slot: _Slot, code: int) -> None:
        """See to it that a worker that is gone is replaced; or stop, if none can be."""
        pid = slot.pid
        slot.pid = 0
        if self._status is not None:
            return
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        now = time.monotonic()
        slot.start_at = now + slot.backoff.after(now - slot.started)
        if slot.ready:
            say(f"worker {pid} {how}: starting another")
            return
        self._boot_failures += 1
        report = _reported(slot.said, "failed")
        if (not self._up and code >= 0) or self._boot_failures >= BOOT_FAILURES:
            complain(report or f"worker {pid} {how} before it was ready")
            self._stop(1)
        else:
            say(f"worker {pid} {how} before it was ready: starting another")
            if report:
                complain(report)

    @property
    def _reloads(self) -> bool:
        """Whether there is a certificate that may be read again."""
        return self._config.tls_cert is not None

    def _obey(self) -> None:
        """Do what signals ask: read the certificate again; or stop, and then stop at once."""
        while self._signals:
            signum = self._signals.pop(0)
            if signum == signal.SIGHUP and self._reloads:
                self._reload()
                continue
            if signum == signal.SIGHUP and self._status is not None:
                continue  # it comes once or twice, as the shell likes, and never forces
            self._obeyed += 1
            if self._obeyed == 1 and self._status is None:
                self._stop(0 if self._up else 128 + signum)
            else:
                self._status = 128 + signum
                self._send(signal.SIGQUIT)
                self._kill_at = time.monotonic() + GRACE

    def _reload(self) -> None:
        """Take the certificate for the workers to come, and have the others read it; unless it is no good."""
        if self._status is not None:
            return
        try:
            self._tls = server_context(self._config)
        except StartError as error:
            say(f"the certificate stays as it was: {error}")
        else:
            self._send(signal.SIGHUP)

    def _stop(self, status: int) -> None:
        """Accept no more, and have the workers drain."""
        self._status = status
        for listener in self._listeners:
            listener.close()
        self._send(signal.SIGTERM)
        timeout = self._config.timeouts.shutdown
        if timeout:
            # For what runs, and as long again for the application's shutdown.
            self._kill_at = time.monotonic() + 2 * timeout + GRACE

    def _send(self, signum: int) -> None:
        for slot in self._slots:
            if slot.pid:
                os.kill(slot.pid, signum)


def _described(loaded: Loaded) -> str:
    return f"{loaded.name} ({loaded.interface})"


def _reported(said: bytes, what: str) -> str:
    """What a worker reported under this key; "" if nothing, or if it was killed before it had said it all."""
    try:
        report: dict[str, str] = json.loads(said)
    except ValueError:
        return ""
    return report.get(what, "")


def complain(report: str) -> None:
    """Print why the server cannot start: the last line is the message, above it there may be a traceback."""
    above, newline, message = report.rpartition("\n")
    sys.stderr.write(above + newline)
    say(f"error: {message}")
