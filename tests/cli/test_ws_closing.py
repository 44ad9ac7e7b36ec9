"""How an end of a WebSocket is explained: on engines, whatever the ends do."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.ws import raw

from interlock.cli.ws_closing import code_name, explained, table, told
from interlock.net.asyncio.websocket_errors import closed
from interlock.ws import CLIENT, NEED_DATA, Closing, Connection, Message, RemoteProtocolError, Step


class Client:
    """A client's engine, of which everything is kept that an explanation is made from."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.error: Exception | None = None
        self.theirs_first: bool | None = None
        self.engine = Connection(CLIENT)
        self.engine.trace = self.steps.append
        self.engine.start()

    def gets(self, *frames: raw.Frame) -> None:
        ours = self.engine.local_close
        self._take(raw.octets_of(frames, False))
        if self.engine.remote_close is not None:
            self.theirs_first = ours is None

    def ends(self) -> None:
        self._take(b"")

    def _take(self, octets: bytes) -> None:
        self.engine.receive_data(octets)
        try:
            while self.engine.next_event() is not NEED_DATA:
                pass
        except RemoteProtocolError as error:
            self.error = error
        self.engine.next_actions()

    def explained(self) -> list[str]:
        error = closed(self.engine.remote_close, self.engine.local_close, self.theirs_first)
        error.__cause__ = self.error
        return explained(error, self.steps)


def they_close(client: Client) -> None:
    client.gets(raw.close(1001, "bye"))


def we_close(client: Client) -> None:
    client.engine.close(4000, "\x1b")
    client.gets(raw.close(4000))


def they_do_not_answer(client: Client) -> None:
    client.engine.close()
    client.error = TimeoutError("the closing handshake has taken too long")
    client.engine.connection_lost()


def they_end_the_stream_in_place_of_an_answer(client: Client) -> None:
    client.engine.close()
    client.ends()


def they_break_the_protocol(client: Client) -> None:
    client.gets(raw.Frame(3, b""))


def they_answer_no_ping(client: Client) -> None:
    client.error = TimeoutError("the peer has not answered a ping in time")
    client.engine.fail(1011, "no answer to a ping")


def we_find_fault(client: Client) -> None:
    client.engine.fail(1008)


def they_end_the_stream(client: Client) -> None:
    client.ends()


def the_stream_breaks(client: Client) -> None:
    client.engine.connection_lost()


def the_stream_breaks_for_a_reason(client: Client) -> None:
    client.error = ConnectionResetError("reset \x1b")
    client.engine.connection_lost()


@pytest.mark.parametrize(
    ("act", "lines"),
    [
        (they_close, ['closed by the server: 1001 (going away), "bye"', "we have answered: 1001 (going away)"]),
        (
            we_close,
            [
                'closed by us: 4000 (meant for private use), "\\x1b"',
                "the server has answered: 4000 (meant for private use)",
            ],
        ),
        (
            they_do_not_answer,
            [
                "closed by us: 1000 (normal closure)",
                "the server has not answered: the closing handshake has taken too long",
            ],
        ),
        (
            they_end_the_stream_in_place_of_an_answer,
            [
                "closed by us: 1000 (normal closure)",
                "the server has not answered: it ended the byte stream without a Close",
            ],
        ),
        (
            they_break_the_protocol,
            [
                'closed by us: 1002 (protocol error), "reserved opcode 3 (RFC 6455 §5.2)"',
                "what the server sent after that was not read",
            ],
        ),
        (
            they_answer_no_ping,
            [
                'closed by us: 1011 (internal error), "no answer to a ping"',
                "since the peer has not answered a ping in time",
                "what the server sent after that was not read",
            ],
        ),
        (
            we_find_fault,
            [
                "closed by us: 1008 (policy violation)",
                "what the server sent after that was not read",
            ],
        ),
        (
            they_end_the_stream,
            ["lost: there was no Close, 1006 (abnormal closure)", "it ended the byte stream without a Close"],
        ),
        (the_stream_breaks, ["lost: there was no Close, 1006 (abnormal closure)", "the byte stream broke"]),
        (the_stream_breaks_for_a_reason, ["lost: there was no Close, 1006 (abnormal closure)", "reset \\x1b"]),
    ],
)
def test_who_has_closed(act: Callable[[Client], None], lines: list[str]) -> None:
    client = Client()
    act(client)
    assert client.explained() == lines


def test_a_close_that_could_not_be_answered() -> None:
    assert explained(closed(Closing(1000, "", 0), None, None), []) == [
        "closed by the server: 1000 (normal closure)",
        "we could not answer",
    ]


def test_the_table_has_what_each_step_has_changed() -> None:
    client = Client()
    client.engine.send(Message("begins", final=False))
    client.gets(raw.Frame(raw.PING, b""), raw.close())
    lines = table(client.steps)
    assert [line.replace("\x1b[1m", "*").replace("\x1b[0m", "") for line in lines] == [
        "               handshake   client      server      stream",
        "               CONNECTING  CONNECTING  CONNECTING  OPEN",
        "server.Accept  *ACCEPTED    *OPEN        *OPEN        OPEN",
        "server.Close   ACCEPTED    *CLOSE_DUE   *CLOSED      OPEN",
        "client.Close   ACCEPTED    *CLOSED      CLOSED      OPEN",
    ]


def test_without_a_step_there_is_no_table() -> None:
    assert table([]) == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1005, "no code given"),
        (1012, "service restart"),
        (3000, "unauthorized"),
        (3999, "meant for libraries and applications"),
        (4000, "meant for private use"),
        (4999, "meant for private use"),
        (2999, "not assigned"),
        (5000, "not assigned"),
    ],
)
def test_what_codes_mean(code: int, name: Any) -> None:
    assert told(Closing(code, "", 0)) == f"{code} ({name})"
    assert code_name(code) == name
