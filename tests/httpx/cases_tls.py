"""Cases: TLS, proxies, and HTTP/2."""

import httpx
from tests.httpx.cases import ENOUGH, LONG, SHORT, add, case, told, trusting


@case(verify=trusting)
async def tls(face, site):
    response = await face.request("POST", site.https + "/echo", content=b"some content")
    return told(response), list(site.origins["tls"].names)


@case(verify=trusting)
async def tls_by_name(face, site):
    url = site.https.replace("127.0.0.1", "localhost")
    return told(await face.request("GET", url + "/length")), list(site.origins["tls"].names)


@case(verify=lambda site: site.authority_file)
async def tls_with_a_file(face, site):
    return told(await face.request("GET", site.https + "/length"))


@case()
async def tls_untrusted(face, site):
    await face.request("GET", site.https + "/length")


@case(verify=False)
async def tls_unverified(face, site):
    return told(await face.request("GET", site.https + "/length"))


@case(verify=trusting)
async def tls_wrong_name(face, site):
    url = site.https.replace("127.0.0.1", "localhost")
    extensions = {"sni_hostname": "wrong.test"}
    await face.request("GET", url + "/length", extensions=extensions)


@case(verify=trusting)
async def tls_sni(face, site):
    extensions = {"sni_hostname": "other.test"}
    response = await face.request("GET", site.https + "/length", extensions=extensions)
    return told(response), list(site.origins["tls"].names)


@case(verify=trusting)
async def tls_sni_unix(face, site):
    """A scheme that the other end does not speak."""
    await face.request("GET", site.http.replace("http", "https") + "/length")


def with_certificate(site):
    context = site.trusting()
    context.load_cert_chain(site.client_certificate)
    return context


@case(verify=with_certificate)
async def tls_client_certificate(face, site):
    response = await face.request("GET", site.https + "/length")
    return told(response), list(site.origins["tls"].certificates)


@case(verify=trusting)
async def tls_object(face, site):
    async with face.stream("GET", site.https + "/length") as response:
        below = response.extensions["network_stream"].get_extra_info("ssl_object")
        return below.version(), below.selected_alpn_protocol(), below.getpeercert()["issuer"]


@case(verify=trusting)
async def tls_large(face, site):
    for path in ("/large", "/large-chunked", "/echo"):
        assert (await face.request("POST", site.https + path, content=b"x" * 500_000)).is_success


@case(verify=trusting)
async def tls_cut(face, site):
    await face.request("GET", site.https + "/cut-in-content")


@case(verify=trusting)
async def tls_until_close(face, site):
    return told(await face.request("GET", site.https + "/until-close-large"))


def plain_proxy(site):
    return site.proxy()


def asks(name, url, method="GET", proxy=plain_proxy, timeout=LONG, **arguments):
    async def ask(face, site):
        response = await face.request(method, url, timeout=timeout, **arguments)
        return told(response), list(site.origins["plain"].names)

    add(name, ask, proxy=proxy, verify=trusting)


def authorized(site):
    return site.proxy(auth=("üser", "secret"))


def with_headers(site):
    return site.proxy(headers={"X-Proxy": "a", "User-Agent": "b"})


asks("proxy-forwards", "http://example.test/echo?a=b")
asks("proxy-forwards-port", "http://example.test:8080/echo", "POST", content=b"some content")
asks("proxy-forwards-default-port", "http://example.test:80/echo")
asks("proxy-forwards-authorized", "http://example.test/echo", proxy=authorized)
asks("proxy-forwards-headers", "http://example.test/echo", proxy=with_headers)
asks("proxy-forwards-bad", "http://example.test/chunk-size-word")
asks("proxy-tunnels", "https://tunnel.test/length")
asks("proxy-tunnels-content", "https://tunnel.test/echo?a", "POST", content=b"some content")
asks("proxy-tunnels-authorized", "https://tunnel.test/echo", proxy=authorized)
asks("proxy-tunnels-headers", "https://tunnel.test/echo", proxy=with_headers)
asks("proxy-relays", "https://other.test/large")
asks("proxy-refuses", "https://refused.test/")
asks("proxy-asks-for-authorization", "https://auth.test/")
asks("proxy-is-broken", "https://broken.test/")
asks("proxy-ends", "https://ended.test/")
asks("proxy-is-silent", "https://silent.test/", timeout=httpx.Timeout(ENOUGH, write=LONG, pool=LONG))


@case(proxy=plain_proxy, verify=trusting)
async def proxy_kept_alive(face, site):
    for url in ("https://tunnel.test/a", "https://tunnel.test/b", "http://a.test/", "http://a.test/b"):
        await face.request("GET", url)


@case(proxy=plain_proxy)
async def proxy_forwards_ipv6(face, site):
    await face.request("GET", "http://[::1]:8080/length")
    return [request.target for request in site.origins["plain"].take()]


@case(proxy=plain_proxy)
async def proxy_shared_by_origins(face, site):
    for host in ("a.test", "b.test"):
        await face.request("GET", f"http://{host}/length")
    return [request.connection for request in site.origins["plain"].take()]


@case(proxy=lambda site: site.proxy())
async def proxy_tunnel_untrusted(face, site):
    await face.request("GET", "https://tunnel.test/length")


@case(proxy=lambda site: site.refusing)
async def proxy_not_there(face, site):
    await face.request("GET", "http://example.test/")


@case(proxy=lambda site: site.refusing)
async def proxy_not_there_for_tls(face, site):
    await face.request("GET", "https://tunnel.test/")


@case(proxy=lambda site: httpx.Proxy(site.https, ssl_context=site.trusting()), verify=trusting)
async def proxy_with_tls(face, site):
    return told(await face.request("GET", "http://example.test/echo"))


@case(proxy=lambda site: httpx.Proxy(site.https, ssl_context=site.trusting()), verify=trusting)
async def proxy_with_tls_tunnels(face, site):
    """TLS in TLS."""
    for _ in range(2):
        response = await face.request("POST", "https://other.test/echo", content=b"x" * 200_000)
    return told(response)


@case(proxy=plain_proxy, verify=trusting, http2=True)
async def proxy_tunnels_http2(face, site):
    return told(await face.request("GET", "https://tunnel.test/length"))


# -- HTTP/2


def over_http2(name, path="/echo", method="GET", **arguments):
    async def ask(face, site):
        given = {key: value(face) if callable(value) else value for key, value in arguments.items()}
        response = await face.request(method, site.h2 + path, **given)
        return told(response), response.extensions["stream_id"]

    add(f"http2-{name}", ask, verify=trusting, http2=True)


for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
    over_http2(f"method-{method}", method=method)
over_http2("content", method="POST", content=b"some content")
over_http2("content-large", method="POST", content=b"x" * 1_000_000)
over_http2("content-blocks", method="POST", content=lambda face: face.content(b"one", b"two"))
over_http2("content-json", method="POST", json={"a": 1})
over_http2("headers", headers=[("X-cAsE", "1"), ("x-case", "2"), ("Cookie", "a=1"), ("Cookie", "b=2")])
over_http2(
    "headers-of-connections", headers={"Connection": "keep-alive, x-a", "Keep-Alive": "timeout=5", "TE": "trailers"}
)
over_http2("header-host", headers={"Host": "example.test"})
over_http2("header-latin", headers={"X-Name": "café".encode("latin-1")})
over_http2("header-line-end", headers={"X-A": b"a\r\nb"})
over_http2("header-name-bad", headers={b"x a": b"a"})
over_http2("header-expect", method="POST", content=b"a", headers={"Expect": "100-continue"})
over_http2("header-long", headers={"X-Long": "v" * 20_000})
over_http2("query", path="/echo?a=b&c")
for path in (
    "empty not-modified large length repeated trailers informational reset reset-in-content goaway goaway-in-content "
    "close close-in-content garbage short long last"
).split():
    over_http2(path, path=f"/{path}")
over_http2("silence", path="/silence", timeout=httpx.Timeout(LONG, read=SHORT))


@case(verify=trusting, http2=True)
async def http2_one_connection(face, site):
    responses = [await face.request("GET", site.h2 + f"/{number}") for number in range(3)]
    return [(told(response), response.extensions["stream_id"]) for response in responses]


@case(verify=trusting, http2=True)
async def http2_stream_below(face, site):
    async with face.stream("GET", site.h2 + "/length") as response:
        below = response.extensions["network_stream"]
        agreed = below.get_extra_info("ssl_object").selected_alpn_protocol()
        return agreed, below.get_extra_info("server_addr"), below.get_extra_info("client_addr")[0]


@case(verify=trusting, http2=True)
async def http2_streams_at_once(face, site):
    async with face.stream("GET", site.h2 + "/large") as one, face.stream("GET", site.h2 + "/length") as other:
        return await face.read(other), len(await face.read(one))


@case(verify=trusting, http2=True)
async def http2_closed_in_the_midst(face, site):
    """The stream is reset, and the connection goes on."""
    async with face.stream("GET", site.h2 + "/large") as response:
        block, rest = await face.first_block(response)
        assert block
    return told(await face.request("GET", site.h2 + "/echo"))


@case(verify=trusting, http2=True)
async def http2_after_a_reset(face, site):
    for path in ("/reset", "/reset-in-content"):
        try:
            await face.request("GET", site.h2 + path)
        except httpx.RemoteProtocolError:
            continue
        raise AssertionError(path)
    return told(await face.request("GET", site.h2 + "/echo"))


@case(verify=trusting, http2=True)
async def http2_after_the_last(face, site):
    """The server ends its connection behind this response."""
    for path in ("/last", "/length"):
        response = await face.request("GET", site.h2 + path)
    return told(response), [request.connection for request in site.origins["h2"].take()]


@case(verify=trusting)
async def http2_not_asked_for(face, site):
    return told(await face.request("GET", site.h2 + "/length"))


@case(verify=trusting, http2=True)
async def http2_not_offered(face, site):
    return told(await face.request("GET", site.https + "/length"))


@case(http1=False, http2=True)
async def http2_without_tls(face, site):
    return told(await face.request("POST", site.http + "/echo", content=b"some content"))


@case(http1=False, http2=True)
async def http2_without_tls_one_connection(face, site):
    return [told(await face.request("GET", site.http + "/echo")) for _ in range(2)]
