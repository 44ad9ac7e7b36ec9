"""All that a server can be told, in one frozen object.

What a command line, an environment or a program gives is validated here, once, so that whoever reads an option need
not doubt it.  What only the system can say (whether a port is free, a file readable) is found out at the start.
Complaints name options as the command line does.
"""

import os
from dataclasses import dataclass, field
from typing import Final

from interlock.http.limits import Limits, Timeouts
from interlock.server.sockets import Address, UnixPath, parse_bind
from interlock.ws.deflate import PerMessageDeflate

__all__ = [
    "ACCESS_LOG_FORMATS",
    "CLIENT_CERTS",
    "DEFAULT_BACKLOG",
    "DEFAULT_BIND",
    "DEFAULT_HTTP",
    "DEFAULT_THREADS",
    "HTTP_VERSIONS",
    "INTERFACES",
    "LIFESPANS",
    "LOG_LEVELS",
    "LOOPS",
    "MOST_BACKLOG",
    "MOST_LIMITS",
    "MOST_THREADS",
    "MOST_WORKERS",
    "WEBSOCKETS",
    "Config",
]

INTERFACES: Final = ("auto", "wsgi", "asgi")
LOOPS: Final = ("auto", "uvloop", "asyncio")
LIFESPANS: Final = ("auto", "on", "off")
#: WebSocket: with compression where the client offers it, without, or not at all.
WEBSOCKETS: Final = ("deflate", "plain", "off")
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
ACCESS_LOG_FORMATS: Final = ("combined", "json")
#: Whether a client has to show a certificate.
CLIENT_CERTS: Final = ("none", "optional", "required")
#: The major versions of HTTP that can be spoken together, in any order.
HTTP_VERSIONS: Final = (("1",), ("2",), ("1", "2"))
DEFAULT_HTTP: Final = ("1", "2")
DEFAULT_BIND: Final = "127.0.0.1:8000"
DEFAULT_BACKLOG: Final = 2048
#: Threads of one worker for WSGI: enough to wait for a few databases at once, few enough to share one interpreter lock.
DEFAULT_THREADS: Final = 8
#: Beyond these a digit too many was typed; the system would be brought down, or refuse with less to say.
MOST_WORKERS: Final = 1024
MOST_THREADS: Final = 4096
MOST_BACKLOG: Final = 65535
#: What a limit can be at most where HTTP/2 tells it to the client: a setting has 32 bits, a window 31 (RFC 9113 §6.5.1,
#: §6.9.1).
MOST_LIMITS: Final = {
    "streams": 0xFFFFFFFF,
    "head": 0xFFFFFFFF,
    "header_table": 0xFFFFFFFF,
    "window": 0x7FFFFFFF,
    "window_ceiling": 0x7FFFFFFF,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The options of a server.  Raises :class:`ValueError` for a value that cannot be meant."""

    #: The application, as ``module:attribute``; None: the demo.
    app: str | None = None
    #: What goes to the head of ``sys.path``; "": the current directory.
    app_dir: str = ""
    #: Whether ``app`` names a callable that makes the application.
    factory: bool = False
    #: One of :data:`INTERFACES`.
    interface: str = "auto"
    #: Where to listen: see :mod:`interlock.server.sockets`.
    bind: tuple[str, ...] = (DEFAULT_BIND,)
    #: Connections that wait to be accepted, for each socket.
    backlog: int = DEFAULT_BACKLOG
    #: The permissions of unix sockets; None: as the umask says.
    unix_mode: int | None = None
    #: Processes that share the sockets.
    workers: int = 1
    #: Threads of each worker that run a WSGI application.
    threads: int = DEFAULT_THREADS
    #: The major versions of HTTP that are spoken: one of :data:`HTTP_VERSIONS`, in any order.
    http: tuple[str, ...] = DEFAULT_HTTP
    #: One of :data:`WEBSOCKETS`, for ASGI applications.
    websocket: str = "deflate"
    #: How messages are compressed where ``websocket`` says that they are.
    deflate: PerMessageDeflate = field(default_factory=PerMessageDeflate)
    #: A PEM file with the certificate chain; None: no TLS.
    tls_cert: str | None = None
    #: A PEM file with the private key; None: it is in ``tls_cert`` too.
    tls_key: str | None = None
    #: The private key's password.  It is never shown.
    tls_key_password: str | None = field(default=None, repr=False)
    #: A PEM file with the authorities whose certificates clients may show; None: no client is asked for one.
    tls_client_ca: str | None = None
    #: One of :data:`CLIENT_CERTS`; None: "required" with ``tls_client_ca``, "none" without.
    tls_client_cert: str | None = None
    #: Whether to make a certificate for development, instead of ``tls_cert``.
    tls_dev: bool = False
    #: The file that a line for each exchange goes to; "-": standard output; None: no access log.
    access_log: str | None = None
    #: One of :data:`ACCESS_LOG_FORMATS`.
    access_log_format: str = "combined"
    #: One of :data:`LOG_LEVELS`.
    log_level: str = "info"
    #: Where the application is mounted: "" or a path that begins with a slash and ends without one.
    root_path: str = ""
    #: One of :data:`LOOPS`.
    loop: str = "auto"
    #: One of :data:`LIFESPANS`.
    lifespan: str = "auto"
    #: Whether responses get a Server field where the application sets none.
    server_header: bool = True
    #: Whether responses get a Date field where the application sets none.
    date_header: bool = True
    #: Whether octets from 0x80 may stand in a request target (a leniency: see ``Connections``).
    obs_text_in_target: bool = False
    limits: Limits = field(default_factory=Limits)
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("interface", self.interface, INTERFACES),
            ("loop", self.loop, LOOPS),
            ("lifespan", self.lifespan, LIFESPANS),
            ("log_level", self.log_level, LOG_LEVELS),
            ("websocket", self.websocket, WEBSOCKETS),
            ("access_log_format", self.access_log_format, ACCESS_LOG_FORMATS),
        ):
            if value not in choices:
                raise ValueError(f"{_option(name)} is one of {', '.join(choices)}, not {value!r}")
        for name, number, most in (
            ("backlog", self.backlog, MOST_BACKLOG),
            ("workers", self.workers, MOST_WORKERS),
            ("threads", self.threads, MOST_THREADS),
        ):
            if not 1 <= number <= most:
                raise ValueError(f"{_option(name)} must be at least 1 and at most {most}: {number}")
        if self.workers > 1 and not hasattr(os, "fork"):
            raise ValueError("more than one worker needs a system that can fork")
        if self.unix_mode is not None and not 0 <= self.unix_mode <= 0o777:
            raise ValueError(f"--unix-mode is three octal digits: {self.unix_mode:o}")
        if not self.bind:
            raise ValueError("there is no address to listen on")
        for text in self.bind:
            parse_bind(text)
        if len(set(self.bind)) < len(self.bind):
            raise ValueError("an address to listen on is given twice")
        if self.unix_mode is not None and not any(isinstance(address, UnixPath) for address in self.addresses):
            raise ValueError("--unix-mode without a unix socket among the addresses to listen on")
        if self.tls_key is not None and self.tls_cert is None:
            raise ValueError("--tls-key without --tls-cert: a private key needs its certificate")
        if tuple(sorted(self.http)) not in HTTP_VERSIONS:
            raise ValueError(f"--http is 1, 2 or 1,2, not {','.join(self.http)!r}")
        if self.tls_dev and self.tls_cert is not None:
            raise ValueError("--tls-dev makes a certificate of its own, and does not go with --tls-cert")
        if self.tls_client_cert is not None and self.tls_client_cert not in CLIENT_CERTS:
            raise ValueError(f"--tls-client-cert is one of {', '.join(CLIENT_CERTS)}, not {self.tls_client_cert!r}")
        if self.tls_client_ca is None and self.client_cert != "none":
            raise ValueError(
                "--tls-client-cert needs --tls-client-ca, a file with the authorities that issue those certificates"
            )
        if self.tls_client_ca is not None and not self.tls:
            raise ValueError("--tls-client-ca without TLS: certificates of clients go with --tls-cert or --tls-dev")
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise ValueError(f"--root-path begins with a slash and ends without one: not {self.root_path!r}")
        self._check_limits()

    def _check_limits(self) -> None:
        limits = self.limits
        for name, most in MOST_LIMITS.items():
            given = getattr(limits, name)
            if given > most:
                raise ValueError(f"{_option('limit_' + name)} must be at most {most}: {given}")
        if limits.window_ceiling < limits.window:
            raise ValueError(
                f"--limit-window-ceiling ({limits.window_ceiling}) is less than --limit-window ({limits.window}), "
                "from which windows grow"
            )

    @property
    def addresses(self) -> list[Address]:
        """What :attr:`bind` names."""
        return [parse_bind(text) for text in self.bind]

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.tls_dev or self.tls_cert is not None

    @property
    def client_cert(self) -> str:
        """:attr:`tls_client_cert`, with what it is where it is not given."""
        return self.tls_client_cert or ("none" if self.tls_client_ca is None else "required")

    @property
    def scheme(self) -> str:
        """``https`` with a certificate, ``http`` without."""
        return "https" if self.tls else "http"


def _option(name: str) -> str:
    """What a field is called on the command line."""
    return f"--{name.replace('_', '-')}"
