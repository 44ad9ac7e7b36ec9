"""What an engine has its driver do, beside writing what is to be sent (RFC 6455 §7.1.1)."""

from enum import Enum

__all__ = ["Action"]


class Action(Enum):
    """One thing to do.  The order in which they are given is the order in which they are to be done."""

    #: Give the opening handshake its deadline, and take it away again.
    START_OPENING_TIMER = "start the opening timer"
    STOP_OPENING_TIMER = "stop the opening timer"
    #: Give the end of the connection its deadline (5 seconds unless told otherwise), and take it away again.
    START_CLOSING_TIMER = "start the closing timer"
    STOP_CLOSING_TIMER = "stop the closing timer"
    #: Close our side of the byte stream, once all is written.
    END_STREAM = "end the stream"
    #: Close the byte stream altogether and free what belongs to it.
    TEAR_DOWN = "tear down"
