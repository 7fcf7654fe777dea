"""``testrun validate``: what the operator would say, without a cluster."""

from pathlib import Path

import pytest

from support.command_line import Invoke

SUITE = """\
apiVersion: testrun.dev/v1alpha1
kind: TestSuite
metadata: {name: checkout}
spec:
  connections: {shop: {url: "http://shop"}}
  cases:
    - {name: health, http: {connection: shop}}
"""
RUN = """\
apiVersion: testrun.dev/v1alpha1
kind: TestRun
metadata: {name: nightly}
spec: {suiteRef: {name: checkout}, revision: "1"}
"""
OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"


def write(folder: Path, name: str, *documents: str) -> str:
    """Write a file and return its path."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("---\n".join(documents), encoding="utf-8")
    return str(file)


def test_valid_files_are_counted(invoke: Invoke, tmp_path: Path) -> None:
    """Objects of other kinds are passed over, since manifests mostly have some."""
    result = invoke("validate", write(tmp_path, "suite.yaml", SUITE, OTHER), write(tmp_path, "run.yaml", RUN))
    assert (result.exit_code, result.stdout) == (0, "2 of 2 valid; 1 of other kinds passed over\n")


def test_a_folder_means_every_yaml_file_below_it(invoke: Invoke, tmp_path: Path) -> None:
    """A repository of manifests is checked with one word."""
    write(tmp_path, "a/suite.yaml", SUITE)
    write(tmp_path, "b/c/run.yml", RUN)
    write(tmp_path, "notes.txt", "no: [yaml")
    assert invoke("validate", str(tmp_path)).stdout == "2 of 2 valid\n"


def test_standard_input_is_a_file_too(invoke: Invoke) -> None:
    """The output of `helm template` or `kubectl kustomize` can be checked."""
    assert invoke("validate", "-", input=f"{SUITE}---\n{RUN}").stdout == "2 of 2 valid\n"


def test_a_problem_names_file_object_field_and_what_would_be_right(invoke: Invoke, tmp_path: Path) -> None:
    """In the words of the operator's condition InvalidSpec."""
    file = write(
        tmp_path, "suite.yaml", SUITE.replace("{connection: shop}", "{connection: shop, paginate: {items: x}}")
    )
    result = invoke("validate", file)
    assert result.exit_code == 1
    assert result.stdout == (
        f"{file}: TestSuite/checkout: spec.cases[0].http.paginate.style: is required\n0 of 1 valid\n"
    )


def test_rules_between_fields_are_checked(invoke: Invoke, tmp_path: Path) -> None:
    """Not only those that the CustomResourceDefinition can express."""
    file = write(tmp_path, "suite.yaml", SUITE.replace("name: health", "name: health, needs: [healthy]"))
    assert "spec.cases[0].needs[0]: there is no case 'healthy' in this suite" in invoke("validate", file).stdout


def test_a_run_is_checked_against_its_suite_in_another_file(invoke: Invoke, tmp_path: Path) -> None:
    """A slip in `select` is found before it is in the cluster."""
    run = write(tmp_path, "run.yaml", RUN.replace('revision: "1"', "select: {names: [helth]}"))
    result = invoke("validate", write(tmp_path, "suite.yaml", SUITE), run)
    assert result.exit_code == 1
    assert f"{run}: TestRun/nightly: spec.select.names[0]: the suite has no case 'helth'" in result.stdout


@pytest.mark.parametrize(
    ("of_suite", "of_run", "found"),
    [(None, None, True), ("a", None, True), (None, "a", True), ("a", "a", True), ("a", "b", False)],
)
def test_a_suite_without_a_namespace_fits_any(
    invoke: Invoke, tmp_path: Path, of_suite: str | None, of_run: str | None, found: bool
) -> None:
    """Namespaces are often given only when manifests are applied."""
    suite = SUITE.replace("name: checkout}", f"name: checkout, namespace: {of_suite}}}") if of_suite else SUITE
    run = RUN.replace("name: nightly}", f"name: nightly, namespace: {of_run}}}") if of_run else RUN
    result = invoke("validate", write(tmp_path, "all.yaml", suite, run))
    assert result.exit_code == 0
    assert ("is not in these files" not in result.stdout) is found


def test_a_suite_that_is_not_in_the_files_is_a_note_and_no_problem(invoke: Invoke, tmp_path: Path) -> None:
    """It may be in the cluster, or in another repository."""
    file = write(tmp_path, "run.yaml", RUN)
    result = invoke("validate", file)
    assert result.exit_code == 0
    assert result.stdout == (
        f"note: {file}: TestRun/nightly: TestSuite/checkout is not in these files; "
        "what depends on it was not checked\n1 of 1 valid\n"
    )


def test_an_inline_suite_is_checked_under_its_path(invoke: Invoke) -> None:
    """The field that is named is the one to change."""
    text = RUN.replace("suiteRef: {name: checkout}", "suite: {cases: [{name: a, http: {connection: b}}]}")
    result = invoke("validate", "-", input=text)
    assert "TestRun/nightly: spec.suite.cases[0].http.connection: there is no connection" in result.stdout


def test_members_of_a_list_are_found(invoke: Invoke) -> None:
    """As `kubectl get -o yaml` prints them."""
    items = "".join(f"- {line}" if index == 0 else f"  {line}" for index, line in enumerate(SUITE.splitlines(True)))
    assert invoke("validate", "-", input=f"apiVersion: v1\nkind: List\nitems:\n{items}").stdout == "1 of 1 valid\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\n b: 2\n", "standard input: line 2, column 3: mapping values are not allowed here"),
        ("a: 1\na: 2\n", "standard input: line 2, column 1: the key 'a' stands here a second time"),
        ("- a\n", "standard input: holds a document that is no Kubernetes object"),
        (SUITE.replace("v1alpha1", "v1"), "apiVersion: is 'testrun.dev/v1'; write testrun.dev/v1alpha1"),
        (SUITE.replace("name: checkout", "name: Check_out"), "metadata.name: 'Check_out' is no name"),
        (SUITE.replace("metadata: {name: checkout}\n", ""), "metadata.name: is missing"),
        (SUITE.replace("name: checkout", "generateName: Check-"), "metadata.generateName: 'Check-' is no name"),
        (SUITE.partition("spec:")[0], "spec: is missing"),
    ],
)
def test_what_is_wrong_outside_the_spec_is_told_too(invoke: Invoke, text: str, problem: str) -> None:
    """The API server would refuse these, later and one by one."""
    result = invoke("validate", "-", input=text)
    assert result.exit_code == 1
    assert problem in result.stdout


@pytest.mark.parametrize(("revision", "valid"), [("4511e07", False), ("1234567", False), ("2026-01-01", True)])
def test_yaml_is_read_as_kubernetes_reads_it(invoke: Invoke, revision: str, valid: bool) -> None:
    """A commit such as 4511e07 is a number there unless it is quoted, and a date is a text."""
    result = invoke("validate", "-", input=RUN.replace('revision: "1"', f"revision: {revision}"))
    assert (result.exit_code == 0) is valid


def test_a_file_that_cannot_be_read_is_an_error(invoke: Invoke, tmp_path: Path) -> None:
    """Not the same as an invalid one: nothing can be said of it."""
    result = invoke("validate", str(tmp_path / "none.yaml"))
    assert result.exit_code == 2
    assert result.stderr.endswith("none.yaml cannot be read: No such file or directory\n")


def test_files_with_nothing_to_check_are_an_error(invoke: Invoke, tmp_path: Path) -> None:
    """A wrong path must not look like success in CI."""
    file = write(tmp_path, "other.yaml", OTHER)
    result = invoke("validate", file)
    assert (result.exit_code, result.stderr) == (2, f"Error: there is no TestSuite or TestRun in {file}\n")


def test_an_sql_case_of_a_connection_without_a_database_is_a_problem(invoke: Invoke, tmp_path: Path) -> None:
    """What the schema cannot say is said, too: that the connection has dsnFrom, and that no file leads out."""
    source = "{configMap: {name: tests, items: [{key: a, path: ../a.stt}]}}"
    case = f"sql: {{connection: shop, source: {source}}}"
    result = invoke("validate", write(tmp_path, "suite.yaml", SUITE.replace("http: {connection: shop}", case)))
    assert result.exit_code == 1
    assert "spec.cases[0].sql.connection: the connection 'shop' has no dsnFrom" in result.stdout
    assert "spec.cases[0].sql.source.configMap.items[0].path: must be a relative path without '..'" in result.stdout


def test_what_run_prints_is_valid(invoke: Invoke) -> None:
    """It has a generateName, for `kubectl create`."""
    manifest = invoke("run", "checkout", "--set", "x=1", "--dry-run").stdout
    result = invoke("validate", "-", input=manifest)
    assert result.exit_code == 0
    assert result.stdout.endswith("1 of 1 valid\n")
