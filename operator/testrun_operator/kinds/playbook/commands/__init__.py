"""``testrun noetl``: suites of what people have in NoETL (``docs/cases/noetl-suite.md``).

::

    group.py         the command and its options
    suite.py         goes through the steps below, from playbooks to a TestSuite
    playbooks.py     playbooks, read from YAML or from the files of a folder
    server.py        playbooks, executions and credentials of a NoETL server
    analysis.py      what the text of a playbook tells: its steps, the credentials and playbooks that it needs
    unsafe_tools.py  what it runs that a test must not run: shells, containers, Kubernetes, programs
    selection.py     which playbooks become cases, under which names; which are left out, and why
    history.py       earlier executions of a playbook, and what to expect of the next one because of them
    case_builder.py  a playbook as a case of the suite
    manifests.py     the suite and the ConfigMaps of playbooks, as YAML
    output.py        progress and notices on standard error
"""

from typing import Final

from testrun_operator.kinds.playbook.commands.group import commands as commands

EXTRA: Final = "postgres"
"""The extra of ``pyproject.toml`` with the libraries that these commands import when they are called."""
