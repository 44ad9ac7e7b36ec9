"""One process that serves: its application, its event loop, its connections, and their orderly end.

A worker is told to stop by a signal.  It then accepts no more connections, lets each answer what it was asked, cuts
those that take longer than the shutdown timeout, and takes its leave of the application.

By another signal it is told to read its certificate again.  It then accepts with a new TLS context, while connections
that are there keep theirs.
"""

import asyncio
import importlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from interlock.net import deadlines
from interlock.net.asyncio import Connections
from interlock.net.deadlines import Wait
from interlock.net.exchange import HandlerFactory
from interlock.server.access_log import AccessLog
from interlock.server.asgi import ASGIApplication
from interlock.server.asgi_websocket import WebSocketSettings
from interlock.server.config import Config
from interlock.server.context import ServerContext
from interlock.server.errors import StartError
from interlock.server.lifespan import Lifespan, LifespanFailure
from interlock.server.loading import ASGI, Loaded, load
from interlock.server.sockets import Listener
from interlock.server.threads import ThreadPool
from interlock.server.tls import server_context
from interlock.server.wsgi import WSGIApplication

__all__ = ["DEMO", "Stopped", "run"]

#: What is served where no application is named.
DEMO: Final = "interlock.server.demo:app"
#: How long something that was cut gets to notice it, in seconds.
CUT_GRACE: Final = 1.0

_log: Final = logging.getLogger("interlock.error")


class Stopped(KeyboardInterrupt):
    """A signal came before anything was served.  An application that catches Exception does not catch it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Signals:
    """What signals ask of this process: first to stop, then to stop at once; or to read its certificate again.

    A process on its own takes SIGTERM and SIGINT; a second one forces it, a third ends it where it stands.  A worker
    under a supervisor takes SIGTERM, as often as it comes (a service manager may send one to each process), and SIGQUIT
    to be forced; SIGINT is ignored there, since a terminal sends that to both.

    SIGHUP asks for the certificate where there is one in a file.  Elsewhere it stops a process on its own, since its
    terminal is gone, and is ignored by a worker under a supervisor.
    """

    def __init__(self, supervised: bool, *, reloads: bool = False) -> None:
        self.stop: Final = asyncio.Event()
        self.force: Final = asyncio.Event()
        self.reload: Final = asyncio.Event()
        #: The last signal to stop, or 0.
        self.signum = 0
        self._supervised = supervised
        self._loop: asyncio.AbstractEventLoop | None = None
        if not supervised:
            signal.signal(signal.SIGINT, self._received)
            signal.signal(signal.SIGTERM, self._received)
        if reloads and hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, self._reload)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))  # which the supervisor blocks until now
        elif not supervised and hangs_up():
            signal.signal(signal.SIGHUP, self._hung_up)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on signals set the events, on this loop; until now they ended the process or raised Stopped."""
        self._loop = loop
        if self._supervised:
            signal.signal(signal.SIGTERM, self._received)
            signal.signal(signal.SIGQUIT, self._received)

    def _reload(self, *_: object) -> None:
        if self._loop is None:
            self.reload.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.reload.set)

    def _hung_up(self, signum: int, frame: object) -> None:
        if not self.signum:  # it comes once or twice, as the shell likes, and never forces
            self._received(signum, frame)

    def _received(self, signum: int, _: object) -> None:
        again = self.signum != 0
        self.signum = signum
        if self._loop is None:
            raise Stopped(signum)
        if self._loop.is_closed():
            return
        if self.force.is_set():
            os._exit(128 + signum)
        self._loop.call_soon_threadsafe(self.stop.set)
        if signum == signal.SIGQUIT if self._supervised else again:
            self._loop.call_soon_threadsafe(self.force.set)


def hangs_up() -> bool:
    """Whether SIGHUP is to be obeyed: ``nohup`` has it ignored."""
    return hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN


class _Bridge(Protocol):
    """An application behind its interface, from startup to shutdown.

    ``cut``: whether some of its work was cut.  ``deadline``: the loop's time at which it is left.
    """

    handler_factory: HandlerFactory
    #: Whether it takes requests for a WebSocket.
    websocket: bool

    async def startup(self) -> None: ...

    async def shutdown(self, cut: bool, deadline: float) -> None: ...


class _WSGIBridge:
    websocket = False

    def __init__(self, loaded: Loaded, context: ServerContext, config: Config) -> None:
        self._pool = ThreadPool(config.threads)
        self.handler_factory: HandlerFactory = WSGIApplication(loaded.app, context, self._pool)

    async def startup(self) -> None:
        pass

    async def shutdown(self, cut: bool, deadline: float) -> None:
        # A thread whose connection was cut has had its time: it only gets to see that, if it looks.
        await asyncio.to_thread(self._pool.shutdown, CUT_GRACE if cut else _seconds(deadline))


class _ASGIBridge:
    def __init__(self, loaded: Loaded, context: ServerContext, config: Config) -> None:
        self._lifespan = Lifespan(loaded.app, context, mode=config.lifespan)
        self._state = self._lifespan.state if config.lifespan != "off" else None
        self._show_states = config.app is None
        self._settings = None
        if config.websocket != "off":
            deflate = config.deflate if config.websocket == "deflate" else None
            self._settings = WebSocketSettings(config.limits, config.timeouts, deflate)
        self.websocket = self._settings is not None
        self._loaded = loaded
        self._context = context

    async def startup(self) -> None:
        try:
            await self._lifespan.startup()
        except LifespanFailure as failure:
            # Frameworks send a traceback as the reason: its last line is the message.
            above, newline, reason = str(failure).strip().rpartition("\n")
            raise StartError(f"the startup of {self._loaded.name} failed: {reason}", above + newline) from None
        self._application = ASGIApplication(
            self._loaded.app,
            self._context,
            state=self._state,
            show_states=self._show_states,
            websocket=self._settings,
        )
        self.handler_factory: HandlerFactory = self._application

    async def shutdown(self, cut: bool, deadline: float) -> None:
        await self._application.shutdown()
        await self._lifespan.shutdown()


def run(
    config: Config,
    listeners: Sequence[Listener],
    on_ready: Callable[[Loaded], None],
    *,
    tls: ssl.SSLContext | None = None,
    supervised: bool = False,
    lifeline: int | None = None,
    on_leave: Callable[[], None] = lambda: None,
) -> int:
    """Serve on ``listeners`` until told to stop; gives the exit status.

    ``on_ready`` is called when the first connection can be answered.  ``tls``: the context to begin with.  ``lifeline``:
    a descriptor whose end of file says that the supervisor is gone, and that this worker has to stop.  ``on_leave`` is
    called where the process ends here, without a return.  Raises :class:`StartError`, and :class:`Stopped` where a
    signal came before anything was served.
    """
    signals = Signals(supervised, reloads=config.tls_cert is not None)
    _configure_logging(config.log_level)
    access_log = AccessLog(config.access_log, config.access_log_format) if config.access_log is not None else None
    loop_factory = _loop_factory(config.loop)
    loaded = load(config.app or DEMO, app_dir=config.app_dir, factory=config.factory, interface=config.interface)
    if loaded.interface != ASGI and config.lifespan == "on":
        raise StartError(f"--lifespan on: {loaded.name} is a WSGI application, and these have no lifespan")
    _log.disabled = False  # which an application's logging.config.dictConfig does to loggers that it does not name
    context = ServerContext(
        root_path=config.root_path,
        server_header=config.server_header,
        date_header=config.date_header,
        multiprocess=config.workers > 1,
    )
    bridge: _Bridge = (_ASGIBridge if loaded.interface == ASGI else _WSGIBridge)(loaded, context, config)
    worker = _Worker(config, context, bridge, signals, tls, access_log)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        status = runner.run(worker.serve(listeners, lambda: on_ready(loaded), lifeline))
        if worker.cut:
            # Some thread may still run what was cut: nobody waits for it.
            on_leave()
            _leave(status)
    if access_log is not None:
        access_log.close()
    return status


def _leave(status: int) -> None:
    """End this process here and now, with what was logged or printed."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class _Worker:
    """What one run of the event loop has to hand."""

    def __init__(
        self,
        config: Config,
        context: ServerContext,
        bridge: _Bridge,
        signals: Signals,
        tls: ssl.SSLContext | None,
        access_log: AccessLog | None,
    ) -> None:
        self._config = config
        self._context = context
        self._bridge = bridge
        self._signals = signals
        self._tls = tls
        self._access_log = access_log
        #: What is waited for while the server stops.
        self._wait = Wait(config.timeouts)
        #: Whether something that ran was cut.
        self.cut = False

    async def serve(self, listeners: Sequence[Listener], on_ready: Callable[[], None], lifeline: int | None) -> int:
        """Start the application, serve until told to stop, and stop; gives the exit status."""
        loop = asyncio.get_running_loop()
        signals = self._signals
        signals.attach(loop)
        if lifeline is not None:
            loop.add_reader(lifeline, self._supervisor_gone, loop, lifeline)
        if not await _unless(signals.stop, self._bridge.startup()):
            return 128 + signals.signum
        connections = Connections(
            self._bridge.handler_factory,
            limits=self._config.limits,
            timeouts=self._config.timeouts,
            on_exchange_end=self._access_log.write if self._access_log is not None else None,
            add_defaults=self._context.add_defaults,
            obs_text_in_target=self._config.obs_text_in_target,
            versions=frozenset(self._config.http),
            websocket=self._bridge.websocket,
        )
        servers = await self._accept(connections, listeners)
        on_ready()
        while not await _unless(signals.reload, signals.stop.wait()):
            signals.reload.clear()
            servers = await self._accept_anew(connections, listeners, servers)
        await _stop_accepting(servers)
        for listener in listeners:
            listener.close()
        await self._drain(connections)
        self._wait.begin(deadlines.SHUTDOWN, loop.time())
        deadline = self._wait.deadline()
        if not await _unless(signals.force, self._bridge.shutdown(self.cut, deadline), deadline):
            self.cut = True
            _log.warning("the application was left before it had shut down")
        return 128 + signals.signum if signals.force.is_set() else 0

    def _supervisor_gone(self, loop: asyncio.AbstractEventLoop, lifeline: int) -> None:
        loop.remove_reader(lifeline)
        self._signals.stop.set()

    async def _accept_anew(
        self, connections: Connections, listeners: Sequence[Listener], servers: list[asyncio.Server]
    ) -> list[asyncio.Server]:
        """Read the certificate again, and accept with it from now on; ``servers`` go on where that fails."""
        before = self._tls
        try:
            self._tls = server_context(self._config)
            accepting = await self._accept(connections, listeners)
        except (StartError, OSError) as error:
            self._tls = before
            _log.error("the certificate stays as it was: %s", error)
            return servers
        await _stop_accepting(servers)
        _log.info("the certificate was read again: new connections get it")
        return accepting

    async def _accept(self, connections: Connections, listeners: Sequence[Listener]) -> list[asyncio.Server]:
        """Accept from all ``listeners``, whose sockets stay open when these servers are closed."""
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        try:
            for listener in listeners:
                sock = listener.sock.dup()
                try:
                    servers.append(await self._listen(loop, connections, sock))
                except BaseException:
                    sock.close()
                    raise
        except BaseException:
            await _stop_accepting(servers)
            raise
        return servers

    async def _listen(
        self, loop: asyncio.AbstractEventLoop, connections: Connections, sock: socket.socket
    ) -> asyncio.Server:
        options: dict[str, Any] = {"sock": sock, "backlog": self._config.backlog}
        if self._tls is not None:
            options["ssl"] = self._tls
            # None would be the loop's own default, not for ever.
            options["ssl_handshake_timeout"] = self._config.timeouts.tls_handshake or 1e9
            # What a client has for its close_notify, once it got ours.
            options["ssl_shutdown_timeout"] = self._config.timeouts.linger or 1e9
        if sock.family != getattr(socket, "AF_UNIX", None):
            return await loop.create_server(connections.protocol, **options)
        if sys.version_info >= (3, 13) and isinstance(loop, asyncio.BaseEventLoop):
            options["cleanup_socket"] = False  # its path is the listener's, and other workers may listen there
        return await loop.create_unix_server(connections.protocol, **options)

    async def _drain(self, connections: Connections) -> None:
        """Let connections answer what they were asked, and cut those that are forced or take too long."""
        loop = asyncio.get_running_loop()
        connections.drain()
        self._wait.begin(deadlines.SHUTDOWN, loop.time())
        if await _unless(self._signals.force, connections.wait_closed(), self._wait.deadline()):
            return
        self.cut = True
        when = "at a second signal" if self._signals.force.is_set() else f"after {self._config.timeouts.shutdown:g} s"
        _log.warning("connections cut before they were done, %s: %d", when, len(connections))
        connections.abort()
        await _unless(self._signals.force, connections.wait_closed(), loop.time() + CUT_GRACE)


async def _stop_accepting(servers: Sequence[asyncio.Server]) -> None:
    """Close ``servers``; what they have accepted is served.

    asyncio accepts a connection in one turn of its loop and makes its transport in the next: closed in between, a
    server leaves a connection that nobody knows of, open for ever.
    """
    loop = asyncio.get_running_loop()
    for server in servers:
        for sock in server.sockets:
            loop.remove_reader(sock.fileno())
    await asyncio.sleep(0)
    for server in servers:
        server.close()


async def _unless(event: asyncio.Event, work: Coroutine[Any, Any, object], deadline: float = deadlines.NEVER) -> bool:
    """Whether ``work`` was completed before ``event`` was set and before the loop's time was ``deadline``.

    What was not completed is cancelled.  Raises what ``work`` raises.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(event.wait())
    await asyncio.wait((task, watch), timeout=_seconds(deadline), return_when=asyncio.FIRST_COMPLETED)
    watch.cancel()
    if not task.done():
        task.cancel()
        return False
    task.result()
    return True


def _seconds(deadline: float) -> float | None:
    """How long it is until the loop's time is ``deadline``; None: for ever."""
    return None if deadline == deadlines.NEVER else max(0.0, deadline - asyncio.get_running_loop().time())


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop; None: asyncio's own."""
    if name == "asyncio":
        return None
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        if name == "auto":
            return None
        raise StartError("--loop uvloop: it is not installed (pip install uvloop)") from None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _configure_logging(level: str) -> None:
    """What interlock logs goes to standard error; what the application does with its own logs is its affair."""
    logger = logging.getLogger("interlock")
    logger.setLevel(level.upper())
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s [%(process)d] %(levelname)s %(message)s"))
        logger.addHandler(handler)
