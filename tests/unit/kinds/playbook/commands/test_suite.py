"""``testrun noetl suite DIR``: what is written, what is left out, and what is told beside it."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.command_line import Invoke
from testrun_operator.engine.validation import check_suite
from testrun_operator.resources.parsing import parse_suite
from testrun_operator.resources.suite import TestSuiteSpec

Folder = dict[str, str]


def playbook(path: str, step: str = "tool: {kind: http, url: 'http://a'}", more: str = "") -> str:
    """Make a playbook of one step."""
    return (
        f"apiVersion: noetl.io/v2\nkind: Playbook\nmetadata: {{path: {path}{more}}}\nworkflow:\n- step: go\n  {step}\n"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder of playbooks, and of what is none."""
    for name, text in {
        "http/get.yaml": playbook("jobs/http/get", more=", description: Gets it"),
        "http/post/post.yml": playbook("jobs/http/post"),
        "plain.yaml": playbook("jobs/plain"),
        "values.yaml": "a: 1\n",
        "manifests.yaml": "kind: Service\n---\nkind: Deployment\n",
        "README.md": "kind: Playbook\n",
        ".hidden/no.yaml": playbook("jobs/hidden"),
    }.items():
        _write(tmp_path / "books" / name, text)
    return tmp_path / "books"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))


def _suite(text: str) -> tuple[TestSuiteSpec, dict[str, Any]]:
    """Read the TestSuite, which must be valid, and give it also as it is written."""
    document = next(one for one in yaml.safe_load_all(text) if one["kind"] == "TestSuite")
    suite = parse_suite(document["spec"])
    assert not check_suite(suite)
    return suite, document


def test_each_playbook_becomes_a_case(invoke: Invoke, folder: Path) -> None:
    """Named by its path, in the category of its folder; nothing is written that is so anyway."""
    result = invoke("noetl", "suite", str(folder))
    assert result.exit_code == 0
    _, document = _suite(result.stdout)
    assert document["metadata"] == {"name": "books"}
    assert document["spec"]["cases"] == [
        {
            "name": "jobs-http-get",
            "description": "Gets it",
            "category": "http",
            "playbook": {"connection": "noetl", "path": "jobs/http/get"},
        },
        {"name": "jobs-http-post", "category": "http", "playbook": {"connection": "noetl", "path": "jobs/http/post"}},
        {"name": "jobs-plain", "category": "jobs", "playbook": {"connection": "noetl", "path": "jobs/plain"}},
    ]
    assert result.stderr == "3 playbooks: 3 cases, 2 other files\n"


def test_the_connection_is_as_asked_for(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    """And the suite's name and namespace; with a file nothing goes to standard output."""
    output = tmp_path / "suite.yaml"
    options = ["--name", "nightly", "-n", "shop", "--connection", "etl", "--url", "https://etl:1", "-o", str(output)]
    result = invoke("noetl", "suite", str(folder), *options, "--dsn-secret", "etl-events/dsn", "--strip", "jobs/")
    assert (result.exit_code, result.stdout) == (0, "")
    suite, document = _suite(output.read_text())
    assert document["metadata"] == {"name": "nightly", "namespace": "shop"}
    assert document["spec"]["connections"] == {
        "etl": {"url": "https://etl:1", "dsnFrom": {"secretKeyRef": {"name": "etl-events", "key": "dsn"}}}
    }
    assert [case.name for case in suite.cases] == ["http-get", "http-post", "plain"]


def test_dangerous_playbooks_are_left_out_unless_asked_for(invoke: Invoke, folder: Path) -> None:
    """And so are those that start them; each is named with its reason, in the suite and beside it."""
    _write(folder / "shell.yaml", playbook("jobs/shell", "tool: {kind: shell, cmds: [ls]}"))
    _write(folder / "parent.yaml", playbook("jobs/parent", "tool: {kind: playbook, path: jobs/middle}"))
    _write(folder / "middle.yaml", playbook("jobs/middle", "tool: playbook\n  path: jobs/shell"))
    result = invoke("noetl", "suite", str(folder))
    suite, _ = _suite(result.stdout)
    assert [case.name for case in suite.cases] == ["jobs-http-get", "jobs-http-post", "jobs-plain"]
    for text in (result.stdout, result.stderr):
        assert "jobs/shell: step 'go' uses the tool 'shell'\n" in text
        assert "jobs/parent: starts 'jobs/shell', where step 'go' uses the tool 'shell'\n" in text
        assert "jobs/middle: starts 'jobs/shell'" in text
    assert "6 playbooks: 3 cases, 3 left out" in result.stderr
    result = invoke("noetl", "suite", str(folder), "--include-unsafe")
    suite, _ = _suite(result.stdout)
    assert len(suite.cases) == 6
    assert "# Starts 'jobs/middle'.\n" in result.stdout


def test_cases_whose_credentials_cannot_be_looked_for_are_skipped(invoke: Invoke, folder: Path) -> None:
    """Unless the variable says so; also those that only start a playbook that needs them."""
    _write(folder / "db.yaml", playbook("jobs/db", "tool: {kind: postgres, auth: pg_k8s, query: SELECT 1}"))
    _write(folder / "parent.yaml", playbook("jobs/parent", "tool: {kind: playbook, path: jobs/db}"))
    result = invoke("noetl", "suite", str(folder))
    suite, _ = _suite(result.stdout)
    marked = {case.name: case for case in suite.cases if case.tags}
    assert set(marked) == {"jobs-db", "jobs-parent"}
    assert marked["jobs-db"].tags == ("needs-credentials",)
    (when,) = marked["jobs-db"].when
    assert (when.key, when.values) == ("credentials", ("all",))
    assert suite.variables == {"credentials": "missing"}
    assert "the credential 'pg_k8s' could not be looked for." in result.stdout
    assert "(for 'jobs/db', which it starts)" in result.stdout
    assert "2 without their credentials" in result.stderr
    result = invoke("noetl", "suite", str(folder), "--assume-credentials")
    suite, _ = _suite(result.stdout)
    assert not suite.variables
    assert not any(case.when for case in suite.cases)


def test_what_is_broken_is_named_and_the_rest_written(invoke: Invoke, folder: Path) -> None:
    """With an exit code that says so."""
    _write(folder / "broken.yaml", "kind: Playbook\nworkflow: [\n")
    _write(folder / "nameless.yaml", "kind: Playbook\nworkflow: []\n")
    _write(folder / "two.yaml", f"{playbook('jobs/two')}---\na: 1\n")
    _write(folder / "templates/chart.yaml", "kind: Service\nname: {{ .Values.name }}{{ a\n")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe")
    result = invoke("noetl", "suite", str(folder))
    assert result.exit_code == 1
    suite, _ = _suite(result.stdout)
    assert len(suite.cases) == 3
    for text in (result.stdout, result.stderr):
        assert "broken.yaml: line 3, column 1: " in text
        assert "nameless.yaml: has neither metadata.path nor metadata.name" in text
        assert "two.yaml: has 2 documents" in text
        assert "binary.yaml: is no text in UTF-8" in text
        assert "chart.yaml" not in text
    assert "4 unreadable, 3 other files" in result.stderr


def test_a_path_that_two_files_have_becomes_one_case(invoke: Invoke, folder: Path) -> None:
    """The second is named."""
    _write(folder / "zz.yaml", playbook("jobs/plain"))
    result = invoke("noetl", "suite", str(folder))
    assert "left out: jobs/plain: zz.yaml has the same path as plain.yaml" in result.stderr
    assert len(_suite(result.stdout)[0].cases) == 3


def test_paths_that_a_case_cannot_have_are_left_out(invoke: Invoke, folder: Path) -> None:
    """Templates would be rendered; control characters would go to terminals."""
    _write(folder / "a.yaml", playbook('"jobs/{{ a }}"'))
    _write(folder / "b.yaml", playbook('"jobs/\\e[31m"'))
    _write(folder / "c.yaml", playbook("a" * 300))
    result = invoke("noetl", "suite", str(folder))
    assert result.exit_code == 0
    assert len(_suite(result.stdout)[0].cases) == 3
    assert "looks like a template" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def test_what_playbooks_say_of_themselves_stays_a_comment(invoke: Invoke, folder: Path) -> None:
    """A step's name may have line breaks, and must not become a line of the suite."""
    evil = 'tool: {kind: shell}\n- step: "a\\n  cases: []\\n"\n  tool: shell'
    _write(folder / "evil.yaml", playbook("jobs/evil", evil))
    _write(folder / "child.yaml", playbook("jobs/child", 'tool: {kind: playbook, path: "a\\nspec: {}"}'))
    result = invoke("noetl", "suite", str(folder))
    assert len(_suite(result.stdout)[0].cases) == 4


def test_match_and_category_choose(invoke: Invoke, folder: Path) -> None:
    """Names stay what they are in the whole."""
    result = invoke("noetl", "suite", str(folder), "--match", "jobs/http/*", "--match", "*plain")
    assert len(_suite(result.stdout)[0].cases) == 3
    result = invoke("noetl", "suite", str(folder), "--category", "http")
    assert [case.name for case in _suite(result.stdout)[0].cases] == ["jobs-http-get", "jobs-http-post"]
    assert "1 not asked for" in result.stderr
    result = invoke("noetl", "suite", str(folder), "--category", "htt")
    assert result.exit_code == 2
    assert "3 do not fit --match and --category" in result.stderr


def test_more_cases_than_a_suite_has_are_refused_with_how_to_split(invoke: Invoke, tmp_path: Path) -> None:
    """By the categories that there are."""
    for number in range(501):
        _write(tmp_path / f"{'even' if number % 2 else 'odd'}/{number}.yaml", playbook(f"jobs/{number}"))
    result = invoke("noetl", "suite", str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "at most 500 cases, and these are 501; write several suites, with --category or --match" in result.stderr
    assert "odd (251), even (250)" in result.stderr
    result = invoke("noetl", "suite", str(tmp_path), "--category", "odd", "--register", "configMap")
    assert len(_suite(result.stdout)[0].cases) == 251


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--from-run", "DIR"],
        ["--server", "http://a", "--register", "configMap"],
        ["DIR", "--no-duration"],
        ["DIR", "--dsn-secret", "noetl-events"],
        ["DIR/nothing"],
        ["DIR/plain.yaml"],
        ["DIR", "--url", "ftp://a"],
        ["DIR", "--url", "http://me:secret@a"],
        ["DIR", "--connection", "No Label"],
        ["DIR", "-o", "DIR"],
    ],
)
def test_what_cannot_be_done_is_said_in_plain_words(invoke: Invoke, folder: Path, arguments: list[str]) -> None:
    """With the exit code 2, and no suite."""
    result = invoke("noetl", "suite", *(argument.replace("DIR", str(folder)) for argument in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert "secret@" not in result.stderr


def test_a_folder_without_playbooks_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    """With what is there instead."""
    _write(tmp_path / "values.yaml", "a: 1")
    _write(tmp_path / "broken.yaml", "kind: Playbook\na: [")
    result = invoke("noetl", "suite", str(tmp_path))
    assert result.exit_code == 2
    assert "1 other YAML files; 1 cannot be read: broken.yaml: " in result.stderr
