"""Starlette and Django over the ASGI bridge: over an exchange without a socket, and over real connections."""

import asyncio
import contextlib
import hashlib

import django
import httpx
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler as DjangoApplication
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.server.asgi_fakes import FakeExchange, finish, run, serve, settle, start

from interlock.http.limits import Limits, Timeouts
from interlock.net.asyncio.connections import ConnectionRegistry
from interlock.net.asyncio.http import HTTPProtocol
from interlock.server.asgi import ASGIApplication
from interlock.server.context import ServerContext

LARGE = bytes(range(256)) * 4096


def starlette(handler, *middleware):
    return Starlette(routes=[Route("/{rest:path}", handler, methods=["GET", "POST"])], middleware=middleware)


async def count_to_three():
    for number in (b"1", b"2", b"3"):
        yield number


async def endless():
    while True:
        yield b"x" * 1000


def test_starlette_json():
    async def handler(request):
        return JSONResponse({"path": request.url.path, "body": (await request.body()).decode()})

    exchange = run(serve(starlette(handler), FakeExchange("POST", "/a%20b"), b"he", b"llo"))
    assert exchange.content == b'{"path":"/a b","body":"hello"}'
    assert len(exchange.calls) == 1
    assert exchange.taken == 5


@pytest.mark.parametrize("middleware", [[], [Middleware(BaseHTTPMiddleware, dispatch=lambda r, call: call(r))]])
def test_starlette_stream(middleware):
    async def handler(request):
        return StreamingResponse(count_to_three())

    exchange = run(serve(starlette(handler, *middleware), FakeExchange()))
    assert exchange.content == b"123"
    assert exchange.response.headers.content_length == -1


def test_starlette_gzip():
    async def handler(request):
        return PlainTextResponse("a" * 10_000)

    exchange = run(
        serve(starlette(handler, Middleware(GZipMiddleware)), FakeExchange(headers=[(b"accept-encoding", b"gzip")]))
    )
    assert exchange.response.headers.get(b"content-encoding") == b"gzip"
    assert len(exchange.content) < 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_starlette_file_goes_by_its_path(method, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(LARGE)

    async def handler(request):
        return FileResponse(file)

    exchange = run(serve(starlette(handler), FakeExchange(method)))
    assert exchange.files == ([(0, len(LARGE))] if method == "GET" else [])
    assert exchange.response.headers.content_length == len(LARGE)
    assert exchange.content == (LARGE if method == "GET" else b"")


def test_starlette_range_of_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(LARGE)

    async def handler(request):
        return FileResponse(file)

    exchange = run(serve(starlette(handler), FakeExchange(headers=[(b"range", b"bytes=10-19")])))
    assert exchange.response.status_code == 206
    assert exchange.content == LARGE[10:20]


def test_starlette_early_hints_and_background_tasks():
    done = []

    async def handler(request):
        await request.send_early_hints("</a.css>; rel=preload")
        return Response(status_code=204, background=BackgroundTask(done.append, 1))

    exchange = run(serve(starlette(handler), FakeExchange()))
    assert [event.status_code for event in exchange.events[:2]] == [103, 204]
    assert done == [1]


def test_starlette_error_is_its_own_500(caplog):
    async def handler(request):
        raise ValueError

    exchange = run(serve(starlette(handler), FakeExchange()))
    assert exchange.response.status_code == 500
    assert len(caplog.records) == 1


def test_starlette_stream_ends_when_the_client_goes(caplog):
    async def handler(request):
        return StreamingResponse(endless())

    async def main():
        exchange = FakeExchange()
        application = start(starlette(handler), exchange)
        exchange.request_ends()
        exchange.writable = False
        await settle()
        exchange.lose()
        await finish(application)

    run(main())
    assert caplog.records == []


def test_starlette_upload_ends_when_the_client_goes(caplog):
    raised = []

    async def handler(request):
        try:
            await request.body()
        except ClientDisconnect as error:
            raised.append(error)
            raise

    async def main():
        exchange = FakeExchange("POST")
        application = start(starlette(handler), exchange)
        exchange.handler.data_received(b"some")
        await settle()
        exchange.lose()
        await finish(application)

    run(main())
    assert len(raised) == 1
    assert caplog.records == []


# -- Django


async def django_echo(request):
    return JsonResponse({"method": request.method, "path": request.path, "body": request.body.decode()})


async def django_stream(request):
    return StreamingHttpResponse(count_to_three())


def django_sync(request):
    return HttpResponse("sync", status=202)


async def django_error(request):
    raise ValueError


urlpatterns = [
    path("echo/ä", django_echo),
    path("stream", django_stream),
    path("sync", django_sync),
    path("error", django_error),
]


@pytest.fixture(scope="module")
def django_app():
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="secret", LOGGING_CONFIG=None)
        django.setup()
    return DjangoApplication()


def test_django_echo(django_app):
    exchange = run(serve(django_app, FakeExchange("POST", "/echo/%C3%A4"), b"he", b"llo"))
    assert exchange.content == b'{"method": "POST", "path": "/echo/\\u00e4", "body": "hello"}'


def test_django_stream(django_app):
    assert run(serve(django_app, FakeExchange(target="/stream"))).content == b"123"


def test_django_view_in_a_thread(django_app):
    exchange = run(serve(django_app, FakeExchange(target="/sync")))
    assert (exchange.response.status_code, exchange.content) == (202, b"sync")


def test_django_error(django_app):
    assert run(serve(django_app, FakeExchange(target="/error"))).response.status_code == 500


def test_django_gives_up_when_the_client_goes(django_app, caplog):
    async def main():
        exchange = FakeExchange("POST", "/echo/%C3%A4")
        application = start(django_app, exchange)
        exchange.handler.data_received(b"some")
        await settle()
        exchange.lose()
        await finish(application)
        assert exchange.calls == []

    run(main())
    assert caplog.records == []


# -- over real connections


@contextlib.asynccontextmanager
async def served(app, **options):
    """``app`` on a free port of the loopback interface: its base URL, and the application."""
    application = ASGIApplication(app, ServerContext(), state=None, **options)
    registry = ConnectionRegistry(application, limits=Limits(), timeouts=Timeouts())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HTTPProtocol(registry, loop), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}", application
    finally:
        server.close()
        await application.shutdown()
        assert application.tasks == set()


def over_loopback(app, script):
    """Run ``script(client)`` with an httpx client of ``app``."""

    async def main():
        async with served(app) as (url, _), httpx.AsyncClient(base_url=url, trust_env=False) as client:
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

        async with served(starlette(handler)) as (url, application):
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client, client.stream("GET", "/") as answer:
                async for _ in answer.aiter_bytes():
                    break
                (task,) = application.tasks
            await asyncio.wait((task,))

    run(main())
    assert caplog.records == []


def test_django_over_a_connection(django_app):
    async def script(client):
        answer = await client.post("/echo/ä", content=b"hello")
        assert answer.json() == {"method": "POST", "path": "/echo/ä", "body": "hello"}
        assert (await client.get("/stream")).content == b"123"

    over_loopback(django_app, script)
