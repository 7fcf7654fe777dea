"""Results in Postgres: the tables and their migrations, what is written, when it is written, and what is read.

``results.ResultStore`` writes and reads; ``writer.ResultWriter`` decides when, and waits while Postgres is away;
``queries`` is for the command line. What people see of it is ``docs/results.md``.
"""
