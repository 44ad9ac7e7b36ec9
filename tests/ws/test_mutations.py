"""Every fault in the tables of WebSocket is noticed: by the compiler, by a property, or by the model."""

from collections.abc import Callable, Iterator

import pytest
from tests.h2.models import disagreement
from tests.machine import mutants
from tests.machine.mutants import Judge, Mutant, original
from tests.machine.traces import Rules
from tests.ws.test_tables import MODEL

from interlock.machine import System, check
from interlock.ws.tables import PROPERTIES, SYSTEM


def departs(rules: Rules) -> bool:
    return disagreement(rules, MODEL) != ""


JUDGE = Judge(SYSTEM, PROPERTIES, departs)


@pytest.mark.parametrize("faults", [*mutants.FAULTS, *mutants.REWORDINGS])
def test_every_fault_is_noticed_that_is_not_the_same_in_other_words(
    faults: Callable[[System], Iterator[Mutant]],
) -> None:
    assert any(True for _ in faults(SYSTEM))
    assert JUDGE.unnoticed(faults) == []


@pytest.mark.parametrize("faults", [mutants.events_taken_out, mutants.couplings_taken_out, mutants.rows_taken_out])
def test_nothing_can_go(faults: Callable[[System], Iterator[Mutant]]) -> None:
    assert [mutant.fault for mutant in faults(SYSTEM) if not JUDGE.notices(mutant)] == []


def properties_see(mutant: Mutant) -> bool:
    try:
        return not check(mutant.compiled(), PROPERTIES).ok
    except (KeyError, ValueError):  # a property speaks of what is not there
        return True


@pytest.mark.parametrize("faults", [mutants.couplings_taken_out, mutants.events_taken_out])
def test_nothing_can_go_that_properties_alone_would_not_miss(faults: Callable[[System], Iterator[Mutant]]) -> None:
    """What ``interlock check`` decides, without any test."""
    assert [mutant.fault for mutant in faults(SYSTEM) if not properties_see(mutant)] == []


def test_the_tables_themselves_have_no_fault() -> None:
    assert not JUDGE.notices(original(SYSTEM))
