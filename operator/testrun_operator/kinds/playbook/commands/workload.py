"""Texts of a playbook that are templates, as far as its workload's defaults say what becomes of them."""

import re
from collections.abc import Mapping

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(
    r"(?:workload\.)?(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r"(?:\s*\|\s*default\(\s*(?P<quote>['\"])(?P<default>[^'\"]*)(?P=quote)\s*(?:,[^)]*)?\))?"
)
_DEEPEST = 4
"""So often may a value be a template itself."""
_LONGEST = 4096


class Workload:
    """The defaults of a playbook's input. Nothing is evaluated: names are looked up, and no more.

    Args:
        values: the section ``workload`` of the playbook.
    """

    def __init__(self, values: object) -> None:
        self._values: Mapping[object, object] = values if isinstance(values, Mapping) else {}

    def render(self, text: str) -> str | None:
        """Say what becomes of a text that may be a template; None where that is only known when it runs."""
        return self._render(text, 0)

    def _render(self, text: str, depth: int) -> str | None:
        if "{%" in text or depth > _DEEPEST or len(text) > _LONGEST:
            return None
        known = True

        def replaced(match: re.Match[str]) -> str:
            nonlocal known
            value = self._evaluate(match.group(1).strip(), depth)
            known = known and value is not None
            return value or ""

        rendered = _EXPRESSION.sub(replaced, text).strip()
        return rendered if known and "{{" not in rendered else None

    def _evaluate(self, expression: str, depth: int) -> str | None:
        match = _NAME.fullmatch(expression)
        if match is None:
            return None
        value: object = self._values
        for name in match["name"].split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None or value == "":
            value = match["default"]
        if isinstance(value, str):
            return self._render(value, depth + 1)
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
