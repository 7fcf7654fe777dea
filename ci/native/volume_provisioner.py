"""Volumes: a process that makes a folder for each claim of the default class, and removes it when the claim is gone.

They are volumes of the type `local`, as kind's provisioner makes them: unlike `hostPath`, the kubelet gives them to a
pod's `fsGroup`, so that programs that are not root can write.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from native.api_client import ApiClient, ApiError, JsonObject
from native.watched_collection import Collection

PROVISIONER = "testrun.dev/folder"
CLASS_NAME = "standard"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": CLASS_NAME, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER,
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}
VOLUMES = "/api/v1/persistentvolumes"
CLAIMS = "/api/v1/persistentvolumeclaims"


def volume_name(claim: JsonObject) -> str:
    """The name of a claim's volume; the uid keeps a claim that was made again from getting the old one's data."""
    return f"pvc-{claim['metadata']['uid']}"


def waiting_claims(claims: Iterable[JsonObject], volumes: set[str]) -> list[JsonObject]:
    """Those claims of our class that have no volume yet."""
    return [
        claim
        for claim in claims
        if claim["spec"].get("storageClassName") == CLASS_NAME
        and not claim["spec"].get("volumeName")
        and "deletionTimestamp" not in claim["metadata"]
        and volume_name(claim) not in volumes
    ]


def released_volumes(volumes: Iterable[JsonObject]) -> list[JsonObject]:
    """Those volumes of ours whose claim is gone, and which are to go with it."""
    return [
        volume
        for volume in volumes
        if (volume["metadata"].get("annotations") or {}).get(PROVISIONED_BY) == PROVISIONER
        and (volume.get("status") or {}).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    ]


def volume_for(claim: JsonObject, *, path: Path, node: str) -> JsonObject:
    """The volume that answers a claim."""
    metadata, spec = claim["metadata"], claim["spec"]
    reference: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(claim), "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "claimRef": reference,
            "local": {"path": str(path)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": CLASS_NAME,
            "volumeMode": "Filesystem",
        },
    }


def settle(client: ApiClient, *, claims: list[JsonObject], volumes: list[JsonObject], node: str, folder: Path) -> None:
    """Make the volumes that are missing and remove those that nobody has any more."""
    for claim in waiting_claims(claims, {volume["metadata"]["name"] for volume in volumes}):
        path = folder / volume_name(claim)
        path.mkdir(parents=True, exist_ok=True)
        # For pods without an fsGroup; the mode of mkdir would be cut down by the process's umask.
        path.chmod(0o777)
        client.apply(VOLUMES, volume_for(claim, path=path, node=node))
    for volume in released_volumes(volumes):
        shutil.rmtree(folder / volume["metadata"]["name"], ignore_errors=True)
        client.request("DELETE", f"{VOLUMES}/{volume['metadata']['name']}")


def serve(*, client: ApiClient, node: str, folder: Path) -> None:
    """Keep volumes in step with claims, for ever."""
    changed = threading.Event()
    claims = Collection(client, path=CLAIMS, changed=changed)
    volumes = Collection(client, path=VOLUMES, changed=changed)
    claims.start()
    volumes.start()
    claims.listed.wait()
    volumes.listed.wait()
    while True:
        changed.clear()
        try:
            settle(
                client,
                claims=list(claims.items().values()),
                volumes=list(volumes.items().values()),
                node=node,
                folder=folder,
            )
        except (OSError, ApiError, http.client.HTTPException) as error:
            print(f"{error}; trying again", flush=True)
        # Returns at once on a change; otherwise once more now and then what an error left undone.
        changed.wait(timeout=2.0)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description="Makes folders for the claims of the default storage class.")
    parser.add_argument("--url", required=True, help="of the API server")
    parser.add_argument("--certificates", required=True, type=Path, help="folder with ca.crt, admin.crt and admin.key")
    parser.add_argument("--node", required=True, help="name of the node on which the folders are")
    parser.add_argument("--folder", required=True, type=Path, help="to keep the volumes in")
    arguments = parser.parse_args()
    folder = arguments.certificates
    client = ApiClient(
        url=arguments.url, authority=folder / "ca.crt", certificate=folder / "admin.crt", key=folder / "admin.key"
    )
    os.umask(0o022)
    serve(client=client, node=arguments.node, folder=arguments.folder)


if __name__ == "__main__":
    main()
