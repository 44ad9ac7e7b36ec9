"""What both bridges are told by the server they run in."""

import logging
import time
from typing import Final

from interlock.http.dates import ImfFixdate
from interlock.http.errors import EXCERPT_OCTETS
from interlock.http.events import Request

__all__ = ["ServerContext", "request_line"]


class ServerContext:
    """What is the same for all exchanges of one worker.

    ``root_path``: where the application is mounted, WSGI's SCRIPT_NAME and ASGI's root_path ("" unless told).
    ``server_header`` and ``date_header``: whether responses get a Server and a Date field that the application did not
    set.  ``multiprocess``: whether other workers run the same application.
    """

    __slots__ = ("_date", "_server", "date_header", "log", "multiprocess", "root_path", "server_header")

    def __init__(
        self,
        *,
        root_path: str = "",
        server_header: bool = True,
        date_header: bool = True,
        multiprocess: bool = False,
    ) -> None:
        self.root_path: Final = root_path
        self.server_header: Final = server_header
        self.date_header: Final = date_header
        self.multiprocess: Final = multiprocess
        #: Where errors of the application are reported, with their traceback.
        self.log: Final = logging.getLogger("interlock.error")
        self._date: Final = ImfFixdate()
        self._server: Final = (b"server", b"interlock")

    def add_defaults(self, fields: list[tuple[bytes, bytes]]) -> None:
        """Append Date and Server to the fields of a response, where wanted and not there (RFC 9110 §6.6.1, §10.2.4).

        Names in ``fields`` are in lower case.
        """
        date = self.date_header
        server = self.server_header
        for name, _ in fields:
            if name == b"date":
                date = False
            elif name == b"server":
                server = False
        if date:
            fields.append((b"date", self._date.at(time.time())))
        if server:
            fields.append(self._server)


def request_line(request: Request) -> str:
    """The method and the target of ``request`` for a line of a log: printable ASCII, and not much of it."""
    return f"{_shown(request.method)} {_shown(request.target)}"


def _shown(octets: bytes) -> str:
    # Neither a method nor a target has a control character: nothing else than obs-text is escaped.
    shown = octets[:EXCERPT_OCTETS].decode("ascii", "backslashreplace")
    return shown if len(octets) <= EXCERPT_OCTETS else f"{shown}... ({len(octets)} octets)"
