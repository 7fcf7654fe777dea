"""What is read from the text of the migrations."""

import re

from testrun_operator.store.migrating import in_schema
from testrun_operator.store.reference import migrations, render, tables


def test_migrations_are_numbered_without_gaps() -> None:
    """The version of a database is the number of the last one applied."""
    versions = [migration.version for migration in migrations()]
    assert versions == list(range(1, len(versions) + 1))


def test_migrations_name_nothing_but_the_schema_in_braces() -> None:
    """Anything else in braces, even in a comment, would keep every database from being brought up to date."""
    for migration in migrations():
        assert set(re.findall(r"\{[^}]*\}", migration.sql)) == {"{schema}"}, migration.name
        in_schema(migration.sql, "noetl_test")


def test_every_table_and_column_is_described() -> None:
    """The reference page and psql's description are the manual."""
    without = [table.name for table in tables() if not table.comment]
    without += [f"{table.name}.{column.name}" for table in tables() for column in table.columns if not column.comment]
    assert without == []


def test_all_five_tables_are_found() -> None:
    """Three that people know from NoETL's framework, and two of our own."""
    assert [table.name for table in tables()] == [
        "regression_results",
        "regression_summary",
        "expected_results",
        "regression_attempts",
        "regression_details",
    ]


def test_the_page_has_a_row_for_every_column() -> None:
    """Given the migrations, when the page is rendered, then each column has its line and its description."""
    page = render()
    for table in tables():
        assert f"## {table.name}\n\n{table.comment}" in page
        for column in table.columns:
            assert f"| `{column.name}` | `{column.type}` | {column.comment} |" in page
