"""A browser loads a page and all that it needs, over connections that it keeps: with HTTP/1.1, and over TLS with HTTP/2."""

import base64
import hashlib
import re
import shutil
import ssl
import subprocess

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.interop.browser_pages import MANY
from tests.interop.served import serving
from tests.server.serving import PATIENCE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: What the page's script finds when everything was loaded: see ``s_page`` in interop_apps.py.
EVERYTHING = "hello b yes 8"
#: A browser opens at most so many connections to one server.
CONNECTIONS = {"http/1.1": 6, "h2": 1}


@pytest.fixture(params=CONNECTIONS)
def protocol(request):
    """The version of HTTP, by the name that it has in ALPN and in a browser."""
    return request.param


@pytest.fixture(scope="module")
def certificate():
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.authority = authority
    return issued


@pytest.fixture
def serve(tmp_path, protocol, certificate):
    """Serve an application so that a browser chooses this protocol: HTTP/2 is spoken with TLS only."""

    def serve(application, complaints=""):
        if protocol == "http/1.1":
            return serving(tmp_path, application, complaints=complaints)
        certificate.private_key_and_cert_chain_pem.write_to_path(f"{tmp_path}/cert.pem")
        return serving(tmp_path, application, "--tls-cert", "cert.pem", complaints=complaints)

    return serve


@pytest.fixture
def url(protocol):
    scheme = {"http/1.1": "http", "h2": "https"}[protocol]
    return lambda server, path="": "{}://{}:{}{}".format(scheme, *server.address, path)


@pytest.fixture
def ports(tmp_path):
    """The connections that requests came over, by the client's ports: see ``note_port`` in interop_apps.py."""
    return lambda: (tmp_path / "ports").read_text().split()


def test_the_page_is_there(serve, url, ports, protocol, certificate):
    """Also where there is no browser: that the page is served at all, and names what has to be loaded."""
    trusting = ssl.create_default_context()
    certificate.authority.configure_trust(trusting)
    with serve("starlette") as server:
        with httpx.Client(base_url=url(server), http2=protocol == "h2", verify=trusting, timeout=PATIENCE) as client:
            loads = re.findall(r'(?:href|src)="(.+?)"', client.get("/page").text)
            assert len(loads) == 16
            responses = [client.get(path) for path in loads]
        assert {response.status_code for response in responses} == {200}
        assert {response.http_version for response in responses} == {{"http/1.1": "HTTP/1.1", "h2": "HTTP/2"}[protocol]}
        assert len(set(ports())) == 1


@pytest.fixture
def title(tmp_path, url, certificate):
    """The title that a page has given itself in Chromium, when its script is done: see browser_pages.py."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    leaf = x509.load_pem_x509_certificate(certificate.cert_chain_pems[0].bytes())
    key = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    trusted = base64.b64encode(hashlib.sha256(key).digest()).decode()

    def title(server, path):
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
                f"--ignore-certificate-errors-spki-list={trusted}",  # this one certificate is trusted
                "--virtual-time-budget=20000",
                "--dump-dom",
                url(server, path),
            ],
            capture_output=True,
            check=False,
            text=True,
            timeout=90,
        )
        found = re.search("<title>(.*)</title>", run.stdout)
        assert found, run.stderr
        return found[1]

    return title


def test_chromium_and_starlette(serve, title, ports, protocol):
    with serve("starlette") as server:
        assert title(server, "/page") == f"{EVERYTHING} {protocol}"
        assert len(ports()) == 16
        assert len(set(ports())) <= CONNECTIONS[protocol]


@pytest.mark.parametrize("application", ["django_wsgi", "django_asgi"])
def test_chromium_and_django(serve, title, application, protocol):
    """JSON by fetch, gzip, a stream, and a form that is posted as one: see ``form_page`` in interop_apps.py."""
    with serve(application, complaints="does not support the lifespan protocol") as server:
        assert title(server, "/form_page") == f'{{"n":[1,null]}} 65000 Ada ü &amp; more 101 {protocol}'


def test_chromium_and_httpbin(serve, title, protocol):
    """JSON by fetch, an image, a redirect with a cookie, gzip, and httpbin's own form: see httpbin_page.py."""
    pytest.importorskip("httpbin")
    with serve("httpbin_page:app", complaints="flasgger is not installed") as server:
        assert title(server, "/page") == f"b Ada two+lines d true true {protocol}"


@pytest.mark.parametrize("application", ["django_wsgi", "django_asgi", "starlette"])
def test_many_at_once(serve, title, ports, application, protocol):
    with serve(application, complaints="does not support the lifespan protocol") as server:
        assert title(server, "/many_page") == f"{MANY} {MANY} {protocol}"
        assert len(ports()) == 2 * MANY
        assert len(set(ports())) <= CONNECTIONS[protocol]


@pytest.mark.parametrize("protocol", ["h2"], indirect=True)
def test_many_are_given_up(serve, title, ports, protocol):
    """And many more: the application is told of each, and the connection goes on."""
    with serve("starlette") as server:
        assert title(server, "/cancelled_page") == f"{2 * MANY} {2 * MANY} hello {protocol}"
        assert len(ports()) == 2 * MANY + 5
        assert len(set(ports())) == 1
