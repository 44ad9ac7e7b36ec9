"""The messages of a WebSocket that wait for the application: pure, for the drivers of all event loops.

It counts, and says when there is enough; to receive no more then is the driver's to do.
"""

from collections import deque
from typing import Any, Final, final

from interlock.http.limits import Limits
from interlock.ws.events import Message

__all__ = ["Inbox"]


@final
class Inbox:
    """Messages, or fragments of them, in the order in which they came.

    ``max_queue``: so many of them are enough, None: any number; and ``limits.read_buffer`` octets are.
    """

    __slots__ = ("_dropping", "_limits", "_max_queue", "_messages", "_octets", "complete", "within")

    def __init__(self, limits: Limits, max_queue: int | None) -> None:
        self._limits: Final = limits
        self._max_queue: Final = max_queue
        self._messages: Final[deque[Message]] = deque()
        self._octets = 0
        #: How many messages end here.
        self.complete = 0
        #: Whether the application has taken a part of a message, and not its end.
        self.within = False
        #: Whether what comes is dropped, since we are closing and nobody takes it.
        self._dropping = False

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def full(self) -> bool:
        """Whether this is enough."""
        full = self._max_queue is not None and len(self._messages) >= self._max_queue
        return full or self._octets > self._limits.read_buffer

    @property
    def low(self) -> bool:
        """Whether so much was taken since that it is time for more."""
        low = self._max_queue is None or len(self._messages) <= self._max_queue // 2
        return low and self._octets <= self._limits.read_buffer // 2

    def add(self, message: Message, *, closing: bool) -> None:
        """Take in a message, or a fragment.

        ``closing``: our Close is sent.  Who waits for the other end's may take nothing any more, and is not to wait in
        vain: then beyond ``limits.message`` octets everything is dropped.
        """
        if not self._dropping:
            self._messages.append(message)
            self._octets += len(message.data)
            if message.final:
                self.complete += 1
            self._dropping = closing and self._octets > self._limits.message

    def take(self) -> Message:
        """The next fragment, or the next message if it is not in fragments."""
        message = self._messages.popleft()
        self._octets -= len(message.data)
        self.within = not message.final
        if message.final:
            self.complete -= 1
        return message

    def take_message(self) -> str | bytes:
        """The next message, all of which is here."""
        message = self.take()
        data: str | bytes = message.data
        if message.final:
            return data
        pieces: list[Any] = [data]
        while not message.final:
            message = self.take()
            pieces.append(message.data)
        return "".join(pieces) if isinstance(data, str) else b"".join(pieces)

    def skip(self) -> None:
        """Drop what is there of the message that the application has taken a part of."""
        while self.within and self._messages:
            self.take()
