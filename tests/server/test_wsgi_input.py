import io
import random
import threading
import tracemalloc

import pytest
from tests.server.fake_exchange import PATIENCE, FakeDriver, FakeExchange, loop_thread, request

from interlock.http.events import InformationalResponse
from interlock.net.exchange import Disconnected
from interlock.server.wsgi_input import Input

POST = request("/", ("Transfer-Encoding", "chunked"), method="POST")
EXPECT = request("/", ("Content-Length", "4"), ("Expect", "100-continue"), method="POST")


class Reader:
    """One Input, with the loop it is fed from."""

    def __init__(self, loop, head=POST, expected=True):
        self.loop = loop
        self.driver = FakeDriver(lambda exchange: None, loop)
        self.exchange = FakeExchange(head, loop)
        self.input = self.driver.call(Input, self.exchange, expected)

    def feed(self, *pieces, end=False):
        for piece in pieces:
            self.driver.call(self.input.feed, piece)
        if end:
            self.driver.call(self.input.end)

    def during(self, function, *args):
        """Start ``function`` in a thread; returns what gives its result."""
        result = []

        def run():
            try:
                result.append(function(*args))
            except BaseException as error:
                result.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def join():
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread is left waiting"
            return result[0]

        return join


@pytest.fixture
def loop():
    with loop_thread() as loop:
        yield loop


@pytest.fixture
def reader(loop):
    return Reader(loop)


BODY = b"one\ntwo\n\nlong" + b"x" * 50 + b"\nlast"

CALLS = [
    ("read", ()),
    ("read", (-1,)),
    ("read", (None,)),
    ("read", (0,)),
    ("read", (1,)),
    ("read", (7,)),
    ("read", (1000,)),
    ("readline", ()),
    ("readline", (-1,)),
    ("readline", (None,)),
    ("readline", (0,)),
    ("readline", (2,)),
    ("readline", (4,)),
    ("readline", (1000,)),
    ("readlines", ()),
    ("readlines", (0,)),
    ("readlines", (-1,)),
    ("readlines", (None,)),
    ("readlines", (1,)),
    ("readlines", (5,)),
    ("__next__", ()),
]


@pytest.mark.parametrize("seed", range(40))
def test_reads_as_a_file_does_however_the_body_was_cut(reader, seed):
    chance = random.Random(seed)
    cuts = sorted(chance.choices(range(len(BODY) + 1), k=chance.randrange(12)))
    reader.feed(*[BODY[a:b] for a, b in zip([0, *cuts], [*cuts, len(BODY)], strict=True)], end=True)
    model = io.BytesIO(BODY)
    for _ in range(30):
        name, args = chance.choice(CALLS)
        try:
            expected = getattr(model, name)(*args)
        except StopIteration:
            with pytest.raises(StopIteration):
                getattr(reader.input, name)(*args)
        else:
            assert getattr(reader.input, name)(*args) == expected, (name, args)
    assert reader.input.read() == model.read()
    assert reader.input.read() == reader.input.readline() == reader.input.read(5) == b""
    assert reader.input.readlines() == list(reader.input) == []


def test_iteration(reader):
    reader.feed(BODY, end=True)
    assert list(reader.input) == BODY.splitlines(keepends=True)


def test_a_request_without_content(loop):
    reader = Reader(loop, request(), expected=False)
    assert reader.input.read() == reader.input.readline() == reader.input.read(3) == b""
    assert list(reader.input) == reader.input.readlines() == []
    assert reader.exchange.events == []


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("read", (), b"ab\ncd"),
        ("read", (4,), b"ab\nc"),
        ("readline", (), b"ab\n"),
        ("readlines", (), [b"ab\n", b"cd"]),
        ("__next__", (), b"ab\n"),
    ],
)
def test_a_read_waits_for_what_has_not_come(reader, name, args, expected):
    result = reader.during(getattr(reader.input, name), *args)
    for piece in (b"a", b"b", b"\nc", b"", b"d"):
        reader.feed(piece)
    reader.feed(end=True)
    assert result() == expected


def test_a_read_does_not_wait_for_more_than_it_was_asked_for(reader):
    reader.feed(b"abc\nd")
    assert reader.input.read(2) == b"ab"
    assert reader.input.readline() == b"c\n"
    assert reader.input.readline(1) == b"d"


def test_only_what_is_taken_is_given_back(reader):
    reader.feed(b"x" * 50000)
    assert reader.input.read(100) == b"x" * 100
    assert reader.exchange.consumed_octets == 0
    result = reader.during(reader.input.read, 20000)
    assert len(result()) == 20000
    reader.exchange.until(lambda: reader.exchange.consumed_octets == 20100)


def test_what_a_waiting_read_has_gathered_is_given_back(reader):
    # So a line that is longer than what the driver holds can be read.
    result = reader.during(reader.input.readline)
    for round_ in range(1, 6):
        reader.feed(b"x" * 1000)
        reader.exchange.until(lambda round_=round_: reader.exchange.consumed_octets == 1000 * round_)
    reader.feed(b"\nrest")
    assert result() == b"x" * 5000 + b"\n"
    reader.feed(end=True)
    assert reader.input.read() == b"rest"


def test_settle_tells_what_was_not_given_back(reader):
    reader.feed(b"abc", end=True)
    assert reader.input.read() == b"abc"
    assert reader.exchange.consumed_octets == 0
    assert reader.input.settle() == 3
    assert reader.input.settle() == 0


def test_the_client_is_asked_for_the_content_at_the_first_read(loop):
    reader = Reader(loop, EXPECT)
    assert reader.input.read(0) == b""
    assert reader.exchange.events == []
    result = reader.during(reader.input.read)
    reader.exchange.until(lambda: reader.exchange.events)
    reader.feed(b"ab")
    reader.feed(b"cd", end=True)
    assert result() == b"abcd"
    assert reader.exchange.events == [InformationalResponse(status_code=100, reason=b"Continue")]


def test_a_client_that_did_not_wait_is_not_asked(loop):
    reader = Reader(loop, EXPECT)
    reader.feed(b"abcd", end=True)
    assert reader.input.read() == b"abcd"
    reader.driver.call(int)
    assert reader.exchange.events == []


@pytest.mark.parametrize("name", ["read", "readline", "readlines", "__next__"])
def test_a_waiting_read_is_released_when_the_connection_is_lost(reader, name):
    result = reader.during(getattr(reader.input, name))
    reader.feed(b"abc")
    reader.exchange.until(lambda: reader.exchange.consumed_octets == 3)
    reader.driver.call(reader.input.break_off, "the client has gone")
    error = result()
    assert isinstance(error, Disconnected)
    assert isinstance(error, OSError)
    with pytest.raises(Disconnected, match="not complete: the client has gone"):
        reader.input.read()


def test_all_who_wait_are_released(reader):
    results = [reader.during(reader.input.read) for _ in range(5)]
    reader.driver.call(reader.input.break_off, "the client has gone")
    assert all(isinstance(result(), Disconnected) for result in results)


def test_what_came_before_the_connection_was_lost_can_be_read(reader):
    reader.feed(b"abc\nd")
    reader.driver.call(reader.input.break_off, "the client has gone")
    assert reader.input.readline() == b"abc\n"
    with pytest.raises(Disconnected):
        reader.input.read(2)


def test_a_complete_body_outlives_its_connection(reader):
    reader.feed(b"abc", end=True)
    reader.driver.call(reader.input.break_off, "the client has gone")
    assert reader.input.read() == b"abc"
    assert reader.input.read() == b""


def test_reading_after_close(reader):
    reader.feed(b"abc", end=True)
    reader.input.close()
    for read in (reader.input.read, reader.input.readline, reader.input.readlines, reader.input.__next__):
        with pytest.raises(ValueError, match="closed file"):
            read()


def test_a_closed_event_loop(loop):
    reader = Reader(loop, EXPECT)

    def closed(callback, *args):
        raise RuntimeError("Event loop is closed")

    reader.exchange.call_threadsafe = closed
    with pytest.raises(Disconnected):
        reader.input.read()
    with pytest.raises(Disconnected):
        reader.input.read()


def test_no_octet_is_lost_or_changed(reader):
    body = bytes(range(256)) * 300
    result = reader.during(reader.input.read)
    for start in range(0, len(body), 777):
        reader.feed(body[start : start + 777])
    reader.feed(end=True)
    assert result() == body


def test_small_pieces_that_nobody_takes_are_not_held_one_by_one(reader):
    """A peer may cut what its window admits into pieces of two octets, each an object of 35."""
    content = bytes(range(256)) * 256
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for at in range(0, len(content), 2):
        reader.input.feed(content[at : at + 2])
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held < 3 * len(content)
    reader.input.end()
    assert reader.input.read() == content
