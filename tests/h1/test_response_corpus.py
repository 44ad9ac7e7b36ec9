"""Runs ``tests/vectors/responses/*.md``, good and bad responses, on the client's engine: whole, octet by octet, and cut in two.

The events have to be the same each time, and each error has to say what was wrong.  A response that ends too early, at
whatever octet, is never taken for a whole one.
"""

import re

import pytest
from tests.h1.vector_runner import cuts, run, run_cut_everywhere
from tests.h1.vectors import Vector, read_vectors

VECTORS = read_vectors("responses")

#: What an error names: a rule of an RFC, a limit of ours, a connection that ended too early.
_CLEAR = re.compile(
    r"\(RFC 9[0-9]{3} §[0-9.]+(, §[0-9.]+)?\)|too long|more than [0-9]+ (fields|octets)|closed connection"
)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_response(vector: Vector) -> None:
    what, *said = run_cut_everywhere(vector)[-1]
    if what == "error":
        assert _CLEAR.search(str(said[1]))


#: Responses that tell their end, and all that there is of each.
WHOLE = [vector for vector in VECTORS if vector.expected[-2:] == (("NEED_DATA",), ("their_state", "DONE"))]


@pytest.mark.parametrize("vector", WHOLE, ids=lambda vector: vector.name)
def test_a_response_that_ends_too_early(vector: Vector) -> None:
    octets = vector.octets
    for at in cuts(octets):
        *before, last = run(vector, [octets[:at], b""])
        assert last[0] == "error", octets[:at]
        assert "closed connection" in str(last[2])
        assert ("EndOfMessage",) not in before


def test_the_corpus_is_one_of_responses() -> None:
    assert {vector.role for vector in VECTORS} == {"client"}
    assert all(vector.rfc for vector in VECTORS)


def test_there_are_good_and_bad_ones() -> None:
    bad = [vector for vector in VECTORS if vector.expected[-1][0] == "error"]
    assert len(bad) >= 150
    assert len(VECTORS) - len(bad) >= 100


def test_headings_are_unique() -> None:
    headings = [vector.heading for vector in [*VECTORS, *read_vectors("h1")]]
    assert len(set(headings)) == len(headings), {heading for heading in headings if headings.count(heading) > 1}
