"""Tools of a playbook that act outside of NoETL: shells, containers, Kubernetes, other programs.

Playbooks that use them become cases only if the user asks for it. This prevents accidents and is no protection from
malice: Python code that wants to start a program can hide it from any search of its text.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping

from testrun_operator.kinds.playbook.commands.analysis import Node, Workload

_TOOLS = frozenset(
    {
        *("shell", "bash", "sh", "cmd", "command", "exec", "process", "subprocess", "powershell", "ssh"),
        *("container", "docker", "podman", "kubectl", "kubernetes", "k8s", "helm", "job", "k8s_job", "kubernetes_job"),
        *("script", "terraform", "ansible"),
    }
)
"""Unsafe tools of all releases of NoETL, and names that others of that sort would likely have."""
_REMOTE_TOOLS = frozenset({"mcp", "agent"})
"""Tools that let another server do the work. Only the name of that server tells what it is."""
_UNSAFE_REMOTE = re.compile(r"kube|docker|container|shell|terminal|helm", re.IGNORECASE)
"""A name of such a server, or another text of the tool, that shows what it does."""
_TOOL_FIELDS = ("tool", "kind", "type", "tool_kind", "tool_type", "task_type", "action_type")

"""Fields in which the releases name the tool of a step."""
_PYTHON = (
    re.compile(r"\b(subprocess|pexpect|paramiko|pty\.spawn|create_subprocess_exec|create_subprocess_shell)\b"),
    re.compile(r"\b(os\s{0,4}\.\s{0,4}(?:system|popen|exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?|fork|forkpty))\b"),
    re.compile(
        r"\bfrom[ \t]{1,9}(os)[ \t]{1,9}import[^\n]{0,500}?\b(?:system|popen|exec[lv]p?e?|spawn[lv]p?e?|fork)\b"
    ),
    re.compile(
        r"^[ \t]*(?:import|from)[ \t]{1,9}(docker|podman|kubernetes|kubernetes_asyncio|sh|fabric|plumbum)\b",
        re.MULTILINE,
    ),
)
"""Python code that starts programs or talks to containers; the first group is what messages show."""
_SQL = re.compile(r"\b(?:to|from)\s+program\b", re.IGNORECASE)
"""``COPY … TO PROGRAM`` of PostgreSQL."""
_SQL_FIELDS = ("command", "commands", "query", "sql", "statement", "statements")
_SQL_TOOLS = frozenset({"postgres", "postgresql", "duckdb", "ducklake", "snowflake"})
"""Tools whose field ``script`` is SQL and no program."""
_LONGEST_CODE = 1_000_000
"""Characters of a code that are searched."""


def find_unsafe_uses(nodes: Iterable[Node], workload: Workload) -> tuple[str, ...]:
    """Find where a playbook uses unsafe tools.

    Args:
        nodes: the mappings of its steps, from :func:`~testrun_operator.kinds.playbook.commands.analysis.traverse`.
        workload: the defaults of its input, in which tools may be named.

    Returns:
        Clauses such as ``step 'deploy' uses the tool 'kubectl'``, each once, in the order of the steps; empty if
        nothing was found.
    """
    return tuple(dict.fromkeys(f"{node.where} {use}" for node in nodes for use in _unsafe_uses(node, workload)))


def _unsafe_uses(node: Node, workload: Workload) -> Iterator[str]:
    tools = set(_tools(node.fields))
    for tool in sorted(tools):
        named = _fold(workload.render(tool) or "")
        if named in _TOOLS:
            yield f"uses the tool {named!r}"
        elif not named and _is_surely_tool(tool, node.fields):
            yield f"uses a tool that is only known when it runs, {tool!r}"
        elif named in _REMOTE_TOOLS and any(_UNSAFE_REMOTE.search(text) for text in _texts(node.fields, workload)):
            yield f"uses the tool {named!r} for containers, Kubernetes or a shell"
        elif named in ("playbook", "playbooks") and node.text("content", "playbook_content"):
            yield "starts a playbook that is written in a text"
    yield from _unsafe_code(node, is_sql=any(_fold(tool) in _SQL_TOOLS for tool in tools))


def _unsafe_code(node: Node, *, is_sql: bool) -> Iterator[str]:
    for code in _codes(node):
        for pattern in _PYTHON:
            if match := pattern.search(code):
                yield f"has Python code with {''.join(match[1].split())}"
    for text in _sql(node):
        if _SQL.search(text):
            yield "has SQL that starts a program"
    script = node.fields.get("script")
    if script and not is_sql and not (isinstance(script, list) and not any(script)):
        yield f"runs a script that is not in the playbook{_place(script)}"


def _tools(fields: Mapping[str, object]) -> Iterator[str]:
    for key in _TOOL_FIELDS:
        value = fields.get(key)
        values = value if isinstance(value, list) else [value]
        yield from (one for one in values if isinstance(one, str) and one.strip())


def _codes(node: Node) -> Iterator[str]:
    yield node.text("code")[:_LONGEST_CODE]
    encoded = node.text("code_b64", "code_base64")
    if encoded:
        try:
            yield base64.b64decode(encoded[:_LONGEST_CODE]).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            # NoETL cannot run what cannot be decoded.
            return


def _sql(node: Node) -> Iterator[str]:
    for key in _SQL_FIELDS:
        value = node.fields.get(key)
        values = value if isinstance(value, list) else [value]
        yield from (one[:_LONGEST_CODE] for one in values if isinstance(one, str))


def _is_surely_tool(name: str, fields: Mapping[str, object]) -> bool:
    """Whether a name stands where only a tool is named.

    The field ``type`` may be that of anything, and beside a ``kind`` the field ``tool`` names a tool of a server.
    """
    return fields.get("kind", fields.get("tool")) == name


def _texts(fields: Mapping[str, object], workload: Workload) -> Iterator[str]:
    return (workload.render(value) or value for value in fields.values() if isinstance(value, str))


def _place(script: object) -> str:
    if isinstance(script, str):
        return f": {script[:100]}" if "\n" not in script else ""
    uri = script.get("uri") or script.get("path") if isinstance(script, Mapping) else None
    return f": {uri[:100]}" if isinstance(uri, str) else ""


def _fold(name: str) -> str:
    return name.strip().casefold().replace("-", "_")
