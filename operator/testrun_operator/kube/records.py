"""The record of an execution as a ConfigMap: written before its first Job, so that nothing lives only in memory."""

import base64
import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from testrun_operator.api.base import Document
from testrun_operator.api.status import format_time
from testrun_operator.engine.execution import ExecutionRecord, name_for
from testrun_operator.kube import labels
from testrun_operator.kube.observe import read_time
from testrun_operator.kube.platform import merged
from testrun_operator.kube.references import RunReference

_PLAIN_KEY = "execution.json"
_PACKED_KEY = "execution.json.gz"
_MAX_UNPACKED_BYTES = 16 * 1024 * 1024
"""More than this is not unpacked: anybody who may create a ConfigMap may label it as ours."""
_GZIP_WINDOW = 31  # zlib's word for: with the header and the check sum of gzip
_MAX_PLAIN_BYTES = 256 * 1024  # readable with kubectl up to here; a ConfigMap holds at most 1 MiB


@dataclass(frozen=True, slots=True)
class Notes:
    """What was noted on a record since it was written. Nothing of it is ever taken back."""

    replaced: bool = False
    """Whether the run's spec changed before the execution had ended: it answers for no spec any more, not even for its
    own if that is put back."""
    completed_at: datetime | None = None
    """When the execution ended; None while it runs."""
    stored: bool = False
    """Whether every outcome is in Postgres."""

    def __or__(self, other: "Notes") -> "Notes":
        """Put together what is known from two places: what a watch shows, and what it does not show yet."""
        return Notes(
            replaced=self.replaced or other.replaced,
            completed_at=self.completed_at or other.completed_at,
            stored=self.stored or other.stored,
        )


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it is in the cluster."""

    record: ExecutionRecord
    notes: Notes


def record_name(run: RunReference, run_id: str) -> str:
    """Return the name of the ConfigMap of an execution."""
    return name_for(run.name, run.uid, run_id, "execution")


def record_manifest(
    run: RunReference, record: ExecutionRecord, common_labels: Mapping[str, str] | None = None
) -> Document:
    """Make the ConfigMap of an execution.

    Args:
        run: the TestRun.
        record: the execution.
        common_labels: labels of everything that the operator creates.
    """
    own_labels = {
        labels.MANAGED_BY: labels.MANAGER,
        labels.COMPONENT: labels.EXECUTION_COMPONENT,
        labels.RUN: labels.label_value(run.name),
        labels.RUN_UID: run.uid,
        labels.RUN_ID: record.run_id,
    }
    text = record.model_dump_json(exclude_defaults=True)
    manifest: Document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": record_name(run, record.run_id),
            "namespace": run.namespace,
            "labels": merged(common_labels or {}, own_labels),
            "ownerReferences": [run.as_owner()],
        },
        "immutable": True,
    }
    if len(text) <= _MAX_PLAIN_BYTES:
        manifest["data"] = {_PLAIN_KEY: text}
    else:
        packed = gzip.compress(text.encode(), mtime=0)
        manifest["binaryData"] = {_PACKED_KEY: base64.b64encode(packed).decode()}
    return manifest


def read_record(body: Mapping[str, Any]) -> StoredRecord | None:
    """Read the record of an execution.

    Returns:
        The record; None if the ConfigMap holds none, for instance because somebody made it by hand.
    """
    try:
        if packed := (body.get("binaryData") or {}).get(_PACKED_KEY):
            text = _unpack(base64.b64decode(packed))
        else:
            text = (body.get("data") or {})[_PLAIN_KEY]
        record = ExecutionRecord.model_validate_json(text)
    except (KeyError, ValueError, zlib.error):
        return None
    annotations = body["metadata"].get("annotations") or {}
    return StoredRecord(
        record,
        Notes(
            replaced=annotations.get(labels.REPLACED) == "true",
            completed_at=_read_noted_time(annotations.get(labels.COMPLETED_AT)),
            stored=annotations.get(labels.STORED) == "true",
        ),
    )


def _unpack(packed: bytes) -> str:
    unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
    content = unpacker.decompress(packed, _MAX_UNPACKED_BYTES)
    if not unpacker.eof:
        msg = "cut, or larger than any record"
        raise ValueError(msg)
    return content.decode()


def _read_noted_time(text: str | None) -> datetime | None:
    try:
        moment = read_time(text)
    except ValueError:
        return None  # somebody edited the annotation; the end is noted anew
    return moment if moment is not None and moment.tzinfo is not None else None


def notes_patch(notes: Notes) -> Document:
    """Make the patch that writes notes on a record."""
    annotations: dict[str, str] = {}
    if notes.replaced:
        annotations[labels.REPLACED] = "true"
    if notes.completed_at is not None:
        annotations[labels.COMPLETED_AT] = format_time(notes.completed_at)
    if notes.stored:
        annotations[labels.STORED] = "true"
    return {"metadata": {"annotations": annotations}}
