"""Starlette and Django over the ASGI bridge, without a socket."""

import pytest
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from tests.server.asgi_apps import LARGE, count_to_three, django_app, endless, starlette
from tests.server.asgi_fakes import FakeExchange, finish, run, serve, settle, start


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


@pytest.fixture(scope="module")
def django():
    with django_app() as app:
        yield app


def test_django_echo(django):
    exchange = run(serve(django, FakeExchange("POST", "/echo/%C3%A4"), b"he", b"llo"))
    assert exchange.content == b'{"method": "POST", "path": "/echo/\\u00e4", "body": "hello"}'


def test_django_stream(django):
    assert run(serve(django, FakeExchange(target="/stream"))).content == b"123"


def test_django_view_in_a_thread(django):
    exchange = run(serve(django, FakeExchange(target="/sync")))
    assert (exchange.response.status_code, exchange.content) == (202, b"sync")


def test_django_error(django):
    assert run(serve(django, FakeExchange(target="/error"))).response.status_code == 500


def test_django_gives_up_when_the_client_goes(django, caplog):
    async def main():
        exchange = FakeExchange("POST", "/echo/%C3%A4")
        application = start(django, exchange)
        exchange.handler.data_received(b"some")
        await settle()
        exchange.lose()
        await finish(application)
        assert exchange.calls == []

    run(main())
    assert caplog.records == []
