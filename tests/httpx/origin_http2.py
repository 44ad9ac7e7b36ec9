"""What an origin says over HTTP/2, by the h2 library: the same answers where there are heads and content, and others.

``Answer`` is what is sent for a path.  Content goes out as the client's windows let it.
"""

import json
import socket
from typing import NamedTuple

import h2.config
import h2.connection
import h2.errors
import h2.events
from tests.httpx.origin import Seen


class Answer(NamedTuple):
    """Informational heads, a head, content, trailers; or what is done instead, after the head where there is one."""

    status: int = 200
    headers: tuple = ()
    content: bytes = b""
    trailers: tuple = ()
    informational: tuple = ()
    instead: str = ""


LARGE = bytes(range(256)) * 4096  # 1 MiB: more than the windows that a client begins with
ANSWERS = {
    b"/empty": Answer(204),
    b"/not-modified": Answer(304, ((b"etag", b'"a"'),)),
    b"/large": Answer(content=LARGE),
    b"/length": Answer(headers=((b"content-length", b"5"),), content=b"hello"),
    b"/repeated": Answer(headers=((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-latin", b"caf\xe9"))),
    b"/trailers": Answer(content=b"hello", trailers=((b"x-checksum", b"5"),)),
    b"/informational": Answer(informational=((100, ()), (103, ((b"link", b"</a>"),))), content=b"hello"),
    b"/reset": Answer(instead="reset"),
    b"/reset-in-content": Answer(content=b"hel", instead="reset"),
    b"/goaway": Answer(instead="goaway"),
    b"/goaway-in-content": Answer(content=b"hel", instead="goaway"),
    b"/close": Answer(instead="close"),
    b"/close-in-content": Answer(content=b"hel", instead="close"),
    b"/garbage": Answer(instead="garbage"),
    b"/silence": Answer(instead="silence"),
    b"/short": Answer(headers=((b"content-length", b"10"),), content=b"hello"),
    b"/long": Answer(headers=((b"content-length", b"3"),), content=b"hello"),
    b"/last": Answer(content=b"hello", instead="last"),
}


def echo(seen):
    """What was asked, as JSON."""
    asked = [
        seen.method.decode(),
        seen.target.decode("latin-1"),
        [[n.decode(), v.decode("latin-1")] for n, v in seen.headers],
    ]
    return Answer(
        headers=((b"content-type", b"application/json"),), content=json.dumps([*asked, len(seen.content)]).encode()
    )


def speak(origin, connection, number, received):
    """One connection, until either side ends it."""
    config = h2.config.H2Configuration(client_side=False, header_encoding=None, validate_outbound_headers=False)
    machine = h2.connection.H2Connection(config)
    machine.initiate_connection()
    connection.sendall(machine.data_to_send())
    heads, contents, unsent = {}, {}, {}
    while received or (received := connection.recv(65536)):
        events = machine.receive_data(received)
        received = b""
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                heads[event.stream_id] = event.headers
                contents[event.stream_id] = b""
            elif isinstance(event, h2.events.DataReceived):
                contents[event.stream_id] += event.data
                machine.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                unsent.pop(event.stream_id, None)
            elif isinstance(event, h2.events.StreamEnded):
                head = heads.pop(event.stream_id)
                fields = dict(head)
                seen = Seen(
                    number,
                    fields[b":method"],
                    fields.get(b":path", b""),
                    # pseudo-header fields may come in any order (RFC 9113 §8.3)
                    tuple(sorted(head, key=lambda field: field[0] if field[0][:1] == b":" else b";")),
                    contents.pop(event.stream_id),
                )
                with origin._lock:
                    origin._seen.append(seen)
                answer = ANSWERS.get(seen.target) or echo(seen)
                if not begin(machine, connection, event.stream_id, answer, seen.method):
                    return
                if (answer.content or not answer.instead) and seen.method != b"HEAD" and answer.status == 200:
                    unsent[event.stream_id] = [answer.content, answer]
        for stream_id in list(unsent):
            if not go_on(machine, connection, stream_id, unsent):
                return
        connection.sendall(machine.data_to_send())


def begin(machine, connection, stream_id, answer, method):
    """The head, or what comes instead of one.  False: nothing more comes."""
    if answer.instead and not answer.content:
        return end(machine, connection, stream_id, answer.instead)
    for status, headers in answer.informational:
        machine.send_headers(stream_id, [(b":status", b"%d" % status), *headers])
    bare = method == b"HEAD" or answer.status in {204, 304}
    machine.send_headers(stream_id, [(b":status", b"%d" % answer.status), *answer.headers], end_stream=bare)
    if answer.instead == "last":
        machine.close_connection(last_stream_id=stream_id)
        # the library takes a connection to be closed then; what was promised to come, comes
        machine.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
    return True


def go_on(machine, connection, stream_id, unsent):
    """As much content as the windows have room for, and what ends it."""
    content, answer = unsent[stream_id]
    while content and (room := min(machine.local_flow_control_window(stream_id), machine.max_outbound_frame_size)):
        machine.send_data(stream_id, content[:room])
        content = content[room:]
    unsent[stream_id][0] = content
    if content:
        return True
    del unsent[stream_id]
    if answer.instead and answer.instead != "last":
        return end(machine, connection, stream_id, answer.instead)
    if answer.trailers:
        machine.send_headers(stream_id, list(answer.trailers), end_stream=True)
    else:
        machine.end_stream(stream_id)
    return True


def end(machine, connection, stream_id, how):
    if how == "reset":
        machine.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
    elif how == "goaway":
        machine.close_connection(h2.errors.ErrorCodes.INTERNAL_ERROR, last_stream_id=stream_id)
    elif how == "garbage":
        connection.sendall(machine.data_to_send() + b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x")  # DATA on stream 0
        return True
    connection.sendall(machine.data_to_send())
    if how in {"reset", "silence"}:
        return True
    # with octets that were not read, closing would be a reset, which may overtake what was sent
    socket.socket.shutdown(connection, socket.SHUT_WR)
    while socket.socket.recv(connection, 65536):
        pass
    return False
