"""curl, nghttp, h2load and httpx speak HTTP/2 with real applications; and whatever they do, nothing is left behind."""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from h2.settings import SettingCodes
from tests.interop.served import memory, serving
from tests.server.http2_client import Http2Socket
from tests.server.serving import PATIENCE

MIB = 1024 * 1024
#: What a server may have in memory at most, in octets, whatever is sent through it.
MOST = 100 * MIB
FILE = os.urandom(300_000)
APPLICATIONS = ["django_wsgi", "django_asgi", "starlette"]
LIFESPAN = "does not support the lifespan protocol"
GONE = f"{LIFESPAN}|the client has disconnected|clients trust it by"


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells what a process holds")


@pytest.fixture(scope="module", params=[(name, tls) for name in APPLICATIONS for tls in (False, True)], ids=str)
def server(request, tmp_path_factory):
    application, tls = request.param
    directory = tmp_path_factory.mktemp(application)
    (directory / "file").write_bytes(FILE)
    with serving(directory, application, *(["--tls-dev"] if tls else []), complaints=GONE) as server:
        server.application, server.tls = application, tls
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An application without a framework."""
    with serving(tmp_path_factory.mktemp("bare"), "http2_apps:bare") as server:
        server.tls = False
        yield server


def url(server, path=""):
    return "{}://{}:{}{}".format("https" if server.tls else "http", *server.address, path)


def options(server):
    """For httpx: HTTP/2, by ALPN or else with prior knowledge."""
    return {"base_url": url(server), "timeout": PATIENCE, "verify": False, "http1": server.tls, "http2": True}


@pytest.fixture
def client(server):
    with httpx.Client(**options(server)) as client:
        yield client


# httpx


def test_httpx(client, server):
    response = client.get("/hello")
    assert (response.status_code, response.text, response.http_version) == (200, "hello", "HTTP/2")
    assert client.head("/hello").content == b""
    assert client.get("/no/such/page").status_code == 404
    assert client.get("/nothing").status_code == 204
    query = client.get("/query", params={"q": "ä & b=c"}).json()
    assert query == {"path": "/query", "query": {"q": "ä & b=c"}, "secure": server.tls}
    assert client.post("/form", data={"a": ["1", "2"], "ü": "ß+ "}).json() == {"a": ["1", "2"], "ü": ["ß+ "]}
    value = {"list": list(range(20_000)), "text": "ä"}
    assert client.post("/echo_json", json=value).json() == {"you sent": value}
    files = client.post("/files", files={"large": FILE, "empty": b""}, data={"field": "value"}).json()
    assert files["large"] == [len(FILE), hashlib.sha256(FILE).hexdigest()]
    assert client.get("/a_file").content == FILE
    assert client.get("/set_cookies", follow_redirects=True).json() == {"one": "1", "two": "2; and more"}
    assert client.get("/long_text", headers={"Accept-Encoding": "gzip"}).text == "interlocking " * 5000
    with client.stream("GET", "/stream") as response:
        assert list(response.iter_lines()) == [str(i) for i in range(100)]


def test_httpx_sends_content_of_unknown_length(client, server):
    if server.application == "django_wsgi":
        pytest.skip("Django with WSGI takes no content without Content-Length, whatever server it runs on")
    pieces = (FILE[start : start + 7000] for start in range(0, len(FILE), 7000))
    assert client.post("/upload", content=pieces).json() == [len(FILE), hashlib.sha256(FILE).hexdigest()]
    assert client.get("/hello").text == "hello"


def test_a_hundred_streams_at_once(server):
    async def main():
        async with httpx.AsyncClient(**options(server)) as client:
            asked = [client.get("/query", params={"n": n}) for n in range(100)]
            answers = await asyncio.gather(*asked)
            assert [answer.json()["query"] for answer in answers] == [{"n": str(n)} for n in range(100)]
            connections = {answer.extensions["network_stream"].get_extra_info("client_addr") for answer in answers}
            assert len(connections) == 1

    asyncio.run(main())


def test_httpbin(tmp_path):
    pytest.importorskip("httpbin")
    with serving(tmp_path, "httpbin:app", complaints="flasgger is not installed") as server:
        server.tls = False
        with httpx.Client(**options(server)) as client:
            answer = client.get("/get", params={"a": "b c"}, headers={"X-Custom": "yes"}).json()
            assert (answer["args"], answer["headers"]["X-Custom"]) == ({"a": "b c"}, "yes")
            for method in ("post", "put", "patch", "delete"):
                assert client.request(method.upper(), f"/{method}", data={"a": "1"}).json()["form"] == {"a": "1"}
            for status in (200, 204, 304, 404, 418, 503):
                assert client.get(f"/status/{status}").status_code == status
            assert len(client.get("/redirect/3", follow_redirects=True).history) == 3
            answer = client.get("/cookies/set", params={"a": "1", "b": "2"}, follow_redirects=True).json()
            assert answer["cookies"] == {"a": "1", "b": "2"}
            assert client.get("/gzip").headers["content-encoding"] == "gzip"
            with client.stream("GET", "/stream/20") as response:
                assert [json.loads(line)["id"] for line in response.iter_lines()] == list(range(20))
            assert len(client.get("/stream-bytes/100000", params={"chunk_size": 999}).content) == 100_000
            assert client.get("/range/1024", headers={"Range": "bytes=100-199"}).status_code == 206
            assert client.get("/digest-auth/auth/u/p", auth=httpx.DigestAuth("u", "p")).json()["authenticated"]


# curl


def curl(server, path, *arguments):
    """What curl writes: (standard output, standard error with the heads)."""
    version = ["--http2", "--insecure"] if server.tls else ["--http2-prior-knowledge"]
    run = subprocess.run(
        ["curl", "-sSv", "--max-time", str(PATIENCE), *version, *arguments, url(server, path)],
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout, run.stderr.decode()


@needs("curl")
def test_curl(server, tmp_path):
    content, log = curl(server, "/hello")
    assert content == b"hello"
    assert "< HTTP/2 200" in log
    if server.tls:  # curl 7.88 cannot use a connection again that began with prior knowledge, whatever the server
        content, log = curl(server, "/hello", url(server, "/redirect"), url(server, "/stream"), "--location")
        assert content.startswith(b"hello")
        assert content.endswith(b"hello")
        assert log.count("Re-using existing connection") == 3
        jar = str(tmp_path / "jar")
        content, _ = curl(server, "/set_cookies", "--location", "--cookie-jar", jar, "--cookie", jar)
        assert json.loads(content) == {"one": "1", "two": "2; and more"}
    assert b"HTTP/2 200" in curl(server, "/hello", "--head")[0].splitlines()[0]
    assert curl(server, "/long_text", "--compressed")[0] == b"interlocking " * 5000
    assert json.loads(curl(server, "/form", "--data", "a=1", "--data-urlencode", "c=3 4")[0])["c"] == ["3 4"]
    (tmp_path / "upload").write_bytes(FILE)
    content, _ = curl(server, "/upload", "--header", "Expect: 100-continue", "--upload-file", f"{tmp_path}/upload")
    assert json.loads(content) == [len(FILE), hashlib.sha256(FILE).hexdigest()]


@needs("curl")
def test_curl_with_either_version_on_one_port(plain):
    assert "< HTTP/2 200" in curl(plain, "/")[1]
    assert "< HTTP/1.1 200" in curl(plain, "/", "--http1.1")[1]
    assert "< HTTP/1.1 200" in curl(plain, "/", "--http2")[1]  # the upgrade of old is not offered


@needs("curl")
def test_curl_is_shown_hints_and_trailers(plain):
    content, log = curl(plain, "/hints")
    assert content == b"hello"
    assert re.search(r"< HTTP/2 103.*< link: </style.css>; rel=preload; as=style.*< HTTP/2 200", log, re.DOTALL)
    content, log = curl(plain, "/trailers", "--header", "TE: trailers")
    assert content == b"hello"
    assert "< x-sum: 5" in log


@needs("curl")
@needs_proc
@pytest.mark.parametrize("application", APPLICATIONS)
def test_an_upload_of_100_mb(tmp_path, application):
    with open(tmp_path / "upload", "wb") as upload:
        upload.truncate(100 * MIB)
    with serving(tmp_path, application, complaints=GONE) as server:
        server.tls = False
        content, log = curl(server, "/upload", "--header", "Expect:", "--upload-file", f"{tmp_path}/upload")
        assert "< HTTP/2 200" in log
        assert json.loads(content)[0] == 100 * MIB
        assert memory(server.process.pid) < MOST


# nghttp and h2load


@needs("nghttp")
def test_nghttp(server):
    arguments = ["--timeout", str(PATIENCE), "--stat", "--null-out"]
    paths = [url(server, path) for path in ("/hello", "/stream", "/long_text", "/a_file", "/nothing")]
    run = subprocess.run(["nghttp", *arguments, *paths], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    assert sorted(re.findall(r" (\d{3}) +\S+ (/\w+)$", run.stdout, re.MULTILINE)) == [
        ("200", "/a_file"),
        ("200", "/hello"),
        ("200", "/long_text"),
        ("200", "/stream"),
        ("204", "/nothing"),
    ]


@needs("nghttp")
def test_nghttp_is_shown_trailers(plain):
    run = subprocess.run(
        ["nghttp", "--verbose", "--header", "te: trailers", url(plain, "/trailers")],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert re.search(r"recv \(stream_id=\d+\) x-sum: 5", run.stdout)


@needs("h2load")
def test_no_request_of_h2load_fails(plain):
    run = subprocess.run(
        ["h2load", "--requests=100000", "--clients=2", "--max-concurrent-streams=100", url(plain)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "100000 succeeded, 0 failed, 0 errored" in run.stdout, run.stdout + run.stderr
    assert "status codes: 100000 2xx" in run.stdout


# Slow and fast at once, and clients that go


def wide(server, **options):
    """A client that lets the server send much at a time."""
    client = Http2Socket(server.address, **options)
    client.h2.update_settings({SettingCodes.MAX_FRAME_SIZE: 1 << 20})
    client.h2.increment_flow_control_window(2**30)
    client.flush()
    client.get("/hello")  # h2 takes large frames only after it has read that its settings are known
    return client


@needs_proc
@pytest.mark.parametrize("application", ["starlette", "django_wsgi"])
def test_a_download_of_1_gb_with_a_slow_reader_next_to_fast_streams(tmp_path, application):
    with serving(tmp_path, application, complaints=GONE) as server, wide(server, window=100_000) as client:
        slow = client.request("/download?blocks=4096")
        client.held = {slow}
        client.until(lambda: len(client.answers[slow].content) == 100_000)
        fast = client.request("/download?blocks=4096")
        client.h2.increment_flow_control_window(2**26, fast)
        client.flush()
        answer, octets, smalls = client.answers[fast], 0, 0
        while not answer.ended:
            client.read()
            octets += len(answer.content)
            answer.content.clear()
            if octets >= smalls * 100 * MIB:
                assert client.get("/hello").content == b"hello"
                smalls += 1
        assert octets + len(answer.content) == 1024 * MIB
        assert smalls >= 10
        assert memory(server.process.pid) < MOST
        assert len(client.answers[slow].content) == 100_000
        client.held.clear()
        client.h2.increment_flow_control_window(300_000, slow)
        client.flush()
        client.until(lambda: len(client.answers[slow].content) >= 400_000)
        client.reset(slow)
        assert client.get("/hello").content == b"hello"


def holdings(server):
    """How many threads and descriptors a server has."""
    directory = Path(f"/proc/{server.process.pid}")
    return len(list((directory / "task").iterdir())), len(list((directory / "fd").iterdir()))


STAGES = ["connected", "half a preface", "begun", "half a head", "uploading", "asked", "downloading", "all", "reset"]


@needs_proc
@pytest.mark.parametrize("application", APPLICATIONS)
def test_clients_that_go_at_every_stage_leave_nothing(tmp_path, application):
    with serving(tmp_path, application, complaints=GONE) as server:

        def go(stage):
            with contextlib.ExitStack() as stack:
                if stage == "connected" or stage == "half a preface":
                    client = stack.enter_context(Http2Socket(server.address))
                    client.sock.close()
                    return
                client = stack.enter_context(Http2Socket(server.address, window=70_000))
                client.takes = False
                if stage == "half a head":
                    client.sock.sendall(b"\0\0\x20\1\4\0\0\0\1half")
                if stage in {"uploading", "all", "reset"}:
                    client.send(client.request("/upload", method="POST", end=False), b"x" * 50_000, end=False)
                if stage in {"asked", "all", "reset"}:
                    client.request("/hello")
                if stage in {"downloading", "all", "reset"}:
                    stream = client.request("/download?blocks=100")
                    client.until(lambda: len(client.answers[stream].content) > 10_000)
                if stage == "reset":
                    for stream in client.answers:
                        with contextlib.suppress(Exception):
                            client.reset(stream)

        def all_is_well():
            """Served as before; gives how many threads and descriptors the server has meanwhile."""
            with Http2Socket(server.address) as client:
                for _ in range(3):
                    assert client.get("/hello").content == b"hello"
                return holdings(server)

        for stage in STAGES:
            go(stage)
        threads, descriptors = all_is_well()
        before = memory(server.process.pid)
        for _ in range(20):
            for stage in STAGES:
                go(stage)
        after = all_is_well()
        assert after[1] <= descriptors + 2
        assert after[0] <= threads + 8  # the pool's own threads come as they are needed
        assert memory(server.process.pid) - before < 20 * MIB


def test_tls_without_alpn_is_http_1(tmp_path):
    with serving(tmp_path, "http2_apps:bare", "--tls-dev", complaints=GONE) as server:
        server.tls = True
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with httpx.Client(base_url=url(server), verify=context, http2=False) as client:
            assert client.get("/").http_version == "HTTP/1.1"
        with httpx.Client(base_url=url(server), verify=False, http2=True) as client:
            assert client.get("/").http_version == "HTTP/2"
