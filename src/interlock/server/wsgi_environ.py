"""environ: the head of a request as PEP 3333 and RFC 3875 §4.1 want it.

All strings are native ones, each character an octet (PEP 3333, "Unicode Issues").
"""

import sys
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from interlock.http.events import Request
from interlock.net.exchange import PeerInfo
from interlock.server.context import ServerContext
from interlock.server.wsgi_file import FileWrapper

__all__ = ["EnvironBuilder"]

#: Environ keys that are remembered for names that clients invent; the rest is worked out again each time.
_REMEMBERED: Final = 1000

#: Fields that are not passed on: with Proxy, a client could set HTTP_PROXY for what the application starts (httpoxy);
#: Transfer-Encoding has been taken off by the server, which decodes it (RFC 9112 §7.1.3).
_DROPPED: Final = (b"proxy", b"transfer-encoding")

_PROTOCOLS: Final = {b"1.1": "HTTP/1.1", b"1.0": "HTTP/1.0", b"2": "HTTP/2"}


class EnvironBuilder:
    """Makes the environ of every request to one application.  May be used by several threads at a time."""

    __slots__ = ("_keys", "_root", "_server", "_template")

    def __init__(self, context: ServerContext, *, multithread: bool) -> None:
        self._root: Final = context.root_path.rstrip("/").encode("utf-8").decode("latin-1")
        self._template: Final[dict[str, Any]] = {
            "SCRIPT_NAME": self._root,
            "SERVER_SOFTWARE": "interlock",
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": multithread,
            "wsgi.multiprocess": context.multiprocess,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
        }
        #: Field name -> environ key; "" for a field that is dropped.
        self._keys: Final[dict[bytes, str]] = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
        #: What was last worked out for a (host, port) of ours, since most requests come to the same one.
        self._server: tuple[tuple[str, int | None] | None, str, str, str] = (None, "", "", "")

    def build(self, request: Request, peer: PeerInfo) -> dict[str, Any]:
        """The environ of ``request``, but for wsgi.input and what else belongs to the exchange."""
        environ = self._template.copy()
        environ["REQUEST_METHOD"] = request.method.decode("latin-1")
        environ["SERVER_PROTOCOL"] = _PROTOCOLS[request.http_version]
        environ["wsgi.url_scheme"] = peer.scheme
        client = peer.client
        if client is None:
            environ["REMOTE_ADDR"] = environ["REMOTE_PORT"] = ""
        else:
            environ["REMOTE_ADDR"] = client[0]
            environ["REMOTE_PORT"] = str(client[1])
        self._set_target(environ, request)
        self._set_server(environ, request, peer)
        keys = self._keys
        for name, value in request.headers:
            key = keys.get(name)
            if key is None:
                key = self._key(name)
            if not key:
                continue
            text = value.decode("latin-1")
            if key in environ:
                text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ', '}{text}"
            environ[key] = text
        return environ

    def _set_target(self, environ: dict[str, Any], request: Request) -> None:
        """PATH_INFO, QUERY_STRING and the raw target, for its four forms (RFC 9112 §3.2)."""
        target = request.target
        environ["REQUEST_URI"] = environ["RAW_URI"] = target.decode("latin-1")
        path, _, query = target.partition(b"?")
        environ["QUERY_STRING"] = query.decode("latin-1")
        if path[:1] != b"/":
            path = _path_of(request.method, path)
        text = (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1")
        root = self._root
        if root and text.startswith(root) and text[len(root) : len(root) + 1] in ("", "/"):
            text = text[len(root) :]
        environ["PATH_INFO"] = text

    def _set_server(self, environ: dict[str, Any], request: Request, peer: PeerInfo) -> None:
        """SERVER_NAME and SERVER_PORT: those of the socket, or else those that Host names."""
        server = peer.server
        known, scheme, name, port = self._server
        if server is None or server[1] is None:
            host = request.headers.host.decode("latin-1")
            name, colon, port = host.rpartition(":")
            if not colon or port.endswith("]"):
                name, port = host, ""
            environ["SERVER_NAME"] = name or "localhost"
            environ["SERVER_PORT"] = port or ("443" if peer.scheme == "https" else "80")
            return
        if known != server or scheme != peer.scheme:
            # RFC 3875 §4.1.14: an IPv6 address stands in brackets.
            name = f"[{server[0]}]" if ":" in server[0] else server[0]
            port = str(server[1])
            self._server = (server, peer.scheme, name, port)
        environ["SERVER_NAME"] = name
        environ["SERVER_PORT"] = port

    def _key(self, name: bytes) -> str:
        """The environ key of a field, "" if it is dropped."""
        # "-" and "_" would give the same key: a field with "_" could pass for one that a proxy vouches for.
        dropped = b"_" in name or name in _DROPPED
        key = "" if dropped else "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        if len(self._keys) < _REMEMBERED:
            self._keys[name] = key
        return key


def _path_of(method: bytes, target: bytes) -> bytes:
    """The path of a target that is not in origin-form; the query has been taken off.

    ``*`` and an authority have none (RFC 3875 §4.1.5: PATH_INFO is empty or begins with "/"), and an absolute-form
    target without a path stands for "/", with OPTIONS for ``*`` (RFC 9112 §3.2.4).
    """
    _, scheme, rest = target.partition(b"://")
    if not scheme or method == b"CONNECT":
        return b""
    _, slash, path = rest.partition(b"/")
    if slash:
        return b"/" + path
    return b"" if method == b"OPTIONS" else b"/"
