"""Why a server cannot start."""

__all__ = ["StartError"]


class StartError(Exception):
    """The server cannot start, for a reason that its operator can mend.

    Its text is one line for a person.  ``traceback`` is the application's own, where its code raised; "" otherwise.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback

    def report(self) -> str:
        """What to print: the traceback, if there is one, and the message on the last line."""
        return f"{self.traceback}{self}"
