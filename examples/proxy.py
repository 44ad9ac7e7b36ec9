"""A proxy before one HTTP server: it feeds whole messages, edits them, and forwards them.

    python examples/proxy.py 127.0.0.1:8080 example.com:80

A thread for each connection, and one request on each.
"""

import contextlib
import socket
import socketserver
import sys
import time

from interlock.message import Message, RemoteProtocolError, Request, Response, state

Address = tuple[str, int]

#: How long a message may take to come, and another to be taken, in seconds.
PATIENCE = 30

#: Fields that no Connection can take away.
NEEDED = (b"host", b"content-length", b"transfer-encoding")


def forward(request: Request, address: Address) -> Response:
    """Take a client's request to the server, and its response back."""
    request.headers.pop("Expect", None)
    drop_hop_by_hop(request)
    request.headers += {"Via": "1.1 interlock", "Connection": "close"}
    with socket.create_connection(address, PATIENCE) as server:
        server.sendall(request.raw)
        response = receive_response(server, request)
    drop_hop_by_hop(response)
    response.headers += {"Via": "1.1 interlock", "Connection": "close"}
    response.body = response.body.replace(b"Hello", b"Good evening")
    return response


def drop_hop_by_hop(message: Message) -> None:
    """Take out what is for one connection only (RFC 9110 §7.6.1); how the message is framed is written anew."""
    options = b",".join(message.headers.get_all("Connection")).split(b",")
    for name in (*options, b"Keep-Alive", b"Proxy-Connection", b"TE", b"Upgrade"):
        if name.strip().lower() not in NEEDED:
            message.headers.pop(name.strip(), None)


def receive_request(client: socket.socket) -> Request:
    """A request, for whose content the client may wait to be asked."""
    request = Request()
    receive(client, request, state.BODY)
    if "Expect" in request.headers and request.state != state.COMPLETE:
        client.sendall(Response("HTTP/1.1", 100, "Continue").raw)
    receive(client, request, state.COMPLETE)
    return request


def receive_response(server: socket.socket, request: Request) -> Response:
    """The response to a request: the final one, behind all informational ones."""
    behind = b""
    while True:
        response = Response.parse(behind, request_method=request.method)
        receive(server, response, state.COMPLETE)
        if int(response.status) >= 200:
            return response
        behind = response.trailing_data


def receive(peer: socket.socket, message: Message, until: state) -> None:
    """Feed the message with what the peer sends, until it has come that far."""
    deadline = time.monotonic() + PATIENCE
    while message.state < until:
        peer.settimeout(max(0.001, deadline - time.monotonic()))
        message.feed(peer.recv(65536))
    peer.settimeout(PATIENCE)


class Handler(socketserver.BaseRequestHandler):
    """One connection of a client."""

    def handle(self) -> None:
        """Forward a request, or say why not."""
        request = None
        try:
            request = receive_request(self.request)
            response = forward(request, self.server.upstream)
        except (RemoteProtocolError, OSError) as error:
            print(error, file=sys.stderr)
            status = 502 if request else getattr(error, "error_status_hint", 408)
            response = Response("HTTP/1.1", status, "", {"Connection": "close", "Content-Length": 0})
        with contextlib.suppress(OSError):
            self.request.sendall(response.raw)


class Proxy(socketserver.ThreadingTCPServer):
    """Listens at one address, and forwards to another."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: Address, upstream: Address) -> None:
        self.upstream = upstream
        super().__init__(address, Handler)


def address_of(text: str) -> Address:
    """The host and the port of ``host:port``."""
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    listen, upstream = map(address_of, sys.argv[1:])
    with Proxy(listen, upstream) as proxy:
        print("listening at {}:{}".format(*proxy.server_address), flush=True)
        proxy.serve_forever()
