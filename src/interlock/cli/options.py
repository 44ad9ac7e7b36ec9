"""The values that options of the command line take, and the options that stand for limits, timeouts and compression.

Every field of :class:`~interlock.http.limits.Limits`, :class:`~interlock.http.limits.Timeouts` and
:class:`~interlock.ws.deflate.PerMessageDeflate` is an option, named after it: ``--limit-request-line``,
``--timeout-keep-alive``, ``--deflate-level``.  Their defaults are read from there; what stands here is their help.
"""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

import click

from interlock.http.limits import Limits, Timeouts
from interlock.server.config import HTTP_VERSIONS, MOST_LIMITS
from interlock.server.sockets import parse_bind
from interlock.ws.deflate import LARGEST_WINDOW, SMALLEST_WINDOW, WINDOW_BITS, PerMessageDeflate

__all__ = [
    "bind",
    "deflate_from",
    "limits_from",
    "mode",
    "seconds",
    "timeouts_from",
    "versions",
    "with_deflate",
    "with_limits",
    "with_timeouts",
]

_LIMIT_HELP: Final = {
    "request_line": "The request line, or what would be one in HTTP/1.1. Beyond it: 414.",
    "head": "All fields of a request, trailers included. Beyond it: 431.",
    "fields": "How many fields a request has, trailers included. Beyond it: 431.",
    "chunk_extension": "The extensions of one chunk.",
    "chunk_overhead": "The framing of a chunked body beyond that of its content, unless the content is larger.",
    "body": "The content of a request. Beyond it: 413.",
    "read_buffer": "What is received ahead of what the application has taken.",
    "write_buffer": "What the application has sent ahead of what the client has taken.",
    "streams": "Requests at the same time on one connection, with HTTP/2.",
    "continuations": "How many CONTINUATION frames the head of a request has, with HTTP/2.",
    "glitches": "How many frames of HTTP/2 may make work and do none, at once. Beyond it the connection is closed.",
    "glitches_rate": "How many more of those each second.",
    "window": "What is received of a request's content ahead of the application, with HTTP/2, at first.",
    "window_ceiling": "How large that becomes for an application that keeps up.",
    "header_table": "Each of the two tables for the compression of fields, with HTTP/2.",
    "message": "One message of a WebSocket, after inflation. Beyond it: 1009.",
    "fragments": "How many frames one message of a WebSocket has; none: one for every 256 octets of --limit-message.",
    "message_queue": "How many messages of a WebSocket are received ahead of what the application has taken.",
    "drain": "What is read and dropped of a body that nobody wants, so that its connection can be kept.",
    "connections": "Connections at the same time, in one worker.",
    "connections_per_ip": "Connections at the same time from one IP address, in one worker.",
}
_TIMEOUT_HELP: Final = {
    "tls_handshake": "The TLS handshake.",
    "head": "A request's head, from its first octet; the first one also from the connection's start.",
    "settings": "The acknowledgement of our settings by a client that speaks HTTP/2.",
    "keep_alive": "The next request on an idle connection.",
    "body": "Between two pieces of a request's body.",
    "body_grace": "How long a body may be slower than --timeout-body-rate.",
    "body_rate": "What a body has to bring on the average, in octets a second.",
    "write": "A client that takes nothing of what is sent to it.",
    "write_rate": "What a client has to take while it is sent to, in octets a second.",
    "linger": "How long the client may go on sending after the last response before its connection is cut.",
    "closing": "The closing handshake of a WebSocket.",
    "ping_interval": "Between two pings on a WebSocket; 0: none are sent.",
    "pong": "The answer to a ping on a WebSocket.",
    "shutdown": "Requests that run when the server is told to stop; and as long again for the application's shutdown.",
}
_DEFLATE_HELP: Final = {
    "server_no_context_takeover": "Compress each message to a WebSocket by itself: less memory for each, and less is saved.",
    "client_no_context_takeover": "Have clients do the same.",
    "server_max_window_bits": "The window that messages to a WebSocket are compressed with, in bits.",
    "client_max_window_bits": "The window of clients that can be asked to limit it, in bits.",
    "level": "How hard to compress messages to a WebSocket; -1: as zlib finds right.",
    "memory_level": "How much memory to compress them with: 512 octets, doubled so often.",
    "minimum": "Send shorter messages to a WebSocket as they are.",
}
#: The least and the most that can be asked for.
_DEFLATE_RANGES: Final = {
    "server_max_window_bits": (SMALLEST_WINDOW, LARGEST_WINDOW),
    "client_max_window_bits": (SMALLEST_WINDOW, LARGEST_WINDOW),
    "level": (-1, 9),
    "memory_level": (1, 9),
}
#: Limits that count something else than octets.
_COUNTS: Final = frozenset(
    (
        "fields",
        "streams",
        "continuations",
        "glitches",
        "glitches_rate",
        "fragments",
        "message_queue",
        "connections",
        "connections_per_ip",
    )
)
#: Limits that can be 0.
_ZERO: Final = frozenset(("chunk_extension", "chunk_overhead", "body", "glitches_rate", "header_table", "drain"))
#: Timeouts that are rates.
_RATES: Final = frozenset(("body_rate", "write_rate"))
_SUFFIXES: Final = {"k": 1024, "m": 1024 * 1024, "g": 1024 * 1024 * 1024}
#: What None is called.
_NONE: Final = "none"


def _number(lowest: int, highest: int | None = None, *, suffixes: bool, optional: bool) -> Callable[[str], int | None]:
    """What reads a whole number; with ``suffixes`` it may end in k, M or G; ``none`` may stand for None."""

    def read(text: str) -> int | None:
        given = text.strip().lower()
        if optional and given == _NONE:
            return None
        digits, factor = given, 1
        if suffixes and given[-1:] in _SUFFIXES:
            digits, factor = given[:-1], _SUFFIXES[given[-1]]
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
            form = "a number of octets, which may end in k, M or G" if suffixes else "a whole number"
            raise click.BadParameter(f"{text!r} is not {form}{f', nor {_NONE}' if optional else ''}.")
        number = int(digits) * factor
        if number < lowest:
            raise click.BadParameter(f"{text} is less than {lowest}{f' ({_NONE}: no limit)' if optional else ''}.")
        if highest is not None and number > highest:
            raise click.BadParameter(f"{text} is more than {highest}, the most that HTTP/2 can tell a client.")
        return number

    return read


def seconds(text: str) -> float:
    """What reads a finite number of seconds, not negative; or, written the same way, of octets a second."""
    try:
        number = float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a number.") from None
    if not math.isfinite(number) or number < 0:
        raise click.BadParameter(f"{text} is not a finite number from 0 on.")
    return number


def bind(text: str) -> str:
    """Where to listen, if :func:`~interlock.server.sockets.parse_bind` can read it."""
    try:
        parse_bind(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
    return text


def versions(text: str) -> tuple[str, ...]:
    """The major versions of HTTP, with commas between them, in any order."""
    given = tuple(sorted(version.strip() for version in text.split(",")))
    if given not in HTTP_VERSIONS:
        raise click.BadParameter(f"{text!r} is none of 1, 2 and 1,2.")
    return given


def mode(text: str) -> int:
    """Permissions, from three octal digits."""
    if not 3 <= len(text) <= 4 or set(text) - set("01234567") or int(text, 8) > 0o777:
        raise click.BadParameter(f"{text!r} is not three octal digits, such as 660.")
    return int(text, 8)


Command = Callable[..., Any]


def with_limits(command: Command) -> Command:
    """Give ``command`` an option for each limit."""
    for limit in reversed(fields(Limits)):
        counts = limit.name in _COUNTS
        lowest, highest = int(limit.name not in _ZERO), MOST_LIMITS.get(limit.name)
        number = _number(lowest, highest, suffixes=not counts, optional=limit.default is None)
        command = click.option(
            _flag("limit", limit.name),
            type=number,
            default=_shown(limit.default, suffixes=not counts),
            metavar="NUMBER" if counts else "SIZE",
            show_default=True,
            help=_LIMIT_HELP[limit.name],
        )(command)
    return command


def with_timeouts(command: Command) -> Command:
    """Give ``command`` an option for each timeout."""
    for timeout in reversed(fields(Timeouts)):
        command = click.option(
            _flag("timeout", timeout.name),
            type=seconds,
            default=f"{timeout.default:g}",
            metavar="RATE" if timeout.name in _RATES else "SECONDS",
            show_default=True,
            help=_TIMEOUT_HELP[timeout.name],
        )(command)
    return command


def with_deflate(command: Command) -> Command:
    """Give ``command`` an option for each thing that can be asked for of permessage-deflate."""
    for asked in reversed(fields(PerMessageDeflate)):
        form: dict[str, Any]
        if asked.default is False:
            form = {"is_flag": True, "show_default": False}
        elif asked.name in _DEFLATE_RANGES:
            default = WINDOW_BITS if asked.default is None else asked.default
            form = {"type": click.IntRange(*_DEFLATE_RANGES[asked.name]), "default": default, "show_default": True}
        else:
            size = _number(0, suffixes=True, optional=False)
            form = {"type": size, "default": str(asked.default), "metavar": "SIZE", "show_default": True}
        command = click.option(_flag("deflate", asked.name), help=_DEFLATE_HELP[asked.name], **form)(command)
    return command


def limits_from(options: dict[str, Any]) -> Limits:
    """The limits among the values of a command's options, which are taken out of them."""
    return Limits(**{limit.name: options.pop(f"limit_{limit.name}") for limit in fields(Limits)})


def timeouts_from(options: dict[str, Any]) -> Timeouts:
    """The timeouts among the values of a command's options, which are taken out of them."""
    return Timeouts(**{timeout.name: options.pop(f"timeout_{timeout.name}") for timeout in fields(Timeouts)})


def deflate_from(options: dict[str, Any]) -> PerMessageDeflate:
    """What is asked for of permessage-deflate among the values of a command's options, which are taken out of them."""
    return PerMessageDeflate(
        **{asked.name: options.pop(f"deflate_{asked.name}") for asked in fields(PerMessageDeflate)}
    )


def _flag(kind: str, name: str) -> str:
    return f"--{kind}-{name.replace('_', '-')}"


def _shown(limit: int | None, *, suffixes: bool) -> str:
    """A default as it is written on a command line."""
    if limit is None:
        return _NONE
    for suffix, factor in (("M", 1024 * 1024), ("k", 1024)):
        if suffixes and limit and limit % factor == 0:
            return f"{limit // factor}{suffix}"
    return str(limit)
