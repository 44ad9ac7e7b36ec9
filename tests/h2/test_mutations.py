"""Every fault in the tables of HTTP/2 is noticed: by the compiler, a property, a conversation in traces.md, or the model."""

from collections.abc import Callable, Iterator

import pytest
from tests.h2.models import disagreement
from tests.h2.test_tables import PROTOCOLS, Protocol
from tests.machine import mutants
from tests.machine.mutants import Judge, Mutant, original
from tests.machine.traces import Rules, departure

from interlock.machine import System


def judge(protocol: Protocol) -> Judge:
    def departs(rules: Rules) -> bool:
        return any(departure(rules, trace) for trace in protocol.traces) or disagreement(rules, protocol.model) != ""

    return Judge(protocol.system, protocol.properties, departs)


JUDGES = [judge(protocol) for protocol in PROTOCOLS]


def of_each_system(faults: tuple[Callable[[System], Iterator[Mutant]], ...]) -> list[object]:
    """Each kind of fault that the system can have."""
    return [
        pytest.param(judge, kind, id=f"{judge.system.name} {kind.__name__}")
        for judge in JUDGES
        for kind in faults
        if any(True for _ in kind(judge.system))
    ]


@pytest.mark.parametrize(("judge", "faults"), of_each_system((*mutants.FAULTS, *mutants.REWORDINGS)))
def test_every_fault_is_noticed_that_is_not_the_same_in_other_words(
    judge: Judge, faults: Callable[[System], Iterator[Mutant]]
) -> None:
    assert judge.unnoticed(faults) == []


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.system.name)
def test_no_event_can_go(judge: Judge) -> None:
    assert all(judge.notices(mutant) for mutant in mutants.events_taken_out(judge.system))


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.system.name)
def test_the_tables_themselves_have_no_fault(judge: Judge) -> None:
    assert not judge.notices(original(judge.system))
