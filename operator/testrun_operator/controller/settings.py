"""The operator's settings: environment variables, read once at the start.

The chart sets them from its values; ``docs/operations.md`` lists them.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field, JsonValue, SecretStr, ValidationError, field_validator

from testrun_operator.api.base import Duration, Model
from testrun_operator.engine.judgement import JudgingSettings
from testrun_operator.errors import InvalidSettings
from testrun_operator.kube.platform import CasePods, Labels, RunnerExtras, ServerPods

PREFIX = "TESTRUN_OPERATOR_"


class Settings(Model):
    """Everything that an administrator can change without changing code."""

    namespace: str = Field("default", description="The operator's own namespace, where its Lease is.")
    pod_name: str = Field(
        "testrun-operator",
        description="The operator's identity in the Lease; a restarted container keeps its pod's name and the Lease.",
    )
    watch_namespaces: tuple[str, ...] = Field(
        (), description="Namespaces whose runs are executed, separated by commas. Default: all."
    )
    image: str = Field(
        "testrun-operator:latest", description="Image of the runner and the test server: the operator's own."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="Pull policy of that image."
    )
    image_pull_secrets: tuple[str, ...] = Field(
        (),
        description="Names of Secrets for that image's registry, separated by commas; they must be in each namespace.",
    )
    runner_resources: dict[str, JsonValue] = Field(
        {"requests": {"cpu": "20m", "memory": "48Mi"}, "limits": {"memory": "256Mi"}},
        description="Compute resources of the runner, as JSON. The request is what one case of kind http was measured "
        "to need; the limit leaves room for large responses.",
    )
    runner: RunnerExtras = Field(
        RunnerExtras(),
        description="What every pod of the runner gets besides, as JSON: a proxy, or the certificates of a company.",
    )
    cases: CasePods = Field(
        CasePods(),
        description="What the cluster asks of the Jobs and pods of all cases, as JSON: a suite does not know it.",
    )
    test_servers: ServerPods = Field(
        ServerPods(), description="What the cluster asks of the pods of test servers, as JSON."
    )
    common_labels: Labels = Field(
        {},
        description="Labels of everything that the operator creates, as JSON: for policies that demand an owner or a "
        "cost centre. The operator's own labels win.",
    )
    random_user_ids: bool = Field(
        False,
        description="Whether the cluster chooses the user ids of pods, as OpenShift does: the operator then names "
        "none, since one outside the namespace's range would be refused. Default false.",
    )
    ip_family_policy: Literal["", "SingleStack", "PreferDualStack", "RequireDualStack"] = Field(
        "", description="ipFamilyPolicy of the Services of test servers. Empty: the cluster's default."
    )
    ip_families: tuple[Literal["IPv4", "IPv6"], ...] = Field(
        (),
        max_length=2,
        description="ipFamilies of these Services, the main one first, separated by commas. Empty: the cluster's "
        "default.",
    )
    test_server_namespace: str = Field("test-server", description="Namespace of test servers with scope Shared.")
    test_server_node_port: int = Field(
        30555, ge=0, le=65535, description="NodePort of the shared test server paginated-api; 0 for none."
    )
    cluster_domain: str = Field("cluster.local", description="The cluster's DNS domain.")
    dsn: SecretStr | None = Field(
        None, description="Connection string of Postgres, from a Secret. Without it, results are in the status alone."
    )
    store_schema: str = Field("noetl_test", description="Schema of the tables in Postgres.")
    start_timeout: Duration = Field(
        timedelta(minutes=5), description="How long a pod may take until its container runs. Default 5m."
    )
    image_pull_grace: Duration = Field(
        timedelta(seconds=30),
        description="How long pulling an image may fail before the attempt is given up. Default 30s.",
    )
    configuration_grace: Duration = Field(
        timedelta(seconds=15), description="How long a Secret or ConfigMap may be missing. Default 15s."
    )
    runner_grace: Duration = Field(
        timedelta(seconds=15),
        description="How much longer than a case's timeout the runner may take to report it. Default 15s.",
    )
    max_active_jobs: int = Field(
        0,
        ge=0,
        le=100_000,
        description="How many Jobs all runs together may have that are not over, shared out in rounds, so that a large "
        "run does not keep a small one waiting. Default 0: no limit but each run's `parallelism`.",
    )
    status_interval: Duration = Field(
        timedelta(milliseconds=800),
        description="Least time between two writes of one run's status: short enough that a verdict is in the status "
        "within a second of its Job's end. Default 800ms.",
    )
    http_port: int = Field(8080, ge=1, le=65535, description="Port of /healthz, /readyz and /metrics.")
    leader_election: bool = Field(
        True, description="Whether to hold a Lease, so that never two operators act at the same time. Default true."
    )
    standby_is_ready: bool = Field(
        False,
        description="Whether an operator that waits for the Lease counts as ready. With a second replica it has to, "
        "since rolling updates and PodDisruptionBudgets count what is ready; with one it would hide that another "
        "operator is in its place. Default false.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR. Default INFO."
    )

    @field_validator("watch_namespaces", "image_pull_secrets", "ip_families", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("runner_resources", "runner", "cases", "test_servers", "common_labels", mode="before")
    @classmethod
    def _decode(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @property
    def judging(self) -> JudgingSettings:
        """How patient the judge is."""
        return JudgingSettings(
            start_timeout=self.start_timeout,
            image_pull_grace=self.image_pull_grace,
            configuration_grace=self.configuration_grace,
            runner_grace=self.runner_grace,
        )


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables: ``TESTRUN_OPERATOR_`` and a field's name in upper case.

    An empty variable counts as absent.

    Raises:
        InvalidSettings: a value cannot be right, or a variable with the prefix is not known.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX) and value
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        # Neither the input nor pydantic's own text may be shown: one of the values is a password.
        problems = [
            f"{PREFIX}{_variable_of(detail['loc'])}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidSettings("; ".join(problems)) from None


def _variable_of(place: tuple[int | str, ...]) -> str:
    """Name the variable that is wrong and, where it is JSON, the place in it: ``CASES: podLabels.team``."""
    variable, *inner = (str(part) for part in place)
    return variable.upper() + (f": {'.'.join(inner)}" if inner else "")
