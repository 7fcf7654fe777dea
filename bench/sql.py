#!/usr/bin/env python3
"""Measures database tests against a bare psycopg loop: `make bench-sql`, or `bench/sql.py --help`.

Both send the same statements, in turn, to one real PostgreSQL, so that what is reported is a ratio within one run and
not a time of a machine. The loop has the statements in memory; it does not parse, compare or report anything.

- ratio: the time of the whole execution, reading and parsing of the files included, by that of the loop.
- tests per second: of the execution.
- memory: the growth of the process from a project with a tenth of the tests to the whole one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))
import postgres  # noqa: E402 - a module of the tests, found by the path above

from testrun_operator.databases.dsn import read_dsn  # noqa: E402 - after the path
from testrun_operator.databases.opening import open_database  # noqa: E402 - after the path
from testrun_operator.kinds.sql.document import TestCase  # noqa: E402 - after the path
from testrun_operator.kinds.sql.execution.executor import execute  # noqa: E402 - after the path
from testrun_operator.kinds.sql.execution.request import Request  # noqa: E402 - after the path
from testrun_operator.kinds.sql.outcome import TestCaseOutcome, TestOutcome  # noqa: E402 - after the path
from testrun_operator.kinds.sql.project.discovery import load_project  # noqa: E402 - after the path

_SCHEMA = "DROP TABLE IF EXISTS bench; CREATE TABLE bench (file integer, test integer, value numeric);"
_PROCEDURE = """CREATE OR REPLACE PROCEDURE divide(a numeric, b numeric, INOUT quotient numeric DEFAULT NULL)
LANGUAGE plpgsql AS $$ BEGIN quotient := a / b; END $$"""


class Quiet:
    """Listens, and says nothing."""

    def planned(self, cases: int, tests: int) -> None:
        """Take the plan."""

    def doing(self, what: str) -> None:
        """Take what is done."""

    def test_ended(self, case: TestCase, outcome: TestOutcome) -> None:
        """Take a test."""

    def case_ended(self, outcome: TestCaseOutcome) -> None:
        """Take a test case."""


def write_project(root: Path, files: int, tests: int) -> list[str]:
    """Write a project, and return its statements.

    Two of three test case files are generic: each test inserts a row and looks at it. The third calls a procedure.
    """
    (root / "tests").mkdir(parents=True)
    (root / "src").mkdir()
    (root / "schema.sql").write_text(_SCHEMA)
    (root / "src" / "divide.sql").write_text(_PROCEDURE + ";\n")
    statements = [*(part for part in _SCHEMA.split(";") if part), _PROCEDURE]
    for file in range(files):
        procedural = file % 3 == 2  # noqa: PLR2004 - the third
        parts = [f"# TEST CASE {'divide' if procedural else ''}\nFile {file} of the bench.\n"]
        for test in range(tests):
            parts.append(f"\n## TEST\nTest {test} of file {file}.\n")
            if procedural:
                parts.append("### DATA\n| A | B | QUOTIENT$ |\n| - | - | - |\n")
                for row in range(1, 3):
                    parts.append(f"| {row * test} | {row} | {test} |\n")
                    statements.append(
                        f"CALL divide(a => '{row * test}'::numeric, b => '{row}'::numeric, quotient => NULL)"
                    )
            else:
                insert = f"INSERT INTO bench VALUES ({file}, {test}, {test} * 1.5)"
                check = (
                    f"DO $$ BEGIN ASSERT (SELECT count(*) FROM bench WHERE file = {file} AND test = {test}) = 1; END $$"
                )
                parts.append(f"```sql\n{insert};\n```\n### ASSERTION\nThe row is there.\n```sql\n{check};\n```\n")
                statements += [insert, check]
        (root / "tests" / f"file_{file:04}.stt").write_text("".join(parts))
    return statements


def run_loop(dsn: str, statements: list[str]) -> float:
    """Send the statements one by one; return the seconds it took."""
    started = time.perf_counter()
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.encode())
    return time.perf_counter() - started


def run_project(dsn: str, root: Path) -> float:
    """Run the project; return the seconds it took.

    Raises:
        RuntimeError: not every test passed, so that the time means nothing.
    """
    started = time.perf_counter()
    database = open_database(read_dsn(dsn), None)
    outcome = execute(load_project(root), database, Request(), Quiet())
    database.close()
    seconds = time.perf_counter() - started
    if not outcome.passed:
        raise RuntimeError(f"the tests did not pass: {outcome.counts}, {outcome.stopped}")
    return seconds


def peak_memory(dsn: str, root: Path) -> int:
    """Run the project in a process of its own; return the most memory that it had, in bytes."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory-of", str(root), "--dsn", dsn], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def _own_peak() -> int:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main() -> int:
    """Measure, print, and write the numbers to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100, help="test case files (100)")
    parser.add_argument("--tests", type=int, default=10, help="tests in each file (10)")
    parser.add_argument("--rounds", type=int, default=7, help="how often both ways run (7)")
    parser.add_argument("--output", type=Path, help="write the numbers as JSON to this file")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        run_project(arguments.dsn, arguments.memory_of)
        print(_own_peak())
        return 0
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        postgres.running_postgres(durable=True) as server,
    ):
        dsn = server.dsn()
        root, small = Path(folder) / "project", Path(folder) / "small"
        statements = write_project(root, arguments.files, arguments.tests)
        write_project(small, max(arguments.files // 10, 1), arguments.tests)
        run_loop(dsn, statements)
        run_project(dsn, root)
        loops, projects = [], []
        for number in range(1, arguments.rounds + 1):
            loops.append(run_loop(dsn, statements))
            projects.append(run_project(dsn, root))
            print(f"round {number}: loop {loops[-1]:.3f} s, tests {projects[-1]:.3f} s", flush=True)
        memory, less = peak_memory(dsn, root), peak_memory(dsn, small)
    ratios = [project / loop for project, loop in zip(projects, loops, strict=True)]
    numbers = {
        "tests": arguments.files * arguments.tests,
        "statements": len(statements),
        "rounds": arguments.rounds,
        "ratio": {
            "median": round(statistics.median(ratios), 3),
            "min": round(min(ratios), 3),
            "max": round(max(ratios), 3),
        },
        "tests_per_second": round(arguments.files * arguments.tests / statistics.median(projects)),
        "memory_mib": {"tenth": round(less / 2**20, 1), "whole": round(memory / 2**20, 1)},
    }
    print(json.dumps(numbers, indent=2))
    if arguments.output:
        arguments.output.write_text(json.dumps(numbers, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
