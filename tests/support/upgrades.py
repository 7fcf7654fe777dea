"""From one revision of the installed release to another, and what has to outlive that."""

import json
from collections.abc import Iterable
from pathlib import Path

from support.cluster import RELEASE, ROOT, SYSTEM_NAMESPACE, Body, helm, query

CHART = ROOT / "charts" / "testrun-operator"


def upgrade(values: Body, chart: Path = CHART) -> None:
    """Upgrade the release to a chart, that of this folder if no other is named, over the values that it has."""
    words = ["upgrade", RELEASE, str(chart), "-n", SYSTEM_NAMESPACE, "--reset-then-reuse-values", "--wait"]
    for name, value in values.items():
        words += ["--set-json", f"{name}={json.dumps(value)}"]
    helm(*words, "--timeout", "4m")


def roll_back() -> None:
    """Bring the release back to the revision before."""
    helm("rollback", RELEASE, "-n", SYSTEM_NAMESPACE, "--wait", "--timeout", "4m")


def image_values(image: str) -> Body:
    """Return the values that name an image."""
    repository, _, tag = image.rpartition(":")
    return {"image.repository": repository, "image.tag": tag}


def attempts_of(statuses: Iterable[Body]) -> list[list[str]]:
    """Return how many attempts Postgres has of the executions that these are the status of."""
    ids = ", ".join(str(status["runId"]) for status in statuses)
    counted = f"FROM noetl_test.regression_attempts WHERE test_run_id IN ({ids}) GROUP BY test_run_id ORDER BY 1"
    return query(f"SELECT test_run_id, count(*) {counted}")
