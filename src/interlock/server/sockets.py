"""The sockets that a server listens on: the strings that name them, and how they are opened and put away.

``host:port``, ``host`` (port 8000), ``:port`` (every IPv4 address), ``[ipv6]:port``, ``unix:path`` and ``fd://number``.
``[::]:port`` takes IPv4 connections too; any other IPv6 address takes none.  A name is bound at each of its addresses.
"""

import contextlib
import errno
import os
import socket
import stat
from dataclasses import dataclass

from interlock.server.errors import StartError

__all__ = ["DEFAULT_PORT", "FileDescriptor", "Listener", "TCPAddress", "UnixPath", "open_listeners", "parse_bind"]

DEFAULT_PORT = 8000

#: What bind() says of an address that this machine does not have: of a name's other addresses, one may do.
_ABSENT = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT))


@dataclass(frozen=True, slots=True)
class TCPAddress:
    """``host``: a name or an address without brackets; ``port``: 0 for one that the system chooses."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixPath:
    """A unix socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class FileDescriptor:
    """A listening socket that the process was started with."""

    number: int

    def __str__(self) -> str:
        return f"fd://{self.number}"


Address = TCPAddress | UnixPath | FileDescriptor


def parse_bind(text: str) -> Address:
    """What ``text`` names.  Raises :class:`ValueError`, with the reason, if it names nothing."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path:
            raise ValueError("unix: needs a path, as in unix:/run/app.sock")
        if "\0" in path:
            raise ValueError("a path has no NUL in it")
        return UnixPath(path)
    if text.startswith("fd:"):
        number = text.removeprefix("fd:").removeprefix("//")
        if not text.startswith("fd://") or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise ValueError(f"{text!r} names no file descriptor: write fd://3")
        return FileDescriptor(int(number))
    if "/" in text:
        raise ValueError(f"{text!r} is none of host:port, [ipv6]:port, unix:path, fd://number")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not host or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is no [ipv6]:port")
        return TCPAddress(host, _port(rest[1:], text) if rest else DEFAULT_PORT)
    if text.count(":") > 1:
        raise ValueError(f"{text!r}: an IPv6 address stands in brackets, as in [::1]:8000")
    host, colon, port = text.partition(":")
    if not colon and host.isdigit():
        raise ValueError(f"{text!r} is no host: to name only a port write 127.0.0.1:{text} or :{text}")
    if not colon and not host:
        raise ValueError("is empty: write host:port")
    return TCPAddress(host or "0.0.0.0", _port(port, text) if colon else DEFAULT_PORT)


def _port(digits: str, text: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= 65535):
        raise ValueError(f"{text!r}: a port is a number from 0 to 65535")
    return int(digits)


class Listener:
    """A listening socket, and the path that has to go with it.

    ``name`` says where it listens: ``127.0.0.1:8000``, with the port that the system chose, or ``unix:/run/app.sock``.
    """

    def __init__(self, sock: socket.socket, path: str | None = None) -> None:
        self.sock = sock
        self.name = _name(sock)
        self._path = path
        self._owner = os.getpid()
        self._file = os.stat(path) if path is not None else None

    def url(self, scheme: str) -> str:
        """Where a client finds it; of a unix socket, its path."""
        return self.name if self.name.startswith("unix:") else f"{scheme}://{self.name}"

    def close(self) -> None:
        """Stop listening in this process.  The process that made a unix socket also removes its path.

        A path that meanwhile leads to something else, such as the socket of the next server, stays.
        """
        self.sock.close()
        if self._path is None or self._file is None or os.getpid() != self._owner:
            return
        with contextlib.suppress(OSError):
            if os.path.samestat(os.lstat(self._path), self._file):
                os.unlink(self._path)
        self._path = None


def _name(sock: socket.socket) -> str:
    name = sock.getsockname()
    if isinstance(name, tuple):
        return str(TCPAddress(name[0], name[1]))
    return f"unix:{os.fsdecode(name)}"


def open_listeners(addresses: list[Address], *, backlog: int, unix_mode: int | None) -> list[Listener]:
    """Listen on each of ``addresses``.

    ``backlog``: connections that wait to be accepted.  ``unix_mode``: the permissions of unix sockets; None: as the
    umask says.  Raises :class:`StartError`, with nothing left open.
    """
    listeners: list[Listener] = []
    try:
        for address in addresses:
            if isinstance(address, TCPAddress):
                listeners.extend(_listen_tcp(address, backlog))
            elif isinstance(address, UnixPath):
                listeners.append(_listen_unix(address, backlog, unix_mode))
            else:
                listeners.append(_listen_descriptor(address, backlog))
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _cannot(address: Address, error: OSError) -> StartError:
    if error.errno == errno.EADDRINUSE:
        reason = "it is in use: another server listens there"
    elif error.errno == errno.EACCES:
        reason = "permission denied"
        if isinstance(address, TCPAddress) and 0 < address.port < 1024:
            reason += ": ports below 1024 need privileges"
    elif error.errno == errno.EADDRNOTAVAIL:
        reason = "this machine does not have that address"
    else:
        reason = error.strerror or str(error)
    return StartError(f"cannot listen on {address}: {reason}")


def _listen_tcp(address: TCPAddress, backlog: int) -> list[Listener]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host name"
        raise StartError(f"cannot listen on {address}: cannot resolve host {address.host!r}: {reason}") from None
    listeners: list[Listener] = []
    absent: OSError | None = None
    port = address.port
    try:
        for family, kind, protocol, _, sockaddr in dict.fromkeys(found):
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:
                absent = error
                continue
            try:
                if os.name == "posix":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, sockaddr[0] != "::")
                sock.bind((sockaddr[0], port, *sockaddr[2:]))
                sock.listen(backlog)
            except BaseException as error:
                sock.close()
                if isinstance(error, OSError) and error.errno in _ABSENT:
                    absent = error
                    continue
                raise
            listeners.append(Listener(sock))
            port = sock.getsockname()[1]  # where the system chose it: the same one at the host's other addresses
        if not listeners:
            raise absent or OSError(errno.EADDRNOTAVAIL, "")
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise _cannot(address, error) from None
    return listeners


def _listen_unix(address: UnixPath, backlog: int, mode: int | None) -> Listener:
    if not hasattr(socket, "AF_UNIX"):
        raise StartError(f"cannot listen on {address}: this system has no unix sockets")
    try:
        _clear(address)
    except OSError as error:
        raise _cannot(address, error) from None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o777 & ~mode) if mode is not None else None  # so that it never stands open wider than that
    try:
        sock.bind(address.path)
        sock.listen(backlog)
        return Listener(sock, os.path.abspath(address.path))
    except OSError as error:
        sock.close()
        raise _cannot(address, error) from None
    finally:
        if umask is not None:
            os.umask(umask)


def _clear(address: UnixPath) -> None:
    """Remove the socket that a server left at this path when it was killed.  Nothing else is ever removed."""
    try:
        there = os.lstat(address.path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(there.st_mode):
        raise StartError(f"cannot listen on {address}: a file that is no socket is there, and stays")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            os.unlink(address.path)
        except FileNotFoundError:
            return
        except TimeoutError:
            raise OSError(errno.EADDRINUSE, "") from None
        else:
            raise OSError(errno.EADDRINUSE, "")


def _listen_descriptor(address: FileDescriptor, backlog: int) -> Listener:
    try:
        sock = socket.socket(fileno=address.number)
    except OSError as error:
        reason = {errno.EBADF: "it is not open", errno.ENOTSOCK: "it is no socket"}.get(error.errno or 0)
        raise StartError(f"cannot listen on {address}: {reason or error.strerror}") from None
    try:
        if sock.type != socket.SOCK_STREAM or sock.family not in (
            socket.AF_INET,
            socket.AF_INET6,
            getattr(socket, "AF_UNIX", socket.AF_INET),
        ):
            raise StartError(f"cannot listen on {address}: it is no TCP or unix stream socket")
        sock.listen(backlog)
    except OSError as error:
        sock.detach()
        raise _cannot(address, error) from None
    except StartError:
        sock.detach()
        raise
    return Listener(sock)
