"""``testrun noetl``: suites of what people have in NoETL (``docs/cases/noetl-suite.md``).

::

    group.py                 the table of commands
    suite.py                 ``testrun noetl suite``: from playbooks to a TestSuite
    folder.py                playbooks of a folder
    server.py                playbooks, executions and credentials of a NoETL server
    playbooks.py             what is found out about a playbook, by the next four
    dependencies.py          what it needs: other playbooks, credentials
    unsafe_tools.py          what it runs that a test must not
    flow.py                  whether its steps follow one another
    traversal.py             walks through the steps of a playbook
    workload.py              templates, as far as a playbook's defaults say what becomes of them
    selection.py             which playbooks become cases, and which are left out, and why
    recorded_executions.py   what earlier executions of a playbook looked like
    history.py               which of its executions went well
    case_builder.py          a playbook as a case
    naming.py                names of cases, categories
    packing.py               playbooks as ConfigMaps
    writing.py               the suite as YAML, with its comments
    output.py                what is told beside it
    progress.py              what is shown meanwhile
"""

from typing import Final

from testrun_operator.kinds.playbook.commands.group import commands as commands

EXTRA: Final = "postgres"
"""The extra of ``pyproject.toml`` with the libraries that these commands import when they are called."""
