"""Every error that an engine can lay to a peer has a rule in plain words, with sections; and every rule is for some error."""

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import interlock
from interlock.cli import explain_rules
from interlock.cli.explain_rules import rule_for, shortened

SOURCES = Path(interlock.__file__).parent

#: The files that read what a peer sends.
FILES = (
    "h1/parse.py",
    "h1/chunked.py",
    "h1/framing.py",
    "h1/connection.py",
    "http/fields.py",
    "http/target.py",
    "http/events.py",
    "h2/frames.py",
    "h2/control.py",
    "h2/core.py",
    "h2/receiver.py",
    "h2/messages.py",
    "h2/observer.py",
    "h2/hpack/decoder.py",
    "h2/hpack/huffman.py",
    "h2/hpack/integer.py",
    "h2/hpack/strings.py",
    "ws/frames.py",
    "ws/receiver.py",
    "ws/handshake.py",
    "ws/deflate.py",
    "ws/extensions.py",
)
ERRORS = {
    "LocalProtocolError",
    "RemoteProtocolError",
    "ConnectionFault",
    "StreamFault",
    "HPACKError",
    "Fault",
    "malformed",
}

#: What only a caller can do wrong.
CALLERS = (
    "not in a reusable state",
    "the {} can't send",
    "only HTTP/1.1 is sent",
    "Too little data for declared",
    "Too much data for declared",
    "trailers need the chunked",
    "Can't receive data when peer state",
    "is not ASCII",
    "status code has to be",
    "HTTP version {}: 1.1, 1.0 or 2",
    "is no path (RFC 9113",
    "101 has no place",
    "TE may say trailers",
    "Origin is given twice",
    "is for the handshake to say",
    "is not one that the client offers",
    "is not offered (RFC 6455 §9.1)",
    "no request was",
)

#: What stands in a hole, where that matters.
HOLES = {
    "{} too long": ("start line", "field section", "chunk line"),
    "{} (RFC 6455 §5.1)": ("a client's frame that is not masked", "a server's frame that is masked"),
    "{} (RFC 6455 §5.4)": (
        "a continuation frame where no message was begun",
        "a message begins in the midst of another",
    ),
    "illegal octet 0x{} (RFC 9110 §5.5)": ("00", "16"),
    "too many {} (RFC 9113 §10.5)": ("resets", "PINGs"),
    "nothing asked for a {} (RFC 9110 §15.2): {}": ("101", "103"),
    "{}: {}": (),
    "{}": (),
    "{} is {}, not a number from 8 to 15 (RFC 7692 §7.1.2)": ("b'client_max_window_bits'",),
    "extension {} was {}": ("not offered (RFC 6455 §9.1)", "accepted twice (RFC 7692 §5.1)"),
}

#: What machines say, in front of what would have been legal; and what has no literal of its own.
OTHERS = (
    "can't handle event SwitchUpgrade: machine upgrade is in state NONE; legal there: Propose; legal for h1 in client=DONE",
    "can't handle event Accept: machine connect is in state NONE; legal there: Propose; legal for h1 in client=DONE",
    "can't handle event InformationalResponse: machine server is in state IDLE; legal there: Request; legal for h1 in x",
    "can't handle event Frame: machine client_block is in state OPEN; legal there: End; legal for h2-connection in x",
    "can't handle event Acknowledge: machine server_settings is in state ACKNOWLEDGED; legal for h2-connection in x",
    "can't handle event Frame: machine client is in state PREFACE; legal there: Settings; legal for h2-connection in x",
    "can't handle event recv DATA: machine stream is in state CLOSED; legal there: nothing; legal for h2 in stream=CLOSED",
    "can't handle event Data: machine client is in state CLOSED; legal there: nothing; legal for ws in client=CLOSED",
    "peer closed connection without sending complete message body (incomplete chunked read)",
    "a frame on a stream that was closed (RFC 9113 §5.1)",
    "too many frames that make work and do none (RFC 9113 §10.5)",
    "chunk data that goes on behind its size (RFC 9112 §7.1)",
    "octets behind a Close (RFC 6455 §5.5.1)",
    "the stream ends within a frame (RFC 9113 §4.1)",
    "RSV2 or RSV3 without an extension that defines it (RFC 6455 §5.2)",
    "reserved opcode 3 (RFC 6455 §5.2)",
    "a control frame that is fragmented or has RSV1 (RFC 6455 §5.5)",
    "DATA beyond the stream's window (RFC 9113 §6.9.1)",
)


def literals(file: str) -> Iterator[tuple[int, str]]:
    """The messages of the errors that are made in a file, with {} for what is put in: (line, text)."""
    tree = ast.parse((SOURCES / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield node.lineno, argument.value
                elif isinstance(argument, ast.JoinedStr):
                    pieces = [part.value if isinstance(part, ast.Constant) else "{}" for part in argument.values]
                    yield node.lineno, "".join(map(str, pieces))


def messages() -> list[tuple[str, str]]:
    """Every message that an engine can have for what a peer did: (where, text)."""
    found = [("here", text) for text in OTHERS]
    for file in FILES:
        for line, text in literals(file):
            if not any(caller in text for caller in CALLERS):
                for filled in HOLES.get(text, ("b'x'",)):
                    found.append((f"{file}:{line}", text.replace("{}", filled)))
    return found


MESSAGES = messages()


@pytest.mark.skipif(not (SOURCES / "h1" / "parse.py").exists(), reason="the sources are not installed")
@pytest.mark.parametrize("text", dict.fromkeys(text for _, text in MESSAGES))
def test_every_error_has_a_rule(text: str) -> None:
    rule = rule_for(text, "")
    assert rule.text
    assert rule.sections
    assert all(re.fullmatch(r"RFC \d{4} §\d+(\.\d+)*", section) for section in rule.sections)


def test_the_messages_were_found() -> None:
    assert len(MESSAGES) > 150


def test_every_rule_is_for_some_error() -> None:
    patterns = {pattern for pattern, _ in explain_rules._RULES}
    used = {next((p for p, _ in explain_rules._RULES if p.search(text)), None) for _, text in MESSAGES}
    assert {pattern.pattern for pattern in patterns - used} == set()


@pytest.mark.parametrize(
    ("protocol", "foreign"), [("HTTP/1.1", "RFC 9113"), ("HTTP/2", "RFC 9112"), ("WebSocket", "RFC 9113")]
)
def test_no_section_of_another_protocol_is_added(protocol: str, foreign: str) -> None:
    for _, text in MESSAGES:
        rule = rule_for(text, protocol)
        assert not [section for section in rule.sections if section.startswith(foreign) and section not in _named(text)]


def _named(text: str) -> list[str]:
    return explain_rules._named(text)


def test_several_sections_of_one_rfc_are_told_apart() -> None:
    text = "a line starts with white space: line folding is obsolete (RFC 9112 §2.2, §5.2)"
    assert rule_for(text, "HTTP/1.1").sections[:2] == ("RFC 9112 §2.2", "RFC 9112 §5.2")


def test_a_quotation_of_the_input_chooses_no_rule() -> None:
    """Whoever sends a chunk size that reads like another error is told about the chunk size."""
    quoted = ("bare LF", "illegal method", "no Host", "a Close with", "too many x", ":path")
    wrong = ("bad chunk size b'{}' (RFC 9112 §7.1)", "field line without a colon: b'{}' (RFC 9112 §5)")
    for text, inside in product(wrong, quoted):
        assert rule_for(text.format(inside), "HTTP/1.1") == rule_for(text.format("x"), "HTTP/1.1")


def test_what_is_legal_instead_is_left_out() -> None:
    assert shortened("can't handle event X: machine a is in state B; legal there: C; legal for h1 in a=B: c") == (
        "can't handle event X: machine a is in state B; legal there: C"
    )
    assert shortened("bare LF (RFC 9112 §2.2)") == "bare LF (RFC 9112 §2.2)"
