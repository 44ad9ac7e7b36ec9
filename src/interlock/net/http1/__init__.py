"""One connection of HTTP/1.1 with a delegate, for who writes a client, a server or a proxy of their own.

On asyncio, trio and blocking sockets; the names are tornado's.
"""

from interlock.net.http1.connection import HTTP1Connection
from interlock.net.http1.decompression import DecodingError, DecompressingDelegate
from interlock.net.http1.delegate import HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from interlock.net.http1.parameters import HTTP1ConnectionParameters

__all__ = [
    "DecodingError",
    "DecompressingDelegate",
    "HTTP1Connection",
    "HTTP1ConnectionParameters",
    "HTTPMessageDelegate",
    "RequestStartLine",
    "ResponseStartLine",
]
