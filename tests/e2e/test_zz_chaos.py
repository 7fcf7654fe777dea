"""The short form of `make chaos`: the operator killed, the node drained, one of two operators killed while it leads."""

import random

import pytest

from chaos import faults, trials
from chaos.report import differences
from support.sql_cluster import is_native

pytestmark = [pytest.mark.alone, pytest.mark.timeout(400)]

BY_NAME = {fault.name: fault for fault in faults.ALL}


@pytest.mark.parametrize("name", faults.SHORT)
def test_verdicts_stay_true_complete_and_single_under_a_fault(name: str) -> None:
    """Every case ends as it does without the fault, or Errored where infrastructure spoiled all that it may."""
    if not is_native():
        pytest.skip("faults are injected into the processes of the native cluster")
    for trial in trials.trials_of(BY_NAME[name], random.Random(name), rounds=3):
        assert trial.holds, [*trial.injected, *differences(trial)]
