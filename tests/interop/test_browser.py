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


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_chromium(tmp_path):
    with serving(tmp_path, "starlette") as server:
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
                "http://{}:{}/page".format(*server.address),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=90,
        )
        assert f"<title>{EVERYTHING}</title>" in run.stdout, (run.stdout, run.stderr)
        ports = (tmp_path / "ports").read_text().split()
        assert len(ports) == 16
        assert len(set(ports)) <= 6  # a browser opens at most six to one server
