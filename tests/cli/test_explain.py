"""``interlock explain``: its command line, its inputs, its formats."""

import json
import random
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.explain_recorded import explain, recorded
from tests.h1.vectors import read_vectors
from tests.h2 import raw_frames as raw

from interlock.cli import main

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BAD = b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n"


def run(*arguments: str, octets: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["explain", *arguments], input=octets)


def test_what_is_good_exits_with_0() -> None:
    result = run(octets=GET)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:4] == [
        "client 0-26          Request               GET / HTTP/1.1",
        "    Host: a",
        "    * client           IDLE -> SEND_BODY                          Request (RFC 9112 §2.1)",
        "    * server           IDLE -> SEND_RESPONSE                      Request (RFC 9112 §2.1)",
    ]


def test_what_is_wrong_exits_with_1() -> None:
    result = run(octets=BAD)
    assert result.exit_code == 1
    assert "white space before the colon" in result.stdout
    assert "see:  RFC 9112 §5.1, RFC 9112 §11.2" in result.stdout


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "octets"
    path.write_bytes(BAD)
    assert run(str(path)).stdout == run(octets=BAD).stdout == run("-", octets=BAD).stdout


def test_both_directions(tmp_path: Path) -> None:
    for name, octets in (("client", GET * 3), ("server", OK * 3)):
        (tmp_path / name).write_bytes(octets)
    _, told = recorded("--client", str(tmp_path / "client"), "--server", str(tmp_path / "server"))
    assert [item["event"] for item in told].count("Response") == 3
    assert not [item for item in told if item.get("supposed")]
    _, again = recorded("--client", "-", "--server", str(tmp_path / "server"), octets=GET * 3)
    assert again == told


def test_files_that_are_read_in_pieces(tmp_path: Path) -> None:
    """Neither side runs ahead of the other, however long they are."""
    many = 100
    for name, octets in (("client", GET[:-2] + b"X: %b\r\n\r\n" % (b"x" * 1000)), ("server", OK)):
        (tmp_path / name).write_bytes(octets * many)
    result, told = recorded("--client", str(tmp_path / "client"), "--server", str(tmp_path / "server"))
    assert result.exit_code == 0
    assert [item["event"] for item in told].count("start_next_cycle") == many


@pytest.mark.parametrize(
    ("octets", "sender"),
    [
        (GET, "client"),
        (OK, "server"),
        (raw.PREFACE + raw.settings(), "client"),
        (raw.settings((1, 2)), "server"),
        (b"\x16\x03\x01", "client"),
    ],
)
def test_whose_octets_these_are_is_seen(octets: bytes, sender: str) -> None:
    _, told = recorded(octets=octets)
    assert {item["sender"] for item in told if item["sender"] and not item.get("supposed")} == {sender}


def test_whose_octets_these_are_can_be_told() -> None:
    result, told = recorded("--from", "server", octets=GET)
    assert result.exit_code == 1
    assert told[-1]["sender"] == "server"


def test_bare_frames_of_websocket() -> None:
    _, told = recorded("--protocol", "websocket", octets=b"\x81\x05hello")
    assert [(item["sender"], item["event"]) for item in told[1:]] == [("server", "Message"), ("server", "EndOfStream")]
    _, told = recorded("--protocol", "websocket", octets=b"\x81\x80\x00\x00\x00\x00")
    assert told[1]["sender"] == "client"
    result, told = recorded("--protocol", "websocket", "--deflate", octets=b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00")
    assert (result.exit_code, told[1]["summary"]) == (0, 'text, "Hello", compressed')


def test_limits_can_be_left_out() -> None:
    long = b"GET /" + b"x" * 10000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert run(octets=long).exit_code == 1
    assert run("--no-limits", octets=long).exit_code == 0


def test_the_method_of_requests_that_are_not_there() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    assert run("--request-method", "HEAD", octets=head + head).exit_code == 0
    assert run(octets=head).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--client", "-", "x"], "No such file"),
        (["--client", "-", "--from", "server"], "--from is for FILE"),
        (["--listen", "1"], "belong together"),
        (["--to", "a:1"], "belong together"),
        (["--listen", "1", "--to", "a"], "is not HOST:PORT"),
        (["--listen", "99999", "--to", "a:1"], "is not HOST:PORT"),
        (["--listen", ":1", "--to", "a:1"], "is not HOST:PORT"),
        (["--request-method", "G E T"], "is no method"),
        (["--client", "-", "--server", "-"], "are the same"),
        ([], "the input is empty"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], error: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert error in result.stderr
    assert result.stdout == ""


def test_a_file_and_both_directions(tmp_path: Path) -> None:
    path = tmp_path / "octets"
    path.write_bytes(GET)
    for more in (["--client", "-"], ["--listen", "1", "--to", "a:1"]):
        result = run(str(path), *more)
        assert result.exit_code == 2
        assert "Usage:" in result.stderr


# -- the formats


def test_every_line_of_json_is_an_object() -> None:
    result, told = recorded(octets=GET + BAD)
    assert result.exit_code == 1
    assert {item["type"] for item in told} == {"step", "problem"}
    request, problem = told[0], told[-1]
    assert request["octets"] == [0, len(GET)]
    assert request["fields"] == [["Host", "a"]]
    assert request["moves"][0] == {
        "system": "h1",
        "machine": "client",
        "stream": None,
        "before": "IDLE",
        "after": "SEND_BODY",
        "cause": "Request",
        "forced": False,
        "rfc": "RFC 9112 §2.1",
    }
    assert (problem["octet"], problem["begin"]) == (len(GET + BAD) - 1, len(GET + BAD) - 7)
    assert problem["sections"] == ["RFC 9112 §5.1", "RFC 9112 §11.2"]
    assert problem["shown"] == {"octet": len(GET) + 16, "octets": "Host: a\\r\\nX : 1\\r\\n"}


def test_secrets_are_hidden_in_every_format() -> None:
    octets = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: id=4711\r\nX: \x01\r\n"
    good = b"GET / HTTP/1.1\r\nHost: a\r\nCookie: id=4711\r\n\r\n"
    for form in ("text", "json", "mermaid"):
        for given in (octets, good):
            assert "4711" not in run("--format", form, octets=given).stdout
    assert "4711" in run("--show-secrets", octets=octets).stdout
    assert "4711" in run("--show-secrets", "--format", "json", octets=octets).stdout


#: What Mermaid takes for a line of a sequence diagram, as far as we use it.
MERMAID = re.compile(
    r"sequenceDiagram"
    r"|    participant [cs]\d* as (client|server)( \d+)?"
    r"|    [cs]\d*(->>|-->>|-x)[cs]\d*: [^;#]*(?:#\d+;[^;#]*)*"
    r"|    Note over c\d*,s\d*: [^;#]*(?:#\d+;[^;#]*)*"
)


@pytest.mark.parametrize(
    "octets",
    [
        GET + BAD,
        OK,
        b"GET /a;b#c%%d<e>\"f'`{g} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /é\u2028 HTTP/1.1\r\n".encode(),
        raw.PREFACE + raw.settings() + raw.goaway(0, 0, b"end; #1 <br/>\n\xff"),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n\x00\n;#<",
    ],
)
def test_a_diagram_is_one_for_mermaid(octets: bytes) -> None:
    lines = run("--format", "mermaid", octets=octets).stdout.splitlines()
    assert lines[0] == "sequenceDiagram"
    assert lines[1:3] == ["    participant c as client", "    participant s as server"]
    for line in lines:
        assert MERMAID.fullmatch(line), line
        assert "<" not in line.replace("<br/>", "")


def test_what_a_terminal_would_obey_is_escaped() -> None:
    for octets in (
        b"GET /\x1b[2J HTTP/1.1\r\n",
        b"HTTP/1.1 200 \xc2\x9b2J\r\nX: \xe2\x80\xae\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\x1b[2J",
    ):
        for form in ("text", "json", "mermaid"):
            shown = run("--format", form, octets=octets).stdout
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


# -- any input


def mutated(octets: bytes, source: random.Random) -> bytes:
    changed = bytearray(octets)
    for _ in range(source.randrange(1, 4)):
        at = source.randrange(len(changed))
        changed[at : at + source.randrange(2)] = source.randbytes(source.randrange(3))
    return bytes(changed) or b"\x00"


def test_no_octets_make_it_fail() -> None:
    source = random.Random(9112)
    frames = [raw.headers(1, raw.block([(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "a")]))]
    seeds = [
        GET * 2,
        OK * 2,
        raw.PREFACE + raw.settings() + frames[0] + raw.ping(),
        raw.settings() + raw.settings_ack(),
    ]
    seeds += [vector.octets for vector in read_vectors("h1") if 10 < len(vector.octets) < 200][::50]
    for seed in seeds:
        for _ in range(5):
            octets = mutated(seed, source)
            explain(octets)
            explain(server=octets)
            explain(octets, mutated(OK, source))
            explain(octets, protocol=source.choice(("http1", "http2", "websocket")), deflate=True)


def test_the_probes_are_explained(shared_dir: Path) -> None:
    """Those that a server has to answer with 400 are: 161 cases of a public collection, as far as one request says it."""
    cases = json.loads((shared_dir / "probe215" / "cases.json").read_text(encoding="utf-8"))["cases"]
    refused = [
        case
        for case in cases
        if len(case["steps"]) == 1
        and case["expected"] in {"400", "400 or close", "400/501 or close", "400/505 or close"}
    ]
    assert len(refused) > 50
    for case in refused:
        pieces = case["steps"][0]["send"]
        if all(isinstance(piece, str) or "host" in piece for piece in pieces):
            octets = b"".join(piece.encode("latin-1") if isinstance(piece, str) else b"localhost" for piece in pieces)
            _, told = recorded(octets=octets)
            found = [item for item in told if item["type"] == "problem"]
            if case["id"] in {"COMP-HOST-EMPTY-VALUE", "COMP-METHOD-CONNECT"}:
                continue  # the first is legal, and the second for a server that is no proxy to refuse
            assert found, case["id"]
            assert found[0]["rule"], case["id"]
            assert found[0]["sections"], case["id"]
