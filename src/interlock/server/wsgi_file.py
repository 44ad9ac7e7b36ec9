"""wsgi.file_wrapper: a file as the content of a response (PEP 3333, "Optional Platform-Specific File Handling")."""

import io
import os
import stat
from collections.abc import Iterator
from typing import IO, Any, Final

__all__ = ["FileWrapper", "region"]

_BLOCK: Final = 65536


class FileWrapper:
    """The rest of a file, in blocks.  ``close`` is that of the file, and is there only if the file has one."""

    def __init__(self, filelike: Any, block_size: int = _BLOCK) -> None:
        """``filelike`` has ``read(size)``; ``block_size`` is in octets."""
        self.filelike: Final = filelike
        self.block_size: Final = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block


def region(file: Any) -> tuple[IO[bytes], int, int] | None:
    """What of ``file`` the operating system can send by itself: (file, offset, octets), from where the file stands.

    None where it is not a regular file, or where what is read from it may not be what is on the disk: many classes
    have ``fileno()`` and give something else (:class:`gzip.GzipFile` decompresses).
    """
    buffered = type(file) is io.BufferedReader or type(file) is io.BufferedRandom
    raw = file.raw if buffered else file
    if type(raw) is not io.FileIO or raw.closed or not raw.readable() or not raw.seekable():
        return None
    if type(file) is io.BufferedRandom:
        file.flush()
    status = os.fstat(raw.fileno())
    if not stat.S_ISREG(status.st_mode):
        return None
    # A buffered file stands where its reader does, not where its buffer ends.
    offset = file.tell()
    return file, offset, max(0, status.st_size - offset)
