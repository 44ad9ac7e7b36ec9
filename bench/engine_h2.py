"""The HTTP/2 engine's half of a GET, frames in and frames out, against the h2 library, in one run.

    python bench/engine_h2.py [--rounds 7] [--requests 2000]

Both engines are servers, get the same octets, written by a third party (the hpack and hyperframe libraries), and answer
in the same way; they take turns, and the best of all rounds counts.  Also prints what a response's head costs on the
wire, and how many window updates an upload does.  bench/README.md tells how to read the figures.
"""

import sys
from collections.abc import Callable

from turns import Run, announce, arguments, best_of, line, title

try:
    import h2
    import h2.config
    import h2.connection
    import h2.events
    import hpack
    from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame, WindowUpdateFrame
except ImportError:
    sys.exit("h2 is not installed: pip install --group bench")
try:
    import interlock.h2.connection
    from interlock import h2 as ours
except ImportError:
    sys.exit("interlock is not installed: pip install .  (or, interpreted and from the sources: PYTHONPATH=src)")

Fields = list[tuple[str, str]]

#: 11 fields, four of them pseudo-header fields.
BROWSER: Fields = [
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/search?q=interlocking+state+machines"),
    (":authority", "www.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://www.example.com/"),
    ("cookie", "session=" + "0123456789abcdef" * 4),
    ("sec-fetch-mode", "navigate"),
]
RESPONSE = [(b"content-type", b"text/plain"), (b"content-length", b"13"), (b"server", b"bench")]
CONTENT = b"Hello, world!"
OPENING = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + SettingsFrame(0).serialize()
    + WindowUpdateFrame(0, window_increment=2**30).serialize()
)


def different(i: int) -> Fields:
    """As the pages of a site ask for what they need: path, Referer and Cookie are others each time."""
    changed = {":path": f"/search?page={i}", "referer": f"https://www.example.com/{i}", "cookie": f"session={i:064x}"}
    return [(name, changed.get(name, value)) for name, value in BROWSER]


def requests(count: int, fields: Callable[[int], Fields]) -> list[bytes]:
    """HEADERS frames of one connection."""
    encoder = hpack.Encoder()
    made = []
    for i in range(count):
        frame = HeadersFrame(2 * i + 1, encoder.encode(fields(i)))
        frame.flags |= {"END_STREAM", "END_HEADERS"}
        made.append(frame.serialize())
    return made


def with_ours(given: list[bytes]) -> Run:
    """What has interlock answer the first so many requests of a connection, and gives its last answer."""

    def run(count: int) -> bytes:
        connection = ours.Connection(ours.SERVER)
        connection.receive_data(OPENING)
        while connection.next_event() is not ours.NEED_DATA:
            pass
        sent = connection.data_to_send()
        for octets in given[:count]:
            connection.receive_data(octets)
            while (event := connection.next_event()) is not ours.NEED_DATA:
                if type(event) is ours.EndOfMessage:
                    stream_id = event.stream_id
                    connection.queue(ours.Response(status_code=200, headers=RESPONSE, stream_id=stream_id))
                    connection.queue(ours.Data(CONTENT, stream_id=stream_id))
                    connection.queue(ours.EndOfMessage(stream_id=stream_id))
            sent = connection.data_to_send()
        return sent

    return run


def with_theirs(given: list[bytes]) -> Run:
    """The same of the h2 library."""
    response = [(b":status", b"200"), *RESPONSE]

    def run(count: int) -> bytes:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        connection.initiate_connection()
        connection.receive_data(OPENING)
        sent = connection.data_to_send()
        for octets in given[:count]:
            for event in connection.receive_data(octets):
                if type(event) is h2.events.StreamEnded:
                    connection.send_headers(event.stream_id, response)
                    connection.send_data(event.stream_id, CONTENT, end_stream=True)
            sent = connection.data_to_send()
        return sent

    return run


def meaning(sent: bytes) -> list[tuple[type[Frame], int, set[str]]]:
    """The frames of some octets, without their field blocks, which two encoders write differently."""
    found = []
    while sent:
        frame, length = Frame.parse_frame_header(memoryview(sent[:9]))
        found.append((type(frame), frame.stream_id, set(frame.flags)))
        sent = sent[9 + length :]
    return found


def window_updates(megabytes: int) -> int:
    """WINDOW_UPDATE frames that an upload makes interlock send, each frame of it taken at once by the application."""
    connection = ours.Connection(ours.SERVER)
    encoder = hpack.Encoder()
    head = HeadersFrame(1, encoder.encode([(":method", "POST"), *BROWSER[1:]]))
    head.flags.add("END_HEADERS")
    connection.receive_data(OPENING + head.serialize())
    updates = left = 0
    total = megabytes << 20
    window = 65535
    connection.data_to_send()
    while left < total:
        octets = min(16384, window, total - left)
        if octets <= 0:
            sys.exit("interlock let the upload starve")
        frame = DataFrame(1, bytes(octets))
        connection.receive_data(frame.serialize())
        left += octets
        window -= octets
        while (event := connection.next_event()) is not ours.NEED_DATA:
            if type(event) is ours.Data:
                connection.consumed(1, len(event.data))
        answer = memoryview(connection.data_to_send())
        while answer:
            got, length = Frame.parse_frame_header(answer[:9])
            if isinstance(got, WindowUpdateFrame):
                updates += 1
                got.parse_body(answer[9 : 9 + length])
                window += got.window_increment if got.stream_id else 0
            answer = answer[9 + length :]
    return updates


def main() -> None:
    parser = arguments(__doc__, "turns of each engine for each request")
    parser.add_argument("--requests", type=int, default=2000, help="of each turn, on one connection (default: 2000)")
    options = parser.parse_args()
    announce(
        interlock.h2.connection.__file__,
        f"h2 {h2.__version__}, hpack {hpack.__version__}",
        f"{options.rounds} rounds of {options.requests} requests",
    )
    title("h2")
    for name, fields in (("GET, 11 fields", lambda _: BROWSER), ("GET, 11 fields, all different", different)):
        given = requests(options.requests, fields)
        runs = [with_ours(given), with_theirs(given)]
        first, second = (meaning(run(len(given))) for run in runs)
        if first != second:
            sys.exit(f"the two engines do not answer the same: {first}, {second}")
        best = best_of(runs, options.rounds, [len(given)] * 2)
        line(name, best[0], best[1])
    sent = with_ours(requests(100, lambda _: BROWSER))(100)
    print(f"\noctets of a response's head, the hundredth on its connection: {len(sent) - 9 - len(CONTENT)}")
    for megabytes in (1, 100):
        updates = window_updates(megabytes)
        print(f"window updates of an upload of {megabytes} MB: {updates}, {updates / megabytes:.2f} per MB")


if __name__ == "__main__":
    main()
