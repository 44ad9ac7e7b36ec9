"""Where the lines of ``interlock ws`` come from, and where what it shows goes: a terminal with a prompt, or pipes.

Lines are read by a thread, since neither a terminal with editing nor a file can be waited for by an event loop.  It is a
daemon, and holds no lock of :data:`sys.stdin`, so that the program can end while it waits.
"""

import asyncio
import concurrent.futures
import contextlib
import io
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import IO, Final

import click

__all__ = ["Console"]

_PROMPT: Final = "> "
#: Go to the beginning of the line, and erase it.
_ERASE: Final = "\r\x1b[K"


class Console:
    """Standard input, output and error.  ``interactive``: whether somebody types on a terminal and sees what comes."""

    def __init__(self) -> None:
        self.interactive: Final = _is_terminal(sys.stdin) and _is_terminal(sys.stdout)
        #: Whether the prompt stands on the terminal, with what has been typed so far.
        self._prompting = False

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Leave the terminal at the end as it was: who edits a line changes how it works."""
        restore = contextlib.ExitStack()
        if self.interactive:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401, PLC0415 - not everywhere; input() edits lines where it was imported
            with contextlib.suppress(ImportError):
                import termios  # noqa: PLC0415 - not on Windows

                terminal = sys.stdin.fileno()
                restore.callback(termios.tcsetattr, terminal, termios.TCSADRAIN, termios.tcgetattr(terminal))
        with restore:
            try:
                yield
            finally:
                if self._prompting:
                    self._prompting = False
                    _write(_ERASE)

    # -- output

    def show(self, text: str) -> None:
        """A message that came, on standard output.  Raises :class:`BrokenPipeError` where nobody reads it any more."""
        if self.interactive:
            text = "< " + text.replace("\n", "\n  ")
        self._echo(text, err=False)

    def note(self, *lines: str) -> None:
        """What there is to say beside that, on standard error, if somebody listens."""
        if not lines:
            return
        with contextlib.suppress(BrokenPipeError):
            self._echo("\n".join(lines), err=True)

    def _echo(self, text: str, *, err: bool) -> None:
        prompting = self._prompting
        if prompting:
            _write(_ERASE)
        encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)
        if prompting:
            _write(_PROMPT + _typed())

    # -- input

    async def lines(self) -> AsyncIterator[bytes]:
        """The lines as they come, without what ends them; each is read when the one before has been taken."""
        loop = asyncio.get_running_loop()
        taken: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        threading.Thread(target=self._read, args=(loop, taken), name="interlock-ws-input", daemon=True).start()
        while (line := await taken.get()) is not None:
            yield line

    def _read(self, loop: asyncio.AbstractEventLoop, taken: "asyncio.Queue[bytes | None]") -> None:
        source = None if self.interactive else _source()
        with contextlib.suppress(RuntimeError, concurrent.futures.CancelledError):  # the loop has ended
            while True:
                line = self._prompted() if source is None else _line(source)
                giving = taken.put(line)
                try:
                    asyncio.run_coroutine_threadsafe(giving, loop).result()
                finally:
                    giving.close()
                if line is None:
                    return

    def _prompted(self) -> bytes | None:
        self._prompting = True
        try:
            return input(_PROMPT).encode("utf-8", "surrogateescape")
        except EOFError:
            return None
        finally:
            self._prompting = False


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _source() -> IO[bytes]:
    """Standard input, apart from :data:`sys.stdin`, whose lock would be waited for at the end of the program."""
    if sys.stdin is None:
        return io.BytesIO()
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except (OSError, ValueError):  # one that is no file
        return sys.stdin.buffer


def _line(source: IO[bytes]) -> bytes | None:
    try:
        line = source.readline()
    except OSError:  # a terminal that is gone
        return None
    return line.removesuffix(b"\n").removesuffix(b"\r") if line else None


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _typed() -> str:
    """What has been typed behind the prompt, where that can be known."""
    readline = sys.modules.get("readline")
    return readline.get_line_buffer() if readline is not None else ""
