"""Telling a request's trace hook of each step, by the names that httpcore gives them.

A step is told of as ``<name>.started``, and then as ``<name>.complete`` or ``<name>.failed``.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from interlock.client.messages import Trace

__all__ = ["ContentTrace", "tell", "traced"]

T = TypeVar("T")


async def tell(trace: Trace, name: str, info: dict[str, Any]) -> None:
    """Tell the hook, and wait for it where it wants that."""
    waited_for = trace(name, info)
    if waited_for is not None:
        await waited_for


async def traced(
    trace: Trace | None,
    name: str,
    info: dict[str, Any],
    step: Coroutine[Any, Any, T],
    describe: Callable[[T], object] | None = None,
    undo: Callable[[T], None] | None = None,
) -> T:
    """What ``step`` gives, with the hook told of it, if there is one.

    ``describe``: what the hook is told of the result.  ``undo``: called with the result where nobody gets it, since the
    hook has failed.
    """
    if trace is None:
        return await step
    try:
        await tell(trace, f"{name}.started", info)
    except BaseException:
        step.close()
        raise
    try:
        result = await step
    except BaseException as error:
        await tell(trace, f"{name}.failed", {"exception": error})
        raise
    try:
        await tell(trace, f"{name}.complete", {"return_value": result if describe is None else describe(result)})
    except BaseException:
        if undo is not None:
            undo(result)
        raise
    return result


class ContentTrace:
    """Tells the hook of the content of one response: a step from the first block that is asked for to the last.

    ``version``: what the names begin with; ``info``: what the steps are about.
    """

    __slots__ = ("_begun", "_closed", "_ended", "_info", "_trace", "_version")

    def __init__(self, trace: Trace, version: str, info: dict[str, Any]) -> None:
        self._trace: Final = trace
        self._version: Final = version
        self._info: Final = info
        self._begun = False
        self._ended = False
        self._closed = False

    async def read(self, read: Callable[[], Coroutine[Any, Any, bytes]]) -> bytes:
        """The next block, b"" at the end, as ``read`` gives it."""
        if not self._begun:
            self._begun = True
            await self._tell("started", self._info)
        try:
            block = await read()
        except BaseException as error:
            if not self._ended:
                self._ended = True
                await self._tell("failed", {"exception": error})
            raise
        if not block and not self._ended:
            self._ended = True
            await self._tell("complete", {"return_value": None})
        return block

    async def close(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let ``close`` close the response, for the first time."""
        if not self._closed:
            self._closed = True
            await traced(self._trace, f"{self._version}.response_closed", self._info, close())

    async def _tell(self, what: str, info: dict[str, Any]) -> None:
        await tell(self._trace, f"{self._version}.receive_response_body.{what}", info)
