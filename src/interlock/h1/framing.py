"""How the body of a message is framed, and what its head says of that (RFC 9112 §6, §9.6; RFC 9110 §6.4.1, §8.6)."""

from typing import Final

from interlock.h1.write import field_lines, status_line, without
from interlock.http.errors import LocalProtocolError
from interlock.http.events import InformationalResponse, Response
from interlock.http.fields import CHUNKED, CLOSE, KEEP_ALIVE, UPGRADE, Headers, comma_list
from interlock.http.status import content_allowed

__all__ = [
    "BY_CHUNKS",
    "BY_LENGTH",
    "UNTIL_CLOSE",
    "check_informational",
    "framing_received",
    "informational_head",
    "response_head",
    "says_close",
]

# RFC 9112 §6.3: how the end of a body is told.
BY_LENGTH: Final = 0
BY_CHUNKS: Final = 1
UNTIL_CLOSE: Final = 2

_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding"))
_CONTENT_LENGTH: Final = frozenset((b"content-length",))
_TRANSFER_ENCODING: Final = frozenset((b"transfer-encoding",))
_CONNECTION: Final = frozenset((b"connection",))
_ADD_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_ADD_CLOSE: Final = b"Connection: close\r\n"


def framing_received(method: bytes, response: Response) -> int:
    """How the body of a received response to ``method`` is framed (RFC 9112 §6.3).

    :data:`BY_LENGTH` also where there is no content.
    """
    headers = response.headers
    if headers.flags & CHUNKED:
        if response.http_version == b"1.0":
            raise LocalProtocolError("Transfer-Encoding in HTTP/1.0 (RFC 9112 §6.1)")
        if headers.content_length >= 0:
            raise LocalProtocolError("both Transfer-Encoding and Content-Length (RFC 9112 §6.3)")
    if not content_allowed(method, response.status_code):
        if method != b"HEAD" and response.status_code != 304:
            refuse_transfer_encoding(headers, response.status_code)
        return BY_LENGTH
    if headers.flags & CHUNKED:
        return BY_CHUNKS
    return BY_LENGTH if headers.content_length >= 0 else UNTIL_CLOSE


def refuse_transfer_encoding(headers: Headers, status_code: int) -> None:
    """Raise if a response that has no content is chunked (RFC 9112 §6.1)."""
    if headers.flags & CHUNKED:
        raise LocalProtocolError(f"Transfer-Encoding in a response with status {status_code} (RFC 9112 §6.1)")


def check_informational(response: InformationalResponse) -> None:
    """Raise if a received informational response says what none may: a transfer coding, or 101 and not to what."""
    refuse_transfer_encoding(response.headers, response.status_code)
    if response.status_code == 101 and not response.headers.flags & UPGRADE:
        raise LocalProtocolError("101 without Upgrade (RFC 9110 §15.2.2)")


def says_close(response: Response) -> bool:
    """Whether a received response is the last one, by what its head says (RFC 9112 §9.3).

    A 204 with a length, which it must not have (RFC 9110 §8.6), is the last one too: if content follows, nobody may take
    it for the next response.
    """
    headers = response.headers
    if response.status_code == 204 and headers.content_length > 0:
        return True
    return response.http_version == b"1.0" or headers.flags & CLOSE != 0


def response_head(
    response: Response, method: bytes, version: bytes | None, switching: bool, persistent: bool
) -> tuple[bytes, int, int, bool]:
    """The head of our response, with the fields that its framing and its connection need (RFC 9112 §6, §9.6).

    ``method`` and ``version``: of the request, b"" and None where none was understood.  ``switching``: whether it
    accepts a CONNECT.  ``persistent``: whether the connection may go on, as far as is known.

    Returns (head, how the body is framed, octets of content that have to follow, whether the connection ends).
    """
    headers = response.headers
    status_code = response.status_code
    flags = headers.flags
    close = flags & CLOSE != 0
    framing = BY_LENGTH
    left = 0
    dropped: frozenset[bytes] | None = None
    added = b""
    if status_code == 204 or switching:
        if flags & CHUNKED or headers.content_length >= 0:
            dropped = _FRAMING
    elif status_code == 304:
        if flags & CHUNKED:
            dropped = _TRANSFER_ENCODING
    elif headers.content_length >= 0 and not flags & CHUNKED:
        if method != b"HEAD":
            left = headers.content_length
        if persistent and not close:  # as most are: nothing to add, nothing to leave out
            return status_line(status_code, response.reason) + headers.wire, BY_LENGTH, left, False
    else:
        # Content of unknown length: chunked for who understands it, otherwise until we close.
        if version != b"1.1":
            framing = UNTIL_CLOSE
            close = close or method != b"HEAD"
            if flags & CHUNKED:
                dropped = _FRAMING
        else:
            framing = BY_CHUNKS
            if not flags & CHUNKED:
                added = _ADD_CHUNKED
            elif headers.content_length >= 0:
                dropped = _CONTENT_LENGTH
        if method == b"HEAD":
            framing = BY_LENGTH  # of nothing: the fields are those of a GET, the content stays away
    if (close or not persistent) and not flags & CLOSE and not switching:
        if flags & KEEP_ALIVE:
            dropped = _CONNECTION if dropped is None else dropped | _CONNECTION
            options = {option for value in headers.get_all(b"connection") for option in comma_list(value.lower())}
            added += b"Connection: %b\r\n" % b", ".join(sorted(options - {b"keep-alive"} | {b"close"}))
        else:
            added += _ADD_CLOSE
    line = status_line(status_code, response.reason)
    if dropped is None and not added:
        return line + headers.wire, framing, left, close
    section = headers.wire if dropped is None else field_lines(without(headers.raw_items(), dropped))
    return line + section[:-2] + added + b"\r\n", framing, left, close


def informational_head(response: InformationalResponse) -> bytes:
    """The head of an informational response: without framing fields (RFC 9110 §8.6, RFC 9112 §6.1)."""
    headers = response.headers
    line = status_line(response.status_code, response.reason)
    if headers.flags & CHUNKED or headers.content_length >= 0:
        return line + field_lines(without(headers.raw_items(), _FRAMING))
    return line + headers.wire
