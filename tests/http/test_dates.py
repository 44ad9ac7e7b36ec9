"""IMF-fixdate (RFC 9110 §5.6.7), against the standard library, and once per second."""

from email.utils import formatdate, parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as st

from interlock.http.dates import ImfFixdate, imf_fixdate


def test_the_example_of_the_rfc() -> None:
    assert imf_fixdate(784111777) == b"Sun, 06 Nov 1994 08:49:37 GMT"


@given(st.integers(0, 253402300799))
def test_any_date(seconds: int) -> None:
    assert imf_fixdate(seconds) == formatdate(seconds, usegmt=True).encode()
    assert parsedate_to_datetime(imf_fixdate(seconds).decode()).timestamp() == seconds


def test_a_date_is_made_once_per_second() -> None:
    date = ImfFixdate()
    first = date.at(784111777.0)
    assert date.at(784111777.999) is first
    assert date.at(784111778.0) == b"Sun, 06 Nov 1994 08:49:38 GMT"
    assert date.at(784111777.5) == first
