"""What a platform asks for: labels, places, quotas, budgets, families of addresses, user ids."""

import json
import re
from typing import Any

import helm_python
import pytest
import yaml

from testrun_operator.controller.settings import read_settings
from unit.chart.conftest import PLATFORM, ROOT

Object = dict[str, Any]

OPERATOR = "trial-testrun-operator"
SERVED = {
    "v1",
    "apps/v1",
    "apiextensions.k8s.io/v1",
    "networking.k8s.io/v1",
    "policy/v1",
    "rbac.authorization.k8s.io/v1",
    "testrun.dev/v1alpha1",
}
"""Versions of APIs that no release announces the end of, and our own."""
DEPRECATED = ("alpha.kubernetes.io", "beta.kubernetes.io", "node-role.kubernetes.io/master", "serviceAccount:")
"""Parts of annotations, node labels and fields that make the API server warn."""


def deployment(rendering: Any) -> Object:
    """Return the spec of the operator's Deployment."""
    spec: Object = rendering.one("Deployment", OPERATOR)["spec"]
    return spec


def pod_labels(rendering: Any) -> dict[str, dict[str, str]]:
    """Return the labels of every pod that the objects are or lead to."""
    found = {}
    for body in rendering.objects:
        if body["kind"] == "Pod":
            found[f"Pod/{body['metadata']['name']}"] = body["metadata"]["labels"]
        elif body["kind"] in {"Deployment", "StatefulSet"}:
            found[f"{body['kind']}/{body['metadata']['name']}"] = body["spec"]["template"]["metadata"]["labels"]
    return found


PAGE = (ROOT / "docs" / "installation.md").read_text()
EXAMPLES = [
    document
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if "kind" not in (document := yaml.safe_load(text))
]
"""The values that the page shows."""


def test_every_value_for_platforms_has_an_example() -> None:
    """Who looks for one of them finds a file to begin with."""
    shown = {f"{group}.{name}" for example in EXAMPLES for group, part in example.items() for name in part}

    assert {
        *("operator.replicas", "operator.podDisruptionBudget", "operator.topologySpreadConstraints"),
        *("operator.priorityClassName", "operator.extraEnv", "operator.extraVolumes", "operator.extraVolumeMounts"),
        *(
            "runner.extraEnv",
            "runner.extraVolumes",
            "runner.extraVolumeMounts",
            "runner.resources",
            "runner.junitResources",
        ),
        *("cases.resources", "cases.imagePullSecrets", "cases.jobLabels", "cases.podAnnotations"),
        *("cases.nodeSelector", "cases.tolerations", "cases.topologySpreadConstraints", "cases.priorityClassName"),
        *("testServer.resources", "image.pullSecrets", "postgresql.pullSecrets"),
        *("service.ipFamilyPolicy", "service.ipFamilies", "security.randomUserIds"),
    } <= shown
    assert any("commonLabels" in example for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=",".join)
def test_the_examples_of_the_page_work(render: Any, example: Object) -> None:
    """The chart takes them, the operator reads them, and nothing of them gets lost on the way."""
    rendering = render(example)

    settings = read_settings(rendering.environment())
    given = settings.cases.model_dump(mode="json")
    assert example.get("cases", {}).items() <= given.items()
    assert example.get("commonLabels", {}).items() <= settings.common_labels.items()
    extras = {name: value for name, value in example.get("runner", {}).items() if name != "resources"}
    assert extras.items() <= settings.runner.model_dump(mode="json").items()
    pod = deployment(rendering)["template"]["spec"]
    for name in ("nodeSelector", "priorityClassName"):
        assert pod.get(name) == example.get("operator", {}).get(name)


# --- one operator or two ---------------------------------------------------------------------------------------------


def test_one_operator_is_replaced_before_the_next_one_starts(render: Any) -> None:
    """The old pod holds the Lease that the new one waits for, and until it has it the new one is not ready."""
    rendering = render()

    assert (deployment(rendering)["replicas"], deployment(rendering)["strategy"]) == (1, {"type": "Recreate"})
    assert read_settings(rendering.environment()).standby_is_ready is False


def test_of_two_operators_one_is_replaced_after_the_other(render: Any) -> None:
    """The standby counts as ready; otherwise no rolling update would ever go on, and no budget let a pod go."""
    rendering = render({"operator": {"replicas": 2}})

    assert deployment(rendering)["replicas"] == 2
    assert deployment(rendering)["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    }
    assert read_settings(rendering.environment()).standby_is_ready is True


def test_two_operators_without_a_lease_are_refused(render: Any) -> None:
    """Both would act."""
    with pytest.raises(helm_python.HelmError, match="more than one pod needs operator"):
        render({"operator": {"replicas": 2, "leaderElection": False}})


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_budget_never_stops_a_drain_for_good(render: Any, replicas: int) -> None:
    """It says how many may be away, never how many must be there: with one pod that would be for ever."""
    values = {"operator": {"replicas": replicas, "podDisruptionBudget": {"enabled": True}}}

    rendering = render(values)

    spec = rendering.one("PodDisruptionBudget", OPERATOR)["spec"]
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert "minAvailable" not in spec
    selector = spec["selector"]["matchLabels"].items()
    chosen = [name for name, labels in pod_labels(rendering).items() if selector <= labels.items()]
    assert chosen == [f"Deployment/{OPERATOR}"]
    assert render({"operator": {"replicas": replicas}}).of_kind("PodDisruptionBudget") == []


def test_operators_are_spread_by_their_own_labels(render: Any) -> None:
    """A constraint without a selector would count no pod, and the API server would warn of it."""
    for values in ({}, PLATFORM):
        rendering = render(values)
        (constraint,) = deployment(rendering)["template"]["spec"]["topologySpreadConstraints"]
        assert constraint["labelSelector"] == deployment(rendering)["selector"]
    assert constraint["topologyKey"] == "topology.kubernetes.io/zone"
    own = {"matchLabels": {"team": "quality"}}
    spread = {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": own}
    rendering = render({"operator": {"topologySpreadConstraints": [spread]}})
    assert deployment(rendering)["template"]["spec"]["topologySpreadConstraints"] == [spread]
    none = render({"operator": {"topologySpreadConstraints": []}})
    assert "topologySpreadConstraints" not in deployment(none)["template"]["spec"]


# --- labels ----------------------------------------------------------------------------------------------------------


def test_common_labels_are_on_everything(render: Any) -> None:
    """On each object and each pod, and on what the operator makes; CustomResourceDefinitions belong to all releases."""
    rendering = render(PLATFORM)

    for found in rendering.objects:
        if found["kind"] != "CustomResourceDefinition":
            assert found["metadata"]["labels"]["cost-center"] == "42", found["metadata"]["name"]
    for name, labels in pod_labels(rendering).items():
        assert labels["cost-center"] == "42", name
    assert read_settings(rendering.environment()).common_labels["cost-center"] == "42"


def test_common_labels_select_nothing_and_are_on_no_volume(render: Any) -> None:
    """Selectors and templates of volumes cannot be changed: a label there would be for ever, or end upgrades."""
    rendering = render(PLATFORM)

    for found in rendering.of_kind("Deployment", "StatefulSet", "Service", "PodDisruptionBudget"):
        assert "cost-center" not in json.dumps(found["spec"]["selector"])
    (stateful_set,) = rendering.of_kind("StatefulSet")
    assert "cost-center" not in json.dumps(stateful_set["spec"]["volumeClaimTemplates"])


def test_labels_of_the_chart_win(render: Any) -> None:
    """By them Services and Deployments find their pods, and Helm its objects."""
    plain, labelled = render(), render(PLATFORM)

    for name, labels in pod_labels(plain).items():
        assert labels.items() <= pod_labels(labelled)[name].items(), name
    for found in plain.objects:
        if found["kind"] != "CustomResourceDefinition":
            now = labelled.one(found["kind"], found["metadata"]["name"])["metadata"]["labels"]
            assert found["metadata"]["labels"].items() <= now.items()


def test_each_group_has_labels_and_annotations_of_its_own(render: Any) -> None:
    """The operator's are on the pod of `helm test` too, which a policy looks at alike."""
    rendering = render(PLATFORM)

    labels = pod_labels(rendering)
    assert labels[f"Deployment/{OPERATOR}"]["team"] == labels[f"Pod/{OPERATOR}-trial"]["team"] == "quality"
    assert labels["StatefulSet/trial-postgresql"]["mesh"] == "off"
    template = rendering.one("StatefulSet", "trial-postgresql")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"a": "b"}
    assert template["spec"]["priorityClassName"] == "high"


# --- what the operator is told ---------------------------------------------------------------------------------------


def test_what_the_cluster_asks_of_cases_arrives_in_the_operator(render: Any) -> None:
    """The values are passed on as they are, dollars included: the kubelet replaces $(NAME) in the environment."""
    settings = read_settings(render(PLATFORM).environment())

    given = {name: value for name, value in settings.cases.model_dump(mode="json").items() if value}
    assert given == PLATFORM["cases"]
    assert settings.runner.model_dump(mode="json") == PLATFORM["runner"]
    assert settings.test_servers.pod_labels == {"mesh": "off"}
    assert settings.test_servers.priority_class_name == "low"
    assert (settings.ip_family_policy, settings.ip_families) == ("PreferDualStack", ("IPv6", "IPv4"))


def test_the_operator_gets_further_variables_and_volumes(render: Any) -> None:
    """Beside its own, for instance the certificate of the authority that signed Postgres' one."""
    pod = deployment(render(PLATFORM))["template"]["spec"]

    (container,) = pod["containers"]
    assert container["env"][-2:] == PLATFORM["operator"]["extraEnv"]
    assert container["volumeMounts"][1:] == PLATFORM["operator"]["extraVolumeMounts"]
    assert pod["volumes"][1:] == PLATFORM["operator"]["extraVolumes"]
    names = [variable["name"] for variable in container["env"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("group", "name"), [("operator", "TESTRUN_OPERATOR_IMAGE"), ("runner", "TESTRUN_CASE")])
def test_a_variable_that_the_chart_sets_itself_cannot_be_set_again(render: Any, group: str, name: str) -> None:
    """Which of the two would hold depends on how the release is applied."""
    with pytest.raises(helm_python.HelmError, match=f"{group}.extraEnv: {name} is set by the chart"):
        render({group: {"extraEnv": [{"name": name, "value": "x"}]}})


# --- families of addresses, user ids ---------------------------------------------------------------------------------


def test_services_have_the_families_that_are_asked_for(render: Any) -> None:
    """All of them alike; without a value the cluster decides."""
    services = render(PLATFORM).of_kind("Service")

    assert len(services) == 2
    for service in services:
        assert service["spec"]["ipFamilyPolicy"] == "PreferDualStack"
        assert service["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    for service in render().of_kind("Service"):
        assert not {"ipFamilyPolicy", "ipFamilies"} & service["spec"].keys()


@pytest.mark.parametrize(
    ("choice", "api_versions", "random"),
    [
        ("Auto", (), False),
        ("Auto", ("security.openshift.io/v1",), True),
        ("Always", (), True),
        ("Never", ("security.openshift.io/v1",), False),
    ],
)
def test_where_the_cluster_chooses_user_ids_no_pod_names_one(
    render: Any, choice: str, api_versions: tuple[str, ...], random: bool
) -> None:
    """OpenShift's restricted-v2 refuses every id outside the namespace's range: of the user, and of the volumes."""
    rendering = render({"security": {"randomUserIds": choice}}, api_versions=api_versions)

    for name, pod in rendering.pods().items():
        ids = {"runAsUser", "runAsGroup", "fsGroup"} & pod["securityContext"].keys()
        assert ids == (set() if random else {"runAsUser", "runAsGroup", "fsGroup"}), name
        assert pod["securityContext"]["runAsNonRoot"] is True
    assert read_settings(rendering.environment()).random_user_ids is random


# --- policies and warnings -------------------------------------------------------------------------------------------


def test_every_container_says_what_it_needs(render: Any, values: Object) -> None:
    """A ResourceQuota on requests or memory, and many policies, refuse a container that does not."""
    for name, pod in render(values).pods().items():
        for container in pod["containers"]:
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name
            assert "memory" in container["resources"]["limits"], name


def test_the_pod_of_helm_test_needs_what_a_case_needs(render: Any) -> None:
    """Where a quota demands limits of CPU, the value for cases serves it too."""
    resources = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}

    (container,) = render({"runner": {"resources": resources}}).pods()[f"Pod/{OPERATOR}-trial"]["containers"]

    assert container["resources"] == resources


def test_no_image_is_called_latest(render: Any, values: Object) -> None:
    """Policies refuse it, rightly: nobody knows what it was."""
    for pod in render(values).pods().values():
        for container in pod["containers"]:
            assert ":" in container["image"] or "@" in container["image"]
            assert not container["image"].endswith(":latest")


def test_nothing_makes_the_api_server_warn(render: Any, values: Object, kube_version: str) -> None:
    """No API, annotation or field that is deprecated, and no name that is there twice."""
    rendering = render(values, kube_version=kube_version)

    for found in rendering.objects:
        assert found["apiVersion"] in SERVED
        text = json.dumps({key: value for key, value in found.items() if found["kind"] != "CustomResourceDefinition"})
        assert not [word for word in DEPRECATED if word in text], found["metadata"]["name"]
    for pod in rendering.pods().values():
        for items in (pod.get("imagePullSecrets", []), *(part["env"] for part in pod["containers"] if "env" in part)):
            names = [item["name"] for item in items]
            assert len(names) == len(set(names))


@pytest.mark.parametrize("release", ["v1.2", "a.release.with.dots"])
def test_a_release_may_have_dots_in_its_name(render: Any, release: str) -> None:
    """Helm allows them; a Service's name, and that of a pod for which there is to be no warning, has none."""
    for found in render(release=release).objects:
        if found["kind"] != "CustomResourceDefinition":
            assert "." not in found["metadata"]["name"]


def test_a_name_that_no_service_can_have_is_told(render: Any) -> None:
    """The name of a Service begins with a letter; the API server would say so in the middle of the installation."""
    with pytest.raises(helm_python.HelmError, match=r"1st-testrun-operator begins with a digit.*fullnameOverride"):
        render(release="1st")
    assert render({"fullnameOverride": "first"}, release="1st").one("Service", "first")
