"""``testrun cases``: what a run would execute."""

from pathlib import Path

from support.command_line import Invoke

FILES = """\
apiVersion: testrun.dev/v1alpha1
kind: TestSuite
metadata: {name: checkout}
spec:
  variables: {fast: "false"}
  connections: {shop: {url: "http://shop"}}
  cases:
    - {name: health, http: {connection: shop}}
    - name: page
      category: pages
      needs: [health]
      matrix: {size: ["5", "10"]}
      timeout: 30s
      http: {connection: shop}
    - name: slow
      tags: [slow]
      when: [{key: fast, operator: NotIn, values: ["true"]}]
      http: {connection: shop}
---
apiVersion: testrun.dev/v1alpha1
kind: TestRun
metadata: {name: quick}
spec: {suiteRef: {name: checkout}, variables: {fast: "true"}}
"""


def case_names(output: str) -> list[str]:
    """Return the first column."""
    return [line.split()[0] for line in output.partition("\n\n")[0].splitlines()[1:]]


def test_matrices_are_expanded_and_skips_have_their_reason(invoke: Invoke) -> None:
    """The same engine decides that will decide in the cluster."""
    output = invoke("cases", "-", input=FILES).stdout
    assert case_names(output) == ["health", "page-5", "page-10", "slow"]
    assert "ConditionNotMet: when: fast NotIn ['true'] does not hold; fast is 'true'" in output
    assert output.endswith("\n\n4 cases, 1 of them skipped\n")


def test_a_selection_brings_what_it_needs(invoke: Invoke) -> None:
    """Options take the place of the run's own `select`."""
    assert case_names(invoke("cases", "-", "--category", "pages", input=FILES).stdout) == [
        "health",
        "page-5",
        "page-10",
    ]
    assert case_names(invoke("cases", "-", "--name", "page-5", input=FILES).stdout) == ["health", "page-5"]
    assert case_names(invoke("cases", "-", "--tag", "slow", input=FILES).stdout) == ["slow"]


def test_a_suite_alone_is_listed_as_a_run_of_all_of_it(invoke: Invoke, tmp_path: Path) -> None:
    """Without a TestRun nothing is selected or skipped but by the suite's own variables."""
    file = tmp_path / "suite.yaml"
    file.write_text(FILES.partition("---")[0], encoding="utf-8")
    assert invoke("cases", str(file)).stdout.endswith("\n\n4 cases, 0 of them skipped\n")


def test_several_runs_need_a_choice(invoke: Invoke) -> None:
    """With --run."""
    both = FILES + "---\n" + FILES.partition("---\n")[2].replace("quick", "full")
    result = invoke("cases", "-", input=both)
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: there are several TestRuns: quick, full; choose one with --run\n",
    )
    assert invoke("cases", "-", "--run", "full", input=both).exit_code == 0


def test_a_selection_that_matches_nothing_is_an_error(invoke: Invoke) -> None:
    """The operator would refuse it, too."""
    result = invoke("cases", "-", "--name", "pgae", input=FILES)
    assert (result.exit_code, result.stderr) == (2, "Error: spec.select.names[0]: the suite has no case 'pgae'\n")


def test_files_without_a_suite_are_an_error_that_says_what_is_missing(invoke: Invoke) -> None:
    """A run names its suite; without it nothing is known."""
    result = invoke("cases", "-", input=FILES.partition("---\n")[2])
    assert result.exit_code == 2
    assert "names TestSuite/checkout, which is not in these files" in result.stderr
