"""``interlock serve``, from its command line to its exit status."""

import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys

import pytest
import trustme
from click.testing import CliRunner
from tests.server.serving import PATIENCE, Server

from interlock.cli import main
from interlock.cli.serve import serve


def raw(family, address, request=b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
    """All that a server answers to some octets."""
    with socket.socket(family) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.sendall(request)
        answer = b""
        while received := client.recv(65536):
            answer += received
        return answer


def help_of(*arguments):
    result = CliRunner().invoke(main, [*arguments, "--help"], terminal_width=110)
    assert result.exit_code == 0
    return result.output


# What it serves, and where.


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["il_apps:asgi"], r"^interlock: serving il_apps:asgi \(ASGI\) on http://127\.0\.0\.1:\d+$"),
        (["il_apps:wsgi"], r"^interlock: serving il_apps:wsgi \(WSGI\) on http://127\.0\.0\.1:\d+$"),
        (["il_apps:create_app()"], r"serving il_apps:create_app\(\) \(WSGI\) on"),
        (["--factory", "il_apps:create_app"], r"serving il_apps:create_app \(WSGI\) on"),
        (["il_apps:wsgi", "--workers", "2"], r"^interlock: serving il_apps:wsgi \(WSGI\) on http://127\.0\.0\.1:\d+$"),
    ],
)
def test_an_application(tmp_path, arguments, line):
    with Server(tmp_path, *arguments) as server:
        server.line(line)
        response, body = server.get()
        assert response.status == 200
        assert body.isdigit()
        assert response.headers["server"] == "interlock"
        assert response.headers["date"].endswith(" GMT")
        assert server.stop() == 0


def test_without_an_application_the_demo(tmp_path):
    with Server(tmp_path) as server:
        server.line(r"serving interlock\.server\.demo:app \(ASGI\) on")
        response, body = server.get("/some/where")
        assert response.status == 200
        assert "/some/where" in body


def test_the_environment(tmp_path):
    env = {
        "INTERLOCK_APP": "il_apps:wsgi",
        "INTERLOCK_BIND": f"127.0.0.1:0 unix:{tmp_path}/s",
        "INTERLOCK_THREADS": "1",
    }
    with Server(tmp_path, bind=None, env=env) as server:
        server.line(r"serving il_apps:wsgi \(WSGI\) on http://127")
        server.line(r"serving il_apps:wsgi \(WSGI\) on unix:/")
        assert server.get("/threads")[1] == "False"


def test_the_command_line_goes_before_the_environment(tmp_path):
    env = {"INTERLOCK_APP": "il_apps:wsgi", "INTERLOCK_BIND": "127.0.0.1:99999", "INTERLOCK_INTERFACE": "nonsense"}
    with Server(tmp_path, "il_apps:asgi", "--interface", "asgi", env=env) as server:
        server.line(r"serving il_apps:asgi \(ASGI\) on")


def test_options_reach_the_application(tmp_path):
    arguments = ["--root-path", "/mounted", "--no-server-header", "--no-date-header"]
    with Server(tmp_path, "il_apps:asgi", *arguments).ready() as server:
        response, body = server.get("/root")
        assert body == "/mounted"
        assert not {"server", "date"} & {name.lower() for name in response.headers}


def test_limits_reach_the_connections(tmp_path):
    with Server(tmp_path, "il_apps:asgi", "--limit-request-line", "100").ready() as server:
        assert server.get("/" + "x" * 50)[0].status == 200
        assert server.get("/" + "x" * 100)[0].status == 414


def test_another_directory(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "il_inside.py").write_text("from il_apps import asgi as app")
    with Server(tmp_path, "il_inside:app", "--app-dir", "inside", env={"PYTHONPATH": _path(tmp_path)}) as server:
        server.line("serving il_inside:app")


def _path(directory):
    import interlock

    return os.pathsep.join((os.path.dirname(os.path.dirname(interlock.__file__)), str(directory)))


def test_several_addresses(tmp_path):
    with Server(tmp_path, "il_apps:asgi", "--bind", f"unix:{tmp_path}/s", "--bind", "localhost:0") as server:
        server.line(f"on unix:{tmp_path}/s$")
        for port in set(server.line(r"(?s)serving.*").group().split("\n")):
            if "127.0.0.1" in port:
                assert raw(socket.AF_INET, ("127.0.0.1", int(port.rpartition(":")[2]))).startswith(b"HTTP/1.1 200")
        assert raw(socket.AF_UNIX, f"{tmp_path}/s").startswith(b"HTTP/1.1 200")
        assert server.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_unix_socket(tmp_path, workers, loop):
    pytest.importorskip(loop)
    path = f"{tmp_path}/s"
    arguments = ["--workers", workers, "--unix-mode", "600", "--loop", loop]
    with Server(tmp_path, "il_apps:asgi", *arguments, bind=f"unix:{path}").ready() as server:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert raw(socket.AF_UNIX, path).startswith(b"HTTP/1.1 200")
        if workers > 1:
            os.kill(server.workers()[0], signal.SIGTERM)
            server.line("ended with status 0")
            assert raw(socket.AF_UNIX, path).startswith(b"HTTP/1.1 200")
        assert server.stop() == 0
        assert not os.path.lexists(path)


def test_a_stale_unix_socket_does_not_keep_it_from_starting(tmp_path):
    path = f"{tmp_path}/s"
    with Server(tmp_path, "il_apps:asgi", bind=f"unix:{path}").ready() as server:
        server.process.kill()
        server.wait()
    assert os.path.lexists(path)
    with Server(tmp_path, "il_apps:asgi", bind=f"unix:{path}").ready():
        assert raw(socket.AF_UNIX, path).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_an_inherited_socket(tmp_path, workers, loop):
    pytest.importorskip(loop)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.fileno()
        arguments = ["il_apps:asgi", "--workers", workers, "--loop", loop]
        server = Server(tmp_path, *arguments, bind=f"fd://{number}", pass_fds=[number])
    with server.ready():
        assert server.get()[0].status == 200
        assert server.stop() == 0


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("app", ["il_apps:asgi", "il_apps:wsgi"])
def test_tls(tmp_path, authority, app, loop):
    pytest.importorskip(loop)
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(f"{tmp_path}/key.pem")
    issued.cert_chain_pems[0].write_to_path(f"{tmp_path}/cert.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    arguments = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--loop", loop]
    with Server(tmp_path, app, *arguments) as server:
        port = int(server.line(r"on https://127\.0\.0\.1:(\d+)$")[1])
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=PATIENCE)
        connection.request("GET", "/scheme")
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200
        assert body == b"https" or app == "il_apps:wsgi"
        connection.close()
        assert server.stop() == 0


# The access log.


def test_the_access_log_in_a_file(tmp_path):
    with Server(
        tmp_path, "il_apps:asgi", "--access-log", "access.log", "--access-log-format", "json"
    ).ready() as server:
        server.get("/one")
        server.get("/two")
        assert server.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    assert [(line["method"], line["target"], line["status"]) for line in lines] == [
        ("GET", "/one", 200),
        ("GET", "/two", 200),
    ]


def test_the_access_log_on_standard_output(tmp_path):
    with Server(tmp_path, "il_apps:wsgi", "--access-log", "-").ready() as server:
        server.get("/one")
        server.until(lambda: server.out, "a line")
        assert ' "GET /one HTTP/1.1" 200 ' in server.out[0]
        assert server.stop() == 0
        assert len(server.out) == 1


# What goes wrong.


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["il_nowhere:app"], "cannot find a module 'il_nowhere' in "),
        (["il_apps:asgj"], "module il_apps has no attribute 'asgj': did you mean asgi?\n"),
        (["il_apps:HERE"], "il_apps:HERE is no application: a str cannot be called\n"),
        (["il_apps:cannot_start"], "the startup of il_apps:cannot_start failed: no database\n"),
        (["il_apps:asgi", "--tls-cert", "il_apps.py"], "il_apps.py holds no certificate in PEM form\n"),
        (
            ["il_apps:asgi", "--bind", "unix:il_apps.py"],
            "on unix:il_apps.py: a file that is no socket is there, and stays\n",
        ),
        (["il_apps:asgi", "--bind", "fd://987"], "cannot listen on fd://987: it is not open\n"),
        (["il_apps:asgi", "--bind", "192.0.2.1:1"], "192.0.2.1:1: this machine does not have that address\n"),
        (["il_apps:asgi", "--access-log", "no/log"], "cannot write the access log no/log: No such file or directory\n"),
        (["il_apps:asgi", "--app-dir", "no"], "--app-dir no is no directory\n"),
        (
            ["il_apps:wsgi", "--lifespan", "on"],
            "--lifespan on: il_apps:wsgi is a WSGI application, and these have no lifespan\n",
        ),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(tmp_path, arguments, message, workers):
    with Server(tmp_path, *arguments, "--workers", workers) as server:
        assert server.wait() == 1
        assert len(server.lines) == 1
        assert server.errors.startswith("interlock: error: ")
        assert message in server.errors
    assert (tmp_path / "il_apps.py").read_text()


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        name = f"127.0.0.1:{taken.getsockname()[1]}"
        with Server(tmp_path, "il_apps:asgi", bind=name) as server:
            assert server.wait() == 1
            assert server.errors == (
                f"interlock: error: cannot listen on {name}: it is in use: another server listens there\n"
            )


def test_an_import_that_raises_shows_where(tmp_path):
    (tmp_path / "il_broken.py").write_text("def connect():\n    raise OSError('no database')\nconnect()\n")
    with Server(tmp_path, "il_broken:app") as server:
        assert server.wait() == 1
        assert server.lines[0] == "Traceback (most recent call last):\n"
        assert server.lines[1].startswith(f'  File "{tmp_path}/il_broken.py", line 3')
        assert server.lines[-1] == "interlock: error: importing il_broken failed: OSError: no database\n"


def test_a_startup_that_raises_in_a_framework_shows_where(tmp_path):
    pytest.importorskip("starlette")
    (tmp_path / "il_star.py").write_text(
        "import contextlib\nfrom starlette.applications import Starlette\n\n"
        "@contextlib.asynccontextmanager\nasync def lifespan(app):\n    raise OSError('no database')\n    yield\n\n"
        "app = Starlette(lifespan=lifespan)\n"
    )
    with Server(tmp_path, "il_star:app") as server:
        assert server.wait() == 1
        assert f'File "{tmp_path}/il_star.py", line 6' in server.errors
        assert server.lines[-1] == "interlock: error: the startup of il_star:app failed: OSError: no database\n"


OPTIONS = [option.opts[0] for option in serve.params if option.param_type_name == "option"]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_typo_in_an_option_is_answered_with_the_option(option):
    typo = option[:-2] + option[-1] + option[-2] if option[-1] != option[-2] else option[:-1]
    result = CliRunner().invoke(main, ["serve", typo, "1"])
    assert result.exit_code == 2
    assert "No such option" in result.output
    assert option in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--bind", "8000"], "'--bind' / '-b': '8000' is no host: to name only a port write 127.0.0.1:8000 or :8000."),
        (["--bind", "::1"], "an IPv6 address stands in brackets"),
        (["--bind", ":1", "--bind", ":1"], "an address to listen on is given twice."),
        (["--workers", "0"], "'--workers' / '-w': 0 is not in the range 1<=x<=1024."),
        (["--workers", "9" * 12], "'--workers' / '-w': 999999999999 is not in the range 1<=x<=1024."),
        (["--backlog", "9" * 12], "'--backlog': 999999999999 is not in the range 1<=x<=65535."),
        (["--threads", "many"], "'--threads' / '-t': 'many' is not a valid integer"),
        (["--interface", "asgi3"], "'--interface': 'asgi3' is not one of 'auto', 'wsgi', 'asgi'."),
        (["--unix-mode", "999"], "'--unix-mode': '999' is not three octal digits, such as 660."),
        (["--unix-mode", "1777"], "'1777' is not three octal digits"),
        (["--unix-mode", "660"], "--unix-mode without a unix socket among the addresses to listen on."),
        (["--access-log-format", "combined"], "--access-log-format without --access-log."),
        (["--tls-key", "key.pem"], "--tls-key without --tls-cert: a private key needs its certificate."),
        (["--http", "3"], "'--http': '3' is none of 1, 2 and 1,2."),
        (["--http", "1,1"], "'--http': '1,1' is none of"),
        (["--http", "1,"], "'--http': '1,' is none of"),
        (["--http", ""], "'--http': '' is none of"),
        (
            ["--tls-dev", "--tls-cert", "cert.pem"],
            "--tls-dev makes a certificate of its own, and does not go with --tls-cert.",
        ),
        (["--tls-dev", "--tls-key", "key.pem"], "--tls-key without --tls-cert"),
        (["--tls-dev", "--tls-client-cert", "maybe"], "'--tls-client-cert': 'maybe' is not one of 'none', 'optional',"),
        (["--tls-dev", "--tls-client-cert", "required"], "--tls-client-cert needs --tls-client-ca, a file"),
        (["--tls-client-ca", "ca.pem"], "--tls-client-ca without TLS: certificates of clients go with --tls-cert or"),
        (["--limit-window", "3G"], "'--limit-window': 3G is more than 2147483647, the most that HTTP/2 can tell"),
        (["--limit-streams", "9" * 12], "'--limit-streams': 999999999999 is more than 4294967295"),
        (["--limit-window", "32M"], "--limit-window-ceiling (16777216) is less than --limit-window (33554432)"),
        (["--root-path", "app"], "--root-path begins with a slash and ends without one: not 'app'."),
        (["--limit-head", "lots"], "'--limit-head': 'lots' is not a number of octets"),
        (["one:app", "two:app"], "unexpected extra argument (two:app)"),
    ],
)
@pytest.mark.usefixtures("nothing_served")
def test_a_wrong_command_line(arguments, complaint):
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == 2
    assert complaint in result.output


@pytest.mark.parametrize(
    ("versions", "spoken"),
    [("1", ("1",)), ("2", ("2",)), ("1,2", ("1", "2")), ("2,1", ("1", "2")), ("1, 2", ("1", "2")), (" 2 ", ("2",))],
)
def test_versions_in_any_order(monkeypatch, versions, spoken):
    given = []
    monkeypatch.setattr(sys.modules["interlock.cli.serve"], "run", lambda config: given.append(config) or 0)
    assert CliRunner().invoke(main, ["serve", "--http", versions]).exit_code == 0
    assert CliRunner().invoke(main, ["serve"], env={"INTERLOCK_HTTP": versions}).exit_code == 0
    assert [config.http for config in given] == [spoken, spoken]


def test_the_windows_of_a_command_line_reach_the_server(monkeypatch):
    given = []
    monkeypatch.setattr(sys.modules["interlock.cli.serve"], "run", lambda config: given.append(config.limits) or 0)
    arguments = ["serve", "--limit-window", "32M", "--limit-window-ceiling", "32M"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert (given[0].window, given[0].window_ceiling) == (2**25, 2**25)


def test_a_wrong_environment():
    result = CliRunner().invoke(main, ["serve"], env={"INTERLOCK_TIMEOUT_HEAD": "soon"})
    assert result.exit_code == 2
    complaint = "'--timeout-head': 'soon' is not a number. It comes from the environment: INTERLOCK_TIMEOUT_HEAD."
    assert complaint in result.output


@pytest.fixture
def nothing_served(monkeypatch):
    """The command ends where it would serve."""
    monkeypatch.setattr(sys.modules["interlock.cli.serve"], "run", lambda config: 0)


@pytest.mark.usefixtures("nothing_served")
@pytest.mark.parametrize("variable", [option.upper().replace("-", "_")[2:] for option in OPTIONS] + ["APP"])
def test_a_typo_in_the_environment_is_answered_with_the_variable(variable):
    typo = variable[:-2] + variable[-1] + variable[-2] if variable[-1] != variable[-2] else variable[:-1]
    result = CliRunner().invoke(main, ["serve"], env={f"INTERLOCK_{typo}": "1"})
    warning = f"interlock: warning: INTERLOCK_{typo} is no option of interlock: did you mean INTERLOCK_{variable}?\n"
    assert warning in result.output


@pytest.mark.usefixtures("nothing_served")
@pytest.mark.parametrize("variable", ["PORT", "SERVICE_HOST", "PORT_8000_TCP_ADDR", "PURE", "TLS_KEY_PASSWORD", "BIND"])
def test_no_warning_of_what_is_no_typo(variable):
    result = CliRunner().invoke(main, ["serve"], env={f"INTERLOCK_{variable}": "127.0.0.1:0"})
    assert result.output == ""


def test_the_password_of_a_key_is_no_option():
    assert "--tls-key-password" not in OPTIONS
    assert "INTERLOCK_TLS_KEY_PASSWORD" in help_of("serve")


def test_help():
    shown = help_of("serve")
    for option in OPTIONS:
        assert option in shown
    for word in ("INTERLOCK_TLS_CERT", "Exit status:", "64k", "[::]:port takes IPv4 too", "SIGTERM"):
        assert word in " ".join(shown.split())
    assert {"serve", "check", "draw"} <= set(help_of().split())


def test_as_a_module():
    import interlock

    source = os.path.dirname(os.path.dirname(interlock.__file__))
    command = [sys.executable, "-m", "interlock", "serve", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": source}, check=True)
    assert shown.stdout.startswith("Usage: interlock serve ")
