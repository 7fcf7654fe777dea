"""From what the API server sends to models, with messages that name the field.

A message has the shape ``spec.cases[3].http.paginate.style: what is wrong and what would be right``.
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from testrun_operator.errors import InvalidSpec
from testrun_operator.resources.run import TestRunSpec
from testrun_operator.resources.suite import TestSuiteSpec

_Spec = TypeVar("_Spec", bound=BaseModel)
_MAX_PROBLEMS = 10


def parse_suite(spec: object) -> TestSuiteSpec:
    """Read the ``spec`` of a TestSuite.

    Raises:
        InvalidSpec: with one message per broken rule, ten at most.
    """
    return _parse(TestSuiteSpec, spec)


def parse_run(spec: object) -> TestRunSpec:
    """Read the ``spec`` of a TestRun.

    Raises:
        InvalidSpec: with one message per broken rule, ten at most.
    """
    return _parse(TestRunSpec, spec)


def _parse(model: type[_Spec], spec: object) -> _Spec:
    if not isinstance(spec, Mapping):
        raise InvalidSpec(("spec: is missing",))
    try:
        # By the names that the API server knows: it drops fields with others in silence.
        return model.model_validate(dict(spec), by_alias=True, by_name=False)
    except ValidationError as error:
        details = _without_consequences(error.errors(include_url=False))
        problems = [_describe(detail) for detail in details[:_MAX_PROBLEMS]]
        if len(details) > _MAX_PROBLEMS:
            problems.append(f"and {len(details) - _MAX_PROBLEMS} more")
        raise InvalidSpec(tuple(problems)) from None


def _without_consequences(details: list[ErrorDetails]) -> list[ErrorDetails]:
    # pydantic counts only the valid items of a list, so that a list whose items are wrong is "too short" as well.
    locations = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(
            len(other) > len(detail["loc"]) and other[: len(detail["loc"])] == detail["loc"] for other in locations
        )
    ]


def format_path(location: tuple[int | str, ...]) -> str:
    """Render a pydantic location as a field's path: ``spec.cases[3].http``."""
    path = "spec"
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":  # what is wrong is the key itself, which stands before this part
            path += f".{part}"
    return path


def _describe(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            message = "is required"
        case "extra_forbidden":
            message = "is not a field of this version; check its spelling and its place"
        case "enum":
            message = f"{_shorten(detail['input'])} is not known; use one of {context['expected']}"
        case "string_pattern_mismatch":
            message = f"{_shorten(detail['input'])} must match {context['pattern']}"
        case "value_error":
            message = str(context["error"])
        case "string_type" if isinstance(detail["input"], int | float):
            message = f"must be a text; put {_shorten(detail['input'])} in quotes"
        case "tuple_type":
            message = f"must be a list, not {_shorten(detail['input'])}"
        case "dict_type" | "model_type":
            message = f"must be an object, not {_shorten(detail['input'])}"
        case "too_short":
            message = f"must have at least {context['min_length']}"
        case _:
            message = detail["msg"][:1].lower() + detail["msg"][1:]
            if not isinstance(detail["input"], Mapping | list):
                message += f", not {_shorten(detail['input'])}"
    return f"{format_path(detail['loc'])}: {message}"


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - as wide as a terminal's line
