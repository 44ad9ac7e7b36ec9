"""Servers of HTTP/2 on real sockets, each connection in a thread, so that they are the same for clients over all networks."""

import contextlib
import functools
import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import h2.config
import h2.connection
import h2.events
import trustme

from interlock.h2 import (
    NEED_DATA,
    SERVER,
    Connection,
    Data,
    EndOfMessage,
    GoAway,
    Limits,
    Request,
    Response,
    StreamReset,
    errors,
)

Handler = Callable[[socket.socket], object]


@functools.cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's, that agrees on HTTP/2, and a client's."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    server.set_alpn_protocols(["h2"])
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@contextlib.contextmanager
def far_ends(handler: Handler, *, tls: bool = False) -> Iterator[int]:
    """A server whose connections ``handler`` gets, each in a thread.  Yields its port; what a handler raises comes out."""
    if tls:
        contexts()  # before there are two threads that would make some
    listener = socket.create_server(("127.0.0.1", 0))
    raised: list[BaseException] = []
    threads: list[threading.Thread] = []
    socks: list[socket.socket] = []

    def handle(sock: socket.socket) -> None:
        try:
            with contexts()[0].wrap_socket(sock, server_side=True) if tls else sock as stream:
                handler(stream)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            pass
        except BaseException as error:
            raised.append(error)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                socks.append(sock)
                threads.append(threading.Thread(target=handle, args=(sock,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
    if raised:
        raise raised[0]


def library(sock: socket.socket, requests: int = -1) -> None:
    """A server that the h2 library makes: it sends back what it gets, or as many octets as the path says.

    It returns when the client ends the connection, or when so many requests have their answers.
    """
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    contents: dict[int, bytes] = {}
    answers: dict[int, bytes] = {}
    sizes: dict[int, int] = {}
    sock.sendall(connection.data_to_send())
    while data := sock.recv(65536):
        events = connection.receive_data(data)
        over = {event.stream_id for event in events if isinstance(event, h2.events.StreamReset)}
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                sizes[event.stream_id] = int(dict(event.headers)[b":path"][1:] or 0)
                contents[event.stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                contents[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id not in over:
                connection.send_headers(event.stream_id, [(":status", "200")])
                answers[event.stream_id] = contents.pop(event.stream_id) or b"x" * sizes[event.stream_id]
            elif isinstance(event, h2.events.StreamReset):
                contents.pop(event.stream_id, None)
                answers.pop(event.stream_id, None)
        for stream in list(answers):
            while (window := connection.local_flow_control_window(stream)) > 0 and answers[stream]:
                size = min(window, connection.max_outbound_frame_size)
                connection.send_data(stream, answers[stream][:size])
                answers[stream] = answers[stream][size:]
            if not answers[stream]:
                del answers[stream]
                connection.end_stream(stream)
                requests -= 1
        sock.sendall(connection.data_to_send())
        if not requests:
            return


class Gathering:
    """A server that answers each request with its target, once there are ``most`` of them.

    It takes ``streams`` at a time.
    """

    def __init__(self, most: int, streams: int = 100) -> None:
        self._most = most
        self._limits = Limits(streams=streams)

    def __call__(self, sock: socket.socket) -> None:
        engine = Connection(SERVER, limits=self._limits)
        targets: dict[int, bytes] = {}
        waiting: list[int] = []
        sock.sendall(engine.data_to_send())
        while data := sock.recv(65536):
            engine.receive_data(data)
            waiting += self._complete(engine, targets)
            if len(waiting) >= self._most:
                for stream in waiting:
                    self._answer(engine, stream, targets[stream])
                waiting.clear()
            sock.sendall(engine.data_to_send())

    def _complete(self, engine: Connection, targets: dict[int, bytes]) -> list[int]:
        """The requests that are complete now."""
        complete = []
        while (event := engine.next_event()) is not NEED_DATA:
            if isinstance(event, Request):
                targets[event.stream_id] = event.target
            elif isinstance(event, Data):
                engine.consumed(event.stream_id, len(event.data))
            elif isinstance(event, EndOfMessage):
                complete.append(event.stream_id)
        return complete

    def _answer(self, engine: Connection, stream: int, target: bytes) -> None:
        engine.queue(Response(status_code=200, headers=[], http_version=b"2"), stream)
        engine.queue(Data(target), stream)
        engine.queue(EndOfMessage(), stream)


class Random(Gathering):
    """A server that answers each request with its target, at some time, unless it refuses it, or drops its connection.

    What it has answered once it counts, in ``served``; what it has dropped or refused it has done nothing with.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(1)
        self.served: Counter[bytes] = Counter()
        self.refused = 0
        self.dropped = 0
        self._seed = seed

    def __call__(self, sock: socket.socket) -> None:
        self._seed += 1
        chance = random.Random(self._seed)
        engine = Connection(SERVER)
        targets: dict[int, bytes] = {}
        waiting: list[int] = []
        answered = 0
        sock.settimeout(0.002)  # so long nothing is answered, if nothing comes
        sock.sendall(engine.data_to_send())
        while True:
            with contextlib.suppress(TimeoutError):
                data = sock.recv(65536)
                if not data:
                    return
                engine.receive_data(data)
                waiting += self._complete(engine, targets)
            going = chance.random()
            chance.shuffle(waiting)
            for stream in waiting.copy():
                what = chance.random()
                if what < 0.03:
                    engine.queue(StreamReset(stream, errors.REFUSED_STREAM))
                    self.refused += 1
                elif what < 0.7 or going < 0.04:
                    self._answer(engine, stream, targets[stream])
                    answered += 1
                else:
                    continue
                waiting.remove(stream)
                if going < 0.04 and chance.random() < 0.2:
                    break
            if answered and going < 0.04:
                self._drop(sock, engine, waiting, targets, announced=going < 0.03)
                return
            sock.settimeout(10)
            sock.sendall(engine.data_to_send())
            sock.settimeout(0.002)

    def _answer(self, engine: Connection, stream: int, target: bytes) -> None:
        self.served[target] += 1
        super()._answer(engine, stream, target)

    def _drop(
        self, sock: socket.socket, engine: Connection, waiting: list[int], targets: dict[int, bytes], *, announced: bool
    ) -> None:
        """End the connection.  With ``announced``, answer all streams up to one, and say that this was the last."""
        self.dropped += 1
        if announced:
            last = max([stream for stream in targets if stream not in waiting], default=0)
            engine.queue(GoAway(last))
            for stream in waiting:
                if stream <= last:
                    self._answer(engine, stream, targets[stream])
        sock.settimeout(10)
        sock.sendall(engine.data_to_send())
        with contextlib.suppress(OSError):  # the client may have closed it meanwhile
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass
