"""What a line of ``interlock ws`` says: a message, or a command that begins with a slash.  Pure."""

from typing import Final

from interlock.ws import Close, Message, Ping, Pong

__all__ = ["COMMANDS", "Help", "Said", "read"]

#: Each command with its arguments, and what it does.
COMMANDS: Final = {
    "/ping [PAYLOAD]": "send a ping, and tell how long its pong takes",
    "/pong [PAYLOAD]": "send a pong that nobody asked for",
    "/binary HEX": "send a binary message, given in hexadecimal",
    "/text TEXT": "send a text message, also with --binary",
    "/close [CODE [REASON]]": "close the connection, with 1000 unless told",
    "/help": "list these commands",
    "//...": "send a message that begins with one slash",
}


class Help:
    """Nothing is to be sent: the commands are to be listed."""


Said = Message | Ping | Pong | Close | Help


def read(line: bytes, *, binary: bool) -> Said:
    """What ``line`` asks for.  ``binary``: whether it is a binary message, if it is one.

    Raises :class:`ValueError` for what is no command and for text that is not UTF-8, and
    :class:`~interlock.http.errors.LocalProtocolError` for what WebSocket cannot carry.
    """
    if line.startswith(b"//"):
        line = line[1:]
    elif line.startswith(b"/"):
        return _command(_text(line))
    return Message(line if binary else _text(line))


def _command(line: str) -> Said:
    name, _, rest = line.partition(" ")
    if name == "/ping":
        return Ping(rest.encode())
    if name == "/pong":
        return Pong(rest.encode())
    if name == "/text":
        return Message(rest)
    if name == "/binary":
        try:
            return Message(bytes.fromhex(rest))
        except ValueError:
            raise ValueError("what follows /binary has to be hexadecimal, two digits for each octet") from None
    if name == "/close":
        return _close(rest)
    if name == "/help" and not rest:
        return Help()
    raise ValueError(f"there is no command {name}: /help lists them, and // begins a message with a slash")


def _close(arguments: str) -> Close:
    code, _, reason = arguments.strip().partition(" ")
    if not code:
        return Close()
    if not (code.isascii() and code.isdigit() and len(code) == 4):
        raise ValueError("what follows /close has to be a code of four digits, and may be a reason after it")
    return Close(int(code), reason.strip())


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8, as text has to be; --binary sends octets as they are") from None
