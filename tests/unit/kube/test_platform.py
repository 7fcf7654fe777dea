"""What a platform asks of the Jobs, pods and records of cases, over what the suites say."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.kube.manifests import SETTINGS, container_of, environment_of, parts_of, pod_of, violations_of

from support.builders import RUN, container_case, http_case, record_of, sql_case, suite_of
from testrun_operator.kube import labels
from testrun_operator.kube.platform import CasePods, RunnerExtras
from testrun_operator.kube.pods import PodSettings
from testrun_operator.kube.records import record_manifest

KINDS = pytest.mark.parametrize("case", [http_case("one"), sql_case("one"), container_case("one")], ids=str)
LARGE = http_case("one", http={"connection": "api", "request": {"body": "x" * 200_000}})


def asking(**fields: Any) -> PodSettings:
    """Return settings in which the platform asks something of the pods of cases."""
    return replace(SETTINGS, cases=CasePods.model_validate(fields))


@KINDS
def test_what_is_not_asked_for_is_not_there(case: dict[str, Any]) -> None:
    """Without such settings the manifests have no empty fields, which some policies refuse."""
    job = parts_of(case).job
    for field in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints"):
        assert field not in pod_of(job)
    assert "annotations" not in job["spec"]["template"]["metadata"]


@KINDS
def test_jobs_and_pods_carry_the_labels_that_a_policy_demands(case: dict[str, Any]) -> None:
    """Common labels are on both, the others where they are asked for; ours stay what they are."""
    settings = replace(
        asking(
            jobLabels={"kueue.x-k8s.io/queue-name": "tests", labels.CASE: "mine"},
            podLabels={"mesh": "off", labels.MANAGED_BY: "me"},
            jobAnnotations={"example.com/a": "1", labels.TEST_FAILURES: "9"},
            podAnnotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
        ),
        common_labels={"cost-center": "42", labels.RUN_UID: "another"},
    )
    plain, job = parts_of(case).job, parts_of(case, settings=settings).job
    template = job["spec"]["template"]["metadata"]
    own = plain["metadata"]["labels"]
    assert job["metadata"]["labels"] == own | {"cost-center": "42", "kueue.x-k8s.io/queue-name": "tests"}
    assert template["labels"] == own | {"cost-center": "42", "mesh": "off"}
    assert job["metadata"]["annotations"] == plain["metadata"]["annotations"] | {"example.com/a": "1"}
    assert template["annotations"] == {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}


def test_the_config_maps_of_an_execution_carry_the_common_labels() -> None:
    """A policy that demands a label of every object is satisfied by these, too."""
    settings = replace(SETTINGS, common_labels={"cost-center": "42"})
    document = parts_of(LARGE, settings=settings).document
    assert document is not None
    record = record_manifest(RUN, record_of(suite_of(http_case("one"))), {"cost-center": "42", labels.RUN_UID: "no"})
    for manifest in (document, record):
        assert manifest["metadata"]["labels"]["cost-center"] == "42"
        assert manifest["metadata"]["labels"][labels.RUN_UID] == RUN.uid


@KINDS
def test_the_pods_of_cases_run_where_the_platform_wants_them(case: dict[str, Any]) -> None:
    """Every kind of case alike: a suite has no word for nodes."""
    settings = asking(
        nodeSelector={"pool": "tests"},
        tolerations=[{"key": "tests", "operator": "Exists"}],
        affinity={"nodeAffinity": {}},
        priorityClassName="low",
    )
    pod = pod_of(parts_of(case, settings=settings).job)
    assert pod["nodeSelector"] == {"pool": "tests"}
    assert pod["tolerations"] == [{"key": "tests", "operator": "Exists"}]
    assert pod["affinity"] == {"nodeAffinity": {}}
    assert pod["priorityClassName"] == "low"
    assert list(violations_of(pod)) == []


def test_pods_are_spread_by_those_of_all_cases_unless_it_is_said_otherwise() -> None:
    """A constraint without a selector would count nothing, and spread nothing."""
    constraint = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    own = constraint | {"labelSelector": {"matchLabels": {"team": "quality"}}}
    job = parts_of(container_case("one"), settings=asking(topologySpreadConstraints=[constraint, own])).job
    first, second = pod_of(job)["topologySpreadConstraints"]
    selector = first["labelSelector"]["matchLabels"]
    assert selector == {labels.COMPONENT: labels.CASE_COMPONENT}
    assert selector.items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert second == own


@KINDS
def test_a_container_that_says_no_resources_gets_the_platforms(case: dict[str, Any]) -> None:
    """A ResourceQuota on requests refuses every pod without them; the runner has its own."""
    default = {"requests": {"cpu": "50m", "memory": "64Mi"}}
    container = container_of(parts_of(case, settings=asking(resources=default)).job)
    assert container["resources"] == (default if "container" in case else SETTINGS.runner_resources)


def test_a_container_that_says_its_resources_keeps_them() -> None:
    """Whole: a request of the platform's above a limit of the case's would be refused."""
    own = {"limits": {"memory": "32Mi"}}
    case = container_case("one", container={"image": "busybox", "resources": own})
    settings = asking(resources={"requests": {"memory": "64Mi"}})
    assert container_of(parts_of(case, settings=settings).job)["resources"] == own
    assert "resources" not in container_of(parts_of(container_case("one")).job)


def test_pull_secrets_of_case_and_platform_are_named_once() -> None:
    """The case's first. A name that is there twice is a warning of the API server's."""
    image = {"image": "busybox", "imagePullSecrets": [{"name": "own"}, {"name": "both"}]}
    settings = asking(imagePullSecrets=["both", "company"])
    pod = pod_of(parts_of(container_case("one", container=image), settings=settings).job)
    assert pod["imagePullSecrets"] == [{"name": "own"}, {"name": "both"}, {"name": "company"}]
    assert pod_of(parts_of(http_case("one"), settings=settings).job)["imagePullSecrets"] == [{"name": "registry"}]


def test_where_the_cluster_chooses_user_ids_no_pod_names_one() -> None:
    """OpenShift refuses a user outside the namespace's range, and gives one of it to a pod that names none."""
    settings = replace(SETTINGS, random_user_ids=True)
    for case in (http_case("one"), sql_case("one"), container_case("one")):
        pod = pod_of(parts_of(case, settings=settings).job)
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert list(violations_of(pod)) == []


def test_a_user_that_a_case_names_is_passed_on_all_the_same() -> None:
    """Who writes it knows why; the cluster tells them if it does not agree."""
    case = container_case("one", container={"image": "busybox", "runAsUser": 1000})
    pod = pod_of(parts_of(case, settings=replace(SETTINGS, random_user_ids=True)).job)
    assert pod["securityContext"]["runAsUser"] == 1000


def test_the_runner_gets_a_proxy_and_the_certificates_of_a_company() -> None:
    """Beside what the case needs; containers of the user's own get none of it."""
    runner = RunnerExtras.model_validate(
        {
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
            "extraVolumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
            "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/company", "readOnly": True}],
        }
    )
    settings = replace(SETTINGS, runner=runner)
    for case in (http_case("one"), sql_case("one", {"configMap": {"name": "files"}}), LARGE):
        job = parts_of(case, settings=settings).job
        assert environment_of(job)["HTTPS_PROXY"] == "http://proxy:3128"
        names = [volume["name"] for volume in pod_of(job)["volumes"]]
        assert len(names) == len(set(names))
        assert {mount["name"] for mount in container_of(job)["volumeMounts"]} == set(names)
        assert {"name": "ca", "configMap": {"name": "company-ca"}} in pod_of(job)["volumes"]
        assert list(violations_of(pod_of(job))) == []
    assert "company-ca" not in json.dumps(parts_of(container_case("one"), settings=settings).job)


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ({"extraEnv": [{"name": "TESTRUN_CASE", "value": "{}"}]}, "TESTRUN_CASE: names that begin with TESTRUN_"),
        ({"extraVolumes": [{"name": "files", "emptyDir": {}}]}, "the runner has a volume files of its own"),
        ({"extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}]}, "names the volume ca, which extraVolumes"),
    ],
)
def test_extras_that_would_break_every_pod_are_refused_at_the_start(extras: dict[str, Any], message: str) -> None:
    """The operator says so once, rather than each case of each run."""
    with pytest.raises(ValidationError, match=message):
        RunnerExtras.model_validate(extras)


@pytest.mark.parametrize(
    "wrong", [{"-a": "b"}, {"a": "b c"}, {"a": "x" * 64}, {"A.b/": "c"}, {"a.b_c/d": "e"}, {"UPPER/a": "c"}]
)
def test_labels_that_kubernetes_does_not_take_are_refused(wrong: dict[str, str]) -> None:
    """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set."""
    with pytest.raises(ValidationError):
        CasePods(pod_labels=wrong)


@pytest.mark.parametrize("right", [{"a": ""}, {"a.b-c/D.e_f": "G_h.i-9"}, {"example.com/team": "quality"}])
def test_labels_that_kubernetes_takes_are_taken(right: dict[str, str]) -> None:
    """Prefixes are DNS names; names and values may have capitals, dots and underscores."""
    assert CasePods(pod_labels=right).pod_labels == right
