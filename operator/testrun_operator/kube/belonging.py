"""To whom an object belongs: by its owner, never by its labels alone.

Labels can be copied by anybody who may create an object anywhere, and the uid of a TestRun is on each of its pods. An
owner reference can be copied, too; but an object counts in the namespace of its run only, where whoever writes it must
have rights, and under the one name that the operator gives it (``docs/decisions/0019-what-belongs-to-a-run.md``).
"""

from collections.abc import Mapping
from typing import Any

from testrun_operator.kube import labels
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.crds import GROUP

_Body = Mapping[str, Any]


def claims_run(body: _Body) -> bool:
    """Whether an object says by its labels that it belongs to a run."""
    return labels.RUN_UID in (body["metadata"].get("labels") or {})


def run_of(body: _Body) -> RunReference | None:
    """Return the run that controls an object, in the object's own namespace.

    Returns:
        The run; None if no run controls it, or if its labels name another one.
    """
    metadata = body["metadata"]
    owner = _controller(metadata, f"{GROUP}/", "TestRun")
    if owner is None or (metadata.get("labels") or {}).get(labels.RUN_UID) != owner.get("uid"):
        return None
    return RunReference(str(metadata["namespace"]), str(owner.get("name")), str(owner["uid"]))


def job_of(pod: _Body) -> tuple[str, str] | None:
    """Return name and uid of the Job that controls a pod; None if none does."""
    owner = _controller(pod["metadata"], "batch/", "Job")
    return (str(owner.get("name")), str(owner.get("uid"))) if owner is not None else None


def _controller(metadata: _Body, group: str, kind: str) -> _Body | None:
    # There is one controller at most (https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/).
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller") and owner.get("kind") == kind and str(owner.get("apiVersion")).startswith(group):
            found: _Body = owner
            return found
    return None
