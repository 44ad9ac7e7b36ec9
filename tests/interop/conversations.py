"""What h11 documents, as a table of conversations: who we are, and then, step by step, what happens and what is to be seen.

A step is a function of an engine (a module with h11's interface) and of a connection that it made.
"""

import pytest


def receives(octets):
    """Octets come from the peer; b"" is its close."""
    return lambda engine, connection: connection.receive_data(octets)


def event(name, **fields):
    """The next event is this one, with these attributes."""

    def step(engine, connection):
        found = connection.next_event()
        assert type(found) is getattr(engine, name), found
        for field, value in fields.items():
            actual = getattr(found, field)
            assert (list(actual) if field == "headers" else bytes(actual) if field == "data" else actual) == value

    return step


def pending(name):
    """There is no next event, but this constant."""

    def step(engine, connection):
        assert connection.next_event() is getattr(engine, name)

    return step


def breaks(hint=400):
    """The next event cannot be had, for what the peer did, and so it remains."""

    def step(engine, connection):
        for _ in range(2):
            with pytest.raises(engine.RemoteProtocolError) as raised:
                connection.next_event()
            assert isinstance(raised.value, engine.ProtocolError)
            assert connection.their_state is engine.ERROR
            hint_first = getattr(raised.value, "error_status_hint", None)
            assert hint_first in (hint, 400)

    return step


def written(octets):
    """Octets of a head, in a form in which order and case of the fields do not matter."""
    head, end, content = octets.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, sorted(line.lower() for line in lines), end, content


def sends(name, octets, **fields):
    """This event can be sent, as these octets."""

    def step(engine, connection):
        sent = connection.send(getattr(engine, name)(**fields))
        if isinstance(octets, bytes) and octets.startswith((b"HTTP/", b"GET ", b"POST ", b"HEAD ", b"CONNECT ")):
            assert written(sent) == written(octets)
        else:
            assert sent == octets

    return step


def refuses(name, **fields):
    """This event cannot be sent now; after that nothing can."""

    def step(engine, connection):
        for _ in range(2):
            with pytest.raises(engine.LocalProtocolError):
                connection.send(getattr(engine, name)(**fields))
            assert connection.our_state is engine.ERROR

    return step


def states(our, their):
    """The states of both ends."""

    def step(engine, connection):
        assert (connection.our_state, connection.their_state) == (getattr(engine, our), getattr(engine, their))
        assert connection.states == {connection.our_role: connection.our_state,
                                     connection.their_role: connection.their_state}  # fmt: skip

    return step


def has(**attributes):
    """The connection has these attributes."""

    def step(engine, connection):
        for name, value in attributes.items():
            assert getattr(connection, name) == value, name

    return step


def next_cycle(engine, connection):
    """The connection can be used again."""
    connection.start_next_cycle()
    assert connection.our_state is connection.their_state is engine.IDLE


def no_next_cycle(engine, connection):
    """The connection cannot be used again, and to try does no harm."""
    before = connection.states
    with pytest.raises(engine.LocalProtocolError):
        connection.start_next_cycle()
    assert connection.states == before


def failed(engine, connection):
    """What was to be sent could not be."""
    connection.send_failed()


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD_GET = b"GET / HTTP/1.0\r\n\r\n"
HOST = [("Host", "a")]
GET_EVENT = {"method": "GET", "target": "/", "headers": HOST}
LENGTH_5 = [("Content-Length", "5")]
OK = {"status_code": 200, "reason": b"OK"}
OK_5 = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

#: What it is about: the role, and what happens.
CONVERSATIONS = {
    "a server's cycle, and the next": (
        "SERVER",
        [
            states("IDLE", "IDLE"),
            has(their_http_version=None),
            pending("NEED_DATA"),
            receives(GET[:10]),
            pending("NEED_DATA"),
            receives(GET[10:]),
            event("Request", method=b"GET", target=b"/", headers=[(b"host", b"a")], http_version=b"1.1"),
            has(their_http_version=b"1.1"),
            states("SEND_RESPONSE", "SEND_BODY"),
            event("EndOfMessage", headers=[]),
            states("SEND_RESPONSE", "DONE"),
            pending("NEED_DATA"),
            no_next_cycle,
            sends("InformationalResponse", b"HTTP/1.1 103 \r\n\r\n", status_code=103, headers=[]),
            states("SEND_RESPONSE", "DONE"),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            states("SEND_BODY", "DONE"),
            sends("Data", b"he", data=b"he"),
            sends("Data", b"", data=b""),
            sends("Data", b"llo", data=b"llo"),
            sends("EndOfMessage", b""),
            states("DONE", "DONE"),
            next_cycle,
            has(their_http_version=b"1.1"),
            receives(GET),
            event("Request"),
        ],
    ),
    "a client's cycle, and the next": (
        "CLIENT",
        [
            sends("Request", GET, **GET_EVENT),
            states("SEND_BODY", "SEND_RESPONSE"),
            sends("EndOfMessage", b""),
            states("DONE", "SEND_RESPONSE"),
            pending("NEED_DATA"),
            receives(b"HTTP/1.1 100 Continue\r\n\r\n" + OK_5 + b"hello"),
            event("InformationalResponse", status_code=100, reason=b"Continue"),
            event("Response", status_code=200, reason=b"OK", headers=[(b"content-length", b"5")]),
            event("Data", data=b"hello"),
            event("EndOfMessage"),
            states("DONE", "DONE"),
            next_cycle,
            sends("Request", GET, **GET_EVENT),
        ],
    ),
    "a chunked request with trailers": (
        "SERVER",
        [
            receives(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n"),
            event("Request", method=b"POST"),
            event("Data", data=b"abc", chunk_start=True, chunk_end=True),
            pending("NEED_DATA"),
            receives(b"4\r\nde"),
            event("Data", data=b"de", chunk_start=True, chunk_end=False),
            receives(b"fg\r\n0\r\nX-Sum: 1\r\n\r\n"),
            event("Data", data=b"fg", chunk_start=False, chunk_end=True),
            event("EndOfMessage", headers=[(b"x-sum", b"1")]),
        ],
    ),
    "chunks and trailers are written": (
        "CLIENT",
        [
            sends(
                "Request",
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                method="POST",
                target="/",
                headers=[*HOST, ("Transfer-Encoding", "chunked")],
            ),
            sends("Data", b"5\r\nhello\r\n", data=b"hello"),
            sends("Data", b"", data=b""),
            sends("EndOfMessage", b"0\r\nX-Sum: 1\r\n\r\n", headers=[("X-Sum", "1")]),
        ],
    ),
    "a response without framing is chunked": (
        "SERVER",
        [
            receives(GET),
            event("Request"),
            event("EndOfMessage"),
            sends("Response", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", **OK, headers=[]),
            sends("Data", b"2\r\nhi\r\n", data=b"hi"),
            sends("EndOfMessage", b"0\r\n\r\n"),
            states("DONE", "DONE"),
        ],
    ),
    "for HTTP/1.0 it ends by close": (
        "SERVER",
        [
            receives(OLD_GET),
            event("Request", http_version=b"1.0"),
            event("EndOfMessage"),
            states("SEND_RESPONSE", "MUST_CLOSE"),
            sends(
                "Response",
                b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
                **OK,
                headers=[("Transfer-Encoding", "chunked")],
            ),
            sends("Data", b"hi", data=b"hi"),
            sends("EndOfMessage", b""),
            states("MUST_CLOSE", "MUST_CLOSE"),
            no_next_cycle,
            sends("ConnectionClosed", None),
            states("CLOSED", "MUST_CLOSE"),
        ],
    ),
    "HTTP/1.0 has no keep-alive, whatever it says": (
        "SERVER",
        [
            receives(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            event("Request"),
            event("EndOfMessage"),
            sends("Response", OK_5[:-2] + b"Connection: close\r\n\r\n", **OK, headers=LENGTH_5),
        ],
    ),
    "Connection: close is added where the client asked for it": (
        "SERVER",
        [
            receives(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            event("Request"),
            event("EndOfMessage"),
            states("SEND_RESPONSE", "MUST_CLOSE"),
            sends("Response", OK_5[:-2] + b"Connection: close\r\n\r\n", **OK, headers=LENGTH_5),
            sends("Data", b"hello", data=b"hello"),
            sends("EndOfMessage", b""),
            states("MUST_CLOSE", "MUST_CLOSE"),
        ],
    ),
    "Connection: close is not added twice": (
        "SERVER",
        [
            receives(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
            event("Request"),
            event("EndOfMessage"),
            sends(
                "Response",
                OK_5[:-2] + b"Connection: close\r\n\r\n",
                **OK,
                headers=[*LENGTH_5, ("Connection", "close")],
            ),
        ],
    ),
    "a server that says close has to": (
        "SERVER",
        [
            receives(GET),
            event("Request"),
            event("EndOfMessage"),
            sends(
                "Response", OK_5[:-2] + b"Connection: close\r\n\r\n", **OK, headers=[*LENGTH_5, ("Connection", "close")]
            ),
            states("SEND_BODY", "MUST_CLOSE"),
        ],
    ),
    "HEAD has the fields of GET and no content": (
        "SERVER",
        [
            receives(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
            event("Request", method=b"HEAD"),
            event("EndOfMessage"),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            sends("EndOfMessage", b""),
            next_cycle,
            receives(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
            event("Request"),
            event("EndOfMessage"),
            sends("Response", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", **OK, headers=[]),
            sends("EndOfMessage", b""),
            states("DONE", "DONE"),
        ],
    ),
    "a client expects no content after HEAD": (
        "CLIENT",
        [
            sends("Request", GET.replace(b"GET", b"HEAD"), **GET_EVENT | {"method": "HEAD"}),
            sends("EndOfMessage", b""),
            receives(OK_5),
            event("Response"),
            event("EndOfMessage"),
            states("DONE", "DONE"),
        ],
    ),
    "304 has no content, whatever its length": (
        "CLIENT",
        [
            sends("Request", GET, **GET_EVENT),
            sends("EndOfMessage", b""),
            receives(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
            event("Response", status_code=304),
            event("EndOfMessage"),
            states("DONE", "DONE"),
        ],
    ),
    "a response that ends by close": (
        "CLIENT",
        [
            sends("Request", GET, **GET_EVENT),
            sends("EndOfMessage", b""),
            receives(b"HTTP/1.1 200 OK\r\n\r\nhel"),
            event("Response"),
            event("Data", data=b"hel"),
            pending("NEED_DATA"),
            receives(b""),
            event("EndOfMessage"),
            event("ConnectionClosed"),
            states("MUST_CLOSE", "CLOSED"),
        ],
    ),
    "a pipelined request is held back": (
        "SERVER",
        [
            receives(GET + GET.replace(b"/ ", b"/2 ")),
            event("Request", target=b"/"),
            event("EndOfMessage"),
            pending("PAUSED"),
            pending("PAUSED"),
            has(trailing_data=(GET.replace(b"/ ", b"/2 "), False)),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            sends("Data", b"hello", data=b"hello"),
            sends("EndOfMessage", b""),
            pending("PAUSED"),
            next_cycle,
            event("Request", target=b"/2"),
        ],
    ),
    "the client closes behind its request": (
        "SERVER",
        [
            receives(GET),
            receives(b""),
            event("Request"),
            event("EndOfMessage"),
            event("ConnectionClosed"),
            event("ConnectionClosed"),
            states("SEND_RESPONSE", "CLOSED"),
            has(trailing_data=(b"", True)),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            sends("Data", b"hello", data=b"hello"),
            sends("EndOfMessage", b""),
            states("MUST_CLOSE", "CLOSED"),
        ],
    ),
    "nothing but a close": ("SERVER", [receives(b""), event("ConnectionClosed"), states("MUST_CLOSE", "CLOSED")]),
    "a close in the middle of a head": ("SERVER", [receives(b"GET /"), receives(b""), breaks()]),
    "a close in the middle of content": (
        "CLIENT",
        [
            sends("Request", GET, **GET_EVENT),
            sends("EndOfMessage", b""),
            receives(OK_5 + b"he"),
            receives(b""),
            event("Response"),
            event("Data", data=b"he"),
            breaks(),
        ],
    ),
    "100-continue, asked for and given": (
        "SERVER",
        [
            receives(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n"),
            has(they_are_waiting_for_100_continue=False),
            event("Request"),
            has(client_is_waiting_for_100_continue=True, they_are_waiting_for_100_continue=True),
            pending("NEED_DATA"),
            sends("InformationalResponse", b"HTTP/1.1 100 \r\n\r\n", status_code=100, headers=[]),
            has(client_is_waiting_for_100_continue=False, they_are_waiting_for_100_continue=False),
            receives(b"hello"),
            event("Data", data=b"hello"),
            event("EndOfMessage"),
        ],
    ),
    "100-continue, and the client does not wait": (
        "SERVER",
        [
            receives(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhe"),
            event("Request"),
            has(they_are_waiting_for_100_continue=True),
            event("Data", data=b"he"),
            has(they_are_waiting_for_100_continue=False),
        ],
    ),
    "100-continue, and a final response": (
        "SERVER",
        [
            receives(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"),
            event("Request"),
            sends(
                "Response",
                b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
                status_code=403,
                reason=b"No",
                headers=[("Content-Length", "0")],
            ),
            has(they_are_waiting_for_100_continue=False),
        ],
    ),
    "100-continue, from the client's side": (
        "CLIENT",
        [
            sends(
                "Request",
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
                method="POST",
                target="/",
                headers=[*HOST, *LENGTH_5, ("Expect", "100-continue")],
            ),
            has(client_is_waiting_for_100_continue=True, they_are_waiting_for_100_continue=False),
            receives(b"HTTP/1.1 100 Continue\r\n\r\n"),
            event("InformationalResponse"),
            has(client_is_waiting_for_100_continue=False),
            sends("Data", b"hello", data=b"hello"),
        ],
    ),
    "an upgrade that is accepted": (
        "SERVER",
        [
            receives(GET[:-2] + b"Connection: upgrade\r\nUpgrade: echo\r\n\r\nnot HTTP"),
            event("Request"),
            event("EndOfMessage"),
            states("SEND_RESPONSE", "MIGHT_SWITCH_PROTOCOL"),
            pending("PAUSED"),
            sends(
                "InformationalResponse",
                b"HTTP/1.1 101 \r\nUpgrade: echo\r\n\r\n",
                status_code=101,
                headers=[("Upgrade", "echo")],
            ),
            states("SWITCHED_PROTOCOL", "SWITCHED_PROTOCOL"),
            pending("PAUSED"),
            has(trailing_data=(b"not HTTP", False)),
            no_next_cycle,
            refuses("Data", data=b"x"),
        ],
    ),
    "an upgrade that is passed over": (
        "SERVER",
        [
            receives(GET[:-2] + b"Connection: upgrade\r\nUpgrade: echo\r\n\r\n"),
            event("Request"),
            event("EndOfMessage"),
            pending("PAUSED"),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            states("SEND_BODY", "DONE"),
            sends("Data", b"hello", data=b"hello"),
            sends("EndOfMessage", b""),
            next_cycle,
        ],
    ),
    "CONNECT that is accepted": (
        "CLIENT",
        [
            sends(
                "Request",
                b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
                method="CONNECT",
                target="a:443",
                headers=[("Host", "a:443")],
            ),
            sends("EndOfMessage", b""),
            states("MIGHT_SWITCH_PROTOCOL", "SEND_RESPONSE"),
            receives(b"HTTP/1.1 200 OK\r\n\r\ntunnelled"),
            event("Response", status_code=200),
            pending("PAUSED"),
            states("SWITCHED_PROTOCOL", "SWITCHED_PROTOCOL"),
            has(trailing_data=(b"tunnelled", False)),
        ],
    ),
    "CONNECT that is refused": (
        "CLIENT",
        [
            sends(
                "Request",
                b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
                method="CONNECT",
                target="a:443",
                headers=[("Host", "a:443")],
            ),
            sends("EndOfMessage", b""),
            receives(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
            event("Response", status_code=403),
            event("EndOfMessage"),
            states("DONE", "DONE"),
            next_cycle,
        ],
    ),
    "a malformed request can be answered": (
        "SERVER",
        [
            receives(b"GET nonsense\r\n\r\n"),
            breaks(),
            states("IDLE", "ERROR"),
            sends(
                "Response",
                b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n",
                status_code=400,
                reason=b"Bad",
                headers=[("Content-Length", "0")],
            ),
            sends("EndOfMessage", b""),
            states("MUST_CLOSE", "ERROR"),
        ],
    ),
    "a response before any request, as to say that none came": (
        "CLIENT",
        [
            receives(b"HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
            event("Response", status_code=408),
            event("EndOfMessage"),
            states("IDLE", "MUST_CLOSE"),
            no_next_cycle,
        ],
    ),
    "a response that nobody can read": (
        "CLIENT",
        [
            sends("Request", GET, **GET_EVENT),
            sends("EndOfMessage", b""),
            receives(b"HTTP/1.1 abc OK\r\n\r\n"),
            breaks(),
        ],
    ),
    "a response that begins before its request has ended": (
        "CLIENT",
        [
            sends(
                "Request",
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
                method="POST",
                target="/",
                headers=[*HOST, *LENGTH_5],
            ),
            receives(OK_5 + b"early"),
            event("Response"),
            event("Data", data=b"early"),
            event("EndOfMessage"),
            states("SEND_BODY", "DONE"),
            no_next_cycle,
            sends("Data", b"hello", data=b"hello"),
            sends("EndOfMessage", b""),
            next_cycle,
        ],
    ),
    "more than the declared length": (
        "SERVER",
        [
            receives(GET),
            event("Request"),
            event("EndOfMessage"),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            refuses("Data", data=b"hello!"),
        ],
    ),
    "less than the declared length": (
        "SERVER",
        [
            receives(GET),
            event("Request"),
            event("EndOfMessage"),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            sends("Data", b"hell", data=b"hell"),
            refuses("EndOfMessage"),
        ],
    ),
    "content where there can be none": (
        "CLIENT",
        [sends("Request", GET, **GET_EVENT), refuses("Data", data=b"x")],
    ),
    "a second request before the next cycle": (
        "CLIENT",
        [sends("Request", GET, **GET_EVENT), sends("EndOfMessage", b""), refuses("Request", **GET_EVENT)],
    ),
    "events of the other role": ("SERVER", [refuses("Request", **GET_EVENT)]),
    "trailers for HTTP/1.0": (
        "SERVER",
        [
            receives(OLD_GET),
            event("Request"),
            event("EndOfMessage"),
            sends("Response", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", **OK, headers=[]),
            refuses("EndOfMessage", headers=[("X-Sum", "1")]),
        ],
    ),
    "what could not be sent": (
        "SERVER",
        [
            receives(GET),
            event("Request"),
            event("EndOfMessage"),
            sends("Response", OK_5, **OK, headers=LENGTH_5),
            failed,
            states("ERROR", "MUST_CLOSE"),
            no_next_cycle,
            refuses("Data", data=b"hello"),
        ],
    ),
    "a close of ours in the middle": (
        "SERVER",
        [receives(GET), event("Request"), event("EndOfMessage"), refuses("ConnectionClosed")],
    ),
    "a close of ours between cycles": (
        "CLIENT",
        [sends("ConnectionClosed", None), states("CLOSED", "MUST_CLOSE"), sends("ConnectionClosed", None)],
    ),
}
