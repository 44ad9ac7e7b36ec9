"""An engine whose handshake is done, and what it makes of what it receives."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from tests.ws import raw
from tests.ws.raw import Frame

from interlock.ws import CLIENT, NEED_DATA, SERVER, Connection, Message, RemoteProtocolError
from interlock.ws.deflate import Agreed

each_role = pytest.mark.parametrize("role", [SERVER, CLIENT], ids=("server", "client"))


def opened(role: Any, *, agreed: Agreed | None = None, **options: Any) -> Connection:
    connection = Connection(role, **options)
    connection.start(agreed=agreed)
    return connection


class Outcome(NamedTuple):
    """What an engine makes of octets: events, the code and the text of its error, and the frames that it sends."""

    events: list[Any]
    code: int
    error: str
    sent: list[Frame]


def received(connection: Connection, pieces: Iterable[bytes], *, at_the_end: bool = False) -> Outcome:
    """What comes of octets in ``pieces``; ``at_the_end``: nobody asks for events before all have come.

    What is to be sent is asked for after every event, as everyone has to who answers every ping.
    """
    events: list[Any] = []
    sent: list[bytes] = []
    code, error = 0, ""

    def take() -> None:
        nonlocal code, error
        while True:
            try:
                event = connection.next_event()
            except RemoteProtocolError as failure:
                assert not code, "a second error"
                code, error = failure.error_status_hint, str(failure)
                continue
            finally:
                sent.append(connection.data_to_send())
            if event is NEED_DATA:
                return
            events.append(event)

    for piece in pieces:
        connection.receive_data(piece)
        if not at_the_end:
            take()
    take()
    return Outcome(events, code, error, raw.read(b"".join(sent), connection.our_role is CLIENT))


def joined(events: Iterable[Any]) -> list[Any]:
    """The same events, with each message in one piece, behind the control frames that came in its midst."""
    together: list[Any] = []
    parts: list[Any] = []
    for event in events:
        if not isinstance(event, Message):
            together.append(event)
            continue
        parts.append(event.data)
        if event.final:
            together.append(Message(("" if isinstance(event.data, str) else b"").join(parts)))
            parts.clear()
    return together
