"""Labels and annotations of everything that the operator creates."""

from testrun_operator.resources.crds import GROUP

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "testrun-operator"
SELECTOR = f"{MANAGED_BY}={MANAGER}"
"""Selects our objects on the server's side, so that the operator never sees other people's Jobs and Pods."""

COMPONENT = f"{GROUP}/component"
CASE_COMPONENT = "case"
EXECUTION_COMPONENT = "execution"
DOCUMENT_COMPONENT = "document"
SERVER_COMPONENT = "test-server"

RUN = f"{GROUP}/run"
"""Name of the TestRun, cut to 63 characters: for people. The operator goes by the next two."""
RUN_UID = f"{GROUP}/run-uid"
RUN_ID = f"{GROUP}/run-id"
CASE = f"{GROUP}/case"
ATTEMPT = f"{GROUP}/attempt"
SERVER = f"{GROUP}/test-server"

TEST_FAILURES = f"{GROUP}/test-failures"
"""Annotation of a Job: attempts before it that used up one of the case's retries."""
INFRASTRUCTURE_FAULTS = f"{GROUP}/infrastructure-faults"
"""Annotation of a Job: attempts before it that used up one of the infrastructure's retries."""
NUDGED_AT = f"{GROUP}/nudged-at"
"""Annotation of a Job whose pod a quota refused: when the Job controller was last shown it again."""
QUEUES = ("kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class")
"""Labels by which Kueue takes a Job into a queue. Those that a TestRun has, its Jobs have."""
OUTCOME = f"{GROUP}/outcome"
"""Annotation of a Job that the operator stopped: the outcome of its attempt."""
ASKED_TO_END = f"{GROUP}/asked-to-end"
"""Annotation of a Job whose attempt had its time: the outcome that it has once the kubelet has confirmed its end."""
COMPLETED_AT = f"{GROUP}/completed-at"
"""Annotation of an execution's ConfigMap: when the execution ended."""
TEMPLATE = f"{GROUP}/template"
"""Annotation of a test server's pods: the digest of what they were made from, by which a change is noticed."""
REPLACED = f"{GROUP}/replaced"
"""Annotation of an execution's ConfigMap: the run's spec changed before the execution had ended."""
STORED = f"{GROUP}/stored"
"""Annotation of an execution's ConfigMap: every outcome is in Postgres."""


def label_value(text: str) -> str:
    """Make a label's value of a name: at most 63 characters, with a letter or digit at its end."""
    return text[:63].rstrip("-._")
