"""Cases over https with authorities and certificates of their own, against a server that has them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.test_runner_process import document, run
from tests.integration.tls_server import Authority, HttpsServer, running_https
from tests.unit.kube.manifests import document_of, parts_of
from typer.testing import CliRunner

from testrun_operator.api.reason import Reason
from testrun_operator.api.report import Report
from testrun_operator.api.verdict import FailureClass, Verdict
from testrun_operator.cli.application import application

EXAMPLE = Path(__file__).parents[2] / "examples" / "tls"


@dataclass(frozen=True)
class World:
    """Authorities, certificates and servers."""

    folder: Path
    own: Authority
    other: Authority
    server: HttpsServer
    """Anybody may ask it."""
    strict: HttpsServer
    """Only clients with a certificate of the own authority may ask it."""
    expired: HttpsServer
    """Its certificate has expired."""
    named: HttpsServer
    """Its certificate is for ``api.example``."""

    def file(self, name: str) -> str:
        """Return where a file is."""
        return str(self.folder / name)

    def client(self, name: str) -> dict[str, str]:
        """Return what shows a certificate to the server."""
        return {"certificate": self.file(f"{name}.crt"), "key": self.file(f"{name}.key")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Start the servers."""
    folder = tmp_path_factory.mktemp("tls")
    own, other = Authority(folder, "own"), Authority(folder, "other")
    own.issue("client")
    own.issue("tests")
    own.issue("late", expired=True)
    other.issue("stranger")
    with (
        running_https(own.issue("server")) as server,
        running_https(own.issue("strict"), own.certificate) as strict,
        running_https(own.issue("expired", expired=True)) as expired,
        running_https(own.issue("named", host="api.example")) as named,
    ):
        yield World(folder, own, other, server, strict, expired, named)


def ask(server: HttpsServer, folder: Path, *, client: str = "", **tls: str) -> Report:
    """Run a case that asks a server who it takes its client for."""
    expect = {"jmespath": [{"expression": "client", "equals": client}]}
    case = document({"connection": "api", "expect": expect}, "http://unused")
    case["connections"] = {"api": {"url": server.url} | ({"tls": tls} if tls else {})}
    return run(case, folder).whole_report


def test_an_authority_of_ones_own_is_trusted(world: World, tmp_path: Path) -> None:
    """Without it the same server is not: a dependency's fault, and never the subject's failure."""
    assert Verdict.PASSED is ask(world.server, tmp_path, ca=world.file("own.crt")).verdict
    for tls in ({}, {"ca": world.file("other.crt")}):
        report = ask(world.server, tmp_path, **tls)
        assert (Verdict.ERRORED, FailureClass.DEPENDENCY) == (report.verdict, report.failure_class)
        assert Reason.CONNECTION_FAILED is report.reason
        assert "certificate verify failed" in report.message


def test_a_client_certificate_is_shown(world: World, tmp_path: Path) -> None:
    """The server says whom it sees; one that asks for a certificate refuses clients without, and strangers."""
    ca = world.file("own.crt")
    assert Verdict.PASSED is ask(world.strict, tmp_path, client="client", ca=ca, **world.client("client")).verdict
    for shown in ({}, world.client("stranger"), world.client("late")):
        report = ask(world.strict, tmp_path, ca=ca, **shown)
        assert (Verdict.ERRORED, FailureClass.DEPENDENCY) == (report.verdict, report.failure_class)
        assert Reason.CONNECTION_FAILED is report.reason


def test_an_expired_certificate_is_named(world: World, tmp_path: Path) -> None:
    """The message says so."""
    report = ask(world.expired, tmp_path, ca=world.file("own.crt"))
    assert (Verdict.ERRORED, FailureClass.DEPENDENCY) == (report.verdict, report.failure_class)
    assert "certificate has expired" in report.message


def test_a_server_may_be_asked_for_under_another_name(world: World, tmp_path: Path) -> None:
    """Its certificate has to have that name, not the host of the url."""
    ca = world.file("own.crt")
    assert Verdict.PASSED is ask(world.named, tmp_path, ca=ca, serverName="api.example").verdict
    report = ask(world.named, tmp_path, ca=ca)
    assert Verdict.ERRORED is report.verdict
    assert "IP address mismatch" in report.message


def test_the_example_passes_with_what_the_kubelet_would_mount(world: World, tmp_path: Path) -> None:
    """Its document, as the operator makes it, with the mounted folder put elsewhere and the address of the server."""
    suite = yaml.safe_load((EXAMPLE / "suite.yaml").read_text())["spec"]
    [case] = suite["cases"]
    connections = {"api": suite["connections"]["api"] | {"url": world.strict.url}}
    connections["api"]["tls"].pop("serverName")  # the server's certificate is for its address
    made = document_of(parts_of(case, connections=connections))
    mounted = tmp_path / "mounted" / "api"
    for target, source in {
        "ca/ca.crt": "own.crt",
        "client/tls.crt": "tests.crt",
        "client/tls.key": "tests.key",
    }.items():
        (mounted / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(world.file(source), mounted / target)
    text = made.model_dump_json(exclude_defaults=True).replace("/etc/testrun-tls", str(mounted.parent))
    report = run(text, tmp_path).whole_report
    assert Verdict.PASSED is report.verdict, report.message


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no ca", "connections.api.tls.caFrom: there is no such object in the run's namespace, or it has no such key"),
        ("no certificate", "connections.api.tls.clientCertificateFrom: there is no such object"),
        ("nonsense", "connections.api.tls.caFrom: the key holds no certificate in the form of PEM"),
        ("empty", "connections.api.tls.caFrom: the key holds no certificate in the form of PEM"),
        ("another key", "connections.api.tls.clientCertificateFrom: tls.key is not the key of the certificate"),
    ],
)
def test_what_is_wrong_with_the_files_is_the_case_s_configuration(
    world: World, tmp_path: Path, fault: str, message: str
) -> None:
    """The field is named, and nothing of what is in the files."""
    (tmp_path / "nonsense").write_text("-----BEGIN PRIVATE KEY-----\nsecret\n")
    (tmp_path / "empty").write_text("")
    shutil.copy(world.file("stranger.key"), tmp_path / "other.key")
    tls: dict[str, Any] = {
        "no ca": {"ca": str(tmp_path / "missing")},
        "no certificate": {"certificate": str(tmp_path / "missing"), "key": str(tmp_path / "missing")},
        "nonsense": {"ca": str(tmp_path / "nonsense")},
        "empty": {"ca": str(tmp_path / "empty")},
        "another key": {"certificate": world.file("client.crt"), "key": str(tmp_path / "other.key")},
    }[fault]
    report = ask(world.server, tmp_path, **tls)
    assert (Verdict.ERRORED, FailureClass.CONFIGURATION) == (report.verdict, report.failure_class)
    assert message in report.message
    assert "secret" not in report.message


def test_a_playbook_asks_its_server_the_same_way(world: World, tmp_path: Path) -> None:
    """The https server is no NoETL, which is found out over the encrypted connection."""
    playbook = {"connection": "api", "path": "x"}
    case = document({}, "http://unused", timeout="10s")
    case["case"] = {"name": "example", "playbook": playbook}
    tls = {"ca": world.file("own.crt"), **world.client("client")}
    case["connections"] = {"api": {"url": world.strict.url, "tls": tls}}
    report = run(case, tmp_path).whole_report
    assert Verdict.ERRORED is report.verdict
    assert "certificate" not in report.message
    case["connections"]["api"]["tls"].pop("ca")
    assert "certificate verify failed" in run(case, tmp_path).whole_report.message


def test_the_command_line_takes_files(world: World) -> None:
    """`testrun noetl suite` gets to the server, which is no NoETL, with them, and not without."""
    command = ["noetl", "suite", "--server", world.strict.url]
    trusting = [*command, "--ca-file", world.file("own.crt")]
    shown = ["--client-certificate", world.file("client.crt"), "--client-key", world.file("client.key")]
    said = {
        name: CliRunner().invoke(application, arguments)
        for name, arguments in {
            "nothing": command,
            "half": [*trusting, *shown[:2]],
            "missing": [*command, "--ca-file", world.file("nothing")],
            "all": [*trusting, *shown],
        }.items()
    }
    assert 0 not in {result.exit_code for result in said.values()}
    text = {name: f"{result.output} {result.exception}" for name, result in said.items()}
    assert "certificate verify failed" in text["nothing"]
    assert "goes with --client-key" in text["half"]
    assert "there is no file" in text["missing"]
    assert "certificate" not in text["all"]
