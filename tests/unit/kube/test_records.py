"""The record of an execution as a ConfigMap: whatever was written is read again, and garbage is no record."""

import base64
import gzip
import json
import random
from datetime import datetime
from typing import Any

import pytest

from support.builders import NOON, RUN, RUN_ID, container_case, http_case, record_of, run_of, seconds, suite_of
from testrun_operator.engine.execution import ExecutionRecord, Restriction
from testrun_operator.engine.outcome import Baseline
from testrun_operator.kube import labels
from testrun_operator.kube.records import (
    Notes,
    UnreadableRecord,
    digest_of_record,
    notes_patch,
    read_record,
    record_manifest,
    record_name,
)
from testrun_operator.kube.references import RunReference

MEBIBYTE = 1024 * 1024


def record(**fields: Any) -> ExecutionRecord:
    """Return a record with something in every field."""
    suite = suite_of(
        http_case("one", tags=["smoke"], matrix={"size": ["5", "10"]}),
        container_case("two", needs=["one"], timeout="1h30m"),
        variables={"size": "1", "text": "ä 漢 😀"},
    )
    run = run_of(variables={"size": "2"}, select={"tags": ["smoke"]}, timeout="2h", revision="4f2c1d")
    return record_of(
        suite,
        run,
        **{
            "restriction": Restriction(only=("one-5",), passed_before=("one-10",)),
            "baselines": (Baseline("one-5", "COMPLETED", 3, 1000),),
        }
        | fields,
    )


def large_record(characters: str = "abcdefghijklmnopqrstuvwxyz") -> ExecutionRecord:
    """Return a record of the largest suite that hardly can be packed."""
    chance = random.Random(1)
    cases = [
        http_case(f"case-{number}", description="".join(chance.choices(characters, k=1000))) for number in range(500)
    ]
    return record_of(suite_of(*cases))


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest as it comes back from the API server."""
    return json.loads(json.dumps(manifest))


def test_a_record_is_read_as_it_was_written() -> None:
    """After a restart the execution goes on with what it was started with."""
    found = read_record(stored(record_manifest(RUN, record())))
    assert found is not None
    assert found.read() == record()
    assert (found.notes.completed_at, found.notes.stored) == (None, False)


def test_a_small_record_can_be_read_by_people() -> None:
    """With kubectl, without unpacking anything."""
    manifest = record_manifest(RUN, record())
    assert json.loads(manifest["data"]["execution.json"])["runId"] == RUN_ID
    assert "binaryData" not in manifest


@pytest.mark.parametrize("characters", ["abcdefghijklmnopqrstuvwxyz", "😀😁😂😃"])
def test_a_large_record_is_packed(characters: str) -> None:
    """A ConfigMap holds at most 1 MiB; five hundred described cases fit."""
    manifest = record_manifest(RUN, large_record(characters))
    (data,) = manifest["binaryData"].values()
    assert len(base64.b64decode(data)) < MEBIBYTE
    assert "data" not in manifest
    found = read_record(stored(manifest))
    assert found is not None
    assert found.read() == large_record(characters)


def test_the_same_record_gives_the_same_manifest() -> None:
    """Packing has no time in it: a second attempt to write it writes the same."""
    assert record_manifest(RUN, large_record()) == record_manifest(RUN, large_record())


def test_a_record_belongs_to_its_run() -> None:
    """It goes away with the run, and is found by the run's uid."""
    metadata = record_manifest(RUN, record())["metadata"]
    assert metadata["name"] == record_name(RUN, RUN_ID)
    assert metadata["namespace"] == "team"
    assert metadata["labels"][labels.RUN_UID] == RUN.uid
    assert metadata["labels"][labels.COMPONENT] == labels.EXECUTION_COMPONENT
    (owner,) = metadata["ownerReferences"]
    assert (owner["uid"], owner["blockOwnerDeletion"]) == (RUN.uid, False)


def test_a_record_cannot_be_changed() -> None:
    """What an execution runs is fixed when it starts; kubelets need not watch it."""
    assert record_manifest(RUN, record())["immutable"] is True


def test_each_execution_has_a_record_of_its_own() -> None:
    """Also one of a run that was deleted and created anew under the same name."""
    names = {
        record_name(RUN, RUN_ID),
        record_name(RUN, "508709863430554192"),
        record_name(RunReference("team", "nightly", "another"), RUN_ID),
    }
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)


@pytest.mark.parametrize(
    "notes",
    [
        Notes(completed_at=NOON + seconds(90)),
        Notes(completed_at=NOON + seconds(90), stored=True),
        Notes(replaced=True),
        Notes(replaced=True, completed_at=NOON + seconds(90), stored=True),
    ],
)
def test_what_becomes_of_an_execution_is_noted_on_its_record(notes: Notes) -> None:
    """Annotations can be written though the data cannot."""
    manifest = stored(record_manifest(RUN, record()))
    patch = notes_patch(notes)
    assert patch.keys() == {"metadata"}
    manifest["metadata"] |= patch["metadata"]
    found = read_record(manifest)
    assert found is not None
    assert found.notes == notes


def test_a_note_that_was_written_is_known_before_the_watch_shows_it() -> None:
    """What is known from both places is put together; nothing that was noted is ever taken back."""
    shown = Notes(completed_at=NOON)
    assert shown | Notes(stored=True) == Notes(stored=True) | shown == Notes(completed_at=NOON, stored=True)
    assert Notes(replaced=True) | Notes() == Notes(replaced=True)


GOOD = gzip.compress(b"{}", mtime=0)
GARBAGE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "empty data": {"data": {}, "binaryData": None},
    "data that is null": {"data": None},
    "another key": {"data": {"settings.yaml": "{}"}},
    "no JSON": {"data": {"execution.json": "hello"}},
    "an empty text": {"data": {"execution.json": ""}},
    "other JSON": {"data": {"execution.json": "[]"}},
    "a JSON object of something else": {"data": {"execution.json": '{"runId": "1"}'}},
    "brackets without end": {"data": {"execution.json": "[" * 100_000}},
    "no base64": {"binaryData": {"execution.json.gz": "!"}},
    "a foreign character": {"binaryData": {"execution.json.gz": "ä"}},
    "no gzip": {"binaryData": {"execution.json.gz": base64.b64encode(b"hello").decode()}},
    "gzip that is cut": {"binaryData": {"execution.json.gz": base64.b64encode(GOOD[:-4]).decode()}},
    "gzip with nothing behind its header": {"binaryData": {"execution.json.gz": base64.b64encode(GOOD[:10]).decode()}},
    "gzip that is damaged": {
        "binaryData": {"execution.json.gz": base64.b64encode(GOOD[:10] + b"\xff\xff\xff" + GOOD[13:]).decode()}
    },
    "gzip with another check sum": {
        "binaryData": {"execution.json.gz": base64.b64encode(GOOD[:-8] + b"\0" * 8).decode()}
    },
    "gzip that unpacks to too much": {
        "binaryData": {"execution.json.gz": base64.b64encode(gzip.compress(b" " * 100 * MEBIBYTE)).decode()}
    },
    "packed bytes that are no text": {
        "binaryData": {"execution.json.gz": base64.b64encode(gzip.compress(b"\xff")).decode()}
    },
    "packed JSON of something else": {"binaryData": {"execution.json.gz": base64.b64encode(GOOD).decode()}},
}


@pytest.mark.parametrize("what", GARBAGE)
def test_what_is_no_record_cannot_be_read(what: str) -> None:
    """Somebody may make such a ConfigMap by hand; nothing is started by it."""
    found = read_record({"metadata": {"name": "by-hand", "labels": {labels.RUN_ID: "1"}}} | GARBAGE[what])
    assert found is not None
    with pytest.raises(UnreadableRecord):
        found.read()


@pytest.mark.parametrize("own_labels", [None, {}, {labels.RUN_ID: ""}, {labels.RUN_ID: "one"}])
def test_a_configmap_that_names_no_execution_is_no_record(own_labels: dict[str, str] | None) -> None:
    """The operator goes on without it."""
    assert read_record({"metadata": {"name": "by-hand", "labels": own_labels}}) is None


def test_a_record_of_a_wrong_suite_cannot_be_read() -> None:
    """What is read is checked like what people write."""
    manifest = stored(record_manifest(RUN, record()))
    content = json.loads(manifest["data"]["execution.json"])
    content["suite"]["cases"] = []
    manifest["data"]["execution.json"] = json.dumps(content)
    found = read_record(manifest)
    assert found is not None
    with pytest.raises(UnreadableRecord):
        found.read()


def test_a_record_of_another_execution_cannot_be_read() -> None:
    """Its name and its labels say which one it is of."""
    manifest = stored(record_manifest(RUN, record()))
    manifest["metadata"]["labels"][labels.RUN_ID] = "7"
    found = read_record(manifest)
    assert found is not None
    with pytest.raises(UnreadableRecord, match=RUN_ID):
        found.read()


def test_the_digest_of_a_record_is_that_of_its_content() -> None:
    """Notes are written on it later, and change nothing; any change of the content does."""
    manifest = stored(record_manifest(RUN, record()))
    before = digest_of_record(manifest)
    manifest["metadata"]["annotations"] = {labels.STORED: "true"}
    assert digest_of_record(manifest) == before
    manifest["data"]["execution.json"] += " "
    assert digest_of_record(manifest) != before
    assert digest_of_record(record_manifest(RUN, large_record())) != before


def test_of_a_record_of_which_everything_is_stored_nothing_is_kept_but_its_end() -> None:
    """A thousand of them must not fill the memory."""
    manifest = stored(record_manifest(RUN, record()))
    manifest["metadata"] |= notes_patch(Notes(completed_at=NOON, stored=True))["metadata"]
    found = read_record(manifest)
    assert found is not None
    assert found.is_over(has_store=True)
    assert (found.without_content().plain, found.without_content().packed) == ("", "")


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", "0", "2026-03-01", "2026-03-01T12:00:00"])
def test_an_end_that_is_no_time_is_no_end(text: str) -> None:
    """Somebody edited the annotation; the operator notes the end anew."""
    manifest = stored(record_manifest(RUN, record()))
    manifest["metadata"]["annotations"] = {labels.COMPLETED_AT: text}
    found = read_record(manifest)
    assert found is not None
    assert found.notes.completed_at is None


def test_the_start_of_an_execution_keeps_its_zone() -> None:
    """Times are compared with the clock, which has one."""
    found = read_record(stored(record_manifest(RUN, record())))
    assert found is not None
    started_at = found.read().started_at
    assert started_at == NOON
    assert started_at.tzinfo is not None
    assert isinstance(started_at, datetime)
