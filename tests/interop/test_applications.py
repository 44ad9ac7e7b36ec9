"""httpx, curl and the standard library's client get right answers from real applications."""

import gzip
import hashlib
import http.client
import json
import os
import shutil
import subprocess

import httpx
import pytest
from tests.interop.served import serving
from tests.server.serving import PATIENCE

FILE = os.urandom(300_000)
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")


@pytest.fixture(scope="module", params=["django_wsgi", "django_asgi", "starlette"])
def server(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "file").write_bytes(FILE)
    with serving(directory, request.param, complaints="does not support the lifespan protocol") as server:
        server.application = request.param
        yield server


@pytest.fixture(scope="module")
def httpbin(tmp_path_factory):
    pytest.importorskip("httpbin")
    with serving(tmp_path_factory.mktemp("httpbin"), "httpbin:app", complaints="flasgger is not installed") as server:
        yield server


def client_of(server):
    return httpx.Client(base_url="http://{}:{}".format(*server.address), timeout=PATIENCE)


@pytest.fixture
def client(server):
    with client_of(server) as client:
        yield client


@pytest.fixture
def bin_client(httpbin):
    with client_of(httpbin) as client:
        yield client


def curl(server, path, *arguments):
    """What curl writes: (standard output, standard error with the heads)."""
    url = "http://{}:{}{}".format(*server.address, path)
    run = subprocess.run(
        ["curl", "--silent", "--show-error", "--verbose", "--max-time", str(PATIENCE), *arguments, url],
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout, run.stderr.decode()


# httpx, and Django and Starlette


def test_get(client):
    response = client.get("/hello")
    assert (response.status_code, response.text, response.http_version) == (200, "hello", "HTTP/1.1")
    assert response.headers["content-length"] == "5"
    assert response.headers["server"] == "interlock"


def test_head(client):
    response = client.head("/hello")
    assert (response.status_code, response.content) == (200, b"")
    assert client.get("/hello").text == "hello"


def test_options(client):
    assert client.options("/hello").status_code == 200


def test_a_method_that_is_not_allowed(client):
    response = client.delete("/hello")
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]


def test_not_found(client):
    assert client.get("/no/such/page").status_code == 404


def test_no_content(client):
    response = client.get("/nothing")
    assert (response.status_code, response.content) == (204, b"")
    assert "content-length" not in response.headers
    assert client.get("/hello").text == "hello"


def test_a_path_and_a_query_beyond_ascii(client):
    response = client.get("/query", params={"q": "ä & b=c", "empty": ""})
    assert response.json() == {"path": "/query", "query": {"q": "ä & b=c", "empty": ""}, "secure": False}


def test_a_form(client):
    assert client.post("/form", data={"a": ["1", "2"], "ü": "ß+ "}).json() == {"a": ["1", "2"], "ü": ["ß+ "]}


def test_json(client):
    value = {"list": [1, 2.5, None], "text": "\u00e4\U0001f600"}
    assert client.post("/echo_json", json=value).json() == {"you sent": value}


def test_json_in_chunks(server, client):
    value = json.dumps(list(range(50_000))).encode()
    pieces = (value[i : i + 7000] for i in range(0, len(value), 7000))
    response = client.post("/echo_json", content=pieces)
    if server.application == "django_wsgi":  # it takes no content without Content-Length, whatever server it runs on
        assert response.status_code == 500
    else:
        assert response.json() == {"you sent": list(range(50_000))}


def test_multipart(client):
    files = {"small": b"x", "large": FILE, "empty": b""}
    response = client.post("/files", files=files, data={"field": "value"})
    expected = {name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in files.items()}
    assert response.json() == expected | {"field": "value"}


def test_a_redirect(client):
    assert client.get("/redirect").headers["location"] == "/hello"
    response = client.get("/redirect", follow_redirects=True)
    assert (response.text, len(response.history)) == ("hello", 1)


def test_cookies(client):
    response = client.get("/set_cookies", follow_redirects=True)
    assert response.json() == {"one": "1", "two": "2; and more"}


def test_gzip(client):
    response = client.get("/long_text", headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.num_bytes_downloaded < 3000
    assert response.text == "interlocking " * 5000
    assert "content-encoding" not in client.get("/long_text", headers={"Accept-Encoding": "identity"}).headers


def test_a_file(client):
    response = client.get("/a_file")
    assert response.headers["content-length"] == str(len(FILE))
    assert response.content == FILE
    head = client.head("/a_file")
    assert (head.headers["content-length"], head.content) == (str(len(FILE)), b"")


def test_a_stream(client):
    with client.stream("GET", "/stream") as response:
        assert response.headers["transfer-encoding"] == "chunked"
        assert list(response.iter_lines()) == [str(i) for i in range(100)]


def test_one_connection_for_all_of_it(server):
    with httpx.Client(base_url="http://{}:{}".format(*server.address), timeout=PATIENCE) as client:
        ports = set()
        for method, path, content in [
            ("GET", "/hello", None),
            ("POST", "/form", b"a=b"),
            ("HEAD", "/hello", None),
            ("GET", "/stream", None),
            ("GET", "/nothing", None),
            ("POST", "/upload", b"x" * 100_000),
            ("GET", "/a_file", None),
            ("GET", "/no/such/page", None),
        ]:
            response = client.request(method, path, content=content)
            ports.add(response.extensions["network_stream"].get_extra_info("client_addr"))
        assert len(ports) == 1


# The standard library's client


def test_the_standard_library(server):
    connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
    connection.connect()
    sock = connection.sock
    for _ in range(3):
        connection.request("POST", "/upload", b"some content")
        assert json.loads(connection.getresponse().read())[0] == 12
        connection.request("GET", "/stream")
        assert connection.getresponse().read().count(b"\n") == 100
        connection.request("POST", "/upload", iter([b"in", b"chunks"]), encode_chunked=True)
        # Django with WSGI takes no content without Content-Length; what it leaves must not be the next request
        assert json.loads(connection.getresponse().read())[0] == (0 if server.application == "django_wsgi" else 8)
        assert connection.sock is sock
    connection.close()


# curl


@needs_curl
def test_curl_keeps_the_connection(server):
    url = "http://{}:{}".format(*server.address)
    content, log = curl(server, "/hello", url + "/redirect", url + "/stream", "--location")
    assert content.startswith(b"hello")
    assert content.endswith(b"hello")
    assert "Connected to" in log
    assert log.count("Re-using existing connection") == 3
    assert "Closing connection" not in log


@needs_curl
def test_curl_forms(server, tmp_path):
    (tmp_path / "upload").write_bytes(FILE)
    assert json.loads(curl(server, "/form", "--data", "a=1&b=2", "--data-urlencode", "c=3 4")[0])["c"] == ["3 4"]
    answer = json.loads(curl(server, "/files", "--form", f"file=@{tmp_path}/upload", "--form", "field=value")[0])
    assert answer == {"file": [len(FILE), hashlib.sha256(FILE).hexdigest()], "field": "value"}


@needs_curl
def test_curl_expects_100_continue(server, tmp_path):
    (tmp_path / "upload").write_bytes(FILE)
    content, log = curl(server, "/upload", "--header", "Expect: 100-continue", "--upload-file", f"{tmp_path}/upload")
    assert json.loads(content) == [len(FILE), hashlib.sha256(FILE).hexdigest()]
    assert "< HTTP/1.1 100 Continue" in log
    assert "Done waiting for 100-continue" not in log


@needs_curl
def test_curl_with_http_1_0(server):
    content, log = curl(server, "/stream", "--http1.0")
    assert content.count(b"\n") == 100
    assert "Transfer-Encoding" not in log
    content, log = curl(server, "/hello", "--http1.0", "--header", "Connection: keep-alive")
    assert content == b"hello"


@needs_curl
def test_curl_head_gzip_and_cookies(server, tmp_path):
    assert b"200" in curl(server, "/hello", "--head")[0].splitlines()[0]
    assert curl(server, "/long_text", "--compressed")[0] == b"interlocking " * 5000
    jar = str(tmp_path / "jar")
    content, _ = curl(server, "/set_cookies", "--location", "--cookie-jar", jar, "--cookie", jar)
    assert json.loads(content) == {"one": "1", "two": "2; and more"}


@needs_curl
def test_curl_takes_a_range(server):
    content, log = curl(server, "/a_file", "--range", "1000-1999")
    if server.application == "starlette":
        assert "< HTTP/1.1 206" in log
        assert content == FILE[1000:2000]
    else:  # Django's file responses know no ranges
        assert "< HTTP/1.1 200" in log
        assert content == FILE


# httpbin


def test_httpbin_get(bin_client):
    answer = bin_client.get("/get", params={"a": "b c"}, headers={"X-Custom": "yes"}).json()
    assert answer["args"] == {"a": "b c"}
    assert answer["headers"]["X-Custom"] == "yes"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_httpbin_methods(bin_client, method):
    answer = bin_client.request(method.upper(), f"/{method}", data={"a": "1"}).json()
    assert answer["form"] == {"a": "1"}


def test_httpbin_content(bin_client):
    assert bin_client.post("/post", json=[1, 2]).json()["json"] == [1, 2]
    assert bin_client.post("/post", files={"f": b"content"}).json()["files"] == {"f": "content"}
    chunked = bin_client.post("/post", content=iter([b"a", b"b"]), headers={"Content-Type": "text/plain"}).json()
    assert chunked["data"] == "ab"


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 418, 500, 503])
def test_httpbin_status(bin_client, status):
    assert bin_client.get(f"/status/{status}").status_code == status
    assert bin_client.get("/get").status_code == 200


def test_httpbin_redirects_and_cookies(bin_client):
    assert len(bin_client.get("/redirect/3", follow_redirects=True).history) == 3
    assert len(bin_client.get("/absolute-redirect/2", follow_redirects=True).history) == 2
    answer = bin_client.get("/cookies/set", params={"a": "1", "b": "2"}, follow_redirects=True).json()
    assert answer["cookies"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_httpbin_codings(bin_client, coding):
    response = bin_client.get(f"/{coding}")
    assert response.headers["content-encoding"] == coding
    assert len(response.json()["headers"]) > 1


def test_httpbin_streams(bin_client):
    with bin_client.stream("GET", "/stream/20") as response:
        assert response.headers["transfer-encoding"] == "chunked"
        assert [json.loads(line)["id"] for line in response.iter_lines()] == list(range(20))
    assert len(bin_client.get("/stream-bytes/100000", params={"chunk_size": 999}).content) == 100_000
    assert len(bin_client.get("/bytes/100000").content) == 100_000
    drip = bin_client.get("/drip", params={"numbytes": 5, "duration": 0.1, "delay": 0})
    assert drip.content == b"*****"


def test_httpbin_ranges(bin_client):
    whole = bin_client.get("/range/1024").content
    part = bin_client.get("/range/1024", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole[100:200])
    assert part.headers["content-range"] == "bytes 100-199/1024"
    assert bin_client.get("/range/1024", headers={"Range": "bytes=2000-"}).status_code == 416


def test_httpbin_head_and_options(bin_client):
    head = bin_client.head("/get")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert "GET" in bin_client.options("/get").headers["allow"]


def test_httpbin_authentication_and_caching(bin_client):
    assert bin_client.get("/basic-auth/u/p", auth=("u", "p")).json()["authenticated"]
    assert bin_client.get("/digest-auth/auth/u/p", auth=httpx.DigestAuth("u", "p")).json()["authenticated"]
    assert bin_client.get("/cache", headers={"If-None-Match": "x"}).status_code == 304
    assert bin_client.get("/etag/abc", headers={"If-Match": '"other"'}).status_code == 412


def test_httpbin_images_and_text(bin_client):
    assert bin_client.get("/image/png").content.startswith(b"\x89PNG")
    assert "∮" in bin_client.get("/encoding/utf8").text
    assert bin_client.get("/response-headers", params={"X-A": ["1", "2"]}).headers.get_list("x-a") == ["1", "2"]


@needs_curl
def test_httpbin_and_curl(httpbin):
    assert json.loads(curl(httpbin, "/gzip", "--compressed")[0])["gzipped"]
    assert json.loads(curl(httpbin, "/post", "--json", '{"a": 1}')[0])["json"] == {"a": 1}
    assert gzip.decompress(curl(httpbin, "/gzip", "--header", "Accept-Encoding: gzip")[0])
