"""A mode's instructions as templates: of Jinja2's syntax only what cannot loop, call or reach for attributes."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.Test,
)
"""Nothing here repeats, so that what comes out is bounded by the template and the values that go in."""
FILTERS = frozenset({"lower", "upper", "trim", "capitalize", "title", "length", "int", "default"})
TESTS = frozenset({"defined", "undefined", "none", "number", "string", "even", "odd"})
LONGEST = 20_000


class TemplateError(ValueError):
    """A template that cannot be used; `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        super().__init__(f"line {line}: {reason}")


class Template:
    """A checked template. `names` are the values that it asks for. Raises TemplateError."""

    def __init__(self, source: str) -> None:
        if len(source) > LONGEST:
            raise TemplateError(1, f"the text is longer than {LONGEST} characters")
        # One environment each: Jinja2 keeps compiled templates in it, and these come and go with a user's edits.
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, cache_size=0
        )
        try:
            tree = environment.parse(source)
            _check(tree)
            self.names: frozenset[str] = frozenset(find_undeclared_variables(tree))
            self._template = environment.from_string(tree)
        except TemplateSyntaxError as error:
            raise TemplateError(error.lineno, error.message or "this cannot be read") from error
        except RecursionError as error:
            raise TemplateError(1, "the conditions are nested too deep") from error

    def render(self, values: Mapping[str, object]) -> str:
        """The text with the values in it, blank lines at its ends removed. Raises TemplateError."""
        try:
            return self._template.render(values).strip()
        except (JinjaError, TypeError, ValueError, ArithmeticError) as error:
            raise TemplateError(1, str(error)) from error


def _check(node: nodes.Node) -> None:
    for child in node.iter_child_nodes():
        if not isinstance(child, ALLOWED):
            raise TemplateError(child.lineno, f"{_words(child)} cannot be used in a mode")
        if isinstance(child, nodes.Filter) and child.name not in FILTERS:
            raise TemplateError(child.lineno, f"the filter {child.name} cannot be used in a mode")
        if isinstance(child, nodes.Test) and child.name not in TESTS:
            raise TemplateError(child.lineno, f"the test {child.name} cannot be used in a mode")
        _check(child)


def _words(node: nodes.Node) -> str:
    names = {
        nodes.For: "a loop",
        nodes.Getattr: "an attribute (a dot)",
        nodes.Getitem: "an item (square brackets)",
        nodes.Call: "a call",
        nodes.Macro: "a macro",
        nodes.Include: "include",
        nodes.Import: "import",
        nodes.Extends: "extends",
    }
    return next((words for kind, words in names.items() if isinstance(node, kind)), type(node).__name__.lower())
