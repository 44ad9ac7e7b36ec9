"""Each kind of property holds on a sound system, and fails on a broken one with a shortest trace."""

import pytest

from interlock.machine import (
    Absorbing,
    Arises,
    CanReach,
    Coupling,
    Duty,
    Legal,
    Machine,
    Never,
    Property,
    Refused,
    System,
    where,
)

DOOR = Machine(
    "door",
    "CLOSED",
    {
        "CLOSED": {"open": "OPEN", "lock": "LOCKED"},
        "OPEN": {"close": "CLOSED"},
        "LOCKED": {"unlock": "CLOSED", "break": "BROKEN"},
        "BROKEN": {},
    },
)
ALARM = Machine("alarm", "QUIET", {"QUIET": {"break": "RINGS"}, "RINGS": {"hush": "QUIET"}})
SEES = {
    "open": {"door": "open"},
    "close": {"door": "close"},
    "lock": {"door": "lock"},
    "unlock": {"door": "unlock"},
    "break": {"door": "break", "alarm": "break"},
    "hush": {"alarm": "hush"},
}
HOUSE = System("house", (DOOR, ALARM), (), SEES)
HEALED = System(
    "house", (DOOR, ALARM), (Coupling("heal", {"alarm": "QUIET", "door": "BROKEN"}, {"door": "CLOSED"}),), SEES
)


def fails(decided: Property, system: System = HOUSE) -> tuple[str, list[str]]:
    failure = decided.decide(system)
    assert failure is not None
    return failure.reason, failure.trace


def holds(decided: Property, system: System = HOUSE) -> bool:
    return decided.decide(system) is None


def test_never_holds() -> None:
    assert holds(Never("n", {"door": "OPEN", "alarm": "RINGS"}))
    assert holds(Never("n", {"door": ("OPEN", "CLOSED"), "alarm": "RINGS"}))


def test_never_fails_with_a_shortest_trace() -> None:
    assert fails(Never("n", {"door": "BROKEN"})) == ("reached door=BROKEN alarm=RINGS", ["lock", "break"])
    assert fails(Never("n", {"door": ("OPEN", "BROKEN")})) == ("reached door=OPEN alarm=QUIET", ["open"])
    assert fails(Never("n", {"door": "CLOSED"})) == ("reached door=CLOSED alarm=QUIET", [])


def test_absorbing_holds() -> None:
    assert holds(Absorbing("a", "door", "BROKEN"))


def test_absorbing_fails_where_an_event_leaves() -> None:
    assert fails(Absorbing("a", "door", "LOCKED")) == ("door left LOCKED for CLOSED", ["lock", "unlock"])


def test_absorbing_fails_where_a_coupling_leaves() -> None:
    reason, trace = fails(Absorbing("a", "door", "BROKEN"), HEALED)
    assert reason == "door left BROKEN for CLOSED"
    assert trace == ["lock", "break", "hush"]


def test_refused_holds() -> None:
    assert holds(Refused("r", "break", unless={"door": "LOCKED"}))


def test_refused_fails_with_a_shortest_trace() -> None:
    assert fails(Refused("r", "hush", unless={"door": "OPEN"})) == (
        "hush is legal in door=BROKEN alarm=RINGS",
        ["lock", "break"],
    )


def test_legal_holds() -> None:
    assert holds(Legal("l", "close", when={"door": "OPEN"}))


def test_legal_fails_with_a_shortest_trace() -> None:
    assert fails(Legal("l", "open", when={"door": ("CLOSED", "LOCKED")})) == (
        "open is illegal in door=LOCKED alarm=QUIET",
        ["lock"],
    )


def test_legal_fails_where_it_says_nothing() -> None:
    reason, trace = fails(Legal("l", "close", when={"door": "OPEN", "alarm": "RINGS"}))
    assert reason.startswith("no reachable joint state satisfies")
    assert trace == []


def test_can_reach_holds() -> None:
    assert holds(CanReach("c", {"alarm": "QUIET"}))
    assert holds(CanReach("c", {"door": "CLOSED"}, when={"door": ("OPEN", "LOCKED")}))


def test_can_reach_fails_with_a_shortest_trace() -> None:
    assert fails(CanReach("c", {"door": "CLOSED"})) == ("stuck in door=BROKEN alarm=RINGS", ["lock", "break"])


def test_can_reach_without_some_events() -> None:
    assert fails(CanReach("c", {"door": "CLOSED"}, when={"door": "LOCKED"}, without=("unlock",))) == (
        "stuck in door=LOCKED alarm=QUIET",
        ["lock"],
    )


def test_can_reach_through_a_coupling() -> None:
    assert holds(CanReach("c", {"door": "CLOSED"}), HEALED)


def test_a_duty_holds_where_any_of_its_conditions_does() -> None:
    duty = Duty("mend", {"door": "BROKEN"}, {"door": "LOCKED", "alarm": "RINGS"})
    states = [HOUSE.states(joint) for joint, holding in enumerate(where(HOUSE, duty)) if holding]
    assert states == [{"door": "BROKEN", "alarm": "RINGS"}, {"door": "BROKEN", "alarm": "QUIET"}]


def test_a_duty_arises() -> None:
    assert holds(Arises("d", Duty("mend", {"door": "BROKEN"}, {"door": "LOCKED"})))


def test_a_duty_fails_to_arise_where_one_condition_is_never_reached() -> None:
    duty = Duty("mend", {"door": "BROKEN"}, {"door": "OPEN", "alarm": "RINGS"})
    assert fails(Arises("d", duty)) == ("no reachable joint state satisfies {'door': 'OPEN', 'alarm': 'RINGS'}", [])


def test_a_duty_that_is_held_everywhere_is_none() -> None:
    duty = Duty("stand", {"door": ("CLOSED", "OPEN", "LOCKED", "BROKEN")})
    assert fails(Arises("d", duty)) == ("it holds everywhere", [])


def test_a_duty_without_a_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="duty mend has no condition"):
        Duty("mend")


def test_failures_read_as_sentences() -> None:
    assert repr(Never("n", {"door": "OPEN"}).decide(HOUSE)) == "reached door=OPEN alarm=QUIET after open"
    assert repr(Never("n", {"door": "CLOSED"}).decide(HOUSE)) == "reached door=CLOSED alarm=QUIET after nothing"


def test_a_property_must_say_how_to_decide() -> None:
    with pytest.raises(TypeError, match="Property does not say how to decide it"):
        Property("it").decide(HOUSE)


@pytest.mark.parametrize("condition", [{"doors": "OPEN"}, {"door": "OPNE"}, {"door": ("OPEN", "OPNE")}])
def test_a_name_that_the_system_does_not_have_is_refused(condition: dict[str, str | tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match=r"no machine doors|no state OPNE"):
        Never("n", condition).decide(HOUSE)
