"""The windows: their counts, that nobody waits for ever, that nothing is held beyond them, and that long links are filled.

Time is virtual: the link is a list of what arrives when.
"""

import heapq
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.h2.flow import LARGEST_WINDOW, GrowthBudget, ReceiveWindow, may_grow

EXAMPLES = settings(deadline=None)

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


# -- what we may send


def test_a_window_that_we_send_into_is_never_too_large() -> None:
    assert LARGEST_WINDOW == 2**31 - 1
    assert may_grow(65535, 2**31 - 1 - 65535)
    assert not may_grow(65535, 2**31 - 65535)
    assert may_grow(0, 2**31 - 1)
    assert not may_grow(2**31 - 1, 1)


def test_a_window_that_we_send_into_may_be_negative() -> None:
    # The example of RFC 9113 §6.9.2.
    window = 65535 - 60 * KIB
    assert may_grow(window, 16 * KIB - 65535)
    assert window + 16 * KIB - 65535 == -44 * KIB
    assert may_grow(-44 * KIB, 2**31 - 1)
    assert not may_grow(-1, 2**31 + 1)


# -- what the peer may send


def held(window: ReceiveWindow) -> None:
    """What always holds."""
    assert window.available >= 0
    assert window.unconsumed >= 0
    assert window.available + window.unconsumed <= window.size


def test_credit_comes_with_what_is_consumed_and_not_before() -> None:
    window = ReceiveWindow(1000, 1000)
    assert window.received(1000)
    assert window.available == 0
    assert window.unconsumed == 1000
    assert window.consumed(499) == 0
    assert window.available == 0
    assert window.consumed(1) == 500
    assert window.available == 500
    assert window.unconsumed == 500
    assert window.consumed(500) == 500
    assert window.available == 1000


def test_a_peer_that_overruns_the_window_is_seen() -> None:
    window = ReceiveWindow(1000, 4000)
    assert window.received(600)
    assert not window.received(401)
    assert window.available == 400
    assert window.unconsumed == 600
    assert window.received(400)
    assert not window.received(1)
    assert window.received(0)


def test_nothing_is_announced_where_nothing_more_will_come() -> None:
    window = ReceiveWindow(1000, 4000)
    assert window.received(1000)
    window.no_more()
    assert window.consumed(1000) == 0
    assert window.unconsumed == 0
    assert window.available == 0


def test_nothing_is_announced_while_the_rest_fits() -> None:
    window = ReceiveWindow(1000, 1000)
    window.remaining = 1600
    assert window.received(700)
    window.remaining -= 700
    assert window.consumed(700) == 700  # 900 to come, 300 of them fit
    assert window.received(800)
    window.remaining -= 800
    assert window.consumed(800) == 0  # 100 to come, 200 fit
    # Padding takes from the window what was meant for content.
    assert window.received(150)
    assert window.consumed(150) == 950
    assert window.received(100)
    window.remaining -= 100
    assert window.consumed(100) == 0


def test_a_window_grows_where_it_holds_the_peer_back() -> None:
    window = ReceiveWindow(1000, 5000)
    sizes = []
    for _ in range(5):
        window.received(window.available)
        assert window.consumed(window.unconsumed) == window.size
        assert window.available == window.size
        sizes.append(window.size)
    assert sizes == [2000, 4000, 5000, 5000, 5000]


def test_a_window_does_not_grow_for_an_application_that_is_behind() -> None:
    window = ReceiveWindow(1000, 8000)
    assert window.received(1000)
    for _ in range(20):
        increment = window.consumed(500)
        assert increment == 500
        assert window.size == 1000
        assert window.received(increment)
    # It has kept up if it had taken nearly all, an eighth of the window short, at some time since the last update.
    assert window.consumed(500) == 500
    assert window.consumed(375) == 0
    assert window.received(500)
    assert window.consumed(125) == 1500
    assert window.size == 2000
    # That was then.
    assert window.received(1500)
    assert window.consumed(1000) == 1000
    assert window.size == 2000


def test_a_window_with_a_ceiling_below_it_stays_as_it_is() -> None:
    budget = GrowthBudget(1000)
    window = ReceiveWindow(1000, 500, budget)
    for _ in range(3):
        assert window.received(1000)
        assert window.consumed(1000) == 1000
    assert window.size == 1000
    assert budget.left == 1000


def test_a_window_does_not_grow_for_a_peer_that_has_used_little_of_it() -> None:
    window = ReceiveWindow(1000, 8000)
    for _ in range(10):
        assert window.received(49)
        assert window.consumed(49) == 0
    assert window.size == 1000


def test_the_windows_of_a_connection_share_a_budget() -> None:
    budget = GrowthBudget(2500)
    windows = [ReceiveWindow(1000, 4000, budget) for _ in range(3)]
    for window in windows:
        assert window.received(1000)
        window.consumed(1000)
    assert [window.size for window in windows] == [2000, 2000, 1500]
    assert budget.left == 0
    assert windows[0].received(2000)
    assert windows[0].consumed(2000) == 2000
    windows[1].end()
    assert budget.left == 1000
    windows[1].end()
    assert budget.left == 1000
    assert windows[1].consumed(0) == 0
    assert windows[2].received(1500)
    assert windows[2].consumed(1500) == 2500
    assert budget.left == 0
    for window in windows:
        window.end()
    assert budget.left == 2500


def test_a_window_that_has_ended_announces_nothing() -> None:
    window = ReceiveWindow(1000, 4000)
    assert window.received(1000)
    window.end()
    assert window.consumed(1000) == 0


def test_a_window_is_adjusted_to_settings_that_the_peer_has_acknowledged() -> None:
    budget = GrowthBudget(500)
    window = ReceiveWindow(65535, 65535, budget)
    assert window.received(1500)
    window.adjust(1000 - 65535)
    assert window.available == -500
    assert not window.received(1)
    assert window.consumed(1300) == 1300
    assert window.available == 800
    assert window.consumed(200) == 0
    assert window.received(800)
    assert window.consumed(800) == 1500  # and 500 that it has grown by
    assert window.available == window.size == 1500
    window.adjust(100)
    assert window.available == window.size == 1600
    window.end()
    assert budget.left == 500


def test_a_window_never_grows_beyond_what_is_legal() -> None:
    window = ReceiveWindow(2**30, 2**40)
    for _ in range(3):
        window.received(window.available)
        window.consumed(window.unconsumed)
    assert window.size == window.available == LARGEST_WINDOW


@pytest.mark.parametrize("initial", [1, 2, 3, 65535])
def test_small_windows(initial: int) -> None:
    window = ReceiveWindow(initial, initial)
    for _ in range(20):
        assert window.available > 0
        assert window.received(1)
        window.consumed(1)
        held(window)


# -- whatever happens

WINDOWS = st.tuples(st.integers(1, 200), st.integers(0, 2000), st.integers(0, 3000))


@EXAMPLES
@given(WINDOWS, st.lists(st.tuples(st.booleans(), st.integers(0, 300)), max_size=120))
def test_whatever_is_received_and_consumed(sizes: tuple[int, int, int], steps: list[tuple[bool, int]]) -> None:
    initial, more, octets = sizes
    budget = GrowthBudget(octets)
    window = ReceiveWindow(initial, initial + more, budget)
    peer = initial  # the window as the peer sees it
    consumed = announced = updates = 0
    for receive, count in steps:
        if receive:
            fits = count <= peer
            assert window.received(count) == fits
            peer -= count if fits else 0
        else:
            taken = min(count, window.unconsumed)
            before = window.size
            increment = window.consumed(taken)
            consumed += taken
            peer += increment
            announced += increment
            updates += increment > 0
            assert increment == 0 or increment >= before / 2
        held(window)
        assert window.available == peer <= window.size
        assert window.unconsumed <= window.size <= initial + more
        assert announced <= consumed + window.size - initial
        # The application has taken all: at least half the window is open.
        assert window.unconsumed or peer * 2 > window.size or peer == window.size
        assert budget.left == octets - (window.size - initial) >= 0
    assert updates <= 2 * consumed / initial + 1


@EXAMPLES
@given(WINDOWS, st.integers(1, 5000), st.booleans(), st.randoms(use_true_random=True))
def test_a_peer_never_waits_for_ever(sizes: tuple[int, int, int], total: int, known: bool, random: Random) -> None:
    """It sends what it may, padded now and then, and may know its length; the application takes all, sooner or later."""
    initial, more, octets = sizes
    window = ReceiveWindow(initial, initial + more, GrowthBudget(octets))
    left, waiting, updates, on_the_wire = total, 0, 0, 0
    while left:
        assert window.available, "the peer waits, and nothing will ever wake it"
        while window.available and left and random.random() < 0.8:
            content = random.randint(0, min(left, window.available))
            padding = random.choice([0, 0, random.randint(0, min(256, window.available - content))])
            assert window.received(content + padding)
            left -= content
            waiting += content
            on_the_wire += content + padding
            if known:
                window.remaining = left
            updates += window.consumed(padding) > 0
        while waiting and random.random() < 0.7:
            taken = random.randint(1, waiting)
            waiting -= taken
            updates += window.consumed(taken) > 0
            held(window)
        if not window.available:
            updates += window.consumed(waiting) > 0
            waiting = 0
    assert updates <= 2 * on_the_wire / initial + 1


# -- a link of 100 ms


def transfer(window: ReceiveWindow, total: int, rate: float = 1e12, chunk: int = 64 * KIB) -> tuple[float, int, int]:
    """Send ``total`` octets over a link with 50 ms each way, at ``rate`` octets a second.

    The application takes all at once.  Return the seconds, the updates, and the most that was ever unconsumed.
    """
    now = free = 0.0
    credit, left, updates, most = window.available, total, 0, 0
    arrivals: list[tuple[float, int, bool, int]] = []  # when, a count that breaks ties, to the peer?, octets
    count = 0
    while left or arrivals:
        while left and credit:
            octets = min(credit, left, chunk)
            credit -= octets
            left -= octets
            free = max(free, now) + octets / rate
            count += 1
            heapq.heappush(arrivals, (free + 0.05, count, False, octets))
        assert arrivals, "the peer waits for ever"
        now, _, to_the_peer, octets = heapq.heappop(arrivals)
        if to_the_peer:
            credit += octets
            continue
        assert window.received(octets)
        most = max(most, window.unconsumed)
        increment = window.consumed(octets)
        if increment:
            updates += 1
            count += 1
            heapq.heappush(arrivals, (now + 0.05, count, True, increment))
    return now, updates, most


def test_a_long_link_is_filled() -> None:
    """1 GiB with 100 ms of delay: 64 KiB for each round trip would be 16384 of them, 27 minutes."""
    window = ReceiveWindow(64 * KIB, 16 * MIB)
    seconds, updates, _ = transfer(window, GIB)
    round_trips = seconds / 0.1
    assert window.size == 16 * MIB
    # 64 for 16 MiB each; the rest is growing, a doubling for each round trip.
    assert round_trips <= 64 + 10
    assert updates <= 2 * GIB / (64 * KIB) + 1
    assert updates <= 2 * 64 + 2 * 10


def test_a_window_that_does_not_grow_is_what_holds_a_long_link_back() -> None:
    seconds, _, _ = transfer(ReceiveWindow(64 * KIB, 64 * KIB), 16 * MIB)
    assert 250 <= seconds / 0.1 <= 260


def test_a_link_of_a_gigabit_is_filled() -> None:
    """125 MB/s and 100 ms: 12.5 MB on the way at a time, which 16 MiB allow for."""
    seconds, _, _ = transfer(ReceiveWindow(64 * KIB, 32 * MIB), GIB, rate=125e6)
    assert seconds <= 1.25 * GIB / 125e6


@settings(EXAMPLES, max_examples=30)
@given(st.integers(1, 64), st.integers(0, 12), st.sampled_from([1e5, 1e7, 1e9, 1e12]), st.integers(1, 256))
def test_any_link(initial: int, doublings: int, rate: float, chunk: int) -> None:
    window = ReceiveWindow(initial * KIB, initial * KIB << doublings)
    seconds, updates, _ = transfer(window, 4 * MIB, rate, chunk * KIB)
    assert updates <= 2 * 4 * MIB / (initial * KIB) + 1
    assert seconds <= 4 * MIB / rate + 0.1 * (2 + 2 * 4 * MIB / (initial * KIB))


def slow_reader(window: ReceiveWindow, rounds: int) -> None:
    """A peer that fills every window at once, an application that takes a kibibyte at a time."""
    for _ in range(rounds):
        window.received(window.available)
        window.consumed(min(KIB, window.unconsumed))


def test_a_slow_application_does_not_make_the_window_grow() -> None:
    window = ReceiveWindow(64 * KIB, 16 * MIB)
    slow_reader(window, 10000)
    assert window.size == 64 * KIB
