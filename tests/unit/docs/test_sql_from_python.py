"""The example of docs/cases/sql-python.md."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cases" / "sql-python.md").read_text("utf-8")
PROGRAM = re.search(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PRINTED = re.search(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_example_prints_what_the_page_says_and_imports_nothing_of_kubernetes(tmp_path: Path) -> None:
    """Whoever copies it gets the same, without a cluster."""
    assert PROGRAM is not None
    assert PRINTED is not None
    check = "\nimport sys\nassert not {'kopf', 'kubernetes', 'aiohttp'} & sys.modules.keys()\n"
    command = [sys.executable, "-c", PROGRAM[1] + check]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED[1]
    suites = ET.parse(tmp_path / "report.xml").getroot()  # noqa: S314 - we wrote it
    assert len(suites.findall(".//failure")) == 1
    assert "Not twice." in (tmp_path / "report.html").read_text()
