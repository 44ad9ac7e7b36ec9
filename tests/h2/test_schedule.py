"""The order in which streams send: by the rules as they stand, by a model, and that nothing starves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from interlock.h2.schedule import SHARE, Scheduler

EXAMPLES = settings(deadline=None)


def frames(scheduler: Scheduler, count: int) -> list[int]:
    """Send ``count`` frames, without any stream's getting ready or ceasing to be."""
    sent = []
    for _ in range(count):
        stream_id = scheduler.next()
        scheduler.sent(stream_id)
        sent.append(stream_id)
    return sent


def ready(*streams: tuple[int, int, bool]) -> Scheduler:
    scheduler = Scheduler()
    for stream_id, urgency, incremental in streams:
        scheduler.add(stream_id, urgency, incremental)
    return scheduler


# -- the rules


def test_nothing_to_send() -> None:
    scheduler = Scheduler()
    assert scheduler.next() == 0
    assert len(scheduler) == 0
    assert 1 not in scheduler


def test_one_stream() -> None:
    scheduler = ready((5, 3, False))
    assert frames(scheduler, 100) == [5] * 100
    assert len(scheduler) == 1
    assert 5 in scheduler
    scheduler.remove(5)
    assert scheduler.next() == 0
    assert 5 not in scheduler


def test_the_next_is_the_same_until_it_has_sent() -> None:
    scheduler = ready((1, 3, True), (3, 3, True))
    assert [scheduler.next() for _ in range(5)] == [1] * 5
    scheduler.sent(1)
    assert [scheduler.next() for _ in range(5)] == [3] * 5


@pytest.mark.parametrize("urgency", range(7))
def test_a_lower_urgency_number_goes_first(urgency: int) -> None:
    scheduler = ready((1, 7, False), (3, urgency + 1, True), (5, urgency, False), (7, urgency + 1, False))
    assert frames(scheduler, SHARE - 1) == [5] * (SHARE - 1)


def test_streams_that_are_not_incremental_go_by_their_ids() -> None:
    scheduler = ready((3, 3, False), (7, 3, False), (1, 3, False), (5, 3, False))
    order = []
    while scheduler:
        order += frames(scheduler, 3)
        scheduler.remove(order[-1])
    assert order == [1] * 3 + [3] * 3 + [5] * 3 + [7] * 3


def test_one_that_is_ready_again_goes_before_later_ones() -> None:
    scheduler = ready((1, 3, False), (3, 3, False))
    scheduler.remove(1)
    assert frames(scheduler, 3) == [3] * 3
    scheduler.add(1, 3, False)
    assert frames(scheduler, 3) == [1] * 3


def test_incremental_streams_share() -> None:
    scheduler = ready((5, 3, True), (1, 3, True), (3, 3, True))
    assert frames(scheduler, 9) == [1, 3, 5] * 3


def test_an_incremental_stream_that_is_ready_again_waits_for_its_turn() -> None:
    scheduler = ready((1, 3, True), (3, 3, True), (5, 3, True))
    assert frames(scheduler, 1) == [1]
    scheduler.remove(1)
    scheduler.add(1, 3, True)
    assert frames(scheduler, 4) == [3, 5, 1, 3]


def test_the_two_kinds_of_one_urgency_take_turns() -> None:
    scheduler = ready((1, 3, False), (3, 3, True), (5, 3, True), (7, 3, False))
    assert frames(scheduler, 8) == [1, 3, 1, 5, 1, 3, 1, 5]


def test_of_so_many_frames_one_goes_to_the_urgencies_behind_the_first() -> None:
    assert SHARE == 16
    scheduler = ready((1, 0, False), (3, 7, False))
    assert frames(scheduler, 3 * SHARE) == ([1] * (SHARE - 1) + [3]) * 3


def test_the_urgencies_behind_the_first_take_turns() -> None:
    scheduler = ready((1, 0, False), (3, 2, False), (5, 5, True), (7, 7, False))
    sent = frames(scheduler, 6 * SHARE)
    assert sent[SHARE - 1 :: SHARE] == [3, 5, 7, 3, 5, 7]
    assert set(sent) - {1} == {3, 5, 7}
    assert sent.count(1) == 6 * (SHARE - 1)


def test_of_so_many_frames_one_goes_to_later_streams_that_are_not_incremental() -> None:
    scheduler = ready((1, 3, False), (3, 3, False), (5, 3, False))
    sent = frames(scheduler, 4 * SHARE)
    assert sent[SHARE - 1 :: SHARE] == [3, 5, 3, 5]
    assert sent.count(1) == 4 * (SHARE - 1)


@pytest.mark.parametrize("incremental", [False, True])
def test_who_is_left_alone_goes_on(incremental: bool) -> None:
    for urgency in (3, 5):
        scheduler = ready((1, 3, incremental), (3, urgency, incremental))
        frames(scheduler, SHARE - 1)
        scheduler.remove(3)
        assert frames(scheduler, 3) == [1] * 3


def test_one_that_comes_late_does_not_find_its_turn_saved_up() -> None:
    scheduler = ready((1, 0, False))
    frames(scheduler, 100)
    scheduler.add(3, 7, False)
    scheduler.add(5, 0, False)
    assert frames(scheduler, SHARE - 1) == [1] * (SHARE - 1)


def test_nor_does_one_that_comes_late_to_its_urgency() -> None:
    scheduler = ready((1, 3, False), (9, 7, False))
    frames(scheduler, 100)
    scheduler.add(3, 3, False)
    sent = [stream_id for stream_id in frames(scheduler, SHARE + 2) if stream_id != 9]
    assert sent[: SHARE - 1] == [1] * (SHARE - 1)
    assert sent[SHARE - 1] == 3


def test_a_change_moves_a_stream() -> None:
    scheduler = ready((1, 3, False), (3, 3, False))
    scheduler.change(3, 0, False)
    assert frames(scheduler, 2) == [3, 3]
    scheduler.change(1, 0, True)
    assert frames(scheduler, 4) == [1, 3, 1, 3]
    scheduler.change(1, 0, True)
    scheduler.change(9, 0, False)
    assert len(scheduler) == 2
    assert 9 not in scheduler


def test_what_is_not_there_changes_nothing() -> None:
    scheduler = ready((1, 3, True), (3, 3, True))
    scheduler.sent(5)
    scheduler.remove(5)
    scheduler.add(3, 0, False)  # there already: its priority is changed by change() only
    assert frames(scheduler, 4) == [1, 3, 1, 3]
    assert len(scheduler) == 2


# -- whatever happens


PRIORITIES = st.tuples(st.integers(0, 7), st.booleans())


class Model(RuleBasedStateMachine):
    """Any calls: the stream that is next is one that may be, by the rules; and who waits is served in bounded time."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler()
        self.ready: dict[int, tuple[int, bool]] = {}
        self.unseen: dict[int, int] = {}

    @rule(stream_id=st.integers(0, 8).map(lambda n: 2 * n + 1), priority=PRIORITIES)
    def add(self, stream_id: int, priority: tuple[int, bool]) -> None:
        self.scheduler.add(stream_id, *priority)
        self.ready.setdefault(stream_id, priority)
        self.unseen.setdefault(stream_id, 0)

    @rule(stream_id=st.integers(0, 8).map(lambda n: 2 * n + 1))
    def remove(self, stream_id: int) -> None:
        self.scheduler.remove(stream_id)
        self.ready.pop(stream_id, None)
        self.unseen.pop(stream_id, None)

    @rule(stream_id=st.integers(0, 8).map(lambda n: 2 * n + 1), priority=PRIORITIES)
    def change(self, stream_id: int, priority: tuple[int, bool]) -> None:
        self.scheduler.change(stream_id, *priority)
        if stream_id in self.ready:
            self.ready[stream_id] = priority
            self.unseen[stream_id] = 0

    @rule(count=st.integers(1, 40))
    @precondition(lambda self: self.ready)
    def send(self, count: int) -> None:
        for _ in range(count):
            stream_id = self.scheduler.next()
            assert stream_id in self.ready
            self.scheduler.sent(stream_id)
            for other in self.unseen:
                self.unseen[other] += 1
            self.unseen[stream_id] = 0
            # 7 urgencies behind the first, the two kinds by turns, and the streams behind the first in turn.
            assert max(self.unseen.values()) <= SHARE * 8 * 2 * SHARE * len(self.ready)

    @rule(count=st.integers(3 * SHARE, 6 * SHARE))
    @precondition(lambda self: self.ready)
    def most_frames_go_to_the_first_urgency(self, count: int) -> None:
        first = min(urgency for urgency, _ in self.ready.values())
        sent = frames(self.scheduler, count)
        others = [s for s in sent if self.ready[s][0] != first]
        assert len(others) <= count // SHARE + 1
        if len({urgency for urgency, _ in self.ready.values()}) > 1:
            assert len(others) >= count // SHARE
        self.unseen = dict.fromkeys(self.ready, 0)

    @invariant()
    def holds_what_is_ready(self) -> None:
        assert len(self.scheduler) == len(self.ready)
        assert all(stream_id in self.scheduler for stream_id in self.ready)
        assert (self.scheduler.next() in self.ready) == bool(self.ready)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@EXAMPLES
@given(st.dictionaries(st.integers(1, 10**6), PRIORITIES, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_nothing_starves(streams: dict[int, tuple[int, bool]], random) -> None:
    order = list(streams)
    random.shuffle(order)
    scheduler = ready(*[(stream_id, *streams[stream_id]) for stream_id in order])
    waiting = set(streams)
    levels = len({urgency for urgency, _ in streams.values()})
    bound = 0
    for urgency in range(8):
        kinds = [incremental for other, incremental in streams.values() if other == urgency]
        alone = max(kinds.count(True), SHARE * kinds.count(False)) * 2
        bound = max(bound, alone * (SHARE * levels if levels > 1 else 1))
    while waiting and bound:
        waiting.discard(scheduler.next())
        scheduler.sent(scheduler.next())
        bound -= 1
    assert not waiting


@EXAMPLES
@given(st.lists(PRIORITIES, min_size=1, max_size=60), st.integers(1, 20))
def test_streams_that_end_are_sent_by_urgency(priorities: list[tuple[int, bool]], length: int) -> None:
    """Each has ``length`` frames: all are sent, and the mean end of an urgency is before that of the next."""
    left = {2 * n + 1: length for n in range(len(priorities))}
    scheduler = ready(*[(2 * n + 1, *priority) for n, priority in enumerate(priorities)])
    ends: dict[int, list[int]] = {}
    at = 0
    while scheduler:
        stream_id = scheduler.next()
        scheduler.sent(stream_id)
        at += 1
        left[stream_id] -= 1
        if not left[stream_id]:
            scheduler.remove(stream_id)
            ends.setdefault(priorities[stream_id // 2][0], []).append(at)
    assert at == length * len(priorities)
    assert not any(left.values())
    means = [sum(ends[urgency]) / len(ends[urgency]) for urgency in sorted(ends)]
    assert means == sorted(means)


def test_thousands_of_streams() -> None:
    scheduler = Scheduler()
    for n in reversed(range(5000)):
        scheduler.add(2 * n + 1, n % 8, n % 3 == 0)
    assert len(scheduler) == 5000
    assert set(frames(scheduler, 2 * 5000 * SHARE)) >= {2 * n + 1 for n in range(5000) if n % 8 == 0}
    for n in range(5000):
        scheduler.remove(2 * n + 1)
    assert len(scheduler) == 0
    assert scheduler.next() == 0
