"""Both faces with a server of ours: asyncio, uvloop, trio and threads, HTTP/1.1 and HTTP/2, with and without TLS."""

import contextlib
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.interop.served import serving
from tests.net.networks import WORLDS, World

from interlock.client import (
    AsyncClient,
    Client,
    ClientTimeouts,
    ConnectError,
    ContentTooLarge,
    LocalProtocolError,
    UnsupportedProtocol,
)
from interlock.http.events import InformationalResponse

GONE = "does not support the lifespan protocol|disconnected"


class Site:
    """Two servers, and what it takes to trust the one with TLS."""

    def __init__(self, plain: Any, secure: Any, context: ssl.SSLContext) -> None:
        self.plain = "http://{}:{}".format(*plain.address)
        self.secure = "https://{}:{}".format(*secure.address)
        self.context = context


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(directory / "certificate.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    where = ["--app-dir", Path(__file__).parent]
    with (
        serving(directory, "served_app:app", *where, complaints=GONE) as plain,
        serving(
            directory, "served_app:app", *where, "--tls-cert", directory / "certificate.pem", complaints=GONE
        ) as secure,
    ):
        yield Site(plain, secure, context)


#: How the server is reached: by its name here, the options of the client, and the version that comes of it.
WAYS = {
    "plain": ("plain", {}, "HTTP/1.1"),
    "tls": ("secure", {"http2": False}, "HTTP/1.1"),
    "h2": ("secure", {}, "HTTP/2"),
    "h2c": ("plain", {"http1": False}, "HTTP/2"),
}


class Face:
    """Either client, as one that is asynchronous."""

    def __init__(self, world: World, site: Site, way: str, **options: Any) -> None:
        name, more, self.version = WAYS[way]
        self.url = getattr(site, name)
        self.world = world
        kind = Client if world.name == "blocking" else AsyncClient
        self.client: Any = kind(ssl_context=site.context, timeouts=ClientTimeouts(20, 20, 20, 20), **more, **options)

    async def request(self, method: str, path: str, **options: Any) -> Any:
        made = self.client.request(method, self.url + path, **options)
        return made if self.world.name == "blocking" else await made

    @contextlib.asynccontextmanager
    async def stream(self, method: str, path: str, **options: Any) -> AsyncIterator[Any]:
        opened = self.client.stream(method, self.url + path, **options)
        if self.world.name == "blocking":
            with opened as response:
                yield response
        else:
            async with opened as response:
                yield response

    async def read(self, response: Any) -> bytes:
        read: bytes = response.read() if self.world.name == "blocking" else await response.read()
        return read

    async def blocks(self, response: Any, most: int) -> list[bytes]:
        """So many blocks at the most."""
        if self.world.name == "blocking":
            return [block for block, _ in zip(response.iter_bytes(), range(most), strict=False)]
        found = []
        async with contextlib.aclosing(response.aiter_bytes()) as blocks:
            async for block in blocks:
                found.append(block)
                if len(found) == most:
                    break
        return found

    async def close(self) -> None:
        if self.world.name == "blocking":
            self.client.close()
        else:
            await self.client.aclose()


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def talk(world: World, site: Site, way: str) -> Callable[..., None]:
    """Run a program that is given a face."""

    def talk(program: Callable[[Face], Any], **options: Any) -> None:
        async def main() -> None:
            face = Face(world, site, way, **options)
            try:
                await program(face)
            finally:
                await face.close()
                assert face.client.pool.connections() == []

        world.run(main)

    return talk


Talk = Callable[..., None]


def test_a_request_and_its_response(talk: Talk) -> None:
    async def program(face: Face) -> None:
        response = await face.request("GET", "/echo?a=b%20c&d=é#fragment", headers={"X-Own": "1"})
        assert response.status_code == 200
        assert response.http_version == face.version
        assert response.reason == ("OK" if face.version == "HTTP/1.1" else "")
        assert response.content == b"GET\n/echo?a=b%20c&d=%C3%A9\nx-all=0\nx-own=1\n"
        assert response.header("X-One") == "1, 2"
        assert response.header("X-None") is None
        assert repr(response).startswith("<")
        assert [value for name, value in response.headers if name == b"x-one"] == [b"1", b"2"]
        assert len(face.client.pool.connections()) == 1

    talk(program, headers=[("X-All", "0"), ("X-Own", "0")])


def test_content_of_all_kinds(talk: Talk) -> None:
    async def program(face: Face) -> None:
        for content in (b"caf\xe9", bytearray(b"caf\xe9"), [b"caf", b"\xe9"], (block for block in (b"caf", b"\xe9"))):
            response = await face.request("POST", "/echo", content=content)
            assert response.text == "POST\n/echo\ncafé"
        large = b"0123456789" * 100_000
        for content in (large, [large[:300_000], large[300_000:]]):
            assert (await face.request("PUT", "/echo", content=content)).content == b"PUT\n/echo\n" + large
        assert len(face.client.pool.connections()) == 1

    talk(program)


def test_a_response_without_content(talk: Talk) -> None:
    async def program(face: Face) -> None:
        response = await face.request("HEAD", "/echo")
        assert response.content == b""
        assert response.header("content-length") == "11"
        assert (await face.request("GET", "/echo")).status_code == 200
        assert len(face.client.pool.connections()) == 1

    talk(program)


def test_content_as_it_comes_and_trailers(talk: Talk) -> None:
    async def program(face: Face) -> None:
        async with face.stream("GET", "/blocks/50/3000", headers={"TE": "trailers"}) as response:
            assert response.trailers is None
            with pytest.raises(RuntimeError, match="was not read"):
                assert response.content
            whole = b"".join(await face.blocks(response, 1000))
            assert whole == b"".join(bytes([number]) * 3000 for number in range(50))
            assert response.trailers == [(b"x-count", b"50")]
            with pytest.raises(RuntimeError, match="taken in pieces"):
                await face.read(response)
            with pytest.raises(RuntimeError, match="taken in pieces"):
                assert response.text
        async with face.stream("GET", "/blocks/2/10") as response:
            assert await face.read(response) == b"\0" * 10 + b"\1" * 10
            assert b"".join(await face.blocks(response, 10)) == response.content
        assert len(face.client.pool.connections()) == 1

    talk(program)


def test_content_without_end(talk: Talk) -> None:
    async def program(face: Face) -> None:
        async with face.stream("GET", "/endless") as response:
            assert len(await face.blocks(response, 3)) == 3
        with pytest.raises(ContentTooLarge):
            await face.request("GET", "/endless")
        with pytest.raises(ContentTooLarge, match="more than 99999"):
            await face.request("POST", "/echo", content=b"x" * 100_000)
        response = await face.request("POST", "/echo", content=b"x" * 200_000, max_content=None)
        assert len(response.content) == 200_011
        assert len(face.client.pool.connections()) == 1

    talk(program, max_content=99_999)


def test_informational_responses(talk: Talk) -> None:
    async def program(face: Face) -> None:
        told: list[InformationalResponse] = []
        response = await face.request("GET", "/hints", on_informational=told.append)
        assert response.content == b"ok"
        assert [hint.status_code for hint in told] == [103, 103]

    talk(program)


def test_expecting_the_word_to_go_on(talk: Talk) -> None:
    async def program(face: Face) -> None:
        response = await face.request("PUT", "/echo", content=b"hello", expect_continue=10.0)
        assert response.content == b"PUT\n/echo\nhello"

    talk(program)


def test_many_at_once(talk: Talk) -> None:
    """Each is made once, and gets its own response."""
    name = uuid.uuid4().hex

    async def program(face: Face) -> None:
        async def work(number: int) -> None:
            for turn in range(10):
                unique = f"{name}-{number}-{turn}"
                response = await face.request("POST", f"/counted/{unique}", content=b"x")
                assert response.text == f"{unique} 1"

        await face.world.together(*[_bound(work, number) for number in range(20)])
        assert len(face.client.pool.connections()) <= 5

    talk(program, max_connections=5)


def _bound(work: Callable[[int], Any], number: int) -> Callable[[], Any]:
    return lambda: work(number)


@pytest.mark.parametrize("way", ["plain"])
def test_methods(talk: Talk) -> None:
    async def program(face: Face) -> None:
        for method in ("get", "post", "put", "patch", "delete", "options"):
            made = getattr(face.client, method)(face.url + "/echo")
            response = made if face.world.name == "blocking" else await made
            assert response.text == method.upper() + "\n/echo\n"
        made = face.client.head(face.url + "/echo")
        assert (made if face.world.name == "blocking" else await made).status_code == 200

    talk(program)


@pytest.mark.parametrize("way", ["plain"])
@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("example.com/", UnsupportedProtocol),
        ("ftp://example.com/", UnsupportedProtocol),
        ("http://", ValueError),
        ("http://a b/", ValueError),
        ("http://me:secret@example.com/", ValueError),
        ("http://example.com:0/", ValueError),
        ("http://example.com:99999/", ValueError),
        ("http://[v1.localhost]/", ValueError),  # no name
    ],
)
def test_urls_that_are_none(talk: Talk, url: str, error: type[Exception]) -> None:
    async def program(face: Face) -> None:
        face.url = ""
        with pytest.raises(error):
            await face.request("GET", url)
        assert face.client.pool.connections() == []

    talk(program)


@pytest.mark.parametrize("way", ["plain"])
def test_arguments_that_are_none(talk: Talk) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield b"abc"

    async def program(face: Face) -> None:
        with pytest.raises(TypeError, match="encode a str"):
            await face.request("POST", "/echo", content="abc")
        with pytest.raises(LocalProtocolError):
            await face.request("GET", "/echo", headers={"A": "b\nc"})
        with pytest.raises(LocalProtocolError):
            await face.request("G T", "/echo")
        with pytest.raises(LocalProtocolError, match="illegal method"):
            await face.request("GÉT", "/echo")
        with pytest.raises(LocalProtocolError, match="priority 'ü=1' is not ASCII"):
            await face.request("GET", "/echo", priority="ü=1")
        with pytest.raises(TypeError, match="no option json, timeout: there are content, "):
            await face.request("GET", "/echo", timeout=3, json={})
        with pytest.raises(TypeError, match="has to be a ClientTimeouts, not 3"):
            await face.request("GET", "/echo", timeouts=3)
        if face.world.name == "blocking":
            with pytest.raises(TypeError, match="AsyncClient"):
                await face.request("POST", "/echo", content=blocks())
        else:
            response = await face.request("POST", "/echo", content=blocks())
            assert response.content == b"POST\n/echo\nabc"

    talk(program)


@pytest.mark.parametrize("way", ["plain"])
def test_nobody_listens(talk: Talk) -> None:
    async def program(face: Face) -> None:
        face.url = "http://127.0.0.1:1"
        with pytest.raises(ConnectError):
            await face.request("GET", "/")

    talk(program)


@pytest.mark.parametrize("way", ["tls", "h2"])
def test_a_server_that_nobody_knows(talk: Talk) -> None:
    """Its certificate is not from an authority of the system's."""

    async def program(face: Face) -> None:
        with pytest.raises(ConnectError, match=r"certificate|CERTIFICATE"):
            await face.request("GET", "/echo")

    def without_context(face: Face) -> Any:
        kind = type(face.client)
        face.client = kind(timeouts=ClientTimeouts(20, 20, 20, 20))
        return program(face)

    talk(without_context)


@pytest.mark.parametrize("name", ["retries", "keepalive_expiry", "max_keepalive_connections", "max_waiting"])
def test_limits_that_are_none(name: str) -> None:
    options: dict[str, Any] = {name: -1}
    with pytest.raises(ValueError, match="must not be negative: -1"):
        Client(**options)


def test_timeouts_that_are_none() -> None:
    with pytest.raises(TypeError, match="has to be a ClientTimeouts, not 3"):
        Client(timeouts=3)  # type: ignore[arg-type]


def test_an_async_client_needs_a_loop() -> None:
    client = AsyncClient()
    with pytest.raises(RuntimeError):
        assert client.pool


def test_clients_close_themselves(world: World, site: Site) -> None:
    async def main() -> None:
        if world.name == "blocking":
            with Client() as blocking:
                assert blocking.get(site.plain + "/echo").status_code == 200
                assert len(blocking.pool.connections()) == 1
            assert blocking.pool.connections() == []
            return
        async with AsyncClient() as client:
            assert (await client.get(site.plain + "/echo")).status_code == 200
            assert len(client.pool.connections()) == 1
        assert client.pool.connections() == []

    world.run(main)
