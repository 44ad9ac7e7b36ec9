"""Cases: streams, what becomes of connections, timeouts, and what goes wrong below HTTP."""

import socket

import httpx
from tests.httpx.cases import ENOUGH, LONG, SHORT, add, case, told, trusting


@case()
async def streamed(face, site):
    async with face.stream("GET", site.http + "/large-chunked") as response:
        content = b"".join([block async for block in face.blocks(response)])
    again = told(await face.request("GET", site.http + "/echo"))
    return len(content), again


@case()
async def read_late(face, site):
    async with face.stream("GET", site.http + "/length") as response:
        early = response.is_closed, response.is_stream_consumed
        await face.read(response)
        return early, response.is_closed, response.content


@case()
async def closed_without_reading(face, site):
    """What is left of the content has to go with its connection."""
    for path in ("/large", "/large-chunked", "/until-close-large"):
        async with face.stream("GET", site.http + path) as response:
            assert response.status_code == 200
    return told(await face.request("GET", site.http + "/echo"))


@case()
async def closed_in_the_midst(face, site):
    async with face.stream("GET", site.http + "/large") as response:
        block, rest = await face.first_block(response)
        assert block
    return told(await face.request("GET", site.http + "/echo"))


@case()
async def read_after_close(face, site):
    async with face.stream("GET", site.http + "/length") as response:
        pass
    await face.read(response)


@case()
async def read_twice(face, site):
    async with face.stream("GET", site.http + "/length") as response:
        async for _ in face.blocks(response):
            pass
        await face.read(response)


@case()
async def one_connection(face, site):
    return [told(await face.request("GET", site.http + f"/{number}")) for number in range(3)]


@case()
async def a_new_connection_behind_each_that_ends(face, site):
    for path in ("/close", "/http-1.0-length", "/until-close", "/echo"):
        await face.request("GET", site.http + path)


@case()
async def a_new_connection_behind_two_responses(face, site):
    for path in ("/two-responses", "/echo"):
        response = await face.request("GET", site.http + path)
    return response.json()[1]


@case()
async def a_new_connection_behind_too_much(face, site):
    for path in ("/more-than-length", "/echo"):
        response = await face.request("GET", site.http + path)
    return response.json()[1]


@case()
async def a_new_connection_behind_errors(face, site):
    for path in ("/cut-in-content", "/chunk-size-word", "/garbage", "/nothing"):
        try:
            await face.request("GET", site.http + path)
        except httpx.RemoteProtocolError:
            continue
        raise AssertionError(path)
    return told(await face.request("GET", site.http + "/echo"))


@case()
async def two_at_once(face, site):
    async with face.stream("GET", site.http + "/large") as one, face.stream("GET", site.http + "/chunked") as other:
        return await face.read(other), len(await face.read(one))


@case(limits=httpx.Limits(max_connections=1))
async def a_pool_that_is_full(face, site):
    async with face.stream("GET", site.http + "/large") as response:
        try:
            await face.request("GET", site.http + "/echo", timeout=httpx.Timeout(LONG, pool=SHORT))
        except httpx.PoolTimeout:
            return len(await face.read(response)), told(await face.request("GET", site.http + "/echo"))


@case(limits=httpx.Limits(max_connections=1))
async def a_pool_that_is_full_of_what_has_come(face, site):
    """All of the response is here, though nobody has read it."""
    async with face.stream("GET", site.http + "/length") as response:
        again = await face.request("GET", site.http + "/echo", timeout=httpx.Timeout(LONG, pool=SHORT))
        return await face.read(response), again.status_code


@case(limits=httpx.Limits(max_connections=1))
async def a_pool_that_is_full_of_another_origin(face, site):
    await face.request("GET", site.http + "/length")
    with_name = site.http.replace("127.0.0.1", "localhost")
    await face.request("GET", with_name + "/length")
    await face.request("GET", site.http + "/length")


@case(limits=httpx.Limits(max_keepalive_connections=0))
async def nothing_kept_alive(face, site):
    for _ in range(3):
        await face.request("GET", site.http + "/length")


@case(limits=httpx.Limits(keepalive_expiry=0.0))
async def kept_alive_for_no_time(face, site):
    for _ in range(3):
        await face.request("GET", site.http + "/length")


@case(limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None))
async def no_limits(face, site):
    for _ in range(3):
        await face.request("GET", site.http + "/length")


def fails(name, path, timeout, method="GET", **arguments):
    async def fail(face, site):
        given = {key: value(face) if callable(value) else value for key, value in arguments.items()}
        return told(await face.request(method, site.http + path, timeout=timeout, **given))

    add(name, fail)


READ = httpx.Timeout(LONG, read=SHORT)
fails("timeout-read", "/silence", READ)
fails("timeout-read-in-head", "/silence-in-head", READ)
fails("timeout-read-in-content", "/silence-in-content", READ)
fails("timeout-write", "/stall", httpx.Timeout(LONG, write=SHORT), "POST", content=b"x" * 30_000_000)
fails(
    "timeout-write-blocks",
    "/stall",
    httpx.Timeout(LONG, write=SHORT),
    "POST",
    content=lambda face: face.content(*[b"x" * 1_000_000] * 30),
)
fails("timeout-write-begun", "/begun-and-stalled", httpx.Timeout(LONG, write=SHORT), "POST", content=b"x" * 30_000_000)
fails(
    "timeout-write-refused",
    "/refused-and-stalled",
    httpx.Timeout(LONG, write=ENOUGH),
    "POST",
    content=b"x" * 30_000_000,
)
fails("timeout-none", "/length", None)


@case()
async def timeout_by_extension(face, site):
    request = face.client.build_request("GET", site.http + "/silence", extensions={"timeout": {"read": SHORT}})
    await face.call(face.client.send, request)


@case()
async def no_timeout_by_extension(face, site):
    request = face.client.build_request("GET", site.http + "/echo", extensions={"timeout": {}})
    return told(await face.call(face.client.send, request))


@case()
async def timeout_connect_tls(face, site):
    """A server that is not one for TLS, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        await face.request("GET", url, timeout=httpx.Timeout(LONG, connect=SHORT))


@case()
async def after_a_timeout(face, site):
    for path in ("/silence", "/silence-in-content"):
        try:
            await face.request("GET", site.http + path, timeout=READ)
        except httpx.ReadTimeout:
            continue
        raise AssertionError(path)
    return told(await face.request("GET", site.http + "/echo"))


@case()
async def refused(face, site):
    await face.request("GET", site.refusing)


@case(retries=1)
async def refused_twice(face, site):
    await face.request("GET", site.refusing)


@case()
async def no_such_name(face, site):
    await face.request("GET", "http://nowhere.invalid/")


@case(uds=lambda site: site.unix + ".not")
async def no_such_socket(face, site):
    await face.request("GET", "http://localhost/")


@case(uds=lambda site: site.unix)
async def unix_socket(face, site):
    return told(await face.request("POST", "http://localhost/echo", content=b"some content"))


@case(local_address="127.0.0.2")
async def local_address(face, site):
    response = await face.request("GET", site.http + "/length")
    return told(response), list(site.origins["plain"].addresses)


@case(local_address="192.0.2.1")
async def local_address_of_others(face, site):
    await face.request("GET", site.http + "/length")


@case(socket_options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)])
async def socket_options(face, site):
    async with face.stream("GET", site.http + "/length") as response:
        below = response.extensions["network_stream"].get_extra_info("socket")
        return below.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


@case()
async def no_delay(face, site):
    async with face.stream("GET", site.http + "/length") as response:
        below = response.extensions["network_stream"].get_extra_info("socket")
        return below.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


@case()
async def addresses(face, site):
    async with face.stream("GET", site.http + "/length") as response:
        below = response.extensions["network_stream"]
        ours, theirs = below.get_extra_info("client_addr"), below.get_extra_info("server_addr")
        return ours[0], theirs, below.get_extra_info("ssl_object"), below.get_extra_info("nothing")


@case()
async def an_early_answer(face, site):
    """An upload that the server has had enough of: the answer counts."""
    blocks = face.content(*[b"x" * 100_000] * 20)
    response = await face.request("POST", site.http + "/early", content=blocks)
    site.take()
    return told(response)


@case()
async def content_that_fails(face, site):
    """The error is the application's own; the connection is of no use any more."""
    try:
        await face.request("POST", site.http + "/echo", content=failing(face))
    except ZeroDivisionError:
        site.take()
        return told(await face.request("GET", site.http + "/echo"))


def failing(face):
    if isinstance(face.client, httpx.Client):
        return (b"x" * (1 // number) for number in (1, 0))

    async def blocks():
        yield b"x"
        yield b"x" * (1 // 0)

    return blocks()


@case()
async def an_upgrade(face, site):
    headers = {"Upgrade": "echo", "Connection": "Upgrade"}
    async with face.stream("GET", site.http + "/upgrade", headers=headers) as response:
        stream = response.extensions["network_stream"]
        octets = await face.call(stream.read, 5, timeout=LONG)
        while len(octets) < 5:
            octets += await face.call(stream.read, 5, timeout=LONG)
        await face.call(stream.write, b"hello", timeout=LONG)
        back = await face.call(stream.read, 100, timeout=LONG)
        try:
            await face.call(stream.read, 100, timeout=SHORT)
        except Exception as error:
            late = type(error).__name__
        await face.close_stream(stream)
        return response.status_code, response.headers.raw, octets, back, late


@case()
async def a_tunnel(face, site):
    async with face.stream("CONNECT", site.http, extensions={"target": b"echo.test:1234"}) as response:
        stream = response.extensions["network_stream"]
        await face.call(stream.write, b"hello", timeout=LONG)
        return response.status_code, await face.call(stream.read, 100, timeout=LONG)


@case(verify=trusting)
async def a_tunnel_with_tls(face, site):
    context = site.trusting()
    async with face.stream("CONNECT", site.http, extensions={"target": b"tunnel.test:443"}) as response:
        stream = response.extensions["network_stream"]
        inside = await face.call(stream.start_tls, context, server_hostname="tunnel.test", timeout=LONG)
        await face.call(inside.write, b"GET /length HTTP/1.1\r\nHost: tunnel.test\r\n\r\n", timeout=LONG)
        octets = b""
        while b"hello" not in octets:
            octets += await face.call(inside.read, 1000, timeout=LONG)
        await face.close_stream(inside)
        return octets


@case()
async def a_tunnel_that_is_refused(face, site):
    return told(await face.request("CONNECT", site.http, extensions={"target": b"refused.test:443"}))


def traced(name, path, method="GET", url="http", again=False, transport=None, **arguments):
    async def trace(face, site):
        names = []
        try:
            for _ in range(2 if again else 1):
                given = {key: value(face) if callable(value) else value for key, value in arguments.items()}
                extensions = {"trace": face.tracer(names)}
                await face.request(method, getattr(site, url) + path, extensions=extensions, **given)
        except httpx.HTTPError as error:
            names.append(type(error).__name__)
        return names

    add(name, trace, **(transport or {}))


traced("trace", "/length", again=True)
traced("trace-content", "/echo", "POST", content=lambda face: face.content(b"one", b"two"))
traced("trace-refused", "", url="refusing")
traced("trace-retries", "", url="refusing", transport={"retries": 1})
traced("trace-nothing", "/nothing")
traced("trace-cut", "/cut-in-content")
traced("trace-tls", "/length", url="https", transport={"verify": trusting})
traced("trace-tls-untrusted", "/length", url="https")
traced("trace-unix", "/length", url="http", transport={"uds": lambda site: site.unix})
traced("trace-http2", "/length", url="h2", again=True, transport={"verify": trusting, "http2": True})
traced("trace-http2-reset", "/reset", url="h2", transport={"verify": trusting, "http2": True})
