"""A kind of test case is one folder and one line: a fifth one, ``toy/``, is added to a copy of the package."""

import filecmp
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import testrun_operator

PACKAGE = Path(testrun_operator.__file__).parent
ROOT = Path(__file__).parents[3]
TOY = Path(__file__).parent / "toy"
SUITE = """
from support.builders import *
from testrun_operator.resources.parsing import parse_suite
CASE = {"name": "one", "echo": {"connection": "db", "say": "{{ vars.word }}", "hear": "hello", "times": 3}}
"""
Python = Callable[..., str]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of the package, to which the kind was added."""
    folder = tmp_path_factory.mktemp("package")
    package = folder / "testrun_operator"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOY, package / "kinds" / "echo", ignore=shutil.ignore_patterns("__pycache__"))
    registry = package / "kinds" / "__init__.py"
    registry.write_text(registry.read_text().replace('    "container",\n', '    "container",\n    "echo",\n'))
    return folder


@pytest.fixture
def python(copy: Path) -> Python:
    """Run a program in a fresh process that imports the copy, and return what it prints."""

    def run(program: str, *, check: bool = True, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(copy), str(ROOT / "tests"), str(ROOT / "tools"), str(ROOT)])}
            | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
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
    assert {name.split("/")[1] for name in after - before} == {"echo"}
    _, touched, errors = filecmp.cmpfiles(PACKAGE, copy / "testrun_operator", before, shallow=False)
    assert (touched, errors) == (["kinds/__init__.py"], [])
    old = (PACKAGE / "kinds" / "__init__.py").read_text().splitlines()
    new = (copy / "testrun_operator" / "kinds" / "__init__.py").read_text().splitlines()
    assert [line for line in new if line not in old] == ['    "echo",']
    assert len(new) == len(old) + 1


def test_the_api_server_knows_its_fields(python: Python) -> None:
    """The CRDs have them, and the rule that a case is of exactly one kind; the reference describes them."""
    crds = python(
        "from testrun_operator.resources.crds import build_crds; import json; print(json.dumps(build_crds()))"
    )
    for crd in json.loads(crds):
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        cases = (schema["suite"]["properties"] if "suite" in schema else schema)["cases"]["items"]
        field = cases["properties"]["echo"]
        assert field["description"].startswith("Something that is said, and has to be heard.")
        assert field["properties"]["times"]["maximum"] == 9
        assert any("has(self.echo)" in rule["rule"] for rule in cases["x-kubernetes-validations"])
    assert "TestSuite.spec.cases[].echo" in python("from generators import api_page; print(api_page.render())")


def test_a_suite_with_it_is_checked(python: Python, tmp_path: Path) -> None:
    """By its schema, by the kind itself, and by `testrun validate`; the message has the path of the field."""
    program = SUITE + (
        "from testrun_operator.engine.validation import check_suite\n"
        "database = {'dsnFrom': {'secretKeyRef': {'name': 'database', 'key': 'dsn'}}}\n"
        "print(check_suite(parse_suite(suite_document(CASE, connections={'db': database}))))\n"
        "print(*check_suite(parse_suite(suite_document(CASE, connections={'db': {'url': 'http://a'}}))))\n"
        "try: parse_suite(suite_document(CASE | {'echo': CASE['echo'] | {'times': 10}}))\n"
        "except Exception as error: print(error)\n"
    )
    right, own, schema = python(program).splitlines()[:3]
    assert right == "()"
    assert own.startswith("spec.cases[0].echo.connection: the connection 'db' has no dsnFrom")
    assert "spec.cases[0].echo.times" in schema
    file = tmp_path / "suite.yaml"
    file.write_text(
        "apiVersion: testrun.dev/v1alpha1\nkind: TestSuite\nmetadata: {name: echo}\nspec:\n"
        "  connections: {db: {dsnFrom: {secretKeyRef: {name: database, key: dsn}}}}\n"
        "  cases: [{name: one, echo: {connection: db, say: hello}}]\n"
    )
    start = f"import sys; sys.argv = ['testrun', 'validate', {str(file)!r}]; "
    assert python(start + "from testrun_operator.cli import main; main()") == "1 of 1 valid\n"
    file.write_text(file.read_text().replace("say: hello", "says: hello"))
    said = python(start + "from testrun_operator.cli import main; main()", check=False)
    assert "spec.cases[0].echo.say" in said


def test_its_pod_gets_what_it_needs_and_its_report_is_judged(python: Python, tmp_path: Path) -> None:
    """From the case to the Job, from the Job's document through the runner to a verdict and a row."""
    log = tmp_path / "termination-log"
    program = SUITE + (
        "import json\n"
        "from tests.unit.kube.manifests import parts_of\n"
        "job = parts_of(CASE, variables={'word': 'hello'}).job\n"
        "print(json.dumps(job['spec']['template']['spec']['containers'][0]['env']))\n"
    )
    environment = {variable["name"]: variable for variable in json.loads(python(program))}
    reference = {"name": "database", "key": "dsn"}
    assert environment["TESTRUN_DSN"]["valueFrom"] == {"secretKeyRef": reference}
    document = environment["TESTRUN_CASE"]["value"].replace("$$", "$")
    ended = python(
        "from testrun_operator.runner.main import main; print(main())",
        TESTRUN_CASE=document,
        TESTRUN_DSN="postgresql://user:secret@db/app",
        TESTRUN_TERMINATION_LOG=str(log),
    )
    assert ended.splitlines()[-1] == "0"
    program = SUITE + (
        "from testrun_operator.api.report import decode\n"
        "from testrun_operator.engine.selection import select_cases\n"
        f"report = decode(open({str(log)!r}).read())\n"
        "print(report.verdict, report.step_count, report.outputs)\n"
        "case = parse_suite(suite_document(CASE)).cases[0]\n"
        "print(case.kind.name, case.kind.subject(case.spec), case.kind.has_report, case.kind.steps.count(3))\n"
    )
    assert python(program).splitlines() == [
        "Passed 3 {'heard': 'hello'}",
        "echo echo {{ vars.word }} True 3 echos heard",
    ]


def test_its_commands_are_among_the_others(python: Python) -> None:
    """`testrun echo say …`, and the extra that it needs."""
    start = "import sys; sys.argv = ['testrun', {}]; from testrun_operator.cli import main; main()"
    assert "Say something." in python(start.format("'--help'"))
    assert python(start.format("'echo', 'say', 'hello'")) == "hello\n"
    extra = "from testrun_operator.cli.application import EXTRA_OF_COMMAND; print(EXTRA_OF_COMMAND['echo'])"
    assert python(extra) == "runner\n"
