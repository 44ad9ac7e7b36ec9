"""HTTP/2 explained: what the conformance cases say to a server, and what it answers, as it would be recorded."""

import h2.config
import h2.connection
import h2.settings
import pytest
from tests.cli.explain_recorded import events, explain, moved, problems
from tests.h2 import raw_frames as raw
from tests.h2.conformance.case import Case, all_cases, run
from tests.h2.conformance.engine_client import EngineClient

from interlock.cli.explain_follow import Conversation, Settings
from interlock.cli.explain_steps import Problem, Step
from interlock.cli.explain_text import lines_of_problem
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, SERVER
from interlock.ws import Connection as WebSocket
from interlock.ws import Message
from interlock.ws.codes import ACCEPT

#: Cases that send much, and those in which only our own limits, or time, decide.
LEFT_OUT = (
    "cases_attacks.py",
    "cases_honest.py",
    "cases_priorities.py",
    "cases_connection.py::content_after_the_servers_reset_is_given_back",
    "cases_exchanges.py::large_upload_comes_back",
    "cases_windows.py::an_upload_is_given_windows",
    "cases_windows.py::padding_counts_and_is_given_back",
    "cases_windows.py::what_comes_for_a_closed_stream_is_given_back",
    # Which came first, the server's answer or the client's excess, is not recorded.
    "cases_states.py::more_streams_than_allowed",
    "cases_states.py::field_blocks_of_refused_streams_are_decoded",
    "cases_states.py::frames_behind_the_end_of_a_refused_request",
)
CASES = [case for case in all_cases() if case.engine and not case.name.startswith(LEFT_OUT)]
FILES = dict.fromkeys(case.name.partition("::")[0] for case in CASES)


class Recording(EngineClient):
    """Keeps what either end has sent."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.received = bytearray()
        super().__init__()

    def _write(self, octets: bytes) -> None:
        if not self._done:
            self.sent += octets
        super()._write(octets)

    def _listen(self) -> None:
        before = len(self._incoming)
        super()._listen()
        self.received += self._incoming[before:]


def conversation(case: Case) -> Recording:
    recording = Recording()
    run(case, recording)
    recording.deaf = False
    recording._listen()
    return recording


def resets(octets: bytes) -> set[int]:
    """The streams that a server has reset."""
    found = set()
    received = bytearray(octets)
    while frame := raw.take_frame(received):
        if frame.kind == raw.RST_STREAM and frame.payload != raw.NO_ERROR.to_bytes(4, "big"):
            found.add(frame.stream)
    return found


@pytest.mark.parametrize("file", FILES)
def test_what_a_server_finds_wrong_is_told(file: str) -> None:
    for case in CASES:
        if not case.name.startswith(file):
            continue
        recording = conversation(case)
        found = problems(explain(bytes(recording.sent), bytes(recording.received)))
        wrong = [problem for problem in found if problem.rule.kind != "incomplete"]
        assert {problem.sender for problem in wrong} <= {"client"}, case.name
        if recording.engine.error_code >= 0:
            assert wrong, case.name
        else:
            streams = {problem.stream for problem in wrong}
            assert resets(recording.received) <= streams, case.name
            assert 0 not in streams, case.name
        for problem in found:
            assert problem.rule.text, case.name
            assert problem.rule.sections, case.name
            assert problem.begin <= problem.at < problem.begin + 9 + 16384 + 1, case.name


# -- what is shown


START = raw.PREFACE + raw.settings()
HEAD = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")]


def test_a_smuggling_attempt_by_way_of_a_proxy() -> None:
    """H2.TE: harmless here, and chunks for a server behind a proxy that writes it as HTTP/1.1."""
    octets = START + raw.headers(1, raw.block([*HEAD, ("transfer-encoding", "chunked")]), end=False)
    *_, problem, end = explain(octets)
    assert isinstance(problem, Problem)
    assert (problem.stream, problem.begin, problem.at) == (1, len(START), len(octets) - 1)
    assert problem.rule.sections[0] == "RFC 9113 §8.2.2"
    assert "H2.TE" in problem.rule.text
    assert "resets this stream with PROTOCOL_ERROR" in problem.consequence
    assert moved(problem)[:2] == ["stream 1: IDLE -> OPEN", "stream 1 remote: IDLE -> BODY"]
    assert isinstance(end, Step)  # and the connection goes on
    assert problem.unit.startswith("HEADERS on stream 1, END_HEADERS, ")
    assert f"    in {problem.unit}, from octet {len(START)}" in lines_of_problem(problem, secrets=False)


def test_a_length_that_content_belies() -> None:
    """H2.CL."""
    octets = START + raw.headers(1, raw.block([*HEAD, ("content-length", "5")]), end=True)
    (problem,) = problems(explain(octets))
    assert "RFC 9113 §8.1.1" in problem.rule.sections
    assert "H2.CL" in problem.rule.text


def test_the_octets_of_a_field_block_are_secrets() -> None:
    octets = START + raw.headers(1, raw.block([("cookie", "id=4711")]), end=True)
    for secrets in (False, True):
        (problem,) = problems(explain(octets, secrets=secrets))
        shown = "\n".join(lines_of_problem(problem, secrets=secrets))
        assert (b"4711".hex(" ") in shown) is secrets
        assert raw.headers(1, b"", end=True)[4:9].hex(" ") in shown  # the frame's head, but for its length


def test_a_frame_that_is_too_long_is_noticed_in_its_head() -> None:
    octets = START + b"GET / HTTP/1.1\r\n\r\n"
    (problem,) = problems(explain(octets))
    assert (problem.begin, problem.at) == (len(START), len(START) + 8)
    assert "§4.2" in problem.message or "§3.4" in problem.message


def test_a_preface_is_noticed_at_its_first_wrong_octet() -> None:
    (problem,) = problems(explain(raw.PREFACE[:20] + b"X\r\n\r\n", protocol="http2"))
    assert problem.at == 20
    assert "RFC 9113 §3.4" in problem.rule.sections


def test_octets_that_end_within_a_frame() -> None:
    (problem,) = problems(explain(START + raw.ping()[:-1]))
    assert problem.rule.kind == "incomplete"
    assert problem.at == len(START) + 16


def test_an_end_without_the_other() -> None:
    sent, received = exchange()
    for items in (explain(sent), explain(server=received)):
        assert problems(items) == []
    assert "HEADERS" in {item.event for item in explain(server=received) if isinstance(item, Step)}


def exchange() -> tuple[bytes, bytes]:
    """What two ends of another library say, whose settings are not ours: large frames, tables and windows."""
    codes = h2.settings.SettingCodes
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    sent, received = bytearray(), bytearray()

    def pass_on() -> None:
        while True:
            forth, back = client.data_to_send(), server.data_to_send()
            sent.extend(forth)
            received.extend(back)
            if not forth and not back:
                return
            if forth:
                server.receive_data(forth)
            if back:
                client.receive_data(back)

    client.initiate_connection()
    server.initiate_connection()
    server.update_settings(
        {codes.HEADER_TABLE_SIZE: 16384, codes.INITIAL_WINDOW_SIZE: 1 << 20, codes.MAX_FRAME_SIZE: 60000}
    )
    server.increment_flow_control_window(1 << 20)
    pass_on()
    client.send_headers(1, [(":method", "POST"), *HEAD[1:]])
    for _ in range(3):
        client.send_data(1, b"x" * 50000)
    client.end_stream(1)
    for stream in range(3, 41, 2):  # more than fits into a table of 4096 octets
        client.send_headers(
            stream, [*HEAD, *((f"x-{n}", "v" * 300) for n in range(stream, stream + 20))], end_stream=True
        )
        pass_on()
        server.send_headers(stream, [(":status", "200")])
        server.send_data(stream, b"hello", end_stream=True)
        pass_on()
    server.send_headers(1, [(":status", "103")])
    server.send_headers(1, [(":status", "200")], end_stream=True)
    pass_on()
    client.close_connection()
    pass_on()
    return bytes(sent), bytes(received)


def test_ends_with_other_settings_than_ours() -> None:
    sent, received = exchange()
    items = explain(sent, received)
    assert problems(items) == []
    assert events(items).count("client HEADERS") == 20
    assert events(items).count("server HEADERS") == 21
    last = [item for item in items if item.stream == 1 and item.sender == "server"][-1]
    assert moved(last) == ["stream 1: HALF_CLOSED_REMOTE -> CLOSED", "stream 1 local: HEAD -> DONE"]


def test_the_windows_are_those_that_the_other_end_has_opened() -> None:
    small = raw.settings((raw.INITIAL_WINDOW_SIZE, 5))
    server = small + raw.settings_ack() + raw.window_update(1, 4)
    request = START + raw.settings_ack() + raw.headers(1, raw.block([(":method", "POST"), *HEAD[1:]]), end=False)
    assert problems(explain(request + raw.data(1, b"x" * 9), server)) == []
    (problem,) = problems(explain(request + raw.data(1, b"x" * 10), server))
    assert (problem.stream, problem.rule.sections[0]) == (1, "RFC 9113 §6.9.1")


POST = raw.headers(1, raw.block([(":method", "POST"), *HEAD[1:]]), end=False)


def test_a_larger_window_counts_as_soon_as_it_is_announced() -> None:
    server = raw.settings((raw.INITIAL_WINDOW_SIZE, 80000)) + raw.window_update(0, 20000)
    client = START + POST + raw.data(1, b"x" * 14000) * 5  # and does not say yet that it knows
    assert problems(explain(client, server)) == []


def test_the_window_of_the_connection_is_for_all_streams() -> None:
    server = raw.settings((raw.INITIAL_WINDOW_SIZE, 80000)) + raw.settings_ack()
    (problem,) = problems(explain(START + raw.settings_ack() + POST + raw.data(1, b"x" * 14000) * 5, server))
    assert (problem.stream, problem.message) == (0, "DATA beyond the connection's window (RFC 9113 §6.9.1)")


def test_settings_change_the_windows_of_streams_that_are_open() -> None:
    server = raw.settings((raw.INITIAL_WINDOW_SIZE, 5)) + raw.settings((raw.INITIAL_WINDOW_SIZE, 20))
    client = START + raw.settings_ack() + POST + raw.data(1, b"x" * 5) + raw.settings_ack()
    assert problems(explain(client + raw.data(1, b"x" * 15), server)) == []
    (problem,) = problems(explain(client + raw.data(1, b"x" * 16), server))
    assert problem.message == "DATA beyond the stream's window (RFC 9113 §6.9.1)"


def test_window_updates_go_along_with_content() -> None:
    """As it comes, each WINDOW_UPDATE is for DATA that was there before: that is no flood."""
    conversation = Conversation(("client", "server"), Settings(limits=Limits(glitches=10), recorded=False))
    items = [*conversation.feed("client", START + raw.headers(1, raw.block(HEAD), end=True))]
    items += conversation.feed("server", raw.settings() + raw.headers(1, raw.block([(":status", "200")]), end=False))
    for _ in range(200):
        items += conversation.feed("server", raw.data(1, b"x" * 100))
        items += conversation.feed("client", raw.window_update(0, 100) + raw.window_update(1, 100))
    assert problems(items) == []


def test_more_streams_than_the_server_allows() -> None:
    server = raw.settings((raw.MAX_CONCURRENT_STREAMS, 1)) + raw.settings_ack()
    opened = [raw.headers(stream, raw.block(HEAD), end=True) for stream in (1, 3)]
    client = START + raw.settings_ack() + b"".join(opened)
    (problem,) = problems(explain(client, server))
    assert (problem.stream, problem.rule.sections[0]) == (3, "RFC 9113 §5.1.2")
    answered = server + raw.headers(1, raw.block([(":status", "204")]), end=True)
    assert problems(explain(client, answered)) == []


def test_settings_are_waited_for() -> None:
    """What acknowledges something comes behind it, though files say nothing of that."""
    client = START + raw.settings_ack() + raw.settings() + raw.ping()
    server = raw.settings() + raw.settings_ack() + raw.settings_ack()
    assert events(explain(client, server)) == [
        "client preface",
        "client SETTINGS",
        "server SETTINGS",
        "server SETTINGS",
        "client SETTINGS",
        "client SETTINGS",
        "client PING",
        "server SETTINGS",
        "server ConnectionClosed",
        "client ConnectionClosed",
    ]


def test_an_acknowledgement_of_nothing() -> None:
    (problem,) = problems(explain(START + raw.settings_ack() + raw.settings_ack(), raw.settings()))
    assert problem.at == len(START) + 17
    assert "RFC 9113 §6.5.3" in problem.rule.sections


def test_an_acknowledgement_of_settings_that_were_not_sent() -> None:
    (problem,) = problems(explain(START + raw.settings_ack(), b""))
    assert problem.at == len(START) + 8
    assert "RFC 9113 §6.5.3" in problem.rule.sections


def test_a_flood_is_told_once_and_read_on() -> None:
    items = explain(START + raw.ping() * 300, limits=Limits(glitches=100))
    (problem,) = problems(items)
    assert problem.rule.kind == "limit"
    assert "100 PING" in problem.message
    assert events(items).count("client PING") == 300


def test_what_a_server_calls_too_much_is_counted() -> None:
    head = raw.headers(1, raw.block(HEAD), end=True)
    items = explain(START + head + raw.ping() * 5, raw.settings() + raw.goaway(1, raw.ENHANCE_YOUR_CALM))
    goaway = next(item for item in items if isinstance(item, Step) and item.event == "GOAWAY")
    assert "1 SETTINGS, 1 HEADERS, 5 PING" in goaway.notes[0]


def test_extended_connect_has_to_be_offered() -> None:
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), *HEAD[1:], ("sec-websocket-version", "13")]
    client = START + raw.settings_ack() + raw.headers(1, raw.block(fields), end=False)
    assert problems(explain(client, raw.settings((raw.ENABLE_CONNECT_PROTOCOL, 1)))) == []
    (problem,) = problems(explain(client, raw.settings()))
    assert (problem.stream, problem.rule.sections) == (1, ("RFC 8441 §3",))


def test_a_websocket_on_a_stream() -> None:
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), *HEAD[1:], ("sec-websocket-version", "13")]
    ends = {role: WebSocket(role) for role in (CLIENT, SERVER)}
    for end in ends.values():
        end._step(ACCEPT)
    said = ends[CLIENT].send(Message("hello"))
    client = START + raw.settings_ack() + raw.headers(1, raw.block(fields), end=False)
    client += raw.data(1, said[:3]) + raw.data(1, said[3:] + b"\x81\x00", end=True)
    server = raw.settings((raw.ENABLE_CONNECT_PROTOCOL, 1)) + raw.settings_ack()
    server += raw.headers(1, raw.block([(":status", "200")]), end=False)
    server += raw.data(1, ends[SERVER].send(Message("welcome")), end=True)
    items = explain(client, server)
    spoken = [(i.sender, i.summary) for i in items if isinstance(i, Step) and i.event == "Message"]
    assert spoken == [("client", 'text, "hello"'), ("server", 'text, "welcome"')]
    (problem,) = problems(items)
    assert (problem.protocol, problem.stream, problem.at) == ("WebSocket", 1, len(said) + 1)
