"""Playbooks that nobody should start unasked are found, however they are written; others are left alone."""

import base64
import textwrap

import pytest
from tests.unit.kinds.playbook.commands.playbooks import workflow

SHELLS = {
    "1.x": """
        - step: go
          tool: shell
          cmds: [ls]
        """,
    "1.x by its type": """
        - step: go
          type: shell
          command: ls
        """,
    "2.x": """
        - step: go
          tool: {kind: shell, cmds: [ls]}
        """,
    "4.x, one of a list of tools": """
        - step: go
          tool:
            - first: {kind: http, url: "http://a"}
            - second: {kind: shell, cmds: [ls]}
        """,
    "a list of plain tools": """
        - step: go
          tool: [http, shell]
        """,
    "the task of an iterator": """
        - step: go
          type: iterator
          collection: "{{ workload.items }}"
          task:
            task: inner
            tool: shell
        """,
    "a task of an iterator of an iterator": """
        - step: go
          tool: iterator
          task:
            tool: iterator
            task: {tool: {kind: shell}}
        """,
    "a case": """
        - step: go
          tool: {kind: python, code: "result = {}"}
          case:
            - when: "{{ true }}"
              then:
                - call: {tool: {kind: shell}}
        """,
    "a sink": """
        - step: go
          tool: python
          code: "def main(): pass"
          sink: {tool: {kind: shell}}
        """,
    "a block of blocks": """
        - step: go
          block:
            - steps:
                - step: go
                  do: [{do: {tool: shell}}]
        """,
    "spelled otherwise": """
        - step: go
          tool: " Shell "
        """,
}


@pytest.mark.parametrize("steps", SHELLS.values(), ids=SHELLS.keys())
def test_a_shell_is_found_wherever_it_is(steps: str) -> None:
    """In all generations' spellings, with the step that it is in."""
    (use,) = workflow(steps).unsafe_uses
    assert use.endswith("uses the tool 'shell'")
    assert "step 'go'" in use or "step 'inner'" in use


@pytest.mark.parametrize(
    "tool", ["container", "docker", "kubectl", "script", "job", "k8s-job", "kubernetes_job", "ssh", "helm"]
)
def test_containers_kubernetes_and_scripts_are_found(tool: str) -> None:
    """By the names that releases have for them, and that they could have."""
    assert workflow(f"- {{step: go, tool: {{kind: {tool}}}}}").unsafe_uses


@pytest.mark.parametrize(
    "tool", ["http", "python", "postgres", "duckdb", "snowflake", "transfer", "gcs", "noop", "playbook", "workbook"]
)
def test_other_tools_are_no_danger(tool: str) -> None:
    """They are what playbooks are for."""
    assert not workflow(f"- {{step: go, tool: {{kind: {tool}, path: a/b, query: SELECT 1}}}}").unsafe_uses


def test_a_task_of_the_workbook_counts() -> None:
    """Steps call it by its name."""
    more = "workbook:\n  - {name: helper, tool: shell}"
    found = workflow("- {step: go, tool: workbook, name: helper}", more=more)
    assert found.unsafe_uses == ("step 'helper' uses the tool 'shell'",)


def test_a_tool_may_be_named_in_the_workload() -> None:
    """By its default; one that nothing is known of is not started."""
    step = '- {step: go, tool: {kind: "{{ workload.tool }}"}}'
    assert workflow(step, workload="{tool: shell}").unsafe_uses == ("step 'go' uses the tool 'shell'",)
    assert not workflow(step, workload="{tool: http}").unsafe_uses
    (use,) = workflow(step).unsafe_uses
    assert "only known when it runs" in use


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess\nsubprocess.run(['ls'])",
        "from subprocess import run",
        "import os\nos.system('ls')",
        "import os\nos . popen('ls')",
        "from os import path, system",
        "os.execvp('ls', [])",
        "os.spawnl(0, 'ls')",
        "await asyncio.create_subprocess_shell('ls')",
        "__import__('subprocess')",
        "import docker",
        "def main():\n    from kubernetes import client",
        "import pty\npty.spawn('ls')",
    ],
)
def test_python_that_plainly_starts_programs_is_found(code: str) -> None:
    """As code, and as code in base64."""
    quoted = textwrap.indent(code, "      ")
    assert workflow(f"- step: go\n  tool:\n    kind: python\n    code: |\n{quoted}").unsafe_uses
    encoded = base64.b64encode(code.encode()).decode()
    assert workflow(f"- {{step: go, tool: python, code_b64: {encoded}}}").unsafe_uses


@pytest.mark.parametrize(
    "code",
    [
        "import os\nresult = os.path.join('a', 'system')",
        "result = {'os': 'system', 'position': 1}",
        "import shutil\nresult = len('docker')",
        "result = execute(1)",
    ],
)
def test_other_python_is_no_danger(code: str) -> None:
    """Words alone are none."""
    quoted = textwrap.indent(code, "      ")
    assert not workflow(f"- step: go\n  tool:\n    kind: python\n    code: |\n{quoted}").unsafe_uses


def test_a_script_from_elsewhere_is_not_known() -> None:
    """Python of which nothing can be said; SQL from elsewhere stays in its database."""
    script = "script: {uri: gs://bucket/a.py, source: {type: gcs}}"
    (use,) = workflow(f"- {{step: go, tool: {{kind: python, {script}}}}}").unsafe_uses
    assert use == "step 'go' runs a script that is not in the playbook: gs://bucket/a.py"
    assert not workflow(f"- {{step: go, tool: {{kind: postgres, {script}}}}}").unsafe_uses


def test_sql_can_start_a_program_too() -> None:
    """On the database's machine."""
    steps = "- {step: go, tool: {kind: postgres, query: \"COPY a TO\\n PROGRAM 'sh'\"}}"
    assert workflow(steps).unsafe_uses == ("step 'go' has SQL that starts a program",)
    assert not workflow("- {step: go, tool: {kind: postgres, query: SELECT program FROM programs}}").unsafe_uses


def test_what_does_it_for_others_is_known_by_name() -> None:
    """An agent or a server of tools is no danger for itself."""
    assert workflow("- {step: go, tool: {kind: mcp, server: kubernetes, method: list}}").unsafe_uses
    assert not workflow("- {step: go, tool: {kind: mcp, server: weather, tool: '{{ method }}'}}").unsafe_uses
    named_elsewhere = "- {step: go, tool: {kind: mcp, server: '{{ workload.server }}'}}"
    assert workflow(named_elsewhere, workload="{server: kubernetes}").unsafe_uses


def test_a_playbook_in_a_text_is_not_looked_into() -> None:
    """So it is not started, either."""
    assert workflow("- {step: go, tool: {kind: playbook, content: 'workflow: []'}}").unsafe_uses


def test_data_are_no_tools() -> None:
    """The body of a request that starts a Job somewhere is a request; and a step may have any name."""
    steps = """
        - step: shell
          tool:
            kind: http
            url: http://a
            headers: {kind: shell}
            params: {type: script}
            body: {kind: Job, type: container, tool: shell}
          args: {tool: shell}
        """
    assert not workflow(steps, workload="{tool: shell, kind: container}").unsafe_uses


def test_what_aliases_blow_up_is_looked_at_once() -> None:
    """A few lines can stand for more mappings than there is time for."""
    lines = ["a0: &a0 {tool: shell}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    found = workflow("- {step: go}", more="\n".join(lines))
    assert found.unsafe_uses == ("the playbook uses the tool 'shell'",)


def test_a_playbook_may_contain_itself() -> None:
    """Where YAML says so."""
    assert workflow("- &go {step: go, next: [*go], tool: shell}").unsafe_uses == ("step 'go' uses the tool 'shell'",)
