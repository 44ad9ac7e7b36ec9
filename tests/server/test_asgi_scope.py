"""The scope that an ASGI application is given."""

import ssl

import pytest
import trustme
from tests.server.asgi_fakes import CLIENT, SERVER, FakeExchange, body, responder, run, serve

from interlock.net.exchange import PeerInfo
from interlock.server.asgi_scope import ScopeFactory, split_target
from interlock.server.context import ServerContext

EXTENSIONS = {
    "http.response.trailers": {},
    "http.response.early_hint": {},
    "http.response.pathsend": {},
    "http.response.zerocopysend": {},
}


def scope_of(exchange, root_path="", state=None):
    return ScopeFactory(root_path, state).http(exchange.request, exchange.peer)


def test_the_whole_scope():
    exchange = FakeExchange("PATCH", "/a%20b/%C3%A4?x=%20&y", headers=[(b"X-Y", b"1"), (b"x-y", b"2")])
    assert scope_of(exchange, state={}) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": "PATCH",
        "scheme": "http",
        "path": "/a b/ä",
        "raw_path": b"/a%20b/%C3%A4",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": [(b"host", b"example.org"), (b"x-y", b"1"), (b"x-y", b"2")],
        "client": CLIENT,
        "server": SERVER,
        "extensions": EXTENSIONS,
        "state": {},
    }


@pytest.mark.parametrize(
    ("method", "target", "path", "raw_path", "query"),
    [
        ("GET", "/", "/", b"/", b""),
        ("GET", "/?", "/", b"/", b""),
        ("GET", "/a?b?c", "/a", b"/a", b"b?c"),
        ("GET", "//a", "//a", b"//a", b""),
        ("GET", "/x://y", "/x://y", b"/x://y", b""),
        ("GET", "/%2F%3f", "//?", b"/%2F%3f", b""),
        ("GET", "/%ff%41%", "/\ufffdA%", b"/%ff%41%", b""),
        ("GET", "http://example.org", "/", b"/", b""),
        ("GET", "http://example.org/a%20?b=/", "/a ", b"/a%20", b"b=/"),
        ("GET", "http://example.org?b=/", "/", b"/", b"b=/"),
        ("OPTIONS", "*", "*", b"*", b""),
        ("CONNECT", "example.org:443", "example.org:443", b"example.org:443", b""),
    ],
)
def test_every_form_of_target(method, target, path, raw_path, query):
    assert split_target(target.encode()) == (raw_path, query)
    exchange = FakeExchange(target="/")
    exchange.request.method, exchange.request.target = method.encode(), target.encode()
    scope = scope_of(exchange)
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_the_path_includes_the_root_path():
    scope = scope_of(FakeExchange(target="/a"), root_path="/mount")
    assert (scope["path"], scope["root_path"], scope["raw_path"]) == ("/mount/a", "/mount", b"/a")


def test_a_target_that_is_no_path_has_no_root_path():
    assert scope_of(FakeExchange("OPTIONS", "*"), root_path="/mount")["path"] == "*"


def test_versions():
    assert scope_of(FakeExchange(http_version="1.0"))["http_version"] == "1.0"


def test_nothing_of_a_scope_is_shared_with_the_next():
    state = {"pool": object()}
    factory = ScopeFactory("", state)
    exchange = FakeExchange()
    first = factory.http(exchange.request, exchange.peer)
    first["state"]["mine"] = 1
    first["extensions"].clear()
    first["asgi"].clear()
    first["headers"].clear()
    second = factory.http(exchange.request, exchange.peer)
    assert second["state"] == {"pool": state["pool"]}
    assert second["state"]["pool"] is state["pool"]
    assert (second["extensions"], len(second["headers"])) == (EXTENSIONS, 1)
    assert second["asgi"]["version"] == "3.0"


def test_no_state_without_a_lifespan():
    assert "state" not in scope_of(FakeExchange())


@pytest.mark.parametrize("show", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_the_machines_states_are_offered_only_where_asked_for(show, known):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["extensions"].get("interlock.states"))
        await responder(body())(scope, receive, send)

    exchange = FakeExchange()
    if known:
        exchange.states = lambda: {"client": "DONE"}
    run(serve(app, exchange, context=ServerContext(root_path="/m"), show_states=show))
    assert (seen[0] is not None) == (show and known)


# -- TLS


def handshake(client_subject=None, version=ssl.TLSVersion.TLSv1_3):
    """Both ends of a TLS connection that is established, in memory."""
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    client_context.maximum_version = version
    if client_subject is not None:
        server_context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(server_context)
        authority.issue_cert("client@example.org", **client_subject).configure_cert(client_context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname="example.org")
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    return server


def test_the_tls_extension_without_a_client_certificate():
    server = handshake()
    scope = scope_of(FakeExchange(peer=PeerInfo("https", CLIENT, SERVER, server)))
    assert scope["scheme"] == "https"
    tls = scope["extensions"]["tls"]
    assert tls["cipher_suite"] in {0x1301, 0x1302, 0x1303}
    assert {**tls, "cipher_suite": 0} == {
        "server_cert": None,
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": 0,
    }


def test_the_tls_extension_with_a_client_certificate():
    subject = {"organization_name": ' #a, b+"c"\\ ', "organization_unit_name": "#unit", "common_name": "client"}
    server = handshake(subject, ssl.TLSVersion.TLSv1_2)
    tls = scope_of(FakeExchange(peer=PeerInfo("https", CLIENT, SERVER, server)))["extensions"]["tls"]
    assert tls["tls_version"] == 0x0303
    assert tls["cipher_suite"] >> 8 in {0x00, 0xC0, 0xCC}
    (certificate,) = tls["client_cert_chain"]
    assert ssl.PEM_cert_to_DER_cert(certificate) == server.getpeercert(binary_form=True)
    assert tls["client_cert_name"] == r"CN=client,OU=\#unit,O=\ #a\, b\+\"c\"\\\ "


def test_the_tls_extension_is_made_once_for_each_connection():
    factory = ScopeFactory("", None)
    exchange = FakeExchange(peer=PeerInfo("https", CLIENT, SERVER, handshake()))
    first, second = (factory.http(exchange.request, exchange.peer)["extensions"]["tls"] for _ in range(2))
    assert first is second
