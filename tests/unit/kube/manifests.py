"""What several tests of manifests need: a checker of Pod Security, a kubelet's expansion of variables, attempts."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from support.builders import RUN, record_of, run_of, suite_of
from testrun_operator.api.environment import DOCUMENT_VARIABLE
from testrun_operator.engine.planning import StartAttempt
from testrun_operator.engine.selection import select_cases
from testrun_operator.kube.job import JobParts, build_job
from testrun_operator.kube.pods import PodSettings
from testrun_operator.kube.references import RunReference
from testrun_operator.resources.document import CaseDocument

SETTINGS = PodSettings(
    image="registry.example.com/testrun:1",
    image_pull_policy="IfNotPresent",
    image_pull_secrets=("registry",),
    runner_resources={"limits": {"memory": "256Mi"}},
    safety_margin=timedelta(seconds=60),
)


def parts_of(
    *cases: Mapping[str, Any],
    attempt: int = 1,
    run: RunReference = RUN,
    run_fields: Mapping[str, Any] | None = None,
    servers: Mapping[str, str] | None = None,
    outputs: Mapping[str, Mapping[str, Any]] | None = None,
    settings: PodSettings = SETTINGS,
    **suite_fields: Any,
) -> JobParts:
    """Return what an attempt at the first case of a suite needs."""
    database = {"dsnFrom": {"secretKeyRef": {"name": "database", "key": "dsn"}}}
    connections = {"connections": {"api": {"url": "http://api"}, "db": database}}
    suite, spec = suite_of(*cases, **(connections | suite_fields)), run_of(**(run_fields or {}))
    planned = next(case for case in select_cases(suite, spec) if case.name.startswith(cases[0]["name"]))
    start = StartAttempt(planned, attempt, test_failures=attempt - 1, infrastructure_faults=0)
    return build_job(run, record_of(suite, spec), start, servers or {}, outputs or {}, settings)


def pod_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of the pods of a Job or a Deployment."""
    pod: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return pod


def container_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only container of the pods of a Job or a Deployment."""
    (container,) = pod_of(manifest)["containers"]
    return dict(container)


def environment_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of a container as its process sees them; without those that come from elsewhere."""
    seen: dict[str, str] = {}
    for variable in container_of(manifest).get("env", ()):
        if "value" in variable:
            seen[variable["name"]] = expand(variable["value"], seen)
    return seen


def document_of(parts: JobParts) -> CaseDocument:
    """Return the case document as the runner reads it."""
    if parts.document is not None:
        return CaseDocument.model_validate_json(parts.document["data"]["case.json"])
    return CaseDocument.model_validate_json(environment_of(parts.job)[DOCUMENT_VARIABLE])


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace references to variables as the kubelet does: $(NAME) by its value, and two dollars by one."""
    expanded, position = "", 0
    while position < len(text):
        rest = text[position:]
        end = rest.find(")")
        if rest.startswith("$$"):
            expanded, position = expanded + "$", position + 2
        elif rest.startswith("$(") and end > 0:
            name = rest[2:end]
            expanded, position = expanded + variables.get(name, f"$({name})"), position + end + 1
        else:
            expanded, position = expanded + rest[0], position + 1
    return expanded


def violations_of(pod: Mapping[str, Any]) -> Iterator[str]:
    """Find what the Pod Security Standard "restricted" does not allow of a pod."""
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    allowed_volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"}
    for volume in pod.get("volumes", ()):
        yield from (f"volume {kind}" for kind in volume.keys() - {"name", "secret"} - allowed_volumes)
    context = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        own = context | container.get("securityContext", {})
        if own.get("privileged"):
            yield "privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            yield "capabilities"
        if own.get("runAsNonRoot") is not True or own.get("runAsUser") == 0:
            yield "runAsNonRoot"
        if own.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            yield "seccompProfile"
        if any(port.get("hostPort") for port in container.get("ports", ())):
            yield "hostPort"
