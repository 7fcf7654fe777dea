"""MariaDB and MySQL."""

from testrun_operator.databases.relational.mysql.database import MySqlDatabase

__all__ = ["MySqlDatabase"]
