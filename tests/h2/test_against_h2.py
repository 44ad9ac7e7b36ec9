"""The HTTP/2 engine in conversation with the h2 library and with itself, over random steps; and over octets that are no conversation.

Both ends hear what the other said; any cut of the octets gives the same events and the same answers; nothing but
RemoteProtocolError is ever raised.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.h2 import raw_frames as raw
from tests.h2.conversations import CHANGES, NAMES, Conversation, End, Fields, Ours, Step, Theirs, ends, merged

from interlock import h2

EXAMPLES = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

# -- conversations

numbers = st.integers(0, 1000)
step = st.tuples(st.sampled_from(NAMES), numbers, numbers)
steps = st.one_of(st.lists(step, max_size=10), st.lists(step, min_size=20, max_size=60))
names = st.one_of(
    st.sampled_from([b"cookie", b"authorization", b"accept", b"x-a", b"cache", b"server", b"set-cookie2", b"via"]),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(
        lambda text: b"x" + text.encode()
    ),
)
values = st.one_of(
    st.sampled_from([b"", b"a", b"x" * 19, b"x" * 21, b"*/*", b"y" * 300]),
    st.binary(max_size=20).map(
        lambda octets: bytes(octet for octet in octets if octet >= 0x20 and octet != 0x7F).strip(b" \t")
    ),
)
field_sections = st.lists(st.tuples(names, values).filter(lambda item: item != (b"cookie", b"")), max_size=5)
sections = st.lists(field_sections, min_size=1, max_size=3)
#: How octets are cut: the lengths of the pieces, over and over.
cuttings = st.lists(st.integers(1, 40), min_size=1, max_size=6)
limits = st.sampled_from(
    [
        {},
        {"window": 1},
        {"window": 1000, "window_ceiling": 1000},
        {"window": 100000, "header_table": 0},
        {"header_table": 100, "window_ceiling": 70000},
        {"header_table": 65536},
    ]
).map(lambda limits: {"glitches": 10000, **limits})

PAIRS = {"client h2": (Theirs, Ours), "server h2": (Ours, Theirs), "both ours": (Ours, Ours)}
pairs = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())


def talk(
    pair: tuple[Any, Any],
    steps: Sequence[Step],
    sections: list[Fields],
    limits: dict[str, Any],
    *,
    settled: bool = True,
) -> Conversation:
    conversation = Conversation(*ends(*pair, limits), sections)
    conversation.run(steps, settled=settled)
    return conversation


def as_heard(end: Ours) -> dict[int, list[Any]]:
    return {stream: merged(heard) for stream, heard in end.heard.items() if heard}


@pairs
@EXAMPLES
@given(steps, sections, limits, st.booleans())
def test_both_ends_hear_what_the_other_said(
    pair: tuple[Any, Any], steps: list[Step], sections: list[Fields], limits: dict[str, Any], settled: bool
) -> None:
    talk(pair, steps, sections, limits, settled=settled).check()


@pairs
@EXAMPLES
@given(steps, sections, limits, cuttings)
def test_any_cut_gives_the_same_events_and_the_same_answers(
    pair: tuple[Any, Any],
    steps: list[Step],
    sections: list[Fields],
    limits: dict[str, Any],
    lengths: list[int],
) -> None:
    conversation = talk(pair, steps, sections, limits)
    for end in (conversation.client, conversation.server):
        if isinstance(end, Ours):
            again = end.again(lengths)
            assert as_heard(again) == as_heard(end)
            assert again.written == end.written


@pairs
@pytest.mark.parametrize("change", range(len(CHANGES)))
def test_settings_that_change_amid_responses(pair: tuple[Any, Any], change: int) -> None:
    """Field blocks and content before the change, between it and its acknowledgement, and after both."""
    exchange = [("request", 6, 2), ("write_by_client", 0, 0), ("arrive_at_server", 1, 0), ("respond", 3, 7)]
    carry = [("write_by_server", 0, 0), ("arrive_at_client", 1, 0), ("write_by_client", 0, 0)]
    sections = [[(b"x-one", b"one" * n), (b"x-two", b"two"), (b"cookie", b"a=b")] for n in range(1, 4)]
    for end in ("client", "server"):
        steps = [
            *exchange,
            *carry,
            *exchange,
            (f"change_by_{end}", change, 0),
            *exchange,
            ("answer", 0, 0),
            *carry,
            *exchange,
            *carry,
            *carry,
            *exchange,
        ]
        talk(pair, steps, sections, {"glitches": 10000}).check()


def test_whatever_crosses_a_reset_is_dropped() -> None:
    """The head, the content, the trailers of a response on a stream that the client has just reset."""
    for method in ("GET", "CONNECT"):
        for status, end in (("200", False), ("404", True), ("103", False), ("204", True)):
            client = h2.Connection(h2.CLIENT)
            client.receive_data(raw.settings() + raw.settings_ack())
            target = "a:1" if method == "CONNECT" else "/"
            headers = [("host", "a:1")]
            client.queue(h2.Request(method=method, target=target, headers=headers, http_version=b"2", stream_id=1))
            client.queue(h2.StreamReset(1, raw.CANCEL))
            client.receive_data(raw.headers(1, raw.block([(":status", status)]), end=end))
            if not end:
                client.receive_data(raw.data(1, b"x") + raw.headers(1, raw.block([("x", "y")])))
            while (event := client.next_event()) is not h2.NEED_DATA:
                assert isinstance(event, (h2.SettingsChanged, h2.SettingsAcknowledged))


@pytest.mark.parametrize("octets", range(40))
def test_a_frame_of_any_size_may_be_cut_anywhere(octets: int) -> None:
    """Sizes for which an incomplete frame is as long as the preface, or as the header of a frame, are nothing special."""
    for at in range(octets + 9):
        server = h2.Connection(h2.SERVER)
        frame = raw.frame(raw.UNKNOWN, 0, 0, bytes(octets))
        server.receive_data(raw.PREFACE + raw.settings())
        assert isinstance(server.next_event(), h2.SettingsChanged)
        for piece in (frame[:at], frame[at:] + raw.ping()):
            if piece:
                server.receive_data(piece)
            event = server.next_event()
        assert event == h2.PingReceived(bytes(8))


# -- any octets

streams = st.one_of(st.integers(0, 9), st.sampled_from([2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]))
flags = st.booleans()
paddings = st.one_of(st.none(), st.none(), st.integers(0, 255))
PSEUDO = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a")]
blocks = st.one_of(
    st.sampled_from(
        [
            raw.block(PSEUDO),
            raw.block([(":method", "CONNECT"), (":authority", "a:1")]),
            raw.block([*PSEUDO, ("content-length", "5")]),
            raw.block([*PSEUDO, ("priority", "u=1, i")]),
            raw.block([*PSEUDO, ("x", "y" * 600)]),
            raw.block([(":status", "200")]),
            raw.block([(":status", "200"), ("content-length", "3")]),
            raw.block([(":status", "103"), ("link", "x")]),
            raw.block([("x-trailer", "y")]),
            raw.indexed(0x42) + raw.literal("a", "b", raw.INDEXING),
            raw.table_size(0) + raw.block(PSEUDO),
            b"",
        ]
    ),
    st.lists(st.sampled_from([*PSEUDO, ("x", "y"), ("Te", "x"), ("te", "trailers"), (":x", "")]), max_size=7).map(
        raw.block
    ),
    st.binary(max_size=12),
)
settings_pairs = st.tuples(
    st.integers(0, 10),
    st.one_of(st.integers(0, 5), st.sampled_from([100, 16384, 65535, 2**24 - 1, 2**31 - 1, 2**32 - 1])),
)
increments = st.sampled_from([0, 1, 100, 2**31 - 1, 2**31, 2**32 - 1])
frames = st.one_of(
    st.builds(raw.data, streams, st.binary(max_size=20) | st.just(bytes(1000)), end=flags, pad=paddings),
    st.builds(raw.headers, streams, blocks, end=flags, end_headers=st.sampled_from([True, True, False]), pad=paddings),
    st.builds(raw.headers, st.sampled_from([1, 3, 5, 7]), blocks, end=flags),
    st.builds(raw.continuation, streams, blocks, end_headers=flags),
    st.builds(raw.priority, streams, st.integers(0, 9)),
    st.builds(raw.rst_stream, streams, st.integers(0, 20)),
    st.lists(settings_pairs, max_size=4).map(lambda pairs: raw.settings(*pairs)),
    st.just(raw.settings_ack()),
    st.builds(raw.push_promise, streams, streams, blocks),
    st.builds(raw.ping, st.binary(min_size=8, max_size=8), ack=flags),
    st.builds(raw.goaway, streams, st.integers(0, 20)),
    st.builds(raw.window_update, streams, increments),
    st.builds(raw.priority_update, streams, st.sampled_from([b"u=1", b"", b"u=9, i=((", b"u" * 300])),
    st.builds(raw.frame, st.integers(0, 20), st.integers(0, 255), streams, st.binary(max_size=20)),
    st.builds(raw.frame, st.integers(0, 20), st.integers(0, 255), streams, length=st.integers(0, 2**24 - 1)),
)
odd = st.sampled_from([1, 1, 3, 3, 5, 7, 9])
#: Frames that are often what should come, so that others find something in progress.
plausible = st.one_of(
    st.tuples(st.sampled_from([PSEUDO, [*PSEUDO, ("content-length", "10")], [*PSEUDO, ("te", "trailers")]]), flags),
    st.tuples(st.sampled_from([PSEUDO, [(":method", "CONNECT"), (":authority", "a:1")]]), flags),
    st.builds(
        raw.headers,
        odd,
        st.sampled_from([[(":status", "200")], [(":status", "100")], [(":status", "204")], [("x", "y")]]).map(
            raw.block
        ),
        end=flags,
    ),
    st.builds(raw.data, odd, st.sampled_from([b"", b"12345", b"1234567890", bytes(1500)]), end=flags, pad=paddings),
    st.builds(raw.window_update, st.sampled_from([0, 1, 3]), st.sampled_from([1, 10000])),
    st.builds(raw.rst_stream, odd, st.just(8)),
    st.builds(raw.priority_update, odd, st.sampled_from([b"u=1", b"i"])),
    st.sampled_from([(4, 0), (4, 100), (4, 70000), (5, 20000), (1, 0), (1, 100)]).map(raw.settings),
    st.builds(raw.ping),
)


#: What each role has received before: both settings are acknowledged, and a server has three requests.
STARTED = {
    h2.CLIENT: raw.settings() + raw.settings_ack(),
    h2.SERVER: raw.PREFACE
    + raw.settings()
    + raw.settings_ack()
    + raw.headers(1, raw.block(PSEUDO), end=False)
    + raw.headers(3, raw.block([*PSEUDO, ("content-length", "10")]), end=False)
    + raw.headers(5, raw.block(PSEUDO)),
}


def laid_out(frames: Sequence[bytes | tuple[list[raw.Field], bool]]) -> bytes:
    """The frames, where a pair of fields and an end is a request on the next stream."""
    octets = b""
    stream = 7
    for frame in frames:
        if isinstance(frame, tuple):
            octets += raw.headers(stream, raw.block(frame[0]), end=frame[1])
            stream += 2
        else:
            octets += frame
    return octets


roles = st.sampled_from([h2.SERVER, h2.CLIENT])
small_limits = st.sampled_from(
    [
        h2.Limits(),
        h2.Limits(head=500, fields=6, streams=2, body=1500, glitches=20, continuations=2),
        h2.Limits(window=1000, window_ceiling=1000, glitches=10**6),
    ]
)


class Automaton:
    """An engine, and a caller who answers whatever it hears in the same way each time."""

    def __init__(self, role: Any, limits: h2.Limits) -> None:
        self.connection = h2.Connection(role, limits=limits)
        self.is_client = role is h2.CLIENT
        self.heard: list[Any] = []
        self.error = ""
        for stream in (1, 3, 5) if self.is_client else ():
            fields = [("host", "a"), *([("content-length", "5")] if stream == 3 else [])]
            method = ["HEAD", "POST", "GET"][stream // 2]
            self.connection.queue(
                h2.Request(method=method, target="/", headers=fields, http_version=b"2", stream_id=stream)
            )
            if stream != 5:
                self.connection.queue(h2.Data(b"12345"[: 5 * (stream == 3)], stream_id=stream))
                self.connection.queue(h2.EndOfMessage(stream_id=stream))

    def receive(self, octets: bytes) -> None:
        if octets:
            self.connection.receive_data(octets)
        while not self.error:
            try:
                event = self.connection.next_event()
            except h2.RemoteProtocolError as error:
                self.error = f"{self.connection.error_code} {error}"
                return
            if event is h2.NEED_DATA:
                return
            if isinstance(event, h2.Data) and self.heard and isinstance(self.heard[-1], h2.Data):
                last = self.heard[-1]
                if last.stream_id == event.stream_id:
                    self.heard[-1] = h2.Data(last.data + event.data, stream_id=event.stream_id)
                    self.answer(event)
                    continue
            self.heard.append(event)
            self.answer(event)

    def answer(self, event: Any) -> None:
        connection = self.connection
        if isinstance(event, h2.Request):
            stream = event.stream_id
            connection.queue(h2.Response(status_code=200, headers=[("x", "y")], stream_id=stream))
            if stream % 3:
                connection.queue(h2.Data(bytes(1000 * (stream % 100)), stream_id=stream))
            trailers = [("t", "u")] if stream % 4 == 1 and event.method != b"CONNECT" else None
            connection.queue(h2.EndOfMessage(headers=trailers, stream_id=stream))
        elif isinstance(event, h2.RequestRefused):
            if not [e for e in self.heard if isinstance(e, h2.Request) and e.stream_id == event.stream_id]:
                connection.queue(h2.Response(status_code=event.status, stream_id=event.stream_id))
                connection.queue(h2.EndOfMessage(stream_id=event.stream_id))
        elif isinstance(event, h2.Data):
            connection.consumed(event.stream_id, len(event.data))
        elif isinstance(event, h2.StreamReset):
            connection.release(event.stream_id)

    def check(self) -> list[raw.Frame]:
        """What holds whatever was received; returns the frames that were sent."""
        octets = bytearray(self.connection.data_to_send())
        if self.is_client:
            assert octets.startswith(raw.PREFACE)
            del octets[: len(raw.PREFACE)]
        sent = []
        while (frame := raw.take_frame(octets)) is not None:
            sent.append(frame)
            assert len(frame.payload) <= 2**24 - 1
        assert not octets
        assert self.connection.open_streams <= self.connection.limits.streams + 3
        goaways = [frame for frame in sent if frame.kind == raw.GOAWAY]
        if self.error:
            for _ in range(2):
                with pytest.raises(h2.RemoteProtocolError):
                    self.connection.next_event()
            assert goaways == sent[-1:]
            assert self.error.startswith(f"{goaways[0].number(4)} ")
            self.connection.receive_data(b"more")
            with pytest.raises(h2.RemoteProtocolError):
                self.connection.next_event()
            assert self.connection.data_to_send() == b""
        return sent


def any_octets(role: Any, limits: h2.Limits, octets: bytes, lengths: list[int]) -> Automaton:
    """Let an engine receive octets, whole and cut: nothing but RemoteProtocolError, and twice the same."""
    whole, cut = Automaton(role, limits), Automaton(role, limits)
    whole.receive(octets)
    at = 0
    while at < len(octets):
        length = lengths[at % len(lengths)]
        cut.receive(octets[at : at + length])
        at += length
    assert cut.error == whole.error
    assert cut.heard == whole.heard
    assert cut.check() == whole.check()
    return whole


@EXAMPLES
@given(roles, small_limits, st.binary(max_size=60), flags, cuttings)
def test_any_octets(role: Any, limits: h2.Limits, octets: bytes, preface: bool, lengths: list[int]) -> None:
    start = raw.PREFACE * (role is h2.SERVER) + raw.settings() if preface else b""
    any_octets(role, limits, start + octets, lengths)


@settings(EXAMPLES, max_examples=300)
@given(roles, small_limits, st.lists(plausible | plausible | frames, max_size=25), cuttings)
def test_any_frames(
    role: Any, limits: h2.Limits, frames: list[bytes | tuple[list[raw.Field], bool]], lengths: list[int]
) -> None:
    any_octets(role, limits, STARTED[role] + laid_out(frames), lengths)


def cut_into_frames(octets: bytes) -> list[bytes]:
    pieces = []
    while octets:
        size = 9 + int.from_bytes(octets[:3], "big")
        pieces.append(octets[:size])
        octets = octets[size:]
    return pieces


#: What is done to frames: to which, what, and a number.
mutations = st.lists(
    st.tuples(numbers, st.sampled_from(["flip", "drop", "twice", "swap", "cut", "insert", "stream"]), numbers, frames),
    min_size=1,
    max_size=4,
)


def mutated(pieces: list[bytes], mutations: Sequence[tuple[int, str, int, bytes]]) -> bytes:
    pieces = list(pieces)
    for number, what, value, frame in mutations:
        if not pieces:
            break
        at = number % len(pieces)
        piece = bytearray(pieces[at])
        if what == "flip":
            piece[value % len(piece)] ^= 1 << value % 8
            pieces[at] = bytes(piece)
        elif what == "drop":
            del pieces[at]
        elif what == "twice":
            pieces.insert(value % len(pieces), pieces[at])
        elif what == "swap":
            other = value % len(pieces)
            pieces[at], pieces[other] = pieces[other], pieces[at]
        elif what == "cut":
            pieces[at] = pieces[at][: 1 + value % len(piece)]
        elif what == "insert":
            pieces.insert(at, frame)
        elif what == "stream" and len(piece) >= 9:
            piece[8] = value % 8
            pieces[at] = bytes(piece)
    return b"".join(pieces)


@settings(EXAMPLES, max_examples=100)
@given(steps, sections, st.sampled_from([Theirs, Ours]), mutations, small_limits, cuttings)
def test_conversations_that_went_wrong(
    steps: list[Step],
    sections: list[Fields],
    client: type[End],
    mutations: Sequence[tuple[int, str, int, bytes]],
    limits: h2.Limits,
    lengths: list[int],
) -> None:
    conversation = talk((client, Ours), steps, sections, {"glitches": 10**9})
    start = len(raw.PREFACE)
    octets = bytes(conversation.arrived[:start])
    octets += mutated(cut_into_frames(bytes(conversation.arrived[start:])), mutations)
    any_octets(h2.SERVER, limits, octets, lengths)
