"""Which of pyproject.toml's extras a command needs, and what is said where it is not installed.

A developer's laptop needs no operator. So the base is what works without a cluster and without a database, and the
libraries of the rest are extras: Python finds out that one is missing when the command's module imports it.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

DISTRIBUTION: Final = "testrun-operator"
EXTRA_OF_COMMAND: Final[dict[str, str]] = {
    "status": "cluster",
    "wait": "cluster",
    "run": "cluster",
    "results": "postgres",
    "operator": "operator",
    "runner": "runner",
    "testserver": "testserver",
}
"""By the first word of the command. One that is not here needs nothing but the base. Commands of a kind of cases say
theirs themselves, and ``cli/application.py`` adds it."""
LIBRARIES: Final[Mapping[str, str]] = {
    "aiohttp": "aiohttp",
    "dulwich": "dulwich",
    "fastapi": "fastapi",
    "jinja2": "jinja2",
    "jmespath": "jmespath",
    "jsonschema": "jsonschema",
    "kopf": "kopf",
    "kubernetes": "kubernetes",
    "markdown_it": "markdown-it-py",
    "oracledb": "oracledb",
    "prometheus_client": "prometheus-client",
    "psycopg": "psycopg",
    "psycopg_pool": "psycopg",
    "pymysql": "pymysql",
    "pythonjsonlogger": "python-json-logger",
    "referencing": "referencing",
    "sqlalchemy": "sqlalchemy",
    "sqlglot": "sqlglot",
    "urllib3": "urllib3",
    "uvicorn": "uvicorn",
}
"""What is only in extras: the name by which it is imported, and the one by which it is installed."""


def describe_missing(command: str | None, module: str | None) -> str | None:
    """Say what is missing and how it is installed.

    Args:
        command: the first word of the command that was asked for.
        module: the module that could not be found, as :class:`ModuleNotFoundError` names it.

    Returns:
        None if no extra has it: then it is a defect of ours, or of the installation.
    """
    library = LIBRARIES.get((module or "").partition(".")[0])
    extra = EXTRA_OF_COMMAND.get(command or "")
    if library is None or extra is None:
        return None
    if library == "oracledb":
        extra = "oracle"  # a driver that few need, and that is larger than the others together
    return (
        f"'testrun {command}' needs {library}, which is not installed; "
        f"it comes with: pip install '{DISTRIBUTION}[{extra}]'"
    )


def require(module: str) -> None:
    """Look for a module without importing it, for commands whose own imports come too late to be told in words.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    if find_spec(module) is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)
