"""JMESPath, with errors that say whose fault they are, and equality as JSON has it."""

from collections.abc import Mapping
from dataclasses import dataclass

import jmespath
import jmespath.exceptions
from jmespath.parser import ParsedResult
from pydantic import JsonValue

from testrun_operator.errors import LocalError
from testrun_operator.runner.problem import InvalidCase

_SHOWN_CHARACTERS = 60


class NotApplicable(LocalError):
    """An expression cannot be applied to a value, for instance ``length(@)`` to a number."""


@dataclass(frozen=True)
class Expression:
    """A compiled expression."""

    source: str
    path: str
    """The field that it stands in, for messages."""
    parsed: ParsedResult

    @classmethod
    def compile(cls, source: str, path: str) -> "Expression":
        """Compile an expression.

        Raises:
            InvalidCase: it is no JMESPath.
        """
        try:
            return cls(source, path, jmespath.compile(source))
        except jmespath.exceptions.JMESPathError as error:
            raise InvalidCase(path, f"{source!r} is no JMESPath: {_first_line(error)}") from None
        except RecursionError:
            raise InvalidCase(path, f"{source[:_SHOWN_CHARACTERS]!r}… is nested too deeply") from None

    def search(self, value: JsonValue) -> JsonValue:
        """Apply the expression.

        Raises:
            NotApplicable: a function got a value of a type that it does not take.
            InvalidCase: a function does not exist, or takes another number of arguments.
        """
        try:
            found: JsonValue = self.parsed.search(value)
        except (jmespath.exceptions.UnknownFunctionError, jmespath.exceptions.ArityError) as error:
            raise InvalidCase(self.path, f"{self.source!r}: {_first_line(error)}") from None
        except jmespath.exceptions.JMESPathError as error:
            raise NotApplicable(_first_line(error)) from None
        except (TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            # The library lets some errors of its functions through, as for abs() of a text.
            raise NotApplicable(str(error)) from None
        return found


def json_equal(left: JsonValue, right: JsonValue) -> bool:
    """Compare two JSON values: 1 equals 1.0, but true does not equal 1, as it does in Python."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(json_equal(*pair) for pair in zip(left, right, strict=True))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(json_equal(left[key], right[key]) for key in left)
    return left == right


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
