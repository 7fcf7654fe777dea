"""SQLite."""

from testrun_operator.runner.sql.databases.relational.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
