"""The observer of HTTP/2: what each end does moves one set of machines, by the settings that both ends have said."""

from tests.h2 import raw_frames as raw

from interlock.h2 import Limits, Request, Response
from interlock.h2.observer import Observed, Observer
from interlock.h2.tables import CONNECTION, STREAM

BOTH = ("client", "server")
FIELDS = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")]
GET = raw.headers(1, raw.block(FIELDS), end=True)
ANSWER = raw.headers(1, raw.block([(":status", "204")]), end=True)


def begun(present: tuple[str, ...] = BOTH, *, limits: Limits | None = None) -> Observer:
    """A connection whose ends have said their SETTINGS, and acknowledged them, as far as they are seen."""
    observer = Observer(limits or Limits(), Limits(), present)
    if "client" in present:
        observer.preface(raw.PREFACE)
    for frame in (raw.settings(), raw.settings_ack()):
        for end in present:
            assert observer.frame(end, frame).faults == []
    return observer


def names(observed: Observed) -> list[str]:
    systems = {"h2": STREAM, "h2-connection": CONNECTION}
    return [systems[transition.system].events[transition.event] for transition in observed.transitions]


def test_a_stream_from_its_request_to_its_response() -> None:
    observer = begun()
    asked = observer.frame("client", GET)
    assert isinstance(asked.events[0], Request)
    assert names(asked) == ["remote.Request.end"]
    answered = observer.frame("server", ANSWER)
    assert isinstance(answered.events[0], Response)
    assert names(answered) == ["local.Response.end"]
    assert STREAM.state(answered.transitions[0].before, "stream") == "HALF_CLOSED_REMOTE"
    assert observer.opened(1)
    assert not observer.opened(3)


def test_streams_that_end_make_room_for_others() -> None:
    observer = Observer(Limits(), Limits(), BOTH)
    observer.preface(raw.PREFACE)
    observer.frame("client", raw.settings())
    observer.frame("server", raw.settings((raw.MAX_CONCURRENT_STREAMS, 1)))
    observer.frame("client", raw.settings_ack())
    for stream in range(1, 101, 2):
        assert observer.may_open()
        assert observer.frame("client", raw.headers(stream, raw.block(FIELDS), end=True)).faults == []
        assert not observer.may_open()
        assert observer.frame("server", raw.headers(stream, raw.block([(":status", "204")]), end=True)).faults == []


def test_what_is_malformed_ends_its_stream_alone() -> None:
    observer = begun()
    observed = observer.frame("client", raw.headers(1, raw.block([*FIELDS, ("Upper", "x")]), end=True))
    (fault,) = observed.faults
    assert (fault.stream, fault.code, fault.fatal) == (1, raw.PROTOCOL_ERROR, False)
    assert names(observed) == ["remote.Request.end", "local.Reset"]
    assert observer.frame("server", raw.headers(1, raw.block([(":status", "400")]), end=True)).faults == []


def test_a_fault_of_the_connection_is_fatal_for_its_end() -> None:
    observer = begun()
    (fault,) = observer.frame("client", raw.data(0, b"x")).faults
    assert (fault.stream, fault.fatal) == (0, True)
    assert not observer.is_seen("client")
    assert observer.is_seen("server")
    assert observer.frame("server", ANSWER).faults == []  # to a request that can only be supposed now


def test_frames_are_as_long_as_the_other_end_allows() -> None:
    observer = begun()
    assert observer.largest_frame("client", raw.DATA) == 16384
    observer.frame("server", raw.settings((raw.MAX_FRAME_SIZE, 50000)))
    assert observer.largest_frame("client", raw.DATA) == 50000
    assert observer.largest_frame("server", raw.DATA) == 16384
    alone = begun(("client",))
    assert alone.largest_frame("client", raw.DATA) == 2**24 - 1
    assert alone.largest_frame("client", raw.PING) == 16384


def test_a_header_table_is_as_large_as_the_other_end_allows() -> None:
    update = raw.table_size(8192) + raw.block(FIELDS)
    (fault,) = begun().frame("client", raw.headers(1, update, end=True)).faults
    assert (fault.code, fault.fatal) == (raw.COMPRESSION_ERROR, True)
    observer = begun()
    observer.frame("server", raw.settings((raw.HEADER_TABLE_SIZE, 8192)))
    observer.frame("client", raw.settings_ack())
    assert observer.frame("client", raw.headers(1, update, end=True)).faults == []
    assert begun(("client",)).frame("client", raw.headers(1, update, end=True)).faults == []


def test_streams_that_a_goaway_gives_up_are_over_for_both() -> None:
    observer = begun()
    observer.frame("client", GET)
    observer.frame("client", raw.headers(3, raw.block(FIELDS), end=True))
    observer.frame("server", raw.goaway(1))
    (fault,) = observer.frame("server", raw.headers(3, raw.block([(":status", "204")]), end=True)).faults
    assert fault.stream == 3
    assert observer.frame("server", ANSWER).faults == []


def test_several_settings_can_wait_for_their_acknowledgement() -> None:
    observer = begun()
    for _ in range(3):
        assert observer.frame("server", raw.settings()).faults == []
    assert observer.announced("server")
    for _ in range(3):
        assert observer.frame("client", raw.settings_ack()).faults == []
    assert not observer.announced("server")
    assert observer.frame("client", raw.settings_ack()).faults[0].fatal


def test_what_costs_too_much_is_told_once() -> None:
    observer = begun(limits=Limits(glitches=10))
    found = [observer.frame("client", raw.ping()).faults for _ in range(50)]
    assert [faults[0].fatal for faults in found if faults] == [False]
    assert observer.sent[raw.PING] == 50


def test_a_refill_pays_for_more() -> None:
    observer = begun(limits=Limits(glitches=10))
    for _ in range(50):
        assert observer.frame("client", raw.ping()).faults == []
        observer.refill(1.0)
