"""The databases that are reached through SQLAlchemy: MariaDB and MySQL, SQLite, Oracle.

Each is a package that its ``Database`` is imported from; loading one takes time, and only the one in use is loaded.
SQLAlchemy opens the connections and knows the drivers' ways. The statements go through the drivers' own cursors: they
are an author's, to be sent as they are, may return several sets of rows, and their values are wanted as the database
writes them.
"""
