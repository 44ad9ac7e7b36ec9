"""Files that an ASGI application sends: by path (http.response.pathsend) or opened (http.response.zerocopysend)."""

import os
from typing import IO, Any

__all__ = ["extent", "open_descriptor", "open_path"]


def open_path(path: str) -> IO[bytes]:
    """The file at ``path``, for http.response.pathsend.

    Raises :class:`RuntimeError` where it cannot be opened: to an application, an :class:`OSError` from ``send`` means
    that the client has gone.
    """
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise RuntimeError(f"http.response.pathsend: {error}") from error


def open_descriptor(file: Any) -> IO[bytes]:
    """The file of an http.response.zerocopysend, which may be given as a bare descriptor.  It is never closed here."""
    if isinstance(file, int):
        return open(file, "rb", buffering=0, closefd=False)
    opened: IO[bytes] = file
    return opened


def extent(file: IO[bytes], offset: int | None, count: int | None) -> tuple[int, int]:
    """From which octet of ``file`` how many octets are to be sent.

    Without ``offset``, from its current position; without ``count``, to its end, and never beyond.
    """
    start = file.tell() if offset is None else offset
    available = max(os.fstat(file.fileno()).st_size - start, 0)
    return start, available if count is None else min(count, available)
