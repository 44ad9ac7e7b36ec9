"""No case passes with every server: each fails where nothing is answered, where all is an error, or where all is well."""

from collections.abc import Callable

import hpack
import pytest
from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT
from tests.h2.conformance.case import Case, all_cases, run
from tests.h2.conformance.client import Client, Failed, Silence
from tests.h2.raw_frames import Frame

#: What a server says to a frame; None ends the connection.
Answer = Callable[[Frame], list[bytes] | None]


class FakeClient(Client):
    """A client whose server is a function; only SETTINGS and the client's probes are answered as they have to be."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer
        self._sent = bytearray()
        self._replies = bytearray()
        if answer is not mute:
            self._replies += raw.settings((raw.MAX_CONCURRENT_STREAMS, 100))
        self._over = False
        self._began = False

    def _write(self, octets: bytes) -> None:
        self._sent += octets
        if not self._began:
            if len(self._sent) < len(raw.PREFACE):
                return
            del self._sent[: len(raw.PREFACE)]
            self._began = True
        while not self._over and (received := raw.take_frame(self._sent)) is not None:
            if self._answer is mute or (received.kind == raw.SETTINGS and received.flags & raw.ACK):
                continue
            if received.kind == raw.SETTINGS:
                self._replies += raw.settings_ack()
            elif received.kind == raw.PING and received.payload.startswith(b"probe"):
                self._replies += raw.ping(received.payload, ack=True)
            elif (replies := self._answer(received)) is not None:
                self._replies += b"".join(replies)
            else:
                self._replies += raw.goaway(0, raw.INTERNAL_ERROR)
                self._over = True

    def _read(self) -> bytes:
        octets = self._read_now()
        if not octets and not self._over:
            raise Silence
        return octets

    def _read_now(self) -> bytes:
        octets = bytes(self._replies)
        self._replies.clear()
        return octets

    def _is_closed(self) -> bool:
        return self._over and not self._replies

    def half_close(self) -> None:
        self._over = True

    def time_passes(self, seconds: float) -> None:
        """Nobody looks at a clock."""

    def waiting_octets(self) -> int:
        return len(self._replies)

    def close(self) -> None:
        """There is nothing to close."""


def mute(_: Frame) -> list[bytes] | None:
    return []


def silent(_: Frame) -> list[bytes] | None:
    return []


def angry(_: Frame) -> list[bytes] | None:
    return None


def content(received: Frame) -> list[bytes] | None:
    """Whatever comes with an END_STREAM is a request that is answered, whatever it says."""
    if received.kind not in {raw.DATA, raw.HEADERS} or not received.flags & raw.END_STREAM:
        return []
    block = hpack.Encoder().encode([(":status", "200"), ("x-a", "1")])
    stream = received.stream & raw.LARGEST
    return [raw.headers(stream, block, end=False), raw.data(stream, CONTENT, end=True)]


SERVERS = (mute, silent, angry, content)


def passes(case: Case, answer: Answer) -> bool:
    try:
        run(case, FakeClient(answer))
    except (Failed, Silence):
        return False
    return True


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_a_case_can_fail(case: Case) -> None:
    assert not all(passes(case, answer) for answer in SERVERS)


def test_few_cases_pass_with_a_server_that_does_nothing() -> None:
    """Those of the beginning, and of what must have no effect at all."""
    assert {case.name.partition("[")[0] for case in all_cases() if passes(case, silent)} == {
        "cases_connection.py::a_reset_is_not_answered_by_a_reset",
        "cases_connection.py::end_of_the_connection_in_a_request",
        "cases_connection.py::server_speaks_first",
        "cases_frames.py::ping_acknowledgement_is_not_answered",
        "cases_settings.py::servers_settings_are_within_bounds",
        "cases_settings.py::settings_are_acknowledged",
    }


def test_no_case_passes_with_a_server_that_says_nothing() -> None:
    assert [case.name for case in all_cases() if passes(case, mute)] == []


OK = raw.headers(1, raw.literal(":status", "200"), end=False)
MISBEHAVIOUR: dict[str, list[bytes]] = {
    "too-large": [OK, raw.data(1, bytes(16385))],
    "reserved-bit": [raw.frame(raw.PING, raw.ACK, 2**31, bytes(8))],
    "undefined-flag": [OK, raw.data(1, b"x", flags=0x20)],
    "size": [raw.frame(raw.RST_STREAM, 0, 1, bytes(3))],
    "between": [raw.headers(1, raw.literal(":status", "200"), end_headers=False), raw.ping()],
    "connection-frame-on-a-stream": [raw.frame(raw.SETTINGS, 0, 1)],
    "stream-frame-on-the-connection": [raw.data(0, b"x")],
    "idle": [raw.window_update(3, 1)],
    "even": [raw.rst_stream(2)],
    "push": [raw.push_promise(1, 2, b"")],
    "goaway-grows": [raw.goaway(1), raw.goaway(3)],
    "goaway-forgets": [OK, raw.goaway(0)],
    "window-update-of-0": [raw.window_update(1, 0)],
    "window-overflow": [raw.window_update(1, raw.LARGEST), raw.window_update(1, raw.LARGEST)],
    "data-before-head": [raw.data(1, b"x")],
    "data-beyond-the-window": [OK, *[raw.data(1, bytes(16384))] * 4],
    "data-after-end": [OK, raw.data(1, b"", end=True), raw.data(1, b"x")],
    "data-after-reset": [OK, raw.rst_stream(1), raw.data(1, b"x")],
    "reset-twice": [raw.rst_stream(1), raw.rst_stream(1)],
    "padding": [OK, raw.data(1, b"x", pad=1, padding=b"x")],
    "no-status": [raw.headers(1, raw.literal("x", "y"))],
    "undecodable": [raw.headers(1, raw.indexed(0))],
    "upper-case": [raw.headers(1, raw.block([(":status", "200"), ("X", "y")]))],
    "connection-specific": [raw.headers(1, raw.block([(":status", "200"), ("connection", "close")]))],
    "value": [raw.headers(1, raw.block([(":status", "200"), ("x", "y ")]))],
    "interim-that-ends": [raw.headers(1, raw.literal(":status", "103"))],
    "trailers-with-status": [OK, raw.headers(1, raw.literal(":status", "200"))],
    "trailers-that-do-not-end": [OK, raw.headers(1, raw.literal("x", "y"), end=False)],
    "acknowledgement-that-nobody-awaits": [raw.settings_ack()],
    "enable-push": [raw.settings((raw.ENABLE_PUSH, 1))],
    "max-frame-size": [raw.settings((raw.MAX_FRAME_SIZE, 100))],
}


@pytest.mark.parametrize("frames", MISBEHAVIOUR.values(), ids=MISBEHAVIOUR)
def test_what_a_server_may_never_do_is_seen(frames: list[bytes]) -> None:
    client = FakeClient(lambda _: frames)
    client.start()
    client.request(1)
    with pytest.raises(Failed, match="§"):
        client.expect_alive()


def test_what_a_server_may_do_is_not_complained_of() -> None:
    client = FakeClient(lambda _: [OK, raw.data(1, b"x"), raw.headers(1, raw.literal("x", "y"))])
    client.start()
    client.request(1)
    client.expect_response(1, content=b"x")
