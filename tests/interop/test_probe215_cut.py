"""The requests of the Http11Probe collection, cut at every octet: the engine and a message read the same, however they come.

What a server answers to them is for ``test_probe215.py``.
"""

import importlib.util
import json
from pathlib import Path

import pytest
from tests.h1.vector_runner import cuttings, pieces_text, run
from tests.h1.vectors import Vector
from tests.message.test_same_as_h1 import by_h1, by_message

#: What there is of the collection: requests that are sent as they stand.
COUNT = 225


def requests_of(probe: Path) -> list[Vector]:
    """Each request of each case, but for those that quote an answer."""
    spec = importlib.util.spec_from_file_location("probe215_run", probe / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run_py = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run_py)
    cases = json.loads((probe / "cases.json").read_text(encoding="utf-8"))["cases"]
    vectors = []
    for case in cases:
        for number, step in enumerate(case["steps"]):
            segments = step["send"]
            if any("header" in segment for segment in segments if isinstance(segment, dict)):
                continue
            octets = run_py.expand(segments, "localhost:8080")
            if octets:
                vectors.append(vector_of(f"{case['id']}.{number}", octets))
    return vectors


def vector_of(name: str, octets: bytes) -> Vector:
    """A request as a vector; what is expected is that all agree."""
    return Vector(
        file="probe215",
        line=0,
        heading=name,
        role="server",
        rfc="",
        security=(),
        limits={},
        eof=False,
        flags=(),
        request="none",
        request_fields=(),
        answer="404",
        octets=octets,
        expected=(),
    )


@pytest.fixture(scope="module")
def requests(shared_dir: Path) -> list[Vector]:
    """The requests of the collection."""
    probe = shared_dir / "probe215"
    if not (probe / "cases.json").is_file():
        pytest.skip(f"{probe} is not there")
    return requests_of(probe)


def test_there_are_requests(requests: list[Vector]) -> None:
    assert len(requests) >= COUNT


def test_the_engine_reads_the_same(requests: list[Vector]) -> None:
    for vector in requests:
        expected = run(vector, [vector.octets])
        for pieces in cuttings(vector.octets):
            assert run(vector, pieces) == expected, f"{vector.heading}: {pieces_text(pieces)}"


def test_a_message_reads_the_same(requests: list[Vector]) -> None:
    for vector in requests:
        expected = by_h1(vector, vector.octets)
        for pieces in cuttings(vector.octets):
            assert by_message(vector, pieces) == expected, f"{vector.heading}: {pieces_text(pieces)}"
