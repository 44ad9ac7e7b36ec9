"""How long a client waits for what."""

from dataclasses import dataclass
from typing import Final

__all__ = ["ClientTimeouts"]

#: Seconds that are as good as None.
_FOR_EVER: Final = 1e9


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """Times in seconds; None waits for ever."""

    #: A connection: name, TCP, proxy and TLS, each of them.
    connect: float | None = 5.0
    #: Between two pieces of what the peer sends, and for the whole head of a response from its first octet.
    read: float | None = 5.0
    #: The peer to take what is above the high-water mark.
    write: float | None = 5.0
    #: A connection of the pool.
    pool: float | None = 5.0
    #: Content may be as slow as it likes for this long ...
    body_grace: float | None = 10.0
    #: ... and then has to have come at this many octets a second on the average; None or 0: it may be as slow as it likes.
    body_rate: float | None = 100.0

    def __post_init__(self) -> None:
        if self.body_rate == 0:
            object.__setattr__(self, "body_rate", None)
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None:
                if not value >= 0:  # which holds for no NaN
                    raise ValueError(f"timeout {name} has to be a number, and not negative: {value}")
                # Compiled code tells an int from a float; and no clock goes as far as some would wait.
                object.__setattr__(self, name, float(value) if value < _FOR_EVER or name == "body_rate" else None)
