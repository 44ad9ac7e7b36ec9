"""``interlock explain``: its options, and where the octets come from that it explains."""

import asyncio
import contextlib
import math
import sys
from collections.abc import Iterator
from typing import IO, Any, Final

import click

from interlock.cli.explain_follow import Conversation, Settings, begins_as_http2
from interlock.cli.explain_output import FORMATS, Writer, writer
from interlock.cli.explain_proxy import Place, Proxy
from interlock.cli.explain_steps import Problem, Step
from interlock.cli.options import seconds
from interlock.client.connecting import RESPONSE_LIMITS
from interlock.http.limits import Limits

__all__ = ["explain"]

_EPILOG: Final = """\
FILE, or standard input, has the octets that one end has sent: a client, unless they begin as a response or as a
server's HTTP/2 does, or --from says whose they are. --client and --server have both directions, one file each, as
tcpflow or "socat -r -R" write them. What is recorded in two files has no order between them: the client's side is read
as far as it goes before the server's.

--listen and --to make it a proxy, for cleartext: octets pass unchanged, and are explained as they come, with the number
of their connection. What is found wrong changes nothing of what passes. SIGINT or SIGTERM ends it.

Octets are counted from 0, in each direction by itself. An error is shown at the octet at which it is noticed, with the
lines or frames around it, the rule in plain words, and the sections of the RFCs that have it.

The values of Authorization, Proxy-Authorization, Cookie and Set-Cookie are hidden, unless --show-secrets is given; content
is shown up to its first 32 octets, whatever it is.

\b
Exit status:
  0    nothing was wrong
  1    a rule was broken, a limit exceeded, or the octets ended too early
  2    the command line was wrong, or a file could not be read
"""

#: A file that is there, or standard input.
_GIVEN: Final = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)
#: Octets that are read at a time.
_PIECE: Final = 65536
#: Octets of a side that may be read before the other has gone on: more than any frame has.
_AHEAD: Final = 17 << 20
#: A server's own limits; but what is recorded has no clock: of frames that only make work, as many as in a minute.
_RECORDED: Final = Limits(glitches=Limits().glitches + 60 * Limits().glitches_rate)
#: What nobody exceeds who is not out for it.
_HUGE: Final = Limits(
    request_line=1 << 20,
    head=1 << 20,
    fields=10_000,
    chunk_extension=1 << 16,
    chunk_overhead=1 << 40,
    continuations=10_000,
    glitches=1 << 30,
    message=1 << 30,
)


def _methods(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[bytes, ...]:
    for value in values:
        if not value.isascii() or not value.isalnum():
            raise click.BadParameter(f"{value!r} is no method.")
    return tuple(value.encode() for value in values) or (b"GET",)


def place(text: str) -> Place:
    """A host and a port; without a host, this one's own address."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if (colon and not host) or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is not HOST:PORT.")
    return host or "127.0.0.1", int(port)


@click.command(
    context_settings={"max_content_width": 110},
    epilog=_EPILOG,
    short_help="Tell step by step what octets of HTTP and WebSocket do.",
)
@click.argument("file", required=False, type=click.File("rb"))
@click.option(
    "--client", type=_GIVEN, metavar="FILE", help="A file with what the client has sent; - is standard input."
)
@click.option(
    "--server", type=_GIVEN, metavar="FILE", help="A file with what the server has sent; - is standard input."
)
@click.option(
    "--from",
    "sender",
    type=click.Choice(["auto", "client", "server"]),
    default="auto",
    show_default=True,
    help="Who has sent what is in FILE.",
)
@click.option(
    "--protocol",
    type=click.Choice(["auto", "http1", "http2", "websocket"]),
    default="auto",
    show_default=True,
    help="What the octets begin with; websocket: frames, behind a handshake that is not there.",
)
@click.option(
    "--request-method",
    "methods",
    multiple=True,
    callback=_methods,
    metavar="METHOD",
    help="The method of a request that is not there, but its response is. Can be given several times, in order; "
    "the last one holds for all that follow.  [default: GET]",
)
@click.option("--listen", type=place, metavar="[HOST:]PORT", help="Be a proxy: listen here, and pass all on to --to.")
@click.option("--to", type=place, metavar="HOST:PORT", help="The server that --listen passes all on to.")
@click.option("--once", is_flag=True, help="With --listen: stop when the first connection has ended.")
@click.option(
    "--timeout",
    type=seconds,
    default="300",
    show_default=True,
    metavar="SECONDS",
    help="With --listen: end a connection on which nothing comes for so long.",
)
@click.option("--deflate", is_flag=True, help="With --protocol websocket: messages may be compressed.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to tell it.")
@click.option("--show-secrets", "secrets", is_flag=True, help="Show the values of fields that carry secrets.")
@click.option("--no-limits", is_flag=True, help="Go on where only a server's default limits are exceeded.")
def explain(
    file: IO[bytes] | None,
    client: str | None,
    server: str | None,
    sender: str,
    protocol: str,
    methods: tuple[bytes, ...],
    listen: Place | None,
    to: Place | None,
    once: bool,
    timeout: float,
    deflate: bool,
    form: str,
    secrets: bool,
    no_limits: bool,
) -> None:
    """Tell step by step what octets do: each event, and every machine that it moves.

    HTTP/1.1, HTTP/2 and WebSocket, either direction or both.  What breaks a rule is shown at its octet, with the rule.
    """
    settings = Settings(
        limits=_HUGE if no_limits else _RECORDED if listen is None else Limits(),
        responses=_HUGE if no_limits else RESPONSE_LIMITS,
        protocol=protocol,
        methods=methods,
        deflate=deflate,
        secrets=secrets,
        recorded=listen is None,
    )
    given = {end: path for end, path in (("client", client), ("server", server)) if path is not None}
    if file is not None and given:
        raise click.UsageError("FILE is one direction; with --client or --server there is none beside them.")
    if given and sender != "auto":
        raise click.UsageError("--from is for FILE: --client and --server say whose octets theirs are.")
    if client is not None and client == server:
        raise click.UsageError("--client and --server are the same: each has one direction.")
    if (listen is None) != (to is None):
        raise click.UsageError("--listen and --to belong together: where to listen, and whom to pass all on to.")
    if listen is not None and to is not None:
        if file is not None or given:
            raise click.UsageError("--listen explains what passes, and no file.")
        told = _Told(writer(form, secrets=secrets))
        proxy = _proxied(listen, to, settings, told, idle=timeout or math.inf, once=once)
        try:
            asyncio.run(proxy)
        except OSError as error:
            raise _Failure(f"cannot listen on {_shown(listen)}: {error.strerror or error}") from None
        click.get_current_context().exit(told.status)
    told = _Told(writer(form, secrets=secrets))
    try:
        with contextlib.ExitStack() as opened:
            files = {end: opened.enter_context(click.open_file(path, "rb")) for end, path in given.items()}
            for item in _recorded(files, settings) if files else _one(file or sys.stdin.buffer, sender, settings):
                told(item)
    except BrokenPipeError:
        raise  # who reads has seen enough
    except OSError as error:
        raise _Failure(f"cannot read: {error.strerror}") from None
    click.get_current_context().exit(told.status)


class _Failure(click.ClickException):
    """What says nothing of the octets."""

    exit_code = 2


class _Told:
    """Prints what it is called with, and knows the exit status."""

    def __init__(self, write: Writer) -> None:
        self._write: Final = write
        self.status = 0

    def __call__(self, item: Step | Problem) -> None:
        click.echo("\n".join(self._write(item)))
        if isinstance(item, Problem):
            self.status = 1


async def _proxied(listen: Place, to: Place, settings: Settings, told: _Told, *, idle: float, once: bool) -> None:
    """Be a proxy, until told to stop."""

    def ready(at: Place) -> None:
        click.echo(f"listening on {_shown(at)}, for {_shown(to)}", err=True)

    await Proxy(to, settings, told, idle=idle, once=once).serve(listen, ready)


def _shown(place: Place) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _piece(file: IO[bytes]) -> bytes:
    """The next octets of a file, as soon as there are some; b"" at its end."""
    read: Any = getattr(file, "read1", file.read)
    data: bytes = read(_PIECE)
    return data


def _one(file: IO[bytes], sender: str, settings: Settings) -> Iterator[Step | Problem]:
    """Explain what one end has sent."""
    begin = _piece(file)
    while begin and len(begin) < 9:  # as many as tell a server's HTTP/2
        more = _piece(file)
        if not more:
            break
        begin += more
    if not begin:
        raise _Failure("there is nothing to explain: the input is empty.")
    if sender == "auto":
        sender = _sender(begin, settings.protocol)
    conversation = Conversation((sender,), settings)
    yield from conversation.feed(sender, begin)
    while not conversation.sides[sender].ended:
        yield from conversation.feed(sender, _piece(file))
    yield from conversation.left()


def _sender(begin: bytes, protocol: str) -> str:
    """Who has sent what begins like this: a client, unless it can be none."""
    if protocol == "websocket":
        return "client" if len(begin) > 1 and begin[1] & 0x80 else "server"
    if begin.startswith(b"HTTP/") or begins_as_http2(begin):
        return "server"
    return "client"


def _recorded(files: dict[str, IO[bytes]], settings: Settings) -> Iterator[Step | Problem]:
    """Explain what each end has sent.  A file is read as its side needs more, so that neither runs ahead."""
    conversation = Conversation(tuple(files), settings)
    sides = conversation.sides
    for sender, file in files.items():  # both, as the first octets of either can tell what is spoken
        if piece := _piece(file):
            sides[sender].feed(piece)
    yield from conversation.steps()
    left = dict(files)
    going = True
    while going:
        going = False
        for sender, file in list(left.items()):
            while sides[sender].pending < _AHEAD:
                going = True
                piece = _piece(file)
                if not piece:
                    del left[sender]
                    break
                yield from conversation.feed(sender, piece)
    for sender in reversed(files):  # what only the end of the server's side ends has ended before the client goes
        yield from conversation.feed(sender, b"")
    yield from conversation.left()
