"""Streams do the same over asyncio, uvloop, trio and blocking sockets, with and without TLS."""

import contextlib
import math
import socket
import threading
from typing import Any

import pytest
import trio
import trio.testing
from tests.net.networks import (
    ENOUGH,
    WORLDS,
    World,
    echo,
    far_end,
    read_exactly,
    reset,
    swallow,
    until_end,
)

from interlock.net.errors import (
    ReadError,
    ReadTimeout,
    WriteError,
    WriteTimeout,
    read_timeout,
)
from interlock.net.stream import Stream
from interlock.net.trio.network import TrioStream

LARGE = bytes(range(256)) * 8192  # 2 MiB
#: Seconds until a wait is over that nothing ends before.
SHORT = 0.02


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_seconds_that_were_left_of_a_longer_wait_are_rounded() -> None:
    assert str(read_timeout("a:1", 0.1999992490018485)) == "a:1 has sent nothing for 0.2 seconds"


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def read_all(stream: Stream, most: int = 65536) -> bytes:
    received = bytearray()
    while data := await stream.read(most, ENOUGH):
        assert len(data) <= most
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


def test_an_earlier_timeout_ends_no_later_read(world: World) -> None:
    async def main() -> None:
        stream = await world.connect(port)

        async def read() -> None:
            assert await stream.read(100, ENOUGH) == b"later"

        async def write() -> None:
            await world.network.event().wait(12 * SHORT)
            await stream.write(b"later", ENOUGH)

        with pytest.raises(ReadTimeout):
            await stream.read(100, SHORT)
        await stream.write(b"x", ENOUGH)
        assert await stream.read(100, 10 * SHORT) == b"x"  # and a timer may be left
        await world.together(read, write)
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


@pytest.mark.parametrize("world", WORLDS[:2], indirect=True)
@pytest.mark.parametrize("some", [False, True], ids=["much", "some"])
def test_what_the_transports_hold_goes_out_before_closing(world: World, tls: bool, some: bool) -> None:
    """The peer takes nothing until then, so there is something at each level."""
    closing = threading.Event()
    got = []

    def far(sock: socket.socket) -> None:
        sock.sendall(b"x")
        assert closing.wait(ENOUGH)
        got.append(len(until_end(sock)))

    async def main() -> int:
        stream: Any = await world.connect(port, tls=tls)
        assert await stream.read(1, ENOUGH) == b"x"
        written = 0
        while not stream._write_paused and not (some and stream._transport.get_write_buffer_size()):
            written += 5000
            with contextlib.suppress(WriteTimeout):
                await stream.write(bytes(5000), SHORT)
        assert stream._write_paused != some
        closing.set()
        await stream.aclose()
        return written

    with far_end(far, tls=tls) as port:
        written = world.run(main)
    assert got == [written]


@pytest.mark.parametrize("world", WORLDS[:2], indirect=True)
def test_no_more_is_kept_than_somebody_may_want(world: World, tls: bool) -> None:
    async def main() -> None:
        stream: Any = await world.connect(port, tls=tls)
        for _ in range(100_000):
            await world.turn()
            if stream._paused:
                break
        assert 65_536 < stream._waiting_octets() < 600_000
        stream.abort()

    with far_end(send, tls=tls) as port:
        world.run(main)


def send(sock: socket.socket) -> None:
    """More than anybody takes."""
    with contextlib.suppress(OSError):
        sock.sendall(LARGE * 8)


def test_a_thread_sends_what_another_has_found_to_be_sent_meanwhile() -> None:
    """Records are sent by one thread at a time; whoever does that looks again when it is done."""
    world = World("blocking")
    sent = []

    async def main() -> None:
        stream: Any = await world.connect(port, tls=True)
        below = stream._below

        class Below(Stream):
            async def write(self, buffer: bytes, timeout: float | None = None) -> None:
                if not sent:
                    stream._outgoing.write(b"reply")  # as a thread that reads would
                    await stream._send_replies(math.inf)
                sent.append(buffer)

        stream._below = Below()
        await stream.write(b"content")
        assert sent[1:] == [b"reply"]
        below.abort()

    with far_end(swallow, tls=True) as port:
        world.run(main)


def test_a_thread_writes_nothing_behind_what_was_broken_off(tls: bool) -> None:
    world = World("blocking")
    over = threading.Event()

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        with pytest.raises(WriteTimeout):
            await stream.write(LARGE * 8, SHORT)
        with pytest.raises(WriteError, match="an earlier write was broken off"):
            await stream.write(b"x", SHORT)
        over.set()
        stream.abort()

    with far_end(lambda _: over.wait(ENOUGH), tls=tls) as port:
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


def test_our_direction_is_closed_alone(world: World, tls: bool) -> None:
    """With TLS there is no such thing, and nothing happens."""
    got = []

    def far(sock: socket.socket) -> None:
        got.append(sock.recv(5) if tls else until_end(sock))
        sock.sendall(b"world")

    async def main() -> None:
        stream = await world.connect(port, tls=tls)
        await stream.write(b"hello", ENOUGH)
        await stream.send_eof()
        assert await read_exactly(stream, 5) == b"world"
        await stream.aclose()
        await stream.send_eof()

    with far_end(far, tls=tls) as port:
        world.run(main)
    assert got == [b"hello"]


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


# -- what a stream tells


def test_readable(world: World, tls: bool) -> None:
    go_on, sent = threading.Event(), threading.Event()

    def far(sock: socket.socket) -> None:
        sock.sendall(b"x")
        assert go_on.wait(ENOUGH)
        sock.sendall(b"twice")
        sock.sendall(b"y")
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
        assert stream.get_extra_info("is_readable")  # of TLS that is another record
        assert await stream.read(9, ENOUGH) == b"y"
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
