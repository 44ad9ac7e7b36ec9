"""Where a server listens."""

import contextlib
import os
import socket
import stat

import pytest

from interlock.server.errors import StartError
from interlock.server.sockets import FileDescriptor, TCPAddress, UnixPath, open_listeners, parse_bind


@pytest.fixture
def listen():
    """Opens listeners that are closed after the test."""
    with contextlib.ExitStack() as stack:

        def listen(*binds, unix_mode=None):
            listeners = open_listeners([parse_bind(bind) for bind in binds], backlog=16, unix_mode=unix_mode)
            for listener in listeners:
                stack.callback(listener.close)
            return listeners

        yield listen


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "s")


def stale_socket(path):
    """Leave what a killed server leaves."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()


def can_connect(family, address):
    with socket.socket(family) as client:
        client.settimeout(5)
        return client.connect_ex(address) == 0


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", TCPAddress("127.0.0.1", 80)),
        ("localhost", TCPAddress("localhost", 8000)),
        (":80", TCPAddress("0.0.0.0", 80)),
        ("[::]:0", TCPAddress("::", 0)),
        ("[::1]", TCPAddress("::1", 8000)),
        ("a.example:65535", TCPAddress("a.example", 65535)),
        ("unix:/run/a b:c.sock", UnixPath("/run/a b:c.sock")),
        ("unix:here.sock", UnixPath("here.sock")),
        ("fd://3", FileDescriptor(3)),
    ],
)
def test_what_a_string_names(text, address):
    assert parse_bind(text) == address
    assert parse_bind(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "8000",
            "host:",
            "host:http",
            "host:-1",
            "host:65536",
            "host:８０",
            "host:1_0",
            "host: 80",
            "host:999999",
        ),
        *("::1", "::1:80", "[::1", "[]:80", "[::1]80", "[::1]:", "http://host:80", "/run/app.sock"),
        *("unix:", "unix:a\0b", "fd://", "fd://x", "fd://-1", "fd:3"),
    ],
)
def test_what_names_nothing(text):
    with pytest.raises(ValueError):
        parse_bind(text)


def test_a_port_that_the_system_chooses_is_named(listen):
    (listener,) = listen("127.0.0.1:0")
    port = listener.sock.getsockname()[1]
    assert port
    assert listener.url("https") == f"https://127.0.0.1:{port}"
    assert can_connect(socket.AF_INET, ("127.0.0.1", port))


def test_a_name_is_bound_at_each_of_its_addresses_at_one_port(listen, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{host}", 0)) for host in (1, 2)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    first, second = listen("name.example:0")
    assert first.sock.getsockname() == ("127.0.0.1", first.sock.getsockname()[1])
    assert second.sock.getsockname() == ("127.0.0.2", first.sock.getsockname()[1])


def test_of_a_name_with_an_address_that_is_not_ours_the_others_do(listen, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    (listener,) = listen("name.example:0")
    assert listener.sock.getsockname()[0] == "127.0.0.1"


@pytest.mark.skipif(not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_every_ipv6_address_takes_ipv4_too_and_one_does_not(listen):
    (both,) = listen("[::]:0")
    port = both.sock.getsockname()[1]
    assert both.url("http") == f"http://[::]:{port}"
    assert can_connect(socket.AF_INET, ("127.0.0.1", port))
    assert can_connect(socket.AF_INET6, ("::1", port))
    (one,) = listen("[::1]:0")
    assert not can_connect(socket.AF_INET, ("127.0.0.1", one.sock.getsockname()[1]))


def test_a_port_in_use(listen):
    (listener,) = listen("127.0.0.1:0")
    with pytest.raises(StartError, match=f"cannot listen on {listener.name}: it is in use"):
        listen(listener.name)


def test_a_port_can_be_had_again_at_once_after_connections(listen):
    (listener,) = listen("127.0.0.1:0")
    client = socket.create_connection(listener.sock.getsockname())
    listener.sock.accept()[0].close()  # closed first here: this end is in TIME-WAIT
    client.close()
    listener.close()
    assert listen(listener.name)


def test_no_such_host(listen, monkeypatch):
    def getaddrinfo(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(StartError, match=r"cannot resolve host 'nowhere\.example': Name or service not known"):
        listen("nowhere.example:80")


def test_an_address_of_another_machine(listen):
    with pytest.raises(StartError, match=r"192\.0\.2\.1:8000: this machine does not have that address"):
        listen("192.0.2.1:8000")


def test_permission_denied(listen, monkeypatch):
    def bind(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    with pytest.raises(StartError, match=r"127\.0\.0\.1:80: permission denied: ports below 1024 need privileges"):
        listen("127.0.0.1:80")


def test_when_one_cannot_be_had_the_others_are_given_back(listen, path):
    (taken,) = listen("127.0.0.1:0")
    with pytest.raises(StartError):
        listen(f"unix:{path}", taken.name)
    assert not os.path.lexists(path)


def test_a_unix_socket_and_its_end(listen, path):
    (listener,) = listen(f"unix:{path}")
    assert listener.url("http") == f"unix:{path}"
    assert can_connect(socket.AF_UNIX, path)
    listener.close()
    assert not os.path.lexists(path)
    listener.close()


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_permissions_of_a_unix_socket(listen, path, mode):
    umask = os.umask(0o022)
    try:
        listen(f"unix:{path}", unix_mode=mode)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(umask)
    assert stat.S_IMODE(os.stat(path).st_mode) == mode


def test_a_stale_unix_socket_is_replaced(listen, path):
    stale_socket(path)
    listen(f"unix:{path}")
    assert can_connect(socket.AF_UNIX, path)


def test_a_unix_socket_in_use_stays(listen, path):
    listen(f"unix:{path}")
    with pytest.raises(StartError, match="in use"):
        listen(f"unix:{path}")
    assert can_connect(socket.AF_UNIX, path)


@pytest.mark.parametrize("kind", ["file", "directory", "symlink"])
def test_what_is_no_socket_stays(listen, path, tmp_path, kind):
    if kind == "file":
        (tmp_path / "s").write_text("precious")
    elif kind == "directory":
        os.mkdir(path)
    else:
        stale_socket(f"{path}2")
        os.symlink(f"{path}2", path)
    before = os.lstat(path)
    with pytest.raises(StartError, match="a file that is no socket is there"):
        listen(f"unix:{path}")
    assert os.path.samestat(os.lstat(path), before)


def test_the_socket_of_the_next_server_is_not_removed(listen, path):
    (first,) = listen(f"unix:{path}")
    os.rename(path, f"{path}.old")
    listen(f"unix:{path}")
    first.close()
    assert can_connect(socket.AF_UNIX, path)


def test_a_child_that_closes_a_unix_socket_leaves_its_path(listen, path, monkeypatch):
    (listener,) = listen(f"unix:{path}")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    listener.close()
    assert os.path.lexists(path)


def test_no_directory_for_a_unix_socket(listen, path):
    with pytest.raises(StartError, match="No such file or directory"):
        listen(f"unix:{path}/s")


def test_a_path_too_long_for_a_unix_socket(listen, path):
    with pytest.raises(StartError, match="too long"):
        listen(f"unix:{path}{'x' * 200}")


def test_an_inherited_descriptor(listen):
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    name = sock.getsockname()
    (listener,) = listen(f"fd://{sock.detach()}")
    assert listener.url("http") == f"http://127.0.0.1:{name[1]}"
    assert can_connect(socket.AF_INET, name)


def test_an_inherited_unix_socket_leaves_its_path(listen, path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    (listener,) = listen(f"fd://{sock.detach()}")
    listener.close()
    assert os.path.lexists(path)


def test_a_descriptor_that_is_not_open(listen):
    with pytest.raises(StartError, match="fd://987: it is not open"):
        listen("fd://987")


def test_a_descriptor_that_is_no_socket(listen, tmp_path):
    with open(tmp_path / "file", "w") as file:
        with pytest.raises(StartError, match="it is no socket"):
            listen(f"fd://{file.fileno()}")
        file.write("it is still open")


def test_a_datagram_socket(listen):
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(StartError, match="no TCP or unix stream socket"):
        listen(f"fd://{sock.fileno()}")
