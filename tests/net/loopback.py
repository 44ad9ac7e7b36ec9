"""What tests over real sockets share: each kind of event loop, and the certificate of a server with who trusts it."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import trustme

Main = Coroutine[Any, Any, None]


def _factories() -> list[Any]:
    try:
        import uvloop
    except ImportError:
        return [asyncio.new_event_loop]
    return [asyncio.new_event_loop, uvloop.new_event_loop]


#: How a fixture has a test run on each kind of event loop, as arguments of :func:`pytest.fixture`.
EACH_LOOP: dict[str, Any] = {"params": _factories(), "ids": lambda factory: factory.__module__.partition(".")[0]}


def runner(factory: Callable[[], asyncio.AbstractEventLoop], patience: float = 20) -> Callable[[Main], None]:
    """What runs a coroutine on a loop that ``factory`` makes; it may leave no task behind, and report no error.

    ``patience``: seconds after which it is taken to have failed.
    """

    def run(main: Main) -> None:
        errors: list[Any] = []

        async def watched() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
            await asyncio.wait_for(main, patience)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(watched())
        assert errors == []

    return run


def contexts_of(*names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server of these names, and for a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
