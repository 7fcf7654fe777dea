"""An outcome as an annotation of a Job: how the operator stops a Job without losing why."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOON, attempt_of, seconds
from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Detail, DetailKind
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.engine.outcome import AttemptOutcome, Evidence
from testrun_operator.kube import labels
from testrun_operator.kube.outcomes import decode_outcome, encode_outcome, stop_patch

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
MAX_ANNOTATIONS = 256 * 1024
"""What Kubernetes allows for all annotations of an object together, in bytes."""


@given(
    st.builds(
        AttemptOutcome,
        case=st.from_regex(r"[a-z0-9]{1,63}", fullmatch=True),
        attempt=st.integers(1, 20),
        job=TEXTS,
        verdict=st.sampled_from(Verdict),
        failure_class=st.none() | st.sampled_from(FailureClass),
        reason=st.sampled_from(Reason),
        message=TEXTS,
        started_at=st.none() | st.just(NOON),
        finished_at=st.none() | st.just(NOON + seconds(1.5)),
        duration_milliseconds=st.none() | st.integers(0, 2**53),
        step_count=st.none() | st.integers(0, 10_000),
        outputs=st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers() | TEXTS, max_size=3),
        details=st.just(()),
        evidence=st.builds(
            Evidence,
            exit_code=st.none() | st.integers(0, 255),
            pod=st.none() | TEXTS,
            pod_reason=st.none() | TEXTS,
            node=st.none() | TEXTS,
            log_tail=st.none() | TEXTS.filter(bool),
        ),
    )
)
def test_an_outcome_is_read_as_it_was_written(outcome: AttemptOutcome) -> None:
    """After a restart the verdict is the same as before it."""
    assert decode_outcome(encode_outcome(outcome)) == outcome


@pytest.mark.parametrize("character", ["a", '"', "\0", "ä", "😀"])
def test_an_annotation_has_a_bounded_size(character: str) -> None:
    """Kubernetes refuses annotations of more than 256 KiB, and the Job could then not be stopped."""
    endless = character * 1_000_000
    outcome = attempt_of(
        "one",
        Verdict.TIMED_OUT,
        message=endless,
        details=tuple(Detail(kind=DetailKind.PAGE, name="page", passed=True, actual="x" * 1000) for _ in range(1000)),
        evidence=Evidence(exit_code=137, pod="pod", node="node", log_tail=endless),
    )
    text = encode_outcome(outcome)
    assert len(text.encode()) < MAX_ANNOTATIONS / 4
    kept = decode_outcome(text)
    assert kept is not None
    assert (kept.verdict, kept.evidence.exit_code, kept.details) == (Verdict.TIMED_OUT, 137, ())


def test_the_beginning_of_a_message_and_the_end_of_a_log_are_kept() -> None:
    """A message says the most important first; a log ends with what went wrong."""
    message = "the case took too long " * 1000
    log = "\n".join(str(number) for number in range(10_000))
    kept = decode_outcome(encode_outcome(attempt_of(message=message, evidence=Evidence(log_tail=log))))
    assert kept is not None
    assert kept.message.startswith("the case took too long")
    assert kept.message.endswith("…")
    assert kept.evidence.log_tail is not None
    assert log.endswith(kept.evidence.log_tail)


def test_a_job_is_stopped_and_told_why_in_one_call() -> None:
    """Killed between two calls, the operator would not know afterwards why the pod ended."""
    outcome = attempt_of("one", Verdict.TIMED_OUT)
    patch = stop_patch(outcome)
    assert patch == {
        "metadata": {"annotations": {labels.OUTCOME: encode_outcome(outcome)}},
        "spec": {"activeDeadlineSeconds": 1, "parallelism": 0},
    }


@pytest.mark.parametrize(
    "text", [None, "", "null", "[]", "{}", "Passed", '{"case": "one"}', "[" * 10_000, "\0", '{"case":"one"'], ids=repr
)
def test_what_is_no_outcome_is_none(text: str | None) -> None:
    """Somebody edited the annotation, or it is not there; the Job is judged by what else is seen of it."""
    assert decode_outcome(text) is None


def test_an_outcome_with_any_part_missing_is_none_or_an_outcome() -> None:
    """No cut text ends in another error."""
    text = encode_outcome(attempt_of("one", Verdict.FAILED, started_at=NOON, evidence=Evidence(log_tail="log")))
    chance = random.Random(1)
    for _ in range(200):
        start, end = sorted(chance.sample(range(len(text)), 2))
        assert decode_outcome(text[:start] + text[end:]) is None or end - start < len(text)
