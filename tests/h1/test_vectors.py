"""Runs ``tests/vectors/h1/*.md``: whole, octet by octet, and cut in two; the events have to be the same each time."""

import pytest
from tests.h1.vector_runner import run_cut_everywhere
from tests.h1.vectors import Vector, octets_of, read_vectors

VECTORS = read_vectors("h1")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: Vector) -> None:
    run_cut_everywhere(vector)


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 300


def test_headings_are_unique() -> None:
    headings = [vector.heading for vector in VECTORS]
    assert len(set(headings)) == len(headings), {heading for heading in headings if headings.count(heading) > 1}


def test_notation() -> None:
    assert octets_of(r"a\r\n\t\x00\\{b\r*3}") == b"a\r\n\t\x00\\b\rb\rb\r"
