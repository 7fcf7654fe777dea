"""An attempt's outcome as an annotation: how the operator stops a Job without ever losing why."""

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from testrun_operator.api.base import Document
from testrun_operator.engine.outcome import AttemptOutcome
from testrun_operator.engine.status import shorten
from testrun_operator.kube import labels

_MAX_MESSAGE = 2048
_MAX_LOG_TAIL = 4096
_ADAPTER = TypeAdapter(AttemptOutcome)


def stop_patch(outcome: AttemptOutcome, resource_version: str = "", *, confirm: bool = False) -> Document:
    """Make the patch of a Job that writes the outcome on it and ends its pod, in one call.

    Args:
        outcome: the outcome of its attempt.
        resource_version: the version of the Job by which that was decided: one that has changed since is not patched
            (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions). Empty for any version.
        confirm: whether the outcome counts only when the kubelet has confirmed it.

    A Job whose ``activeDeadlineSeconds`` has passed is ended by the Job controller, in every version of Kubernetes;
    the Job itself stays, so that the outcome survives the operator. One that is suspended has no deadline: when it is
    resumed, that begins anew. With a ``parallelism`` of 0 it gets no pod even then.
    """
    annotation = labels.ASKED_TO_END if confirm else labels.OUTCOME
    condition = {"resourceVersion": resource_version} if resource_version else {}
    return {
        "metadata": condition | {"annotations": {annotation: encode_outcome(outcome)}},
        "spec": {"activeDeadlineSeconds": 1, "parallelism": 0},
    }


def encode_outcome(outcome: AttemptOutcome) -> str:
    """Render an outcome as JSON of bounded size."""
    tail = outcome.evidence.log_tail
    bounded = replace(
        outcome,
        message=shorten(outcome.message, _MAX_MESSAGE),
        details=(),
        evidence=replace(outcome.evidence, log_tail=tail[-_MAX_LOG_TAIL:] if tail else None),
    )
    return _ADAPTER.dump_json(bounded, exclude_defaults=True).decode()


def decode_outcome(text: str | None) -> AttemptOutcome | None:
    """Read an outcome; None if there is none, or what is there is not one."""
    if not text:
        return None
    try:
        return _ADAPTER.validate_json(text, extra="ignore")  # also of a newer release
    except ValidationError:
        return None  # somebody edited the annotation; the Job is judged by what else is seen of it
