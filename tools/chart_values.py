"""The chart's values as a typed model: the one place where a value, its default and its meaning are written.

`tools/generate.py` makes `values.yaml`, `values.schema.json` and `docs/reference/values.md` from it. A value that is a
setting of the operator takes its description and its default from `controller/settings.py`.
"""

# ruff: noqa: INP001 - a module beside the scripts that use it

from typing import Annotated, Any, ClassVar, Literal

from kubernetes_types import (
    Affinity,
    NetworkPeers,
    Resources,
    SpreadConstraints,
    Tolerations,
    Variables,
    VolumeMounts,
    Volumes,
)
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from testrun_operator.api.base import DNS_LABEL_PATTERN, Model
from testrun_operator.controller.settings import Settings
from testrun_operator.kinds.registry import KINDS
from testrun_operator.kube.platform import Annotations, CasePods, Labels, RunnerExtras, ServerPods

_WITH_RUNNER = [kind.name for kind in KINDS if kind.has_report]
_DURATION_PATTERN = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"

ShortName = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", max_length=63)]
"""A DNS label, or nothing: it becomes part of the name of a Service, which may have no dots."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
"""The name of a Kubernetes object."""
OptionalName = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", max_length=253)]
"""The name of a Kubernetes object, or nothing."""
Namespace = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, max_length=63)]
"""The name of a namespace."""
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")]
"""A Kubernetes quantity, in quotes."""
Duration = Annotated[str, Field(pattern=_DURATION_PATTERN, min_length=2)]
"""A length of time such as `30s`, `5m` or `1h30m`."""
NodePort = Annotated[int, Field(ge=30000, le=32767)]
"""A port of the range that Kubernetes gives to Services of type NodePort."""
AnyObject = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
"""Anything: what charts that have this one as a dependency share between themselves."""


class Values(BaseModel):
    """A group of values. Unknown ones are refused, so that a misspelt value is an error and not a surprise."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


def setting(name: str, of: type[Model] = Settings) -> Any:
    """Make the field of a value that is handed to the operator as it is.

    Args:
        name: the field of the operator's settings that says what it means and what it is by default.
        of: the model with that field: the settings, or a part of them.
    """
    field = of.model_fields[name]
    default = of().model_dump(mode="json")[field.alias or name]
    return Field(tuple(default) if isinstance(default, list) else default, description=field.description)


class Image(Values):
    """The image of the operator, which is also that of the runner, of the test server and of `helm test`."""

    repository: Annotated[str, Field(min_length=1)] = Field(
        "testrun-operator", description="Name of the image with its registry, without a tag."
    )
    tag: str = Field("", description="Tag. Empty: the chart's appVersion.")
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = Field(
        "", description="Digest, as in `sha256:...`. Wins over the tag."
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field("IfNotPresent", description="Pull policy.")
    pull_secrets: tuple[Name, ...] = Field(
        (),
        description="Names of Secrets for the image's registry. They must be in the release's namespace, in the test "
        "server's and in each namespace with runs.",
    )


class CustomResourceDefinitions(Values):
    """The CustomResourceDefinitions of TestSuite and TestRun."""

    install: bool = Field(
        True,
        description="Whether the chart brings them. They are upgraded with the chart and kept when it is uninstalled, "
        "since deleting them would delete every TestSuite and TestRun.",
    )


class DisruptionBudget(Values):
    """A PodDisruptionBudget for the operator. It never blocks the drain of a node for good."""

    enabled: bool = Field(
        False,
        description="Whether there is one. It lets one pod be evicted at a time: with two replicas one of them stays, "
        "with one it protects nothing, and is for policies that demand a budget.",
    )


class Operator(Values):
    """The operator's pods and its settings."""

    replicas: Annotated[int, Field(ge=1, le=3)] = Field(
        1,
        description="Number of pods. One acts, the others wait for its Lease and count as ready. One alone is enough: "
        "runs go on while it is replaced, and nothing is lost; a second one makes that a matter of seconds when a "
        "node is lost.",
    )
    pod_disruption_budget: DisruptionBudget = Field(DisruptionBudget(), description="A PodDisruptionBudget.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("log_level")
    leader_election: bool = setting("leader_election")
    cluster_domain: str = setting("cluster_domain")
    start_timeout: Duration = setting("start_timeout")
    image_pull_grace: Duration = setting("image_pull_grace")
    configuration_grace: Duration = setting("configuration_grace")
    runner_grace: Duration = setting("runner_grace")
    max_active_jobs: Annotated[int, Field(ge=0, le=100_000)] = setting("max_active_jobs")
    status_interval: Duration = setting("status_interval")
    resources: Resources = Field(
        {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        description="Compute resources of the operator. There is no limit of CPU, which would only delay verdicts.",
    )
    pod_labels: Labels = Field({}, description="Further labels of the pods, and of the pod of `helm test`.")
    pod_annotations: Annotations = Field({}, description="Further annotations of the pods.")
    node_selector: Labels = Field({}, description="Labels that the pods' node must have.")
    tolerations: Tolerations = Field((), description="Taints that the pods tolerate.")
    affinity: Affinity = Field({}, description="Affinity of the pods.")
    topology_spread_constraints: SpreadConstraints = Field(
        ({"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"},),
        description="How the pods are spread over nodes or zones. A constraint without a labelSelector counts the "
        "pods of the operator.",
    )
    priority_class_name: OptionalName = Field("", description="Priority class of the pods.")
    extra_env: Variables = Field(
        (), description="Further environment variables of the operator, for instance PGSSLROOTCERT."
    )
    extra_volumes: Volumes = Field((), description="Further volumes of the pods.")
    extra_volume_mounts: VolumeMounts = Field((), description="Where these volumes are seen.")


class Runner(Values):  # noqa: D101 - it has a docstring, with the kinds that there are
    __doc__ = f"The pods that run cases of the kinds {', '.join(_WITH_RUNNER[:-1])} and {_WITH_RUNNER[-1]}."

    resources: Resources = setting("runner_resources")
    junit_resources: Resources = setting("junit_resources", RunnerExtras)
    extra_env: Variables = setting("extra_env", RunnerExtras)
    extra_volumes: Volumes = setting("extra_volumes", RunnerExtras)
    extra_volume_mounts: VolumeMounts = setting("extra_volume_mounts", RunnerExtras)


class Cases(Values):
    """The Jobs and pods of cases of every kind: what the cluster asks of them, which no suite has to know."""

    resources: Resources = setting("resources", CasePods)
    image_pull_secrets: tuple[Name, ...] = setting("image_pull_secrets", CasePods)
    job_labels: Labels = setting("job_labels", CasePods)
    job_annotations: Annotations = setting("job_annotations", CasePods)
    pod_labels: Labels = setting("pod_labels", CasePods)
    pod_annotations: Annotations = setting("pod_annotations", CasePods)
    node_selector: Labels = setting("node_selector", CasePods)
    tolerations: Tolerations = setting("tolerations", CasePods)
    affinity: Affinity = setting("affinity", CasePods)
    topology_spread_constraints: SpreadConstraints = setting("topology_spread_constraints", CasePods)
    priority_class_name: OptionalName = setting("priority_class_name", CasePods)


class TestServer(Values):
    """The pagination test servers that the operator deploys for suites that ask for them."""

    __test__: ClassVar[bool] = False

    namespace: Namespace = setting("test_server_namespace")
    create_namespace: bool = Field(
        True,
        description="Whether the chart makes that namespace, with the labels of the Pod Security Standard restricted, "
        "and deletes it when it is uninstalled. One that exists already is left as it is.",
    )
    node_port: Literal[0] | NodePort = setting("test_server_node_port")
    resources: Resources = setting("resources", ServerPods)
    pod_labels: Labels = setting("pod_labels", ServerPods)
    pod_annotations: Annotations = setting("pod_annotations", ServerPods)
    node_selector: Labels = setting("node_selector", ServerPods)
    tolerations: Tolerations = setting("tolerations", ServerPods)
    affinity: Affinity = setting("affinity", ServerPods)
    priority_class_name: OptionalName = setting("priority_class_name", ServerPods)


class SecretKey(Values):
    """A key of a Secret in the release's namespace."""

    name: OptionalName = Field("", description="Name of the Secret. Empty: no such Secret.")
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")] = Field(
        "dsn", description="Its key with the connection string: `postgresql://USER:PASSWORD@HOST:5432/DATABASE`."
    )
    optional: bool = Field(
        False,
        description="Whether the operator starts without the Secret, with verdicts in the status alone, until it is "
        "restarted.",
    )


class Store(Values):
    """Where verdicts are stored: in a Postgres that exists, or in the chart's own (see postgresql)."""

    schema_: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)] = Field(
        alias="schema",
        default=Settings.model_fields["store_schema"].default,
        description=Settings.model_fields["store_schema"].description,
    )
    existing_secret: SecretKey = Field(
        SecretKey(),
        description="A Secret with the connection string of a Postgres of yours. Set postgresql.enabled=false too.",
    )


class Storage(Values):
    """The volume of the chart's own Postgres."""

    enabled: bool = Field(True, description="Whether there is a volume. Without one, results are lost with the pod.")
    size: Quantity = Field("2Gi", description="Size.")
    storage_class_name: OptionalName = Field("", description="Storage class. Empty: the cluster's default one.")


class PostgresqlNodePort(Values):
    """A port of each node for the chart's own Postgres: for a laptop, where `kubectl port-forward` is a nuisance."""

    enabled: bool = Field(False, description="Whether there is one.")
    port: NodePort = Field(30432, description="The port.")


class Postgresql(Values):
    """A Postgres of the chart's own, for trying out: one pod, no backup, no failover. Not for results that you need."""

    enabled: bool = Field(True, description="Whether the chart brings it.")
    image: Annotated[str, Field(min_length=1)] = Field("docker.io/library/postgres:17-trixie", description="Image.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field("IfNotPresent", description="Pull policy.")
    pull_secrets: tuple[Name, ...] = Field((), description="Names of Secrets for the image's registry.")
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)] = Field("testrun", description="User.")
    database: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=63)] = Field(
        "testrun", description="Database."
    )
    password: Annotated[str, Field(pattern=r"^[-._~A-Za-z0-9]*$")] = Field(
        "",
        description="Password: letters, digits and `-._~`. Empty: a random one, which upgrades keep. The database is "
        "made with it: to change it later, change it there first (`ALTER USER`).",
    )
    existing_secret: OptionalName = Field(
        "",
        description="Name of a Secret of yours, with the keys `password` and `dsn`, in place of the chart's. The host "
        "in the dsn is the Service RELEASE-postgresql.",
    )
    storage: Storage = Field(Storage(), description="Its volume.")
    node_port: PostgresqlNodePort = Field(PostgresqlNodePort(), description="A port of each node.")
    resources: Resources = Field(
        {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
        description="Compute resources of its pod.",
    )
    pod_labels: Labels = Field({}, description="Further labels of the pod.")
    pod_annotations: Annotations = Field({}, description="Further annotations of the pod.")
    node_selector: Labels = Field({}, description="Labels that the pod's node must have.")
    tolerations: Tolerations = Field((), description="Taints that the pod tolerates.")
    affinity: Affinity = Field({}, description="Affinity of the pod.")
    priority_class_name: OptionalName = Field("", description="Priority class of the pod.")


class ServiceMonitor(Values):
    """A ServiceMonitor for the Prometheus Operator."""

    enabled: bool = Field(False, description="Whether there is one, in clusters that know the type.")
    interval: Annotated[str, Field(pattern=r"^[0-9]+(ms|s|m)$")] = Field("30s", description="Time between two scrapes.")
    labels: Labels = Field({}, description="Labels by which your Prometheus selects ServiceMonitors.")


class Metrics(Values):
    """How the operator's metrics are found."""

    annotations: bool = Field(
        False, description="Whether the Service has the annotations `prometheus.io/scrape`, `/port` and `/path`."
    )
    service_monitor: ServiceMonitor = Field(ServiceMonitor(), description="A ServiceMonitor.")


class Service(Values):
    """All Services: those of the chart and those of test servers."""

    ip_family_policy: Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"] = Field(
        "", description="Whether they get addresses of both families. Empty: the cluster's default."
    )
    ip_families: Annotated[tuple[Literal["IPv4", "IPv6"], ...], Field(max_length=2)] = Field(
        (),
        description="The families, the main one first, which cannot be changed later. Empty: the cluster's default. A "
        "Service of a test server that exists keeps what it has until it is deleted.",
    )


class Security(Values):
    """What the cluster's rules of security ask of pods."""

    random_user_ids: Literal["Auto", "Always", "Never"] = Field(
        "Auto",
        description="Whether the cluster chooses the user ids of pods, as OpenShift's restricted-v2 does, so that no "
        "pod names one. Auto: where the cluster has the API security.openshift.io/v1.",
    )


class ServiceAccount(Values):
    """The operator's service account."""

    create: bool = Field(True, description="Whether the chart makes it.")
    name: OptionalName = Field("", description="Its name. Empty: the release's, or `default` where it is not made.")
    annotations: Annotations = Field({}, description="Its annotations.")


class AccessControl(Values):
    """Rights."""

    create: bool = Field(True, description="Whether the chart gives the operator its rights.")
    aggregate: bool = Field(
        True,
        description="Whether the roles `view`, `edit` and `admin` of the cluster include TestSuites and TestRuns.",
    )


class NetworkPolicy(Values):
    """NetworkPolicies for the operator and the chart's own Postgres."""

    enabled: bool = Field(
        False,
        description="Whether to close all ports of the operator but that of /healthz, /readyz and /metrics, and the "
        "Postgres to all but the operator and whom postgresqlFrom names.",
    )
    postgresql_from: NetworkPeers = Field(
        (), description="Who else may reach the chart's own Postgres, as in `ingress.from` of a NetworkPolicy."
    )


class ChartValues(Values):
    """Values of the chart testrun-operator."""

    global_: AnyObject = Field(
        {}, alias="global", description="Not used; Helm sets it where the chart is a dependency."
    )
    name_override: ShortName = Field("", description="In place of the chart's name in names of objects.")
    fullname_override: ShortName = Field("", description="In place of the release's and the chart's name.")
    common_labels: Labels = Field(
        {},
        description="Labels of everything that the chart makes and of everything that the operator makes: for "
        "policies that demand an owner or a cost centre. Labels of the chart and of the operator win.",
    )
    image: Image = Field(Image(), description="The image.")
    crds: CustomResourceDefinitions = Field(CustomResourceDefinitions(), description="The CustomResourceDefinitions.")
    watch_namespaces: tuple[Namespace, ...] = Field(
        (),
        description="Namespaces whose TestRuns are executed. Empty: all, with a ClusterRole. Otherwise the operator "
        "has rights in these, in the test server's and for its Lease, and in no other. They must exist already.",
    )
    operator: Operator = Field(Operator(), description="The operator.")
    runner: Runner = Field(Runner(), description="The runner.")
    cases: Cases = Field(Cases(), description="The pods of cases.")
    test_server: TestServer = Field(TestServer(), description="The shared test server.")
    store: Store = Field(Store(), description="Where verdicts are stored.")
    postgresql: Postgresql = Field(Postgresql(), description="The chart's own Postgres.")
    service: Service = Field(Service(), description="Services.")
    security: Security = Field(Security(), description="Security.")
    metrics: Metrics = Field(Metrics(), description="Metrics.")
    service_account: ServiceAccount = Field(ServiceAccount(), description="The operator's service account.")
    rbac: AccessControl = Field(AccessControl(), description="Rights.")
    network_policy: NetworkPolicy = Field(NetworkPolicy(), description="NetworkPolicies.")
