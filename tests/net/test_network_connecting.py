"""Connections begin alike on asyncio, uvloop, trio and blocking sockets; and so one waits there."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from tests.net.networks import (
    ENOUGH,
    WORLDS,
    World,
    certificates,
    echo,
    far_end,
    in_threads,
    read_exactly,
    swallow,
)

from interlock.net import stream as stream_module
from interlock.net.errors import (
    ConnectError,
    ConnectTimeout,
    WriteError,
)
from interlock.net.sockets import Address, in_turn

#: Seconds until a wait is over that nothing ends before.
SHORT = 0.02


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


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


def test_families_take_turns() -> None:
    """Six addresses of a network that is down are not tried before one of the other (RFC 8305 §4)."""

    def address(family: int, host: str) -> Address:
        return (family, socket.SOCK_STREAM, 6, "", (host, 80))

    six = [address(socket.AF_INET6, f"::{number}") for number in range(4)]
    four = [address(socket.AF_INET, f"10.0.0.{number}") for number in range(2)]
    assert in_turn([*six, *four]) == [six[0], four[0], six[1], four[1], six[2], six[3]]
    assert in_turn([*four, *six])[:3] == [four[0], six[0], four[1]]
    assert in_turn([]) == []


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
                await stream.write(bytes(size), ENOUGH)
                assert await read_exactly(stream, size) == bytes(size)
            await stream.aclose()

        with far_end(proxy, tls=True) as port:
            world.run(main)


# -- waiting


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


@pytest.mark.parametrize("world", WORLDS[:4], indirect=True)
@pytest.mark.parametrize("ends", [False, True])
def test_until(world: World, ends: bool) -> None:
    """What is done meanwhile is cancelled when the event happens; if it ends before, the event is waited for."""

    async def main() -> None:
        event, began, over = (world.network.event() for _ in range(3))

        async def meanwhile() -> None:
            try:
                began.set()
                if not ends:
                    await world.network.event().wait()
            finally:
                over.set()

        async def wait() -> None:
            await world.network.until(event, meanwhile)
            assert event.is_set()
            assert over.is_set()

        async def happen() -> None:
            await began.wait()
            for _ in range(3):
                await world.turn()
            assert over.is_set() == ends
            event.set()

        await world.together(wait, happen)

    world.run(main)


@pytest.mark.parametrize("world", WORLDS[:4], indirect=True)
def test_until_something_fails(world: World) -> None:
    async def main() -> None:
        async def fail() -> None:
            raise KeyError("meanwhile")

        with pytest.raises(KeyError, match="meanwhile"):
            await world.network.until(world.network.event(), fail)

    world.run(main)


def test_until_in_a_thread() -> None:
    network = World("blocking").network
    event = network.event()

    async def never() -> None:
        raise AssertionError("threads cannot be cancelled")

    in_threads(lambda: stream_module.run(network.until(event, never)), event.set)
