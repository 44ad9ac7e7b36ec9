"""What of a message reaches a terminal, and what a line that is typed says."""

import unicodedata

import pytest

from interlock.cli.ws_commands import COMMANDS, read
from interlock.cli.ws_text import escaped, lines_of, preview, quoted
from interlock.ws import Close, Message, Ping, Pong


def test_no_control_character_is_left() -> None:
    everything = "".join(map(chr, range(0x110000)))
    for made, kept in ((escaped(everything), ""), (lines_of(everything), "\t\n")):
        left = {character for character in made if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}}
        assert left == set(kept)
        turning = {character for character in made if unicodedata.bidirectional(character) in BIDIRECTIONAL}
        assert turning == set()


#: The classes of characters that change the direction of what follows (UAX #9).
BIDIRECTIONAL = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "one_line", "lines"),
    [
        ("plain é \U0001f600", "plain é \U0001f600", "plain é \U0001f600"),
        ("a\tb\r\nc", "a\\tb\\r\\nc", "a\tb\\r\nc"),
        ("\x1b\x7f\x9b", "\\x1b\\x7f\\x9b", "\\x1b\\x7f\\x9b"),
        ("\u2028\u202e", "\\u2028\\u202e", "\\u2028\\u202e"),
    ],
)
def test_escapes(text: str, one_line: str, lines: str) -> None:
    assert escaped(text) == one_line
    assert lines_of(text) == lines


def test_octets() -> None:
    assert preview(b"") == "0 octets"
    assert preview(b"\x1b") == "1 octet: 1b  |.|"
    assert preview(b"a" * 32) == f"32 octets: {'61 ' * 32} |{'a' * 32}|"
    assert preview(b"a" * 33) == f"33 octets: {'61 ' * 32}...  |{'a' * 32}|"
    assert quoted(b"a\n") == '"a\\n"'
    assert quoted(b"\xff") == "ff"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello", Message("hello")),
        (b"", Message("")),
        (b"//", Message("/")),
        (b"//ping", Message("/ping")),
        (b"/ping", Ping()),
        (b"/ping a b", Ping(b"a b")),
        ("/pong é".encode(), Pong("é".encode())),
        (b"/text /x", Message("/x")),
        (b"/binary 00 ff", Message(b"\x00\xff")),
        (b"/binary", Message(b"")),
        (b"/close", Close(1000)),
        (b"/close 3000", Close(3000)),
        (b"/close  3000  good  bye ", Close(3000, "good  bye")),
    ],
)
def test_lines(line: bytes, said: object) -> None:
    assert read(line, binary=False) == said
    if line[:1] == b"/" and line[:2] != b"//":
        assert read(line, binary=True) == said


def test_lines_as_binary() -> None:
    assert read(b"\xff", binary=True) == Message(b"\xff")
    assert read(b"//\xff", binary=True) == Message(b"/\xff")


def test_every_command_is_known_by_its_name() -> None:
    for command in COMMANDS:
        example = command.replace("HEX", "00").replace("[CODE [REASON]]", "").replace("...", "x")
        assert read(example.strip().encode(), binary=False)
