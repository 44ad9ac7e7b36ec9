"""Each case in both roles: whole, frame by frame, octet by octet, cut in two; messages in one piece, and as they come."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from tests.ws import raw
from tests.ws.cases.case import Case, all_cases
from tests.ws.engine import Outcome, each_role, joined, opened, received
from tests.ws.raw import Frame

from interlock.ws import CLIENT, SERVER, CloseReceived, Connection, Message, Ping, Pong

CASES = all_cases()
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)


def engine(case: Case, role: Any, *, fragments: bool = False) -> Connection:
    return opened(role, agreed=case.agreed, limits=case.limits, fragments=fragments)


def octets_of(case: Case, role: Any) -> bytes:
    return raw.octets_of(case.frames, role is SERVER)


def without_reason(frame: Frame) -> Frame:
    """A Close without what it says why, which is for people."""
    return replace(frame, payload=frame.payload[:2]) if frame.opcode == raw.CLOSE else frame


def agrees(case: Case, outcome: Outcome, how: str) -> None:
    assert outcome.events == list(case.events), how
    assert outcome.code == case.code, f"{how}: {outcome.error}"
    assert [without_reason(frame) for frame in outcome.sent] == case.answers(), how
    if not case.code:
        assert [frame for frame in outcome.sent if len(frame.payload) > 2 and frame.opcode == raw.CLOSE] == []


@each_role
@each_case
def test_however_it_is_cut(case: Case, role: Any) -> None:
    """Where octet by octet would take long, the first come one by one, and then few at a time."""
    octets = octets_of(case, role)
    by_octet = [*raw.cut(octets[:2000], 1), *raw.cut(octets[2000:], max(1, len(octets) // 997))]
    ways = {
        "whole": [octets],
        "frame by frame": [frame.octets(role is SERVER) for frame in case.frames],
        "octet by octet": by_octet,
    }
    for at in (*range(1, min(15, len(octets))), *range(15, len(octets), max(1, len(octets) // 25))):
        ways[f"cut behind octet {at}"] = [octets[:at], octets[at:]]
    for how, pieces in ways.items():
        agrees(case, received(engine(case, role), pieces), how)
    agrees(case, received(engine(case, role), by_octet, at_the_end=True), "octet by octet, looked at once")


@each_role
@each_case
def test_as_it_comes(case: Case, role: Any) -> None:
    """Pieces of messages make the same messages; those of a message that fails have come before."""
    octets = octets_of(case, role)
    for size in (1, 5, len(octets)) if not case.is_large else (len(octets) // 97, len(octets)):
        outcome = received(engine(case, role, fragments=True), raw.cut(octets, size))
        agrees(case, outcome._replace(events=joined(outcome.events)), f"as it comes, in pieces of {size}")
        assert all(event.data or event.final for event in outcome.events if isinstance(event, Message))


def test_cases_have_titles_of_their_own() -> None:
    assert len({(case.title, case.sections) for case in CASES}) == len(CASES)


@each_role
def test_no_case_holds_of_an_engine_that_reads_nothing(role: Any) -> None:
    """Nor of one that takes everything for a message, or all for an error: each says what has to come."""
    assert [case.title for case in CASES if not case.events and not case.code] == ["within the default, still to come"]


def test_every_section_has_cases_that_fail_and_cases_that_do_not() -> None:
    """Those by which frames are made; of the others some have cases too, and all have other tests."""
    for code in (True, False):
        covered = {section for case in CASES for section in case.sections if (case.code != 0) == code}
        assert all(re.fullmatch(r"(6455|7692) §\d+(\.\d+)*", section) for section in covered)
        wanted = "6455 §5.2, 6455 §5.4, 6455 §5.5, 6455 §5.5.1, 6455 §7.4, 6455 §8.1, 6455 §10.4"
        assert {*wanted.split(", "), "7692 §6.1", "7692 §8"} <= covered


# -- §5.1: masking

OPCODES = {
    "text": (raw.text("abc"), Message("abc")),
    "binary": (raw.binary(b"abc"), Message(b"abc")),
    "nothing": (raw.binary(b""), Message(b"")),
    "ping": (raw.ping(b"abc"), Ping(b"abc")),
    "pong": (raw.pong(b"abc"), Pong(b"abc")),
    "close": (raw.close(), CloseReceived(1000)),
}


@each_role
@pytest.mark.parametrize("name", OPCODES)
def test_only_a_client_masks(name: str, role: Any) -> None:
    frame, event = OPCODES[name]
    right = received(opened(role), [frame.octets(role is SERVER)])
    assert (right.events, right.code) == ([event], 0)
    for pieces in ([frame.octets(role is CLIENT)], raw.cut(frame.octets(role is CLIENT), 1)):
        wrong = received(opened(role), pieces)
        assert (wrong.events, wrong.code) == ([], 1002)
        assert [without_reason(sent) for sent in wrong.sent] == [raw.close(1002)]


@each_role
def test_every_frame_of_a_message_is_masked_or_none(role: Any) -> None:
    first, rest = raw.text("a", fin=False), raw.last("b")
    octets = first.octets(role is SERVER) + rest.octets(role is CLIENT)
    outcome = received(opened(role), [octets])
    assert (outcome.events, outcome.code) == ([], 1002)


@pytest.mark.parametrize("key", [bytes(4), b"\xff\xff\xff\xff", b"\x00\x00\x00\x01", b"abcd", raw.KEY])
def test_any_key_will_do(key: bytes) -> None:
    payload = bytes(range(256)) * 3
    frames = [raw.ping(payload[:125]), *raw.fragmented(raw.binary(payload), 101)]
    octets = b"".join(frame.octets(True, key) for frame in frames)
    for pieces in ([octets], raw.cut(octets, 1), raw.cut(octets, 7)):
        assert received(opened(SERVER), pieces).events == [Ping(payload[:125]), Message(payload)]


# -- §7.4: every code


def close_codes(pieces: Iterable[bytes], role: Any) -> tuple[list[Any], int]:
    outcome = received(opened(role), pieces)
    return outcome.events, outcome.code


@each_role
def test_every_code_from_0_to_5000(role: Any) -> None:
    """RFC 6455 §7.4.1, §7.4.2; 1012 to 1014 have been registered since."""
    defined = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
    for code in (*range(5001), 65535):
        outcome = close_codes([raw.close(code, "why").octets(role is SERVER)], role)
        good = code in defined or 3000 <= code <= 4999
        assert outcome == (([CloseReceived(code, "why")], 0) if good else ([], 1002)), code
