"""Flow control and scheduling as a peer sees them: what the engine lets it send, and what the engine sends, when.

The peer is a client made of raw frames.  It keeps the windows of both directions itself, and fails where the engine
sends what they do not allow (RFC 9113 §5.2, §6.9; RFC 9218 §10).
"""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.h2 import raw_frames as raw

from interlock import h2
from interlock.http.limits import Limits

WINDOW = 65535
KIB = 1024
EXAMPLES = settings(deadline=None, max_examples=60)

#: What a request of the peer says, beside its fields.
PSEUDO = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a")]


class Peer:
    """A client, by the book, and the server's engine that it talks to."""

    def __init__(self, *changes: tuple[int, int], limits: Limits | None = None, acknowledge: bool = True) -> None:
        self.connection = h2.Connection(h2.SERVER, limits=limits or Limits())
        self.buffer = bytearray()
        self.frames: list[raw.Frame] = []
        #: What we may send: by the connection's window, by a stream's, and by that of a stream that is not open yet.
        self.ours, self.our_streams, self.our_initial = WINDOW, dict[int, int](), WINDOW
        #: What the engine may send.
        self.theirs, self.their_streams, self.their_initial = WINDOW, dict[int, int](), WINDOW
        self.frame_size = 16384
        #: What was received: (stream, octets) of each DATA frame, in order.
        self.received: list[tuple[int, int]] = []
        self.ended: set[int] = set()
        self.events: list[object] = []
        self.next_stream = 1
        self.take()
        self.send(raw.PREFACE + raw.settings(*changes) + (raw.settings_ack() if acknowledge else b""))
        self.their_initial = dict(changes).get(raw.INITIAL_WINDOW_SIZE, self.their_initial)
        self.frame_size = dict(changes).get(raw.MAX_FRAME_SIZE, self.frame_size)
        self.take()

    def send(self, octets: bytes) -> list[object]:
        """Let the engine receive octets; return the events."""
        self.connection.receive_data(octets)
        return self.pull()

    def pull(self) -> list[object]:
        events: list[object] = []
        while (event := self.connection.next_event()) is not h2.NEED_DATA:
            events.append(event)
        self.events += events
        return events

    def take(self, limit: int | None = None) -> list[raw.Frame]:
        """Take what the engine sends, hold it to the windows, and return the frames."""
        self.buffer += self.connection.data_to_send(limit)
        frames = []
        while (frame := raw.take_frame(self.buffer)) is not None:
            frames.append(frame)
            self.note(frame)
        assert not self.buffer, "a frame was cut"
        self.frames += frames
        return frames

    def note(self, frame: raw.Frame) -> None:
        stream, size = frame.stream, len(frame.payload)
        assert size <= self.frame_size
        if frame.kind == raw.WINDOW_UPDATE:
            assert frame.number(0) > 0
            if stream:
                self.our_streams[stream] += frame.number(0)
            else:
                self.ours += frame.number(0)
            assert max(self.ours, *self.our_streams.values(), 0) <= raw.LARGEST
        elif frame.kind == raw.SETTINGS and not frame.flags & raw.ACK:
            for at in range(0, size, 6):
                if int.from_bytes(frame.payload[at : at + 2], "big") == raw.INITIAL_WINDOW_SIZE:
                    self.our_initial = frame.number(at + 2)
        elif frame.kind == raw.DATA:
            assert stream not in self.ended
            self.theirs -= size
            self.their_streams[stream] -= size
            assert size == 0 or self.theirs >= 0, "the connection's window is overrun"
            assert size == 0 or self.their_streams[stream] >= 0, "the stream's window is overrun"
            self.received.append((stream, size))
        if frame.kind in (raw.DATA, raw.HEADERS) and frame.flags & raw.END_STREAM:
            self.ended.add(stream)

    def request(self, *fields: raw.Field, end: bool = True) -> int:
        """Make a request; return its stream."""
        stream = self.next_stream
        self.next_stream += 2
        self.our_streams[stream] = self.our_initial
        self.their_streams[stream] = self.their_initial
        self.send(raw.headers(stream, raw.block([*PSEUDO, *fields]), end=end))
        return stream

    def data(self, stream: int, octets: int, *, end: bool = False, pad: int | None = None) -> None:
        """Send content, in frames of at most 16 KiB."""
        while True:
            size = min(octets, 16384 - (0 if pad is None else pad + 1))
            octets -= size
            on_the_wire = size + (0 if pad is None else pad + 1)
            self.ours -= on_the_wire
            self.our_streams[stream] -= on_the_wire
            self.send(raw.data(stream, bytes(size), end=end and not octets, pad=pad))
            if not octets:
                return

    def grant(self, stream: int, octets: int) -> None:
        """Open a window."""
        if stream:
            self.their_streams[stream] += octets
        else:
            self.theirs += octets
        self.send(raw.window_update(stream, octets))

    def change(self, *changes: tuple[int, int]) -> None:
        """Change settings."""
        initial = dict(changes).get(raw.INITIAL_WINDOW_SIZE, self.their_initial)
        for stream in self.their_streams:
            self.their_streams[stream] += initial - self.their_initial
        self.their_initial = initial
        self.frame_size = max(self.frame_size, dict(changes).get(raw.MAX_FRAME_SIZE, 0))
        self.send(raw.settings(*changes))

    def respond(self, stream: int, octets: int, *, end: bool = True, status: int = 200) -> None:
        """Let the engine's caller answer."""
        queue = self.connection.queue
        queue(h2.Response(status_code=status, stream_id=stream, http_version=b"2"))
        if octets:
            queue(h2.Data(bytes(octets), stream_id=stream))
        if end:
            queue(h2.EndOfMessage(stream_id=stream))

    def more(self, stream: int, octets: int) -> None:
        self.connection.queue(h2.Data(bytes(octets), stream_id=stream))

    def updates(self, stream: int) -> list[int]:
        """The increments of WINDOW_UPDATE that were received for a stream, or with 0 for the connection."""
        return [f.number(0) for f in self.frames if f.kind == raw.WINDOW_UPDATE and f.stream == stream]

    def resets(self) -> list[tuple[int, str]]:
        return [(f.stream, raw.code_name(f.number(0))) for f in self.frames if f.kind == raw.RST_STREAM]

    def order(self) -> list[int]:
        """The streams of the DATA frames received since the last call."""
        order = [stream for stream, octets in self.received]
        self.received.clear()
        return order


def fails(peer: Peer, octets: bytes) -> str:
    """The error code of the GOAWAY that these octets bring."""
    with pytest.raises(h2.RemoteProtocolError):
        peer.send(octets)
    last = peer.take()[-1]
    assert last.kind == raw.GOAWAY
    with pytest.raises(h2.RemoteProtocolError):
        peer.connection.next_event()
    assert peer.connection.error_code == last.number(4)
    return raw.code_name(last.number(4))


# -- what the peer may send


def test_credit_comes_only_with_what_is_consumed() -> None:
    peer = Peer()
    stream = peer.request(end=False)
    peer.take()
    before = len(peer.updates(0))
    peer.data(stream, peer.our_streams[stream])
    assert peer.take() == []
    assert peer.our_streams[stream] == 0
    peer.connection.consumed(stream, WINDOW)
    peer.take()
    assert peer.our_streams[stream] >= WINDOW
    assert sum(peer.updates(stream)) >= WINDOW
    assert len(peer.updates(0)) - before <= 1


def test_credit_comes_in_batches() -> None:
    peer = Peer(limits=Limits(window_ceiling=WINDOW))
    stream = peer.request(end=False)
    peer.take()
    total = 0
    while total < 20 * WINDOW:
        peer.data(stream, 1000)
        peer.connection.consumed(stream, 1000)
        total += 1000
        peer.take()
    assert 20 <= len(peer.updates(stream)) <= 40
    assert all(increment >= WINDOW // 2 for increment in peer.updates(stream))
    assert len(peer.updates(0)) <= 41


def test_no_credit_after_end_stream() -> None:
    peer = Peer()
    stream = peer.request(end=False)
    peer.data(stream, WINDOW, end=True)
    peer.connection.consumed(stream, WINDOW)
    peer.take()
    assert peer.updates(stream) == []


@pytest.mark.parametrize("length", [40000, WINDOW])
def test_no_credit_where_the_rest_fits(length: int) -> None:
    peer = Peer()
    stream = peer.request(("content-length", str(length)), end=False)
    peer.data(stream, 35000)
    peer.connection.consumed(stream, 35000)
    peer.take()
    assert peer.updates(stream) == []
    peer.data(stream, length - 35000)
    peer.connection.consumed(stream, length - 35000)
    peer.take()
    assert peer.updates(stream) == []


def test_credit_where_the_rest_does_not_fit() -> None:
    peer = Peer()
    stream = peer.request(("content-length", "100000"), end=False)
    peer.data(stream, 50000)
    peer.connection.consumed(stream, 50000)
    peer.take()
    assert peer.our_streams[stream] >= 50000
    peer.data(stream, 50000, end=True)
    assert isinstance(peer.events[-1], h2.EndOfMessage)


def test_padding_is_credited_though_nobody_consumes_it() -> None:
    """Padding in every frame: the peer is never stuck for want of what padding has used."""
    peer = Peer(limits=Limits(glitches=10**9))
    stream = peer.request(("content-length", "1000"), end=False)
    for left in range(1000, 0, -1):
        assert peer.our_streams[stream] >= min(left, 202)
        peer.data(stream, 1, pad=min(200, peer.our_streams[stream] - 2), end=left == 1)
        peer.connection.consumed(stream, 1)
        peer.take()
    assert isinstance(peer.events[-1], h2.EndOfMessage)
    # All of it came back to the connection.
    assert peer.ours >= WINDOW // 2


def test_padding_counts_against_the_windows() -> None:
    peer = Peer()
    stream = peer.request(end=False)
    peer.data(stream, WINDOW - 100)
    peer.our_streams[stream] -= 101
    peer.send(raw.data(stream, b"", pad=100))
    peer.take()
    assert peer.resets() == [(stream, "FLOW_CONTROL_ERROR")]


@pytest.mark.parametrize("window", [1, 1000, 100000])
def test_a_stream_that_opens_before_our_settings_are_known(window: int) -> None:
    """The peer uses the default window until it knows ours, and then ours (RFC 9113 §6.9.2): it must not get stuck."""
    peer = Peer(limits=Limits(window=window, window_ceiling=window), acknowledge=False)
    assert peer.our_initial == window
    peer.our_initial = WINDOW
    stream, other = peer.request(end=False), peer.request(end=False)
    peer.data(other, 2000)
    peer.send(raw.settings_ack())
    for open_stream in (stream, other):
        peer.our_streams[open_stream] += window - WINDOW
    peer.our_initial = window
    peer.connection.consumed(other, 2000)
    peer.take()
    for open_stream in (stream, other, peer.request(end=False)):
        for _ in range(10):
            octets = min(peer.our_streams[open_stream], 10000)
            assert octets > 0
            peer.data(open_stream, octets)
            peer.connection.consumed(open_stream, octets)
            peer.take()
            assert peer.our_streams[open_stream] <= window
    assert peer.resets() == []


@pytest.mark.parametrize("window", [1, 1000, 100000])
def test_a_clients_own_streams_have_the_window_of_its_settings(window: int) -> None:
    """The server has read them before any request, acknowledged or not."""
    client = h2.Connection(h2.CLIENT, limits=Limits(window=window, window_ceiling=window))
    client.queue(h2.Request(method="GET", target="/", headers=[("host", "a")], http_version=b"2", stream_id=1))
    client.queue(h2.EndOfMessage(stream_id=1))
    client.data_to_send()
    client.receive_data(raw.settings() + raw.headers(1, raw.block([(":status", "200")]), end=False))
    for _ in range(10):
        octets = min(window, 10000)
        client.receive_data(raw.data(1, bytes(octets)))
        while client.next_event() is not h2.NEED_DATA:
            pass
        client.consumed(1, octets)
    received = bytearray(client.data_to_send())
    updates = []
    while (frame := raw.take_frame(received)) is not None:
        if frame.kind == raw.WINDOW_UPDATE and frame.stream == 1:
            updates.append(frame.number(0))
    assert 10 * octets - window <= sum(updates) + window // 2
    assert updates


def test_a_stream_whose_window_is_overrun_is_reset() -> None:
    peer = Peer()
    stream, other = peer.request(end=False), peer.request(end=False)
    peer.data(stream, WINDOW)
    peer.send(raw.data(stream, b"x"))
    peer.take()
    assert peer.resets() == [(stream, "FLOW_CONTROL_ERROR")]
    peer.data(other, 10, end=True)
    assert isinstance(peer.events[-1], h2.EndOfMessage)


def test_a_connection_whose_window_is_overrun_has_ended() -> None:
    peer = Peer(limits=Limits(streams=1, window_ceiling=0))
    stream = peer.request(end=False)
    assert peer.ours == WINDOW
    peer.data(stream, WINDOW)
    assert fails(peer, raw.data(stream, b"x")) == "FLOW_CONTROL_ERROR"


def test_a_stalled_stream_does_not_stop_the_others() -> None:
    """Its window is smaller than the connection's: an application that takes nothing holds back its own peer only."""
    peer = Peer()
    stalled = peer.request(end=False)
    peer.data(stalled, WINDOW)
    other = peer.request(end=False)
    for _ in range(200):
        octets = min(10000, peer.ours, peer.our_streams[other])
        assert octets > 0
        peer.data(other, octets)
        peer.connection.consumed(other, octets)
        peer.take()


def test_all_streams_but_one_stalled() -> None:
    peer = Peer()
    for _ in range(Limits().streams - 1):
        stream = peer.request(end=False)
        peer.data(stream, min(WINDOW, max(peer.ours - WINDOW, 0)))
        peer.take()
    other = peer.request(end=False)
    for _ in range(100):
        octets = min(10000, peer.ours, peer.our_streams[other])
        assert octets > 0
        peer.data(other, octets)
        peer.connection.consumed(other, octets)
        peer.take()


def test_what_comes_for_a_stream_that_was_reset_is_credited_to_the_connection() -> None:
    peer = Peer(limits=Limits(glitches=100000, window_ceiling=0, streams=2))
    for _ in range(200):
        stream = peer.request(end=False)
        peer.connection.queue(h2.StreamReset(stream, raw.CANCEL))
        # It is on its way already.
        peer.data(stream, 30000)
        peer.connection.release(stream)
        peer.take()
        assert peer.ours >= 30000
    assert not [event for event in peer.events if isinstance(event, h2.Data)]


def test_what_is_consumed_of_a_stream_that_is_over_is_credited_to_the_connection() -> None:
    peer = Peer(limits=Limits(glitches=100000, window_ceiling=0, streams=2))
    for _ in range(200):
        stream = peer.request(end=False)
        peer.data(stream, 30000)
        peer.send(raw.rst_stream(stream))
        peer.connection.release(stream)
        peer.connection.consumed(stream, 30000)
        peer.take()
        assert peer.ours >= 30000
        assert peer.updates(stream) == []


def test_what_nobody_consumes_of_a_stream_that_the_peer_has_reset_is_credited_to_the_connection() -> None:
    peer = Peer(limits=Limits(glitches=100000, window_ceiling=0, streams=2))
    for _ in range(200):
        stream = peer.request(end=False)
        peer.data(stream, WINDOW)
        peer.send(raw.rst_stream(stream))
        peer.take()
        assert peer.ours >= WINDOW


def test_what_is_consumed_after_the_end_of_both_messages_is_credited_to_the_connection() -> None:
    peer = Peer(limits=Limits(window_ceiling=0, streams=2))
    for _ in range(20):
        stream = peer.request(end=False)
        peer.data(stream, 60000, end=True)
        peer.respond(stream, 0)
        peer.take()
        assert peer.connection.open_streams == 0
        for octets in (1, 20000, 39999):
            peer.connection.consumed(stream, octets)
        peer.take()
        assert peer.ours >= WINDOW
    assert peer.updates(stream) == []


def test_what_nobody_consumed_stays_in_the_connections_window() -> None:
    peer = Peer(limits=Limits(window_ceiling=0, streams=2))
    whole = peer.ours
    stream = peer.request(end=False)
    peer.data(stream, 60000, end=True)
    peer.respond(stream, 0)
    assert peer.ours == whole - 60000
    peer.take()
    assert peer.ours == whole - 60000
    peer.connection.release(stream)
    peer.data(peer.request(end=False), WINDOW)  # so that it is worth an update
    peer.connection.consumed(stream + 2, WINDOW)
    peer.take()
    assert peer.ours == whole


def test_no_more_can_be_consumed_than_was_received() -> None:
    peer = Peer(limits=Limits(window_ceiling=0, streams=1))
    stream = peer.request(end=False)
    peer.data(stream, 40000)
    peer.connection.consumed(stream, 10**6)
    peer.connection.consumed(stream, 10**6)
    peer.connection.consumed(99, 10**6)
    peer.take()
    assert peer.our_streams[stream] == WINDOW
    assert peer.ours == WINDOW


def test_streams_that_overrun_their_windows_do_not_use_up_the_connections() -> None:
    peer = Peer(limits=Limits(glitches=100000, window_ceiling=0, streams=2))
    for _ in range(200):
        stream = peer.request(end=False)
        peer.data(stream, WINDOW)
        peer.ours -= 1000
        peer.send(raw.data(stream, bytes(1000)))
        peer.take()
        assert peer.ours >= WINDOW
    assert len(peer.resets()) == 200


def test_what_a_stream_has_grown_by_is_given_back_at_its_end() -> None:
    peer = Peer(limits=Limits(window_ceiling=3 * WINDOW))
    for _ in range(10):
        stream = peer.request(end=False)
        for _ in range(3):
            octets = peer.our_streams[stream]
            peer.data(stream, octets)
            peer.connection.consumed(stream, octets)
            peer.take()
        assert peer.our_streams[stream] == 3 * WINDOW
        peer.data(stream, 0, end=True)
        peer.respond(stream, 0)
        peer.take()


def test_a_window_grows_where_the_application_keeps_up() -> None:
    peer = Peer()
    stream = peer.request(end=False)
    largest = 0
    for _ in range(1000):
        octets = min(peer.our_streams[stream], peer.ours)
        largest = max(largest, octets)
        assert octets
        peer.data(stream, octets)
        peer.connection.consumed(stream, octets)
        peer.take()
        if peer.our_streams[stream] >= 2**20:
            break
    assert largest > 2**18


def test_windows_do_not_grow_beyond_their_budget() -> None:
    limits = Limits(window_ceiling=4 * WINDOW)
    peer = Peer(limits=limits)
    streams = [peer.request(end=False) for _ in range(10)]
    for _ in range(20):
        for stream in streams:
            octets = min(peer.our_streams[stream], peer.ours)
            peer.data(stream, octets)
            peer.connection.consumed(stream, octets)
            peer.take()
    assert sum(peer.our_streams[stream] for stream in streams) <= 10 * WINDOW + 4 * WINDOW
    assert max(peer.our_streams[stream] for stream in streams) <= 4 * WINDOW


@EXAMPLES
@given(st.integers(1, 6), st.randoms(use_true_random=True), st.integers(1, 100000), st.sampled_from([1, 1000, WINDOW]))
def test_uploads_end(count: int, random: Random, most: int, window: int) -> None:
    """Several at once, cut and padded at will, within the windows; the application takes all, sooner or later."""
    peer = Peer(limits=Limits(window=window, window_ceiling=window * random.choice([1, 16]), glitches=10**9))
    left = {}
    for _ in range(count):
        length = random.randint(1, most if window > 1 else 50)
        fields = [("content-length", str(length))] if random.random() < 0.5 else []
        left[peer.request(*fields, end=False)] = length
    unconsumed = dict.fromkeys(left, 0)
    announced = dict.fromkeys(left, peer.our_initial)
    while left or any(unconsumed.values()):
        peer.take()
        able = [stream for stream in left if peer.our_streams[stream] > 0 and peer.ours > 0]
        if able and random.random() < 0.7:
            stream = random.choice(able)
            octets = min(left[stream], peer.our_streams[stream], peer.ours, random.choice([1, 1000, 10**6]))
            pad = random.choice([None, None, 0, 10])
            if pad is not None and octets % 16384 + pad + 1 > min(peer.our_streams[stream], peer.ours) - octets:
                pad = None
            if octets > 16000:
                pad = None
            left[stream] -= octets
            peer.data(stream, octets, end=not left[stream], pad=pad)
            if not left[stream]:
                del left[stream]
            unconsumed[stream] += octets
            continue
        waiting = [stream for stream in unconsumed if unconsumed[stream]]
        assert waiting or able, "the peer waits for ever"
        if waiting:
            stream = random.choice(waiting)
            octets = random.randint(1, unconsumed[stream]) if random.random() < 0.5 else unconsumed[stream]
            unconsumed[stream] -= octets
            peer.connection.consumed(stream, octets)
    assert sum(isinstance(event, h2.EndOfMessage) for event in peer.events) == count
    assert all(announced[stream] == window for stream in announced)


# -- what the engine may send


def test_data_stops_at_the_streams_window() -> None:
    peer = Peer()
    peer.grant(0, 10**6)
    stream = peer.request()
    peer.respond(stream, 100000)
    peer.take()
    assert sum(octets for _, octets in peer.received) == WINDOW
    assert stream not in peer.ended
    assert peer.connection.stalled_streams() == [stream]
    assert not peer.connection.writable(stream)
    assert not peer.connection.has_output
    assert peer.take() == []
    peer.grant(stream, 1)
    assert peer.connection.has_output
    peer.take()
    assert sum(octets for _, octets in peer.received) == WINDOW + 1
    peer.grant(stream, 10**6)
    assert peer.connection.take_released() == []
    peer.take()
    assert sum(octets for _, octets in peer.received) == 100000
    assert stream in peer.ended
    assert peer.connection.take_released() == [stream]
    assert peer.connection.take_released() == []
    assert peer.connection.stalled_streams() == []


def test_the_connections_window_is_shared() -> None:
    peer = Peer()
    streams = [peer.request() for _ in range(3)]
    for stream in streams:
        peer.respond(stream, 30000)
    peer.take()
    assert sum(octets for _, octets in peer.received) == WINDOW
    assert peer.theirs == 0
    assert set(peer.connection.stalled_streams()) <= set(streams)
    assert peer.connection.stalled_streams()
    assert not peer.connection.has_output
    peer.grant(streams[2], 10**6)
    assert peer.take() == []
    peer.grant(0, 10**6)
    peer.take()
    assert peer.ended == set(streams)
    for stream in streams:
        assert sum(octets for to, octets in peer.received if to == stream) == 30000


def test_a_head_needs_no_window() -> None:
    peer = Peer((raw.INITIAL_WINDOW_SIZE, 0))
    stream, other = peer.request(), peer.request()
    peer.respond(stream, 10)
    peer.respond(other, 0)
    kinds = [(frame.kind, frame.stream) for frame in peer.take()]
    assert kinds == [(raw.HEADERS, stream), (raw.HEADERS, other)]
    assert peer.ended == {other}
    peer.grant(stream, 10)
    peer.take()
    assert peer.ended == {stream, other}


def test_an_end_without_content_needs_no_window() -> None:
    peer = Peer((raw.INITIAL_WINDOW_SIZE, 10))
    stream = peer.request()
    peer.respond(stream, 10, end=False)
    peer.take()
    assert peer.their_streams[stream] == 0
    peer.connection.queue(h2.EndOfMessage(stream_id=stream))
    peer.take()
    assert peer.ended == {stream}


def test_a_window_may_become_negative() -> None:
    peer = Peer()
    stream = peer.request()
    peer.respond(stream, 200000)
    peer.take()
    peer.grant(0, 10**6)
    peer.change((raw.INITIAL_WINDOW_SIZE, 5535))
    assert peer.their_streams[stream] == -60000
    peer.grant(stream, 60000)
    peer.take()
    assert peer.their_streams[stream] == 0
    peer.received.clear()
    peer.grant(stream, 100)
    peer.take()
    assert peer.received == [(stream, 100)]
    peer.change((raw.INITIAL_WINDOW_SIZE, 5545))
    peer.take()
    assert peer.received == [(stream, 100), (stream, 10)]
    peer.change((raw.INITIAL_WINDOW_SIZE, 1000000))
    peer.take()
    assert peer.ended == {stream}
    other = peer.request()
    peer.respond(other, 1000)
    peer.take()
    assert peer.ended == {stream, other}


def test_settings_that_make_a_window_too_large_end_the_connection() -> None:
    peer = Peer()
    stream = peer.request()
    peer.grant(stream, raw.LARGEST - WINDOW)
    assert fails(peer, raw.settings((raw.INITIAL_WINDOW_SIZE, WINDOW + 1))) == "FLOW_CONTROL_ERROR"


def test_an_update_that_makes_a_streams_window_too_large_ends_the_stream() -> None:
    peer = Peer()
    stream = peer.request()
    peer.respond(stream, 0, end=False)
    peer.send(raw.window_update(stream, raw.LARGEST))
    peer.take()
    assert peer.resets() == [(stream, "FLOW_CONTROL_ERROR")]


def test_an_update_that_makes_the_connections_window_too_large_ends_it() -> None:
    assert fails(Peer(), raw.window_update(0, raw.LARGEST)) == "FLOW_CONTROL_ERROR"


def test_frames_are_as_large_as_the_peer_allows() -> None:
    peer = Peer()
    peer.grant(0, 10**6)
    stream = peer.request()
    peer.grant(stream, 10**6)
    peer.respond(stream, 100000, end=False)
    peer.take()
    assert [octets for _, octets in peer.received] == [16384] * 6 + [100000 - 6 * 16384]
    peer.received.clear()
    peer.change((raw.MAX_FRAME_SIZE, 40000))
    peer.more(stream, 100000)
    peer.take()
    assert [octets for _, octets in peer.received] == [40000, 40000, 20000]


def test_heads_are_cut_as_the_peer_allows() -> None:
    peer = Peer()
    stream = peer.request()
    fields = [(f"x-{n}", "".join(chr(0x21 + (n * 7 + i * i) % 90) for i in range(4000))) for n in range(12)]
    peer.connection.queue(h2.Response(status_code=200, headers=fields, stream_id=stream))
    peer.connection.queue(h2.EndOfMessage(stream_id=stream))
    frames = peer.take()
    assert [frame.kind for frame in frames] == [raw.HEADERS] + [raw.CONTINUATION] * (len(frames) - 1)
    assert len(frames) >= 3
    assert [len(frame.payload) for frame in frames[:-1]] == [16384] * (len(frames) - 1)
    assert [frame.flags & raw.END_HEADERS for frame in frames] == [0] * (len(frames) - 1) + [raw.END_HEADERS]
    assert frames[0].flags & raw.END_STREAM


def test_a_limit_leaves_the_rest_for_later() -> None:
    peer = Peer()
    stream = peer.request()
    peer.respond(stream, 60000)
    assert [frame.kind for frame in peer.take(1)] == [raw.HEADERS]
    assert len(peer.take(1)) == 1
    assert len(peer.take(16384 + 10)) == 2
    assert peer.connection.has_output
    peer.take(10**6)
    assert peer.ended == {stream}
    assert not peer.connection.has_output


def test_a_reset_stream_sends_nothing_more() -> None:
    peer = Peer()
    stream, other = peer.request(), peer.request()
    peer.respond(stream, 100000)
    peer.respond(other, 10)
    peer.send(raw.rst_stream(stream))
    peer.take()
    assert set(peer.order()) == {other}
    peer.grant(0, 10**6)
    assert peer.take() == []


@EXAMPLES
@given(st.integers(1, 6), st.randoms(use_true_random=True), st.integers(0, 200000))
def test_downloads_end(count: int, random: Random, most: int) -> None:
    """Several at once; the peer opens its windows at will, changes its settings, and gets what it asked for in the end."""
    peer = Peer((raw.INITIAL_WINDOW_SIZE, random.choice([0, 1, 1000, WINDOW])), limits=Limits(glitches=10**9))
    left, sizes = {}, {}
    for _ in range(count):
        stream = peer.request(("priority", f"u={random.randint(0, 7)}{random.choice(['', ', i'])}"))
        sizes[stream] = left[stream] = random.randint(0, most)
        peer.respond(stream, 0, end=False)
    got = dict.fromkeys(sizes, 0)
    while len(peer.ended) < count:
        for stream, octets in peer.received:
            got[stream] += octets
        peer.received.clear()
        step = random.random()
        if step < 0.3 and left:
            stream = random.choice(list(left))
            octets = min(left[stream], random.choice([1, 1000, 100000]))
            if octets:
                peer.more(stream, octets)
                left[stream] -= octets
            if not left[stream]:
                peer.connection.queue(h2.EndOfMessage(stream_id=stream))
                del left[stream]
        elif step < 0.4:
            peer.change((raw.INITIAL_WINDOW_SIZE, random.choice([0, 1, 1000, WINDOW, 10**6])))
        elif step < 0.5:
            peer.change((raw.MAX_FRAME_SIZE, max(peer.frame_size, random.choice([16384, 20000]))))
        elif step < 0.8:
            stream = random.choice([0, *sizes])
            if stream == 0 or stream not in peer.ended:
                peer.grant(stream, random.choice([1, 1000, 100000]))
        else:
            before = len(peer.received)
            peer.take(random.choice([None, 1, 20000]))
            open_streams = [s for s in sizes if s not in peer.ended and peer.their_streams[s] > 0 and got[s] < sizes[s]]
            sent = sum(octets for _, octets in peer.received[before:])
            queued = {s for s in open_streams if sizes[s] - left.get(s, 0) > got[s]}
            assert sent or peer.theirs <= 0 or not queued or peer.connection.has_output or peer.received
    for stream, octets in peer.received:
        got[stream] += octets
    assert got == sizes


# -- the order


def test_responses_of_one_urgency_come_one_after_the_other() -> None:
    peer = Peer()
    streams = [peer.request() for _ in range(3)]
    for stream in reversed(streams):
        peer.respond(stream, 20000)
    peer.take()
    assert peer.order() == [1, 1, 3, 3, 5, 5]


def test_incremental_responses_share() -> None:
    peer = Peer()
    streams = [peer.request(("priority", "i")) for _ in range(3)]
    for stream in streams:
        peer.respond(stream, 20000)
    peer.take()
    assert peer.order() == [1, 3, 5, 1, 3, 5]


def test_urgent_responses_come_first() -> None:
    peer = Peer()
    for value in ("u=7", "u=5, i", "u=0", "u=5", "nonsense=("):
        peer.respond(peer.request(("priority", value)), 10)
    peer.take()
    assert peer.order() == [5, 9, 7, 3, 1]


def test_a_priority_in_two_field_lines() -> None:
    peer = Peer()
    peer.respond(peer.request(("priority", "u=5")), 10)
    peer.respond(peer.request(("priority", "i"), ("priority", "u=1")), 10)
    peer.take()
    assert peer.order() == [3, 1]


def test_a_priority_update_moves_a_response() -> None:
    peer = Peer()
    streams = [peer.request() for _ in range(3)]
    for stream in streams:
        peer.respond(stream, 15000)
    peer.take(100)
    peer.send(raw.priority_update(streams[2], b"u=1"))
    updated = [event for event in peer.events if isinstance(event, h2.PriorityUpdated)]
    assert updated == [h2.PriorityUpdated(streams[2], 1, False)]
    peer.take()
    assert peer.order() == [1, 5, 3]


def test_a_priority_update_may_come_before_its_stream() -> None:
    peer = Peer()
    peer.send(raw.priority_update(3, b"u=0"))
    for _ in range(2):
        peer.request(("priority", "u=2"))
    for stream in (1, 3):
        peer.respond(stream, 10)
    peer.take()
    assert peer.order() == [3, 1]


def test_the_tree_of_dependencies_is_ignored() -> None:
    peer = Peer()
    peer.request()
    peer.request()
    peer.send(raw.priority(1, on=3) + raw.priority(3, on=0, weight=255))
    for stream in (1, 3):
        peer.respond(stream, 10)
    peer.take()
    assert peer.order() == [1, 3]


def test_an_endless_response_does_not_stop_the_others() -> None:
    peer = Peer((raw.INITIAL_WINDOW_SIZE, raw.LARGEST))
    peer.grant(0, raw.LARGEST - WINDOW)
    first, second, third = (peer.request() for _ in range(3))
    for stream in (second, third):
        peer.respond(stream, 30000)
    peer.respond(first, 2**20, end=False)
    for _ in range(100):
        peer.take(16384)
        peer.more(first, 16384)
        if {second, third} <= peer.ended:
            break
    assert {second, third} <= peer.ended
    assert first not in peer.ended


def test_control_is_never_behind_data() -> None:
    peer = Peer()
    stream = peer.request()
    peer.respond(stream, 60000)
    peer.take(1)
    peer.send(raw.ping(b"12345678"))
    assert peer.take(1)[0].kind == raw.PING
