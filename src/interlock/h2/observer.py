"""One HTTP/2 connection seen from outside: what both of its ends send, and one set of machines (RFC 9113).

Each end's frames are read by the engine that would receive them.  Between them the two engines share what happens to
streams, as each sees it; and where an engine would go by its own settings it goes by those of the end that it stands for.
Nothing is ever sent.  For proxies that look on, and for who explains what was recorded.
"""

from typing import Any, Final

from interlock.h2 import errors, frames
from interlock.h2.codes import CLOSED, TABLE, N
from interlock.h2.codes import SETTINGS as OUR_SETTINGS
from interlock.h2.codes import SETTINGS_ACK as ACKNOWLEDGED
from interlock.h2.connection import Connection
from interlock.h2.events import RequestRefused, StreamReset, WindowUpdated
from interlock.h2.observed_windows import ObservedWindows
from interlock.h2.tables import CONNECTION, STREAM
from interlock.http.errors import RemoteProtocolError
from interlock.http.events import Data, Event, Request
from interlock.http.limits import Limits
from interlock.http.sentinels import CLIENT, NEED_DATA, SERVER
from interlock.machine.moves import which

__all__ = ["Fault", "Observed", "Observer", "Transition"]

#: More streams than any server takes at a time: how many may be open is not ours to say.
_STREAMS: Final = 65536
#: The table of an end whose settings nobody has seen, in octets: more than any is known to allow.
_UNKNOWN_TABLE: Final = 1 << 20
#: More glitches than there are: a client puts up with whatever its server does.
_ANY: Final = 1 << 40
#: Frames that floods are made of, by name, and frames that make up messages.
_FLOODS: Final = {
    frames.PRIORITY: "PRIORITY",
    frames.RST_STREAM: "RST_STREAM",
    frames.SETTINGS: "SETTINGS",
    frames.PING: "PING",
    frames.GOAWAY: "GOAWAY",
    frames.WINDOW_UPDATE: "WINDOW_UPDATE",
    frames.PRIORITY_UPDATE: "PRIORITY_UPDATE",
}
_USEFUL: Final = (frames.HEADERS, frames.DATA, frames.CONTINUATION)
#: Each end's other.
_OTHER: Final = {"client": "server", "server": "client"}
#: Frames of a server on a stream: a client has to have opened it.
_ANSWERS: Final = (frames.HEADERS, frames.DATA, frames.RST_STREAM, frames.WINDOW_UPDATE)
#: Frames that may be long.
_LONG: Final = (frames.DATA, frames.HEADERS, frames.CONTINUATION)
#: Streams that are supposed to have been opened at once, at most.
_MOST_SUPPOSED: Final = 1000


class Transition:
    """An ``event`` that was taken in the joint state ``before`` of a system: "h2-connection", or "h2" of a ``stream``.

    A stream is seen from the server: its ``remote`` end is the client.
    """

    __slots__ = ("before", "event", "stream", "system")

    def __init__(self, system: str, before: int, event: int, stream: int) -> None:
        self.system: Final = system
        self.before: Final = before
        self.event: Final = event
        self.stream: Final = stream


class Fault:
    """What was wrong on a ``stream``, or on the connection where that is 0; ``code``: the error code; ``text``: for people.

    ``status``: of the response that a server would rather give, or 0.  ``fatal``: whether its sender is read no more.
    """

    __slots__ = ("code", "fatal", "status", "stream", "text")

    def __init__(self, stream: int, code: int, text: str, status: int = 0, fatal: bool = False) -> None:
        self.fatal: Final = fatal
        self.stream: Final = stream
        self.code: Final = code
        self.text: Final = text
        self.status: Final = status


class Observed:
    """What a frame has done."""

    __slots__ = ("events", "faults", "transitions")

    def __init__(self) -> None:
        self.events: Final[list[Event]] = []
        self.transitions: Final[list[Transition]] = []
        self.faults: Final[list[Fault]] = []


class Observer:
    """Both ends of one connection.

    ``requests`` and ``responses``: the limits of what each of them sends.  ``present``: the ends whose frames will be seen.
    """

    __slots__ = (
        "_failed",
        "_joint",
        "_largest",
        "_present",
        "_readers",
        "_sent",
        "_settings",
        "_told",
        "_unacknowledged",
        "_windows",
    )

    def __init__(self, requests: Limits, responses: Limits, present: tuple[str, ...]) -> None:
        self._present: Final = present
        self._joint = CONNECTION.initial
        #: By sender: who reads what it sends.
        self._readers: Final[dict[str, Connection]] = {
            "client": Connection(SERVER, limits=_wide(requests, requests.glitches), extended_connect=True),
            "server": Connection(CLIENT, limits=_wide(responses, _ANY)),
        }
        #: How many frames of each type the client has sent, and whether it was told that these were too many.
        self._sent: Final[dict[int, int]] = {}
        self._told = False
        #: Ends that have broken the connection's rules: nothing more is read of what they send.
        self._failed: Final[set[str]] = set()
        #: By sender: what it may send.
        self._windows: Final = {"client": ObservedWindows(), "server": ObservedWindows()}
        self._largest: Final = {"client": frames.LEAST_FRAME_SIZE, "server": frames.LEAST_FRAME_SIZE}
        #: By sender: its settings as the other end knows them, and those that the other end has not acknowledged.
        self._settings: Final[dict[str, dict[int, int]]] = {"client": {}, "server": {}}
        self._unacknowledged: Final[dict[str, list[dict[int, int]]]] = {"client": [], "server": []}
        for sender, reader in self._readers.items():
            reader.data_to_send()
            if _OTHER[sender] not in present:
                reader._decoder.max_table_size = _UNKNOWN_TABLE

    # -- what is known

    @property
    def joint(self) -> int:
        """Where the machines of :data:`interlock.h2.tables.CONNECTION` stand."""
        return self._joint

    def announced(self, sender: str) -> bool:
        """Whether an end has sent SETTINGS that the other has still to acknowledge."""
        return bool(self._unacknowledged[sender])

    def largest_frame(self, sender: str, kind: int) -> int:
        """Octets that the payload of a frame of ``sender`` may have.

        Where nobody has seen what the other end allows, it is all that it could have allowed.
        """
        if not self.is_seen(_OTHER[sender]) and kind in _LONG:
            return frames.MOST_FRAME_SIZE
        return self._largest[sender]

    @property
    def sent(self) -> dict[int, int]:
        """How many frames of each type the client has sent."""
        return self._sent

    def has_room(self, sender: str, stream: int, octets: int) -> bool:
        """Whether ``sender`` may send so many octets of DATA on a stream."""
        windows = self._windows[sender]
        return octets <= windows.connection and octets <= windows.room(stream)

    def may_open(self) -> bool:
        """Whether the client may open one more stream (RFC 9113 §5.1.2)."""
        most = self._settings["server"].get(frames.MAX_CONCURRENT_STREAMS, _STREAMS)
        return len(self._readers["client"]._streams) < most

    def is_seen(self, end: str) -> bool:
        """Whether what an end sends is read, so that it can be expected."""
        return end in self._present and end not in self._failed

    def opened(self, stream: int) -> bool:
        """Whether the client has opened a stream, as far as is seen."""
        return stream <= self._readers["server"]._highest_local

    def _stream_joint(self, sender: str, stream_id: int) -> int:
        reader = self._readers[sender]
        stream = reader._streams.get(stream_id)
        return stream.joint if stream is not None else reader._recent.get(stream_id, 0)

    def refill(self, seconds: float) -> None:
        """So many seconds have passed: what frames may cost has grown."""
        for reader in self._readers.values():
            reader.refill(seconds)

    # -- what comes

    def preface(self, octets: bytes) -> Observed:
        """Some or all of a client's preface (RFC 9113 §3.4)."""
        observed = Observed()
        self._read("client", octets, observed)
        if self._readers["client"].machines["client"] != "START":
            self._advance("client.Preface", observed)
        return observed

    def frame(self, sender: str, octets: bytes, method: bytes = b"GET") -> Observed:
        """One whole frame of ``sender``; or its head alone, where a frame of that length may not be.

        ``method``: of the request that it answers, if that is not seen.
        """
        observed = Observed()
        kind = octets[3]
        flags = octets[4]
        stream_id = frames.number(octets[5:9]) & frames.LARGEST
        reader = self._readers[sender]
        reader._largest_frame = self.largest_frame(sender, kind)
        other = _OTHER[sender]
        before = self._stream_joint("client", stream_id)
        own = self._stream_joint(sender, stream_id)
        opens = sender == "client" and stream_id > reader._highest_remote
        if kind == frames.SETTINGS and flags & frames.ACK:
            self._before_acknowledgement(sender)
        if sender == "server" and kind in _ANSWERS and not self.is_seen(other):
            self._suppose_requests(stream_id, method, observed)
            own = self._stream_joint(sender, stream_id)
            before = self._stream_joint("client", stream_id)
        may_open = self.may_open()
        if kind == frames.DATA and self.is_seen(other):
            self._flow(sender, stream_id, len(octets) - frames.HEAD_OCTETS, observed)
        self._read(sender, octets, observed)
        if sender not in self._failed:
            self._connection_event(sender, kind, flags, octets, observed)
        if kind == frames.SETTINGS and not observed.faults:
            self._settings_seen(sender, flags, octets)
        if opens and reader._highest_remote == stream_id:
            self._stream_opened(stream_id, octets, observed)
            if not may_open and self.is_seen(other):
                observed.faults.append(Fault(stream_id, errors.REFUSED_STREAM, "too many streams (RFC 9113 §5.1.2)"))
        elif stream_id:
            self._mirror(sender, stream_id, own)
        if sender == "client":
            self._tally(kind, observed)
        else:
            self._earned(kind, flags, stream_id, len(octets))
        if stream_id:
            block = flags if kind == frames.DATA or kind == frames.HEADERS else reader._block_flags
            end = "remote." if sender == "client" else "local."
            way = _way(before, self._stream_joint("client", stream_id), end, block & frames.END_STREAM != 0)
            observed.transitions.extend([Transition("h2", joint, event, stream_id) for joint, event in way])
        for seen in observed.events:
            if isinstance(seen, WindowUpdated):
                self._windows[other].granted(seen.stream_id, seen.increment)
            elif isinstance(seen, StreamReset) and seen.remote and seen.stream_id != stream_id:
                self._reset_elsewhere(other, seen.stream_id)
        return observed

    def closed(self, sender: str) -> Observed:
        """The end has closed its side."""
        observed = Observed()
        self._advance(f"{sender}.ConnectionClosed", observed)
        return observed

    def _read(self, sender: str, octets: bytes, observed: Observed) -> None:
        """Have an engine read octets; note what it gives, and what it finds wrong."""
        reader = self._readers[sender]
        reader.receive_data(octets)
        refused: set[int] = set()
        try:
            while True:
                event: Any = reader.next_event()
                if event is NEED_DATA:
                    break
                observed.events.append(event)
                if isinstance(event, Data):
                    reader.consumed(event.stream_id, len(event.data))
                elif isinstance(event, StreamReset) and not event.remote:
                    refused.add(event.stream_id)
                    observed.faults.append(Fault(event.stream_id, event.error_code, event.reason))
                elif isinstance(event, RequestRefused):
                    observed.faults.append(Fault(event.stream_id, 0, event.reason, event.status))
        except RemoteProtocolError as error:
            observed.faults.append(Fault(0, reader.error_code, str(error), fatal=True))
            self._advance(f"{sender}.Error", observed)
            self._failed.add(sender)
            return
        unseen = [text.partition(": ")[2] for text in reader.take_unseen()]
        for stream_id, code in _resets(reader.data_to_send()):
            if stream_id not in refused:
                text = unseen.pop(0) if unseen else "a frame on a stream that was closed (RFC 9113 §5.1)"
                observed.faults.append(Fault(stream_id, code, text))

    def _flow(self, sender: str, stream_id: int, octets: int, observed: Observed) -> None:
        """Count DATA in the windows that the other end has opened (RFC 9113 §6.9)."""
        windows = self._windows[sender]
        if octets > windows.connection:
            text = "DATA beyond the connection's window (RFC 9113 §6.9.1)"
            observed.faults.append(Fault(0, errors.FLOW_CONTROL_ERROR, text, fatal=True))
            self._failed.add(sender)
        elif octets > windows.room(stream_id):
            text = "DATA beyond the stream's window (RFC 9113 §6.9.1)"
            observed.faults.append(Fault(stream_id, errors.FLOW_CONTROL_ERROR, text))
        windows.sent(stream_id, octets)

    def _tally(self, kind: int, observed: Observed) -> None:
        """Tell once, of a client that has spent its budget, of what it has sent most (RFC 9113 §10.5)."""
        reader = self._readers["client"]
        self._sent[kind] = self._sent.get(kind, 0) + 1
        if "client" in self._failed or reader._budget._left >= 1:
            return
        if not self._told:
            self._told = True
            most = sorted((count, sent) for sent, count in self._sent.items() if sent not in _USEFUL)[-1:]
            what = "".join(f", {count} {_FLOODS.get(sent, f'of type 0x{sent:x}')} among them" for count, sent in most)
            text = f"too many frames that make work and do none{what} (RFC 9113 §10.5)"
            observed.faults.append(Fault(0, errors.ENHANCE_YOUR_CALM, text))
        reader.refill(float(_ANY))

    def _earned(self, kind: int, flags: int, stream_id: int, octets: int) -> None:
        """What a server sends brings frames of its client with it, as in what it would have made of it itself."""
        reader = self._readers["client"]
        if kind == frames.DATA or kind == frames.HEADERS:
            reader._budget.allow(2 + (octets >> 12))
            stream = reader._streams.get(stream_id)
            if stream is not None and kind == frames.DATA:
                stream.served = True
        elif kind == frames.RST_STREAM or (kind == frames.PING and not flags & frames.ACK):
            reader._budget.allow(2)

    # -- the connection

    def _advance(self, name: str, observed: Observed) -> None:
        """Take an event to the connection's machines, if it is legal there: engines say what is wrong."""
        event = CONNECTION.event_index[name]
        after = CONNECTION.table[self._joint * CONNECTION.n_events + event]
        if after >= 0:
            if after != self._joint:
                observed.transitions.append(Transition("h2-connection", self._joint, event, 0))
            self._joint = after

    def _connection_event(self, sender: str, kind: int, flags: int, octets: bytes, observed: Observed) -> None:
        name = "Frame"
        if kind == frames.SETTINGS:
            name = "SettingsAck" if flags & frames.ACK else "Settings"
            if name == "SettingsAck" and len(self._unacknowledged[_OTHER[sender]]) > 1:
                name = "Frame"  # there are more: the machine stays where it is
        elif kind == frames.HEADERS and not flags & frames.END_HEADERS:
            name = "BlockBegin"
        elif kind == frames.CONTINUATION:
            name = "ContinuationEnd" if flags & frames.END_HEADERS else "Continuation"
        elif kind == frames.GOAWAY:
            last = frames.number(octets[9:13]) & frames.LARGEST
            name = "ShutDown" if last == frames.LARGEST else "GoAway"
        self._advance(f"{sender}.{name}", observed)

    def _before_acknowledgement(self, sender: str) -> None:
        """Have the reader wait for an acknowledgement exactly if there are settings that it is for."""
        reader = self._readers[sender]
        other = _OTHER[sender]
        waits = reader._our_settings_pending[reader._joint]
        due = bool(self._unacknowledged[other]) or not self.is_seen(other)
        if due and not waits:
            reader._step(reader._ours + OUR_SETTINGS)
        elif waits and not due:
            reader._step(reader._theirs + ACKNOWLEDGED)

    def _settings_seen(self, sender: str, flags: int, octets: bytes) -> None:
        """Settings count for who reads the other end from when they are acknowledged; a larger frame, at once."""
        other = _OTHER[sender]
        if flags & frames.ACK:
            waiting = self._unacknowledged[other]
            if waiting:
                self._settings[other].update(waiting.pop(0))
            said = [settings.get(frames.INITIAL_WINDOW_SIZE, -1) for settings in (self._settings[other], *waiting)]
            if max(said) >= 0:  # larger ones count as soon as they are seen
                self._windows[sender].set_initial(max(said))
            table = frames.DEFAULT_HEADER_TABLE if self.is_seen(other) else _UNKNOWN_TABLE
            self._readers[sender]._decoder.max_table_size = self._settings[other].get(frames.HEADER_TABLE_SIZE, table)
            return
        changes = dict(frames.read_settings(octets[frames.HEAD_OCTETS :]))
        self._unacknowledged[sender].append(changes)
        initial = changes.get(frames.INITIAL_WINDOW_SIZE, 0)
        if initial > self._windows[other].initial:
            self._windows[other].set_initial(initial)
        self._largest[other] = max(self._largest[other], changes.get(frames.MAX_FRAME_SIZE, 0))

    # -- streams

    def _stream_opened(self, stream_id: int, octets: bytes, observed: Observed) -> None:
        """The client has opened a stream: who reads the server is to know of it, however it may be wrong."""
        self._advance("client.OpenStream", observed)
        request = next((event for event in observed.events if isinstance(event, Request)), None)
        event = "local.Request"
        flags = octets[4] if octets[3] == frames.HEADERS else self._readers["client"]._block_flags
        if flags & frames.END_STREAM:
            event += ".end"
        elif request is not None and request.method == b"CONNECT":
            event += ".connect"
        if request is not None and request.protocol and self._is_refused():
            observed.faults.append(
                Fault(stream_id, errors.PROTOCOL_ERROR, "extended CONNECT that was not offered (RFC 8441 §3)")
            )
        self._open("server", stream_id, STREAM.event_index[event], request.method if request is not None else b"")

    def _is_refused(self) -> bool:
        """Whether the server has said its settings, and does not offer extended CONNECT."""
        said = (self._settings["server"], *self._unacknowledged["server"])
        begun = CONNECTION.state(self._joint, "server") != "START"
        return begun and not any(settings.get(frames.ENABLE_CONNECT_PROTOCOL) == 1 for settings in said)

    def _suppose_requests(self, stream_id: int, method: bytes, observed: Observed) -> None:
        """A response comes to a request that nobody has seen; those on lower streams have to have been there before."""
        highest = self._readers["server"]._highest_local
        if stream_id & 1 == 0 or stream_id <= highest or stream_id - highest > 2 * _MOST_SUPPOSED:
            return
        for opened in range(highest + 2 if highest else 1, stream_id + 1, 2):
            self._open("server", opened, STREAM.event_index["local.Request.end"], method)
            self._open("client", opened, STREAM.event_index["remote.Request.end"], method)
        observed.transitions.append(Transition("h2", 0, STREAM.event_index["remote.Request.end"], stream_id))

    def _open(self, reads: str, stream_id: int, event: int, method: bytes) -> None:
        reader = self._readers[reads]
        if reads == "server":
            reader._highest_local = stream_id
        else:
            reader._highest_remote = stream_id
        stream = reader._new_stream(stream_id, False)
        stream.joint = TABLE[event]  # row 0: idle
        stream.method = method
        stream.shown = True

    def _mirror(self, sender: str, stream_id: int, before: int) -> None:
        """What ``sender`` has done on a stream, as who reads the other end sees it: done by itself."""
        after = self._stream_joint(sender, stream_id)
        stream = self._readers[_OTHER[sender]]._streams.get(stream_id)
        if after == before or stream is None:
            return
        event = which(STREAM, before, after, "remote.")
        if event >= 0:
            self._local(_OTHER[sender], stream_id, STREAM.events[event].replace("remote.", "local."))

    def _reset_elsewhere(self, reads: str, stream_id: int) -> None:
        """A GOAWAY has ended a stream."""
        self._local(reads, stream_id, "local.Reset")

    def _local(self, reads: str, stream_id: int, name: str) -> None:
        reader = self._readers[reads]
        stream = reader._streams.get(stream_id)
        if stream is None:
            return
        target = TABLE[stream.joint * N + STREAM.event_index[name]]
        if target >= 0:
            stream.joint = target
            if CLOSED[target]:
                if stream.shown:
                    reader._budget.earn(1)
                for windows in self._windows.values():
                    windows.forget(stream_id)
                reader._close(stream)
                reader.data_to_send()


def _wide(limits: Limits, glitches: int) -> Limits:
    """The limits of messages, and no others: windows and streams are for the ends themselves to limit."""
    return Limits(
        request_line=limits.request_line,
        head=limits.head,
        fields=limits.fields,
        continuations=limits.continuations,
        body=limits.body,
        glitches=glitches,
        glitches_rate=limits.glitches_rate,
        streams=_STREAMS,
        window=frames.LARGEST,
        window_ceiling=frames.LARGEST,
    )


def _way(before: int, after: int, end: str, ended: bool) -> list[tuple[int, int]]:
    """How a stream has come from one joint state to another: by an event of ``end``, by our reset, or by both.

    ``ended``: whether the frame has END_STREAM.
    """
    if before == after:
        return []
    for prefix in (end, "local.Reset"):
        event = which(STREAM, before, after, prefix)
        if event >= 0:
            return [(before, event)]
    for event, name in enumerate(STREAM.events):
        between = TABLE[before * N + event]
        if between >= 0 and name.startswith(end) and name.endswith((".end", ".Trailers")) == ended:
            reset = which(STREAM, between, after, "local.Reset")
            if reset >= 0:
                return [(before, event), (between, reset)]
    return []


def _resets(octets: bytes) -> list[tuple[int, int]]:
    """The RST_STREAM frames among what an engine would send: (stream, error code)."""
    found = []
    at = 0
    while at < len(octets):
        length = int.from_bytes(octets[at : at + 3], "big")
        if octets[at + 3] == frames.RST_STREAM:
            stream_id = frames.number(octets[at + 5 : at + 9])
            found.append((stream_id, frames.number(octets[at + 9 : at + 13])))
        at += frames.HEAD_OCTETS + length
    return found
