"""What the server of the conformance cases answers: one function, and the same as an ASGI application.

A server in a process of its own loads this file by itself, so it imports nothing of the suite.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

#: What / answers.
CONTENT = b"the interlocking answer\n"
#: What /large answers: no two windows of it are alike.
LARGE = b"".join(b"%07d\n" % number for number in range(32 * 1024))

Fields = list[tuple[bytes, bytes]]


def answer(method: bytes, path: bytes, fields: Fields, content: bytes) -> tuple[int, Fields, bytes]:
    """The status, the fields and the content of a response.

    /large: much; /release: how many applications of /wait ran at most, which may end now; /echo: the content of the request; /fields: its fields, one a line; /length: how long its content was;
    /empty: nothing.
    """
    path = path.partition(b"?")[0]
    if path == b"/large":
        body = LARGE
    elif path == b"/echo":
        body = content
    elif path == b"/fields":
        body = b"".join(b"%s: %s\n" % field for field in fields)
    elif path == b"/length":
        body = b"%d" % len(content)
    elif path == b"/empty":
        body = b""
    elif path == b"/release":
        RELEASED.set()
        body = b"%d" % RUNNING[1]
    else:
        body = CONTENT
    return 200, [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))], body


def is_early(path: bytes) -> bool:
    """Whether the response does not wait for the end of the request."""
    return path.partition(b"?")[0] == b"/early"


#: Applications of /wait that run, and ran at most at the same time.
RUNNING = [0, 0]
RELEASED = asyncio.Event()


async def wait() -> None:
    """Until somebody asks for /release, whether the client is still there or not."""
    RUNNING[0] += 1
    RUNNING[1] = max(RUNNING)
    await RELEASED.wait()
    RUNNING[0] -= 1


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    path = scope["raw_path"]
    if path == b"/wait":
        await wait()
    content = bytearray()
    more = not is_early(path)
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        content += message.get("body", b"")
        more = message.get("more_body", False)
    status, fields, body = answer(scope["method"].encode(), path, list(scope["headers"]), bytes(content))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
