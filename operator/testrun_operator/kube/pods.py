"""The pods of cases: of the runner with what it needs, and of an image of the user's own.

Every pod satisfies the Pod Security Standard "restricted"
(https://kubernetes.io/docs/concepts/security/pod-security-standards/).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import JsonValue

from testrun_operator.api.base import Document
from testrun_operator.api.environment import DOCUMENT_DIGEST_VARIABLE, DOCUMENT_PATH, DOCUMENT_VARIABLE
from testrun_operator.api.junit import (
    ATTEMPT_VARIABLE,
    CASE_VARIABLE,
    PATTERN_VARIABLE,
    READER,
    READER_PATH,
    split_pattern,
)
from testrun_operator.api.pod import PodContainer, Volume
from testrun_operator.kinds.case_kind import OwnContainer
from testrun_operator.kube.observe import CONTAINER
from testrun_operator.kube.platform import CasePods, RunnerExtras

_MAX_VARIABLE_BYTES = 96 * 1024
"""Linux refuses a single environment string of 128 KiB or more; a margin is left for the name and for growth."""

_BLOCK_FIRST = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}); "
_THEN_READ = "from testrun_operator.runner.junit_reader.__main__ import main; raise SystemExit(main())"
READER_COMMAND = ("python3", "-c", _BLOCK_FIRST + _THEN_READ)
"""What reads JUnit files. The kubelet may tell it to end as soon as a second later, and the first process of a
container never gets a signal for which it has no handler: so it is blocked before the package is even looked for."""
_JUNIT_VOLUME = "testrun-junit"
_JUNIT_FOLDER_LIMIT = "128Mi"
"""What may be in the folder for JUnit files, logs that tools put beside them included; 16 MiB of it are read."""

RUNNER_USER = 65532
"""The image's user id; numeric, so that the kubelet can check that it is not root."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """What the operator's settings say of the pods."""

    image: str
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    runner_resources: Mapping[str, JsonValue]
    safety_margin: timedelta
    """Added to a case's timeout for the pod's own deadline, which ends it if no operator is there to do so."""
    common_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of everything that the operator creates."""
    random_user_ids: bool = False
    """Whether the cluster chooses the user id that a pod runs as."""
    cases: CasePods = field(default_factory=CasePods)
    runner: RunnerExtras = field(default_factory=RunnerExtras)

    @property
    def own_user(self) -> int | None:
        """The user id that containers of the operator's image run as; None where the cluster chooses it."""
        return None if self.random_user_ids else RUNNER_USER


@dataclass(frozen=True, slots=True)
class PodInputs:
    """What the runner's pod gets for a case."""

    document: str
    """The case document."""
    environment: Sequence[Document] = ()
    """Environment variables, which the kubelet fills from Secrets."""
    environment_sources: Sequence[Document] = ()
    """Secrets of which every key becomes an environment variable."""
    volumes: Sequence[Document] = ()
    mounts: Sequence[Document] = ()


def restricted_container() -> Document:
    """Return the security context that the Pod Security Standard "restricted" asks of a container."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def restricted_pod(user: int | None) -> Document:
    """Return the security context that the Pod Security Standard "restricted" asks of a pod.

    Args:
        user: user and group id to run as; None for the one that the cluster or the image chooses, never root.
    """
    context: Document = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return context | ({"runAsUser": user, "runAsGroup": user, "fsGroup": user} if user is not None else {})


def literal(value: str) -> str:
    """Return what has to be written for a variable to have a value: the kubelet expands $(NAME) in it."""
    return value.replace("$", "$$")  # the kubelet makes one dollar of two wherever they stand


def fits_into_variable(document: str) -> bool:
    """Say whether a case document is small enough for an environment variable; otherwise it needs a ConfigMap."""
    return len(document.encode()) <= _MAX_VARIABLE_BYTES


def runner_pod(inputs: PodInputs, config_map: str | None, settings: PodSettings) -> Document:
    """Make the spec of a pod in which the runner runs a case.

    Args:
        inputs: what the pod gets for the case.
        config_map: name of the ConfigMap with the case document; None where it travels in an environment variable.
        settings: what the operator's settings say of the pods.
    """
    extras = settings.runner
    volumes: list[Document] = [{"name": "temporary", "emptyDir": {}}, *inputs.volumes, *extras.extra_volumes]
    mounts: list[Document] = [{"name": "temporary", "mountPath": "/tmp"}]  # noqa: S108 - its emptyDir
    mounts += [*inputs.mounts, *extras.extra_volume_mounts]
    environment: list[Document] = [*inputs.environment, *extras.extra_env]
    if config_map is None:
        environment.insert(0, {"name": DOCUMENT_VARIABLE, "value": literal(inputs.document)})
    else:
        folder = DOCUMENT_PATH.rpartition("/")[0]
        digest = hashlib.sha256(inputs.document.encode()).hexdigest()
        environment.insert(0, {"name": DOCUMENT_DIGEST_VARIABLE, "value": digest})
        volumes.append({"name": "document", "configMap": {"name": config_map}})
        mounts.append({"name": "document", "mountPath": folder, "readOnly": True})
    return {
        "securityContext": restricted_pod(settings.own_user),
        "imagePullSecrets": _pull_secrets(settings.image_pull_secrets),
        "containers": [
            {
                "name": CONTAINER,
                "image": settings.image,
                "imagePullPolicy": settings.image_pull_policy,
                # Not by way of the command line: its imports would double the time until the first request.
                "command": ["python3", "-m", "testrun_operator.runner"],
                "env": environment,
                **({"envFrom": [*inputs.environment_sources]} if inputs.environment_sources else {}),
                "resources": dict(settings.runner_resources),
                "securityContext": restricted_container() | {"readOnlyRootFilesystem": True},
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }


def container_pod(own: OwnContainer, variables: Mapping[str, str], settings: PodSettings) -> Document:
    """Make the spec of a pod that runs an image of the user's own.

    Args:
        own: the container, and what it leaves behind.
        variables: environment variables that the operator adds.
        settings: what the operator's settings say of the pods.
    """
    container = own.container
    # The models use Kubernetes' own names and shapes here, so that what is given is what a container takes. A kind may
    # have fields beside those of a container.
    given = container.model_dump(
        mode="json",
        exclude_defaults=True,
        include=PodContainer.model_fields.keys() - {"volumes", "image_pull_secrets", "run_as_user", "env"},
    )
    if "resources" not in given and settings.cases.resources:
        given["resources"] = dict(settings.cases.resources)
    pull_secrets = [*(secret.name for secret in container.image_pull_secrets), *settings.cases.image_pull_secrets]
    added = [{"name": name, "value": literal(value)} for name, value in variables.items()]
    given_env = [variable.model_dump(mode="json", exclude_none=True) for variable in container.env]
    volumes = [_volume(volume) for volume in container.volumes]
    reader: Document = {}
    if own.junit is not None:
        pull_secrets += settings.image_pull_secrets
        volumes.append({"name": _JUNIT_VOLUME, "emptyDir": {"sizeLimit": _JUNIT_FOLDER_LIMIT}})
        mount = {"name": _JUNIT_VOLUME, "mountPath": split_pattern(own.junit)[0]}
        given["volumeMounts"] = [*given.get("volumeMounts", ()), mount]
        reader = {"initContainers": [_junit_reader(container, own.junit, variables, settings)]}
    return reader | {
        "securityContext": restricted_pod(container.run_as_user),
        "imagePullSecrets": _pull_secrets(pull_secrets),
        "containers": [
            given
            | {
                "name": CONTAINER,
                "env": [*added, *given_env],
                "securityContext": restricted_container(),
                # The end of the log of a container that failed: evidence, without a further call.
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "volumes": volumes,
    }


def _junit_reader(
    container: PodContainer, pattern: str, variables: Mapping[str, str], settings: PodSettings
) -> Document:
    """Make the native sidecar that reads a case's JUnit files when the case has ended.

    It sees nothing of the case but that folder, and cannot write to it.
    """
    environment = {PATTERN_VARIABLE: pattern} | {name: variables[name] for name in (CASE_VARIABLE, ATTEMPT_VARIABLE)}
    # As the same user as the case, where that is known: it may have written files for itself alone.
    user = settings.own_user if container.run_as_user is None else None
    return {
        "name": READER,
        "restartPolicy": "Always",
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": [*READER_COMMAND],
        "env": [{"name": name, "value": literal(value)} for name, value in environment.items()],
        "resources": dict(settings.runner.junit_resources),
        "securityContext": restricted_container()
        | {"readOnlyRootFilesystem": True}
        | ({"runAsUser": user, "runAsGroup": user} if user is not None else {}),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": _JUNIT_VOLUME, "mountPath": READER_PATH, "readOnly": True}],
    }


def _pull_secrets(names: Sequence[str]) -> list[Document]:
    # Each once: the API server warns of a name that is there twice, and server-side apply refuses it.
    return [{"name": name} for name in dict.fromkeys(names)]


def _volume(volume: Volume) -> Document:
    return volume.model_dump(mode="json", exclude_none=True, exclude_defaults=False)
