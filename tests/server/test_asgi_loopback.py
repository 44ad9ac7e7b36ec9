"""The ASGI bridge over real connections: Starlette, Django and a bare application, with httpx and with sockets."""

import asyncio
import contextlib
import hashlib
import socket
import ssl
import struct

import httpx
import pytest
import trustme
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from tests.server.asgi_apps import LARGE, count_to_three, django_app, endless, starlette
from tests.server.asgi_fakes import run

from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.http import HTTPProtocol
from interlock.server.asgi import ASGIApplication
from interlock.server.context import ServerContext


@contextlib.asynccontextmanager
async def served(app, tls=None):
    """``app`` on a free port of the loopback interface: its port, and the application."""
    application = ASGIApplication(app, ServerContext(), state=None)
    registry = ConnectionRegistry(application, limits=Limits(), timeouts=Timeouts())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HTTPProtocol(registry, loop), "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], application
    finally:
        server.close()
        await application.shutdown()
        assert application.tasks == set()


def client_of(port, **options):
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, **options)


def over_loopback(app, script):
    """Run ``script(client)`` with an httpx client of ``app``."""

    async def main():
        async with served(app) as (port, _), client_of(port) as client:
            return await script(client)

    return run(main())


def test_httpx_keeps_its_connection():
    async def handler(request):
        return JSONResponse({"port": request.client.port, "size": len(await request.body())})

    async def script(client):
        answers = [(await client.post("/", content=b"x" * size)).json() for size in (0, 10, 1_000_000)]
        assert [answer["size"] for answer in answers] == [0, 10, 1_000_000]
        assert len({answer["port"] for answer in answers}) == 1

    over_loopback(starlette(handler), script)


def test_httpx_upload_in_chunks_is_hashed_as_it_comes():
    async def handler(request):
        digest = hashlib.sha256()
        async for piece in request.stream():
            digest.update(piece)
        return PlainTextResponse(digest.hexdigest())

    async def pieces():
        for _ in range(64):
            yield LARGE[:65536]

    async def script(client):
        answer = await client.post("/", content=pieces())
        assert answer.text == hashlib.sha256(LARGE[:65536] * 64).hexdigest()

    over_loopback(starlette(handler), script)


def test_httpx_download_of_a_file_and_of_a_stream(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(LARGE * 4)

    async def handler(request):
        return FileResponse(file) if request.url.path == "/file" else StreamingResponse(count_to_three())

    async def script(client):
        assert (await client.get("/file")).content == LARGE * 4
        assert (await client.get("/stream")).content == b"123"
        assert (await client.head("/file")).headers["content-length"] == str(len(LARGE) * 4)

    over_loopback(starlette(handler), script)


def test_httpx_sees_an_error_in_mid_response_as_broken():
    async def broken():
        yield b"some"
        raise ValueError

    async def handler(request):
        return StreamingResponse(broken())

    async def script(client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")

    over_loopback(starlette(handler), script)


def test_a_client_that_goes_ends_an_endless_response(caplog):
    async def main():
        async def handler(request):
            return StreamingResponse(endless())

        async with served(starlette(handler)) as (port, application):
            async with client_of(port) as client, client.stream("GET", "/") as answer:
                async for _ in answer.aiter_bytes():
                    break
                (task,) = application.tasks
            await asyncio.wait((task,))

    run(main())
    assert caplog.records == []


def test_django_over_a_connection():
    async def script(client):
        answer = await client.post("/echo/ä", content=b"hello")
        assert answer.json() == {"method": "POST", "path": "/echo/ä", "body": "hello"}
        assert (await client.get("/stream")).content == b"123"

    with django_app() as app:
        over_loopback(app, script)


def test_the_tls_extension_over_a_connection():
    authority = trustme.CA()
    tls, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(trusting)

    async def handler(request):
        return JSONResponse([request.url.scheme, request.scope["extensions"]["tls"]["tls_version"]])

    async def main():
        async with served(starlette(handler), tls) as (port, _), httpx.AsyncClient(verify=trusting) as client:
            assert (await client.get(f"https://127.0.0.1:{port}/")).json() == ["https", 0x0304]

    run(main())


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"


@pytest.mark.parametrize(
    ("sent", "until"),
    [
        (HEAD + b"\r\n", "reading"),
        (HEAD + b"\r\n01234", "reading"),
        (HEAD + b"Expect: 100-continue\r\n\r\n", "reading"),
        (HEAD + b"\r\n0123456789", "thinking"),
        (HEAD + b"\r\n0123456789", "writing"),
    ],
    ids=["before the body", "in the body", "before 100 Continue is answered", "before the head", "in the response"],
)
@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_goes_at_any_stage_leaves_nothing(sent, until, how, caplog):
    async def main():
        reached = asyncio.Event()
        ended = []

        async def app(scope, receive, send):
            if until == "reading":
                reached.set()
            message = await receive()
            while message.get("more_body"):
                message = await receive()
            if until == "thinking":
                reached.set()
                message = await receive()
            if message["type"] == "http.request":
                await send({"type": "http.response.start", "status": 200})
                reached.set()
                with contextlib.suppress(OSError):
                    while True:
                        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
            ended.append(1)

        async with served(app) as (port, application):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            await reached.wait()
            if how == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            tasks = application.tasks
            writer.transport.abort()
            if tasks:
                await asyncio.wait(tasks)
            assert application.tasks == set()
        del reader
        assert ended == [1]

    run(main())
    assert caplog.records == []
