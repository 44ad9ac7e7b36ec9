"""The opening handshake: RFC 6455 §4 and RFC 8441, and the opinions of the libraries websockets and wsproto."""

import base64

import pytest
import wsproto
import wsproto.events
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from interlock import h1
from interlock.http.errors import LocalProtocolError
from interlock.http.events import InformationalResponse, Request, Response
from interlock.ws.extensions import Extension
from interlock.ws.handshake import (
    Opening,
    accept_fields,
    accept_key,
    client_request,
    is_websocket,
    read_request,
    read_response,
    refusal_fields,
)

#: RFC 6455 §1.2, §1.3.
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
FIELDS = {
    b"Host": b"server.example.com",
    b"Upgrade": b"websocket",
    b"Connection": b"Upgrade",
    b"Sec-WebSocket-Key": KEY,
    b"Origin": b"http://example.com",
    b"Sec-WebSocket-Protocol": b"chat, superchat",
    b"Sec-WebSocket-Version": b"13",
}
ANSWER = {b"Upgrade": b"websocket", b"Connection": b"Upgrade", b"Sec-WebSocket-Accept": ACCEPT}

TCHAR = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SUBPROTOCOLS = st.lists(st.text(TCHAR, min_size=1, max_size=8), max_size=4, unique=True)


def fields_of(given: dict[bytes, bytes], changes: dict[str, bytes | list[bytes] | None]) -> list[tuple[bytes, bytes]]:
    """``given`` with ``changes``: another value, several fields, or None for no field."""
    values: dict[bytes, list[bytes]] = {name: [value] for name, value in given.items()}
    for name, change in changes.items():
        key = name.encode()
        values[key] = [] if change is None else change if isinstance(change, list) else [change]
    return [(name, value) for name, each in values.items() for value in each]


def request(method: bytes = b"GET", version: bytes = b"1.1", **changes: bytes | list[bytes] | None) -> Request:
    """The request of RFC 6455 §1.2, with ``changes``, whose names have _ for -."""
    fields = fields_of(FIELDS, {name.replace("_", "-"): value for name, value in changes.items()})
    return Request(method=method, target=b"/chat", headers=fields, http_version=version)


def extended_connect(
    *fields: tuple[bytes, bytes], version: bytes | None = b"13", protocol: bytes = b"websocket"
) -> Request:
    given = [(b"host", b"server.example.com"), *fields]
    if version is not None:
        given.append((b"sec-websocket-version", version))
    return Request(
        method=b"CONNECT",
        target=b"/chat",
        headers=given,
        http_version=b"2",
        scheme=b"https",
        protocol=protocol,
        stream_id=1,
    )


def refused(of: Request, status: int, match: str) -> None:
    with pytest.raises(LocalProtocolError, match=match) as caught:
        read_request(of)
    assert caught.value.error_status_hint == status


def on_the_wire(of: Request | InformationalResponse) -> bytes:
    if isinstance(of, Request):
        return b"%b %b HTTP/1.1\r\n%b" % (of.method, of.target, of.headers.wire)
    return b"HTTP/1.1 %d %b\r\n%b" % (of.status_code, of.reason, of.headers.wire)


# -- keys


def test_the_rfcs_key() -> None:
    assert accept_key(KEY) == ACCEPT  # RFC 6455 §1.3


def test_a_new_key_each_time() -> None:
    keys = [client_request(b"a", b"/").headers.get(b"sec-websocket-key") or b"" for _ in range(20)]
    assert len(set(keys)) == 20
    assert all(len(base64.b64decode(key, validate=True)) == 16 for key in keys)


def test_a_key_stays_in_no_cache() -> None:
    """No other message has the same, so it would only drive out what others have."""
    made = client_request(b"a", b"/", key=KEY)
    assert not made.headers.shared
    response = accept_fields(read_request(made))
    assert not response.headers.shared


# -- what a client sends


def test_the_request_of_a_client() -> None:
    made = client_request(
        b"server.example.com",
        b"/chat?x=1",
        key=KEY,
        subprotocols=["chat", b"superchat"],
        extensions=b"permessage-deflate",
        origin=b"http://example.com",
        headers=[("Cookie", "a=1"), (b"User-Agent", b"x")],
    )
    assert made == Request(
        method=b"GET",
        target=b"/chat?x=1",
        headers=[
            (b"Host", b"server.example.com"),
            (b"Upgrade", b"websocket"),
            (b"Connection", b"Upgrade"),
            (b"Sec-WebSocket-Key", KEY),
            (b"Sec-WebSocket-Version", b"13"),
            (b"Sec-WebSocket-Protocol", b"chat, superchat"),
            (b"Sec-WebSocket-Extensions", b"permessage-deflate"),
            (b"Origin", b"http://example.com"),
            (b"Cookie", b"a=1"),
            (b"User-Agent", b"x"),
        ],
    )
    assert b"\r\nSec-WebSocket-Key: " in made.headers.wire
    assert b"\r\nUser-Agent: x\r\n" in made.headers.wire


def test_the_request_of_a_client_over_http2() -> None:
    made = client_request(b"server.example.com", b"/chat", subprotocols=["chat"], http2=True, stream_id=3)
    assert made == Request(
        method=b"CONNECT",
        target=b"/chat",
        headers=[
            (b"Host", b"server.example.com"),
            (b"Sec-WebSocket-Version", b"13"),
            (b"Sec-WebSocket-Protocol", b"chat"),
        ],
        http_version=b"2",
        scheme=b"https",
        protocol=b"websocket",
        stream_id=3,
    )
    assert client_request(b"a", b"/", http2=True, scheme=b"http").scheme == b"http"


RESERVED = [
    b"Host",
    b"Upgrade",
    b"connection",
    b"Sec-WebSocket-Key",
    b"sec-websocket-accept",
    b"Sec-WebSocket-Version",
    b"Sec-WebSocket-Protocol",
    b"Sec-WebSocket-Extensions",
    b"Sec-WebSocket-Other",
    b"Content-Length",
    b"Transfer-Encoding",
]


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("http2", [False, True])
def test_what_the_handshake_says_nobody_else_may(name: bytes, http2: bool) -> None:
    value = {b"Content-Length": b"0", b"Transfer-Encoding": b"chunked"}.get(name, b"a")
    with pytest.raises(LocalProtocolError, match="for the handshake"):
        client_request(b"a", b"/", headers=[(name, value)], http2=http2)
    opening = read_request(client_request(b"a", b"/", http2=http2))
    with pytest.raises(LocalProtocolError, match="for the handshake"):
        accept_fields(opening, headers=[(name, value)])


def test_an_origin_among_the_further_fields() -> None:
    assert client_request(b"a", b"/", headers=[(b"Origin", b"http://a")]).headers.get(b"origin") == b"http://a"
    with pytest.raises(LocalProtocolError, match="twice"):
        client_request(b"a", b"/", origin=b"http://a", headers=[(b"Origin", b"http://a")])


@pytest.mark.parametrize(
    "key", [b"a", KEY[:-1], KEY + b"=", KEY.replace(b"Q==", b"R=="), base64.b64encode(bytes(15)), b" " + KEY]
)
def test_a_client_gives_no_bad_key(key: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="base64 of 16 octets"):
        client_request(b"a", b"/", key=key)


@pytest.mark.parametrize("subprotocols", [["a b"], [""], ["a,b"], ["a", b"a"], ["\xe9"], ["a\r\nb: c"]])
def test_a_client_offers_no_bad_subprotocol(subprotocols: list[str | bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        client_request(b"a", b"/", subprotocols=subprotocols)


def test_one_subprotocol_is_no_sequence_of_them() -> None:
    with pytest.raises(TypeError, match="sequence"):
        client_request(b"a", b"/", subprotocols="chat")


@pytest.mark.parametrize(
    ("host", "target", "extensions", "origin"),
    [
        (b"a/b", b"/", b"", b""),
        (b"a", b"chat", b"", b""),
        (b"a", b"/a b", b"", b""),
        (b"a", b"/#a", b"", b""),
        (b"a", b"/", b"a;", b""),
        (b"a", b"/", b"a\r\nb: c", b""),
        (b"a", b"/", b"", b"a\r\nb: c"),
    ],
)
@pytest.mark.parametrize("http2", [False, True])
def test_a_client_sends_nothing_malformed(
    host: bytes, target: bytes, extensions: bytes, origin: bytes, http2: bool
) -> None:
    with pytest.raises(LocalProtocolError):
        client_request(host, target, extensions=extensions, origin=origin, http2=http2)


# -- what asks for a WebSocket


def test_what_asks_for_a_websocket() -> None:
    assert is_websocket(request())
    assert is_websocket(request(Upgrade=[b"h2c", b"WebSocket"]))
    assert is_websocket(request(Sec_WebSocket_Key=None, Sec_WebSocket_Version=None, Connection=None))
    assert is_websocket(extended_connect())
    assert is_websocket(extended_connect(version=None))


@pytest.mark.parametrize(
    "of",
    [
        request(Upgrade=None),
        request(Upgrade=b"h2c"),
        request(Upgrade=b"websocket/13"),
        request(Upgrade=b"web socket"),
        request(b"POST"),
        request(version=b"1.0"),
        extended_connect(protocol=b"connect-udp"),
        Request(method=b"GET", target=b"/", headers=[(b"host", b"a")], http_version=b"2", scheme=b"https"),
    ],
)
def test_what_does_not(of: Request) -> None:
    assert not is_websocket(of)
    with pytest.raises(LocalProtocolError):
        read_request(of)


# -- what a server reads


def test_the_rfcs_request() -> None:
    of = request()
    opening = read_request(of)
    assert opening.request is of
    assert opening.key == KEY
    assert opening.subprotocols == ["chat", "superchat"]
    assert opening.extensions == []
    assert opening.origin == b"http://example.com"
    assert not opening.http2
    assert repr(opening).startswith("Opening(request=Request(method=b'GET'")


def test_a_request_over_http2() -> None:
    """RFC 8441 §5: neither key nor accept, and what a client says of a key is not looked at."""
    fields = [(b"sec-websocket-protocol", b"chat"), (b"origin", b"https://a"), (b"sec-websocket-extensions", b"x;y")]
    for further in ([], [(b"sec-websocket-key", b"x")]):
        opening = read_request(extended_connect(*fields, *further))
        assert opening.http2
        assert opening.key == b""
        assert opening.subprotocols == ["chat"]
        assert opening.origin == b"https://a"
        assert opening.extensions == [Extension(b"x", [(b"y", None)])]


def test_a_request_in_other_words() -> None:
    opening = read_request(
        request(
            Upgrade=[b"h2c , WebSocket", b"x/1"],
            Connection=[b"keep-alive", b"x,UPGRADE"],
            Sec_WebSocket_Protocol=[b"chat,, super", b"b"],
            Sec_WebSocket_Extensions=[b"x;y", b"z"],
            Origin=None,
            Content_Length=b"0",
        )
    )
    assert opening.subprotocols == ["chat", "super", "b"]
    assert opening.extensions == [Extension(b"x", [(b"y", None)]), Extension(b"z", [])]
    assert opening.origin is None
    assert read_request(request(Sec_WebSocket_Protocol=None)).subprotocols == []


@pytest.mark.parametrize(
    ("of", "status", "match"),
    [
        (request(b"POST"), 405, r"not GET \(RFC 6455 §4\.2\.1"),
        (request(b"HEAD"), 405, r"not GET \(RFC 6455 §4\.2\.1"),
        (request(version=b"1.0"), 400, r"HTTP/1\.1 \(RFC 6455 §4\.2\.1"),
        (request(Upgrade=None), 400, "Upgrade does not say websocket"),
        (request(Upgrade=b"h2c"), 400, "Upgrade does not say websocket"),
        (request(Upgrade=b"xwebsocket"), 400, "Upgrade does not say websocket"),
        (request(Connection=None), 400, "Connection does not say Upgrade"),
        (request(Connection=b"keep-alive"), 400, "Connection does not say Upgrade"),
        (request(Connection=b"upgraded"), 400, "Connection does not say Upgrade"),
        (request(Content_Length=b"1"), 400, "no content"),
        (request(Transfer_Encoding=b"chunked"), 400, "no content"),
        (request(Sec_WebSocket_Version=None), 426, "not there, not 13"),
        (request(Sec_WebSocket_Version=b"8"), 426, "b'8', not 13"),
        (request(Sec_WebSocket_Version=b"013"), 426, "not 13"),
        (request(Sec_WebSocket_Version=b"13, 8"), 426, "not 13"),
        (request(Sec_WebSocket_Version=[b"13", b"13"]), 426, "not 13"),
        (request(Sec_WebSocket_Key=None), 400, "not there is not the base64"),
        (request(Sec_WebSocket_Key=[KEY, KEY]), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=b""), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=base64.b64encode(bytes(15))), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=base64.b64encode(bytes(17))), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=KEY[:-2]), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=KEY[:-1]), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=KEY + b"="), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=KEY[:4] + b" " + KEY[4:]), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=KEY[:4] + b"\xff" + KEY[4:]), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Key=b"-" + KEY[1:]), 400, "base64 of 16 octets"),
        # bits behind the nonce that are not zero (RFC 4648 §3.5)
        (request(Sec_WebSocket_Key=KEY[:-3] + b"R=="), 400, "base64 of 16 octets"),
        (request(Sec_WebSocket_Protocol=b""), 400, "without a subprotocol"),
        (request(Sec_WebSocket_Protocol=b", ,"), 400, "without a subprotocol"),
        (request(Sec_WebSocket_Protocol=b"a b"), 400, "not a token"),
        (request(Sec_WebSocket_Protocol=b"a;b"), 400, "not a token"),
        (request(Sec_WebSocket_Protocol=b"\xe9"), 400, "not a token"),
        (request(Sec_WebSocket_Protocol=[b"a", b"b, a"]), 400, "twice"),
        (request(Sec_WebSocket_Extensions=b"a;"), 400, r"RFC 6455 §9\.1"),
        (request(Sec_WebSocket_Extensions=b""), 400, r"RFC 6455 §9\.1"),
        (request(Origin=[b"http://a", b"http://b"]), 400, "more than one Origin"),
        # over HTTP/2
        (extended_connect((b"content-length", b"0")), 400, r"RFC 9110 §9\.3\.6"),
        (extended_connect((b"content-length", b"5")), 400, r"RFC 9110 §9\.3\.6"),
        (extended_connect(protocol=b"WebSocket"), 400, r"RFC 8441 §5"),
        (extended_connect(protocol=b"connect-udp"), 400, r"connect-udp.*RFC 8441 §5"),
        (extended_connect(version=None), 400, "not there, not 13"),
        (extended_connect(version=b"8"), 400, "b'8', not 13"),
        (extended_connect((b"sec-websocket-protocol", b"a,a")), 400, "twice"),
        (extended_connect((b"sec-websocket-extensions", b"a=1")), 400, r"RFC 6455 §9\.1"),
        (
            Request(
                method=b"GET",
                target=b"/",
                headers=[*FIELDS.items()][:1],
                http_version=b"2",
                scheme=b"https",
                protocol=b"websocket",
            ),
            400,
            r"RFC 8441 §5",
        ),
    ],
)
def test_what_a_server_refuses(of: Request, status: int, match: str) -> None:
    refused(of, status, match)


def test_the_fields_of_a_refusal() -> None:
    assert refusal_fields(426) == [
        (b"Upgrade", b"websocket"),  # RFC 9110 §15.5.22
        (b"Connection", b"Upgrade"),  # RFC 9110 §7.8
        (b"Sec-WebSocket-Version", b"13"),  # RFC 6455 §4.2.2
    ]
    assert refusal_fields(405) == [(b"Allow", b"GET")]
    assert refusal_fields(400) == refusal_fields(403) == []
    assert refusal_fields(400, http2=True) == [(b"Sec-WebSocket-Version", b"13")]
    assert refusal_fields(403, http2=True) == []


# -- what a server sends


def test_the_rfcs_response() -> None:
    response = accept_fields(read_request(request()), subprotocol="chat")
    assert response == InformationalResponse(
        status_code=101,
        headers=[*ANSWER.items(), (b"Sec-WebSocket-Protocol", b"chat")],
        reason=b"Switching Protocols",
    )


def test_a_response_with_all_that_there_can_be() -> None:
    opening = read_request(request(Sec_WebSocket_Extensions=b"x, permessage-deflate"))
    response = accept_fields(
        opening, subprotocol="superchat", extensions=b"permessage-deflate", headers=[("Set-Cookie", "a=1")]
    )
    assert response.headers[3:] == [
        (b"sec-websocket-protocol", b"superchat"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
        (b"set-cookie", b"a=1"),
    ]


def test_a_response_over_http2() -> None:
    opening = read_request(extended_connect((b"sec-websocket-protocol", b"chat")))
    response = accept_fields(opening, subprotocol="chat", headers=[(b"server", b"x")])
    assert response == Response(
        status_code=200,
        headers=[(b"Sec-WebSocket-Protocol", b"chat"), (b"server", b"x")],
        http_version=b"2",
        stream_id=1,
    )


def test_a_server_accepts_only_what_is_offered() -> None:
    opening = read_request(request(Sec_WebSocket_Extensions=b"x"))
    for subprotocol in ("Chat", "other", "", "chat, superchat"):
        with pytest.raises(LocalProtocolError, match=r"not one that the client offers: chat, superchat"):
            accept_fields(opening, subprotocol=subprotocol)
    with pytest.raises(LocalProtocolError, match="it offers none"):
        accept_fields(read_request(request(Sec_WebSocket_Protocol=None)), subprotocol="chat")
    for extensions in (b"y", b"x, y"):
        with pytest.raises(LocalProtocolError, match=r"b'y' is not offered \(RFC 6455 §9\.1"):
            accept_fields(opening, extensions=extensions)
    with pytest.raises(LocalProtocolError, match="malformed"):
        accept_fields(opening, extensions=b"x;")
    with pytest.raises(LocalProtocolError):
        accept_fields(opening, headers=[(b"a", b"b\r\nc: d")])


# -- what a client reads


def answered(
    status: int = 101, version: bytes = b"1.1", **changes: bytes | list[bytes] | None
) -> InformationalResponse | Response:
    fields = fields_of(ANSWER, {name.replace("_", "-"): value for name, value in changes.items()})
    if status < 200:
        return InformationalResponse(status_code=status, headers=fields, http_version=version)
    return Response(status_code=status, headers=fields)


def test_what_a_client_accepts() -> None:
    of = request()
    assert read_response(of, answered(), []) == (None, [])
    response = answered(
        Upgrade=b"WebSocket",
        Connection=[b"x", b"keep-alive, upgrade"],
        Sec_WebSocket_Protocol=b"superchat",
        Sec_WebSocket_Extensions=[b"x", b"y;z=1"],
    )
    expected = [Extension(b"x", []), Extension(b"y", [(b"z", b"1")])]
    assert read_response(of, response, ["chat", b"superchat"]) == ("superchat", expected)


@pytest.mark.parametrize(
    ("response", "match"),
    [
        (answered(100), "status 100"),
        (answered(200), "status 200"),
        (answered(version=b"1.0"), "needs HTTP/1.1"),
        (answered(Upgrade=None), "Upgrade is not there"),
        (answered(Upgrade=b"h2c"), "not websocket"),
        (answered(Upgrade=b"websocket, h2c"), "not websocket"),
        (answered(Upgrade=[b"websocket", b"websocket"]), "not websocket"),
        (answered(Connection=None), "Connection does not say Upgrade"),
        (answered(Connection=b"close"), "Connection does not say Upgrade"),
        (answered(Sec_WebSocket_Accept=None), "not the key's"),
        (answered(Sec_WebSocket_Accept=ACCEPT.lower()), "not the key's"),
        (answered(Sec_WebSocket_Accept=KEY), "not the key's"),
        (answered(Sec_WebSocket_Accept=[ACCEPT, ACCEPT]), "not the key's"),
        (answered(Sec_WebSocket_Protocol=b"other"), "not one that was offered"),
        (answered(Sec_WebSocket_Protocol=b"CHAT"), "not one that was offered"),
        (answered(Sec_WebSocket_Protocol=b""), "not one that was offered"),
        (answered(Sec_WebSocket_Protocol=b"chat, superchat"), "not one that was offered"),
        (answered(Sec_WebSocket_Protocol=[b"chat", b"superchat"]), "not one that was offered"),
        (answered(Sec_WebSocket_Protocol=[b"chat", b"chat"]), "not one that was offered"),
        (answered(Sec_WebSocket_Protocol=b"\xff"), "not one that was offered"),
        (answered(Sec_WebSocket_Extensions=b"a b"), r"RFC 6455 §9\.1"),
    ],
)
def test_what_a_client_refuses(response: InformationalResponse | Response, match: str) -> None:
    with pytest.raises(LocalProtocolError, match=match):
        read_response(request(), response, ["chat", "superchat"])


def test_what_a_client_accepts_over_http2() -> None:
    of = client_request(b"a", b"/", http2=True, subprotocols=["chat"])
    for status in (200, 201, 299):
        fields = [(b"sec-websocket-protocol", b"chat"), (b"sec-websocket-extensions", b"x")]
        response = Response(status_code=status, headers=fields, http_version=b"2")
        assert read_response(of, response, ["chat"]) == ("chat", [Extension(b"x", [])])
    for status in (300, 400):
        with pytest.raises(LocalProtocolError, match=r"opens no WebSocket \(RFC 8441 §5"):
            read_response(of, Response(status_code=status, http_version=b"2"), ["chat"])
    with pytest.raises(LocalProtocolError, match="not one that was offered"):
        read_response(of, Response(status_code=200, headers=fields, http_version=b"2"), [])


@given(SUBPROTOCOLS, st.booleans(), st.data())
def test_what_one_end_sends_the_other_reads(subprotocols: list[str], http2: bool, data: st.DataObject) -> None:
    of = client_request(b"a", b"/", subprotocols=subprotocols, extensions=b"x; y=1, z", http2=http2)
    assert is_websocket(of)
    opening = read_request(of)
    assert opening.subprotocols == subprotocols
    assert opening.extensions == [Extension(b"x", [(b"y", b"1")]), Extension(b"z", [])]
    chosen = data.draw(st.sampled_from([None, *subprotocols]))
    response = accept_fields(opening, subprotocol=chosen, extensions=b"z")
    assert read_response(of, response, subprotocols) == (chosen, [Extension(b"z", [])])


# -- second opinions, over octets


def received_request(octets: bytes) -> Request:
    connection = h1.Connection(h1.SERVER)
    connection.receive_data(octets)
    event = connection.next_event()
    assert isinstance(event, Request)
    return event


def received_response(octets: bytes, of: Request) -> InformationalResponse:
    connection = h1.Connection(h1.CLIENT)
    connection.send(of)
    connection.send(h1.EndOfMessage())
    connection.receive_data(octets)
    event = connection.next_event()
    assert isinstance(event, InformationalResponse)
    return event


def test_a_server_of_websockets_accepts_our_request() -> None:
    server = ServerProtocol(subprotocols=["superchat"])
    of = client_request(b"server.example.com", b"/chat", subprotocols=["chat", "superchat"], origin=b"http://a")
    server.receive_data(on_the_wire(of))
    (theirs,) = server.events_received()
    server.send_response(server.accept(theirs))
    response = received_response(b"".join(server.data_to_send()), of)
    assert read_response(of, response, ["chat", "superchat"]) == ("superchat", [])


def test_a_client_of_websockets_accepts_our_response() -> None:
    client = ClientProtocol(parse_uri("ws://server.example.com/chat"), subprotocols=["chat", "superchat"])
    client.send_request(client.connect())
    opening = read_request(received_request(b"".join(client.data_to_send())))
    assert opening.subprotocols == ["chat", "superchat"]
    response = accept_fields(opening, subprotocol="superchat")
    assert isinstance(response, InformationalResponse)
    client.receive_data(on_the_wire(response))
    assert client.handshake_exc is None
    assert client.subprotocol == "superchat"


def test_a_server_of_wsproto_accepts_our_request() -> None:
    server = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    of = client_request(b"server.example.com", b"/chat", subprotocols=["chat"], extensions=b"x; y=1")
    server.receive_data(on_the_wire(of))
    (theirs,) = server.events()
    assert isinstance(theirs, wsproto.events.Request)
    assert theirs.subprotocols == ["chat"]
    assert theirs.extensions == ["x; y=1"]
    response = received_response(server.send(wsproto.events.AcceptConnection(subprotocol="chat")), of)
    assert read_response(of, response, ["chat"]) == ("chat", [])


def test_a_client_of_wsproto_accepts_our_response() -> None:
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    octets = client.send(wsproto.events.Request(host="server.example.com", target="/chat", subprotocols=["chat"]))
    response = accept_fields(read_request(received_request(octets)), subprotocol="chat")
    assert isinstance(response, InformationalResponse)
    client.receive_data(on_the_wire(response))
    (theirs,) = client.events()
    assert isinstance(theirs, wsproto.events.AcceptConnection)
    assert theirs.subprotocol == "chat"


#: Fields that change a request, which both may take or refuse.
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "Connection": st.sampled_from([b"upgrade", b"x, Upgrade", b"close", [b"x", b"upgrade"], None]),
        "Upgrade": st.sampled_from([b"WebSocket", b"h2c", None]),
        "Sec_WebSocket_Version": st.sampled_from([b"12", b"13 ,", None]),
        "Sec_WebSocket_Key": st.sampled_from([KEY[:-1], KEY[:8], b"", [KEY, KEY], None]),
        "Sec_WebSocket_Protocol": st.sampled_from([b"a,b", b"a b", [b"a", b"b"], None]),
        "Sec_WebSocket_Extensions": st.sampled_from([b"a", b"a;", b'a;b="1"', b"a=1", None]),
    },
)


@given(CHANGES)
def test_websockets_takes_and_refuses_the_same_requests(changes: dict[str, bytes | list[bytes] | None]) -> None:
    # With extensions and subprotocols to choose from it looks at what is offered.
    server = ServerProtocol(subprotocols=["b"], extensions=[], select_subprotocol=lambda self, offered: None)
    server.available_extensions = [Unwilling()]
    of = request(**changes)
    server.receive_data(on_the_wire(of))
    (theirs,) = server.events_received()
    accepted = server.accept(theirs).status_code == 101
    try:
        opening: Opening | None = read_request(of)
    except LocalProtocolError:
        opening = None
    assert (opening is not None) == accepted


class Unwilling:
    """An extension of websockets that is never accepted."""

    name = "unwilling"
