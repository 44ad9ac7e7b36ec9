"""The applications that ``interlock serve`` is started with: one set of pages, in Django (WSGI and ASGI) and Starlette.

Each page does what an application would do with its framework's own means: forms, files, cookies, gzip, streams.
"""

import asyncio
import hashlib
import json
import logging
import os
import warnings

import browser_pages
import django
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse as DjangoFileResponse,
)
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route

HERE = os.path.dirname(os.path.abspath(__file__))
# For the test that has started this: see serving.py.
NEWS = int(os.environ["IL_NEWS"])
os.write(NEWS, b"worker %d\n" % os.getpid())
LONG_TEXT = "interlocking " * 5000
#: Octets of one block of a large download, which has as many blocks as its query says.
BLOCK = 262144
#: The directory that the server was started in: files that tests make and look for.
WORK = os.getcwd()
#: A file that has the number of blocks of a download that were made.
MADE = os.open(os.path.join(WORK, "made"), os.O_CREAT | os.O_WRONLY)


def wait_for_release():
    """Report to the test that we wait, and wait for the end of standard input: see ``serving.py``."""
    os.write(NEWS, b"slow\n")
    os.read(0, 1)


def digest(content):
    return [len(content), hashlib.sha256(content).hexdigest()]


def block(number):
    """A block of a download: octets of its own each time, so that to hold many of them takes memory."""
    os.pwrite(MADE, b"%8d" % (number + 1), 0)
    return b"%-*d" % (BLOCK, number)


# Django


def hello(request):
    return HttpResponse("hello", content_type="text/plain")


def form(request):
    return JsonResponse({name: request.POST.getlist(name) for name in request.POST})


def files(request):
    answer = {name: digest(file.read()) for name, file in request.FILES.items()}
    return JsonResponse(answer | dict(request.POST.items()))


def echo_json(request):
    return JsonResponse({"you sent": json.loads(request.body)})


def redirect(request):
    return HttpResponseRedirect("/hello")


def set_cookies(request):
    response = HttpResponseRedirect("/cookies")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2; and more")
    return response


def cookies(request):
    return JsonResponse(request.COOKIES)


@gzip_page
def long_text(request):
    return HttpResponse(LONG_TEXT, content_type="text/plain")


def a_file(request):
    return DjangoFileResponse(open(os.path.join(WORK, "file"), "rb"), content_type="application/octet-stream")


def query(request):
    return JsonResponse({"path": request.path, "query": request.GET.dict(), "secure": request.is_secure()})


def nothing(request):
    return HttpResponse(status=204)


def upload(request):
    octets, summary = 0, hashlib.sha256()
    while block := request.read(65536):
        octets += len(block)
        summary.update(block)
    return JsonResponse([octets, summary.hexdigest()], safe=False)


def slow(request):
    wait_for_release()
    return HttpResponse("done", content_type="text/plain")


def fail(request):
    raise RuntimeError("on purpose")


FORM_PAGE = browser_pages.page(
    """
        const frame = document.querySelector('iframe');
        const echoed = await (await fetch('/echo_json', {method: 'POST', body: '{"n": [1, null]}'})).json();
        const text = await (await fetch('/long_text')).text();
        const form = document.forms[0];
        form.a.value = 'Ada';
        form.b.value = '\u00fc & more';
        const load = new Promise(resolve => frame.addEventListener('load', resolve, {once: true}));
        form.submit();
        await load;
        const posted = JSON.parse(frame.contentDocument.querySelector('pre').textContent);
        const stream = (await (await fetch('/stream')).text()).split('\\n').length;
        return [JSON.stringify(echoed['you sent']), text.length, posted.a, posted.b, stream];
    """,
    """<form method="post" action="/form" target="answer"><input name="a"><input name="b"></form>
    <iframe name="answer"></iframe>""",
)


def form_page(request):
    """A page for a browser: its script posts a form, as a form, and loads what else there is."""
    return HttpResponse(FORM_PAGE)


def many_page(request):
    """A page for a browser: it loads many images and texts at once."""
    return HttpResponse(browser_pages.MANY_PAGE)


def note_port(port):
    """Write down which connection a request came over, as the client's port."""
    with open(os.path.join(WORK, "ports"), "a") as ports:
        ports.write(f"{port}\n")


def image(request, width):
    note_port(request.META["REMOTE_PORT"])
    return HttpResponse(browser_pages.image_of(width), content_type="image/svg+xml")


def text(request):
    note_port(request.META["REMOTE_PORT"])
    return HttpResponse(browser_pages.text_of(int(request.GET["n"])), content_type="text/plain")


def stream(request):
    return StreamingHttpResponse((b"%d\n" % i for i in range(100)), content_type="text/plain")


def download(request):
    return StreamingHttpResponse(block(i) for i in range(int(request.GET["blocks"])))


async def stream_asgi(request):
    async def lines():
        for i in range(100):
            yield b"%d\n" % i
            await asyncio.sleep(0)

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def download_asgi(request):
    async def blocks():
        for i in range(int(request.GET["blocks"])):
            yield block(i)

    return StreamingHttpResponse(blocks())


def django_pages(stream, download):
    return [
        path("hello", require_http_methods(["GET", "HEAD", "OPTIONS"])(hello)),
        *(
            path(view.__name__.removesuffix("_asgi"), view)
            for view in (form, files, echo_json, redirect, set_cookies, cookies, long_text, a_file, query, nothing)
        ),
        *(path(view.__name__, view) for view in (upload, slow, fail, form_page, many_page, text)),
        path("image/<int:width>.svg", image),
        path("stream", stream),
        path("download", download),
    ]


class WsgiPages:
    urlpatterns = django_pages(stream, download)


class AsgiPages:
    urlpatterns = django_pages(stream_asgi, download_asgi)


@sync_and_async_middleware
def pages_for_the_interface(get_response):
    """Streams are made by generators with WSGI and by asynchronous generators with ASGI."""
    if iscoroutinefunction(get_response):

        async def middleware(request):
            request.urlconf = AsgiPages
            return await get_response(request)
    else:

        def middleware(request):
            request.urlconf = WsgiPages
            return get_response(request)

    return middleware


settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", f"{__name__}.pages_for_the_interface"],
    ROOT_URLCONF=WsgiPages,
    SECRET_KEY="of no use",
    LOGGING_CONFIG=None,
)
django.setup()
# What a test provokes in Django is not to stand on standard error, where the server's own complaints would.
logging.getLogger("django").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")
django_wsgi = get_wsgi_application()
django_asgi = get_asgi_application()


# Starlette


async def s_hello(request):
    return PlainTextResponse("hello")


async def s_form(request):
    data = await request.form()
    return JSONResponse({name: data.getlist(name) for name in data})


async def s_files(request):
    async with request.form() as data:
        return JSONResponse(
            {name: value if isinstance(value, str) else digest(await value.read()) for name, value in data.items()}
        )


async def s_echo_json(request):
    return JSONResponse({"you sent": await request.json()})


async def s_redirect(request):
    return RedirectResponse("/hello", 302)


async def s_set_cookies(request):
    response = RedirectResponse("/cookies", 302)
    response.set_cookie("one", "1")
    response.set_cookie("two", "2; and more")
    return response


async def s_cookies(request):
    return JSONResponse(request.cookies)


async def s_long_text(request):
    return PlainTextResponse(LONG_TEXT)


async def s_a_file(request):
    return FileResponse(os.path.join(WORK, "file"))


async def s_query(request):
    secure = request.url.scheme == "https"
    return JSONResponse({"path": request.url.path, "query": dict(request.query_params), "secure": secure})


async def s_nothing(request):
    return Response(status_code=204)


async def s_upload(request):
    octets, summary = 0, hashlib.sha256()
    async for block in request.stream():
        octets += len(block)
        summary.update(block)
    return JSONResponse([octets, summary.hexdigest()])


async def s_slow(request):
    await asyncio.to_thread(wait_for_release)
    return PlainTextResponse("done")


async def s_fail(request):
    raise RuntimeError("on purpose")


async def s_stream(request):
    async def lines():
        for i in range(100):
            yield b"%d\n" % i
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="text/plain")


async def s_download(request):
    async def blocks():
        for i in range(int(request.query_params["blocks"])):
            yield block(i)

    return StreamingResponse(blocks())


async def s_page(request):
    """A page for a browser: what it loads stands in it, and a script writes what came of it into the document."""
    loads = "".join(f'<link rel=stylesheet href="/style/{i}.css"><img src="/image/3.svg?{i}">' for i in range(8))
    script = """
        const load = new Promise(resolve => addEventListener('load', resolve));
        const [hello, form] = await Promise.all([
            fetch('/hello').then(r => r.text()),
            fetch('/form', {method: 'POST', body: new URLSearchParams({a: 'b'})}).then(r => r.json()),
        ]);
        await load;
        const color = getComputedStyle(document.body).getPropertyValue('--seven').trim();
        const images = [...document.images].filter(image => image.naturalWidth == 3).length;
        return [hello, form.a[0], color, images];"""
    return HTMLResponse(browser_pages.page(script, loads))


async def s_many_page(request):
    return HTMLResponse(browser_pages.MANY_PAGE)


async def s_cancelled_page(request):
    return HTMLResponse(browser_pages.CANCELLED_PAGE)


async def s_style(request):
    note_port(request.client.port)
    return Response(":root { --seven: yes }", media_type="text/css")


async def s_image(request):
    note_port(request.client.port)
    return Response(browser_pages.image_of(request.path_params["width"]), media_type="image/svg+xml")


async def s_text(request):
    note_port(request.client.port)
    return PlainTextResponse(browser_pages.text_of(int(request.query_params["n"])))


class Endless:
    """Responses that do not end, and pages that wait until so many of them run, or have ended."""

    def __init__(self):
        self.counts = {"running": 0, "ended": 0}
        self.changed = asyncio.Condition()

    async def count(self, running, ended):
        async with self.changed:
            self.counts["running"] += running
            self.counts["ended"] += ended
            self.changed.notify_all()

    async def endless(self, scope, receive, send):
        """It begins, or says nothing at all; then it waits for the client to go away."""
        note_port(scope["client"][1])
        if scope["path"] == "/endless/begun":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"image/png")]})
            await send({"type": "http.response.body", "body": b"\x89PNG", "more_body": True})
        await self.count(+1, 0)
        while (await receive())["type"] != "http.disconnect":
            pass
        await self.count(-1, +1)

    async def until(self, request):
        note_port(request.client.port)
        what, number = request.query_params["what"], int(request.query_params["number"])
        async with self.changed:
            await self.changed.wait_for(lambda: self.counts[what] == number)
        return PlainTextResponse(str(number))


class GZipLongText:
    """gzip for one page only: the others are measured by octets."""

    def __init__(self, app):
        self.app = app
        self.zipped = GZipMiddleware(app)

    async def __call__(self, scope, receive, send):
        app = self.zipped if scope.get("path") == "/long_text" else self.app
        await app(scope, receive, send)


endless = Endless()
starlette = Starlette(
    routes=[
        Route("/hello", s_hello, methods=["GET", "HEAD", "OPTIONS"]),
        *(
            Route(f"/{view.__name__.removeprefix('s_')}", view, methods=["GET", "HEAD", "POST", "PUT"])
            for view in (s_form, s_files, s_echo_json, s_redirect, s_set_cookies, s_cookies, s_long_text, s_a_file)
        ),
        *(
            Route(f"/{view.__name__.removeprefix('s_')}", view, methods=["GET", "HEAD", "POST", "PUT"])
            for view in (s_query, s_nothing, s_upload, s_slow, s_fail, s_stream, s_download)
        ),
        *(
            Route(f"/{view.__name__.removeprefix('s_')}", view)
            for view in (s_page, s_many_page, s_cancelled_page, s_text)
        ),
        Route("/style/{n}.css", s_style),
        Route("/image/{width:int}.svg", s_image),
        Mount("/endless", endless.endless),
        Route("/until", endless.until),
    ],
    middleware=[Middleware(GZipLongText)],
)


# Bare


def sparse_file(environ, start_response):
    """The file ``large`` of the directory that the server was started in, by the server's own file wrapper."""
    name = os.path.join(WORK, "large")
    start_response("200 OK", [("Content-Length", str(os.path.getsize(name)))])
    return environ["wsgi.file_wrapper"](open(name, "rb"))
