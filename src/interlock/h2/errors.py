"""The error codes of HTTP/2 (RFC 9113 §7), and the two kinds of error that they belong to (RFC 9113 §5.4)."""

from typing import Final

from mypy_extensions import mypyc_attr

from interlock.http.errors import RemoteProtocolError

__all__ = [
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "FLOW_CONTROL_ERROR",
    "FRAME_SIZE_ERROR",
    "HTTP_1_1_REQUIRED",
    "INADEQUATE_SECURITY",
    "INTERNAL_ERROR",
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "REFUSED_STREAM",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "ConnectionFault",
    "StreamFault",
    "code_name",
]

NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
SETTINGS_TIMEOUT: Final = 0x4
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
CONNECT_ERROR: Final = 0xA
ENHANCE_YOUR_CALM: Final = 0xB
INADEQUATE_SECURITY: Final = 0xC
HTTP_1_1_REQUIRED: Final = 0xD

#: The names of the codes, in the order of the codes.
NAMES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)


def code_name(code: int) -> str:
    """The name of an error code, or its number where it has none."""
    return NAMES[code] if code < len(NAMES) else f"0x{code:x}"


@mypyc_attr(allow_interpreted_subclasses=True)
class ConnectionFault(RemoteProtocolError):
    """The peer broke the rules in a way that ends the connection with GOAWAY (RFC 9113 §5.4.1)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@mypyc_attr(allow_interpreted_subclasses=True)
class StreamFault(RemoteProtocolError):
    """The peer broke the rules in a way that ends one stream with RST_STREAM (RFC 9113 §5.4.2).

    ``code`` is the error code.  ``error_status_hint`` is the status of a response that says the same.
    """

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(text, status)
        self.code = code
