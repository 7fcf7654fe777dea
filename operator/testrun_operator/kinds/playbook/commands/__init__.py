"""``testrun noetl``: suites of what people have in NoETL (``docs/cases/noetl-suite.md``).

::

    group.py         the table of commands
    suite.py         ``testrun noetl suite``: from playbooks to a TestSuite
    folder.py        playbooks of a folder
    server.py        playbooks, executions and credentials of a NoETL server
    playbooks.py     what is found out about a playbook: needs.py, dangers.py and flow.py, by walking.py
    workload.py      templates, as far as a playbook's defaults say what becomes of them
    choosing.py      which playbooks become cases, and which are left out, and why
    experience.py    what earlier executions of a playbook looked like
    remembering.py   which of its executions went well
    casting.py       a playbook as a case
    naming.py        names of cases, categories
    packing.py       playbooks as ConfigMaps
    writing.py       the suite as YAML, with its comments
    telling.py       what is told beside it
    progress.py      what is shown meanwhile
"""

from typing import Final

from testrun_operator.kinds.playbook.commands.group import commands as commands

EXTRA: Final = "postgres"
"""The extra of ``pyproject.toml`` with the libraries that these commands import when they are called."""
