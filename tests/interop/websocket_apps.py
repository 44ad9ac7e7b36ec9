"""The WebSocket applications that ``interlock serve`` is started with: a bare one, and Starlette."""

import asyncio
import gc
import json
import os

from browser_pages import PROTOCOLS
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

# For the test that has started this: see serving.py.
NEWS = int(os.environ["IL_NEWS"])
os.write(NEWS, b"worker %d\n" % os.getpid())

#: What an image waits for, so that the page is not loaded before its script is done.
RELEASED = asyncio.Event()

#: The title: the version of HTTP of each WebSocket, what came back, and how it was closed.
PAGE = f"""<!doctype html><html><head><title>-</title></head><body><img src="/held"><script>
(async () => {{
    const origin = location.origin.replace('http', 'ws');
    const one = path => new Promise((resolve, reject) => {{
        const socket = new WebSocket(origin + path, ['other', 'chat']);
        const came = [socket.extensions];
        socket.binaryType = 'arraybuffer';
        socket.onopen = () => {{
            came.push(socket.protocol, socket.extensions ? 'deflate' : 'plain');
            socket.send('héllo');
            socket.send(new Uint8Array(300000));
        }};
        socket.onmessage = event => {{
            came.push(typeof event.data == 'string' ? event.data : event.data.byteLength);
            if (came.length == 6) socket.close(4321, 'done');
        }};
        socket.onclose = event => resolve([...came.slice(1), event.code, event.wasClean].join());
    }});
    const echoes = await Promise.all([one('/browser'), one('/browser'), one('/browser')]);
    const denied = await one('/denied');
    const closed = await new Promise(resolve => {{
        new WebSocket(origin + '/closes', 'chat').onclose = event => resolve([event.code, event.reason].join());
    }});
    return [...new Set(echoes), denied, closed, {PROTOCOLS}].join(' ');
}})().catch(error => error).then(result => {{ document.title = result; return fetch('/release'); }});
</script></body></html>"""


async def app(scope, receive, send):
    """What is done is chosen by the path."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] == "http":
        await http(scope, receive, send)
        return
    await receive()
    subprotocols = scope["subprotocols"]
    path = scope["path"]
    if path == "/denied":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"because")]})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"you"})
        return
    await send({"type": "websocket.accept", "subprotocol": subprotocols[-1] if subprotocols else None})
    if path == "/closes":
        await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        return
    if path == "/version" or path == "/browser":
        await send({"type": "websocket.send", "text": scope["http_version"]})
    if path == "/streams":
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(65536)})
        except OSError:
            os.write(NEWS, b"send has raised\n")
            return
    if path == "/wait":
        os.write(NEWS, b"open\n")
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            os.write(NEWS, f"closed {message['code']} {message['reason']}\n".encode())
            return
        if path not in {"/sink", "/wait"}:
            await send({**message, "type": "websocket.send"})


async def http(scope, receive, send):
    content, kind = b"hello", b"text/plain"
    if scope["path"] == "/page":
        content, kind = PAGE.encode(), b"text/html; charset=utf-8"
    elif scope["path"] == "/held":
        await RELEASED.wait()
    elif scope["path"] == "/release":
        RELEASED.set()
    elif scope["path"] == "/objects":
        gc.collect()
        names = (
            "TunnelProtocol",
            "WebSocketHandler",
            "WebSocketSession",
            "DrivenExchange",
            "HTTPProtocol",
            "Compressor",
        )
        kinds = [type(each).__name__ for each in gc.get_objects()]
        counts = {name: kinds.count(name) for name in names}
        counts["tasks"] = len(asyncio.all_tasks())
        counts["descriptors"] = len(os.listdir("/proc/self/fd"))
        content = json.dumps(counts).encode()
    headers = [(b"content-length", b"%d" % len(content)), (b"content-type", kind)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


class Endpoint(WebSocketEndpoint):
    encoding = "json"

    async def on_connect(self, websocket):
        await websocket.accept(headers=[(b"x-from", b"starlette")])

    async def on_receive(self, websocket, data):
        await websocket.send_json({"you sent": data})

    async def on_disconnect(self, websocket, close_code):
        os.write(NEWS, b"closed %d\n" % close_code)


async def deny(websocket):
    await websocket.send_denial_response(JSONResponse({"why": "no"}, 402))


async def rejects(websocket):
    await websocket.close()


async def shouts(websocket):
    await websocket.accept()
    try:
        async for text in websocket.iter_text():
            await websocket.send_text(text.upper())
            if text == "stop":
                await websocket.close(4100, "stopped")
                return
    except WebSocketDisconnect:
        os.write(NEWS, b"disconnected\n")


starlette = Starlette(
    routes=[
        Route("/", lambda request: PlainTextResponse("hello")),
        Route("/page", lambda request: HTMLResponse(PAGE)),
        WebSocketRoute("/endpoint", Endpoint),
        WebSocketRoute("/deny", deny),
        WebSocketRoute("/rejects", rejects),
        WebSocketRoute("/shouts", shouts),
    ]
)
