"""The engine's full cycle, request in and response out, against h11, in one run.

    python bench/engine.py [--rounds 7] [--seconds 0.2]

Both engines run the same code, in turns, and the best of all rounds counts: what disturbs a round makes it slower and
never faster.  Says whether interlock ran compiled or interpreted.  bench/README.md tells how to read the figures.
"""

import sys
from itertools import cycle, islice
from typing import Any, NamedTuple

from turns import Run, announce, arguments, best_of, line, microseconds, title

try:
    import h11
except ImportError:
    sys.exit("h11 is not installed: pip install --group bench")
try:
    import interlock.h1.connection
    from interlock import h1
except ImportError:
    sys.exit("interlock is not installed: pip install .  (or, interpreted and from the sources: PYTHONPATH=src)")

Engine = Any  # the module h11, or the one that has its interface


class Case(NamedTuple):
    """Requests as a client sends them in turn, and the response that each gets."""

    name: str
    requests: list[bytes]
    fields: list[tuple[bytes, bytes]]
    content: bytes
    #: Whether each cycle has a connection of its own, as in h11's own benchmark.
    fresh: bool = False


FORM = b"name=value&" * 32
BROWSER = (
    b"GET /search?q=interlocking+state+machines HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://www.example.com/\r\n"
    b"DNT: 1\r\n"
    b"Cookie: session=" + b"A" * 200 + b"\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"Cache-Control: max-age=0\r\n"
    b"Connection: keep-alive\r\n\r\n"
)
#: As the pages of a site ask for what they need: target, Referer and Cookie are others each time.
DIFFERENT = [
    BROWSER.replace(b"/search?q=", b"/search?page=%d&q=" % i)
    .replace(b"example.com/\r", b"example.com/%d\r" % i)
    .replace(b"session=A", b"session=%d" % i)
    for i in range(100, 200)
]
PAGE_FIELDS = [
    (b"Date", b"Fri, 20 May 2016 09:23:41 GMT"),
    (b"Server", b"bench"),
    (b"Cache-Control", b"private, max-age=0"),
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"Content-Length", b"1000"),
    (b"Expires", b"-1"),
    (b"X-Frame-Options", b"SAMEORIGIN"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Vary", b"Accept-Encoding"),
]
HELLO_FIELDS = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
POST = b"POST /form HTTP/1.1\r\nHost: www.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n"

CASES = [
    Case("GET, minimal", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], HELLO_FIELDS, b"Hello, world!"),
    Case("GET, as a browser: 11 fields", [BROWSER], PAGE_FIELDS, b"x" * 1000),
    Case("GET, as a browser, all different", DIFFERENT, PAGE_FIELDS, b"x" * 1000),
    Case("GET, as a browser, new connection", [BROWSER], PAGE_FIELDS, b"x" * 1000, fresh=True),
    Case(
        "POST, content-length",
        [POST + b"Content-Length: %d\r\n\r\n" % len(FORM) + FORM],
        HELLO_FIELDS,
        b"Hello, world!",
    ),
    Case(
        "POST, chunked",
        [
            POST
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%b\r\n" % (len(FORM) // 4, FORM[i::4]) for i in range(4))
            + b"0\r\n\r\n"
        ],
        HELLO_FIELDS,
        b"Hello, world!",
    ),
]


def running(engine: Engine, case: Case) -> Run:
    """What runs so many cycles of ``case`` and gives the octets of the last response."""
    make, server, end_of_message = engine.Connection, engine.SERVER, engine.EndOfMessage
    response_event, data_event = engine.Response, engine.Data
    requests, fields, content, fresh = case.requests, case.fields, case.content, case.fresh

    def run(count: int) -> bytes:
        connection = make(server)
        sent = b""
        for request in islice(cycle(requests), count):
            connection.receive_data(request)
            while type(connection.next_event()) is not end_of_message:
                pass
            sent = connection.send(response_event(status_code=200, headers=fields, reason=b"OK"))
            sent += connection.send(data_event(data=content))
            sent += connection.send(end_of_message())
            if fresh:
                connection = make(server)
            else:
                connection.start_next_cycle()
        return sent

    return run


def measure(case: Case, rounds: int, seconds: float) -> tuple[float, float]:
    """The best of all rounds, in microseconds: (interlock's, h11's)."""
    runs = [running(h1, case), running(h11, case)]
    content = {run(1).partition(b"\r\n\r\n")[2] for run in runs}
    assert content == {case.content}, "the two engines do not answer the same"
    counts = [max(1, int(seconds * 1e6 / microseconds(run, 100))) for run in runs]
    ours, theirs = best_of(runs, rounds, counts)
    return ours, theirs


def main() -> None:
    parser = arguments(__doc__, "turns of each engine for each request")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each turn (default: 0.2)")
    options = parser.parse_args()
    announce(
        interlock.h1.connection.__file__,
        f"h11 {h11.__version__}",
        f"{options.rounds} rounds of {options.seconds:g} s",
    )
    title("h11")
    ratios = []
    for case in CASES:
        ours, theirs = measure(case, options.rounds, options.seconds)
        ratios.append(theirs / ours)
        line(case.name, ours, theirs)
    print(f"{'least of these':<36}{'':>14}{'':>10}{min(ratios):>12.1f}")


if __name__ == "__main__":
    main()
