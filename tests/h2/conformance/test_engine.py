"""Each case against the engine alone: as it comes, and octet by octet."""

import pytest
from tests.h2.conformance.case import Case, all_cases, run
from tests.h2.conformance.engine_client import EngineClient

#: Cases that send so much that octet by octet is too slow.
LARGE = {"cases_connection.py::content_after_the_servers_reset_is_given_back"}


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_case(case: Case) -> None:
    run(case, EngineClient())


@pytest.mark.parametrize("case", [case for case in all_cases() if case.name not in LARGE], ids=lambda case: case.name)
def test_case_octet_by_octet(case: Case) -> None:
    run(case, EngineClient(piece=1))
