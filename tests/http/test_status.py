"""Reason phrases, and which responses have content."""

import http

import pytest

from interlock.http.status import REASONS, content_allowed, reason


def test_the_phrases_are_registered_ones() -> None:
    for code, phrase in REASONS.items():
        assert 100 <= code <= 599
        assert phrase.decode("ascii").isprintable()
    assert {status.value for status in http.HTTPStatus} <= set(REASONS)
    assert reason(200) == b"OK"
    assert reason(299) == b""


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"CONNECT", b"POST", b""])
def test_which_responses_have_content(method: bytes) -> None:
    for code in range(100, 1000):
        none = code < 200 or code in {204, 304} or method == b"HEAD" or (method == b"CONNECT" and code < 300)
        assert content_allowed(method, code) is not none
