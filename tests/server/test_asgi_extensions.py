"""The extensions of ASGI's HTTP messages: trailers, early hints, and files by path or descriptor."""

import os

import pytest
from tests.server.asgi_fakes import FakeExchange, body, finish, responder, run, serve, settle, start

from interlock.http.events import Data, EndOfMessage, InformationalResponse, Response

TE = [(b"te", b"gzip;q=0.5, Trailers"), (b"connection", b"te")]


def trailers(*fields, more=False):
    return {"type": "http.response.trailers", "headers": list(fields), "more_trailers": more}


def hint(*links):
    return {"type": "http.response.early_hint", "links": links}


def path(file):
    return {"type": "http.response.pathsend", "path": str(file)}


def descriptor(file, **options):
    return {"type": "http.response.zerocopysend", "file": file, **options}


def length(exchange):
    return exchange.response.headers.content_length


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "file"
    made.write_bytes(b"0123456789")
    return made


# -- trailers


def test_trailers_follow_the_content():
    app = responder(body(b"x"), trailers((b"a", b"1"), more=True), trailers((b"b", b"2")), trailers=True)
    exchange = run(serve(app, FakeExchange(headers=TE)))
    assert exchange.content == b"x"
    assert length(exchange) == -1
    assert exchange.trailers == [(b"a", b"1"), (b"b", b"2")]


def test_an_announced_trailer_section_may_be_empty():
    exchange = run(serve(responder(body(b""), trailers(), trailers=True), FakeExchange(headers=TE)))
    assert exchange.trailers == []


@pytest.mark.parametrize(
    ("request_fields", "version", "method", "fields"),
    [
        ([], "1.1", "GET", []),
        (TE, "1.0", "GET", []),
        (TE, "1.1", "HEAD", []),
        (TE, "1.1", "GET", [(b"content-length", b"1")]),
    ],
    ids=["not asked for", "HTTP/1.0", "HEAD", "with a length"],
)
def test_trailers_that_cannot_be_sent_are_dropped(request_fields, version, method, fields, caplog):
    app = responder(body(b"x"), trailers((b"a", b"1")), headers=fields, trailers=True)
    exchange = run(serve(app, FakeExchange(method, headers=request_fields, http_version=version)))
    assert exchange.trailers == []
    assert caplog.records == []


def test_missing_trailers_end_visibly_broken(caplog):
    exchange = run(serve(responder(body(b"x"), trailers=True), FakeExchange(headers=TE)))
    assert (exchange.over, exchange.aborted) == (False, 1)
    assert "sending the trailers" in caplog.records[0].getMessage()


def test_a_forbidden_trailer_ends_visibly_broken(caplog):
    app = responder(body(b"x"), trailers((b"content-length", b"1")), trailers=True)
    exchange = run(serve(app, FakeExchange(headers=TE)))
    assert (exchange.over, exchange.aborted) == (False, 1)
    assert len(caplog.records) == 1


def test_content_after_the_content_is_refused_while_trailers_are_due(caplog):
    exchange = run(serve(responder(body(b"x"), body(b"y"), trailers=True), FakeExchange(headers=TE)))
    assert "expected http.response.trailers" in str(caplog.records[0].exc_info[1])
    assert exchange.aborted == 1


# -- early hints


def test_early_hints_before_the_response():
    async def app(scope, receive, send):
        await send(hint(b"</a.css>; rel=preload", b"</b.js>; rel=preload"))
        await responder(hint(b"</c>; rel=x"), hint(), body(b"x", True), hint(b"</late>; rel=x"), body())(
            scope, receive, send
        )

    exchange = run(serve(app, FakeExchange()))
    hints = [event for event in exchange.events if isinstance(event, InformationalResponse)]
    assert [event.status_code for event in hints] == [103, 103]
    assert hints[0].headers == [(b"link", b"</a.css>; rel=preload"), (b"link", b"</b.js>; rel=preload")]
    assert isinstance(exchange.events[2], Response)
    assert (exchange.content, exchange.over) == (b"x", True)


def test_no_early_hints_for_http_1_0():
    app = responder(hint(b"</c>; rel=x"), body(b"x"))
    exchange = run(serve(app, FakeExchange(http_version="1.0")))
    assert isinstance(exchange.events[0], Response)


# -- files


def test_a_file_by_its_path(file):
    exchange = run(serve(responder(path(file)), FakeExchange()))
    assert (exchange.content, exchange.files, length(exchange)) == (b"0123456789", [(0, 10)], 10)
    assert exchange.over


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_empty_file_and_one_that_is_not_to_be_sent(method, tmp_path, file):
    empty = tmp_path / "empty"
    empty.touch()
    exchange = run(serve(responder(path(empty if method == "GET" else file)), FakeExchange(method)))
    assert (exchange.files, exchange.over) == ([], True)


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_file_that_cannot_be_opened_is_500_and_no_disconnect(name, tmp_path, caplog):
    exchange = run(serve(responder(path(tmp_path / name)), FakeExchange()))
    assert exchange.response.status_code == 500
    assert isinstance(caplog.records[0].exc_info[1], RuntimeError)


@pytest.mark.parametrize("declared", [b"9", b"11"])
def test_a_file_that_has_not_its_declared_length_is_500(declared, file):
    exchange = run(serve(responder(path(file), headers=[(b"content-length", declared)]), FakeExchange()))
    assert (exchange.response.status_code, exchange.files) == (500, [])


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ({}, b"3456789"),
        ({"offset": 1}, b"123456789"),
        ({"count": 2}, b"34"),
        ({"offset": 8, "count": 100}, b"89"),
        ({"offset": 20}, b""),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["object", "number"])
def test_a_file_by_its_descriptor(options, content, kind, file):
    with file.open("rb", buffering=0) as opened:
        opened.seek(3)
        exchange = run(
            serve(responder(descriptor(opened if kind == "object" else opened.fileno(), **options)), FakeExchange())
        )
        os.fstat(opened.fileno())  # it was not closed
    assert (exchange.content, length(exchange), exchange.over) == (content, len(content), True)


def test_pieces_of_files_and_of_memory_may_be_mixed(file):
    async def app(scope, receive, send):
        with file.open("rb") as opened:
            await responder(
                descriptor(opened, count=2, more_body=True),
                body(b"-", True),
                descriptor(opened, count=3, more_body=True),
                descriptor(opened, offset=9, more_body=True),
                body(b"."),
            )(scope, receive, send)

    exchange = run(serve(app, FakeExchange()))
    assert exchange.content == b"01-2349."
    assert length(exchange) == -1
    assert exchange.events[-2:] == [Data(b"."), EndOfMessage()]


def test_a_loss_while_a_file_is_sent(file, caplog):
    async def main():
        class Lost(FakeExchange):
            async def send_file(self, file, offset, count):
                self.lose()
                await super().send_file(file, offset, count)

        exchange = Lost()
        application = start(responder(path(file)), exchange)
        await settle()
        await finish(application)
        assert exchange.aborted == 0

    run(main())
    assert caplog.records == []
