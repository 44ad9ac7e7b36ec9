"""ASGI's lifespan protocol (spec 2.0): the application is told when its worker starts and when it stops.

The application runs in one task for as long as the worker serves.  What it puts into ``state`` at startup is what its
requests are given.
"""

import asyncio
import logging
from typing import Any, Final

from interlock.server.asgi import Application, Message
from interlock.server.context import ServerContext

__all__ = ["Lifespan", "LifespanFailure"]

# How far the conversation is.
NOT_STARTED: Final = "before lifespan.startup"
STARTING: Final = "after lifespan.startup"
STARTED: Final = "after lifespan.startup.complete"
STOPPING: Final = "after lifespan.shutdown"
STOPPED: Final = "after lifespan.shutdown.complete"
FAILED: Final = "after lifespan.startup.failed or lifespan.shutdown.failed"

#: State -> what the application may say in it, and the state that this leads to.
_ANSWERS: Final[dict[str, dict[str, str]]] = {
    STARTING: {"lifespan.startup.complete": STARTED, "lifespan.startup.failed": FAILED},
    STOPPING: {"lifespan.shutdown.complete": STOPPED, "lifespan.shutdown.failed": FAILED},
}


class LifespanFailure(Exception):
    """The application has said, or shown, that it cannot start."""


class Lifespan:
    """The lifespan of an application in one worker.

    ``mode``: "off" never calls the application; "on" takes an application that raises before its startup is complete
    as one that cannot start; "auto" takes it as one that does not know the protocol, and serves it without.  An
    application that says lifespan.startup.failed cannot start in either mode.
    """

    def __init__(self, app: Application, context: ServerContext, *, mode: str = "auto") -> None:
        if mode not in {"auto", "on", "off"}:
            raise ValueError(f"lifespan mode {mode!r}: auto, on or off is understood")
        #: What the application leaves for its requests.
        self.state: Final[dict[str, Any]] = {}
        self._app: Final = app
        self._log: Final[logging.Logger] = context.log
        self._mode: Final = mode
        self._conversation = NOT_STARTED
        self._message = ""
        self._task: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        # What the application has not yet received, and who waits: the application for that, or we for its answer.
        self._sent: list[Message] = []
        self._receiver: asyncio.Future[None] | None = None
        self._answered: asyncio.Future[None] | None = None

    async def startup(self) -> None:
        """Start the application, and wait until it is ready.  Raises :class:`LifespanFailure` if it cannot start."""
        if self._mode == "off":
            return
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._tell("lifespan.startup", STARTING)
        if self._conversation == FAILED:
            await self._end()
            raise LifespanFailure(self._message or "the application gave no reason")
        if self._conversation == STARTING:
            error = self._error
            if error is not None and self._mode == "on":
                raise LifespanFailure(f"{type(error).__name__}: {error}") from error
            if error is not None and not self._sent:
                # It has taken the message, so it does know the protocol, and something else is wrong with it.
                self._log.warning("the application raised at lifespan.startup; served without it", exc_info=error)
            else:
                self._log.info("the application does not support the lifespan protocol")

    async def shutdown(self) -> None:
        """Tell the application to stop, and wait until it has.  A failure is logged.

        Nothing is done when it was never started, could not start, or has ended before.
        """
        if self._task is None:
            return
        try:
            if self._conversation == STARTED and not self._task.done():
                await self._tell("lifespan.shutdown", STOPPING)
                if self._conversation == FAILED:
                    self._log.error("the application's shutdown failed: %s", self._message or "it gave no reason")
        finally:
            await self._end()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except (Exception, SystemExit) as error:
            if self._conversation == STARTING:
                self._error = (
                    error if isinstance(error, Exception) else RuntimeError(f"the application called {error!r}")
                )
            elif self._conversation != FAILED:
                self._log.error("Exception in the lifespan of the ASGI application", exc_info=error)
        finally:
            _set(self._answered)

    async def _tell(self, kind: str, conversation: str) -> None:
        """Send the application a message, and wait for its answer or its end."""
        answered = self._answered = asyncio.get_running_loop().create_future()
        self._sent.append({"type": kind})
        self._conversation = conversation
        _set(self._receiver)
        try:
            await answered
        except asyncio.CancelledError:
            await self._end()
            raise

    async def _end(self) -> None:
        """Leave no task behind: what the application still does is cancelled."""
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,))

    async def _receive(self) -> Message:
        while not self._sent:
            self._receiver = asyncio.get_running_loop().create_future()
            await self._receiver
        return self._sent.pop(0)

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        answers = _ANSWERS.get(self._conversation, {})
        if kind not in answers:
            expected = " or ".join(answers) or "nothing"
            raise RuntimeError(f"ASGI message {kind!r} is not expected {self._conversation}: expected {expected}")
        self._conversation = answers[kind]
        self._message = message.get("message", "").strip()  # frameworks send a traceback, with its line end
        _set(self._answered)


def _set(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
