import io
from wsgiref.util import request_uri

import pytest
from tests.server.fake_exchange import PEER, request

from interlock.net.exchange import PeerInfo
from interlock.server.context import ServerContext
from interlock.server.wsgi_environ import EnvironBuilder
from interlock.server.wsgi_file import FileWrapper


def build(head, peer=PEER, root_path="", multithread=True, multiprocess=False):
    context = ServerContext(root_path=root_path, multiprocess=multiprocess)
    return EnvironBuilder(context, multithread=multithread).build(head, peer)


def test_what_every_environ_has():
    environ = build(request("/a/b?c=d&e", method="POST"))
    assert type(environ) is dict
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "c=d&e",
        "REQUEST_URI": "/a/b?c=d&e",
        "RAW_URI": "/a/b?c=d&e",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "192.0.2.1",
        "SERVER_PORT": "8080",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "50123",
        "HTTP_HOST": "example.org",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }
    assert {key: environ[key] for key in expected} == expected
    assert environ["wsgi.errors"].write
    assert "CONTENT_TYPE" not in environ
    assert "CONTENT_LENGTH" not in environ


def test_flags_of_the_server():
    environ = build(request(), multithread=False, multiprocess=True)
    assert environ["wsgi.multithread"] is False
    assert environ["wsgi.multiprocess"] is True


@pytest.mark.parametrize(("version", "protocol"), [("1.1", "HTTP/1.1"), ("1.0", "HTTP/1.0"), ("2", "HTTP/2")])
def test_protocol(version, protocol):
    assert build(request(http_version=version))["SERVER_PROTOCOL"] == protocol


@pytest.mark.parametrize(
    ("method", "target", "path", "query"),
    [
        ("GET", "/", "/", ""),
        ("GET", "/?", "/", ""),
        ("GET", "/a%20b%2Fc?x=%20", "/a b/c", "x=%20"),
        ("GET", "/caf%C3%A9", "/caf\xc3\xa9", ""),
        ("GET", "/%", "/%", ""),
        ("GET", "//b//c", "//b//c", ""),
        ("GET", "/a?b?c/d", "/a", "b?c/d"),
        ("GET", "http://example.org/a%41?b", "/aA", "b"),
        ("GET", "http://example.org", "/", ""),
        ("GET", "http://example.org?b/c", "/", "b/c"),
        ("OPTIONS", "*", "", ""),
        ("OPTIONS", "http://example.org", "", ""),
        ("CONNECT", "example.org:80", "", ""),
    ],
)
def test_targets(method, target, path, query):
    environ = build(request(target, method=method))
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == (path, query)
    assert environ["RAW_URI"] == environ["REQUEST_URI"] == target


@pytest.mark.parametrize(
    ("root", "target", "script", "path"),
    [
        ("/app", "/app/x", "/app", "/x"),
        ("/app", "/app", "/app", ""),
        ("/app/", "/app/", "/app", "/"),
        ("/app", "/apple", "/app", "/apple"),
        ("/app", "/x", "/app", "/x"),
        ("/caf\xe9", "/caf%C3%A9/x", "/caf\xc3\xa9", "/x"),
        ("/", "/x", "", "/x"),
    ],
)
def test_where_the_application_is_mounted(root, target, script, path):
    environ = build(request(target), root_path=root)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, path)


def test_fields():
    environ = build(
        request(
            "/",
            ("Content-Type", "text/plain"),
            ("Content-Length", "5"),
            ("X-One", "caf\xe9".encode("latin-1")),
            ("X-Many", "1"),
            ("x-many", "2"),
            ("X-MANY", "3"),
            ("Cookie", "a=1"),
            ("Cookie", "b=2"),
            ("User-Agent", ""),
        )
    )
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["CONTENT_LENGTH"] == "5"
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_CONTENT_LENGTH" not in environ
    assert environ["HTTP_X_ONE"] == "caf\xe9"
    assert environ["HTTP_X_MANY"] == "1, 2, 3"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_USER_AGENT"] == ""
    assert all(type(value) is str for key, value in environ.items() if "." not in key)


def test_fields_that_are_not_passed_on():
    environ = build(
        request(
            "/",
            ("Proxy", "http://evil.example"),
            ("X_Forwarded_For", "127.0.0.1"),
            ("Content_Length", "7"),
            ("Transfer-Encoding", "chunked"),
            method="POST",
        )
    )
    assert [key for key in environ if key.startswith(("HTTP_", "CONTENT"))] == ["HTTP_HOST"]


def test_invented_names_are_not_remembered_for_ever():
    builder = EnvironBuilder(ServerContext(), multithread=True)
    for number in range(3000):
        assert builder.build(request("/", (f"x-{number}", "1")), PEER)[f"HTTP_X_{number}"] == "1"
    assert len(builder._keys) == 1000
    assert builder.build(request("/", ("X_Late", "1")), PEER).get("HTTP_X_LATE") is None


@pytest.mark.parametrize(
    ("server", "scheme", "host", "name", "port"),
    [
        (("::1", 8080), "http", "localhost", "[::1]", "8080"),
        (("/run/a.sock", None), "http", "example.org:81", "example.org", "81"),
        (("/run/a.sock", None), "http", "example.org", "example.org", "80"),
        (("/run/a.sock", None), "https", "[::1]", "[::1]", "443"),
        (("/run/a.sock", None), "https", "[::1]:1", "[::1]", "1"),
        (None, "http", None, "localhost", "80"),
        (None, "http", "", "localhost", "80"),
    ],
)
def test_name_and_port_of_the_server(server, scheme, host, name, port):
    head = request("/x", host=host, http_version="1.1" if host is not None else "1.0")
    environ = build(head, PeerInfo(scheme, None, server))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)
    assert environ["wsgi.url_scheme"] == scheme
    assert environ["REMOTE_ADDR"] == environ["REMOTE_PORT"] == ""


def test_servers_that_share_one_application_are_told_apart():
    builder = EnvironBuilder(ServerContext(), multithread=True)
    for host, port in [("192.0.2.1", 80), ("192.0.2.2", 80), ("192.0.2.2", 81), ("192.0.2.1", 80)]:
        environ = builder.build(request(http_version="1.0", host=None), PeerInfo("http", None, (host, port)))
        assert request_uri(environ) == f"http://{host}{'' if port == 80 else ':81'}/"


def test_file_wrapper_of_what_is_no_file():
    class Source:
        def __init__(self):
            self.blocks = [b"ab", b"c"]
            self.sizes = []

        def read(self, size):
            self.sizes.append(size)
            return self.blocks.pop(0) if self.blocks else b""

    source = Source()
    wrapper = FileWrapper(source, 2)
    assert list(wrapper) == [b"ab", b"c"]
    assert source.sizes == [2, 2, 2]
    assert not hasattr(wrapper, "close")
    stream = io.BytesIO(b"x")
    FileWrapper(stream).close()
    assert stream.closed
