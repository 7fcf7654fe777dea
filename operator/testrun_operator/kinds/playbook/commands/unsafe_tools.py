"""What a playbook does outside of NoETL that nobody should start unasked: shells, containers, Kubernetes, programs.

It keeps accidents away, not malice: Python that wants to start a program can hide it from any look at its text.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping

from testrun_operator.kinds.playbook.commands.analysis import Spot, Workload

_TOOLS = frozenset(
    {
        *("shell", "bash", "sh", "cmd", "command", "exec", "process", "subprocess", "powershell", "ssh"),
        *("container", "docker", "podman", "kubectl", "kubernetes", "k8s", "helm", "job", "k8s_job", "kubernetes_job"),
        *("script", "terraform", "ansible"),
    }
)
"""Tools that are left out, of all releases; and what others would be called."""
_REMOTE_TOOLS = frozenset({"mcp", "agent"})
"""Tools that have something else do the work: what it is, only its name tells."""
_REMOTE_DANGER = re.compile(r"kube|docker|container|shell|terminal|helm", re.IGNORECASE)
_KEYS_OF_TOOLS = ("tool", "kind", "type", "tool_kind", "tool_type", "task_type", "action_type")

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
_SQL = re.compile(r"\b(?:to|from)\s+program\b", re.IGNORECASE)
_SQL_KEYS = ("command", "commands", "query", "sql", "statement", "statements")
_SQL_TOOLS = frozenset({"postgres", "postgresql", "duckdb", "ducklake", "snowflake"})
_LONGEST_CODE = 1_000_000


def find_dangers(found: Iterable[Spot], workload: Workload) -> tuple[str, ...]:
    """Say what is dangerous in a playbook: "step 'deploy' uses the tool 'kubectl'".

    Args:
        found: all that is in its steps.
        workload: for tools that are only named there.

    Returns:
        The reasons, each once, in the order of the steps; none where nothing was found.
    """
    return tuple(dict.fromkeys(f"{spot.where} {danger}" for spot in found for danger in _dangers(spot, workload)))


def _dangers(spot: Spot, workload: Workload) -> Iterator[str]:
    tools = set(_tools(spot.fields))
    for tool in sorted(tools):
        named = _fold(workload.render(tool) or "")
        if named in _TOOLS:
            yield f"uses the tool {named!r}"
        elif not named and _is_surely_tool(tool, spot.fields):
            yield f"uses a tool that is only known when it runs, {tool!r}"
        elif named in _REMOTE_TOOLS and any(_REMOTE_DANGER.search(text) for text in _texts(spot.fields, workload)):
            yield f"uses the tool {named!r} for containers, Kubernetes or a shell"
        elif named in ("playbook", "playbooks") and spot.text("content", "playbook_content"):
            yield "starts a playbook that is written in a text"
    yield from _dangers_of_code(spot, is_sql=any(_fold(tool) in _SQL_TOOLS for tool in tools))


def _dangers_of_code(spot: Spot, *, is_sql: bool) -> Iterator[str]:
    for code in _codes(spot):
        for pattern in _PYTHON:
            if match := pattern.search(code):
                yield f"has Python code with {''.join(match[1].split())}"
    for text in _sql(spot):
        if _SQL.search(text):
            yield "has SQL that starts a program"
    script = spot.fields.get("script")
    if script and not is_sql and not (isinstance(script, list) and not any(script)):
        yield f"runs a script that is not in the playbook{_place(script)}"


def _tools(fields: Mapping[str, object]) -> Iterator[str]:
    for key in _KEYS_OF_TOOLS:
        value = fields.get(key)
        values = value if isinstance(value, list) else [value]
        yield from (one for one in values if isinstance(one, str) and one.strip())


def _codes(spot: Spot) -> Iterator[str]:
    yield spot.text("code")[:_LONGEST_CODE]
    encoded = spot.text("code_b64", "code_base64")
    if encoded:
        try:
            yield base64.b64decode(encoded[:_LONGEST_CODE]).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            # What cannot be read is no code to NoETL, either.
            return


def _sql(spot: Spot) -> Iterator[str]:
    for key in _SQL_KEYS:
        value = spot.fields.get(key)
        values = value if isinstance(value, list) else [value]
        yield from (one[:_LONGEST_CODE] for one in values if isinstance(one, str))


def _is_surely_tool(name: str, fields: Mapping[str, object]) -> bool:
    """Whether nothing but a tool can be named there: a type may be that of anything, and a tool that of a server."""
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
