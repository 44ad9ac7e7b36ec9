"""What every system owes: each such property fails on a system that is broken in just that way."""

from interlock.machine import Coupling, Machine, Never, Report, System, check

AT_REST = "couplings come to rest after every event"
CONFLUENT = "the order of couplings matters only where priority is declared"
NO_DEAD = "no coupling is dead"
NO_IDLE = "no declared priority is idle"
EVERY_STATE = "every state is reached"
EVERY_ROW = "every row is taken"

A_TO_B = Machine("m", "A", {"A": {"wait": "A", "go": "B"}, "B": {}, "C": {}, "D": {}})
SEES = {"wait": {"m": "wait"}, "go": {"m": "go"}}
B_C = Coupling("b-c", {"m": "B"}, {"m": "C"})
B_D = Coupling("b-d", {"m": "B"}, {"m": "D"})
C_D = Coupling("c-d", {"m": "C"}, {"m": "D"})


def failing(report: Report) -> dict[str, tuple[str, list[str]]]:
    return {title: (failure.reason, failure.trace) for title, failure in report.failures}


def with_flag(*couplings: Coupling, states: tuple[str, ...] = ("NONE", "SEEN")) -> System:
    """A machine that goes from A to B, and another that nothing but couplings moves."""
    m = Machine("m", "A", {"A": {"wait": "A", "go": "B"}, "B": {"go": "B"}})
    flag = Machine("flag", states[0], {state: {} for state in states})
    return System("s", (m, flag), couplings, SEES)


def test_a_sound_system_owes_nothing() -> None:
    report = check(
        with_flag(Coupling("see", {"m": "B"}, {"flag": "SEEN"})), [Never("seen only in B", {"m": "A", "flag": "SEEN"})]
    )
    assert report.ok
    assert report.failures == []
    assert [title for title, _ in report.results] == [
        AT_REST,
        CONFLUENT,
        NO_DEAD,
        NO_IDLE,
        EVERY_STATE,
        EVERY_ROW,
        "seen only in B",
    ]


def test_figures_count_what_there_is() -> None:
    report = check(with_flag(Coupling("see", {"m": "B"}, {"flag": "SEEN"})))
    assert report.figures == {
        "machines": 2,
        "rows": 3,
        "couplings": 1,
        "events": 2,
        "joint states": 2,
        "transitions": 3,
        "properties": 6,
    }


def test_a_stated_property_that_fails_is_reported() -> None:
    report = check(with_flag(Coupling("see", {"m": "B"}, {"flag": "SEEN"})), [Never("no B", {"m": "B"})])
    assert not report.ok
    assert failing(report) == {"no B": ("reached m=B flag=SEEN", ["go"])}


def test_couplings_that_chase_each_other() -> None:
    there = Coupling("there", {"m": "B", "flag": "NONE"}, {"flag": "SEEN"})
    back = Coupling("back", {"m": "B", "flag": "SEEN"}, {"flag": "NONE"})
    failures = failing(check(with_flag(there, back)))
    assert failures[AT_REST] == ("the couplings chase each other", ["go"])


def test_order_that_matters_undeclared() -> None:
    left = Coupling("left", {"m": "B", "flag": "NONE"}, {"flag": "LEFT"})
    right = Coupling("right", {"m": "B", "flag": "NONE"}, {"flag": "RIGHT"})
    failures = failing(check(with_flag(left, right, states=("NONE", "LEFT", "RIGHT"))))
    assert failures[CONFLUENT] == ("left, right end in B LEFT or B RIGHT", ["go"])


def test_order_that_matters_beside_a_coupling_whose_condition_goes_on_holding() -> None:
    m = Machine("m", "A", {"A": {"go": "B"}, "B": {}})
    lamp = Machine("lamp", "OFF", {"OFF": {}, "ON": {}})
    flag = Machine("flag", "NONE", {"NONE": {}, "LEFT": {}, "RIGHT": {}})
    lit = Coupling("lit", {"m": "B"}, {"lamp": "ON"})
    left = Coupling("left", {"m": "B", "flag": "NONE"}, {"flag": "LEFT"})
    right = Coupling("right", {"m": "B", "flag": "NONE"}, {"flag": "RIGHT"})
    failures = failing(check(System("s", (m, lamp, flag), (lit, left, right), {"go": {"m": "go"}})))
    assert failures[CONFLUENT] == ("lit, left, right end in B ON LEFT or B ON RIGHT", ["go"])


def test_order_that_matters_declared() -> None:
    left = Coupling("left", {"m": "B", "flag": "NONE"}, {"flag": "LEFT"}, before=("right",))
    right = Coupling("right", {"m": "B", "flag": "NONE"}, {"flag": "RIGHT"})
    assert CONFLUENT not in failing(check(with_flag(left, right, states=("NONE", "LEFT", "RIGHT"))))


def test_order_that_does_not_matter_needs_no_declaration() -> None:
    assert CONFLUENT not in failing(check(System("s", (A_TO_B,), (B_C, C_D, B_D), SEES)))


def test_dead_coupling() -> None:
    see = Coupling("see", {"m": "B"}, {"flag": "SEEN"})
    unmet = Coupling("unmet", {"m": "A", "flag": "SEEN"}, {"flag": "NONE"})
    assert failing(check(with_flag(see, unmet))) == {NO_DEAD: ("never fires: unmet", [])}


def test_coupling_that_is_always_preceded_is_dead() -> None:
    see = Coupling("see", {"m": "B"}, {"flag": "SEEN"})
    late = Coupling("late", {"m": "B", "flag": "NONE"}, {"flag": "SEEN"})
    assert failing(check(with_flag(see, late))) == {NO_DEAD: ("never fires: late", [])}


def test_priority_of_couplings_that_never_meet() -> None:
    c_d = Coupling("c-d", {"m": "C"}, {"m": "D"}, before=("b-c",))
    failures = failing(check(System("s", (A_TO_B,), (B_C, c_d), SEES)))
    assert failures[NO_IDLE] == ("never matters: c-d before b-c", [])


def test_priority_of_couplings_that_meet_only_when_another_has_fired() -> None:
    first = Coupling("first", {"m": "B"}, {"m": "C"})
    left = Coupling("left", {"m": "C", "flag": "NONE"}, {"flag": "LEFT"}, before=("right",))
    right = Coupling("right", {"m": "C", "flag": "NONE"}, {"flag": "RIGHT"})
    flag = Machine("flag", "NONE", {"NONE": {}, "LEFT": {}, "RIGHT": {}})
    assert NO_IDLE not in failing(check(System("s", (A_TO_B, flag), (first, left, right), SEES)))


def test_unreached_state() -> None:
    see = Coupling("see", {"m": "B"}, {"flag": "SEEN"})
    assert failing(check(with_flag(see, states=("NONE", "SEEN", "LOST")))) == {
        EVERY_STATE: ("never reached: flag LOST", [])
    }


def test_state_that_is_only_passed_through_is_unreached() -> None:
    failures = failing(check(System("s", (A_TO_B,), (B_C, C_D), SEES)))
    assert failures == {EVERY_STATE: ("never reached: m B, m C", [])}


def test_untaken_row() -> None:
    m = Machine("m", "A", {"A": {"go": "B"}, "B": {"go": "B", "back": "A"}})
    other = Machine("other", "X", {"X": {"go": "X"}, "Y": {"back": "X"}})
    system = System("s", (m, other), (), {"go": {"m": "go"}, "back": {"m": "back", "other": "back"}})
    assert failing(check(system)) == {
        EVERY_STATE: ("never reached: other Y", []),
        EVERY_ROW: (
            "never taken: m B --back--> A, other X --go--> X, other Y --back--> X",
            [],
        ),
    }


def test_the_shortest_of_several_failures_is_told() -> None:
    far = Machine("m", "A", {"A": {"slow": "B", "fast": "Z"}, "B": {"slow": "Z"}, "Z": {}})
    flag = Machine("flag", "NONE", {"NONE": {}, "LEFT": {}, "RIGHT": {}})
    left = Coupling("left", {"m": "Z", "flag": "NONE"}, {"flag": "LEFT"})
    right = Coupling("right", {"m": "Z", "flag": "NONE"}, {"flag": "RIGHT"})
    system = System("s", (far, flag), (left, right), {"slow": {"m": "slow"}, "fast": {"m": "fast"}})
    assert failing(check(system)) == {
        CONFLUENT: ("left, right end in Z LEFT or Z RIGHT", ["fast"]),
        NO_DEAD: ("never fires: right", []),
        EVERY_STATE: ("never reached: flag RIGHT", []),
    }
