"""The Jinja2 environment of templates. Loaded by ``templates.py`` when it meets the first template."""

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

_GLOBALS = ("range", "dict", "namespace")
_SHOWN_NAMES = 10


class Names(dict[str, Any]):
    """A dictionary that knows what it is called, so that a missing name can be explained.

    Args:
        called: how templates call it.
        values: its content.
    """

    def __init__(self, called: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.called = called

    def explain_missing(self, name: object) -> str:
        """Say that a name does not exist, and which ones do."""
        known = sorted(self)
        shown = ", ".join(known[:_SHOWN_NAMES]) + (", …" if len(known) > _SHOWN_NAMES else "")
        return f"{self.called} has no {name!r}; " + (f"it has {shown}" if known else "it is empty")


class Sandbox(ImmutableSandboxedEnvironment):
    """A sandbox in which a dictionary's keys come before its methods: a variable may be called ``items``."""

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, keep_trailing_newline=True)
        self.globals = {name: self.globals[name] for name in _GLOBALS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look an attribute up."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, Names) and not hasattr(obj, attribute):
            return self.undefined(obj.explain_missing(attribute), obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look an index up."""
        if isinstance(obj, Names) and argument not in obj:
            return self.undefined(obj.explain_missing(argument), obj, argument)
        return super().getitem(obj, argument)

    def pieces(self, source: str, names: Mapping[str, object]) -> Iterator[str]:
        """Render a template piece by piece."""
        return self.from_string(source).generate(names)

    def single_expression(self, source: str) -> TemplateExpression | None:
        """Return the expression of a template that is nothing but one ``{{ expression }}``, else None."""
        match self.parse(source.strip()).body:
            case [nodes.Output(nodes=[nodes.Expr() as expression])] if not isinstance(expression, nodes.TemplateData):
                # As compile_expression does, which takes an expression's source and not its tree.
                result = nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)
                return TemplateExpression(self.from_string(nodes.Template([result], lineno=1)), undefined_to_none=False)
            case _:
                return None
