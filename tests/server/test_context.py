"""What a line of the log says of a request."""

import pytest

from interlock.http.events import Request
from interlock.server.context import request_line


@pytest.mark.parametrize(
    ("method", "target", "line"),
    [
        (b"GET", b"/a?b=%0A", "GET /a?b=%0A"),
        (b"M" * 65, b"/", "M" * 64 + "... (65 octets) /"),
        (b"GET", b"/" + b"x" * 8000, "GET /" + "x" * 63 + "... (8001 octets)"),
    ],
)
def test_a_request_in_a_line_of_a_log(method, target, line):
    assert request_line(Request(method=method, target=target, headers=[("Host", "a")])) == line
