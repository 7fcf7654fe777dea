"""The commands that pods start, and what they cost."""

import subprocess
import sys

import pytest

from support.command_line import Invoke
from testrun_operator import __version__

HEAVY = {
    "aiohttp",
    "fastapi",
    "httpx",
    "jinja2",
    "kopf",
    "kubernetes",
    "psycopg",
    "pydantic",
    "rich",
    "uvicorn",
    "yaml",
}


def imported_by(code: str) -> set[str]:
    """Name the packages that a fresh process has imported after running some code."""
    program = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(output.splitlines()[-1].split())


def test_the_help_pays_for_no_commands_imports() -> None:
    """Typing a command wrong is answered at once."""
    code = "import contextlib\nfrom testrun_operator.cli import main\nsys.argv = ['testrun', '--help']\n"
    code += "with contextlib.suppress(SystemExit): main()"
    assert imported_by(code) & HEAVY == set()


def test_the_test_server_pays_for_its_own_imports_alone() -> None:
    """Its pod starts before the first case does, so its start is the run's delay."""
    code = (
        "import contextlib, uvicorn\nuvicorn.run = lambda *_, **__: None\n"
        "from testrun_operator.cli import main\nsys.argv = ['testrun', 'testserver']\n"
        "with contextlib.suppress(SystemExit): main()"
    )
    assert imported_by(code) & HEAVY <= {"fastapi", "pydantic", "uvicorn", "yaml"}


@pytest.mark.parametrize(
    ("command", "function"),
    [("operator", "testrun_operator.controller.main.main"), ("runner", "testrun_operator.runner.main.main")],
)
def test_a_process_ends_with_the_exit_code_of_its_part(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, command: str, function: str
) -> None:
    """Kubernetes goes by it."""
    monkeypatch.setattr(function, lambda: 7)
    assert invoke(command).exit_code == 7


def test_the_test_server_listens_where_it_is_told(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """On all addresses and port 5555 unless told otherwise."""
    served: list[tuple[str, int, bool]] = []
    monkeypatch.setattr(
        "testrun_operator.testserver.server.serve",
        lambda host, port, *, access_log: served.append((host, port, access_log)),
    )
    assert invoke("testserver").exit_code == 0
    assert invoke("testserver", "--host", "127.0.0.1", "--port", "80", "--access-log").exit_code == 0
    assert served == [("0.0.0.0", 5555, False), ("127.0.0.1", 80, True)]  # noqa: S104 - the default


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_an_impossible_port_is_a_usage_error(invoke: Invoke, port: str) -> None:
    """Before anything is started."""
    assert invoke("testserver", "--port", port).exit_code == 2


def test_the_operator_without_a_cluster_says_so_in_one_line(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand it needs a kubeconfig."""
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", "/nonexistent")
    monkeypatch.setattr("testrun_operator.controller.main.configure_logs", lambda _: None)
    result = invoke("operator")
    assert result.exit_code != 0
    assert "no usable kubeconfig" in result.stderr


def test_version_prints_the_packages_version(invoke: Invoke) -> None:
    """The one that a bug report asks for."""
    assert invoke("version").stdout == f"testrun-operator {__version__}\n"


def test_every_command_has_help(invoke: Invoke) -> None:
    """And the list shows those for people first."""
    commands = [line.split()[0] for line in invoke("--help").stdout.partition("Commands:\n")[2].splitlines()]
    people = ["status", "wait", "run", "results", "validate", "cases", "version"]
    of_kinds = commands[len(people) : -3]  # a new kind may have some
    assert commands == [*people, *of_kinds, "operator", "runner", "testserver"]
    assert of_kinds[:2] == ["sql", "noetl"]
    for command in commands:
        result = invoke(command, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: testrun {command}")


def test_a_command_that_does_not_exist_is_a_usage_error(invoke: Invoke) -> None:
    """With its name, which is mostly a slip."""
    result = invoke("stauts")
    assert result.exit_code == 2
    assert "No such command 'stauts'" in result.stderr
