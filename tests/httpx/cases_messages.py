"""Cases: requests of all kinds, and each response of :mod:`tests.httpx.answers`."""

import io

import httpx
from tests.httpx.answers import RESPONSES
from tests.httpx.cases import CASES, add, case, told


def asks(name, method, path="/echo", client=None, **arguments):
    """A case that is one request; functions among the arguments are called with the face."""

    async def ask(face, site):
        given = {key: value(face) if callable(value) else value for key, value in arguments.items()}
        return told(await face.request(method, site.http + path, **given))

    add(name, ask, client)


for method in ("GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH", "TRACE", "QUERY", "PURGE"):
    asks(f"method-{method}", method)
    if method != "TRACE":
        asks(f"method-{method}-with-content", method, content=b"some content")
asks("method-odd", "x-Odd!")
asks("method-bad", "G T")
asks("method-unicode", "GÉT")
asks("method-empty", "")
asks("method-head", "HEAD", "/head")
asks("query", "GET", "/echo?a=b&c=d%20e", params={"f": "ü", "g": ["1", "2"]})
asks("path-encoded", "GET", "/ech%6F/a%2Fb c;d=e")
asks("path-unicode", "GET", "/écho?ö=ü")
asks("path-dots", "GET", "/a/./b/../c")
asks("fragment", "GET", "/echo#there")

asks("content-text", "POST", content="grüße")
asks("content-empty", "POST", content=b"")
asks("content-large", "POST", content=b"x" * 1_000_000)
asks("content-blocks", "POST", content=lambda face: face.content(b"one", b"two", b"three"))
asks("content-blocks-empty", "POST", content=lambda face: face.content(b"one", b"", b"two"))
asks("content-no-blocks", "POST", content=lambda face: face.content())
asks("content-large-blocks", "POST", content=lambda face: face.content(*[b"x" * 100_000] * 20))
asks(
    "content-blocks-with-length",
    "POST",
    content=lambda face: face.content(b"one", b"two"),
    headers={"Content-Length": "6"},
)
asks("content-json", "POST", json={"a": [1, "ü", None]})
asks("content-form", "POST", data={"a": "b c", "d": ["1", "2"]})
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=cut"}
asks("content-get-blocks", "GET", content=lambda face: face.content(b"one"))


def file_of(face):
    return {"f": ("name.txt", io.BytesIO(b"in a file"), "text/plain"), "g": ("ü.bin", b"\0\1")}


asks("content-multipart", "POST", data={"a": "b"}, files=file_of, headers=BOUNDARY)

for path in RESPONSES:
    name = path[1:].decode()
    asks(f"response-{name}", "GET", path.decode())
for path in ("length", "chunked", "gzip", "length-and-chunked", "until-close", "no-content", "trailers"):
    asks(f"response-to-post-{path}", "POST", f"/{path}", content=b"some content")
asks("response-to-head-chunked", "HEAD", "/not-modified")

asks("header-case", "GET", headers=[("X-cAsE", "1"), ("x-case", "2"), ("HOST", "example.test"), ("aCCept", "b")])
asks("header-repeated", "GET", headers=[("Cookie", "a=1"), ("Cookie", "b=2"), ("X", "1"), ("X", "2")])
asks("header-latin", "GET", headers={"X-Name": "café".encode("latin-1")})
asks("header-utf-8", "GET", headers={"X-Name": "café".encode()})
asks("header-empty", "GET", headers={"X-Empty": ""})
asks("header-blank", "GET", headers={"X-Blank": " a "})
asks("header-nul", "GET", headers={"X-A": b"a\0b"})
asks("header-line-end", "GET", headers={"X-A": b"a\r\nX-B: c"})
asks("header-name-blank", "GET", headers={b"X A": b"a"})
asks("header-name-empty", "GET", headers={b"": b"a"})
asks("header-name-colon", "GET", headers={b"X:": b"a"})
asks("header-host", "GET", headers={"Host": "example.test:8080"})
asks("header-host-bad", "GET", headers={"Host": "a b"})
asks("header-close", "GET", headers={"Connection": "close"})
asks("header-te", "GET", headers={"TE": "trailers", "Connection": "TE"})
asks("header-expect", "POST", content=b"some content", headers={"Expect": "100-continue"})
asks("header-expect-blocks", "POST", content=lambda face: face.content(b"a", b"b"), headers={"Expect": "100-continue"})
asks("header-expect-odd", "POST", content=b"some content", headers={"Expect": "a miracle"})
asks("header-upgrade", "GET", headers={"Upgrade": "h2c", "Connection": "Upgrade"})
asks("header-length-wrong-less", "POST", content=b"hello", headers={"Content-Length": "3"})
asks("header-length-wrong-more", "POST", content=b"hello", headers={"Content-Length": "10"})
asks("header-length-bad", "POST", content=b"hello", headers={"Content-Length": "five"})
asks("header-length-and-chunked", "POST", content=b"a", headers={"Content-Length": "1", "Transfer-Encoding": "chunked"})
asks("header-many", "GET", headers=[(f"X-{number}", "v" * 20) for number in range(90)])
asks("header-long", "GET", headers={"X-Long": "v" * 20_000})
asks("accept-encoding", "GET", headers={"Accept-Encoding": "identity"})

asks("redirect-301-get", "GET", "/moved", {"follow_redirects": True})
asks("redirect-301-post", "POST", "/moved", {"follow_redirects": True}, content=b"a")
asks("redirect-302", "POST", "/found", {"follow_redirects": True}, content=b"a")
asks("redirect-303", "PUT", "/see-other", {"follow_redirects": True}, content=b"a")
asks("redirect-307", "POST", "/temporary", {"follow_redirects": True}, content=b"a")
asks("redirect-308", "POST", "/permanent", {"follow_redirects": True}, content=b"a")
asks("redirect-307-blocks", "POST", "/temporary", {"follow_redirects": True}, content=lambda f: f.content(b"a"))
asks("redirect-not-followed", "GET", "/found")
asks("redirect-loop", "GET", "/loop", {"follow_redirects": True, "max_redirects": 3})
asks("redirect-elsewhere", "GET", "/elsewhere", {"follow_redirects": True})
asks("redirect-nowhere", "GET", "/nowhere", {"follow_redirects": True})
asks("auth-basic", "GET", "/echo", {"auth": ("user", "secret")})
asks("auth-basic-unicode", "GET", "/echo", {"auth": ("üser", "sécret")})
asks("default-encoding", "GET", "/latin-text", {"default_encoding": "latin-1"})


@case()
async def auth_digest(face, site):
    """The answer to the challenge is random, so only that there is one is compared."""
    response = await face.request("GET", site.http + "/digest", auth=httpx.DigestAuth("user", "secret"))
    seen = site.origins["plain"].take()
    fields = [[name for name, value in request.headers] for request in seen]
    return told(response), [request.connection for request in seen], fields


@case()
async def cookies(face, site):
    told_of = [told(await face.request("GET", site.http + path)) for path in ("/cookies", "/echo", "/other")]
    return told_of, dict(face.client.cookies)


@case()
async def text_of_a_response(face, site):
    response = await face.request("GET", site.http + "/latin-text")
    return response.text, response.encoding, response.http_version, response.reason_phrase


@case()
async def extension_target(face, site):
    extensions = {"target": b"*"}
    return told(await face.request("OPTIONS", site.http + "/echo", extensions=extensions))


@case()
async def extension_target_text(face, site):
    return told(await face.request("GET", site.http + "/echo", extensions={"target": "/other?a"}))


@case()
async def extension_target_odd(face, site):
    return told(await face.request("GET", site.http + "/echo", extensions={"target": b"/a|b\\^`{}"}))


@case()
async def extension_target_absolute(face, site):
    target = (site.http + "/a?b").encode()
    return told(await face.request("GET", site.http + "/echo", extensions={"target": target}))


@case()
async def extension_target_bad(face, site):
    return told(await face.request("GET", site.http + "/echo", extensions={"target": b"/a b"}))


@case()
async def no_scheme(face, site):
    return told(await face.request("GET", "/echo"))


@case()
async def unknown_scheme(face, site):
    return told(await face.request("GET", "ftp://127.0.0.1/echo"))


@case()
async def no_host(face, site):
    return told(await face.request("GET", "http:///echo"))


@case()
async def scheme_ws(face, site):
    return told(await face.request("GET", site.http.replace("http", "ws") + "/echo"))


assert CASES
