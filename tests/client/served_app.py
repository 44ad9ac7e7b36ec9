"""What clients talk to: an application of ASGI that does what the path of a request says."""

import asyncio

counts: dict[str, int] = {}


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("only http")
    _, what, *arguments = scope["path"].split("/")
    await PAGES[what](Exchange(scope, receive, send), *arguments)


class Exchange:
    def __init__(self, scope, receive, send):
        self.scope, self.receive, self.send = scope, receive, send
        self.trailers = None

    async def content(self):
        octets = b""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return octets
            octets += message.get("body", b"")
            if not message.get("more_body", False):
                return octets

    async def head(self, *fields, status=200, trailers=False):
        start = {"type": "http.response.start", "status": status, "headers": list(fields)}
        await self.send(start | ({"trailers": True} if trailers else {}))

    async def body(self, octets, more=False):
        await self.send({"type": "http.response.body", "body": octets, "more_body": more})


async def echo(exchange):
    """The method, the target, the fields beginning with X-, and the content."""
    content = await exchange.content()
    scope = exchange.scope
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    lines = [scope["method"].encode(), target]
    lines += [name + b"=" + value for name, value in scope["headers"] if name.startswith(b"x-")]
    octets = b"\n".join([*lines, content])
    fields = [(b"content-type", b"text/plain; charset=latin-1"), (b"x-one", b"1"), (b"x-one", b"2")]
    await exchange.head((b"content-length", b"%d" % len(octets)), *fields)
    await exchange.body(b"" if scope["method"] == "HEAD" else octets)


async def blocks(exchange, count, size):
    """Content in blocks, of a length that is not told, and trailers."""
    await exchange.head((b"trailer", b"x-count"), trailers=True)
    for number in range(int(count)):
        await exchange.body(bytes([number & 255]) * int(size), more=True)
    await exchange.body(b"")
    await exchange.send({"type": "http.response.trailers", "headers": [(b"x-count", count.encode())]})


async def endless(exchange):
    """Content without end."""
    await exchange.head()
    try:
        while True:
            await exchange.body(b"x" * 16384, more=True)
    except OSError:
        pass


async def hints(exchange):
    """Two informational responses before the final one."""
    for link in (b"</a>", b"</b>"):
        await exchange.send({"type": "http.response.early_hint", "links": [link]})
    await exchange.head((b"content-length", b"2"))
    await exchange.body(b"ok")


async def counted(exchange, name):
    """Count how often this is asked."""
    await exchange.content()
    counts[name] = counts.get(name, 0) + 1
    await asyncio.sleep(0)
    octets = b"%b %d" % (name.encode(), counts[name])
    await exchange.head((b"content-length", b"%d" % len(octets)))
    await exchange.body(octets)


PAGES = {"echo": echo, "blocks": blocks, "endless": endless, "hints": hints, "counted": counted}
