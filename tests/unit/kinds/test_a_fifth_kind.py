"""A kind of test case is one folder and one line: a fifth one, ``toy/``, is added to a copy of the package."""

import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import testrun_operator

PACKAGE = Path(testrun_operator.__file__).parent
ROOT = Path(__file__).parents[3]
TOY = Path(__file__).parent / "toy"
FROM_SUITE_TO_ROW = Path(__file__).parent / "from_suite_to_row.py"
PARROT = {"connection": "db", "say": "{{ vars.word }}", "hear": "hello", "times": 3}
SUITE = f"""
from support.builders import suite_document
from testrun_operator.resources.parsing import parse_suite
CASE = {{"name": "one", "parrot": {PARROT}}}
"""
OF_ALL_KINDS = ("kinds/test_registry.py", "resources", "cli/test_processes.py", "engine/test_validation.py")
TESTRUN = "from testrun_operator.cli import main; main()"
Python = Callable[..., str]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the package, to which the kind was added."""
    folder = tmp_path_factory.mktemp("package")
    package = folder / "testrun_operator"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOY, package / "kinds" / "parrot", ignore=shutil.ignore_patterns("__pycache__"))
    registry = package / "kinds" / "__init__.py"
    registry.write_text(registry.read_text().replace('    "container",\n', '    "container",\n    "parrot",\n'))
    return folder


@pytest.fixture
def python(copy: Path) -> Python:
    """Run a program, as text or by its path, in a fresh process that imports the copy; return what it prints."""
    path = os.pathsep.join(map(str, (copy, ROOT / "tests", ROOT / "tools")))

    def run(program: str, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, *([] if program.endswith(".py") else ["-c"]), program, *arguments],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    return run


def files_of(folder: Path) -> set[str]:
    """Return the files below a folder."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)) for path in found}


def test_one_line_outside_of_its_folder_is_all_that_a_kind_needs(copy: Path) -> None:
    """Everything below is done with it."""
    before, after = files_of(PACKAGE), files_of(copy / "testrun_operator")
    assert before <= after
    assert {name.split("/")[1] for name in after - before} == {"parrot"}
    _, touched, errors = filecmp.cmpfiles(PACKAGE, copy / "testrun_operator", before, shallow=False)
    assert (touched, errors) == (["kinds/__init__.py"], [])
    old = (PACKAGE / "kinds" / "__init__.py").read_text().splitlines()
    new = (copy / "testrun_operator" / "kinds" / "__init__.py").read_text().splitlines()
    assert [line for line in new if line not in old] == ['    "parrot",']
    assert len(new) == len(old) + 1


def test_the_api_server_knows_its_fields(python: Python) -> None:
    """The CRDs have them, and the rule that a case is of exactly one kind; the reference describes them."""
    crds = python(
        "from testrun_operator.resources.crds import build_crds; import json; print(json.dumps(build_crds()))"
    )
    for crd in json.loads(crds):
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        cases = (schema["suite"]["properties"] if "suite" in schema else schema)["cases"]["items"]
        field = cases["properties"]["parrot"]
        assert field["description"].startswith("Something that is said, and has to be heard.")
        assert field["properties"]["times"]["maximum"] == 9
        assert any("has(self.parrot)" in rule["rule"] for rule in cases["x-kubernetes-validations"])
    assert "TestSuite.spec.cases[].parrot" in python("from generators import api_page; print(api_page.render())")


def test_a_suite_with_it_is_checked(python: Python, tmp_path: Path) -> None:
    """By its schema, by the kind itself, and by `testrun validate`; the message has the path of the field."""
    program = SUITE + (
        "from testrun_operator.engine.validation import check_suite\n"
        "database = {'dsnFrom': {'secretKeyRef': {'name': 'database', 'key': 'dsn'}}}\n"
        "print(check_suite(parse_suite(suite_document(CASE, connections={'db': database}))))\n"
        "print(*check_suite(parse_suite(suite_document(CASE, connections={'db': {'url': 'http://a'}}))))\n"
        "try: parse_suite(suite_document(CASE | {'parrot': CASE['parrot'] | {'times': 10}}))\n"
        "except Exception as error: print(error)\n"
    )
    right, own, schema = python(program).splitlines()[:3]
    assert right == "()"
    assert own.startswith("spec.cases[0].parrot.connection: the connection 'db' has no dsnFrom")
    assert "spec.cases[0].parrot.times" in schema
    file = tmp_path / "suite.yaml"
    file.write_text(
        "apiVersion: testrun.dev/v1alpha1\nkind: TestSuite\nmetadata: {name: parrot}\nspec:\n"
        "  connections: {db: {dsnFrom: {secretKeyRef: {name: database, key: dsn}}}}\n"
        "  cases: [{name: one, parrot: {connection: db, say: hello}}]\n"
    )
    assert python(TESTRUN, "validate", str(file)) == "1 of 1 valid\n"
    file.write_text(file.read_text().replace("say: hello", "says: hello"))
    said = python(TESTRUN, "validate", str(file), check=False)
    assert "spec.cases[0].parrot.say" in said


def run_case(python: Python, **fields: Any) -> dict[str, Any]:
    """Run a case in a cluster in memory, from its suite to its row."""
    case = {"name": "one", "timeout": "30s", "parrot": PARROT | fields.pop("parrot", {})} | fields
    found: dict[str, Any] = json.loads(python(str(FROM_SUITE_TO_ROW), json.dumps(case)))
    return found


def test_a_run_of_it_goes_from_the_suite_to_the_row(python: Python) -> None:
    """The operator makes a Job with what the kind asks for, the runner runs it, its report is judged and stored."""
    found = run_case(python, parrot={"secrets": [{"name": "whispers"}]})
    environment = {variable["name"]: variable for variable in found["container"]["env"]}
    assert environment["TESTRUN_DSN"]["valueFrom"] == {"secretKeyRef": {"name": "database", "key": "dsn"}}
    assert found["container"]["envFrom"] == [{"prefix": "TESTRUN_CREDENTIAL_0_", "secretRef": {"name": "whispers"}}]
    assert (found["exitCode"], found["phase"]) == (0, "Passed"), found["log"]
    assert found["row"] == {
        "kind": "parrot",
        "playbook_path": "parrot {{ vars.word }}",
        "verdict": "Passed",
        "reason": "ExpectationsMet",
        "step_count": 3,
        "message": None,
    }


def test_what_it_expects_and_does_not_get_is_a_failure(python: Python) -> None:
    """With the words of the kind's own execution."""
    found = run_case(python, parrot={"hear": "silence"})
    assert (found["exitCode"], found["phase"]) == (1, "Failed"), found["log"]
    assert found["row"]["message"] == "expected silence, heard hello"


def test_a_case_that_takes_too_long_says_in_its_own_words_how_far_it_came(python: Python) -> None:
    """The runner's supervisor knows no kind."""
    found = run_case(python, timeout="5s", parrot={"pause": "1m"})
    assert (found["row"]["verdict"], found["row"]["reason"]) == ("TimedOut", "CaseTimeout"), found["log"]
    assert re.fullmatch(
        r"the case did not end within 5s: listening for \d\.\d s, with 1 word heard", found["row"]["message"]
    )


def test_what_is_tested_of_all_kinds_holds_with_another_one(python: Python) -> None:
    """No test has a list of the kinds, and nothing of the others knows the new one by its name."""
    tests = [str(ROOT / "tests" / "unit" / name) for name in OF_ALL_KINDS]
    said = python("import pytest, sys; sys.exit(pytest.main())", "-q", "-p", "no:cacheprovider", *tests, check=False)
    assert re.fullmatch(r"\d+ passed in .*", said.splitlines()[-1]), said


def test_its_commands_are_among_the_others(python: Python) -> None:
    """`testrun parrot say …`, and the extra that it needs."""
    assert "Say something." in python(TESTRUN, "--help")
    assert python(TESTRUN, "parrot", "say", "hello") == "hello\n"
    extra = "from testrun_operator.cli.application import EXTRA_OF_COMMAND; print(EXTRA_OF_COMMAND['parrot'])"
    assert python(extra) == "runner\n"
