"""MariaDB and MySQL."""

from testrun_operator.runner.sql.databases.relational.mysql.database import MySqlDatabase

__all__ = ["MySqlDatabase"]
