"""Validates bodies by JSON Schema; references to other documents are refused."""

import re
from collections.abc import Iterator
from itertools import islice

import jsonschema
import referencing.exceptions
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from pydantic import JsonValue
from referencing import Registry

from testrun_operator.runner.problem import InvalidCase

MAX_ERRORS = 5
"""So many errors of one page are reported; of further ones it is said that there are more."""
_DEFAULT = jsonschema.Draft202012Validator
_UNKNOWN = jsonschema.validators.create({})  # stands for a draft that the library does not know
_SHOWN_CHARACTERS = 160


class Schema:
    """A schema that a body can be checked against.

    Args:
        schema: the schema; of draft 2020-12, unless its ``$schema`` names another one.
        path: the field of the case that it stands in, for messages.

    Raises:
        InvalidCase: the schema is wrong.
    """

    def __init__(self, schema: dict[str, JsonValue], path: str) -> None:
        self._path = path
        dialect = schema.get("$schema")
        validator: type[Validator] = validator_for(schema, default=_UNKNOWN if dialect else _DEFAULT)
        if validator is _UNKNOWN:
            raise InvalidCase(f"{path}.$schema", f"{dialect!r} is no draft that is known here")
        try:
            validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
            raise InvalidCase(f"{path}{where}", _shorten(error.message)) from None
        # A registry of its own cannot fetch anything; jsonschema's default would ask the network.
        self._validator = validator(schema, registry=Registry())

    def errors(self, document: JsonValue) -> list[str]:
        """Return the first five errors of a document, each with its place in it; empty if the document is valid.

        Raises:
            InvalidCase: the schema refers to another document, or to a part of itself that is not there.
        """
        try:
            errors = list(islice(self._iterate(document), MAX_ERRORS + 1))
        except referencing.exceptions.Unresolvable as error:
            problem = f"{error.ref!r} cannot be resolved; references to other documents are refused"
            raise InvalidCase(self._path, problem) from None
        except RecursionError:
            raise InvalidCase(self._path, "it refers to itself without end") from None
        except re.error as error:
            raise InvalidCase(self._path, f"a pattern is no regular expression: {error}") from None
        return [*errors[:MAX_ERRORS], "and more"] if len(errors) > MAX_ERRORS else errors

    def _iterate(self, document: JsonValue) -> Iterator[str]:
        for error in self._validator.iter_errors(document):
            yield f"{error.json_path}: {_shorten(error.message)}"


def _shorten(message: str) -> str:
    # The message begins with the offending value, which may be a whole document; what is wrong with it stands behind.
    if len(message) <= _SHOWN_CHARACTERS:
        return message
    half = _SHOWN_CHARACTERS // 2
    return f"{message[:half]}…{message[-half:]}"
