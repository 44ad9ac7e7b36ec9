"""An upload over a long link, from an engine to an engine: that it is the ceiling of windows that holds it back, and nothing below.

``test_flow.py`` has the same of a window alone.  Time is virtual: the link is a list of what arrives when.
"""

import heapq
from typing import NamedTuple

from interlock.h2 import CLIENT, NEED_DATA, SERVER, Connection, Data, EndOfMessage, Limits, Request
from interlock.h2.frames import HEAD_OCTETS, WINDOW_UPDATE

KIB = 1024
MIB = 1024 * KIB
#: The delay of the link, there and back, in seconds.
ROUND_TRIP = 0.1
#: 10 Gbit/s, in octets a second.
RATE = 1.25e9
HEADERS = [(b"host", b"a")]


class Upload(NamedTuple):
    """How an upload went."""

    seconds: float
    #: WINDOW_UPDATE frames that the server has sent.
    updates: int


def window_updates(octets: bytes) -> int:
    """How many of the frames are WINDOW_UPDATE."""
    found = at = 0
    while at < len(octets):
        found += octets[at + 3] == WINDOW_UPDATE
        at += HEAD_OCTETS + int.from_bytes(octets[at : at + 3], "big")
    return found


def upload(total: int, limits: Limits, *, announced: bool) -> Upload:
    """Send ``total`` octets; the application takes all at once.  ``announced``: with a Content-Length."""
    client = Connection(CLIENT)
    server = Connection(SERVER, limits=limits)
    length = [(b"content-length", b"%d" % total)] if announced else []
    client.queue(Request(method=b"POST", target=b"/", headers=[*HEADERS, *length], stream_id=1))
    block = bytes(256 * KIB)
    now = free = 0.0
    left, taken, updates, count = total, 0, 0, 0
    ended = False
    arrivals: list[tuple[float, int, Connection, bytes]] = []
    sender = server
    while not ended:
        if sender is server and (octets := server.data_to_send()):  # hardly anything, so it takes no time to send
            updates += window_updates(octets)
            count += 1
            heapq.heappush(arrivals, (now + ROUND_TRIP / 2, count, client, octets))
        while True:
            while left and client.writable(1):
                client.queue(Data(block[: min(left, len(block))], stream_id=1))
                left -= min(left, len(block))
                if not left:
                    client.queue(EndOfMessage(stream_id=1))
            octets = client.data_to_send(64 * KIB)
            if not octets:
                break
            free = max(free, now) + len(octets) / RATE
            count += 1
            heapq.heappush(arrivals, (free + ROUND_TRIP / 2, count, server, octets))
        assert arrivals, "the client waits for ever"
        now, _, sender, octets = heapq.heappop(arrivals)
        sender.receive_data(octets)
        while (event := sender.next_event()) is not NEED_DATA:
            if type(event) is Data:
                taken += len(event.data)
                server.consumed(1, len(event.data))
            ended = ended or type(event) is EndOfMessage
    assert taken == total
    return Upload(now, updates)


def test_the_ceiling_is_what_holds_an_upload_back() -> None:
    """128 MiB with 100 ms of delay: 64 KiB for each round trip would be 2048 of them, more than 3 minutes."""
    went = upload(128 * MIB, Limits(window_ceiling=16 * MIB), announced=False)
    # Half a round trip for the first octets, and one for each 16 MiB; the rest is growing, a doubling for each.
    assert went.seconds / ROUND_TRIP <= 0.5 + 128 / 16 + 11
    assert went.updates / 128 <= 0.5


def test_a_content_length_makes_it_no_slower() -> None:
    without, announced = (upload(16 * MIB, Limits(), announced=announced) for announced in (False, True))
    assert announced.seconds <= without.seconds + 0.001  # what the field itself takes
    assert announced.updates <= without.updates


def test_a_window_that_does_not_grow_is_what_holds_an_upload_back() -> None:
    went = upload(8 * MIB, Limits(window=64 * KIB, window_ceiling=0), announced=False)
    assert 100 <= went.seconds / ROUND_TRIP <= 140
