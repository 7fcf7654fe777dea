"""The results of steps on real NoETL servers: whatever a step returns is what an expectation sees of it."""

import json
from typing import Any, Final

import pytest

from support.noetl import NoetlServer
from support.playbook_cases import run_case
from testrun_operator.api.verdict import Verdict

pytestmark = pytest.mark.postgres

_RESULTS: Final[dict[str, Any]] = {
    "a_list": [1, 2, 3],
    "a_text": "text",
    "a_number": 42,
    "a_fraction": 1.5,
    "a_truth": True,
    "with_data": {"data": {"x": 1}, "y": 2},
    "with_status": {"status": "fine", "data": [1], "id": 7},
    "with_value": {"value": [1]},
    "with_result": {"result": 3},
    "with_command": {"command_id": 5, "a": 1},
    "nested": {"a": {"b": [{"c": 1}]}},
    "big": {"n": 9007199254740993},
    "nothing": None,
    "empty": {},
    "empty_list": [],
}
_REFUSED: Final = {"1.8.0": ("a_text", "a_number", "a_fraction", "a_truth")}
"""The release takes nothing but objects and lists for a result: the step fails."""
_SAID_NOTHING: Final = {"stdout": "", "stderr": ""}
_LOST: Final[dict[tuple[str, bool], dict[str, Any]]] = {
    ("2.5.5", True): {"empty": None, "empty_list": None},
    ("2.5.5", False): {"empty": None, "empty_list": None},
    ("4.26.0", False): {"with_status": {"status": "fine", "id": 7}},
    ("rust-3.54.0", True): {"nothing": _SAID_NOTHING},
    ("rust-3.54.0", False): {"nothing": _SAID_NOTHING},
}
"""What there is instead: 2.5.5 writes nothing; the API of 4.26, without the database, leaves out what has a key status,
and its events have only the plain values of it. Those in Rust give what a program said where it returned nothing."""


def _playbook(release: str, results: dict[str, Any]) -> str:
    """Write a playbook with a step for each result, in the words of the release."""
    names = ["start", *results, "end"]
    has_arcs = release in ("4.26.0", "rust-3.54.0")
    lines = []
    for name, following in zip(names, [*names[1:], ""], strict=True):
        lines.append(f"  - step: {name}")
        code = f"json.loads({json.dumps(results[name])!r})" if name in results else "{}"
        if release == "1.8.0":
            if name in results:
                lines += ["    tool: python", "    code: |", "      def main():", "          import json"]
                lines.append(f"          return {code}")
        elif has_arcs and name not in results:
            lines += ["    tool:", "      kind: noop"]
        else:
            lines += ["    tool:", "      kind: python", "      code: |", "        import json"]
            lines.append(f"        result = {code}")
        if following:
            arcs = ["    next:", "      arcs:"] if has_arcs else ["    next:"]
            indent = "        " if has_arcs else "      "
            lines += [*arcs, f"{indent}- step: {following}"]
    version = "noetl.io/v1" if release == "1.8.0" else "noetl.io/v2"
    head = [f"apiVersion: {version}", "kind: Playbook", "metadata:", "  name: results", "  path: testrun/results"]
    return "\n".join([*head, "workload:", "  city: Tbilisi", "workflow:", *lines, ""])


@pytest.mark.parametrize("has_dsn", [True, False], ids=["dsn", "api"])
def test_what_a_step_returns_is_what_an_expectation_sees(noetl: NoetlServer, *, has_dsn: bool) -> None:
    """Lists, texts, numbers, objects with keys that the release uses itself, and nothing."""
    release = noetl.release.version
    results = {name: value for name, value in _RESULTS.items() if name not in _REFUSED.get(release, ())}
    seen = results | _LOST.get((release, has_dsn), {})
    expressions = [{"expression": f"steps.{name}", "equals": value} for name, value in seen.items()]
    expressions.append({"expression": "steps.city", "equals": None})
    playbook = {
        "path": "testrun/results",
        "register": {"inline": _playbook(release, results)},
        "expect": {"jmespath": expressions, "steps": {"ran": list(results), "inOrder": list(results)}},
    }
    outcome = run_case(noetl, playbook, has_dsn=has_dsn)
    assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion


def test_a_result_that_the_release_refuses_is_an_error_although_the_run_completes(noetl: NoetlServer) -> None:
    """1.8.0 says of such a playbook that it completed, unless it is the last step."""
    release = noetl.release.version
    playbook = {
        "path": "testrun/results",
        "register": {"inline": _playbook(release, {"a_text": "text", "a_list": [1]})},
    }
    outcome = run_case(noetl, playbook)
    if release not in _REFUSED:
        assert outcome.conclusion.verdict is Verdict.PASSED, outcome.conclusion
        return
    assert outcome.conclusion.verdict is Verdict.FAILED
    assert outcome.execution.status == "COMPLETED"
    assert "noErrors: expected no errors, got an error in step 'a_text': " in outcome.conclusion.message
