"""Every attack class of HTTP/1 framing has vectors, or names the tests that show what is done about it."""

import re
from pathlib import Path

import pytest
from tests.h1.vectors import read_vectors

#: The rows of the table "HTTP/1 framing", by their first column, with the tests elsewhere that cover what no vector
#: can: what we send, and what a bridge does.
ROWS: dict[str, tuple[str, ...]] = {
    "CL.TE / TE.CL (both present)": (),
    "TE.TE, obfuscated TE, list, dup lines": (),
    "TE in HTTP/1.0": (),
    "TE in 1xx/204/2xx-to-CONNECT responses": (
        "h1/test_properties_h1.py::test_no_transfer_encoding_is_sent_where_none_may_be",
    ),
    "duplicate CL / CL list": (),
    'CL syntax `+5 -1 0x5 5_0 "" " 5 5" Unicode`': (),
    "CL leading zeros": (),
    "bare LF as line end": (),
    "bare CR": (),
    "leading empty lines": (),
    "whitespace before first field": (),
    "obs-fold": (),
    "space before colon": (),
    "field name chars, empty name": ("h1/test_properties_h1.py::test_no_field_is_sent_that_could_not_be_read",),
    "field value chars": ("h1/test_properties_h1.py::test_no_field_is_sent_that_could_not_be_read",),
    "no colon / truncated": (),
    "request line": (),
    "target form": (),
    "Host": (),
    "chunk-size": (),
    "chunk-ext": (),
    "chunk-data CRLF": (),
    "EOF in body": (),
    "trailers": (),
    "HTTP/0.9, h2 preface on h1": (),
    "pipelining": ("h1/test_properties_h1.py::test_a_server_reads_pipelined_requests_one_by_one",),
    "Upgrade/CONNECT smuggling": (),
    "Expect": (),
    "body on HEAD/1xx/204/304": ("h1/test_properties_h1.py::test_no_content_is_sent_where_none_may_be",),
    "response splitting": (
        "h1/test_properties_h1.py::test_no_field_is_sent_that_could_not_be_read",
        "h1/test_properties_h1.py::test_no_start_line_is_sent_that_could_not_be_read",
    ),
    "CL ≠ bytes written": (
        "h1/test_properties_h1.py::test_no_more_and_no_less_is_sent_than_content_length_says",
        "server/test_wsgi.py::test_too_little_content_ends_visibly_broken",
        "server/test_wsgi.py::test_no_octet_beyond_the_length_is_sent",
    ),
    "underscore headers": ("server/test_wsgi_environ.py::test_fields_that_are_not_passed_on",),
    "`Proxy` header → HTTP_PROXY": ("server/test_wsgi_environ.py::test_fields_that_are_not_passed_on",),
    "Forwarded / X-Forwarded-*": (),
}

#: Rows that only tests elsewhere can show.
SENT = {"response splitting", "CL ≠ bytes written"}

VECTORS = read_vectors("h1")


def framing_rows(text: str) -> list[str]:
    """The first column of the table "HTTP/1 framing"."""
    table = text.partition("**HTTP/1 framing**")[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1].strip() for line in lines[2:]]


def test_the_rows_are_those_of_the_table(shared_dir: Path) -> None:
    assert framing_rows((shared_dir / "SECURITY.md").read_text(encoding="utf-8")) == list(ROWS)


def test_vectors_name_rows_of_the_table() -> None:
    assert {row for vector in VECTORS for row in vector.security} <= set(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_covered(row: str) -> None:
    vectors = [vector for vector in VECTORS if row in vector.security]
    assert vectors or (row in SENT and ROWS[row])


@pytest.mark.parametrize("row", [row for row in ROWS if row not in SENT])
def test_a_row_has_valid_neighbours_too(row: str) -> None:
    """What is near the attack and has to be accepted, in the same file of vectors."""
    files = {vector.file for vector in VECTORS if row in vector.security}
    accepted = [v for v in VECTORS if v.file in files and all(line[0] != "error" for line in v.expected)]
    assert len(accepted) >= 2


@pytest.mark.parametrize(("row", "test"), [(row, test) for row, tests in ROWS.items() for test in tests])
def test_the_tests_elsewhere_exist(row: str, test: str) -> None:
    file, _, name = test.partition("::")
    path = Path(__file__).parent / file
    assert path.is_file(), f"{row}: {file} is not there"
    assert re.search(rf"^(?:async )?def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE), f"{row}: {test}"
