"""Playbooks in the words of NoETL's three generations."""

import textwrap

from testrun_operator.kinds.playbook.commands.playbooks import Playbook, make_playbook, read_yaml


def read(text: str) -> Playbook:
    """Read a playbook."""
    document = read_yaml(textwrap.dedent(text))
    assert document is not None
    return make_playbook(document, origin="here.yaml", text=text)


def workflow(text: str, *, workload: str = "{}", more: str = "") -> Playbook:
    """Read a playbook that has these steps.

    Args:
        text: the steps, as a YAML list.
        workload: as YAML in braces.
        more: further sections.
    """
    steps = textwrap.indent(textwrap.dedent(text).strip(), "  ")
    head = f"apiVersion: noetl.io/v2\nkind: Playbook\nmetadata: {{name: it, path: a/it}}\nworkload: {workload}\n"
    return read(f"{head}{textwrap.dedent(more)}\nworkflow:\n{steps}\n")
