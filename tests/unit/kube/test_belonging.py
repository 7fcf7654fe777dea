"""To whom an object belongs: by its owner reference, in its own namespace."""

from typing import Any

import pytest

from support.builders import RUN
from testrun_operator.kube import labels
from testrun_operator.kube.belonging import claims_run, job_of, run_of


def owned(namespace: str = "team", **owner: Any) -> dict[str, Any]:
    """Return an object that a run controls, or somebody else where fields of the owner reference say so."""
    reference = RUN.as_owner() | owner
    metadata = {"name": "x", "namespace": namespace, "labels": {labels.RUN_UID: RUN.uid}}
    return {"metadata": metadata | {"ownerReferences": [reference]}}


def test_an_object_belongs_to_the_run_that_controls_it() -> None:
    """Name and uid are those of the owner reference, the namespace is the object's own."""
    assert run_of(owned()) == RUN


@pytest.mark.parametrize(
    "owner",
    [
        {"uid": "another"},
        {"controller": False},
        {"kind": "TestSuite"},
        {"apiVersion": "example.com/v1"},
        {"apiVersion": "testrun.development/v1"},
    ],
)
def test_labels_alone_make_nothing_belong_to_a_run(owner: dict[str, Any]) -> None:
    """Labels can be copied by anybody who may create an object anywhere."""
    assert run_of(owned(**owner)) is None
    assert claims_run(owned(**owner))


def test_an_object_of_another_namespace_belongs_to_no_run_of_this_one() -> None:
    """An owner reference names no namespace: it is read as one in the object's own."""
    found = run_of(owned("other"))
    assert found is not None
    assert found.namespace == "other"


@pytest.mark.parametrize("metadata", [{}, {"labels": None, "ownerReferences": None}])
def test_what_claims_nothing_belongs_to_nobody(metadata: dict[str, Any]) -> None:
    """People's own objects may have our label managed-by."""
    body = {"metadata": {"name": "x", "namespace": "team"} | metadata}
    assert (claims_run(body), run_of(body), job_of(body)) == (False, None, None)


def test_a_pod_belongs_to_the_job_that_controls_it() -> None:
    """Another owner that is no controller does not count."""
    job = {"apiVersion": "batch/v1", "kind": "Job", "name": "one", "uid": "1", "controller": True}
    body = {"metadata": {"name": "x", "namespace": "team", "ownerReferences": [RUN.as_owner(), job]}}
    assert job_of(body) == ("one", "1")
    job["controller"] = False
    assert job_of(body) is None
