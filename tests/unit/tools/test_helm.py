"""The wrapper around Helm: with the binary it steps aside, without it the library does the work."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import helm
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "testrun-operator"
COMMANDS = ("lint", "template", "install", "upgrade", "rollback", "uninstall", "test", "package")


@pytest.fixture(autouse=True)
def without_the_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about the library, also on a machine that has the binary."""
    monkeypatch.setenv("TESTRUN_HELM_LIBRARY", "1")


def test_with_a_binary_on_path_it_is_run_with_the_same_arguments(tmp_path: Path) -> None:
    """Nothing is translated: what the binary understands, it gets."""
    binary = tmp_path / "helm"
    binary.write_text('#!/bin/sh\necho "the binary: $*"\n')
    binary.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "TESTRUN_HELM_LIBRARY"}
    words = ["upgrade", "--install", "trial", "chart", "--set", "a=b,c={1,2}", "-n", "testing"]

    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "helm.py"), *words],
        env={**environment, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == f"the binary: {' '.join(words)}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` says what a command does."""
    with pytest.raises(SystemExit) as end:
        helm.main([command, "--help"])

    assert end.value.code == 0
    assert f"tools/helm.py {command}" in capsys.readouterr().out


def test_template_prints_manifests_in_the_order_of_installation(capsys: pytest.CaptureFixture[str]) -> None:
    """Namespaces come before what is in them, and notes are no manifests."""
    assert helm.main(["template", "trial", str(CHART), "-n", "testing", "--kube-version", "v1.34.0"]) == 0

    kinds = [found["kind"] for found in yaml.safe_load_all(capsys.readouterr().out) if found]
    assert kinds[0] == "Namespace"
    assert kinds.index("Role") < kinds.index("RoleBinding") < kinds.index("Deployment")


def test_template_leaves_out_tests_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """`--skip-tests` drops the hooks of `helm test`, and only these."""
    helm.main(["template", "trial", str(CHART), "--skip-tests"])

    shown = capsys.readouterr().out
    assert "helm.sh/hook" not in shown
    assert "kind: Deployment" in shown


def test_template_shows_only_the_files_that_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """`--show-only` names a template; one that does not exist is a mistake."""
    assert helm.main(["template", "trial", str(CHART), "--show-only", "templates/service.yaml"]) == 0
    (service,) = [found for found in yaml.safe_load_all(capsys.readouterr().out) if found]
    assert service["kind"] == "Service"

    assert helm.main(["template", "trial", str(CHART), "-s", "templates/nothing.yaml"]) == 1
    assert "templates/nothing.yaml" in capsys.readouterr().err


def test_values_come_from_files_and_arguments_the_later_wins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two files are merged map by map; `--set` is above both, and understands lists."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("image: {repository: first, tag: first}\noperator: {logLevel: DEBUG}\n")
    second.write_text("image: {repository: second}\n")
    words = ["--values", str(first), "-f", str(second), "--set", "image.tag=third,watchNamespaces={a,b}"]

    assert helm.main(["template", "trial", str(CHART), *words]) == 0

    shown = capsys.readouterr().out
    assert 'image: "second:third"' in shown
    assert 'value: "DEBUG"' in shown
    assert 'value: "a,b"' in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["template", "trial", str(CHART), "--set", "operator.logLevel=LOUD"], "at '/operator/logLevel'"),
        (["template", "trial", str(CHART), "-f", "nowhere.yaml"], "nowhere.yaml cannot be read: No such file"),
        (["template", "trial", str(ROOT / "docs")], "Chart.yaml"),
        (["install", "trial", str(CHART), "--timeout", "soon"], "'soon' is no duration"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An error is one message on standard error that names what is wrong, without a traceback."""
    assert helm.main(words) == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ")
    assert message in shown.err
    assert "Traceback" not in shown.err


def test_without_a_cluster_the_address_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing answers: the message says where it was tried."""
    kubeconfig = tmp_path / "kubeconfig"
    cluster = {"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "none", "context": {"cluster": "none", "user": ""}}
    kubeconfig.write_text(yaml.safe_dump({"clusters": [cluster], "contexts": [context], "current-context": "none"}))

    assert helm.main(["uninstall", "trial", "--kubeconfig", str(kubeconfig)]) == 1

    assert "127.0.0.1:9" in capsys.readouterr().err


def test_lint_fails_for_a_chart_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and the message names the file."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: wrong\nversion: 1.0.0\n")
    (tmp_path / "templates" / "broken.yaml").write_text("{{ .Values.missing.deeper }}\n")

    assert helm.main(["lint", str(tmp_path)]) == 1

    assert "broken.yaml" in capsys.readouterr().out


def test_package_makes_an_archive_that_can_be_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is published is the chart with all its files."""
    assert helm.main(["package", str(CHART), "-d", str(tmp_path)]) == 0
    (archive,) = tmp_path.glob("*.tgz")
    assert archive.name in capsys.readouterr().out

    packed = helm.render(archive, "trial", "testing", {}, kube_version="v1.31.0")

    assert "kind: CustomResourceDefinition" in packed["testrun-operator/templates/crds.yaml"]


def test_an_upgrade_can_start_from_what_was_set_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--reset-then-reuse-values`: new defaults, below them what was set, below that what is set now."""
    asked: dict[str, Any] = {}

    class Cluster:
        def get_values(self, release: str) -> dict[str, Any]:
            assert release == "trial"
            return {"image": {"repository": "first", "tag": "first"}}

        def upgrade(self, _chart: str, _release: str, values: dict[str, Any], **options: Any) -> dict[str, Any]:
            asked.update(values=values, **options)
            return {"name": "trial"}

    monkeypatch.setattr(helm, "_cluster", lambda _: nullcontext(Cluster()))
    words = ["upgrade", "trial", str(CHART), "--reset-then-reuse-values", "--set", "image.tag=second"]

    assert helm.main(words) == 0

    assert asked["values"] == {"image": {"repository": "first", "tag": "second"}}
    assert asked["reuse_values"] is False


@pytest.mark.parametrize(("words", "revision"), [([], None), (["3"], 3)])
def test_a_rollback_goes_to_the_revision_before_or_to_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, words: list[str], revision: int | None
) -> None:
    """As with the binary."""
    asked: list[Any] = []

    class Cluster:
        def rollback(self, release: str, **options: Any) -> None:
            asked.append((release, options))

    monkeypatch.setattr(helm, "_cluster", lambda _: nullcontext(Cluster()))

    assert helm.main(["rollback", "trial", *words, "--wait", "--timeout", "90s"]) == 0

    assert asked == [("trial", {"version": revision, "wait": "watcher", "timeout": 90})]


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("0s", 0)])
def test_timeouts_are_durations_as_go_writes_them(text: str, expected: int) -> None:
    """The same notation as with the binary."""
    assert helm.seconds(text) == expected
