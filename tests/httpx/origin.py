"""An origin that answers as a test says: over TCP, a unix socket or TLS, as a proxy's far end, HTTP/1.1 read by h11.

Each connection is a thread that blocks.  What it answers are octets from a table, by the path of the request; what it
has seen is kept for the test.  HTTP/2 is in :mod:`tests.httpx.origin_http2`.
"""

import contextlib
import select
import socket
import ssl
import struct
import threading
from typing import NamedTuple

import h2.exceptions
import h11

#: How long anything may take before a test fails rather than hangs, in seconds.
PATIENCE = 20
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Seen(NamedTuple):
    """A request as the origin has read it; ``connection`` counts from the one that was accepted first."""

    connection: int
    method: bytes
    target: bytes
    headers: tuple
    content: bytes
    trailers: tuple = ()


class Then(NamedTuple):
    """What an answer does beside sending octets."""

    name: str


#: The connection is closed properly, is reset, or is left as it is until the client ends it.
END, RESET, HOLD = Then("end"), Then("reset"), Then("hold")
#: Nothing more is read, so the client cannot send for ever.
STALL = Then("stall")
#: TLS begins here, as behind an accepted CONNECT.
TLS = Then("tls")
#: What follows goes to another origin, and what that says comes back.
RELAY = Then("relay")
#: Octets are sent back from here on, as they are.
RETURN = Then("return")
#: As the first: what follows is sent as soon as the head of the request is there.
EARLY = Then("early")


class Origin:
    """Accepts on ``listener`` until it is closed.  ``answers`` gives what to do for each request; see ``_answer``."""

    def __init__(self, listener, answers, context=None, tunnel_context=None, speaks_http2=None):
        self.listener = listener
        self.answers = answers
        self.context = context
        self.tunnel_context = tunnel_context
        self.speaks_http2 = speaks_http2
        #: The address that tunnels lead to which do not end here.
        self.relays_to = None
        #: Names that clients asked for in TLS, and the certificates that they had.
        self.names, self.certificates = [], []
        self.addresses = []
        self._seen, self._accepted = [], 0
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._connections, self._threads = {}, []
        if context:
            context.sni_callback = lambda connection, name, context: self.names.append(name)
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def take(self):
        """What was seen since the last time that somebody asked; connections are counted by their first requests."""
        with self._lock:
            numbers = {}
            seen = [
                request._replace(connection=numbers.setdefault(request.connection, len(numbers)))
                for request in self._seen
            ]
            for past in (self._seen, self.names, self.certificates, self.addresses):
                past.clear()
            return seen

    def close(self):
        self._ended.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(PATIENCE)
        self.listener.close()
        with self._lock:
            for connection in self._connections.values():
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
            threads = list(self._threads)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection does not end"

    def _accept(self):
        while not self._ended.is_set():
            try:
                connection, address = self.listener.accept()
            except OSError:
                return
            with self._lock:
                number = self._accepted
                self._accepted += 1
                self.addresses.append(address[0] if address else "")
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                thread = threading.Thread(target=self._run, args=(connection, number))
                self._threads.append(thread)
                thread.start()

    def _run(self, connection, number):
        with contextlib.suppress(OSError, h11.RemoteProtocolError, h2.exceptions.ProtocolError):
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._keep(number, connection)
            if self.context:
                self.start_tls(number, self.context)
            Conversation(self, number).run()
        with self._lock:
            connection = self._connections.pop(number, connection)
        connection.close()

    def _keep(self, number, connection):
        with self._lock:
            self._connections[number] = connection
        if self._ended.is_set():
            raise ConnectionAbortedError

    def start_tls(self, number, context):
        """TLS on a connection, from its next octet on."""
        wrapped = context.wrap_socket(self._connections[number], server_side=True, do_handshake_on_connect=False)
        self._keep(number, wrapped)
        wrapped.do_handshake()
        certificate = wrapped.getpeercert()
        self.certificates.append(certificate["subject"] if certificate else None)


class Conversation:
    """One connection: requests, one after the other, each with its answer."""

    def __init__(self, origin, number):
        self.origin, self.number = origin, number
        self.connection = origin._connections[number]
        self.received = b""

    def run(self):
        if self.is_http2():
            self.origin.speaks_http2(self.origin, self.connection, self.number, self.received)
            return
        while self.one_exchange():
            pass

    def is_http2(self):
        if isinstance(self.connection, ssl.SSLSocket):
            return self.connection.selected_alpn_protocol() == "h2"
        self.received = self.connection.recv(65536)
        return bool(self.received) and self.received.startswith(PREFACE[: len(self.received)])

    def one_exchange(self):
        """Whether there may be another."""
        machine = h11.Connection(h11.SERVER)
        if self.received:
            machine.receive_data(self.received)
        head, pieces, trailers, answer = None, [], (), None
        while True:
            event = machine.next_event()
            if event is h11.NEED_DATA:
                if machine.they_are_waiting_for_100_continue:
                    self.connection.sendall(machine.send(h11.InformationalResponse(status_code=100, headers=[])))
                machine.receive_data(self.connection.recv(65536))
            elif isinstance(event, h11.Request):
                head = event
                answer = self.origin.answers(head.method, head.target)
                if answer[0] is EARLY:
                    break
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                trailers = tuple(event.headers.raw_items())
                break
            else:  # the end of the client's side
                return False
        self.received = machine.trailing_data[0]
        # httpx's CONNECT to a proxy has an Accept, which says nothing there
        ignored = b"accept" if head.method == b"CONNECT" else None
        fields = tuple(field for field in head.headers.raw_items() if field[0].lower() != ignored)
        seen = Seen(self.number, head.method, head.target, fields, b"".join(pieces), trailers)
        with self.origin._lock:
            self.origin._seen.append(seen)
        return self.give(answer[0](seen) if callable(answer[0]) else answer)

    def give(self, answer):
        for piece in answer:
            if isinstance(piece, bytes):
                self.connection.sendall(piece)
            elif piece is END:
                return False
            elif piece is RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            elif piece is HOLD:
                while self.connection.recv(65536):
                    pass
                return False
            elif piece is STALL:
                self.origin._ended.wait()
                return False
            elif piece is RETURN:
                while octets := self.received or self.connection.recv(65536):
                    self.received = b""
                    self.connection.sendall(octets)
                return False
            elif piece is RELAY:
                self.relay()
                return False
            elif piece is TLS:
                self.origin.start_tls(self.number, self.origin.tunnel_context)
                Conversation(self.origin, self.number).run()
                return False
        return True

    def relay(self):
        near = self.connection
        with socket.create_connection(self.origin.relays_to) as far:
            while True:
                ready = {near} if getattr(near, "pending", int)() else select.select([near, far], [], [])[0]
                for one, other in ((near, far), (far, near)):
                    if one in ready:
                        if not (octets := one.recv(65536)):
                            return
                        other.sendall(octets)
