"""What our transports have that httpx's own have not, and what becomes of them: on threads, asyncio and trio."""

import asyncio
import contextlib
import inspect

import httpx
import pytest
import trio
from tests.httpx.cases import LONG, SHORT
from tests.httpx.faces import MODES, Asynchronous, Blocking, run_trio
from tests.httpx.site import open_site

import interlock.httpx
from interlock.http.leniency import Leniency
from interlock.http.limits import Limits
from interlock.net.networks import running_network
from interlock.net.stream import run


@pytest.fixture(scope="module")
def site():
    with open_site() as site:
        yield site


def transport_for(mode, site, options):
    kind = interlock.httpx.Transport if mode == "threads" else interlock.httpx.AsyncTransport
    return kind(**{"verify": site.trusting(), **options})


def on(mode, site, function, **options):
    """What ``function`` gives, with a client on such a transport."""

    async def whole():
        transport = transport_for(mode, site, options)
        face = (Blocking if mode == "threads" else Asynchronous)(transport, {"trust_env": False, "timeout": LONG})
        try:
            return await function(face)
        finally:
            await face.close()

    return {"threads": run, "asyncio": asyncio.run, "trio": run_trio}[mode](whole())


#: HTTP/1.1, and HTTP/2 by ALPN.
VERSIONS = ("http", "h2")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", VERSIONS)
def test_trailers_of_a_response(mode, version, site):
    async def ask(face):
        trailers = (await face.request("GET", getattr(site, version) + "/trailers")).extensions["trailers"]()
        async with face.stream("GET", getattr(site, version) + "/large") as response:
            with pytest.raises(httpx.ResponseNotRead):
                response.extensions["trailers"]()
        without = await face.request("GET", getattr(site, version) + "/length")
        return trailers["X-CHECKSUM"], len(without.extensions["trailers"]())

    checksum = {"http": "5d41", "h2": "5"}[version]
    assert on(mode, site, ask, http2=True) == (checksum, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "given", [{"X-Sum": "1"}, [("X-Sum", "1")], httpx.Headers({"X-Sum": "1"}), lambda: {"X-Sum": "1"}]
)
def test_trailers_of_a_request(mode, given, site):
    async def ask(face):
        await face.request("POST", site.http + "/echo", content=b"hello", extensions={"trailers": given})

    site.take()
    on(mode, site, ask)
    [seen] = site.take()["plain"]
    assert seen.trailers == ((b"X-Sum", b"1"),)
    assert seen.content == b"hello"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", VERSIONS)
def test_informational_responses(mode, version, site):
    told = []

    async def ask(face):
        path = {"http": "/early-hints", "h2": "/informational"}[version]
        return await face.request("GET", getattr(site, version) + path, extensions={"on_informational": told.append})

    assert on(mode, site, ask, http2=True).text == "hello"
    assert [response.status_code for response in told] == {"http": [103, 103], "h2": [100, 103]}[version]
    assert list(told[-1].headers) == [(b"link", b"</a>")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("priority", ["u=1, i", b"u=1, i"])
def test_priority(mode, version, priority, site):
    async def ask(face):
        response = await face.request("GET", getattr(site, version) + "/echo", extensions={"priority": priority})
        return dict(response.json()[2])

    fields = on(mode, site, ask, http2=True)
    assert {name.lower(): value for name, value in fields.items()}["priority"] == "u=1, i"


@pytest.mark.parametrize("mode", MODES)
def test_a_priority_that_is_none(mode, site):
    async def ask(face):
        with pytest.raises(httpx.LocalProtocolError, match="priority 'ü=1' is not ASCII"):
            await face.request("GET", site.http + "/echo", extensions={"priority": "ü=1"})

    on(mode, site, ask)


@pytest.mark.parametrize("mode", MODES)
def test_content_that_waits_for_the_server(mode, site):
    """One says 100, the other has had enough: then nothing of the content is sent."""
    sent = []

    async def ask(face):
        extensions = {"expect_continue": LONG}
        wanted = await face.request("POST", site.http + "/echo", content=b"hello", extensions=extensions)
        blocks = face.content(*([b"x"] * 3))
        refused = await face.request("POST", site.http + "/early", content=blocks, extensions=extensions)
        sent.append(refused.status_code)
        return wanted.json()

    method, target, fields, length = on(mode, site, ask)
    assert ["Expect", "100-continue"] in fields
    assert length == 5
    assert sent == [413]


@pytest.mark.parametrize("mode", MODES)
def test_requests_that_may_wait(mode, site):
    async def ask(face):
        async with face.stream("GET", site.http + "/length") as response:
            with pytest.raises(httpx.PoolTimeout, match="no more than 0 requests may wait"):
                await face.request("GET", site.http + "/length")
            await face.read(response)
        return (await face.request("GET", site.http + "/length")).text

    assert on(mode, site, ask, max_waiting=0, limits=httpx.Limits(max_connections=1)) == "hello"


@pytest.mark.parametrize("mode", MODES)
def test_connections_to_one_host(mode, site):
    async def ask(face):
        async with face.stream("GET", site.http + "/length"):
            with pytest.raises(httpx.PoolTimeout):
                await face.request("GET", site.http + "/length", timeout=httpx.Timeout(LONG, pool=SHORT))
            elsewhere = site.http.replace("127.0.0.1", "localhost")
            return (await face.request("GET", elsewhere + "/length")).text

    assert on(mode, site, ask, max_connections_per_host=1) == "hello"


@pytest.mark.parametrize("mode", MODES)
def test_content_that_comes_too_slowly(mode, site):
    """With no time for reading at all: only the rate ends it."""

    async def ask(face):
        timeout = {"connect": LONG, "read": None, "write": LONG, "pool": LONG}
        await face.request("GET", site.http + "/silence-in-content", extensions={"timeout": timeout})

    with pytest.raises(httpx.ReadTimeout, match="octets a second"):
        on(mode, site, ask, body_grace=SHORT, body_rate=1e6)


@pytest.mark.parametrize("mode", MODES)
def test_limits_and_leniency(mode, site):
    async def ask(face):
        return (await face.request("GET", site.http + "/length-twice")).text

    assert on(mode, site, ask, leniency=Leniency(repeated_content_length=True)) == "hello"
    with pytest.raises(httpx.RemoteProtocolError):
        on(mode, site, ask)
    with pytest.raises(httpx.RemoteProtocolError, match="more than 1 fields"):
        on(mode, site, ask, message_limits=Limits(fields=1), leniency=Leniency(repeated_content_length=True))


@pytest.mark.parametrize("mode", MODES)
def test_use_after_closing(mode, site):
    """As with httpx's own: there are new connections."""

    async def ask(face):
        transport = face.client._transport
        request = face.client.build_request("GET", site.http + "/length")
        texts = []
        for _ in range(2):
            if mode == "threads":
                response = transport.handle_request(request)
                texts.append(response.read())
                transport.close()
            else:
                response = await transport.handle_async_request(request)
                texts.append(await response.aread())
                await transport.aclose()
        return texts

    site.take()
    assert on(mode, site, ask) == [b"hello", b"hello"]
    assert [request.connection for request in site.take()["plain"]] == [0, 1]


def test_an_error_names_its_request(site):
    with httpx.Client(transport=interlock.httpx.Transport()) as client:
        with pytest.raises(httpx.ConnectError) as caught:
            client.get(site.refusing)
        assert caught.value.request.url == site.refusing
        assert caught.value.__cause__ is not None


def test_a_proxy_that_is_not_of_http(site):
    with pytest.raises(ValueError, match="http or https, not 'socks5'"):
        interlock.httpx.Transport(proxy="socks5://127.0.0.1:1080", verify=site.system)


def test_a_proxy_and_a_socket(site):
    with pytest.raises(ValueError, match="unix socket"):
        interlock.httpx.Transport(proxy="http://127.0.0.1:1", uds=site.unix, verify=site.system)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/silence", "/large"])
def test_who_is_cancelled_leaves_nothing_behind_on_asyncio(version, path, site):
    """The pool has one connection, and the next request gets one."""

    async def main():
        transport = transport_for("asyncio", site, {"http2": True, "limits": httpx.Limits(max_connections=1)})
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=LONG) as client:
            url = getattr(site, version)
            reached = asyncio.Event()

            async def ask():
                async with client.stream("GET", url + path) as response:
                    async for _ in response.aiter_raw():
                        reached.set()
                        await asyncio.Event().wait()

            site.take()
            task = asyncio.create_task(ask())
            if path == "/large":
                await reached.wait()
            else:
                await seen(site, asyncio.sleep)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert (await client.get(url + "/length")).text == "hello"
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")  # httpx exhausts not all of them
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/silence", "/large"])
def test_who_is_cancelled_leaves_nothing_behind_on_trio(version, path, site):
    async def main():
        transport = transport_for("trio", site, {"http2": True, "limits": httpx.Limits(max_connections=1)})
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=LONG) as client:
            url = getattr(site, version)
            reached = trio.Event()

            async def ask():
                async with client.stream("GET", url + path) as response:
                    async for _ in response.aiter_raw():
                        reached.set()
                        await trio.sleep_forever()

            site.take()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                if path == "/large":
                    await reached.wait()
                else:
                    await seen(site, trio.sleep)
                nursery.cancel_scope.cancel()
            assert (await client.get(url + "/length")).text == "hello"

    trio.run(main)


async def seen(site, give_way):
    """Wait until an origin has a request."""
    while not any(origin._seen for origin in site.origins.values()):
        await give_way(0)


def test_no_event_loop():
    with pytest.raises(RuntimeError):
        running_network()


def test_the_parameters_are_those_of_httpx():
    theirs = inspect.signature(httpx.HTTPTransport.__init__).parameters
    for ours in (interlock.httpx.Transport, interlock.httpx.AsyncTransport):
        parameters = inspect.signature(ours).parameters
        assert list(parameters)[: len(theirs) - 1] == list(theirs)[1:]
        for name in list(theirs)[1:]:
            assert parameters[name].kind == theirs[name].kind
            assert parameters[name].default == theirs[name].default
