"""JMESPath expressions in fields of cases (https://jmespath.org/specification.html)."""

from typing import Annotated

from pydantic import Field

from testrun_operator.api.base import AnyJson, Model

Expression = Annotated[str, Field(min_length=1, max_length=1024)]
"""A JMESPath expression (https://jmespath.org/specification.html)."""


class JmesPathExpectation(Model):
    """An expression and what it must be."""

    expression: Expression = Field(
        description="JMESPath over the response body; of a paginated walk, over {items: [all], pages: [bodies]}."
    )
    equals: AnyJson = Field(description="The value it must have. Texts may be templates.")
