"""Every fault in the tables of HTTP/1.1 is noticed: by the compiler, by a property, or by a conversation in traces.md."""

from collections.abc import Callable, Iterator

import pytest
from tests.h1.traces import departure, read_traces
from tests.machine import mutants
from tests.machine.mutants import Judge, Mutant, original
from tests.machine.traces import Rules

from interlock.h1.tables import PROPERTIES, SYSTEM
from interlock.machine import System

TRACES = read_traces()


def departs(rules: Rules) -> bool:
    return any(departure(rules, trace) for trace in TRACES)


JUDGE = Judge(SYSTEM, PROPERTIES, departs)


@pytest.mark.parametrize("faults", mutants.FAULTS)
def test_every_fault_is_noticed(faults: Callable[[System], Iterator[Mutant]]) -> None:
    found = list(faults(SYSTEM))
    assert found
    assert [mutant.fault for mutant in found if not JUDGE.notices(mutant)] == []


@pytest.mark.parametrize("rewordings", mutants.REWORDINGS)
def test_every_fault_is_noticed_that_is_not_the_same_in_other_words(
    rewordings: Callable[[System], Iterator[Mutant]],
) -> None:
    assert JUDGE.unnoticed(rewordings) == []
    assert any(JUDGE.notices(mutant) for mutant in rewordings(SYSTEM))


@pytest.mark.parametrize("mutant", [*mutants.priorities_taken_back(SYSTEM)], ids=lambda mutant: mutant.fault)
def test_every_declared_priority_is_needed(mutant: Mutant) -> None:
    assert JUDGE.notices(mutant)


def test_the_tables_themselves_have_no_fault() -> None:
    assert not JUDGE.notices(original(SYSTEM))
