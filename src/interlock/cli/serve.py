"""``interlock serve``: the options of a server, and how it starts and ends."""

import difflib
import os
import sys
from collections.abc import Mapping
from typing import Any, Final

import click
from click.core import ParameterSource

from interlock.cli.options import (
    bind,
    deflate_from,
    limits_from,
    mode,
    timeouts_from,
    versions,
    with_deflate,
    with_limits,
    with_timeouts,
)
from interlock.server import config as server
from interlock.server.config import Config
from interlock.server.errors import StartError
from interlock.server.supervisor import complain, say
from interlock.server.supervisor import serve as run

__all__ = ["serve"]

_EPILOG: Final = """\
A SIZE is a number of octets; 64k and 16M are 1024 and 1024 * 1024 times as much. A timeout of 0 waits for ever,
and a RATE of 0 asks for none.

Each option can be set by an environment variable too: --tls-cert by INTERLOCK_TLS_CERT, APPLICATION by INTERLOCK_APP,
several of --bind by INTERLOCK_BIND with spaces between them. The password of an encrypted private key is only taken
from INTERLOCK_TLS_KEY_PASSWORD. The command line goes before the environment.

SIGTERM or SIGINT: accept no more, finish what runs, for at most --timeout-shutdown, and end. A second one: end at once.
SIGHUP: read the files of --tls-cert, --tls-key and --tls-client-ca again, for new connections; without --tls-cert: end
as at SIGTERM.

\b
Exit status:
  0    it has served, and ended as it was told
  1    it could not start, or its workers could not be replaced
  2    the command line, or the environment, was wrong
  3    of a worker process: it could not start
  128+ the number of the signal that ended it before it served, or that forced its end
"""

_CONTEXT: Final = {"auto_envvar_prefix": "INTERLOCK", "show_default": True, "max_content_width": 110}


class _Serve(click.Command):
    """Tells of a bad value which variable it comes from: it stands nowhere on the command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            name = error.param.name if error.param is not None else None
            if name is not None and ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT:
                told = f"{error.message} It comes from the environment: INTERLOCK_{name.upper()}."
                raise click.BadParameter(told, ctx, error.param, error.param_hint) from None
            raise


@click.command(cls=_Serve, context_settings=_CONTEXT, epilog=_EPILOG)
@click.argument("app", metavar="[APPLICATION]", required=False, envvar="INTERLOCK_APP")
@click.option(
    "--bind",
    "-b",
    type=bind,
    multiple=True,
    default=[server.DEFAULT_BIND],
    metavar="ADDRESS",
    help="Where to listen: host:port, host, :port (every IPv4 address), [ipv6]:port, unix:path or fd://number. "
    "[::]:port takes IPv4 too; port 0 is one that the system chooses. Can be given several times.",
)
@click.option(
    "--workers",
    "-w",
    type=click.IntRange(1, server.MOST_WORKERS),
    default=1,
    help="Processes that share the addresses.",
)
@click.option(
    "--threads",
    "-t",
    type=click.IntRange(1, server.MOST_THREADS),
    default=server.DEFAULT_THREADS,
    help="Threads of each worker that run a WSGI application.",
)
@click.option("--interface", type=click.Choice(server.INTERFACES), default="auto", help="What the application speaks.")
@click.option("--factory", is_flag=True, show_default=False, help="Call what is named: it makes the application.")
@click.option(
    "--app-dir", default="", metavar="DIRECTORY", show_default="the current one", help="Where to look for the module."
)
@click.option("--root-path", default="", metavar="PATH", show_default=False, help="Where the application is mounted.")
@click.option("--lifespan", type=click.Choice(server.LIFESPANS), default="auto", help="ASGI's startup and shutdown.")
@click.option(
    "--http",
    type=versions,
    default=",".join(server.DEFAULT_HTTP),
    metavar=f"[{'|'.join(map(','.join, server.HTTP_VERSIONS))}]",
    help="The versions of HTTP that are spoken. With TLS a client chooses (ALPN).",
)
@click.option(
    "--websocket",
    type=click.Choice(server.WEBSOCKETS),
    default="deflate",
    help="WebSocket for ASGI applications: compressed where the client offers it, never so, or not at all.",
)
@click.option("--tls-cert", metavar="FILE", help="The certificate chain, in PEM form. With it, serve https.")
@click.option("--tls-key", metavar="FILE", help="Its private key, in PEM form; default: in the same file.")
@click.option(
    "--tls-client-ca", metavar="FILE", help="The authorities whose certificates clients may show, in PEM form."
)
@click.option(
    "--tls-client-cert",
    type=click.Choice(server.CLIENT_CERTS),
    show_default="required with --tls-client-ca",
    help="Whether a client has to show a certificate.",
)
@click.option(
    "--tls-dev",
    is_flag=True,
    show_default=False,
    help="Serve https with a certificate that is made for it, and say which file makes a client trust it.",
)
@click.option("--access-log", metavar="FILE", help="A line for each request goes to this file; -: standard output.")
@click.option(
    "--access-log-format", type=click.Choice(server.ACCESS_LOG_FORMATS), default="combined", help="Of its lines."
)
@click.option(
    "--log-level", type=click.Choice(server.LOG_LEVELS), default="info", help="Of what goes to standard error."
)
@click.option(
    "--loop", type=click.Choice(server.LOOPS), default="auto", help="The event loop; auto: uvloop if it is there."
)
@click.option(
    "--backlog",
    type=click.IntRange(1, server.MOST_BACKLOG),
    default=server.DEFAULT_BACKLOG,
    help="Connections that wait to be accepted.",
)
@click.option(
    "--unix-mode", type=mode, metavar="OCTAL", show_default="by umask", help="The permissions of unix sockets."
)
@click.option("--no-server-header", is_flag=True, show_default=False, help="Add no Server field.")
@click.option("--no-date-header", is_flag=True, show_default=False, help="Add no Date field.")
@click.option(
    "--obs-text-in-target",
    is_flag=True,
    show_default=False,
    help="Let octets beyond ASCII stand in a request target: what is in front of this server may read them otherwise.",
)
@with_limits
@with_timeouts
@with_deflate
def serve(no_server_header: bool, no_date_header: bool, **options: Any) -> None:
    """Serve a WSGI or ASGI application over HTTP.

    APPLICATION is module:attribute, where the attribute may be dotted or a call such as create_app("test"); a module
    alone stands for its app or application. Without it a demo is served, which shows the request it received.
    """
    for name, meant in _misspelt(os.environ):
        say(f"warning: {name} is no option of interlock: did you mean {meant}?")
    source = click.get_current_context().get_parameter_source("access_log_format")
    if source is not ParameterSource.DEFAULT and options["access_log"] is None:
        raise click.UsageError("--access-log-format without --access-log.")
    limits = limits_from(options)
    timeouts = timeouts_from(options)
    deflate = deflate_from(options)
    try:
        config = Config(
            server_header=not no_server_header,
            date_header=not no_date_header,
            tls_key_password=os.environ.get("INTERLOCK_TLS_KEY_PASSWORD"),
            limits=limits,
            timeouts=timeouts,
            deflate=deflate,
            **options,
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    try:
        status = run(config)
    except StartError as error:
        complain(error.report())
        status = 1
    sys.exit(status)


def _misspelt(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """The variables that look like those of an option and are not: each with the one that may be meant.

    Those that look like none may be for something else of the same name, and are left alone.
    """
    known = [str(option.name).upper() for option in serve.params] + ["TLS_KEY_PASSWORD"]
    found = []
    for variable in sorted(environment):
        prefix, _, name = variable.partition("_")
        if prefix == "INTERLOCK" and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            found += [(variable, f"INTERLOCK_{meant}") for meant in near]
    return found
