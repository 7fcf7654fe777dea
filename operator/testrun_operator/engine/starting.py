"""How long an attempt is waited for whose container does not run yet, and what it ends with after that.

Either there is no pod (the API server refuses it, or the Job is suspended), or its container waits: for a node, an
image, a Secret, or an init container that something else has put into the pod.
"""

import re
from datetime import datetime

from testrun_operator.api.base import format_duration
from testrun_operator.api.reason import Reason
from testrun_operator.engine import attempts
from testrun_operator.engine.judgement import Judgement, JudgingSettings, MustStop, Underway
from testrun_operator.engine.observation import InitContainer, JobObservation, PodObservation, Waiting
from testrun_operator.engine.quota import waits_for_quota

_IMAGE_WAITS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ImageInspectError",
        "RegistryUnavailable",
        "ErrImageNeverPull",
        "SignatureValidationFailed",
    }
)
_CONFIG_WAITS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_LASTING_REFUSALS = ("is forbidden", "denied the request", "denied request", "is invalid")
"""In what the API server says of a pod that it refuses by a rule: Pod Security, LimitRange, a policy, a webhook."""
_PASSING_REFUSALS = ("error looking up service account", "not yet ready to handle request")
"""In what it says of one that it will take later."""


_REFUSED_OBJECT = re.compile(r"""^(?:Job|jobs|pods)[\w.]* "[^"]*" is forbidden: """)
_POLICY_BINDING = re.compile(r" with binding '[^']*' denied request: ")


def cause_of(refusal: str) -> str:
    """Return what the API server says of a refusal without what everybody knows who reads it.

    It begins with the generated name of what is refused, and a ValidatingAdmissionPolicy names its binding, too; the
    message of the rule comes last, where a text that is too long is cut.
    """
    return _POLICY_BINDING.sub(": ", _REFUSED_OBJECT.sub("", refusal))


def judge_without_pod(job: JobObservation, now: datetime, settings: JudgingSettings) -> Judgement:
    """Judge an attempt whose Job is not over and has no pod."""
    if job.suspended:
        # A queue holds it back. Only the run's timeout limits that, as it limits waiting for a free place.
        return Underway(None)
    since = job.resumed_at or job.created_at
    ask_at = (job.asked_at or since) + settings.configuration_grace
    deadline = since + settings.start_timeout
    if _will_last(job.refusal) and now >= since + settings.configuration_grace:
        message = f"the Job's pod is refused: {cause_of(job.refusal)}"
        return MustStop(attempts.configuration_error(job, Reason.POD_NOT_CREATED, message, None, now))
    if waits_for_quota(job.refusal):
        # Others use it up, perhaps cases of the same run. As for a free place, only the run's timeout limits that.
        is_due = now >= ask_at
        return Underway(now + settings.configuration_grace if is_due else ask_at, ask_why=is_due)
    if now < deadline:
        is_due = now >= ask_at
        next_at = now + settings.configuration_grace if is_due else ask_at
        return Underway(min(next_at, deadline), ask_why=is_due)
    message = f"the Job had no pod after {format_duration(settings.start_timeout)}"
    message += f": {cause_of(job.refusal)}" if job.refusal else "; an admission rule?"
    return MustStop(attempts.fault(job, Reason.POD_NOT_CREATED, message, now))


def judge_starting(job: JobObservation, pod: PodObservation, now: datetime, settings: JudgingSettings) -> Judgement:
    """Judge an attempt whose pod exists and whose container does not run yet."""
    waiting, whose = _what_waits(pod)
    why = waiting.reason if waiting else ""
    detail = (waiting.message if waiting else "") or why
    if why == "InvalidImageName":
        return MustStop(attempts.configuration_error(job, Reason.INVALID_IMAGE_NAME, detail, None, now))
    if why in _IMAGE_WAITS:
        limit, message = settings.image_pull_grace, f"the image{whose} could not be pulled: {detail}"
        outcome = attempts.fault(job, Reason.IMAGE_PULL_FAILED, message, now)
    elif why in _CONFIG_WAITS:
        limit, message = settings.configuration_grace, f"the kubelet refuses the container{whose}: {detail}"
        outcome = attempts.configuration_error(job, Reason.CONTAINER_CONFIG_ERROR, message, None, now)
    elif pod.unschedulable:
        limit, message = settings.start_timeout, f"no node had room for the pod: {pod.unschedulable}"
        outcome = attempts.fault(job, Reason.UNSCHEDULABLE, message, now)
    else:
        limit = settings.start_timeout
        detail = _describe_init(pod.init, detail) if pod.init else detail
        message = f"the pod did not run after {format_duration(limit)}" + (f": {detail}" if detail else "")
        outcome = attempts.fault(job, Reason.POD_START_TIMEOUT, message, now)
    deadline = pod.created_at + limit
    return Underway(deadline) if now < deadline else MustStop(outcome)


def describe_failed_init(init: InitContainer) -> str:
    """Say how an init container failed, so that the case's container never ran."""
    if init.terminated is None:
        return f"the init container {init.name} did not end"
    last_line = next((line.strip() for line in reversed(init.terminated.message.splitlines()) if line.strip()), "")
    said = f"; last line: {last_line}" if last_line else ""
    return f"the init container {init.name} ended with exit code {init.terminated.exit_code}{said}"


def _will_last(refusal: str) -> bool:
    passes = waits_for_quota(refusal) or any(words in refusal for words in _PASSING_REFUSALS)
    return not passes and any(words in refusal for words in _LASTING_REFUSALS)


def _what_waits(pod: PodObservation) -> tuple[Waiting | None, str]:
    """Return what waits, and whose container that is; the case's own waits for the init containers."""
    if pod.init is not None and pod.init.waiting is not None:
        return pod.init.waiting, f" of the init container {pod.init.name}"
    return pod.waiting, ""


def _describe_init(init: InitContainer, detail: str) -> str:
    if init.waiting is not None:
        return f"the init container {init.name} waits: {detail}"
    if init.terminated is not None:
        return describe_failed_init(init)
    return f"the init container {init.name} has not {'started' if init.is_sidecar else 'ended'}"
