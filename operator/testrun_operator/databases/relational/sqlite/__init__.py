"""SQLite."""

from testrun_operator.databases.relational.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
