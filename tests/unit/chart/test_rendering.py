"""What the chart installs, and what depends on its values and on the cluster."""

import json
import re
from pathlib import Path
from typing import Any

import helm
import helm_python
import pytest
import yaml

from testrun_operator.controller.settings import PREFIX, Settings, read_settings
from testrun_operator.kube.platform import CasePods, RunnerExtras, ServerPods
from testrun_operator.resources.crds import build_crds
from testrun_operator.resources.parsing import parse_run

Object = dict[str, Any]


def plain_name(setting: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + setting.upper()


def test_lint_finds_nothing_to_complain_about(chart: Path, values: Object, kube_version: str) -> None:
    """`helm lint` gives at most a hint, whatever is set."""
    report = helm_python.lint(chart, values, strict=True, kube_version=kube_version)

    assert report["errors"] == []
    assert [message["error"] for message in report["messages"]] == ["icon is recommended"]


def test_the_operator_accepts_the_environment_that_it_gets(render: Any, values: Object) -> None:
    """Names and values of all variables are such that the operator's settings can be read from them."""
    environment = render(values).environment()

    assert read_settings(environment).http_port == 8080
    known = {plain_name(setting) for setting in Settings.model_fields}
    assert {name for name in environment if name.startswith(PREFIX)} <= known


def test_every_setting_can_be_set_by_a_value(render: Any) -> None:
    """No setting of the operator is out of reach for somebody who installs it by the chart."""
    assert set(render().environment()) == {plain_name(setting) for setting in Settings.model_fields}
    for group, model in (("cases", CasePods), ("runner", RunnerExtras), ("test_servers", ServerPods)):
        assert json.loads(render().environment()[plain_name(group)]).keys() == {
            field.alias for field in model.model_fields.values()
        }


def test_values_arrive_as_settings(render: Any) -> None:
    """What is set in the chart is what the operator reads."""
    values = {
        "image": {"repository": "registry.example.com/testrun", "tag": "1", "pullSecrets": ["one", "two"]},
        "watchNamespaces": ["team-a", "team-b"],
        "operator": {"startTimeout": "2m", "leaderElection": False, "logLevel": "DEBUG"},
        "runner": {"resources": {"limits": {"memory": "1Gi"}}},
        "testServer": {"nodePort": 0},
        "store": {"schema": "results"},
    }

    settings = read_settings(render(values).environment())

    assert settings.image == "registry.example.com/testrun:1"
    assert settings.image_pull_secrets == ("one", "two")
    assert settings.watch_namespaces == ("team-a", "team-b")
    assert settings.start_timeout.total_seconds() == 120
    assert settings.leader_election is False
    assert settings.log_level == "DEBUG"
    assert settings.runner_resources["limits"] == {"memory": "1Gi"}
    assert settings.test_server_node_port == 0
    assert settings.store_schema == "results"


def test_without_values_the_settings_are_their_defaults(render: Any) -> None:
    """The chart's defaults are the operator's, so that there is one answer to what the default is."""
    settings = read_settings(render().environment())

    own = {"namespace", "pod_name", "image", "dsn"}
    assert settings.model_dump(exclude=own) == Settings().model_dump(exclude=own)


def test_the_crds_are_those_of_the_models(render: Any) -> None:
    """What the chart brings is what the operator was made for, rules included."""
    installed = render().of_kind("CustomResourceDefinition")

    assert [crd["spec"] for crd in installed] == [crd["spec"] for crd in build_crds()]


@pytest.mark.parametrize(
    ("kubernetes", "accepted"),
    [
        ("v1.34.0", True),
        ("v1.34.4", True),
        ("v1.37.2", True),
        ("v2.0.0", True),
        ("v1.34.4-gke.1", True),
        ("v1.34.0-gke.1000001", True),
        ("v1.34.2-eks-3025e55", True),
        ("v1.34.4+k3s1", True),
        ("v1.34.4+rke2r1", True),
        ("v1.34.0-rc.1+vmware.1", True),
        ("v1.33.9", False),
        ("v1.33.9-gke.1", False),
        ("v1.33.9+k3s1", False),
        ("v1.20.2", False),
    ],
)
def test_the_chart_is_for_what_it_is_tested_on_and_vendors_names_of_it(
    chart: Path, tmp_path: Path, kubernetes: str, accepted: bool
) -> None:
    """Vendors put their own build behind the version, which semantic versioning takes for one before it.

    Helm compares `kubeVersion` by the library that is behind the template function semverCompare.
    """
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: compare\nversion: 1.0.0\n")
    (tmp_path / "templates" / "answer.yaml").write_text(
        "answer: {{ semverCompare .Values.constraint .Values.version }}\n"
    )
    constraint = yaml.safe_load((chart / "Chart.yaml").read_text())["kubeVersion"]

    (text,) = helm.render(tmp_path, "trial", "testing", {"constraint": constraint, "version": kubernetes}).values()

    assert yaml.safe_load(text) == {"answer": accepted}


def test_uninstalling_keeps_the_crds(render: Any) -> None:
    """They are templates, so that an upgrade changes them; the annotation keeps Helm from deleting them."""
    rendering = render()

    assert len(rendering.of_kind("CustomResourceDefinition")) == 2
    for crd in rendering.of_kind("CustomResourceDefinition"):
        assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert render({"crds": {"install": False}}).of_kind("CustomResourceDefinition") == []


def test_the_operator_is_probed_where_it_answers(render: Any) -> None:
    """Liveness asks /healthz, readiness /readyz, on the port that the operator is told."""
    (container,) = render().one("Deployment", "trial-testrun-operator")["spec"]["template"]["spec"]["containers"]

    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert [port["containerPort"] for port in container["ports"]] == [8080]


def test_objects_of_helm_are_not_taken_for_the_operators_own(render: Any, values: Object) -> None:
    """By `managed-by: testrun-operator` the operator finds, repairs and deletes what it made itself."""
    for found in render(values).objects:
        labels = found["metadata"].get("labels", {})
        assert labels.get("app.kubernetes.io/managed-by") in {None, "Helm"}


def test_the_chart_brings_a_postgres_and_the_operator_uses_it(render: Any) -> None:
    """One Secret has the password for Postgres and the connection string for the operator."""
    rendering = render()

    secret = rendering.one("Secret", "trial-postgresql")
    host = "trial-postgresql.testing.svc.cluster.local:5432"
    assert secret["stringData"]["dsn"] == f"postgresql://testrun:{secret['stringData']['password']}@{host}/testrun"
    assert len(secret["stringData"]["password"]) == 32
    assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert dsn_source(rendering) == {"name": "trial-postgresql", "key": "dsn"}
    (container,) = rendering.one("StatefulSet", "trial-postgresql")["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert variables["POSTGRES_PASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "trial-postgresql"
    assert variables["PGDATA"]["value"].startswith(container["volumeMounts"][0]["mountPath"] + "/")


def test_upgrading_the_chart_alone_does_not_restart_postgres(render: Any) -> None:
    """Neither its pods nor its volume carry the chart's version."""
    spec = render().one("StatefulSet", "trial-postgresql")["spec"]

    assert "0.1.0" not in json.dumps(spec["template"]["metadata"])
    assert "0.1.0" not in json.dumps(spec["volumeClaimTemplates"])


def test_an_existing_postgres_takes_its_place(render: Any) -> None:
    """With `store.existingSecret` the operator reads that Secret, and the chart brings no Postgres."""
    rendering = render(
        {"postgresql": {"enabled": False}, "store": {"existingSecret": {"name": "warehouse", "key": "url"}}}
    )

    assert dsn_source(rendering) == {"name": "warehouse", "key": "url"}
    assert rendering.of_kind("StatefulSet", "Secret") == []
    assert "warehouse (key url)" in rendering.notes


def test_without_a_store_the_notes_say_so(render: Any) -> None:
    """The operator runs without Postgres; nobody is to be surprised by it."""
    rendering = render({"postgresql": {"enabled": False}})

    assert plain_name("dsn") not in rendering.environment()
    assert rendering.of_kind("StatefulSet", "Secret") == []
    assert "NO STORE" in rendering.notes


def test_the_notes_warn_of_the_postgres_for_trying_out(render: Any) -> None:
    """Somebody who reads nothing else learns that the chart's own Postgres has no backup."""
    assert "FOR TRYING OUT" in render().notes


def test_the_run_in_the_notes_is_valid(render: Any) -> None:
    """What the notes tell people to apply, and what `helm test` runs, is a TestRun that the operator accepts."""
    (manifest,) = re.findall(r"<<EOF\n(.*)\nEOF", render().notes, re.DOTALL)
    (trial,) = [found for found in render().of_kind("ConfigMap") if "testrun.yaml" in found["data"]]

    for text in (manifest, trial["data"]["testrun.yaml"]):
        run = parse_run(yaml.safe_load(text)["spec"])
        assert run.suite is not None
        assert run.suite.cases[0].name == "all-pages"


def test_helm_test_leaves_nothing_when_it_has_passed(render: Any) -> None:
    """All that the trial needs is a hook, deleted on success and before the next trial."""
    rendering = render()

    hooks = [found for found in rendering.objects if found["metadata"]["name"] == "trial-testrun-operator-trial"]
    assert {hook["kind"] for hook in hooks} == {"Pod", "ConfigMap", "ServiceAccount", "Role", "RoleBinding"}
    for hook in hooks:
        annotations = hook["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "test"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def test_the_trial_runs_where_the_operator_looks(render: Any) -> None:
    """With namespaces named, `helm test` creates its TestRun in one of them."""
    rendering = render({"watchNamespaces": ["team-a"]})

    (container,) = rendering.one("Pod", "trial-testrun-operator-trial")["spec"]["containers"]
    assert container["args"][1] == "team-a"
    assert rendering.one("Role", "trial-testrun-operator-trial")["metadata"]["namespace"] == "team-a"


def test_a_service_monitor_needs_the_value_and_the_type(render: Any) -> None:
    """A cluster without the Prometheus Operator would refuse the release otherwise."""
    wanted = {"metrics": {"serviceMonitor": {"enabled": True}}}

    assert len(render(wanted, api_versions=("monitoring.coreos.com/v1",)).of_kind("ServiceMonitor")) == 1
    assert render(wanted).of_kind("ServiceMonitor") == []
    assert render(api_versions=("monitoring.coreos.com/v1",)).of_kind("ServiceMonitor") == []


def test_the_services_find_their_pods(render: Any, values: Object) -> None:
    """Every Service selects the pods of just one Deployment or StatefulSet, and its port's name is one of theirs."""
    rendering = render(values)

    for service in rendering.of_kind("Service"):
        selector = service["spec"]["selector"].items()
        (template,) = [
            found["spec"]["template"]
            for found in rendering.of_kind("Deployment", "StatefulSet")
            if selector <= found["spec"]["template"]["metadata"]["labels"].items()
        ]
        (container,) = template["spec"]["containers"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} == {
            port["name"] for port in container["ports"]
        }


def test_ports_name_their_protocol(render: Any, values: Object) -> None:
    """Server-side apply, which is how Helm 4 installs, merges ports by number and protocol."""
    rendering = render(values)

    ports = [port for service in rendering.of_kind("Service") for port in service["spec"]["ports"]]
    ports += [port for pod in rendering.pods().values() for part in pod["containers"] for port in part.get("ports", ())]
    assert {port.get("protocol") for port in ports} == {"TCP"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"postgres": {"enabled": False}}, "additional properties 'postgres' not allowed"),
        ({"operator": {"logLevel": "LOUD"}}, "at '/operator/logLevel': value must be one of 'DEBUG', 'INFO'"),
        ({"operator": {"startTimeout": "soon"}}, "at '/operator/startTimeout': 'soon' does not match pattern"),
        ({"operator": {"startTimeout": 30}}, "at '/operator/startTimeout': got number, want string"),
        ({"watchNamespaces": "team-a"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["Team A"]}, "at '/watchNamespaces/0': 'Team A' does not match pattern"),
        ({"testServer": {"nodePort": 8080}}, "at '/testServer/nodePort'"),
        ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy': value must be one of 'Always'"),
        ({"postgresql": {"password": "needs%20escapes"}}, "at '/postgresql/password'"),
        ({"store": {"schema": "Results"}}, "at '/store/schema': 'Results' does not match pattern"),
        ({"fullnameOverride": "a.b"}, "at '/fullnameOverride': 'a.b' does not match pattern"),
        ({"commonLabels": {"team": "a b"}}, "at '/commonLabels/team': 'a b' does not match pattern"),
        ({"commonLabels": {"-team": "a"}}, "at '/commonLabels': additional properties '-team' not allowed"),
        ({"operator": {"replicas": 0}}, "at '/operator/replicas': minimum: got 0, want 1"),
        (
            {"operator": {"resources": {"request": {}}}},
            "at '/operator/resources': additional properties 'request' not allowed",
        ),
        (
            {"operator": {"tolerations": [{"keys": "a"}]}},
            "at '/operator/tolerations/0': additional properties 'keys' not allowed",
        ),
        (
            {"cases": {"affinity": {"nodeAffinity": {"required": {}}}}},
            "at '/cases/affinity/nodeAffinity': additional properties 'required' not allowed",
        ),
        (
            {"cases": {"topologySpreadConstraints": [{"maxSkew": 1}]}},
            "at '/cases/topologySpreadConstraints/0': missing properties 'topologyKey', 'whenUnsatisfiable'",
        ),
        (
            {"runner": {"extraEnv": [{"name": "A", "value": 1}]}},
            "at '/runner/extraEnv/0/value': got number, want string",
        ),
        (
            {"runner": {"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]}},
            "at '/runner/extraVolumes/0': additional properties 'hostPath' not allowed",
        ),
        (
            {"networkPolicy": {"postgresqlFrom": [{"podSelectors": {}}]}},
            "at '/networkPolicy/postgresqlFrom/0': additional properties 'podSelectors' not allowed",
        ),
        ({"service": {"ipFamilies": ["IPv5"]}}, "at '/service/ipFamilies/0': value must be one of 'IPv4', 'IPv6'"),
        ({"security": {"randomUserIds": True}}, "at '/security/randomUserIds': got boolean, want string"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(render: Any, values: Object, message: str) -> None:
    """A mistake is told before anything is installed, and the message says which value it is."""
    with pytest.raises(helm_python.HelmValuesError) as refusal:
        render(values)

    assert message in str(refusal.value)


def dsn_source(rendering: Any) -> Object:
    """Return where the operator's connection string comes from."""
    (container,) = rendering.one("Deployment", "trial-testrun-operator")["spec"]["template"]["spec"]["containers"]
    (variable,) = [variable for variable in container["env"] if variable["name"] == plain_name("dsn")]
    source: Object = variable["valueFrom"]["secretKeyRef"]
    return source
