"""The demo: what it shows, in which form, and that it shows nothing unescaped."""

import json
import logging

import pytest
from tests.server.asgi_fakes import FakeExchange, finish, run, serve, start

from interlock.h1.tables import SYSTEM
from interlock.net.exchange import PeerInfo
from interlock.server.context import ServerContext
from interlock.server.demo import app
from interlock.server.lifespan import Lifespan

HTML = (b"accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
JSON = (b"accept", b"Application/JSON")
STATES = {"client": "DONE", "server": "SEND_RESPONSE", "keep_alive": "ENABLED", "other": "<odd>"}


def shown(*pieces, states=None, **request):
    """The content type and the text of the demo's answer."""
    exchange = FakeExchange(**request)
    if states is not None:
        exchange.states = lambda: states
    run(serve(app, exchange, *pieces, show_states=states is not None))
    assert exchange.response.status_code == 200
    return exchange.response.headers.get(b"content-type").decode(), exchange.content.decode()


def test_text_for_whoever_asks_for_nothing():
    kind, text = shown(b"12345", method="POST", target="/a%20b?c", headers=[(b"x-y", b"\xe4")])
    assert kind == "text/plain; charset=utf-8"
    assert text.splitlines() == [
        "request",
        "  method   POST",
        "  target   /a%20b?c",
        "  version  HTTP/1.1",
        "  scheme   http",
        "  client   192.0.2.1:5000",
        "  server   192.0.2.2:80",
        "  content  5 octets",
        "",
        "fields",
        "  host  example.org",
        "  x-y   ä",
    ]


def test_json_for_whoever_accepts_it():
    kind, text = shown(headers=[JSON], states=STATES)
    assert kind == "application/json"
    assert json.loads(text) == {
        "request": {
            "method": "GET",
            "target": "/",
            "version": "HTTP/1.1",
            "scheme": "http",
            "client": "192.0.2.1:5000",
            "server": "192.0.2.2:80",
            "content": "0 octets",
        },
        "fields": [["host", "example.org"], ["accept", "Application/JSON"]],
        "machines": STATES,
    }


def test_a_page_for_browsers():
    kind, text = shown(headers=[HTML, (b"x-y", b"<script>alert('&')</script>")], target="/?q='\"&", states=STATES)
    assert kind == "text/html; charset=utf-8"
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;" in text
    assert "/?q=&#x27;&quot;&amp;" in text
    assert "<mark>&lt;odd&gt;</mark>" in text
    assert "://" not in text, "the page needs nothing from elsewhere"


def test_the_page_draws_the_machines_with_their_states_marked():
    _, text = shown(headers=[HTML], states=STATES)
    assert text.count("flowchart LR") == 3
    assert "IDLE · SEND_BODY · <mark>DONE</mark> · MUST_CLOSE" in text
    assert "<mark>    server__SEND_RESPONSE([&quot;SEND_RESPONSE&quot;])   %% now</mark>" in text
    assert text.count("%% now") == 3


def test_the_states_of_every_machine_can_be_marked():
    for machine in SYSTEM.machines:
        for state in machine.states:
            assert shown(headers=[HTML], states={machine.name: state})[1].count("%% now") == 1


def test_without_states_nothing_is_said_of_machines():
    assert "machine" not in shown(headers=[JSON])[1]
    assert "flowchart" not in shown(headers=[HTML])[1]


@pytest.mark.parametrize(
    ("server", "text"), [(None, "unknown"), (("::1", 5), "[::1]:5"), (("/run/socket", None), "/run/socket")]
)
def test_addresses(server, text):
    answer = json.loads(shown(headers=[JSON], peer=PeerInfo("http", None, server))[1])
    assert (answer["request"]["client"], answer["request"]["server"]) == ("unknown", text)


def test_a_client_that_goes_away(caplog):
    async def main():
        exchange = FakeExchange("POST")
        application = start(app, exchange)
        exchange.handler.data_received(b"some")
        exchange.lose()
        await finish(application)
        assert exchange.calls == []

    run(main())
    assert caplog.records == []


def test_it_starts_and_stops(caplog):
    async def main():
        lifespan = Lifespan(app, ServerContext(), mode="on")
        await lifespan.startup()
        await lifespan.shutdown()

    with caplog.at_level(logging.DEBUG, "interlock"):
        run(main())
    assert caplog.records == []


def test_a_websocket_is_refused():
    async def main():
        told = []
        incoming = iter([{"type": "websocket.connect"}])

        async def receive():
            return next(incoming)

        async def send(message):
            told.append(message["type"])

        await app({"type": "websocket", "path": "/"}, receive, send)
        assert told == ["websocket.close"]

    run(main())
