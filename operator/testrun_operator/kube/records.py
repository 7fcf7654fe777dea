"""The record of an execution as a ConfigMap: written before its first Job, so that nothing lives only in memory."""

import base64
import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from testrun_operator.api.base import Document
from testrun_operator.engine.execution import ExecutionRecord, name_for
from testrun_operator.errors import LocalError
from testrun_operator.kube import labels
from testrun_operator.kube.observe import read_time
from testrun_operator.kube.platform import merged
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.status import format_time

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


class UnreadableRecord(LocalError):
    """A record is none that this release understands."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it is in the cluster; what is in it is read when it is needed."""

    run_id: str
    digest: str
    """Of what is in it; the status of its run has the same, if the operator wrote it."""
    notes: Notes
    plain: str = ""
    packed: str = ""
    """Its content, in one of two forms; in none of them once it is not needed any more."""

    def is_over(self, *, has_store: bool) -> bool:
        """Whether nothing remains to be done of the execution but to remove it when its time has come.

        Args:
            has_store: whether results go to Postgres.
        """
        return self.notes.completed_at is not None and (self.notes.stored or not has_store)

    def without_content(self) -> "StoredRecord":
        """Return the record without what is in it, which may be a megabyte."""
        return replace(self, plain="", packed="")

    def read(self) -> ExecutionRecord:
        """Read the record. Fields that this release does not know, of a newer one, are left out.

        Raises:
            UnreadableRecord: it is none that this release understands.
        """
        try:
            text = _unpack(base64.b64decode(self.packed)) if self.packed else self.plain
            record = ExecutionRecord.model_validate_json(text, extra="ignore")
        except (ValueError, zlib.error) as error:
            raise UnreadableRecord(str(error)) from None
        if record.run_id != self.run_id:
            raise UnreadableRecord(f"it is of execution {record.run_id}")
        return record


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
    """Read what a ConfigMap says of an execution, without what is in it.

    Returns:
        The record; None if the ConfigMap does not name an execution.
    """
    metadata = body["metadata"]
    run_id = (metadata.get("labels") or {}).get(labels.RUN_ID) or ""
    if not run_id.isdecimal():
        return None
    annotations = metadata.get("annotations") or {}
    notes = Notes(
        replaced=annotations.get(labels.REPLACED) == "true",
        completed_at=_read_noted_time(annotations.get(labels.COMPLETED_AT)),
        stored=annotations.get(labels.STORED) == "true",
    )
    return StoredRecord(run_id, digest_of_record(body), notes, *_content(body))


def digest_of_record(body: Mapping[str, Any]) -> str:
    """Digest what is in the ConfigMap of an execution.

    Returns:
        32 hexadecimal digits.
    """
    plain, packed = _content(body)
    return hashlib.sha256(f"{_PACKED_KEY}:{packed}".encode() if packed else plain.encode()).hexdigest()[:32]


def _content(body: Mapping[str, Any]) -> tuple[str, str]:
    packed = (body.get("binaryData") or {}).get(_PACKED_KEY) or ""
    return ("" if packed else str((body.get("data") or {}).get(_PLAIN_KEY) or "")), str(packed)


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
