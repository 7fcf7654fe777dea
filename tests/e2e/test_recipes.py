"""The recipes of docs/recipes, run as the pages say."""

import base64
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from support.cluster import ROOT, Body, Namespace, kubectl, operator_pod, wait_until

RECIPES = ROOT / "examples" / "recipes"
WORKFLOW = yaml.safe_load((ROOT / "examples" / "ci" / "github-actions.yaml").read_text())
NEEDS_DOCKER = ("kind create", "docker build", "helm install")
ALREADY_THERE = ("pip", "kubectl create namespace")
TESTRUN = Path(sys.executable).with_name("testrun")

NOWHERE: Body = {
    "connections": {"nowhere": {"url": "http://nowhere.invalid"}},
    "cases": [{"name": "unreachable", "http": {"connection": "nowhere"}}],
}
# The API server cannot see what is wrong with it.
INVALID: Body = {
    "cases": [
        {"name": "one", "needs": ["two"], "container": {"image": "x"}},
        {"name": "two", "needs": ["one"], "container": {"image": "x"}},
    ]
}
OUTCOMES = [
    pytest.param({"suiteRef": {"name": "listing"}, "variables": {"page_size": "5"}}, 0, "Passed", id="passed"),
    pytest.param(
        {"suiteRef": {"name": "listing"}, "variables": {"expected_items": "36"}},
        1,
        "all-items: Failed, ExpectationNotMet: items: expected 36, got 35",
        id="failed",
    ),
    pytest.param({"suiteRef": {"name": "nowhere"}}, 2, "unreachable: Errored, ConnectionFailed", id="errored"),
    pytest.param({"suiteRef": {"name": "listing"}, "select": {"tags": ["none"]}}, 2, "Errored", id="invalid-run"),
    pytest.param({"suiteRef": {"name": "invalid"}}, 2, "'one' needs itself", id="invalid-suite"),
    pytest.param({"suiteRef": {"name": "none"}}, 2, "there is no TestSuite 'none'", id="no-suite"),
    pytest.param({"suiteRef": {"name": "listing"}, "parallelism": "many"}, 2, "parallelism", id="refused"),
]


def run(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program, and put what it says together."""
    return subprocess.run(
        words,
        env=os.environ | environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.fixture
def suites(namespace: Namespace) -> Namespace:
    """A namespace with the suite of the recipes, one that cannot be judged, and one that is invalid."""
    namespace.kubectl("apply", "-f", str(RECIPES / "suite.yaml"))
    namespace.apply("TestSuite", "nowhere", NOWHERE)
    namespace.apply("TestSuite", "invalid", INVALID)
    return namespace


@pytest.fixture
def caller(suites: Namespace, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody outside of the cluster who has nothing but the token of the recipe."""
    suites.kubectl("apply", "-f", str(RECIPES / "api" / "rbac.yaml"), "-f", str(RECIPES / "api" / "token.yaml"))
    secret: Body = wait_until(
        "the token is there",
        lambda: (data := suites.get("secret", "pipeline-token").get("data", {})).get("token") and data,
    )
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(secret["ca.crt"]))
    return {
        "API": kubectl("config", "view", "--raw", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"),
        "CA": str(tmp_path / "ca.crt"),
        "TOKEN": base64.b64decode(secret["token"]).decode(),
        "NAMESPACE": suites.name,
        "KUBECONFIG": "/nonexistent",
    }


def manifest(spec: Body) -> Body:
    """Make the TestRun of the recipe with another spec."""
    body: Body = yaml.safe_load((RECIPES / "run.yaml").read_text())
    return body | {"spec": spec}


@pytest.mark.parametrize(("spec", "code", "said"), OUTCOMES)
def test_the_script_for_kubectl_tells_how_a_run_ended(
    suites: Namespace, tmp_path: Path, spec: Body, code: int, said: str
) -> None:
    """And does not sit out its timeout when the run fails, or will never start."""
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(manifest(spec)))
    done = run(str(RECIPES / "run-and-wait.sh"), str(tmp_path / "run.yaml"), "-n", suites.name)
    assert done.returncode == code, done.stdout
    assert said in done.stdout


def test_the_script_for_kubectl_ends_in_time(suites: Namespace, tmp_path: Path) -> None:
    """With a code of its own: nothing was found out."""
    spec = {"suiteRef": {"name": "listing"}, "suspend": True}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(manifest(spec)))
    done = run(str(RECIPES / "run-and-wait.sh"), str(tmp_path / "run.yaml"), "-n", suites.name, TIMEOUT="1")
    assert done.returncode == 3, done.stdout


@pytest.mark.parametrize("program", ["post-and-wait.sh", "post_and_wait.py"])
def test_the_programs_for_http_tell_how_a_run_ended(caller: dict[str, str], tmp_path: Path, program: str) -> None:
    """With the rights of the recipe and no others."""
    words = [str(RECIPES / "api" / program)]
    words = [sys.executable, *words] if program.endswith(".py") else words
    for outcome in OUTCOMES:
        spec, code, said = outcome.values
        (tmp_path / "run.json").write_text(json.dumps(manifest(spec)))
        done = run(*words, str(tmp_path / "run.json"), **caller)
        assert done.returncode == code, f"{outcome.id}: {done.stdout}"
        assert said in done.stdout
    (tmp_path / "run.json").write_text(json.dumps(manifest({"suiteRef": {"name": "listing"}, "suspend": True})))
    assert run(*words, str(tmp_path / "run.json"), **caller, TIMEOUT="1").returncode == 3
    assert run(*words, str(tmp_path / "run.json"), **caller | {"TOKEN": "another"}).returncode == 2
    assert run(*words, str(tmp_path / "run.json"), **caller | {"API": "https://127.0.0.1:1"}).returncode == 2


def test_the_token_of_the_recipe_opens_nothing_else(caller: dict[str, str]) -> None:
    """Neither other objects nor other namespaces."""
    for path, method in (
        (f"apis/testrun.dev/v1alpha1/namespaces/{caller['NAMESPACE']}/testruns", "GET"),
        (f"apis/testrun.dev/v1alpha1/namespaces/{caller['NAMESPACE']}/testruns/any", "DELETE"),
        (f"api/v1/namespaces/{caller['NAMESPACE']}/secrets", "GET"),
        ("apis/testrun.dev/v1alpha1/namespaces/default/testruns/any", "GET"),
    ):
        done = run(
            *("curl", "--silent", "--cacert", caller["CA"], "--output", "/dev/null", "--write-out", "%{http_code}"),
            *("--request", method, "--header", f"Authorization: Bearer {caller['TOKEN']}", f"{caller['API']}/{path}"),
        )
        assert done.stdout == "403", path


@pytest.mark.usefixtures("caller")
def test_a_pod_can_do_the_same_with_what_is_mounted(suites: Namespace) -> None:
    """The image of the page is not on every cluster without a registry; the operator's has a Python, too."""
    files = [f"--from-file={RECIPES / 'api' / name}" for name in ("post_and_wait.py", "testrun.json")]
    suites.kubectl("create", "configmap", "post-and-wait", *files)
    pod = yaml.safe_load((RECIPES / "api" / "pod.yaml").read_text())
    pod["spec"]["containers"][0]["image"] = operator_pod()["spec"]["containers"][0]["image"]
    suites.kubectl("apply", "-f", "-", text=yaml.safe_dump(pod))
    assert end_of("pod", "post-and-wait", suites) == "Succeeded"
    assert ": Passed\n" in suites.kubectl("logs", "post-and-wait")


@pytest.mark.parametrize(("setting", "end"), [("page_size=5", "Succeeded"), ("expected_items=36", "Failed")])
def test_the_job_of_the_cronjob_ends_as_the_run_does(suites: Namespace, setting: str, end: str) -> None:
    """With the rights of the recipe. The CronJob itself has another version here (1.20) than on the page."""
    suites.kubectl("apply", "-f", str(RECIPES / "cron" / "rbac.yaml"))
    cron = yaml.safe_load((RECIPES / "cron" / "cronjob.yaml").read_text())
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "night"}, **cron["spec"]["jobTemplate"]}
    [container] = job["spec"]["template"]["spec"]["containers"]
    container["image"] = operator_pod()["spec"]["containers"][0]["image"]
    container["args"] = [setting if word == "page_size=5" else word for word in container["args"]]
    suites.kubectl("apply", "-f", "-", text=yaml.safe_dump(job))
    pods = wait_until("the Job has a pod", lambda: suites.objects("pods", "job-name=night"))
    name = pods[0]["metadata"]["name"]
    assert end_of("pod", name, suites) == end, suites.kubectl("logs", name)
    wait_until("the Job is over", lambda: suites.get("job", "night")["status"].get(end.lower()) == 1)


def end_of(kind: str, name: str, namespace: Namespace) -> str:
    """Wait for the end of a pod."""
    phase: str = wait_until(
        f"{kind} {name} is over",
        lambda: (found := namespace.get(kind, name)["status"]["phase"]) in {"Succeeded", "Failed"} and found,
        seconds=120,
    )
    return phase


@pytest.mark.parametrize(("items", "code"), [("35", 0), ("36", 1)])
def test_the_steps_of_the_workflow_that_need_no_docker(
    namespace: Namespace, tmp_path: Path, items: str, code: int
) -> None:
    """In a checkout with a suite: the run decides, and the report is there either way."""
    (tmp_path / "tests").mkdir()
    suite = (RECIPES / "suite.yaml").read_text().replace('expected_items: "35"', f'expected_items: "{items}"')
    (tmp_path / "tests" / "suite.yaml").write_text(suite)
    environment = WORKFLOW["env"] | {
        "NAMESPACE": namespace.name,
        "GITHUB_SHA": "4f2c1d",
        "PATH": f"{TESTRUN.parent}:{os.environ['PATH']}",
    }
    codes, said = [], ""
    for step in WORKFLOW["jobs"]["regression"]["steps"]:
        script = step.get("run", "")
        if not script or any(word in script for word in (*NEEDS_DOCKER, *ALREADY_THERE)):
            continue
        if step.get("if") != "${{ failure() }}" or any(codes):
            # As GitHub does it.
            done = run("bash", "-e", "-c", script, cwd=tmp_path, **environment)
            codes.append(done.returncode)
            said += done.stdout
    assert codes == ([0, 0, 0] if code == 0 else [0, 1, 0, 0]), said
    report = ET.parse(tmp_path / "results.xml").getroot()  # noqa: S314 - our own
    assert (report.get("tests"), report.get("failures")) == ("2", str(code))
