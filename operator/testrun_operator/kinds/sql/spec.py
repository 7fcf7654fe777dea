"""The case kind ``sql``: database tests in the Trilogy format."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from testrun_operator.api.base import DnsLabel, Model, ShortText
from testrun_operator.api.files import FileSource


class SqlIsolation(StrEnum):
    """What keeps the tests of a case apart."""

    NONE = "none"
    """Nothing: every statement commits, and what a test leaves stays."""
    ROLLBACK = "rollback"
    """Each test runs in a transaction that is rolled back."""
    DATABASE = "database"
    """Each test case file runs in a copy of the database, which is dropped afterwards."""


class SqlSelection(Model):
    """Which tests of a project are run. Texts may be templates."""

    paths: Annotated[tuple[ShortText, ...], Field(max_length=64)] = Field(
        (), description="Globs over the paths of test case files, as 'billing/**'. Default: all."
    )
    tests: Annotated[tuple[ShortText, ...], Field(max_length=64)] = Field(
        (), description="Globs over the names of tests, case ignored, as '*refund*'. Default: all."
    )


class SqlCase(Model):
    """Tests in the Trilogy format, a project or a single file, against a database."""

    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        (
            "!has(self.parallel) || self.parallel == 1 || (has(self.isolation) && self.isolation == 'database')",
            "parallel needs isolation: database",
        ),
    )

    connection: DnsLabel = Field(description="Name of a connection of the suite that has dsnFrom.")
    source: FileSource = Field(description="Where the test files come from: inline, configMap or git.")
    select: SqlSelection = Field(SqlSelection(), description="Which tests are run. Default: all.")
    isolation: SqlIsolation = Field(
        SqlIsolation.NONE,
        description="What keeps tests apart: none, rollback (a transaction for each test), or database (a copy of the "
        "database for each test case file). Default none.",
    )
    parallel: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="How many test case files run at once; needs isolation: database. Default 1."
    )
    skip_schema_load: bool = Field(False, description="Leave schema.sql out. Default false.")

    @model_validator(mode="after")
    def _parallel_needs_copies(self) -> Self:
        if self.parallel > 1 and self.isolation is not SqlIsolation.DATABASE:
            msg = "parallel needs isolation: database, so that test cases do not disturb each other"
            raise ValueError(msg)
        return self
