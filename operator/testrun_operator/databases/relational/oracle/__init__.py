"""Oracle. Not tested: there was no server to test it with."""

from testrun_operator.databases.relational.oracle.database import OracleDatabase

__all__ = ["OracleDatabase"]
