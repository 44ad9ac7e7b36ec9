"""The grammar of Sec-WebSocket-Extensions: lists of extensions with their parameters (RFC 6455 §9.1).

What an extension's parameters mean is told where the extension is: ``deflate.py`` has the only one that is known here.
"""

import re
from typing import Final, final

from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.octets import TCHAR, within

__all__ = ["Extension", "Parameters", "format_extension", "parse_extensions"]

#: The names of parameters with their values; None where there is none.
Parameters = list[tuple[bytes, bytes | None]]

_TCHAR: Final = b"[" + re.escape(TCHAR.members) + b"]"

#: extension-list  = 1#extension
#: extension       = extension-token *( ";" extension-param )
#: extension-param = token [ "=" (token / quoted-string) ]   (RFC 6455 §9.1)
#:
#: One extension-token or extension-param, with white space around its parts (RFC 2616 §2.1, "implied *LWS"), and what
#: ends it.  What a quoted-string quotes has to be a token, so nothing else may stand in it.  It never backtracks.
_PART: Final = re.compile(
    rb"[ \t]*+(%b++)[ \t]*+(?:=[ \t]*+(?:(%b++)|\"((?:\\?%b)++)\")[ \t]*+)?+(;|,|\Z)" % (_TCHAR, _TCHAR, _TCHAR)
)
#: Elements of a list that are empty count for nothing (RFC 9110 §5.6.1.2).
_EMPTY: Final = re.compile(rb"[ \t,]*+")


@final
class Extension:
    """One extension, as a client offers it or as a server accepts it.  It must not be changed after it is made."""

    __slots__ = ("name", "parameters")

    def __init__(self, name: bytes, parameters: Parameters) -> None:
        #: The extension's name, a token, as it was written.
        self.name: Final = name
        #: Its parameters, in order; one may be repeated.
        self.parameters: Final = parameters

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Extension):
            return NotImplemented
        return self.name == other.name and self.parameters == other.parameters

    def __repr__(self) -> str:
        return f"Extension({self.name!r}, {self.parameters!r})"


def parse_extensions(values: list[bytes]) -> list[Extension]:
    """The extensions in the values of all Sec-WebSocket-Extensions fields of a message, in order.

    Several fields are one list (RFC 6455 §9.1).  Raises :class:`LocalProtocolError` where they are malformed; a field
    that is there has to have an element.
    """
    extensions: list[Extension] = []
    if not values:
        return extensions
    value = b",".join(values)
    end = len(value)
    at = _after_empty(value, 0)
    while at < end:
        part = _PART.match(value, at)
        if part is None or part[2] is not None or part[3] is not None:
            raise _malformed(value, at)
        name: bytes = part[1]
        delimiter: bytes = part[4]
        at = part.end()
        parameters: Parameters = []
        while delimiter == b";":
            part = _PART.match(value, at)
            if part is None:
                raise _malformed(value, at)
            parameter: bytes = part[1]
            token: bytes | None = part[2]
            quoted: bytes | None = part[3]
            if quoted is not None:
                token = quoted.replace(b"\\", b"")  # no token has a backslash in it
            parameters.append((parameter, token))
            delimiter = part[4]
            at = part.end()
        extensions.append(Extension(name, parameters))
        at = _after_empty(value, at)
    if not extensions:
        raise LocalProtocolError("Sec-WebSocket-Extensions without an extension (RFC 6455 §9.1)")
    return extensions


def _after_empty(value: bytes, at: int) -> int:
    skipped = _EMPTY.match(value, at)
    return at if skipped is None else skipped.end()


def _malformed(value: bytes, at: int) -> LocalProtocolError:
    return LocalProtocolError(f"malformed Sec-WebSocket-Extensions at {excerpt(value[at:])} (RFC 6455 §9.1)")


def format_extension(name: bytes, parameters: Parameters) -> bytes:
    """An element of Sec-WebSocket-Extensions.

    Raises :class:`LocalProtocolError` unless the name, and the names and values of the parameters, are tokens.
    """
    _check_token(name)
    written = [name]
    for parameter, value in parameters:
        _check_token(parameter)
        if value is None:
            written.append(parameter)
        else:
            _check_token(value)
            written.append(b"%b=%b" % (parameter, value))
    return b"; ".join(written)


def _check_token(octets: bytes) -> None:
    if not octets or not within(octets, TCHAR):
        raise LocalProtocolError(f"{excerpt(octets)} is not a token (RFC 6455 §9.1)")
