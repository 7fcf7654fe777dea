"""``testrun sql pack`` and ``testrun sql script``: what is written, and where to."""

from pathlib import Path

import pytest
import yaml

from support.command_line import Invoke
from testrun_operator.api.files import FileSource
from testrun_operator.kinds.sql.spec import SqlCase

TEST = "# TEST CASE\nIt is there.\n\n## TEST\nIt answers.\n```\nSELECT 1;\n```\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project."""
    folder = tmp_path / "ledger"
    for path, text in {
        "schema.sql": "CREATE TABLE a (b text);",
        "src/one.sql": "SELECT 1\n",
        "tests/deep/a.stt": TEST,
        "tests/deep/expected.txt": "é\r\n",
    }.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return folder


def test_a_config_map_can_be_piped_to_kubectl(invoke: Invoke, project: Path) -> None:
    """Standard output has it alone; the lines for the suite are told beside it."""
    result = invoke("sql", "pack", str(project), "--name", "ledger-tests", "-n", "shop")
    assert result.exit_code == 0
    config_map = yaml.safe_load(result.stdout)
    assert config_map["metadata"] == {"name": "ledger-tests", "namespace": "shop"}
    source = FileSource.model_validate(yaml.safe_load(result.stderr)["source"])
    assert source.config_map is not None
    files = {item.path: config_map["data"][item.key] for item in source.config_map.items}
    assert files["tests/deep/a.stt"] == TEST
    assert files["tests/deep/expected.txt"] == "é\r\n"


def test_with_a_file_the_case_goes_to_standard_output(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    """With a connection all of it, as it stands in a suite."""
    output = tmp_path / "config-map.yaml"
    result = invoke("sql", "pack", str(project), "--name", "ledger.tests", "--connection", "db", "-o", str(output))
    assert (result.exit_code, result.stderr) == (0, "")
    assert yaml.safe_load(output.read_bytes())["kind"] == "ConfigMap"
    (case,) = yaml.safe_load(result.stdout)
    assert case["name"] == "ledger-tests"
    assert SqlCase.model_validate(case["sql"]).connection == "db"


def test_a_project_that_is_too_large_is_refused_with_what_to_do(invoke: Invoke, project: Path) -> None:
    """Git, or several ConfigMaps."""
    (project / "tests" / "large.txt").write_text("x" * 1_100_000)
    result = invoke("sql", "pack", str(project), "--name", "ledger")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "source.git" in result.stderr


def test_files_that_are_not_used_are_mentioned(invoke: Invoke, project: Path) -> None:
    """A fixture in the wrong folder, for instance."""
    (project / "tests" / "setup.sql").write_text("SELECT 2;")
    result = invoke("sql", "pack", str(project), "--name", "ledger")
    assert result.exit_code == 0
    assert "notice: " in result.stderr


def test_a_script_has_the_schema_and_the_sources_in_their_order(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    """On standard output, or in a file; a project that has no tests yet has one, too."""
    (project / "tests" / "deep" / "a.stt").unlink()
    result = invoke("sql", "script", str(project))
    assert result.exit_code == 0
    assert result.stdout.index("CREATE TABLE a (b text);") < result.stdout.index("SELECT 1\n;\n")
    output = tmp_path / "all.sql"
    result = invoke("sql", "script", str(project), "--dialect", "sqlite", "-o", str(output))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "sqlite3" in output.read_text()


def test_what_cannot_be_written_is_said(invoke: Invoke, project: Path, tmp_path: Path) -> None:
    """A folder that does not exist, for instance."""
    for arguments in (["script"], ["pack", "--name", "ledger"]):
        result = invoke("sql", arguments[0], str(project), *arguments[1:], "-o", str(tmp_path / "no" / "file"))
        assert result.exit_code == 2
        assert "cannot be written: No such file or directory" in result.stderr


def test_an_unknown_dialect_is_a_usage_error(invoke: Invoke, project: Path) -> None:
    """The ones that are known are named."""
    result = invoke("sql", "script", str(project), "--dialect", "cobol")
    assert result.exit_code == 2
    assert "postgresql" in result.stderr
