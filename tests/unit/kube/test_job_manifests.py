"""The Job of an attempt: its name, its owner, its limits, and a pod without rights."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.kube.manifests import SETTINGS, container_of, environment_of, parts_of, pod_of, violations_of

from support.builders import RUN, RUN_ID, container_case, http_case, sql_case
from testrun_operator.kube.job import job_name
from testrun_operator.kube.observe import read_job
from testrun_operator.kube.platform import CasePods, RunnerExtras
from testrun_operator.kube.pods import READER_COMMAND
from testrun_operator.kube.references import RunReference

FULL_CONTAINER = container_case(
    "all",
    container={
        "image": "registry.example.com/load-test:3",
        "command": ["/bin/load", "--rate=$(TESTRUN_VAR_rate)"],
        "args": ["--verbose"],
        "workingDir": "/work",
        "env": [
            {"name": "TARGET", "value": "$(TESTRUN_SERVER_PAGINATED_API_URL)/x"},
            {"name": "EMPTY", "value": ""},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "load-test", "key": "password"}}},
        ],
        "envFrom": [{"prefix": "C_", "configMapRef": {"name": "settings"}}],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "sized", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "files", "configMap": {"name": "files", "items": [{"key": "a", "path": "a.txt"}]}},
            {"name": "keys", "secret": {"secretName": "keys"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
        ],
        "volumeMounts": [{"name": "files", "mountPath": "/files", "subPath": "a.txt", "readOnly": True}],
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
        "runAsUser": 1000,
    },
)
CASES: dict[str, dict[str, Any]] = {
    "http": http_case("one"),
    "large http": http_case("one", http={"connection": "api", "request": {"body": "x" * 200_000}}),
    "sql": sql_case("one"),
    "large sql": sql_case("one", {"inline": "#" * 65_536}, description="x" * 4_096),
    "sql with a ConfigMap": sql_case("one", {"configMap": {"name": "files"}}),
    "sql with a repository": sql_case("one", {"git": {"url": "https://h/a.git", "secretRef": {"name": "git"}}}),
    "container": container_case("one"),
    "container with everything": FULL_CONTAINER,
}
JUNIT = {"image": "registry.example.com/tests:3", "junit": "/reports/**/*.xml", "volumeMounts": []}
CASES["container with JUnit files"] = container_case("one", container=JUNIT)
CASES["container with JUnit files and a user"] = container_case("one", container=JUNIT | {"runAsUser": 1000})
KINDS = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@KINDS
def test_pods_satisfy_the_pod_security_standard_restricted(case: dict[str, Any]) -> None:
    """Runs work in namespaces that enforce "restricted"."""
    assert list(violations_of(pod_of(parts_of(case).job))) == []


@KINDS
def test_pods_have_no_rights(case: dict[str, Any]) -> None:
    """No service account token, and no addresses of other services in the environment."""
    pod = pod_of(parts_of(case).job)
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert "serviceAccountName" not in pod


@KINDS
def test_nothing_is_repeated_behind_the_operators_back(case: dict[str, Any]) -> None:
    """One Job is one attempt: retries are the operator's to decide."""
    job = parts_of(case).job
    assert job["spec"]["backoffLimit"] == 0
    assert pod_of(job)["restartPolicy"] == "Never"


@KINDS
def test_a_pod_ends_itself_some_time_after_its_timeout(case: dict[str, Any]) -> None:
    """The pod's own deadline is above the timeout, which the operator enforces; it works without an operator too."""
    assert pod_of(parts_of(case | {"timeout": "30s"}).job)["activeDeadlineSeconds"] == 30 + 60
    assert pod_of(parts_of(case | {"timeout": "1s1ms"}).job)["activeDeadlineSeconds"] == 62


@KINDS
def test_the_run_owns_its_jobs_without_blocking_its_deletion(case: dict[str, Any]) -> None:
    """Garbage collection takes them, and the operator needs no right to update finalizers."""
    (owner,) = parts_of(case).job["metadata"]["ownerReferences"]
    assert owner == {
        "apiVersion": "testrun.dev/v1alpha1",
        "kind": "TestRun",
        "name": RUN.name,
        "uid": RUN.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


@KINDS
def test_jobs_are_made_alike_each_time(case: dict[str, Any]) -> None:
    """After a restart the same plan gives the same manifest, to the byte."""
    assert json.dumps(parts_of(case).job) == json.dumps(parts_of(case).job)


LONG_RUN = RunReference("team", "n." * 126 + "n", "0f1b6a52-6f6e-4c1e-9d43-2f6a2f3c9a10")


@pytest.mark.parametrize("name", ["one", "a" * 63, "0" * 63, "a-" * 31 + "a"])
@pytest.mark.parametrize("run", [RUN, LONG_RUN], ids=["a short run", "a long run"])
def test_labels_and_names_are_such_as_kubernetes_takes(run: RunReference, name: str) -> None:
    """A label has at most 63 characters with a letter or digit at both ends; a Job's name is a DNS label."""
    job = parts_of(http_case(name), run=run).job
    for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
        for value in labels.values():
            assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value), value
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", job["metadata"]["name"])


def test_the_pods_of_a_job_have_its_labels() -> None:
    """The operator watches both by the same selector."""
    job = parts_of(http_case("one")).job
    assert job["spec"]["template"]["metadata"]["labels"] == job["metadata"]["labels"]
    assert job["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "testrun-operator"


def test_an_attempt_has_always_the_same_name() -> None:
    """By it an operator that was killed finds the Job that it had created already."""
    assert job_name(RUN, RUN_ID, "one", 1) == job_name(RUN, RUN_ID, "one", 1)
    assert parts_of(http_case("one")).job["metadata"]["name"] == job_name(RUN, RUN_ID, "one", 1)


OTHERS = {
    "the next attempt": job_name(RUN, RUN_ID, "one", 2),
    "another case": job_name(RUN, RUN_ID, "two", 1),
    "the next execution": job_name(RUN, "508709863430554192", "one", 1),
    "a run of the same name, created anew": job_name(RunReference("team", "nightly", "another"), RUN_ID, "one", 1),
    "another run": job_name(RunReference("team", "weekly", RUN.uid), RUN_ID, "one", 1),
    "a case with the same beginning": job_name(RUN, RUN_ID, "one" + "-" * 40 + "a", 1),
}


@pytest.mark.parametrize("what", OTHERS)
def test_everything_else_has_another_name(what: str) -> None:
    """No attempt is taken for another one's."""
    assert OTHERS[what] != job_name(RUN, RUN_ID, "one", 1)


def test_long_names_with_the_same_beginning_differ() -> None:
    """Names are cut for readers, and told apart by a digest."""
    names = {job_name(RUN, RUN_ID, "a" * 60 + str(number), 1) for number in range(100)}
    assert len(names) == 100


def test_what_is_written_on_a_job_is_read_from_it() -> None:
    """After a restart the Job itself says which attempt it is, and what was used up before it."""
    body = parts_of(http_case("one"), attempt=3).job
    body["metadata"]["creationTimestamp"] = "2026-03-01T12:00:00Z"
    seen = read_job(body)
    assert seen is not None
    assert (seen.name, seen.case, seen.attempt) == (body["metadata"]["name"], "one", 3)
    assert (seen.test_failures, seen.infrastructure_faults) == (2, 0)


def test_a_container_case_gets_what_it_asks_for() -> None:
    """The fields of a container are Kubernetes' own, and arrive unchanged."""
    servers = {"paginated-api": "http://paginated-api.test-server.svc:5555"}
    job = parts_of(FULL_CONTAINER, servers=servers, variables={"rate": "10"}).job
    container, pod = container_of(job), pod_of(job)
    asked = FULL_CONTAINER["container"]
    for field in ("image", "command", "args", "workingDir", "envFrom", "resources", "imagePullPolicy", "volumeMounts"):
        assert container[field] == asked[field]
    assert pod["imagePullSecrets"] == asked["imagePullSecrets"]
    assert pod["securityContext"]["runAsUser"] == 1000
    assert {"name": "PASSWORD", "valueFrom": asked["env"][2]["valueFrom"]} in container["env"]
    assert environment_of(job)["TARGET"] == "http://paginated-api.test-server.svc:5555/x"
    assert environment_of(job)["EMPTY"] == ""
    assert [next(key for key in volume if key != "name") for volume in pod["volumes"]] == [
        "emptyDir",
        "emptyDir",
        "configMap",
        "secret",
        "persistentVolumeClaim",
    ]
    assert pod["volumes"][0] == {"name": "scratch", "emptyDir": {}}


def test_a_container_case_that_says_nothing_runs_the_image_as_it_is() -> None:
    """What is not given is left to the image and the cluster."""
    container = container_of(parts_of(container_case("one")).job)
    assert container.keys() == {"image", "name", "env", "securityContext", "terminationMessagePolicy"}
    assert "runAsUser" not in pod_of(parts_of(container_case("one")).job)["securityContext"]


def test_a_container_case_knows_its_run_by_its_environment() -> None:
    """The documented variables, each variable of the run under TESTRUN_VAR_ and its own name."""
    job = parts_of(
        container_case("one"),
        attempt=2,
        variables={"page_size": "10", "Fast": ""},
        run_fields={"variables": {"page_size": "5"}, "revision": "4f2c1d"},
        servers={"paginated-api": "http://server:5555"},
    ).job
    assert environment_of(job) == {
        "TESTRUN_RUN_ID": RUN_ID,
        "TESTRUN_RUN_NAME": "nightly",
        "TESTRUN_CASE_NAME": "one",
        "TESTRUN_REVISION": "4f2c1d",
        "TESTRUN_ATTEMPT": "2",
        "TESTRUN_SERVER_PAGINATED_API_URL": "http://server:5555",
        "TESTRUN_VAR_page_size": "5",
        "TESTRUN_VAR_Fast": "",
    }


def test_a_native_sidecar_reads_the_junit_files_of_a_container_case() -> None:
    """It is the operator's own image, sees the folder and nothing else, and cannot write there."""
    job = parts_of(container_case("one", container=JUNIT), attempt=2).job
    pod, case = pod_of(job), container_of(job)
    assert pod["volumes"] == [{"name": "testrun-junit", "emptyDir": {"sizeLimit": "128Mi"}}]
    assert case["volumeMounts"] == [{"name": "testrun-junit", "mountPath": "/reports"}]
    assert "junit" not in case
    [reader] = pod["initContainers"]
    assert reader == {
        "name": "junit-reader",
        "restartPolicy": "Always",
        "image": "registry.example.com/testrun:1",
        "imagePullPolicy": "IfNotPresent",
        "command": [*READER_COMMAND],
        "env": [
            {"name": "TESTRUN_JUNIT_PATTERN", "value": "/reports/**/*.xml"},
            {"name": "TESTRUN_CASE_NAME", "value": "one"},
            {"name": "TESTRUN_ATTEMPT", "value": "2"},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "192Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "testrun-junit", "mountPath": "/var/run/testrun/junit", "readOnly": True}],
    }
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_the_reader_is_the_user_that_the_case_is() -> None:
    """Files may be for their owner alone. Where nobody says which user that is, it is the operator's image's own."""
    [reader] = pod_of(parts_of(container_case("one", container=JUNIT | {"runAsUser": 1000})).job)["initContainers"]
    assert "runAsUser" not in reader["securityContext"]
    settings = replace(SETTINGS, random_user_ids=True)
    [reader] = pod_of(parts_of(container_case("one", container=JUNIT), settings=settings).job)["initContainers"]
    assert "runAsUser" not in reader["securityContext"]


def test_a_reader_gets_the_resources_of_the_settings() -> None:
    """A quota of the namespace may demand more of them."""
    resources = {"limits": {"cpu": "1", "memory": "64Mi"}}
    settings = replace(SETTINGS, runner=RunnerExtras(junit_resources=resources))
    [reader] = pod_of(parts_of(container_case("one", container=JUNIT), settings=settings).job)["initContainers"]
    assert reader["resources"] == resources


def test_the_runner_leaves_the_end_of_its_log_if_it_breaks() -> None:
    """Evidence of a runner that could not report, without a further call."""
    for case in (http_case("one"), sql_case("one"), container_case("one")):
        assert container_of(parts_of(case).job)["terminationMessagePolicy"] == "FallbackToLogsOnError"


@pytest.mark.parametrize("case", [http_case("one"), sql_case("one")], ids=["http", "sql"])
def test_the_runner_is_the_operators_own_image(case: dict[str, Any]) -> None:
    """Its image, resources and pull secrets are the operator's settings, not the suite's."""
    job = parts_of(case).job
    container = container_of(job)
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example.com/testrun:1", "IfNotPresent")
    assert container["resources"] == {"limits": {"memory": "256Mi"}}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod_of(job)["imagePullSecrets"] == [{"name": "registry"}]


def test_the_labels_of_a_cases_pod_are_the_operators_the_cases_and_the_clusters_in_this_order() -> None:
    """A case may keep a service mesh away from its pod, and may not pass for a pod of another one."""
    case = http_case(
        "one",
        podLabels={"sidecar.istio.io/inject": "false", "testrun.dev/run-uid": "another"},
        podAnnotations={"linkerd.io/inject": "disabled"},
    )
    cases = CasePods(
        pod_labels={"sidecar.istio.io/inject": "true", "team": "a"}, pod_annotations={"linkerd.io/inject": "x"}
    )
    metadata = parts_of(case, settings=replace(SETTINGS, cases=cases)).job["spec"]["template"]["metadata"]
    assert metadata["annotations"] == {"linkerd.io/inject": "disabled"}
    assert {"team": "a", "sidecar.istio.io/inject": "false", "testrun.dev/run-uid": RUN.uid}.items() <= metadata[
        "labels"
    ].items()
