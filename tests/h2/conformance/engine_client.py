"""The client beside the engine: no socket, no clock; octets go in, and what comes out is read."""

from tests.h2.conformance.application import answer, is_early
from tests.h2.conformance.client import Client, Silence

from interlock.h2 import (
    NEED_DATA,
    SERVER,
    Connection,
    ConnectionClosed,
    Data,
    EndOfMessage,
    Limits,
    RemoteProtocolError,
    Request,
    RequestRefused,
    Response,
    StreamReset,
)


class EngineClient(Client):
    """A connection to an engine, which is fed as it comes or in pieces of so many octets.

    What answers is the application of the cases, as a driver would run it: the whole request, then the response.
    """

    def __init__(self, limits: Limits | None = None, *, piece: int = 0, hold: bool = False) -> None:
        super().__init__()
        self.engine = Connection(SERVER, limits=limits or Limits(), hold=hold)
        #: The applications that run do not answer.
        self.thinking = False
        #: The requests that an application saw, and how many ran at most.
        self.requests = 0
        self.most_running = 0
        self._hold = hold
        self._piece = piece
        self._incoming = bytearray()
        self._running: dict[int, tuple[Request, bytearray]] = {}
        #: Requests to be answered when all that has come was processed, as applications are no faster than that.
        self._complete: list[int] = []
        self._done = False

    def _write(self, octets: bytes) -> None:
        for at in range(0, len(octets), self._piece or max(len(octets), 1)):
            if self._done:
                return
            self.engine.receive_data(octets[at : at + self._piece] if self._piece else octets)
            self._pump()

    def _read(self) -> bytes:
        self._listen()
        if not self._incoming and not self._done:
            raise Silence
        octets = bytes(self._incoming)
        self._incoming.clear()
        return octets

    def _read_now(self) -> bytes:
        self._listen()
        octets = bytes(self._incoming)
        self._incoming.clear()
        return octets

    def _is_closed(self) -> bool:
        return self._done

    def waiting_octets(self) -> int:
        self._listen()
        return len(self._incoming)

    def half_close(self) -> None:
        if not self._done:
            self.engine.receive_data(b"")
            self._pump()
            self._done = True

    def close(self) -> None:
        self._done = True

    def time_passes(self, seconds: float) -> None:
        """What a driver tells its engine now and then."""
        self.engine.refill(seconds)

    def _listen(self) -> None:
        if not self.deaf:
            self._incoming += self.engine.data_to_send()
            self.engine.take_released()

    def _pump(self) -> None:
        try:
            while (event := self.engine.next_event()) is not NEED_DATA:
                if isinstance(event, ConnectionClosed):
                    break
                self._handle(event)
        except RemoteProtocolError:
            self._done = True
        else:
            complete, self._complete = self._complete, []
            for stream in complete:
                self._answer(stream)
        self._listen()

    def _handle(self, event: object) -> None:
        if isinstance(event, Request):
            self.requests += 1
            self._running[event.stream_id] = event, bytearray()
            self.most_running = max(self.most_running, len(self._running))
            if is_early(event.target) or event.method == b"CONNECT":
                self._complete.append(event.stream_id)
        elif isinstance(event, Data):
            if not self.keeping:
                self.engine.consumed(event.stream_id, len(event.data))
            if event.stream_id in self._running:
                self._running[event.stream_id][1].extend(event.data)
        elif isinstance(event, EndOfMessage) and not self.thinking:
            self._complete.append(event.stream_id)
        elif isinstance(event, RequestRefused):
            self._respond(event.stream_id, event.status, [], b"")
        elif isinstance(event, StreamReset) and not self.thinking:
            self._running.pop(event.stream_id, None)
            self.engine.release(event.stream_id)

    def _answer(self, stream: int) -> None:
        if stream not in self._running:
            return
        request, content = self._running.pop(stream)
        if request.method == b"CONNECT":
            self._respond(stream, 501, [], b"")
            return
        fields = [(bytes(name), bytes(value)) for name, value in request.headers]
        status, response_fields, body = answer(request.method, request.target, fields, bytes(content))
        self._respond(stream, status, response_fields, b"" if request.method == b"HEAD" else body)

    def _respond(self, stream: int, status: int, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.engine.queue(Response(status_code=status, headers=fields, stream_id=stream))
        if body:
            self.engine.queue(Data(body, stream_id=stream))
        self.engine.queue(EndOfMessage(stream_id=stream))
        self.engine.release(stream)
