"""What a platform asks of everything that the operator creates, whoever wrote the suite.

A TestSuite says what is tested; where its pods run, which labels a policy demands and what a quota wants to see is the
cluster's business (docs/decisions/0013-what-a-platform-asks.md). An administrator says it once, in the operator's
settings. Names and shapes are those of Kubernetes, so that a value of the chart is passed on as it is written.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema, model_validator

from testrun_operator.api.base import Document, Model
from testrun_operator.kube import labels

LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_OUR_VARIABLES = "TESTRUN_"
_OUR_VOLUMES = frozenset({"temporary", "document", "files"})


def _map_of(value: JsonValue) -> WithJsonSchema:
    # By patterns, and not by propertyNames, of which Helm's message would not say where it is.
    return WithJsonSchema(
        {"type": "object", "patternProperties": {LABEL_KEY_PATTERN: value}, "additionalProperties": False}
    )


Labels = Annotated[
    dict[
        Annotated[str, Field(pattern=LABEL_KEY_PATTERN, max_length=317)],
        Annotated[str, Field(pattern=LABEL_VALUE_PATTERN, max_length=63)],
    ],
    _map_of({"type": "string", "pattern": LABEL_VALUE_PATTERN, "maxLength": 63}),
]
"""Labels, checked here: one that the API server does not take would make every Job fail that has it."""

Annotations = Annotated[
    dict[Annotated[str, Field(pattern=LABEL_KEY_PATTERN, max_length=317)], str],
    _map_of({"type": "string"}),
]
"""Annotations: keys as those of labels, any text as a value."""

Object = dict[str, JsonValue]
"""A part of a pod's spec, as Kubernetes takes it; the chart's schema checks its fields."""


def _without_ours(variables: tuple[Object, ...]) -> tuple[Object, ...]:
    for variable in variables:
        if str(variable.get("name", "")).startswith(_OUR_VARIABLES):
            msg = f"{variable['name']}: names that begin with {_OUR_VARIABLES} are the operator's own"
            raise ValueError(msg)
    return variables


class Placement(Model):
    """Where pods may run, and with which priority."""

    node_selector: Labels = Field({}, description="Labels that the node of such a pod must have.")
    tolerations: tuple[Object, ...] = Field((), description="Taints that the pods tolerate.")
    affinity: Object = Field({}, description="Affinity of the pods.")
    priority_class_name: str = Field("", description="Priority class of the pods.")

    def as_spec(self) -> Document:
        """Return the fields of a pod's spec; those that say nothing are left out."""
        given = self.model_dump(
            mode="json", include={"node_selector", "tolerations", "affinity", "priority_class_name"}
        )
        return {name: value for name, value in given.items() if value}


class CasePods(Placement):
    """The Jobs and pods of all cases, of whatever kind."""

    priority_class_name: str = Field(
        "",
        description="Priority class of the pods. One of low priority lets other work displace them, which costs a case "
        "no retry of its own.",
    )
    resources: Object = Field(
        {},
        description="Compute resources of the container of a container case that says none itself: for namespaces "
        "whose ResourceQuota or policy demands them.",
    )
    image_pull_secrets: tuple[str, ...] = Field(
        (),
        description="Names of Secrets for the registries of container cases, beside those that a case names. They must "
        "be in each namespace with runs.",
    )
    job_labels: Labels = Field({}, description="Further labels of the Jobs, for instance the queue of Kueue.")
    job_annotations: Annotations = Field({}, description="Further annotations of the Jobs.")
    pod_labels: Labels = Field({}, description="Further labels of the pods.")
    pod_annotations: Annotations = Field(
        {}, description="Further annotations of the pods, for instance one that keeps an autoscaler from moving them."
    )
    topology_spread_constraints: tuple[Object, ...] = Field(
        (),
        description="How the pods are spread over nodes or zones. A constraint without a labelSelector counts the pods "
        "of all cases.",
    )

    def as_spec(self) -> Document:
        """Return the fields of a pod's spec; those that say nothing are left out."""
        selector: Document = {"labelSelector": {"matchLabels": {labels.COMPONENT: labels.CASE_COMPONENT}}}
        constraints = [selector | constraint for constraint in self.topology_spread_constraints]
        return super().as_spec() | ({"topologySpreadConstraints": constraints} if constraints else {})


class ServerPods(Placement):
    """The pods of test servers, shared ones and those of one run."""

    resources: Object = Field(
        {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        description="Compute resources of a test server.",
    )
    pod_labels: Labels = Field({}, description="Further labels of the pods.")
    pod_annotations: Annotations = Field({}, description="Further annotations of the pods.")


class RunnerExtras(Model):
    """What every pod of the runner gets besides: a proxy, the certificate of a company's own authority."""

    extra_env: Annotated[tuple[Object, ...], AfterValidator(_without_ours)] = Field(
        (), description="Further environment variables of the runner, for instance HTTPS_PROXY or SSL_CERT_FILE."
    )
    extra_volumes: tuple[Object, ...] = Field(
        (), description="Further volumes of the runner's pods. What they name must be in each namespace with runs."
    )
    extra_volume_mounts: tuple[Object, ...] = Field((), description="Where these volumes are seen.")
    junit_resources: Object = Field(
        {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "192Mi"}},
        description="Compute resources of the container that reads the JUnit files of a container case. It waits "
        "until the case has ended; 16 MiB of files were measured to need 85 MiB.",
    )

    @model_validator(mode="after")
    def _mounts_have_volumes(self) -> Self:
        volumes = {volume.get("name") for volume in self.extra_volumes}
        if taken := volumes & _OUR_VOLUMES:
            msg = f"extraVolumes: the runner has a volume {min(map(str, taken))} of its own; choose another name"
            raise ValueError(msg)
        for mount in self.extra_volume_mounts:
            if mount.get("name") not in volumes:
                msg = f"extraVolumeMounts names the volume {mount.get('name')}, which extraVolumes does not have"
                raise ValueError(msg)
        return self


def merged(*maps: Mapping[str, str]) -> dict[str, str]:
    """Merge labels or annotations; the last wins, so that the operator's own stand at the end."""
    return {name: value for given in maps for name, value in given.items()}
