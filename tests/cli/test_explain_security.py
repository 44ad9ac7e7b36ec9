"""Every class of attack in the table of what a strict peer does, explained: one of the sections that the table names is named.

Which vectors, cases and tests belong to a class is what ``tests/test_security_coverage.py`` says.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.cli.explain_recorded import explain
from tests.cli.test_explain_http1 import told
from tests.cli.test_explain_http2 import conversation
from tests.h2.conformance.case import all_cases as http2_cases
from tests.test_security_coverage import ROWS, ROWS_OF_HTTP_2, ROWS_OF_WEBSOCKET, SENT, TITLES, VECTORS
from tests.ws import raw

from interlock.cli.explain_steps import Problem, Side, Step
from interlock.cli.explain_websocket import WebSocket
from interlock.http.limits import Limits

#: What no octets of a request or of frames show: what a server sends, what a bridge drops; time; keys that are random.
NOT_SEEN = SENT | {
    "Forwarded / X-Forwarded-*",
    "data dribble / window stall (9511, 9517)",
    "mask key",
    "handshake",  # which is noted, where it is HTTP that is explained
}
#: Classes for which the table names no section that forbids it: it is our own rule, or another text's.
OURS = {
    "underscore headers": "RFC 3875 §4.1.18",
    "`Proxy` header → HTTP_PROXY": "RFC 3875 §4.1.18",
    "pipelining": "RFC 9112 §9.6",
    "body on HEAD/1xx/204/304": "RFC 9112 §9.6",  # such a body is no part of the message
    "EOF in body": "RFC 9112 §8",
    "CL leading zeros": "RFC 9110 §8.6",
}


def sections(items: Iterable[Step | Problem]) -> set[str]:
    """All sections that are named, for what is wrong or noted."""
    found: set[str] = set()
    for item in items:
        if isinstance(item, Problem):
            found.update(item.rule.sections)
        else:
            found.update(section for note in item.notes for section in re.findall(r"RFC \d+ §[\d.]*\d", note))
    return found


def named(shared_dir: Path, row: str, default: str) -> set[str]:
    """The sections in the second column of a row of the table; those without an RFC are of ``default``."""
    text = (shared_dir / "SECURITY.md").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
    column = re.split(r"(?<!\\)\|", line)[2]
    found, rfc = set(), default
    for number, section in re.findall(r"(\d{4})(?= §)|(§[\d.]*\d)", column):
        rfc = number or rfc
        if section:
            found.add(f"RFC {rfc} {section}")
    return found


def covers(wanted: set[str], found: set[str]) -> bool:
    """Whether one of the wanted sections, or a part of it, or what it is a part of, is found."""
    return any(
        one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.") for one in wanted for other in found
    )


@pytest.mark.parametrize("row", [row for row in ROWS if row not in NOT_SEEN])
def test_attacks_on_http1(shared_dir: Path, row: str) -> None:
    found: set[str] = set()
    for vector in VECTORS:
        if row in vector.security and not vector.flags and vector.octets:
            found |= sections(told(vector))
    if row in {"underscore headers", "`Proxy` header → HTTP_PROXY"}:
        found |= sections(explain(b"GET / HTTP/1.1\r\nHost: a\r\nProxy: b\r\nX_Y: c\r\n\r\n"))
    wanted = {OURS[row]} if row in OURS else named(shared_dir, row, "9112")
    assert covers(wanted, found), (wanted, found)


@pytest.mark.parametrize("row", [row for row in ROWS_OF_HTTP_2 if row not in NOT_SEEN])
def test_attacks_on_http2(shared_dir: Path, row: str) -> None:
    tests = ROWS_OF_HTTP_2[row]
    attacks = [test.rpartition("/")[2] for test in tests[: tests.index(None)] if test is not None and "/cases_" in test]
    found: set[str] = set()
    for attack in attacks:
        case = next(case for case in http2_cases() if case.name.partition("[")[0] == attack and case.engine)
        recording = conversation(case)
        found |= sections(explain(bytes(recording.sent[:300_000]), bytes(recording.received)))
        if covers(named(shared_dir, row, "9113"), found):
            return
    raise AssertionError((named(shared_dir, row, "9113"), found))


@pytest.mark.parametrize("row", [row for row in ROWS_OF_WEBSOCKET if row not in NOT_SEEN])
def test_attacks_on_websocket(shared_dir: Path, row: str) -> None:
    tests = ROWS_OF_WEBSOCKET[row]
    attacks = [TITLES[t.removeprefix("case: ")] for t in tests[: tests.index(None)] if t and t.startswith("case: ")]
    found: set[str] = set()
    for case in attacks:
        side = Side("client")
        side.feed(raw.octets_of(case.frames, client=True))
        found |= sections(WebSocket({"client": side}, case.limits or Limits(), case.agreed).steps())
    if row == "mask direction":
        side = Side("client")
        side.feed(raw.octets_of([raw.text("hello")], client=False))
        found |= sections(WebSocket({"client": side}, Limits(), None).steps())
    assert covers(named(shared_dir, row, "6455"), found), found
