"""``interlock ws``: its options, and what it makes of a handshake that fails."""

import asyncio
import os
import ssl as tls
from typing import Final, NoReturn

import click

from interlock.cli.options import seconds
from interlock.cli.ws_closing import table
from interlock.cli.ws_console import Console
from interlock.cli.ws_conversation import Conversation
from interlock.cli.ws_text import escaped, lines_of, preview
from interlock.http.errors import LocalProtocolError
from interlock.http.limits import Limits
from interlock.net.asyncio import InvalidProxy, InvalidStatus, InvalidURI, WebSocketException, connect
from interlock.net.asyncio.websocket_messages import Headers, Response, octets_of
from interlock.net.websocket import WebSocketURL, parse_url
from interlock.ws.handshake import client_request

__all__ = ["ws"]

_EPILOG: Final = """\
A line is sent as one text message; one that begins with // as a message that begins with a slash. These are commands:
/ping, /pong, /binary HEX, /text TEXT, /close [CODE [REASON]] and /help, which explains them.

Messages go to standard output, all else to standard error. What a terminal would take for a command is shown escaped, and
of a binary message how long it is and its first octets. At the end stands who has closed the connection, with what code,
and the states of the machines after each step: "interlock draw ws" draws them.

The end of the input closes the connection with 1000; if it comes from a pipe or file, after --wait. So does SIGINT or
SIGTERM; a second one ends at once.

\b
Exit status:
  0    closed as it should be: each end has sent a Close with 1000, 1001, or no code (1005)
  1    the handshake failed, or the connection was closed with another code or without a Close (1006)
  2    the command line was wrong, or a line was neither a message nor a command
  128+ the number of the signal that came before the connection was open, or a second time
"""

#: Fields of a response that refuses which tell why, or what to do.
_TELLING: Final = (
    "Location",
    "WWW-Authenticate",
    "Retry-After",
    "Allow",
    "Upgrade",
    "Sec-WebSocket-Version",
    "Server",
    "Content-Type",
)
#: Octets of the content of such a response that are shown.
_MOST_BODY: Final = 1000


def _header(text: str) -> tuple[str, str]:
    """A field, from ``Name: value``."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is not of the form 'Name: value'.")
    return name.strip(), value.strip()


@click.command(
    context_settings={"max_content_width": 110}, epilog=_EPILOG, short_help="Talk to a WebSocket, line by line."
)
@click.argument("url")
@click.option(
    "--subprotocol",
    "-s",
    "subprotocols",
    multiple=True,
    metavar="NAME",
    help="Offer a subprotocol, the preferred one first. Can be given several times.",
)
@click.option(
    "--header",
    "-H",
    "headers",
    type=_header,
    multiple=True,
    metavar="'NAME: VALUE'",
    help="A further field of the request. Can be given several times.",
)
@click.option("--origin", help="The origin that the request comes from.")
@click.option("--binary", is_flag=True, help="Send lines as binary messages, octet by octet as they are.")
@click.option("--no-deflate", is_flag=True, help="Do not offer compression.")
@click.option("--cafile", metavar="FILE", help="For wss: trust only the authorities in this file, in PEM form.")
@click.option("--insecure", is_flag=True, help="For wss: trust any certificate, and so whoever is in between.")
@click.option("--proxy", metavar="URL", help="Connect by way of a proxy, http or https, with CONNECT.")
@click.option(
    "--timeout",
    type=seconds,
    default="10",
    show_default=True,
    metavar="SECONDS",
    help="For the opening of the connection, and for its closing; 0: wait for ever.",
)
@click.option(
    "--wait",
    type=seconds,
    default="1",
    show_default=True,
    metavar="SECONDS",
    help="How long answers are awaited after the end of an input that comes from a pipe or a file.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show pings and pongs.")
def ws(
    url: str,
    subprotocols: tuple[str, ...],
    headers: tuple[tuple[str, str], ...],
    origin: str | None,
    binary: bool,
    no_deflate: bool,
    cafile: str | None,
    insecure: bool,
    proxy: str | None,
    timeout: float,
    wait: float,
    verbose: bool,
) -> None:
    """Open a WebSocket: what is typed is sent, what comes is shown, and how it ends is explained.

    URL begins with ws:// or wss://.
    """
    parsed = _parsed(url, subprotocols, headers, origin)
    console = Console()
    conversation = Conversation(console, wait=wait, binary=binary, verbose=verbose)
    try:
        opener = connect(
            url,
            subprotocols=subprotocols,
            additional_headers=headers,
            origin=origin,
            compression=None if no_deflate else "deflate",
            ssl=_context(parsed, insecure, cafile),
            proxy=proxy,
            open_timeout=timeout or None,
            close_timeout=timeout or None,
            max_size=Limits().message,
            trace=conversation.trace,
        )
    except InvalidProxy as error:
        raise click.BadParameter(f"{error}.", param_hint="--proxy") from None
    name = f"{'wss' if parsed.secure else 'ws'}://{parsed.authority.decode()}{parsed.target.decode()}"
    try:
        with console.opened():
            well = asyncio.run(conversation.run(opener, name))
    except (asyncio.CancelledError, KeyboardInterrupt):
        click.get_current_context().exit(128 + conversation.signal)
    except BrokenPipeError:
        raise
    except (WebSocketException, OSError) as error:
        console.note(*table(conversation.steps))
        _fail(name, error)
    click.get_current_context().exit(2 if conversation.wrong else 0 if well else 1)


def _parsed(
    url: str, subprotocols: tuple[str, ...], headers: tuple[tuple[str, str], ...], origin: str | None
) -> WebSocketURL:
    """The URL, if a request can be made of it and of what else it is to say."""
    try:
        parsed = parse_url(url)
        _ = parsed.authorization
    except ValueError as error:
        raise click.BadParameter(f"{InvalidURI(url, str(error))}.", param_hint="URL") from None
    try:
        client_request(
            parsed.authority,
            parsed.target,
            subprotocols=subprotocols,
            origin=origin.encode("ascii") if origin is not None else b"",
            headers=octets_of(Headers(headers)),
        )
    except UnicodeEncodeError as error:
        raise click.UsageError(f"{error.object!r} has characters that no field may have.") from None
    except LocalProtocolError as error:
        raise click.UsageError(f"{error}.") from None
    return parsed


def _context(url: WebSocketURL, insecure: bool, cafile: str | None) -> tls.SSLContext | None:
    """What decides which certificates are trusted; None where there is no TLS."""
    if not url.secure:
        if insecure or cafile is not None:
            raise click.UsageError("--insecure and --cafile are for wss, and the URL says ws.")
        return None
    if insecure and cafile is not None:
        raise click.UsageError("--insecure trusts any certificate, and --cafile only some.")
    try:
        context = tls.create_default_context(cafile=cafile)
    except OSError as error:  # an SSLError, too
        why = "it holds no certificate in PEM form" if isinstance(error, tls.SSLError) else error.strerror
        raise click.BadParameter(f"cannot use {cafile}: {why}.", param_hint="--cafile") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = tls.CERT_NONE
    return context


def _fail(name: str, error: Exception) -> NoReturn:
    """Tell why the connection was not opened."""
    if isinstance(error, InvalidStatus):
        raise click.ClickException(f"{name} refused the handshake: {_refusal(error.response)}") from None
    why = str(error)
    if isinstance(error, tls.SSLCertVerificationError):
        why = f"its certificate is not trusted: {error.verify_message} (--cafile names whom to trust, --insecure trusts all)"
    elif isinstance(error, tls.SSLError) and error.reason:
        why = f"TLS failed: {error.reason.lower().replace('_', ' ')}"
    elif isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        why = os.strerror(error.errno)
    raise click.ClickException(f"cannot open {name}: {escaped(why)}") from None


def _refusal(response: Response) -> str:
    """Status, telling fields and the beginning of the content of a response."""
    lines = [escaped(f"{response.status_code} {response.reason_phrase}".rstrip())]
    for field in _TELLING:
        lines += [f"  {field}: {escaped(value)}" for value in response.headers.get_all(field)]
    if 300 <= response.status_code <= 399:
        lines.append("  (redirects are not followed)")
    body = response.body[:_MOST_BODY]
    if b"\0" in body:
        lines += ["", f"  {preview(response.body)}"]
    elif body.strip():
        text = lines_of(body.decode("utf-8", "replace").replace("\r\n", "\n").strip("\n"))
        lines += ["", *(f"  {line}" for line in text.split("\n"))]
        if len(response.body) > _MOST_BODY:
            lines.append("  ...")
    return "\n".join(lines)
