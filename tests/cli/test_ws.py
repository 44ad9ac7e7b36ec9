"""``interlock ws``, from its command line to its exit status."""

import asyncio
import contextlib
import errno
import importlib.util
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner, Result
from tests.cli.ws_peer import PATIENCE, Peer
from tests.server.serving import Server

import interlock
from interlock.cli import main

#: What the engine says of the nonsense that the peer sends.
WRONG = "RSV2 or RSV3 without an extension that defines it (RFC 6455 §5.2)"

BYE = """\
closed by us: 1000 (normal closure)
the server has answered: 1000 (normal closure)

                    handshake   client      server      stream
                    CONNECTING  CONNECTING  CONNECTING  OPEN
server.Accept       ACCEPTED    OPEN        OPEN        OPEN
client.Close        ACCEPTED    CLOSED      CLOSE_DUE   OPEN
server.Close        ACCEPTED    CLOSED      CLOSED      OPEN
server.EndOfStream  ACCEPTED    CLOSED      CLOSED      SERVER_ENDED
client.EndOfStream  ACCEPTED    CLOSED      CLOSED      GONE
"""


@pytest.fixture(scope="module")
def one_peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


@pytest.fixture
def peer(one_peer: Peer) -> Peer:
    one_peer.begin()
    return one_peer


def run(*arguments: str, typed: str | bytes = "", wait: str = "1000") -> Result:
    """The command in this process.  It waits for the server to close, unless told."""
    return CliRunner().invoke(main, ["ws", "--wait", wait, *arguments], input=typed)


@contextlib.contextmanager
def started(*arguments: str, **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(interlock.__file__).parent.parent), "TERM": "xterm"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    command = [sys.executable, "-m", "interlock", "ws", *arguments]
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


# -- what is sent


def test_a_line_is_a_message(peer: Peer) -> None:
    result = run(peer.url(), typed="hello\n\nä\r\n//slash\nbye")
    assert result.exit_code == 0
    assert result.stdout == "hello\n\nä\n/slash\n"
    assert [peer.heard() for _ in range(5)] == ["hello", "", "ä", "/slash", (1000, "")]


def test_answers_are_waited_for_after_the_end_of_input(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []

    async def wait(seconds: float) -> None:
        waited.append(seconds)
        await asyncio.to_thread(peer.push, "late")

    monkeypatch.setattr(asyncio, "sleep", wait)
    result = run(peer.url("/mute"), typed="go\n", wait="7")
    assert result.exit_code == 0
    assert waited == [7]
    assert result.stdout == "late\n"
    assert result.stderr.endswith(BYE)


def test_who_waits_is_told_when_the_server_closes(peer: Peer) -> None:
    result = run(peer.url("/ticks"), typed="go\n")
    assert result.exit_code == 0
    assert result.stdout == "one\ntwo\n"
    assert "closed by the server: 1000 (normal closure)\nwe have answered: 1000 (normal closure)\n" in result.stderr


def test_the_end_of_input_closes_and_that_is_explained(peer: Peer) -> None:
    result = run(peer.url("/mute"), typed="go\n", wait="0")
    assert result.exit_code == 0
    assert result.stdout == ""
    opened, _, closed = result.stderr.partition("\n")
    assert opened.startswith(f"open: {peer.url('/mute')}, permessage-deflate")
    assert closed == BYE
    assert [peer.heard(), peer.heard()] == ["go", (1000, "")]


def test_lines_as_binary_messages(peer: Peer) -> None:
    result = run(peer.url(), "--binary", typed=b"\xff\x00\n/binary 6869\n/text hi\n//\nbye\n")
    assert [peer.heard() for _ in range(4)] == [b"\xff\x00", b"hi", "hi", b"/"]
    assert result.stdout == (
        "binary, 2 octets: ff 00  |..|\nbinary, 2 octets: 68 69  |hi|\nhi\nbinary, 1 octet: 2f  |/|\n"
    )


def test_commands(peer: Peer) -> None:
    result = run(peer.url(), typed="/pong x\n/ping y\n/help\n/close 4321 that is all\nnot read any more\n")
    assert result.exit_code == 1
    assert "/close [CODE [REASON]]  close the connection" in result.stderr
    assert 'closed by us: 4321 (meant for private use), "that is all"\nthe server has answered: 4321' in result.stderr
    assert "not sent" not in result.stderr
    assert peer.heard() == (4321, "that is all")


def test_the_pong_is_told_with_its_time(peer: Peer) -> None:
    result = run(peer.url(), "--verbose", typed="/ping y\nbye\n")
    assert 'ping sent: "y"\n' in result.stderr
    assert 'pong received: "y"\nthe pong took ' in result.stderr
    assert "ping" not in run(peer.url(), typed="/ping y\nbye\n").stderr


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"/binary 0", "what follows /binary has to be hexadecimal"),
        (b"/foo \x1b", "there is no command /foo: /help lists them"),
        (b"/help me", "there is no command /help"),
        (b"/close x", "what follows /close has to be a code of four digits"),
        (b"/close 1005", "1005 is no status code that a Close may carry"),
        (b"/close 1000 " + b"x" * 124, "the reason of a Close has at most 123 octets"),
        (b"/ping " + b"x" * 126, "a control frame carries at most 125 octets"),
        (b"\xff", "the line is not UTF-8"),
        (b"/text \xff", "the line is not UTF-8"),
        (b"/\x1b[2J", "there is no command /\\x1b[2J: "),
    ],
)
def test_lines_that_cannot_be_sent(peer: Peer, line: bytes, why: str) -> None:
    result = run(peer.url(), typed=line + b"\nhello\nbye\n")
    assert result.exit_code == 2
    assert f"not sent: {why}" in result.stderr
    assert result.stdout == "hello\n"
    assert "closed by the server: 1000" in result.stderr


# -- what is shown


def test_nothing_that_comes_is_a_command_to_a_terminal(peer: Peer) -> None:
    with started("-v", peer.url("/attack")) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert out.decode().split("\n") == [
        "a\\x1b[2J\tb\\r",
        "\\u202ec\\x07\\x9b1m é",
        f"binary, 40 octets: {bytes(range(32)).hex(' ')} ...  |{'.' * 32}|",
        "binary, 0 octets",
        "",
    ]
    assert 'ping received: "\\x1b[2J"\n' in err.decode()
    assert "ping received: ff 00\n" in err.decode()
    assert "pong sent: ff 00\n" in err.decode()
    assert process.returncode == 0


def test_what_an_encoding_lacks_is_escaped(peer: Peer) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(interlock.__file__).parent.parent), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "interlock", "ws", "--wait", "1000", peer.url()]
    done = subprocess.run(
        command, env=environment, input="é\nbye\n".encode(), capture_output=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == b"\\xe9\n"


# -- how it ends


def test_the_server_closes_while_input_is_awaited(peer: Peer) -> None:
    with started(peer.url("/bye")) as process:
        out, err = process.stdout, process.stderr
        assert out is not None
        assert err is not None
        assert process.wait(PATIENCE) == 0
        told = err.read().decode()
    assert 'closed by the server: 1001 (going away), "so \\x1b]0;long"\nwe have answered: 1001 (going away)\n' in told
    assert "\nserver.Close        ACCEPTED    CLOSE_DUE   CLOSED      OPEN\n" in told
    assert "Fatal" not in told


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/fail", "closed by the server: 1011 (internal error)\nwe have answered: 1011 (internal error)\n"),
        ("/drop", "lost: there was no Close, 1006 (abnormal closure)\nit ended the byte stream without a Close\n"),
        (
            "/nonsense",
            f'closed by us: 1002 (protocol error), "{WRONG}"\nwhat the server sent after that was not read\n',
        ),
    ],
)
def test_an_end_that_is_not_as_it_should_be(peer: Peer, path: str, told: str) -> None:
    with started(peer.url(path)) as process:
        assert process.stderr is not None
        assert process.wait(PATIENCE) == 1
        assert told in process.stderr.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes(peer: Peer, number: int) -> None:
    with started(peer.url("/mute")) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"open: ")
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read().decode() == f"closing; interrupt again to end at once\n{BYE}"
    assert peer.heard() == (1000, "")


def test_a_second_signal_ends_at_once(peer: Peer) -> None:
    with started("--timeout", "0", peer.url("/deaf")) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"open: ")
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith(b"closing; ")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 128 + signal.SIGINT
        assert process.stderr.read() == b""


def test_a_signal_before_the_connection_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        with started("--timeout", "0", f"ws://127.0.0.1:{listener.getsockname()[1]}/") as process:
            connection, _ = listener.accept()
            process.send_signal(signal.SIGINT)
            with connection:
                connection.settimeout(PATIENCE)
                with contextlib.suppress(ConnectionResetError):
                    while connection.recv(65536):
                        pass
            assert process.wait(PATIENCE) == 128 + signal.SIGINT
            assert process.stderr is not None
            assert process.stderr.read() == b""


def test_who_reads_has_seen_enough(peer: Peer) -> None:
    with started(peer.url()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"one\n"
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"two\n")
            process.stdin.flush()
        assert process.wait(PATIENCE) == 1
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert [peer.heard() for _ in range(3)] == ["one", "two", (1001, "")]


# -- the handshake


def test_what_the_request_says(peer: Peer) -> None:
    options = ["-s", "talk", "--subprotocol", "chat", "-H", "X-One: 1", "--header", "x-two:2", "--no-deflate"]
    result = run(*options, "--origin", "https://example.org", peer.url(), typed="bye\n")
    assert f"open: {peer.url()}, subprotocol talk\n" in result.stderr
    headers = peer.asked().headers
    assert headers["Sec-WebSocket-Protocol"] == "talk, chat"
    assert headers["X-One"] == "1"
    assert headers["X-Two"] == "2"
    assert headers["Origin"] == "https://example.org"
    assert "Sec-WebSocket-Extensions" not in headers


def test_a_refusal_is_shown(peer: Peer) -> None:
    result = run(peer.url("/refuse"))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        "               handshake   client      server      stream\n"
        "               CONNECTING  CONNECTING  CONNECTING  OPEN\n"
        "server.Reject  REJECTED    CONNECTING  CONNECTING  OPEN\n"
        f"Error: {peer.url('/refuse')} refused the handshake: 403 Forbidden\n"
        "  Server: interlock\n"
        "  Content-Type: text/plain; charset=utf-8\n"
        "\n"
        "  not you\n"
        f"  \\x1b[2Jnor \\x9bnobody\n  {'x' * 974}\n"
        "  ...\n"
    )


def test_a_redirect_is_shown(peer: Peer) -> None:
    result = run(peer.url("/moved"))
    assert result.exit_code == 1
    assert " refused the handshake: 301 Moved Permanently\n  Location: /there\n" in result.stderr
    assert "(redirects are not followed)" in result.stderr


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 400 \x1b[2J\r\nServer: \x9b\r\nContent-Length: 3\r\n\r\n\0\1\2", "is not HTTP/1.1"),
        (
            b"HTTP/1.1 400 \x9b\r\nServer: a\x9b\r\nContent-Length: 3\r\n\r\n\0\1\2",
            "400 \\x9b\n  Server: a\\x9b\n\n  3 octets: 00",
        ),
        (b"SSH-2.0\r\n\r\n", "what the other end has sent is not HTTP/1.1"),
        (b"", "the other end has closed the connection, and has not answered"),
    ],
)
def test_an_answer_that_is_none(answer: bytes, told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        result = run(f"ws://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(PATIENCE)
    assert result.exit_code == 1
    assert told in result.stderr
    assert "\x1b" not in result.stderr


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/"
        result = run(url)
    assert result.exit_code == 1
    assert result.stderr == f"Error: cannot open {url}: {os.strerror(errno.ECONNREFUSED)}\n"


def test_nobody_answers_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = run("--timeout", "0.01", f"ws://127.0.0.1:{listener.getsockname()[1]}/")
    assert result.exit_code == 1
    assert "the connection was not open in time\n" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http://localhost/"], "the scheme has to be ws or wss, not 'http'."),
        (["localhost:8000"], "the scheme has to be ws or wss, not 'localhost'."),
        (["ws:///"], "the URL names no host."),
        (["ws://localhost/#x"], "a URL of WebSocket has no fragment"),
        (["ws://a:b%3Ac@localhost/", "-H", "nothing"], "'nothing' is not of the form 'Name: value'."),
        (["ws://localhost/", "-H", "a b: c"], "illegal field name"),
        (["ws://localhost/", "-H", "Upgrade: c"], "is for the handshake to say"),
        (["ws://localhost/", "-H", "a: \u20ac"], "'\u20ac' has characters that no field may have."),
        (["ws://localhost/", "-s", "a b"], "subprotocol"),
        (["ws://localhost/", "--origin", "é"], "'é' has characters that no field may have."),
        (["ws://localhost/", "--proxy", "ftp://x"], "the scheme has to be http or https"),
        (["ws://localhost/", "--insecure"], "--insecure and --cafile are for wss, and the URL says ws."),
        (["wss://localhost/", "--insecure", "--cafile", "x"], "--insecure trusts any certificate"),
        (["wss://localhost/", "--cafile", "/no/where"], "cannot use /no/where: No such file or directory."),
        (["wss://localhost/", "--cafile", __file__], "it holds no certificate in PEM form."),
        (["ws://localhost/", "--wait", "-1"], "-1 is not a finite number from 0 on."),
    ],
)
def test_a_command_line_that_is_wrong(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert told in result.stderr


# -- TLS, and proxies


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority: trustme.CA) -> Iterator[Peer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Peer(context) as peer:
        yield peer


def test_a_certificate_is_checked_unless_told(secure: Peer, authority: trustme.CA, tmp_path: Path) -> None:
    refused = run(secure.url(), typed="hello\nbye\n")
    assert refused.exit_code == 1
    assert "its certificate is not trusted: " in refused.stderr
    assert refused.stdout == ""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for options in (["--cafile", str(tmp_path / "ca.pem")], ["--insecure"]):
        result = run(*options, secure.url(), typed="hello\nbye\n")
        assert result.stdout == "hello\n"
        assert result.exit_code == 0
    other = run("--cafile", str(tmp_path / "ca.pem"), secure.url(host="127.0.0.1"))
    assert other.exit_code == 1


def test_no_tls_where_it_is_expected(peer: Peer) -> None:
    result = run(peer.url().replace("ws:", "wss:"))
    assert result.exit_code == 1
    assert "TLS failed: " in result.stderr


def test_a_proxy(peer: Peer) -> None:
    asked = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0].decode())
        server = await asyncio.open_connection("localhost", peer.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(relay(reader, server[1]), relay(server[0], writer))

    async def through() -> tuple[bytes, bytes]:
        async with await asyncio.start_server(connect, "127.0.0.1", 0) as proxy:
            url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
            with started("--proxy", url, "--wait", "1000", peer.url()) as process:
                return await asyncio.to_thread(process.communicate, b"hello\nbye\n", PATIENCE)

    out, err = asyncio.run(through())
    assert out == b"hello\n", err
    assert asked == [f"CONNECT localhost:{peer.port} HTTP/1.1"]


# -- with the server of the same name


def test_with_an_application_that_is_served(tmp_path: Path) -> None:
    (tmp_path / "il_echo.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'websocket.accept'})\n"
        "    while (event := await receive())['type'] == 'websocket.receive':\n"
        "        if event['text'] == 'bye':\n"
        "            return await send({'type': 'websocket.close', 'code': 1001, 'reason': 'as you like'})\n"
        "        await send({'type': 'websocket.send', 'text': event['text'].upper()})\n"
    )
    with Server(tmp_path, "il_echo:app", "--lifespan", "off").ready() as server:
        with started("--wait", "1000", "ws://{}:{}/".format(*server.address)) as process:
            out, err = process.communicate(b"hello\nbye\n", PATIENCE)
    assert out == b"HELLO\n"
    assert b'closed by the server: 1001 (going away), "as you like"\n' in err
    assert process.returncode == 0


# -- a terminal


class Terminal:
    """The end of a terminal at which somebody sits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.seen = b""

    def types(self, text: bytes) -> None:
        os.write(self._descriptor, text)

    def sees(self, text: bytes) -> None:
        """Read until this comes."""
        while text not in self.seen:
            self.seen += os.read(self._descriptor, 65536)
        self.seen = self.seen.partition(text)[2]


def test_a_terminal(peer: Peer) -> None:
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    master, slave = pty.openpty()
    terminal = Terminal(master)
    before = termios.tcgetattr(slave)
    try:
        with started("--verbose", peer.url(), stdin=slave, stdout=slave, stderr=slave) as process:
            terminal.sees(b"/help lists commands, Ctrl-D closes\r\n")
            terminal.sees(b"> ")
            terminal.types(b"hello\n")
            terminal.sees(b"< hello\r\n")
            terminal.sees(b"> ")
            terminal.types(b"pa")
            terminal.sees(b"pa")
            peer.push("one\ntwo")
            terminal.sees(b"\r\x1b[K< one\r\n  two\r\n> ")
            if importlib.util.find_spec("readline"):
                terminal.sees(b"pa")
            terminal.types(b"rt\n")
            terminal.sees(b"< part\r\n")
            terminal.sees(b"> ")
            terminal.types(b"/foo\n")
            terminal.sees(b"not sent: there is no command /foo")
            terminal.sees(b"> ")
            terminal.types(b"\x04")
            terminal.sees(b"closed by us: 1000 (normal closure)\r\n")
            terminal.sees(b"GONE")
            assert process.wait(PATIENCE) == 2
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_a_terminal_is_left_as_it_was_when_the_server_closes(peer: Peer) -> None:
    pty = pytest.importorskip("pty")
    termios = pytest.importorskip("termios")
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    terminal = Terminal(master)
    try:
        with started(peer.url("/ticks"), stdin=slave, stdout=slave, stderr=slave) as process:
            terminal.sees(b"> ")
            terminal.types(b"go\n")
            terminal.sees(b"< two\r\n")
            terminal.sees(b"closed by the server: 1000")
            terminal.sees(b"GONE")
            assert process.wait(PATIENCE) == 0
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)
