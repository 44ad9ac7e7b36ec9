"""Applications of real frameworks, for the tests of the ASGI bridge."""

import contextlib

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler as DjangoApplication
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import clear_url_caches, path
from django.utils.functional import empty
from starlette.applications import Starlette
from starlette.routing import Route

LARGE = bytes(range(256)) * 4096


def starlette(handler, *middleware):
    return Starlette(routes=[Route("/{rest:path}", handler, methods=["GET", "POST"])], middleware=middleware)


async def count_to_three():
    for number in (b"1", b"2", b"3"):
        yield number


async def endless():
    while True:
        yield b"x" * 1000


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


@contextlib.contextmanager
def django_app():
    """Django's ASGI application, with the views of this file.  Its settings are the process's: they are put back."""
    before, settings._wrapped = settings._wrapped, empty
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="secret", LOGGING_CONFIG=None)
    django.setup()
    clear_url_caches()
    try:
        yield DjangoApplication()
    finally:
        settings._wrapped = before
        clear_url_caches()
