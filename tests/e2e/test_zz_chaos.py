"""The short form of `make chaos`, and each of its faults of which the documentation promises something."""

import random

import pytest

from chaos import faults, trials
from chaos.report import differences
from support.sql_cluster import is_native

pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]

PROMISED = ("drained", "quota", "api-server-silent", "leader-paused", "kubelet-stopped")
BY_NAME = {fault.name: fault for fault in faults.ALL}


@pytest.mark.parametrize("name", [*faults.SHORT, *PROMISED])
def test_verdicts_stay_true_complete_and_single_under_a_fault(name: str) -> None:
    """Every case ends as it does without the fault, or as Errored where the infrastructure's budget is used up."""
    if not is_native():
        pytest.skip("faults are injected into the processes of the native cluster")
    for trial in trials.trials_of(BY_NAME[name], random.Random(name), rounds=3):
        assert trial.outcome.holds, [*trial.injected, *differences(trial)]
        assert not [line for line in trial.injected if line.startswith("trouble")], trial.injected
