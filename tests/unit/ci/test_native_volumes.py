"""Claims of the default class get a folder each, and the folder goes with the claim."""

from pathlib import Path
from typing import Any

from native.volume_provisioner import PROVISIONED_BY, PROVISIONER, released_volumes, volume_for, waiting_claims

UID = "0b5e0c4a-7c0e-4a4e-9b0c-5d8f6f0e8a11"


def claim(*, class_name: str | None = "standard", volume: str | None = None, leaving: bool = False) -> dict[str, Any]:
    """Make a claim."""
    metadata: dict[str, Any] = {"name": "data", "namespace": "tests", "uid": UID}
    if leaving:
        metadata["deletionTimestamp"] = "2026-11-30T00:00:00Z"
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        **({"storageClassName": class_name} if class_name is not None else {}),
        **({"volumeName": volume} if volume else {}),
    }
    return {"metadata": metadata, "spec": spec}


def test_a_claim_of_the_class_waits_until_it_has_a_volume() -> None:
    """Those of other classes, those that are bound, those that go, and those whose volume is made already do not."""
    assert waiting_claims([claim()], set()) == [claim()]
    others = [claim(class_name="other"), claim(class_name=None), claim(volume="pvc-1"), claim(leaving=True)]
    assert waiting_claims(others, set()) == []
    assert waiting_claims([claim()], {f"pvc-{UID}"}) == []


def test_a_volume_is_for_its_claim_alone_and_on_the_node() -> None:
    """The uid in the reference keeps away a claim of the same name that is made later."""
    made = volume_for(claim(), path=Path("/volumes/a"), node="node-1")
    assert made["spec"]["claimRef"]["uid"] == UID
    assert made["spec"]["local"] == {"path": "/volumes/a"}
    assert made["spec"]["capacity"] == {"storage": "1Gi"}
    terms = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms[0]["matchExpressions"][0]["values"] == ["node-1"]


def test_a_volume_goes_when_its_claim_has_gone() -> None:
    """Only ours, and not while somebody has it, or wants to keep it."""
    volume = volume_for(claim(), path=Path("/volumes/a"), node="node-1")
    released = volume | {"status": {"phase": "Released"}}
    assert released["metadata"]["annotations"] == {PROVISIONED_BY: PROVISIONER}
    assert released_volumes([released]) == [released]
    kept = released | {"spec": released["spec"] | {"persistentVolumeReclaimPolicy": "Retain"}}
    foreign = released | {"metadata": {"name": "other"}}
    assert released_volumes([volume, volume | {"status": {"phase": "Bound"}}, kept, foreign]) == []
