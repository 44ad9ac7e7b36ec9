"""Streams do the same over asyncio, uvloop, trio and blocking sockets, with and without TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trio
import trio.testing
from tests.net.networks import ENOUGH, WORLDS, World, certificates, echo, far_end, in_threads, reset, until_end

from interlock.net import stream as stream_module
from interlock.net.errors import (
    ConnectError,
    ConnectTimeout,
    ReadError,
    ReadTimeout,
    WriteError,
    WriteTimeout,
)
from interlock.net.stream import Stream
from interlock.net.trio.network import TrioStream

LARGE = bytes(range(256)) * 8192  # 2 MiB
#: Seconds until a wait is over that nothing ends before.
SHORT = 0.02


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def read_all(stream: Stream, most: int = 65536) -> bytes:
    received = bytearray()
    while data := await stream.read(most, ENOUGH):
        assert len(data) <= most
        received += data
    return bytes(received)


async def read_exactly(stream: Stream, size: int, most: int = 65536) -> bytes:
    received = bytearray()
    while len(received) < size:
        data = await stream.read(min(most, size - len(received)), ENOUGH)
        assert data, "an early end"
        received += data
    return bytes(received)


# -- octets


def test_what_is_written_arrives_and_what_is_sent_is_read(world: World, tls: bool) -> None:
    got = []

    def far(sock: socket.socket) -> None:
        got.append(sock.recv(5))
        sock.sendall(b"world")

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        await stream.write(b"hello", ENOUGH)
        assert await stream.read(3, ENOUGH) == b"wor"
        assert await stream.read(100, ENOUGH) == b"ld"
        assert await stream.read(100, ENOUGH) == b""
        assert await stream.read(100, ENOUGH) == b""
        await stream.aclose()

    with far_end(far, tls=tls) as port:
        world.run(main)
    assert got == [b"hello"]


def test_both_directions_at_once(world: World, tls: bool) -> None:
    """Over blocking sockets that is one thread that writes, while another reads."""

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        received = []

        async def write() -> None:
            await stream.write(LARGE, ENOUGH)

        async def read() -> None:
            received.append(await read_exactly(stream, len(LARGE), 10_000))

        await world.together(write, read)
        assert received == [LARGE]
        await stream.aclose()

    with far_end(echo, tls=tls) as port:
        world.run(main)


def test_what_was_written_goes_out_before_closing(world: World, tls: bool) -> None:
    got = []

    def far(sock: socket.socket) -> None:
        sock.sendall(b"x")
        got.append(until_end(sock))

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        assert await stream.read(1, ENOUGH) == b"x"  # and with it what TLS has to say
        for start in range(0, len(LARGE), 300_000):
            await stream.write(LARGE[start : start + 300_000], ENOUGH)
        await stream.write(b"")
        await stream.aclose()

    with far_end(far, tls=tls) as port:
        world.run(main)
    assert got[0] == LARGE


def test_a_reader_that_is_slow_gets_all_of_it(world: World, tls: bool) -> None:
    """All of it is there, and more than is kept at once, before the first read."""

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        for _ in range(20):
            await world.turn()
        assert await read_all(stream, 7777) == LARGE
        await stream.aclose()

    with far_end(lambda sock: sock.sendall(LARGE), tls=tls) as port:
        world.run(main)


def test_at_least_one_octet_has_to_be_asked_for(world: World) -> None:
    async def main() -> None:
        stream = await world.connect(port)
        with pytest.raises(ValueError, match=r"octet|max_bytes"):
            await stream.read(0, ENOUGH)
        stream.abort()

    with far_end(lambda sock: sock.sendall(b"x")) as port:
        world.run(main)


# -- timeouts


def test_read_timeout_takes_nothing(world: World, tls: bool) -> None:
    waited = threading.Event()

    def far(sock: socket.socket) -> None:
        assert waited.wait(ENOUGH)
        sock.sendall(b"late")
        sock.recv(1)

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        for _ in range(2):
            with pytest.raises(ReadTimeout, match=rf"127.0.0.1:{port} has sent nothing for {SHORT} seconds"):
                await stream.read(100, SHORT)
        waited.set()
        assert await read_exactly(stream, 4) == b"late"
        await stream.aclose()

    with far_end(far, tls=tls) as port:
        world.run(main)


def test_a_timeout_is_the_latest_one(world: World) -> None:
    """A timer that an earlier read has left ends no later read, and a longer one before delays none."""

    async def main() -> None:
        stream = await world.connect(port)
        for timeout in (ENOUGH, SHORT, None, ENOUGH, 2 * SHORT):
            await stream.write(b"x", ENOUGH)
            assert await stream.read(100, timeout or ENOUGH) == b"x"
        for timeout in (2 * SHORT, SHORT):
            with pytest.raises(ReadTimeout):
                await stream.read(100, timeout)
        await stream.aclose()

    with far_end(echo) as port:
        world.run(main)


def test_write_timeout(world: World, tls: bool) -> None:
    closed = threading.Event()

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        with pytest.raises(WriteTimeout, match=rf"127.0.0.1:{port} has not taken .* {SHORT} seconds"):
            await stream.write(LARGE * 8, SHORT)
        stream.abort()
        await world.turn()
        closed.set()

    with far_end(lambda _: closed.wait(ENOUGH), tls=tls) as port:
        world.run(main)


# -- errors


def test_a_reset_is_an_error_with_its_cause(world: World) -> None:
    async def main() -> None:
        stream = await world.connect(port)
        await stream.write(b"x", ENOUGH)
        with pytest.raises(ReadError, match=rf"reading from 127.0.0.1:{port}: .*reset") as caught:
            await stream.read(100, ENOUGH)
        assert isinstance(caught.value.__cause__, Exception)
        with pytest.raises(WriteError, match=rf"writing to 127.0.0.1:{port}: "):
            for _ in range(3):
                await stream.write(b"x", ENOUGH)
        await stream.aclose()

    def far(sock: socket.socket) -> None:
        sock.recv(1)
        reset(sock)

    with far_end(far) as port:
        world.run(main)


def test_after_closing_nothing_is_read_or_written(world: World, tls: bool) -> None:
    async def main() -> None:
        for abort in (False, True):
            with far_end(lambda sock: sock.sendall(b"unread"), tls=tls) as port:
                stream = await world.connect(port, tls=tls)
                if abort:
                    stream.abort()
                else:
                    await stream.aclose()
                with pytest.raises(ReadError, match="closed here"):
                    await stream.read(100, ENOUGH)
                with pytest.raises(WriteError, match="closed here"):
                    await stream.write(b"x", ENOUGH)
                assert stream.get_extra_info("is_readable")
                stream.abort()
                await stream.aclose()
                await stream.aclose()

    with contextlib.suppress(OSError):
        world.run(main)


def test_who_reads_is_told_that_it_was_closed(world: World, tls: bool) -> None:
    async def main() -> None:
        stream = await world.connect(port, tls=tls)

        async def read() -> None:
            with pytest.raises(ReadError, match="closed here"):
                await stream.read(100, ENOUGH)

        async def abort() -> None:
            await world.turn()
            stream.abort()

        await world.together(read, abort)
        await stream.aclose()

    with far_end(swallow, tls=tls) as port:
        world.run(main)


def swallow(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        until_end(sock)


# -- cancelling


@pytest.mark.parametrize("world", WORLDS[:4], indirect=True)
def test_who_is_cancelled_has_taken_nothing(world: World, tls: bool) -> None:
    waited = threading.Event()

    def far(sock: socket.socket) -> None:
        assert waited.wait(ENOUGH)
        sock.sendall(b"late")

    async def main() -> None:
        stream = await world.connect(port, tls=tls)

        async def once() -> None:
            for _ in range(3):
                await world.turn()

        assert await world.cancelled(lambda: stream.read(100, ENOUGH), once)
        waited.set()
        assert await read_all(stream) == b"late"
        await stream.aclose()

    with far_end(far, tls=tls) as port:
        world.run(main)


@pytest.mark.parametrize("world", WORLDS[:4], indirect=True)
def test_shielded_goes_on_although_cancelled(world: World) -> None:
    done = []

    async def main() -> None:
        begun, go_on = world.network.event(), world.network.event()

        async def work() -> str:
            begun.set()
            await go_on.wait()
            done.append("work")
            return "result"

        async def caller() -> None:
            await world.network.shielded(work, ENOUGH)
            await world.turn()
            done.append("not cancelled")

        async def once() -> None:
            await begun.wait()

        async def release() -> None:
            await begun.wait()
            for _ in range(3):
                await world.turn()
            go_on.set()

        async def cancel() -> None:
            assert await world.cancelled(caller, once)

        await world.together(release, cancel)

    world.run(main)
    assert done == ["work"]


def test_shielded_gives_the_result_or_none(world: World) -> None:
    async def main() -> None:
        async def work() -> str:
            return "result"

        async def fail() -> str:
            raise KeyError("work")

        async def too_long() -> str:
            stream = await world.connect(port)
            try:
                await stream.read(100)
            finally:
                stream.abort()
            return "result"

        async def wait() -> str:
            await world.network.event().wait()
            return "result"

        assert await world.network.shielded(work, ENOUGH) == "result"
        assert await world.network.shielded(too_long, SHORT) is None
        assert await world.network.shielded(wait, SHORT) is None
        with pytest.raises(KeyError):
            await world.network.shielded(fail, ENOUGH)
        await world.network.sleep(0)

    with far_end(swallow) as port:
        world.run(main)


# -- connecting


def test_nobody_listens(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def main() -> None:
        with pytest.raises(ConnectError, match=rf"connecting to 127.0.0.1:{port} failed: .*111|refused") as caught:
            await world.network.connect_tcp("127.0.0.1", port, timeout=ENOUGH)
        assert isinstance(caught.value.__cause__, OSError)

    world.run(main)


@pytest.mark.parametrize("host", ["x" * 64 + ".test", "a..test"])
def test_what_is_no_name(world: World, host: str) -> None:
    async def main() -> None:
        with pytest.raises(ConnectError, match=r"connecting to .*\.test:80 failed: "):
            await world.network.connect_tcp(host, 80, timeout=ENOUGH)

    world.run(main)


@contextlib.contextmanager
def silent(address: str) -> Iterator[int]:
    """Where connections are never accepted, nor refused: yields the port."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, 0))
        listener.listen(0)
        for _ in range(3):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_connect_timeout(world: World) -> None:
    async def main() -> None:
        with silent("127.0.0.1") as port:
            with pytest.raises(ConnectTimeout, match=rf"connecting to 127.0.0.1:{port} took longer than {SHORT} sec"):
                await world.network.connect_tcp("127.0.0.1", port, timeout=SHORT)

    world.run(main)


@pytest.mark.parametrize("first", ["silent", "refused"])
def test_the_address_that_answers_first(world: World, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(silent("127.0.0.2") if first == "silent" else far_end(echo))
        if first == "silent":
            listener = stack.enter_context(socket.create_server(("127.0.0.1", port)))
            listener.listen()

        def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

        async def main() -> None:
            stream = await world.network.connect_tcp("two.test", port, timeout=ENOUGH)
            assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
            await stream.aclose()

        world.run(main)


def test_all_addresses_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    def getaddrinfo(*args: Any, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    async def main() -> None:
        with pytest.raises(ConnectError, match=rf"connecting to two.test:{port} failed: "):
            await world.network.connect_tcp("two.test", port, timeout=ENOUGH)

    world.run(main)


def test_local_address_and_options(world: World) -> None:
    got = []

    async def main() -> None:
        stream = await world.network.connect_tcp(
            "127.0.0.1",
            port,
            timeout=ENOUGH,
            local_address="127.0.0.3",
            socket_options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)],
        )
        sock = stream.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert stream.get_extra_info("client_addr")[0] == "127.0.0.3"
        assert stream.get_extra_info("nothing") is None
        assert stream.get_extra_info("ssl_object") is None
        await stream.aclose()

    with far_end(lambda sock: got.append(sock.getpeername()[0])) as port:
        world.run(main)
    assert got == ["127.0.0.3"]


def test_unix_socket(world: World, tmp_path: Any) -> None:
    path = str(tmp_path / "s")

    async def main() -> None:
        stream = await world.network.connect_unix_socket(path, timeout=ENOUGH)
        await stream.write(b"hello", ENOUGH)
        assert await read_exactly(stream, 5) == b"hello"
        await stream.aclose()
        with pytest.raises(ConnectError, match=r"connecting to .*nowhere failed"):
            await world.network.connect_unix_socket(path + "nowhere", timeout=ENOUGH)

    with far_end(echo, path=path):
        world.run(main)


# -- what a stream tells


def test_readable(world: World, tls: bool) -> None:
    go_on, sent = threading.Event(), threading.Event()

    def far(sock: socket.socket) -> None:
        sock.sendall(b"x")
        assert go_on.wait(ENOUGH)
        sock.sendall(b"twice")
        sent.set()
        sock.recv(1)

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        assert await stream.read(1, ENOUGH) == b"x"
        assert not stream.get_extra_info("is_readable")
        go_on.set()
        assert sent.wait(ENOUGH)
        assert stream.get_extra_info("is_readable")
        assert await stream.read(2, ENOUGH) == b"tw"
        assert stream.get_extra_info("is_readable")
        assert await read_exactly(stream, 3) == b"ice"
        assert not stream.get_extra_info("is_readable")
        await stream.aclose()

    with far_end(far, tls=tls) as port:
        world.run(main)


def test_an_end_is_readable(world: World) -> None:
    ended = threading.Event()

    def far(sock: socket.socket) -> None:
        sock.shutdown(socket.SHUT_WR)
        ended.set()
        swallow(sock)

    async def main() -> None:
        stream = await world.connect(port)
        assert ended.wait(ENOUGH)
        assert stream.get_extra_info("is_readable")
        assert await stream.read(1, ENOUGH) == b""
        await stream.write(b"still open in this direction", ENOUGH)
        await stream.aclose()

    with far_end(far) as port:
        world.run(main)


# -- TLS


def test_what_was_agreed_on(world: World) -> None:
    async def main() -> None:
        stream = await world.connect(port, tls=True)
        assert stream.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
        await stream.aclose()

    with far_end(swallow, tls=True) as port:
        world.run(main)


def test_a_certificate_for_another_name(world: World) -> None:
    async def main() -> None:
        stream = await world.connect(port)
        with pytest.raises(ConnectError, match=rf"TLS handshake with 127.0.0.1:{port} failed: .*certificate") as caught:
            await stream.start_tls(certificates().client, "another.test", ENOUGH)
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        with pytest.raises(WriteError):
            await stream.write(b"x")

    with pytest.raises(ssl.SSLError), far_end(swallow, tls=True) as port:
        world.run(main)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_no_tls_there(world: World, answer: bytes) -> None:
    def far(sock: socket.socket) -> None:
        sock.recv(100)
        sock.sendall(answer)

    async def main() -> None:
        stream = await world.connect(port)
        with pytest.raises(ConnectError, match=rf"TLS handshake with 127.0.0.1:{port} failed: ."):
            await stream.start_tls(certificates().client, "localhost", ENOUGH)

    with far_end(far) as port:
        world.run(main)


def test_tls_handshake_timeout(world: World) -> None:
    async def main() -> None:
        stream = await world.connect(port)
        with pytest.raises(ConnectTimeout, match=rf"TLS handshake with 127.0.0.1:{port} took longer than {SHORT} sec"):
            await stream.start_tls(certificates().client, "localhost", SHORT)

    with far_end(swallow) as port:
        world.run(main)


def test_tls_on_what_is_closed(world: World) -> None:
    async def main() -> None:
        stream = await world.connect(port)
        await stream.aclose()
        with pytest.raises(ConnectError, match="TLS handshake"):
            await stream.start_tls(certificates().client, "localhost", ENOUGH)

    with far_end(swallow) as port:
        world.run(main)


def test_tls_in_tls(world: World) -> None:
    """As through a proxy that is spoken to with TLS itself."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    with far_end(echo, tls=True) as inner:

        def proxy(sock: socket.socket) -> None:
            """Two threads may not use one ssl.SSLSocket, so it takes turns, by what is ready."""
            import select

            with socket.create_connection(("127.0.0.1", inner)) as onward:
                ends = {sock: onward, onward: sock}
                while True:
                    pending = sock.pending()  # type: ignore[attr-defined]
                    for source in [sock] if pending else select.select(list(ends), [], [], ENOUGH)[0]:
                        data = source.recv(65536)
                        if not data:
                            return
                        ends[source].sendall(data)

        async def main() -> None:
            outer = await world.connect(port, tls=True)
            stream = await outer.start_tls(certificates().client, "inner.test", ENOUGH)
            for size in (1, 1000, 100_000):
                await stream.write(LARGE[:size], ENOUGH)
                assert await read_exactly(stream, size) == LARGE[:size]
            await stream.aclose()

        with far_end(proxy, tls=True) as port:
            world.run(main)


# -- events and threads


def test_events(world: World) -> None:
    async def main() -> None:
        event = world.network.event()
        assert not event.is_set()
        assert await event.wait(SHORT) is False

        async def wait() -> None:
            assert await event.wait(ENOUGH) is True
            assert await event.wait() is True

        async def happen() -> None:
            await world.turn()
            event.set()

        await world.together(wait, wait, happen)
        assert event.is_set()
        assert await event.wait(0.0) is True
        with world.network.mutex():
            assert world.network.now() <= world.network.now()

    world.run(main)


def test_threads_are_kept_apart() -> None:
    network = World("blocking").network
    mutex = network.mutex()
    counted = [0]

    def count() -> None:
        for _ in range(1000):
            with mutex:
                value = counted[0]
                counted[0] = value + 1

    in_threads(*[count] * 4)
    assert counted == [4000]


def test_only_what_never_suspends_is_run() -> None:
    class Suspends:
        def __await__(self) -> Any:
            yield

    async def waits() -> None:
        await Suspends()

    with pytest.raises(RuntimeError, match="has waited for something else"):
        stream_module.run(waits())


def test_any_stream_of_trio() -> None:
    async def main() -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        stream = TrioStream(ours)
        await stream.write(b"hello", ENOUGH)
        assert await theirs.receive_some() == b"hello"
        await theirs.send_all(b"world")
        assert await stream.read(100, ENOUGH) == b"world"
        for name in ("socket", "ssl_object", "client_addr", "is_readable"):
            assert stream.get_extra_info(name) is None
        stream.abort()
        with pytest.raises(WriteError, match="writing to the peer: the connection was closed here"):
            await stream.write(b"x")
        assert await theirs.receive_some() == b""

    trio.run(main)
