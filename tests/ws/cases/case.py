"""What a case is: frames that an end receives, and what has to come of them, by the RFCs' sections."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.ws import raw
from tests.ws.raw import Frame

from interlock.ws import CloseReceived, Limits, Ping
from interlock.ws.deflate import Agreed

#: The files of cases, beside this one.
FILES = ("closing", "compression", "fragments", "framing", "limits", "text")

#: Frames of more octets than this are not cut everywhere.
LARGE = 1500


@dataclass(frozen=True)
class Case:
    """Frames, and what comes of them in whichever role they are received."""

    title: str
    #: Such as "6455 §5.2".
    sections: tuple[str, ...]
    frames: tuple[Frame, ...]
    events: tuple[Any, ...]
    #: The status code that the connection fails with; 0: it does not.
    code: int = 0
    #: permessage-deflate, the same in either direction.
    agreed: Agreed | None = None
    limits: Limits | None = None

    @property
    def is_large(self) -> bool:
        return sum(len(frame.payload) for frame in self.frames) > LARGE

    def answers(self) -> list[Frame]:
        """What has to be sent: a pong for every ping, and one Close, with nothing behind it (RFC 6455 §5.5)."""
        frames = []
        for event in self.events:
            if isinstance(event, Ping):
                frames.append(raw.pong(event.payload))
            elif isinstance(event, CloseReceived):
                return [*frames, raw.close(None if event.code == 1005 else event.code)]
        return [*frames, raw.close(self.code)] if self.code else frames


CASES: list[Case] = []


def case(
    title: str,
    sections: str | Sequence[str],
    frames: Frame | Sequence[Frame],
    *events: Any,
    code: int = 0,
    agreed: Agreed | None = None,
    limits: Limits | None = None,
) -> None:
    """Add a case.  ``sections``: one, or several; those without an RFC are RFC 6455's."""
    named = (sections,) if isinstance(sections, str) else tuple(sections)
    CASES.append(
        Case(
            title,
            tuple(section if section[0] != "§" else f"6455 {section}" for section in named),
            (frames,) if isinstance(frames, Frame) else tuple(frames),
            events,
            code,
            agreed,
            limits,
        )
    )


def all_cases() -> list[Case]:
    """All cases of all files."""
    if not CASES:
        for file in FILES:
            importlib.import_module(f"tests.ws.cases.{file}")
    return CASES
