"""A browser loads a page and all that it needs, over connections that it keeps."""

import re
import shutil
import subprocess

import httpx
import pytest
from tests.interop.served import serving
from tests.server.serving import PATIENCE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: What the page's script finds when everything was loaded: see ``page`` in interop_apps.py.
EVERYTHING = "hello b yes 8"


def test_the_page_is_there(tmp_path):
    """Also where there is no browser: that the page is served at all, and names what has to be loaded."""
    with serving(tmp_path, "starlette") as server:
        with httpx.Client(base_url="http://{}:{}".format(*server.address), timeout=PATIENCE) as client:
            loads = re.findall(r'(?:href|src)="(.+?)"', client.get("/page").text)
            assert len(loads) == 16
            assert [client.get(path).status_code for path in loads] == [200] * 16
        assert len(set((tmp_path / "ports").read_text().split())) == 1


@pytest.fixture
def dom(tmp_path):
    """What Chromium makes of a page, when its script is done."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")

    def dom(server, path):
        run = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",  # it refuses to run as root with it
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--no-proxy-server",
                f"--user-data-dir={tmp_path}/profile",
                "--virtual-time-budget=20000",
                "--dump-dom",
                "http://{}:{}{}".format(*server.address, path),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=90,
        )
        assert "</html>" in run.stdout, run.stderr
        return run.stdout

    return dom


def test_chromium_and_starlette(tmp_path, dom):
    with serving(tmp_path, "starlette") as server:
        assert f"<title>{EVERYTHING}</title>" in dom(server, "/page")
        ports = (tmp_path / "ports").read_text().split()
        assert len(ports) == 16
        assert len(set(ports)) <= 6  # a browser opens at most six to one server


@pytest.mark.parametrize("application", ["django_wsgi", "django_asgi"])
def test_chromium_and_django(tmp_path, dom, application):
    """JSON by fetch, gzip, a stream, and a form that is posted as one: see ``form_page`` in interop_apps.py."""
    with serving(tmp_path, application, complaints="does not support the lifespan protocol") as server:
        assert '<title>{"n":[1,null]} 65000 Ada ü &amp; more 101</title>' in dom(server, "/form_page")


def test_chromium_and_httpbin(tmp_path, dom):
    """JSON by fetch, an image, a redirect with a cookie, gzip, and httpbin's own form: see httpbin_page.py."""
    pytest.importorskip("httpbin")
    with serving(tmp_path, "httpbin_page:app", complaints="flasgger is not installed") as server:
        assert "<title>b Ada two+lines d true true</title>" in dom(server, "/page")
