"""Proxies: requests that they forward, tunnels that they open, and what they refuse."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.client.conversing import HELLO, content
from tests.client.test_pool import take_request
from tests.client.wire import Context, Script, Wire, WireNetwork, passing, run, seconds

from interlock.client.errors import ProxyError
from interlock.client.messages import Request
from interlock.client.pool import Pool
from interlock.client.proxy import Proxy
from interlock.client.timeouts import ClientTimeouts
from interlock.http.errors import LocalProtocolError, RemoteProtocolError
from interlock.net.errors import ConnectError, ReadTimeout

TIMEOUTS = ClientTimeouts(connect=5.0, read=20.0, write=20.0, pool=20.0)
PROXY = "http://me:secret@proxy.example:3128"
AUTHORIZATION = b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"


def get(scheme: bytes = b"http", target: bytes = b"/", **more: Any) -> Request:
    more.setdefault("host", "a.example")
    port = 443 if scheme == b"https" else 80
    return Request(b"GET", scheme, target=target, timeouts=TIMEOUTS, **({"port": port} | more))


def through(
    program: Callable[[Pool, WireNetwork], Awaitable[Any]], script: Script, proxy: str | Proxy = PROXY, **options: Any
) -> None:
    async def main() -> None:
        network = WireNetwork(script)
        network.agree = {"a.example": "http/1.1"}
        pool = Pool(network, proxy=proxy, ssl_context=Context(), **options)  # type: ignore[arg-type]
        try:
            await program(pool, network)
        finally:
            await pool.aclose()
            assert (pool._members, pool._origins) == (set(), {})
            await network.finish()

    run(main)


async def fetch(pool: Pool, request: Request) -> bytes:
    return await content(await pool.send(request))


async def answering(wire: Wire) -> None:
    while await take_request(wire):
        wire.send(HELLO)


async def tunnelling(wire: Wire) -> None:
    """Open the tunnel that is asked for, and be the server at its end, too."""
    await wire.take()
    wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await answering(wire)


def test_requests_for_http_are_forwarded_on_shared_connections() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        for request in (
            get(),
            get(target=b"/path?query", host="b.example", headers=[(b"Accept", b"*/*")]),
            get(host="::1", port=81),
            Request(b"OPTIONS", b"http", "a.example", 80, b"*", timeouts=TIMEOUTS),
            get(headers=[(b"Host", b"other.example"), (b"Proxy-Authorization", b"own")]),
        ):
            assert await fetch(pool, request) == b"hello"
        assert [wire.where for wire in network.wires] == [("proxy.example", 3128)]
        assert bytes(network.wires[0].received) == (
            b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n" + AUTHORIZATION + b"\r\n"
            b"GET http://b.example/path?query HTTP/1.1\r\nHost: b.example\r\n" + AUTHORIZATION + b"Accept: */*\r\n\r\n"
            b"GET http://[::1]:81/ HTTP/1.1\r\nHost: [::1]:81\r\n" + AUTHORIZATION + b"\r\n"
            b"OPTIONS http://a.example HTTP/1.1\r\nHost: a.example\r\n" + AUTHORIZATION + b"\r\n"
            b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nProxy-Authorization: own\r\n\r\n"
        )

    through(program, answering)


def test_requests_for_https_go_through_a_tunnel_each_origin_has_its_own() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        for _ in range(2):
            assert await fetch(pool, get(b"https")) == b"hello"
        network.agree["b"] = "http/1.1"
        assert await fetch(pool, get(b"https", host="::1", port=8443, server_hostname="b")) == b"hello"
        first, second = network.wires
        assert first.received.startswith(
            b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n" + AUTHORIZATION + b"X: y\r\n\r\n"
            b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
        )
        assert first.received.count(AUTHORIZATION) == 1  # it is the proxy's, not the origin's
        assert first.tls == [("a.example", ["h2", "http/1.1"])]
        assert second.received.startswith(b"CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n")
        assert second.tls == [("b", ["h2", "http/1.1"])]

    through(program, tunnelling, Proxy(PROXY, headers=[(b"X", b"y")]))


def test_a_proxy_that_is_reached_by_tls() -> None:
    """Nothing is asked of it before that."""

    async def script(wire: Wire) -> None:
        head = await take_request(wire)
        if head.startswith(b"CONNECT"):
            wire.send(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            wire.send(HELLO)
        await answering(wire)

    async def program(pool: Pool, network: WireNetwork) -> None:
        network.agree["proxy.example"] = "http/1.1"
        assert await fetch(pool, get()) == b"hello"
        assert await fetch(pool, get(b"https")) == b"hello"
        forwarding, tunnel = network.wires
        assert forwarding.where == ("proxy.example", 443)
        assert forwarding.tls == [("proxy.example", ["http/1.1"])]
        assert tunnel.tls == [("proxy.example", ["http/1.1"]), ("a.example", ["h2", "http/1.1"])]

    through(program, script, Proxy("https://proxy.example", ssl_context=Context()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", ProxyError, "^407 Proxy Auth"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", ProxyError, "^302 Found"),
        (b"HTTP/1.1 503\r\n", RemoteProtocolError, ""),
        (b"HTTP/1.1 502 \r\n\r\n", ProxyError, "^502$"),
        (b"SSH-2.0\r\n\r\n", RemoteProtocolError, ""),
        (b"HTTP/1.1 200 OK\r\n\r\nmore than that", ConnectError, "before the TLS handshake"),
        (None, ReadTimeout, ""),
    ],
)
def test_a_proxy_that_opens_no_tunnel(answer: bytes | None, error: type[Exception], message: str) -> None:
    async def script(wire: Wire) -> None:
        await wire.take()
        if answer is not None:
            wire.send(answer)
        await passing(1)
        if answer is not None:
            wire.end()
        await wire.gone()

    async def program(pool: Pool, network: WireNetwork) -> None:
        with pytest.raises(error, match=message or None):
            await fetch(pool, get(b"https"))
        assert pool.connections() == []
        assert network.wires[0].end_of_client
        assert seconds() <= 5  # connecting has its own time

    through(program, script)


def test_a_host_that_no_tunnel_leads_to() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        with pytest.raises(LocalProtocolError, match="not ASCII"):
            await fetch(pool, get(b"https", host="bücher.example"))
        assert network.wires[0].end_of_client

    async def script(wire: Wire) -> None:
        await wire.gone()

    through(program, script)


def test_a_tunnel_without_http2() -> None:
    async def program(pool: Pool, network: WireNetwork) -> None:
        assert await fetch(pool, get(b"https")) == b"hello"
        assert network.wires[0].tls == [("a.example", ["http/1.1"])]

    through(program, tunnelling, http2=False)


@pytest.mark.parametrize("url", ["proxy.example:3128", "socks5://proxy.example", "http://", "http://a/b", "http://a:0"])
def test_urls_that_are_no_proxys(url: str) -> None:
    with pytest.raises(ValueError):
        Proxy(url)
