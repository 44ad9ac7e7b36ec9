"""HTTP/1.1 explained: every vector of tests/vectors/h1, at the octet where the engine notices; and what is told of each."""

import random
from dataclasses import replace

import pytest
from tests.cli.explain_recorded import events, explain, moved, problems
from tests.h1.vector_runner import run
from tests.h1.vectors import Vector, read_vectors

from interlock.cli.explain_follow import Conversation, Settings
from interlock.cli.explain_steps import Problem, Step
from interlock.cli.explain_text import lines_of_problem, lines_of_step, visible
from interlock.http.limits import Limits

VECTORS = read_vectors("h1")
#: What cannot be told without the other end's octets: whether it has accepted what was proposed, and the like.
OTHERS = {
    "A second request that is bad is not looked at before the first is answered",
    "What comes behind an upgrade is not read before it is answered",
    "A request behind an upgrade is not read before it is answered",
    "What comes behind an accepted upgrade belongs to the new protocol",
    "What comes behind a refused upgrade is HTTP",
    "What comes behind a refused upgrade is HTTP, bad or good",
    "What comes behind a refused upgrade is HTTP, and may be bad",
    "CONNECT that is refused, and TLS behind it",
    "A switch that nobody asked for",
    "The connection preface of HTTP/2",
    "No response at all",
}
WRONG = [
    vector
    for vector in VECTORS
    if vector.expected[-1][0] == "error"
    and not vector.flags
    and vector.heading not in OTHERS
    and not vector.file.startswith("upgrade")
]
GOOD = [v for v in VECTORS if v.expected[-1][0] != "error" and not v.flags and v.heading not in OTHERS]


def told(vector: Vector) -> list[Step | Problem]:
    method = vector.request.split(" ")[0].encode() if vector.request != "none" else b"GET"
    end = "client" if vector.role == "server" else "server"
    return explain(**{end: vector.octets}, limits=Limits(**vector.limits), methods=(method,))


def fails(vector: Vector, octets: int) -> bool:
    """Whether an engine notices that something is wrong when it has so many octets, in one piece."""
    return octets > 0 and run(replace(vector, eof=False), [vector.octets[:octets]])[-1][0] == "error"


@pytest.mark.parametrize("file", dict.fromkeys(vector.file for vector in WRONG))
def test_what_is_wrong_is_told_at_its_octet(file: str) -> None:
    for vector in WRONG:
        if vector.file == file:
            found = problems(told(vector))
            assert len(found) == 1, vector.name
            problem = found[0]
            assert problem.rule.text, vector.name
            assert problem.rule.sections, vector.name
            assert not fails(vector, problem.at), vector.name
            assert fails(vector, problem.at + 1) or problem.at == len(vector.octets), vector.name
            assert problem.begin <= problem.at, vector.name
            around = vector.octets[problem.octets_at : problem.octets_at + len(problem.octets)]
            assert problem.octets == around, vector.name
            assert problem.octets_at <= problem.at <= problem.octets_at + len(problem.octets), vector.name
            for place, line in problem.evidence:
                assert vector.octets[place : place + len(line)] == line, vector.name
            assert problem.unread == len(vector.octets) - min(problem.at + 1, len(vector.octets)), vector.name


@pytest.mark.parametrize("file", dict.fromkeys(vector.file for vector in GOOD))
def test_nothing_is_wrong_with_what_is_good(file: str) -> None:
    for vector in GOOD:
        if vector.file == file:
            assert [p for p in problems(told(vector)) if p.rule.kind != "incomplete"] == [], vector.name


def test_however_it_is_cut_the_same_is_told() -> None:
    chosen = random.Random(5).sample([v for v in WRONG + GOOD if len(v.octets) < 400 and v.role == "server"], 60)
    for vector in chosen:
        whole = told(vector)
        conversation = Conversation(("client",), Settings(limits=Limits(**vector.limits)))
        pieces = []
        for octet in vector.octets:
            pieces += conversation.feed("client", bytes((octet,)))
        pieces += conversation.feed("client", b"")
        # How content is cut, and what lies behind an error, are not the same.
        assert [e for e in events(pieces) if "Data" not in e] == [e for e in events(whole) if "Data" not in e]
        assert [(p.at, p.message) for p in problems(pieces)] == [(p.at, p.message) for p in problems(whole)]


# -- what is shown


SMUGGLED = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nCookie: id=42\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\nGPOST / HTTP/1.1\r\n"
)


def test_a_smuggling_attempt() -> None:
    (problem,) = problems(explain(SMUGGLED))
    assert problem.at == SMUGGLED.index(b"\r\n\r\n") + 3
    assert [line for _, line in problem.evidence] == [b"Content-Length: 6\r\n", b"Transfer-Encoding: chunked\r\n"]
    assert problem.rule.sections == ("RFC 9112 §6.3", "RFC 9112 §6.1", "RFC 9112 §11.2")
    text = lines_of_problem(problem, secrets=False)
    assert text[:5] == [
        "client at 89         ERROR                 both Transfer-Encoding and Content-Length (RFC 9112 §6.3)",
        "    26  Content-Length: 6\\r\\n",
        "    60  Transfer-Encoding: chunked\\r\\n",
        "    88  \\r\\n",
        "          ^ octet 89",
    ]
    assert "    then: a server answers 400 (Bad Request) and closes the connection" in text
    assert "CL.TE" in "".join(text)


def test_the_caret_stands_below_the_octet() -> None:
    (problem,) = problems(explain(b"GET /\x00 HTTP/1.1\r\n"))
    lines = lines_of_problem(problem, secrets=False)
    shown = next(i for i, line in enumerate(lines) if "GET /" in line)
    assert lines[shown].index("\\x00") == lines[shown + 1].index("^")
    assert lines[shown + 1].endswith("^ octet 5")


@pytest.mark.parametrize(
    ("octets", "culprit"),
    [
        (b"GET /a#b HTTP/1.1\r\n", b"#"),
        (b"G(T / HTTP/1.1\r\n", b"("),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\nX: y\r\n\r\n", b"+5"),
        (b"GET / HTTP/1.1\r\nX [: a\r\n", b" "),
        (b"GET / HTTP/1.1\r\nX : a\r\n", b"X "),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x80chunked\r\n\r\n", b"\x80chunked"),
        (b'GET / HTTP/1.1\r\nHost: it\'s "a"\r\n\r\n', b'it\'s "a"'),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n", b"0x5"),
        (b"GET / HTTP/1.1\r\nX-X: 1\n", None),
    ],
)
def test_the_octets_that_are_wrong_are_underlined(octets: bytes, culprit: bytes | None) -> None:
    (problem,) = problems(explain(octets))
    lines = lines_of_problem(problem, secrets=False)
    if culprit is None:
        assert problem.culprit is None
        assert not any("~" in line and not line.strip("~ ") for line in lines)
        return
    assert problem.culprit is not None
    assert octets[slice(*problem.culprit)] == culprit
    marks = next(i for i, line in enumerate(lines) if "~" in line and not line.strip("~ "))
    at = lines[marks].index("~")
    assert lines[marks - 1][at : at + lines[marks].count("~")] == visible(culprit)


def test_tls_is_recognized() -> None:
    (problem,) = problems(explain(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"))
    assert problem.at == 0
    assert "this is TLS: 0x16 begins a handshake" in problem.rule.text
    (problem,) = problems(explain(b"\x00\x03\x01"))
    assert "TLS" not in problem.rule.text


def test_of_a_long_line_what_is_around_the_octet_is_shown() -> None:
    octets = b"GET /" + b"x" * 3000 + b"\x7f"
    (problem,) = problems(explain(octets))
    lines = lines_of_problem(problem, secrets=False)
    assert problem.at == len(octets) - 1
    assert max(map(len, lines)) < 200
    shown = next(i for i, line in enumerate(lines) if "\\x7f" in line)
    assert lines[shown].index("\\x7f") == lines[shown + 1].index("^")


def test_secrets_are_hidden_unless_asked_for() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: id=4711\r\nAuthorization: Basic eHl6\r\n\r\n"
    (step, *_) = explain(octets)
    assert isinstance(step, Step)
    hidden, shown = ("".join(lines_of_step(step, secrets=secrets)) for secrets in (False, True))
    assert "4711" not in hidden
    assert "eHl6" not in hidden
    assert "<hidden, 7 octets>" in hidden
    assert "4711" in shown
    assert "eHl6" in shown


def test_secrets_are_hidden_in_the_lines_around_an_error() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\r\nSet-Cookie: id=4711\r\ncookie: a=4712\x01\r\n"
    (problem,) = problems(explain(octets))
    hidden, shown = ("\n".join(lines_of_problem(problem, secrets=secrets)) for secrets in (False, True))
    assert "4711" not in hidden
    assert "4712" not in hidden
    assert "cookie: ******\\x01" in hidden
    assert "a=4712\\x01" in shown


@pytest.mark.parametrize(
    ("head", "note"),
    [
        (b"GPOST / HTTP/1.1\r\nHost: a\r\n\r\n", "GPOST is a legal method"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX_Real_IP: 1\r\n\r\n", "x_real_ip: what goes on by CGI"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nProxy: evil\r\n\r\n", "HTTP_PROXY"),
        (
            b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "refuses this WebSocket with 426",
        ),
    ],
)
def test_what_is_legal_and_has_misled_others_is_noted(head: bytes, note: str) -> None:
    (step, *_) = explain(head)
    assert isinstance(step, Step)
    assert any(note in text and "RFC" in text for text in step.notes)


def test_an_honest_request_has_no_notes() -> None:
    (step, *_) = explain(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(step, Step)
    assert step.notes == []


# -- both directions, and one alone


def test_an_exchange_and_the_next_with_both_directions() -> None:
    items = explain(
        b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: 1\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\n\r\n",
    )
    assert events(items) == [
        "client Request",
        "client Data",
        "client EndOfMessage",
        "server InformationalResponse",
        "server Response",
        "server Data",
        "server EndOfMessage",
        "start_next_cycle",
        "client Request",
        "client EndOfMessage",
        "server Response",
        "server EndOfMessage",
        "start_next_cycle",
        "server ConnectionClosed",
        "client ConnectionClosed",
    ]
    assert moved(items[0]) == ["client: IDLE -> SEND_BODY", "server: IDLE -> SEND_RESPONSE"]
    assert [(i.begin, i.end) for i in items[:3] if isinstance(i, Step)] == [(0, 48), (48, 51), (51, 51)]
    trailers = items[6]
    assert isinstance(trailers, Step)
    assert trailers.fields == [(b"T", b"1")]
    assert moved(items[-2]) == ["server: IDLE -> CLOSED", "client: IDLE -> MUST_CLOSE"]


def test_a_response_to_head_has_no_content() -> None:
    head = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
    items = explain(head * 2, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" * 2)
    assert problems(items) == []
    assert events(items).count("server Response") == 2


def test_data_that_is_longer_than_its_chunk() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    (problem,) = problems(explain(head + b"3\r\nabcd\r\n0\r\n\r\n"))
    assert problem.message.startswith("chunk data that goes on behind its size")
    assert (problem.at, problem.rule.kind) == (len(head) + 6, "rule")
    (problem,) = problems(explain(head + b"3" * 400))
    assert problem.message == "chunk line too long"


def test_the_machines_force_each_other() -> None:
    items = explain(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    )
    end = items[events(items).index("client EndOfMessage")]
    assert [(m.move.after, m.move.cause, m.move.forced, m.move.rfc) for m in end.moves] == [
        ("DONE", "EndOfMessage", False, "RFC 9112 §6.3"),
        ("MUST_CLOSE", "client-must-close", True, "RFC 9112 §9.6"),
    ]


def test_what_follows_a_last_message() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"
    (problem,) = problems(explain(octets))
    assert problem.at == octets.index(b"GET /b")
    assert "RFC 9112 §9.6" in problem.rule.sections


def test_the_other_direction_goes_on_behind_an_error() -> None:
    items = explain(b"GET /\x00 HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
    assert events(items)[:4] == ["client !rule", "server Response", "server Data", "server EndOfMessage"]
    assert len(problems(items)) == 1


def test_a_request_that_is_refused_can_have_been_head() -> None:
    items = explain(b"HEAD /\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n")
    assert [problem.sender for problem in problems(items)] == ["client"]


def test_answers_that_are_not_there_are_supposed() -> None:
    items = explain(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    supposed = [item.event for item in items if isinstance(item, Step) and item.supposed]
    assert supposed == ["Response", "EndOfMessage"]
    assert events(items).count("client Request") == 2


def test_requests_that_are_not_there_are_supposed() -> None:
    octets = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" * 2
    items = explain(server=octets + b"hello", methods=(b"HEAD", b"GET"))
    assert problems(items) == []
    assert [item.summary for item in items if isinstance(item, Step) and item.supposed] == ["HEAD", "", "GET", ""]


def test_a_body_that_is_too_short_is_incomplete() -> None:
    items = explain(server=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell")
    (problem,) = problems(items)
    assert problem.rule.kind == "incomplete"
    assert problem.at == 42
    assert "RFC 9112 §8" in problem.rule.sections


def test_a_body_that_the_end_ends() -> None:
    items = explain(b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nhello")
    assert problems(items) == []
    assert "server EndOfMessage" in events(items)


def test_a_tunnel_is_passed_over() -> None:
    items = explain(
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01 hello", b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"
    )
    assert problems(items) == []
    assert [(i.protocol, i.content) for i in items if isinstance(i, Step) and i.event == "Data"] == [
        ("tunnel", 9),
        ("tunnel", 3),
    ]
    accepted = items[events(items).index("server Response")]
    assert "connect: PROPOSED -> ACCEPTED" in moved(accepted)


def test_a_client_cannot_know_that_the_server_closes() -> None:
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    items = explain(get * 2, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert problems(items) == []
    (unread,) = [item for item in items if isinstance(item, Step) and item.event == "unread"]
    assert (unread.sender, unread.begin, unread.end) == ("client", len(get), 2 * len(get))


def test_what_waits_for_an_answer_that_is_not_there_is_told() -> None:
    items = explain(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello", b"")
    assert events(items)[-1] == "client unread"


def test_a_server_that_answers_nothing() -> None:
    (problem,) = problems(explain(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""))
    assert (problem.sender, problem.rule.kind) == ("server", "incomplete")


def test_limits_are_no_rules() -> None:
    (problem,) = problems(explain(b"GET /" + b"x" * 9000))
    assert problem.rule.kind == "limit"
    assert problem.at == Limits().request_line
