"""The same requests give the same answers as with httpx's own transports, on threads, asyncio and trio."""

import pytest
from tests.httpx import cases_connections, cases_messages, cases_tls
from tests.httpx.cases import CASES
from tests.httpx.differences import DIFFERENCES
from tests.httpx.faces import MODES, outcome
from tests.httpx.site import open_site

assert cases_connections
assert cases_messages
assert cases_tls

EXPECTED = {name: expected for cases in DIFFERENCES.values() for name, expected in cases.items()}
#: What is asked where: responses, which all networks read alike, in turn, and all else everywhere.
ASKED = [
    (name, mode)
    for number, name in enumerate(CASES)
    for mode in ([MODES[number % 3]] if name.startswith("response-") else MODES)
]


@pytest.fixture(scope="module")
def site():
    with open_site() as site:
        yield site


@pytest.mark.filterwarnings("ignore:`verify=<str>` is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Async generator 'http(x|core):ResourceWarning")  # httpx exhausts not all of them
@pytest.mark.parametrize(("name", "mode"), ASKED)
def test_the_same(name, mode, site):
    theirs, seen_from_them = outcome("httpx", mode, CASES[name], site)
    ours, seen_from_us = outcome("interlock", mode, CASES[name], site)
    if name not in EXPECTED:
        assert ours == theirs
        assert seen_from_us == seen_from_them
        return
    expected = EXPECTED[name]
    assert ours == (expected(theirs) if callable(expected) else expected)
    assert ours != theirs, "no difference any more"


def test_every_difference_is_one_of_a_case():
    assert set(EXPECTED) <= set(CASES)
