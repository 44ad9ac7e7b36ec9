"""An origin that drops, refuses and delays at random, and keeps account of it: HTTP/1.1 by hand, HTTP/2 by our engine.

A request has its number as its target.  It is *processed* when the account says so, just before its answer is made.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter, defaultdict

from interlock import h2
from interlock.h2.errors import INTERNAL_ERROR, REFUSED_STREAM
from interlock.http.events import Data, EndOfMessage, Request, Response
from interlock.http.limits import Limits
from interlock.http.sentinels import NEED_DATA

#: Streams of a connection.
STREAMS = 4
#: The longest delay, in seconds.
LATE = 0.004

#: What is done with a request of HTTP/1.1, and how often of a hundred.
#: dropped: not processed, and the connection closed.  lost: processed, and closed.  last: answered, and then closed
#: though nothing said so.  The others are as they are called.
HTTP1 = {"answered": 66, "late": 12, "unavailable": 4, "dropped": 4, "lost": 3, "cut": 3, "reset": 3, "last": 5}
#: The same of HTTP/2.  refused: by REFUSED_STREAM.  away: by GOAWAY, and others on the connection go on.  ending: answered,
#: and GOAWAY is sent behind it.  broken: RST_STREAM, though it was processed.  dropped: the connection is.
HTTP2 = {
    "answered": 63,
    "late": 14,
    "unavailable": 4,
    "refused": 6,
    "away": 2,
    "ending": 2,
    "cut": 3,
    "broken": 3,
    "dropped": 3,
}
#: What fails a request, and may.
FAILING = {"dropped", "lost", "cut", "reset", "broken"}
#: Connections of a hundred that are closed as soon as they are there.
REFUSED = 4


def content_of(number, method):
    """What the request is answered with."""
    return b"%s %d " % (method, number) * (number % 7 + 1)


class FaultyOrigin:
    """Runs in a thread, until it is closed; at so many URLs."""

    def __init__(self, seed, http2, listeners):
        self.random = random.Random(seed)
        self.http2 = http2
        self.faults = HTTP2 if http2 else HTTP1
        #: By the number of a request: how often it was processed, and all that was done with it.
        self.processed = Counter()
        self.done = defaultdict(list)
        #: Connections: at the same time, at most at the same time; and closed without a request's doing, or its alone.
        self.open = self.most_open = 0
        self.closed_at_once = self.closed_idle = self.closed_for_all = 0
        self.writers, self.tasks = set(), set()
        #: What went wrong here.
        self.errors = []
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=200) for _ in range(listeners)]
        self.urls = [f"http://127.0.0.1:{listener.getsockname()[1]}/" for listener in self.listeners]
        self.loop = asyncio.new_event_loop()
        self.ended = asyncio.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.serve())

    async def serve(self):
        servers = [await asyncio.start_server(self.accept, sock=listener) for listener in self.listeners]
        await self.ended.wait()
        for server in servers:
            server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def close(self):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()
        assert not self.errors, self.errors

    async def accept(self, reader, writer):
        self.writers.add(writer)
        task = asyncio.current_task()
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            if self.random.random() * 100 < REFUSED:
                self.closed_at_once += 1
            elif self.http2:
                await OverHTTP2(self, reader, writer).run()
            else:
                await self.converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            self.open -= 1
            self.writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def choose(self, number):
        fault = self.random.choices(list(self.faults), list(self.faults.values()))[0]
        self.done[number].append(fault)
        return fault

    async def late(self):
        """Wait for a while; others go on."""
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=self.random.random() * LATE)

    async def converse(self, reader, writer):
        """HTTP/1.1."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
            number = int(target[1:])
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            if length:
                await reader.readexactly(int(length))
            fault = self.choose(number)
            if fault == "dropped":
                return
            if fault == "unavailable":
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
                continue
            if fault == "late":
                await self.late()
            self.processed[number] += 1
            content = content_of(number, method)
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)
            if fault == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif fault == "cut":
                writer.write(answer[: self.random.randrange(1, len(answer))])
            elif fault != "lost":
                writer.write(answer)
            if fault == "last":
                self.closed_idle += 1
            if fault in {"lost", "cut", "reset", "last"}:
                return


class OverHTTP2:
    """One connection."""

    def __init__(self, origin, reader, writer):
        self.origin, self.reader, self.writer = origin, reader, writer
        self.engine = h2.Connection(h2.SERVER, limits=Limits(streams=STREAMS, glitches=1_000_000))
        self.numbers = {}
        self.late = set()
        #: The highest stream that has an answer.
        self.answered = 0
        self.said_all = False

    async def run(self):
        self.flush()
        try:
            while not self.engine.finished and (octets := await self.reader.read(65536)):
                self.engine.receive_data(octets)
                while (event := self.engine.next_event()) is not NEED_DATA:
                    if isinstance(event, Request):
                        self.numbers[event.stream_id] = int(event.target[1:]), event.method
                    elif isinstance(event, Data):
                        self.engine.consumed(event.stream_id, len(event.data))
                    elif isinstance(event, EndOfMessage):
                        self.act(event.stream_id)
                        if self.writer.transport.is_closing():
                            return
                    elif isinstance(event, h2.StreamReset):
                        self.numbers.pop(event.stream_id, None)
                self.flush()
            while await self.reader.read(65536):
                pass
        finally:
            for task in self.late:
                task.cancel()
            await asyncio.gather(*self.late, return_exceptions=True)

    def flush(self):
        octets = self.engine.data_to_send()
        if not self.said_all:
            self.writer.write(octets)
        if self.engine.finished and not self.said_all:
            # what is closed with octets that were not read is reset, and then GOAWAY may not arrive
            self.said_all = True
            self.writer.write_eof()

    def act(self, stream_id):
        if stream_id not in self.numbers:
            return
        number, _ = self.numbers[stream_id]
        fault = self.origin.choose(number)
        if fault == "refused":
            self.end(stream_id, h2.StreamReset(stream_id, REFUSED_STREAM))
        elif fault == "away" and stream_id > self.answered and not self.engine.going_away:
            # this one is not processed, and none behind it; those before it go on
            self.engine.queue(h2.GoAway(max(stream_id - 2, 0)))
            for known in [known for known in self.numbers if known >= stream_id]:
                del self.numbers[known]
        elif fault == "away":
            self.end(stream_id, h2.StreamReset(stream_id, REFUSED_STREAM))
        elif fault == "dropped":
            self.origin.closed_for_all += 1
            self.writer.transport.abort()
        elif fault == "late":
            task = asyncio.create_task(self.answer_late(stream_id))
            self.late.add(task)
            task.add_done_callback(self.late.discard)
        else:
            self.answer(stream_id, fault)

    async def answer_late(self, stream_id):
        await self.origin.late()
        if stream_id in self.numbers and not self.writer.transport.is_closing():
            self.answer(stream_id, "late")
            self.flush()

    def answer(self, stream_id, fault):
        number, method = self.numbers[stream_id]
        self.answered = max(stream_id, self.answered)
        if fault == "unavailable":
            self.engine.queue(Response(status_code=503, headers=[], http_version=b"2"), stream_id)
            self.end(stream_id, EndOfMessage())
            return
        self.origin.processed[number] += 1
        content = content_of(number, method)
        if fault == "broken":
            self.end(stream_id, h2.StreamReset(stream_id, INTERNAL_ERROR))
            return
        self.engine.queue(Response(status_code=200, headers=[], http_version=b"2"), stream_id)
        if fault == "cut":
            self.engine.queue(Data(content[: len(content) // 2]), stream_id)
            self.flush()
            self.end(stream_id, h2.StreamReset(stream_id, INTERNAL_ERROR))
            return
        self.engine.queue(Data(content), stream_id)
        self.end(stream_id, EndOfMessage())
        if fault == "ending" and not self.engine.going_away:
            self.flush()
            self.engine.queue(h2.GoAway(max([self.answered, *self.numbers])))

    def end(self, stream_id, event):
        self.engine.queue(event, stream_id)
        self.numbers.pop(stream_id, None)
