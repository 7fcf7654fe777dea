"""Templates: Jinja2 in a sandbox.

They see ``vars``, ``run``, ``servers``, ``cases`` and ``attempt``, queries about a playbook also ``execution``, and
nothing of the pod: no file, no environment, no secret. A name that does not exist is an error, unless the template says
otherwise (``| default('x')``). The time that a template takes is bounded by the case's timeout, which ``supervisor.py``
enforces; its memory by the pod's limit.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from testrun_operator.resources.document import CaseDocument
from testrun_operator.runner.problem import InvalidCase

if TYPE_CHECKING:
    from testrun_operator.runner.sandbox import Sandbox

MAX_OUTPUT_CHARACTERS = 1024 * 1024
_MAX_DIGITS = 18  # fits into 63 bits
_SHOWN_CHARACTERS = 80


class Templates:
    """Renders the templates of one case.

    Jinja2 is loaded when the first template is met: many cases have none, and each case starts a process.

    Args:
        document: the case; templates see what it says of variables, run, servers and needed cases.
        further: further names, and what is in them, as ``execution`` in queries about a playbook.
    """

    def __init__(self, document: CaseDocument, further: Mapping[str, Mapping[str, JsonValue]] | None = None) -> None:
        self._document = document
        self._further = further or {}

    def having(self, further: Mapping[str, Mapping[str, JsonValue]]) -> "Templates":
        """Give templates that see further names.

        Args:
            further: what is in each of them.
        """
        return Templates(self._document, {**self._further, **further})

    def text(self, source: str, path: str) -> str:
        """Render a text.

        Args:
            source: the template.
            path: the field that it stands in, for messages.

        Raises:
            InvalidCase: the template is wrong, or its output is longer than 1 MiB.
        """
        if not _is_template(source):
            return source
        pieces: list[str] = []
        length = 0
        try:
            for piece in self._sandbox.pieces(source, self._names):
                pieces.append(piece)
                length += len(piece)
                if length > MAX_OUTPUT_CHARACTERS:
                    break
        except Exception as error:  # noqa: BLE001 - a template can raise whatever its operators and filters raise
            raise _invalid(path, error) from None
        _check_length(length, path)
        return "".join(pieces)

    def value(self, source: JsonValue, path: str) -> JsonValue:
        """Render all texts in a JSON value.

        A text that is nothing but one ``{{ expression }}`` becomes the expression's value and keeps its type: a number
        stays one. Variables are always texts; ``{{ vars.count | int }}`` makes a number of one.

        Raises:
            InvalidCase: a template is wrong; names the path to it.
        """
        if isinstance(source, str):
            return self._typed(source, path)
        if isinstance(source, list):
            return [self.value(item, f"{path}[{index}]") for index, item in enumerate(source)]
        if isinstance(source, dict):
            return {key: self.value(item, f"{path}.{key}") for key, item in source.items()}
        return source

    def count(self, source: int | str, path: str) -> int:
        """Render a count.

        Raises:
            InvalidCase: the template is wrong, or yields something else than a whole number of zero or more.
        """
        if isinstance(source, int):
            return source
        text = self.text(source, path).strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
            shown = repr(text[:_SHOWN_CHARACTERS])
            raise InvalidCase(path, f"must render to a whole number of zero or more, not to {shown}")
        return int(text)

    def _typed(self, source: str, path: str) -> JsonValue:
        if not _is_template(source):
            return source
        try:
            expression = self._sandbox.single_expression(source)
            if expression is None:
                return self.text(source, path)
            result = json.dumps(expression(**self._names), ensure_ascii=False, allow_nan=False, default=_refuse)
        except InvalidCase:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise _invalid(path, error) from None
        _check_length(len(result), path)
        value: JsonValue = json.loads(result)
        return value

    @cached_property
    def _sandbox(self) -> "Sandbox":
        from testrun_operator.runner.sandbox import Sandbox  # noqa: PLC0415 - see the class

        return Sandbox()

    @cached_property
    def _names(self) -> Mapping[str, Any]:
        from testrun_operator.runner.sandbox import Names  # noqa: PLC0415 - see the class

        document = self._document
        cases = {
            name: Names(f"cases[{name!r}]", {"outputs": Names(f"cases[{name!r}].outputs", needed.outputs)})
            for name, needed in document.cases.items()
        }
        servers = {
            name: Names(f"servers[{name!r}]", server.model_dump(mode="json"))
            for name, server in document.servers.items()
        }
        return {
            "vars": Names("vars", document.variables),
            "run": Names("run", document.run.model_dump(mode="json")),
            "servers": Names("servers", servers),
            "cases": Names("cases", cases),
            "attempt": document.attempt,
            **{name: Names(name, values) for name, values in self._further.items()},
        }


def _is_template(source: str) -> bool:
    return "{{" in source or "{%" in source or "{#" in source


def _check_length(length: int, path: str) -> None:
    if length > MAX_OUTPUT_CHARACTERS:
        raise InvalidCase(path, f"the template yields more than {MAX_OUTPUT_CHARACTERS} characters")


def _refuse(value: object) -> object:
    text = str(value)  # a name that does not exist raises its explanation here
    msg = f"it yields {text[:_SHOWN_CHARACTERS]}, which is no JSON value"
    raise TypeError(msg)


def _invalid(path: str, error: Exception) -> InvalidCase:
    line = getattr(error, "lineno", None)
    where = f" (line {line})" if isinstance(line, int) and line > 1 else ""
    return InvalidCase(path, f"the template cannot be rendered{where}: {str(error) or type(error).__name__}")
