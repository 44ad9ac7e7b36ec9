"""Each case against the engine alone: as it comes, and octet by octet."""

import pytest
from tests.h2.conformance.case import Case, all_cases, run
from tests.h2.conformance.engine_client import EngineClient

CASES = [case for case in all_cases() if case.engine]
#: Cases that send so much that octet by octet takes long.
LARGE = {
    "cases_connection.py::content_after_the_servers_reset_is_given_back",
    "cases_exchanges.py::large_upload_comes_back",
    "cases_windows.py::an_upload_is_given_windows",
    "cases_windows.py::more_than_the_stream_window",
    "cases_windows.py::padding_counts_and_is_given_back",
    "cases_windows.py::what_comes_for_a_closed_stream_is_given_back",
}
SMALL = [
    case
    for case in CASES
    if case.name not in LARGE and not case.name.startswith(("cases_attacks.py", "cases_honest.py"))
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    run(case, EngineClient())


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_case_octet_by_octet(case: Case) -> None:
    run(case, EngineClient(piece=1))
