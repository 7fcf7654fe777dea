"""``testrun sql``: database tests from a terminal, against a database of one's own (``docs/cases/sql-terminal.md``).

::

    group.py                 the table of commands
    running.py               one execution: project, database, reports, exit code
    progress.py              what is shown while it runs
    output.py                what is shown afterwards
    watching.py              again, whenever a file changes (changes.py)
    checking.py              what is malformed, without a database
    writing.py               a project as a ConfigMap, and as one script
"""

from typing import Final

from testrun_operator.kinds.sql.commands.group import commands as commands

EXTRA: Final = "sql"
"""The extra of ``pyproject.toml`` with the libraries that these commands import when they are called."""
