"""Telling a request's trace hook of each step, by the names that httpcore gives them.

A step is told of as ``<name>.started``, and then as ``<name>.complete`` or ``<name>.failed``.
"""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from interlock.client.messages import Trace

__all__ = ["tell", "traced"]

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
