"""Conversations over HTTP/2: two ends, the octets on their way between them, and what each said and heard.

An end is ours or that of the h2 library, behind one face.  A conversation is a list of steps, each a name and two
numbers; what is impossible at the time is passed over.  So any list of steps is a conversation, and a short one tells
what is wrong.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from tests.h2 import raw_frames as raw

from interlock import h2 as ours
from interlock.http.fields import FORBIDDEN_TRAILERS

Fields = list[tuple[bytes, bytes]]
#: Something said or heard on a stream: ("request", ...), ("content", octets), ("end",), ("reset", code).
Said = tuple[Any, ...]

#: Content is cut from this, so that octets that are lost, doubled or from another stream are seen.
PATTERN = bytes((n * n + n // 251) & 0xFF for n in range(1 << 16)) * 8


def content(stream: int, offset: int, octets: int) -> bytes:
    at = (stream * 7919 + offset) % 65536
    return PATTERN[at : at + octets]


def joined(fields: Sequence[tuple[bytes, bytes]]) -> Fields:
    """A section with Cookie as one field, at its end: it may be cut on its way (RFC 9113 §8.2.3)."""
    section = [(bytes(name), bytes(value)) for name, value in fields]
    crumbs = [value for name, value in section if name == b"cookie"]
    if crumbs:
        section = [item for item in section if item[0] != b"cookie"] + [(b"cookie", b"; ".join(crumbs))]
    return section


def request_head(fields: Sequence[tuple[bytes, bytes]]) -> Said:
    """A request, however its pseudo-headers were ordered, Host being :authority."""
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    regular = joined([field for field in fields if not field[0].startswith(b":")])
    return (
        "request",
        *(bytes(pseudo.get(name, b"")) for name in (b":method", b":scheme", b":authority", b":path", b":protocol")),
        regular,
    )


def merged(said: Sequence[Said]) -> list[Said]:
    """The same with contents in a row made one, and empty ones left out."""
    merged: list[Said] = []
    for item in said:
        if item[0] == "content":
            if not item[1]:
                continue
            if merged and merged[-1][0] == "content":
                merged[-1] = ("content", merged[-1][1] + item[1])
                continue
        merged.append((*item[:-1], joined(item[-1])) if item[0] in ("response", "trailers") else item)
    return merged


def informed(said: Sequence[Said]) -> int:
    """How many informational responses there are."""
    return sum(item[0] == "response" and item[1] < 200 for item in said)


class End:
    """One end.  ``heard`` is by stream; 0 has what belongs to the connection."""

    is_client: bool

    def __init__(self) -> None:
        self.said: dict[int, list[Said]] = defaultdict(list)
        self.heard: dict[int, list[Said]] = defaultdict(list)
        #: Octets of content that the application has still to take, by stream.
        self.unconsumed: dict[int, int] = defaultdict(int)
        #: Streams that were reset, by either end as far as this one knows.
        self.reset_streams: set[int] = set()
        #: How the next connection-level frames are padded; h2 alone does that.
        self.padding = 0

    def hear(self, stream: int, *said: Any) -> None:
        self.heard[stream].append(said)
        if said[0] == "content":
            self.unconsumed[stream] += len(said[1])
        elif said[0] == "reset":
            self.reset_streams.add(stream)

    # what an end does

    def new_stream(self) -> int:
        raise NotImplementedError

    def head(self, stream: int, said: Said, fields: Fields) -> None:
        raise NotImplementedError

    def data(self, stream: int, octets: bytes) -> None:
        raise NotImplementedError

    def end(self, stream: int, trailers: Fields) -> None:
        raise NotImplementedError

    def reset(self, stream: int, code: int) -> None:
        raise NotImplementedError

    def ping(self, octets: bytes) -> None:
        raise NotImplementedError

    def change(self, settings: dict[int, int]) -> None:
        """Change settings, where this end can."""

    def priority(self, stream: int, urgency: int, incremental: bool) -> None:
        """Change a priority, where this end can."""

    def consume(self, stream: int, octets: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def output(self, limit: int | None = None) -> bytes:
        raise NotImplementedError

    def input(self, octets: bytes) -> None:
        raise NotImplementedError


class Ours(End):
    """An end of ours.  All that is done to it is noted, to be done again with the octets cut in another way."""

    def __init__(self, is_client: bool, **limits: Any) -> None:
        super().__init__()
        self.is_client = is_client
        self.limits = limits
        self.log: list[tuple[str, tuple[Any, ...]]] = []
        self.written: list[bytes] = []
        self.ended: Said = ()
        self.connection = ours.Connection(
            ours.CLIENT if is_client else ours.SERVER, limits=ours.Limits(**limits), **self.options()
        )

    def options(self) -> dict[str, Any]:
        return {} if self.is_client else {"extended_connect": True}

    def do(self, what: str, *arguments: Any) -> Any:
        self.log.append((what, arguments))
        return getattr(self, "do_" + what)(*arguments)

    # what is noted

    def do_queue(self, event: Any) -> None:
        self.connection.queue(event)

    def do_consumed(self, stream: int, octets: int) -> None:
        self.connection.consumed(stream, octets)

    def do_output(self, limit: int | None) -> bytes:
        octets = self.connection.data_to_send(limit)
        self.written.append(octets)
        return octets

    def do_input(self, octets: bytes) -> None:
        self.connection.receive_data(octets)
        while not self.ended:
            try:
                event = self.connection.next_event()
            except ours.RemoteProtocolError as error:
                self.ended = ("error", self.connection.error_code, str(error))
                self.hear(0, *self.ended)
                return
            if event is ours.NEED_DATA:
                return
            self.take(event)

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        stream = getattr(event, "stream_id", 0)
        fields = list(event.headers) if hasattr(event, "headers") else []
        if kind == "Request":
            target = event.target
            pseudo = [(b":method", event.method), (b":scheme", event.scheme), (b":protocol", event.protocol)]
            if fields and fields[0][0] == b"host":
                pseudo.append((b":authority", fields.pop(0)[1]))
            if event.method != b"CONNECT" or event.protocol:
                pseudo.append((b":path", target))
            self.hear(stream, *request_head([*pseudo, *fields]))
        elif kind in ("Response", "InformationalResponse"):
            self.hear(stream, "response", event.status_code, fields)
        elif kind == "Data":
            self.hear(stream, "content", bytes(event.data))
        elif kind == "EndOfMessage":
            if fields:
                self.hear(stream, "trailers", fields)
            self.hear(stream, "end")
        elif kind == "StreamReset":
            assert event.remote, f"reset by the engine: {event.reason}"
            self.hear(stream, "reset", event.error_code)
        elif kind == "PingReceived":
            self.hear(0, "ping", event.data)
        elif kind == "PingAcknowledged":
            self.hear(0, "ping ack", event.data)
        elif kind == "SettingsChanged":
            self.hear(0, "settings", dict(event.changes))
        elif kind == "GoAway":
            self.hear(0, "goaway", event.error_code)
        elif kind == "PriorityUpdated":
            self.hear(0, "priority", event.stream_id, event.urgency, event.incremental)
        elif kind == "RequestRefused":
            self.hear(stream, "refused", event.status)
        elif kind == "ConnectionClosed":
            self.hear(0, "closed")
        else:
            assert kind in ("SettingsAcknowledged", "WindowUpdated"), event

    # the face

    def new_stream(self) -> int:
        return self.connection.next_stream_id()

    def head(self, stream: int, said: Said, fields: Fields) -> None:
        event: Any
        if said[0] == "request":
            _, method, scheme, authority, path, protocol, _ = said
            regular = [item for item in fields if not item[0].startswith(b":")]
            event = ours.Request(
                method=method,
                target=authority if method == b"CONNECT" and not protocol else path,
                headers=[(b"host", authority), *regular],
                http_version=b"2",
                stream_id=stream,
                scheme=scheme,
                protocol=protocol,
            )
        else:
            kind = ours.InformationalResponse if said[1] < 200 else ours.Response
            event = kind(status_code=said[1], headers=said[2], http_version=b"2", stream_id=stream)
        self.do("queue", event)

    def data(self, stream: int, octets: bytes) -> None:
        self.do("queue", ours.Data(octets, stream_id=stream))

    def end(self, stream: int, trailers: Fields) -> None:
        self.do("queue", ours.EndOfMessage(headers=trailers or None, stream_id=stream))

    def reset(self, stream: int, code: int) -> None:
        self.reset_streams.add(stream)
        self.do("queue", ours.StreamReset(stream, code))

    def ping(self, octets: bytes) -> None:
        self.do("queue", ours.Ping(octets))

    def priority(self, stream: int, urgency: int, incremental: bool) -> None:
        self.do("queue", ours.PriorityUpdated(stream, urgency, incremental))
        self.said[0].append(("priority", stream, urgency, incremental))

    def consume(self, stream: int, octets: int) -> None:
        self.do("consumed", stream, octets)

    def close(self) -> None:
        self.do("queue", ours.ConnectionClosed())

    def output(self, limit: int | None = None) -> bytes:
        return self.do("output", limit)

    def input(self, octets: bytes) -> None:
        self.do("input", octets)

    # again

    def again(self, lengths: Sequence[int]) -> "Ours":
        """The same with the same done to it, but for how received octets are cut."""
        other = Ours(self.is_client, **self.limits)
        pieces = 0
        log = [*self.log, ("", ())]
        held = b""
        for what, arguments in log:
            if what == "input" and arguments[0]:
                held += arguments[0]
                continue
            while held:
                length = lengths[pieces % len(lengths)] if lengths else len(held)
                pieces += 1
                other.do_input(held[:length])
                held = held[length:]
            if what:
                getattr(other, "do_" + what)(*arguments)
        return other


class Theirs(End):
    """An end of the h2 library.  What waits for windows waits here, since h2 does not keep it."""

    def __init__(self, is_client: bool, **_limits: Any) -> None:
        super().__init__()
        self.is_client = is_client
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=is_client, header_encoding=None, normalize_inbound_headers=False)
        )
        self.connection.initiate_connection()
        self.waiting: dict[int, list[bytes | Fields]] = defaultdict(list)
        self.extra = b""
        #: What is no complete frame yet, and how many octets of a client's preface are to come.
        self.received = bytearray()
        self.preface = 0 if is_client else len(raw.PREFACE)
        #: Whether settings were sent and not acknowledged: h2 takes the first acknowledgement for that of all.
        self.unacknowledged = True

    def input(self, octets: bytes) -> None:
        self.received += octets
        if self.preface:
            start = bytes(self.received[: self.preface])
            del self.received[: self.preface]
            self.preface -= len(start)
            self.connection.receive_data(start)
        # Frame by frame: h2 lets settings hold only from the next call on.
        while len(self.received) >= 9:
            size = 9 + int.from_bytes(self.received[:3], "big")
            if len(self.received) < size:
                break
            frame = bytes(self.received[:size])
            del self.received[:size]
            for event in self.connection.receive_data(frame):
                self.take(event)

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        stream = getattr(event, "stream_id", 0)
        if kind == "RequestReceived":
            self.hear(stream, *request_head(event.headers))
        elif kind in ("ResponseReceived", "InformationalResponseReceived"):
            (_, status), *fields = [(bytes(name), bytes(value)) for name, value in event.headers]
            self.hear(stream, "response", int(status), fields)
        elif kind == "DataReceived":
            self.hear(stream, "content", event.data)
            extra = event.flow_controlled_length - len(event.data)
            if extra:
                self.connection.acknowledge_received_data(extra, stream)
        elif kind == "TrailersReceived":
            self.hear(stream, "trailers", [(bytes(name), bytes(value)) for name, value in event.headers])
        elif kind == "StreamEnded":
            self.hear(stream, "end")
        elif kind == "StreamReset":
            self.hear(stream, "reset" if event.remote_reset else "our reset", int(event.error_code))
            self.waiting.pop(stream, None)
        elif kind == "PingReceived":
            self.hear(0, "ping", event.ping_data)
        elif kind == "PingAckReceived":
            self.hear(0, "ping ack", event.ping_data)
        elif kind == "RemoteSettingsChanged":
            self.hear(0, "settings", {int(key): change.new_value for key, change in event.changed_settings.items()})
        elif kind == "ConnectionTerminated":
            self.hear(0, "goaway", int(event.error_code))
        elif kind == "UnknownFrameReceived":
            frame = event.frame
            assert frame.type == raw.PRIORITY_UPDATE, frame
            self.hear(0, "raw priority", frame.body)
        elif kind == "SettingsAcknowledged":
            self.unacknowledged = False
        else:
            assert kind in ("WindowUpdated", "PriorityUpdated"), event

    def new_stream(self) -> int:
        return self.connection.get_next_available_stream_id()

    def head(self, stream: int, said: Said, fields: Fields) -> None:
        self.connection.send_headers(stream, fields)

    def data(self, stream: int, octets: bytes) -> None:
        if octets:
            self.waiting[stream].append(octets)

    def end(self, stream: int, trailers: Fields) -> None:
        self.waiting[stream].append(trailers)

    def reset(self, stream: int, code: int) -> None:
        self.reset_streams.add(stream)
        self.waiting.pop(stream, None)
        self.connection.reset_stream(stream, code)

    def ping(self, octets: bytes) -> None:
        self.connection.ping(octets)

    def change(self, settings: dict[int, int]) -> None:
        if not self.unacknowledged:
            self.unacknowledged = True
            self.connection.update_settings({h2.settings.SettingCodes(key): value for key, value in settings.items()})

    def priority(self, stream: int, urgency: int, incremental: bool) -> None:
        self.connection.prioritize(stream, weight=1 + urgency)  # the deprecated ones: ignored
        self.extra += raw.priority_update(stream, b"u=%d%s" % (urgency, b", i" if incremental else b""))
        self.said[0].append(("priority", stream, urgency, incremental))

    def consume(self, stream: int, octets: int) -> None:
        self.connection.acknowledge_received_data(octets, stream)

    def close(self) -> None:
        self.connection.close_connection()

    def output(self, limit: int | None = None) -> bytes:
        for stream, waiting in list(self.waiting.items()):
            while waiting and self.write(stream, waiting):
                pass
        octets = self.connection.data_to_send() + self.extra
        self.extra = b""
        return octets

    def write(self, stream: int, waiting: list[bytes | Fields]) -> bool:
        """Write one frame of what waits on a stream.  False where its windows are full."""
        connection = self.connection
        first = waiting[0]
        if isinstance(first, list):
            del waiting[0]
            if first:
                connection.send_headers(stream, first, end_stream=True)
            else:
                connection.end_stream(stream)
            return True
        window = connection.local_flow_control_window(stream)
        most = max(0, min(window, connection.max_outbound_frame_size, 1 + len(first)))
        pad = min(self.padding % 300, 255, most - 2) if self.padding % 3 == 0 and most >= 2 else None
        piece = first[: most if pad is None else most - pad - 1]
        if not piece:
            return False
        last = len(piece) == len(first) and len(waiting) > 1 and waiting[1] == []
        connection.send_data(stream, piece, end_stream=last, pad_length=pad)
        if len(piece) == len(first):
            del waiting[0]
        else:
            waiting[0] = first[len(piece) :]
        if last:
            del waiting[0]
        return True


@dataclass
class Message:
    """What one end still has to say on a stream."""

    pieces: list[int]
    trailers: Fields
    sent: int = 0
    ended: bool = False


@dataclass
class Talk:
    """One stream: what each end has still to say, and what both agreed on."""

    request: Message
    method: bytes
    protocol: bytes
    response: Message | None = None


#: Whole sections for heads and trailers, and where a choice is made by a number: choices[number % len(choices)].
METHODS = [b"GET", b"POST", b"HEAD", b"PUT", b"CONNECT", b"OPTIONS", b"POST", b"CONNECT"]
PATHS = [b"/", b"/a?b=c", b"/%C3%A9", b"/" + b"x" * 300]
AUTHORITIES = [b"example.org:443", b"a:8443", b"[::1]:1"]
STATUSES = [200, 404, 204, 304, 500, 206, 200, 299]
INFORMATIONAL = [100, 103, 102]
SIZES = [0, 1, 10, 1000, 16384, 16385, 40000, 65535, 65536, 200000]
PRIORITIES = [b"u=0", b"u=7, i", b"i", b"u=1;x=y, i=?0", b"(", b""]
CODES = [raw.CANCEL, raw.INTERNAL_ERROR, raw.NO_ERROR, raw.REFUSED_STREAM, 0xFFFFFFFF]
CHANGES = [
    {raw.INITIAL_WINDOW_SIZE: 0},
    {raw.INITIAL_WINDOW_SIZE: 1},
    {raw.INITIAL_WINDOW_SIZE: 100000},
    {raw.HEADER_TABLE_SIZE: 0},
    {raw.HEADER_TABLE_SIZE: 100, raw.INITIAL_WINDOW_SIZE: 65535},
    {raw.HEADER_TABLE_SIZE: 65536},
    {raw.MAX_FRAME_SIZE: 16384},
    {raw.MAX_FRAME_SIZE: 16777215},
    {raw.MAX_FRAME_SIZE: 20000, raw.INITIAL_WINDOW_SIZE: 5},
    {raw.MAX_HEADER_LIST_SIZE: 65536},
]
NAMES = """
    request request request advance advance advance respond respond inform answer answer answer reset_by_client
    reset_by_server ping_by_client ping_by_server change_by_client change_by_server prioritize consume_by_client
    consume_by_server write_by_client write_by_client write_by_server write_by_server arrive_at_client arrive_at_client
    arrive_at_server arrive_at_server pad
""".split()
Step = tuple[str, int, int]


@dataclass
class Conversation:
    """A client, a server, the octets between them, and their talks."""

    client: End
    server: End
    sections: list[Fields]
    to_server: bytearray = field(default_factory=bytearray)
    to_client: bytearray = field(default_factory=bytearray)
    talks: dict[int, Talk] = field(default_factory=dict)
    #: All that has arrived at the server.
    arrived: bytearray = field(default_factory=bytearray)

    def run(self, steps: Sequence[Step], *, settled: bool = True) -> None:
        """Do the steps, at once or when both know each other's settings; then let both say all that they have to say."""
        if settled:
            self.settle()
        for name, a, b in steps:
            getattr(self, name)(a, b)
        self.finish()

    # -- steps

    def request(self, a: int, b: int) -> None:
        if len(self.talks) >= 12:
            return
        method = METHODS[a % len(METHODS)]
        protocol = b"websocket" if method == b"CONNECT" and b % 2 and self.knows_extended_connect() else b""
        tunnel = method == b"CONNECT" and not protocol
        regular = list(self.sections[b % len(self.sections)])
        if a % 5 == 0:
            regular.append((b"priority", PRIORITIES[b % len(PRIORITIES)]))
        pieces = [SIZES[(a + n * b) % len(SIZES)] for n in range(b % 4)]
        if method in (b"GET", b"HEAD", b"OPTIONS") and a % 3:
            pieces = []
        trailers = self.trailers(a) if a % 4 == 1 and method != b"CONNECT" else []
        if a % 3 == 2 and method != b"CONNECT":
            regular.append((b"content-length", b"%d" % sum(pieces)))
        pseudo = [(b":method", method), (b":authority", AUTHORITIES[a % len(AUTHORITIES)])]
        if not tunnel:
            pseudo += [(b":scheme", b"https"), (b":path", PATHS[b % len(PATHS)])]
        if protocol:
            pseudo.append((b":protocol", protocol))
        stream = self.client.new_stream()
        self.talks[stream] = Talk(Message(pieces, trailers), method, protocol)
        self.say(self.client, stream, request_head([*pseudo, *regular]), [*pseudo, *regular])
        if not pieces and not trailers and b % 2:
            self.advance(stream, 0)

    def knows_extended_connect(self) -> bool:
        return any(said[0] == "settings" and said[1].get(raw.ENABLE_CONNECT_PROTOCOL) for said in self.client.heard[0])

    def trailers(self, number: int) -> Fields:
        """A section with no field that no trailer section may have."""
        section = self.sections[number % len(self.sections)]
        return [field for field in section if field[0] not in FORBIDDEN_TRAILERS]

    def say(self, end: End, stream: int, said: Said, fields: Fields) -> None:
        end.said[stream].append(said)
        end.head(stream, said, fields)

    def advance(self, a: int, b: int) -> None:
        """The client says more of a request."""
        able = [s for s, t in self.talks.items() if not t.request.ended and s not in self.client.reset_streams]
        # A tunnel's octets come after the server has agreed.
        able = [s for s in able if self.talks[s].method != b"CONNECT" or self.agreed(s)]
        if able:
            stream = a if a in able else able[a % len(able)]
            self.proceed(self.client, stream, self.talks[stream].request)

    def agreed(self, stream: int) -> bool:
        return any(said[0] == "response" and said[1] >= 200 for said in self.client.heard[stream])

    def proceed(self, end: End, stream: int, message: Message) -> None:
        if message.pieces:
            octets = content(stream, message.sent, message.pieces.pop(0))
            message.sent += len(octets)
            end.said[stream].append(("content", octets))
            end.data(stream, octets)
        else:
            message.ended = True
            if message.trailers:
                end.said[stream].append(("trailers", message.trailers))
            end.said[stream].append(("end",))
            end.end(stream, message.trailers)

    def unanswered(self) -> list[int]:
        """Streams whose request the server has heard and not answered yet."""
        heard, reset = self.server.heard, self.server.reset_streams
        return [s for s, t in self.talks.items() if t.response is None and heard[s] and s not in reset]

    def inform(self, a: int, b: int) -> None:
        able = self.unanswered()
        if isinstance(self.client, Theirs):  # which takes none on a stream that it has reset
            able = [s for s in able if s not in self.client.reset_streams]
        if able:
            fields = self.sections[b % len(self.sections)]
            status = INFORMATIONAL[b % len(INFORMATIONAL)]
            said = ("response", status, fields)
            self.say(self.server, able[a % len(able)], said, [(b":status", b"%d" % status), *fields])

    def respond(self, a: int, b: int) -> None:
        able = self.unanswered()
        if not able:
            return
        stream = able[a % len(able)]
        talk = self.talks[stream]
        status = STATUSES[b % len(STATUSES)]
        fields = list(self.sections[a % len(self.sections)])
        pieces = [SIZES[(b + n * (a + 1)) % len(SIZES)] for n in range(b % 5)]
        if talk.method == b"CONNECT":
            status = 200 if b % 4 else 500
        tunnel = talk.method == b"CONNECT" and status == 200
        trailers = self.trailers(b) if b % 4 == 1 and not tunnel else []
        if status in (204, 304) or talk.method == b"HEAD":
            pieces, trailers = [], []
        if a % 3 == 2 and not tunnel and status not in (204, 304):
            fields.append((b"content-length", b"%d" % (1234 if talk.method == b"HEAD" else sum(pieces))))
        if talk.method == b"CONNECT" and not tunnel and not talk.request.ended:
            talk.request.pieces.clear()
        talk.response = Message(pieces, trailers)
        self.say(self.server, stream, ("response", status, fields), [(b":status", b"%d" % status), *fields])
        if not pieces and not trailers and b % 2:
            self.answer(stream, 0)

    def answer(self, a: int, b: int) -> None:
        """The server says more of a response."""
        able = [
            s
            for s, t in self.talks.items()
            if t.response is not None and not t.response.ended and s not in self.server.reset_streams
        ]
        if able:
            stream = a if a in able else able[a % len(able)]
            response = self.talks[stream].response
            assert response is not None
            self.proceed(self.server, stream, response)

    def reset_by_client(self, a: int, b: int) -> None:
        able = [s for s in self.talks if s not in self.client.reset_streams]
        if isinstance(self.client, Theirs):
            able = [s for s in able if informed(self.client.heard[s]) == informed(self.server.said[s])]
        self.reset(self.client, able, a, b)

    def reset_by_server(self, a: int, b: int) -> None:
        heard = [s for s in self.talks if self.server.heard[s]]
        self.reset(self.server, [s for s in heard if s not in self.server.reset_streams], a, b)

    def reset(self, end: End, able: list[int], a: int, b: int) -> None:
        # A stream that is over at this end is not reset: it is closed.
        able = [s for s in able if ("end",) not in end.heard[s] or ("end",) not in end.said[s]]
        if able:
            stream = able[a % len(able)]
            end.said[stream].append(("reset", CODES[b % len(CODES)]))
            end.reset(stream, CODES[b % len(CODES)])

    def ping_by_client(self, a: int, b: int) -> None:
        self.ping(self.client, a, b)

    def ping_by_server(self, a: int, b: int) -> None:
        self.ping(self.server, a, b)

    def ping(self, end: End, a: int, b: int) -> None:
        octets = b"%4d%4d" % (a % 10000, b % 10000)
        end.said[0].append(("ping", octets))
        end.ping(octets)

    def change_by_client(self, a: int, b: int) -> None:
        self.client.change(CHANGES[a % len(CHANGES)])

    def change_by_server(self, a: int, b: int) -> None:
        self.server.change(CHANGES[a % len(CHANGES)])

    def prioritize(self, a: int, b: int) -> None:
        able = [s for s in self.talks if s not in self.client.reset_streams]
        if able:
            self.client.priority(able[a % len(able)], b % 8, b % 3 == 0)

    def consume_by_client(self, a: int, b: int) -> None:
        self.consume(self.client, a, b)

    def consume_by_server(self, a: int, b: int) -> None:
        self.consume(self.server, a, b)

    def consume(self, end: End, a: int, b: int) -> None:
        able = [s for s, octets in end.unconsumed.items() if octets]
        if able:
            stream = able[a % len(able)]
            octets = end.unconsumed[stream] if b % 2 else 1 + b % end.unconsumed[stream]
            octets = min(octets, end.unconsumed[stream])
            end.unconsumed[stream] -= octets
            end.consume(stream, octets)

    def write_by_client(self, a: int, b: int) -> None:
        self.to_server += self.client.output([None, 0, 100, 20000][a % 4])

    def write_by_server(self, a: int, b: int) -> None:
        self.to_client += self.server.output([None, 0, 100, 20000][a % 4])

    def arrive_at_client(self, a: int, b: int) -> None:
        self.arrive(self.client, self.to_client, a, b)

    def arrive_at_server(self, a: int, b: int) -> None:
        self.arrived += self.arrive(self.server, self.to_server, a, b)

    def arrive(self, end: End, wire: bytearray, a: int, b: int) -> bytes:
        octets = bytes(wire if a % 3 else wire[: b % 300])
        del wire[: len(octets)]
        if octets:
            end.input(octets)
        return octets

    def pad(self, a: int, b: int) -> None:
        self.client.padding = a
        self.server.padding = b

    # -- the end

    def settle(self) -> bool:
        """Carry octets to and fro until there are none.  Whether there were any."""
        moved = False
        while True:
            self.write_by_client(0, 0)
            self.write_by_server(0, 0)
            if not self.to_server and not self.to_client:
                return moved
            moved = True
            self.arrive_at_server(1, 0)
            self.arrive_at_client(1, 0)

    def finish(self) -> None:
        """Let both say all that they have to say, and take all that they hear."""
        self.settle()
        for end in (self.client, self.server):
            end.change({raw.INITIAL_WINDOW_SIZE: 65535})
        for _ in range(10000):
            moved = self.settle()
            for stream in [*self.talks]:
                self.advance(stream, 0)
                self.answer(stream, 0)
            for end in (self.client, self.server):
                for stream in [s for s, octets in end.unconsumed.items() if octets]:
                    moved = True
                    end.consume(stream, end.unconsumed[stream])
                    end.unconsumed[stream] = 0
            for number in range(len(self.unanswered())):
                moved = True
                self.respond(0, 3 * number + 1)
            if not moved and not self.settle():
                break
        else:
            raise AssertionError("the conversation does not end")
        for end in (self.client, self.server):
            end.close()
        self.settle()

    # -- what is right

    def check(self) -> None:
        """Each end has heard what the other said."""
        for name, speaker, listener in (
            ("client to server", self.client, self.server),
            ("server to client", self.server, self.client),
        ):
            for stream in self.talks:
                said, heard = merged(speaker.said[stream]), merged(listener.heard[stream])
                self.check_stream(f"{name}, stream {stream}", stream, said, heard, listener)
            pings = [said for said in speaker.said[0] if said[0] == "ping"]
            assert [heard for heard in listener.heard[0] if heard[0] == "ping"] == pings, name
            assert [heard[1] for heard in speaker.heard[0] if heard[0] == "ping ack"] == [ping[1] for ping in pings]
            assert not [heard for heard in listener.heard[0] if heard[0] == "error"], name
            assert ("goaway", 0) in listener.heard[0], name
            if isinstance(listener, Ours) and not listener.is_client:
                self.check_priorities(speaker, listener)

    def check_stream(self, name: str, stream: int, said: list[Said], heard: list[Said], listener: End) -> None:
        if stream not in self.client.reset_streams and stream not in self.server.reset_streams:
            assert heard == said, name
            return
        # It was reset: what was said last may not have been heard, because it was dropped before or after it was sent.
        resets = [item for item in heard if item[0] == "reset"]
        heard = [item for item in heard if item[0] not in ("reset", "our reset")]
        for number, item in enumerate(heard):
            if item[0] == "content" and number == len(heard) - 1:
                assert said[number][0] == "content", name
                assert said[number][1].startswith(item[1]), name
            else:
                assert item == said[number], name
        told = [item for item in said if item[0] == "reset"]
        assert len(resets) <= 1, name
        if told and not [item for item in listener.said[stream] if item[0] == "reset"] and listener.heard[stream]:
            over = ("end",) in listener.said[stream] and ("end",) in heard
            assert resets == told or over, name

    def check_priorities(self, speaker: End, listener: End) -> None:
        said = [item for item in speaker.said[0] if item[0] == "priority"]
        heard = [item for item in listener.heard[0] if item[0] == "priority"]
        remaining = iter(said)
        assert all(item in remaining for item in heard), "priorities"


def ends(client: Callable[..., End], server: Callable[..., End], limits: dict[str, Any]) -> tuple[End, End]:
    return client(True, **limits), server(False, **limits)
