"""A client of HTTP/2 on a socket, for tests that wait: the h2 library, which does what it is told and no more."""

import socket

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings
from tests.server.serving import PATIENCE


class Answer:
    """What has come on one stream."""

    def __init__(self):
        self.informational = []
        self.status = 0
        self.fields = {}
        self.content = bytearray()
        self.trailers = {}
        self.ended = False
        self.reset = None


class Http2Socket:
    """One connection.  ``takes``: whether what comes is taken, so that the server's windows open again."""

    def __init__(self, address, *, window=65_535, sock=None):
        self.sock = sock or socket.create_connection(address, PATIENCE)
        self.h2 = H2Connection(H2Configuration(header_encoding="latin-1", validate_outbound_headers=False))
        self.h2.local_settings = Settings(initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.takes = True
        #: Streams of which nothing is taken.
        self.held = set()
        self.answers = {}
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def read(self):
        """Wait for octets, and take note of what they mean."""
        octets = self.sock.recv(1 << 20)
        assert octets, "the connection was closed"
        for event in self.h2.receive_data(octets):
            answer = self.answers.get(getattr(event, "stream_id", None))
            if answer is None:
                continue
            if isinstance(event, InformationalResponseReceived):
                answer.informational.append((int(dict(event.headers)[":status"]), dict(event.headers)))
            elif isinstance(event, ResponseReceived):
                answer.fields = dict(event.headers)
                answer.status = int(answer.fields[":status"])
            elif isinstance(event, DataReceived):
                answer.content += event.data
                if self.takes and event.stream_id not in self.held and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, TrailersReceived):
                answer.trailers = dict(event.headers)
            elif isinstance(event, StreamEnded):
                answer.ended = True
            elif isinstance(event, StreamReset):
                answer.reset = int(event.error_code)
        self.flush()

    def until(self, condition):
        while not condition():
            self.read()

    def request(self, path="/", *fields, method="GET", end=True):
        """Send the head of a request; give its stream."""
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "http"), (":authority", "example.org"), (":path", path)]
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, [*pseudo, *fields], end_stream=end)
        self.flush()
        return stream

    def send(self, stream, data, *, end=True):
        """Send content, as fast as the server takes it."""
        view = memoryview(data)
        while view:
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if not room:
                self.read()
                continue
            self.h2.send_data(stream, bytes(view[:room]))
            view = view[room:]
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def answer(self, stream):
        """Wait for the whole answer."""
        answer = self.answers[stream]
        self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    def get(self, path="/", *fields):
        return self.answer(self.request(path, *fields))

    def reset(self, stream, code=8):
        self.h2.reset_stream(stream, code)
        self.flush()
