"""The budget of what a peer may cost us (RFC 9113 §10.5): tokens that come back with time and work, and allowances.

conformance/cases_attacks.py spends it, conformance/cases_honest.py must not.
"""

import pytest
from tests.h2 import raw_frames as raw
from tests.h2.engine import Engine, server

from interlock.h2 import GoAway, Limits, RemoteProtocolError, StreamReset
from interlock.h2.budget import Budget


def left(budget: Budget) -> int:
    """How many tokens there are; they are spent for it."""
    tokens = 0
    while budget.spend(1):
        tokens += 1
    return tokens


def test_as_many_as_there_are() -> None:
    assert left(Budget(5, 1)) == 5
    assert left(Budget(0, 1)) == 0


def test_several_at_once() -> None:
    budget = Budget(5, 1)
    assert budget.spend(3)
    assert not budget.spend(3)


def test_time_gives_tokens_back_up_to_the_most() -> None:
    budget = Budget(10, 4)
    budget.spend(10)
    budget.refill(0.5)
    budget.refill(1.0)
    assert left(budget) == 6
    budget = Budget(10, 4)
    budget.spend(1)
    budget.refill(1000.0)
    assert left(budget) == 10


def test_parts_of_a_token_are_not_lost() -> None:
    budget = Budget(10, 1)
    budget.spend(10)
    for _ in range(8):
        budget.refill(0.25)
    assert left(budget) == 2


def test_work_gives_tokens_back_up_to_the_most() -> None:
    budget = Budget(10, 1)
    budget.spend(3)
    budget.earn(2)
    assert left(budget) == 9
    budget = Budget(10, 1)
    budget.earn(5)
    assert left(budget) == 10


def test_what_was_allowed_costs_nothing() -> None:
    budget = Budget(2, 1)
    budget.allow(3)
    assert all(budget.spend_allowed() for _ in range(5))
    assert not budget.spend_allowed()


def test_a_glitch_is_not_allowed_by_useful_frames() -> None:
    budget = Budget(2, 1)
    budget.allow(100)
    assert left(budget) == 2


def test_allowances_do_not_grow_without_end() -> None:
    budget = Budget(0, 1)
    for _ in range(10000):
        budget.allow(2)
    allowed = 0
    while budget.spend_allowed():
        allowed += 1
    assert 1000 <= allowed <= 1002


# -- in a connection


def calm(engine: Engine, octets: bytes, most: int = 5000) -> int:
    """How often the octets are taken until the connection ends with ENHANCE_YOUR_CALM."""
    for times in range(most):
        try:
            engine.get(octets)
        except RemoteProtocolError:
            last = engine.sent()[-1]
            assert (last.kind, raw.code_name(last.number(4))) == (raw.GOAWAY, "ENHANCE_YOUR_CALM")
            return times
        engine.connection.data_to_send()
    return most


def few() -> Engine:
    return server(limits=Limits(glitches=10, glitches_rate=2))


def test_pings_cost_tokens() -> None:
    assert calm(few(), raw.ping()) == 10


def test_time_lets_a_connection_go_on() -> None:
    engine = few()
    for _ in range(100):
        engine.get(raw.ping())
        engine.connection.refill(0.5)
    assert calm(engine, raw.ping()) == 10


def test_settings_cost_tokens() -> None:
    assert calm(few(), raw.settings()) == 10


def test_window_updates_are_allowed_for_what_we_send() -> None:
    """Frames that we hand out allow some: so many more are taken than tokens are there, but not without end."""
    engine = few()
    engine.request(1)
    engine.answer(1)
    for _ in range(50):
        engine.data(1, bytes(1000))
        engine.sent()
    assert 60 <= calm(engine, raw.window_update(1, 1)) < 5000


def test_window_updates_for_nothing_cost_tokens() -> None:
    assert calm(few(), raw.window_update(0, 1)) < 30


def uploaded(engine: Engine, content: bytes) -> int:
    """How many DATA frames with this content are taken, of 2000."""
    engine.request(1, end=False)
    for number in range(2000):
        try:
            engine.get(raw.data(1, content))
        except RemoteProtocolError:
            return number
        engine.connection.consumed(1, len(content))
        engine.connection.data_to_send()
    return 2000


@pytest.mark.parametrize("size", [1, 16, 17, 16384])
def test_content_costs_nothing(size: int) -> None:
    """Its windows bound it, and slow senders are for deadlines."""
    assert uploaded(few(), bytes(size)) == 2000


@pytest.mark.parametrize(("size", "earned"), [(1, 0), (16, 0), (17, 4)])
def test_content_earns_unless_it_is_tiny(size: int, earned: int) -> None:
    engine = few()
    engine.request(1, end=False)
    engine.get(raw.data(1, bytes(16384)))
    for _ in range(8):
        engine.get(raw.settings())
    for _ in range(4):
        engine.get(raw.data(1, bytes(size)))
    assert calm(engine, raw.settings()) == 2 + earned


def test_the_first_content_of_a_stream_earns_nothing() -> None:
    engine = few()
    engine.request(1, end=False)
    for _ in range(8):
        engine.get(raw.settings())
    for _ in range(4):
        engine.get(raw.data(1, bytes(4096)))
    assert calm(engine, raw.settings()) == 2


def test_frames_without_content_cost_tokens() -> None:
    assert uploaded(few(), b"") == 10


def test_requests_that_are_served_earn() -> None:
    """Reset after reset is an attack; a reset among requests that are served is none."""
    engine = few()
    for number in range(0, 400, 2):
        stream = 2 * number + 1
        engine.request(stream)
        engine.answer(stream)
        engine.end(stream)
        engine.request(stream + 2, end=False)
        engine.get(raw.rst_stream(stream + 2))
        engine.connection.release(stream + 2)
        engine.sent()


@pytest.mark.parametrize("content", [[], [bytes(17)], [bytes(17)] * 3])
def test_resets_cost_tokens_whatever_little_comes_before_them(content: list[bytes]) -> None:
    engine = few()
    stream = 1
    with pytest.raises(RemoteProtocolError):
        while stream < 1000:
            engine.request(stream, end=False)
            for octets in content:
                engine.get(raw.data(stream, octets))
            engine.get(raw.rst_stream(stream))
            engine.connection.data_to_send()
            stream += 2
    assert 15 <= stream <= 60
    assert engine.connection.error_code == raw.ENHANCE_YOUR_CALM


def test_resets_of_responses_that_have_begun_to_come_are_no_glitches() -> None:
    """Their requests have had their turn, and the work for them was done."""
    engine = few()
    for stream in range(1, 1001, 2):
        engine.request(stream)
        engine.answer(stream)
        engine.data(stream, b"abc")
        assert "DATA" in " ".join(engine.told())
        engine.get(raw.rst_stream(stream))


@pytest.mark.parametrize("step", ["no window", "not handed out", "a head", "an upload"])
def test_resets_of_responses_of_which_nothing_has_come_cost_tokens(step: str) -> None:
    engine = server((raw.INITIAL_WINDOW_SIZE, 0 if step == "no window" else 100), limits=Limits(glitches=10))
    streams = iter(range(1, 1001, 2))
    with pytest.raises(RemoteProtocolError):
        for stream in streams:
            engine.request(stream, end=step != "an upload")
            engine.answer(stream)
            if step in {"no window", "not handed out"}:
                engine.data(stream, b"abc")
            if step == "an upload":
                engine.get(raw.data(stream, bytes(100)))
            if step != "not handed out":
                engine.connection.data_to_send()
            engine.get(raw.rst_stream(stream))
    assert next(streams) < 60
    assert engine.connection.error_code == raw.ENHANCE_YOUR_CALM


def test_trailers_that_are_too_much_cost_tokens() -> None:
    """Their requests are begun and refused, without end."""
    engine = few()
    section = [(f"x-{number}", "v") for number in range(60)]
    streams = iter(range(1, 1000, 2))
    with pytest.raises(RemoteProtocolError):
        for stream in streams:
            engine.request(stream, *section, end=False)
            engine.get(raw.headers(stream, raw.block(section)))
            engine.answer(stream, status=431)
            engine.connection.data_to_send()
            engine.connection.queue(StreamReset(stream, raw.CANCEL))
    assert next(streams) < 60
    assert engine.connection.error_code == raw.ENHANCE_YOUR_CALM


def test_requests_behind_a_goaway_cost_tokens() -> None:
    """Those on their way when it was sent are few; whoever goes on is not listening."""
    engine = few()
    engine.connection.queue(GoAway(0))
    engine.sent()
    streams = iter(range(1, 1000, 2))
    with pytest.raises(RemoteProtocolError):
        for stream in streams:
            assert engine.request(stream) == []
    assert next(streams) < 60
    assert engine.connection.error_code == raw.ENHANCE_YOUR_CALM


def test_a_ping_with_all_content_that_comes_is_no_glitch() -> None:
    """Clients that measure how much is on its way send one in each round trip of a download."""
    engine = server((raw.INITIAL_WINDOW_SIZE, 2**30))
    engine.get(raw.window_update(0, 2**30))
    engine.request(1)
    engine.answer(1)
    for _ in range(2000):
        engine.data(1, bytes(16384))
        engine.connection.data_to_send()
        engine.get(raw.ping())


def test_answers_to_pings_allow_no_others() -> None:
    engine = server()
    with pytest.raises(RemoteProtocolError):
        for _ in range(300):
            engine.get(raw.ping())
            engine.connection.data_to_send()
